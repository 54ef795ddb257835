//! The index: what the desk needs to look up to decide, folded from the log into memory. It is compact because it must
//! hold ten million learners, and it holds nothing personal: tokens, ids, codes and dates.

mod arrivals;
mod flat;
mod people;
mod scratch;
mod snapshot;
mod ties;
mod under;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use daybook_protocol::{
    date::Timestamp,
    entry::{Actor, Entry, Source},
    event::{Event, OrderProposed, Register},
    field::Kind,
    ids::{Digest, Epoch, KeyId, LogId, RegistrationNo, Sequence, Token},
    wire::KeysHeld,
};
use serde::{Deserialize, Serialize};

pub use arrivals::{Arrival, Decided, Replaced, Stage, Verdict};
pub use snapshot::{IndexError, Saved};
pub use under::Under;

use crate::desk::{self, Ask, Candidates, Certificate, Command, Decision, Learner, Occasion, Other, Policies};
use arrivals::Arrivals;
use people::People;

/// A file or row that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The `FileHeld` or `RowHeld`.
    pub held: Sequence,
    /// The file.
    pub arrival: Sequence,
    /// The row's line; `None` for the file as a whole.
    pub line: Option<u32>,
    /// What the row asks for, or the file was read as.
    pub kind: Option<Kind>,
    /// Since when it waits, in microseconds from 1970.
    pub since: i64,
    /// Whether a person let the row go on and its new verdict is not in the log yet.
    pub released: bool,
}

/// An alarm that has not been cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAlarm {
    /// The entry that raised it.
    pub sequence: Sequence,
    /// What is wrong and what to do.
    pub detail: String,
}

/// The last scrub on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastScrub {
    /// Its `Scrubbed`.
    pub sequence: Sequence,
    /// When it was recorded, in microseconds from 1970.
    pub at: i64,
    /// How many things were damaged or missing.
    pub faults: u64,
}

/// An order that waits for another operator's approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The `OrderProposed`.
    pub entry: Sequence,
    /// What is asked for.
    pub kind: Kind,
    /// Who proposed it.
    pub operator: String,
    /// Since when it waits, in microseconds from 1970.
    pub since: i64,
    /// The learner it is about.
    pub learner: Option<KeyId>,
    /// The registration it is about, where it names one.
    pub registration: Option<RegistrationNo>,
    /// The held row that is to be let go on, where that is what is asked for.
    pub held: Option<Sequence>,
    /// The key by which it is sealed.
    pub key: Option<KeyId>,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Index {
    applied: u64,
    people: People,
    certificates: HashMap<String, Certificate>,
    arrivals: Arrivals,
    held: HashMap<u64, Held>,
    /// The held rows that were released and not judged again yet, by arrival and line. Almost always empty, so that a row
    /// costs nothing here.
    released: HashMap<(Sequence, u32), u64>,
    /// Orders that wait for approval, by their entries.
    proposals: BTreeMap<u64, Proposal>,
    alarms: HashMap<String, OpenAlarm>,
    config: Option<Sequence>,
    /// The versions of the registers in force.
    registers: BTreeMap<Register, Sequence>,
    scrubbed: Option<LastScrub>,
    /// What operators said of headings and values: the centre, and the entry that says it, in the order of the log.
    mappings: Vec<(String, Sequence)>,
    /// How many keys of each epoch the log names. Asked for every entry, and of a handful of epochs.
    keys: BTreeMap<Epoch, u32>,
}

impl Index {
    /// How many entries have been folded.
    pub fn applied_through(&self) -> u64 {
        self.applied
    }

    /// Folds the next entry. Entries come in order, each once; an entry of a later version's kind changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        debug_assert_eq!(entry.sequence.0, self.applied, "entries are folded in order");
        self.applied = entry.sequence.0 + 1;
        if let Some(sealed) = &entry.sealed {
            self.use_key(sealed.key);
        }
        match &entry.event {
            Event::ConfigAdopted(_) => self.config = Some(entry.sequence),
            Event::ReferenceLoaded(loaded) => {
                self.registers.insert(loaded.register, entry.sequence);
            }
            Event::AlarmRaised(alarm) => {
                let open = OpenAlarm { sequence: entry.sequence, detail: alarm.detail.clone() };
                self.alarms.insert(alarm.alarm.clone(), open);
            }
            Event::AlarmCleared(alarm) => {
                self.alarms.remove(&alarm.alarm);
            }
            Event::Scrubbed(scrubbed) => {
                let (sequence, at, faults) = (entry.sequence, entry.recorded_at.0, scrubbed.faults);
                self.scrubbed = Some(LastScrub { sequence, at, faults });
            }
            Event::OrderProposed(order) => self.propose(entry, order),
            Event::ProposalDecided(decided) => {
                self.proposals.remove(&decided.proposed.0);
            }
            Event::FileHeld(closed) => self.hold(entry, closed.arrival, None, None),
            Event::RowHeld(row) => {
                if let Source::Row { arrival, line } = entry.source {
                    self.hold(entry, arrival, Some(line), Some(row.kind));
                }
            }
            Event::HeldReleased(resolved) => self.resolve(resolved.held, true, entry),
            Event::HeldRefused(resolved) => self.resolve(resolved.held, false, entry),
            Event::MappingLearned(learned) => {
                self.mappings.push((learned.centre.clone(), entry.sequence));
                if let Some(held) = self.held.remove(&learned.held.0) {
                    self.arrivals.read_anew(held.arrival);
                }
            }
            Event::CertificateDispatched(_) | Event::CertificateReturned(_) | Event::CertificateRedispatched(_) => {
                self.certificate_moved(entry);
                self.people.apply(entry);
            }
            _ => self.people.apply(entry),
        }
        if let Source::Row { arrival, line } = entry.source
            && !self.released.is_empty()
            && let Some(held) = self.released.remove(&(arrival, line))
        {
            self.held.remove(&held);
            self.arrivals.row_resolved(arrival, line, entry);
        }
        self.arrivals.apply(entry);
    }

    /// A person has decided on something held. A released row stays held until its new verdict is in the log: if that never
    /// gets there, it can be released again and is not forgotten.
    fn resolve(&mut self, held: Sequence, released: bool, entry: &Entry) {
        let Some(found) = self.held.get_mut(&held.0) else { return };
        // Nothing is left to be approved.
        self.proposals.retain(|_, proposal| proposal.held != Some(held));
        let (arrival, line) = (found.arrival, found.line);
        match line {
            Some(line) if released => {
                found.released = true;
                self.released.insert((arrival, line), held.0);
                return;
            }
            Some(line) => {
                self.released.remove(&(arrival, line));
                self.arrivals.row_resolved(arrival, line, entry);
            }
            None => self.arrivals.resolve(arrival, released, entry),
        }
        self.held.remove(&held.0);
    }

    /// The entries that say what headings and values mean in the files of a centre, in the order of the log.
    pub fn mappings(&self, centre: &str) -> Vec<Sequence> {
        let of_centre = self.mappings.iter().filter(|(other, _)| other == centre);
        of_centre.map(|(_, entry)| *entry).collect()
    }

    fn use_key(&mut self, key: KeyId) {
        let used = self.keys.entry(key.epoch).or_default();
        *used = (*used).max(key.number.saturating_add(1));
    }

    /// How many keys of each epoch the log names: the keyring must have at least these.
    pub fn keys_used(&self) -> Vec<KeysHeld> {
        self.keys.iter().map(|(epoch, count)| KeysHeld { epoch: *epoch, count: *count }).collect()
    }

    fn hold(&mut self, entry: &Entry, arrival: Sequence, line: Option<u32>, kind: Option<Kind>) {
        let held = Held { held: entry.sequence, arrival, line, kind, since: entry.recorded_at.0, released: false };
        self.held.insert(entry.sequence.0, held);
        if line.is_some() {
            self.arrivals.row_held(arrival);
        }
    }

    fn propose(&mut self, entry: &Entry, order: &OrderProposed) {
        // Nobody but an operator orders anything.
        let Actor::Operator(operator) = &entry.actor else { return };
        let proposal = Proposal {
            entry: entry.sequence,
            kind: order.kind,
            operator: operator.clone(),
            since: entry.recorded_at.0,
            learner: order.learner,
            registration: order.registration,
            held: order.held,
            key: entry.sealed.as_ref().map(|sealed| sealed.key),
        };
        self.proposals.insert(entry.sequence.0, proposal);
    }

    fn certificate_moved(&mut self, entry: &Entry) {
        let (Some(effective_on), sequence) = (entry.effective_on, entry.sequence) else { return };
        let (number, leg) = match &entry.event {
            Event::CertificateDispatched(event) => {
                let (registration, learner) = (event.registration, event.learner);
                let number = event.certificate.clone();
                let fresh = Certificate { number: number.clone(), registration, learner, moves: Vec::new() };
                self.certificates.entry(number.clone()).or_insert(fresh);
                (number, desk::Leg::Dispatched)
            }
            Event::CertificateReturned(event) => (event.certificate.clone(), desk::Leg::Returned(event.reason)),
            Event::CertificateRedispatched(event) => (event.certificate.clone(), desk::Leg::Redispatched),
            _ => return,
        };
        if let Some(certificate) = self.certificates.get_mut(&number) {
            let moved = desk::Move { effective_on, sequence, arrival: arrival_of(entry), leg };
            let place = certificate.moves.partition_point(|earlier| earlier.effective_on <= effective_on);
            certificate.moves.insert(place, moved);
        }
    }

    /// Decides a command by what has been folded so far, and by the policy in force on its own effective date.
    pub fn judge(&self, command: &Command, occasion: Occasion, policies: &Policies) -> Decision {
        let policy = policies.on(command.effective_on);
        let subject = &command.subject;
        let by_uln = subject.uln.and_then(|uln| self.people.by_uln(&uln));
        let by_person = subject.person.and_then(|person| self.people.by_person(&person));
        let unknown = by_uln.is_none() && by_person.is_none();
        let mut near = subject.near.iter().filter(|_| unknown);
        let found = Candidates {
            near: near.find_map(|token| self.people.bearer(token)),
            by_uln,
            by_person,
            by_registration: subject.registration.and_then(|no| self.people.by_registration(no)),
            by_new_uln: match &command.ask {
                Ask::Amend { uln: Some(uln), .. } | Ask::Alias { uln } => self.people.holder(uln),
                _ => None,
            },
            other: match &command.ask {
                Ask::Merge { other, .. } => self.other(other),
                _ => None,
            },
            formerly: [subject.uln, subject.person]
                .into_iter()
                .flatten()
                .find_map(|token| self.people.formerly(&token)),
        };
        match &command.ask {
            Ask::Dispatch { certificate, .. }
            | Ask::Return { certificate, .. }
            | Ask::Redispatch { certificate, .. } => {
                desk::decide_certificate(self.certificates.get(certificate), &found, command, occasion, policy)
            }
            _ => desk::decide_learner(&found, command, occasion, policy),
        }
    }

    /// The other one of two learners, as far as ULN and registration do not speak of two more.
    fn other(&self, other: &Other) -> Option<Learner> {
        let by_uln = other.uln.and_then(|uln| self.people.by_uln(&uln));
        let by_registration = other.registration.and_then(|no| self.people.by_registration(no));
        match (by_uln, by_registration) {
            (Some(one), Some(another)) if one.id != another.id => None,
            (Some(one), _) | (None, Some(one)) => Some(one),
            (None, None) => None,
        }
    }

    /// The learner who has a ULN.
    pub fn learner_by_uln(&self, uln: &Token) -> Option<KeyId> {
        self.people.holder(uln)
    }

    /// The learner of a registration.
    pub fn learner_by_registration(&self, no: RegistrationNo) -> Option<KeyId> {
        self.people.by_registration(no).map(|learner| learner.id)
    }

    /// The learner of a certificate.
    pub fn learner_by_certificate(&self, number: &str) -> Option<KeyId> {
        self.certificates.get(number).map(|certificate| certificate.learner)
    }

    /// How many learners and registrations there are.
    pub fn people(&self) -> (usize, usize) {
        self.people.count()
    }

    /// An arrival, as far as the log has it. Of those long finished only the books know.
    pub fn arrival(&self, arrival: Sequence) -> Option<&Arrival> {
        self.arrivals.one(arrival)
    }

    /// The arrivals whose handling is not finished, oldest first.
    pub fn open_arrivals(&self) -> Vec<Arrival> {
        self.arrivals.open()
    }

    /// The latest arrival of all.
    pub fn latest_arrival(&self) -> Option<Sequence> {
        self.arrivals.latest()
    }

    /// When the last file came from each folder.
    pub fn latest_by_folder(&self) -> HashMap<String, Timestamp> {
        self.arrivals.latest_by_folder().clone()
    }

    /// The first arrival of an original.
    pub fn first_arrival(&self, sha256: &Digest) -> Option<Sequence> {
        self.arrivals.first(sha256)
    }

    /// Whether what an entry held still waits for a person.
    pub fn is_held(&self, held: Sequence) -> bool {
        self.held.contains_key(&held.0)
    }

    /// What waits for a person, oldest first.
    pub fn held(&self) -> Vec<Held> {
        let mut held: Vec<_> = self.held.values().cloned().collect();
        held.sort_unstable_by_key(|held| held.held);
        held
    }

    /// The orders that wait for approval, oldest first.
    pub fn proposals(&self) -> Vec<Proposal> {
        self.proposals.values().cloned().collect()
    }

    /// The order that waits for approval under an entry.
    pub fn proposal(&self, entry: Sequence) -> Option<&Proposal> {
        self.proposals.get(&entry.0)
    }

    /// The alarms that are not cleared, by name.
    pub fn alarms(&self) -> Vec<(String, OpenAlarm)> {
        let mut alarms: Vec<_> = self.alarms.iter().map(|(name, alarm)| (name.clone(), alarm.clone())).collect();
        alarms.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        alarms
    }

    /// The refusals recorded at folders' doors, so that they are not recorded again.
    pub fn refused(&self) -> Vec<(String, daybook_protocol::event::FileId, Timestamp)> {
        self.arrivals.refused()
    }

    /// The latest `ConfigAdopted`.
    pub fn config(&self) -> Option<Sequence> {
        self.config
    }

    /// The last scrub.
    pub fn scrubbed(&self) -> Option<LastScrub> {
        self.scrubbed
    }

    /// Reads an index that was saved; `None` if there is none, or if it is of another version or log or damaged: then the log
    /// gives the index again.
    pub fn load(path: &Path, log: LogId) -> Option<Saved> {
        snapshot::load(path, log)
    }

    /// Saves the index for the next start; `root` is that of the entries folded, of this log.
    pub fn save(&self, log: LogId, root: Digest, path: &Path) -> Result<(), IndexError> {
        snapshot::save(self, log, root, path)
    }
}

/// The file that an entry came in.
fn arrival_of(entry: &Entry) -> Option<Sequence> {
    match entry.source {
        Source::Row { arrival, .. } | Source::File { arrival } => Some(arrival),
        Source::Agent | Source::Command => None,
    }
}

#[cfg(test)]
mod tests;
