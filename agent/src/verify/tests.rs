use std::{fs, io::Write, path::Path};

use daybook_protocol::{
    batch::{Builder, FRAME_BYTES_MAX, Frame, HEADER_BYTES, MAGIC},
    checkpoint::{Checkpoint, Signer},
    date::Timestamp,
    entry::{Actor, Entry, Source},
    event::{ConfigAdopted, Event},
    ids::{Epoch, LogId, Sequence},
    tree::Frontier,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    scan::{Index, find_magic},
    *,
};

const LOG: LogId = LogId([7; 16]);

/// A frame of `entries` entries of about `bytes` bytes that continues `frontier`.
fn frame(log: LogId, frontier: &mut Frontier, entries: u32, bytes: usize) -> Frame {
    let mut builder = Builder::new(log, Epoch::FIRST, frontier);
    for _ in 0..entries {
        let entry = Entry {
            sequence: Sequence(frontier.count()),
            recorded_at: Timestamp(0),
            effective_on: None,
            actor: Actor::Agent,
            source: Source::Agent,
            governed_by: Sequence(0),
            findings: Vec::new(),
            event: Event::ConfigAdopted(ConfigAdopted { text: "x".repeat(bytes) }),
            sealed: None,
        };
        builder.push(&entry.encode().expect("a small entry"), frontier);
    }
    builder.finish(frontier)
}

/// `batches` frames of `entries` entries each, and the frontier behind them.
fn frames(batches: usize, entries: u32) -> (Vec<Frame>, Frontier) {
    let mut frontier = Frontier::default();
    let frames = (0..batches).map(|_| frame(LOG, &mut frontier, entries, 100)).collect();
    (frames, frontier)
}

fn index_of(bytes: &[u8], log: Option<LogId>) -> Index {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bytes");
    fs::write(&path, bytes).expect("a file");
    let mut index = Index::new(log);
    index.scan(&path, 0).expect("a scan");
    index
}

/// Goal: the search finds the first magic wherever it is, and no other. Method: compared with the plain search, in bytes
/// that are mostly letters of the magic.
#[test]
fn the_search_is_the_plain_search() {
    let mut random = StdRng::seed_from_u64(1);
    for length in 0..400 {
        let mut bytes: Vec<u8> = (0..length).map(|_| MAGIC[random.random_range(0..MAGIC.len())]).collect();
        if length >= MAGIC.len() && length % 3 == 0 {
            let at = random.random_range(0..=length - MAGIC.len());
            bytes[at..at + MAGIC.len()].copy_from_slice(&MAGIC);
        }
        assert_eq!(find_magic(&bytes), bytes.windows(MAGIC.len()).position(|window| window == MAGIC));
    }
}

/// Goal: every good frame is found among garbage, leftovers and frames cut short, whatever window it begins in. Method:
/// a file of several windows with frames at random places, some across the edges, and traps before each.
#[test]
fn frames_are_found_in_garbage() {
    let mut random = StdRng::seed_from_u64(2);
    let (good, frontier) = frames(60, 40);
    let mut bytes = vec![0_u8; 40 << 20];
    random.fill(&mut bytes[..]);
    let edges = [8_usize << 20, (8 << 20) + FRAME_BYTES_MAX, 16 << 20];
    let mut at = 0;
    for (number, frame) in good.iter().enumerate() {
        at += random.random_range(10_000..600_000);
        if let Some(edge) = edges.iter().find(|edge| (at..at + 600_000).contains(*edge)) {
            at = edge - random.random_range(1..frame.bytes().len());
        }
        // Traps right before it: a magic, a header without its body, a frame cut short by the real one.
        bytes[at - 900..at - 892].copy_from_slice(&MAGIC);
        bytes[at - 800..at - 800 + HEADER_BYTES].copy_from_slice(&good[number / 2].bytes()[..HEADER_BYTES]);
        bytes[at - 500..at].copy_from_slice(&good[number / 3].bytes()[..500]);
        bytes[at..at + frame.bytes().len()].copy_from_slice(frame.bytes());
        at += frame.bytes().len();
    }
    bytes.truncate(at);
    let index = index_of(&bytes, Some(LOG));
    let chain = index.back_from(frontier.count(), frontier.root());
    assert_eq!(chain.missing, []);
    assert_eq!(chain.batches.len(), good.len());
    let other = index_of(&bytes, Some(LogId([8; 16])));
    assert_eq!(other.furthest(), 0);
}

/// Goal: only the chain decides what belongs to the log. Method: a log with an abandoned branch that is longer, then
/// with batches taken away; the walk back ignores the branch and names what is missing, the walk forward takes the longest.
#[test]
fn the_chain_is_walked_back_and_forward() {
    let (good, frontier) = frames(10, 4);
    let mut branch_frontier = Frontier::default();
    for frame in &good[..8] {
        frame.check(LOG, &mut branch_frontier).expect("a good frame");
    }
    let branch_point = (branch_frontier.count(), branch_frontier.root());
    let branch: Vec<Frame> = (0..5).map(|_| frame(LOG, &mut branch_frontier, 3, 50)).collect();
    let all: Vec<u8> = branch.iter().chain(good.iter().rev()).flat_map(Frame::bytes).copied().collect();

    let index = index_of(&all, Some(LOG));
    let chain = index.back_from(frontier.count(), frontier.root());
    assert!(chain.missing.is_empty());
    for (found, frame) in chain.batches.iter().zip(&good) {
        assert_eq!(index.read(found).expect("a read").as_ref(), Ok(frame));
    }
    assert_eq!(index.forward_from(branch_point.0, branch_point.1).len(), branch.len());
    assert_eq!(index.forward_from(0, Frontier::default().root()).len(), 8 + branch.len());
    assert_eq!(index.forward_from(frontier.count(), frontier.root()), []);

    let some: Vec<u8> = [0, 1, 4, 5, 6, 9].iter().flat_map(|place| good[*place].bytes()).copied().collect();
    let chain = index_of(&some, Some(LOG)).back_from(frontier.count(), frontier.root());
    assert_eq!(chain.missing, [8..16, 28..36]);
    assert_eq!(chain.batches.len(), 6);
    let none = index_of(&[], Some(LOG)).back_from(frontier.count(), frontier.root());
    assert_eq!((none.missing.len(), none.missing.first()), (1, Some(&(0..40))));
}

fn export(directory: &Path, frames: &[Frame]) {
    let mut file = fs::File::create(directory.join("log.frames")).expect("a file");
    let mut frontier = Frontier::default();
    for frame in frames {
        file.write_all(frame.bytes()).expect("written");
        // Of batches out of order, so far as they are in order.
        let _ = frame.check(LOG, &mut frontier);
    }
    fs::write(directory.join("head.json"), head_text(LOG, frontier.count(), frontier.root())).expect("written");
}

/// Goal: an export is good only whole, in order and unchanged. Method: a good one, then one change at a time; each fault
/// names the first entry that it is about.
#[test]
fn an_export_is_checked_from_its_bytes() {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    assert!(verify_export(here, None, &mut |_, _| {}).is_err(), "nothing there");
    let (good, frontier) = frames(5, 4);
    export(here, &good);
    let mut told = Vec::new();
    let report = verify_export(here, None, &mut |done, total| told.push((done, total))).expect("a report");
    assert!(told.is_sorted() && told.last().is_some_and(|(done, total)| done == total), "{told:?}");
    assert_eq!((report.ok(), report.entries, report.root), (true, 20, frontier.root()));
    assert_eq!(report.anchored_through, None);

    let head = fs::read(here.join("head.json")).expect("a head");
    export(here, &good[..4]);
    fs::write(here.join("head.json"), head).expect("written");
    let report = verify_export(here, None, &mut |_, _| {}).expect("a report");
    assert_eq!((report.entries, report.faults[0].at), (16, Some(Sequence(16))), "cut between two batches");

    let swapped = [good[0].clone(), good[2].clone(), good[1].clone()];
    export(here, &swapped);
    let report = verify_export(here, None, &mut |_, _| {}).expect("a report");
    assert_eq!((report.entries, report.faults[0].at), (4, Some(Sequence(4))));

    let mut bytes: Vec<u8> = good.iter().flat_map(Frame::bytes).copied().collect();
    bytes.pop();
    fs::write(here.join("log.frames"), &bytes).expect("written");
    assert_eq!(verify_export(here, None, &mut |_, _| {}).expect("a report").faults[0].at, Some(Sequence(16)));
    bytes[good[0].bytes().len() + HEADER_BYTES + 9] ^= 1;
    fs::write(here.join("log.frames"), &bytes).expect("written");
    assert_eq!(verify_export(here, None, &mut |_, _| {}).expect("a report").faults[0].at, Some(Sequence(4)));
}

/// Goal: what the central node signed for must stand in the export as it was then, at any entry, also within a batch.
/// Method: checkpoints of the true log at each count, of a longer one, of another root, of another log, by another key.
#[test]
fn a_checkpoint_binds_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    let (good, frontier) = frames(3, 4);
    export(here, &good);
    let signer = Signer::new("central", &[1; 32]);
    let verifier = signer.verifier().to_string();
    fs::write(here.join("verifier"), &verifier).expect("written");
    let check = |checkpoint: &Checkpoint, signer: &Signer, given: Option<&str>| {
        fs::write(here.join("checkpoint"), checkpoint.sign(signer)).expect("written");
        verify_export(here, given, &mut |_, _| {}).expect("a report")
    };
    let mut partial = Frontier::default();
    let leaves = good.iter().flat_map(|frame| frame.raw_entries().flatten().map(|(_, entry)| tree::leaf(entry)));
    for leaf in std::iter::once(None).chain(leaves.map(Some)) {
        if let Some(leaf) = leaf {
            partial.push(leaf);
        }
        let checkpoint = Checkpoint { log: LOG, count: partial.count(), root: partial.root() };
        let report = check(&checkpoint, &signer, None);
        assert_eq!((report.ok(), report.anchored_through), (true, Some(partial.count())), "{:?}", report.faults);
    }
    let longer = Checkpoint { log: LOG, count: 13, root: frontier.root() };
    assert_eq!(check(&longer, &signer, None).faults[0].at, Some(Sequence(12)));
    let rewritten = Checkpoint { log: LOG, count: 9, root: frontier.root() };
    assert!(!check(&rewritten, &signer, None).ok());
    let true_one = Checkpoint { log: LOG, count: 12, root: frontier.root() };
    assert!(!check(&Checkpoint { log: LogId([9; 16]), ..true_one }, &signer, None).ok());
    let other = Signer::new("central", &[2; 32]);
    assert!(!check(&true_one, &other, None).ok());
    assert!(!check(&true_one, &signer, Some(&other.verifier().to_string())).ok(), "the given key goes first");
    assert!(check(&true_one, &signer, Some(&verifier)).ok());
}
