//! Answers to senders: from plain data to the bytes of a receipt, and to its files.
//!
//! A receipt is two files: what became of each row, for a spreadsheet, and a summary, for a reader. Where rows were rejected a
//! third lies beside them, the resend file: those rows alone, to be mended and dropped as it is. All are made of what log and
//! original say and nothing else, so that writing them again after a crash gives the same bytes. They lie in the sender's own
//! folder and say of persons what the sender said of them, and nothing that others did.
//!
//! What comes back in a resend file is judged as any file is: where it has five rows or more and too many of them are still
//! wrong, a person looks at it first. A file that is rejected or held as a whole has no resend file: no row of it was judged,
//! and what is to be mended, if anything is, is the file.
//!
//! A receipt is never changed. When a person decides on something that was held, another one follows that names the first and
//! corrects it; its number is that of the last entry that it tells of.

mod cell;
mod receipt;
mod resend;
mod summary;

use std::io;

use daybook_protocol::{event::Totals, ids::Sequence};

pub(crate) use self::cell::push_cell;
pub use self::{
    receipt::{ReceiptWriter, RowVerdict},
    summary::{Correction, Outcome, Summary},
};

/// Why a receipt cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// A file of it cannot be written. Worth trying again.
    #[error(
        "receipt {receipt} cannot be written: see that its directory exists or can be made, can be written, and is no link"
    )]
    Write {
        /// The receipt's number.
        receipt: Sequence,
        /// Why.
        source: io::Error,
    },
    /// The rows that were reported are not those that the log has counted. Nothing is sent: one of the two is wrong.
    #[error("receipt {receipt} would report {reported:?} but the log has {logged:?}; run `daybook verify`")]
    Unbalanced {
        /// The receipt's number.
        receipt: Sequence,
        /// What the report has.
        reported: Totals,
        /// What the log has.
        logged: Totals,
    },
}
