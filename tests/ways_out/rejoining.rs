//! A log that parted from the central one goes back to it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    harness::{self, Desk, Fixture},
    points_of, said,
    support::{
        self, count, list,
        nodes::{Agent, Central, enrolments, row, same},
        object, oulad, refused, scratch, text, tree,
    },
    until_mirrored,
};

/// What an agent's data directory has of its log.
const OF_THE_LOG: [&str; 9] =
    ["log", "head", "closed", "keyring", "vault", "checkpoint", "books", "identity.toml", "tls"];

/// Copies what belongs to the log, in place of what is there.
fn put(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for part in OF_THE_LOG {
        let (from, to) = (from.join(part), to.join(part));
        if to.is_dir() {
            fs::remove_dir_all(&to).expect("removed");
        }
        if from.is_dir() {
            support::copy_directory(&from, &to);
        } else if from.exists() {
            fs::copy(&from, &to).expect("copied");
        }
    }
}

/// Goal: a log that parted from the central one goes back to it, and every row of both branches has one verdict and one receipt
/// that counts. Method: an old copy of the data directory takes a file while the central node is away, with all of the branch
/// readable, and with its store gone, so that only `done/` and the vault know of the file.
#[test]
fn a_log_that_parted_goes_back() {
    for whole in [true, false] {
        let mut desk = Desk::new("local");
        desk.drop_file(Fixture::enrolments(0, 30));
        let mut running = desk.start(&["up"]);
        until_mirrored(&desk, &mut running);
        running.stop_well();
        let old = desk.beside("old");
        put(&desk.data, &old);
        desk.drop_file(Fixture::enrolments(1, 30));
        let mut running = desk.start(&["up"]);
        until_mirrored(&desk, &mut running);
        running.stop_well();
        put(&old, &desk.data);
        desk.drop_file(Fixture::enrolments(2, 30));
        let mut running = desk.start(&["run"]);
        desk.until_filed(&mut running);
        running.stop_well();
        let log = desk.json(&["entries"])[0]["log"].as_str().expect("the log's id").to_owned();
        let receipts = tree(&desk.folder.join("receipts"));
        if !whole {
            fs::write(desk.data.join("log/db"), b"").expect("it is lost");
        }
        let branch = tree(&desk.data.join("log"));

        let (mut central, address) = desk.central_of(&desk.data);
        let invite = Desk::command_in(&desk.data.join("central"), &["central", "invite", "--recover", &log]).output();
        let code = String::from_utf8(invite.expect("it runs").stdout).expect("text").trim().to_owned();
        let rejoined = desk.ask(&["recover", "--rejoin", &address, &code]);
        assert_eq!(rejoined.status.code(), Some(i32::from(!whole)), "{}{}", said(&rejoined), central.said());
        assert_eq!(said(&rejoined).contains("could not be read to its end"), !whole, "{}", said(&rejoined));
        assert!(tree(&desk.data.join("evidence/branch-1/log")) == branch, "the branch is not what it was");
        central.terminate();
        harness::until("its end", || central.ended());

        let mut running = desk.start(&["up"]);
        until_mirrored(&desk, &mut running);
        // What its sender was told before is left as it is, and the new receipt says that it no longer counts.
        desk.given_up = 1;
        desk.check_log(true);
        running.stop_well();
        let now = tree(&desk.folder.join("receipts"));
        assert!(receipts.iter().all(|(path, bytes)| now.get(path) == Some(bytes)), "a receipt was changed");
        let takes_place =
            now.values().filter(|bytes| String::from_utf8_lossy(bytes).contains("which takes the place of receipt"));
        assert_eq!(takes_place.count(), 1);
    }
}

/// A row of enrolment: the ULN of one person, all else of another.
fn enrolment(uln_of: (u32, u32), of: (u32, u32)) -> String {
    let (uln, person) = (oulad::stranger(uln_of.0, uln_of.1).uln, oulad::stranger(of.0, of.1));
    format!("{uln},{},{},{},RIVER1,601/5886/4,2026-09-07,REF\n", person.given, person.family, person.born)
}

/// Withdraws a learner by an operator's order.
fn withdraw(agent: &Agent, salt: u32, row: u32, reason: &str) {
    let person = oulad::stranger(salt, row);
    let born = person.born.to_string();
    agent.good(&[
        &"record",
        &"withdraw",
        &"--uln",
        &person.uln,
        &"--family-name",
        &person.family,
        &"--date-of-birth",
        &born,
        &"--on",
        &"2026-10-01",
        &"--reason",
        &reason,
        &"--operator",
        &"clerk",
    ]);
}

/// Kills a rejoin at each of its crash points, one after the other.
fn killed_at_each_point(forked: &Agent, address: &str, code: &str, kept: &BTreeMap<PathBuf, Vec<u8>>) {
    let points = [
        "fetched",
        "aside",
        "place",
        "announce.before",
        "announce.after",
        "receive.after",
        "ruling.after",
        "order.after",
        "note.before",
    ];
    let mut points = points.map(|point| format!("rejoin.{point}")).to_vec();
    for point in &points {
        let rejoin = ["recover", "--rejoin", address, code];
        let mut command = Desk::command_in(&forked.data, &rejoin);
        let doomed = command.env("DAYBOOK_CRASH_AT", point).output().expect("it runs");
        let signal = std::os::unix::process::ExitStatusExt::signal(&doomed.status);
        assert_eq!(signal, Some(9), "{point}: {}", said(&doomed));
        let noted = forked.data.join("rejoining.toml").exists();
        assert_eq!(noted, point != "rejoin.fetched", "{point}");
        if noted {
            let why = refused(&[&"run", &"--data", &forked.data]);
            assert!(why.contains("recover --rejoin") && why.contains("run the same command again"), "{point}: {why}");
            let plain = refused(&[&"recover", &address, &code, &"--data", &forked.data]);
            assert!(plain.contains("recover --rejoin"), "{point}: {plain}");
        } else {
            assert!(tree(&forked.data.join("log")) == *kept, "{point}: the log was touched");
        }
    }
    points.sort_unstable();
    assert_eq!(points, points_of("rejoin."));
}

/// Goal: files, orders and rulings of a branch are judged again on the central log, each once, wherever the rejoin is killed; the
/// machine that wrote it until then is shut out. Method: both copies of a data directory go on; the older one, with a folder's
/// file, an imported one, a row released after it was held, and orders about learners of both branches, rejoins through a death
/// at each of its crash points.
#[test]
fn files_orders_and_rulings_are_judged_again() {
    let place = scratch();
    let mut central = Central::start(&place.path().join("central"));
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.join(&central.address, &central.invite());
    agent.import("first.csv", &enrolments(1, 20));
    let mut forked = agent.copy(&place.path().join("forked"));
    agent.start();
    withdraw(&agent, 1, 1, "ILLNESS");
    agent.drop_file("second.csv", &enrolments(2, 20));
    same(&agent, &central);
    agent.stop();

    central.stop();
    forked.start();
    let heading = "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref\n";
    // Of the second row, the person is known by another ULN.
    let mut third = heading.to_owned();
    third.extend([enrolment((3, 0), (3, 0)), enrolment((3, 1), (1, 5)), enrolment((3, 2), (3, 2))]);
    forked.drop_file("third.csv", third.as_bytes());
    harness::until("its receipt", || (forked.receipts().len() == 1).then_some(()));
    // The other branch has these too.
    forked.import("fourth.csv", &enrolments(2, 20));
    let held = forked.good(&[&"held", &"list", &"--json"]).lines();
    let held = held.first().map(|held| count(held, "held").to_string()).expect("it is held");
    forked.good(&[&"held", &"release", &held, &"--reason", &"twins", &"--operator", &"supervisor"]);
    withdraw(&forked, 1, 2, "FINANCIAL");
    withdraw(&forked, 3, 2, "LEFT_COURSE");
    forked.stop();
    let branch = forked.entries();
    central.go_on();
    forked.start();
    assert!(forked.refused().contains("daybook recover --rejoin"), "{}", forked.refused());
    forked.stop();

    let receipts = tree(&forked.data.join("drop/receipts"));
    let kept = tree(&forked.data.join("log"));
    let code = central.invite_to_recover(&agent.log);
    killed_at_each_point(&forked, &central.address, &code, &kept);
    let rejoined = object(&[&"recover", &"--rejoin", &central.address, &code, &"--json", &"--data", &forked.data]);
    assert!(list(&rejoined, "left").is_empty(), "{rejoined}");
    assert!(tree(&forked.data.join("evidence/branch-1/log")) == kept, "the branch is not what it was");

    // What has gone back is not moved aside again.
    let why = refused(&[&"recover", &"--rejoin", &central.address, &code, &"--data", &forked.data]);
    assert!(why.contains("nothing has parted"), "{why}");
    assert!(!forked.data.join("evidence/branch-2").exists());

    forked.start();
    forked.drop_file("fifth.csv", &enrolments(5, 5));
    same(&forked, &central);
    agent.start();
    assert!(agent.refused().contains("epoch 2"));
    agent.stop();
    let entries = forked.entries();
    let mut rows: BTreeMap<(u64, u64), Vec<&str>> = BTreeMap::new();
    for entry in &entries {
        if let Some(row) = row(entry) {
            rows.entry(row).or_default().push(text(entry, "type"));
        }
    }
    let verdicts = |wanted: &[&str]| rows.values().filter(|found| found.as_slice() == wanted).count();
    assert_eq!(rows.len(), 20 + 20 + 3 + 20 + 5);
    assert_eq!(verdicts(&["LearnerEnrolled"]), 20 + 20 + 2 + 5);
    assert_eq!(verdicts(&["RowDuplicate"]), 20);
    assert_eq!(verdicts(&["RowHeld", "LearnerEnrolled"]), 1, "what was released is released again");
    let of = |kind: &str| entries.iter().filter(|entry| text(entry, "type") == kind).count();
    assert_eq!((of("LearnerWithdrawn"), of("HeldReleased"), of("LogRejoined")), (3, 1, 1));
    assert_eq!(of("FileReceived"), 5);
    // Each receipt of the branch stands as it was, and a new one takes its place.
    let issued = branch.iter().filter(|entry| text(entry, "type") == "ReceiptIssued").count();
    assert!(issued >= 3, "{issued}");
    let now = tree(&forked.data.join("drop/receipts"));
    assert!(receipts.iter().all(|(path, bytes)| now.get(path) == Some(bytes)), "a receipt was changed");
    let texts = forked.receipts();
    assert_eq!(texts.iter().filter(|text| text.contains("takes the place of receipt")).count(), 1, "{texts:?}");
    assert!(forked.verify().get("ok") == Some(&true.into()));
    forked.stop();
}

/// Goal: a rejoin that cannot be, or need not be, leaves the home as it was, and the code good. Method: by a wrong address, by codes of
/// the wrong kind, of another log and of nobody, and of a log that is mirrored whole.
#[test]
fn a_rejoin_that_fails_touches_nothing() {
    let place = scratch();
    let central = Central::start(&place.path().join("central"));
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.join(&central.address, &central.invite());
    agent.import("first.csv", &enrolments(1, 20));
    let lost = agent.copy(&place.path().join("lost"));
    agent.start();
    agent.drop_file("second.csv", &enrolments(2, 20));
    same(&agent, &central);
    agent.stop();
    let mut other = Agent::new(&place.path().join("other"), "local");
    other.join(&central.address, &central.invite());
    other.start();
    same(&other, &central);
    other.stop();

    let code = central.invite_to_recover(&agent.log);
    let (of_other, to_join) = (central.invite_to_recover(&other.log), central.invite());
    let nowhere = "127.0.0.1:1";
    let wrong = [
        (nowhere, &code, "nothing of this data directory was moved"),
        (&*central.address, &code, "nothing has parted"),
    ];
    let whole = wrong.map(|wrong| (&agent, wrong));
    let parted = [(nowhere, &code), (&*central.address, &of_other), (&*central.address, &to_join)];
    let parted = parted.map(|(address, code)| (&lost, (address, code, "nothing of this data directory was moved")));
    for (agent, (address, code, words)) in whole.into_iter().chain(parted) {
        let of_the_log = || {
            let trees = ["log", "keyring", "vault", "tls"].map(|part| tree(&agent.data.join(part)));
            (trees, ["head", "closed", "identity.toml"].map(|part| fs::read(agent.data.join(part)).ok()))
        };
        let before = of_the_log();
        let why = refused(&[&"recover", &"--rejoin", &address, code, &"--data", &agent.data]);
        assert!(why.contains(words), "{why}");
        assert!(of_the_log() == before, "something was moved: {why}");
        assert!(!agent.data.join("rejoining.toml").exists() && !agent.data.join("evidence").exists());
    }
    agent.start();
    agent.drop_file("third.csv", &enrolments(3, 5));
    same(&agent, &central);
    agent.stop();
    object(&[&"recover", &"--rejoin", &central.address, &code, &"--json", &"--data", &lost.data]);
}
