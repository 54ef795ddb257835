//! Backup and restore of a central node, so that one that was lost can be put back: `central backup`, `central restore`.
//!
//! # The backup
//! A plain directory, for any program that copies files. It holds the authority's private keys, and is as secret as they are:
//! its owner alone may enter it.
//!
//! | place                            | content                                                                |
//! |----------------------------------|------------------------------------------------------------------------|
//! | `manifest`                       | JSON: every file with length and SHA-256, the registry, the configuration, how far each log is; the last line is the SHA-256 of what stands before it |
//! | `authority/`                     | the keys by which the central node certifies, shows itself and signs   |
//! | `logs/LOG/log/FIRST.frames`      | batches from the entry FIRST on, as many as one backup found new; `FIRST-HASH.frames` where they were written anew |
//! | `logs/LOG/keyring/EPOCH-HASH.keys` | the wrapped keys of an epoch; HASH begins their SHA-256               |
//! | `logs/LOG/vault/XX/SHA-256`      | originals, sealed as they are in the vault                             |
//!
//! A file is never changed once it is there. A later backup into the same directory adds what is new and then replaces the
//! manifest; until that moment the earlier backup is whole, and after it what nobody names any more is removed.
//!
//! # What it is consistent with
//! Each log is read by the auditor's code, from the bytes on the disk, up to the head that its own barrier wrote, whoever
//! has it open; a damaged one is not taken, and what the backup had of it is kept. Keys are copied after the batches that
//! use them, and the registry last, so that it knows every agent whose log is there.
//!
//! A log that cannot be saved is named, and keeps no other log out of the backup.
//!
//! # The rule of a restore
//! A registry from a backup does not know who was revoked, or whose log was taken over, since: see `registry/restored.rs`.
//! What the logs lack, their agents send again.

mod manifest;
mod reading;
mod restore;
mod saving;
mod sweeping;
mod writing;

use std::{
    io,
    path::{Path, PathBuf},
    sync::TryLockError,
};

use daybook_protocol::{
    batch::BatchError,
    date::Timestamp,
    ids::{Digest, LogId},
};
use serde::Serialize;

pub use restore::{is_backup, restore};

use saving::{Source, Target};

use super::{CentralError, CentralHandle, locked};
use crate::{
    home::Home,
    keyring::KeyringError,
    replicate::{CopyError, now},
    scrub::Work,
    vault::VaultError,
    verify::CouldNotCheck,
};

/// Why a backup or restore came to no end.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("cannot read or write {path}: see that this user may, and that there is room")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One is under way already.
    #[error("a backup is under way: try again when it has ended")]
    Busy,
    /// It was told to stop.
    #[error(
        "the backup was broken off: what the directory held before is still whole; the next one goes on from there"
    )]
    Stopped,
    /// The directory holds other things.
    #[error("{path} holds something else than a backup: name an empty directory, or that of an earlier backup")]
    NoBackup {
        /// The directory.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no backup in {path}: name the directory that was given to `daybook central backup`")]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is a part of what is backed up.
    #[error(
        "{path} lies in the central node's own data directory, and is lost with it: name a directory on another disk"
    )]
    Inside {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds the backup of another central node.
    #[error("{path} holds a backup of another central node: name another directory")]
    OtherNode {
        /// The directory.
        path: PathBuf,
    },
    /// What the backup has of a log is no part of what the central node has.
    #[error(
        "the backup has entries of log {log} that this central node has not, so that one of them is older or went another \
         way: keep it, and name another directory"
    )]
    OtherHistory {
        /// The log.
        log: LogId,
    },
    /// A file of the backup is not what was put there.
    #[error("{path} in the backup is damaged ({why}): use another backup, or make one in another directory")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What does not hold.
        why: String,
    },
    /// A batch in the backup is none.
    #[error("{path} in the backup is damaged: use another backup")]
    Batch {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: BatchError,
    },
    /// The data directory is not empty.
    #[error(
        "{path} holds a central node or an agent already: restore needs an empty data directory; name one by --data"
    )]
    Occupied {
        /// The data directory.
        path: PathBuf,
    },
    /// Another backup was being put back into the data directory.
    #[error(
        "another backup than this one was being put back into {path}: name the same one again, or an empty data directory \
         by --data"
    )]
    OtherBackup {
        /// The data directory.
        path: PathBuf,
    },
    /// A log cannot be read.
    #[error(transparent)]
    Check(#[from] CouldNotCheck),
    /// A copy of a log cannot be written.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A keyring cannot be read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A vault cannot be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The central node's own files cannot be used.
    #[error(transparent)]
    Central(#[from] Box<CentralError>),
}

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Up to when the backup knows who may connect.
    pub made_at: Timestamp,
    /// How many logs it holds.
    pub logs: usize,
    /// How many entries they have together.
    pub entries: u64,
    /// How many files it has.
    pub files: usize,
    /// How many bytes were new.
    pub new_bytes: u64,
    /// What is damaged at the central node and was therefore not taken.
    pub damaged: Vec<String>,
    /// The logs that could not be saved for another reason, with that; what the backup had of them is as it was.
    pub not_saved: Vec<String>,
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PutBack {
    /// Up to when the backup knows who may connect.
    pub made_at: Timestamp,
    /// The logs, and how many entries each has.
    pub logs: Vec<(LogId, u64)>,
    /// The logs whose agents wait for the operator's word.
    pub unconfirmed: Vec<LogId>,
    /// The logs whose agents stay shut out, since they were revoked before.
    pub revoked: Vec<LogId>,
}

impl CentralHandle {
    /// Backs up everything into `directory`, or adds to an earlier backup there what is new; with `check`, what is there is
    /// hashed. Blocks for as long as that takes.
    pub fn back_up(&self, directory: &Path, check: bool, work: &Work<'_>) -> Result<Saved, CentralError> {
        let _one = match self.0.backing_up.try_lock() {
            Ok(one) => one,
            Err(TryLockError::Poisoned(one)) => one.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy.into()),
        };
        if lies_in(directory, self.0.home.path()).map_err(failed(directory))? {
            return Err(BackupError::Inside { path: directory.to_owned() }.into());
        }
        let (logs, verifier) = (self.0.kept()?, self.0.authority.signer().verifier().to_string());
        let due = |log, copy: &Home| self.0.originals_due(log, copy);
        let source = Source { home: &self.0.home, verifier: &verifier, logs: &logs, due: &due };
        let registry = || {
            // Before the copy is taken, not after: what is changed in between may be missing there.
            let made_at = now();
            (locked(&self.0.registry).registry().clone(), made_at)
        };
        Ok(saving::save(source, registry, Target { directory, check }, work)?)
    }
}

/// Whether a path, which need not be there, leads into a directory.
fn lies_in(path: &Path, directory: &Path) -> io::Result<bool> {
    let (path, directory) = (std::path::absolute(path)?, directory.canonicalize()?);
    Ok(path.ancestors().find_map(|part| part.canonicalize().ok()).is_some_and(|there| there.starts_with(&directory)))
}

/// Where the batches of a log from entry `first` on lie in a backup.
fn frames_place(log: LogId, first: u64, anew: Option<Digest>) -> String {
    let hash = anew.map_or_else(String::new, |sha256| format!("-{}", short(sha256)));
    format!("{}{first:020}{hash}.frames", frames_below(log))
}

fn frames_below(log: LogId) -> String {
    format!("logs/{log}/log/")
}

fn keyring_below(log: LogId) -> String {
    format!("logs/{log}/keyring/")
}

fn vault_below(log: LogId) -> String {
    format!("logs/{log}/vault/")
}

const AUTHORITY_BELOW: &str = "authority/";
const LOGS_BELOW: &str = "logs/";

/// A digest's beginning, for a name.
fn short(sha256: Digest) -> String {
    sha256.to_string().chars().take(16).collect()
}

fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path: path.clone(), source }
}
