//! What happens to the log itself.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::ids::{Digest, Epoch, LogId, Sequence};

/// Fields of [`super::Event::LogOpened`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LogOpened {
    /// The log's name for ever.
    pub log: LogId,
    /// The version of the entry format, [`crate::entry::FORMAT`].
    pub format: u16,
    /// The program that opened it, with its version.
    pub program: String,
}

/// Fields of [`super::Event::EpochBegan`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct EpochBegan {
    /// The new epoch.
    pub epoch: Epoch,
    /// The program that began it, with its version.
    pub program: String,
}

/// Fields of [`super::Event::ConfigAdopted`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ConfigAdopted {
    /// The configuration file's text, at most [`crate::entry::CONFIG_BYTES_MAX`] bytes.
    pub text: String,
}

/// Fields of [`super::Event::AlarmRaised`] and [`super::Event::AlarmCleared`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Alarm {
    /// What is wrong, as a word that scripts can rely on, such as `fork`.
    pub alarm: String,
    /// What is wrong and what to do, for a person; nothing personal.
    pub detail: String,
}

/// Fields of [`super::Event::Scrubbed`]. What was found stands in the alarm `damage`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Scrubbed {
    /// How many entries were hashed.
    pub entries: u64,
    /// The root over them.
    pub root: Digest,
    /// How many originals the entries name; each was opened and hashed, but for those whose key was destroyed.
    pub originals: u64,
    /// How many records of the keyring were checked.
    pub keys: u64,
    /// How many things were found damaged or missing.
    pub faults: u64,
}

/// Fields of [`super::Event::LogRejoined`]. The branch itself is kept as evidence where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LogRejoined {
    /// The first place at which the branch is not this log; its end, where it has nothing of its own.
    pub from: Sequence,
    /// The epoch in which its last entries were written.
    pub epoch: Epoch,
    /// How many entries it has, as far as it can be read.
    pub entries: u64,
    /// The root over them.
    pub root: Digest,
}

/// Fields of [`super::Event::JudgedAgain`]. The arrival, order or ruling that follows it is the branch's, judged again. Its source
/// is the file, where the arrival itself is in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct JudgedAgain {
    /// The entry's place in the branch.
    pub entry: Sequence,
    /// The epoch in which it was written there.
    pub epoch: Epoch,
    /// Of an arrival: SHA-256 of the original.
    pub original: Option<Digest>,
    /// The number of the latest receipt that the branch issued about it, where one was. It no longer counts.
    pub receipt: Option<Sequence>,
}
