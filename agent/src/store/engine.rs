//! The storage engine. The only file that names sled (0.34.7: what is known about it stands in the design).
//!
//! One value a batch under its first sequence, in a file that only grows. The engine panics on damage, so that every call
//! is caught; it reports nothing to have been made durable, because its flush is not (see [`super::Store::barrier`]).
//!
//! # Leaves
//! A leaf with more than 16 keys is split in the middle, and both halves are written anew with all that they hold: left to
//! itself the engine writes every batch three times. So a leaf is split off while there is nothing in it, by *bounds*: empty
//! values under a sequence and one byte more. Eight stand where a leaf is to end, and so at the front of the one behind it;
//! with a ninth at that one's own end they are the half below the split, and the next eight the half above. They leave a leaf
//! room for seven batches, which are then written once. A bound is no batch, and none is ever read as one.

use std::{
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use daybook_protocol::{
    batch::{Frame, Header},
    ids::Sequence,
};

use super::error::EngineError;

/// Fixed for ever when a store is made. A value over a quarter of a segment, a leaf of 17 values together, would go into a
/// file of its own that is never synced: with this size a frame stays below that.
const SEGMENT_BYTES: usize = 8 << 20;
/// The engine breaks off when it is given less.
const CACHE_BYTES_MIN: u64 = 256;
/// The engine's cache is 256 caches, of which each keeps the page it used last and forgets others only at every 64th
/// use. With pages as large as ours that is hundreds of megabytes whatever it was given, so the engine is opened anew when
/// so many times its cache has gone through it.
const THROUGH_FACTOR: u64 = 4;
/// Opening anew takes a tenth of a second; this much has to pass between two times.
const THROUGH_BYTES_MIN: u64 = 32 << 20;
/// The engine lets go of its file a moment after it was closed. Whoever opens it again holds our own lock already, so
/// that waiting this long for it is waiting for ourselves.
const LETTING_GO_MAX: Duration = Duration::from_secs(10);
const LETTING_GO_PAUSE: Duration = Duration::from_millis(5);

/// A split leaves nine of seventeen keys below it and eight above, so that these are as few bounds as split a leaf.
const BOUNDS_BELOW: u8 = 9;
const BOUNDS_ABOVE: u8 = 8;
/// How many batches a leaf has room for beside its bounds before it is split. After nine the engine would write it anew
/// too, to have it in one place.
const LEAF_BATCHES: u64 = 7;

const _: () = assert!(17 * (daybook_protocol::batch::FRAME_BYTES_MAX + 64) < SEGMENT_BYTES / 4);

/// An open store of batches.
pub(super) struct Engine {
    db: Option<sled::Db>,
    config: sled::Config,
    /// How many bytes were put in or read since it was opened, and how many may be.
    through_bytes: AtomicU64,
    through_bytes_max: u64,
    /// Whether anything was put in since it was opened.
    grown: AtomicBool,
}

impl Engine {
    /// The file in a store's directory that holds the batches.
    pub(super) fn file(directory: &Path) -> PathBuf {
        directory.join("db")
    }

    /// Makes a new store in `directory`.
    pub(super) fn create(directory: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        Self::start(&config(directory, cache_bytes).create_new(true), directory, cache_bytes)
    }

    /// Opens the store in `directory`, and in doing so writes a snapshot of it. Overwrites what it takes for torn.
    pub(super) fn open(directory: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        Self::start(&config(directory, cache_bytes), directory, cache_bytes)
    }

    fn start(first: &sled::Config, directory: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        let db = Some(open(first)?);
        // The engine complains where a configuration is changed that was opened with, so this is another one.
        let config = config(directory, cache_bytes);
        let through_bytes_max = cache_bytes.saturating_mul(THROUGH_FACTOR).max(THROUGH_BYTES_MIN);
        let (through_bytes, grown) = (AtomicU64::new(0), AtomicBool::new(false));
        Ok(Self { db, config, through_bytes, through_bytes_max, grown })
    }

    /// Whether it is time to [`Engine::renew`], lest memory grow with the log.
    pub(super) fn is_full(&self) -> bool {
        self.through_bytes.load(Ordering::Relaxed) > self.through_bytes_max
    }

    /// Whether there is more in the store than in the snapshot that was written when it was opened.
    pub(super) fn has_grown(&self) -> bool {
        self.grown.load(Ordering::Relaxed)
    }

    /// Closes the store and opens it anew, which empties its cache and writes a snapshot. Closing syncs what was put in.
    pub(super) fn renew(&mut self) -> Result<(), EngineError> {
        let last = self.last_batch()?;
        self.close();
        self.db = Some(open(&self.config)?);
        self.grown.store(false, Ordering::Relaxed);
        // The engine says nothing when it loses a tail while opening.
        let same = self.last_batch()? == last;
        self.through_bytes.store(0, Ordering::Relaxed);
        if same { Ok(()) } else { Err(EngineError::Shorter) }
    }

    /// Puts a batch in; it is durable after the barrier only.
    pub(super) fn insert(&self, frame: &Frame) -> Result<(), EngineError> {
        let Header { first, count, .. } = *frame.header();
        self.call(|db| {
            split_off_leaf(db, first, count)?;
            db.insert(key(first), frame.bytes())
        })?;
        self.grown.store(true, Ordering::Relaxed);
        self.through_bytes.fetch_add(frame.bytes().len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Hands everything to the operating system.
    pub(super) fn flush(&self) -> Result<(), EngineError> {
        self.call(|db| db.flush()).map(drop)
    }

    /// The batch that begins at `first`.
    pub(super) fn batch(&self, first: Sequence) -> Result<Option<Frame>, EngineError> {
        self.read(|db| db.get(key(first)))
    }

    /// What the batch that begins at `first` says of itself; its body is not looked at.
    pub(super) fn header(&self, first: Sequence) -> Result<Option<Header>, EngineError> {
        let Some(value) = self.call(|db| db.get(key(first)))? else { return Ok(None) };
        self.through_bytes.fetch_add(value.len() as u64, Ordering::Relaxed);
        Ok(Some(Header::decode(&value)?))
    }

    /// The last batch that begins before `behind`.
    pub(super) fn batch_before(&self, behind: Sequence) -> Result<Option<Frame>, EngineError> {
        self.read(|db| {
            let mut found = db.get_lt(key(behind))?;
            while let Some(at) = found.as_ref().and_then(|(key, _)| bound_at(key)) {
                // The first of the bounds there, and with it all of them, stand behind a batch that begins there.
                found = db.get_lt(bound(at, 0))?;
            }
            Ok(found.map(|(_, value)| value))
        })
    }

    /// The last batch.
    pub(super) fn last_batch(&self) -> Result<Option<Frame>, EngineError> {
        self.batch_before(Sequence(u64::MAX))
    }

    fn read(
        &self,
        work: impl FnOnce(&sled::Db) -> sled::Result<Option<sled::IVec>>,
    ) -> Result<Option<Frame>, EngineError> {
        let Some(value) = self.call(work)? else { return Ok(None) };
        self.through_bytes.fetch_add(value.len() as u64, Ordering::Relaxed);
        Ok(Some(Frame::read(&value)?))
    }

    fn call<T>(&self, work: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, EngineError> {
        let db = self.db.as_ref().ok_or(EngineError::Panicked)?;
        caught(|| work(db))
    }

    fn close(&mut self) {
        // Closing writes and syncs, and panics where that fails; what was acknowledged is durable already.
        let db = self.db.take();
        if panic::catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::warn!("the storage engine did not close in order; the next start looks into it");
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

fn open(config: &sled::Config) -> Result<sled::Db, EngineError> {
    let begun = Instant::now();
    loop {
        match caught(|| config.open()) {
            Err(error) if is_locked(&error) && begun.elapsed() < LETTING_GO_MAX => thread::sleep(LETTING_GO_PAUSE),
            other => return other,
        }
    }
}

/// Deletes what an interrupted write of a snapshot left behind: the engine would take it for a snapshot.
pub(super) fn clear_leftovers(directory: &Path) -> io::Result<()> {
    for path in snapshots(directory)? {
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The engine's snapshots: they only make opening faster.
pub(super) fn snapshots(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether the engine has put values into files of their own.
pub(super) fn has_blobs(directory: &Path) -> io::Result<bool> {
    match fs::read_dir(directory.join("blobs")) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn key(first: Sequence) -> [u8; 8] {
    first.0.to_be_bytes()
}

/// The key of a bound.
fn bound(at: Sequence, number: u8) -> [u8; 9] {
    let mut bound = [number; 9];
    bound.split_at_mut(8).0.copy_from_slice(&key(at));
    bound
}

/// Where the bound is whose key this is; `None` for a batch's.
fn bound_at(key: &[u8]) -> Option<Sequence> {
    match key.split_first_chunk() {
        Some((at, [_])) => Some(Sequence(u64::from_be_bytes(*at))),
        _ => None,
    }
}

/// Gives the batch at `first` and those behind it a leaf of their own, unless there is one: see the module's description.
/// They are taken to be as long as it is; where they are shorter, the leaf is split once more.
fn split_off_leaf(db: &sled::Db, first: Sequence, count: u32) -> sled::Result<()> {
    let latest = db.last()?.and_then(|(key, _)| bound_at(&key));
    if latest.is_some_and(|latest| first < latest) {
        return Ok(());
    }
    let end = first.plus(LEAF_BATCHES * u64::from(count));
    // The engine shortens the key at which it splits as far as it may: right below the end it cannot be mistaken for another.
    let last = Sequence(end.0 - 1);
    let missing = if latest.is_some() { BOUNDS_BELOW - BOUNDS_ABOVE } else { BOUNDS_BELOW };
    let below = (0..missing).map(|number| bound(last, number));
    for bound in below.chain((0..BOUNDS_ABOVE).map(|number| bound(end, number))) {
        db.insert(bound, &[])?;
    }
    Ok(())
}

/// The engine's `mode` is left alone: 0.34.7 takes the setting and never looks at it.
fn config(directory: &Path, cache_bytes: u64) -> sled::Config {
    sled::Config::new()
        .path(directory)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(cache_bytes.max(CACHE_BYTES_MIN))
        .use_compression(false)
        .flush_every_ms(None)
}

fn caught<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, EngineError> {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(EngineError::Failed(Box::new(error))),
        Err(_) => Err(EngineError::Panicked),
    }
}

fn is_locked(error: &EngineError) -> bool {
    matches!(error, EngineError::Failed(source) if source.to_string().contains("could not acquire lock"))
}
