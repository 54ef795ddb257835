//! Drop folders: notices what is in them, knows when a file is complete, refuses what could lead elsewhere, and puts
//! originals away when they are done with.
//!
//! The scan is the truth and the watcher only a hint to scan sooner: inotify is silent on shares and overflows.
//! A folder belongs to its senders, who may write into it what they like at any moment, so every step goes through an open
//! directory, follows no link, and compares file id, size and times before it believes that a name still means what it
//! meant. Nothing outside a folder is touched, and of what senders put there only an empty marker is ever deleted.
//!
//! Knows nothing of rows, rules or the log: whoever calls records what is said here.

mod dir;
mod folder;
mod name;
mod place;
mod queue;
mod scan;
mod watch;

use std::io;

use daybook_protocol::{date::Timestamp, event::FileId};

pub(crate) use self::{
    dir::{Dir, What},
    name::{is_treacherous, numbered, split},
};
pub use self::{
    folder::{inspect, prepare},
    place::{Filed, Filing, file_away},
    queue::HOLDS_UP_MAX,
    scan::{EMPTY_WAIT, READY_MAX, REFUSED_MAX, Ready, Refused, Scan, Scanner, TRACKED_MAX},
    watch::{HINTS_MAX, Hint, HintKind, Watcher},
};

/// What tells whether a file is still the same and unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Which file it is.
    pub file_id: FileId,
    /// Its length in bytes.
    pub bytes: u64,
    /// When its contents were last written, by its file system.
    pub modified_at: Timestamp,
    /// When it was last written, renamed or given other rights, by its file system. Nobody can set it.
    pub changed_at: Timestamp,
}

impl Identity {
    /// The part of it that survives a rename, and that the log keeps.
    pub fn version(&self) -> Version {
        Version { file_id: self.file_id, bytes: self.bytes, modified_at: self.modified_at }
    }
}

/// One version of a file, as `FileReceived` records it.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// Which file it is.
    pub file_id: FileId,
    /// Its length in bytes.
    pub bytes: u64,
    /// When its contents were last written, by its file system.
    pub modified_at: Timestamp,
}

impl Version {
    /// Whether both are the same version of the same file. The device is not compared: its number may be another one after
    /// the machine or the share was started again, and file number, length and time together say enough.
    pub fn is(&self, other: &Self) -> bool {
        (self.file_id.number, self.bytes, self.modified_at) == (other.file_id.number, other.bytes, other.modified_at)
    }
}

/// Why a folder, or a file in it, cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A part of the folder cannot be used. Worth trying again: shares come and go.
    #[error(
        "the folder {folder:?} cannot be used ({part}): see that it exists, is a directory and no link, and that this user may \
         read and write it; `daybook check` names what is wrong"
    )]
    Folder {
        /// The folder's name in the configuration.
        folder: String,
        /// Which part, such as `in/`.
        part: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A complete file cannot be read. Worth trying again: its owner may mend it.
    #[error("a file in the folder {folder:?} cannot be read: see that this user may read what is dropped there")]
    Unreadable {
        /// The folder's name in the configuration.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// The file is no longer what was noticed; a later scan finds what it has become.
    #[error("a file in the folder {folder:?} changed while it was being taken; it is looked at again")]
    Changed {
        /// The folder's name in the configuration.
        folder: String,
    },
    /// An original cannot be put away. Worth trying again.
    #[error("an original cannot be moved out of the folder {folder:?}: see that done/ and held/ can be written")]
    Move {
        /// The folder's name in the configuration.
        folder: String,
        /// Why.
        source: io::Error,
    },
}
