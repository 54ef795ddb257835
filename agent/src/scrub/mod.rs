//! The scrub: what lies on the disk is read from end to end and hashed, so that a disk that forgets is found out while the
//! other copy still remembers. The log from its raw bytes, every original that it names, every record of the keyring.
//!
//! Architecture invariant: nothing here writes to what it checks. What is to be done about damage is for whoever asked: the
//! office records an entry and an alarm, the central node an alarm of its own, and a log that is damaged itself is
//! condemned, see [`crate::store::condemn`].

mod due;
mod log;
mod note;
mod rest;
#[cfg(test)]
mod tests;
mod timing;
mod work;

use std::{fmt, io};

use daybook_protocol::{date::Timestamp, ids::Digest};
use serde::{Deserialize, Serialize};

pub use due::{Timer, due_at, is_overdue};
pub use log::{LogFound, check_log};
pub use note::{load, save};
pub use rest::{Rest, check_rest};
pub(crate) use timing::{Unseen, each_look};
pub use work::{Onlooker, Work};

use crate::{keyring::KeyringError, store::StoreError};

/// The alarm that says that something stored is damaged.
pub const DAMAGE: &str = "damage";
/// So many damaged things are named; beyond that they are counted.
pub const NAMED_MAX: usize = 100;
/// So many of them stand in the alarm; the others `status` and the command itself name.
const IN_ALARM_MAX: usize = 3;

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The log itself: nothing may be appended to it.
    Log,
    /// One slot of the head, or the signed checkpoint: they are written anew.
    Beside,
    /// A record of the keyring.
    Keyring,
    /// An original.
    Original,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// What kind of thing it is.
    pub part: Part,
    /// Where it lies, from the data directory on, and what is wrong with it; nothing personal.
    pub what: String,
    /// What mends it.
    pub mend: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.mend)
    }
}

/// What a scrub found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// When it ended.
    pub at: Timestamp,
    /// How many entries were hashed.
    pub entries: u64,
    /// The root over them.
    pub root: Digest,
    /// How many originals they name.
    pub originals: u64,
    /// How many records of the keyring were checked.
    pub keys: u64,
    /// How many things are damaged or missing.
    pub faults: u64,
    /// The first [`NAMED_MAX`] of them.
    pub damage: Vec<Damage>,
}

impl Found {
    /// What was found of the log, and of all that belongs to it.
    pub fn of(log: LogFound, rest: Rest, at: Timestamp) -> Self {
        let mut damage: Vec<_> = log.damage.into_iter().chain(rest.damage).collect();
        let faults = damage.len() as u64;
        damage.truncate(NAMED_MAX);
        let LogFound { entries, root, originals, .. } = log;
        Self { at, entries, root, originals: originals.len() as u64, keys: rest.keys, faults, damage }
    }

    /// Whether nothing is wrong.
    pub fn ok(&self) -> bool {
        self.faults == 0
    }

    /// What is wrong with the log itself, if anything is.
    pub fn log_damage(&self) -> Option<&Damage> {
        self.damage.iter().find(|damage| damage.part == Part::Log)
    }

    /// What the alarm says.
    pub fn in_brief(&self) -> String {
        let named: Vec<_> = self.damage.iter().take(IN_ALARM_MAX).map(ToString::to_string).collect();
        let more = self.faults.saturating_sub(named.len() as u64);
        let more = if more > 0 { format!(" | and {more} more: `daybook scrub` names them") } else { String::new() };
        named.join(" | ") + &more
    }
}

/// Where a log is kept, by which it is told how to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On the machine where the work arrives.
    Agent,
    /// On the central node, which has a copy.
    Copy,
}

/// Why a scrub came to no end.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// It was told to stop: nothing is recorded, and it is still due.
    #[error("the scrub was broken off; nothing was recorded of it")]
    Stopped,
    /// There is no log, or this user may not read it.
    #[error(transparent)]
    CouldNotCheck(#[from] crate::verify::CouldNotCheck),
    /// The keyring cannot be read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The mark of a damaged log cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was found cannot be kept.
    #[error("what the scrub found cannot be written to {path}: see that this user may, and that the disk is not full")]
    Note {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
}
