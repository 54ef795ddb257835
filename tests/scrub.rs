//! The scrub, on both sides: a changed byte in any kind of stored file is found, named and told of, and a log that is damaged
//! itself is written to no more.

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use daybook_protocol::{
    batch::{Frame, MAGIC},
    head::Head,
};
use serde_json::Value;
use support::{
    Said, count, daybook, good, list,
    nodes::{Agent, Central, enrolments},
    object, refused, scratch, text, until,
};

/// Changes one bit of a file, or changes it back.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

/// The places in a store's file of one byte within the batch that has this entry, wherever the engine has put it.
fn places_of_batch(db: &Path, entry: u64) -> Vec<usize> {
    let bytes = fs::read(db).expect("a store");
    let begins = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&MAGIC));
    let ours = begins.filter(|at| {
        let length = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().expect("a length")) as usize;
        let frame = bytes.get(*at..at + length).and_then(|bytes| Frame::read(bytes).ok());
        frame.is_some_and(|frame| (frame.header().first.0..frame.header().end().0).contains(&entry))
    });
    // The first byte of the body.
    let places: Vec<_> = ours.map(|at| at + 160).collect();
    assert!(!places.is_empty(), "there is such a batch");
    places
}

fn flip_in_place(path: &Path, places: &[usize]) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::File::options().read(true).write(true).open(path).expect("a file");
    for at in places {
        let mut byte = [0];
        file.read_exact_at(&mut byte, *at as u64).expect("read");
        file.write_all_at(&[byte[0] ^ 1], *at as u64).expect("written");
    }
}

/// All objects of a vault.
fn objects(home: &Path) -> Vec<PathBuf> {
    let vault = support::tree(&home.join("vault")).into_keys().map(|name| home.join("vault").join(name));
    vault.filter(|path| path.file_name().is_some_and(|name| name.len() == 64)).collect()
}

/// Whether something runs there or not, a scrub finds damage: gives what it names.
fn damaged(data: &Path) -> Vec<Value> {
    let said = daybook(&[&"scrub", &"--json", &"--data", &data]);
    assert_eq!(said.exit, 1, "{}{}", said.out, said.err);
    said.lines().iter().flat_map(|scrub| list(scrub, "damage").to_vec()).collect()
}

fn clean(data: &Path) -> Vec<Value> {
    let scrubs = good(&[&"scrub", &"--json", &"--data", &data]).lines();
    assert!(scrubs.iter().all(|scrub| scrub.get("ok") == Some(&true.into())), "{scrubs:?}");
    scrubs
}

fn status(data: &Path) -> Said {
    daybook(&[&"status", &"--check", &"--data", &data])
}

/// The names of the figures.
fn metrics(data: &Path) -> BTreeSet<String> {
    let said = good(&[&"metrics", &"--data", &data]).out;
    let figures = said.lines().filter(|line| !line.starts_with('#'));
    figures.map(|line| line.rsplit_once(' ').expect("a figure").0.to_owned()).collect()
}

/// Goal: a scrub is an entry that says what was looked at, the same with an agent running or not, and status and figures know
/// of it. Method: one of each; the entries, the status and the figures are read.
#[test]
fn a_scrub_is_on_record() {
    let place = scratch();
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.import("first.csv", &enrolments(1, 30));
    agent.import("second.csv", &enrolments(2, 30));
    let before = metrics(&agent.data);
    assert!(before.contains("daybook_entries") && before.contains("daybook_free_bytes"), "{before:?}");
    assert!(!before.contains("daybook_last_scrub_timestamp_seconds"), "{before:?}");
    let closed = clean(&agent.data);
    let seen = metrics(&agent.data);
    agent.start();
    let beside = clean(&agent.data);
    for figures in [&closed, &beside] {
        let [scrub] = figures.as_slice() else { unreachable!("{figures:?}") };
        assert_eq!((count(scrub, "originals"), count(scrub, "faults")), (2, 0), "{scrub}");
        assert!(count(scrub, "keys") >= 62 && count(scrub, "entries") > 60, "{scrub}");
        assert!(scrub.get("log").is_some() && !text(scrub, "root").is_empty(), "{scrub}");
    }
    let entries = agent.entries();
    let scrubbed: Vec<_> = entries.iter().filter(|entry| text(entry, "type") == "Scrubbed").collect();
    assert_eq!(scrubbed.len(), 2, "{entries:?}");
    for (entry, told) in scrubbed.iter().zip(closed.iter().chain(&beside)) {
        for figure in ["entries", "root", "originals", "keys", "faults"] {
            assert_eq!(entry.get(figure), told.get(figure), "{figure}: {entry}");
        }
        assert!(entry.get("actor").and_then(|actor| actor.get("operator")).is_some(), "{entry}");
    }
    let shown = agent.status();
    let scrub = shown.get("scrub").expect("a scrub");
    assert_eq!(scrub.get("at"), scrubbed[1].get("recorded_at"), "{shown}");
    assert!(text(scrub, "due_at") > text(scrub, "at"), "{shown}");
    let said = status(&agent.data);
    assert!(said.exit == 0 && said.out.contains("scrubbed") && said.out.contains("All is well"), "{}", said.out);
    assert!(seen.contains("daybook_last_scrub_faults") && seen.contains("daybook_last_scrub_timestamp_seconds"));
    assert_eq!(metrics(&agent.data), seen, "the same figures with and without an agent");
    agent.stop();
    let verified = good(&[&"verify", &"--data", &agent.data]);
    assert!(verified.out.contains("good"));
}

/// Goal: a changed byte in a keyring, an original or a head is found at an agent, beside its work and without; it is an alarm
/// that says what and where and what mends it, and it is over when the next scrub is clean. Method: flip one in each kind, both
/// ways; an original is mended by handing the file over again, the others are put back.
#[test]
fn damage_at_an_agent_is_an_alarm() {
    let place = scratch();
    let mut agent = Agent::new(&place.path().join("a"), "local");
    let file = enrolments(1, 30);
    agent.import("first.csv", &file);
    let keys = agent.data.join("keyring/00000001.keys");
    let original = objects(&agent.data).remove(0);
    let name = original.file_name().expect("a name").to_string_lossy().into_owned();
    for running in [false, true] {
        if running {
            agent.start();
        }
        for (path, at, part, words) in [
            (&keys, 5 * 80 + 3, "keyring", "keyring/00000001.keys: the record of key K1-5 is damaged"),
            (&original, 90, "original", name.as_str()),
        ] {
            flip(path, at);
            let found = damaged(&agent.data);
            let [damage] = found.as_slice() else { unreachable!("{found:?}") };
            assert_eq!(text(damage, "part"), part, "{damage}");
            assert!(text(damage, "what").contains(words), "{damage}");
            assert!(text(damage, "mend").contains("daybook"), "{damage}");
            assert!(agent.alarmed("damage").contains(words));
            let said = status(&agent.data);
            assert!(said.exit == 1 && said.out.contains(words), "{}", said.out);
            assert!(metrics(&agent.data).contains("daybook_alarm_open{alarm=\"damage\"}"));
            if part == "original" {
                let again = agent.import("first.csv", &file);
                assert_eq!((count(&again, "duplicate"), count(&again, "accepted")), (30, 0), "{again}");
            } else {
                flip(path, at);
            }
            clean(&agent.data);
            assert!(list(&agent.status(), "alarms").is_empty());
        }
    }
    assert_eq!(status(&agent.data).exit, 0);
    agent.stop();
    // The present slot of the head: the one before it counts, and the next entries write it anew.
    let head = agent.data.join("head");
    let generation = Head::of_file(&fs::read(&head).expect("a head")).expect("a good one").generation;
    flip(&head, usize::try_from(generation % 2).expect("a slot") * 4096 + 50);
    let found = damaged(&agent.data);
    assert!(found.len() == 1 && text(&found[0], "what").contains("head: one of its two slots"), "{found:?}");
    clean(&agent.data);
    let entries = agent.entries();
    let raised = entries.iter().filter(|entry| text(entry, "type") == "AlarmRaised").count();
    let cleared = entries.iter().filter(|entry| text(entry, "type") == "AlarmCleared").count();
    assert_eq!((raised, cleared), (5, 5), "{entries:?}");
}

/// An agent at work whose log has a damaged batch: the places in the store's file, and how many entries there are.
fn with_a_damaged_log(agent: &mut Agent) -> (Vec<usize>, u64) {
    agent.import("first.csv", &enrolments(1, 600));
    agent.start();
    let entries = agent.entries();
    let row = entries.iter().find(|entry| text(entry, "type") == "LearnerEnrolled").expect("a row");
    let db = agent.data.join("log/db");
    let places = places_of_batch(&db, count(row, "sequence"));
    flip_in_place(&db, &places);
    (places, entries.len() as u64)
}

/// Goal: a log that is damaged itself is written to no more by the agent that has it open, which says so and is still there to be
/// asked. Method: change every copy of a batch in the store's file below a running agent.
#[test]
fn nothing_is_written_to_a_damaged_log() {
    let place = scratch();
    let mut agent = Agent::new(&place.path().join("a"), "local");
    let (_, entries) = with_a_damaged_log(&mut agent);
    let found = damaged(&agent.data);
    assert!(found.iter().all(|damage| text(damage, "part") == "log"), "{found:?}");
    assert!(text(&found[0], "mend").contains("daybook salvage"), "{found:?}");
    let shown = agent.status();
    assert_eq!(count(&shown, "entries"), entries, "nothing was appended");
    let said = status(&agent.data);
    assert!(said.exit == 1 && said.out.contains("missing or damaged") && said.out.contains("salvage"), "{}", said.out);
    let csv = place.path().join("second.csv");
    fs::write(&csv, enrolments(2, 5)).expect("written");
    let why = refused(&[&"import", &"--centre", &"RIVER1", &csv, &"--data", &agent.data]);
    assert!(why.contains("the log is damaged"), "{why}");
    let why = refused(&[&"record", &"clock", &"--reason", &"checked", &"--data", &agent.data]);
    assert!(why.contains("damaged log"), "{why}");
    agent.drop_file("third.csv", &enrolments(3, 5));
    agent.stop();
    assert!(agent.data.join("drop/in/third.csv").exists());
    let head = fs::read(agent.data.join("head")).expect("a head");
    assert_eq!(Head::of_file(&head).expect("a good one").frontier.count(), entries);
}

/// Goal: a log that was found damaged is not opened by the next start nor by a command, which say what to do; it is opened again
/// when its bytes are good after all, or were salvaged. Method: the same damage, put back; and again, with the bytes kept
/// elsewhere.
#[test]
fn a_damaged_log_is_opened_when_it_is_mended() {
    let place = scratch();
    let mut agent = Agent::new(&place.path().join("a"), "local");
    let (places, entries) = with_a_damaged_log(&mut agent);
    assert!(!damaged(&agent.data).is_empty());
    agent.drop_file("third.csv", &enrolments(3, 5));
    agent.stop();
    let why = refused(&[&"run", &"--data", &agent.data]);
    assert!(why.contains("is damaged") && why.contains("daybook salvage"), "{why}");
    let said = status(&agent.data);
    assert!(said.exit == 1 && said.out.contains("missing or damaged"), "{}{}", said.out, said.err);
    assert!(metrics(&agent.data).contains("daybook_alarm_open{alarm=\"damage\"}"));
    assert!(!damaged(&agent.data).is_empty());

    let db = agent.data.join("log/db");
    flip_in_place(&db, &places);
    clean(&agent.data);
    agent.start();
    agent.shows("the file that waited", |status| (count(status, "entries") > entries + 5).then_some(()));
    agent.stop();

    let evidence = agent.data.join("evidence/log-1");
    fs::create_dir_all(&evidence).expect("made");
    fs::copy(&db, evidence.join("db")).expect("copied");
    flip_in_place(&db, &places_of_batch(&db, entries));
    assert!(!damaged(&agent.data).is_empty());
    let head = fs::read(agent.data.join("head")).expect("a head");
    let entries = Head::of_file(&head).expect("a good one").frontier.count();
    good(&[&"salvage", &"--data", &agent.data]);
    assert_eq!(count(&clean(&agent.data)[0], "entries"), entries);
    assert!(!status(&agent.data).out.contains("found damaged"));
}

/// Goal: a scrub beside an agent at work finds nothing that is not there, and does not stop it. Method: scrubs one after the other
/// while a large file is judged, as many as there is time for.
#[test]
fn a_scrub_beside_intake_is_clean() {
    let place = scratch();
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.start();
    agent.drop_file("large.csv", &enrolments(1, 12_000));
    let (mut scrubs, mut beside) = (0, 0);
    until("the end of the file", || {
        let entries = count(&clean(&agent.data)[0], "entries");
        scrubs += 1;
        beside += u64::from(entries > 10);
        agent.receipts().into_iter().next()
    });
    assert!(scrubs >= 2 && beside >= 1, "{scrubs} {beside}");
    assert_eq!(agent.entries().iter().filter(|entry| text(entry, "type") == "LearnerEnrolled").count(), 12_000);
    agent.stop();
}

/// A central node and two agents, mirrored.
fn mirrored(place: &Path) -> (Central, [Agent; 2]) {
    let central = Central::start(&place.join("central"));
    let mut agents = ["a", "b"].map(|name| Agent::new(&place.join(name), "local"));
    for (salt, agent) in (1..).zip(&mut agents) {
        agent.join(&central.address, &central.invite());
        agent.start();
        agent.drop_file("first.csv", &enrolments(salt, 300));
        agent.mirrored();
    }
    (central, agents)
}

fn alarmed(central: &Central, log: &str) -> bool {
    central.alarms(Some(log)).iter().any(|(name, _)| name == "damage")
}

/// Goal: damage beside the log of a copy is found at the central node and is an alarm of that log alone; what is said to mend it
/// does. Method: two agents mirrored; flip a byte of a key and of an original of one copy in turn, and do as the mend says.
#[test]
fn damage_in_a_copy_is_mended_by_its_agent() {
    let place = scratch();
    let (mut central, [one, other]) = mirrored(place.path());
    assert_eq!(clean(&central.data).len(), 2);
    let copy = central.data.join("logs").join(&one.log);
    let (original, keys) = (objects(&copy).remove(0), copy.join("keyring/00000001.keys"));
    for (path, at, part) in [(&keys, 3 * 80, "keyring"), (&original, 80, "original")] {
        flip(path, at);
        let found = damaged(&central.data);
        assert!(found.len() == 1 && text(&found[0], "part") == part, "{found:?}");
        assert!(alarmed(&central, &one.log) && !alarmed(&central, &other.log));
        let said = central.status();
        assert!(said.exit == 1 && said.out.contains(text(&found[0], "what")), "{}", said.out);
        assert!(text(&found[0], "mend").contains(&format!("mv {0} {0}.damaged", path.display())), "{found:?}");
        central.stop();
        fs::rename(path, path.with_extension("damaged")).expect("moved");
        if part == "original" {
            assert!(text(&found[0], "mend").contains(&copy.join("originals").display().to_string()), "{found:?}");
            let _ = fs::remove_file(copy.join("originals"));
        } else {
            assert!(text(&damaged(&central.data)[0], "what").contains("it ends at 0 keys, but"), "it is missed");
        }
        central.go_on();
        until("what was moved away", || path.exists().then_some(()));
        one.mirrored();
        clean(&central.data);
        assert!(!alarmed(&central, &one.log));
    }
    [one, other].iter_mut().for_each(Agent::stop);
    central.stop();
}

/// Goal: a copy whose log is damaged is written to no more, and the others are; all is well when it is good again. Method: two
/// agents mirrored; change the first batch of one copy, and change it back.
#[test]
fn a_damaged_copy_stops_its_own_log() {
    let place = scratch();
    let (mut central, [one, other]) = mirrored(place.path());
    let db = central.data.join("logs").join(&one.log).join("log/db");
    let places = places_of_batch(&db, 0);
    flip_in_place(&db, &places);
    let found = damaged(&central.data);
    assert!(found.iter().all(|damage| text(damage, "part") == "log"), "{found:?}");
    assert!(alarmed(&central, &one.log) && !alarmed(&central, &other.log));
    assert!(one.refused().contains("damaged"));
    other.drop_file("second.csv", &enrolments(9, 20));
    other.mirrored();
    let shown = good(&[&"central", &"agents", &"--data", &central.data]).out;
    assert!(shown.contains("damage: log: ") && shown.contains("1 damaged"), "{shown}");
    let figures = metrics(&central.data);
    assert!(figures.contains(&format!("daybook_alarm_open{{alarm=\"damage\",log=\"{}\"}}", one.log)), "{figures:?}");

    flip_in_place(&db, &places);
    clean(&central.data);
    one.drop_file("second.csv", &enrolments(10, 20));
    one.mirrored();
    // One copy alone can be asked for; what the agent met with meanwhile is over too.
    let scrub = object(&[&"scrub", &"--json", &"--log", &one.log, &"--data", &central.data]);
    assert_eq!(text(&scrub, "log"), one.log);
    assert!(central.alarms(Some(&one.log)).is_empty(), "{:?}", central.alarms(Some(&one.log)));
    [one, other].iter_mut().for_each(Agent::stop);
    central.stop();
}

/// What a scrub of long ago left.
const LONG_AGO: &str = r#"{"at":"2020-01-01T00:00:00.000000Z","entries":0,"root":"0000000000000000000000000000000000000000000000000000000000000000","originals":0,"keys":0,"faults":0,"damage":[]}"#;

/// Goal: an overdue scrub is told of, and is done by itself after a start, on both sides. Method: the note of an old scrub beside
/// logs whose nodes wait for no time after a start.
#[test]
fn an_overdue_scrub_is_done_by_itself() {
    let place = scratch();
    let mut central = Central::start(&place.path().join("central"));
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.join(&central.address, &central.invite());
    agent.start();
    agent.drop_file("first.csv", &enrolments(1, 30));
    agent.mirrored();
    agent.stop();
    central.stop();
    fs::write(agent.data.join("scrubbed.json"), LONG_AGO).expect("written");
    let copy = central.data.join("logs").join(&agent.log);
    fs::write(copy.join("scrubbed.json"), LONG_AGO).expect("written");
    for data in [&agent.data, &central.data] {
        let said = status(data);
        assert!(said.exit == 1 && said.out.contains("were to be scrubbed on 2020-01-08"), "{}", said.out);
    }
    let config = agent.data.join("daybook.toml");
    let before = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, before + "[agent]\nscrub_settle_seconds = 0\n").expect("written");
    central.settings = "scrub_settle_seconds = 0\n".to_owned();
    central.go_on();
    agent.start();
    let scrubbed = until("a scrub", || agent.entries().into_iter().find(|entry| text(entry, "type") == "Scrubbed"));
    assert_eq!((scrubbed.get("actor"), count(&scrubbed, "originals")), (Some(&"agent".into()), 1), "{scrubbed}");
    until("a scrub of the copy", || {
        let agent = central.agent(&agent.log);
        let scrub = agent.get("scrub")?;
        (!text(scrub, "at").starts_with("2020") && count(scrub, "faults") == 0).then_some(())
    });
    until("a good status", || (status(&agent.data).exit == 0).then_some(()));
    assert_eq!(central.status().exit, 0);
    agent.stop();
    central.stop();
}
