//! Commands that put something on record: import and record.

use daybook_protocol::{
    entry::Private,
    event::{Completion, Event, FileId},
    field::{Field, Kind},
    finding::Finding,
    ids::Sequence,
};
use serde::Serialize;

use super::proposing;
use crate::{
    books::index::{self, Arrival},
    cli::{Exit, Files, Offered, Screen, args::Import, record::Record},
    desk::{self, Command, Context, Given},
    journal::{Answer, today},
    office::{Arrived, Handed, Office},
    vault::Preserved,
};

/// Takes in files that an operator's command hands over, one after the other.
pub(super) fn import(
    office: &Office,
    (import, operator): (&Import, &str),
    files: &mut dyn Files,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let resumed = office.resume_handed(&mut |done, total| screen.progress(done, total, "rows"))?;
    while let Some((offered, mut bytes)) = files.next()? {
        office.take_nothing_while_closed()?;
        let preserved = office.preserve(&mut bytes, offered.bytes)?;
        let Import { centre, brand, kind, .. } = import;
        let arrival = hand_over(office, (&offered, &preserved), (centre, brand, *kind), operator, &resumed)?;
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

/// Records the arrival of a file of a centre, brand and kind from an operator's hand. One that was cut off and is begun again goes
/// on: it is the same arrival.
pub(super) fn hand_over(
    office: &Office,
    (offered, preserved): (&Offered, &Preserved),
    (centre, brand, kind): (&str, &str, Option<Kind>),
    operator: &str,
    resumed: &[Arrival],
) -> anyhow::Result<Sequence> {
    let same = resumed.iter().find(|arrival| arrival.received.sha256 == preserved.sha256);
    if let Some(same) = same.filter(|arrival| arrival.received.centre == centre) {
        return Ok(same.arrival);
    }
    let handed = Handed {
        name: offered.file_name().to_owned(),
        folder: None,
        centre: centre.to_owned(),
        brand: brand.to_owned(),
        kind,
        file_id: FileId { device: 0, number: 0 },
        modified_at: offered.modified_at(),
        completed_by: Completion::Handed,
    };
    Ok(office.receive_from(Some(operator), &handed, preserved)?)
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

/// Puts an operator's fact on record, judged by the same rules as a row of a file; or that the machine's clock is right. What takes
/// two persons is proposed only.
pub(super) fn record(
    office: &Office,
    what: &Record,
    operator: &str,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    office.record_nothing_where_replaced()?;
    let answer = match what.row() {
        Some((kind, row)) => {
            let command = understood(office, kind, &row, screen)?;
            if office.config.policies.two_person().contains(&kind) {
                let row = proposing::row_of(&command, &row);
                office.journal.propose(command, row, operator)?
            } else {
                office.journal.order(command, operator)?
            }
        }
        None => office.journal.accept_clock(reason(what), operator)?,
    };
    answered(&answer, json, screen)
}

/// Says what became of an order; the exit status says whether it was refused.
pub(super) fn answered(answer: &Answer, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let Answer { sequence, event, findings: found } = answer;
    if json {
        screen.out(&serde_json::to_string(&Recorded { sequence: *sequence, event, findings: found })?)?;
    } else {
        screen.out(&format!("entry {sequence}: {}", event.name()))?;
        match event {
            Event::AlarmCleared(alarm) => screen.out(&format!("  {}", alarm.detail))?,
            Event::OrderProposed(_) => screen.out(&format!(
                "  it takes effect when another operator approves it: daybook record approve {sequence}"
            ))?,
            _ => {}
        }
    }
    findings(found, screen);
    let refused = matches!(event, Event::RowRejected(_) | Event::RowHeld(_));
    Ok(if refused { Exit::Problem } else { Exit::Good })
}

/// What a row that an operator orders asks for.
pub(super) fn understood(
    office: &Office,
    kind: Kind,
    row: &[(Field, String)],
    screen: &mut dyn Screen,
) -> anyhow::Result<Command> {
    let tokens = office.tokens();
    // An operator speaks for every centre: the registration says which one is meant.
    let centre = row.iter().find(|(field, _)| *field == Field::CentreNo).map_or("", |(_, value)| value.as_str());
    let context =
        Context { tokens: Some(tokens), policies: &office.config.policies, centre, brand: "", today: today() };
    match desk::read(kind, &Given::new(row.to_vec()), &context) {
        Ok(command) => Ok(command),
        Err(rejected) => {
            findings(&rejected.findings, screen);
            anyhow::bail!("nothing was recorded");
        }
    }
}

/// What is said of why the clock is right, or a proposal is declined.
pub(super) fn reason(what: &Record) -> Private {
    let reason = match what {
        Record::Clock { reason, .. } | Record::Decline { reason, .. } => Some((Field::Reason, reason.as_str())),
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
