//! Orders that take two persons: `record proposals`, `record approve` and `record decline`.

use daybook_protocol::{
    date::Timestamp,
    entry::Private,
    event::{Event, OrderProposed},
    field::{Field, Kind},
    ids::Sequence,
};

use super::{asking, doing, ruling};
use crate::{
    books::index::{Index, Proposal},
    cli::{Exit, Screen, figures::printable, record::Record},
    desk::Command,
    office::Office,
};

/// The row that is kept of a proposal. Where the day is not said it is that of the proposal, and not of its approval.
pub(super) fn row_of(command: &Command, row: &[(Field, String)]) -> Private {
    let may_be_undated = [Kind::Amendments, Kind::Merges, Kind::Unmerges, Kind::Aliases].contains(&command.ask.kind());
    let is_undated = may_be_undated && row.iter().all(|(field, _)| *field != Field::EffectiveDate);
    let day = is_undated.then(|| (Field::EffectiveDate, command.effective_on.to_string()));
    row.iter().cloned().chain(day).collect()
}

/// Lists what waits for approval.
pub(super) fn list(office: &Office, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let waiting = office.journal.look(Index::proposals)?;
    if waiting.is_empty() && !json {
        screen.out("nothing waits for approval")?;
    }
    for Proposal { entry, kind, operator, since, learner, registration, held, .. } in waiting {
        let since = Timestamp(since);
        if json {
            let line = serde_json::json!({
                "entry": entry, "kind": kind, "registration": registration, "learner": learner, "held": held,
                "operator": operator, "since": since,
            });
            screen.out(&line.to_string())?;
        } else {
            let of = match (held, registration, learner) {
                (Some(held), ..) => format!(", release of entry {held}"),
                (None, Some(no), _) => format!(" of {no}"),
                (None, None, Some(learner)) => format!(" of learner {learner}"),
                (None, None, None) => String::new(),
            };
            screen.out(&format!("{entry:>8}  {kind}{of}, proposed by {}  since {since}", printable(&operator)))?;
        }
    }
    Ok(Exit::Good)
}

/// Has what was proposed judged and recorded.
pub(super) fn approve(
    office: &Office,
    proposed: Sequence,
    operator: &str,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    office.record_nothing_where_replaced()?;
    let entry = office.reading.entry(proposed)?;
    let Some((entry, OrderProposed { kind, held, .. })) = entry.and_then(|entry| match entry.event {
        Event::OrderProposed(order) => Some((entry, order)),
        _ => None,
    }) else {
        anyhow::bail!("entry {proposed} proposes nothing: `daybook record proposals` lists what waits for approval");
    };
    if let Some(held) = held {
        return ruling::approve(office, (proposed, held), operator, json, screen);
    }
    let row = asking::revealed(&office.reading, &entry).map_err(anyhow::Error::msg)?.unwrap_or_default();
    let row: Vec<(Field, String)> = row.iter().map(|(field, text)| (field, text.to_owned())).collect();
    let command = doing::understood(office, kind, &row, screen)?;
    let answer = office.journal.approve(command, proposed, operator)?;
    doing::answered(&answer, json, screen)
}

/// Records that what was proposed is not to be.
pub(super) fn decline(
    office: &Office,
    proposed: Sequence,
    what: &Record,
    operator: &str,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    office.record_nothing_where_replaced()?;
    let answer = office.journal.decline(proposed, doing::reason(what), operator)?;
    doing::answered(&answer, json, screen)
}
