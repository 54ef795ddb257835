//! Text to records and cells, by RFC 4180 and what people make of it. Must not know what a cell means.
//!
//! A line ends with LF, CRLF or CR, whichever comes; a record ends with its line, unless the line break stands inside
//! quotation marks. An empty line is a record of one empty cell. Nothing is dropped and nothing is guessed:
//! - a quotation mark inside a cell that does not begin with one is a letter like any other;
//! - text after a closing quotation mark can be read in more than one way, so the record is marked;
//! - a quotation mark that is never closed would swallow the rest of the file, so the file is refused.

use std::{io::Cursor, ops::Range};

use daybook_protocol::{event::Encoding, finding::Code};

use super::{
    CHUNK_BYTES, COLUMNS_MAX, LINE_BYTES_MAX, ReadError, Source,
    encoding::{ROOM_BYTES_MIN, Text, TextError},
    workbook::Told,
};

/// One record of a file, borrowed from the [`Records`] that read it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) text: &'a str,
    /// The cells with doubled quotation marks, made single.
    pub(super) unescaped: &'a str,
    pub(super) cells: &'a [Cell],
    /// The physical line on which it begins, from 1.
    pub(super) line: u32,
    /// Text stands after a closing quotation mark: where a cell ends is anyone's guess.
    pub(super) misquoted: bool,
}

impl<'a> Record<'a> {
    /// How many cells it has; at least one.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// How many bytes of text it has, its separators and quotation marks counted.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// A cell as it was sent; empty where there is none.
    #[inline]
    pub(super) fn cell(&self, place: usize) -> &'a str {
        let Some(cell) = self.cells.get(place) else { return "" };
        let text = if cell.unescaped { self.unescaped } else { self.text };
        text.get(cell.begin..cell.end).unwrap_or_default()
    }

    /// Its cells as they were sent.
    pub(super) fn cells(self) -> impl Iterator<Item = &'a str> {
        (0..self.cells.len()).map(move |place| self.cell(place))
    }
}

/// Where a cell's text lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    begin: usize,
    end: usize,
    /// In [`Records::unescaped`] rather than in the text as sent.
    unescaped: bool,
}

/// The records of a file, one at a time. Holds one chunk, or one record where that is longer.
pub(super) struct Records {
    text: Text,
    delimiter: u8,
    /// Each record was rendered, such as a row of a sheet, and counts as one line, whatever its cells have in them.
    by_row: bool,
    /// Text that is decoded and not yet passed; the record in hand lies at its front part.
    buffer: String,
    /// What of `buffer` is passed.
    passed: usize,
    /// Whether `buffer` holds all that there is.
    ended: bool,
    /// The line on which the next record begins.
    line_next: u32,
    // The record in hand.
    record: Range<usize>,
    cells: Vec<Cell>,
    unescaped: String,
    line: u32,
    misquoted: bool,
}

impl Records {
    pub(super) fn new(source: Source, encoding: Encoding, delimiter: u8) -> Self {
        Self {
            text: Text::new(source, encoding),
            delimiter,
            by_row: encoding.is_rendered(),
            buffer: String::with_capacity(CHUNK_BYTES),
            passed: 0,
            ended: false,
            line_next: 1,
            record: 0..0,
            cells: Vec::new(),
            unescaped: String::new(),
            line: 0,
            misquoted: false,
        }
    }

    /// The records of the beginning of a file's text, whose lines are counted as those of the file are.
    pub(super) fn of_head(head: String, encoding: Encoding, delimiter: u8) -> Self {
        let head = Box::new(Cursor::new(head.into_bytes()));
        Self { by_row: encoding.is_rendered(), ..Self::new(head, Encoding::Utf8, delimiter) }
    }

    /// What is told of a workbook.
    pub(super) fn told(&self) -> &Told {
        self.text.told()
    }

    /// Goes to the next record; false at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        loop {
            let rest = self.buffer.as_bytes().get(self.passed..).unwrap_or_default();
            if rest.is_empty() && self.ended {
                return Ok(false);
            }
            let line = self.line_next;
            match scan(rest, self.delimiter, self.ended, &mut self.cells) {
                Scan::Record { bytes, breaks, misquoted, doubled } => {
                    self.line_next = line.checked_add(if self.by_row { 1 } else { breaks }).ok_or_else(|| {
                        ReadError::refused(Code::TOO_LARGE, "the file has more than 4,294,967,295 lines")
                    })?;
                    self.line = line;
                    self.misquoted = misquoted;
                    self.record = self.passed..self.passed + bytes;
                    self.passed += bytes;
                    self.unescaped.clear();
                    if doubled {
                        self.unescape();
                    }
                    return Ok(true);
                }
                Scan::More => self.more()?,
                Scan::Unclosed => {
                    let detail = format!("a quotation mark in the row that begins on line {line} is never closed");
                    return Err(ReadError::refused(Code::UNREADABLE, detail));
                }
                Scan::TooWide => {
                    let detail = format!("line {line} has more than {COLUMNS_MAX} columns");
                    return Err(ReadError::refused(Code::TOO_LARGE, detail));
                }
            }
        }
    }

    /// The record in hand.
    #[inline]
    pub(super) fn record(&self) -> Record<'_> {
        Record {
            text: self.buffer.get(self.record.clone()).unwrap_or_default(),
            unescaped: &self.unescaped,
            cells: &self.cells,
            line: self.line,
            misquoted: self.misquoted,
        }
    }

    /// Whether the record in hand ends where the file does, and not with a line end that was seen before.
    pub(super) fn at_end(&self) -> bool {
        self.ended && self.passed == self.buffer.len()
    }

    /// The memory that it holds for text, in bytes.
    #[cfg(test)]
    pub(super) fn buffer_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Reads on, when the record at hand does not end in what is here.
    fn more(&mut self) -> Result<(), ReadError> {
        self.buffer.drain(..self.passed);
        self.passed = 0;
        if self.buffer.len() >= LINE_BYTES_MAX {
            let detail = format!(
                "the row that begins on line {} is longer than {LINE_BYTES_MAX} bytes; look there for a quotation mark that \
                 is never closed",
                self.line_next
            );
            return Err(ReadError::refused(Code::TOO_LARGE, detail));
        }
        if self.buffer.capacity() - self.buffer.len() < ROOM_BYTES_MIN {
            let most = LINE_BYTES_MAX + ROOM_BYTES_MIN - self.buffer.len();
            self.buffer.reserve_exact(self.buffer.len().clamp(ROOM_BYTES_MIN, most));
        }
        match self.text.fill(&mut self.buffer) {
            Ok(more) => self.ended = !more,
            Err(TextError::Io(error)) => return Err(ReadError::Io(error)),
            Err(_) => return Err(ReadError::changed("the bytes are not of the encoding that the plan names")),
        }
        Ok(())
    }

    /// Moves the cells with doubled quotation marks aside and makes them single.
    fn unescape(&mut self) {
        let text = self.buffer.get(self.record.clone()).unwrap_or_default();
        for cell in self.cells.iter_mut().filter(|cell| cell.unescaped) {
            let begin = self.unescaped.len();
            let mut rest = text.get(cell.begin..cell.end).unwrap_or_default();
            while let Some((before, after)) = rest.split_once("\"\"") {
                self.unescaped.push_str(before);
                self.unescaped.push('"');
                rest = after;
            }
            self.unescaped.push_str(rest);
            (cell.begin, cell.end) = (begin, self.unescaped.len());
        }
    }
}

enum Scan {
    Record {
        /// With its line end.
        bytes: usize,
        /// How many physical lines it takes.
        breaks: u32,
        misquoted: bool,
        /// Whether a cell has doubled quotation marks.
        doubled: bool,
    },
    /// The record does not end in these bytes.
    More,
    /// It never ends.
    Unclosed,
    TooWide,
}

/// Finds the first record in `bytes` and its cells. `ended` says that nothing comes after these bytes.
fn scan(bytes: &[u8], delimiter: u8, ended: bool, cells: &mut Vec<Cell>) -> Scan {
    cells.clear();
    let (mut at, mut breaks, mut misquoted, mut doubled) = (0, 1, false, false);
    loop {
        if cells.len() == COLUMNS_MAX {
            return Scan::TooWide;
        }
        let mut from = at;
        let mut quoted_cell = None;
        if bytes.get(at) == Some(&b'"') {
            let Some(quoted) = scan_quoted(bytes, at + 1) else {
                return if ended { Scan::Unclosed } else { Scan::More };
            };
            breaks += quoted.breaks;
            from = quoted.end + 1;
            if bytes.get(from).is_none_or(|next| *next == delimiter || matches!(next, b'\n' | b'\r')) {
                quoted_cell = Some(Cell { begin: at + 1, end: quoted.end, unescaped: quoted.doubled });
                doubled |= quoted.doubled;
            } else {
                misquoted = true;
            }
        }
        let rest = bytes.get(from..).unwrap_or_default();
        let end = match rest.iter().position(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r')) {
            Some(distance) => from + distance,
            None if ended => bytes.len(),
            None => return Scan::More,
        };
        cells.push(quoted_cell.unwrap_or(Cell { begin: at, end, unescaped: false }));
        let past = match (bytes.get(end), bytes.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => end + 2,
            (Some(b'\r'), None) if !ended => return Scan::More,
            (Some(b'\n' | b'\r'), _) => end + 1,
            (Some(_), _) => {
                at = end + 1;
                continue;
            }
            (None, _) => end,
        };
        return Scan::Record { bytes: past, breaks, misquoted, doubled };
    }
}

struct Quoted {
    /// Where the closing quotation mark stands.
    end: usize,
    doubled: bool,
    /// Line breaks inside.
    breaks: u32,
}

/// Finds the end of a quoted cell whose text begins at `from`; `None` if it does not end in `bytes`. A quotation mark that
/// comes last may turn out to be one of two: whoever asks reads on in any case, since the record does not end there.
fn scan_quoted(bytes: &[u8], from: usize) -> Option<Quoted> {
    let (mut at, mut doubled, mut breaks) = (from, false, 0);
    loop {
        // What matters lies at the beginning of ASCII, letters and digits behind it: one comparison passes them.
        at += bytes.get(at..)?.iter().position(|byte| *byte <= b'"')?;
        match (*bytes.get(at)?, bytes.get(at + 1)) {
            (b'"', Some(b'"')) => (at, doubled) = (at + 1, true),
            (b'"', _) => return Some(Quoted { end: at, doubled, breaks }),
            (b'\r', Some(b'\n')) => {}
            (b'\n' | b'\r', _) => breaks += 1,
            _ => {}
        }
        at += 1;
    }
}
