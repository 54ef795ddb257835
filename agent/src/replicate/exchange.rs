//! What an agent says to its central node, as a struct that is driven by calls: no network, no clock, no waiting.
//!
//! Keys go before the batches that use them; batches and pieces of originals take turns; at most
//! [`WINDOW_MESSAGES_MAX`] messages are under way. Everything starts from what the central node says that it has, so that
//! after a cut of any kind a new exchange goes on where the old one ended.

use std::collections::{BTreeMap, HashSet, VecDeque};

use daybook_protocol::{
    checkpoint::{Checkpoint, Verifier},
    event::Alarm,
    ids::{Digest, Epoch, KeyId, LogId, Sequence},
    wire::{KeysHeld, Message, Mirrored, PIECE_BYTES_MAX, Refusal, WINDOW_MESSAGES_MAX},
};

use super::{CopyError, Outbound, Refused, batch_message};
use crate::keyring::{RECORD_BYTES, is_intact};

/// So many bytes of batches are read at a time.
const READ_BYTES: usize = 512 * 1024;
/// So many originals are noted at a time before they are offered.
const WAITING_MAX: usize = 1024;

/// Why an exchange ends.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The central node turned us away.
    #[error("the central node refuses this agent: {0}")]
    Theirs(Refused),
    /// We turn the central node away; it is told why.
    #[error("this agent refuses the central node: {0}")]
    Ours(Refused),
    /// Our own log cannot be read.
    #[error(transparent)]
    Local(#[from] CopyError),
}

/// A message under way, and what answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    Keys { epoch: Epoch, end: u32 },
    Batch { end: u64, root: Digest },
    Offer { sha256: Digest },
    Piece { sha256: Digest, end: u64 },
}

/// The original that is being sent.
#[derive(Debug, Clone, Copy)]
struct Transfer {
    sha256: Digest,
    total: u64,
    /// Where the next piece begins; `None` until the central node has said so.
    next: Option<u64>,
}

/// One conversation with the central node.
pub struct Exchange {
    log: LogId,
    verifier: Verifier,
    /// The most that the central node ever signed for.
    acknowledged: u64,
    ours: (u64, Digest),
    our_keys: Vec<KeysHeld>,
    theirs: Option<Mirrored>,
    /// Keys that have to be there before the central node's count means that its entries can be opened.
    keys_owed: Vec<KeysHeld>,
    keys_read: BTreeMap<Epoch, u32>,
    batches_read: u64,
    flights: VecDeque<Flight>,
    walked: Sequence,
    waiting: VecDeque<Digest>,
    transfer: Option<Transfer>,
    /// Originals that did not arrive whole and were sent once more.
    again: HashSet<Digest>,
    original_next: bool,
    alarms: Vec<Alarm>,
}

impl Exchange {
    /// A conversation about `log`. `acknowledged` is the count of the checkpoint that we keep.
    pub fn new(log: LogId, verifier: Verifier, acknowledged: u64) -> Self {
        Self {
            log,
            verifier,
            acknowledged,
            ours: (0, Digest::of(b"")),
            our_keys: Vec::new(),
            theirs: None,
            keys_owed: Vec::new(),
            keys_read: BTreeMap::new(),
            batches_read: 0,
            flights: VecDeque::new(),
            walked: Sequence(0),
            waiting: VecDeque::new(),
            transfer: None,
            again: HashSet::new(),
            original_next: false,
            alarms: Vec::new(),
        }
    }

    /// Takes what the central node said. `true` if its position moved; it is then at [`Exchange::mirrored`].
    pub fn received(&mut self, outbound: &dyn Outbound, message: Message) -> Result<bool, Stop> {
        match message {
            Message::Mirrored(mirrored) => {
                self.check_checkpoint(&mirrored)?;
                if self.theirs.is_none() {
                    self.begin(outbound, &mirrored)?;
                } else {
                    self.answered(&mirrored)?;
                }
                self.theirs = Some(mirrored);
                Ok(true)
            }
            Message::OriginalAt { sha256, offset } => self.original_at(sha256, offset).map(|()| false),
            Message::Refused { refusal, detail } => Err(Stop::Theirs(Refused::from_peer(refusal, &detail))),
            Message::Pong { .. } => Ok(false),
            _ => Err(Stop::Ours(Refused::protocol("the central node sent a message that an agent does not take"))),
        }
    }

    /// How far the central node is, as it last said.
    pub fn mirrored(&self) -> Option<&Mirrored> {
        self.theirs.as_ref()
    }

    /// The checkpoint to be kept, where the central node signed for more than ever before; given once. One for less is not kept:
    /// a process that ended before it could tell of that would be the last to know.
    pub fn take_checkpoint(&mut self) -> Option<&str> {
        let theirs = self.theirs.as_ref().filter(|theirs| theirs.count > self.acknowledged)?;
        self.acknowledged = theirs.count;
        Some(&theirs.checkpoint)
    }

    /// The most that the central node ever signed for.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many entries are safe there: log and keys.
    pub fn log_through(&self) -> u64 {
        let Some(theirs) = &self.theirs else { return 0 };
        let owed = self.keys_owed.iter().any(|owed| held(&theirs.keys, owed.epoch) < owed.count);
        if owed { 0 } else { theirs.count }
    }

    /// What a person should know, though the exchange goes on; each is given once.
    pub fn take_alarms(&mut self) -> Vec<Alarm> {
        std::mem::take(&mut self.alarms)
    }

    /// What to send next. `None`: nothing until something comes or the log grows; an empty list: ask again.
    pub fn produce(&mut self, outbound: &dyn Outbound) -> Result<Option<Vec<Message>>, Stop> {
        let Some(theirs) = self.theirs.as_ref().map(|theirs| theirs.count) else { return Ok(None) };
        let room = WINDOW_MESSAGES_MAX.saturating_sub(self.flights.len());
        if room == 0 {
            return Ok(None);
        }
        if self.batches_read >= self.ours.0 {
            // Head before keys: a key is durable before the head that covers its batch, so these keys open these batches.
            self.ours = outbound.head()?;
            self.our_keys = outbound.keys_held()?;
        }
        if let Some(keys) = self.next_keys(outbound)? {
            return Ok(Some(vec![keys]));
        }
        let batches = self.batches_read < self.ours.0;
        if batches && !self.original_next {
            self.original_next = true;
            return self.next_batches(outbound, room).map(Some);
        }
        self.original_next = false;
        match self.next_original(outbound, theirs)? {
            None if batches => Ok(Some(Vec::new())),
            next => Ok(next),
        }
    }

    fn begin(&mut self, outbound: &dyn Outbound, theirs: &Mirrored) -> Result<(), Stop> {
        self.ours = outbound.head()?;
        self.our_keys = outbound.keys_held()?;
        let (count, root) = self.ours;
        if theirs.count > count {
            // It compared our root with its own before it let us in, so what we have is a part of what it has.
            return Err(Stop::Ours(rollback(count, theirs.count)));
        }
        let ours_there = if theirs.count == count {
            Some(root)
        } else {
            let at = outbound.frames(Sequence(theirs.count), 1)?;
            at.first().filter(|frame| frame.header().first.0 == theirs.count).map(|frame| frame.header().previous_root)
        };
        if ours_there != Some(theirs.root) {
            return Err(Stop::Ours(fork(theirs.count)));
        }
        let ahead = |held: &&KeysHeld| self::held(&self.our_keys, held.epoch) < held.count;
        if let Some(ahead) = theirs.keys.iter().find(ahead) {
            let ours = held(&self.our_keys, ahead.epoch);
            return Err(Stop::Ours(Refused::new(
                Refusal::Rollback,
                format!(
                    "the keyring of epoch {} ends at {ours} but the central node has {} keys of it: this is an old copy; \
                     {GO_BACK}",
                    ahead.epoch, ahead.count
                ),
            )));
        }
        if theirs.count < self.acknowledged {
            self.alarm(
                "central_rollback",
                format!(
                    "the central node has {} entries of this log but had signed for {}: it was restored from an older \
                     backup; it is being sent what it lacks",
                    theirs.count, self.acknowledged
                ),
            );
        }
        self.keys_owed.clone_from(&self.our_keys);
        for held in &theirs.keys {
            self.keys_read.insert(held.epoch, first_key(outbound, *held)?);
        }
        self.batches_read = theirs.count;
        self.walked = theirs.originals_through;
        Ok(())
    }

    /// What it signed is what it says, and it says it of our log.
    fn check_checkpoint(&self, theirs: &Mirrored) -> Result<(), Stop> {
        let signed = Checkpoint::open(&theirs.checkpoint, &self.verifier)
            .map_err(|error| Stop::Ours(Refused::new(Refusal::Identity, error.to_string())))?;
        if signed == (Checkpoint { log: self.log, count: theirs.count, root: theirs.root }) {
            Ok(())
        } else {
            Err(Stop::Ours(Refused::protocol("the checkpoint is not of the position that it came with")))
        }
    }

    fn answered(&mut self, theirs: &Mirrored) -> Result<(), Stop> {
        let (count, root) = self.theirs.as_ref().map_or((0, theirs.root), |before| (before.count, before.root));
        let sent = self.flights.iter().find_map(|flight| match flight {
            Flight::Batch { end, root } if *end == theirs.count => Some(*root),
            _ => None,
        });
        match sent.or((theirs.count == count).then_some(root)) {
            Some(ours) if ours == theirs.root => {}
            Some(_) => return Err(Stop::Ours(fork(theirs.count))),
            None => return Err(Stop::Ours(Refused::protocol("the central node acknowledged what it was not sent"))),
        }
        self.flights.retain(|flight| match flight {
            Flight::Keys { epoch, end } => held(&theirs.keys, *epoch) < *end,
            Flight::Batch { end, .. } => theirs.count < *end,
            Flight::Offer { .. } | Flight::Piece { .. } => true,
        });
        Ok(())
    }

    fn next_keys(&mut self, outbound: &dyn Outbound) -> Result<Option<Message>, Stop> {
        for ours in &self.our_keys {
            let first = self.keys_read.get(&ours.epoch).copied().unwrap_or(0);
            if first >= ours.count {
                continue;
            }
            let records = outbound.key_records(ours.epoch, first, PIECE_BYTES_MAX)?;
            let count = u32::try_from(records.len() / RECORD_BYTES).unwrap_or(u32::MAX);
            if count == 0 {
                return Err(gone("the keyring is shorter than it said").into());
            }
            self.keys_read.insert(ours.epoch, first + count);
            self.flights.push_back(Flight::Keys { epoch: ours.epoch, end: first + count });
            return Ok(Some(Message::Keys { epoch: ours.epoch, first, records }));
        }
        Ok(None)
    }

    fn next_batches(&mut self, outbound: &dyn Outbound, room: usize) -> Result<Vec<Message>, Stop> {
        let mut messages = Vec::new();
        for frame in outbound.frames(Sequence(self.batches_read), READ_BYTES)?.into_iter().take(room) {
            let header = frame.header();
            if header.end().0 > self.ours.0 {
                // It became durable after the keys were looked at.
                break;
            }
            if header.first.0 != self.batches_read {
                return Err(gone("a batch of the log is missing").into());
            }
            self.batches_read = header.end().0;
            self.flights.push_back(Flight::Batch { end: header.end().0, root: header.root });
            messages.push(batch_message(&frame));
        }
        if messages.is_empty() {
            return Err(gone("the log is shorter than its head").into());
        }
        Ok(messages)
    }

    fn next_original(&mut self, outbound: &dyn Outbound, theirs: u64) -> Result<Option<Vec<Message>>, Stop> {
        if let Some(transfer) = &mut self.transfer {
            let Some(offset) = transfer.next.filter(|next| *next < transfer.total) else { return Ok(None) };
            let (sha256, total) = (transfer.sha256, transfer.total);
            let bytes = outbound.object_piece(sha256, offset, PIECE_BYTES_MAX)?;
            if bytes.is_empty() {
                self.skip(sha256, "is shorter than it was");
                return Ok(Some(Vec::new()));
            }
            let end = offset + bytes.len() as u64;
            transfer.next = Some(end);
            self.flights.push_back(Flight::Piece { sha256, end });
            return Ok(Some(vec![Message::OriginalPiece { sha256, offset, total, bytes }]));
        }
        if let Some(sha256) = self.waiting.pop_front() {
            let Some(total) = outbound.object_bytes(sha256)? else {
                self.skip(sha256, "is not in the vault");
                return Ok(Some(Vec::new()));
            };
            self.transfer = Some(Transfer { sha256, total, next: None });
            self.flights.push_back(Flight::Offer { sha256 });
            return Ok(Some(vec![Message::OriginalOffer { sha256, total }]));
        }
        if self.walked.0 >= theirs {
            return Ok(None);
        }
        self.walk(outbound, theirs)?;
        Ok(Some(Vec::new()))
    }

    /// Looks for originals among the entries that the central node has: it takes only originals that its log names.
    fn walk(&mut self, outbound: &dyn Outbound, theirs: u64) -> Result<(), CopyError> {
        for frame in outbound.frames(self.walked, READ_BYTES)? {
            if self.waiting.len() >= WAITING_MAX || self.walked.0 >= theirs {
                return Ok(());
            }
            for entry in frame.entries() {
                let entry = entry.map_err(|error| CopyError::Damaged(Box::new(error)))?;
                let named = entry.event.original().map(|original| original.sha256);
                let there = entry.sequence >= self.walked && entry.sequence.0 < theirs;
                let next = named.filter(|sha256| there && !self.waiting.contains(sha256));
                self.waiting.extend(next);
            }
            self.walked = Sequence(frame.header().end().0.min(theirs));
        }
        Ok(())
    }

    fn original_at(&mut self, sha256: Digest, offset: u64) -> Result<(), Stop> {
        let oldest = self.flights.iter().position(|flight| match flight {
            Flight::Offer { sha256: sent } | Flight::Piece { sha256: sent, .. } => *sent == sha256,
            _ => false,
        });
        let answered = oldest.and_then(|place| self.flights.remove(place));
        let (Some(answered), Some(transfer)) = (answered, self.transfer.as_mut()) else {
            return Err(Stop::Ours(Refused::protocol("the central node answered an offer that was not made")));
        };
        let total = transfer.total;
        match answered {
            Flight::Offer { .. } if offset < total => transfer.next = Some(offset),
            Flight::Piece { end, .. } if end == offset && end < total => {}
            Flight::Piece { end, .. } if end == total && offset != total && self.again.insert(sha256) => {
                // What came before a power cut there may have been spoilt by it.
                self.transfer = None;
                self.waiting.push_front(sha256);
            }
            Flight::Piece { end, .. } if end == total && offset != total => {
                self.skip(sha256, "does not pass its own checksum at the central node");
            }
            Flight::Piece { end, .. } if end != offset => {
                return Err(Stop::Ours(Refused::protocol("the central node lost a piece of an original")));
            }
            _ => self.transfer = None,
        }
        Ok(())
    }

    /// Goes on without this original; what stands before it stays the mirrored position.
    fn skip(&mut self, sha256: Digest, why: &str) {
        self.transfer = None;
        self.alarm(
            "original_not_mirrored",
            format!(
                "the original {sha256} {why}: run `daybook verify`, and put it back from a backup if it is damaged"
            ),
        );
    }

    fn alarm(&mut self, alarm: &str, detail: String) {
        self.alarms.push(Alarm { alarm: alarm.to_owned(), detail });
    }
}

/// The first key to be sent of those whose records begin so at the central node: the last that it has is sent again. Keys are
/// random, so that a keyring that parted from this one differs there, though no batch may have followed those keys that would
/// tell. One that is damaged or destroyed here tells nothing.
fn first_key(outbound: &dyn Outbound, theirs: KeysHeld) -> Result<u32, CopyError> {
    let last = KeyId { epoch: theirs.epoch, number: theirs.count.saturating_sub(1) };
    let record = outbound.key_records(last.epoch, last.number, RECORD_BYTES)?;
    Ok(if is_intact(last, &record) { last.number } else { theirs.count })
}

/// How many keys of an epoch there are in a list.
fn held(keys: &[KeysHeld], epoch: Epoch) -> u32 {
    keys.iter().find(|held| held.epoch == epoch).map_or(0, |held| held.count)
}

fn gone(what: &str) -> CopyError {
    CopyError::Damaged(what.into())
}

/// The way out where a log is not a part of its mirrored copy, nor the copy of it.
pub(crate) const GO_BACK: &str = "start the right copy, or stop this agent and run `daybook recover --rejoin` here, with a code from \
                                  `daybook central invite --recover`: what is here is kept as evidence, and judged again on the \
                                  mirrored log";

/// The refusal of a log that ends before what is mirrored of it.
pub(crate) fn rollback(ours: u64, theirs: u64) -> Refused {
    Refused::new(
        Refusal::Rollback,
        format!(
            "this log ends at {ours} entries but the central node has {theirs} of it: an old copy of the data directory \
             was started, or entries were lost; {GO_BACK}"
        ),
    )
}

/// The refusal of a log that differs from its mirrored copy.
pub(crate) fn fork(at: u64) -> Refused {
    Refused::new(
        Refusal::Fork,
        format!(
            "the log and its mirrored copy differ within their first {at} entries, and one of them was changed or written \
             twice: nothing is overwritten; {GO_BACK}"
        ),
    )
}
