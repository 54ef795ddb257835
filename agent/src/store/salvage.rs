//! Salvage: a new store from the batches that the raw bytes of a damaged one still hold. The old store is kept as
//! evidence; nothing shorter than the head is built.

use std::{
    fs,
    path::{Path, PathBuf},
};

use daybook_protocol::{head::Head, ids::Epoch, tree::Frontier};

use super::{
    ONCE_CACHE_BYTES, UNSYNCED_BYTES_MAX, disk,
    engine::{self, Engine},
    error::{StoreError, io},
    head_file, open, probe,
};
use crate::{
    crash,
    home::Home,
    verify::scan::{Found, Index},
};

/// What salvage brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// How many entries the log has now.
    pub entries: u64,
    /// In how many batches.
    pub batches: u64,
    /// How many of the entries stand behind the head: durable, but never acknowledged. Without a head, all of them.
    pub beyond_head: u64,
    /// Whether there was no head to compare with. Then nobody knows whether the log once was longer.
    pub head_was_missing: bool,
    /// Where the old store is kept, where there was one.
    pub evidence: Option<PathBuf>,
}

/// Builds the log of a home anew from its store's raw bytes, from the stores kept in `evidence/`, and from `copies`
/// (directories of stores, or their files of batches). Fails, and touches nothing, if an entry up to the head is missing.
/// Can be run again after it was broken off. `progress` hears of bytes done and bytes in all.
pub fn salvage(home: &Home, copies: &[PathBuf], progress: &mut dyn FnMut(u64, u64)) -> Result<Salvaged, StoreError> {
    if !home.path().exists() {
        return Err(StoreError::NoLog { home: home.path().to_owned() });
    }
    let _lock = open::lock(home)?;
    open::finish_making(home)?;
    open::clear_leftovers(home)?;
    let head = head_file::read(&home.head())?;
    let mut index = Index::new(head.as_ref().map(|head| head.log));
    let sources = sources(home, copies)?;
    let scanned: u64 = sources.iter().filter_map(|path| fs::metadata(path).ok()).map(|meta| meta.len()).sum();
    let mut done = 0_u64;
    for path in sources {
        // How much will be built is not known before: as much as is read, at the most.
        let mut told = |at: u64| {
            progress((done + at).min(scanned), 2 * scanned);
            Ok(())
        };
        index.scan_telling(&path, 0, &mut told).map_err(io("reading the batches", &path))?;
        done += fs::metadata(&path).map_or(0, |meta| meta.len());
    }
    let run = choose(home, &index, head.as_ref())?;
    let building: u64 = run.iter().map(|found| u64::from(found.header.bytes)).sum();
    let head_was_missing = head.is_none();
    let log = head.as_ref().map(|head| head.log).or(run.first().map(|found| found.header.log));
    let nothing = || StoreError::NoLog { home: home.path().to_owned() };
    let log = log.ok_or_else(nothing)?;
    let begun = || Head { generation: 0, log, epoch: Epoch::FIRST, frontier: Frontier::default() };
    let old = head.unwrap_or_else(begun);
    let mut built = |bytes: u64| progress(scanned + bytes, scanned + building);
    let (new, batches) = build(home, &index, &run, &old, &mut built)?;
    let evidence = put_in_place(home, &new)?;
    let (entries, acknowledged) = (new.frontier.count(), old.frontier.count());
    Ok(Salvaged { entries, batches, beyond_head: entries - acknowledged, head_was_missing, evidence })
}

/// The files to look in: the store's own, those kept as evidence, and what was named.
fn sources(home: &Home, copies: &[PathBuf]) -> Result<Vec<PathBuf>, StoreError> {
    let mut places = vec![Engine::file(&home.log())];
    match fs::read_dir(home.evidence()) {
        Ok(entries) => {
            for entry in entries {
                places.push(Engine::file(&entry.map_err(io("listing", &home.evidence()))?.path()));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io("listing", &home.evidence())(error)),
    }
    places.retain(|place| place.exists());
    // What was named must be there.
    places.extend(copies.iter().map(|copy| if copy.is_dir() { Engine::file(copy) } else { copy.clone() }));
    Ok(places)
}

/// The batches of the log, in order: all up to the head, and what follows it; without a head, the longest run there is.
fn choose(home: &Home, index: &Index, head: Option<&Head>) -> Result<Vec<Found>, StoreError> {
    let Some(head) = head else {
        let empty = Frontier::default();
        return Ok(index.forward_from(empty.count(), empty.root()));
    };
    let (count, root) = (head.frontier.count(), head.frontier.root());
    let chain = index.back_from(count, root);
    if !chain.missing.is_empty() {
        return Err(StoreError::Incomplete { home: home.path().to_owned(), missing: chain.missing, only_here: false });
    }
    let mut run = chain.batches;
    run.extend(index.forward_from(count, root));
    Ok(run)
}

/// Builds a store of these batches aside and gives the head it will have, with the number of batches. `told` hears of bytes.
fn build(
    home: &Home,
    index: &Index,
    run: &[Found],
    old: &Head,
    told: &mut dyn FnMut(u64),
) -> Result<(Head, u64), StoreError> {
    let making = home.log_making();
    let payload: u64 = run.iter().map(|found| u64::from(found.header.bytes)).sum();
    // The engine's file is up to two and a half times its payload.
    disk::make_room(home, payload / 2 * 5 + (32 << 20))?;
    let failed = |source| StoreError::Engine { home: home.path().to_owned(), doing: "building a store", source };
    let mut engine = Engine::create(&making, ONCE_CACHE_BYTES).map_err(failed)?;
    let (mut frontier, mut epoch, mut batches) = (Frontier::default(), old.epoch, 0);
    let (mut unwritten, mut bytes) = (0, 0);
    for found in run {
        let acknowledged = found.header.end().0 <= old.frontier.count();
        let read = index.read(found).map_err(io("reading the batches", home.path()))?;
        let checked = read.and_then(|frame| frame.check(old.log, &mut frontier).map(|()| frame));
        let frame = match checked {
            Ok(frame) => frame,
            Err(_) if acknowledged => {
                drop(engine);
                disk::remove_tree(&making)?;
                let missing = std::iter::once(found.header.first.0..found.header.end().0).collect();
                return Err(StoreError::Incomplete { home: home.path().to_owned(), missing, only_here: false });
            }
            // Nobody was told of it, so the log may end before it.
            Err(_) => break,
        };
        if engine.is_full() {
            engine.renew().map_err(failed)?;
        }
        engine.insert(&frame).map_err(failed)?;
        unwritten += frame.bytes().len();
        if unwritten > UNSYNCED_BYTES_MAX {
            // The engine would hold everything in memory that its threads have not written yet.
            engine.flush().map_err(failed)?;
            unwritten = 0;
        }
        epoch = epoch.max(frame.header().epoch);
        batches += 1;
        bytes += frame.bytes().len() as u64;
        told(bytes);
    }
    engine.flush().map_err(failed)?;
    drop(engine);
    check_built(home, &making, &frontier)?;
    disk::sync_tree(&making)?;
    Ok((Head { generation: old.generation + 1, log: old.log, epoch, frontier }, batches))
}

/// Opens what was built once more, which also writes the engine's snapshot, and sees that it is all there.
fn check_built(home: &Home, making: &Path, frontier: &Frontier) -> Result<(), StoreError> {
    let blobs = engine::has_blobs(making).map_err(io("listing", making))?;
    if blobs {
        return Err(StoreError::Blobs { home: home.path().to_owned() });
    }
    let count = probe::probe(making)?;
    if count == frontier.count() {
        return Ok(());
    }
    Err(StoreError::TailLost { home: home.path().to_owned(), store: count, head: frontier.count() })
}

/// Gives the new store its place and the old one a place in `evidence/`. Broken off in between, salvage is run again: it
/// looks in `evidence/` too.
fn put_in_place(home: &Home, head: &Head) -> Result<Option<PathBuf>, StoreError> {
    crash::point("store.salvage.before");
    // Whatever was folded from the damaged store is not asked any more.
    disk::remove_file(&home.index())?;
    let mut evidence = None;
    if home.log().exists() {
        let place = open::new_evidence(home, "log")?;
        open::rename(&home.log(), &place)?;
        disk::sync_directory(&home.evidence())?;
        evidence = Some(place);
    }
    open::rename(&home.log_making(), &home.log())?;
    disk::sync_directory(home.path())?;
    // DURABLE: the new store. With the old head it opens too: what is behind the head is taken over.
    crash::point("store.salvage.after");
    head_file::make(&home.head_making(), head)?;
    open::rename(&home.head_making(), &home.head())?;
    disk::remove_file(&home.damaged())?;
    disk::remove_file(&home.unclean())?;
    disk::sync_directory(home.path())?;
    Ok(evidence)
}
