//! The clock that stamps entries: UTC that notices when the machine's clock cannot be right.
//!
//! Three things can speak against the wall clock: the clock that nobody sets, what the central node said its own was, and the
//! time of the last entry. While one of them does, intake waits, and what is recorded all the same gets the earliest time of
//! those in question: a stamp that is too early is followed by a right one, one that is too late holds up all that follow.
//!
//! Stamps never go back, but where an operator accepts a clock that stands before the last entry, or has jumped: that is an
//! entry, the only place where they may, and from there they go on. The format does not ask for times in order, and
//! `--as-of` knows those places. While the central node's clock is another one, nothing is accepted: one of the two is
//! wrong, and can be set right.

use std::{fmt, time::Duration};

use daybook_protocol::date::{Date, Timestamp};

/// A difference of the wall clock beyond this is no correction any more: more than any by a time service, less than a
/// wrong day.
const DIFFERENCE_MAX: Duration = Duration::from_mins(5);

/// Why the wall clock cannot be believed; each by how many seconds it is ahead, negative if it is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It has jumped against the clock that nobody sets.
    Jumped(i64),
    /// The central node's clock is another.
    Central(i64),
    /// The last entry has a later time.
    Log(i64),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jumped(seconds) => write!(f, "the clock jumped by {seconds} s"),
            Self::Central(seconds @ 0..) => write!(f, "the clock is {seconds} s ahead of the central node's"),
            Self::Central(seconds) => write!(f, "the clock is {} s behind the central node's", seconds.unsigned_abs()),
            Self::Log(seconds) => write!(f, "the clock is {} s before the last entry's time", seconds.unsigned_abs()),
        }
    }
}

/// The wall clock at a moment of the clock that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    running: Duration,
    wall: Timestamp,
}

impl Moment {
    fn now() -> Self {
        Self { running: running(), wall: wall() }
    }

    /// This moment by a clock that is so many microseconds ahead of the machine's.
    pub(super) fn now_by(ahead_us: i64) -> Self {
        let Self { running, wall } = Self::now();
        Self { running, wall: Timestamp(wall.0.saturating_add(ahead_us)) }
    }

    /// What the wall clock should be at `now`, if it was right here.
    fn reckoned(self, now: Self) -> Timestamp {
        let elapsed = i64::try_from(now.running.saturating_sub(self.running).as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.wall.0.saturating_add(elapsed))
    }
}

/// Stamps entries.
#[derive(Debug)]
pub(super) struct Clock {
    /// When this clock was made, or an operator accepted the wall clock.
    start: Moment,
    /// What the central node last said.
    central: Option<Moment>,
    last: Timestamp,
}

impl Clock {
    /// A clock for a log whose last entry was recorded at `last`.
    pub(super) fn new(last: Timestamp) -> Self {
        Self { start: Moment::now(), central: None, last }
    }

    /// The time for the next entry: the wall clock as far as nothing speaks against it, and never before the last entry's.
    pub(super) fn stamp(&mut self) -> Timestamp {
        self.stamp_at(Moment::now())
    }

    fn stamp_at(&mut self, now: Moment) -> Timestamp {
        let reckoned = [Some(self.start), self.central].into_iter().flatten().map(|moment| moment.reckoned(now));
        let earliest = reckoned.filter(|other| difference(now.wall, *other).is_some()).fold(now.wall, Ord::min);
        self.last = self.last.max(earliest);
        self.last
    }

    /// Takes note of what the central node's clock is.
    pub(super) fn hear(&mut self, central: Moment) {
        self.central = Some(central);
    }

    /// Why the wall clock cannot be believed, if so.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        self.doubt_at(Moment::now())
    }

    fn doubt_at(&self, now: Moment) -> Option<Doubt> {
        let against = |moment: Moment| difference(now.wall, moment.reckoned(now));
        // The central node's word first: it is what nothing but a right clock ends.
        (self.central.and_then(against).map(Doubt::Central))
            .or_else(|| against(self.start).map(Doubt::Jumped))
            .or_else(|| difference(now.wall, self.last).filter(|seconds| *seconds < 0).map(Doubt::Log))
    }

    /// Believes the wall clock from now on, wherever it stands, and gives the time.
    pub(super) fn accept(&mut self) -> Timestamp {
        self.accept_at(Moment::now())
    }

    fn accept_at(&mut self, now: Moment) -> Timestamp {
        (self.start, self.last) = (now, now.wall);
        now.wall
    }
}

/// How many seconds `one` is ahead of the other, where that is more than a correction.
fn difference(one: Timestamp, other: Timestamp) -> Option<i64> {
    let difference = one.0.saturating_sub(other.0);
    (u128::from(difference.unsigned_abs()) > DIFFERENCE_MAX.as_micros()).then_some(difference / 1_000_000)
}

/// A clock that nobody sets and that goes on while the machine sleeps: a laptop that was shut overnight has not jumped.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn running() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// A clock that nobody sets. On Windows it goes on while the machine sleeps.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn running() -> Duration {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed()
}

fn wall() -> Timestamp {
    jiff::Timestamp::now().into()
}

/// Today's civil date in Europe/London, by which rules such as "not in the future" are judged.
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(crate::zone::london().clone()).date().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the clock that nobody sets counts as the machine does, sleep included. Method: beside the system's own figure,
    /// where there is one.
    #[test]
    #[cfg(target_os = "linux")]
    fn sleep_counts_as_time() {
        let uptime = std::fs::read_to_string("/proc/uptime").expect("the time since the start");
        let seconds: f64 = uptime.split(' ').next().and_then(|text| text.parse().ok()).expect("a number");
        let running = running().as_secs_f64();
        assert!((running - seconds).abs() < 5.0, "{running} and {seconds}");
    }

    const SECOND: i64 = 1_000_000;
    const YEARS_73: i64 = 73 * 365 * 86_400;

    fn moment(running: u64, wall: i64) -> Moment {
        Moment { running: Duration::from_secs(running), wall: Timestamp(wall * SECOND) }
    }

    /// A clock that was made at 1,000 s by the wall clock, for a log that ends at `last`.
    fn clock(last: i64) -> Clock {
        Clock { start: moment(0, 1_000), central: None, last: Timestamp(last * SECOND) }
    }

    /// Goal: a wrong year is noticed in either direction, an ordinary correction is not. Method: a table of clocks.
    #[test]
    fn a_jump_is_noticed() {
        let check = |now: i64, last: i64| clock(last).doubt_at(moment(60, now));
        assert_eq!(check(1_060, 1_050), None);
        assert_eq!(check(1_060 + 300, 1_050), None);
        assert_eq!(check(1_060 + 301, 1_050), Some(Doubt::Jumped(301)));
        assert_eq!(check(1_060 - 301, 0), Some(Doubt::Jumped(-301)));
        assert_eq!(check(1_060, 1_060 + 301), Some(Doubt::Log(-301)), "the log is from the future");
    }

    /// Goal: the central node's clock counts as the one that nobody sets does, for as long as nothing else is heard of it.
    /// Method: a stamp that is far off, time that passes, a wall clock that is set to it.
    #[test]
    fn the_central_nodes_clock_counts() {
        let mut clock = clock(1_000);
        clock.hear(moment(10, 1_010 + 299));
        assert_eq!(clock.doubt_at(moment(500, 1_500)), None);
        clock.hear(moment(10, 1_010 + 301));
        assert_eq!(clock.doubt_at(moment(10, 1_010)), Some(Doubt::Central(-301)));
        assert_eq!(clock.doubt_at(moment(500, 1_500)), Some(Doubt::Central(-301)), "it goes on");
        assert_eq!(clock.doubt_at(moment(500, 1_500 + 200)), None, "set right, without another word");
    }

    /// Goal: one wrong year does not get into the log where anything speaks against it. Method: a wall clock that jumps, one
    /// that was wrong from the beginning, and a central node whose own is wrong.
    #[test]
    fn the_earliest_time_in_question_counts() {
        let mut jumped = clock(1_000);
        assert_eq!(jumped.stamp_at(moment(60, YEARS_73)), Timestamp(1_060 * SECOND));
        assert_eq!(jumped.stamp_at(moment(70, 1_070)), Timestamp(1_070 * SECOND), "set right: nothing is left of it");
        assert_eq!(jumped.doubt_at(moment(70, 1_070)), None);
        let mut wrong = Clock { start: moment(0, YEARS_73), ..clock(1_000) };
        wrong.hear(moment(1, 1_001));
        assert_eq!(wrong.stamp_at(moment(2, YEARS_73 + 2)), Timestamp(1_002 * SECOND));
        let mut right = clock(1_000);
        right.hear(moment(1, YEARS_73));
        assert_eq!(right.stamp_at(moment(2, 1_002)), Timestamp(1_002 * SECOND));
        assert_eq!(right.stamp_at(moment(3, 900)), Timestamp(1_002 * SECOND), "never back by itself");
    }

    /// Goal: an operator's word ends a doubt, and stamps go on from the present; the central node's clock still counts. Method:
    /// a log from the future, a jump, and a central node with another clock.
    #[test]
    fn an_operator_accepts_the_clock() {
        let mut future = clock(YEARS_73);
        assert_eq!(future.stamp_at(moment(60, 1_060)), Timestamp(YEARS_73 * SECOND));
        assert_eq!(future.accept_at(moment(61, 1_061)), Timestamp(1_061 * SECOND));
        assert_eq!(future.stamp_at(moment(62, 1_062)), Timestamp(1_062 * SECOND));
        assert_eq!(future.doubt_at(moment(62, 1_062)), None);
        let mut jumped = clock(1_000);
        assert_eq!(jumped.accept_at(moment(60, YEARS_73)), Timestamp(YEARS_73 * SECOND));
        assert_eq!(jumped.doubt_at(moment(61, YEARS_73 + 1)), None);
        let mut other = clock(YEARS_73);
        other.hear(moment(1, YEARS_73));
        other.accept_at(moment(2, 1_002));
        assert_eq!(other.doubt_at(moment(2, 1_002)), Some(Doubt::Central(1_002 - YEARS_73 - 1)));
    }
}
