//! The agent's end: takes commands from the socket and has them performed, each on a thread of its own.

use std::{
    fs::{self, Permissions},
    io::{self, BufReader, BufWriter, Read, Write as _},
    net::Shutdown,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::net::RecvFlags;

use super::{
    Answer, Asked, CONNECTIONS_MAX, ControlError, Handler, READ_WAIT, REQUEST_BYTES_MAX, STOP_WAIT, VERSION,
    WRITE_WAIT, limited_line, peer,
};
use crate::{
    cli::{Exit, Files, Offered, Screen, files::FILES_MAX},
    home::Home,
};

/// Who may speak to the agent by the socket: its owner.
const OWNER: u32 = 0o600;
/// And its group, where the data directory is the group's to write.
const GROUP: u32 = 0o060;
const GROUP_WRITES: u32 = 0o020;
/// Progress is told at most so often: a bar that moves faster is not seen to.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
const OUT_BYTES: usize = 64 * 1024;
/// After a failure to accept, such as too many open files, it is tried again after so long.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The socket being served. Dropped without [`Control::stop`] it goes on until the process ends.
pub struct Control {
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
    path: PathBuf,
}

struct Shared {
    listener: UnixListener,
    stopping: AtomicBool,
    /// The connections in hand; a client's place is empty once it is served.
    clients: Mutex<Vec<Option<Arc<UnixStream>>>>,
    served: Condvar,
}

/// Takes commands at the home's socket from here on. The caller holds the home's lock, so a socket file at which nobody
/// answers is that of a process that died, and is replaced.
pub fn serve(home: &Home, handler: Arc<dyn Handler>) -> Result<Control, ControlError> {
    let path = home.socket();
    let listener = listen(home, &path)?;
    let clients = Mutex::new(vec![None; CONNECTIONS_MAX]);
    let shared = Arc::new(Shared { listener, stopping: AtomicBool::new(false), clients, served: Condvar::new() });
    let accepting = Arc::clone(&shared);
    let acceptor = thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || accept(&accepting, &handler))
        .map_err(|source| ControlError::Listen { path: path.clone(), source })?;
    Ok(Control { shared, acceptor, path })
}

/// Makes the socket elsewhere and moves it into place, so that it is never there with other permissions than its own.
fn listen(home: &Home, path: &Path) -> Result<UnixListener, ControlError> {
    match UnixStream::connect(path) {
        Ok(_) => return Err(ControlError::Taken { path: path.to_owned() }),
        // Nobody could ever connect, although the place where it is made might be short enough.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Err(ControlError::LongPath { path: path.to_owned() });
        }
        Err(_) => {}
    }
    let make = || {
        let directory = fs::metadata(home.path())?;
        let aside = tempfile::Builder::new().prefix(".s").rand_bytes(4).tempdir_in(home.path())?;
        let made = aside.path().join("s");
        let listener = UnixListener::bind(&made)?;
        let groups = directory.mode() & GROUP_WRITES != 0 && fs::metadata(&made)?.gid() == directory.gid();
        fs::set_permissions(&made, Permissions::from_mode(if groups { OWNER | GROUP } else { OWNER }))?;
        fs::rename(&made, path)?;
        Ok(listener)
    };
    make().map_err(|source: io::Error| ControlError::Listen { path: path.to_owned(), source })
}

impl Control {
    /// Takes no more commands, tells those in hand to stop, waits for them for [`STOP_WAIT`] and then cuts them off. Unless
    /// one had to be cut off, nothing holds the handler any more when this returns.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = fs::remove_file(&self.path);
        // Wakes the thread that accepts.
        let woken = rustix::net::shutdown(&self.shared.listener, rustix::net::Shutdown::Both).is_ok();
        if woken && self.acceptor.join().is_err() {
            tracing::error!("the thread that takes commands had failed");
        }
        let until = Instant::now() + STOP_WAIT;
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        while clients.iter().any(Option::is_some) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!("commands still in hand are cut off");
                break;
            }
            clients = self.shared.served.wait_timeout(clients, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        for client in clients.iter().flatten() {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

fn accept(shared: &Arc<Shared>, handler: &Arc<dyn Handler>) {
    loop {
        let accepted = shared.listener.accept();
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        match accepted {
            Ok((stream, _)) => begin(shared, handler, stream),
            Err(error) => {
                tracing::warn!(%error, "cannot take a command");
                thread::sleep(ACCEPT_AGAIN);
            }
        }
    }
}

fn begin(shared: &Arc<Shared>, handler: &Arc<dyn Handler>, stream: UnixStream) {
    let stream = Arc::new(stream);
    let Some(place) = take_place(shared, &stream) else {
        return refuse(&stream, "daybook: too many commands at once: try again in a moment");
    };
    let (held, handler) = (Place { shared: Arc::clone(shared), place }, Arc::clone(handler));
    let spawned = thread::Builder::new().name("command".to_owned()).spawn(move || {
        // Given back in the other order: whoever sees the place empty may count on the handler being let go.
        let (held, handler) = (held, handler);
        if let Err(error) = converse(&held.shared, handler.as_ref(), &stream) {
            tracing::debug!(kind = ?error.kind(), "a client left before its answer was complete");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "cannot begin a command");
    }
}

fn take_place(shared: &Shared, stream: &Arc<UnixStream>) -> Option<usize> {
    let mut clients = shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
    let place = clients.iter().position(Option::is_none)?;
    clients.get_mut(place)?.replace(Arc::clone(stream));
    Some(place)
}

/// A place among the connections, given back when its thread ends, however that comes about.
struct Place {
    shared: Arc<Shared>,
    place: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get_mut(self.place) {
            *client = None;
        }
        self.shared.served.notify_all();
    }
}

fn converse(shared: &Shared, handler: &dyn Handler, stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(READ_WAIT))?;
    stream.set_write_timeout(Some(WRITE_WAIT))?;
    let peer = peer::user_of(stream)?;
    let mut from = BufReader::new(stream);
    let mut line = Vec::new();
    let asked = match limited_line(&mut from, REQUEST_BYTES_MAX, &mut line)? {
        Some(()) => understand(&line),
        None => Err("daybook: the command is too long".to_owned()),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(why) => {
            refuse(stream, &why);
            return Ok(());
        }
    };
    let mut files = Streamed { from, left: 0, next: 0, offered: asked.files };
    let out = BufWriter::with_capacity(OUT_BYTES, stream);
    let mut screen = SocketScreen { out, told_progress: None, broken: false, stopping: &shared.stopping };
    let exit = handler.perform(asked.request, &mut files, &peer::known(peer), &mut screen);
    screen.say(&Answer::Exit(exit as u8))?;
    screen.flush()
}

/// What the first line of a connection asks for. The error says, for the person at the other end, why it is not done.
pub fn understand(line: &[u8]) -> Result<Asked, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: String,
    }
    let version = serde_json::from_slice(line).map(|Version { version }| version);
    if version.as_ref().is_ok_and(|version| version != VERSION) {
        return Err(format!(
            "daybook: the running daybook is version {VERSION}: restart it, so that both are of one version"
        ));
    }
    let asked: Asked = serde_json::from_slice(line).map_err(|_| "daybook: this is not a command".to_owned())?;
    if asked.files.len() > FILES_MAX || !asked.request.command.is_served() {
        return Err("daybook: this command is not for a running daybook".to_owned());
    }
    Ok(asked)
}

fn refuse(mut stream: &UnixStream, why: &str) {
    for answer in [Answer::Note(why.to_owned()), Answer::Exit(Exit::CouldNot as u8)] {
        let Ok(mut line) = serde_json::to_vec(&answer) else { return };
        line.push(b'\n');
        if stream.write_all(&line).is_err() {
            return;
        }
    }
}

/// Files whose bytes come behind the request.
struct Streamed<'a> {
    from: BufReader<&'a UnixStream>,
    /// What is still to come of the file begun.
    left: u64,
    next: usize,
    offered: Vec<Offered>,
}

impl Read for Streamed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(piece) = buffer.get_mut(..want).filter(|piece| !piece.is_empty()) else { return Ok(0) };
        let read = self.from.read(piece)?;
        if read == 0 {
            let why = "the file was not handed over to its end";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl Files for Streamed<'_> {
    fn offered(&self) -> &[Offered] {
        &self.offered
    }

    fn next(&mut self) -> io::Result<Option<(Offered, Box<dyn Read + '_>)>> {
        io::copy(self, &mut io::sink())?;
        let Some(offered) = self.offered.get(self.next).cloned() else { return Ok(None) };
        self.next += 1;
        self.left = offered.bytes;
        Ok(Some((offered, Box::new(self))))
    }
}

struct SocketScreen<'a> {
    out: BufWriter<&'a UnixStream>,
    told_progress: Option<Instant>,
    broken: bool,
    stopping: &'a AtomicBool,
}

impl SocketScreen<'_> {
    fn say(&mut self, answer: &Answer) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        let said = self.out.write_all(&line);
        self.noticed(said)
    }

    /// After a failed write a part of a line may have been sent: nothing can follow it.
    fn noticed(&mut self, result: io::Result<()>) -> io::Result<()> {
        self.broken |= result.is_err();
        result
    }
}

impl Screen for SocketScreen<'_> {
    fn out(&mut self, line: &str) -> io::Result<()> {
        self.say(&Answer::Out(line.to_owned()))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.noticed(flushed)
    }

    fn note(&mut self, text: &str) {
        let _ = self.say(&Answer::Note(text.to_owned())).and_then(|()| self.flush());
    }

    fn progress(&mut self, done: u64, total: u64, what: &str) {
        let ended = total > 0 && done >= total;
        if ended || self.told_progress.is_none_or(|told| told.elapsed() >= PROGRESS_EVERY) {
            self.told_progress = Some(Instant::now());
            let _ = self.say(&Answer::Progress { done, total, what: what.to_owned() }).and_then(|()| self.flush());
        }
    }

    fn gone(&self) -> bool {
        if self.broken || self.stopping.load(Ordering::SeqCst) {
            return true;
        }
        // A client that closed its side, or was killed, reads as the end; one with nothing to say as "would block".
        let peeked = rustix::net::recv(self.out.get_ref(), &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        match peeked {
            Ok((_, bytes)) => bytes == 0,
            Err(error) => error != rustix::io::Errno::AGAIN && error != rustix::io::Errno::INTR,
        }
    }
}
