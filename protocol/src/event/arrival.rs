//! What happens to a file, from its arrival to its filing, and to the rows that become no fact.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    date::Timestamp,
    field::{Field, Kind},
    ids::{Digest, KeyId, Sequence},
};

/// How it was known that a file is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completion {
    /// It was renamed into the folder.
    Renamed,
    /// Its marker `NAME.done` stood beside it.
    Marked,
    /// Size, time and file id did not change for the folder's quiet period.
    Quiet,
    /// It was handed over whole by a command.
    Handed,
}

/// What tells one file from another that has its name: device and file number of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct FileId {
    /// The device (on Windows the volume's serial number); 0 for a file handed over by a command.
    pub device: u64,
    /// The file number; 0 for a file handed over by a command.
    pub number: u64,
}

/// Fields of [`super::Event::FileReceived`]. Sealed: the file's name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct FileReceived {
    /// The drop folder's name in the configuration; empty for a file handed over by a command.
    pub folder: String,
    /// The centre that the folder belongs to.
    pub centre: String,
    /// The brand that the folder belongs to; may be empty.
    pub brand: String,
    /// The kind that was asked for, where one was.
    pub kind: Option<Kind>,
    /// SHA-256 of the original's bytes.
    pub sha256: Digest,
    /// The original's length in bytes.
    pub bytes: u64,
    /// Which file it was.
    pub file_id: FileId,
    /// When the file was last changed, by its file system.
    pub modified_at: Timestamp,
    /// How it was known to be complete.
    pub completed_by: Completion,
    /// The key that seals the original, its name and the rows of no known person.
    pub key: KeyId,
    /// The earlier arrival of the same bytes, where there was one.
    pub same_as: Option<Sequence>,
}

/// Why something in a drop folder is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A symbolic link.
    SymbolicLink,
    /// A folder inside the drop folder.
    Folder,
    /// A device, a pipe or a socket.
    NotAFile,
    /// A name with control or path characters, or one that is not text.
    Name,
    /// A file with more than one hard link: it could change behind our back.
    HardLink,
    /// A file over the size limit.
    TooLarge,
}

/// Fields of [`super::Event::ArrivalRefused`]. Sealed: the name, under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ArrivalRefused {
    /// The drop folder's name in the configuration.
    pub folder: String,
    /// The centre that the folder belongs to.
    pub centre: String,
    /// Why it is not taken.
    pub reason: Refusal,
    /// Which file it was.
    pub file_id: FileId,
}

/// How the bytes of a file are to be read: as text of an encoding, or rendered as text from a workbook or a record of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little-endian.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, big-endian.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// A workbook of Office Open XML (Excel 2007 and later).
    #[serde(rename = "xlsx")]
    Xlsx,
    /// A workbook of Excel 97 to 2003.
    #[serde(rename = "xls")]
    Xls,
    /// A workbook of `OpenDocument`.
    #[serde(rename = "ods")]
    Ods,
    /// The XML of an Individualised Learner Record.
    #[serde(rename = "ilr")]
    Ilr,
}

impl Encoding {
    /// Whether it is a workbook: its lines are the rows of its sheets, and nothing separates its columns.
    pub fn is_workbook(self) -> bool {
        match self {
            Self::Xlsx | Self::Xls | Self::Ods => true,
            Self::Utf8 | Self::Utf16Le | Self::Utf16Be | Self::Windows1252 | Self::Ilr => false,
        }
    }

    /// Whether its lines are not those of its bytes, but rendered from what it holds: rows of sheets, or facts of learners.
    pub fn is_rendered(self) -> bool {
        self.is_workbook() || self == Self::Ilr
    }
}

/// The plan by which pass two reads a file, so that a resumed file is read as it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Plan {
    /// What the file is about.
    pub kind: Kind,
    /// How its bytes are read.
    pub encoding: Encoding,
    /// What separates its columns: a comma, semicolon, tab or pipe, as ASCII. A comma for all that is rendered.
    pub delimiter: u8,
    /// The physical line of the header, counted from 1. In a workbook a line is a row of a visible sheet, and the sheets
    /// follow each other; in an Individualised Learner Record it is a header of ours or a fact.
    pub header_line: u32,
    /// What each column means; `None` for one that is ignored.
    pub columns: Vec<Option<Field>>,
    /// The version of the reader's rules.
    pub reader_version: u16,
}

/// How every physical line of a file is accounted for. A row of several physical lines (a line break inside quotes)
/// counts once. Of an Individualised Learner Record the facts count as rows, of which each learning delivery has one or two, and
/// a learning delivery or a learner without a fact counts as a note.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Lines {
    /// Header rows and `sep=` lines.
    pub header: u64,
    /// Titles above the header.
    pub title: u64,
    /// Lines without a value.
    pub blank: u64,
    /// Total rows below the data.
    pub total: u64,
    /// Notes below the data.
    pub note: u64,
    /// Rows of data.
    pub row: u64,
}

/// Fields of [`super::Event::FileParsed`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct FileParsed {
    /// The file's `FileReceived`.
    pub arrival: Sequence,
    /// How it is read.
    pub plan: Plan,
    /// How its lines are accounted for.
    pub lines: Lines,
}

/// Fields of [`super::Event::FileRejected`] and [`super::Event::FileHeld`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct FileClosed {
    /// The file's `FileReceived`.
    pub arrival: Sequence,
    /// How its lines are accounted for, as far as it could be read.
    pub lines: Lines,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It became a fact.
    Accepted,
    /// It was refused.
    Rejected,
    /// It asked for what was already done.
    Duplicate,
    /// It waits for a person.
    Held,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
            Self::Held => "held",
        }
    }
}

/// Control totals: `rows = accepted + rejected + duplicate + held`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Totals {
    /// Rows of data.
    pub rows: u64,
    /// Rows that became a fact.
    pub accepted: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Rows that asked for what was already done.
    pub duplicate: u64,
    /// Rows that wait for a person.
    pub held: u64,
}

impl Totals {
    /// Counts one more row, with this verdict.
    pub fn count(&mut self, verdict: Verdict) {
        self.rows += 1;
        *match verdict {
            Verdict::Accepted => &mut self.accepted,
            Verdict::Rejected => &mut self.rejected,
            Verdict::Duplicate => &mut self.duplicate,
            Verdict::Held => &mut self.held,
        } += 1;
    }

    /// Counts a row that was held by its new verdict instead.
    pub fn resolve_held(&mut self, verdict: Verdict) {
        self.held = self.held.saturating_sub(1);
        self.rows = self.rows.saturating_sub(1);
        self.count(verdict);
    }

    /// Whether every row has exactly one verdict.
    pub fn balanced(&self) -> bool {
        self.rows == self.accepted + self.rejected + self.duplicate + self.held
    }
}

/// Fields of [`super::Event::FileProcessed`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct FileProcessed {
    /// The file's `FileReceived`.
    pub arrival: Sequence,
    /// What became of its rows.
    pub totals: Totals,
}

/// How safe a receipt's facts were when it was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Durable on the machine where the work arrived.
    Local,
    /// Durable on the central node too: batch, original and keys.
    Mirrored,
}

/// Fields of [`super::Event::ReceiptIssued`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ReceiptIssued {
    /// The file's `FileReceived`.
    pub arrival: Sequence,
    /// The receipt's number: that of the arrival for the first one. One that corrects it, after a person decided on what was
    /// held, has the number of the last entry that it tells of.
    pub receipt: Sequence,
    /// How safe its facts were.
    pub level: Level,
    /// SHA-256 of the row report.
    pub report: Digest,
}

/// Where an original was moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `done/`
    Done,
    /// `held/`
    Held,
    /// It was handed over by a command: there is nothing to move.
    Nowhere,
}

/// Fields of [`super::Event::OriginalFiled`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct OriginalFiled {
    /// The file's `FileReceived`.
    pub arrival: Sequence,
    /// Where it was moved to.
    pub place: Place,
}

/// Fields of [`super::Event::MappingLearned`]. Sealed under the file's key, since a stranger wrote it: the heading, or the value and
/// what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct MappingLearned {
    /// The `FileHeld` of the file that it was learned from, which is read anew.
    pub held: Sequence,
    /// The centre for whose files it holds from here on.
    pub centre: String,
    /// What the heading means, or the column in which the value stands.
    pub field: Field,
    /// Whether it is about a value, and not about a heading.
    pub of_value: bool,
}

/// Fields of [`super::Event::HeldReleased`] and [`super::Event::HeldRefused`]. Sealed: the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct HeldResolved {
    /// The `FileHeld` or `RowHeld`.
    pub held: Sequence,
}

/// Fields of [`super::Event::RowRejected`]. Sealed: the row's values.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RowRejected {
    /// The learner, where one is known.
    pub learner: Option<KeyId>,
    /// The entry that stands in the way, where one does.
    pub against: Option<Sequence>,
}

/// Fields of [`super::Event::RowHeld`]. Sealed: the row's values.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RowHeld {
    /// What the row asks for.
    pub kind: Kind,
    /// The learner, where one is known.
    pub learner: Option<KeyId>,
    /// The entry that stands in the way, where one does.
    pub against: Option<Sequence>,
}

/// Fields of [`super::Event::RowDuplicate`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RowDuplicate {
    /// The entry that did what the row asks for.
    pub first: Sequence,
}
