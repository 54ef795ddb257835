//! The resend file of a receipt: the rejected rows alone, in their sender's own columns, with what is wrong with each in front.
//!
//! Its form is the reader's, which reads it back to the same values. What separates its columns is what separated those of
//! the sender's file, so that it opens in their programs as theirs does. A row that had text behind a closing quotation mark
//! stands there as it was read. Lines above the header, totals and notes are left out.

use std::{
    fs::File,
    io::{self, Write as _},
};

use daybook_protocol::finding::{Code, Finding, Severity};

use super::cell;
use crate::{
    intake::Dir,
    reader::{self, Row},
};

/// Rows are written to the file when so many bytes of them have come together.
const BUFFER_BYTES: usize = 64 * 1024;

/// What is said to a row that no finding stands against.
const UNSAID: &str = "No reason was recorded. Ask us before you send it again.";

/// Writes one resend file, row by row.
pub(super) struct Resend {
    file: File,
    buffer: Vec<u8>,
}

impl Resend {
    /// Begins the file `name`, whose first row will be one of the file of `row`.
    pub(super) fn create(dir: &Dir, name: &str, row: &Row<'_>) -> io::Result<Self> {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
        // The byte order mark lets Excel read UTF-8 as what it is.
        buffer.extend_from_slice("\u{feff}".as_bytes());
        let headings = reader::RESEND_HEADINGS.iter().copied().map(|heading| (heading, false));
        push_row(&mut buffer, row.delimiter(), headings.chain(row.own_headings().map(|heading| (heading, true))));
        Ok(Self { file: dir.create(name)?, buffer })
    }

    /// Adds a rejected row.
    pub(super) fn row(&mut self, row: &Row<'_>, findings: &[Finding]) -> io::Result<()> {
        let ours = [
            row.line().to_string(),
            joined(findings, "; ", |finding| finding.code.to_string()),
            joined(findings, "; ", |finding| finding.field.map_or(String::new(), |field| field.name().to_owned())),
            joined(findings, " ", |finding| sentence(finding.code)),
            if findings.is_empty() {
                UNSAID.to_owned()
            } else {
                joined(findings, " ", |finding| finding.code.mend().to_owned())
            },
        ];
        let ours = ours.iter().map(|cell| (cell.as_str(), false));
        push_row(&mut self.buffer, row.delimiter(), ours.chain(row.own_cells().map(|cell| (cell, true))));
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written
    }

    /// Writes what is left and waits until all of it is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_all()
    }
}

/// What a code means, as a sentence.
pub(super) fn sentence(code: Code) -> String {
    let meaning = code.meaning();
    let (first, rest) = meaning.split_at(meaning.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}.", first.to_uppercase())
}

/// What is said of each error, once each; warnings have nothing to mend where there is an error beside them.
fn joined(findings: &[Finding], between: &str, say: impl Fn(&Finding) -> String) -> String {
    let is_error = |finding: &Finding| finding.code.severity() == Severity::Error;
    let errors = findings.iter().any(is_error);
    let mut said: Vec<String> = Vec::new();
    for finding in findings.iter().filter(|finding| !errors || is_error(finding)) {
        let text = say(finding);
        if !text.is_empty() && !said.contains(&text) {
            said.push(text);
        }
    }
    said.join(between)
}

/// Appends a row of cells in quotes; one that is the sender's own is kept as it is, an apostrophe apart.
fn push_row<'a>(out: &mut Vec<u8>, delimiter: u8, cells: impl Iterator<Item = (&'a str, bool)>) {
    let mut first = true;
    for (text, own) in cells {
        if !std::mem::take(&mut first) {
            out.push(delimiter);
        }
        if own {
            push_own(out, text);
        } else {
            cell::push_cell(out, text);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn push_own(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if reader::is_dangerous(text) {
        out.push(b'\'');
    }
    for (place, piece) in text.split('"').enumerate() {
        if place > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(piece.as_bytes());
    }
    out.push(b'"');
}
