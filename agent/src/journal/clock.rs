//! The clock that stamps entries: UTC that never runs backwards, and that notices when the machine's clock jumps.

use std::time::{Duration, Instant};

use daybook_protocol::date::{Date, Timestamp};

/// A difference of the wall clock from the monotonic clock beyond this is a jump: more than any correction by a time
/// service, less than a wrong day.
pub(super) const JUMP_MAX: Duration = Duration::from_mins(5);

/// The wall clock has jumped against the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jump {
    /// By how many seconds; negative if the clock went back.
    pub(super) seconds: i64,
}

/// Stamps entries.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    wall_at_start: Timestamp,
    last: Timestamp,
}

impl Clock {
    /// A clock for a log whose last entry was recorded at `last`.
    pub(super) fn new(last: Timestamp) -> Self {
        Self { started: Instant::now(), wall_at_start: wall(), last }
    }

    /// The time for the next entry: the wall clock, but never before the last entry's.
    pub(super) fn stamp(&mut self) -> Timestamp {
        self.last = self.last.max(wall());
        self.last
    }

    /// Whether the wall clock has jumped since this clock was made, or stands before the last entry's time.
    pub(super) fn jump(&self) -> Option<Jump> {
        jump(self.wall_at_start, self.started.elapsed(), wall(), self.last)
    }
}

fn wall() -> Timestamp {
    jiff::Timestamp::now().into()
}

fn jump(start: Timestamp, elapsed: Duration, now: Timestamp, last: Timestamp) -> Option<Jump> {
    let elapsed = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
    let against_monotonic = now.0.saturating_sub(start.0).saturating_sub(elapsed);
    let behind_last = now.0.saturating_sub(last.0).min(0);
    let max = i64::try_from(JUMP_MAX.as_micros()).unwrap_or(i64::MAX);
    [against_monotonic, behind_last]
        .into_iter()
        .find(|difference| difference.saturating_abs() > max)
        .map(|difference| Jump { seconds: difference / 1_000_000 })
}

/// Today's civil date in Europe/London, by which rules such as "not in the future" are judged.
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(crate::zone::london().clone()).date().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a wrong year is noticed in either direction, an ordinary correction is not. Method: a table of clocks.
    #[test]
    fn a_jump_is_noticed() {
        let second = 1_000_000;
        let (start, elapsed) = (Timestamp(1_000 * second), Duration::from_mins(1));
        let check = |now: i64, last: i64| jump(start, elapsed, Timestamp(now * second), Timestamp(last * second));
        assert_eq!(check(1_060, 1_050), None);
        assert_eq!(check(1_060 + 299, 1_050), None);
        assert_eq!(check(1_060 + 301, 1_050), Some(Jump { seconds: 301 }));
        assert_eq!(check(1_060 - 301, 0), Some(Jump { seconds: -301 }));
        assert_eq!(check(1_060, 1_060 + 301), Some(Jump { seconds: -301 }), "the log is from the future");
    }
}
