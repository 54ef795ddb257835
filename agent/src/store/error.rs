//! What can go wrong with the store, and what mends it.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use daybook_protocol::{batch::BatchError, ids::Sequence};

/// What mends a log of which entries are gone. Never into its own directory: what lies there is evidence, and a directory that has a
/// log is refused.
const TAKE_OVER: &str = "bring the log back from the central node into another directory, with `daybook recover ADDRESS CODE \
                         --operator-key FILE --data NEW`";

/// What mends it where the central node has less of the log than there was here.
const GO_BACK: &str = "the central node has not signed for all that was here, so run `daybook recover --rejoin ADDRESS CODE` in this data \
                       directory, with a code from `daybook central invite --recover`: it takes the central log over and judges \
                       again what is left of the rest";

/// Why the store cannot be opened, written or read. Of these [`StoreError::Busy`] and [`StoreError::NoSpace`] may pass by
/// themselves; the others need a person, and their texts name the command.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another part of this one, holds the directory's lock.
    #[error("another daybook has {home} open: stop it, or wait until its command has ended, and try again")]
    Busy {
        /// The data directory.
        home: PathBuf,
    },
    /// There is too little room on the disk.
    #[error("{needed} bytes are needed on the disk of {home} and {free} are free: make room and start again")]
    NoSpace {
        /// The data directory.
        home: PathBuf,
        /// How many bytes are needed.
        needed: u64,
        /// How many bytes are free.
        free: u64,
    },
    /// A log is to be made where there is one.
    #[error("a log is kept in {home} already: open that one, or name another directory")]
    Exists {
        /// The data directory.
        home: PathBuf,
    },
    /// Neither log nor head is there.
    #[error(
        "no log is kept in {home}: begin one with `daybook up --data {home}`, or bring one back from the central node \
         with `daybook recover ADDRESS CODE --data {home}`"
    )]
    NoLog {
        /// The data directory.
        home: PathBuf,
    },
    /// The store is there, but nothing says how far it was acknowledged.
    #[error(
        "the head of the log in {home} is missing or damaged, so it is not known how far the log was acknowledged: \
         {TAKE_OVER}; without a central node, `daybook salvage --data {home}` keeps the longest history that is still there"
    )]
    HeadMissing {
        /// The data directory.
        home: PathBuf,
    },
    /// The head is there, but the store is not.
    #[error(
        "the head in {home} says {entries} entries, but the store is missing: look in its `evidence` directory with \
         `daybook salvage --data {home}`, or {TAKE_OVER}"
    )]
    LogMissing {
        /// The data directory.
        home: PathBuf,
        /// How many entries the head says there are.
        entries: u64,
    },
    /// The log ends before its head: the store is an old copy, or its end was lost.
    #[error("the log in {home} ends at entry {log}, but {head} entries were acknowledged: {TAKE_OVER}")]
    Behind {
        /// The data directory.
        home: PathBuf,
        /// How many entries the log has.
        log: u64,
        /// How many entries the head says there are.
        head: u64,
    },
    /// The engine has lost the end of the log, or would lose it in opening; the raw bytes may still hold it.
    #[error(
        "the store in {home} opens with {store} of {head} entries only: `daybook salvage --data {home}` finds the others \
         in its raw bytes"
    )]
    TailLost {
        /// The data directory.
        home: PathBuf,
        /// How many entries would be there.
        store: u64,
        /// How many entries the head says there are.
        head: u64,
    },
    /// The store's bytes are damaged, or are not those of the log.
    #[error("the store in {home} is damaged ({why}): run `daybook salvage --data {home}`")]
    Damaged {
        /// The data directory.
        home: PathBuf,
        /// What is wrong.
        why: String,
        /// What it came from, where it came from another error.
        source: Option<EngineError>,
    },
    /// Salvage cannot find everything that was acknowledged.
    #[error(
        "not every entry up to the head can be found in {home}; missing: {}. Nothing was touched: {}",
        ranges(missing),
        if *only_here { GO_BACK } else { TAKE_OVER }
    )]
    Incomplete {
        /// The data directory.
        home: PathBuf,
        /// The places without an entry.
        missing: Vec<Range<u64>>,
        /// Whether the home has more of the log than its central node signed for, which a copy from there would lack.
        only_here: bool,
    },
    /// A durable entry cannot be read back.
    #[error("the batch at entry {at} cannot be read back: check the log with `daybook verify --data {home}`")]
    Unreadable {
        /// The data directory.
        home: PathBuf,
        /// The place.
        at: Sequence,
        /// Why, where the engine or the batch says so; otherwise it is not there.
        source: Option<EngineError>,
    },
    /// The engine put a batch into a file of its own, which it never syncs.
    #[error("the store in {home} wrote outside its one file, where nothing is durable: stop and report this")]
    Blobs {
        /// The data directory.
        home: PathBuf,
    },
    /// A batch or a frontier that does not stand at the end of the log: a mistake in the program.
    #[error("the log ends at entry {expected}, but what was given stands at entry {found} or has another root")]
    OutOfStep {
        /// Where the log ends.
        expected: Sequence,
        /// Where the batch begins, or the frontier stands.
        found: Sequence,
    },
    /// An earlier barrier failed, so that nothing is known about what is on the disk; or the store was closed.
    #[error("the store in {home} is stopped: start again, which finds out how far the log is durable")]
    Stopped {
        /// The data directory.
        home: PathBuf,
    },
    /// The engine failed.
    #[error("the store in {home} failed while {doing}")]
    Engine {
        /// The data directory.
        home: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: EngineError,
    },
    /// A file of ours cannot be read or written.
    #[error("{doing} failed at {path}: see that this user may read and write there")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the engine says.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It returned an error.
    #[error("the storage engine reports an error")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It panicked, as it does on damage.
    #[error("the storage engine broke off")]
    Panicked,
    /// It was closed and came back without the last batch.
    #[error("the storage engine has lost the end of the log")]
    Shorter,
    /// It returned something that is not the batch that was asked for.
    #[error("the stored batch is not good")]
    Batch(#[from] BatchError),
}

/// `map_err` for file operations.
pub(super) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { doing, path: path.to_owned(), source }
}

/// At most this many ranges are named in an error.
const RANGES_MAX: usize = 20;

fn ranges(missing: &[Range<u64>]) -> String {
    let named =
        missing.iter().take(RANGES_MAX).map(|range| format!("{} to {}", range.start, range.end.saturating_sub(1)));
    let more = missing.len().saturating_sub(RANGES_MAX);
    named.chain((more > 0).then(|| format!("{more} more ranges"))).collect::<Vec<_>>().join(", ")
}
