//! Bytes to rows: which encoding a file is in, what separates its columns, where its header stands, what each column
//! means, and then its rows one by one, with every physical line accounted for (DOMAIN.md 6.2 to 6.4). A workbook and an
//! Individualised Learner Record are rendered as text first: a line of it is a row of a sheet, or a fact of a learner.
//!
//! A file is read twice. [`plan()`] looks through the whole of it and says how it is to be read, or why it cannot be;
//! [`rows()`] gives the rows by that plan, in pass one to whoever checks them and in pass two, perhaps after a crash, to
//! whoever judges them. Both stream: memory does not grow with the file.
//!
//! Architecture invariant: nothing here knows a state, a rule of the desk, a path or a clock. Whether a value is a date
//! or a ULN is the desk's question. Nothing here writes, and nothing that a file says goes into an error.
//!
//! Records are split by a parser of our own, `records`, rather than by the `csv` crate, which passes over empty lines
//! without counting them, lets one record grow until memory ends, counts a line at each line feed only, and says nothing
//! of a quotation mark that is never closed. The tests hold the two against each other.

mod block;
mod encoding;
mod header;
mod ilr;
mod plan;
mod records;
mod resend;
mod rows;
mod synonyms;
mod tables;
mod workbook;

use std::io::{self, Read};

use daybook_protocol::{
    event::Plan,
    field::{Field, Kind},
    finding::{Code, Finding},
};

pub use self::{
    block::Block,
    header::normalise,
    ilr::{ATTRIBUTES_MAX, DEPTH_MAX, TOKEN_BYTES_MAX, VALUE_BYTES_MAX},
    plan::{Sight, look, plan},
    resend::{HEADINGS as RESEND_HEADINGS, is_dangerous, starts_formula},
    rows::{Row, Rows, rows},
    workbook::{
        EXPANDED_BYTES_MAX, HELD_BYTES_MAX, RATIO_MAX, SHEET_ROWS_MAX, SHEETS_MAX, SUSPECT_BYTES_MIN,
        WORKBOOK_BYTES_MAX,
    },
};

/// The version of these rules. It stands in every plan; it goes up when the same bytes would be read another way.
pub const READER_VERSION: u16 = 3;

/// The longest record, in bytes of UTF-8. A real row has a few hundred; what is longer is a quotation mark that was
/// never closed, or no table at all. This is also as much memory as a record can take.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// The most columns of a record. Templates of the sector have up to 60; a record beyond this is no row of a table.
pub const COLUMNS_MAX: usize = 512;

/// The header is looked for in this many records from the top, blank ones counted (DOMAIN.md 6.3, 6).
pub const HEADER_ROWS_MAX: usize = 20;

/// The delimiter is judged by this many records from the top (DOMAIN.md 6.3, 5).
pub const SNIFF_ROWS_MAX: usize = 50;

/// Those records are looked for in this much of the beginning, in bytes of UTF-8: as much as the longest record, so that
/// a first record that does not end within it is beyond that limit too.
pub const SNIFF_BYTES_MAX: usize = LINE_BYTES_MAX;

/// How much is read at a time, in bytes: enough that a read costs nothing beside the work on what was read.
pub const CHUNK_BYTES: usize = 64 << 10;

/// The longest heading that is looked up, in bytes. What is longer is a sentence.
pub const HEADING_BYTES_MAX: usize = 128;

/// What is known of a file before it is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// What the file is about, where its sender said so; otherwise its headings say it.
    pub kind: Option<Kind>,
    /// What headings mean at this centre, before all synonyms: heading and field.
    pub header_map: &'a [(String, Field)],
}

/// How a file is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The plan, for the log and for [`rows()`].
    pub plan: Plan,
    /// What is to be flagged though the file is taken, and what a person is to be asked before it is: no errors.
    pub findings: Vec<Finding>,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its bytes cannot be had, or are no longer those that the plan was made from: try again, or stop.
    #[error("cannot read the original")]
    Io(#[from] io::Error),
    /// The file as a whole is refused.
    #[error("the file is refused: {detail}")]
    Refused {
        /// Why, by code; at least one is an error, or a question for a person. Each code carries what the sender should do.
        findings: Vec<Finding>,
        /// Where and why, for the receipt; in our words only, nothing that the file says.
        detail: String,
    },
}

impl ReadError {
    fn refused(code: Code, detail: impl Into<String>) -> Self {
        Self::Refused { findings: vec![code.into()], detail: detail.into() }
    }

    /// Whether the file is beyond a limit.
    fn is_beyond(&self) -> bool {
        matches!(self, Self::Refused { findings, .. } if findings.contains(&Code::TOO_LARGE.into()))
    }

    fn changed(why: &'static str) -> Self {
        Self::Io(io::Error::new(io::ErrorKind::InvalidData, why))
    }
}

/// A stream of an original's bytes.
type Source = Box<dyn Read + Send>;

#[cfg(test)]
pub(crate) mod tests;
