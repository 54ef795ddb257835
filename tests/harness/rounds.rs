//! Scenarios drawn from seeds, many of them side by side: each from a seed of its own, which is printed where it fails.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::Desk;

/// Scenarios run side by side, since each spends most of its time waiting for disks and looks.
const SIDE_BY_SIDE: u64 = 3;

/// After so many failures nothing more is learnt from another.
const FAILURES_MAX: usize = 4;

/// The number in an environment variable.
pub(crate) fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The seed of the first scenario: that of `DAYBOOK_SEED`, or another each time.
pub(crate) fn first_seed() -> u64 {
    number("DAYBOOK_SEED").unwrap_or_else(|| rand::Rng::next_u64(&mut rand::rng()) >> 32)
}

/// Does a scenario with each of so many seeds from the first one on, and gives what came of them, in no order. Each worker has a
/// place for its desk, which it may use again. Where a scenario fails, its desk is left where it is; given second is what the
/// environment must say to do it again: its seed, and `again`.
pub(crate) fn each_round<T: Send>(
    (first, rounds): (u64, u64),
    again: &str,
    scenario: impl Fn(&mut Option<Desk>, u64) -> T + Sync,
) -> (Vec<T>, Vec<String>) {
    let (next, done, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let work = || {
        let mut desk = None;
        loop {
            let round = next.fetch_add(1, Ordering::Relaxed);
            if round >= rounds || failed.lock().expect("a list").len() >= FAILURES_MAX {
                break;
            }
            let seed = first.wrapping_add(round);
            if let Ok(came) = catch_unwind(AssertUnwindSafe(|| scenario(&mut desk, seed))) {
                done.lock().expect("a list").push(came);
            } else {
                let place = desk.take().map(Desk::keep);
                failed.lock().expect("a list").push(format!("DAYBOOK_SEED={seed} {again}: {place:?}"));
            }
        }
    };
    thread::scope(|scope| (0..SIDE_BY_SIDE.min(rounds)).for_each(|_| drop(scope.spawn(work))));
    (done.into_inner().expect("a list"), failed.into_inner().expect("a list"))
}
