//! Where registrations stood on a day: as was known by the end of that day, and as is known now (DOMAIN.md 4.2, 2).

use daybook_protocol::ids::{RegistrationNo, Sequence};

use super::{Asked, Cell, ReportError, Table, begin_of, counted, deferrals::policies};
use crate::{
    history::{History, RegistrationLife, Told, View},
    office::Reading,
};

pub(super) fn states(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let books = reading.books()?;
    let day = asked.to.unwrap_or(asked.today);
    let known = match begin_of(day.plus_days(1)) {
        Some(end) => reading.count_at(daybook_protocol::date::Timestamp(end.0 - 1))?,
        None => Sequence(reading.entries.count()),
    };
    let mut registrations = match asked.registration {
        Some(number) => vec![books.registration(number)?.ok_or(ReportError::NoRegistration(number))?],
        None => books.registrations_begun(asked.centre.as_deref(), day, super::ROWS_MAX + 1)?,
    };
    registrations.retain(|it| asked.has_centre(&it.centre) && asked.from.is_none_or(|from| from <= it.start_on));
    let mut table = Table::new(&[
        ("registration", "registration"),
        ("learner", "learner"),
        ("centre", "centre"),
        ("qualification", "qualification"),
        ("state_then", "known then"),
        ("since_then", "since"),
        ("state_now", "known now"),
        ("since_now", "since"),
        ("differs", "differs"),
    ]);
    let resume_grace_days = policies(reading, &books)?.0.on(day).resume_grace_days;
    let mut changed = 0;
    for row in registrations {
        let learner = books.survivor(row.learner)?;
        let life = reading.life(learner)?;
        let told: Vec<_> = life.into_iter().map(|entry| Told { entry, private: None }).collect();
        let as_known = |as_of| {
            let history = History::of(learner, &told, View { as_of, on: Some(day), today: day, resume_grace_days });
            standing(&history, row.registration)
        };
        let (then, now) = (as_known(Some(known)), as_known(None));
        let differs = then != now;
        changed += usize::from(differs);
        let mut cells = vec![
            Cell::words(row.registration.to_string()),
            Cell::words(row.learner.to_string()),
            Cell::words(row.centre),
            Cell::words(row.qualification),
        ];
        cells.extend(then.into_iter().chain(now));
        cells.push(Cell::words(if differs { "yes" } else { "no" }));
        table.push(cells)?;
    }
    table.close(format!(
        "{} on {day}: of {changed} it is now known that they stood otherwise. Known then is what was recorded by the end of \
         that day; a cell is empty where a registration had not begun or was not known.",
        counted(table.len(), "registration", "registrations")
    ));
    Ok(table)
}

/// State and since when, as they stand in a history.
fn standing(history: &History, number: RegistrationNo) -> [Cell; 2] {
    let Some(RegistrationLife { state: Some(state), since, .. }) =
        history.registrations.iter().find(|it| it.registration == number)
    else {
        return [Cell::Nothing, Cell::Nothing];
    };
    let word = serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned));
    [Cell::words(word.unwrap_or_default()), Cell::from(*since)]
}
