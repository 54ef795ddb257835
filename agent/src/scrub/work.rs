//! A long piece of work beside others that matter more: done in small pieces, with rests, and left at once when asked.

use std::{
    cell::{Cell, RefCell},
    thread,
    time::{Duration, Instant},
};

/// After so long at work it rests, for as long again: at most half of one core and of the disk's time, since intake goes
/// before.
const PIECE: Duration = Duration::from_millis(20);
/// One rest is at most so long, however long the piece was.
const REST_MAX: Duration = Duration::from_millis(500);
/// How soon a rest notices the wish to stop.
const NOTICE: Duration = Duration::from_millis(50);

/// Who looks on.
pub trait Onlooker {
    /// `done` of `total` units of `what` are done.
    fn progress(&mut self, done: u64, total: u64, what: &str);
    /// Whether to stop.
    fn gone(&self) -> bool;
}

/// See the module's description.
pub struct Work<'a> {
    onlooker: RefCell<&'a mut dyn Onlooker>,
    /// Whether it rests between its pieces: others are at work here.
    gentle: bool,
    since: Cell<Instant>,
    stopped: Cell<bool>,
}

impl<'a> Work<'a> {
    /// Work that `onlooker` looks on; with `gentle` it rests in between.
    pub fn new(onlooker: &'a mut dyn Onlooker, gentle: bool) -> Self {
        let (since, stopped) = (Cell::new(Instant::now()), Cell::new(false));
        Self { onlooker: RefCell::new(onlooker), gentle, since, stopped }
    }

    /// Says between two pieces whether to go on, after a rest where one is due.
    pub fn goes_on(&self) -> bool {
        let worked = self.since.get().elapsed();
        if self.gentle && worked >= PIECE {
            let until = Instant::now() + worked.min(REST_MAX);
            while !self.gone() {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                thread::sleep(left.min(NOTICE));
            }
            self.since.set(Instant::now());
        }
        !self.gone()
    }

    /// Whether it was told to stop.
    pub fn was_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Tells how far it is.
    pub fn progress(&self, done: u64, total: u64, what: &str) {
        self.onlooker.borrow_mut().progress(done, total, what);
    }

    fn gone(&self) -> bool {
        // Once asked for it is not taken back.
        let gone = self.stopped.get() || self.onlooker.borrow().gone();
        self.stopped.set(gone);
        gone
    }
}
