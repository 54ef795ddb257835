//! What operators did by their own word: held rows and files released or refused, facts put on record, the clock believed
//! (DOMAIN.md 4.2, 18).
//!
//! One person's word is enough for each of these, and the log says whose: an approver is neither asked for nor recorded.

use std::collections::BTreeSet;

use daybook_protocol::{
    entry::{Actor, Entry},
    event::Event,
    field::Field,
    ids::Sequence,
};

use super::{Asked, Cell, ReportError, Table, counted, log};
use crate::office::Reading;

/// Where the reason for an order stands, by its kind.
const REASONS: [Field; 3] = [Field::Reason, Field::DeferralReason, Field::Notes];

pub(super) fn overrides(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let mut columns = vec![
        ("entry", "entry"),
        ("recorded_at", "recorded"),
        ("operator", "operator"),
        ("what", "what"),
        ("about", "about"),
        ("centre", "centre"),
        ("guard", "guard"),
    ];
    if asked.reveal {
        columns.push(("reason", "reason"));
    }
    let mut table = Table::new(&columns);
    let (mut released, mut operators) = (0, BTreeSet::new());
    log::each_between(reading, asked.places(reading)?, |entry| {
        // Whoever asks for a scrub overrides nothing.
        let (Actor::Operator(operator), false) = (&entry.actor, matches!(entry.event, Event::Scrubbed(_))) else {
            return Ok(());
        };
        let about = about(reading, &entry)?;
        if asked.centre.as_ref().is_some_and(|asked| about.centre.as_ref() != Some(asked)) {
            return Ok(());
        }
        released += usize::from(matches!(entry.event, Event::HeldReleased(_)));
        operators.insert(operator.clone());
        let mut row = vec![
            Cell::Number(entry.sequence.0),
            Cell::Moment(entry.recorded_at),
            Cell::words(operator.as_str()),
            Cell::words(entry.event.name()),
            Cell::words(about.words),
            Cell::words(about.centre.unwrap_or_default()),
            Cell::words(about.guards),
        ];
        if asked.reveal {
            row.push(Cell::words(log::said(reading, &entry, &REASONS).unwrap_or_default()));
        }
        table.push(row)
    })?;
    table.close(format!(
        "{} by {}, of which {released} let something go on that a guard had held. An approver is not recorded.",
        counted(table.len(), "word", "words"),
        counted(operators.len(), "operator", "operators")
    ));
    if !asked.reveal {
        table.close("Reasons are sealed; --reveal shows them.");
    }
    Ok(table)
}

/// What an operator's entry is about.
#[derive(Default)]
struct About {
    words: String,
    centre: Option<String>,
    /// The codes for which it was held.
    guards: String,
}

fn about(reading: &Reading, entry: &Entry) -> Result<About, ReportError> {
    let (held, verb) = match &entry.event {
        Event::HeldReleased(event) | Event::HeldRefused(event) => (event.held, true),
        Event::MappingLearned(event) => (event.held, true),
        _ => (entry.sequence, false),
    };
    let subject = if verb { reading.entry(held)? } else { None };
    let of = subject.as_ref().unwrap_or(entry);
    let codes: BTreeSet<String> = of.findings.iter().map(|finding| finding.code.to_string()).collect();
    let guards = codes.into_iter().collect::<Vec<_>>().join(", ");
    let registration = entry.event.registration().or_else(|| of.event.registration());
    let mut centre = match registration {
        Some(number) => reading.books()?.registration(number)?.map(|it| it.centre),
        None => None,
    };
    let mut words = match (verb, registration, entry.event.learner()) {
        (true, ..) => format!("entry {held}"),
        (false, Some(number), _) => number.to_string(),
        (false, None, Some(learner)) => learner.to_string(),
        (false, None, None) => String::new(),
    };
    if let Some((arrival, line)) = origin(of) {
        let line = line.map_or(String::new(), |line| format!(", line {line}"));
        words = format!("{words}, file {arrival}{line}");
        if centre.is_none() {
            centre = reading.books()?.file(arrival)?.map(|file| file.centre).filter(|centre| !centre.is_empty());
        }
    }
    if centre.is_none()
        && let Some(learner) = of.event.learner()
    {
        centre = reading.books()?.registrations_of(learner)?.pop().map(|it| it.centre);
    }
    Ok(About { words, centre, guards })
}

/// The file and line that an entry came from.
fn origin(entry: &Entry) -> Option<(Sequence, Option<u32>)> {
    use daybook_protocol::entry::Source;
    match entry.source {
        Source::Agent | Source::Command => None,
        Source::File { arrival } => Some((arrival, None)),
        Source::Row { arrival, line } => Some((arrival, Some(line))),
    }
}
