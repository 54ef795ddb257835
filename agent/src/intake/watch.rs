//! A hint that a folder is worth a look before its next scan is due. May be late, doubled, lost or wrong: nothing may
//! depend on it.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    time::SystemTime,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};

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

/// Watches some directories for as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    /// `None` where the operating system gives no more watchers.
    inner: Option<RecommendedWatcher>,
    watched: Vec<Watched>,
}

/// What tells a directory from one that was made anew under its name: device, number, and the time of its making, since
/// file systems give numbers out again at once.
type Known = (u64, u64, Option<SystemTime>);

/// A directory, and which one it was when the watch was set.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    known: Option<Known>,
}

impl Watcher {
    /// Watches the `in/` of each folder, as far as the operating system lets it. Never fails: the periodic scan does without.
    pub fn new(paths: Vec<PathBuf>) -> (Self, Receiver<Hint>) {
        let (sender, hints) = mpsc::sync_channel(HINTS_MAX);
        let shared: Arc<[PathBuf]> = paths.as_slice().into();
        let inner = notify::recommended_watcher(move |event| {
            if let Ok(event) = event {
                pass_on(&event, &shared, &sender);
            }
        });
        if let Err(error) = &inner {
            tracing::warn!(%error, "folders are not watched; files are found by the periodic scan");
        }
        let watched = paths.into_iter().map(|path| Watched { path, known: None }).collect();
        let mut all = Self { inner: inner.ok(), watched };
        all.refresh();
        (all, hints)
    }

    /// Sets the watches that are missing, and again where a directory was made anew: a watch is on a directory, not on its
    /// name. To be called with each periodic scan. Gives the folders that are not watched.
    pub fn refresh(&mut self) -> Vec<usize> {
        let Some(inner) = &mut self.inner else { return (0..self.watched.len()).collect() };
        for watched in &mut self.watched {
            // Looked at before the watch is set: if it is replaced between, the next refresh sees another directory.
            let found = fs::metadata(&watched.path).ok();
            let known = found.map(|found| (found.dev(), found.ino(), found.created().ok()));
            if known.is_some() && watched.known == known {
                continue;
            }
            // The old one may be gone by itself, or never have been.
            let _ = inner.unwatch(&watched.path);
            let set = known.is_some() && inner.watch(&watched.path, RecursiveMode::NonRecursive).is_ok();
            watched.known = known.filter(|_| set);
        }
        let unwatched = |(place, watched): (usize, &Watched)| watched.known.is_none().then_some(place);
        self.watched.iter().enumerate().filter_map(unwatched).collect()
    }
}

/// Turns an event into hints. What our own scans and moves cause is left out, so that a look does not lead to a look.
fn pass_on(event: &Event, paths: &[PathBuf], hints: &SyncSender<Hint>) {
    // A full queue or nobody listening: the periodic scan finds it.
    let send = |folder, kind| drop(hints.try_send(Hint { folder, kind }));
    if event.need_rescan() {
        (0..paths.len()).for_each(|folder| send(folder, HintKind::Changed));
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
    for (folder, _) in paths.iter().enumerate().filter(|(_, path)| path.as_path() == directory) {
        send(folder, name.map_or(HintKind::Changed, |name| HintKind::RenamedIn(name.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

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
        let (mut watcher, hints) = Watcher::new(paths.to_vec());
        assert_eq!(watcher.refresh(), [1], "the second does not exist yet");
        fs::create_dir(two).expect("made");
        assert_eq!(watcher.refresh(), Vec::<usize>::new());
        fs::write(one.join("a.part"), "x").expect("written");
        assert!(wait_for(&hints, &Hint { folder: 0, kind: HintKind::Changed }));
        fs::rename(one.join("a.part"), two.join("a.csv")).expect("renamed");
        assert!(wait_for(&hints, &Hint { folder: 1, kind: HintKind::RenamedIn("a.csv".into()) }));
        fs::remove_dir_all(one).expect("removed");
        fs::create_dir(one).expect("made again");
        assert_eq!(watcher.refresh(), Vec::<usize>::new());
        fs::write(one.join("b.csv"), "x").expect("written");
        assert!(wait_for(&hints, &Hint { folder: 0, kind: HintKind::Changed }), "the new folder is watched");
    }

    /// Goal: a flood fills no memory, an overflow of the operating system's queue is a hint for every folder, and looking
    /// causes no hints. Method: made-up events.
    #[test]
    fn only_what_matters_is_passed_on() {
        let paths = [PathBuf::from("/a"), PathBuf::from("/b")];
        let (sender, hints) = mpsc::sync_channel(2);
        let looked = Event::new(EventKind::Access(AccessKind::Open(AccessMode::Any))).add_path("/a/x".into());
        let moved_out = Event::new(EventKind::Modify(ModifyKind::Name(RenameMode::From))).add_path("/a/x".into());
        let elsewhere = Event::new(EventKind::Create(notify::event::CreateKind::File)).add_path("/a/b/x".into());
        for event in [looked, moved_out, elsewhere] {
            pass_on(&event, &paths, &sender);
        }
        assert!(hints.try_recv().is_err());
        for _ in 0..10 {
            pass_on(&Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan), &paths, &sender);
        }
        assert_eq!(hints.try_iter().map(|hint| hint.folder).collect::<Vec<_>>(), [0, 1]);
    }
}
