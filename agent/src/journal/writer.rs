//! The writer's thread: seals, encodes, and puts into batches what the judge sends. Decides nothing, and knows nothing of
//! the store: the committer behind it does.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
};

use daybook_protocol::{
    batch::{Builder, Frame},
    entry::{Entry, Private, Sealed},
    ids::{Epoch, KeyId, LogId, Sequence},
    tree::Frontier,
};

use super::{
    JournalError,
    commit::{Answer, COMMIT_ENTRIES, Group},
    failed, stopped,
};
use crate::keyring::{self, Key, Keyring};

/// A batch is closed at this many entries: below the format's limit, because a frame must stay short enough for the
/// store, and large enough that its header and the store's own cost hardly count.
const BATCH_ENTRIES: u32 = 256;

/// An entry that has its place and is not yet sealed.
pub(super) struct Open {
    /// All of it but the ciphertext.
    pub(super) entry: Entry,
    /// What is personal about it, and the key to seal it under.
    pub(super) private: Option<(KeyId, Private)>,
    /// That key, where it was only just made.
    pub(super) key: Option<Key>,
}

/// Entries in their order, and what to do once they are durable.
pub(super) struct Run {
    pub(super) entries: Vec<Open>,
    pub(super) answer: Answer,
}

/// See the module's description.
pub(super) struct Writer {
    keyring: Arc<Keyring>,
    log: LogId,
    epoch: Epoch,
    /// Where the log ends, what is not yet committed counted.
    frontier: Frontier,
    batch: Option<Builder>,
    /// Finished batches that the committer has not got yet.
    frames: VecDeque<Frame>,
    /// How many entries there are in `batch` and `frames`.
    waiting: u64,
    answers: Vec<Answer>,
    scratch: Vec<u8>,
    /// The key used last: the rows of a file that concern no known person share one.
    key: Option<(KeyId, Key)>,
    /// The way to the committer.
    groups: SyncSender<Group>,
}

impl Writer {
    /// A writer that goes on behind `frontier`.
    pub(super) fn new(
        keyring: Arc<Keyring>,
        log: LogId,
        epoch: Epoch,
        frontier: Frontier,
        groups: SyncSender<Group>,
    ) -> Self {
        let (frames, answers, scratch) = (VecDeque::new(), Vec::new(), Vec::with_capacity(1024));
        Self { keyring, log, epoch, frontier, batch: None, frames, waiting: 0, answers, scratch, key: None, groups }
    }

    /// Writes runs as they come, until there is nobody left who could send one or something fails. What has come in while
    /// the committer was busy goes to it together.
    pub(super) fn run(mut self, coming: &Receiver<Run>) -> Result<(), JournalError> {
        while let Ok(first) = coming.recv() {
            let mut next = Some(first);
            while let Some(Run { entries, answer }) = next {
                entries.into_iter().try_for_each(|open| self.append(open))?;
                self.answers.push(answer);
                next = if self.waiting < COMMIT_ENTRIES { coming.try_recv().ok() } else { None };
            }
            self.hand_over()?;
        }
        Ok(())
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
        let batch = self.batch.get_or_insert_with(|| Builder::new(self.log, self.epoch, &self.frontier));
        batch.push(&self.scratch, &mut self.frontier);
        self.waiting += 1;
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
            self.frames.push_back(batch.finish(&self.frontier));
        }
    }

    /// Gives everything appended so far to the committer, and waits for it where it is busy with more than one group.
    fn hand_over(&mut self) -> Result<(), JournalError> {
        self.close_batch();
        self.waiting = 0;
        let (frames, answers) = (std::mem::take(&mut self.frames), std::mem::take(&mut self.answers));
        let group = Group { frames, frontier: self.frontier.clone(), answers };
        self.groups.send(group).map_err(|_| stopped())
    }
}
