//! Folders by a pattern: one for every centre's directory, also for one that comes while the agent runs.

mod harness;

use std::{fs, path::Path};

use harness::{Desk, Fixture, until};

/// Drops a file into a centre's folder and waits for its receipt.
fn answered(desk: &Desk, folder: &Path, fixture: &Fixture) {
    let making = desk.write(fixture);
    fs::rename(making, folder.join("in").join(&fixture.name)).expect("dropped");
    let receipts = || fs::read_dir(folder.join("receipts")).expect("a folder").flatten().map(|entry| entry.path());
    until("a receipt", || receipts().any(|path| path.extension().is_some_and(|it| it == "csv")).then_some(()));
    until("an empty folder", || fs::read_dir(folder.join("in")).ok()?.next().is_none().then_some(()));
}

/// Goal: a pattern watches every centre's directory, and what comes from one is recorded for that centre and answered there; a
/// new centre is found by a running agent, and a file that waits in its folder at the next start is taken. Method: two centres
/// at the start, a third one later; a stop, a file, and a start.
#[test]
fn a_centre_needs_no_more_than_a_directory() {
    let desk = Desk::new("local");
    let centres = desk.beside("centres");
    for name in ["NORTH1", "SOUTH1", "no centre"] {
        fs::create_dir_all(centres.join(name)).expect("a directory");
    }
    let config = format!(
        "[agent]\nrescan_seconds = 1\nfree_bytes_min = 1\n[[folder]]\nname = \"all\"\npath = \"{}/{{centre}}\"\n\
         quiet_seconds = 0\n",
        centres.display()
    );
    fs::write(desk.data.join("daybook.toml"), config).expect("a configuration");
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    assert!(!centres.join("no centre/in").exists());
    let checked = desk.told(&["check"]);
    assert!(checked.contains("all/NORTH1") && checked.contains("All is well"), "{checked}");
    answered(&desk, &centres.join("SOUTH1"), &Fixture::enrolments(0, 5));
    fs::create_dir(centres.join("WEST1")).expect("a new centre");
    until("a folder of the new centre", || centres.join("WEST1/receipts").exists().then_some(()));
    until("its drop folder", || centres.join("WEST1/in").exists().then_some(()));
    answered(&desk, &centres.join("WEST1"), &Fixture::enrolments(1, 5));
    running.stop_well();

    let waits = Fixture::enrolments(2, 5);
    fs::write(centres.join("NORTH1/in").join(&waits.name), &waits.bytes).expect("dropped");
    let mut running = desk.start(&["run"]);
    until("an empty folder", || {
        assert!(running.ended().is_none(), "{}", running.said());
        fs::read_dir(centres.join("NORTH1/in")).ok()?.next().is_none().then_some(())
    });
    running.stop_well();
    let entries = desk.json(&["entries"]);
    let received = entries.iter().filter(|entry| entry["type"] == "FileReceived");
    let of: Vec<_> = received.map(|entry| (entry["folder"].as_str(), entry["centre"].as_str())).collect();
    let expected = [("all/SOUTH1", "SOUTH1"), ("all/WEST1", "WEST1"), ("all/NORTH1", "NORTH1")];
    assert_eq!(of, expected.map(|(folder, centre)| (Some(folder), Some(centre))));
    assert_eq!(desk.json(&["verify"])[0]["ok"], true);
}
