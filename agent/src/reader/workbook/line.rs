//! Cells to lines of text: how a value of a cell is written, so that the same table gives the same text whether it comes as
//! XLSX, XLS, ODS or CSV. Must not know a format of workbooks.

use std::{fmt::Write as _, io, sync::mpsc::SyncSender};

use daybook_protocol::finding::Code;
use jiff::{ToSpan as _, civil};

use super::{EXPANDED_BYTES_MAX, PIECE_BYTES, Refusal, SHEET_ROWS_MAX, SHEETS_MAX, Stop, Told};
use crate::reader::{COLUMNS_MAX, LINE_BYTES_MAX};

/// Stands before the word of an error, such as `#N/A`, so that it is not taken for text: a character that no text has.
const ERROR_MARK: char = '\u{FFFF}';
/// Stands in a cell that is empty because it is merged with one above or beside it: a character without width, so that the
/// cell is as blank as it looks.
const MERGED_MARK: &str = "\u{2060}";

/// What is wrong with a cell of a rendered workbook, beyond what its text says.
pub(in crate::reader) fn fault(cell: &str) -> Option<Code> {
    if cell.starts_with(ERROR_MARK) {
        Some(Code::CELL_ERROR)
    } else {
        (cell == MERGED_MARK).then_some(Code::MERGED_CELLS)
    }
}

/// A cell of a rendered workbook as a person sees it.
pub(in crate::reader) fn visible(cell: &str) -> &str {
    if cell == MERGED_MARK { "" } else { cell.strip_prefix(ERROR_MARK).unwrap_or(cell) }
}

/// From which day the dates of a workbook count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Epoch {
    /// Day 1 is 1 January 1900, and there is a 29 February 1900.
    Of1900,
    /// Day 0 is 1 January 1904.
    Of1904,
}

/// The rows of the visible sheets of a workbook, put together cell by cell and handed over in pieces.
pub(in crate::reader) struct Lines<'a> {
    pieces: &'a SyncSender<io::Result<Vec<u8>>>,
    told: &'a Told,
    /// What is not handed over yet; the row in hand begins at `begin`.
    text: String,
    begin: usize,
    /// How many rows of all sheets are complete.
    done: u32,
    /// How many were complete when the sheet in hand began.
    sheet_begin: u32,
    sheets: usize,
    /// How many cells the row in hand has.
    cells: usize,
    /// How many cells the widest row has: a shorter one below it is as wide and its last cells are blank.
    width: usize,
    /// The cells of the sheet in hand that are merged with another, by row, in order.
    merged: Vec<(u32, u32)>,
    /// How much was handed over, in bytes.
    bytes: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(pieces: &'a SyncSender<io::Result<Vec<u8>>>, told: &'a Told) -> Self {
        Self {
            pieces,
            told,
            text: String::with_capacity(PIECE_BYTES * 2),
            begin: 0,
            done: 0,
            sheet_begin: 0,
            sheets: 0,
            cells: 0,
            width: 0,
            merged: Vec::new(),
            bytes: 0,
        }
    }

    /// Begins the next visible sheet. `merged` are its cells that are covered by another.
    pub(super) fn sheet(&mut self, mut merged: Vec<(u32, u32)>) -> Result<(), Stop> {
        self.end_row()?;
        self.sheets += 1;
        if self.sheets > SHEETS_MAX {
            return Err(Refusal::new(Code::TOO_LARGE, format!("more than {SHEETS_MAX} sheets")).into());
        }
        if self.sheets > 1 {
            self.told.look().sheets.push(self.done + 1);
        }
        self.sheet_begin = self.done;
        merged.sort_unstable();
        self.merged = merged;
        Ok(())
    }

    /// Goes to a cell of the sheet, both counted from 0. Cells come in the order of rows and columns.
    pub(in crate::reader) fn go_to(&mut self, row: u32, column: u32) -> Result<(), Stop> {
        let row_here = self.done - self.sheet_begin;
        if row > row_here {
            self.end_row()?;
            let line = self.sheet_begin.checked_add(row).filter(|line| *line < SHEET_ROWS_MAX);
            let line = line
                .ok_or_else(|| Refusal::new(Code::TOO_LARGE, format!("more than {SHEET_ROWS_MAX} rows of sheets")))?;
            while self.done < line {
                self.end_line()?;
            }
        } else if row < row_here {
            return Err(Refusal::unreadable("the rows of a sheet are out of order").into());
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column < self.cells {
            return Err(Refusal::unreadable("the cells of a row are out of order").into());
        }
        if column >= COLUMNS_MAX {
            let detail = format!("row {} of a sheet has more than {COLUMNS_MAX} columns", row + 1);
            return Err(Refusal::new(Code::TOO_LARGE, detail).into());
        }
        self.fill_to(column);
        self.begin_cell();
        if self.text.len() - self.begin > LINE_BYTES_MAX {
            let detail = format!("row {} of a sheet is longer than {LINE_BYTES_MAX} bytes", row + 1);
            return Err(Refusal::new(Code::TOO_LARGE, detail).into());
        }
        Ok(())
    }

    /// Writes a text into the cell in hand.
    pub(in crate::reader) fn text(&mut self, text: &str) {
        // What we mean by a mark nobody else can write.
        let text = if text == MERGED_MARK { "" } else { text.trim_start_matches(ERROR_MARK) };
        if text.bytes().any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r')) {
            self.text.push('"');
            for (place, part) in text.split('"').enumerate() {
                if place > 0 {
                    self.text.push_str("\"\"");
                }
                self.text.push_str(part);
            }
            self.text.push('"');
        } else {
            self.text.push_str(text);
        }
    }

    /// Writes a number, with at least so many digits as the format of its cell has zeros.
    pub(super) fn number(&mut self, number: f64, digits: usize) {
        let begin = self.text.len();
        write_number(&mut self.text, number);
        let written = self.text.len() - begin;
        let whole = self.text.get(begin..).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if whole && written < digits {
            self.text.insert_str(begin, &"0".repeat(digits - written));
            self.told.flag(Code::ZEROS_RESTORED);
        }
    }

    /// How many cells the widest row has so far.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Marks the cell in hand as covered by another.
    pub(super) fn covered(&mut self) {
        self.text.push_str(MERGED_MARK);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.text.push_str(if flag { "TRUE" } else { "FALSE" });
    }

    /// Writes the word of an error.
    pub(super) fn error(&mut self, word: &str) {
        self.text.push(ERROR_MARK);
        self.text.push_str(word);
    }

    /// Writes a date that is a number of days.
    pub(super) fn date(&mut self, days: f64, epoch: Epoch) {
        if epoch == Epoch::Of1904 {
            self.told.flag(Code::DATES_1904);
        }
        match date_text(days, epoch) {
            Some(text) => self.text.push_str(&text),
            // What lies outside the calendar of spreadsheets is shown as it is; whether it is a date is not asked here.
            None => write_number(&mut self.text, days),
        }
    }

    /// Writes a date and time of ISO 8601. Midnight is the time that a date has when nobody gave one.
    pub(super) fn iso(&mut self, text: &str) {
        let (date, time) = text.split_once('T').unwrap_or((text, ""));
        let time = time.trim_end_matches('Z');
        let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
        if whole.is_empty() || whole == "00:00:00" || whole == "00:00" {
            self.text(date);
        } else {
            self.text(&format!("{date} {whole}"));
        }
    }

    /// Writes a time that passed, in days.
    pub(super) fn duration(&mut self, days: f64) {
        let Some(seconds) = seconds(days).filter(|seconds| *seconds >= 0) else {
            return write_number(&mut self.text, days);
        };
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let _ = write!(self.text, "{hours}:{minutes:02}:{seconds:02}");
    }

    /// Hands over what is left.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        self.end_row()?;
        self.hand_over(0)
    }

    /// Adds blank cells until the next one is `column`, with a mark in those that are merged with another.
    fn fill_to(&mut self, column: usize) {
        let row = self.done - self.sheet_begin;
        let any = !self.merged.is_empty() && {
            let from = self.merged.partition_point(|(merged, _)| *merged < row);
            self.merged.get(from).is_some_and(|(merged, _)| *merged == row)
        };
        while self.cells < column {
            let here = u32::try_from(self.cells).unwrap_or(u32::MAX);
            self.begin_cell();
            if any && self.merged.binary_search(&(row, here)).is_ok() {
                self.text.push_str(MERGED_MARK);
            }
        }
    }

    fn begin_cell(&mut self) {
        if self.cells > 0 {
            self.text.push(',');
        }
        self.cells += 1;
    }

    /// Ends the row in hand, if it has a cell.
    fn end_row(&mut self) -> Result<(), Stop> {
        if self.cells == 0 {
            return Ok(());
        }
        self.width = self.width.max(self.cells);
        self.fill_to(self.width);
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), Stop> {
        self.text.push('\n');
        self.done += 1;
        self.cells = 0;
        self.hand_over(PIECE_BYTES)?;
        self.begin = self.text.len();
        Ok(())
    }

    /// Hands the text over if there is so much of it.
    fn hand_over(&mut self, bytes_min: usize) -> Result<(), Stop> {
        if self.text.len() < bytes_min.max(1) {
            return Ok(());
        }
        // A long text that many cells share is short in the file, however often it is written here.
        self.bytes += self.text.len() as u64;
        if self.bytes > EXPANDED_BYTES_MAX {
            let detail = format!("the sheets have more than {EXPANDED_BYTES_MAX} bytes of text");
            return Err(Refusal::new(Code::TOO_LARGE, detail).into());
        }
        let piece = std::mem::replace(&mut self.text, String::with_capacity(PIECE_BYTES * 2));
        self.pieces.send(Ok(piece.into_bytes())).map_err(|_| Stop::Unwanted)
    }
}

/// Whole numbers without a point, others with the fifteen digits that a spreadsheet keeps: `0.1 + 0.2` is 0.3 in a sheet.
fn write_number(out: &mut String, number: f64) {
    #[allow(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
    let written = if number.fract() == 0.0 && number.abs() < 1e15 {
        write!(out, "{}", number as i64)
    } else {
        let kept = format!("{number:.14e}").parse().unwrap_or(number);
        write!(out, "{kept}")
    };
    // A string takes everything.
    let _ = written;
}

/// How many seconds so many days are, if it can be a time at all.
fn seconds(days: f64) -> Option<i64> {
    const DAYS_MAX: f64 = 3_000_000.0;
    #[allow(clippy::cast_possible_truncation, reason = "within the bounds")]
    (-DAYS_MAX..DAYS_MAX).contains(&days).then(|| (days * 86_400.0).round() as i64)
}

/// The text of a date; `None` where there is none.
fn date_text(days: f64, epoch: Epoch) -> Option<String> {
    let seconds = seconds(days).filter(|seconds| *seconds >= 0)?;
    let (day, time) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60);
    let date = match (epoch, day) {
        // A time of day without a date.
        (Epoch::Of1900, 0) if time > 0 => return Some(clock),
        // There is no such day; spreadsheets have it for the sake of a program of 1983.
        (Epoch::Of1900, 60) => "1900-02-29".to_owned(),
        (Epoch::Of1900, 1..60) => civil::date(1899, 12, 31).checked_add(day.days()).ok()?.to_string(),
        (Epoch::Of1900, _) => civil::date(1899, 12, 30).checked_add(day.days()).ok()?.to_string(),
        (Epoch::Of1904, _) => civil::date(1904, 1, 1).checked_add(day.days()).ok()?.to_string(),
    };
    Some(if time == 0 { date } else { format!("{date} {clock}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: dates of both systems are the days that a spreadsheet shows. Method: a table of numbers, among them the day
    /// that never was and those around it.
    #[test]
    fn dates_are_those_that_a_spreadsheet_shows() {
        for (days, of_1900, of_1904) in [
            (0.0, Some("1899-12-30"), Some("1904-01-01")),
            (0.5, Some("12:00:00"), Some("1904-01-01 12:00:00")),
            (1.0, Some("1900-01-01"), Some("1904-01-02")),
            (59.0, Some("1900-02-28"), Some("1904-02-29")),
            (60.0, Some("1900-02-29"), Some("1904-03-01")),
            (61.0, Some("1900-03-01"), Some("1904-03-02")),
            (38_384.0, Some("2005-02-01"), Some("2009-02-02")),
            (36_922.0, Some("2001-01-31"), Some("2005-02-01")),
            (38_384.999_999_9, Some("2005-02-02"), Some("2009-02-03")),
            (38_384.75, Some("2005-02-01 18:00:00"), Some("2009-02-02 18:00:00")),
            (2_958_465.0, Some("9999-12-31"), None),
            (-1.0, None, None),
            (1e300, None, None),
            (f64::NAN, None, None),
        ] {
            assert_eq!(date_text(days, Epoch::Of1900).as_deref(), of_1900, "{days}");
            assert_eq!(date_text(days, Epoch::Of1904).as_deref(), of_1904, "{days}");
        }
    }

    /// Goal: numbers are written as a person would. Method: a table.
    #[test]
    fn numbers_are_written_plainly() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5_958_768_343.0, "5958768343"),
            (-12.5, "-12.5"),
            (0.1 + 0.2, "0.3"),
            (1e15, "1000000000000000"),
            (1.5e-7, "0.00000015"),
            (123_456_789_012_345_680_000.0, "123456789012346000000"),
        ] {
            let mut out = String::new();
            write_number(&mut out, number);
            assert_eq!(out, text);
        }
    }
}
