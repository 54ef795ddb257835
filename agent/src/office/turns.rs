//! Turns: one thread at a time works on an arrival. A folder's thread, an import that resumes what was left, and a person
//! who releases a held file can all come to the same one; each goes by what the log says, and two who read it at once
//! would both judge the same rows.

use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, PoisonError},
};

use daybook_protocol::ids::Sequence;

/// What is being worked on. See the module's description.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: Mutex<HashSet<Sequence>>,
    given_back: Condvar,
}

/// The right to work on one arrival, given back when dropped.
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub struct Turn<'a> {
    turns: &'a Turns,
    at: Sequence,
}

impl Turns {
    /// Waits until nobody else works on `at`. Whoever waited looks at the log anew: it has gone on meanwhile.
    pub(super) fn wait_for(&self, at: Sequence) -> Turn<'_> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.given_back.wait_while(taken, |taken| taken.contains(&at));
        free.unwrap_or_else(PoisonError::into_inner).insert(at);
        Turn { turns: self, at }
    }

    /// Whether somebody works on `at`.
    pub(super) fn is_taken(&self, at: Sequence) -> bool {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).contains(&at)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.at);
        self.turns.given_back.notify_all();
    }
}
