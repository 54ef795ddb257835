//! Who is at work on which arrival. A command, a drop folder and the start of an agent may all want to go on with the same
//! one; two at once would give its rows two verdicts.

use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use daybook_protocol::ids::Sequence;

/// The arrivals that somebody is at work on.
#[derive(Debug, Default)]
pub(super) struct Claims {
    taken: Mutex<HashSet<Sequence>>,
    freed: Condvar,
}

/// The right to work on an arrival, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    arrival: Sequence,
}

impl Claims {
    /// Waits until nobody else is at work on an arrival. What the log said of it before may be out of date then.
    pub(super) fn claim(&self, arrival: Sequence) -> Claim<'_> {
        let mut taken = self.locked();
        while !taken.insert(arrival) {
            taken = self.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        Claim { claims: self, arrival }
    }

    /// Whether somebody is at work on an arrival.
    pub(super) fn is_taken(&self, arrival: Sequence) -> bool {
        self.locked().contains(&arrival)
    }

    fn locked(&self) -> MutexGuard<'_, HashSet<Sequence>> {
        // The set is changed in one step, so that a panic elsewhere has left it whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.locked().remove(&self.arrival);
        self.claims.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Goal: an arrival has one worker at a time, and others are not held up by it. Method: threads that claim the same
    /// arrival count how many they are, while another arrival is claimed throughout.
    #[test]
    fn one_at_a_time() {
        let (claims, at_work) = (Claims::default(), AtomicUsize::new(0));
        let _other = claims.claim(Sequence(2));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _claim = claims.claim(Sequence(1));
                        assert_eq!(at_work.fetch_add(1, Ordering::SeqCst), 0);
                        at_work.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(!claims.is_taken(Sequence(1)) && claims.is_taken(Sequence(2)));
    }
}
