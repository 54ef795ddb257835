//! The index on disk, so that a start need not read the whole log. Derived: whatever does not read back whole, or is of
//! another history than the log's, is ignored. Another history can be as long: after a salvage, a recover, or when an old copy
//! was put back; hence the root.
//!
//! Layout: magic (8 bytes), version (4), log id (16), applied through (8), root (32), then the flat tables as fixed-size records behind their counts, the
//! small rest as JSON behind its length, and the SHA-256 of all that.

mod bytes;

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use daybook_protocol::{
    date::{Date, Timestamp},
    event::{FileId, JudgedAgain, Register, ReturnReason, WithdrawalReason},
    field::Field,
    ids::{Digest, Epoch, KeyId, LogId, RegistrationNo, Sequence, Token},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use bytes::{BUFFER_BYTES, Hashing, In, Out, maybe};

use super::{
    Held, Index, LastScrub, OpenAlarm, Proposal,
    arrivals::Arrival,
    people::{LearnerSlot, RegistrationSlot, StepSlot, Terms},
    ties::{self, Ties},
};
use crate::desk::{Action, Certificate, Change, Leg, Move, Step};

const MAGIC: [u8; 8] = *b"DBKINDEX";
/// Raised with every change of the layout; an older snapshot is then ignored.
const VERSION: u32 = 11;
/// The small rest is at most this long: a damaged length must not allocate.
const REST_BYTES_MAX: u64 = 1 << 30;
/// A learner's record: key, three tokens, the last registration.
const LEARNER_BYTES: u64 = 8 + 3 * 16 + 4;
/// The SHA-256 at the end.
const HASH_BYTES: u64 = 32;

/// Why an index was not saved.
#[derive(Debug, thiserror::Error)]
#[error("cannot save the index at {path}")]
pub struct IndexError {
    path: PathBuf,
    source: io::Error,
}

/// An index as it was saved, before it is known whether it stands on the log as it is now.
pub struct Saved {
    index: Index,
    root: Digest,
}

impl Saved {
    /// The index, if it was folded from the history whose root at a count `root_at` gives.
    pub fn on(self, root_at: impl FnOnce(u64) -> Option<Digest>) -> Option<Index> {
        (root_at(self.index.applied) == Some(self.root)).then_some(self.index)
    }
}

/// All but the flat tables.
#[derive(Serialize, Deserialize)]
struct Rest {
    texts: Vec<String>,
    changes: Vec<SavedChange>,
    former: Vec<(Token, u32)>,
    ties: ties::Saved,
    certificates: Vec<SavedCertificate>,
    open: Vec<Arrival>,
    finished: Vec<Arrival>,
    first: Vec<(Digest, Sequence)>,
    refused: Vec<(String, u64, u64, i64)>,
    held: Vec<Held>,
    proposals: Vec<Proposal>,
    alarms: Vec<(String, OpenAlarm)>,
    config: Option<Sequence>,
    registers: Vec<(Register, Sequence)>,
    scrubbed: Option<LastScrub>,
    mappings: Vec<(String, Sequence)>,
    keys: Vec<(Epoch, u32)>,
    latest: Option<Sequence>,
    by_folder: Vec<(String, i64)>,
    again: Option<JudgedAgain>,
}

#[derive(Serialize, Deserialize)]
struct SavedChange {
    learner: u32,
    field: Field,
    change: Token,
    effective_on: i32,
    sequence: Sequence,
    arrival: Option<Sequence>,
    identity_before: Token,
}

#[derive(Serialize, Deserialize)]
struct SavedCertificate {
    number: String,
    registration: RegistrationNo,
    learner: KeyId,
    moves: Vec<(i32, Sequence, Option<Sequence>, SavedLeg)>,
}

#[derive(Serialize, Deserialize)]
enum SavedLeg {
    Dispatched,
    Returned(ReturnReason),
    Redispatched,
}

pub(super) fn save(index: &Index, log: LogId, root: Digest, path: &Path) -> Result<(), IndexError> {
    let failed = |source| IndexError { path: path.to_owned(), source };
    let temporary = path.with_extension("new");
    let write = || -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut out = Out::new(File::create(&temporary)?);
        out.put(&MAGIC)?;
        out.small(VERSION)?;
        out.put(&log.0)?;
        out.number(index.applied)?;
        out.put(&root.0)?;
        write_index(index, &mut out)?;
        out.finish()?.sync_all()?;
        fs::rename(&temporary, path)
    };
    // Half an index would only take room, on a disk that has none to spare perhaps.
    write().inspect_err(|_| drop(fs::remove_file(&temporary))).map_err(failed)
}

pub(super) fn load(path: &Path, log: LogId) -> Option<Saved> {
    let file = File::open(path).ok()?;
    let hashed = file.metadata().ok()?.len().checked_sub(HASH_BYTES)?;
    let hashing = Hashing { inner: file.take(hashed), hash: Sha256::new() };
    let mut from = In { inner: BufReader::with_capacity(BUFFER_BYTES, hashing) };
    let known = from.take().ok()? == MAGIC && from.small().ok()? == VERSION;
    let of = known.then(|| from.take().map(LogId)).transpose().ok()?;
    let (applied, root) = (from.number().ok()?, Digest(from.take().ok()?));
    if of != Some(log) {
        return None;
    }
    let index = read_index(&mut from, applied, hashed / LEARNER_BYTES).ok()?;
    if !from.inner.fill_buf().ok()?.is_empty() {
        return None;
    }
    let Hashing { inner, hash } = from.inner.into_inner();
    let (found, mut expected): ([u8; 32], _) = (hash.finalize().into(), [0; 32]);
    inner.into_inner().read_exact(&mut expected).ok()?;
    (found == expected).then_some(Saved { index, root })
}

fn write_index<T: Write>(index: &Index, out: &mut Out<T>) -> io::Result<()> {
    let people = &index.people;
    out.number(people.learners.len() as u64)?;
    for LearnerSlot { id, uln, person, identity, registrations } in people.learners.iter() {
        out.small(id.epoch.0)?;
        out.small(id.number)?;
        for token in [uln, person, identity] {
            out.put(&token.0)?;
        }
        out.small(*registrations)?;
    }
    out.number(people.terms.all.len() as u64)?;
    for Terms { epoch, centre, brand, qualification } in &people.terms.all {
        for number in [epoch.0, *centre, *brand, *qualification] {
            out.small(number)?;
        }
    }
    out.number(people.registrations.len() as u64)?;
    for slot in people.registrations.iter() {
        out.number(slot.sequence.0)?;
        out.number(maybe(slot.arrival.into()))?;
        for number in [slot.learner, slot.terms, slot.previous, slot.steps] {
            out.small(number)?;
        }
        out.date(slot.starts_on)?;
        out.date(slot.expires_on)?;
    }
    out.number(people.steps.len() as u64)?;
    for StepSlot { step, previous } in people.steps.iter() {
        out.date(step.effective_on)?;
        out.date(step.recorded_on)?;
        out.number(step.sequence.0)?;
        out.number(maybe(step.arrival))?;
        let (tag, value) = match step.action {
            Action::Enrolled => (0, 0),
            Action::Deferred(resume_by) => (1, resume_by.0),
            Action::Resumed => (2, 0),
            Action::Withdrawn(reason) => (3, reason as i32),
            Action::Certificated => (4, 0),
            Action::Reversed => (5, 0),
            Action::Extended(resume_by) => (6, resume_by.0),
            Action::Voided => (7, 0),
            Action::Completed => (8, 0),
            Action::Transferred => (9, 0),
            Action::ResumedExtended(days) => (10, days),
        };
        out.small(tag)?;
        out.date(Date(value))?;
        out.small(*previous)?;
    }
    let rest = serde_json::to_vec(&rest(index)).map_err(io::Error::other)?;
    out.number(rest.len() as u64)?;
    out.put(&rest)
}

fn rest(index: &Index) -> Rest {
    let leg = |leg| match leg {
        Leg::Dispatched => SavedLeg::Dispatched,
        Leg::Returned(reason) => SavedLeg::Returned(reason),
        Leg::Redispatched => SavedLeg::Redispatched,
    };
    let moves = |it: &Certificate| {
        it.moves.iter().map(|it| (it.effective_on.0, it.sequence, it.arrival, leg(it.leg))).collect()
    };
    let change = |learner: u32, it: &Change| SavedChange {
        learner,
        field: it.field,
        change: it.change,
        effective_on: it.effective_on.0,
        sequence: it.sequence,
        arrival: it.arrival,
        identity_before: it.identity_before,
    };
    let changes = index.people.changes.iter().flat_map(|(slot, changes)| changes.iter().map(|it| change(*slot, it)));
    Rest {
        texts: index.people.texts.all.clone(),
        changes: changes.collect(),
        former: index.people.former.iter().map(|(token, slot)| (*token, *slot)).collect(),
        ties: index.people.ties.save(),
        certificates: (index.certificates.values())
            .map(|it| SavedCertificate {
                number: it.number.clone(),
                registration: it.registration,
                learner: it.learner,
                moves: moves(it),
            })
            .collect(),
        open: index.arrivals.open.values().cloned().collect(),
        finished: index.arrivals.finished.iter().cloned().collect(),
        first: index.arrivals.first.iter().map(|(digest, first)| (*digest, *first)).collect(),
        refused: (index.arrivals.refused.iter())
            .map(|((folder, id), at)| (folder.clone(), id.device, id.number, at.0))
            .collect(),
        held: index.held(),
        proposals: index.proposals(),
        alarms: index.alarms(),
        config: index.config,
        registers: index.registers.iter().map(|(register, version)| (*register, *version)).collect(),
        scrubbed: index.scrubbed,
        mappings: index.mappings.clone(),
        keys: index.keys.iter().map(|(epoch, count)| (*epoch, *count)).collect(),
        latest: index.arrivals.latest,
        by_folder: index.arrivals.by_folder.iter().map(|(folder, at)| (folder.clone(), at.0)).collect(),
        again: index.arrivals.again,
    }
}

/// Reads all behind the root; there are at most so many learners.
fn read_index<T: Read>(from: &mut In<T>, applied: u64, learners_max: u64) -> io::Result<Index> {
    let wrong = |why: &'static str| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut index = Index { applied, ..Index::default() };
    let learners = from.number()?;
    // A damaged count must not allocate.
    index.people.reserve(usize::try_from(learners.min(learners_max)).unwrap_or_default());
    for _ in 0..learners {
        let id = KeyId { epoch: Epoch(from.small()?), number: from.small()? };
        let [uln, person, identity] = [Token(from.take()?), Token(from.take()?), Token(from.take()?)];
        index.people.restore(LearnerSlot { id, uln, person, identity, registrations: from.small()? });
    }
    for _ in 0..from.number()? {
        let (epoch, centre) = (Epoch(from.small()?), from.small()?);
        index.people.terms.place(Terms { epoch, centre, brand: from.small()?, qualification: from.small()? });
    }
    for _ in 0..from.number()? {
        let (sequence, arrival) = (from.sequence()?, from.maybe()?.into());
        let [learner, terms, previous, steps] = [from.small()?, from.small()?, from.small()?, from.small()?];
        let (starts_on, expires_on) = (from.date()?, from.date()?);
        let slot = RegistrationSlot { sequence, arrival, learner, terms, starts_on, expires_on, previous, steps };
        index.people.registrations.push(slot);
    }
    for _ in 0..from.number()? {
        let (effective_on, recorded_on) = (from.date()?, from.date()?);
        let (sequence, arrival) = (from.sequence()?, from.maybe()?);
        let action = match (from.small()?, from.date()?) {
            (0, _) => Action::Enrolled,
            (1, resume_by) => Action::Deferred(resume_by),
            (2, _) => Action::Resumed,
            (3, reason) => {
                let reason = WithdrawalReason::ALL.into_iter().find(|known| *known as i32 == reason.0);
                Action::Withdrawn(reason.ok_or_else(|| wrong("unknown reason"))?)
            }
            (4, _) => Action::Certificated,
            (5, _) => Action::Reversed,
            (6, resume_by) => Action::Extended(resume_by),
            (7, _) => Action::Voided,
            (8, _) => Action::Completed,
            (9, _) => Action::Transferred,
            (10, Date(days)) => Action::ResumedExtended(days),
            _ => return Err(wrong("unknown step")),
        };
        let step = Step { effective_on, recorded_on, sequence, arrival, action };
        index.people.steps.push(StepSlot { step, previous: from.small()? });
    }
    let length = from.number()?;
    if length > REST_BYTES_MAX {
        return Err(wrong("too long"));
    }
    let mut rest = Vec::new();
    (&mut from.inner).take(length).read_to_end(&mut rest)?;
    restore(&mut index, serde_json::from_slice(&rest).map_err(io::Error::other)?);
    Ok(index)
}

fn restore(index: &mut Index, rest: Rest) {
    for text in &rest.texts {
        index.people.texts.place(text);
    }
    for SavedChange { learner, field, change, effective_on, sequence, arrival, identity_before } in rest.changes {
        let change = Change { field, change, effective_on: Date(effective_on), sequence, arrival, identity_before };
        index.people.changes.entry(learner).or_default().push(change);
    }
    index.people.former = rest.former.into_iter().collect();
    index.people.ties = Ties::restore(rest.ties);
    for SavedCertificate { number, registration, learner, moves } in rest.certificates {
        let moves = moves.into_iter().map(|(on, sequence, arrival, leg)| {
            let leg = match leg {
                SavedLeg::Dispatched => Leg::Dispatched,
                SavedLeg::Returned(reason) => Leg::Returned(reason),
                SavedLeg::Redispatched => Leg::Redispatched,
            };
            Move { effective_on: Date(on), sequence, arrival, leg }
        });
        let moves = moves.collect();
        index.certificates.insert(number.clone(), Certificate { number, registration, learner, moves });
    }
    index.arrivals.open = rest.open.into_iter().map(|arrival| (arrival.arrival.0, arrival)).collect();
    index.arrivals.finished = rest.finished.into();
    index.arrivals.first = rest.first.into_iter().collect();
    index.arrivals.refused = (rest.refused.into_iter())
        .map(|(folder, device, number, at)| ((folder, FileId { device, number }), Timestamp(at)))
        .collect();
    index.held = rest.held.into_iter().map(|held| (held.held.0, held)).collect();
    let released = index.held.values().filter(|held| held.released);
    index.released = released.filter_map(|held| Some(((held.arrival, held.line?), held.held.0))).collect();
    index.proposals = rest.proposals.into_iter().map(|waiting| (waiting.entry.0, waiting)).collect();
    index.alarms = rest.alarms.into_iter().collect();
    index.config = rest.config;
    index.registers = rest.registers.into_iter().collect();
    index.scrubbed = rest.scrubbed;
    index.mappings = rest.mappings;
    index.keys = rest.keys.into_iter().collect();
    index.arrivals.latest = rest.latest;
    index.arrivals.by_folder = rest.by_folder.into_iter().map(|(folder, at)| (folder, Timestamp(at))).collect();
    index.arrivals.again = rest.again;
}
