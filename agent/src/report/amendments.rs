//! Amendments of name, birth date or ULN, with what was sent soon after (DOMAIN.md 4.2, 14).
//!
//! Claims are not recorded yet. What comes nearest is the dispatch of a certificate: one within 30 days from the amendment is
//! named.

use std::collections::BTreeMap;

use daybook_protocol::{
    event::Event,
    field::Field,
    ids::{KeyId, Sequence},
};

use super::{Asked, Cell, ReportError, Table, counted, log, table::who};
use crate::office::Reading;

/// What says who somebody is.
const OF_IDENTITY: [Field; 6] =
    [Field::GivenNames, Field::MiddleNames, Field::FamilyName, Field::PreferredName, Field::DateOfBirth, Field::Uln];
/// A certificate sent so soon after an amendment may have been the reason for it.
const SOON_DAYS: i32 = 30;
/// So many centres are counted in a closing sentence.
const CENTRES_MAX: usize = 20;

pub(super) fn amendments(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let books = reading.books()?;
    let places = books.amendments(&OF_IDENTITY.map(Field::name), asked.places(reading)?)?;
    let mut columns = vec![
        ("entry", "entry"),
        ("recorded_at", "recorded"),
        ("holds_from", "holds from"),
        ("learner", "learner"),
        ("centre", "centre"),
        ("field", "field"),
        ("operator", "operator"),
        ("certificate", "certificate"),
        ("days_before", "days before"),
    ];
    if asked.reveal {
        columns.extend([("new_value", "new value"), ("reason", "reason")]);
    }
    let mut table = Table::new(&columns);
    let (mut soon, mut by_centre) = (0, BTreeMap::<String, usize>::new());
    log::each_of(reading, &places, |entry| {
        let Event::LearnerDetailsAmended(event) = &entry.event else { return Ok(()) };
        let registrations = books.registrations_of(event.learner)?;
        let mut centres: Vec<String> = registrations.into_iter().map(|it| it.centre).collect();
        centres.sort_unstable();
        centres.dedup();
        if !asked.centre.as_ref().is_none_or(|asked| centres.contains(asked)) {
            return Ok(());
        }
        let sent = sent_soon(reading, event.learner, entry.sequence)?;
        soon += usize::from(sent.is_some());
        for centre in &centres {
            *by_centre.entry(centre.clone()).or_default() += 1;
        }
        let mut row = vec![
            Cell::Number(entry.sequence.0),
            Cell::Moment(entry.recorded_at),
            Cell::Day(entry.holds_from()),
            Cell::words(event.learner.to_string()),
            Cell::words(centres.join(", ")),
            Cell::words(event.field.name()),
            who(&entry.actor),
        ];
        let (certificate, days) = sent.map_or((Cell::Nothing, Cell::Nothing), |(certificate, days)| {
            (Cell::words(certificate), Cell::Number(days))
        });
        row.extend([certificate, days]);
        if asked.reveal {
            let said = |field| Cell::words(log::said(reading, &entry, &[field]).unwrap_or_default());
            row.extend([said(Field::NewValue), said(Field::Reason)]);
        }
        table.push(row)
    })?;
    table.close(format!(
        "{} of name, birth date or ULN; {soon} within {SOON_DAYS} days before a certificate was sent. Claims are not recorded \
         yet.",
        counted(table.len(), "amendment", "amendments")
    ));
    if !by_centre.is_empty() {
        let counts: Vec<_> =
            by_centre.iter().take(CENTRES_MAX).map(|(centre, count)| format!("{centre} {count}")).collect();
        let more = if by_centre.len() > CENTRES_MAX { " and more" } else { "" };
        table.close(format!("By centre of the learner: {}{more}.", counts.join(", ")));
    }
    Ok(table)
}

/// The first certificate sent to a learner within [`SOON_DAYS`] from the day on which an amendment was recorded, and how many
/// days after.
fn sent_soon(reading: &Reading, learner: KeyId, amended: Sequence) -> Result<Option<(String, u64)>, ReportError> {
    let life = reading.life(learner)?;
    let Some(on) = life.iter().find(|entry| entry.sequence == amended).map(|entry| entry.recorded_at.day()) else {
        return Ok(None);
    };
    let sent = life.iter().filter_map(|entry| match &entry.event {
        Event::CertificateDispatched(event) => Some((event.certificate.clone(), entry.holds_from().0 - on.0)),
        _ => None,
    });
    let soon = sent.filter(|(_, days)| (0..=SOON_DAYS).contains(days)).min_by_key(|(_, days)| *days);
    Ok(soon.map(|(certificate, days)| (certificate, u64::try_from(days).unwrap_or_default())))
}
