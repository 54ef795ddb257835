//! What the read model answers.

use daybook_protocol::{
    date::{Date, Timestamp},
    entry::Sealed,
    ids::{Digest, KeyId, RegistrationNo, Sequence},
};
use serde::Serialize;

/// A learner as the read model has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnerRow {
    /// Their id.
    pub id: KeyId,
    /// The entry that opened their record.
    pub opened_at: Sequence,
    /// The last enrolment.
    pub told_at: Sequence,
    /// What the last enrolment said of the person.
    pub told: Option<Sealed>,
}

/// A learner found by a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Who.
    pub learner: KeyId,
    /// Whether the token is still theirs; otherwise it was before an amendment.
    pub current: bool,
}

/// A registration as now known, by the fact that is effective last; whether it has expired is for the asker's day to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistrationRow {
    /// Its number.
    pub registration: RegistrationNo,
    /// Whose it is.
    pub learner: KeyId,
    /// The centre.
    pub centre: String,
    /// The brand; may be empty.
    pub brand: String,
    /// The qualification.
    pub qualification: String,
    /// Its first day.
    pub start_on: Date,
    /// Its last day.
    pub expires_on: Date,
    /// `ENROLLED`, `DEFERRED` or `WITHDRAWN`.
    pub state: String,
    /// From which day the state holds.
    pub since: Date,
    /// The last entry about it.
    pub last: Sequence,
}

/// A certificate as now known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateRow {
    /// Its number.
    pub certificate: String,
    /// The entry that made the registration it was earned on.
    pub registration: Sequence,
    /// Whose it is.
    pub learner: KeyId,
    /// `DISPATCHED`, `RETURNED` or `REDISPATCHED`.
    pub state: String,
    /// From which day the state holds.
    pub since: Date,
    /// How often it was sent.
    pub attempts: u8,
    /// The last entry about it.
    pub last: Sequence,
}

/// A file and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileRow {
    /// Its `FileReceived`; also the receipt's number.
    pub arrival: Sequence,
    /// When it was recorded.
    pub received_at: Timestamp,
    /// The drop folder; empty for a file handed over by a command.
    pub folder: String,
    /// The centre.
    pub centre: String,
    /// What it is about, where that is known.
    pub kind: Option<String>,
    /// SHA-256 of the original.
    pub sha256: Digest,
    /// `received`, `parsed`, `rejected`, `held`, `refused` or `processed`.
    pub state: String,
    /// Rows of data, as far as counted.
    pub rows: Option<u64>,
    /// Rows that became facts; like the next three known when the file is processed.
    pub accepted: Option<u64>,
    /// Rows refused.
    pub rejected: Option<u64>,
    /// Rows that asked for what was already done.
    pub duplicate: Option<u64>,
    /// Rows that wait for a person, or did.
    pub held: Option<u64>,
    /// When the sender was answered last.
    pub answered_at: Option<Timestamp>,
    /// How safe the facts were by then.
    pub level: Option<String>,
    /// Where the original was filed.
    pub filed: Option<String>,
}

/// Which files are asked for.
#[derive(Debug, Clone, Default)]
pub struct FileFilter {
    /// Only those of this centre.
    pub centre: Option<String>,
    /// Only those recorded at this moment or later.
    pub since: Option<Timestamp>,
    /// Only those recorded before this moment.
    pub before: Option<Timestamp>,
    /// Only those whose sender has no answer yet.
    pub unanswered: bool,
}

/// A file or row that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldRow {
    /// The `FileHeld` or `RowHeld`.
    pub sequence: Sequence,
    /// Since when.
    pub recorded_at: Timestamp,
    /// The file, where it came in one.
    pub arrival: Option<Sequence>,
    /// The line; of a whole file, none.
    pub line: Option<u32>,
    /// The learner, where one is known.
    pub learner: Option<KeyId>,
    /// The entry that stands in the way, where one does.
    pub against: Option<Sequence>,
}

/// An alarm that is not cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmRow {
    /// Its `AlarmRaised`.
    pub sequence: Sequence,
    /// Since when.
    pub raised_at: Timestamp,
    /// The word for it.
    pub alarm: String,
    /// What is wrong and what to do.
    pub detail: String,
}

/// What a question in SQL gave: every value as text, blobs in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
}
