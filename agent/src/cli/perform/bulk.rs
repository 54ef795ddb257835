//! `daybook record from`: the orders of a file. First it is told what they would come to; on a second word they are recorded, along
//! the same line as any file: preserved, read, judged row by row, answered by a receipt.

use std::{
    io::{Cursor, Read as _},
    sync::Arc,
};

use daybook_protocol::{event::Verdict, finding::Finding};

use super::doing;
use crate::{
    cli::{Exit, Files, Screen, figures::number, record::FromFile},
    office::{Arrived, Office, RowRehearsed},
};

/// A file of orders has at most so many bytes: one of the most rows that are taken is far below it.
const BYTES_MAX: u64 = 16 << 20;

/// Rehearses the orders of a file, or records them.
pub(super) fn record(
    office: &Office,
    (from, operator): (&FromFile, &str),
    files: &mut dyn Files,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let kind = from.kind;
    if office.config.policies.two_person().contains(&kind) {
        anyhow::bail!("{kind} take two persons here, and are proposed one by one: see `daybook help record`");
    }
    let Some((offered, mut bytes)) = files.next()? else { anyhow::bail!("the file was not handed over") };
    if offered.bytes > BYTES_MAX {
        anyhow::bail!("{} has more than {} bytes: split it into smaller files", offered.name, number(BYTES_MAX));
    }
    let mut all = Vec::new();
    bytes.read_to_end(&mut all)?;
    drop(bytes);
    let all: Arc<[u8]> = all.into();
    // Rehearsed in any case: what is too much to be told is not recorded either.
    let rehearsed = office.rehearse(kind, &all, operator)?;
    if from.apply {
        office.record_nothing_where_replaced()?;
        let resumed = office.resume_handed(&mut |done, total| screen.progress(done, total, "rows"))?;
        office.take_nothing_while_closed()?;
        let preserved = office.preserve(&mut Cursor::new(all), offered.bytes)?;
        let arrival = doing::hand_over(office, (&offered, &preserved), ("", "", Some(kind)), operator, &resumed)?;
        office.proceed(arrival, &mut |done, total| screen.progress(done, total, "rows"))?;
        let arrived = Arrived { file: offered.name.clone(), ..office.arrived(arrival)? };
        doing::told(&arrived, json, screen)?;
        if !json {
            screen.note(&format!("receipts are in {}", office.reading.home.receipts().display()));
        }
        let rejected = arrived.totals.rejected > 0 || rehearsed.is_refused();
        return Ok(if rejected { Exit::Problem } else { Exit::Good });
    }
    for row in &rehearsed.rows {
        screen.out(&if json { serde_json::to_string(row)? } else { in_words(row) })?;
    }
    let [accepted, rejected, duplicate] =
        [Verdict::Accepted, Verdict::Rejected, Verdict::Duplicate].map(|verdict| rehearsed.count(verdict));
    if rehearsed.is_refused() {
        screen.note(&format!("{}: rejected as a whole, none of its rows would be recorded", offered.name));
    }
    for finding in &rehearsed.findings {
        screen.note(&format!("  {}", found(*finding)));
    }
    if !json && !rehearsed.is_refused() {
        let rows = rehearsed.rows.len();
        screen.out(&format!("{rows} rows: {accepted} accepted, {rejected} rejected, {duplicate} duplicate"))?;
        screen.note(&format!(
            "nothing was recorded; to record it: daybook record from {} --kind {kind} --apply",
            offered.name
        ));
    }
    Ok(if rejected > 0 || rehearsed.is_refused() { Exit::Problem } else { Exit::Good })
}

fn in_words(row: &RowRehearsed) -> String {
    let RowRehearsed { line, verdict, event, registration, against, against_line, findings } = row;
    let of = registration.map_or_else(String::new, |no| format!(" {no}"));
    let against = match (against, against_line) {
        (_, Some(line)) => format!(", against line {line}"),
        (Some(entry), None) => format!(", against entry {entry}"),
        (None, None) => String::new(),
    };
    let findings: Vec<String> = findings.iter().map(|finding| found(*finding)).collect();
    let findings = if findings.is_empty() { String::new() } else { format!("  {}", findings.join("; ")) };
    format!("line {line}: {verdict}, {event}{of}{against}{findings}")
}

fn found(Finding { code, field }: Finding) -> String {
    let field = field.map_or_else(String::new, |field| format!(" ({field})"));
    format!("{code}{field}: {}. {}", code.meaning(), code.mend())
}
