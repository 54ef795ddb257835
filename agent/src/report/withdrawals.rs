//! Withdrawals: without a reason (there must be none), after a certificate was sent, reversed (DOMAIN.md 4.2, 12).
//!
//! The rules of the desk let no row through that gives no reason, or `OTHER` without words to it. What is left is what was sent
//! as not known, which they take for `LEFT_COURSE`, and whatever an older version let through.

use std::collections::HashMap;

use daybook_protocol::{
    entry::{Entry, Private},
    event::{Event, LearnerWithdrawn, WithdrawalReason},
    field::Field,
    ids::{RegistrationNo, Sequence},
};

use super::{Asked, Cell, ReportError, Table, counted, log, table::who};
use crate::{books::read_model::Reader, office::Reading};

/// What is sent where nobody knows the reason: words, and a code of the Individualised Learner Record (DOMAIN.md 2.8).
const NOT_KNOWN: [&str; 3] = ["notknown", "unknown", "98"];

pub(super) fn withdrawals(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let books = reading.books()?;
    let mut withdrawn: Vec<(Entry, LearnerWithdrawn)> = Vec::new();
    let mut reversed: HashMap<Sequence, Sequence> = HashMap::new();
    log::each_of(reading, &books.subjects()?, |entry| {
        if let Event::LearnerWithdrawn(event) = &entry.event {
            if asked.has_day(entry.holds_from()) {
                let event = event.clone();
                withdrawn.push((entry, event));
            }
        } else if let Event::WithdrawalReversed(event) = &entry.event {
            reversed.insert(event.withdrawn, entry.sequence);
        }
        Ok(())
    })?;
    let mut columns = vec![
        ("entry", "entry"),
        ("registration", "registration"),
        ("learner", "learner"),
        ("centre", "centre"),
        ("withdrawn_on", "withdrawn"),
        ("recorded_at", "recorded"),
        ("operator", "operator"),
        ("reason", "reason"),
        ("finding", "finding"),
    ];
    if asked.reveal {
        columns.push(("words", "words"));
    }
    let mut table = Table::new(&columns);
    let (mut bare, mut after, mut undone) = (0, 0, 0);
    for (entry, event) in &withdrawn {
        let centre = books.registration(event.registration)?.map(|it| it.centre).unwrap_or_default();
        if !asked.has_centre(&centre) {
            continue;
        }
        let sent = log::opened(reading, entry);
        let words = sent.as_ref().and_then(words);
        let mut findings = Vec::new();
        if sent.as_ref().is_some_and(|sent| is_bare(event.reason, sent)) {
            bare += 1;
            findings.push("no reason".to_owned());
        }
        if let Some(number) = certificate(&books, event.registration)? {
            after += 1;
            findings.push(format!("certificate {number} was sent"));
        }
        if let Some(by) = reversed.get(&entry.sequence) {
            undone += 1;
            findings.push(format!("reversed by entry {by}"));
        }
        let mut row = vec![
            Cell::Number(entry.sequence.0),
            Cell::words(event.registration.to_string()),
            Cell::words(event.learner.to_string()),
            Cell::words(centre),
            Cell::Day(entry.holds_from()),
            Cell::Moment(entry.recorded_at),
            who(&entry.actor),
            Cell::words(reason(event.reason)),
            Cell::words(findings.join("; ")),
        ];
        if asked.reveal {
            row.push(Cell::words(words.unwrap_or_default()));
        }
        table.push(row)?;
    }
    if !reading.can_reveal() {
        table.close("Whether a reason was given is sealed: name the operator's key with --operator-key.");
    }
    table.close(format!(
        "{}: {bare} without a reason (there must be none), {after} on a registration that a certificate was sent for, {undone} \
         reversed.",
        counted(table.len(), "withdrawal", "withdrawals")
    ));
    Ok(table)
}

/// What was said beside the code of the reason, or in its column.
fn words(sent: &Private) -> Option<String> {
    let fields = [Field::Notes, Field::Reason, Field::WithdrawalReason];
    fields.iter().find_map(|field| sent.value(*field)).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Whether what was sent gives no reason.
fn is_bare(reason: WithdrawalReason, sent: &Private) -> bool {
    let value = |field| sent.value(field).unwrap_or_default();
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    if [Field::Notes, Field::Reason].into_iter().any(|field| !value(field).is_empty()) {
        return false;
    }
    let text = plain(value(Field::WithdrawalReason));
    let no_words = ["", "other", "otherreason", "otherreasons"].contains(&text.as_str());
    NOT_KNOWN.contains(&text.as_str()) || (reason == WithdrawalReason::Other && no_words)
}

/// The word for a reason.
fn reason(reason: WithdrawalReason) -> String {
    serde_json::to_value(reason).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn certificate(books: &Reader, registration: RegistrationNo) -> Result<Option<String>, ReportError> {
    Ok(books.certificate_on(registration.sequence)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: only what gives no reason is called so. Method: a table of what was sent.
    #[test]
    fn a_missing_reason_is_known() {
        use WithdrawalReason::{Illness, LeftCourse, Other};
        for (reason, sent, notes, bare) in [
            (Illness, "ILLNESS", "", false),
            (LeftCourse, "left", "", false),
            (LeftCourse, "Not known", "", true),
            (LeftCourse, "98", "", true),
            (LeftCourse, "98", "moved to Spain", false),
            (Other, "OTHER", "", true),
            (Other, "Other reason", "", true),
            (Other, "OTHER", "moved abroad", false),
            (Other, "Other: see letter", "", false),
        ] {
            let sent = Private::from([(Field::WithdrawalReason, sent), (Field::Notes, notes)]);
            assert_eq!(is_bare(reason, &sent), bare, "{sent:?}");
        }
    }
}
