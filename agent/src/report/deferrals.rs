//! Deferrals that lapsed and were not handled, or that went beyond a limit (DOMAIN.md 4.2, 13; the limits stand in 3.2).
//!
//! Where a registration stands is by the desk's own rules, as in a history. The limits are those of the last configuration on
//! record, and of its policies of the one in force when a deferral was last agreed: what was let through by an older
//! configuration, whose limits were wider, shows up here.

use std::collections::BTreeSet;

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
    desk::{Policies, Policy, State},
    history::{History, RegistrationLife, Told, View},
    office::Reading,
};

/// A deferral, as far as the day that is asked about.
struct Deferral {
    from: Date,
    resume_by: Date,
    entry: Sequence,
    /// From which day holds what was agreed last.
    agreed: Date,
    days: i32,
    /// As how many it counts: one, and one more for each time it was extended.
    times: usize,
}

pub(super) fn deferrals(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let books = reading.books()?;
    let day = asked.to.unwrap_or(asked.today);
    let (policies, adopted) = policies(reading, &books)?;
    let resume_grace_days = policies.on(day).resume_grace_days;
    let view = View { as_of: None, on: Some(day), today: day, resume_grace_days };
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
    for learner in learners {
        let life = reading.life(learner)?;
        let told: Vec<_> = life.iter().cloned().map(|entry| Told { entry, private: None }).collect();
        let history = History::of(learner, &told, view);
        // What was made in error was never deferred.
        let counts = |it: &&RegistrationLife| asked.has_centre(&it.centre) && it.state != Some(State::Void);
        for registration in history.registrations.iter().filter(counts) {
            let deferrals = of_registration(&life, registration.registration, day);
            let Some(last) = deferrals.last().filter(|last| asked.from.is_none_or(|from| from <= last.resume_by))
            else {
                continue;
            };
            all += 1;
            let days: i32 = deferrals.iter().map(|deferral| deferral.days).sum();
            let times = deferrals.iter().map(|deferral| deferral.times).sum();
            let mut findings = over_limits(policies.on(last.agreed), times, days);
            beyond += usize::from(!findings.is_empty());
            if registration.state == Some(State::Deferred)
                && let Some(since) = registration.lapsed_since
            {
                lapsed += 1;
                findings.push(format!("lapsed since {since}"));
            }
            if !findings.is_empty() {
                table.push(row(learner, registration, last, (times, days), &findings.join("; ")))?;
            }
        }
    }
    table.close(format!(
        "{} deferred by {day}: {lapsed} lapsed and unhandled, {beyond} beyond a limit.",
        counted(all, "registration was", "registrations were")
    ));
    let by = adopted.map_or("the defaults".to_owned(), |entry| format!("the configuration of entry {entry}"));
    for version in policies.versions() {
        let (most, days) = (version.policy.deferrals_max, version.policy.deferral_days_max);
        let agreed = version.from.map_or_else(String::new, |from| format!(" where agreed from {from} on"));
        table.close(format!("At most {most} deferrals and {days} days in all{agreed}, by {by}."));
    }
    table.close("Of one that goes on the days agreed are counted.".to_owned());
    Ok(table)
}

fn row(
    learner: KeyId,
    life: &RegistrationLife,
    last: &Deferral,
    (times, days): (usize, i32),
    finding: &str,
) -> Vec<Cell> {
    let state = life.state.and_then(|state| serde_json::to_value(state).ok());
    vec![
        Cell::words(life.registration.to_string()),
        Cell::words(learner.to_string()),
        Cell::words(life.centre.as_str()),
        Cell::words(state.as_ref().and_then(|state| state.as_str()).unwrap_or_default()),
        Cell::Day(last.from),
        Cell::Day(last.resume_by),
        Cell::Number(last.entry.0),
        Cell::Number(times as u64),
        Cell::Number(u64::try_from(days).unwrap_or_default()),
        Cell::words(finding),
    ]
}

fn over_limits(policy: &Policy, times: usize, days: i32) -> Vec<String> {
    let mut findings = Vec::new();
    if times > usize::from(policy.deferrals_max) {
        findings.push(format!("deferred {times} times, at most {}", policy.deferrals_max));
    }
    if days > policy.deferral_days_max {
        findings.push(format!("deferred for {days} days, at most {}", policy.deferral_days_max));
    }
    findings
}

/// The deferrals of a registration, in the order in which they hold, as far as a day.
fn of_registration(life: &[Entry], registration: RegistrationNo, day: Date) -> Vec<Deferral> {
    let about = |entry: &&Entry| entry.event.registration() == Some(registration) && entry.holds_from() <= day;
    let mut facts: Vec<&Entry> = life.iter().filter(about).collect();
    facts.sort_by_key(|entry| (entry.holds_from(), entry.sequence));
    let (mut deferrals, mut open): (Vec<Deferral>, bool) = (Vec::new(), false);
    for entry in facts {
        let from = entry.holds_from();
        match &entry.event {
            Event::LearnerDeferred(event) => {
                deferrals.push(Deferral {
                    from,
                    resume_by: event.resume_by,
                    entry: entry.sequence,
                    agreed: from,
                    days: day.min(event.resume_by).0 - from.0,
                    times: 1,
                });
                open = true;
            }
            Event::DeferralExtended(event) if open => {
                if let Some(last) = deferrals.last_mut() {
                    (last.resume_by, last.entry, last.agreed) = (event.resume_by, entry.sequence, from);
                    last.days = day.min(event.resume_by).0 - last.from.0;
                    last.times += 1;
                }
            }
            // Whatever comes next ends it.
            Event::LearnerResumed(_) | Event::LearnerResumedExtended(_) | Event::LearnerWithdrawn(_) if open => {
                if let Some(last) = deferrals.last_mut() {
                    last.days = from.0 - last.from.0;
                }
                open = false;
            }
            _ => {}
        }
    }
    deferrals
}

/// The policies of the last configuration on record, and its entry.
pub(super) fn policies(reading: &Reading, books: &Reader) -> Result<(Policies, Option<Sequence>), ReportError> {
    let last = books.configs()?.last().map(|(sequence, _)| *sequence);
    let entry = last.map(|sequence| reading.entry(sequence)).transpose()?.flatten();
    let config = entry.as_ref().and_then(|entry| match &entry.event {
        Event::ConfigAdopted(adopted) => Config::adopted(&adopted.text).ok(),
        _ => None,
    });
    Ok(config.map_or_else(|| (Policies::default(), None), |config| (config.policies, last)))
}
