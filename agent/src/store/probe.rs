//! Opening a copy of a suspect store in a process of its own, because the engine may break off, or hang, on damage.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use daybook_protocol::ids::{Digest, Sequence};

use super::{
    engine::{self, Engine},
    error::StoreError,
};

/// The hidden command by which this program opens a copy of a suspect store: `daybook probe-store DIR` prints what
/// [`probe`] gives and exits 0, or exits otherwise.
pub const PROBE_COMMAND: &str = "probe-store";
/// The engine is opened anew whenever four times as much has gone through it: a few times in a large store, rather than many.
const PROBE_CACHE_BYTES: u64 = 32 << 20;
/// A copy that has not opened in this time, and this much longer for each GiB, never will: it takes a few seconds.
const PROBE_SECONDS: u64 = 60;
const PROBE_SECONDS_GIB: u64 = 60;

/// Opens the copy of a store in a directory, out of harm's way, and gives the number of entries in it or what is wrong.
/// Fails itself only if the question could not be asked.
pub(super) type Probe = fn(&Path) -> io::Result<Result<u64, String>>;

/// The way to ask.
#[cfg(not(test))]
pub(super) const PROBE: Probe = |directory| in_child(&std::env::current_exe()?, directory);
/// The way to ask: in a unit test the program that runs is not `daybook`.
#[cfg(test)]
pub(super) const PROBE: Probe = in_thread;

/// Opens a copy of a store and walks it; gives how many entries it has in one run from the first. Breaks off the process
/// where the engine does: it is for a process of its own, and writes to the directory.
pub fn probe(directory: &Path) -> Result<u64, StoreError> {
    let failed = |source| StoreError::Engine { home: directory.to_owned(), doing: "opening a copy", source };
    engine::clear_leftovers(directory).map_err(super::error::io("removing a leftover", directory))?;
    let mut engine = Engine::open(directory, PROBE_CACHE_BYTES).map_err(failed)?;
    let (mut count, mut root) = (0, Digest::of(b""));
    // Whether the bytes of each batch are right is found by whoever asks, in the file that this one is a copy of.
    while let Some(header) = engine.header(Sequence(count)).map_err(failed)? {
        if header.first.0 != count || header.previous_root != root {
            break;
        }
        (count, root) = (header.end().0, header.root);
        if engine.is_full() {
            engine.renew().map_err(failed)?;
        }
    }
    Ok(count)
}

/// Asks a child process, which may die of it.
pub(super) fn in_child(program: &Path, directory: &Path) -> io::Result<Result<u64, String>> {
    let gib = fs::metadata(Engine::file(directory))?.len() >> 30;
    let limit = Duration::from_secs(PROBE_SECONDS + gib * PROBE_SECONDS_GIB);
    let mut child = Command::new(program)
        .arg(PROBE_COMMAND)
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (sender, answer) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut text = String::new();
            let read = stdout.take(64).read_to_string(&mut text).map(|_| text);
            // Nobody listens any more when the time is up.
            drop(sender.send(read));
        });
    }
    let Ok(text) = answer.recv_timeout(limit) else {
        child.kill()?;
        child.wait()?;
        return Ok(Err("a copy of it does not open in time".to_owned()));
    };
    let status = child.wait()?;
    Ok(match text?.trim().parse() {
        Ok(count) if status.success() => Ok(count),
        _ => Err(format!("a copy of it does not open: {status}")),
    })
}

/// Asks a thread of this process.
#[cfg(test)]
fn in_thread(directory: &Path) -> io::Result<Result<u64, String>> {
    let directory = directory.to_owned();
    let asked = thread::Builder::new().spawn(move || probe(&directory).map_err(|error| error.to_string()))?;
    Ok(asked.join().unwrap_or_else(|_| Err("a copy of it does not open".to_owned())))
}
