use super::*;
use crate::{
    cli::metrics,
    scrub::{Damage, Part},
};

const NOW: Timestamp = Timestamp(1_795_269_802_000_000);

fn before(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 - seconds * 1_000_000)
}

fn well() -> StatusReport {
    StatusReport {
        at: NOW,
        version: "0.1.0".to_owned(),
        agent_running: Some(true),
        log: LogId([7; 16]),
        epoch: Epoch(1),
        entries: 48_213,
        root: Digest([0xab; 32]),
        last_recorded_at: Some(before(40)),
        folders: vec![
            FolderStatus {
                name: "north".to_owned(),
                centre: "12345".to_owned(),
                waiting: 0,
                last_file_at: Some(before(41)),
                problem: None,
            },
            FolderStatus {
                name: "the far south".to_owned(),
                centre: "C2".to_owned(),
                waiting: 1_200,
                last_file_at: None,
                problem: None,
            },
        ],
        held: HeldStatus::default(),
        proposals: 0,
        operators: 0,
        alarms: Vec::new(),
        mirror: Some(MirrorStatus {
            central: "central.example:7310".to_owned(),
            connected: true,
            last_contact_at: Some(before(3)),
            entries: 48_213,
            signed_for: Some(48_213),
            originals_missing: 0,
            refused: None,
            refusal: None,
            trouble: None,
        }),
        disk: DiskStatus { free_bytes: 44_500_000_000, free_bytes_min: 256 << 20 },
        reference: Vec::new(),
        checks_off: vec!["centres".to_owned(), "qualifications".to_owned()],
        verified: None,
        scrub: ScrubStatus { at: Some(before(200_000)), due_at: Some(before(-400_000)), ..ScrubStatus::default() },
        others: Vec::new(),
    }
}

/// Goal: one screen that says at the top that all is well. Method: golden text.
#[test]
fn all_is_well() {
    let report = well();
    assert_eq!(report.problems(), []);
    assert!(
        report
            .json()
            .expect("an object")
            .starts_with(r#"{"ok":true,"problems":[],"at":"2026-11-21T14:03:22.000000Z","#)
    );
    insta::assert_snapshot!(report.text().join("\n"));
}

/// Goal: everything that can be wrong stands at the top with what mends it. Method: a report with all of it, golden text.
#[test]
fn what_is_wrong_comes_first() {
    let mut report = well();
    report.agent_running = Some(false);
    report.held = HeldStatus { files: 2, rows: 31, oldest_at: Some(before(90_000)) };
    (report.proposals, report.operators) = (2, 3);
    report.alarms = vec![AlarmStatus {
        alarm: "fork".to_owned(),
        detail: "the central node has other entries from 48,000 on".to_owned(),
        since: before(4_000),
    }];
    report.disk.free_bytes = 100 << 20;
    report.verified = Some(VerifyStatus { at: before(200_000), entries: 48_000, ok: false });
    let due_at = Some(before(15 * 86_400));
    let torn = Damage { part: Part::Log, what: "log: from entry 9 on: torn".to_owned(), mend: "mend it".to_owned() };
    report.scrub = ScrubStatus { at: Some(before(200_000)), faults: 3, damage: vec![torn], due_at };
    if let Some(folder) = report.folders.first_mut() {
        folder.problem = Some("it is not there".to_owned());
    }
    if let Some(mirror) = &mut report.mirror {
        mirror.connected = false;
        mirror.last_contact_at = Some(before(CONTACT_LATE_SECONDS + 1));
        mirror.entries = 47_000;
        mirror.originals_missing = 3;
        mirror.trouble = Some("connection refused\u{7}".to_owned());
    }
    report.others = vec![Problem::new("something else", "do something")];
    assert_eq!(report.problems().len(), 10);
    assert!(
        report.json().expect("an object").starts_with(r#"{"ok":false,"problems":[{"what":"the log was found damaged"#)
    );
    insta::assert_snapshot!(report.text().join("\n"));
}

/// Goal: a refusal is told once, with the central node's words; and nothing is said of a contact that nobody sought. Method: a
/// refusal with and without its alarm; no agent, and an agent that never got through.
#[test]
fn each_thing_is_told_once() {
    let mut report = well();
    let mirror = report.mirror.as_mut().expect("a mirror");
    (mirror.refused, mirror.refusal) = (Some("revoked: stolen".to_owned()), Some("revoked"));
    let told = |report: &StatusReport| report.problems().iter().map(|it| it.what.clone()).collect::<Vec<_>>();
    assert_eq!(told(&report), ["the central node at central.example:7310 refuses this agent: revoked: stolen"]);
    let alarm = |alarm: &str| AlarmStatus { alarm: alarm.into(), detail: "see there".into(), since: before(60) };
    report.alarms = vec![alarm("revoked"), alarm("fork")];
    let [revoked, fork] = &told(&report)[..] else { unreachable!("{:?}", told(&report)) };
    assert!(revoked.contains("refuses this agent: revoked: stolen (since"), "{revoked}");
    assert!(fork.starts_with("fork: see there (since"), "{fork}");

    for (running, problems, words) in [(true, 1, ", never reached"), (false, 1, " while no agent runs")] {
        let mut report = well();
        report.agent_running = Some(running);
        let mirror = report.mirror.as_mut().expect("a mirror");
        (mirror.connected, mirror.last_contact_at, mirror.entries) = (false, None, 1);
        assert_eq!(report.problems().len(), problems, "{:?}", told(&report));
        assert!(report.text().iter().any(|line| line.contains(&format!("not connected{words}"))));
    }
}

/// Goal: a central node that is away is a problem only when something waits for it long enough. Method: each condition
/// taken away in turn.
#[test]
fn an_absent_central_node_is_borne_for_a_while() {
    let away = |change: &dyn Fn(&mut MirrorStatus)| {
        let mut report = well();
        let mirror = report.mirror.as_mut().expect("a mirror");
        (mirror.connected, mirror.last_contact_at, mirror.entries) = (false, None, 1);
        change(mirror);
        report.problems().len()
    };
    assert_eq!(away(&|_| ()), 1);
    assert_eq!(away(&|mirror| mirror.connected = true), 0);
    assert_eq!(away(&|mirror| mirror.entries = 48_213), 0);
    assert_eq!(away(&|mirror| mirror.last_contact_at = Some(before(CONTACT_LATE_SECONDS))), 0);
    assert_eq!(away(&|mirror| mirror.last_contact_at = Some(before(CONTACT_LATE_SECONDS + 1))), 1);
    assert_eq!(away(&|mirror| mirror.refused = Some("revoked".to_owned())), 1);
}

/// Goal: the figures for a collector do not change by accident. Method: golden text of a report with something of
/// everything.
#[test]
fn a_report_is_figures_too() {
    let mut report = well();
    report.held = HeldStatus { files: 2, rows: 31, oldest_at: Some(before(90_000)) };
    let alarm = |alarm: &str| AlarmStatus { alarm: alarm.to_owned(), detail: String::new(), since: before(4_000) };
    report.alarms = vec![alarm("damage"), alarm("fork")];
    report.scrub.faults = 1;
    insta::assert_snapshot!(metrics::text(&metrics::of_agent(&report)).join("\n"));
}
