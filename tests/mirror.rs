//! Agents and a central node as processes, with real TLS between them: what is mirrored is the log byte for byte, and
//! whoever has no business there is refused with a word on what to do, on both sides.

mod support;

use std::{
    fs,
    time::{Duration, Instant},
};

use support::{
    count, daybook, good,
    line::Line,
    list,
    nodes::{Agent, Central, enrolments, row, same},
    refused, scratch, text, tree, until,
};

/// Goal: two agents are mirrored to their ends through whatever stops and dies, and a code lets in one of them once. Method:
/// drop files, stop and start the central node, kill an agent at work; compare exports.
#[test]
fn two_agents_are_mirrored() {
    let place = scratch();
    let mut central = Central::start(&place.path().join("central"));
    let (mut one, mut other) =
        (Agent::new(&place.path().join("a"), "local"), Agent::new(&place.path().join("b"), "local"));
    let code = central.invite();
    one.join(&central.address, &code);
    let why = refused(&[&"join", &central.address, &code, &"--data", &other.data]);
    assert!(why.contains("used before") && why.contains("ask for a new one"), "{why}");
    other.join(&central.address, &central.invite());
    assert_ne!(one.log, other.log);
    for (salt, agent) in [(1, &mut one), (2, &mut other)] {
        agent.start();
        agent.drop_file("first.csv", &enrolments(salt, 300));
        same(agent, &central);
    }
    let report = central.report();
    let connected = list(&report, "agents").iter().filter(|agent| agent.get("connected") == Some(&true.into()));
    assert_eq!((list(&report, "agents").len(), connected.count()), (2, 2), "{report}");

    // The central node away: work goes on, and is caught up with.
    central.stop();
    let before = count(&one.status(), "entries");
    one.drop_file("second.csv", &enrolments(3, 300));
    one.shows("work without the central node", |status| (count(status, "entries") > before + 300).then_some(()));
    other.stop();
    other.import("third.csv", &enrolments(4, 50));
    central.go_on();
    same(&one, &central);
    other.start();
    same(&other, &central);

    // An agent killed at work goes on where its log ends: each row once.
    let before = count(&one.status(), "entries");
    one.drop_file("fourth.csv", &enrolments(5, 4_000));
    one.shows("work under way", |status| (count(status, "entries") > before + 3).then_some(()));
    one.kill();
    one.start();
    same(&one, &central);
    let mut rows: Vec<(u64, u64)> = one.entries().iter().filter_map(row).collect();
    assert_eq!(rows.len(), 300 + 300 + 4_000);
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 300 + 300 + 4_000, "a row has two verdicts");
    let unlike: Vec<_> =
        one.entries().into_iter().filter(|it| row(it).is_some() && text(it, "type") != "LearnerEnrolled").collect();
    assert!(unlike.is_empty(), "{unlike:?}");
    assert_eq!(one.receipts().len(), 3);
    for agent in [&mut one, &mut other] {
        agent.stop();
        let checked = daybook(&[&"status", &"--json", &"--data", &agent.data]).lines();
        assert!(checked.iter().all(|status| list(status, "alarms").is_empty()), "{checked:?}");
    }
    central.stop();
}

/// Goal: `answer_after = "mirrored"` keeps the answer back until the central node has everything. Method: drop a file with the
/// central node away; the row verdicts are there and no receipt is; then let it come back.
#[test]
fn an_answer_waits_for_the_mirror() {
    let place = scratch();
    let mut central = Central::start(&place.path().join("central"));
    let mut agent = Agent::new(&place.path().join("a"), "mirrored");
    agent.join(&central.address, &central.invite());
    central.stop();
    agent.start();
    agent.drop_file("first.csv", &enrolments(1, 40));
    let of = |agent: &Agent, kind: &str| agent.entries().iter().find(|entry| text(entry, "type") == kind).cloned();
    let processed = until("the verdicts", || of(&agent, "FileProcessed"));
    // A stop and a start must not answer either.
    agent.stop();
    agent.start();
    assert!(agent.receipts().is_empty() && of(&agent, "ReceiptIssued").is_none());
    assert!(agent.data.join("drop/in/first.csv").exists());
    central.go_on();
    let receipts = until("a receipt", || Some(agent.receipts()).filter(|receipts| !receipts.is_empty()));
    let there = good(&[&"entries", &"--json", &"--data", &central.data, &"--log", &agent.log]).lines();
    assert!(
        there.iter().any(|entry| entry.get("sequence") == processed.get("sequence")),
        "answered before it was mirrored"
    );
    assert!(receipts.iter().all(|receipt| receipt.contains("Level      mirrored")), "{receipts:?}");
    let issued = until("the answer on record", || of(&agent, "ReceiptIssued"));
    assert_eq!(text(&issued, "level"), "mirrored");
    same(&agent, &central);
    assert!(!agent.data.join("drop/in/first.csv").exists());
}

/// Goal: an agent of another authority, and an agent that was led to another central node, are turned away, and both sides
/// say so. Method: swap address and authority of agents that have joined elsewhere.
#[test]
fn another_authority_is_turned_away() {
    let place = scratch();
    let (central, elsewhere) = (Central::start(&place.path().join("c")), Central::start(&place.path().join("d")));
    let (mut lost, mut stranger) =
        (Agent::new(&place.path().join("a"), "local"), Agent::new(&place.path().join("b"), "local"));
    lost.join(&central.address, &central.invite());
    stranger.join(&elsewhere.address, &elsewhere.invite());
    let authority = "tls/authority.crt.der";
    fs::copy(lost.data.join(authority), stranger.data.join(authority)).expect("copied");
    stranger.redirect(&elsewhere.address, &central.address);
    stranger.start();
    let why = stranger.refused();
    assert!(why.contains("another authority") && why.contains("daybook central invite"), "{why}");
    stranger.alarmed("identity");
    assert!(daybook(&[&"status", &"--check", &"--data", &stranger.data]).exit == 1);
    let theirs = central.alarmed(None, "identity");
    assert!(theirs.contains("another"), "{theirs}");

    // The other way round the agent turns the central node away, and sends it nothing.
    lost.redirect(&central.address, &elsewhere.address);
    lost.start();
    let trouble = lost.shows("trouble", |status| Some(status.get("mirror")?.get("trouble")?.as_str()?.to_owned()));
    assert!(trouble.contains("not the expected central node"), "{trouble}");
    assert_eq!(list(&elsewhere.report(), "agents").len(), 1);
}

/// After so many bytes a line stalls: the keys come first, 80 bytes each.
const STALL: u64 = 1_000_000;

/// Goal: a revoked agent is out within a second, in mid-transfer too, it stays out, and both sides show it. Method: revoke
/// while an original is half through a line that stalls; the time until the central node has hung up is taken.
#[test]
fn a_revoked_agent_is_out_within_a_second() {
    let place = scratch();
    let central = Central::start(&place.path().join("c"));
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.join(&central.address, &central.invite());
    agent.import("large.csv", &enrolments(1, 8_000));
    let line = Line::stalling(&central.address, STALL);
    agent.redirect(&central.address, &line.address);
    agent.start();
    until("a stalled line", || (line.passed() >= STALL).then_some(()));
    let there =
        until("a part of the log", || Some(count(&central.agent(&agent.log), "entries")).filter(|there| *there > 0));
    assert!(line.ended().is_none() && there < count(&agent.status(), "entries"), "it is under way");
    let began = Instant::now();
    good(&[&"central", &"revoke", &agent.log, &"--reason", &"laptop stolen", &"--data", &central.data]);
    let ended = until("the end of the connection", || line.ended());
    let taken = ended.saturating_duration_since(began);
    assert!(taken < Duration::from_secs(1), "{taken:?}");
    let why = agent.refused();
    assert!(why.contains("revoked") && why.contains("laptop stolen"), "{why}");
    agent.alarmed("revoked");
    agent.stop();
    agent.redirect(&line.address, &central.address);
    agent.start();
    assert!(agent.refused().contains("revoked"));
    let shown = central.agent(&agent.log);
    assert!(text(&shown, "revoked").contains("laptop stolen"), "{shown}");
    assert_eq!(shown.get("connected"), Some(&false.into()), "{shown}");
    central.alarmed(Some(&agent.log), "revoked");
    assert!(central.status().out.contains("revoked"));
    // Nothing came in since.
    assert!(count(&shown, "entries") < count(&agent.status(), "entries"));
}

/// Goal: an old copy of a data directory and a log that went its own way are refused with a word on what to do, nothing is
/// overwritten, and both sides raise an alarm. Method: copy a stopped agent twice, let the original go on, start the copies.
#[test]
fn an_old_copy_and_a_fork_are_refused() {
    let place = scratch();
    let central = Central::start(&place.path().join("c"));
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.join(&central.address, &central.invite());
    agent.import("first.csv", &enrolments(1, 20));
    let mut copies = [agent.copy(&place.path().join("old")), agent.copy(&place.path().join("forked"))];
    agent.import("second.csv", &enrolments(2, 20));
    agent.start();
    same(&agent, &central);
    agent.stop();
    let mirrored = central.frames(&agent.log);

    let [old, forked] = &mut copies;
    forked.import("third.csv", &enrolments(3, 60));
    for (copy, alarm) in [(old, "rollback"), (forked, "fork")] {
        let before = copy.frames();
        copy.start();
        let why = copy.refused();
        assert!(why.contains("daybook recover"), "{alarm}: {why}");
        let ours = copy.alarmed(alarm);
        let theirs = central.alarmed(Some(&agent.log), alarm);
        assert!(ours.contains("daybook recover") && theirs.contains("daybook recover"), "{ours} / {theirs}");
        assert_eq!(daybook(&[&"status", &"--check", &"--data", &copy.data]).exit, 1);
        let status = central.status();
        assert!(status.exit == 1 && status.out.contains(alarm), "{}", status.out);
        copy.stop();
        assert!(copy.frames().starts_with(&before), "{alarm}: what the copy had is not what it was");
        assert!(central.frames(&agent.log) == mirrored, "{alarm}: the central node took something");
        // Started again it is refused again.
        copy.start();
        copy.refused();
        copy.stop();
    }
    agent.start();
    agent.drop_file("fourth.csv", &enrolments(4, 20));
    same(&agent, &central);
    assert_eq!(
        count(&support::object(&[&"central", &"clear", &agent.log, &"--json", &"--data", &central.data]), "cleared"),
        2
    );
    assert!(central.alarms(Some(&agent.log)).is_empty());
}

/// Goal: `recover` brings everything back on a new machine, once for each code, and fences the old one. Method: recover a log
/// with files, a configuration and originals; compare; start the old machine, the code again, and the new machine.
#[test]
fn a_log_is_recovered_and_the_old_machine_fenced() {
    let place = scratch();
    let central = Central::start(&place.path().join("c"));
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.join(&central.address, &central.invite());
    agent.start();
    agent.drop_file("first.csv", &enrolments(1, 300));
    let entries = same(&agent, &central);
    agent.stop();
    let (key, before) = (agent.data.join("operator.key"), agent.frames());

    let code = central.invite_to_recover(&agent.log);
    let new = place.path().join("new");
    // A file that is no key is told before the code is spent and the old machine shut out.
    let no_key = place.path().join("no.key");
    fs::write(&no_key, "no key").expect("written");
    let why = refused(&[&"recover", &central.address, &code, &"--operator-key", &no_key, &"--data", &new]);
    assert!(why.contains("not an operator's key") && !new.exists(), "{why}");
    let recover =
        |to: &std::path::Path| daybook(&[&"recover", &central.address, &code, &"--operator-key", &key, &"--data", &to]);
    let said = recover(&new);
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("epoch 2") && said.out.contains("good: nothing of the log was lost"), "{}", said.out);
    let mut recovered = Agent::at(&new, &agent.log);
    assert!(recovered.frames().starts_with(&before), "the log is not what it was");
    assert_eq!(recovered.verify().get("ok"), Some(&true.into()));
    for part in ["vault", "keyring/00000001.keys", "daybook.toml", "operator.key"] {
        let of = |data: &std::path::Path| {
            let path = data.join(part);
            if path.is_dir() { tree(&path) } else { [(path.clone(), fs::read(path).expect("it is back"))].into() }
        };
        let values = |data| of(data).into_values().collect::<Vec<_>>();
        assert!(values(&new) == values(&agent.data), "{part} is not what it was");
    }
    let uln = support::oulad::stranger(1, 7).uln;
    let told =
        |data: &std::path::Path| good(&[&"history", &"--json", &"--reveal", &"--uln", &uln, &"--data", &data]).out;
    assert_eq!(told(&new), told(&agent.data));

    let another = place.path().join("another");
    let again = recover(&another);
    assert!(
        again.exit == 2 && again.err.contains("used before") && again.err.contains("ask for a new"),
        "{}",
        again.err
    );
    assert!(!another.join("identity.toml").exists());

    agent.start();
    let why = agent.refused();
    assert!(why.contains("epoch 2") || why.contains("recover"), "{why}");
    agent.alarmed("fenced");
    central.alarmed(Some(&agent.log), "fenced");
    agent.stop();

    recovered.start();
    recovered.drop_file("second.csv", &enrolments(2, 30));
    assert!(same(&recovered, &central) > entries + 30);
    assert_eq!(count(&recovered.status(), "epoch"), 2);
    let report = central.report();
    let epochs: Vec<_> = list(&report, "agents")
        .iter()
        .map(|agent| (count(agent, "epoch"), agent.get("fenced_at").is_some_and(|at| !at.is_null())))
        .collect();
    assert_eq!(epochs, [(1, true), (2, false)], "{report}");
}
