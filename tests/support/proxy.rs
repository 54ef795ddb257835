//! A line between agents and a central node that fails as lines do: each connection that comes takes the next fault of a
//! list; when there is none left, the line is good.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Never, as a number of bytes.
pub const NEVER: u64 = u64::MAX;
/// So much is passed on at a time: less than a message, so that messages are cut too.
const PIECE_BYTES: usize = 4096;

/// What goes wrong on a connection; numbers of bytes are those that pass before it does.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It is cut, as soon as so much has gone in one of the directions.
    Cut { towards: u64, back: u64 },
    /// One direction stalls, until the line is released.
    Stall { towards: u64, back: u64 },
    /// Every piece is this long under way.
    Delay(Duration),
    /// What opens it comes to the central node twice.
    Duplicate,
    /// Nobody answers.
    HalfOpen,
}

/// Such a line.
pub struct Proxy {
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    central: String,
    faults: Mutex<VecDeque<Fault>>,
    connections: AtomicU64,
    towards: AtomicU64,
    released: Mutex<bool>,
    release: Condvar,
}

impl Proxy {
    /// A line to `central` with these faults, one a connection.
    pub fn start(central: &str, faults: &[Fault]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            central: central.to_owned(),
            faults: Mutex::new(faults.iter().copied().collect()),
            connections: AtomicU64::new(0),
            towards: AtomicU64::new(0),
            released: Mutex::new(false),
            release: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            let mut unanswered = Vec::new();
            for agent in listener.incoming().map_while(Result::ok) {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let fault = serving.faults.lock().expect("no panic").pop_front();
                if matches!(fault, Some(Fault::HalfOpen)) {
                    unanswered.push(agent);
                } else if let Ok(central) = TcpStream::connect(&serving.central) {
                    serve(&serving, agent, central, fault);
                }
            }
        });
        Self { address, shared }
    }

    /// The next connections fail so.
    pub fn then(&self, faults: &[Fault]) {
        self.shared.faults.lock().expect("no panic").extend(faults);
    }

    /// So many connections came.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// So many faults did not happen yet.
    pub fn faults_left(&self) -> usize {
        self.shared.faults.lock().expect("no panic").len()
    }

    /// So many bytes have gone to the central node, on all connections.
    pub fn passed(&self) -> u64 {
        self.shared.towards.load(Ordering::SeqCst)
    }

    /// Whatever stalls goes on.
    pub fn release(&self) {
        *self.shared.released.lock().expect("no panic") = true;
        self.shared.release.notify_all();
    }
}

fn serve(shared: &Arc<Shared>, agent: TcpStream, central: TcpStream, fault: Option<Fault>) {
    let other = |stream: &TcpStream| stream.try_clone().expect("a socket");
    let (towards, back) = match fault {
        Some(Fault::Cut { towards, back } | Fault::Stall { towards, back }) => (towards, back),
        _ => (NEVER, NEVER),
    };
    let twice = matches!(fault, Some(Fault::Duplicate)).then(|| TcpStream::connect(&shared.central).expect("a line"));
    let one =
        Pump { shared: Arc::clone(shared), from: other(&agent), to: other(&central), limit: towards, fault, twice };
    let two = Pump { shared: Arc::clone(shared), from: central, to: agent, limit: back, fault, twice: None };
    thread::spawn(move || one.run(true));
    thread::spawn(move || two.run(false));
}

/// One direction of a connection.
struct Pump {
    shared: Arc<Shared>,
    from: TcpStream,
    to: TcpStream,
    limit: u64,
    fault: Option<Fault>,
    /// Where the first piece goes as well.
    twice: Option<TcpStream>,
}

impl Pump {
    fn run(mut self, towards: bool) {
        let (mut passed, mut first) = (0, true);
        let mut bytes = [0; PIECE_BYTES];
        loop {
            if passed == self.limit && !self.reached_limit() {
                break;
            }
            let room = usize::try_from(self.limit - passed).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let Ok(read @ 1..) = self.from.read(&mut bytes[..room]) else { break };
            if let Some(Fault::Delay(delay)) = self.fault {
                // The fault itself; nobody waits for it.
                thread::sleep(delay);
            }
            if let Some(twice) = self.twice.as_mut().filter(|_| first) {
                twice.write_all(&bytes[..read]).expect("the central node listens");
            }
            if self.to.write_all(&bytes[..read]).is_err() {
                break;
            }
            first = false;
            passed += read as u64;
            if towards {
                self.shared.towards.fetch_add(read as u64, Ordering::SeqCst);
            }
        }
        let _ = (self.from.shutdown(Shutdown::Both), self.to.shutdown(Shutdown::Both));
    }

    /// Whether it goes on behind the limit, once it does.
    fn reached_limit(&mut self) -> bool {
        if matches!(self.fault, Some(Fault::Cut { .. })) {
            return false;
        }
        let released = self.shared.released.lock().expect("no panic");
        drop(self.shared.release.wait_while(released, |released| !*released).expect("no panic"));
        self.limit = NEVER;
        true
    }
}
