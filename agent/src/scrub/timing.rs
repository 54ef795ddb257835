//! The thread that waits for a scrub to be due.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Onlooker, Timer};
use crate::supervise::Shutdown;

/// How often it is looked whether a scrub is due.
const LOOK: Duration = Duration::from_mins(1);
/// After a scrub that could not be done it is tried again so much later.
const AGAIN: Duration = Duration::from_hours(1);
/// How soon a waiting thread notices a stop.
const NOTICE: Duration = Duration::from_millis(200);

/// Nobody looks on; it ends when the process is to stop.
pub(crate) struct Unseen(pub(crate) Shutdown);

impl Onlooker for Unseen {
    fn progress(&mut self, _: u64, _: u64, _: &str) {}

    fn gone(&self) -> bool {
        self.0.is_asked()
    }
}

/// Calls `look` from time to time, with the time since this was begun, until the stop is asked for.
pub(crate) fn each_look(
    timer: Timer,
    shutdown: &Shutdown,
    look: &mut dyn FnMut(Duration) -> Result<bool, Box<dyn std::error::Error>>,
) {
    let begun = Instant::now();
    let mut next = begun + timer.settle;
    while timer.days > 0 && !shutdown.is_asked() {
        let now = Instant::now();
        if now < next {
            thread::sleep(NOTICE.min(next - now));
            continue;
        }
        next = now + LOOK;
        if let Err(error) = look(begun.elapsed())
            && !shutdown.is_asked()
        {
            tracing::error!(error = error.as_ref(), "the scrub that is due cannot be done; trying again in an hour");
            next = now + AGAIN;
        }
    }
}
