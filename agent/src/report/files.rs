//! Files received, what became of their rows, and how often each was answered (DOMAIN.md 4.2, 19).

use std::collections::BTreeMap;

use daybook_protocol::field::Field;

use super::{Asked, Cell, ReportError, Table, counted, log};
use crate::office::Reading;

/// So many receipts are named in a closing sentence.
const NAMED_MAX: usize = 20;

const COLUMNS: [(&str, &str); 14] = [
    ("file", "file"),
    ("received_at", "received"),
    ("centre", "centre"),
    ("folder", "folder"),
    ("kind", "kind"),
    ("state", "state"),
    ("rows", "rows"),
    ("accepted", "acc."),
    ("rejected", "rej."),
    ("duplicate", "dup."),
    ("held", "held"),
    ("waiting", "wait"),
    ("receipts", "rec."),
    ("answered_at", "answered"),
];

pub(super) fn files(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let books = reading.books()?;
    let period = asked.moments();
    let files = books.files_told(asked.centre.as_deref(), period, super::ROWS_MAX + 1)?;
    let mut names = BTreeMap::new();
    if asked.reveal {
        let arrivals: Vec<_> = files.iter().map(|file| file.file.arrival).collect();
        log::each_of(reading, &arrivals, |entry| {
            names.insert(entry.sequence, log::said(reading, &entry, &[Field::FileName]));
            Ok(())
        })?;
    }
    let mut columns = COLUMNS.to_vec();
    if asked.reveal {
        columns.push(("name", "name"));
    }
    let mut table = Table::new(&columns);
    let (mut unanswered, mut sums) = (Vec::new(), [0_u64; 7]);
    for told in &files {
        let file = &told.file;
        // Every row of a file that is turned away or held as a whole shares the file's fate.
        let of_whole = |state: &str| file.rows.filter(|_| file.state == state);
        let rejected = file.rejected.or(of_whole("rejected")).or(of_whole("refused"));
        let held = file.held.or(of_whole("held"));
        let waiting = of_whole("held").unwrap_or(told.waiting);
        let counts = [file.rows, file.accepted, rejected, file.duplicate, held, Some(waiting), Some(told.receipts)];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count.unwrap_or_default();
        }
        let mut row = vec![
            Cell::Number(file.arrival.0),
            Cell::Moment(file.received_at),
            Cell::words(file.centre.as_str()),
            Cell::words(file.folder.as_str()),
            Cell::words(file.kind.as_deref().unwrap_or_default()),
            Cell::words(file.state.as_str()),
        ];
        row.extend(counts.map(Cell::from));
        row.push(file.answered_at.map_or(Cell::Nothing, Cell::Moment));
        if asked.reveal {
            row.push(Cell::words(names.remove(&file.arrival).flatten().unwrap_or_default()));
        }
        table.push(row)?;
        if file.answered_at.is_none() {
            unanswered.push(file.arrival.to_string());
        }
    }
    sum_up(&mut table, sums, &unanswered);
    let refused = books.refused_count(asked.centre.as_deref(), period)?;
    if refused > 0 {
        table.close(format!("Besides, {refused} things in drop folders were not taken; `daybook entries` says why."));
    }
    Ok(table)
}

/// Says what it comes to.
fn sum_up(table: &mut Table, sums: [u64; 7], unanswered: &[String]) {
    let [rows, accepted, rejected, duplicate, held, waiting, receipts] = sums;
    table.close(format!(
        "{} with {rows} rows: {accepted} accepted, {rejected} rejected, {duplicate} duplicate, {held} held when they were \
         judged, of which {waiting} wait still; {receipts} receipts sent.",
        counted(table.len(), "file", "files")
    ));
    table.close(match unanswered {
        [] => "Every file was answered.".to_owned(),
        some => {
            let first: Vec<_> = some.iter().take(NAMED_MAX).map(String::as_str).collect();
            let more = if some.len() > NAMED_MAX { " and more" } else { "" };
            format!("Never answered: {} of them ({}{more}).", some.len(), first.join(", "))
        }
    });
}
