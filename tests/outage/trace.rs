//! What a run of the program asked of the file system, as strace wrote it down.
//!
//! A change is taken to have happened when its call ended, and a sync to cover what had ended before it began: of calls on
//! two threads the order that makes less durable. Writes through memory that is mapped would not be seen here, so that they
//! are refused, but for the `-shm` of `SQLite`: that is an index of its write-ahead log, which it makes anew after a crash, and it
//! is no part of what comes back after a cut.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead as _, Read as _, Seek as _, SeekFrom},
    path::Path,
    process::Command,
    sync::Arc,
};

use super::call::{self, Call};

/// Everything by which a file or a name can be made, changed or made durable, and what is said.
const CALLS: &str = "trace=open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,truncate,ftruncate,fallocate,\
                     rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,mmap,\
                     copy_file_range,sendfile,splice,fsync,fdatasync,sync,syncfs,msync,bind";

/// One step of a run. Paths are below the place that was watched.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A command of the recording begins.
    Began { step: usize },
    /// A file or directory was made.
    Made { path: String, directory: bool },
    /// A socket was given a name.
    Bound { path: String },
    /// Bytes were written.
    Wrote { path: String, at: u64, bytes: Arc<[u8]> },
    /// A file was cut or extended to this length.
    Resized { path: String, bytes: u64 },
    /// A file was made at least this long.
    Extended { path: String, bytes: u64 },
    /// A name was given to what had another.
    Renamed { from: String, to: String },
    /// A second name was given.
    Linked { from: String, to: String },
    /// A name was removed.
    Removed { path: String },
    /// A file or directory was made durable: what had happened to it before event `begun`.
    Synced { path: String, begun: usize },
    /// Something was printed.
    Said { text: String },
}

/// The program under strace, which writes to `trace`. The tracer stands beside, so that signals reach the program.
pub(crate) fn traced(program: &Command, trace: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-y", "-s", "1000000000", "-e", CALLS, "-o"]).arg(trace);
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The trace once it is there to its end: its first process has ended, which strace says last of all.
pub(crate) fn ended(trace: &Path) -> Option<Vec<u8>> {
    let mut file = File::open(trace).ok()?;
    let (mut first, mut last) = ([0; 24], Vec::new());
    let bytes = file.metadata().ok()?.len();
    file.read_exact(&mut first).ok()?;
    file.seek(SeekFrom::Start(bytes.saturating_sub(400))).ok()?;
    file.read_to_end(&mut last).ok()?;
    let first = first.split(|byte| *byte == b' ').next()?;
    let ended = |line: &[u8]| line.starts_with(first) && line.windows(4).any(|four| four == b" +++");
    last.split(|byte| *byte == b'\n').any(ended).then(|| fs::read(trace).expect("a trace"))
}

/// Puts the events of a trace behind those that are there.
pub(crate) fn read(trace: &[u8], root: &str, events: &mut Vec<Event>) {
    let mut reader = Reader { root, events, positions: HashMap::new(), begun: HashMap::new() };
    let (mut rest, mut line) = (trace, Vec::new());
    while rest.read_until(b'\n', &mut line).expect("memory") > 0 {
        reader.line(line.trim_ascii_end());
        line.clear();
    }
}

struct Reader<'a> {
    root: &'a str,
    events: &'a mut Vec<Event>,
    /// Where the next `write` to a path goes. Each file has one writer at a time.
    positions: HashMap<String, u64>,
    /// Calls under way by thread: their beginning, and how many events there were then.
    begun: HashMap<Vec<u8>, (Vec<u8>, usize)>,
}

impl Reader<'_> {
    fn line(&mut self, line: &[u8]) {
        let Some(space) = line.iter().position(|byte| *byte == b' ') else { return };
        let (thread, rest) = line.split_at(space);
        let rest = rest.trim_ascii_start();
        if rest.starts_with(b"<...") {
            let Some((mut call, begun)) = self.begun.remove(thread) else { return };
            let end = rest.windows(8).position(|eight| eight == b"resumed>").expect("a call that goes on") + 8;
            call.extend_from_slice(&rest[end..]);
            self.call(&call, begun);
        } else if let Some(call) = rest.strip_suffix(b"<unfinished ...>") {
            self.begun.insert(thread.to_owned(), (call.trim_ascii_end().to_owned(), self.events.len()));
        } else if !rest.starts_with(b"+++") && !rest.starts_with(b"---") {
            self.call(rest, self.events.len());
        }
    }

    fn call(&mut self, call: &[u8], begun: usize) {
        let Some(open) = call.iter().position(|byte| *byte == b'(') else { return };
        let name = String::from_utf8_lossy(&call[..open]).into_owned();
        let (parts, outcome) = call::parts(&call[open + 1..]);
        let outcome = String::from_utf8_lossy(outcome).into_owned();
        let Some(result) = outcome.trim_start().strip_prefix("= ") else { return };
        if result.starts_with('-') || result.starts_with('?') {
            return;
        }
        let Call { paths, words, bytes } = Call::of(&name, &parts);
        if words.first().is_some_and(|word| word.ends_with("(deleted)")) {
            return;
        }
        let number = |place: usize| words.get(place).and_then(|word| word.parse::<u64>().ok()).expect("a number");
        let done = || result.split([' ', '<']).next().and_then(|word| word.parse::<u64>().ok()).expect("a count");
        let path = |place: usize| paths.get(place).and_then(|path| self.below(path));
        let events = match name.as_str() {
            "open" | "openat" | "openat2" | "creat" => {
                path(0).map(|path| self.opened(path, &words)).unwrap_or_default()
            }
            "write" | "writev" if words.first().is_some_and(|word| word.starts_with("1<")) => {
                vec![Event::Said { text: String::from_utf8_lossy(&bytes).into_owned() }]
            }
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" => match path(0) {
                Some(path) => {
                    let at = if name.starts_with('p') { Some(number(words.len() - 1)) } else { None };
                    vec![self.wrote(path, at, &bytes[..usize::try_from(done()).expect("a length")])]
                }
                None => Vec::new(),
            },
            "ftruncate" | "truncate" => {
                path(0).map(|path| Event::Resized { path, bytes: number(words.len() - 1) }).into_iter().collect()
            }
            "fallocate" => {
                path(0).map(|path| Event::Extended { path, bytes: number(2) + number(3) }).into_iter().collect()
            }
            "mkdir" | "mkdirat" => path(0).map(|path| Event::Made { path, directory: true }).into_iter().collect(),
            "bind" => path(0).map(|path| Event::Bound { path }).into_iter().collect(),
            "unlink" | "unlinkat" | "rmdir" => path(0).map(|path| Event::Removed { path }).into_iter().collect(),
            "rename" | "renameat" | "renameat2" => match (path(0), path(1)) {
                (Some(from), Some(to)) => vec![Event::Renamed { from, to }],
                (None, None) => Vec::new(),
                outside => unreachable!("a rename over the border of what is watched: {outside:?}"),
            },
            "link" | "linkat" => {
                path(0).zip(path(1)).map(|(from, to)| Event::Linked { from, to }).into_iter().collect()
            }
            "fsync" | "fdatasync" => path(0).map(|path| Event::Synced { path, begun }).into_iter().collect(),
            // The copy of a store that a child looks into: nobody asks for its bytes after a cut, so zeros do for them.
            "copy_file_range" | "sendfile" => {
                let to = if name == "sendfile" { path(0) } else { path(1) };
                to.map(|path| Event::Extended { path, bytes: done() }).into_iter().collect()
            }
            "mmap" => {
                let writes = words.iter().any(|word| word.contains("MAP_SHARED"))
                    && words.iter().any(|word| word.contains("PROT_WRITE"));
                let path = path(0).filter(|path| writes && !path.ends_with("-shm"));
                assert!(path.is_none(), "{path:?} is written through memory, which is not seen");
                Vec::new()
            }
            _ => {
                path(0).map_or_else(Vec::new, |path| unreachable!("{name} of {path} is a call that is not known here"))
            }
        };
        self.events.extend(events);
    }

    fn opened(&mut self, path: String, words: &[String]) -> Vec<Event> {
        let flags = words.iter().find(|word| word.starts_with("O_")).cloned().unwrap_or_default();
        assert!(
            !flags.contains("O_SYNC") && !flags.contains("O_DSYNC") && !flags.contains("O_APPEND"),
            "{path}: {flags}"
        );
        if !flags.contains("O_WRONLY") && !flags.contains("O_RDWR") {
            return Vec::new();
        }
        self.positions.insert(path.clone(), 0);
        let mut events = Vec::new();
        if flags.contains("O_CREAT") {
            events.push(Event::Made { path: path.clone(), directory: false });
        }
        if flags.contains("O_TRUNC") {
            events.push(Event::Resized { path, bytes: 0 });
        }
        events
    }

    fn wrote(&mut self, path: String, at: Option<u64>, bytes: &[u8]) -> Event {
        let at = at.unwrap_or_else(|| {
            let position = self.positions.entry(path.clone()).or_default();
            let at = *position;
            *position += bytes.len() as u64;
            at
        });
        Event::Wrote { path, at, bytes: bytes.into() }
    }

    /// The path from what is watched: the data directory, the drop folder and the directory that both are in; `None` for
    /// one elsewhere.
    fn below(&self, path: &str) -> Option<String> {
        let below = path.strip_prefix(self.root)?;
        let below = if below.is_empty() { below } else { below.strip_prefix('/')? };
        let watched = matches!(below.split('/').next(), Some("" | "data" | "drop"));
        watched.then(|| below.to_owned())
    }
}
