//! Which copies are open: each has a thread of its own, is opened when its agent connects, and is closed some time after
//! the agent has left.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use daybook_protocol::{ids::LogId, wire::Refusal};
use tokio::sync::mpsc;

use super::{Inner, archive, locked};
use crate::{
    durable,
    replicate::{LogCopy, Refused, now},
};

/// At most this many copies are open at once: each costs some 20 MB.
pub const COPIES_OPEN_MAX: usize = 64;
/// A copy stays open for this long after its agent has left, so that a bad line does not open it again and again.
pub const LINGER: Duration = Duration::from_mins(1);

/// The copies that are open.
#[derive(Default)]
pub(super) struct Copies(Mutex<HashMap<LogId, Copying>>);

struct Copying {
    /// `None` once the thread was told to close.
    requests: Option<mpsc::Sender<archive::Request>>,
    thread: JoinHandle<()>,
    connections: usize,
    left_at: Instant,
}

impl Copying {
    fn open(&self) -> Option<&mpsc::Sender<archive::Request>> {
        self.requests.as_ref().filter(|requests| !requests.is_closed())
    }
}

impl Copies {
    /// The thread that keeps the copy of `log`, started if there is none. Each call is to be followed by one of
    /// [`Copies::leave`].
    pub(super) fn enter(&self, inner: &Arc<Inner>, log: LogId) -> Result<mpsc::Sender<archive::Request>, Refused> {
        let mut copies = locked(&self.0);
        if let Some(copying) = copies.get_mut(&log)
            && let Some(requests) = copying.open().cloned()
        {
            copying.connections += 1;
            return Ok(requests);
        }
        let before = copies.remove(&log);
        copies.retain(|_, copying| !copying.thread.is_finished());
        if copies.len() >= COPIES_OPEN_MAX {
            // Those whose agents have left give way; the agent that asks now finds room when it comes again.
            close_idle(&mut copies, Duration::ZERO);
            copies.extend(before.map(|before| (log, before)));
            return Err(Refused::new(
                Refusal::Busy,
                format!("{COPIES_OPEN_MAX} agents are connected, and that is as many as one central node takes"),
            ));
        }
        let connections = before.as_ref().map_or(0, |before| before.connections) + 1;
        let home = inner.home.copy_of(log);
        let readers = Arc::clone(inner);
        let started = archive::start(
            before.map(|before| before.thread),
            move || {
                let copy = LogCopy::keep(&home, log)?;
                // So that `verify` and `export` of the copy can check what was signed for it.
                let verifier = readers.authority.signer().verifier().to_string();
                durable::write_whole(&home.verifier(), verifier.as_bytes())?;
                locked(&readers.readers).insert(log, copy.reader());
                Ok(copy)
            },
            LogCopy::close,
            surroundings(inner, log),
        );
        let (requests, thread) = started.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "no thread can be started");
            Refused::new(Refusal::Busy, "the central node has no room for another log now")
        })?;
        let copying = Copying { requests: Some(requests.clone()), thread, connections, left_at: Instant::now() };
        copies.insert(log, copying);
        Ok(requests)
    }

    /// A connection has let go of the copy of `log`.
    pub(super) fn leave(&self, log: LogId) {
        if let Some(copying) = locked(&self.0).get_mut(&log) {
            copying.connections = copying.connections.saturating_sub(1);
            copying.left_at = Instant::now();
        }
    }

    /// Tells the copies whose agents left more than `idle` ago to close.
    pub(super) fn sweep(&self, idle: Duration) {
        close_idle(&mut locked(&self.0), idle);
    }

    /// Closes every copy and waits for it; all connections must have ended before.
    pub(super) fn close(&self) {
        let copies: Vec<_> = locked(&self.0).drain().map(|(_, copying)| copying.thread).collect();
        for thread in copies {
            // One that panicked has said so; the others are still to be waited for.
            let _ = thread.join();
        }
    }
}

fn close_idle(copies: &mut HashMap<LogId, Copying>, idle: Duration) {
    for copying in copies.values_mut().filter(|copying| copying.connections == 0 && copying.left_at.elapsed() >= idle) {
        copying.requests = None;
    }
}

fn surroundings(inner: &Arc<Inner>, log: LogId) -> archive::Surroundings {
    // The thread must not keep alive what keeps the thread alive.
    let (authority, inner) = (Arc::clone(&inner.authority), Arc::downgrade(inner));
    archive::Surroundings {
        sign: Box::new(move |checkpoint| checkpoint.sign(authority.signer())),
        moved: Box::new(move |mirrored| {
            if let Some(inner) = inner.upgrade() {
                locked(&inner.positions).insert(log, mirrored.clone());
            }
        }),
        now,
    }
}
