//! An ear: what a folder's thread has heard since it last looked. Takes memory only while hints wait, since most folders are
//! calm and there may be a thousand of them.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::intake::HintKind;

/// So many hints wait while a folder is busy. A rename that is forgotten costs its file, and what came after it, the quiet
/// period.
const HEARD_MAX: usize = 4096;

/// Where one folder's hints wait. See the module's description.
#[derive(Debug, Default)]
pub(super) struct Ear {
    heard: Mutex<Heard>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Heard {
    hints: Vec<HintKind>,
    /// Nobody tells this ear anything any more.
    closed: bool,
}

impl Ear {
    /// Tells the folder's thread to look. One that has [`HEARD_MAX`] hints to read will look anyway.
    fn tell(&self, kind: HintKind) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.hints.len() < HEARD_MAX {
            heard.hints.push(kind);
            self.changed.notify_one();
        }
    }

    /// What was heard since the last call, in order, once there is something; nothing, if nothing was within `wait`. `None`
    /// at once where nothing more can come.
    pub(super) fn listen(&self, wait: Duration) -> Option<Vec<HintKind>> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |heard: &mut Heard| heard.hints.is_empty() && !heard.closed;
        let (mut heard, _) =
            self.changed.wait_timeout_while(heard, wait, quiet).unwrap_or_else(PoisonError::into_inner);
        let hints = std::mem::take(&mut heard.hints);
        if hints.is_empty() && heard.closed { None } else { Some(hints) }
    }
}

/// The ears of all folders, closed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Ears(Vec<Arc<Ear>>);

impl Ears {
    /// The ear of the next folder.
    pub(super) fn add(&mut self) -> Arc<Ear> {
        let ear = Arc::<Ear>::default();
        self.0.push(Arc::clone(&ear));
        ear
    }

    /// Tells a folder's thread to look.
    pub(super) fn nudge(&self, folder: usize, kind: HintKind) {
        if let Some(ear) = self.0.get(folder) {
            ear.tell(kind);
        }
    }

    /// Tells every folder's thread to look.
    pub(super) fn nudge_all(&self) {
        self.0.iter().for_each(|ear| ear.tell(HintKind::Changed));
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        for ear in &self.0 {
            ear.heard.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
            ear.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: hints come in order and at most [`HEARD_MAX`] of them, none is lost to the end, and a calm ear keeps no memory.
    /// Method: more hints than there is room for, read; then one more before the end.
    #[test]
    fn what_is_told_is_heard_once_and_in_order() {
        let mut ears = Ears::default();
        let (calm, busy) = (ears.add(), ears.add());
        let name = |number: usize| HintKind::RenamedIn(number.to_string());
        (0..=HEARD_MAX).for_each(|number| ears.nudge(1, name(number)));
        assert_eq!(busy.listen(Duration::ZERO), Some((0..HEARD_MAX).map(name).collect()));
        assert_eq!(busy.heard.lock().expect("not poisoned").hints.capacity(), 0);
        assert_eq!(calm.listen(Duration::ZERO), Some(Vec::new()), "it was told nothing");
        ears.nudge_all();
        drop(ears);
        let far_too_long = Duration::from_hours(1);
        for ear in [calm, busy] {
            assert_eq!(ear.listen(far_too_long), Some(vec![HintKind::Changed]));
            assert_eq!(ear.listen(far_too_long), None, "nothing more can come");
        }
    }
}
