//! Registrations that were completed or certificated on their first day, or before the weeks were over that the office asks for
//! (DOMAIN.md 4.2, 11). Claims are kept elsewhere yet: what came of them, a completion or a first certificate, stands for them.
//!
//! The rules of the desk let nothing through that comes before those weeks. What is told here was recorded by the rules of another
//! time, or on the very day on which none are asked for.

use daybook_protocol::{event::Event, ids::RegistrationNo};

use super::{Asked, Cell, ReportError, Table, counted, deferrals::policies, log, table::who};
use crate::office::Reading;

const DAYS_OF_A_WEEK: i32 = 7;

pub(super) fn early(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let books = reading.books()?;
    let (policies, _) = policies(reading, &books)?;
    let mut table = Table::new(&[
        ("entry", "entry"),
        ("registration", "registration"),
        ("learner", "learner"),
        ("centre", "centre"),
        ("start_on", "first day"),
        ("what", "what"),
        ("on", "on"),
        ("days", "days"),
        ("days_min", "at least"),
        ("operator", "operator"),
    ]);
    let mut same_day = 0;
    log::each_of(reading, &books.subjects()?, |entry| {
        let Some(number) = ended(&entry.event).filter(|_| asked.has_day(entry.holds_from())) else { return Ok(()) };
        let Some(registration) = books.registration(number)?.filter(|it| asked.has_centre(&it.centre)) else {
            return Ok(());
        };
        let on = entry.holds_from();
        let weeks = policies.on(on).min_weeks_registration_to_completion;
        let (days, days_min) = (on.0 - registration.start_on.0, DAYS_OF_A_WEEK * i32::from(weeks));
        if days > 0 && days >= days_min {
            return Ok(());
        }
        same_day += usize::from(days <= 0);
        table.push(vec![
            Cell::Number(entry.sequence.0),
            Cell::words(number.to_string()),
            Cell::words(registration.learner.to_string()),
            Cell::words(registration.centre),
            Cell::Day(registration.start_on),
            Cell::words(entry.event.name()),
            Cell::Day(on),
            Cell::Number(u64::try_from(days).unwrap_or_default()),
            Cell::Number(u64::try_from(days_min).unwrap_or_default()),
            who(&entry.actor),
        ])
    })?;
    table.close(format!(
        "{} too early, {same_day} of them on the first day. How early is too early is by the policy of the day on which it was.",
        counted(table.len(), "completion or certificate", "completions and certificates")
    ));
    Ok(table)
}

/// The registration that came to its end by an event, or to a first certificate.
fn ended(event: &Event) -> Option<RegistrationNo> {
    match event {
        Event::QualificationCompleted(event) => Some(event.registration),
        Event::CertificateDispatched(event) => Some(event.registration),
        _ => None,
    }
}
