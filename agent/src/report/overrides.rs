//! What operators did by their own word: held rows and files released or refused, facts put on record, proposed or approved, the
//! clock believed (DOMAIN.md 4.2, 18).
//!
//! One person's word is enough for each of these, but for what the configuration has one propose and another approve.

use std::collections::BTreeSet;

use daybook_protocol::{
    entry::{Actor, Entry},
    event::{Event, OrderProposed},
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
        ("proposed_by", "proposed by"),
    ];
    if asked.reveal {
        columns.push(("reason", "reason"));
    }
    let mut table = Table::new(&columns);
    let (mut released, mut pairs, mut operators) = (0, Pairs::default(), BTreeSet::new());
    log::each_between(reading, asked.places(reading)?, |entry| {
        // Whoever asks for a scrub, or hands over a file, overrides nothing.
        let is_none = matches!(entry.event, Event::Scrubbed(_) | Event::FileReceived(_));
        let (Actor::Operator(operator), false) = (&entry.actor, is_none) else { return Ok(()) };
        let about = about(reading, &entry)?;
        if asked.centre.as_ref().is_some_and(|asked| about.centre.as_ref() != Some(asked)) {
            return Ok(());
        }
        released += usize::from(matches!(entry.event, Event::HeldReleased(_)));
        operators.insert(operator.clone());
        pairs.count(&entry.event, about.proposed_by.as_ref() == Some(operator));
        let mut row = vec![
            Cell::Number(entry.sequence.0),
            Cell::Moment(entry.recorded_at),
            Cell::words(operator.as_str()),
            Cell::words(entry.event.name()),
            Cell::words(about.words),
            Cell::words(about.centre.unwrap_or_default()),
            Cell::words(about.guards),
            Cell::words(about.proposed_by.unwrap_or_default()),
        ];
        if asked.reveal {
            row.push(Cell::words(log::said(reading, &entry, &REASONS).unwrap_or_default()));
        }
        table.push(row)
    })?;
    table.close(format!(
        "{} by {}, of which {released} let something go on that a guard had held. {}",
        counted(table.len(), "word", "words"),
        counted(operators.len(), "operator", "operators"),
        pairs.told()
    ));
    if !asked.reveal {
        table.close("Reasons are sealed; --reveal shows them.");
    }
    Ok(table)
}

/// Where one proposes and another approves: how often each was done.
#[derive(Default)]
struct Pairs {
    proposed: usize,
    approved: usize,
    declined: usize,
    /// Approved by who had proposed it, which cannot be unless somebody's name was changed in between.
    by_themselves: usize,
}

impl Pairs {
    fn count(&mut self, event: &Event, by_themselves: bool) {
        match event {
            Event::OrderProposed(_) => self.proposed += 1,
            Event::ProposalDecided(decided) if decided.entry.is_none() => self.declined += 1,
            Event::ProposalDecided(_) => {
                self.approved += 1;
                self.by_themselves += usize::from(by_themselves);
            }
            _ => {}
        }
    }

    fn told(&self) -> String {
        let Self { proposed, approved, declined, by_themselves } = self;
        if proposed + approved + declined == 0 {
            return "Nothing was proposed for another operator's approval.".to_owned();
        }
        format!(
            "Proposed for another operator's approval: {proposed}; approved: {approved}, of which {by_themselves} by who had \
             proposed it; declined: {declined}."
        )
    }
}

/// What an operator's entry is about.
#[derive(Default)]
struct About {
    words: String,
    centre: Option<String>,
    /// The codes for which it was held.
    guards: String,
    /// Of a decision on a proposal: who made that.
    proposed_by: Option<String>,
}

fn about(reading: &Reading, entry: &Entry) -> Result<About, ReportError> {
    let (held, verb) = match &entry.event {
        Event::HeldReleased(event) | Event::HeldRefused(event) => (event.held, true),
        Event::ProposalDecided(event) => (event.proposed, true),
        Event::MappingLearned(event) => (event.held, true),
        Event::OrderProposed(OrderProposed { held: Some(held), .. }) => (*held, true),
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
    match &entry.event {
        Event::OrderProposed(order) if order.held.is_some() => words = format!("release of {words}"),
        Event::OrderProposed(order) => words = format!("{words}, {}", order.kind),
        Event::ProposalDecided(decided) => {
            let came_to = decided.entry.map_or_else(|| "declined".to_owned(), |at| format!("approved as entry {at}"));
            words = format!("{words}, {came_to}");
        }
        _ => {}
    }
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
    let proposed_by = match (&of.event, &of.actor) {
        (Event::OrderProposed(_), Actor::Operator(operator)) if verb => Some(operator.clone()),
        _ => None,
    };
    Ok(About { words, centre, guards, proposed_by })
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
