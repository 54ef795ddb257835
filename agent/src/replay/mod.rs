//! What a changed policy would have made of real history: files and orders recorded from a day on are judged again, in a scratch index
//! beside the log, and every verdict that would differ is told (DOMAIN.md 0.2, decision 7).
//!
//! What was decided in between counts: a row that would have been accepted is there for those behind it, one that would have been
//! refused is not. Persons' words on what was held stand as they were given, as do what headings and values mean and the registers in
//! force, each from its own entry on. A proposal is no verdict: what it came to is judged. Architecture invariant: nothing is written, neither to the log
//! nor to its books, and nothing waits for it but whoever asked; it takes the memory of one more index.

mod files;
mod orders;
mod reference;
mod rows;

use std::{collections::HashMap, convert::Infallible};

use daybook_protocol::{
    batch::Frame,
    date::{Date, Timestamp},
    entry::{Actor, Entry, Private, Source},
    event::{Event, LearnersMerged, LearnersUnmerged, RowDuplicate, RowHeld, RowRejected},
    field::Kind,
    finding::{Code, Finding},
    ids::{Epoch, KeyId, RegistrationNo, Sequence},
};
use serde::Serialize;

use crate::{
    books::index::Index,
    desk::{self, Command, Decision, Objection, Occasion, Policies, Rejected},
    office::{Office, OfficeError},
    zone::{day_in_london, london},
};
use reference::InForce;
use rows::Reread;

/// The scratch index is told of as often as so many entries are folded.
const TELL_ENTRIES: u64 = 4096;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The policies by which is judged.
    pub policies: Policies,
    /// The first day of recording, in London.
    pub from: Date,
    /// The last one.
    pub to: Option<Date>,
}

/// What an entry said, or would say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The event; `None` where there would be no entry.
    pub event: Option<Event>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A verdict that would differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The entry.
    pub entry: Sequence,
    /// What it came from.
    pub source: Source,
    /// From which day it holds, or on which it was recorded.
    pub day: Date,
    /// What it says.
    pub was: Said,
    /// What it would say.
    pub would_be: Said,
}

/// What was judged again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Files as a whole.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// Operators' orders.
    pub orders: u64,
    /// How many of all these would come to another verdict.
    pub differing: u64,
    /// Rows and orders that cannot be judged again, and were left as they are: their original or what was sealed of them cannot be had, or
    /// an order was refused or repeated another one, of which the log does not have all that was said, or a register that was in force
    /// cannot be read.
    pub left: u64,
}

/// Judges again what was recorded from a day on; `found` hears of each verdict that would differ, in the order of the log, `progress` of
/// entries done and entries in all. It stops, with [`OfficeError::Stopping`], where the office is to stop or `progress` says that nobody
/// listens.
pub fn replay(
    office: &Office,
    asked: &Asked,
    found: &mut dyn FnMut(&Difference),
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Replayed, OfficeError> {
    let from = office.begun(asked.from)?;
    let to = asked.to.map(|to| office.begun(to.plus_days(1))).transpose()?;
    let to = to.unwrap_or(Sequence(office.reading.entries.count()));
    replay_between(office, &asked.policies, (from, to), found, progress)
}

/// The same by places of the log, the second of which is behind the last entry.
fn replay_between(
    office: &Office,
    policies: &Policies,
    (from, to): (Sequence, Sequence),
    found: &mut dyn FnMut(&Difference),
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Replayed, OfficeError> {
    let mut replay = Replay {
        office,
        policies,
        index: Index::default(),
        in_force: InForce::default(),
        epoch: Epoch::FIRST,
        made_up: 0,
        waiting: HashMap::new(),
        released: HashMap::new(),
        reread: Reread::default(),
        read_last: None,
        done: Replayed::default(),
    };
    for frame in office.reading.entries.frames(Sequence(0)) {
        let frame = frame?;
        if frame.header().first >= to {
            break;
        }
        for entry in frame.entries() {
            let entry = entry?;
            if entry.sequence >= to {
                break;
            }
            let at = entry.sequence;
            if at == from {
                replay.begin();
            }
            let differs = if at < from { replay.fold(entry) } else { replay.entry(entry)? };
            if let Some(differs) = differs {
                replay.done.differing += 1;
                found(&differs);
            }
            if at.0 % TELL_ENTRIES == 0 {
                office.go_on()?;
                if !progress(at.0, to.0) {
                    return Err(OfficeError::Stopping);
                }
            }
        }
    }
    progress(to.0, to.0);
    Ok(replay.done)
}

struct Replay<'a> {
    office: &'a Office,
    policies: &'a Policies,
    /// What would have been, up to the entry that is looked at.
    index: Index,
    /// Registers and configuration as they were.
    in_force: InForce,
    /// The epoch in which the log was written there.
    epoch: Epoch,
    /// How many learners were met since the day: they have keys here that no learner has.
    made_up: u32,
    /// The rows that wait for a person there, by the entries that held them.
    waiting: HashMap<Sequence, Place>,
    /// Those of them that a person let go on and that were not judged again there yet.
    released: HashMap<Place, Sequence>,
    reread: Reread,
    /// The batch in which an accepted row was last looked up.
    read_last: Option<Frame>,
    done: Replayed,
}

/// A row: its arrival and its line.
type Place = (Sequence, u32);

impl Replay<'_> {
    /// What waits for a person when the day begins.
    fn begin(&mut self) {
        for held in self.index.held() {
            let Some(line) = held.line else { continue };
            self.waiting.insert(held.held, (held.arrival, line));
            if held.released {
                self.released.insert((held.arrival, line), held.held);
            }
        }
    }

    /// Folds an entry as it stands.
    fn fold(&mut self, entry: Entry) -> Option<Difference> {
        if let Event::EpochBegan(began) = &entry.event {
            self.epoch = began.epoch;
        }
        self.in_force.follow(&entry);
        self.index.apply(&Entry { sealed: None, ..entry });
        None
    }

    /// Takes the next entry, and judges it again where it is a verdict.
    fn entry(&mut self, entry: Entry) -> Result<Option<Difference>, OfficeError> {
        match (&entry.event, entry.source) {
            (_, Source::Row { arrival, line }) => self.row(entry, (arrival, line)),
            (Event::FileParsed(_) | Event::FileHeld(_), _) => self.file(entry),
            (Event::FileProcessed(processed), _) => {
                self.reread.close(processed.arrival);
                Ok(self.fold(entry))
            }
            (Event::HeldReleased(resolved), _) => {
                if let Some(place) = self.waiting.get(&resolved.held) {
                    self.released.insert(*place, resolved.held);
                }
                Ok(self.fold(entry))
            }
            (Event::HeldRefused(resolved), _) => {
                self.waiting.remove(&resolved.held);
                Ok(self.fold(entry))
            }
            (_, Source::Command) if matches!(entry.actor, Actor::Operator(_)) => self.order(entry),
            _ => Ok(self.fold(entry)),
        }
    }

    fn row(&mut self, entry: Entry, place: Place) -> Result<Option<Difference>, OfficeError> {
        let held = self.released.remove(&place);
        if let Some(held) = held {
            self.waiting.remove(&held);
        }
        if matches!(entry.event, Event::RowHeld(_)) {
            self.waiting.insert(entry.sequence, place);
        }
        if held.is_some_and(|held| !self.index.is_held(held)) {
            // Here nobody had to be asked, so that there was no second verdict.
            self.done.rows += 1;
            self.index.pass_over();
            return Ok(Some(differing(entry, Said { event: None, findings: Vec::new() })));
        }
        if entry.findings.iter().any(|finding| finding.code == Code::KEY_UNUSABLE) {
            return self.leave(entry);
        }
        if !self.in_force.read(self.office) {
            return self.leave(entry);
        }
        let today = day_in_london(entry.recorded_at);
        let Some(asks) = self.read_again(place, today)? else { return self.leave(entry) };
        self.done.rows += 1;
        let orders = self.index.arrival(place.0).is_some_and(|arrival| arrival.ordered_by.is_some());
        // What an operator's file says is what they order, row by row.
        let arrival = (!orders).then_some(place.0);
        let occasion = Occasion { arrival, today, released: held.is_some() };
        let (effective_on, said) = match asks {
            Ok(command) => {
                let effective_on = Some(command.effective_on);
                let said = self.decide(command, occasion, entry.sequence)?;
                (effective_on, if orders { orders::ordered(said) } else { said })
            }
            Err(Rejected { findings, .. }) => {
                let event = Event::RowRejected(RowRejected { learner: None, against: None });
                (None, Said { event: Some(event), findings })
            }
        };
        Ok(self.became(entry, effective_on, said, |_| true))
    }

    /// Folds what would have been said in the place of an entry, and says whether it differs: in the event, or in a finding that
    /// counts.
    fn became(
        &mut self,
        entry: Entry,
        effective_on: Option<Date>,
        said: Said,
        counts: fn(&Finding) -> bool,
    ) -> Option<Difference> {
        match &said.event {
            Some(event) => {
                let (event, findings) = (event.clone(), said.findings.clone());
                self.index.apply(&Entry { effective_on, event, findings, sealed: None, ..entry.clone() });
            }
            None => self.index.pass_over(),
        }
        let codes = |findings: &[Finding]| findings.iter().filter(|it| counts(it)).copied().collect::<Vec<_>>();
        let same = said.event.as_ref().map(Event::name) == Some(entry.event.name())
            && codes(&said.findings) == codes(&entry.findings);
        (!same).then(|| differing(entry, said))
    }

    /// Decides a command as the scratch index stands, as the journal does.
    fn decide(&mut self, mut command: Command, occasion: Occasion, at: Sequence) -> Result<Said, OfficeError> {
        let decision = self.index.judge(&command, occasion, self.policies);
        let registers = &self.in_force.registers;
        registers.vouch(&mut command);
        if let Some(against) = registers.against(&command, &decision, |no| self.index.terms_of(no)) {
            let mut findings = command.findings;
            findings.extend(against.findings);
            let event = RowRejected { learner: decision.learner(), against: Some(against.version) };
            return Ok(Said { event: Some(Event::RowRejected(event)), findings });
        }
        let Command { ask, mut findings, private, .. } = command;
        let event = match decision {
            Decision::Accept(fact) => {
                let registration = RegistrationNo { epoch: self.epoch, sequence: at };
                let made_up = &mut self.made_up;
                let Ok((event, _)) = fact.into_event::<Infallible>(registration, || Ok(next(made_up)));
                event
            }
            Decision::Duplicate(first) => {
                let changed = if occasion.released { None } else { self.changed(first, ask.kind(), &private)? };
                match changed {
                    None => Event::RowDuplicate(RowDuplicate { first }),
                    Some(finding) => {
                        findings.push(finding);
                        Event::RowHeld(RowHeld { kind: ask.kind(), learner: None, against: Some(first) })
                    }
                }
            }
            Decision::Reject(Objection { finding, against, learner }) => {
                findings.push(finding);
                Event::RowRejected(RowRejected { learner, against })
            }
            Decision::Hold(Objection { finding, against, learner }) => {
                findings.push(finding);
                Event::RowHeld(RowHeld { kind: ask.kind(), learner, against })
            }
        };
        Ok(Said { event: Some(event), findings })
    }

    /// Where a row says something else of the person than the accepted one that it repeats.
    fn changed(&mut self, first: Sequence, kind: Kind, private: &Private) -> Result<Option<Finding>, OfficeError> {
        if kind != Kind::Enrolments {
            return Ok(None);
        }
        let has = |frame: &Frame| frame.header().first <= first && first < frame.header().end();
        if !self.read_last.as_ref().is_some_and(has) {
            self.read_last = self.office.reading.entries.frames(first).next().transpose()?;
        }
        let Some(frame) = self.read_last.as_ref().filter(|frame| has(frame)) else { return Ok(None) };
        let mut raw = frame.raw_entries().filter_map(Result::ok);
        let accepted = raw.find(|(at, _)| *at == first).and_then(|(_, bytes)| Entry::decode(bytes).ok());
        // A transfer says no more of a person than who is meant.
        let accepted = accepted.filter(|entry| matches!(entry.event, Event::LearnerEnrolled(_)));
        let Some(accepted) = accepted.and_then(|entry| self.revealed(&entry)) else { return Ok(None) };
        Ok(desk::differs(&accepted, private).map(|field| Finding::of(Code::DIFFERS_FROM_ACCEPTED, field)))
    }

    /// What is sealed of an entry; `None` where there is nothing or it cannot be opened.
    fn revealed(&self, entry: &Entry) -> Option<Private> {
        let sealed = entry.sealed.as_ref()?;
        self.office.reading.reveal(entry.sequence, sealed).ok().flatten()
    }

    /// Folds a verdict that cannot be judged again, as it stands; learners whom the day brought have other keys here.
    fn leave(&mut self, mut entry: Entry) -> Result<Option<Difference>, OfficeError> {
        self.done.left += 1;
        match &mut entry.event {
            Event::LearnerEnrolled(event) => event.learner = self.here(None, event.learner)?,
            Event::LearnerDetailsAmended(event) => event.learner = self.here(None, event.learner)?,
            Event::UlnAliased(event) => event.learner = self.here(None, event.learner)?,
            Event::RegistrationTransferred(event) => {
                event.learner = self.here(Some(event.registration), event.learner)?;
            }
            Event::CertificateDispatched(event) => {
                event.learner = self.here(Some(event.registration), event.learner)?;
            }
            Event::LearnersMerged(LearnersMerged { survivor, merged })
            | Event::LearnersUnmerged(LearnersUnmerged { survivor, merged, .. }) => {
                (*survivor, *merged) = (self.here(None, *survivor)?, self.here(None, *merged)?);
            }
            // The others are found by their registration or certificate, or concern nobody.
            _ => {}
        }
        Ok(self.fold(entry))
    }

    /// By which key a learner is known here: the one who has the registration, or any that the learner had; someone new by the next.
    fn here(&mut self, registration: Option<RegistrationNo>, learner: KeyId) -> Result<KeyId, OfficeError> {
        let here = registration.and_then(|no| self.index.learner_by_registration(no));
        if let Some(here) = here {
            return Ok(here);
        }
        let all = self.office.reading.books()?.registrations_of(learner)?;
        let known = all.into_iter().find_map(|it| self.index.learner_by_registration(it.registration));
        Ok(known.unwrap_or_else(|| next(&mut self.made_up)))
    }
}

/// The next key of a learner who is met only here. Keys of the log are of lower epochs, and those that are met come in order, as the index
/// wants them.
fn next(made_up: &mut u32) -> KeyId {
    let number = *made_up;
    *made_up = number.saturating_add(1);
    KeyId { epoch: Epoch(u32::MAX), number }
}

fn differing(entry: Entry, would_be: Said) -> Difference {
    let day = entry.effective_on.unwrap_or_else(|| day_in_london(entry.recorded_at));
    let was = Said { event: Some(entry.event), findings: entry.findings };
    Difference { entry: entry.sequence, source: entry.source, day, was, would_be }
}

impl Office {
    /// The place of the first entry that was recorded on a day in London, or later.
    fn begun(&self, day: Date) -> Result<Sequence, OfficeError> {
        let start = london().to_timestamp(day.civil().at(0, 0, 0, 0)).map(Timestamp::from);
        let Ok(Timestamp(start)) = start else { return Ok(Sequence(0)) };
        self.reading.count_at(Timestamp(start - 1))
    }
}

#[cfg(test)]
mod tests;
