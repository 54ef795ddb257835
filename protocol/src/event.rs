//! The events: what happened, in the field's words (DOMAIN.md section 5). Only clear facts stand here: ids of ours, codes,
//! dates. Whatever is personal goes into the sealed part of the entry.
//!
//! The order of variants and of fields is the format. A variant is never changed or removed: a new version of an event is
//! a new variant at the end.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    date::{Date, Timestamp},
    field::{Field, Kind},
    ids::{Digest, Epoch, KeyId, LogId, RegistrationNo, Sequence, Token},
};

/// What an entry records.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(tag = "type")]
pub enum Event {
    /// The first entry of every log.
    LogOpened(LogOpened),
    /// A new writing end took over (`recover`).
    EpochBegan(EpochBegan),
    /// The configuration that governs the entries from here on; never holds a secret.
    ConfigAdopted(ConfigAdopted),
    /// Something is wrong and a person should look.
    AlarmRaised(Alarm),
    /// It is no longer wrong.
    AlarmCleared(Alarm),
    /// An original is preserved; its handling begins.
    FileReceived(FileReceived),
    /// Something in a drop folder that is not taken: a link, a device, a name that could lead elsewhere.
    ArrivalRefused(ArrivalRefused),
    /// Pass one is done and the file is to be judged row by row, by this plan.
    FileParsed(FileParsed),
    /// The file as a whole is refused; the findings say why.
    FileRejected(FileClosed),
    /// The file as a whole waits for a person; the findings say why.
    FileHeld(FileClosed),
    /// Every row of the file has its verdict.
    FileProcessed(FileProcessed),
    /// The sender was answered.
    ReceiptIssued(ReceiptIssued),
    /// The original left the drop folder.
    OriginalFiled(OriginalFiled),
    /// An operator let a held file or row go on.
    HeldReleased(HeldResolved),
    /// An operator refused a held file or row.
    HeldRefused(HeldResolved),
    /// A row was refused; the findings say why.
    RowRejected(RowRejected),
    /// A row waits for a person; the findings say why.
    RowHeld(RowHeld),
    /// A row asks for what was already done.
    RowDuplicate(RowDuplicate),
    /// A learner was enrolled: a registration was opened.
    LearnerEnrolled(LearnerEnrolled),
    /// What is held of a learner was amended.
    LearnerDetailsAmended(LearnerDetailsAmended),
    /// A registration was deferred.
    LearnerDeferred(LearnerDeferred),
    /// A deferred registration was taken up again.
    LearnerResumed(LearnerResumed),
    /// A registration was withdrawn.
    LearnerWithdrawn(LearnerWithdrawn),
    /// A certificate was sent out.
    CertificateDispatched(CertificateDispatched),
    /// A certificate came back.
    CertificateReturned(CertificateReturned),
    /// A returned certificate was sent out again.
    CertificateRedispatched(CertificateRedispatched),
}

impl Event {
    /// The event's name, as in `entries --json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogOpened(_) => "LogOpened",
            Self::EpochBegan(_) => "EpochBegan",
            Self::ConfigAdopted(_) => "ConfigAdopted",
            Self::AlarmRaised(_) => "AlarmRaised",
            Self::AlarmCleared(_) => "AlarmCleared",
            Self::FileReceived(_) => "FileReceived",
            Self::ArrivalRefused(_) => "ArrivalRefused",
            Self::FileParsed(_) => "FileParsed",
            Self::FileRejected(_) => "FileRejected",
            Self::FileHeld(_) => "FileHeld",
            Self::FileProcessed(_) => "FileProcessed",
            Self::ReceiptIssued(_) => "ReceiptIssued",
            Self::OriginalFiled(_) => "OriginalFiled",
            Self::HeldReleased(_) => "HeldReleased",
            Self::HeldRefused(_) => "HeldRefused",
            Self::RowRejected(_) => "RowRejected",
            Self::RowHeld(_) => "RowHeld",
            Self::RowDuplicate(_) => "RowDuplicate",
            Self::LearnerEnrolled(_) => "LearnerEnrolled",
            Self::LearnerDetailsAmended(_) => "LearnerDetailsAmended",
            Self::LearnerDeferred(_) => "LearnerDeferred",
            Self::LearnerResumed(_) => "LearnerResumed",
            Self::LearnerWithdrawn(_) => "LearnerWithdrawn",
            Self::CertificateDispatched(_) => "CertificateDispatched",
            Self::CertificateReturned(_) => "CertificateReturned",
            Self::CertificateRedispatched(_) => "CertificateRedispatched",
        }
    }

    /// The learner that the event itself names; a duplicate names only the entry that it repeats.
    pub fn learner(&self) -> Option<KeyId> {
        match self {
            Self::LearnerEnrolled(event) => Some(event.learner),
            Self::LearnerDetailsAmended(event) => Some(event.learner),
            Self::LearnerDeferred(event) => Some(event.learner),
            Self::LearnerResumed(event) => Some(event.learner),
            Self::LearnerWithdrawn(event) => Some(event.learner),
            Self::CertificateDispatched(event) => Some(event.learner),
            Self::CertificateReturned(event) => Some(event.learner),
            Self::CertificateRedispatched(event) => Some(event.learner),
            Self::RowRejected(event) => event.learner,
            Self::RowHeld(event) => event.learner,
            _ => None,
        }
    }

    /// The registration that the event names.
    pub fn registration(&self) -> Option<RegistrationNo> {
        match self {
            Self::LearnerEnrolled(event) => Some(event.registration),
            Self::LearnerDeferred(event) => Some(event.registration),
            Self::LearnerResumed(event) => Some(event.registration),
            Self::LearnerWithdrawn(event) => Some(event.registration),
            Self::CertificateDispatched(event) => Some(event.registration),
            _ => None,
        }
    }
}

/// Fields of [`Event::LogOpened`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LogOpened {
    /// The log's name for ever.
    pub log: LogId,
    /// The version of the entry format, [`crate::entry::FORMAT`].
    pub format: u16,
    /// The program that opened it, with its version.
    pub program: String,
}

/// Fields of [`Event::EpochBegan`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct EpochBegan {
    /// The new epoch.
    pub epoch: Epoch,
    /// The program that began it, with its version.
    pub program: String,
}

/// Fields of [`Event::ConfigAdopted`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ConfigAdopted {
    /// The configuration file's text, at most [`crate::entry::CONFIG_BYTES_MAX`] bytes.
    pub text: String,
}

/// Fields of [`Event::AlarmRaised`] and [`Event::AlarmCleared`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Alarm {
    /// What is wrong, as a word that scripts can rely on, such as `fork`.
    pub alarm: String,
    /// What is wrong and what to do, for a person; nothing personal.
    pub detail: String,
}

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

/// Fields of [`Event::FileReceived`]. Sealed: the file's name.
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

/// Fields of [`Event::ArrivalRefused`]. Sealed: the name, under a key of its own.
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

/// How the bytes of a text file are to be read.
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
}

/// The plan by which pass two reads a file, so that a resumed file is read as it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Plan {
    /// What the file is about.
    pub kind: Kind,
    /// How its bytes are read.
    pub encoding: Encoding,
    /// What separates its columns: a comma, semicolon, tab or pipe, as ASCII.
    pub delimiter: u8,
    /// The physical line of the header, counted from 1.
    pub header_line: u32,
    /// What each column means; `None` for one that is ignored.
    pub columns: Vec<Option<Field>>,
    /// The version of the reader's rules.
    pub reader_version: u16,
}

/// How every physical line of a file is accounted for. A row of several physical lines (a line break inside quotes)
/// counts once.
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

/// Fields of [`Event::FileParsed`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct FileParsed {
    /// The file's `FileReceived`.
    pub arrival: Sequence,
    /// How it is read.
    pub plan: Plan,
    /// How its lines are accounted for.
    pub lines: Lines,
}

/// Fields of [`Event::FileRejected`] and [`Event::FileHeld`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct FileClosed {
    /// The file's `FileReceived`.
    pub arrival: Sequence,
    /// How its lines are accounted for, as far as it could be read.
    pub lines: Lines,
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
    pub fn count(&mut self, verdict: &Event) {
        self.rows += 1;
        match verdict {
            Event::RowRejected(_) => self.rejected += 1,
            Event::RowHeld(_) => self.held += 1,
            Event::RowDuplicate(_) => self.duplicate += 1,
            _ => self.accepted += 1,
        }
    }

    /// Counts what another part of the same file came to.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.duplicate += other.duplicate;
        self.held += other.held;
    }

    /// Whether every row has exactly one verdict.
    pub fn balanced(&self) -> bool {
        self.rows == self.accepted + self.rejected + self.duplicate + self.held
    }
}

/// Fields of [`Event::FileProcessed`].
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

/// Fields of [`Event::ReceiptIssued`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ReceiptIssued {
    /// The file's `FileReceived`; also the receipt's number.
    pub arrival: Sequence,
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

/// Fields of [`Event::OriginalFiled`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct OriginalFiled {
    /// The file's `FileReceived`.
    pub arrival: Sequence,
    /// Where it was moved to.
    pub place: Place,
}

/// Fields of [`Event::HeldReleased`] and [`Event::HeldRefused`]. Sealed: the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct HeldResolved {
    /// The `FileHeld` or `RowHeld`.
    pub held: Sequence,
}

/// Fields of [`Event::RowRejected`]. Sealed: the row's values.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RowRejected {
    /// The learner, where one is known.
    pub learner: Option<KeyId>,
    /// The entry that stands in the way, where one does.
    pub against: Option<Sequence>,
}

/// Fields of [`Event::RowHeld`]. Sealed: the row's values.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RowHeld {
    /// What the row asks for.
    pub kind: Kind,
    /// The learner, where one is known.
    pub learner: Option<KeyId>,
    /// The entry that stands in the way, where one does.
    pub against: Option<Sequence>,
}

/// Fields of [`Event::RowDuplicate`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RowDuplicate {
    /// The entry that did what the row asks for.
    pub first: Sequence,
}

/// The look-up values of a person. Each is a keyed HMAC of normalised text, see `README.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct PersonTokens {
    /// Of the ULN, where one was given.
    pub uln: Option<Token>,
    /// Of family name, given names, date of birth and centre.
    pub person: Token,
    /// Of family name and date of birth: what a later request must match.
    pub identity: Token,
}

/// Fields of [`Event::LearnerEnrolled`]; effective on the start date. Sealed under the learner's key: what the row said of
/// the person.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerEnrolled {
    /// The new registration's number.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// Whether the learner's record was opened by this entry (`LearnerRecordOpened` of DOMAIN.md 3.1).
    pub opened: bool,
    /// How the learner is found again.
    pub tokens: PersonTokens,
    /// The centre.
    pub centre: String,
    /// The brand; may be empty.
    pub brand: String,
    /// The qualification number without slashes, such as `60158864`, with the route code behind a slash where one was given.
    pub qualification: String,
    /// The last day of the registration (DOMAIN.md 3.2).
    pub expires_on: Date,
}

/// Amendment classes of DOMAIN.md 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub enum AmendmentClass {
    /// Case, spacing, diacritics.
    A,
    /// Contact details.
    B,
    /// Identity: names, date of birth, ULN, sex.
    C,
}

/// Fields of [`Event::LearnerDetailsAmended`]. Sealed: the new value and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerDetailsAmended {
    /// The learner.
    pub learner: KeyId,
    /// What was amended.
    pub field: Field,
    /// Which class of amendment it is.
    pub class: AmendmentClass,
    /// How the learner is found from here on.
    pub tokens: PersonTokens,
    /// Keyed HMAC of the field and its new value, so that the same request is known again.
    pub change: Token,
}

/// Fields of [`Event::LearnerDeferred`]; effective on the first day of the deferral. Sealed: the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerDeferred {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// The day by which the learner is to resume.
    pub resume_by: Date,
    /// Which deferral of this registration it is, from 1.
    pub ordinal: u8,
}

/// Fields of [`Event::LearnerResumed`]; effective on the day of resumption.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerResumed {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// For how many days the registration was deferred.
    pub days_deferred: u32,
}

/// Reasons of withdrawal (DOMAIN.md 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "each is the reason of that name in DOMAIN.md 2.8")]
pub enum WithdrawalReason {
    LeftCourse,
    Illness,
    TransferCentre,
    TransferQual,
    Redundant,
    Financial,
    RegisteredInError,
    DuplicateRegistration,
    NonAttendance,
    CentreClosed,
    Deceased,
    Sanction,
    OutsideProviderControl,
    Other,
}

impl WithdrawalReason {
    /// Every reason, in the order of their tags.
    pub const ALL: [Self; 14] = [
        Self::LeftCourse,
        Self::Illness,
        Self::TransferCentre,
        Self::TransferQual,
        Self::Redundant,
        Self::Financial,
        Self::RegisteredInError,
        Self::DuplicateRegistration,
        Self::NonAttendance,
        Self::CentreClosed,
        Self::Deceased,
        Self::Sanction,
        Self::OutsideProviderControl,
        Self::Other,
    ];
}

/// Fields of [`Event::LearnerWithdrawn`]; effective on the day of withdrawal. Sealed: notes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerWithdrawn {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// Why.
    pub reason: WithdrawalReason,
    /// The last day of attendance, where given.
    pub last_attended_on: Option<Date>,
}

/// Fields of [`Event::CertificateDispatched`]; effective on the day of dispatch. Sealed: address.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CertificateDispatched {
    /// The certificate's number, unique for ever (Ofqual Condition I3.2).
    pub certificate: String,
    /// The registration it was earned on.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// Who carries it; may be empty.
    pub carrier: String,
    /// The carrier's number for it; may be empty.
    pub tracking: String,
}

/// Reasons why a certificate comes back (DOMAIN.md 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "each is the reason of that name in DOMAIN.md 3.6")]
pub enum ReturnReason {
    GoneAway,
    Refused,
    IncompleteAddress,
    NotCalledFor,
    Damaged,
    AddresseeUnknown,
    Other,
}

/// Fields of [`Event::CertificateReturned`]; effective on the day it was received back. Sealed: notes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CertificateReturned {
    /// The certificate's number.
    pub certificate: String,
    /// The learner.
    pub learner: KeyId,
    /// Why it came back.
    pub reason: ReturnReason,
}

/// Fields of [`Event::CertificateRedispatched`]; effective on the day of dispatch. Sealed: the new address, or the
/// statement that the old one is right.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CertificateRedispatched {
    /// The certificate's number.
    pub certificate: String,
    /// The learner.
    pub learner: KeyId,
    /// Which dispatch it is, the first one counted.
    pub attempt: u8,
    /// Who carries it; may be empty.
    pub carrier: String,
    /// The carrier's number for it; may be empty.
    pub tracking: String,
}
