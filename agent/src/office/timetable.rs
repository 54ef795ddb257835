//! The timetable: when somebody has to go to which door next, and what was heard of it meanwhile. Knows no threads and no
//! clock.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::intake::HintKind;

/// So many hints wait while somebody is at a door. A rename that is forgotten costs its file, and what came after it, the quiet
/// period.
const HEARD_MAX: usize = 4096;
/// At so many doors somebody can be at once: all the shares that are likely to hang, and some to go on with.
const OUT_MAX: usize = 64;

/// Doors by their numbers, counted from 0. A door that somebody is at is not here; what is heard of it waits for its return.
#[derive(Debug)]
pub(super) struct Timetable<D> {
    places: Vec<Place<D>>,
    /// When, and which; those that rest here only.
    due: BTreeSet<(Instant, usize)>,
    out: usize,
}

#[derive(Debug)]
struct Place<D> {
    resting: Option<(D, Instant)>,
    heard: Vec<HintKind>,
    /// Whether something behind this door waits for the central node.
    awaits_mirror: bool,
}

impl<D> Default for Timetable<D> {
    fn default() -> Self {
        Self { places: Vec::new(), due: BTreeSet::new(), out: 0 }
    }
}

impl<D> Timetable<D> {
    /// Takes in a door to which somebody has to go at `at`; gives its number.
    pub(super) fn add(&mut self, door: D, at: Instant) -> usize {
        let number = self.places.len();
        self.places.push(Place { resting: Some((door, at)), heard: Vec::new(), awaits_mirror: false });
        self.due.insert((at, number));
        number
    }

    /// Something was heard of a door: somebody has to go there at once.
    pub(super) fn tell(&mut self, number: usize, kind: HintKind, now: Instant) {
        let Some(place) = self.places.get_mut(number) else { return };
        // With so many to read whoever goes there will look anyway.
        if place.heard.len() < HEARD_MAX {
            place.heard.push(kind);
        }
        if let Some((_, at)) = &mut place.resting
            && *at > now
        {
            self.due.remove(&(*at, number));
            *at = now;
            self.due.insert((now, number));
        }
    }

    /// The central node has more than before: somebody has to go to every door that waits for it.
    pub(super) fn tell_awaiting(&mut self, now: Instant) {
        let awaiting = |(number, place): (usize, &Place<D>)| place.awaits_mirror.then_some(number);
        let awaiting: Vec<usize> = self.places.iter().enumerate().filter_map(awaiting).collect();
        for number in awaiting {
            self.tell(number, HintKind::Changed, now);
        }
    }

    /// A door that is due, with what was heard of it in order, unless somebody is at too many.
    pub(super) fn next(&mut self, now: Instant) -> Option<(usize, D, Vec<HintKind>)> {
        let (at, number) = *self.due.first()?;
        if at > now || self.out >= OUT_MAX {
            return None;
        }
        self.due.remove(&(at, number));
        let place = self.places.get_mut(number)?;
        let (door, _) = place.resting.take()?;
        self.out += 1;
        Some((number, door, std::mem::take(&mut place.heard)))
    }

    /// How long until a door is due, at most `most`.
    pub(super) fn wait(&self, now: Instant, most: Duration) -> Duration {
        match self.due.first() {
            Some((at, _)) if self.out < OUT_MAX => at.saturating_duration_since(now).min(most),
            _ => most,
        }
    }

    /// Somebody is back from a door, to which one has to go again at `at`; at once, where something was heard meanwhile.
    pub(super) fn back(&mut self, number: usize, door: D, awaits_mirror: bool, at: Instant, now: Instant) {
        self.out = self.out.saturating_sub(1);
        let Some(place) = self.places.get_mut(number) else { return };
        let at = if place.heard.is_empty() { at } else { now };
        (place.resting, place.awaits_mirror) = (Some((door, at)), awaits_mirror);
        self.due.insert((at, number));
    }

    /// Whoever went to a door does not come back: nobody goes there any more.
    pub(super) fn lost(&mut self) {
        self.out = self.out.saturating_sub(1);
    }

    /// Whether somebody is at a door.
    pub(super) fn is_out(&self) -> bool {
        self.out > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Goal: hints come in order and at most [`HEARD_MAX`] of them, each once, and a calm door keeps no memory for them. Method:
    /// more hints than there is room for while somebody is at the door, and one before.
    #[test]
    fn what_is_told_is_heard_once_and_in_order() {
        let now = Instant::now();
        let name = |number: usize| HintKind::RenamedIn(number.to_string());
        let mut timetable = Timetable::default();
        let (calm, busy) = (timetable.add("calm", now + MINUTE), timetable.add("busy", now + MINUTE));
        assert!(timetable.next(now).is_none());
        timetable.tell(busy, name(7), now);
        assert_eq!(timetable.next(now), Some((busy, "busy", vec![name(7)])));
        for number in 0..=HEARD_MAX {
            timetable.tell(busy, name(number), now);
        }
        assert!(timetable.next(now).is_none(), "nobody else goes there meanwhile");
        timetable.back(busy, "busy", false, now + MINUTE, now);
        assert_eq!(timetable.next(now), Some((busy, "busy", (0..HEARD_MAX).map(name).collect())));
        assert_eq!(timetable.places.get(calm).map(|place| place.heard.capacity()), Some(0));
        timetable.lost();
        assert!(!timetable.is_out());
        assert_eq!(timetable.wait(now, MINUTE * 2), MINUTE);
        assert_eq!(timetable.next(now + MINUTE).map(|(number, ..)| number), Some(calm));
        assert!(timetable.is_out() && timetable.next(now + MINUTE * 9).is_none());
    }

    /// Goal: the door that was due first is next, and only those that wait for the central node hear of it. Method: three doors.
    #[test]
    fn doors_come_in_the_order_of_their_times() {
        let now = Instant::now();
        let mut timetable = Timetable::default();
        let doors = [3, 1, 2].map(|minutes| timetable.add(minutes, now + MINUTE * minutes));
        let [last, first, middle] = doors;
        assert_eq!(timetable.next(now + MINUTE * 3).map(|(number, ..)| number), Some(first));
        timetable.back(first, 1, true, now + MINUTE * 9, now);
        assert_eq!(timetable.next(now + MINUTE * 3).map(|(number, ..)| number), Some(middle));
        timetable.tell_awaiting(now);
        assert_eq!(timetable.next(now), Some((first, 1, vec![HintKind::Changed])));
        assert_eq!(timetable.next(now + MINUTE * 3).map(|(number, ..)| number), Some(last));
    }

    /// Goal: however many are due, somebody is at a bounded number at once. Method: one more than that.
    #[test]
    fn not_all_doors_are_gone_to_at_once() {
        let now = Instant::now();
        let mut timetable = Timetable::default();
        for _ in 0..=OUT_MAX {
            timetable.add((), now);
        }
        let out: Vec<_> = std::iter::from_fn(|| timetable.next(now)).collect();
        assert_eq!((out.len(), timetable.wait(now, MINUTE)), (OUT_MAX, MINUTE));
        timetable.back(0, (), false, now + MINUTE, now);
        assert_eq!(timetable.wait(now, MINUTE), Duration::ZERO);
        assert_eq!(timetable.next(now).map(|(number, ..)| number), Some(OUT_MAX));
    }
}
