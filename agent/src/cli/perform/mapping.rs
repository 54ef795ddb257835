//! What an operator says of headings and values in a held file: `held map`; and what a person sees of an original beside the
//! reader's view of it: the end of `held show`.

use daybook_protocol::{
    entry::{Entry, Source},
    field::Field,
    ids::Sequence,
};
use serde_json::{Value, json};

use super::{doing, ruling};
use crate::{
    books::index::Held,
    cli::{Exit, Screen, held::Mapping},
    office::{MAPPINGS_MAX, Meaning, Office, OfficeError},
    reader::{ReadError, Sight, normalise},
};

/// So many lines of the original are shown below its header.
const LINES_SHOWN: usize = 5;

/// Records what headings and values mean, and has the held file read anew.
pub(super) fn map(
    office: &Office,
    asked: &Mapping,
    operator: &str,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    office.record_nothing_where_replaced()?;
    let arrival = ruling::find(office, asked.sequence)?.arrival;
    let learned = {
        let _turn = office.turn(arrival);
        // Whoever comes second finds nothing held any more.
        let held = ruling::find(office, asked.sequence)?;
        let meanings = meanings(office, &held, asked)?;
        office.learn(&held, meanings, operator)?
    };
    office.proceed(arrival, &mut |done, total| screen.progress(done, total, "rows"))?;
    let arrived = office.arrived(arrival)?;
    if json {
        let mut said = serde_json::to_value(&arrived)?;
        if let Some(said) = said.as_object_mut() {
            said.insert("learned_by".to_owned(), json!(learned));
        }
        screen.out(&said.to_string())?;
    } else {
        let entries: Vec<String> = learned.iter().map(Sequence::to_string).collect();
        screen.out(&format!("learned by entry {}; the file is read anew", entries.join(", ")))?;
        doing::told(&arrived, false, screen)?;
    }
    Ok(Exit::Good)
}

/// What is asked, if it can be meant: the headings stand in the file.
fn meanings(office: &Office, held: &Held, asked: &Mapping) -> anyhow::Result<Vec<Meaning>> {
    let sequence = asked.sequence;
    if held.line.is_some() {
        anyhow::bail!("entry {sequence} holds a row, and only a whole file is read anew");
    }
    let state = office.arrival(held.arrival)?;
    let more = asked.headings.len() + asked.values.len();
    if office.mappings_of(&state.received.centre)? + more > MAPPINGS_MAX {
        anyhow::bail!("a centre has at most {MAPPINGS_MAX} mappings: those that last belong into the configuration");
    }
    let sight = office.sight(&state, 0).map_err(unseen)?;
    for (heading, _) in &asked.headings {
        if !sight.columns.iter().any(|(cell, _)| normalise(cell) == normalise(heading)) {
            anyhow::bail!(
                "no column of the file is headed {heading:?}: `daybook held show {sequence} --reveal` shows its headings"
            );
        }
    }
    let headings = asked.headings.iter().cloned().map(|(heading, field)| Meaning::Heading(heading, field));
    let values = asked.values.iter().cloned().map(|(field, text, value)| Meaning::Value(field, text, value));
    Ok(headings.chain(values).collect())
}

fn unseen(error: OfficeError) -> anyhow::Error {
    match error {
        OfficeError::Read(ReadError::Refused { detail, .. }) => {
            anyhow::anyhow!("nothing can be mapped where no header can be read: {detail}")
        }
        other => other.into(),
    }
}

/// What is seen of the file or row that an entry holds; nothing, where no header can be read in the file.
pub(super) fn sight(office: &Office, held: &Entry) -> anyhow::Result<Option<Sight>> {
    let (Source::File { arrival } | Source::Row { arrival, .. }) = held.source else { return Ok(None) };
    let state = office.arrival(arrival)?;
    let sight = match held.source {
        Source::Row { line, .. } => office.sight_of_row(&state, line),
        _ => office.sight(&state, LINES_SHOWN).map(Some),
    };
    match sight {
        Ok(sight) => Ok(sight),
        Err(OfficeError::Read(ReadError::Refused { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The lines that show an original beside what its columns were taken for. Headings and cells may be personal: without `reveal` the
/// columns are only counted.
pub(super) fn beside(sight: &Sight, reveal: bool) -> Vec<String> {
    let mut lines = vec![format!(
        "the file is read as {}; its header stands on line {}",
        sight.kind.map_or_else(|| "a table of no known kind".to_owned(), |kind| kind.to_string()),
        sight.header_line
    )];
    for (place, (heading, field)) in (1..).zip(&sight.columns) {
        let taken = field.map_or("passed over", Field::name);
        let mut line = format!("  column {place:>3}  {taken:<22}");
        if reveal {
            let cells = sight.lines.iter().map(|(_, cells)| cells.get(place - 1).map_or("", String::as_str));
            let cells: Vec<String> = cells.map(|cell| format!("{cell:?}")).collect();
            line = format!("{line}{heading:?}: {}", cells.join(", "));
        }
        lines.push(line.trim_end().to_owned());
    }
    if !reveal {
        lines.push("--reveal shows headings and the first lines".to_owned());
    }
    lines
}

/// The same for `--json`: `header_line`, `read_as`, `columns` (each with `field` and, revealed, its `heading`) and, revealed, `lines`.
pub(super) fn beside_json(sight: &Sight, reveal: bool) -> Value {
    let column = |(heading, field): &(String, Option<Field>)| {
        if reveal { json!({ "heading": heading, "field": field }) } else { json!({ "field": field }) }
    };
    let columns: Vec<Value> = sight.columns.iter().map(column).collect();
    let mut said = json!({ "read_as": sight.kind, "header_line": sight.header_line, "columns": columns });
    if let (true, Some(said)) = (reveal, said.as_object_mut()) {
        let lines = sight.lines.iter().map(|(line, cells)| json!({ "line": line, "cells": cells }));
        said.insert("lines".to_owned(), lines.collect());
    }
    said
}
