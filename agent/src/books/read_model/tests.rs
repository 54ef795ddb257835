use std::{fmt::Write as _, fs, path::Path};

use daybook_protocol::{
    date::Timestamp,
    entry::Entry,
    event::Event,
    ids::{Epoch, LogId, RegistrationNo, Sequence},
};

use super::{FileFilter, Found, ReadModel, ReadModelError, Reader, packed, unpacked};
use crate::{
    books::sample::{ANN, BEN, LOG, PERSONAL, date, key, log, registration, reveal, token},
    home::Home,
};

fn folded(directory: &Path, entries: &[Entry]) -> ReadModel {
    let mut model = ReadModel::open(&Home::new(directory), LOG).expect("opens");
    model.apply(entries).expect("applies");
    model
}

/// Every table, row by row.
fn dump(reader: &Reader) -> String {
    let tables = reader.ask("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").expect("asks");
    let mut dump = String::new();
    for table in tables.rows.into_iter().flatten().flatten() {
        let answer = reader.ask(&format!("SELECT * FROM {table} ORDER BY 1, 2")).expect("asks");
        for row in answer.rows {
            let _ = writeln!(dump, "{table} {row:?}");
        }
    }
    dump
}

/// Goal: the books have the last day that a resumption moved, and no other moves it. Method: the resumption of the sample as either of
/// the two.
#[test]
fn a_resumption_may_move_the_last_day() {
    for (longer, last) in [(false, "2016-09-30"), (true, "2016-11-30")] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut entries = log();
        for entry in entries.iter_mut().filter(|_| longer) {
            if let Event::LearnerResumed(resumed) = &entry.event {
                entry.event = Event::LearnerResumedExtended(resumed.clone());
            }
        }
        let reader = folded(directory.path(), &entries).reader().expect("a reader");
        let found = reader.registration(registration(4)).expect("asked").expect("a registration");
        assert_eq!(found.expires_on, date(last), "61 days were deferred");
    }
}

fn places(sequences: &[u64]) -> Vec<Sequence> {
    sequences.iter().copied().map(Sequence).collect()
}

/// Goal: how the entries are cut into transactions changes nothing. Method: one go, one by one with a reopening in the
/// middle and entries handed over twice, and begun anew; every table is compared.
#[test]
fn the_fold_is_the_same_however_it_is_cut() {
    let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let entries = log();
    let mut model = folded(one.path(), &entries);
    let whole = dump(&model.reader().expect("a reader"));
    assert!(whole.lines().count() > 40, "{whole}");

    for end in 1..=entries.len() {
        // Opened anew each time, and the entry before is handed over again.
        let from = end.saturating_sub(2);
        let model = folded(other.path(), entries.get(from..end).expect("in range"));
        assert_eq!(model.applied_through(), end as u64);
    }
    assert_eq!(dump(&Reader::open(&Home::new(other.path())).expect("a reader")), whole);

    model.begin_anew().expect("begins anew");
    assert_eq!(model.applied_through(), 0);
    model.apply(&entries).expect("applies");
    assert_eq!(dump(&model.reader().expect("a reader")), whole);
}

/// Goal: a learner's life is whole: facts, held, released, refused and duplicate rows, and nothing of another's.
#[test]
fn a_life_holds_every_entry_about_a_learner() {
    let directory = tempfile::tempdir().expect("a directory");
    let reader = folded(directory.path(), &log()).reader().expect("a reader");
    assert_eq!(reader.life(ANN).expect("asks"), places(&[4, 7, 8, 9, 10, 11, 12, 13, 14, 18, 19]));
    assert_eq!(reader.life(BEN).expect("asks"), places(&[5, 15, 16, 17]));
    assert_eq!(reader.life(key(1)).expect("asks"), []);
    let learner = reader.learner(ANN).expect("asks").expect("a learner");
    assert_eq!((learner.opened_at, learner.told_at), (Sequence(4), Sequence(19)));
}

/// Goal: registrations and certificates stand as the facts left them, by number and by learner; a number of another
/// epoch is not this one's.
#[test]
fn registrations_and_certificates_stand_as_the_facts_left_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let reader = folded(directory.path(), &log()).reader().expect("a reader");
    let first = reader.registration(registration(4)).expect("asks").expect("a registration");
    assert_eq!((first.state.as_str(), first.since, first.last), ("WITHDRAWN", date("2014-06-01"), Sequence(18)));
    assert_eq!((first.learner, first.start_on), (ANN, date("2013-10-01")));
    let of_ann = reader.registrations_of(ANN).expect("asks");
    assert_eq!(of_ann.iter().map(|row| row.registration).collect::<Vec<_>>(), [registration(4), registration(19)]);
    let elsewhere = RegistrationNo { epoch: Epoch(2), sequence: Sequence(4) };
    assert_eq!(reader.registration(elsewhere).expect("asks"), None);

    let certificate = reader.certificate("V-0001").expect("asks").expect("a certificate");
    assert_eq!((certificate.state.as_str(), certificate.attempts), ("REDISPATCHED", 2));
    assert_eq!((certificate.learner, certificate.registration), (BEN, Sequence(5)));
    assert_eq!(reader.certificate("V-0002").expect("asks"), None);
}

/// Goal: a fact recorded late, effective before the present state, does not become the state. Method: a deferral of May
/// after the withdrawal of June.
#[test]
fn a_late_fact_does_not_undo_a_later_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut entries = log();
    let mut late = entries.get(8).cloned().expect("the deferral");
    (late.sequence, late.effective_on) = (Sequence(entries.len() as u64), Some(date("2014-05-20")));
    entries.push(late);
    let reader = folded(directory.path(), &entries).reader().expect("a reader");
    let first = reader.registration(registration(4)).expect("asks").expect("a registration");
    assert_eq!((first.state.as_str(), first.since), ("WITHDRAWN", date("2014-06-01")));
    assert_eq!(first.last, Sequence(29));
}

/// Goal: a learner is found by what they are known by now, and by what they were known by; an enrolment that names no ULN
/// takes none away.
#[test]
fn a_learner_is_found_by_present_and_former_tokens() {
    let directory = tempfile::tempdir().expect("a directory");
    let reader = folded(directory.path(), &log()).reader().expect("a reader");
    for (text, current) in [("9000000006", true), ("Ann Baker", true), ("Ann Archer", false)] {
        let found = reader.learners_by_token(token(text)).expect("asks");
        assert_eq!(found, [Found { learner: ANN, current }], "{text}");
    }
    assert_eq!(reader.learners_by_token(token("nobody")).expect("asks"), []);
}

/// Goal: files, what waits, alarms and counts answer what auditors and `status` ask.
#[test]
fn the_office_can_be_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let reader = folded(directory.path(), &log()).reader().expect("a reader");
    let file = reader.file(Sequence(2)).expect("asks").expect("a file");
    assert_eq!((file.state.as_str(), file.kind.as_deref()), ("processed", Some("enrolments")));
    let counts = (file.rows, file.accepted, file.rejected, file.duplicate, file.held);
    assert_eq!(counts, (Some(8), Some(5), Some(2), Some(1), Some(0)));
    assert_eq!((file.level.as_deref(), file.filed.as_deref()), (Some("local"), Some("done")));

    let arrivals = |filter: FileFilter| -> Vec<u64> {
        reader.files(&filter, 10).expect("asks").iter().map(|file| file.arrival.0).collect()
    };
    assert_eq!(arrivals(FileFilter::default()), [26, 2]);
    assert_eq!(arrivals(FileFilter { unanswered: true, ..FileFilter::default() }), [26]);
    assert_eq!(arrivals(FileFilter { centre: Some("C2".to_owned()), ..FileFilter::default() }), [0; 0]);
    let second = log().get(26).map(|entry| entry.recorded_at);
    assert_eq!(arrivals(FileFilter { since: second, ..FileFilter::default() }), [26]);
    assert_eq!(arrivals(FileFilter { before: second, ..FileFilter::default() }), [2]);

    // The row was released; the second file still waits.
    let held = reader.held_open(10).expect("asks");
    assert_eq!(held.iter().map(|held| (held.sequence, held.line)).collect::<Vec<_>>(), [(Sequence(27), None)]);
    assert_eq!(reader.held_count().expect("asks"), 1);
    let alarms = reader.alarms_open().expect("asks");
    assert_eq!(alarms.iter().map(|alarm| alarm.alarm.as_str()).collect::<Vec<_>>(), ["fork"]);
    assert_eq!(reader.configs().expect("asks").len(), 1);
    let counts = reader.counts().expect("asks");
    for count in [("LearnerEnrolled", 3), ("learners", 2), ("FileReceived", 2)] {
        assert!(counts.iter().any(|(name, entries)| (name.as_str(), *entries) == count), "{count:?}");
    }
    let views = reader.ask("SELECT number, learner, start_on FROM registrations ORDER BY last_at").expect("asks");
    let last = views.rows.last().map(|row| row.iter().flatten().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(last, Some(vec!["R1-19", "K1-2", "2014-10-01"]));
    assert_eq!(reader.ask("SELECT received_at FROM files").expect("asks").rows.len(), 2);
    let scrubs = reader.ask("SELECT sequence, entries, originals, keys, faults FROM scrub").expect("asks").rows;
    assert_eq!(scrubs, [["28", "28", "1", "2", "0"].map(|figure| Some(figure.to_owned()))]);
}

/// Goal: nothing personal is in clear in any file of the read model, not even after it was revealed. Method: fold, reveal
/// every name, and search the bytes; the search itself is tried on a file that does hold a name.
#[test]
fn nothing_personal_is_in_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let model = folded(directory.path(), &log());
    let reader = model.reader().expect("a reader").revealing(|sealed, _| reveal(sealed)).expect("a function");
    let names = reader
        .ask(
            "SELECT reveal(id >> 32, id & 4294967295, told_at, nonce, ciphertext, 'family_name') FROM learner
             UNION ALL SELECT reveal(key >> 32, key & 4294967295, arrival, nonce, ciphertext, 'file_name') FROM file
             UNION ALL SELECT reveal(learner >> 32, learner & 4294967295, sequence, nonce, ciphertext, 'new_value')
             FROM amendment",
        )
        .expect("asks");
    let mut names: Vec<_> = names.rows.into_iter().flatten().flatten().collect();
    names.sort();
    assert_eq!(names, ["Baker", "Baker", "Brewer", "EX4 4QJ", "july.csv"]);

    let holds = |bytes: &[u8]| {
        PERSONAL.into_iter().find(|text| bytes.windows(text.len()).any(|piece| piece == text.as_bytes()))
    };
    assert_eq!(holds(b"...Archer..."), Some("Archer"));
    let mut searched = 0;
    for file in fs::read_dir(directory.path().join("books")).expect("the books") {
        let bytes = fs::read(file.expect("an entry").path()).expect("a file");
        assert_eq!(holds(&bytes), None);
        searched += bytes.len();
    }
    assert!(searched > 10_000);
    assert!(model.reader().expect("a reader").ask("SELECT reveal(1, 2, 3, 4, 5, 'uln')").is_err());
}

/// Goal: what is asked cannot write. Method: SQL that would.
#[test]
fn a_reader_cannot_write() {
    let directory = tempfile::tempdir().expect("a directory");
    let reader = folded(directory.path(), &log()).reader().expect("a reader");
    assert!(reader.ask("DELETE FROM learner").is_err());
    assert!(reader.learner(ANN).expect("asks").is_some());
}

type Harm = fn(&mut Vec<u8>);

/// Goal: a file that is damaged, cut short, of another log or of another version is begun anew, and a good one is not.
#[test]
fn a_damaged_file_is_begun_anew() {
    let entries = log();
    let harms: [(&str, Harm); 4] = [
        ("nothing", |_| {}),
        ("first page", |bytes| bytes.iter_mut().take(200).for_each(|byte| *byte = !*byte)),
        ("cut short", |bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", Vec::clear),
    ];
    for (what, harm) in harms {
        let directory = tempfile::tempdir().expect("a directory");
        drop(folded(directory.path(), &entries));
        let path = directory.path().join("books/books.sqlite");
        let mut bytes = fs::read(&path).expect("a file");
        harm(&mut bytes);
        fs::write(&path, bytes).expect("writes");
        let mut model = ReadModel::open(&Home::new(directory.path()), LOG).expect("opens");
        let kept = if what == "nothing" { entries.len() as u64 } else { 0 };
        assert_eq!(model.applied_through(), kept, "{what}");
        model.apply(&entries).expect("applies");
        assert!(model.reader().expect("a reader").sound().expect("checks"));
    }
    let directory = tempfile::tempdir().expect("a directory");
    drop(folded(directory.path(), &entries));
    let other = ReadModel::open(&Home::new(directory.path()), LogId([8; 16])).expect("opens");
    assert_eq!(other.applied_through(), 0);
    other.connection.pragma_update(None, "user_version", 999).expect("another version");
    drop(other);
    let model = ReadModel::open(&Home::new(directory.path()), LOG).expect("opens");
    assert_eq!(model.applied_through(), 0);
}

/// Goal: entries that do not continue the fold are refused whole. Method: a gap in the middle, another log's first entry.
#[test]
fn entries_that_do_not_continue_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut entries = log();
    let mut model = folded(directory.path(), entries.get(..5).expect("in range"));
    entries.remove(7);
    let refused = model.apply(&entries);
    assert!(matches!(refused, Err(ReadModelError::Gap { expected: 7, found: Sequence(8) })), "{refused:?}");
    assert_eq!(model.applied_through(), 5);
    assert_eq!(model.reader().expect("a reader").applied_through().expect("asks"), 5);

    model.begin_anew().expect("begins anew");
    if let Some(Entry { event: Event::LogOpened(opened), .. }) = entries.first_mut() {
        opened.log = LogId([8; 16]);
    }
    assert!(matches!(model.apply(&entries), Err(ReadModelError::OtherLog { .. })));
}

/// Goal: a log that was cut back or rejoined is told from the one that was folded. Method: the true last entry, another
/// one of the same place, and none.
#[test]
fn another_branch_of_the_log_is_noticed() {
    let directory = tempfile::tempdir().expect("a directory");
    let entries = log();
    let model = folded(directory.path(), &entries);
    drop(model);
    let mut model = ReadModel::open(&Home::new(directory.path()), LOG).expect("opens");
    let last = entries.last().expect("an entry");
    assert!(model.stands_on(Some(last)));
    let branch = Entry { recorded_at: Timestamp(1), ..last.clone() };
    assert!(!model.stands_on(Some(&branch)) && !model.stands_on(None) && !model.stands_on(entries.first()));
    model.begin_anew().expect("begins anew");
    assert!(model.stands_on(None));
}

/// Goal: key ids survive being packed into one number, to the last bit.
#[test]
fn key_ids_pack_and_unpack() {
    for (epoch, number) in [(1, 0), (1, 42), (2, u32::MAX), (u32::MAX, u32::MAX), (0, 0)] {
        let mut id = key(number);
        id.epoch = Epoch(epoch);
        assert_eq!(unpacked(packed(id)), id);
    }
    assert_eq!(packed(key(42)), 4_294_967_338);
}
