//! The committer's thread: keys, batches, barrier, head, and only then the answers. Owns the store.

use std::sync::{Arc, mpsc::Receiver};

use daybook_protocol::{batch::Frame, ids::Epoch, tree::Frontier};
use tracing::debug;

use super::{JournalError, failed};
use crate::{crash, keyring::Keyring, store::Store};

/// What to say to whoever waits, once the barrier has passed; it is shown where the log then ends.
pub(super) type Answer = Box<dyn FnOnce(&Frontier) + Send>;

/// What is committed under one barrier.
pub(super) struct Group {
    /// Batches in their order.
    pub(super) frames: Vec<Frame>,
    /// Where the log ends with them.
    pub(super) frontier: Frontier,
    /// What to say then.
    pub(super) answers: Vec<Answer>,
}

/// Commits groups as they come, until there is nobody left who could send one or something fails; then closes the store.
pub(super) fn run(
    mut store: Store,
    keyring: &Arc<Keyring>,
    epoch: Epoch,
    coming: &Receiver<Group>,
) -> Result<(), JournalError> {
    while let Ok(group) = coming.recv() {
        if !group.frames.is_empty() {
            commit(&mut store, keyring, epoch, &group)?;
        }
        for answer in group.answers {
            answer(&group.frontier);
        }
    }
    let entries = store.head().frontier.count();
    store.close().map_err(|error| failed(&error))?;
    debug!(entries, "the journal is closed");
    Ok(())
}

fn commit(store: &mut Store, keyring: &Keyring, epoch: Epoch, group: &Group) -> Result<(), JournalError> {
    crash::point("journal.commit.before");
    // The keys go first: the store may make a batch durable at any time once it has it, and an entry whose key was lost
    // would be an entry that nobody can read.
    keyring.sync().map_err(|error| failed(&error))?;
    for frame in &group.frames {
        store.append(frame).map_err(|error| failed(&error))?;
    }
    store.barrier(&group.frontier, epoch).map_err(|error| failed(&error))?;
    // DURABLE: every entry of the group. Whoever waits may forget what they sent.
    crash::point("journal.commit.after");
    Ok(())
}
