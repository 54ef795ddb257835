//! What can be asked of a log, whoever keeps it: the agent that writes it, or a central node that has a copy.

use std::sync::{Arc, Mutex, PoisonError};

use daybook_protocol::{
    date::Timestamp,
    entry::{Entry, Private, Sealed},
    ids::{KeyId, LogId, Sequence, Token},
};

use super::OfficeError;
use crate::{
    books::read_model::{ReadModel, ReadModelError, Reader},
    home::Home,
    journal::CLOCK,
    keyring::{self, Keyring, KeyringError, OperatorKey, Tokens},
    store::{self, StoreReader},
};

/// At most this many entries are put into the books in one transaction: large transactions cost `SQLite` least, and this
/// many entries in memory are some 30 MB.
const BOOKS_ENTRIES: usize = 65_536;

/// A log that can be read, and the books kept of it.
pub struct Reading {
    /// Where it lies.
    pub home: Home,
    /// Which log it is.
    pub log: LogId,
    /// Its entries.
    pub entries: StoreReader,
    keys: Option<Keys>,
    books: Mutex<ReadModel>,
}

/// What reveals what is personal.
struct Keys {
    keyring: Arc<Keyring>,
    tokens: Tokens,
}

impl Reading {
    /// Opens the books of a log. Without the operator's key nothing personal can be revealed or looked up.
    pub fn open(
        home: &Home,
        log: LogId,
        entries: StoreReader,
        keys: Option<(Arc<Keyring>, &OperatorKey)>,
    ) -> Result<Self, OfficeError> {
        let books = Mutex::new(ReadModel::open(home, log)?);
        let keys = keys.map(|(keyring, operator)| Keys { keyring, tokens: operator.tokens() });
        Ok(Self { home: home.clone(), log, entries, keys, books })
    }

    /// The books, caught up with the log as far as it is durable.
    pub fn books(&self) -> Result<Reader, OfficeError> {
        self.catch_up()?;
        self.book_lock().reader().map_err(OfficeError::from)
    }

    /// Brings the books up to the log's end. Books that are damaged, or do not stand on this log, are begun anew.
    pub fn catch_up(&self) -> Result<(), OfficeError> {
        self.catch_up_telling(&mut |_, _| {})
    }

    /// The same, as far as it comes before `stopping`: the books go on from there another time.
    pub fn catch_up_until(&self, stopping: &dyn Fn() -> bool) -> Result<(), OfficeError> {
        self.bring_up(stopping, &mut |_, _| {})
    }

    /// The same; `progress` hears of entries done and entries in all.
    pub fn catch_up_telling(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), OfficeError> {
        self.bring_up(&|| false, progress)
    }

    fn bring_up(&self, stopping: &dyn Fn() -> bool, progress: &mut dyn FnMut(u64, u64)) -> Result<(), OfficeError> {
        let mut books = self.book_lock();
        let last = books.applied_through().checked_sub(1).map(|last| self.entry(Sequence(last))).transpose()?.flatten();
        if !books.stands_on(last.as_ref()) {
            books.begin_anew()?;
        }
        match self.fold(&mut books, stopping, progress) {
            Err(OfficeError::Books(ReadModelError::Damaged(_))) => {
                books.begin_anew()?;
                self.fold(&mut books, stopping, progress)
            }
            folded => folded,
        }
    }

    /// Fails where the books would take the room that the log needs.
    fn room_for_books(&self) -> Result<(), OfficeError> {
        if store::free_bytes(self.home.path())? >= store::RECORD_BYTES_MIN {
            return Ok(());
        }
        Err(OfficeError::Closed("the disk is nearly full, and the books wait for room: make some".to_owned()))
    }

    fn fold(
        &self,
        books: &mut ReadModel,
        stopping: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), OfficeError> {
        let mut run = Vec::new();
        for frame in self.entries.frames(Sequence(books.applied_through())) {
            for entry in frame?.entries() {
                let entry = entry?;
                if entry.sequence.0 >= books.applied_through() {
                    run.push(entry);
                }
            }
            if run.len() >= BOOKS_ENTRIES {
                self.room_for_books()?;
                books.apply(&run)?;
                run.clear();
                progress(books.applied_through(), self.entries.count());
                if stopping() {
                    return Ok(());
                }
            }
        }
        if !run.is_empty() {
            self.room_for_books()?;
        }
        books.apply(&run)?;
        progress(books.applied_through(), books.applied_through());
        Ok(())
    }

    /// Throws the books away and folds them from the log again; `progress` hears of entries done and entries in all.
    pub fn refold(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), OfficeError> {
        self.book_lock().begin_anew()?;
        self.catch_up_telling(progress)
    }

    /// For how many entries the central node has signed, by the checkpoint that is kept here.
    pub fn signed_for(&self) -> Option<u64> {
        let note = std::fs::read_to_string(self.home.checkpoint()).ok()?;
        note.lines().nth(1)?.parse().ok()
    }

    fn book_lock(&self) -> std::sync::MutexGuard<'_, ReadModel> {
        // A thread that panicked left at most a transaction that was never committed.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One entry, if the log has it.
    pub fn entry(&self, sequence: Sequence) -> Result<Option<Entry>, OfficeError> {
        self.entries.entry(sequence).map_err(OfficeError::from)
    }

    /// How many entries had been recorded at a moment, that moment included: all up to the last one that says so of itself.
    pub fn count_at(&self, moment: Timestamp) -> Result<Sequence, OfficeError> {
        // Recorded times go back only where an alarm of the clock was cleared; between two such places they are in order.
        let mut places = self.books()?.cleared(CLOCK)?;
        let mut end = self.entries.count();
        loop {
            let start = places.pop().map_or(0, |place| place.0);
            let (mut low, mut high) = (start, end);
            while low < high {
                let middle = low + (high - low) / 2;
                let entry = self.entry(Sequence(middle))?;
                if entry.is_some_and(|entry| entry.recorded_at <= moment) { low = middle + 1 } else { high = middle }
            }
            if low > start || start == 0 {
                return Ok(Sequence(low));
            }
            end = start;
        }
    }

    /// What an entry's sealed part says; `None` without the operator's key. The error says why it cannot be opened: its key
    /// was destroyed, or key or ciphertext is damaged.
    pub fn reveal(&self, sequence: Sequence, sealed: &Sealed) -> Result<Option<Private>, KeyringError> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let key = keys.keyring.key(sealed.key)?;
        keyring::open_sealed(&key, self.log, sequence, sealed).map(Some)
    }

    /// The look-up value of a normalised ULN; `None` without the operator's key.
    pub fn uln_token(&self, uln: &str) -> Option<Token> {
        self.keys.as_ref().map(|keys| keys.tokens.token(crate::desk::ULN_DOMAIN, &[uln]))
    }

    /// Whether what is personal can be revealed here.
    pub fn can_reveal(&self) -> bool {
        self.keys.is_some()
    }

    /// The entries of a learner's life, in the order in which they were recorded.
    pub fn life(&self, learner: KeyId) -> Result<Vec<Entry>, OfficeError> {
        let sequences = self.books()?.life(learner)?;
        let entries = sequences.into_iter().map(|sequence| self.entry(sequence));
        entries.filter_map(Result::transpose).collect()
    }
}
