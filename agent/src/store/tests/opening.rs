use std::{
    thread,
    time::{Duration, Instant},
};

use daybook_protocol::head::SLOT_BYTES;

use super::*;

/// Goal: one home, one writer, one log. Method: each second attempt, beside an open store and after it.
#[test]
fn a_second_opening_is_refused() {
    let (book, store) = Book::new();
    let home = book.home();
    assert!(matches!(book.open(), Err(StoreError::Busy { .. })));
    assert!(matches!(Store::create(&home, LOG, Epoch::FIRST, 0), Err(StoreError::Busy { .. })));
    assert!(matches!(salvage(&home, &[], &mut |_, _| {}), Err(StoreError::Busy { .. })));
    store.close().expect("closed");
    assert!(matches!(Store::create(&home, LOG, Epoch::FIRST, 0), Err(StoreError::Exists { .. })));
    let nowhere = Home::new(book.directory.path().join("nowhere"));
    assert!(matches!(Store::open(&nowhere, CACHE), Err(StoreError::NoLog { .. })));
    assert!(!nowhere.path().exists());
}

/// Goal: where log or head is missing, nothing is opened and the error names the command that mends it. Method: each file
/// taken away; and a head alone also keeps a new log from being made.
#[test]
fn a_missing_part_stops() {
    let book = Book::closed(3);
    let home = book.home();
    fs::rename(home.head(), home.path().join("kept")).expect("moved");
    let error = book.open().err().expect("no head");
    assert!(
        matches!(error, StoreError::HeadMissing { .. }) && error.to_string().contains("daybook recover"),
        "{error}"
    );
    // A directory that has a log, or an identity, is refused by recover: it is not named for that.
    assert!(error.to_string().contains("into another directory"), "{error}");
    fs::write(home.head(), [0; 2 * SLOT_BYTES]).expect("written");
    assert!(matches!(book.open(), Err(StoreError::HeadMissing { .. })));
    fs::rename(home.path().join("kept"), home.head()).expect("moved");
    fs::rename(home.log(), home.path().join("kept")).expect("moved");
    let error = book.open().err().expect("no log");
    assert!(matches!(error, StoreError::LogMissing { entries: 24, .. }), "{error}");
    assert!(error.to_string().contains("daybook salvage"), "{error}");
    assert!(matches!(Store::create(&home, LOG, Epoch::FIRST, 0), Err(StoreError::Exists { .. })));
    fs::rename(home.path().join("kept"), home.log()).expect("moved");
    drop(book.check());
}

/// Goal: a making that is broken off at any point is finished or begun again. Method: the files as they stand at each
/// point.
#[test]
fn a_making_that_broke_off_is_finished() {
    let (book, store) = Book::new();
    let home = book.home();
    store.close().expect("closed");
    fs::rename(home.head(), home.head_making()).expect("moved");
    book.open().expect("finished").close().expect("closed");
    assert!(home.head().exists());
    fs::rename(home.head(), home.head_making()).expect("moved");
    fs::rename(home.log(), home.log_making()).expect("moved");
    assert!(!exists(&home));
    Store::create(&home, LOG, Epoch::FIRST, 0).expect("begun again").close().expect("closed");
}

/// Goal: a head that lags behind the log is moved up, whether it is an old copy or one of its slots was torn. Method: an
/// old head put back; the newer slot overwritten in either half.
#[test]
fn a_lagging_head_is_moved_up() {
    let (mut book, mut store) = Book::new();
    book.write(&mut store, 2);
    let old = fs::read(book.home().head()).expect("a head");
    book.write(&mut store, 3);
    store.close().expect("closed");
    fs::write(book.home().head(), &old).expect("put back");
    book.check().close().expect("closed");

    for half in 0..2 {
        let mut store = book.check();
        // One more barrier changes which of the slots is the newer one.
        book.write(&mut store, 1);
        let head = store.head().clone();
        store.close().expect("closed");
        let mut bytes = fs::read(book.home().head()).expect("a head");
        let at = usize::try_from(head.offset()).expect("small") + half * SLOT_BYTES / 2;
        bytes[at..at + SLOT_BYTES / 2].fill(0xAA);
        fs::write(book.home().head(), bytes).expect("written");
        let store = book.check();
        assert_eq!(store.head().generation, head.generation);
        store.close().expect("closed");
    }
}

/// Goal: a log that ends before its head stops, and nothing is touched. Method: an old log under a newer head, after a
/// clean stop and after another.
#[test]
fn a_log_behind_its_head_stops() {
    let (mut book, mut store) = Book::new();
    book.write(&mut store, 2);
    store.close().expect("closed");
    let old = book.copy();
    let mut store = book.check();
    book.write(&mut store, 2);
    store.close().expect("closed");
    fs::copy(book.home().head(), old.home().head()).expect("copied");
    for marked in [false, true] {
        if marked {
            mark(&old.home());
        }
        let before = old.bytes();
        let error = old.open().err().expect("behind");
        assert!(matches!(error, StoreError::Behind { log: 16, head: 32, .. }), "{error}");
        assert!(error.to_string().contains("daybook recover"), "{error}");
        assert!(old.bytes() == before, "something was touched");
    }
}

/// Goal: a store that was not closed opens again with everything, also what was appended behind the last barrier and
/// reached the disk. Method: dropped without closing, twice.
#[test]
fn an_unclean_stop_loses_nothing() {
    let (mut book, mut store) = Book::new();
    book.write(&mut store, 5);
    book.append(&mut store, 3);
    drop(store);
    assert!(book.home().unclean().exists());
    let mut store = book.check();
    book.write(&mut store, 20);
    drop(store);
    book.check().close().expect("closed");
    // The copy that was opened first goes while its store is in use.
    let begun = Instant::now();
    while book.home().log_probe().exists() {
        assert!(begun.elapsed() < Duration::from_secs(10), "a copy is left");
        thread::yield_now();
    }
}

/// Goal: nothing is opened that would come up short, and the error names salvage. Method: probes that answer as the
/// engine does when it lost a tail, when it broke off, and when it cannot be asked.
#[test]
fn a_store_that_would_come_up_short_is_not_opened() {
    let book = Book::closed(4);
    mark(&book.home());
    let before = book.bytes();
    let open = |probe| open::open(&book.home(), CACHE, probe).err().expect("not opened");
    let short = open(|_| Ok(Ok(24)));
    assert!(matches!(short, StoreError::TailLost { store: 24, head: 32, .. }), "{short}");
    assert!(short.to_string().contains("daybook salvage"), "{short}");
    assert!(matches!(open(|_| Ok(Err("it broke off".to_owned()))), StoreError::Damaged { .. }));
    assert!(matches!(open(|_| Err(std::io::ErrorKind::NotFound.into())), StoreError::Io { .. }));
    assert!(book.bytes() == before, "something was touched");
    drop(book.check());
}

/// Goal: a damaged snapshot does not keep a good log from opening, and is kept. Method: every snapshot overwritten, one
/// half written left behind.
#[test]
fn a_damaged_snapshot_is_set_aside() {
    let book = Book::closed(4);
    let home = book.home();
    mark(&home);
    let snapshots = engine::snapshots(&home.log()).expect("listed");
    assert!(!snapshots.is_empty());
    for snapshot in &snapshots {
        fs::write(snapshot, [9; 100]).expect("written");
    }
    fs::write(home.log().join("snap.FFFFFFFFFFFFFFF0.generating"), [9; 10]).expect("written");
    drop(book.check());
    let kept = fs::read_dir(home.evidence().join("snapshot-1")).expect("set aside");
    assert!(kept.count() >= snapshots.len());
}

/// Goal: the same after a clean stop, of which the mark says nothing of snapshots. Method: every snapshot overwritten, a bit of each
/// flipped, at several places.
#[test]
fn a_damaged_snapshot_is_set_aside_after_a_clean_stop() {
    let book = Book::closed(4);
    for part in 0..6 {
        let copy = book.copy();
        let home = copy.home();
        for snapshot in engine::snapshots(&home.log()).expect("listed") {
            let mut bytes = fs::read(&snapshot).expect("a snapshot");
            let place = part * (bytes.len() - 1) / 4;
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1;
            } else {
                bytes.fill(9);
            }
            fs::write(snapshot, bytes).expect("written");
        }
        copy.check().close().expect("closed");
        assert!(home.evidence().join("snapshot-1").exists(), "part {part}");
    }
}

/// Goal: the child's word counts only if it ends well and says a number. Method: scripts in the place of the program.
#[cfg(unix)]
#[test]
fn a_child_is_believed_only_when_it_ends_well() {
    use std::os::unix::fs::PermissionsExt;
    let book = Book::closed(1);
    let program = book.directory.path().join("program");
    for (script, expected) in [
        ("test $1 = probe-store && test -f $2/db && echo 8", Some(8)),
        ("echo 8; exit 1", None),
        ("echo 8; kill -9 $$", None),
        ("echo running 0 tests", None),
        ("exit 0", None),
    ] {
        let other = program.with_extension("new");
        fs::write(&other, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&other, fs::Permissions::from_mode(0o700)).expect("made executable");
        fs::rename(&other, &program).expect("in place");
        let answer = probe::in_child(&program, &book.home().log()).expect("asked");
        assert_eq!(answer.ok(), expected, "{script}");
    }
    assert!(probe::in_child(Path::new("/nonexistent"), &book.home().log()).is_err());
}
