//! Recordings, shared by the tests of this process: to make one takes as long as some cuts.

use std::{
    sync::{
        Arc, Condvar, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::Scene;

/// So many recordings are made and cut side by side, on all tests together: a cut waits about as long as it works.
const SCENES_MAX: usize = 3;

/// Recordings that are lent out; gone when no test needs them any more.
#[derive(Default)]
struct Pool {
    /// Those that are free, and how many there are in all.
    scenes: Mutex<(Vec<Scene>, usize)>,
    freed: Condvar,
}

impl Pool {
    fn shared() -> Arc<Self> {
        static POOL: Mutex<Weak<Pool>> = Mutex::new(Weak::new());
        let mut pool = POOL.lock().expect("a pool");
        pool.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *pool = Arc::downgrade(&new);
            new
        })
    }

    fn take(&self) -> Scene {
        let full = |(free, made): &mut (Vec<Scene>, usize)| free.is_empty() && *made == SCENES_MAX;
        let scenes = self.scenes.lock().expect("scenes");
        let mut scenes = self.freed.wait_while(scenes, full).expect("scenes");
        scenes.0.pop().unwrap_or_else(|| {
            scenes.1 += 1;
            drop(scenes);
            Scene::record()
        })
    }

    fn give_back(&self, scene: Option<Scene>) {
        let mut scenes = self.scenes.lock().expect("scenes");
        match scene {
            Some(scene) => scenes.0.push(scene),
            None => scenes.1 -= 1,
        }
        self.freed.notify_one();
    }
}

/// Checks each case on some recording, and fails with all that was found wrong.
pub(crate) fn each<T: Sync>(cases: &[T], check: impl Fn(&mut Scene, &T) -> Option<String> + Sync) {
    let pool = Pool::shared();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut scene = pool.take();
            if let Some(why) = check(&mut scene, case) {
                let kept = scene.keep();
                wrong.lock().expect("a list").push(format!("{why}\nthe machine as it was: {}", kept.display()));
                pool.give_back(None);
            } else {
                pool.give_back(Some(scene));
            }
        }
    };
    thread::scope(|scope| (0..SCENES_MAX.min(cases.len())).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().expect("a list");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
