//! A disk in memory that forgets what is not behind a barrier, and the log on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use daybook_protocol::{
    batch::Frame,
    date::Timestamp,
    event::{Completion, Event, FileId, FileReceived, LogOpened},
    ids::{Digest, Epoch, KeyId, LogId, Sequence},
    tree::Frontier,
    wire::{KeysHeld, Refusal},
};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{Flaw, truth::Place};
use crate::{
    keyring::RECORD_BYTES,
    replicate::{
        Archive, CopyError, Outbound,
        memory::{LOG, Memory, frame, record},
    },
};

/// Originals travel in pieces of at most so many bytes, so that small ones have several.
const PIECE_BYTES: usize = 60;

/// What is on the disk.
#[derive(Clone)]
pub(super) struct Contents {
    /// All of it, as whoever works on it sees it.
    pub(super) log: Memory,
    /// So many entries are there after any crash.
    pub(super) safe: u64,
    /// So many keys of each epoch.
    safe_keys: BTreeMap<Epoch, u32>,
    /// These originals.
    safe_objects: BTreeSet<Digest>,
    /// What was noted about originals, and the note before it: either may be there after a crash.
    noted: (Sequence, Sequence),
    /// The next barrier fails.
    pub(super) barrier_fails: bool,
    flaw: Option<Flaw>,
}

/// A disk; clones are the same one.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<Contents>>);

impl Disk {
    /// An empty one.
    pub(super) fn new(flaw: Option<Flaw>) -> Self {
        Self::of(Contents {
            log: Memory::new(LOG),
            safe: 0,
            safe_keys: BTreeMap::new(),
            safe_objects: BTreeSet::new(),
            noted: (Sequence(0), Sequence(0)),
            barrier_fails: false,
            flaw,
        })
    }

    pub(super) fn of(contents: Contents) -> Self {
        Self(Arc::new(Mutex::new(contents)))
    }

    pub(super) fn open(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it would be put back from a copy made now.
    pub(super) fn copied(&self, chance: &mut ChaCha8Rng) -> Contents {
        let mut contents = self.open().clone();
        contents.crash(chance);
        contents
    }
}

impl Contents {
    /// Loses what is not behind a barrier, or some of it: batches and keys from the end on, and any of the rest.
    pub(super) fn crash(&mut self, chance: &mut ChaCha8Rng) {
        self.barrier_fails = false;
        let batches = self.log.frames.iter().take_while(|frame| frame.header().end().0 <= self.safe).count();
        let kept = chance.random_range(batches..=self.log.frames.len());
        self.log.frames.truncate(kept);
        // A batch that is there behind the head is adopted.
        let (mut frontier, mut epoch) = (Frontier::default(), Epoch::FIRST);
        for frame in &self.log.frames {
            frame.check(LOG, &mut frontier).expect("a log goes on where it ends");
            epoch = frame.header().epoch;
        }
        (self.safe, self.log.durable, self.log.epoch) = (frontier.count(), frontier, epoch);
        for (epoch, records) in &mut self.log.keys {
            let safe = self.safe_keys.entry(*epoch).or_default();
            let here = count(records);
            *safe = chance.random_range(*safe..=here);
            records.truncate(*safe as usize * RECORD_BYTES);
        }
        self.log.keys.retain(|_, records| !records.is_empty());
        self.safe_keys.retain(|_, count| *count > 0);
        let safe = &self.safe_objects;
        self.log.objects.retain(|sha256, _| safe.contains(sha256));
        let mut partial: Vec<_> = self.log.partial.drain().collect();
        partial.sort_unstable();
        for (sha256, mut bytes) in partial {
            bytes.truncate(chance.random_range(0..=bytes.len()));
            if chance.random_bool(0.3) {
                bytes.iter_mut().rev().take(20).for_each(|byte| *byte = 0);
            }
            self.log.partial.insert(sha256, bytes);
        }
        if chance.random_bool(0.5) {
            self.noted.1 = self.noted.0;
        }
        self.noted.0 = self.noted.1;
    }

    /// Makes durable what was written.
    pub(super) fn sync(&mut self) {
        self.safe = self.log.frames.last().map_or(0, |frame| frame.header().end().0);
    }

    pub(super) fn sync_keys(&mut self) {
        self.safe_keys = self.log.keys.iter().map(|(epoch, records)| (*epoch, count(records))).collect();
    }

    /// An original more, and a key more; gives the key. The key is not durable.
    pub(super) fn preserve(&mut self, epoch: Epoch, mark: u32, original: u32) -> (KeyId, Digest) {
        let sha256 = Digest::of(&original.to_be_bytes());
        let object = vec![original.to_be_bytes()[3] | 1; 1 + (original as usize * 37) % 200];
        self.log.objects.insert(sha256, object);
        self.safe_objects.insert(sha256);
        let keys = self.log.keys.entry(epoch).or_default();
        let number = count(keys);
        keys.extend_from_slice(&record(epoch, number, mark));
        (KeyId { epoch, number }, sha256)
    }

    /// Writes a batch of an arrival and some entries more; neither durable nor to be seen before [`Contents::commit`].
    pub(super) fn write(&mut self, end: &mut Frontier, epoch: Epoch, mark: u32, (key, sha256): (KeyId, Digest)) {
        let bytes = self.log.objects.get(&sha256).map_or(0, |object| object.len() as u64);
        let arrival = FileReceived {
            folder: "a".into(),
            centre: "C1".into(),
            brand: String::new(),
            kind: None,
            sha256,
            bytes,
            file_id: FileId { device: 0, number: u64::from(mark) },
            modified_at: Timestamp(1),
            completed_by: Completion::Handed,
            key,
            same_as: None,
        };
        let more =
            (0..mark % 3).map(|_| Event::LogOpened(LogOpened { log: LOG, format: 1, program: format!("test {mark}") }));
        let events = std::iter::once(Event::FileReceived(arrival)).chain(more).collect();
        let frame = frame(LOG, epoch, end, events, Some(key));
        frame.check(LOG, end).expect("it continues the log");
        self.log.frames.push(frame);
    }

    /// The barrier: what was written is durable, and to be seen.
    pub(super) fn commit(&mut self, end: &Frontier, epoch: Epoch) {
        (self.log.durable, self.log.epoch) = (end.clone(), epoch);
        self.sync();
    }

    /// Whether a key is there after any crash.
    pub(super) fn has_key(&self, key: KeyId) -> bool {
        self.safe_keys.get(&key.epoch).is_some_and(|count| key.number < *count)
    }

    pub(super) fn has_object(&self, sha256: Digest) -> bool {
        self.safe_objects.contains(&sha256)
    }

    pub(super) fn keys_held(&self) -> Vec<KeysHeld> {
        self.safe_keys.iter().map(|(epoch, count)| KeysHeld { epoch: *epoch, count: *count }).collect()
    }

    /// How far the log goes.
    pub(super) fn place(&self) -> Place {
        (self.log.durable.count(), self.log.durable.root())
    }

    /// Why this log, which has all that its copy has, may not go on with it: its keys end before those of the copy, or are
    /// others.
    pub(super) fn keys_against(&self, copy: &Self) -> Option<Refusal> {
        let ours = |epoch: &Epoch| self.log.keys.get(epoch).map(Vec::as_slice).unwrap_or_default();
        let (mut short, mut other) = (false, false);
        for (epoch, theirs) in &copy.log.keys {
            let ours = ours(epoch);
            short |= ours.len() < theirs.len();
            other |= !ours.starts_with(theirs) && !theirs.starts_with(ours);
        }
        short.then_some(Refusal::Rollback).or(other.then_some(Refusal::Fork))
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

fn count(records: &[u8]) -> u32 {
    u32::try_from(records.len() / RECORD_BYTES).expect("few keys")
}

impl Outbound for Disk {
    fn log(&self) -> LogId {
        LOG
    }
    fn head(&self) -> Result<(u64, Digest), CopyError> {
        self.open().log.head()
    }
    fn frames(&self, from: Sequence, bytes_max: usize) -> Result<Vec<Frame>, CopyError> {
        self.open().log.frames(from, bytes_max)
    }
    fn keys_held(&self) -> Result<Vec<KeysHeld>, CopyError> {
        let contents = self.open();
        if contents.has(Flaw::UnsyncedKeys) { contents.log.keys_held() } else { Ok(contents.keys_held()) }
    }
    fn key_records(&self, epoch: Epoch, first: u32, bytes_max: usize) -> Result<Vec<u8>, CopyError> {
        self.open().log.key_records(epoch, first, bytes_max)
    }
    fn object_bytes(&self, sha256: Digest) -> Result<Option<u64>, CopyError> {
        self.open().log.object_bytes(sha256)
    }
    fn object_piece(&self, sha256: Digest, offset: u64, bytes_max: usize) -> Result<Vec<u8>, CopyError> {
        self.open().log.object_piece(sha256, offset, bytes_max.min(PIECE_BYTES))
    }
}

impl Archive for Disk {
    fn frontier(&self) -> Frontier {
        self.open().log.frontier()
    }
    fn epoch(&self) -> Epoch {
        self.open().log.epoch()
    }
    fn append(&mut self, frame: &Frame) -> Result<(), CopyError> {
        self.open().log.append(frame)
    }
    fn barrier(&mut self, frontier: &Frontier, epoch: Epoch) -> Result<(), CopyError> {
        let mut contents = self.open();
        if std::mem::take(&mut contents.barrier_fails) {
            return Err(CopyError::Damaged("the sync failed".into()));
        }
        contents.log.barrier(frontier, epoch)?;
        if !contents.has(Flaw::NoBarrier) {
            contents.sync();
        }
        Ok(())
    }
    fn append_keys(&mut self, epoch: Epoch, first: u32, records: &[u8]) -> Result<u32, CopyError> {
        let mut contents = self.open();
        if contents.log.full {
            return Err(CopyError::Full("no space".into()));
        }
        let count = contents.log.append_keys(epoch, first, records)?;
        if !contents.has(Flaw::UnsyncedKeys) {
            contents.sync_keys();
        }
        Ok(count)
    }
    fn partial_bytes(&self, sha256: Digest) -> u64 {
        self.open().log.partial_bytes(sha256)
    }
    fn receive_piece(&mut self, sha256: Digest, offset: u64, total: u64, bytes: &[u8]) -> Result<bool, CopyError> {
        let mut contents = self.open();
        if contents.log.full {
            return Err(CopyError::Full("no space".into()));
        }
        let complete = contents.log.receive_piece(sha256, offset, total, bytes)?;
        if complete && !contents.has(Flaw::UnsyncedOriginals) {
            contents.safe_objects.insert(sha256);
        }
        Ok(complete)
    }
    fn originals_noted(&self) -> Sequence {
        self.open().noted.0
    }
    fn note_originals(&mut self, through: Sequence) {
        let mut contents = self.open();
        contents.noted = (through, contents.noted.0);
    }
    fn keep_checkpoint(&mut self, note: &str) -> Result<(), CopyError> {
        self.open().log.keep_checkpoint(note)
    }
}
