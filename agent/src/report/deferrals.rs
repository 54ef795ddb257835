//! Deferrals that lapsed and were not handled, or that went beyond a limit (DOMAIN.md 4.2, 13; the limits stand in 3.2).
//!
//! Where a registration stands is by the desk's own rules, as in a history. The limits are those of the last configuration on
//! record: what was let through by an older, wider one shows up here.

use std::{collections::BTreeSet, path::Path};

use daybook_protocol::{
    date::Date,
    entry::Entry,
    event::Event,
    ids::{KeyId, RegistrationNo, Sequence},
};

use super::{Asked, Cell, ReportError, Table, counted, log};
use crate::{
    books::read_model::Reader,
    config::Config,
    desk::{Policy, State},
    history::{History, RegistrationLife, Told, View},
    office::Reading,
};

/// The deferrals of a registration, as far as the day that is asked about.
struct Deferred {
    /// The last one: its first day, the day agreed for its end, and the entry that says so.
    from: Date,
    resume_by: Date,
    entry: Sequence,
    /// How many there were; an extension is one more.
    times: usize,
    /// For how many days in all.
    days: i32,
}

pub(super) fn deferrals(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let books = reading.books()?;
    let day = asked.to.unwrap_or(asked.today);
    let (policy, adopted) = policy(reading, &books)?;
    let mut learners: BTreeSet<KeyId> = BTreeSet::new();
    log::each_of(reading, &books.subjects()?, |entry| {
        if let Event::LearnerDeferred(event) = &entry.event {
            learners.insert(event.learner);
        }
        Ok(())
    })?;
    let mut table = Table::new(&[
        ("registration", "registration"),
        ("learner", "learner"),
        ("centre", "centre"),
        ("state", "state"),
        ("deferred_from", "deferred from"),
        ("resume_by", "resume by"),
        ("entry", "entry"),
        ("deferrals", "times"),
        ("days", "days"),
        ("finding", "finding"),
    ]);
    let (mut all, mut lapsed, mut beyond) = (0, 0, 0);
    let view = View { as_of: None, on: Some(day), today: day, resume_grace_days: policy.resume_grace_days };
    for learner in learners {
        let life = reading.life(learner)?;
        let told: Vec<_> = life.iter().cloned().map(|entry| Told { entry, private: None }).collect();
        let history = History::of(learner, &told, view);
        for registration in history.registrations.iter().filter(|it| asked.has_centre(&it.centre)) {
            let deferred = of_registration(&life, registration.registration, day);
            let in_period = |it: &Deferred| asked.from.is_none_or(|from| from <= it.resume_by);
            // What was made in error was never deferred.
            let Some(deferred) = deferred.filter(|it| in_period(it) && registration.state != Some(State::Void)) else {
                continue;
            };
            all += 1;
            let mut findings = over_limits(&policy, &deferred);
            beyond += usize::from(!findings.is_empty());
            if let Some(since) = registration.lapsed_since {
                lapsed += 1;
                findings.push(format!("lapsed since {since}"));
            }
            if !findings.is_empty() {
                table.push(row(learner, registration, &deferred, &findings.join("; ")))?;
            }
        }
    }
    table.close(format!(
        "{} deferred by {day}: {lapsed} lapsed and unhandled, {beyond} beyond a limit.",
        counted(all, "registration was", "registrations were")
    ));
    let by = adopted.map_or("the defaults".to_owned(), |entry| format!("the configuration of entry {entry}"));
    table.close(format!(
        "At most {} deferrals and {} days in all, and {} days of grace, by {by}. Of one that goes on the days agreed are counted.",
        policy.deferrals_max, policy.deferral_days_max, policy.resume_grace_days
    ));
    Ok(table)
}

fn row(learner: KeyId, life: &RegistrationLife, deferred: &Deferred, finding: &str) -> Vec<Cell> {
    let state = life.state.and_then(|state| serde_json::to_value(state).ok());
    vec![
        Cell::words(life.registration.to_string()),
        Cell::words(learner.to_string()),
        Cell::words(life.centre.as_str()),
        Cell::words(state.as_ref().and_then(|state| state.as_str()).unwrap_or_default()),
        Cell::Day(deferred.from),
        Cell::Day(deferred.resume_by),
        Cell::Number(deferred.entry.0),
        Cell::Number(deferred.times as u64),
        Cell::Number(u64::try_from(deferred.days).unwrap_or_default()),
        Cell::words(finding),
    ]
}

fn over_limits(policy: &Policy, Deferred { times, days, .. }: &Deferred) -> Vec<String> {
    let mut findings = Vec::new();
    if *times > usize::from(policy.deferrals_max) {
        findings.push(format!("deferred {times} times, at most {}", policy.deferrals_max));
    }
    if *days > policy.deferral_days_max {
        findings.push(format!("deferred for {days} days, at most {}", policy.deferral_days_max));
    }
    findings
}

/// The deferrals of a registration, by its facts in the order in which they hold, as far as a day; `None` where it was never
/// deferred.
fn of_registration(life: &[Entry], registration: RegistrationNo, day: Date) -> Option<Deferred> {
    let about = |entry: &&Entry| entry.event.registration() == Some(registration) && entry.holds_from() <= day;
    let mut facts: Vec<&Entry> = life.iter().filter(about).collect();
    facts.sort_by_key(|entry| (entry.holds_from(), entry.sequence));
    let mut so_far: Option<Deferred> = None;
    // Of the deferral in force: how many days came before it.
    let mut open: Option<i32> = None;
    for entry in facts {
        let from = entry.holds_from();
        let (times, days) = so_far.as_ref().map_or((0, 0), |it| (it.times, it.days));
        match &entry.event {
            Event::LearnerDeferred(event) => {
                let agreed = day.min(event.resume_by).0 - from.0;
                let (resume_by, entry) = (event.resume_by, entry.sequence);
                so_far = Some(Deferred { from, resume_by, entry, times: times + 1, days: days + agreed });
                open = Some(days);
            }
            Event::DeferralExtended(event) => {
                if let (Some(it), Some(before)) = (&mut so_far, open) {
                    (it.resume_by, it.entry, it.times) = (event.resume_by, entry.sequence, times + 1);
                    it.days = before + day.min(event.resume_by).0 - it.from.0;
                }
            }
            // Whatever comes next ends it.
            Event::LearnerResumed(_) | Event::LearnerWithdrawn(_) => {
                if let (Some(it), Some(before)) = (&mut so_far, open.take()) {
                    it.days = before + from.0 - it.from.0;
                }
            }
            _ => {}
        }
    }
    so_far
}

/// The policy of the last configuration on record, and its entry.
fn policy(reading: &Reading, books: &Reader) -> Result<(Policy, Option<Sequence>), ReportError> {
    let last = books.configs()?.last().map(|(sequence, _)| *sequence);
    let entry = last.map(|sequence| reading.entry(sequence)).transpose()?.flatten();
    // The same text was adopted once, so it can be read.
    let config = entry.as_ref().and_then(|entry| match &entry.event {
        Event::ConfigAdopted(adopted) => Config::parse(&adopted.text, Path::new("/")).ok(),
        _ => None,
    });
    Ok(config.map_or_else(|| (Policy::default(), None), |config| (config.policy, last)))
}
