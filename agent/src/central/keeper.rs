//! The rules by which the central node keeps its copy of one log, as a struct that is driven by calls: no network, no
//! clock, no waiting. It continues the copy or refuses; it never overwrites.
//!
//! Must not know who is on the other end: that was judged by the registry before.

use std::collections::BTreeMap;

use daybook_protocol::{
    batch::{BatchError, Frame},
    checkpoint::Checkpoint,
    date::Timestamp,
    event::Original,
    ids::{Digest, Epoch, KeyId, LogId, Sequence},
    tree::Frontier,
    wire::{Hello, KeysHeld, Message, Mirrored, PIECE_BYTES_MAX, Refusal},
};

use super::wanted::Wanted;
use crate::{
    keyring::RECORD_BYTES,
    replicate::{Archive, CopyError, GO_BACK, Refused, fork, frame_of, rollback},
};

/// So many bytes of batches are read at a time.
const READ_BYTES: usize = 512 * 1024;
/// How far through the log no original is missing is noted when it has moved by so many entries.
const NOTE_EVERY_ENTRIES: u64 = 50_000;

/// Signs a checkpoint.
pub type Sign<'a> = &'a dyn Fn(&Checkpoint) -> String;

/// The copy of one log.
pub struct Keeper<A> {
    archive: A,
    log: LogId,
    /// The epoch of the agent that is connected.
    session: Epoch,
    /// Set where the agent has less than this copy: it may fetch, but not write.
    behind: Option<Refused>,
    frontier: Frontier,
    epoch: Epoch,
    keys: BTreeMap<Epoch, u32>,
    wanted: Wanted,
    /// Batches since the last barrier: place and digest.
    fresh: Vec<(Sequence, Digest)>,
    /// Whether the position is to be said again.
    owed: bool,
    /// The latest checkpoint, until it is kept.
    signed: Option<String>,
    noted: Sequence,
}

impl<A: Archive> Keeper<A> {
    /// Takes up the copy in `archive`. Walks the part of the log in which originals may be missing.
    pub fn open(archive: A) -> Result<Self, CopyError> {
        let keys = archive.keys_held()?.into_iter().map(|held| (held.epoch, held.count)).collect();
        let mut keeper = Self {
            log: archive.log(),
            session: archive.epoch(),
            behind: None,
            frontier: archive.frontier(),
            epoch: archive.epoch(),
            keys,
            wanted: Wanted::default(),
            fresh: Vec::new(),
            owed: false,
            signed: None,
            noted: archive.originals_noted().min(Sequence(archive.frontier().count())),
            archive,
        };
        let mut from = keeper.noted;
        while from.0 < keeper.frontier.count() {
            let frames = keeper.archive.frames(from, READ_BYTES)?;
            let end = frames.last().map(|frame| frame.header().end());
            for frame in &frames {
                let arrivals = originals(frame).map_err(|error| CopyError::Damaged(Box::new(error)))?;
                keeper.want(arrivals.into_iter().filter(|(sequence, _)| *sequence >= from))?;
            }
            from = end.filter(|end| *end > from).ok_or_else(|| CopyError::Damaged("the copy ends early".into()))?;
        }
        Ok(keeper)
    }

    /// What is kept.
    pub fn archive(&self) -> &A {
        &self.archive
    }

    /// Gives the archive back.
    pub fn into_archive(self) -> A {
        self.archive
    }

    /// Compares the log of the agent that comes in with the copy. An agent that has less is let in, to fetch the rest.
    pub fn meet(&mut self, hello: &Hello) -> Result<(), Refused> {
        if hello.epoch < self.epoch {
            return Err(fenced(self.epoch));
        }
        self.session = hello.epoch;
        self.behind = None;
        let count = self.frontier.count();
        let ours_there = match hello.count {
            theirs if theirs > count => return Ok(()),
            theirs if theirs == count => self.frontier.root(),
            0 => Frontier::default().root(),
            theirs => {
                let at = self.archive.frames(Sequence(theirs), 1).map_err(|error| trouble(&error))?;
                match at.first().map(Frame::header) {
                    Some(header) if header.first.0 == theirs => header.previous_root,
                    _ => return Err(fork(theirs)),
                }
            }
        };
        if ours_there != hello.root {
            return Err(fork(hello.count));
        }
        if hello.count < count {
            self.behind = Some(rollback(hello.count, count));
        }
        Ok(())
    }

    /// Takes one message that writes; gives the immediate answer, if there is one. What it took is acknowledged by
    /// [`Keeper::settle`].
    pub fn take(&mut self, message: Message) -> Result<Option<Message>, Refused> {
        if let Some(behind) = &self.behind {
            return Err(behind.clone());
        }
        match message {
            Message::Batch { compressed, bytes } => self.batch(&frame_of(compressed, &bytes)?).map(|()| None),
            Message::Keys { epoch, first, records } => self.keys(epoch, first, &records).map(|()| None),
            Message::OriginalOffer { sha256, total } => self.offer(sha256, total).map(Some),
            Message::OriginalPiece { sha256, offset, total, bytes } => {
                self.piece(sha256, offset, total, &bytes).map(Some)
            }
            _ => Err(Refused::protocol("this message does not come from an agent")),
        }
    }

    /// Makes durable what was taken. Gives the new position if there is anything to acknowledge.
    pub fn settle(&mut self, sign: Sign<'_>, now: Timestamp) -> Result<Option<Mirrored>, Refused> {
        if !self.fresh.is_empty() {
            self.archive.barrier(&self.frontier, self.epoch).map_err(|error| trouble(&error))?;
            // DURABLE: every batch taken so far, behind this log's own barrier; it may be acknowledged.
            self.fresh.clear();
            self.owed = true;
        }
        if !std::mem::take(&mut self.owed) {
            return Ok(None);
        }
        let mirrored = self.position(sign, now);
        self.signed = Some(mirrored.checkpoint.clone());
        Ok(Some(mirrored))
    }

    /// Keeps what only saves work later; for when there is nothing else to do. The checkpoint can be signed again at any
    /// time; it is kept for those who check the copy on its own.
    pub fn rest(&mut self) -> Result<(), CopyError> {
        if self.originals_through().0 >= self.noted.0.saturating_add(NOTE_EVERY_ENTRIES) {
            self.note();
        }
        self.signed.take().map_or(Ok(()), |note| self.archive.keep_checkpoint(&note))
    }

    /// How far the copy is; only meaningful when everything taken has been settled.
    pub fn position(&self, sign: Sign<'_>, now: Timestamp) -> Mirrored {
        debug_assert!(self.fresh.is_empty(), "only what is durable is said to be mirrored");
        let (count, root) = (self.frontier.count(), self.frontier.root());
        Mirrored {
            count,
            root,
            originals_through: self.originals_through(),
            keys: self.keys.iter().map(|(epoch, count)| KeysHeld { epoch: *epoch, count: *count }).collect(),
            checkpoint: sign(&Checkpoint { log: self.log, count, root }),
            now,
        }
    }

    /// Notes how far no original is missing, so that the next opening need not walk there.
    pub fn note(&mut self) {
        self.noted = self.originals_through();
        self.archive.note_originals(self.noted);
    }

    fn originals_through(&self) -> Sequence {
        self.wanted.first().unwrap_or(Sequence(self.frontier.count()))
    }

    fn batch(&mut self, frame: &Frame) -> Result<(), Refused> {
        let header = frame.header();
        let count = self.frontier.count();
        if header.log != self.log {
            return Err(Refused::protocol("a batch is of another log"));
        }
        if header.epoch > self.session {
            return Err(Refused::protocol("a batch is of a later epoch than the agent that sent it"));
        }
        if header.first.0 > count {
            return Err(Refused::new(
                Refusal::Gap,
                format!(
                    "entries {count} to {} are missing before a batch: connect again, to go on at {count}",
                    header.first
                ),
            ));
        }
        if header.first.0 < count {
            return self.again(frame);
        }
        if header.epoch < self.epoch && count > 0 {
            return Err(Refused::protocol("a batch is of an earlier epoch than the one before it"));
        }
        if header.previous_root != self.frontier.root() {
            return Err(fork(count));
        }
        let arrivals = originals(frame).map_err(unreadable)?;
        self.check_keys(frame)?;
        let mut after = self.frontier.clone();
        frame.check(self.log, &mut after).map_err(|error| Refused::protocol(error.to_string()))?;
        self.archive.append(frame).map_err(|error| trouble(&error))?;
        self.frontier = after;
        self.epoch = header.epoch;
        self.fresh.push((header.first, Digest::of(frame.bytes())));
        self.want(arrivals).map_err(|error| trouble(&error))
    }

    /// A batch for a place that is taken: acknowledged again if it is the same one, otherwise a fork.
    fn again(&mut self, frame: &Frame) -> Result<(), Refused> {
        let first = frame.header().first;
        let here = match self.fresh.iter().find(|(sequence, _)| *sequence == first) {
            Some((_, digest)) => Some(*digest),
            None if self.fresh.first().is_some_and(|(sequence, _)| first > *sequence) => None,
            None => {
                let frames = self.archive.frames(first, 1).map_err(|error| trouble(&error))?;
                frames.first().map(|frame| Digest::of(frame.bytes()))
            }
        };
        if here != Some(Digest::of(frame.bytes())) {
            return Err(fork(frame.header().end().0));
        }
        self.owed = true;
        Ok(())
    }

    /// What is mirrored can be opened again: a batch whose keys are not here would be lost with its machine.
    fn check_keys(&self, frame: &Frame) -> Result<(), Refused> {
        let here = |key: KeyId| self.keys.get(&key.epoch).is_some_and(|count| key.number < *count);
        for entry in frame.entries() {
            let entry = entry.map_err(unreadable)?;
            let of_original = entry.event.original().map(|original| original.key);
            let used = entry.sealed.as_ref().map(|sealed| sealed.key).into_iter().chain(of_original);
            if let Some(key) = used.into_iter().find(|key| !here(*key)) {
                return Err(Refused::protocol(format!("entry {} came before its key {key}", entry.sequence)));
            }
        }
        Ok(())
    }

    fn keys(&mut self, epoch: Epoch, first: u32, records: &[u8]) -> Result<(), Refused> {
        let here = self.keys.get(&epoch).copied().unwrap_or(0);
        if epoch > self.session {
            return Err(Refused::protocol("keys are of a later epoch than the agent that sent them"));
        }
        if records.is_empty() || !records.len().is_multiple_of(RECORD_BYTES) || records.len() > PIECE_BYTES_MAX {
            return Err(Refused::protocol("keys come as whole records, and not too many at a time"));
        }
        if first > here {
            return Err(Refused::new(
                Refusal::Gap,
                format!("keys {here} to {first} of epoch {epoch} are missing: connect again, to go on at {here}"),
            ));
        }
        let count = self.archive.append_keys(epoch, first, records).map_err(|error| match error {
            CopyError::Differs(_) => Refused::new(
                Refusal::Fork,
                format!("keys of epoch {epoch} differ from those that are mirrored: nothing is overwritten; {GO_BACK}"),
            ),
            CopyError::Spoilt(_) => Refused::protocol("a record of the keyring came damaged"),
            other => trouble(&other),
        })?;
        // DURABLE: these keys; a batch that uses them may now be taken.
        self.keys.insert(epoch, count);
        self.owed = true;
        Ok(())
    }

    fn offer(&mut self, sha256: Digest, total: u64) -> Result<Message, Refused> {
        if self.archive.object_bytes(sha256).map_err(|error| trouble(&error))?.is_some() {
            self.have(sha256);
            return Ok(Message::OriginalAt { sha256, offset: total });
        }
        self.check_wanted(sha256, total)?;
        // As much as the whole and yet not complete: cut down in the last moment, or another object. It is sent anew and
        // compared with what is here.
        let here = Some(self.archive.partial_bytes(sha256)).filter(|here| *here < total);
        Ok(Message::OriginalAt { sha256, offset: here.unwrap_or(0) })
    }

    fn piece(&mut self, sha256: Digest, offset: u64, total: u64, bytes: &[u8]) -> Result<Message, Refused> {
        let end = offset.saturating_add(bytes.len() as u64);
        if bytes.is_empty() || bytes.len() > PIECE_BYTES_MAX || end > total {
            return Err(Refused::protocol("a piece of an original is empty, too long or beyond its end"));
        }
        if self.archive.object_bytes(sha256).map_err(|error| trouble(&error))?.is_some() {
            return Ok(Message::OriginalAt { sha256, offset: end });
        }
        self.check_wanted(sha256, total)?;
        let here = self.archive.partial_bytes(sha256);
        if offset > here {
            return Ok(Message::OriginalAt { sha256, offset: here });
        }
        match self.archive.receive_piece(sha256, offset, total, bytes) {
            Ok(complete) => {
                if complete {
                    // DURABLE: this original; the sender may forget its own.
                    self.have(sha256);
                }
                Ok(Message::OriginalAt { sha256, offset: end })
            }
            Err(CopyError::Spoilt(_)) => Ok(Message::OriginalAt { sha256, offset: 0 }),
            Err(other) => Err(trouble(&other)),
        }
    }

    fn have(&mut self, sha256: Digest) {
        self.wanted.remove(sha256);
        self.owed = true;
    }

    /// Only originals that an entry names are taken, and only as long as they can be: compression and sealing add little.
    fn check_wanted(&self, sha256: Digest, total: u64) -> Result<(), Refused> {
        let bytes = self.wanted.bytes(sha256);
        let bytes = bytes.ok_or_else(|| Refused::protocol("no entry of the log names this original"))?;
        if total > bytes.saturating_add(bytes / 32).saturating_add(64 * 1024) {
            return Err(Refused::protocol("an original is longer than its entry says"));
        }
        Ok(())
    }

    fn want(&mut self, arrivals: impl IntoIterator<Item = (Sequence, Original)>) -> Result<(), CopyError> {
        for (sequence, original) in arrivals {
            if self.archive.object_bytes(original.sha256)?.is_none() {
                self.wanted.add(sequence, original);
            }
        }
        Ok(())
    }
}

fn originals(frame: &Frame) -> Result<Vec<(Sequence, Original)>, BatchError> {
    let mut found = Vec::new();
    for entry in frame.entries() {
        let entry = entry?;
        found.extend(entry.event.original().map(|original| (entry.sequence, original)));
    }
    Ok(found)
}

fn unreadable(error: BatchError) -> Refused {
    match error {
        BatchError::Entry { sequence, .. } => Refused::new(
            Refusal::Version,
            format!(
                "entry {sequence} is of a kind that this central node does not know: upgrade the central node first"
            ),
        ),
        other => Refused::protocol(other.to_string()),
    }
}

/// The refusal of an agent whose place another one has taken.
pub(crate) fn fenced(epoch: Epoch) -> Refused {
    Refused::new(
        Refusal::Fenced,
        format!(
            "this log was taken over by recover on another machine (epoch {epoch}): this copy must not write any more; \
             keep it as evidence or remove it"
        ),
    )
}

/// What a failing disk means for the other side.
pub(crate) fn trouble(error: &CopyError) -> Refused {
    match error {
        CopyError::Full(_) => Refused::new(
            Refusal::Busy,
            "the disk of the central node is full: make room there; mirroring goes on by itself",
        ),
        CopyError::InUse(_) => Refused::new(
            Refusal::Busy,
            "another process on the central node has the copy of this log open: mirroring goes on when it ends",
        ),
        _ => Refused::new(
            Refusal::Damaged,
            "the central node's copy of this log is damaged or cannot be written: run `daybook scrub` on the central node, and \
             where that finds nothing, `daybook salvage` of the copy, which builds its store anew; other logs are not affected",
        ),
    }
}
