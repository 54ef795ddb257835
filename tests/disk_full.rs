//! A full disk, of the agent and of the central node, at every stage: intake stops in time and says so, nothing that was
//! acknowledged is lost, nothing is done twice, and work goes on by itself when there is room again.

mod disks;
mod harness;

use std::{fs, path::Path};

use disks::{Disk, own_mounts};
use harness::{Desk, Fixture, Running, until};
use serde_json::Value;

const MIB: u64 = 1 << 20;
/// Room for a log with its reserve, and some to work in.
const DISK_MIB: u64 = 256;
/// What intake leaves free, where as little as possible is configured.
const INTAKE_MIN: u64 = 64 * MIB;
/// What stays set aside.
const RESERVE: u64 = 32 * MIB;
/// A file of so many rows: far more than are under way at once, and some twenty megabytes when they are recorded.
const MANY: u32 = 64_000;
/// The number of such a file, so that no two files have a learner in common.
const LARGE: u32 = 10;

/// A desk whose data directory has a small disk of its own.
fn small(level: &str) -> (Disk, Desk) {
    let mut volume = None;
    let desk = Desk::prepared(level, |data, _| volume = Some(Disk::mounted(data, DISK_MIB)));
    (volume.expect("mounted"), desk)
}

fn status(desk: &Desk) -> Value {
    desk.json(&["status"]).remove(0)
}

/// What is said of an open alarm whose name begins so.
fn alarm(desk: &Desk, name: &str) -> Option<String> {
    let status = status(desk);
    let found =
        status["alarms"].as_array()?.iter().find(|it| it["alarm"].as_str().is_some_and(|it| it.starts_with(name)))?;
    found["detail"].as_str().map(str::to_owned)
}

/// Waits for an alarm and sees that `status --check` finds it.
fn alarmed(desk: &Desk, name: &str) -> String {
    let detail = until("an alarm", || alarm(desk, name));
    let check = desk.ask(&["status", "--check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.code() == Some(1) && said.contains(&detail), "{said}");
    detail
}

/// How often alarms of a name were raised and cleared.
fn told(desk: &Desk, name: &str) -> (usize, usize) {
    let entries = desk.json(&["entries"]);
    let of = |event: &str| {
        let ours = |it: &&Value| it["type"] == event && it["alarm"].as_str().is_some_and(|it| it.starts_with(name));
        entries.iter().filter(ours).count()
    };
    (of("AlarmRaised"), of("AlarmCleared"))
}

fn reserve(desk: &Desk) -> u64 {
    fs::metadata(desk.data.join("reserve")).map_or(0, |about| about.len())
}

/// Everything is filed, no alarm is left, and everything is as it must be.
fn ends_well(desk: &Desk, running: &mut Running, mirrored: bool) {
    desk.until_filed(running);
    until("no alarm", || status(desk)["alarms"].as_array().is_some_and(Vec::is_empty).then_some(()));
    if mirrored {
        until_mirrored(desk);
    }
    desk.check_log(mirrored);
}

fn until_mirrored(desk: &Desk) {
    until("a mirrored log", || {
        let status = status(desk);
        let mirror = &status["mirror"];
        (mirror["connected"] == true && mirror["entries"] == status["entries"] && mirror["originals_missing"] == 0)
            .then_some(())
    });
}

/// Goal: with a disk that is nearly full nothing is taken, whether the disk as a whole is full or too small for the next file;
/// it is said by an alarm, and goes on by itself. Method: fill the disk before files are dropped, to less than intake leaves
/// free, and then to less than that and the file.
#[test]
fn nothing_is_preserved_without_room() {
    if !own_mounts("nothing_is_preserved_without_room") {
        return;
    }
    let (volume, mut desk) = small("local");
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    let full = [(INTAKE_MIN - MIB, 20, "disk"), (INTAKE_MIN + MIB / 4, 4_000, "room for folder riverside")];
    for (left, rows, name) in full {
        volume.fill_to(left);
        let file = u32::try_from(desk.dropped.len()).expect("few");
        desk.drop_file(Fixture::enrolments(file, rows));
        let why = alarmed(&desk, name);
        assert!(why.contains("make room"), "{why}");
        assert!(desk.names("in").len() == 1 && reserve(&desk) == RESERVE && told(&desk, name) == (1, 0));
        volume.clear();
        ends_well(&desk, &mut running, false);
        assert_eq!(told(&desk, name), (1, 1));
    }
    running.stop_well();
    desk.check_log(false);
}

/// Goal: a file whose rows do not fit is stopped in its midst, before the reserve is touched, and goes on from there. Method:
/// leave room for the original only; look at what is durable while it waits, then make room.
#[test]
fn the_second_pass_stops_in_time() {
    if !own_mounts("the_second_pass_stops_in_time") {
        return;
    }
    let (volume, mut desk) = small("local");
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    let file = Fixture::enrolments(LARGE, MANY);
    volume.fill_to(INTAKE_MIN + file.bytes.len() as u64 + MIB);
    desk.drop_file(file);
    alarmed(&desk, "disk");
    let rows = rows(&desk);
    assert!(rows > 0 && rows < u64::from(MANY), "it was stopped in its midst: {rows}");
    assert!(volume.free() > RESERVE && reserve(&desk) == RESERVE, "{} free", volume.free());
    // What is durable stays: also through a kill, and a start on the full disk.
    running.kill();
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    assert!(self::rows(&desk) >= rows, "{} of {rows}", self::rows(&desk));
    assert_eq!(receipts(&desk), 0);
    volume.clear();
    ends_well(&desk, &mut running, false);
    running.stop_well();
}

/// How many files there are in the folder for receipts; one that is being written is none yet.
fn receipts(desk: &Desk) -> usize {
    desk.names("receipts").iter().filter(|name| !name.starts_with('.')).count()
}

/// How many rows have a verdict.
fn rows(desk: &Desk) -> u64 {
    desk.json(&["entries"]).iter().filter(|entry| entry["source"]["kind"] == "row").count() as u64
}

/// Goal: a disk that others fill to its last byte while rows are judged costs nothing that was acknowledged; the agent waits for
/// room and goes on by itself, and one that is killed starts again on the reserve. Method: fill it at once in the midst of a file,
/// and let the agent be, stop it or kill it; ask for something meanwhile; make room.
#[test]
fn the_last_byte_may_be_taken_at_any_time() {
    if !own_mounts("the_last_byte_may_be_taken_at_any_time") {
        return;
    }
    for end in ["none", "stop", "kill"] {
        let (volume, mut desk) = small("local");
        let mut running = desk.start(&["run"]);
        running.until_said("runs in");
        desk.drop_file(Fixture::enrolments(LARGE, 12_000));
        until("rows under way", || (status(&desk)["entries"].as_u64() > Some(1_000)).then_some(()));
        volume.fill_to(0);
        until("an alarm", || {
            let ended = running.ended();
            assert!(ended.is_none(), "{ended:?}: {}", running.said());
            alarm(&desk, "disk")
        });
        match end {
            "stop" => {
                // Whatever was under way and found no room is said to have failed; nobody waits for room.
                let code = running.stopped().0.code();
                assert!(code == Some(0) || code == Some(2) && running.said().contains("make room"), "{code:?}");
            }
            "kill" => running.kill(),
            _ => {}
        }
        if running.ended().is_some() {
            running = desk.start(&["run"]);
            running.until_said("runs in");
        }
        let refused = desk.ask(&["record", "clock", "--reason", "none"]);
        assert!(!refused.status.success());
        volume.clear();
        ends_well(&desk, &mut running, false);
        running.stop_well();
    }
}

/// Goal: a receipt that finds no room is written when there is some, once. Method: the drop folder has a small disk of its own,
/// which is full when the answer is due.
#[test]
fn a_receipt_waits_for_room() {
    if !own_mounts("a_receipt_waits_for_room") {
        return;
    }
    let mut volume = None;
    let mut desk = Desk::prepared("local", |_, folder| volume = Some(Disk::mounted(folder, 16)));
    let volume = volume.expect("mounted");
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    desk.drop_file(Fixture::enrolments(0, 20));
    desk.until_filed(&mut running);
    running.stop_well();
    desk.drop_file(Fixture::enrolments(1, 2_000));
    volume.fill_to(0);
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    alarmed(&desk, "arrival ");
    // Of the first file: receipt, row report and resend file.
    assert_eq!(receipts(&desk), 3);
    volume.clear();
    ends_well(&desk, &mut running, false);
    running.stop_well();
    desk.check_log(false);
}

/// Goal: books that find no room stop nothing, and are caught up with later. Method: the books have a small disk of their own,
/// which is full while a file is taken.
#[test]
fn the_books_wait_for_room() {
    if !own_mounts("the_books_wait_for_room") {
        return;
    }
    let mut volume = None;
    let mut desk = Desk::prepared("local", |data, _| volume = Some(Disk::mounted(&data.join("books"), 64)));
    let volume = volume.expect("mounted");
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    volume.fill_to(0);
    desk.drop_file(Fixture::enrolments(1, 2_000));
    ends_well(&desk, &mut running, false);
    running.until_said("the books lag behind the log");
    volume.clear();
    let uln = desk.dropped.first().and_then(|file| file.personal.first()).expect("a ULN").clone();
    assert!(
        desk.told(&["history", "--uln", &uln]).contains("LearnerEnrolled")
            || !desk.json(&["history", "--uln", &uln]).is_empty()
    );
    running.stop_well();
    desk.check_log(false);
}

/// Goal: an import on a full disk says why it stops, and done again it goes on. Method: room for nothing, then for the original
/// only, then for all.
#[test]
fn an_import_waits_for_room() {
    if !own_mounts("an_import_waits_for_room") {
        return;
    }
    let (volume, desk) = small("local");
    desk.told(&["import", "--centre", harness::CENTRE, text(&desk.write(&Fixture::enrolments(1, 10)))]);
    let file = Fixture::enrolments(LARGE, 2 * MANY);
    let path = desk.write(&file);
    let import = ["import", "--centre", harness::CENTRE, "--json", text(&path)];
    volume.fill_to(INTAKE_MIN);
    for left in [INTAKE_MIN - MIB, INTAKE_MIN + file.bytes.len() as u64 + 26 * MIB] {
        volume.clear();
        volume.fill_to(left);
        let refused = desk.ask(&import);
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && why.contains("make room"), "{why}");
        assert!(reserve(&desk) == RESERVE && volume.free() > RESERVE);
        alarmed(&desk, "disk");
    }
    let before = rows(&desk);
    assert!(before > 20 && before < u64::from(2 * MANY), "it was stopped in its midst: {before}");
    volume.clear();
    let arrived = serde_json::from_str::<Value>(desk.told(&import).trim()).expect("JSON");
    for verdict in ["accepted", "rejected", "duplicate", "held"] {
        assert_eq!(arrived[verdict], file.count(verdict), "{verdict}");
    }
    let received = desk.json(&["entries"]).iter().filter(|entry| entry["type"] == "FileReceived").count();
    assert_eq!(received, 2, "it is the same arrival");
    assert_eq!(desk.json(&["verify"])[0]["ok"], true);
    assert!(status(&desk)["alarms"].as_array().is_some_and(Vec::is_empty));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Goal: a central node whose disk is full refuses, keeps what it has, and gets the rest by itself when there is room; the agent
/// works on meanwhile. Method: its disk is nearly full before a file, and filled to the last byte in the midst of one.
#[test]
fn a_full_central_node_is_caught_up_with() {
    if !own_mounts("a_full_central_node_is_caught_up_with") {
        return;
    }
    let mut volume = None;
    let mut desk = Desk::prepared("local", |data, _| volume = Some(Disk::mounted(&data.join("central"), DISK_MIB)));
    let volume = volume.expect("mounted");
    let mut running = desk.start(&["up"]);
    running.until_said("runs in");
    desk.drop_file(Fixture::enrolments(1, 200));
    ends_well(&desk, &mut running, true);
    for (at_once, left) in [(true, 40 * MIB), (false, 0)] {
        if at_once {
            volume.fill_to(left);
        }
        let before = there(&desk);
        let file = u32::try_from(desk.dropped.len()).expect("few") + 1;
        desk.drop_file(Fixture::enrolments(file, 6_000));
        if !at_once {
            until("a transfer under way", || (there(&desk) > before).then_some(()));
            volume.fill_to(left);
        }
        until("a polite refusal", || {
            let mirror = status(&desk)["mirror"].clone();
            mirror["refused"].as_str().is_some_and(|why| why.contains("disk of the central node is full")).then_some(())
        });
        assert_eq!(desk.ask(&["status", "--check"]).status.code(), Some(1));
        desk.until_filed(&mut running);
        desk.check_log(false);
        assert!(there(&desk) >= before);
        volume.clear();
        ends_well(&desk, &mut running, true);
    }
    running.stop_well();
    desk.check_log(true);
}

/// How many entries the central node has acknowledged.
fn there(desk: &Desk) -> u64 {
    status(desk)["mirror"]["entries"].as_u64().unwrap_or(0)
}
