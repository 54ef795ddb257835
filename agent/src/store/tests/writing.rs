use std::{thread, time::Duration};

use super::*;
use crate::verify::verify;

/// Goal: what passed the barrier is read back byte for byte, in this opening and the next, and what did not is not seen.
/// Method: batches with and without a barrier, a reader beside them, close, open.
#[test]
fn what_passed_the_barrier_is_read_back() {
    let (mut book, mut store) = Book::new();
    let reader = store.reader();
    book.write(&mut store, 3);
    book.append(&mut store, 2);
    assert_eq!((reader.count(), store.head().frontier.count()), (24, 24));
    assert_eq!(reader.frames(Sequence(0)).count(), 3);
    assert_eq!(reader.frames(Sequence(24)).count(), 0);
    store.barrier(&book.frontier, Epoch::FIRST).expect("a barrier");
    let from: Vec<_> = reader.frames(Sequence(13)).map(|frame| frame.expect("readable")).collect();
    assert!(from == book.frames[1..], "the first frame is the one that holds the place");
    assert_eq!(reader.entry(Sequence(39)).expect("readable").expect("there").sequence, Sequence(39));
    assert!(reader.entry(Sequence(40)).expect("readable").is_none());
    assert!(book.home().unclean().exists());
    store.close().expect("closed");
    assert!(!book.home().unclean().exists());
    assert!(matches!(reader.frames(Sequence(0)).next(), Some(Err(StoreError::Stopped { .. }))));
    assert!(!reader.is_open());
    let mut store = book.check();
    book.write(&mut store, 1);
    store.reopen().expect("opened once more");
    assert_eq!(store.reader().frames(Sequence(0)).count(), 6);
    book.write(&mut store, 40);
    store.close().expect("closed");
    drop(book.check());
}

/// Goal: a batch or a frontier that is not at the log's end is refused and spoils nothing. Method: a batch twice, a batch
/// of another log, a frontier ahead and one behind.
#[test]
fn only_the_next_batch_is_taken() {
    let (mut book, mut store) = Book::new();
    book.write(&mut store, 2);
    let twice = store.append(&book.frames[1]);
    assert!(matches!(twice, Err(StoreError::OutOfStep { expected: Sequence(16), found: Sequence(8) })));
    let mut ahead = book.frontier.clone();
    let mut builder = Builder::new(LogId([8; 16]), Epoch::FIRST, &ahead);
    builder.push(b"", &mut ahead);
    let other = builder.finish(&ahead);
    assert!(matches!(store.append(&other), Err(StoreError::OutOfStep { .. })));
    assert!(matches!(store.barrier(&ahead, Epoch::FIRST), Err(StoreError::OutOfStep { .. })));
    assert!(matches!(store.barrier(&Frontier::default(), Epoch::FIRST), Err(StoreError::OutOfStep { .. })));
    book.write(&mut store, 1);
}

/// Goal: after a barrier that failed nothing more is taken, who waits is woken, and the next opening finds what is
/// durable. Method: a file where the engine puts values that it never syncs.
#[test]
fn a_failed_barrier_is_final() {
    let (mut book, mut store) = Book::new();
    book.write(&mut store, 1);
    let reader = store.reader();
    let waiting = thread::spawn(move || (reader.wait_beyond(8, Duration::MAX), reader.is_open()));
    let blob = book.home().log().join("blobs/77");
    fs::write(&blob, "x").expect("written");
    book.append(&mut store, 1);
    assert!(matches!(store.barrier(&book.frontier, Epoch::FIRST), Err(StoreError::Blobs { .. })));
    assert_eq!(waiting.join().expect("woken"), (8, false));
    fs::remove_file(&blob).expect("removed");
    assert!(matches!(store.barrier(&book.frontier, Epoch::FIRST), Err(StoreError::Stopped { .. })));
    assert!(matches!(store.append(&book.frames[1]), Err(StoreError::Stopped { .. })));
    assert!(matches!(store.reopen(), Err(StoreError::Stopped { .. })));
    assert!(matches!(store.close(), Err(StoreError::Stopped { .. })));
    drop(book.check());
}

/// Goal: who waits for entries sees them when they are durable, and stops waiting when none will come. Method: a thread
/// that waits for each next count until the store is closed.
#[test]
fn followers_are_woken() {
    let (mut book, mut store) = Book::new();
    let reader = store.reader();
    let follower = thread::spawn(move || {
        let mut seen = 0;
        while reader.is_open() {
            let count = reader.wait_beyond(seen, Duration::from_mins(1));
            assert!(
                count == seen
                    || reader.entry(Sequence(count - 1)).is_ok_and(|entry| entry.is_some())
                    || !reader.is_open()
            );
            seen = count;
        }
        seen
    });
    book.write(&mut store, 10);
    store.close().expect("closed");
    assert_eq!(follower.join().expect("ended"), 80);
}

/// Goal: the engine, opened anew again and again lest its memory grow with the log, loses nothing, and readers do not
/// notice. Method: more than goes through it between two times, appended with few barriers, with a reader beside it.
#[test]
fn the_engine_is_opened_anew_unnoticed() {
    let mut book = Book::closed(1);
    let mut store = book.open().expect("opened with a small cache");
    let reader = store.reader();
    let before = engine::snapshots(&book.home().log()).expect("listed");
    let follower = thread::spawn(move || {
        let mut next = Sequence(0);
        while reader.wait_beyond(next.0, Duration::from_mins(1)) > next.0 {
            for frame in reader.frames(next) {
                match frame {
                    Ok(frame) => next = frame.header().end(),
                    // It was closed while this one was at it.
                    Err(StoreError::Stopped { .. }) => return next.0,
                    Err(error) => assert_eq!(error.to_string(), ""),
                }
            }
        }
        next.0
    });
    for _ in 0..6 {
        book.append_large(&mut store, 80, 11_000);
        store.barrier(&book.frontier, Epoch::FIRST).expect("a barrier");
    }
    assert_ne!(engine::snapshots(&book.home().log()).expect("listed"), before, "it was opened anew");
    store.close().expect("closed");
    assert!(follower.join().expect("ended") > 0);
    drop(book.check());
}

/// Goal: the engine writes a batch once and not again with its neighbours, so that the log is not larger than what it holds, and
/// no bound that sees to that is ever read as a batch. Method: small and large batches, with stops between; every copy of
/// one in the engine's file is counted.
#[test]
fn a_batch_is_written_once() {
    let (mut book, mut store) = Book::new();
    for bytes in [20, 4_000, 200, 2_000] {
        book.append_large(&mut store, 100, bytes);
        store.barrier(&book.frontier, Epoch::FIRST).expect("a barrier");
        store.close().expect("closed");
        store = book.check();
    }
    store.close().expect("closed");
    let path = Engine::file(&book.home().log());
    let written = batches_in(&fs::read(path).expect("the batches")).len();
    assert!(written <= 410, "400 batches were written {written} times");
}

/// Goal: the check works while the log grows, and never calls damaged what is only being moved. Method: a thread that
/// checks, again and again, beside the writer.
#[test]
fn the_log_is_checked_beside_its_writer() {
    let (mut book, mut store) = Book::new();
    book.write(&mut store, 1);
    let (reader, places) = (store.reader(), places(&book.home()));
    let checks = thread::spawn(move || {
        let mut checks = 0_u32;
        while reader.is_open() {
            let before = reader.count();
            let report = verify(&places, None, &mut |_, _| {}).expect("checked");
            assert_eq!(report.faults, []);
            assert!(report.entries >= before);
            checks += 1;
        }
        checks
    });
    book.write(&mut store, 300);
    store.close().expect("closed");
    assert!(checks.join().expect("ended") > 0);
    let report = verify(&super::places(&book.home()), None, &mut |_, _| {}).expect("checked");
    assert_eq!((report.ok(), report.entries, report.root), (true, book.frontier.count(), book.frontier.root()));
}

/// Goal: the reserve really takes the room it stands for, is taken once, and is given up whole. Method: its blocks on the
/// disk; twice; released twice.
#[test]
fn the_reserve_is_held_and_given_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path().join("home"));
    let bytes = 3 << 20;
    let store = Store::create(&home, LOG, Epoch::FIRST, bytes).expect("a new log");
    hold_reserve(&home, bytes).expect("held already");
    let meta = fs::metadata(home.reserve()).expect("a reserve");
    assert_eq!(meta.len(), bytes);
    #[cfg(unix)]
    assert!(std::os::unix::fs::MetadataExt::blocks(&meta) * 512 >= bytes);
    assert!(free_bytes(home.path()).expect("asked") > 0);
    assert_eq!(release_reserve(&home).expect("given up"), bytes);
    assert_eq!(release_reserve(&home).expect("nothing left"), 0);
    assert!(matches!(disk::make_room(&home, u64::MAX), Err(StoreError::NoSpace { needed: u64::MAX, .. })));
    store.close().expect("closed");
}

/// Goal: while a log is written there are places on the disk for what comes next, and none are kept when it is at rest. Method:
/// the blocks of its file beside its length, before and after a stop; the log is read back.
#[test]
#[cfg(target_os = "linux")]
fn places_are_taken_ahead_and_given_back() {
    use std::os::unix::fs::MetadataExt as _;
    let (mut book, mut store) = Book::new();
    book.write(&mut store, 3);
    let taken = || {
        let about = fs::metadata(Engine::file(&book.home().log())).expect("a file");
        (about.blocks() * 512).saturating_sub(about.len())
    };
    let most = taken();
    store.close().expect("closed");
    let rest = taken();
    // A file system that cannot take places has none to give back.
    assert!(most == 0 || (most > 8 << 20 && rest < 1 << 20), "{most} while open, {rest} at rest");
    drop(book.check());
}

/// Goal: nobody takes what was appended without a barrier for undone. Method: a store that is closed in order, as where the disk has no
/// room for the next batch, and opened again.
#[test]
fn what_was_appended_is_found_though_nothing_was_acknowledged() {
    let (mut book, mut store) = Book::new();
    book.append(&mut store, 2);
    assert_eq!(store.head().frontier.count(), 0);
    store.close().expect("closed");
    let store = Store::open(&book.home(), CACHE).expect("opened");
    assert_eq!(store.head().frontier.count(), 16);
    store.close().expect("closed");
}
