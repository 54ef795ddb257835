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

/// The number in an environment variable.
pub(crate) fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The seed of the first scenario: that of `DAYBOOK_SEED`, or another each time.
pub(crate) fn first_seed() -> u64 {
    number("DAYBOOK_SEED").unwrap_or_else(|| rand::Rng::next_u64(&mut rand::rng()) >> 32)
}

/// Does a scenario at a desk of its own with each of so many seeds from the first one on, and gives what came of them. Where
/// any fails, everything of it is left where it is, and `again` is said with its seed: how it can be done again.
pub(crate) fn each_round<T: Send>(
    (first, rounds): (u64, u64),
    again: &str,
    desk: impl Fn(u64) -> Desk + Sync,
    scenario: impl Fn(&mut Desk, u64) -> T + Sync,
) -> Vec<T> {
    let (next, done, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(rounds) {
            scope.spawn(|| {
                loop {
                    let round = next.fetch_add(1, Ordering::Relaxed);
                    if round >= rounds {
                        break;
                    }
                    let seed = first.wrapping_add(round);
                    let mut desk = desk(seed);
                    match catch_unwind(AssertUnwindSafe(|| scenario(&mut desk, seed))) {
                        Ok(came) => done.lock().expect("a list").push(came),
                        Err(_) => {
                            let place = desk.keep();
                            failed
                                .lock()
                                .expect("a list")
                                .push(format!("DAYBOOK_SEED={seed} {again}: {}", place.display()));
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("a list");
    assert!(failed.is_empty(), "these failed, and are left there: {failed:#?}");
    done.into_inner().expect("a list")
}
