//! Opening, guarded. The engine overwrites what it takes for torn, loses tails without a word and breaks off on damage.
//! So nothing that is suspect is opened before the raw bytes have been compared with the head and a copy has been opened
//! in a process of its own; and what was opened is compared with the head once more.

use std::{
    fs::{self, File, TryLockError},
    panic,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use daybook_protocol::{
    head::Head,
    ids::{Epoch, LogId, Sequence},
    tree::Frontier,
};
use rand::RngExt as _;

use super::{
    CACHE_BYTES, Store, condemned, disk,
    engine::{self, Engine},
    error::{EngineError, StoreError, io},
    head_file::{self, HeadFile},
    mark, open_batches,
    probe::Probe,
    read::Shared,
};
use crate::{crash, durable, home::Home, verify::scan::Index};

/// Room that the engine needs to open, besides what is there, in bytes.
pub(super) const OPENING_BYTES: u64 = 16 << 20;

/// A child process has its parent's locks from its making until there is another program in it: whoever closed a home, or was
/// killed, just as a child was made leaves it taken for a moment.
const LETTING_GO_MAX: Duration = Duration::from_secs(1);
const LETTING_GO_PAUSE: Duration = Duration::from_millis(5);

/// See [`Store::create`].
pub(super) fn create(home: &Home, log: LogId, epoch: Epoch, reserve_bytes: u64) -> Result<Store, StoreError> {
    durable::make_open_directory(home.path()).map_err(io("making the data directory", home.path()))?;
    let lock = lock(home)?;
    if super::exists(home) {
        return Err(StoreError::Exists { home: home.path().to_owned() });
    }
    clear_leftovers(home)?;
    disk::hold_reserve(home, reserve_bytes)?;
    let making = home.log_making();
    let failed = |source| StoreError::Engine { home: home.path().to_owned(), doing: "making a store", source };
    let engine = Engine::create(&making, CACHE_BYTES).map_err(failed)?;
    engine.flush().map_err(failed)?;
    drop(engine);
    disk::sync_tree(&making)?;
    let head = Head { generation: 1, log, epoch, frontier: Frontier::default() };
    head_file::make(&home.head_making(), &head)?;
    // Three syncs, since a file system may keep one name and lose another: a log without a head, or a head without a log,
    // is refused.
    disk::sync_directory(home.path())?;
    crash::point("store.create.before");
    rename(&making, &home.log())?;
    disk::sync_directory(home.path())?;
    crash::point("store.create.between");
    rename(&home.head_making(), &home.head())?;
    disk::sync_directory(home.path())?;
    // DURABLE: an empty log and its head.
    crash::point("store.create.after");
    begin(home, lock, head, CACHE_BYTES, None)
}

/// See [`Store::open`].
pub(super) fn open(home: &Home, cache_bytes: u64, probe: Probe) -> Result<Store, StoreError> {
    if !super::exists(home) {
        return Err(StoreError::NoLog { home: home.path().to_owned() });
    }
    let lock = lock(home)?;
    if let Some(why) = condemned::condemned(home)? {
        return Err(StoreError::Damaged { home: home.path().to_owned(), why, source: None });
    }
    finish_making(home)?;
    let head = head_file::read(&home.head())?;
    let there = Engine::file(&home.log()).exists();
    let head = match head {
        Some(head) if there => head,
        Some(head) => {
            return Err(StoreError::LogMissing { home: home.path().to_owned(), entries: head.frontier.count() });
        }
        None => return Err(StoreError::HeadMissing { home: home.path().to_owned() }),
    };
    if head.frontier.count() == 0 {
        // Whoever made the home may have been killed before its name was durable; from the first entry on it is needed.
        durable::make_open_directory(home.path()).map_err(io("making the data directory", home.path()))?;
    }
    clear_leftovers(home)?;
    let closed = mark::is_closed(home, &head)?;
    if !closed {
        tracing::warn!("the store was not closed in order: it is compared with its head before it is opened");
        examine(home, &head, probe)?;
    }
    disk::make_room(home, OPENING_BYTES)?;
    begin(home, lock, head, cache_bytes, closed.then_some(probe))
}

/// Takes the home for this process.
pub(super) fn lock(home: &Home) -> Result<File, StoreError> {
    let path = home.lock();
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io("locking", &path))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LETTING_GO_MAX => thread::sleep(LETTING_GO_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { home: home.path().to_owned() }),
            Err(TryLockError::Error(error)) => return Err(io("locking", &path)(error)),
        }
    }
}

/// Finishes a making that was broken off between the two renames: the head was whole before the log had its place.
pub(super) fn finish_making(home: &Home) -> Result<(), StoreError> {
    let whole = || Ok::<_, StoreError>(head_file::read(&home.head_making())?.is_some());
    if home.log().exists() && !home.head().exists() && whole()? {
        rename(&home.head_making(), &home.head())?;
        disk::sync_directory(home.path())?;
    }
    Ok(())
}

/// Removes what an interrupted making or probe left behind.
pub(super) fn clear_leftovers(home: &Home) -> Result<(), StoreError> {
    disk::remove_tree(&home.log_making())?;
    clear_probes(home);
    disk::remove_file(&home.head_making())
}

/// Finds out whether a suspect store can be opened without losing anything that was acknowledged. Touches nothing unless
/// the engine's snapshot alone is in the way.
fn examine(home: &Home, head: &Head, probe: Probe) -> Result<(), StoreError> {
    let acknowledged = head.frontier.count();
    let damaged = |why| StoreError::Damaged { home: home.path().to_owned(), why, source: None };
    // The bytes are looked through while a copy of them is opened: each takes a core, and seconds where the log is large.
    let (looked, probed) = thread::scope(|scope| {
        let looking = scope.spawn(|| look_through(home, head));
        let probed = probe_copy(home, probe, true);
        (looking.join().unwrap_or_else(|cause| panic::resume_unwind(cause)), probed)
    });
    if let Err(wrong) = looked {
        if let Ok((_, copy)) = probed {
            remove_copy(home, &copy)?;
        }
        return Err(wrong);
    }
    let (mut outcome, copy) = probed?;
    let complete = |outcome: &Result<u64, String>| matches!(outcome, Ok(count) if *count >= acknowledged);
    if complete(&outcome) {
        return discard(home, copy);
    }
    remove_copy(home, &copy)?;
    if !snapshots(home)?.is_empty() {
        let (without, copy) = probe_copy(home, probe, false)?;
        remove_copy(home, &copy)?;
        if complete(&without) {
            set_snapshots_aside(home)?;
            outcome = without;
        }
    }
    match outcome {
        Ok(count) if count >= acknowledged => Ok(()),
        Ok(store) => Err(StoreError::TailLost { home: home.path().to_owned(), store, head: acknowledged }),
        Err(why) => Err(damaged(why)),
    }
}

/// Finds out whether the store's file has every batch that was acknowledged, whatever the engine makes of it.
fn look_through(home: &Home, head: &Head) -> Result<(), StoreError> {
    let acknowledged = head.frontier.count();
    let path = Engine::file(&home.log());
    let mut index = Index::new(Some(head.log));
    index.scan(&path, 0).map_err(io("reading the batches", &path))?;
    let chain = index.back_from(acknowledged, head.frontier.root());
    if index.furthest() < acknowledged {
        return Err(StoreError::Behind { home: home.path().to_owned(), log: index.furthest(), head: acknowledged });
    }
    match chain.missing.first() {
        None => Ok(()),
        Some(missing) => {
            let why = format!("entries {} to {} are not in its file", missing.start, missing.end - 1);
            Err(StoreError::Damaged { home: home.path().to_owned(), why, source: None })
        }
    }
}

/// Asks how many entries a copy of the store opens with, and says where the copy is.
fn probe_copy(home: &Home, probe: Probe, with_snapshots: bool) -> Result<(Result<u64, String>, PathBuf), StoreError> {
    // The copy has a name that no other start uses: the child of one that was killed may still be at work on its own.
    let copy = home.log_probe().join(format!("{:016x}", rand::rng().random::<u64>()));
    fs::create_dir_all(home.log_probe()).map_err(io("making a directory", &home.log_probe()))?;
    disk::make_room(home, disk::tree_bytes(&home.log())? + OPENING_BYTES)?;
    let outcome = disk::copy_tree(&home.log(), &copy).and_then(|()| {
        if !with_snapshots {
            for snapshot in engine::snapshots(&copy).map_err(io("listing", &copy))? {
                disk::remove_file(&snapshot)?;
            }
        }
        probe(&copy).map_err(io("starting a process to open a copy of the store", &copy))
    });
    match outcome {
        Ok(outcome) => Ok((outcome, copy)),
        Err(error) => remove_copy(home, &copy).and(Err(error)),
    }
}

fn remove_copy(home: &Home, copy: &Path) -> Result<(), StoreError> {
    let removed = disk::remove_tree(copy);
    clear_probes(home);
    removed
}

/// Removes a copy that was found good, while whoever asked goes on; first where its room is needed for that. One that is still
/// there when this program ends is removed by the next start.
fn discard(home: &Home, copy: PathBuf) -> Result<(), StoreError> {
    if disk::free_bytes(home.path())? < disk::RECORD_BYTES_MIN {
        return remove_copy(home, &copy);
    }
    thread::spawn(move || {
        if let Err(error) = disk::remove_tree(&copy) {
            tracing::debug!(error = &error as &dyn std::error::Error, "a copy of the store is left for the next start");
        }
        // Only where it is empty: a later opening may have a copy of its own there.
        drop(copy.parent().map(fs::remove_dir));
    });
    Ok(())
}

/// Removes the copies that probes left behind. One that a child of an earlier start still writes to goes another time.
fn clear_probes(home: &Home) {
    if let Err(error) = disk::remove_tree(&home.log_probe()) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a copy of the store is left for the next start to remove"
        );
    }
}

fn snapshots(home: &Home) -> Result<Vec<PathBuf>, StoreError> {
    engine::snapshots(&home.log()).map_err(io("listing", &home.log()))
}

fn set_snapshots_aside(home: &Home) -> Result<(), StoreError> {
    let aside = new_evidence(home, "snapshot")?;
    fs::create_dir(&aside).map_err(io("making a directory", &aside))?;
    for snapshot in snapshots(home)? {
        let name = snapshot.file_name().unwrap_or_default();
        rename(&snapshot, &aside.join(name))?;
    }
    tracing::warn!(aside = %aside.display(), "the engine's snapshot was damaged and has been set aside");
    disk::sync_directory(&home.log())
}

/// A place in `evidence/` that nothing has yet: `WORD-1`, `WORD-2` and so on.
pub(super) fn new_evidence(home: &Home, word: &str) -> Result<PathBuf, StoreError> {
    let evidence = home.evidence();
    fs::create_dir_all(&evidence).map_err(io("making a directory", &evidence))?;
    let mut number = 1_u32;
    loop {
        let place = evidence.join(format!("{word}-{number}"));
        if !place.exists() {
            return Ok(place);
        }
        number += 1;
    }
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(io("renaming", from))
}

/// Opens what has been found good, and moves the head up to what is durable behind it. What was closed in order is taken for good;
/// where that turns out wrong, as with a damaged snapshot, of which the mark says nothing, it is examined with `unexamined` after
/// all and tried once more.
fn begin(
    home: &Home,
    lock: File,
    head: Head,
    cache_bytes: u64,
    unexamined: Option<Probe>,
) -> Result<Store, StoreError> {
    mark::open(home)?;
    let spoilt = head_file::is_spoilt(&home.head())?;
    let (engine, frontier, epoch) = match (start(home, &head, cache_bytes), unexamined) {
        (Err(error @ (StoreError::Damaged { .. } | StoreError::TailLost { .. })), Some(probe)) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the store was closed in order but does not open as it was: it is looked into");
            examine(home, &head, probe)?;
            start(home, &head, cache_bytes)?
        }
        (started, _) => started?,
    };
    let count = head.frontier.count();
    let mut store = Store {
        home: home.clone(),
        shared: Arc::new(Shared::new(home.path().to_owned(), head.log, engine, count)),
        batches: open_batches(home)?,
        head_file: HeadFile::open(home.head())?,
        head,
        end: (frontier.count(), frontier.root()),
        unsynced_bytes: 0,
        ahead: disk::Ahead::default(),
        stopped: false,
        _lock: lock,
    };
    if frontier.count() > count {
        tracing::info!(entries = frontier.count() - count, "entries behind the head are good and are taken over");
        store.barrier(&frontier, epoch)?;
    } else if spoilt {
        tracing::warn!("a slot of the head was damaged; it is written anew");
        store.write_head(frontier, epoch)?;
    }
    Ok(store)
}

/// Opens the engine, and finds out how far the log in it goes.
fn start(home: &Home, head: &Head, cache_bytes: u64) -> Result<(Engine, Frontier, Epoch), StoreError> {
    engine::clear_leftovers(&home.log()).map_err(io("removing a leftover", &home.log()))?;
    let unopened = |error| {
        let why = "it does not open".to_owned();
        StoreError::Damaged { home: home.path().to_owned(), why, source: Some(error) }
    };
    let engine = Engine::open(&home.log(), cache_bytes).map_err(unopened)?;
    let (frontier, epoch) = catch_up(home, &engine, head)?;
    Ok((engine, frontier, epoch))
}

/// Compares what the engine opened with the head, and takes what validly follows the head: it was durable, only the head
/// was not written any more.
fn catch_up(home: &Home, engine: &Engine, head: &Head) -> Result<(Frontier, Epoch), StoreError> {
    let (count, root) = (head.frontier.count(), head.frontier.root());
    let damaged = |why: &str, source: Option<EngineError>| {
        let why = why.to_owned();
        StoreError::Damaged { home: home.path().to_owned(), why, source }
    };
    let unread = |error| damaged("its end cannot be read", Some(error));
    let short = |store| StoreError::TailLost { home: home.path().to_owned(), store, head: count };
    if count > 0 {
        let last = engine.batch_before(Sequence(count)).map_err(unread)?.ok_or_else(|| short(0))?;
        let (end, end_root) = (last.header().end().0, last.header().root);
        if end < count {
            return Err(short(end));
        }
        if (end, end_root) != (count, root) || last.header().log != head.log {
            return Err(damaged("it does not hold the batch that the head speaks of", None));
        }
    }
    let (mut frontier, mut epoch) = (head.frontier.clone(), head.epoch);
    while let Some(frame) = engine.batch(Sequence(frontier.count())).map_err(unread)? {
        let wrong =
            |error| damaged("what stands behind the head does not continue it", Some(EngineError::Batch(error)));
        frame.check(head.log, &mut frontier).map_err(wrong)?;
        epoch = frame.header().epoch;
    }
    let end = engine.last_batch().map_err(unread)?.map_or(0, |last| last.header().end().0);
    if end != frontier.count() {
        return Err(damaged("it holds batches that do not belong to the log", None));
    }
    Ok((frontier, epoch))
}
