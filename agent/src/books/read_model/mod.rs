//! The read model: a fold of the log in `SQLite`, which people query. It can be thrown away and is then made anew.
//!
//! This folder is the only place that names `SQLite`. It knows entries and nothing of stores, keys or files: entries are
//! handed to it, and whoever asks for what is personal hands in the means to reveal it. Tables and their conventions
//! stand in `schema.sql`.
//!
//! Architecture invariant: nothing personal is ever in the file in clear; and nothing is decided by what stands in it.

mod ask;
mod fold;
mod rows;
#[cfg(test)]
mod tests;
mod ties;
mod told;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use daybook_protocol::{
    DecodeError,
    entry::Entry,
    ids::{Digest, Epoch, KeyId, LogId, Sequence},
    tree,
};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

pub use ask::Reader;
pub use rows::{AlarmRow, Answer, CertificateRow, FileFilter, FileRow, Found, HeldRow, LearnerRow, RegistrationRow};
pub use told::{SharedUln, ToldFile};

use crate::home::Home;

/// The version of the tables and of what is folded into them. Raise it with every change of either: the file is then
/// made anew.
const SCHEMA: i32 = 7;
/// Pages held in memory while writing, in KiB: the growing ends of all tables and, for a learner who comes back, the
/// middle of some. Little more helps until the file is many times as large.
const CACHE_KIB: i32 = 64 * 1024;
/// The write-ahead log is carried over when it has this many pages: 32 MiB, so that a page written by several
/// transactions is carried over once.
const WAL_PAGES: i32 = 4096;
const PAGE_BYTES: i32 = 8192;

/// Why the read model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadModelError {
    /// Its directory or file cannot be made or removed.
    #[error("cannot make the books at {path}")]
    Place {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is damaged. [`ReadModel::begin_anew`] mends it.
    #[error("the books are damaged; `daybook rebuild` makes them anew from the log")]
    Damaged(#[source] rusqlite::Error),
    /// `SQLite` cannot do what it should: the disk is full, rights are missing, another process has the file locked.
    #[error("the books cannot be read or written")]
    Database(#[source] rusqlite::Error),
    /// The entries handed over do not continue what is folded in.
    #[error("the books go on at entry {expected}, not at {found}")]
    Gap {
        /// What comes next.
        expected: u64,
        /// What was handed over.
        found: Sequence,
    },
    /// An entry of another log.
    #[error("the books are of log {ours}, the entries of log {theirs}")]
    OtherLog {
        /// The log of the books.
        ours: LogId,
        /// The log that an entry names.
        theirs: LogId,
    },
    /// An entry that cannot be written as it was read.
    #[error("entry {sequence} cannot be folded into the books")]
    Entry {
        /// Which one.
        sequence: Sequence,
        /// Why.
        source: DecodeError,
    },
}

impl From<rusqlite::Error> for ReadModelError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            _ => Self::Database(error),
        }
    }
}

/// The writing end. Whoever holds the home holds it: there is one at a time.
#[derive(Debug)]
pub struct ReadModel {
    path: PathBuf,
    log: LogId,
    connection: Connection,
    applied_through: u64,
    last_leaf: Option<Digest>,
}

impl ReadModel {
    /// Opens the read model of `log` in `home`, or begins one. A file that is damaged, of another log or of another
    /// version of the tables is deleted: all that is in it stands in the log.
    pub fn open(home: &Home, log: LogId) -> Result<Self, ReadModelError> {
        let directory = home.books();
        fs::create_dir_all(&directory).map_err(|source| ReadModelError::Place { path: directory.clone(), source })?;
        let path = file(home);
        match Self::at(&path, log) {
            Ok(Some(model)) => Ok(model),
            Ok(None) | Err(ReadModelError::Damaged(_)) => Self::anew(path, log),
            Err(error) => Err(error),
        }
    }

    /// How many entries are folded in; the next one wanted has this sequence.
    pub fn applied_through(&self) -> u64 {
        self.applied_through
    }

    /// Whether the books continue in a log whose entry before [`ReadModel::applied_through`] is `last`. They do not when
    /// the log was cut back or rejoined after a fork; then they are to begin anew.
    pub fn stands_on(&self, last: Option<&Entry>) -> bool {
        match (self.last_leaf, last) {
            (None, None) => true,
            (Some(leaf), Some(last)) => last.encode().is_ok_and(|bytes| tree::leaf(&bytes) == leaf),
            _ => false,
        }
    }

    /// Throws everything away and begins at entry 0. Readers that are open keep what they had and are to be opened again.
    pub fn begin_anew(&mut self) -> Result<(), ReadModelError> {
        // The old file is closed before it is deleted: what SQLite writes on closing must not land in the new one.
        self.connection = Connection::open_in_memory()?;
        *self = Self::anew(self.path.clone(), self.log)?;
        Ok(())
    }

    /// Folds in entries that follow one another, all of them or none; those that are folded in already are passed over.
    /// Hand over many at a time, 100,000 or 200,000 when catching up: a page is then written once for all of them.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<(), ReadModelError> {
        let Some(last) = entries.last().filter(|last| last.sequence.0 >= self.applied_through) else { return Ok(()) };
        let mut next = self.applied_through;
        let fresh = entries.iter().skip_while(|entry| entry.sequence.0 < self.applied_through);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut fold = fold::Fold::new(&transaction, self.log)?;
        for entry in fresh {
            if entry.sequence.0 != next {
                return Err(ReadModelError::Gap { expected: next, found: entry.sequence });
            }
            fold.entry(entry)?;
            next += 1;
        }
        let bytes = last.encode().map_err(|source| ReadModelError::Entry { sequence: last.sequence, source })?;
        let leaf = tree::leaf(&bytes);
        fold.finish()?;
        // The position is in the transaction of what it stands for: after a crash both are there or neither.
        transaction
            .execute("UPDATE meta SET applied_through = ?1, last_leaf = ?2", params![next.cast_signed(), leaf.0])?;
        transaction.commit()?;
        (self.applied_through, self.last_leaf) = (next, Some(leaf));
        Ok(())
    }

    /// A connection to ask by; it sees what was folded in when each question is asked, and can be used on another thread.
    pub fn reader(&self) -> Result<Reader, ReadModelError> {
        Reader::at(&self.path)
    }

    /// The model at `path`; `None` where there is none or one of another log or version.
    fn at(path: &Path, log: LogId) -> Result<Option<Self>, ReadModelError> {
        if !path.exists() {
            return Ok(None);
        }
        let connection = connect(path)?;
        let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != SCHEMA {
            return Ok(None);
        }
        let (found, through, leaf) =
            connection.query_row("SELECT log, applied_through, last_leaf FROM meta", [], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<[u8; 32]>>(2)?))
            })?;
        let path = path.to_owned();
        Ok((found == log.0).then(|| Self {
            path,
            log,
            connection,
            applied_through: through.cast_unsigned(),
            last_leaf: leaf.map(Digest),
        }))
    }

    fn anew(path: PathBuf, log: LogId) -> Result<Self, ReadModelError> {
        // The database goes before its write-ahead log: without the log it would be half of itself and look whole.
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            match fs::remove_file(&name) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(ReadModelError::Place { path: name.into(), source });
                }
                _ => {}
            }
        }
        let mut connection = connect(&path)?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction
            .execute("INSERT INTO meta (only, log, applied_through) VALUES (1, ?1, 0)", params![log.0.as_slice()])?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit()?;
        Ok(Self { path, log, connection, applied_through: 0, last_leaf: None })
    }
}

/// Where the read model of a home lies.
fn file(home: &Home) -> PathBuf {
    home.books().join("books.sqlite")
}

/// A connection to write by.
///
/// `synchronous = NORMAL` syncs when the write-ahead log is carried over and not at each commit: a power cut may cost the
/// last transactions, which are folded in again, but cannot leave a file that is half one state and half another. `OFF`
/// could, and `SQLite` would not notice.
fn connect(path: &Path) -> Result<Connection, ReadModelError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

/// A key id as one number, so that it can be the table's own key.
fn packed(key: KeyId) -> i64 {
    ((u64::from(key.epoch.0) << 32) | u64::from(key.number)).cast_signed()
}

/// What [`packed`] packed.
fn unpacked(id: i64) -> KeyId {
    let id = id.cast_unsigned();
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
    KeyId { epoch: Epoch(half(id >> 32)), number: half(id) }
}
