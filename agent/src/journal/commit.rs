//! The committer's thread: keys, batches, barrier, head, and only then the answers. Owns the store.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use daybook_protocol::{batch::Frame, ids::Epoch, tree::Frontier};
use tracing::{debug, info, warn};

use super::{JournalError, failed};
use crate::{
    crash,
    keyring::{Keyring, KeyringError},
    store::{self, Store, StoreError},
};

/// With so many entries a group is not added to any more, so that a barrier carries less than twice as many: enough that its
/// milliseconds hardly count, and little enough that an answer never waits for long.
pub(super) const COMMIT_ENTRIES: u64 = 8_192;
/// Whoever was answered together is likely to ask again at once: so long, at most, the next barrier waits for as many as shared
/// the last one, and for whoever comes with them. Nobody waits who is alone.
const GATHER_MAX: Duration = Duration::from_millis(2);
/// When nobody has come for so long, those are all that come together.
const GATHER_PAUSE: Duration = Duration::from_micros(200);
/// How long it takes, at most, until room on a full disk is noticed.
const ROOM_PAUSE: Duration = Duration::from_secs(1);

/// What to say to whoever waits, once the barrier has passed; it is shown where the log then ends.
pub(super) type Answer = Box<dyn FnOnce(&Frontier) + Send>;

/// What is committed under one barrier.
pub(super) struct Group {
    /// Batches in their order, those left out that the store has already.
    pub(super) frames: VecDeque<Frame>,
    /// Where the log ends with them.
    pub(super) frontier: Frontier,
    /// What to say then.
    pub(super) answers: Vec<Answer>,
}

impl Group {
    /// Takes in what comes behind, until as many as `wanted` are to be answered or it takes too long.
    fn gather(&mut self, coming: &Receiver<Self>, wanted: usize) {
        let until = Instant::now() + GATHER_MAX;
        while self.entries() < COMMIT_ENTRIES {
            let left = until.saturating_duration_since(Instant::now());
            let wait = match wanted {
                1 => Duration::ZERO,
                _ if self.answers.len() < wanted => left,
                _ => left.min(GATHER_PAUSE),
            };
            let Ok(behind) = coming.recv_timeout(wait) else { return };
            self.take_in(behind);
        }
    }

    fn take_in(&mut self, behind: Self) {
        self.frames.extend(behind.frames);
        self.frontier = behind.frontier;
        self.answers.extend(behind.answers);
    }

    fn entries(&self) -> u64 {
        self.frames.iter().map(|frame| u64::from(frame.header().count)).sum()
    }
}

/// See the module's description.
pub(super) struct Committer {
    pub(super) store: Store,
    pub(super) keyring: Arc<Keyring>,
    pub(super) epoch: Epoch,
    /// Whether what finds no room waits for it.
    pub(super) waits_for_room: Arc<AtomicBool>,
}

impl Committer {
    /// Commits groups as they come, until there is nobody left who could send one or something fails; then closes the store,
    /// also where it only found no room: what it has is good, and a store that was closed in order opens again on little room.
    pub(super) fn run(mut self, coming: &Receiver<Group>) -> Result<(), JournalError> {
        let mut together = 1;
        while let Ok(mut group) = coming.recv() {
            group.gather(coming, together);
            together = group.answers.len();
            if !group.frames.is_empty() {
                match self.commit_with_room(&mut group, coming) {
                    Ok(()) => {}
                    Err(Failed::Full(full)) => {
                        // What closing fails by is found by the next start; why it came to that is what a person must know.
                        if let Err(error) = self.store.close() {
                            warn!(error = &error as &dyn std::error::Error, "the log was not closed in order");
                        }
                        return Err(full);
                    }
                    Err(Failed::Broken(error)) => return Err(error),
                }
            }
            for answer in group.answers {
                answer(&group.frontier);
            }
        }
        let entries = self.store.head().frontier.count();
        self.store.close().map_err(|error| failed(&error))?;
        debug!(entries, "the journal is closed");
        Ok(())
    }

    /// Commits a group; where a full disk is to be waited for, again and again until there is room, together with whatever
    /// comes meanwhile.
    fn commit_with_room(&mut self, group: &mut Group, coming: &Receiver<Group>) -> Result<(), Failed> {
        let mut waited = false;
        loop {
            let full = match self.commit(group) {
                Err(Failed::Full(full)) if self.waits_for_room.load(Ordering::Relaxed) => full,
                done => {
                    if waited && done.is_ok() {
                        info!("there is room again: the log goes on");
                    }
                    return done;
                }
            };
            if !std::mem::replace(&mut waited, true) {
                warn!(error = &full as &dyn std::error::Error, "the log waits for room on the disk");
            }
            match coming.recv_timeout(ROOM_PAUSE) {
                Ok(behind) => group.take_in(behind),
                Err(RecvTimeoutError::Timeout) => {}
                // This is a stop.
                Err(RecvTimeoutError::Disconnected) => return Err(Failed::Full(full)),
            }
        }
    }

    fn commit(&mut self, group: &mut Group) -> Result<(), Failed> {
        crash::point("journal.commit.before");
        // The keys go first: the store may make a batch durable at any time once it has it, and an entry whose key was lost
        // would be an entry that nobody can read.
        self.keyring.sync()?;
        while let Some(frame) = group.frames.front() {
            self.store.append(frame)?;
            group.frames.pop_front();
        }
        self.store.barrier(&group.frontier, self.epoch)?;
        // DURABLE: every entry of the group. Whoever waits may forget what they sent.
        crash::point("journal.commit.after");
        Ok(())
    }
}

/// Why a group was not committed.
enum Failed {
    /// There was no room for all of it. The store is good, but may have the batches that went in before: closing syncs them, the
    /// next start takes them over, and whoever waited was told that it failed. Sent again, they are duplicates.
    Full(JournalError),
    /// Nothing is known of the store.
    Broken(JournalError),
}

impl Failed {
    fn full(error: &StoreError) -> Self {
        Self::Full(JournalError::Stopped(format!(
            "{error}; what was being recorded may be in the log then all the same: where it is given again, that is told as a duplicate"
        )))
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        let full = matches!(error, StoreError::NoSpace { .. });
        if full { Self::full(&error) } else { Self::Broken(failed(&error)) }
    }
}

impl From<KeyringError> for Failed {
    fn from(error: KeyringError) -> Self {
        let full = matches!(&error, KeyringError::Io { source, .. } if store::is_full(source));
        if full {
            Self::Full(JournalError::Stopped(format!("the disk is full: make room and start again ({error})")))
        } else {
            Self::Broken(failed(&error))
        }
    }
}
