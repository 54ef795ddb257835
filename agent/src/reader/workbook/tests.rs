//! Whole workbooks through the whole reader.

mod corpus;
mod made;
mod messy;

use std::io::Cursor;

use daybook_protocol::event::{Lines, Plan};
use daybook_protocol::finding::Code;
use rust_xlsxwriter::{Workbook, Worksheet};

use super::*;
use crate::reader::{Planned, ReadError, Wanted, plan, rows};

/// What comes of a workbook.
#[derive(Debug)]
struct Table {
    plan: Plan,
    /// What the plan flags, and what the rows ask.
    codes: Vec<Code>,
    /// Line and cells of each row.
    rows: Vec<(u32, Vec<String>)>,
    lines: Lines,
}

fn read_all(bytes: &[u8]) -> Result<Table, ReadError> {
    let shared: Arc<[u8]> = bytes.into();
    let open = || Ok(Box::new(Cursor::new(shared.clone())) as Source);
    let Planned { plan, findings } = plan(&open, &Wanted::default())?;
    let mut codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    let mut read = rows(open()?, &plan);
    let mut found = Vec::new();
    while let Some(row) = read.next()? {
        found.push((row.line(), row.raw().map(str::to_owned).collect()));
    }
    codes.extend(read.findings().iter().map(|finding| finding.code));
    let lines = read.lines();
    Ok(Table { plan, codes, rows: found, lines })
}

/// The code with which a file is refused.
fn refused(bytes: &[u8]) -> Vec<Code> {
    match read_all(bytes) {
        Err(ReadError::Refused { findings, .. }) => findings.iter().map(|finding| finding.code).collect(),
        other => unreachable!("{other:?}"),
    }
}

/// The text of a workbook as it is rendered.
fn text_of(bytes: &[u8], format: Encoding) -> Result<String, io::Error> {
    let mut text = String::new();
    Rendered::new(Box::new(Cursor::new(bytes.to_vec())), format, Told::default()).read_to_string(&mut text)?;
    Ok(text)
}

const HEADER: [&str; 6] = ["ULN", "Forename", "Surname", "DOB", "QAN", "Start date"];

/// Writes a row of texts.
fn put(sheet: &mut Worksheet, row: u32, cells: &[&str]) {
    for (column, cell) in (0..).zip(cells) {
        if !cell.is_empty() {
            sheet.write_string(row, column, *cell).expect("written");
        }
    }
}

/// A workbook with one sheet, made by `fill`.
fn xlsx(fill: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    fill(workbook.add_worksheet());
    workbook.save_to_buffer().expect("made")
}

fn sum(lines: Lines) -> u64 {
    lines.header + lines.title + lines.blank + lines.total + lines.note + lines.row
}
