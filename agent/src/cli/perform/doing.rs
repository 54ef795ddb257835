//! Commands that put something on record: import and record.

use daybook_protocol::{
    entry::Private,
    event::{Completion, Event, FileId},
    field::{Field, Kind},
    finding::Finding,
    ids::Sequence,
};
use serde::Serialize;

use super::signed_by;
use crate::{
    books::index,
    cli::{Exit, Files, Screen, args::Import, record::Record},
    desk::{self, Context, Given},
    journal::{Answer, today},
    office::{Arrived, Handed, Office},
};

/// Takes in files that a command hands over, one after the other.
pub(super) fn import(
    office: &Office,
    import: &Import,
    files: &mut dyn Files,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let resumed = office.resume_handed(&mut |done, total| screen.progress(done, total, "rows"))?;
    while let Some((offered, mut bytes)) = files.next()? {
        office.take_nothing_while_closed()?;
        let preserved = office.preserve(&mut bytes, offered.bytes)?;
        // An import that was cut off and is begun again goes on: it is the same arrival.
        let same = resumed.iter().find(|arrival| arrival.received.sha256 == preserved.sha256);
        let arrival = if let Some(same) = same.filter(|arrival| arrival.received.centre == import.centre) {
            same.arrival
        } else {
            let handed = Handed {
                name: offered.file_name().to_owned(),
                folder: None,
                centre: import.centre.clone(),
                brand: import.brand.clone(),
                kind: import.kind,
                file_id: FileId { device: 0, number: 0 },
                modified_at: offered.modified_at(),
                completed_by: Completion::Handed,
            };
            office.receive(&handed, &preserved)?
        };
        office.proceed(arrival, &mut |done, total| screen.progress(done, total, "rows"))?;
        told(&Arrived { file: offered.name.clone(), ..office.arrived(arrival)? }, json, screen)?;
        screen.flush()?;
        if screen.gone() {
            return Ok(Exit::CouldNot);
        }
    }
    if !json {
        screen.note(&format!("receipts are in {}", office.reading.home.receipts().display()));
    }
    Ok(Exit::Good)
}

/// Says what came of a file.
pub(super) fn told(arrived: &Arrived, json: bool, screen: &mut dyn Screen) -> anyhow::Result<()> {
    if json {
        screen.out(&serde_json::to_string(arrived)?)?;
        return Ok(());
    }
    let totals = arrived.totals;
    let kind = arrived.kind.map_or("of unknown kind", |kind| kind.name());
    let became = match arrived.outcome {
        Some(index::Verdict::Rejected) => "rejected as a whole, none of its rows was processed".to_owned(),
        Some(index::Verdict::Held) => "held as a whole for a person, none of its rows was processed".to_owned(),
        _ => format!(
            "{kind}, {} rows: {} accepted, {} rejected, {} duplicate, {} held",
            totals.rows, totals.accepted, totals.rejected, totals.duplicate, totals.held
        ),
    };
    screen.out(&format!("{}: {became}; receipt {}", arrived.file, arrived.receipt))?;
    for Finding { code, field } in &arrived.findings {
        let field = field.map_or(String::new(), |field| format!(" ({field})"));
        screen.out(&format!("  {code}{field}: {}. {}", code.meaning(), code.mend()))?;
    }
    if let Some(earlier) = arrived.same_as {
        screen.out(&format!("  the same file was received before: see receipt {earlier}"))?;
    }
    Ok(())
}

/// What became of an order, for `--json`.
#[derive(Serialize)]
struct Recorded<'a> {
    sequence: Sequence,
    #[serde(flatten)]
    event: &'a Event,
    findings: &'a [Finding],
}

/// Puts an operator's fact on record, judged by the same rules as a row of a file; or that the machine's clock is right.
pub(super) fn record(
    office: &Office,
    what: &Record,
    user: &str,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    office.record_nothing_where_replaced()?;
    let operator = signed_by(what.operator(), user);
    let answer = match what.row() {
        Some((kind, row)) => order(office, kind, &row, &operator, screen)?,
        None => office.journal.accept_clock(reason(what), &operator)?,
    };
    if json {
        let Answer { sequence, event, findings } = &answer;
        screen.out(&serde_json::to_string(&Recorded { sequence: *sequence, event, findings })?)?;
    } else {
        screen.out(&format!("entry {}: {}", answer.sequence, answer.event.name()))?;
        if let Event::AlarmCleared(alarm) = &answer.event {
            screen.out(&format!("  {}", alarm.detail))?;
        }
    }
    findings(&answer.findings, screen);
    let refused = matches!(answer.event, Event::RowRejected(_) | Event::RowHeld(_));
    Ok(if refused { Exit::Problem } else { Exit::Good })
}

/// Has the desk judge what a row would say.
fn order(
    office: &Office,
    kind: Kind,
    row: &[(Field, String)],
    operator: &str,
    screen: &mut dyn Screen,
) -> anyhow::Result<Answer> {
    let tokens = office.tokens();
    // An operator speaks for every centre: the registration says which one is meant.
    let centre = row.iter().find(|(field, _)| *field == Field::CentreNo).map_or("", |(_, value)| value.as_str());
    let context =
        Context { tokens: Some(tokens), policies: &office.config.policies, centre, brand: "", today: today() };
    let command = match desk::read(kind, &Given::new(row.to_vec()), &context) {
        Ok(command) => command,
        Err(rejected) => {
            findings(&rejected.findings, screen);
            anyhow::bail!("nothing was recorded");
        }
    };
    Ok(office.journal.order(command, operator)?)
}

/// What is said of why the clock is right.
fn reason(what: &Record) -> Private {
    let reason = match what {
        Record::Clock { reason, .. } => Some((Field::Reason, reason.as_str())),
        _ => None,
    };
    reason.into_iter().chain(what.notes().map(|notes| (Field::Notes, notes))).collect()
}

fn findings(findings: &[Finding], screen: &mut dyn Screen) {
    for Finding { code, field } in findings {
        let field = field.map_or(String::new(), |field| format!(" ({field})"));
        screen.note(&format!("{code}{field}: {}. {}", code.meaning(), code.mend()));
    }
}
