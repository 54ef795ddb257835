use std::thread;

use daybook_protocol::{
    entry::Source,
    event::{Alarm, Completion, FileId, Level},
    field::Kind,
};
use tempfile::TempDir;

use super::*;
use crate::{books::index::Arrival, journal::CLOCK};

mod corrections;

fn office() -> (TempDir, Location, Office) {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path().join("home"));
    let place = Location { home, config: None, operator_key: None };
    let office = Office::open(&place, true).expect("a new home");
    (directory, place, office)
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
    let preserved = office.preserve(&mut text.as_bytes()).expect("preserved");
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

/// Goal: a report that was written along with the verdicts is, byte for byte, the one that log and original give. Method: a
/// file over several chunks with rows of every verdict but held, reported both ways.
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
        let from_the_log = super::receipt::write(&office, &state, None, Level::Local).expect("written");
        assert_eq!(along, Some(from_the_log));
    }
    office.close().expect("closed");
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
        assert_eq!(office.config.policy.deferrals_max, 7);
        counts.push(office.reading.entries.count());
        office.close().expect("closed");
    }
    assert_eq!(counts, [2, 2, 2], "the log was opened and its configuration adopted, once");
    assert_eq!(restore_config(&without).expect("restored"), Some(home.config()));
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
    let cleared = (0..100).any(|_| {
        let open = office.journal.look(|index| index.alarms().iter().any(|(name, _)| name == CLOCK)).expect("looked");
        office.reading.entries.wait_beyond(office.reading.entries.count(), std::time::Duration::from_millis(100));
        !open
    });
    assert!(cleared);
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
