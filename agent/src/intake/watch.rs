//! A hint that a folder is worth a look before its next scan is due. May be late, doubled, lost or wrong: nothing may
//! depend on it.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};

use super::dir::Dir;

/// At most this many hints wait to be read; those beyond are dropped, since a full queue says enough.
pub const HINTS_MAX: usize = 4096;

/// A folder is worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Which folder, by its place among the watched ones.
    pub folder: usize,
    /// What seems to have happened.
    pub kind: HintKind,
}

/// What seems to have happened in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HintKind {
    /// Something came, or was written to its end.
    Changed,
    /// Something was renamed to this name. Personal: never in a log or an error.
    RenamedIn(String),
}

/// The time of a directory's last change says nothing of what came within so long after it: some file systems tell times to
/// two seconds.
const TIMES_DIFFER: Duration = Duration::from_secs(3);

/// Watches some directories for as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    /// `None` where the operating system gives no more watchers.
    inner: Option<RecommendedWatcher>,
    watched: Vec<Watched>,
    places: Places,
}

/// The place of each watched directory, by its path, for whoever passes events on.
type Places = Arc<RwLock<HashMap<PathBuf, usize>>>;

/// What tells a directory from one that was made anew under its name: device, number, and the time of its making, since
/// file systems give numbers out again at once.
type Known = (u64, u64, Option<SystemTime>);

/// A directory, and what it was when it was last looked at.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    known: Option<Known>,
    /// Whether the operating system watches it.
    set: bool,
    /// It lies on a share, where other machines may change what it holds unseen, and its times as well.
    on_share: bool,
    modified: Option<SystemTime>,
}

impl Watcher {
    /// Watches nothing yet, and gives its hints to `tell`. Never fails: the periodic scan does without.
    pub fn new(tell: impl Fn(Hint) + Send + 'static) -> Self {
        let places = Places::default();
        let shared = Arc::clone(&places);
        let inner = notify::recommended_watcher(move |event| {
            if let Ok(event) = event {
                pass_on(&event, &shared.read().unwrap_or_else(PoisonError::into_inner), &tell);
            }
        });
        if let Err(error) = &inner {
            tracing::warn!(%error, "folders are not watched; files are found by the periodic scan");
        }
        Self { inner: inner.ok(), watched: Vec::new(), places }
    }

    /// Watches a folder's `in/`, as far as the operating system lets it; its place is behind those before it.
    pub fn add(&mut self, path: PathBuf) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.insert(path.clone(), self.watched.len());
        drop(places);
        let mut watched = Watched { path, known: None, set: false, on_share: true, modified: None };
        watched.look(self.inner.as_mut());
        self.watched.push(watched);
    }

    /// Looks at each directory: sets watches that are missing, and again where one was made anew, since a watch is on a directory,
    /// not on its name. To be called with each periodic scan. Gives the places of those that may have changed since the last
    /// call, whatever was hinted at: by the time of their last change where that can be trusted, else all.
    pub fn refresh(&mut self) -> Vec<usize> {
        let mut changed = Vec::new();
        for (place, watched) in self.watched.iter_mut().enumerate() {
            if watched.look(self.inner.as_mut()) {
                changed.push(place);
            }
        }
        changed
    }
}

impl Watched {
    /// Looks at it, and sets the watch where it is missing. Whether it may have changed since the last time.
    fn look(&mut self, inner: Option<&mut RecommendedWatcher>) -> bool {
        // Looked at before the watch is set: if it is replaced between, the next look sees another directory.
        let Ok(found) = fs::metadata(&self.path) else {
            (self.known, self.set) = (None, false);
            return true;
        };
        let known = Some((found.dev(), found.ino(), found.created().ok()));
        if self.known != known {
            self.on_share = Dir::open(&self.path).is_ok_and(|dir| dir.on_share());
        }
        if let Some(inner) = inner
            && (!self.set || self.known != known)
        {
            // The old one may be gone by itself, or never have been.
            let _ = inner.unwatch(&self.path);
            self.set = inner.watch(&self.path, RecursiveMode::NonRecursive).is_ok();
        }
        let modified = found.modified().ok();
        let settled = modified.is_some_and(|at| at.elapsed().is_ok_and(|since| since > TIMES_DIFFER));
        let same = self.known == known && self.modified == modified && settled && !self.on_share;
        (self.known, self.modified) = (known, modified);
        !same
    }
}

/// Turns an event into hints. What our own scans and moves cause is left out, so that a look does not lead to a look.
fn pass_on(event: &Event, places: &HashMap<PathBuf, usize>, tell: &impl Fn(Hint)) {
    if event.need_rescan() {
        for folder in places.values() {
            tell(Hint { folder: *folder, kind: HintKind::Changed });
        }
        return;
    }
    let renamed = match event.kind {
        EventKind::Create(_)
        | EventKind::Modify(ModifyKind::Any | ModifyKind::Name(RenameMode::Any))
        | EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => true,
        _ => return,
    };
    let Some((directory, name)) = event.paths.last().and_then(|path| path.parent().zip(path.file_name())) else {
        return;
    };
    let name = name.to_str().filter(|_| renamed);
    if let Some(folder) = places.get::<Path>(directory) {
        tell(Hint {
            folder: *folder,
            kind: name.map_or(HintKind::Changed, |name| HintKind::RenamedIn(name.to_owned())),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{self, Receiver},
        time::Instant,
    };

    use super::*;

    /// Reads hints until the wanted one, or until far too long.
    fn wait_for(hints: &Receiver<Hint>, wanted: &Hint) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while let Ok(hint) = hints.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if hint == *wanted {
                return true;
            }
        }
        false
    }

    /// Goal: files written and renamed in are hinted at, by folder, and again after a folder was made anew. Method: two
    /// real folders; one is removed, made again and refreshed.
    #[test]
    fn what_comes_is_hinted_at() {
        let home = tempfile::tempdir().expect("a folder");
        let paths = ["one", "two"].map(|name| home.path().join(name));
        let [one, two] = &paths;
        fs::create_dir(one).expect("made");
        let (sender, hints) = mpsc::channel();
        let mut watcher = Watcher::new(move |hint| drop(sender.send(hint)));
        for path in &paths {
            watcher.add(path.clone());
        }
        assert!(watcher.refresh().contains(&1), "the second does not exist yet");
        fs::create_dir(two).expect("made");
        watcher.refresh();
        fs::write(one.join("a.part"), "x").expect("written");
        assert!(wait_for(&hints, &Hint { folder: 0, kind: HintKind::Changed }));
        fs::rename(one.join("a.part"), two.join("a.csv")).expect("renamed");
        assert!(wait_for(&hints, &Hint { folder: 1, kind: HintKind::RenamedIn("a.csv".into()) }));
        fs::remove_dir_all(one).expect("removed");
        fs::create_dir(one).expect("made again");
        assert!(watcher.refresh().contains(&0), "it is another one");
        fs::write(one.join("b.csv"), "x").expect("written");
        assert!(wait_for(&hints, &Hint { folder: 0, kind: HintKind::Changed }), "the new folder is watched");
    }

    /// Goal: a calm directory is left alone, and one that changed is not, with no watcher at all. Method: directories whose
    /// times are set back, one of which gets a file; one that has just changed is not trusted.
    #[test]
    fn a_change_is_seen_without_a_hint() {
        let home = tempfile::tempdir().expect("a folder");
        let paths = ["calm", "changed", "recent"].map(|name| home.path().join(name));
        let long_ago = SystemTime::now() - 10 * TIMES_DIFFER;
        let settle = |path: &Path| fs::File::open(path).and_then(|dir| dir.set_modified(long_ago)).expect("set back");
        for path in &paths {
            fs::create_dir(path).expect("made");
        }
        paths.iter().take(2).for_each(|path| settle(path));
        let mut watcher = Watcher::new(|_| {});
        watcher.inner = None;
        for path in &paths {
            watcher.add(path.clone());
        }
        assert_eq!(watcher.refresh(), [2]);
        let [_, changed, _] = &paths;
        fs::write(changed.join("a.csv"), "x").expect("written");
        assert_eq!(watcher.refresh(), [1, 2]);
        settle(changed);
        assert_eq!(watcher.refresh(), [1, 2], "its time is another one");
        assert_eq!(watcher.refresh(), [2]);
    }

    /// Goal: an overflow of the operating system's queue is a hint for every folder, and looking causes no hints. Method: made-up
    /// events.
    #[test]
    fn only_what_matters_is_passed_on() {
        let places = HashMap::from([(PathBuf::from("/a"), 0), (PathBuf::from("/b"), 1)]);
        let (sender, hints) = mpsc::channel();
        let tell = |hint| drop(sender.send(hint));
        let looked = Event::new(EventKind::Access(AccessKind::Open(AccessMode::Any))).add_path("/a/x".into());
        let moved_out = Event::new(EventKind::Modify(ModifyKind::Name(RenameMode::From))).add_path("/a/x".into());
        let elsewhere = Event::new(EventKind::Create(notify::event::CreateKind::File)).add_path("/a/b/x".into());
        for event in [looked, moved_out, elsewhere] {
            pass_on(&event, &places, &tell);
        }
        assert!(hints.try_recv().is_err());
        pass_on(&Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan), &places, &tell);
        let mut folders: Vec<_> = hints.try_iter().map(|hint| hint.folder).collect();
        folders.sort_unstable();
        assert_eq!(folders, [0, 1]);
    }
}
