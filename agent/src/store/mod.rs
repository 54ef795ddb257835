//! The store: batches put in, made durable by the barrier, read back up to the head.
//!
//! The store owns the log's directory, the head, the marker of an unclean stop, the reserve and the home's lock. It must
//! not know what an entry means: it moves frames. One [`Store`] writes; any number of [`StoreReader`]s read, and never
//! beyond what the last barrier made durable. Opening is guarded, because the engine below loses tails without a word
//! and breaks off on damage; see `open.rs`.

use std::{fs::File, path::PathBuf, sync::Arc};

use daybook_protocol::{
    batch::Frame,
    head::Head,
    ids::{Digest, Epoch, LogId, Sequence},
    tree::Frontier,
};

use crate::{crash, home::Home, verify::Places};

mod condemned;
mod disk;
mod engine;
mod error;
mod head_file;
mod mark;
mod open;
mod probe;
mod read;
mod salvage;
#[cfg(test)]
mod tests;

pub use condemned::{absolve, condemn, condemned};
pub use disk::{RECORD_BYTES_MIN, free_bytes, hold_reserve, holds_reserve, is_full, release_reserve};
pub use error::{EngineError, StoreError};
pub use probe::{PROBE_COMMAND, probe};
pub use read::{Frames, StoreReader};
pub use salvage::{Salvaged, salvage};

use engine::Engine;
use error::io;
use head_file::HeadFile;
use read::Shared;

/// The engine's cache where nothing else is said, in bytes. It takes up to about four times as much.
pub const CACHE_BYTES: u64 = 16 << 20;
/// The engine's cache where a store is walked or built once from end to end, in bytes: nothing is used twice.
const ONCE_CACHE_BYTES: u64 = 8 << 20;
/// What may be put in before it is synced, in bytes. The engine uses a segment again when what it held has been written
/// elsewhere, which it believes to be durable and is not; a sync each quarter of a segment at the most makes it true.
const UNSYNCED_BYTES_MAX: usize = 2 << 20;

/// Whether a log was ever made in this home.
pub fn exists(home: &Home) -> bool {
    home.log().exists() || home.head().exists()
}

/// Where [`crate::verify::verify`] finds the log of a home.
pub fn places(home: &Home) -> Places {
    Places { batches: Engine::file(&home.log()), head: home.head(), checkpoint: home.checkpoint() }
}

/// Keeps every other process from opening the log of a home, for as long as the file is held.
pub fn hold(home: &Home) -> Result<File, StoreError> {
    open::lock(home)
}

/// How many entries of a home's log are durable, as its head says at this moment; 0 where it says nothing. Nothing is opened.
pub fn durable_count(home: &Home) -> u64 {
    head_file::read(&home.head()).ok().flatten().map_or(0, |head| head.frontier.count())
}

/// The writing end of a log. Dropped without [`Store::close`], it leaves the mark of an unclean stop.
pub struct Store {
    home: Home,
    shared: Arc<Shared>,
    /// Our own handle of the engine's file: the engine never syncs it.
    batches: File,
    head_file: HeadFile,
    head: Head,
    /// Count and root with what was appended since the last barrier.
    end: (u64, Digest),
    unsynced_bytes: usize,
    /// What the engine writes next has its place on the disk already, so that a full disk is noticed before it.
    ahead: disk::Ahead,
    stopped: bool,
    /// Held as long as the store is open.
    _lock: File,
}

impl Store {
    /// Makes an empty log, its head and its reserve in a home that has none, and opens it.
    pub fn create(home: &Home, log: LogId, epoch: Epoch, reserve_bytes: u64) -> Result<Self, StoreError> {
        open::create(home, log, epoch, reserve_bytes)
    }

    /// Opens the log of a home. After a clean stop that is quick; otherwise the store is looked into first, and opened
    /// only if a copy of it opens in a process of its own with everything that was acknowledged. The engine takes up to
    /// about four times `cache_bytes`, and 40 MiB at the least.
    pub fn open(home: &Home, cache_bytes: u64) -> Result<Self, StoreError> {
        open::open(home, cache_bytes, probe::PROBE)
    }

    /// How far the log is durable: the head as of the last barrier.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Puts the next batch in. It is not durable, and no reader sees it, before [`Store::barrier`]. Where the disk has no
    /// room for it, it fails with [`StoreError::NoSpace`] and leaves the store as it was, good to be closed or to go on.
    pub fn append(&mut self, frame: &Frame) -> Result<(), StoreError> {
        self.working()?;
        let header = frame.header();
        if header.log != self.head.log || (header.first.0, header.previous_root) != self.end {
            return Err(self.out_of_step(header.first));
        }
        self.ahead.hold(&self.home, &self.batches)?;
        let appended = self.try_append(frame);
        self.or_stop(appended)
    }

    /// Makes durable what was appended, to the entry on which `frontier` stands, and then says so in the head. When it
    /// fails nothing is known about the disk: every later call is refused, and the next start finds out.
    pub fn barrier(&mut self, frontier: &Frontier, epoch: Epoch) -> Result<(), StoreError> {
        self.working()?;
        if (frontier.count(), frontier.root()) != self.end {
            return Err(self.out_of_step(Sequence(frontier.count())));
        }
        if frontier.count() == self.head.frontier.count() && epoch == self.head.epoch {
            return Ok(());
        }
        let synced = self.sync();
        self.or_stop(synced)?;
        self.write_head(frontier.clone(), epoch)?;
        self.shared.publish(frontier.count());
        Ok(())
    }

    /// Writes the next head, over the older slot. What it speaks of is durable.
    fn write_head(&mut self, frontier: Frontier, epoch: Epoch) -> Result<(), StoreError> {
        let head = Head { generation: self.head.generation + 1, log: self.head.log, epoch, frontier };
        let written = self.head_file.write(&head);
        self.or_stop(written)?;
        self.head = head;
        Ok(())
    }

    /// A reader of what is durable; it lives on, but reads nothing more, when the store is closed.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(Arc::clone(&self.shared))
    }

    /// Opens the engine once more so that it writes its snapshot, while readers wait: after a large import, so that a
    /// start after an unclean stop is quicker.
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        self.working()?;
        let renewed = self.sync().and_then(|()| self.shared.renew(Engine::has_grown));
        self.or_stop(renewed)
    }

    /// Stops in order: what was appended is synced, the engine closed, and that noted. On a full disk the reserve is given
    /// up for it.
    pub fn close(mut self) -> Result<(), StoreError> {
        if self.shared.condemned().is_some() {
            // Nothing more is written to a damaged log, and no mark says that it was closed in order.
            self.shared.close();
            return Ok(());
        }
        self.working()?;
        self.sync()?;
        // With a snapshot of all there is, the next opening walks the last segment only. It is not worth a failure.
        if disk::make_room(&self.home, open::OPENING_BYTES).is_ok() {
            self.shared.renew(Engine::has_grown)?;
        }
        self.shared.close();
        self.ahead.give_back(&self.batches);
        // The mark speaks of the file's bytes, and closing wrote some.
        self.batches.sync_data().map_err(io("syncing the batches", &Engine::file(&self.home.log())))?;
        disk::sync_directory(&self.home.log())?;
        mark::closed(&self.home, &self.head)
    }

    fn try_append(&mut self, frame: &Frame) -> Result<(), StoreError> {
        if self.unsynced_bytes + frame.bytes().len() > UNSYNCED_BYTES_MAX {
            self.sync()?;
        }
        // Opening writes a snapshot, and a disk that has no room for it would end this store.
        if disk::free_bytes(self.home.path())? >= open::OPENING_BYTES {
            self.shared.renew(Engine::is_full)?;
        }
        self.shared.with("adding a batch", |engine| engine.insert(frame))?;
        self.end = (frame.header().end().0, frame.header().root);
        self.unsynced_bytes += frame.bytes().len();
        Ok(())
    }

    /// Makes durable what was appended; the head does not say so yet.
    fn sync(&mut self) -> Result<(), StoreError> {
        self.shared.with("flushing", Engine::flush)?;
        crash::point("store.flush.after");
        let path = Engine::file(&self.home.log());
        crash::point("store.sync.before");
        self.batches.sync_data().map_err(io("syncing the batches", &path))?;
        // DURABLE: the batches appended so far. A start after a crash finds them and moves the head up to them.
        crash::point("store.sync.after");
        self.unsynced_bytes = 0;
        let blobs = engine::has_blobs(&self.home.log()).map_err(io("listing", &self.home.log()))?;
        if blobs { Err(StoreError::Blobs { home: self.home.path().to_owned() }) } else { Ok(()) }
    }

    fn working(&self) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped { home: self.home.path().to_owned() });
        }
        match self.shared.condemned() {
            Some(why) => Err(StoreError::Damaged { home: self.home.path().to_owned(), why, source: None }),
            None => Ok(()),
        }
    }

    /// A failure is final for this handle: after a failed sync the system may call the next one a success although the
    /// bytes were dropped.
    fn or_stop<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if outcome.is_err() {
            self.stopped = true;
            self.shared.stop();
        }
        outcome
    }

    fn out_of_step(&self, found: Sequence) -> StoreError {
        StoreError::OutOfStep { expected: Sequence(self.end.0), found }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Readers may outlive the store; the engine's file must not stay locked for their sake.
        self.shared.close();
    }
}

/// The engine's file, for syncing and nothing else.
fn open_batches(home: &Home) -> Result<File, StoreError> {
    let path: PathBuf = Engine::file(&home.log());
    File::options().read(true).write(true).open(&path).map_err(io("opening the batches", &path))
}
