//! The writer's thread: seal, encode, put into the batch, commit, answer. Owns the store. Decides nothing.

use std::sync::{Arc, mpsc::Receiver};

use daybook_protocol::{
    batch::{Builder, Frame},
    entry::{Entry, Private, Sealed},
    ids::{Epoch, KeyId, LogId, Sequence},
    tree::Frontier,
};
use tracing::debug;

use super::{JournalError, failed};
use crate::{
    crash,
    keyring::{self, Key, Keyring},
    store::Store,
};

/// A batch is closed at this many entries: below the format's limit, because a frame must stay short enough for the
/// store, and large enough that its header and the store's own cost hardly count.
const BATCH_ENTRIES: u32 = 256;
/// What is committed under one barrier at most, in entries: enough that the barrier's milliseconds hardly count, and
/// little enough that an answer never waits for long.
const COMMIT_ENTRIES: u64 = 16_384;

/// An entry that has its place and is not yet sealed.
pub(super) struct Open {
    /// All of it but the ciphertext.
    pub(super) entry: Entry,
    /// What is personal about it, and the key to seal it under.
    pub(super) private: Option<(KeyId, Private)>,
    /// That key, where it was only just made.
    pub(super) key: Option<Key>,
}

/// What is said once everything before it is durable; it is shown where the log then ends.
pub(super) type Answer = Box<dyn FnOnce(&Frontier) + Send>;

/// Entries in their order, and what to do once they are durable.
pub(super) struct Run {
    pub(super) entries: Vec<Open>,
    pub(super) answer: Answer,
}

/// Writes runs as they come, until there is nobody left who could send one or something fails.
pub(super) fn run(mut writer: Writer, coming: &Receiver<Run>) -> Result<(), JournalError> {
    while let Ok(first) = coming.recv() {
        let mut next = Some(first);
        while let Some(Run { entries, answer }) = next {
            entries.into_iter().try_for_each(|open| writer.append(open))?;
            writer.answers.push(answer);
            let room = writer.frontier.count() - writer.committed < COMMIT_ENTRIES;
            next = if room { coming.try_recv().ok() } else { None };
        }
        writer.commit()?;
    }
    let entries = writer.committed;
    writer.store.close().map_err(|error| failed(&error))?;
    debug!(entries, "the journal is closed");
    Ok(())
}

/// See the module's description.
pub(super) struct Writer {
    store: Store,
    keyring: Arc<Keyring>,
    log: LogId,
    epoch: Epoch,
    /// Where the log ends, what is not yet committed counted.
    frontier: Frontier,
    committed: u64,
    batch: Option<Builder>,
    /// Finished batches that the store has not got yet: at most some megabytes, since [`COMMIT_ENTRIES`] bounds them.
    frames: Vec<Frame>,
    /// The memory of batches that the store has taken over: to ask the system for it anew costs more than to fill it.
    buffers: Vec<Vec<u8>>,
    scratch: Vec<u8>,
    /// The key used last: the rows of a file that concern no known person share one.
    key: Option<(KeyId, Key)>,
    /// What to say once the barrier has passed.
    answers: Vec<Answer>,
}

impl Writer {
    /// A writer that goes on where the store ends.
    pub(super) fn new(store: Store, keyring: Arc<Keyring>, log: LogId, epoch: Epoch) -> Self {
        let frontier = store.head().frontier.clone();
        Self {
            store,
            keyring,
            log,
            epoch,
            committed: frontier.count(),
            frontier,
            batch: None,
            frames: Vec::new(),
            buffers: Vec::new(),
            scratch: Vec::with_capacity(1024),
            key: None,
            answers: Vec::new(),
        }
    }

    fn append(&mut self, open: Open) -> Result<(), JournalError> {
        let Open { mut entry, private, key } = open;
        if let Some((id, private)) = private {
            entry.sealed = Some(self.seal(id, key, entry.sequence, &private)?);
        }
        self.scratch.clear();
        entry.encode_into(&mut self.scratch).map_err(|error| failed(&error))?;
        if self.batch.as_ref().is_some_and(|batch| batch.count() >= BATCH_ENTRIES || !batch.fits(self.scratch.len())) {
            self.close_batch();
        }
        let batch = self.batch.get_or_insert_with(|| match self.buffers.pop() {
            Some(buffer) => Builder::in_buffer(buffer, self.log, self.epoch, &self.frontier),
            None => Builder::new(self.log, self.epoch, &self.frontier),
        });
        batch.push(&self.scratch, &mut self.frontier);
        Ok(())
    }

    fn seal(
        &mut self,
        id: KeyId,
        made: Option<Key>,
        sequence: Sequence,
        private: &Private,
    ) -> Result<Sealed, JournalError> {
        let key = match (made, self.key.take()) {
            (Some(made), _) => made,
            (None, Some((used, key))) if used == id => key,
            _ => self.keyring.key(id).map_err(|error| failed(&error))?,
        };
        let sealed = keyring::seal(&key, id, self.keyring.nonce(), self.log, sequence, private);
        self.key = Some((id, key));
        sealed.map_err(|error| failed(&error))
    }

    fn close_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.frames.push(batch.finish(&self.frontier));
        }
    }

    /// Makes everything appended so far durable, then answers.
    fn commit(&mut self) -> Result<(), JournalError> {
        if self.frontier.count() > self.committed {
            crash::point("journal.commit.before");
            self.close_batch();
            // The keys go first: the store may make a batch durable at any time once it has it, and an entry whose key was
            // lost would be an entry that nobody can read.
            self.keyring.sync().map_err(|error| failed(&error))?;
            for frame in self.frames.drain(..) {
                self.store.append(&frame).map_err(|error| failed(&error))?;
                self.buffers.push(frame.into_buffer());
            }
            self.store.barrier(&self.frontier, self.epoch).map_err(|error| failed(&error))?;
            // DURABLE: every entry appended so far. Whoever waits may forget what they sent.
            self.committed = self.frontier.count();
            crash::point("journal.commit.after");
        }
        for answer in self.answers.drain(..) {
            answer(&self.frontier);
        }
        Ok(())
    }
}
