//! The life of one learner, told from their entries, on both time axes: as it was known at some point of the log, and as
//! it stood on some day.
//!
//! A pure function of what is handed in: the same entries give the same bytes, wherever they are kept. It reads no clock
//! and opens no seal: today's date and what is personal are handed in too.

mod details;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use table::harmless;

use daybook_protocol::{
    date::{Date, Timestamp},
    entry::{Actor, Entry, Private, Source},
    event::{Event, LearnerEnrolled},
    field::Field,
    finding::Finding,
    ids::{Digest, KeyId, RegistrationNo, Sequence},
};
use serde::Serialize;

use crate::desk::{Action, Registration, State, Step};

/// Values by column, in the order of the columns.
pub type Values = BTreeMap<Field, String>;

/// An entry, and what its sealed part says where that was opened.
#[derive(Debug, Clone)]
pub struct Told {
    /// The entry.
    pub entry: Entry,
    /// What is personal about it; `None` where there is nothing, it was not asked for, or its key is gone.
    pub private: Option<Private>,
}

/// From where the life is looked at.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Only what was recorded before this place: what was known then. `None`: all.
    pub as_of: Option<Sequence>,
    /// The day that is asked about: only what holds from this day or an earlier one. `None`: all.
    pub on: Option<Date>,
    /// The day on which states are judged where `on` names none: today, or with `as_of` the day of that moment.
    pub today: Date,
    /// For how many days after the agreed one a deferral has not lapsed yet, by the office's policy.
    pub resume_grace_days: i32,
}

/// The life of a learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// Whose.
    pub learner: KeyId,
    /// The point of the log that was asked for.
    pub as_of: Option<Sequence>,
    /// The day that was asked about.
    pub on: Option<Date>,
    /// Who they are, by the amendments in the order in which they hold; `None` where no seal was opened.
    pub personal: Option<Values>,
    /// Their registrations, in the order in which they were recorded.
    pub registrations: Vec<RegistrationLife>,
    /// Their certificates, in the order in which they were first sent.
    pub certificates: Vec<CertificateLife>,
    /// What happened, in the order in which it was recorded. Where a day is asked about, only facts: what was refused,
    /// held or repeated holds from no day.
    pub events: Vec<EventLine>,
}

/// One registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistrationLife {
    /// Its number.
    pub registration: RegistrationNo,
    /// The qualification.
    pub qualification: String,
    /// The centre.
    pub centre: String,
    /// The brand; may be empty.
    pub brand: String,
    /// Its first day.
    pub start_on: Date,
    /// Its last day, by what held on the day that is asked about.
    pub expires_on: Date,
    /// Where it stands; `None` before its first day.
    pub state: Option<State>,
    /// From which day it stands so.
    pub since: Option<Date>,
    /// By which day the learner is to resume, while deferred.
    pub resume_by: Option<Date>,
    /// Since when the deferral has lapsed, where it has: the learner is long overdue, and a person is to decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lapsed_since: Option<Date>,
    /// Its facts, in the order in which they hold.
    pub facts: Vec<FactLine>,
}

/// A fact about a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FactLine {
    /// From which day it holds.
    pub effective_on: Date,
    /// Its entry.
    pub sequence: Sequence,
    /// What it is.
    #[serde(rename = "type")]
    pub what: &'static str,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateLife {
    /// Its number.
    pub certificate: String,
    /// The registration it was earned on.
    pub registration: RegistrationNo,
    /// `DISPATCHED`, `RETURNED` or `REDISPATCHED`.
    pub state: &'static str,
    /// From which day it stands so.
    pub since: Date,
    /// How often it was sent.
    pub attempts: u8,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventLine {
    /// Its place in the log.
    pub sequence: Sequence,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// From which day it holds, where it is such a fact.
    pub effective_on: Option<Date>,
    /// What happened: `type` and the event's own fields.
    #[serde(flatten)]
    pub event: Event,
    /// Who caused it.
    pub actor: Actor,
    /// What it came from.
    pub source: Origin,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// What is personal about it, where that was revealed.
    pub private: Option<Values>,
}

/// What an entry came from, and for a file, which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// File, row, command or the agent itself.
    #[serde(flatten)]
    pub source: Source,
    /// SHA-256 of the original.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// The name under which it arrived, where that was revealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
}

/// The arrivals that entries came from: their `FileReceived` entries are to be told too, so that each source can be named.
pub fn arrivals<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> BTreeSet<Sequence> {
    entries.into_iter().filter_map(|entry| arrival(entry.source)).collect()
}

impl History {
    /// Tells the life of `learner` from the entries that concern them and the `FileReceived` entries that those came
    /// from; the order of `told` does not matter.
    pub fn of(learner: KeyId, told: &[Told], view: View) -> Self {
        let known = |told: &&Told| view.as_of.is_none_or(|count| told.entry.sequence < count);
        let (files, mut life): (Vec<&Told>, Vec<&Told>) =
            told.iter().filter(known).partition(|told| matches!(told.entry.event, Event::FileReceived(_)));
        let merged: BTreeSet<KeyId> = life.iter().filter_map(|told| merged_into(learner, &told.entry.event)).collect();
        let own = life.iter().filter_map(|told| opened(learner, &told.entry.event)).collect();
        life.retain(|told| concerns(learner, &merged, &own, &told.entry.event));
        life.sort_by_key(|told| told.entry.sequence);
        let mut facts: Vec<&Told> = life.iter().copied().filter(|told| is_fact(&told.entry.event)).collect();
        facts.sort_by_key(|told| (told.entry.holds_from(), told.entry.sequence));

        let day = view.on.unwrap_or(view.today);
        let files: BTreeMap<Sequence, &Told> = files.into_iter().map(|file| (file.entry.sequence, file)).collect();
        let shown =
            |told: &&&Told| view.on.is_none_or(|on| is_fact(&told.entry.event) && told.entry.holds_from() <= on);
        Self {
            learner,
            as_of: view.as_of,
            on: view.on,
            personal: details::personal(learner, &life, day),
            registrations: registrations(&life, &facts, view),
            certificates: certificates(&facts, day),
            events: life.iter().filter(shown).map(|told| line(told, &files)).collect(),
        }
    }
}

/// Who was merged into a learner by an event.
fn merged_into(learner: KeyId, event: &Event) -> Option<KeyId> {
    match event {
        Event::LearnersMerged(event) if event.survivor == learner => Some(event.merged),
        _ => None,
    }
}

/// The registration that an event opened for a learner.
fn opened(learner: KeyId, event: &Event) -> Option<RegistrationNo> {
    match event {
        Event::LearnerEnrolled(event) if event.learner == learner => Some(event.registration),
        _ => None,
    }
}

/// Whether an event is told of a learner and of who was merged into them: of others it is as long as that was not known. What was
/// said of the learner's own registrations while they were merged into somebody is theirs too.
fn concerns(learner: KeyId, merged: &BTreeSet<KeyId>, own: &BTreeSet<RegistrationNo>, event: &Event) -> bool {
    let theirs = match event {
        Event::LearnersMerged(event) => event.merged == learner,
        Event::LearnersUnmerged(event) => event.merged == learner,
        _ => false,
    };
    let theirs = theirs || event.registration().is_some_and(|no| own.contains(&no));
    theirs || event.learner().is_none_or(|of| of == learner || merged.contains(&of))
}

/// Whether it is a fact about a learner, which holds from a day.
pub(crate) fn is_fact(event: &Event) -> bool {
    let becomes_none = matches!(
        event,
        Event::RowRejected(_) | Event::RowHeld(_) | Event::OrderProposed(_) | Event::ProposalDecided(_)
    );
    event.learner().is_some() && !becomes_none
}

fn arrival(source: Source) -> Option<Sequence> {
    match source {
        Source::Agent | Source::Command => None,
        Source::File { arrival } | Source::Row { arrival, .. } => Some(arrival),
    }
}

/// The values of a sealed part by column; of a column that stands there twice, the first.
fn values(private: &Private) -> Values {
    let mut values = Values::new();
    for (field, value) in private.iter() {
        values.entry(field).or_insert_with(|| value.to_owned());
    }
    values
}

fn line(told: &Told, files: &BTreeMap<Sequence, &Told>) -> EventLine {
    let Entry { sequence, recorded_at, effective_on, actor, source, findings, event, .. } = told.entry.clone();
    let file = arrival(source).and_then(|arrival| files.get(&arrival));
    let sha256 = file.and_then(|file| match &file.entry.event {
        Event::FileReceived(received) => Some(received.sha256),
        _ => None,
    });
    let name = file.and_then(|file| file.private.as_ref()).and_then(|private| private.value(Field::FileName));
    let source = Origin { source, sha256, file_name: name.map(str::to_owned) };
    let private = told.private.as_ref().map(values);
    EventLine { sequence, recorded_at, effective_on, event, actor, source, findings, private }
}

fn registrations(life: &[&Told], facts: &[&Told], view: View) -> Vec<RegistrationLife> {
    let opened = life.iter().filter_map(|told| match &told.entry.event {
        Event::LearnerEnrolled(event) => Some((told.entry.holds_from(), event.clone())),
        Event::RegistrationTransferred(event) => Some((told.entry.holds_from(), event.enrolment())),
        _ => None,
    });
    opened.map(|(start_on, event)| registration(start_on, &event, facts, view)).collect()
}

/// One registration, by the facts in the order in which they hold; where it stands is by the desk's own rules.
fn registration(start_on: Date, event: &LearnerEnrolled, facts: &[&Told], view: View) -> RegistrationLife {
    let (mut steps, mut lines) = (Vec::new(), Vec::new());
    for Told { entry, .. } in facts {
        let opens = matches!(&entry.event, Event::RegistrationTransferred(it) if it.to == event.registration);
        let action = Action::of(&entry.event).filter(|(no, _)| *no == event.registration).map(|(_, action)| action);
        let Some(action) = action.or_else(|| opens.then_some(Action::Enrolled)) else { continue };
        let (effective_on, recorded_on, sequence) = (entry.holds_from(), entry.recorded_at.day(), entry.sequence);
        steps.push(Step { effective_on, recorded_on, sequence, arrival: arrival(entry.source), action });
        if view.on.is_none_or(|on| effective_on <= on) {
            lines.push(FactLine { effective_on, sequence, what: entry.event.name() });
        }
    }
    let stream = Registration {
        no: event.registration,
        centre: event.centre.clone(),
        brand: event.brand.clone(),
        qualification: event.qualification.clone(),
        expires_on: event.expires_on,
        steps,
    };
    let day = view.on.unwrap_or(view.today);
    let standing = stream.standing(day);
    RegistrationLife {
        registration: stream.no,
        qualification: stream.qualification,
        centre: stream.centre,
        brand: stream.brand,
        start_on,
        expires_on: standing.map_or(stream.expires_on, |standing| standing.expires_on),
        state: standing.map(|standing| standing.state),
        since: standing.map(|standing| standing.since.0),
        resume_by: standing.and_then(|standing| standing.resume_by),
        lapsed_since: standing.and_then(|standing| standing.lapsed_since(day, view.resume_grace_days)),
        facts: lines,
    }
}

/// The certificates as they stand on a day, by facts in the order in which they hold.
fn certificates(facts: &[&Told], day: Date) -> Vec<CertificateLife> {
    let mut lives: Vec<CertificateLife> = Vec::new();
    for Told { entry, .. } in facts.iter().take_while(|told| told.entry.holds_from() <= day) {
        let since = entry.holds_from();
        let (number, state, sent) = match &entry.event {
            Event::CertificateDispatched(event) => {
                let (certificate, registration) = (event.certificate.clone(), event.registration);
                lives.push(CertificateLife { certificate, registration, state: "DISPATCHED", since, attempts: 1 });
                continue;
            }
            Event::CertificateReturned(event) => (&event.certificate, "RETURNED", None),
            Event::CertificateRedispatched(event) => (&event.certificate, "REDISPATCHED", Some(event.attempt)),
            _ => continue,
        };
        if let Some(life) = lives.iter_mut().find(|life| life.certificate == *number) {
            (life.state, life.since) = (state, since);
            life.attempts = sent.unwrap_or(life.attempts);
        }
    }
    lives
}
