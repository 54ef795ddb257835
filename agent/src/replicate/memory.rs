//! A log in memory, for tests: what goes out, and what is kept. It remembers the order of what was done to it.

use std::collections::{BTreeMap, HashMap};

use daybook_protocol::{
    batch::{Builder, Frame},
    date::Timestamp,
    entry::{Actor, Entry, Sealed, Source},
    event::{Completion, Event, FileId, FileReceived, LogOpened},
    ids::{Digest, Epoch, KeyId, LogId, Sequence},
    tree::Frontier,
    wire::KeysHeld,
};

use super::{Archive, CopyError, Outbound};
use crate::keyring::{RECORD_BYTES, made_up};

/// What was done to a log, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Append(Sequence),
    Barrier(u64),
    Keys(u32),
    Original(Digest),
}

/// A log with its keys and originals.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) log: LogId,
    pub(crate) frames: Vec<Frame>,
    pub(crate) durable: Frontier,
    pub(crate) epoch: Epoch,
    pub(crate) keys: BTreeMap<Epoch, Vec<u8>>,
    pub(crate) objects: HashMap<Digest, Vec<u8>>,
    pub(crate) partial: HashMap<Digest, Vec<u8>>,
    pub(crate) done: Vec<Done>,
    pub(crate) full: bool,
    pub(crate) checkpoint: String,
}

pub(crate) const LOG: LogId = LogId([0x1d; 16]);

impl Memory {
    pub(crate) fn new(log: LogId) -> Self {
        Self {
            log,
            frames: Vec::new(),
            durable: Frontier::default(),
            epoch: Epoch::FIRST,
            keys: BTreeMap::new(),
            objects: HashMap::new(),
            partial: HashMap::new(),
            done: Vec::new(),
            full: false,
            checkpoint: String::new(),
        }
    }

    /// A log of `batches` batches. Each has a new key, an arrival with an original of its own, and some entries more.
    pub(crate) fn sample(batches: u32) -> Self {
        let mut log = Self::new(LOG);
        for number in 0..batches {
            log.grow(Epoch::FIRST, number);
        }
        log
    }

    /// Writes one batch more, told apart from others by `mark`.
    pub(crate) fn grow(&mut self, epoch: Epoch, mark: u32) {
        let keys = self.keys.entry(epoch).or_default();
        let number = u32::try_from(keys.len() / RECORD_BYTES).expect("few keys");
        keys.extend_from_slice(&record(epoch, number, mark));
        let key = KeyId { epoch, number };
        let sha256 = Digest::of(&mark.to_be_bytes());
        let object = vec![mark.to_be_bytes()[3]; 1000 + 100_000 * (mark as usize % 4)];
        let length = object.len() as u64;
        self.objects.insert(sha256, object);
        let opened = LogOpened { log: self.log, format: 1, program: format!("test {mark}") };
        let arrival = FileReceived {
            folder: "a".into(),
            centre: "C1".into(),
            brand: String::new(),
            kind: None,
            sha256,
            bytes: length,
            file_id: FileId { device: 0, number: u64::from(mark) },
            modified_at: Timestamp(1),
            completed_by: Completion::Handed,
            key,
            same_as: None,
        };
        let mut events = vec![Event::FileReceived(arrival)];
        events.extend((0..mark % 3).map(|_| Event::LogOpened(opened.clone())));
        let frame = frame(self.log, epoch, &self.durable, events, Some(key));
        frame.check(self.log, &mut self.durable).expect("it continues the log");
        self.epoch = epoch;
        self.frames.push(frame);
    }

    /// Whether two logs hold the same batches, keys and originals.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.frames == other.frames
            && self.durable == other.durable
            && self.keys == other.keys
            && self.objects == other.objects
    }

    /// Loses what is not durable, as a power cut does.
    pub(crate) fn crash(&mut self) {
        self.frames.retain(|frame| frame.header().end().0 <= self.durable.count());
    }
}

/// A record as in a keyring's file, as far as the wire is concerned.
pub(crate) fn record(epoch: Epoch, number: u32, mark: u32) -> Vec<u8> {
    made_up(KeyId { epoch, number }, mark).to_vec()
}

/// A batch behind `frontier`.
pub(crate) fn frame(log: LogId, epoch: Epoch, frontier: &Frontier, events: Vec<Event>, key: Option<KeyId>) -> Frame {
    let mut frontier = frontier.clone();
    let mut builder = Builder::new(log, epoch, &frontier);
    for event in events {
        let entry = Entry {
            sequence: Sequence(frontier.count()),
            recorded_at: Timestamp(1_700_000_000_000_000),
            effective_on: None,
            actor: Actor::Agent,
            source: Source::Agent,
            governed_by: Sequence(0),
            findings: Vec::new(),
            event,
            sealed: key.map(|key| Sealed { key, nonce: [0; 24], ciphertext: vec![1; 40] }),
        };
        builder.push(&entry.encode().expect("a small entry"), &mut frontier);
    }
    builder.finish(&frontier)
}

impl Outbound for Memory {
    fn log(&self) -> LogId {
        self.log
    }
    fn head(&self) -> Result<(u64, Digest), CopyError> {
        Ok((self.durable.count(), self.durable.root()))
    }
    fn frames(&self, from: Sequence, bytes_max: usize) -> Result<Vec<Frame>, CopyError> {
        let mut bytes = 0;
        let behind = self.frames.iter().skip_while(|frame| frame.header().end() <= from);
        let durable = behind.take_while(|frame| frame.header().end().0 <= self.durable.count());
        let some = durable.take_while(|frame| {
            let first = bytes == 0;
            bytes += frame.bytes().len();
            first || bytes <= bytes_max
        });
        Ok(some.cloned().collect())
    }
    fn keys_held(&self) -> Result<Vec<KeysHeld>, CopyError> {
        let count = |records: &Vec<u8>| u32::try_from(records.len() / RECORD_BYTES).expect("few keys");
        Ok(self.keys.iter().map(|(epoch, records)| KeysHeld { epoch: *epoch, count: count(records) }).collect())
    }
    fn key_records(&self, epoch: Epoch, first: u32, bytes_max: usize) -> Result<Vec<u8>, CopyError> {
        let records = self.keys.get(&epoch).map(Vec::as_slice).unwrap_or_default();
        let rest = records.get(first as usize * RECORD_BYTES..).unwrap_or_default();
        // One record at a time, so that tests cut between them.
        Ok(rest.get(..rest.len().min(RECORD_BYTES).min(bytes_max)).unwrap_or_default().to_vec())
    }
    fn object_bytes(&self, sha256: Digest) -> Result<Option<u64>, CopyError> {
        Ok(self.objects.get(&sha256).map(|object| object.len() as u64))
    }
    fn object_piece(&self, sha256: Digest, offset: u64, bytes_max: usize) -> Result<Vec<u8>, CopyError> {
        let object = self.objects.get(&sha256).map(Vec::as_slice).unwrap_or_default();
        let rest = object.get(usize::try_from(offset).expect("a small object")..).unwrap_or_default();
        Ok(rest.get(..rest.len().min(bytes_max)).unwrap_or_default().to_vec())
    }
}

impl Archive for Memory {
    fn frontier(&self) -> Frontier {
        self.durable.clone()
    }
    fn epoch(&self) -> Epoch {
        self.epoch
    }
    fn append(&mut self, frame: &Frame) -> Result<(), CopyError> {
        if self.full {
            return Err(CopyError::Full("no space".into()));
        }
        self.done.push(Done::Append(frame.header().first));
        self.frames.push(frame.clone());
        Ok(())
    }
    fn barrier(&mut self, frontier: &Frontier, epoch: Epoch) -> Result<(), CopyError> {
        self.done.push(Done::Barrier(frontier.count()));
        (self.durable, self.epoch) = (frontier.clone(), epoch);
        Ok(())
    }
    fn append_keys(&mut self, epoch: Epoch, first: u32, records: &[u8]) -> Result<u32, CopyError> {
        let here = self.keys.entry(epoch).or_default();
        for (place, record) in records.chunks(RECORD_BYTES).enumerate() {
            let at = (first as usize + place) * RECORD_BYTES;
            match here.get(at..at + RECORD_BYTES) {
                Some(present) if present == record => {}
                Some(_) => return Err(CopyError::Differs("another key".into())),
                None => here.extend_from_slice(record),
            }
        }
        let count = u32::try_from(here.len() / RECORD_BYTES).expect("few keys");
        self.done.push(Done::Keys(count));
        Ok(count)
    }
    fn partial_bytes(&self, sha256: Digest) -> u64 {
        self.partial.get(&sha256).map_or(0, |bytes| bytes.len() as u64)
    }
    fn receive_piece(&mut self, sha256: Digest, offset: u64, total: u64, bytes: &[u8]) -> Result<bool, CopyError> {
        let object = self.partial.entry(sha256).or_default();
        let overlap = object.len() - usize::try_from(offset).expect("a small object");
        object.extend_from_slice(bytes.get(overlap..).unwrap_or_default());
        if (object.len() as u64) < total {
            return Ok(false);
        }
        let object = self.partial.remove(&sha256).unwrap_or_default();
        if object.iter().any(|byte| Some(byte) != object.first()) {
            return Err(CopyError::Spoilt("not all alike".into()));
        }
        self.done.push(Done::Original(sha256));
        self.objects.insert(sha256, object);
        Ok(true)
    }
    fn originals_noted(&self) -> Sequence {
        Sequence(0)
    }
    fn note_originals(&mut self, _: Sequence) {}
    fn keep_checkpoint(&mut self, note: &str) -> Result<(), CopyError> {
        note.clone_into(&mut self.checkpoint);
        Ok(())
    }
}
