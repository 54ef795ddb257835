//! How far the central node is, as the session with it tells.

use daybook_protocol::ids::Sequence;
use tokio::sync::watch;

use crate::{home::Home, identity::CentralNode};

/// What the central node has behind its own barrier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Through {
    /// How many entries.
    pub log: u64,
    /// Before which place every original.
    pub originals: Sequence,
}

/// How far the central node is. Cheap to clone; all clones hear of the same.
#[derive(Debug, Clone)]
pub struct Mirror {
    hear: watch::Receiver<Through>,
    tell: watch::Sender<Through>,
}

impl Mirror {
    /// What is known before a session has told anything: nothing is claimed.
    pub fn of(_: &Home, _: Option<&CentralNode>) -> Self {
        let (tell, hear) = watch::channel(Through::default());
        Self { hear, tell }
    }

    /// Says how far the central node is.
    pub fn tell(&self, through: Through) {
        self.tell.send_replace(through);
    }

    /// Whether entry and original are both with the central node.
    pub fn covers(&self, last: Sequence, arrival: Sequence) -> bool {
        let through = *self.hear.borrow();
        through.log > last.0 && through.originals > arrival
    }

    /// Whether anything was told since this was last asked.
    pub fn moved(&mut self) -> bool {
        let moved = self.hear.has_changed().unwrap_or(false);
        self.hear.mark_unchanged();
        moved
    }
}
