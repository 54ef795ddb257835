use daybook_protocol::{
    checkpoint::{Checkpoint, Signer},
    head::SLOT_BYTES,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::verify::verify;

/// Goal: one flipped bit is found or changes nothing, and salvage brings everything back or says which batch is gone.
/// Method: 200 flips at random places of the engine's file, and salvage. Some are opened too, which must not break this
/// process and must not open short.
#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let book = Book::closed(60);
    let path = Engine::file(&book.home().log());
    let good = fs::read(&path).expect("the batches");
    let used = batches_in(&good).iter().map(|(at, header)| at + header.bytes as usize).max().expect("batches");
    let mut random = StdRng::seed_from_u64(3);
    let (mut restored, mut stopped, mut opened, mut refused) = (0, 0, 0, 0);
    for turn in 0..200 {
        let mut bytes = good.clone();
        bytes[random.random_range(0..used)] ^= 1 << random.random_range(0..8);
        // The rest is filler, which would only take time.
        fs::write(&path, &bytes[..used]).expect("written");
        let report = verify(&places(&book.home()), None, &mut |_, _| {}).expect("checked");
        assert_eq!((report.entries, report.root), (480, book.frontier.root()));
        if turn % 10 == 0 {
            let copy = book.copy();
            fs::write(Engine::file(&copy.home().log()), &bytes).expect("written");
            mark(&copy.home());
            match copy.open() {
                Ok(store) => {
                    assert_eq!(store.head().frontier, book.frontier);
                    opened += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("daybook salvage"), "{error}");
                    refused += 1;
                }
            }
        }
        let copy = book.copy();
        match salvage(&copy.home(), &[], &mut |_, _| {}) {
            Ok(salvaged) => {
                assert_eq!((salvaged.entries, report.ok()), (480, true));
                copy.check().close().expect("closed");
                restored += 1;
            }
            Err(StoreError::Incomplete { missing, .. }) => {
                assert_eq!(missing.len(), 1);
                assert_eq!(missing[0].end - missing[0].start, 8);
                assert_eq!(report.faults[0].at, Some(Sequence(missing[0].start)));
                stopped += 1;
            }
            Err(error) => assert_eq!(error.to_string(), ""),
        }
    }
    assert!(restored > 0 && stopped > 0 && opened + refused == 20);
}

/// Goal: salvage keeps everything acknowledged and what validly follows, moves the old store to `evidence/`, and can be
/// run again. Method: a log with batches behind its head, its engine's file cut into garbage and frames; then salvage
/// broken off between its two renames.
#[test]
fn salvage_builds_the_log_from_raw_bytes() {
    let (mut book, mut store) = Book::new();
    book.write(&mut store, 12);
    book.append(&mut store, 3);
    store.close().expect("closed");
    let home = book.home();
    let path = Engine::file(&home.log());
    let mut jumbled = vec![0x44; 1000];
    for frame in book.frames.iter().rev() {
        jumbled.extend_from_slice(frame.bytes());
        jumbled.extend_from_slice(&frame.bytes()[..HEADER_BYTES + 40]);
    }
    fs::write(&path, &jumbled).expect("written");
    let error = book.open().err().expect("it does not open");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(fs::read(&path).expect("the batches") == jumbled, "something was touched");

    let mut told = Vec::new();
    let salvaged = salvage(&home, &[], &mut |done, total| told.push((done, total))).expect("salvaged");
    assert!(told.is_sorted_by_key(|(done, _)| *done) && told.last().is_some_and(|(done, total)| done == total));
    assert_eq!((salvaged.entries, salvaged.batches, salvaged.beyond_head), (120, 15, 24));
    assert!(!salvaged.head_was_missing && !home.unclean().exists());
    let evidence = salvaged.evidence.expect("the old store is kept");
    assert!(fs::read(Engine::file(&evidence)).expect("kept") == jumbled);
    book.check().close().expect("closed");

    disk::remove_tree(&home.log()).expect("as if broken off");
    assert!(matches!(book.open(), Err(StoreError::LogMissing { .. })));
    let salvaged = salvage(&home, &[], &mut |_, _| {}).expect("salvaged from the evidence");
    assert_eq!((salvaged.entries, salvaged.evidence), (120, None));
    book.check().close().expect("closed");
}

/// Goal: salvage never builds less than was acknowledged: it names what is missing, and takes it from a copy that is
/// named. Method: two batches wiped from a log; then an older copy given that still has them.
#[test]
fn salvage_stops_where_entries_are_missing() {
    let book = Book::closed(10);
    let copy = book.copy();
    wipe(&book.home(), 16);
    wipe(&book.home(), 24);
    wipe(&book.home(), 72);
    let report = verify(&places(&book.home()), None, &mut |_, _| {}).expect("checked");
    let at: Vec<_> = report.faults.iter().map(|fault| fault.at).collect();
    assert_eq!(at, [Some(Sequence(16)), Some(Sequence(72))]);
    let before = book.bytes();
    let error = salvage(&book.home(), &[], &mut |_, _| {}).expect_err("incomplete");
    assert!(error.to_string().contains("missing: 16 to 31, 72 to 79") && error.to_string().contains("daybook recover"));
    assert!(book.bytes() == before, "something was touched");
    assert!(book.open().is_err());

    let salvaged = salvage(&book.home(), &[copy.home().log()], &mut |_, _| {}).expect("salvaged");
    assert_eq!(salvaged.entries, 80);
    book.check().close().expect("closed");
}

/// Goal: without a head the longest history is kept, and the report says that nothing could be compared. Method: the head
/// taken away; then everything.
#[test]
fn salvage_without_a_head_keeps_the_longest_history() {
    let book = Book::closed(5);
    let home = book.home();
    fs::remove_file(home.head()).expect("removed");
    let salvaged = salvage(&home, &[], &mut |_, _| {}).expect("salvaged");
    assert_eq!((salvaged.entries, salvaged.head_was_missing), (40, true));
    book.check().close().expect("closed");
    let empty = Home::new(book.directory.path());
    assert!(matches!(salvage(&empty, &[], &mut |_, _| {}), Err(StoreError::NoLog { .. })));
}

/// Goal: damage that comes after a clean stop is found before the engine walks over it. Method: one batch wiped in a
/// closed store; what is there is not touched, and all the others can still be had.
#[test]
fn damage_after_a_clean_stop_is_not_walked_over() {
    let book = Book::closed(40);
    wipe(&book.home(), 80);
    let before = book.bytes();
    let error = book.open().err().expect("not opened");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(book.bytes() == before, "something was touched");
}

/// Goal: a damaged batch that the engine hands out is an error with its place, not an entry. Method: one batch wiped
/// under an open store whose cache is too small to hold it.
#[test]
fn a_damaged_batch_is_not_read() {
    let book = Book::closed(40);
    let store = Store::open(&book.home(), 1).expect("opened");
    wipe(&book.home(), 80);
    let reader = store.reader();
    let error = reader.frames(Sequence(0)).find_map(Result::err).expect("one batch is damaged");
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
    assert!(reader.frames(Sequence(312)).all(|frame| frame.is_ok()));
}

/// Goal: a damaged slot of the head is told and shortens nothing, and a start mends it. Method: either slot flipped, in a log of
/// which a checkpoint covers the last batch too.
#[test]
fn a_damaged_slot_is_told_and_mended_by_a_start() {
    let mut book = Book::closed(4);
    let home = book.home();
    let signer = Signer::new("central", &[1; 32]);
    let verifier = signer.verifier().to_string();
    let check = || verify(&places(&home), Some(&verifier), &mut |_, _| {}).expect("checked");
    for newer in [true, false, true] {
        let mut store = book.check();
        book.write(&mut store, 1);
        let head = store.head().clone();
        store.close().expect("closed");
        let note = Checkpoint { log: LOG, count: head.frontier.count(), root: head.frontier.root() };
        fs::write(home.checkpoint(), note.sign(&signer)).expect("written");
        let mut bytes = fs::read(home.head()).expect("a head");
        let slot = usize::try_from(head.offset()).expect("small");
        bytes[20 + if newer { slot } else { SLOT_BYTES - slot }] ^= 1;
        fs::write(home.head(), bytes).expect("written");
        let report = check();
        assert_eq!((report.entries, report.root), (note.count, note.root), "nothing is left out");
        assert_eq!((report.ok(), report.start_mends, report.anchored_through), (false, true, Some(note.count)));
        let behind = if newer { "and 8 more" } else { "and 0 more" };
        assert!(report.faults.len() == 1 && report.faults[0].what.contains(behind), "{:?}", report.faults);
        book.check().close().expect("closed");
        assert_eq!(check().faults, []);
    }
    // Where entries are missing too, a start does not mend it.
    let mut bytes = fs::read(home.head()).expect("a head");
    bytes[20] ^= 1;
    fs::write(home.head(), bytes).expect("written");
    wipe(&home, 8);
    assert_eq!((check().faults.len(), check().start_mends), (2, false));
}

/// Goal: the check says which part is gone, and says that it could not check where there is nothing. Method: each part
/// taken away, and a checkpoint of another history put in.
#[test]
fn the_check_tells_damage_from_nothing_to_check() {
    let book = Book::closed(4);
    let home = book.home();
    let check = |verifier: Option<&str>| verify(&places(&home), verifier, &mut |_, _| {});
    let signer = Signer::new("central", &[1; 32]);
    let verifier = signer.verifier().to_string();
    let note = Checkpoint { log: LOG, count: 32, root: book.frontier.root() };
    fs::write(home.checkpoint(), note.sign(&signer)).expect("written");
    assert_eq!(check(Some(&verifier)).expect("checked").anchored_through, Some(32));
    assert_eq!(check(None).expect("checked").anchored_through, None);
    fs::write(home.checkpoint(), Checkpoint { count: 33, ..note }.sign(&signer)).expect("written");
    assert!(!check(Some(&verifier)).expect("checked").ok());
    fs::write(home.head(), [1; 2 * SLOT_BYTES]).expect("written");
    assert!(!check(None).expect("checked").ok(), "a head in neither slot");
    fs::remove_file(home.head()).expect("removed");
    assert!(!check(None).expect("checked").ok(), "no head");
    disk::remove_tree(&home.log()).expect("removed");
    assert!(check(None).is_err(), "nothing there");
}

/// Goal: a log that was found damaged is neither written nor opened any more, until it was salvaged or was found good after
/// all. Method: condemn one beside its writer, and closed; absolve, and salvage.
#[test]
fn a_condemned_log_is_left_alone() {
    let mut book = Book::closed(3);
    let home = book.home();
    let damaged = |outcome: Result<(), StoreError>| {
        assert!(matches!(outcome, Err(StoreError::Damaged { ref why, .. }) if why == "torn"), "{outcome:?}");
    };
    let mut store = book.open().expect("opened");
    let reader = store.reader();
    reader.condemn("torn").expect("noted");
    let head = store.head().clone();
    damaged(store.barrier(&head.frontier, Epoch(2)));
    assert_eq!((reader.condemned().as_deref(), reader.count()), (Some("torn"), 24));
    assert!(reader.frames(Sequence(0)).all(|frame| frame.is_ok()), "it is read as far as that goes");
    reader.absolve().expect("taken back");
    book.write(&mut store, 1);
    reader.condemn("torn").expect("noted");
    store.close().expect("left as it is");
    assert!(home.unclean().exists(), "nothing says that it was closed in order");
    damaged(book.open().map(drop));
    absolve(&home).expect("taken back");
    book.open().expect("opened").close().expect("closed");
    condemn(&home, "torn").expect("noted");
    assert_eq!(condemned(&home).expect("read").as_deref(), Some("torn"));
    damaged(book.open().map(drop));
    assert_eq!(salvage(&home, &[], &mut |_, _| {}).expect("salvaged").entries, 32);
    book.open().expect("opened").close().expect("closed");
}
