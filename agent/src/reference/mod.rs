//! Files of reference data: bytes to what the desk asks of a register. All of a file is read or nothing, and whatever is wrong is
//! told by line and column with what mends it. Knows no log, no vault and no clock.
//!
//! A file is CSV with commas, its first line the headings, in UTF-8 or as spreadsheets save it. A heading is known however it is
//! spaced and in whatever case. The same bytes must read the same for ever, since the log names them: what is read here may
//! become more, never less.

mod centres;
mod qualifications;
mod table;
#[cfg(test)]
mod tests;

use daybook_protocol::event::Register;

use crate::desk::Content;

pub use table::{FAULTS_MAX, Fault};

/// The longest file, in bytes: the whole national register, with every column that it is published with, has a third of it.
pub const FILE_BYTES_MAX: u64 = 128 << 20;

/// A register that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    /// What it holds.
    pub content: Content,
    /// How many rows it has below its headings.
    pub rows: u64,
    /// The columns that it could have and lacks: what they are for is not checked.
    pub lacks: Vec<&'static str>,
}

/// Why a file is not taken: nothing of it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", told(faults, *more))]
pub struct Refused {
    /// What is wrong, in the order of the file; at least one.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub more: u64,
}

fn told(faults: &[Fault], more: u64) -> String {
    let mut lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n  ")
}

/// Reads a file of a register.
pub fn read(register: Register, bytes: &[u8]) -> Result<Read, Refused> {
    match register {
        Register::Qualifications => qualifications::read(bytes),
        Register::Centres => centres::read(bytes),
    }
}
