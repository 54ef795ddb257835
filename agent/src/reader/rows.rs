//! The rows of a file by its plan, every physical line accounted for. Must not know what a value may be.

use std::sync::Arc;

use daybook_protocol::{
    event::{Encoding, Lines, Plan},
    field::Field,
    finding::{Code, Finding},
};

use super::{
    ReadError, Source, header, ilr,
    records::{Record, Records},
    resend,
    tables::Tables,
    workbook,
};

/// What stands first in a total row, in lower case, a colon left out.
const TOTALS: [&str; 11] = [
    "total",
    "totals",
    "grand total",
    "sub total",
    "subtotal",
    "sub-total",
    "count",
    "total rows",
    "total records",
    "total learners",
    "number of rows",
];

const HEADER_ELSEWHERE: &str = "the header does not stand where the plan says";

/// Opens the rows of a file, by the plan that was made of it. `read` gives the original from its beginning.
pub fn rows(read: Source, plan: &Plan) -> Rows {
    let mut places = [None; Field::ALL.len()];
    for (place, column) in plan.columns.iter().enumerate() {
        if let Some(slot) = column.and_then(|field| places.get_mut(field as usize)) {
            *slot = Some(place);
        }
    }
    let required = header::required(plan.kind);
    Rows {
        records: Records::new(read, plan.encoding, plan.delimiter),
        columns: Arc::new(Columns { places, delimiter: plan.delimiter, headings: Vec::new(), resent: false }),
        width: plan.columns.len(),
        named_first: matches!(plan.columns.first(), Some(Some(Field::FamilyName | Field::GivenNames))),
        required: required.iter().filter_map(|field| places.get(*field as usize).copied().flatten()).collect(),
        header_line: plan.header_line,
        facts: plan.encoding == Encoding::Ilr,
        headed: false,
        tables: plan.encoding.is_workbook().then(|| Tables::new(plan.header_line)),
        lines: Lines::default(),
    }
}

/// The rows of a file, one at a time.
pub struct Rows {
    pub(super) records: Records,
    columns: Arc<Columns>,
    width: usize,
    /// The first column is a name.
    named_first: bool,
    /// Where the columns are that every row needs.
    required: Vec<usize>,
    header_line: u32,
    /// Its lines were rendered from a learner record.
    facts: bool,
    /// The header was passed.
    headed: bool,
    /// What is beside the table; of a workbook only, since a text file has one table.
    tables: Option<Tables>,
    lines: Lines,
}

/// What all rows of a file have in common.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// Where each field's column is.
    places: [Option<usize>; Field::ALL.len()],
    /// What separates them.
    delimiter: u8,
    /// Their headings as sent; none before the header is passed.
    headings: Vec<String>,
    /// The file is a resend file: the first columns are ours.
    resent: bool,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Header,
    Title,
    Blank,
    Total,
    Note,
    Row,
}

impl Rows {
    /// The next row of data; `None` at the end of the file. Headers, titles, blank lines, totals and notes are counted on
    /// the way. After an error nothing more can be had.
    ///
    /// A file that has no header where the plan says so, or is of another encoding, is not the file that the plan was made
    /// of: [`ReadError::Io`]. A row beyond a limit and a quotation mark that is never closed refuse the file.
    #[allow(clippy::should_implement_trait, reason = "a row borrows from the reader, which no Iterator can say")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, ReadError> {
        loop {
            if !self.records.advance()? {
                self.tables.iter_mut().for_each(Tables::finish);
                return if self.headed { Ok(None) } else { Err(ReadError::changed(HEADER_ELSEWHERE)) };
            }
            let record = self.records.record();
            let mut class = self.class(record);
            if let Some(tables) = &mut self.tables {
                class = tables.settle(record, class, self.records.told());
            }
            if record.line == self.header_line && class == Class::Header {
                self.headed = true;
                let resent = resend::is_resent(record.cells());
                let marked = self.tables.is_some();
                let seen = |cell| if marked { workbook::visible(cell) } else { cell };
                let headings = record.cells().map(|cell| seen(cell).to_owned()).collect();
                self.columns = Arc::new(Columns { headings, resent, ..Columns::clone(&self.columns) });
            }
            if record.line >= self.header_line && !self.headed {
                return Err(ReadError::changed(HEADER_ELSEWHERE));
            }
            let count = match class {
                Class::Header => &mut self.lines.header,
                Class::Title => &mut self.lines.title,
                Class::Blank => &mut self.lines.blank,
                Class::Total => &mut self.lines.total,
                Class::Note => &mut self.lines.note,
                Class::Row => &mut self.lines.row,
            };
            *count += 1;
            if class == Class::Row {
                break;
            }
        }
        let record = self.records.record();
        let marked = self.tables.is_some() && record.cells().any(|cell| workbook::fault(cell).is_some());
        Ok(Some(Row { shifted: shifted(record, self.width), record, columns: &self.columns, marked }))
    }

    /// What is to be asked of a person before the rows are judged, as far as they were read: whether something that looks like
    /// data stands beside the table.
    pub fn findings(&self) -> Vec<Finding> {
        self.tables.iter().flat_map(Tables::findings).collect()
    }

    /// How the lines passed so far are accounted for.
    ///
    /// A physical line ends with LF, CRLF or CR, or with the file where characters stand after the last of these. The sum
    /// over all classes is the number of records: every physical line counts once, but those of a record with line breaks
    /// inside quotation marks, which count once together. A file of `n` physical lines with `b` line breaks inside
    /// quotation marks thus sums to `n - b`. Of what is rendered every record counts once.
    pub fn lines(&self) -> Lines {
        self.lines
    }

    fn class(&self, record: Record<'_>) -> Class {
        let Some((place, first)) = record.cells().enumerate().find(|(_, cell)| !blank(cell)) else {
            return Class::Blank;
        };
        if record.line < self.header_line {
            // Split by the very separator that it names, or left whole by quotation marks.
            let hint = first.eq_ignore_ascii_case("sep=") || separator_line(first).is_some();
            let hint = hint && record.line == 1;
            return if hint { Class::Header } else { Class::Title };
        }
        if record.line == self.header_line {
            return Class::Header;
        }
        if self.facts {
            return if first == ilr::PASSED_OVER { Class::Note } else { Class::Row };
        }
        if self.is_total(record, place, first) {
            return Class::Total;
        }
        if place == 0 && self.is_note(record, first) { Class::Note } else { Class::Row }
    }

    /// A total row begins with a word for it and lacks most of what a row needs: there are people called Count.
    fn is_total(&self, record: Record<'_>, place: usize, first: &str) -> bool {
        let word = first.trim_matches(invisible).trim_end_matches([':', ' ']);
        TOTALS.iter().any(|total| total.eq_ignore_ascii_case(word)) && {
            let others = self.required.iter().filter(|other| **other != place);
            let given = others.filter(|other| !blank(record.cell(**other))).count();
            given * 2 < self.required.len()
        }
    }

    /// A note is text in the first column alone. A single word that could be that column's value, a number or a name, is a
    /// row with nothing else in it: its sender should hear of it.
    fn is_note(&self, record: Record<'_>, first: &str) -> bool {
        self.lines.row > 0 && record.cells().skip(1).all(blank) && {
            let word = first.trim_matches(invisible);
            let value = self.named_first || word.bytes().any(|byte| byte.is_ascii_digit());
            !value || word.contains(char::is_whitespace)
        }
    }
}

/// A row of data, borrowed from the [`Rows`] that read it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub(super) record: Record<'a>,
    pub(super) columns: &'a Arc<Columns>,
    pub(super) shifted: bool,
    /// A cell of a workbook has a fault.
    pub(super) marked: bool,
}

impl<'a> Row<'a> {
    /// The physical line on which it begins, from 1.
    pub fn line(&self) -> u32 {
        self.record.line
    }

    /// The value of a field: trimmed of blanks, no-break spaces and characters without width, and empty where there is no
    /// such column, no cell, or a stand-in for an empty one (`NULL`, `#N/A`, `-`, `.`).
    #[inline]
    pub fn value(&self, field: Field) -> &'a str {
        let place = self.columns.places.get(field as usize).copied().flatten();
        let cell = place.map_or("", |place| self.record.cell(place));
        // The word of an error stands for no empty cell, whatever it is.
        let fault = self.marked && workbook::fault(cell).is_some();
        if fault { workbook::visible(cell) } else { clean(self.as_sent(cell)) }
    }

    /// What is wrong with cells beyond what their values say, of those columns that mean something: one shows the error of a
    /// formula, or is empty because it is merged with another.
    pub fn faults(&self, columns: &[Option<Field>]) -> Vec<(Field, Code)> {
        if !self.marked {
            return Vec::new();
        }
        let cells = columns.iter().zip(self.record.cells());
        cells.filter_map(|(column, cell)| Some(((*column)?, workbook::fault(cell)?))).collect()
    }

    /// How many bytes it has in the file, in UTF-8.
    pub fn bytes(&self) -> usize {
        self.record.bytes()
    }

    /// Every cell as it was sent.
    pub fn raw(&self) -> impl Iterator<Item = &'a str> {
        let row = *self;
        self.record.cells().map(move |cell| row.as_sent(cell))
    }

    /// The headings of the sender's own columns, as they were sent.
    pub fn own_headings(&self) -> impl Iterator<Item = &'a str> {
        self.columns.headings.iter().skip(self.ours()).map(String::as_str)
    }

    /// Every cell of the sender's own columns, as it was sent.
    pub fn own_cells(&self) -> impl Iterator<Item = &'a str> {
        self.raw().skip(self.ours())
    }

    /// What separates its cells.
    pub fn delimiter(&self) -> u8 {
        self.columns.delimiter
    }

    /// How many columns of ours stand before the sender's.
    fn ours(&self) -> usize {
        if self.columns.resent { resend::HEADINGS.len() } else { 0 }
    }

    #[inline]
    fn as_sent(&self, cell: &'a str) -> &'a str {
        let cell = if self.marked { workbook::visible(cell) } else { cell };
        if self.columns.resent { resend::restored(cell) } else { cell }
    }

    /// Whether no column of it can be trusted: it has more or fewer cells than the header, empty ones at its end apart, or
    /// text after a closing quotation mark.
    pub fn shifted(&self) -> bool {
        self.shifted
    }
}

fn shifted(record: Record<'_>, width: usize) -> bool {
    record.misquoted || record.len() < width || !record.cells().skip(width).all(blank)
}

/// The X of a line `sep=X`.
pub(super) fn separator_line(line: &str) -> Option<char> {
    let (word, rest) = (line.get(..4)?, line.get(4..)?);
    let mut letters = rest.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if word.eq_ignore_ascii_case("sep=") => Some(letter),
        _ => None,
    }
}

/// Whether a cell has nothing to be seen.
#[inline]
pub(super) fn blank(cell: &str) -> bool {
    // Most cells begin with a letter or a digit.
    !cell.as_bytes().first().is_some_and(u8::is_ascii_graphic) && cell.chars().all(invisible)
}

/// White space of every kind, and the characters without width that come along when text is copied.
pub(super) fn invisible(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}')
}

#[inline]
fn clean(cell: &str) -> &str {
    let visible = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let bytes = cell.as_bytes();
    let trimmed = if visible(bytes.first()) && visible(bytes.last()) { cell } else { cell.trim_matches(invisible) };
    match trimmed {
        long if long.len() > 4 => long,
        // Programs write the first two; "Null" is a surname.
        "NULL" | "null" | "#N/A" | "-" | "." => "",
        short => short,
    }
}
