//! What stands beside the table of a workbook: further sheets, further tables, rows far below. Nothing of it is dropped in
//! silence: the table goes on where the same header stands again, and what else looks like data is a question for a person.
//! Must not know how a workbook is read.

use std::collections::BTreeSet;

use daybook_protocol::finding::{Code, Finding};

use super::{
    HEADER_ROWS_MAX, Wanted, header,
    records::Record,
    rows::{Class, blank},
    workbook::Told,
};

/// After so many blank rows a table has ended (DOMAIN.md 6.3, 6).
const GAP_ROWS: usize = 20;

/// A row with so many values is no note.
const DATA_CELLS_MIN: usize = 3;

/// So many known headings make a row the header of another table.
const HEADER_HITS_MIN: usize = 2;

/// Where the row in hand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Above the header, or on a sheet before that of the header.
    Before,
    /// In the table.
    Table,
    /// On a later sheet, on which the header was not seen yet.
    Later,
    /// Below the table, behind the header of another.
    Beside,
}

/// Follows the rows of a workbook and tells which of them belong to the table.
#[derive(Debug)]
pub(super) struct Tables {
    header_line: u32,
    /// The header's cells, once it was passed.
    header: Vec<String>,
    at: At,
    /// How many of the beginnings of sheets that were told are passed.
    sheets: usize,
    /// How many rows of the sheet in hand were seen.
    rows: usize,
    /// How many blank rows were the last ones.
    blanks: usize,
    /// The sheet in hand has rows that are no part of the table and no notes.
    data: bool,
    found: BTreeSet<Code>,
}

impl Tables {
    pub(super) fn new(header_line: u32) -> Self {
        Self {
            header_line,
            header: Vec::new(),
            at: At::Before,
            sheets: 0,
            rows: 0,
            blanks: 0,
            data: false,
            found: BTreeSet::new(),
        }
    }

    /// Says what a record is, where `usual` is what it would be if nothing but the table were there.
    pub(super) fn settle(&mut self, record: Record<'_>, usual: Class, told: &Told) -> Class {
        while told.look().sheets.get(self.sheets).is_some_and(|begin| *begin <= record.line) {
            self.sheets += 1;
            self.end_sheet();
        }
        self.rows += 1;
        let class = match self.at {
            _ if usual == Class::Blank => Class::Blank,
            At::Before => self.before(record, usual),
            At::Table => self.in_table(record, usual),
            At::Later if self.rows <= HEADER_ROWS_MAX && self.is_header(record) => {
                (self.at, self.data) = (At::Table, false);
                Class::Header
            }
            At::Later => {
                self.data |= is_data(record);
                Class::Note
            }
            At::Beside => Class::Note,
        };
        self.blanks = if class == Class::Blank { self.blanks + 1 } else { 0 };
        class
    }

    /// After the last record.
    pub(super) fn finish(&mut self) {
        self.end_sheet();
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = Finding> {
        self.found.iter().copied().map(Finding::from)
    }

    fn end_sheet(&mut self) {
        if self.data {
            self.found.insert(Code::MORE_TABLES);
        }
        (self.data, self.rows, self.blanks) = (false, 0, 0);
        if self.at != At::Before {
            self.at = At::Later;
        }
    }

    fn before(&mut self, record: Record<'_>, usual: Class) -> Class {
        if record.line >= self.header_line {
            self.header = trimmed(record).map(str::to_owned).collect();
            // What stands above the header on its own sheet are titles.
            (self.at, self.data) = (At::Table, false);
        } else {
            self.data |= is_data(record);
        }
        usual
    }

    fn in_table(&mut self, record: Record<'_>, usual: Class) -> Class {
        if self.is_header(record) {
            return Class::Header;
        }
        if self.blanks > 0 && hits(record) >= HEADER_HITS_MIN {
            self.found.insert(Code::MORE_TABLES);
            self.at = At::Beside;
            return Class::Note;
        }
        if self.blanks >= GAP_ROWS && usual == Class::Row {
            self.found.insert(Code::DATA_AFTER_GAP);
        }
        usual
    }

    fn is_header(&self, record: Record<'_>) -> bool {
        trimmed(record).eq(self.header.iter().map(String::as_str))
    }
}

/// The cells of a record without the blanks around each, and without the blank ones at its end.
fn trimmed(record: Record<'_>) -> impl Iterator<Item = &str> {
    let width = (0..record.len()).rev().find(|place| !blank(record.cell(*place))).map_or(0, |last| last + 1);
    (0..width).map(move |place| record.cell(place).trim())
}

fn hits(record: Record<'_>) -> usize {
    let cells: Vec<String> = record.cells().map(str::to_owned).collect();
    header::hits(&cells, &Wanted::default())
}

/// Whether a record that is not part of the table may be a row of another: it has several values, or known headings.
fn is_data(record: Record<'_>) -> bool {
    record.cells().filter(|cell| !blank(cell)).count() >= DATA_CELLS_MIN || hits(record) >= HEADER_HITS_MIN
}
