//! Reading back: never beyond the last barrier, every frame checked.

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

use daybook_protocol::{
    batch::{BatchError, Frame},
    entry::Entry,
    ids::{Digest, LogId, Sequence},
};

use super::{
    condemned,
    engine::Engine,
    error::{EngineError, StoreError},
};
use crate::home::Home;

/// No single wait is longer: some callers mean "for ever" by a number that a clock cannot hold.
const WAIT_MAX: Duration = Duration::from_hours(24);

/// What the writing end and the readers have in common.
pub(super) struct Shared {
    home: PathBuf,
    log: LogId,
    /// Taken for writing only to close the engine or to open it once more.
    engine: RwLock<Option<Engine>>,
    durable: Mutex<Durable>,
    moved: Condvar,
    /// Why nothing more is written, where the log's bytes were found damaged.
    condemned: Mutex<Option<String>>,
}

#[derive(Clone, Copy)]
struct Durable {
    count: u64,
    open: bool,
}

impl Shared {
    pub(super) fn new(home: PathBuf, log: LogId, engine: Engine, count: u64) -> Self {
        let durable = Mutex::new(Durable { count, open: true });
        Self {
            home,
            log,
            engine: RwLock::new(Some(engine)),
            durable,
            moved: Condvar::new(),
            condemned: Mutex::default(),
        }
    }

    /// Does something with the engine; `doing` stands in the error.
    pub(super) fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Engine) -> Result<T, EngineError>,
    ) -> Result<T, StoreError> {
        let engine = self.engine();
        let Some(engine) = engine.as_ref() else { return Err(StoreError::Stopped { home: self.home.clone() }) };
        work(engine).map_err(|source| StoreError::Engine { home: self.home.clone(), doing, source })
    }

    /// Opens the engine anew if `is_due` says so. If that fails nothing more is read or written.
    pub(super) fn renew(&self, is_due: fn(&Engine) -> bool) -> Result<(), StoreError> {
        if !self.with("looking", |engine| Ok(is_due(engine)))? {
            return Ok(());
        }
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have done it while this one waited.
        let Some(open) = engine.as_mut().filter(|engine| is_due(engine)) else { return Ok(()) };
        let renewed = open.renew();
        renewed.map_err(|source| {
            *engine = None;
            self.stop();
            StoreError::Engine { home: self.home.clone(), doing: "opening again", source }
        })
    }

    /// Closes the engine for good.
    pub(super) fn close(&self) {
        self.stop();
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Lets the readers see `count` entries.
    pub(super) fn publish(&self, count: u64) {
        self.durable().count = count;
        self.moved.notify_all();
    }

    /// Wakes who waits: no more entries will come.
    pub(super) fn stop(&self) {
        self.durable().open = false;
        self.moved.notify_all();
    }

    /// Why nothing more is written, if so.
    pub(super) fn condemned(&self) -> Option<String> {
        self.condemned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_condemned(&self, why: Option<String>) {
        *self.condemned.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn engine(&self) -> RwLockReadGuard<'_, Option<Engine>> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what is durable. Cheap to clone.
#[derive(Clone)]
pub struct StoreReader(Arc<Shared>);

impl StoreReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// The log that is read.
    pub fn log(&self) -> LogId {
        self.0.log
    }

    /// How many entries are durable, by the head.
    pub fn count(&self) -> u64 {
        self.0.durable().count
    }

    /// Whether more entries may come: false once the store was closed or has stopped.
    pub fn is_open(&self) -> bool {
        self.0.durable().open
    }

    /// Why nothing more is written to this log, where its bytes were found damaged.
    pub fn condemned(&self) -> Option<String> {
        self.0.condemned()
    }

    /// Has nothing more written to this log, whose bytes were found damaged: not by who has it open, nor after a start. It
    /// can still be read as far as that goes.
    pub fn condemn(&self, why: &str) -> Result<(), StoreError> {
        self.0.set_condemned(Some(why.to_owned()));
        condemned::condemn(&Home::new(&self.0.home), why)
    }

    /// Takes that back: the log was hashed from end to end and is good.
    pub fn absolve(&self) -> Result<(), StoreError> {
        condemned::absolve(&Home::new(&self.0.home))?;
        self.0.set_condemned(None);
        Ok(())
    }

    /// The batches from the one that holds `from` to the last one that is durable now. Ends with the first error.
    pub fn frames(&self, from: Sequence) -> Frames {
        Frames { shared: Arc::clone(&self.0), next: from, root: None, until: self.count() }
    }

    /// The entry at a place; `None` beyond what is durable.
    pub fn entry(&self, at: Sequence) -> Result<Option<Entry>, StoreError> {
        let Some(frame) = self.frames(at).next() else { return Ok(None) };
        let frame = frame?;
        let unreadable =
            |source| StoreError::Unreadable { home: self.0.home.clone(), at, source: Some(EngineError::Batch(source)) };
        for raw in frame.raw_entries() {
            let (sequence, bytes) = raw.map_err(unreadable)?;
            if sequence != at {
                continue;
            }
            let entry = Entry::decode(bytes).map_err(|source| unreadable(BatchError::Entry { sequence, source }))?;
            if entry.sequence != at {
                return Err(unreadable(BatchError::Malformed("an entry names another place")));
            }
            return Ok(Some(entry));
        }
        Err(StoreError::Unreadable { home: self.0.home.clone(), at, source: None })
    }

    /// Waits until more than `count` entries are durable, at most for `timeout`, and gives how many are. Returns at once
    /// when no more can come, see [`StoreReader::is_open`].
    pub fn wait_beyond(&self, count: u64, timeout: Duration) -> u64 {
        let deadline = Instant::now() + timeout.min(WAIT_MAX);
        let mut durable = self.0.durable();
        while durable.count <= count && durable.open {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            durable = self.0.moved.wait_timeout(durable, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        durable.count
    }
}

/// Batches in order; see [`StoreReader::frames`].
pub struct Frames {
    shared: Arc<Shared>,
    next: Sequence,
    /// The root before the next batch, once one was read.
    root: Option<Digest>,
    until: u64,
}

impl Iterator for Frames {
    type Item = Result<Frame, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next.0 >= self.until {
            return None;
        }
        let at = self.next;
        if let Err(error) = self.shared.renew(Engine::is_full) {
            return Some(self.end(error));
        }
        let read = self.shared.with("reading", |engine| match self.root {
            // The first one may begin before the place that was asked for.
            None => engine.batch_before(at.plus(1)),
            Some(_) => engine.batch(at),
        });
        let home = || self.shared.home.clone();
        let frame = match read {
            Ok(Some(frame)) if self.continues(&frame) => frame,
            Ok(_) => return Some(self.end(StoreError::Unreadable { home: home(), at, source: None })),
            Err(StoreError::Engine { source, .. }) => {
                return Some(self.end(StoreError::Unreadable { home: home(), at, source: Some(source) }));
            }
            Err(other) => return Some(self.end(other)),
        };
        self.next = frame.header().end();
        self.root = Some(frame.header().root);
        Some(Ok(frame))
    }
}

impl Frames {
    fn continues(&self, frame: &Frame) -> bool {
        let header = frame.header();
        let holds = header.first <= self.next && self.next < header.end();
        let follows = self.root.is_none_or(|root| header.first == self.next && header.previous_root == root);
        header.log == self.shared.log && holds && follows
    }

    fn end<T>(&mut self, error: StoreError) -> Result<T, StoreError> {
        self.until = 0;
        Err(error)
    }
}
