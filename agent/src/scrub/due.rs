//! When a scrub is due: a function of times that are passed in, and of nothing else.

use std::time::Duration;

use daybook_protocol::date::Timestamp;

const DAY_US: i64 = 24 * 3600 * 1_000_000;
/// A scrub that is overdue by more than this is a problem that a person should see: one missed week is a machine that was
/// switched off, three are a timer that does not work.
const OVERDUE_DAYS: i64 = 14;

/// When the next scrub of a log is due that was begun at `born` and last scrubbed at `last`; never with `days` of 0.
pub fn due_at(last: Option<Timestamp>, born: Timestamp, days: u32) -> Option<Timestamp> {
    let days = i64::from(days);
    (days > 0).then(|| Timestamp(last.unwrap_or(born).0.saturating_add(days * DAY_US)))
}

/// Whether a scrub that was due at `due` is so late that a person should know.
pub fn is_overdue(due: Option<Timestamp>, now: Timestamp) -> bool {
    due.is_some_and(|due| now.0.saturating_sub(due.0) > OVERDUE_DAYS * DAY_US)
}

/// The timer of a process that runs on.
#[derive(Debug, Clone, Copy)]
pub struct Timer {
    /// Every how many days.
    pub days: u32,
    /// How long after the start one that is overdue waits: not in the middle of it.
    pub settle: Duration,
}

impl Timer {
    /// Whether to begin now, `running` after the process was started.
    pub fn rings(&self, last: Option<Timestamp>, born: Timestamp, now: Timestamp, running: Duration) -> bool {
        running >= self.settle && due_at(last, born, self.days).is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORN: Timestamp = Timestamp(1_795_269_802_000_000);

    fn after(days: i64) -> Timestamp {
        Timestamp(BORN.0 + days * DAY_US)
    }

    /// Goal: a scrub is due a week after the last one or after the beginning, never at once on a start, soon after a missed
    /// week, and not at all where nobody wants one. Method: a table of times.
    #[test]
    fn a_scrub_is_due_in_its_time() {
        let timer = Timer { days: 7, settle: Duration::from_mins(5) };
        let (start, later) = (Duration::from_secs(299), Duration::from_mins(5));
        for (last, now, running, rings) in [
            (None, 6, later, false),
            (None, 7, later, true),
            (None, 7, start, false),
            (Some(7), 13, later, false),
            (Some(7), 14, later, true),
            (Some(7), 40, start, false),
            (Some(7), 40, later, true),
            (Some(50), 40, later, false),
        ] {
            assert_eq!(timer.rings(last.map(after), BORN, after(now), running), rings, "{last:?} {now} {running:?}");
        }
        assert!(!Timer { days: 0, ..timer }.rings(None, BORN, after(10_000), later));
        assert_eq!(due_at(Some(after(7)), BORN, 7), Some(after(14)));
        for (now, overdue) in [(21, false), (22, true)] {
            assert_eq!(is_overdue(due_at(None, BORN, 7), after(now)), overdue, "{now}");
        }
        assert!(!is_overdue(due_at(None, BORN, 0), after(10_000)));
    }
}
