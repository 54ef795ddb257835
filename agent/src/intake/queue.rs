//! The order of the files in one folder. They are handed out in the order in which they came, because senders count on it:
//! a withdrawal that overtakes its enrolment is rejected, and its sender has to find out why.
//!
//! A file came when it was first seen; of those first seen in one look, as the first one after a start, the one came first
//! that was written to first. A complete file therefore waits behind an older one that is only not known to be complete yet.
//! That is *our* ignorance and must not change the order. What its sender calls unfinished, by a temporary name or by a
//! missing marker where markers count, holds nothing up: the sender has said what may be taken, and such a file can lie
//! there for good. Nor does anything that is refused.
//!
//! A file that is written on and on must not close its folder either, so others wait for it no longer than
//! [`HOLDS_UP_MAX`] and then overtake it.

use std::{
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use daybook_protocol::{date::Timestamp, event::Completion};

/// So long may a file be written, from its first sight, while what came after it waits; then it still has its quiet period to
/// be complete in order. Copying a return of some hundred megabytes takes less. Waiting costs a late receipt, overtaking a
/// wrong rejection, so it is minutes and not seconds; and not hours, in which a whole team would wonder.
pub const HOLDS_UP_MAX: Duration = Duration::from_mins(5);

/// When a file came. The order of these is the order in which files are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Came {
    /// The look that saw it first.
    pub(super) seen_at: Instant,
    /// When it had last been written to then. What is written later makes it no younger.
    pub(super) modified_at: Timestamp,
}

impl Came {
    /// For how much longer others wait for a file that needs `quiet` without a change to be complete.
    pub(super) fn holds_up(self, quiet: Duration, now: Instant) -> Duration {
        HOLDS_UP_MAX.saturating_add(quiet).saturating_sub(now.saturating_duration_since(self.seen_at))
    }
}

/// How a file is known to be complete: [`Completion`] as far as a folder knows it, in an order, for the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Done {
    Renamed,
    Marked,
    Quiet,
}

impl From<Done> for Completion {
    fn from(done: Done) -> Self {
        match done {
            Done::Renamed => Self::Renamed,
            Done::Marked => Self::Marked,
            Done::Quiet => Self::Quiet,
        }
    }
}

/// The files of one look. Keeps the oldest complete ones only, so that its memory is bounded.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    length_max: usize,
    complete: BinaryHeap<(Came, &'a str, Done)>,
    /// The first of those for which others wait.
    waiting: Option<(Came, &'a str)>,
    /// How many complete ones were over the length.
    over: usize,
}

/// What a queue comes to.
#[derive(Debug)]
pub(super) struct Served<'a> {
    /// What is handed out, in this order.
    pub(super) ready: Vec<(&'a str, Done)>,
    /// How many complete files are not handed out now.
    pub(super) kept: usize,
    /// Whether another look at once would hand out more of them, once these have gone.
    pub(super) more: bool,
}

impl<'a> Queue<'a> {
    /// A queue that hands out at most `length_max` files.
    pub(super) fn new(length_max: usize) -> Self {
        Self { length_max, complete: BinaryHeap::with_capacity(length_max + 1), waiting: None, over: 0 }
    }

    /// A complete file.
    pub(super) fn complete(&mut self, came: Came, name: &'a str, done: Done) {
        self.complete.push((came, name, done));
        if self.complete.len() > self.length_max {
            self.complete.pop();
            self.over += 1;
        }
    }

    /// A file for which those behind it wait.
    pub(super) fn waits(&mut self, came: Came, name: &'a str) {
        let first = self.waiting.into_iter().chain([(came, name)]).min();
        self.waiting = first;
    }

    /// Those whose turn it is.
    pub(super) fn serve(self) -> Served<'a> {
        let mut complete = self.complete.into_sorted_vec();
        let in_order = |(came, name, _): &(Came, &str, Done)| self.waiting.is_none_or(|first| (*came, *name) < first);
        let turn = complete.partition_point(in_order);
        let kept = self.over + complete.len() - turn;
        let more = self.over > 0 && turn == complete.len();
        complete.truncate(turn);
        Served { ready: complete.into_iter().map(|(_, name, done)| (name, done)).collect(), kept, more }
    }
}
