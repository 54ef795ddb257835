//! A file as rows under known headings, with all that is wrong noted as it is met.

use std::{fmt, str};

use daybook_protocol::date::Date;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::Refused;
use crate::{
    desk::{self, Period},
    reader::normalise,
};

/// So many faults of a file are told, the rest counted: a person mends a column, not a thousand cells.
pub const FAULTS_MAX: usize = 20;
/// A value is told as far as this, in characters: enough to find it.
const TOLD_CHARS_MAX: usize = 40;

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The physical line, counted from 1.
    pub line: u64,
    /// The heading of the column, where it concerns one.
    pub column: Option<&'static str>,
    /// What is wrong, and what mends it.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", {column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What is wrong with a file, so far.
#[derive(Default)]
pub(super) struct Faults {
    told: Vec<Fault>,
    more: u64,
}

impl Faults {
    pub(super) fn note(&mut self, line: u64, column: Option<&'static str>, what: impl Into<String>) {
        if self.told.len() < FAULTS_MAX {
            self.told.push(Fault { line, column, what: what.into() });
        } else {
            self.more += 1;
        }
    }

    /// Fails if anything is.
    pub(super) fn end(self) -> Result<(), Refused> {
        if self.told.is_empty() { Ok(()) } else { Err(Refused { faults: self.told, more: self.more }) }
    }
}

/// A row, and what is wrong with it.
pub(super) struct Row<'a> {
    pub(super) line: u64,
    record: &'a csv::StringRecord,
    /// Where each known column stands.
    places: &'a [Option<usize>],
    columns: &'static [&'static str],
    pub(super) faults: &'a mut Faults,
}

impl<'a> Row<'a> {
    /// The value of a known column; empty where there is none.
    pub(super) fn value(&self, column: &'static str) -> &'a str {
        let known = self.columns.iter().position(|name| *name == column);
        let place = known.and_then(|known| self.places.get(known).copied().flatten());
        place.and_then(|place| self.record.get(place)).map_or("", str::trim)
    }

    pub(super) fn fault(&mut self, column: &'static str, what: impl Into<String>) {
        self.faults.note(self.line, Some(column), what);
    }

    /// A value that is read by `parse`; `None` where it is empty, or is none, which is then noted with `form`.
    pub(super) fn read<T>(
        &mut self,
        column: &'static str,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.value(column);
        if text.is_empty() {
            return None;
        }
        let read = parse(text);
        if read.is_none() {
            self.fault(column, format!("{} {form}", shown(text)));
        }
        read
    }

    /// The same of a value that must be there.
    pub(super) fn require<T>(
        &mut self,
        column: &'static str,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if self.value(column).is_empty() {
            self.fault(column, "is empty: fill it in, or take the row away");
        }
        self.read(column, form, parse)
    }

    pub(super) fn day(&mut self, column: &'static str) -> Option<Date> {
        self.read(column, "is no date: write it as YYYY-MM-DD or day/month/year", desk::date)
    }

    /// The days from one column to another.
    pub(super) fn period(&mut self, from: &'static str, to: &'static str) -> Period {
        let period = Period { from: self.day(from), to: self.day(to) };
        if period.from.zip(period.to).is_some_and(|(first, last)| last < first) {
            self.fault(to, format!("lies before {from}: one of the two is wrong"));
        }
        period
    }
}

/// A value as it is told.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(TOLD_CHARS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}

/// The headings that a register has; the first one must be there.
pub(super) struct Headings {
    pub(super) columns: &'static [&'static str],
    /// Whether others may stand beside them.
    pub(super) others: bool,
}

/// Reads all rows, with what is wrong in each; gives how many there are and which columns the file lacks.
pub(super) fn read(
    bytes: &[u8],
    headings: &Headings,
    mut take: impl FnMut(&mut Row<'_>),
) -> Result<(u64, Vec<&'static str>), Refused> {
    let mut faults = Faults::default();
    let text = decoded(bytes);
    if text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        faults.note(1, None, "somewhere a quotation mark is never closed: look for a single one and take it away");
        faults.end()?;
        return Ok((0, Vec::new()));
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    // What is text already does not fail to be read as text.
    let mut next = |record: &mut csv::StringRecord| reader.read_record(record).unwrap_or(false);
    let headed = next(&mut record);
    let Some((width, places)) = headed.then(|| map(&record, headings, &mut faults)) else {
        faults.note(1, None, "the file is empty");
        faults.end()?;
        return Ok((0, Vec::new()));
    };
    faults.end()?;
    let (mut faults, mut rows) = (Faults::default(), 0);
    while next(&mut record) {
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        rows += 1;
        let line = line_of(&record, &text);
        if let Some(what) = misshapen(&record, width) {
            faults.note(line, None, what);
            continue;
        }
        let columns = headings.columns;
        take(&mut Row { line, record: &record, places: &places, columns, faults: &mut faults });
    }
    if rows == 0 {
        faults.note(1, None, "no row stands below the headings");
    }
    faults.end()?;
    let lacks = headings.columns.iter().zip(&places).filter(|(_, place)| place.is_none());
    Ok((rows, lacks.map(|(name, _)| *name).collect()))
}

/// The physical line on which a record begins: the parser counts from where it looked for it, blank lines before it left out.
fn line_of(record: &csv::StringRecord, text: &str) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.as_bytes().get(byte..)).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    position.line() + blank.count() as u64
}

/// As UTF-8 or UTF-16, by its mark; without one as UTF-8 if it is that, else as Windows-1252, in which anything can be read.
fn decoded(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let plain = if str::from_utf8(bytes).is_ok() { UTF_8 } else { WINDOWS_1252 };
    let encoding = Encoding::for_bom(bytes).map_or(plain, |(encoding, _)| encoding);
    encoding.decode_with_bom_removal(bytes).0
}

/// How many columns there are, and where each known one stands.
fn map(record: &csv::StringRecord, headings: &Headings, faults: &mut Faults) -> (usize, Vec<Option<usize>>) {
    let found: Vec<String> = record.iter().map(normalise).collect();
    let place = |name: &&str| found.iter().position(|heading| *heading == normalise(name));
    let places: Vec<Option<usize>> = headings.columns.iter().map(place).collect();
    for (name, place) in headings.columns.iter().zip(&places) {
        let twice = found.iter().filter(|heading| **heading == normalise(name)).count() > 1;
        if twice {
            faults.note(1, Some(*name), "stands there twice: take one of the two away");
        }
        if place.is_none() && headings.columns.first() == Some(name) {
            let all = headings.columns.join(", ");
            let what = format!(
                "is no heading of the first line; save the file as CSV, with commas, under headings such as {all}"
            );
            faults.note(1, Some(*name), what);
        }
    }
    if places.first().is_none_or(Option::is_none) {
        // Another file altogether, most likely: its headings say nothing.
        return (record.len(), places);
    }
    let known = |place: usize| places.contains(&Some(place));
    for (place, heading) in record.iter().enumerate().filter(|(place, _)| !headings.others && !known(*place)) {
        // Twice the same was told; a spreadsheet leaves empty columns at the end.
        let twice = headings.columns.iter().any(|name| found.get(place) == Some(&normalise(name)));
        if !twice && !heading.trim().is_empty() {
            faults.note(
                1,
                None,
                format!("{} is no heading of this register: mend it, or take its column away", shown(heading)),
            );
        }
    }
    (record.len(), places)
}

/// Why the cells of a row are not those of its columns.
fn misshapen(record: &csv::StringRecord, width: usize) -> Option<String> {
    if record.len() != width {
        let cells = record.len();
        return Some(format!(
            "has {cells} columns where the headings have {width}: look for a stray comma or quotation mark"
        ));
    }
    // The end of one row and the beginning of another in one cell: as many commas as a row has.
    let swallows = |cell: &str| cell.contains('\n') && cell.matches(',').count() + 1 >= width.max(2);
    record
        .iter()
        .any(swallows)
        .then(|| "has other rows in one of its cells: a quotation mark there is not closed, take it away".to_owned())
}
