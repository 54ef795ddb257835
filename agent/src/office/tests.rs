use std::{collections::BTreeMap, path::PathBuf, thread};

use daybook_protocol::{
    batch::Builder,
    date::Timestamp,
    entry::{Actor, Entry, Private, Source},
    event::{Alarm, Completion, FileId, Level},
    field::Kind,
};
use tempfile::TempDir;

use super::*;
use crate::{
    books::index::{Arrival, Index},
    journal::{CLOCK, today},
    store,
};

mod corrections;
mod known;
mod layouts;
mod proposals;
mod registers;
mod rehearsal;
mod rejoin;

fn office() -> (TempDir, Location, Office) {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path().join("home"));
    let place = Location { home, config: None, operator_key: None };
    let office = Office::open(&place, true).expect("a new home");
    (directory, place, office)
}

/// Goal: a home that joined a central node never gets an identity that knows of none; one whose founding was broken off gets the
/// one of its log. Method: the identity taken away, beside what joining leaves behind, and beside nothing of it.
#[test]
fn a_lost_identity_is_not_made_up() {
    let (_directory, place, office) = office();
    let home = &place.home;
    let before = office.identity.clone();
    office.close().expect("closed");
    std::fs::remove_file(home.identity()).expect("removed");
    for left in [home.checkpoint(), home.tls()] {
        std::fs::create_dir(&left).expect("made");
        for create in [true, false] {
            let said = Office::open(&place, create).err().expect("refused").to_string();
            let mends = ["identity.toml", "backup", "daybook recover", &before.log.to_string()];
            assert!(mends.iter().all(|word| said.contains(word)), "{said}");
        }
        assert!(!home.identity().exists(), "nothing is made");
        std::fs::remove_dir(left).expect("removed");
    }
    let office = Office::open(&place, false).expect("founded");
    assert_eq!(office.identity, before);
    office.close().expect("closed");
}

/// The whole log.
fn entries(office: &Office) -> Vec<Entry> {
    let frames = office.reading.entries.frames(Sequence(0)).map(|frame| frame.expect("a frame"));
    frames.flat_map(|frame| frame.entries().map(|entry| entry.expect("an entry")).collect::<Vec<_>>()).collect()
}

/// A file of so many enrolments, handed over and recorded, not yet read.
fn received(office: &Office, rows: u32) -> Sequence {
    hand_over(office, &enrolments(rows))
}

fn enrolments(rows: u32) -> String {
    let mut text = "given_names,family_name,date_of_birth,qualification_number,start_date\n".to_owned();
    for number in 0..rows {
        let letters: String = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        text.push_str("Jane,Doe");
        text.push_str(&letters);
        text.push_str(",2004-05-06,60158864,2026-09-01\n");
    }
    text
}

/// A file of enrolments, handed over and recorded, not yet read.
fn hand_over(office: &Office, text: &str) -> Sequence {
    let preserved = office.preserve(&mut text.as_bytes(), text.len() as u64).expect("preserved");
    office.receive(&handed(), &preserved).expect("received")
}

fn handed() -> Handed<'static> {
    Handed {
        name: "a.csv".into(),
        folder: None,
        centre: "C1".into(),
        brand: String::new(),
        kind: Some(Kind::Enrolments),
        file_id: FileId { device: 0, number: 0 },
        modified_at: Timestamp(1),
        completed_by: Completion::Handed,
    }
}

/// Goal: whoever comes to an arrival while another is at it judges no row twice. Method: several threads take the same file
/// along at once; its rows' entries are counted.
#[test]
fn a_row_has_one_verdict_whoever_works_on_its_file() {
    const ROWS: u32 = 3_000;
    let (_directory, _, office) = office();
    let arrival = received(&office, ROWS);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(office.proceed(arrival, &mut |_, _| {}).expect("done"), Waiting::Nothing));
        }
    });
    let rows = entries(&office).iter().filter(|entry| matches!(entry.source, Source::Row { .. })).count();
    assert_eq!(rows, ROWS as usize);
    assert_eq!(office.arrived(arrival).expect("an arrival").totals.accepted, u64::from(ROWS));
    office.close().expect("closed");
}

/// Goal: the files of a receipt that were written along with the verdicts are, byte for byte, those that log and original give.
/// Method: a file over several chunks with rows of every verdict but held, reported both ways.
#[test]
fn a_report_is_the_same_written_along_or_from_the_log() {
    let (_directory, _, office) = office();
    let mut text = enrolments(3_000);
    text.push_str("Jane,Doea,2004-05-06,60158864,2026-09-01\nJane,,2004-05-06,60158864,2026-09-01\n");
    text.push_str("Jane,JONES,2004-05-06,60158864,2026-09-01\n");
    let first = hand_over(&office, &text);
    assert_eq!(office.proceed(first, &mut |_, _| {}).expect("done"), Waiting::Nothing);
    let again = hand_over(&office, &text);
    assert_eq!(office.proceed(again, &mut |_, _| {}).expect("done"), Waiting::Nothing);
    for (arrival, accepted) in [(first, 3_001), (again, 0)] {
        let state = Arrival { receipt: None, ..office.arrival(arrival).expect("an arrival") };
        assert_eq!(state.totals.accepted, accepted, "{:?}", state.totals);
        let along = entries(&office).into_iter().find_map(|entry| match entry.event {
            Event::ReceiptIssued(issued) if issued.arrival == arrival => Some(issued.report),
            _ => None,
        });
        let before = files(&office.reading.home.receipts());
        assert_eq!(before.keys().filter(|path| path.to_string_lossy().contains("_resend")).count(), 2);
        let from_the_log = super::receipt::write(&office, &state, None, Level::Local).expect("written");
        assert_eq!(along, Some(from_the_log));
        assert!(files(&office.reading.home.receipts()) == before, "the files are others");
    }
    office.close().expect("closed");
}

/// The files of a directory.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    paths.map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect()
}

/// Goal: a command that is given no configuration neither replaces the agent's nor judges by other rules. Method: a home
/// whose configuration lies elsewhere, opened with it, without it, and with it again.
#[test]
fn a_command_without_configuration_leaves_the_agents_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path().join("home"));
    let file = directory.path().join("elsewhere.toml");
    std::fs::write(&file, "[policy]\ndeferrals_max = 7\n").expect("written");
    let with = Location { home: home.clone(), config: Some(file), operator_key: None };
    let without = Location { config: None, ..with.clone() };
    let mut counts = Vec::new();
    for place in [&with, &without, &with] {
        let office = Office::open(place, true).expect("opened");
        assert_eq!(office.config.policies.on(today()).deferrals_max, 7);
        counts.push(office.reading.entries.count());
        office.close().expect("closed");
    }
    assert_eq!(counts, [2, 2, 2], "the log was opened and its configuration adopted, once");
    assert_eq!(restore_config(&without).expect("restored"), Some(home.config()));
}

/// Goal: a log whose configuration says what this version would refuse is opened all the same, and judged by it. Method: one as an older
/// version adopted it.
#[test]
fn an_older_configuration_in_the_log_is_no_obstacle() {
    let (_directory, place, office) = office();
    let text = "[policy]\nreversal_days = -1\nage_min = 101\n".to_owned();
    assert!(Config::parse(&text, Path::new("")).is_err());
    office.journal.note(Draft::plain(Event::ConfigAdopted(ConfigAdopted { text }))).expect("noted");
    office.close().expect("closed");
    let office = Office::open(&place, false).expect("opened");
    assert_eq!(office.config.policies.on(today()).age_min, 101);
    office.close().expect("closed");
}

/// Goal: an alarm of the clock does not stop intake beyond the run that raised it. Method: a log with that alarm, opened
/// again by a clock that is right.
#[test]
fn a_restart_clears_the_alarm_of_the_clock() {
    let (_directory, place, office) = office();
    let alarm = Alarm { alarm: CLOCK.into(), detail: "it jumped".into() };
    office.journal.note(Draft::plain(Event::AlarmRaised(alarm))).expect("noted");
    office.close().expect("closed");
    let office = Office::open(&place, false).expect("opened");
    until_alarmed(&office, false);
    office.close().expect("closed");
}

/// Waits until there is, or is not, an alarm of the clock.
fn until_alarmed(office: &Office, wanted: bool) {
    let come = (0..100).any(|_| {
        let open = office.journal.look(|index| index.alarms().iter().any(|(name, _)| name == CLOCK)).expect("looked");
        if open != wanted {
            office.reading.entries.wait_beyond(office.reading.entries.count(), std::time::Duration::from_millis(100));
        }
        open == wanted
    });
    assert!(come, "the alarm of the clock is not {wanted}");
}

/// Goal: a central node whose clock is another one stops intake until the difference is gone, whatever an operator says.
/// Method: a difference of an hour, heard and taken back.
#[test]
fn the_central_nodes_clock_raises_the_alarm() {
    let (_directory, _, office) = office();
    office.journal.hear_clock(1_000_000).expect("heard");
    until_alarmed(&office, false);
    office.journal.hear_clock(3_600_000_000).expect("heard");
    until_alarmed(&office, true);
    let refused = office.journal.accept_clock(Private::default(), "jo").expect_err("one of the two is wrong");
    assert!(matches!(&refused, JournalError::Clock(why) if why.contains("behind the central node's")), "{refused}");
    office.journal.hear_clock(-1_000_000).expect("heard");
    until_alarmed(&office, false);
    let refused = office.journal.accept_clock(Private::default(), "jo").expect_err("nothing is wrong");
    assert!(matches!(refused, JournalError::Clock(_)), "{refused}");
    office.close().expect("closed");
}

/// Puts an entry of the given time at the end of a closed log.
fn stamped(place: &Location, recorded_at: Timestamp) {
    let mut store = Store::open(&place.home, CACHE_BYTES).expect("a log");
    let head = store.head().clone();
    let mut frontier = head.frontier;
    let entry = Entry {
        sequence: Sequence(frontier.count()),
        recorded_at,
        effective_on: None,
        actor: Actor::Agent,
        source: Source::Agent,
        governed_by: Sequence(1),
        findings: Vec::new(),
        event: Event::AlarmRaised(Alarm { alarm: "other".into(), detail: String::new() }),
        sealed: None,
    };
    let mut batch = Builder::new(head.log, head.epoch, &frontier);
    batch.push(&entry.encode().expect("short"), &mut frontier);
    store.append(&batch.finish(&frontier)).expect("appended");
    store.barrier(&frontier, head.epoch).expect("durable");
    store.close().expect("closed");
}

/// Goal: one wrong 2099 is not for ever: an operator's word ends it, entries go on from the present, a restart changes nothing,
/// and a moment still resolves to a place. Method: a log that ends in 2099.
#[test]
fn a_wrong_year_is_left_behind() {
    let (_directory, place, office) = office();
    office.close().expect("closed");
    let year_2099 = Timestamp(4_083_000_000_000_000);
    stamped(&place, year_2099);
    let office = Office::open(&place, false).expect("opened");
    until_alarmed(&office, true);
    let reason = Private::from([(daybook_protocol::field::Field::Reason, "checked")]);
    let answer = office.journal.accept_clock(reason, "jo").expect("accepted");
    let told = office.reading.entry(answer.sequence).expect("read").expect("an entry");
    let raised = office.reading.entry(Sequence(answer.sequence.0 - 1)).expect("read").expect("an entry");
    assert!(matches!(raised.event, Event::AlarmRaised(alarm) if alarm.alarm == CLOCK));
    assert_eq!(told.actor, Actor::Operator("jo".into()));
    assert!(told.recorded_at < year_2099 && told.sealed.is_some());
    until_alarmed(&office, false);
    let alarm = Alarm { alarm: "other".into(), detail: String::new() };
    let (last, at) = office.journal.note_at(Draft::plain(Event::AlarmCleared(alarm))).expect("noted");
    assert!(at < year_2099);
    office.close().expect("closed");

    let office = Office::open(&place, false).expect("opened");
    until_alarmed(&office, false);
    assert_eq!(office.reading.entries.count(), last.0 + 1, "nothing more to say");
    let count_at = |moment: Timestamp| office.reading.count_at(moment).expect("found").0;
    let begun = office.reading.entry(Sequence(1)).expect("read").expect("an entry").recorded_at;
    assert_eq!([Timestamp(0), begun, at].map(count_at), [0, 2, last.0 + 1]);
    assert_eq!(count_at(Timestamp(told.recorded_at.0 - 1)), 2, "what is stamped with 2099 was not there yet");
    office.close().expect("closed");
}

/// Goal: an index that was saved for another history of the same log, as long as this one, is not used. Method: a copy of a
/// home goes its own way; its index is put into the other's place.
#[test]
fn an_index_of_another_history_is_not_used() {
    let (directory, place, office) = office();
    office.close().expect("closed");
    let other = Location { home: Home::new(directory.path().join("other")), ..place.clone() };
    copy(place.home.path(), other.home.path());
    for (place, alarm) in [(&place, "here"), (&other, "there")] {
        let office = Office::open(place, false).expect("opened");
        let raised = Alarm { alarm: alarm.into(), detail: String::new() };
        assert_eq!(office.journal.note(Draft::plain(Event::AlarmRaised(raised))).expect("noted"), Sequence(2));
        office.close().expect("closed");
    }
    std::fs::copy(other.home.index(), place.home.index()).expect("copied");
    let office = Office::open(&place, false).expect("opened");
    let open = office.journal.look(Index::alarms).expect("looked");
    assert_eq!(open.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["here"]);
    office.close().expect("closed");
    store::salvage(&place.home, &[], &mut |_, _| {}).expect("salvaged");
    assert!(!place.home.index().exists(), "a salvaged log is folded anew");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { drop(std::fs::copy(entry.path(), to)) }
    }
}

/// Goal: what takes long tells how far it is, and that it is done. Method: the books of a log of some batches folded again and
/// the log verified, as a command does both.
#[test]
fn long_work_tells_how_far_it_is() {
    let (_directory, place, office) = office();
    office.proceed(received(&office, 600), &mut |_, _| {}).expect("done");
    let end = office.reading.entries.count();
    let mut told = Vec::new();
    office.reading.refold(&mut |done, total| told.push((done, total))).expect("folded");
    assert_eq!(told.last(), Some(&(end, end)));
    office.close().expect("closed");
    told.clear();
    let office = Office::rebuild(&place, &mut |done, total| told.push((done, total))).expect("rebuilt");
    assert!(told.is_sorted() && told.len() > 3 && told.last() == Some(&(2 * end, 2 * end)), "{told:?}");
    office.close().expect("closed");
    told.clear();
    let places = store::places(&place.home);
    let report = crate::verify::verify(&places, None, &mut |done, total| told.push((done, total))).expect("verified");
    assert!(report.ok() && told.is_sorted() && told.len() > 3, "{told:?}");
    assert!(told.last().is_some_and(|(done, total)| done == total));
}

/// Goal: the wish to stop is heard within a file, while it is copied and while it is read, and is no trouble with the file.
/// Method: a source that never ends, and one long row, with the wish there before each.
#[test]
fn a_stop_is_heard_within_a_file() {
    let (_directory, place, office) = office();
    let arrival = received(&office, 10);
    office.stop.ask();
    assert!(matches!(office.preserve(&mut std::io::repeat(b'a'), 0), Err(OfficeError::Stopping)));
    assert!(matches!(office.proceed(arrival, &mut |_, _| {}), Err(OfficeError::Stopping)));
    office.close().expect("closed");
    let office = Office::open(&place, false).expect("opened");
    assert_eq!(office.proceed(arrival, &mut |_, _| {}).expect("done"), Waiting::Nothing);
    office.close().expect("closed");
}

/// Goal: a receipt comes out the same whenever it is written, also when the central node has come further since. Method: a file
/// answered while everything is mirrored, for whoever does not wait for that.
#[test]
fn a_receipt_says_how_safe_it_was_promised_to_be() {
    let (_directory, _, office) = office();
    let everything = Sequence(u64::MAX);
    office.mirror.send_modify(|position| {
        (position.log_through, position.originals_through) = (everything.0, everything);
    });
    let arrival = received(&office, 3);
    office.proceed(arrival, &mut |_, _| {}).expect("done");
    let levels: Vec<_> = entries(&office)
        .into_iter()
        .filter_map(|entry| match entry.event {
            Event::ReceiptIssued(issued) => Some(issued.level),
            _ => None,
        })
        .collect();
    assert_eq!(levels, [Level::Local]);
    office.close().expect("closed");
}
