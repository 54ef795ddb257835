//! The ways out of what no start mends by itself: a central node that was lost is put back from its backup; a log that parted from
//! the central one goes back to it.

mod harness;
#[path = "ways_out/rejoining.rs"]
mod rejoining;
mod support;

use std::{fs, path::Path, process::Output};

use harness::{Desk, Fixture, Running, crash_points};
use support::{
    count, daybook, good, list,
    nodes::{Agent, Central, enrolments, same},
    object, refused, scratch, text, tree,
};

/// The crash points of one of the ways out, by how their names begin.
fn points_of(way: &str) -> Vec<String> {
    let points: Vec<_> = crash_points().into_iter().filter(|point| point.starts_with(way)).collect();
    assert!(!points.is_empty(), "the source names crash points of {way}");
    points
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Runs a command to a crash point, at which it must die.
fn dies_at(desk: &Desk, data: &Path, arguments: &[&str], point: &str) {
    let doomed = Desk::command_in(data, arguments).env("DAYBOOK_CRASH_AT", point).output().expect("it runs");
    let signal = std::os::unix::process::ExitStatusExt::signal(&doomed.status);
    assert_eq!(signal, Some(9), "{point}: {} in {}", said(&doomed), desk.data.display());
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits until the central node of `daybook up` has everything.
fn until_mirrored(desk: &Desk, running: &mut Running) {
    desk.until_filed(running);
    harness::until("everything to be mirrored", || {
        let status = desk.json(&["status"]).into_iter().next()?;
        let there = status["mirror"]["entries"] == status["entries"] && status["mirror"]["originals_missing"] == 0;
        there.then_some(())
    });
}

/// Goal: a central node that is lost with its disk and put back from an older backup is sent what it lacks, with an alarm, and
/// ends as the same copy byte for byte; whoever is killed while backing up or restoring runs the same command again. Method:
/// back up beside work at every crash point, work on, take the central node away, restore at every crash point, go on.
#[test]
fn a_central_node_put_back_is_sent_what_it_lacks() {
    let mut desk = Desk::new("local");
    let (backup, central) = (desk.beside("backup"), desk.data.join("central"));
    desk.drop_file(Fixture::enrolments(0, 40));
    let mut running = desk.start(&["up"]);
    until_mirrored(&desk, &mut running);
    running.stop_well();
    for point in points_of("central.backup") {
        dies_at(&desk, &desk.data, &["central", "backup", text_of(&backup)], &point);
    }
    let mut running = desk.start(&["up"]);
    until_mirrored(&desk, &mut running);
    let first = &desk.json(&["central", "backup", text_of(&backup)])[0];
    desk.drop_file(Fixture::enrolments(1, 40));
    until_mirrored(&desk, &mut running);
    let second = &desk.json(&["central", "backup", text_of(&backup)])[0];
    // Originals and batches that were there are not copied again.
    assert!(second["entries"].as_u64() > first["entries"].as_u64(), "{first} / {second}");
    let originals = |of: &Path| tree(of).into_keys().filter(|path| text_of(path).contains("/vault/")).count();
    assert_eq!(originals(&backup), 2);
    let kept = tree(&backup);
    let third = &desk.json(&["central", "backup", text_of(&backup)])[0];
    assert_eq!((third["new_bytes"].as_u64(), &third["files"]), (Some(0), &second["files"]));
    let again = tree(&backup);
    let names = harness::names(&backup);
    assert_eq!(names, ["authority", "logs", "manifest"], "something unfinished is left");
    assert!(kept.iter().all(|(path, bytes)| text_of(path) == "manifest" || again.get(path) == Some(bytes)));
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&backup.metadata().expect("it").permissions()) & 0o777, 0o700);

    desk.drop_file(Fixture::enrolments(2, 40));
    until_mirrored(&desk, &mut running);
    running.stop_well();
    let restore = ["central", "restore", text_of(&backup)];
    let occupied = Desk::command_in(&central, &restore).output().expect("it runs");
    assert!(
        occupied.status.code() == Some(2) && said(&occupied).contains("empty data directory"),
        "{}",
        said(&occupied)
    );
    fs::rename(&central, desk.beside("lost")).expect("the disk is gone");
    for point in points_of("central.restore") {
        dies_at(&desk, &central, &restore, &point);
        let started = desk.ask(&["up"]);
        assert!(started.status.code() == Some(2) && said(&started).contains("run the same command again"));
    }
    let put_back = Desk::command_in(&central, &restore).output().expect("it runs");
    assert!(put_back.status.success() && said(&put_back).contains("central confirm"), "{}", said(&put_back));

    let mut running = desk.start(&["up"]);
    desk.drop_file(Fixture::enrolments(3, 40));
    desk.until_filed(&mut running);
    let waits = &desk.json(&["status"])[0]["mirror"]["refused"];
    assert!(waits.as_str().is_some_and(|why| why.contains("daybook central confirm")), "{waits}");
    desk.told(&["central", "confirm", "--all"]);
    until_mirrored(&desk, &mut running);
    let alarms = desk.json(&["status"])[0]["alarms"].to_string();
    assert!(alarms.contains("central_rollback") && alarms.contains("older backup"), "{alarms}");
    desk.check_log(true);
    running.stop_well();
}

/// Goal: a backup in which anything was changed is not put back. Method: a bit of each file in turn, and a file taken away.
#[test]
fn a_damaged_backup_is_not_put_back() {
    let place = scratch();
    let central = Central::start(&place.path().join("central"));
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.join(&central.address, &central.invite());
    agent.start();
    agent.drop_file("first.csv", &enrolments(1, 20));
    same(&agent, &central);
    let (backup, nowhere) = (place.path().join("backup"), place.path().join("nowhere"));
    fs::create_dir(&backup).expect("made, as others may enter it");
    let why = refused(&[&"central", &"restore", &backup, &"--data", &nowhere]);
    assert!(why.contains("no backup in") && !nowhere.exists(), "{why}");
    let why = refused(&[&"central", &"restore", &nowhere, &"--data", &nowhere]);
    assert!(why.contains("no backup in") && !nowhere.exists(), "{why}");
    good(&[&"central", &"backup", &backup, &"--data", &central.data]);
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&backup.metadata().expect("it").permissions()) & 0o777, 0o700);
    for asked in [["backup", text_of(&nowhere)], ["confirm", "--all"]] {
        let why = refused(&[&"central", &asked[0], &asked[1], &"--data", &agent.data]);
        assert!(why.contains("name the central node's data directory"), "{why}");
    }
    let files = tree(&backup);
    assert!(files.len() >= 9, "{:?}", files.keys());
    for (number, (path, bytes)) in files.iter().enumerate() {
        let to = place.path().join(format!("new-{number}"));
        let restore = || refused(&[&"central", &"restore", &backup, &"--data", &to]);
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        fs::write(backup.join(path), changed).expect("written");
        let why = restore();
        assert!(why.contains("damaged") && why.contains(text_of(path)), "{}: {why}", path.display());
        fs::remove_file(backup.join(path)).expect("removed");
        let why = restore();
        assert!(why.contains("backup"), "{}: {why}", path.display());
        // It is not started, and goes on with the whole one.
        if to.join("restoring").exists() {
            let why = refused(&[&"central", &"--data", &to]);
            assert!(why.contains("run the same command again"), "{why}");
        }
        fs::write(backup.join(path), bytes).expect("written");
        good(&[&"central", &"restore", &backup, &"--data", &to]);
        let of = |data: &Path| object(&[&"verify", &"--json", &"--data", &data, &"--log", &agent.log]);
        assert_eq!(of(&to).get("root"), of(&central.data).get("root"));
    }
    // A backup that was damaged meanwhile is mended, where it is looked at.
    let original = files.keys().find(|path| text_of(path).contains("/vault/")).expect("an original");
    let mut changed = files[original].clone();
    changed[0] ^= 1;
    fs::write(backup.join(original), changed).expect("written");
    good(&[&"central", &"backup", &backup, &"--check", &"--data", &central.data]);
    assert!(fs::read(backup.join(original)).expect("it is there") == files[original]);
    let other = Central::start(&place.path().join("other"));
    let why = refused(&[&"central", &"backup", &backup, &"--data", &other.data]);
    assert!(why.contains("another central node"), "{why}");
    let why = refused(&[&"central", &"backup", &agent.data, &"--data", &other.data]);
    assert!(why.contains("something else"), "{why}");
}

/// Goal: nobody is un-revoked and no machine un-fenced by a central node that was put back from a backup of before that.
/// Method: agents revoked before and after the backup, one whose log was taken over after it, two that joined after it; all
/// come to the central node that was put back, before and after its operator has confirmed.
#[test]
fn who_was_shut_out_stays_out() {
    let place = scratch();
    let mut central = Central::start(&place.path().join("central"));
    let mut agents: Vec<Agent> =
        ["before", "after", "old", "late"].map(|name| Agent::new(&place.path().join(name), "local")).into();
    for (salt, agent) in (1..).zip(&mut agents[..3]) {
        agent.join(&central.address, &central.invite());
        agent.start();
        agent.drop_file("first.csv", &enrolments(salt, 20));
        same(agent, &central);
        agent.stop();
    }
    let [before, after, old, late] = agents.as_mut_slice() else { unreachable!("four") };
    let revoke =
        |of: &Agent| good(&[&"central", &"revoke", &of.log, &"--reason", &"laptop stolen", &"--data", &central.data]);
    revoke(before);
    let unused = central.invite();
    let backup = place.path().join("backup");
    good(&[&"central", &"backup", &backup, &"--data", &central.data]);

    revoke(after);
    late.join(&central.address, &central.invite());
    let mut sold = Agent::new(&place.path().join("sold"), "local");
    sold.join(&central.address, &central.invite());
    late.import("first.csv", &enrolments(4, 20));
    let new = place.path().join("new");
    let code = central.invite_to_recover(&old.log);
    let key = old.data.join("operator.key");
    good(&[&"recover", &central.address, &code, &"--operator-key", &key, &"--data", &new]);
    let mut new = Agent::at(&new, &old.log);
    for agent in [late, &mut new] {
        agent.start();
        agent.drop_file("second.csv", &enrolments(5, 20));
        same(agent, &central);
        agent.stop();
    }
    let [before, after, old, late] = agents.as_mut_slice() else { unreachable!("four") };

    central.stop();
    fs::rename(&central.data, place.path().join("lost")).expect("the disk is gone");
    good(&[&"central", &"restore", &backup, &"--data", &central.data]);
    central.go_on();
    before.start();
    assert!(before.refused().contains("revoked"));
    for agent in [&mut *after, old, late, &mut new] {
        agent.start();
        assert!(agent.refused().contains("daybook central confirm"), "{}", agent.refused());
    }
    assert_eq!(central.status().exit, 1);
    let report = central.report();
    assert!(list(&report, "agents").iter().all(|agent| agent.get("connected") == Some(&false.into())), "{report}");
    let why = refused(&[&"join", &central.address, &unused, &"--data", &place.path().join("nobody")]);
    assert!(why.contains("not known here"), "{why}");

    // What the operator knows of goes first; the rest is let in. The old machine was shut out by the certificate of the new one.
    good(&[&"central", &"revoke", &after.log, &"--reason", &"laptop stolen", &"--data", &central.data]);
    // One that joined after the backup is revoked before it was ever seen.
    let told = good(&[&"central", &"revoke", &sold.log, &"--reason", &"laptop sold", &"--data", &central.data]);
    assert!(told.out.contains("one that comes is shut out"), "{}", told.out);
    sold.start();
    assert!(sold.refused().contains("laptop sold"), "{}", sold.refused());
    let confirmed = object(&[&"central", &"confirm", &"--all", &"--json", &"--data", &central.data]);
    assert_eq!(list(&confirmed, "confirmed").len(), 2, "{confirmed}");
    for agent in [late, &mut new] {
        let entries = same(agent, &central);
        assert!(entries > 20 && agent.alarmed("central_rollback").contains("older backup"));
    }
    old.shows("an old machine that is fenced", |status| {
        let why = status.get("mirror")?.get("refused")?.as_str()?;
        why.contains("epoch 2").then_some(())
    });
    after.shows("a machine that is revoked", |status| {
        status.get("mirror")?.get("refused")?.as_str()?.contains("revoked").then_some(())
    });
    for (agent, entries) in [(&*before, 20), (after, 20)] {
        let shown = central.agent(&agent.log);
        assert!(text(&shown, "revoked").contains("laptop stolen") && count(&shown, "entries") > entries, "{shown}");
    }
    let checked = daybook(&[&"status", &"--check", &"--data", &central.data]);
    assert!(!checked.out.contains("not let in"), "{}", checked.out);
}
