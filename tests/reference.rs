//! Registers of reference data, through the built program: loaded as files, rows judged by them, kept and mirrored like originals.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod harness;
mod support;

use std::{fs, path::PathBuf};

use harness::{CENTRE, Desk, Fixture, Running, crash_points};
use serde_json::Value;
use support::{
    count, good, list,
    nodes::{Agent, Central, same},
    object, refused, scratch, text,
};

const HEADING: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref";
/// Synthetic ULNs of DOMAIN.md 2.1.
const ULNS: [&str; 8] =
    ["1000000019", "1000000027", "1234567899", "2000000001", "5555555554", "3141592658", "9276308686", "1026893096"];
const GIVEN: [&str; 8] = ["Ann", "Bea", "Cleo", "Dora", "Esme", "Fay", "Gwen", "Hope"];
const CENTRES: &str = "Centre,Name,Agent,Qualification,ApprovedFrom,ApprovedTo,DirectClaim,SanctionFrom,SanctionTo\n";
const QUALIFICATIONS: &str =
    "QualificationNumber,Title,OperationalStartDate,OperationalEndDate,CertificationEndDate,MinimumAge\n";
const WHO: [&str; 4] = ["--family-name", "Doe", "--date-of-birth", "2004-05-06"];

/// A file of enrolments: of each row the place of its ULN, the qualification and the start.
fn enrolments(rows: &[(usize, &str, &str)]) -> String {
    let row = |(place, qualification, start): &(usize, &str, &str)| {
        format!("{},{},Doe,2004-05-06,{CENTRE},{qualification},{start},R{place}\n", ULNS[*place], GIVEN[*place])
    };
    format!("{HEADING}\n{}", rows.iter().map(row).collect::<String>())
}

fn written(desk: &Desk, name: &str, text: &str) -> String {
    let path = desk.write(&Fixture::other(name, text));
    path.to_str().expect("text").to_owned()
}

/// Takes a file in, and gives what was said of it.
fn import(desk: &Desk, name: &str, text: &str) -> Value {
    let said = desk.json(&["import", "--centre", CENTRE, &written(desk, name, text)]);
    said.into_iter().next().expect("one file")
}

/// Loads a register, and gives what was said of it.
fn load(desk: &Desk, register: &str, text: &str, more: &[&str]) -> Value {
    let path = written(desk, &format!("{register}.csv"), text);
    let said = desk.json(&[&["reference", "load", register, &path], more].concat());
    said.into_iter().next().expect("one register")
}

fn entries_of(desk: &Desk, event: &str) -> Vec<Value> {
    desk.json(&["entries"]).into_iter().filter(|entry| entry["type"] == event).collect()
}

/// The codes of the rejected rows, a row each, and the entry that stands in the way of each.
fn rejected(desk: &Desk) -> Vec<(String, Value)> {
    let codes = |entry: &Value| {
        let found = entry["findings"].as_array().expect("findings").iter();
        found.map(|finding| finding["code"].as_str().expect("a code")).collect::<Vec<_>>().join(" ")
    };
    entries_of(desk, "RowRejected").iter().map(|entry| (codes(entry), entry["against"].clone())).collect()
}

/// Goal: each guard of the registers refuses its rows with its code, naming the version that stands against them; a number that the
/// register holds is right whatever its check character. Method: one file with a row for each, judged under both registers.
#[test]
fn rows_are_judged_by_the_registers() {
    let desk = Desk::in_memory("local");
    // 610/0007/9 is a real number whose check character does not fit.
    let qualifications = load(
        &desk,
        "qualifications",
        &format!(
            "{QUALIFICATIONS}601/5886/4,A,2015-01-01,,,\n600/8706/7,B,2015-01-01,2020-12-31,2024-12-31,\n61000079,C,,,,\n\
             603/2496/X,D,,,,\n601/5789/6,E,,,,30\n"
        ),
        &[],
    );
    let centres = load(
        &desk,
        "centres",
        &format!(
            "{CENTRES}{CENTRE},Riverside,,601/5886/4,2020-01-01,2030-12-31,yes,2023-01-01,2023-06-30\n\
             {CENTRE},,,600/8706/7,,,,,\n{CENTRE},,,61000079,,,,,\n{CENTRE},,,601/5789/6,,,,,\n"
        ),
        &[],
    );
    let said = import(
        &desk,
        "enrolments.csv",
        &enrolments(&[
            (0, "601/5886/4", "2024-09-02"),
            (1, "610/0007/9", "2024-09-02"),
            (2, "601/5886/4", "2019-12-31"),
            (3, "601/5886/4", "2023-03-01"),
            (4, "600/8706/7", "2024-09-02"),
            (5, "603/2496/X", "2024-09-02"),
            (6, "601/5886/5", "2024-09-02"),
            (7, "601/5789/6", "2024-09-02"),
        ]),
    );
    assert_eq!((&said["accepted"], &said["rejected"]), (&2.into(), &6.into()), "{said}");
    let [q, c] = [&qualifications, &centres].map(|loaded| loaded["version"].clone());
    let expected =
        [("3R-002", &c), ("3R-010", &c), ("3R-005", &q), ("3R-002", &c), ("3R-004 3R-002 3R-003", &c), ("2L-010", &q)];
    let found = rejected(&desk);
    assert_eq!(found, expected.map(|(codes, against)| (codes.to_owned(), against.clone())));
    let accepted = entries_of(&desk, "LearnerEnrolled");
    assert!(accepted.iter().all(|entry| entry["findings"].as_array().is_some_and(Vec::is_empty)), "{accepted:?}");

    let last = &entries_of(&desk, "RowRejected")[0]["sequence"];
    let why = &desk.json(&["why", &last.to_string()])[0];
    assert_eq!((&why["against"], &why["register"]), (&c, &"centres".into()), "{why}");
    let status = &desk.json(&["status"])[0];
    assert_eq!(status["checks_off"], serde_json::json!(["prices"]));
    assert_eq!((&status["reference"][0]["version"], &status["reference"][1]["version"]), (&q, &c), "{status}");
    let shown = desk.json(&["reference", "show"]);
    assert_eq!((&shown[0]["today"]["open"], &shown[1]["today"]["direct_claim"]), (&4.into(), &1.into()), "{shown:?}");
    desk.check_log(false);
}

/// Goal: what an operator records is judged by the registers too: no completion and no certificate after the certification's end.
/// Method: a registration from before a register was there, and both asked on the last day and behind it.
#[test]
fn certificates_end_with_the_certification() {
    let desk = Desk::in_memory("local");
    assert_eq!(import(&desk, "old.csv", &enrolments(&[(0, "601/5886/4", "2024-09-02")]))["accepted"], 1);
    let off = desk.json(&["status"])[0]["checks_off"].clone();
    assert_eq!(off, serde_json::json!(["qualifications", "centres", "prices"]));
    let no = text(&entries_of(&desk, "LearnerEnrolled")[0], "registration").to_owned();
    load(&desk, "qualifications", &format!("{QUALIFICATIONS}601/5886/4,A,,,2025-06-30,\n"), &[]);
    let ask = |what: &str, on: &str, more: &[&str]| -> Value {
        let who = if what == "dispatch" { &[][..] } else { &WHO[..] };
        let arguments = ["record", what, "--registration", &no, "--on", on, "--reason", "results", "--json"];
        let output = desk.ask(&[&arguments[..], who, more].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(said.lines().next().unwrap_or("null")).expect("JSON")
    };
    let certificate = ["--certificate", "C1"];
    for said in [ask("complete", "2025-07-01", &[]), ask("dispatch", "2025-07-01", &certificate)] {
        assert_eq!((&said["type"], &said["findings"][0]["code"]), (&"RowRejected".into(), &"3R-006".into()), "{said}");
    }
    assert_eq!(ask("complete", "2025-06-30", &[])["type"], "QualificationCompleted");
    assert_eq!(ask("dispatch", "2025-06-30", &certificate)["type"], "CertificateDispatched");
}

/// Goal: a transfer leads where the registers allow it, and a rehearsal says so as the order itself does. Method: to two centres, of
/// which one is approved, each rehearsed from a file and then ordered.
#[test]
fn a_transfer_leads_where_the_registers_allow_it() {
    let desk = Desk::in_memory("local");
    assert_eq!(import(&desk, "old.csv", &enrolments(&[(0, "601/5886/4", "2024-09-02")]))["accepted"], 1);
    let no = text(&entries_of(&desk, "LearnerEnrolled")[0], "registration").to_owned();
    let loaded = load(&desk, "centres", &format!("{CENTRES}{CENTRE},,,,,,,,\nHILL2,,,,,2024-12-31,,,\n"), &[]);
    for (centre, on, code) in [("HILL9", "2024-11-04", "3R-001"), ("HILL2", "2025-01-06", "3R-002")] {
        let heading = "registration_no,given_names,family_name,date_of_birth,new_centre,effective_date,evidence,reason";
        let row = format!("{heading}\n{no},Ann,Doe,2004-05-06,{centre},{on},both,moved\n");
        let path = written(&desk, "transfers.csv", &row);
        let told = desk.ask(&["record", "from", &path, "--kind", "transfers", "--json"]);
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.contains(code), "{centre}: {told}");
        let to = [
            "--given-names",
            "Ann",
            "--to-centre",
            centre,
            "--on",
            on,
            "--consent",
            "both",
            "--reason",
            "moved",
            "--json",
        ];
        let output = desk.ask(&[&["record", "transfer", "--registration", &no][..], &WHO, &to].concat());
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&said["findings"][0]["code"], &said["against"]), (&code.into(), &loaded["version"]), "{said}");
    }
    let to = [
        "--given-names",
        "Ann",
        "--to-centre",
        "HILL2",
        "--on",
        "2024-11-04",
        "--consent",
        "both",
        "--reason",
        "moved",
    ];
    let said = desk.json(&[&["record", "transfer", "--registration", &no][..], &WHO, &to].concat());
    assert_eq!(said[0]["type"], "RegistrationTransferred", "{said:?}");
}

/// Goal: a bad file is refused whole, by line and column; a trial records nothing; the same file changes nothing. Method: each, and
/// the log before and after.
#[test]
fn a_register_is_loaded_whole_or_not_at_all() {
    let desk = Desk::in_memory("local");
    assert_eq!(import(&desk, "old.csv", &enrolments(&[(0, "601/5886/4", "2024-09-02")]))["accepted"], 1);
    let before = desk.json(&["entries"]).len();
    let bad = written(&desk, "bad.csv", &format!("{CENTRES}{CENTRE},,,,2024-13-01,,,,\nC-2,,,,,,perhaps,,\n"));
    let output = desk.ask(&["reference", "load", "centres", &bad]);
    let why = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{why}");
    for part in ["bad.csv", "line 2, ApprovedFrom: \"2024-13-01\"", "line 3, Centre: \"C-2\"", "line 3, DirectClaim"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let centres = format!("{CENTRES}{CENTRE},,,,2024-01-01,,,,\n");
    let tried = load(&desk, "centres", &centres, &["--dry-run"]);
    assert_eq!((&tried["version"], &tried["rows"]), (&Value::Null, &1.into()), "{tried}");
    assert_eq!(desk.json(&["entries"]).len(), before, "nothing is recorded");
    assert_eq!(desk.json(&["reference", "show"]).len(), 0);
    let first = load(&desk, "centres", &centres, &["--operator", "jo"]);
    let again = load(&desk, "centres", &centres, &[]);
    assert_eq!((&again["same"], &again["version"]), (&true.into(), &first["version"]), "{again}");
    assert_eq!(entries_of(&desk, "ReferenceLoaded").len(), 1);
    assert_eq!(desk.json(&["scrub"])[0]["originals"], 2, "a register is an original like a file");
    desk.told(&["verify"]);
}

/// Goal: a changed register alters no verdict, says which open registrations it touches, and the same file dropped again is the same
/// as before; after a restart rows are judged by it as before. Method: enrolled under one register; the next takes the centre's
/// approval away.
#[test]
fn a_changed_register_changes_nothing_that_was_judged() {
    let desk = Desk::in_memory("local");
    let open = format!("{CENTRES}{CENTRE},,,601/5886/4,2020-01-01,,,,\n");
    let first = load(&desk, "centres", &open, &[]);
    let rows = enrolments(&[(0, "601/5886/4", "2024-09-02"), (1, "601/5886/4", "2024-09-02")]);
    assert_eq!(import(&desk, "enrolments.csv", &rows)["accepted"], 2);
    let shut = format!("{CENTRES}{CENTRE},,,601/5886/4,2020-01-01,2024-10-31,,,\n");
    let second = load(&desk, "centres", &shut, &[]);
    let touched = &second["touched"][0];
    assert_eq!((&touched["centre"], &touched["codes"]), (&CENTRE.into(), &serde_json::json!(["3R-002"])), "{second}");
    assert_eq!((list(touched, "registrations").len(), &second["before"]), (2, &first["version"]));

    let again = import(&desk, "again.csv", &format!("{rows}\n"));
    assert_eq!((&again["duplicate"], &again["rejected"]), (&2.into(), &0.into()), "{again}");
    // Each command opens the log anew: a start in between changes nothing.
    let others =
        import(&desk, "others.csv", &enrolments(&[(2, "601/5886/4", "2024-10-31"), (3, "601/5886/4", "2024-11-01")]));
    assert_eq!((&others["accepted"], &others["rejected"]), (&1.into(), &1.into()), "{others}");
    assert_eq!(rejected(&desk), [("3R-002".to_owned(), second["version"].clone())]);
    desk.told(&["rebuild"]);
    let late = import(&desk, "late.csv", &enrolments(&[(4, "601/5886/4", "2024-11-02")]));
    assert_eq!(late["rejected"], 1, "{late}");
    let back = load(&desk, "centres", &open, &[]);
    assert_eq!(
        (&back["same"], list(&back, "touched").len()),
        (&false.into(), 0),
        "an earlier content is a new version"
    );
    assert_eq!(import(&desk, "resent.csv", &enrolments(&[(4, "601/5886/4", "2024-11-02")]))["accepted"], 1);
    desk.check_log(false);
}

/// Goal: a load that is killed wherever it may be has happened or has not, and given again it happens once. Method: a kill at each
/// crash point of what it goes through.
#[test]
fn a_load_that_is_killed_happens_once() {
    let parts = ["journal.", "keyring.", "store.flush", "store.head", "store.sync", "vault.preserve"];
    let mut died = 0;
    for point in crash_points().into_iter().filter(|point| parts.iter().any(|part| point.starts_with(part))) {
        let desk = Desk::in_memory("local");
        assert_eq!(import(&desk, "old.csv", &enrolments(&[(0, "601/5886/4", "2024-09-02")]))["accepted"], 1);
        let path = written(&desk, "centres.csv", &format!("{CENTRES}{CENTRE},,,601/5886/4,,2024-10-31,,,\n"));
        let load = ["reference", "load", "centres", &path];
        let doomed = desk.command(&load).env("DAYBOOK_CRASH_AT", &point).output().expect("it runs");
        died += u32::from(doomed.status.code().is_none());
        desk.told(&load);
        assert_eq!(entries_of(&desk, "ReferenceLoaded").len(), 1, "{point}");
        let late = import(&desk, "late.csv", &enrolments(&[(1, "601/5886/4", "2024-11-01")]));
        assert_eq!(late["rejected"], 1, "{point}: {late}");
    }
    assert!(died >= 4, "it comes to the points of vault, keyring, store and head");
}

/// Goal: a file of a centre that belongs to another agent is held, naming that agent, and goes on on a person's word. Method: an
/// agent at work, the file dropped, shown and released.
#[test]
fn a_file_of_another_agents_centre_is_held() {
    let mut desk = Desk::in_memory("local");
    let other = "00112233445566778899aabbccddeeff";
    let mut running: Running = desk.start(&["run"]);
    running.until_said("runs in");
    let loaded = load(&desk, "centres", &format!("{CENTRES}{CENTRE},,{other},,,,,,\nC9,,{other},,,,,,\n"), &[]);
    desk.drop_file(Fixture::other("enrolments.csv", &enrolments(&[(0, "601/5886/4", "2024-09-02")])));
    desk.until_filed(&mut running);
    let held = &desk.json(&["held", "list"])[0];
    assert_eq!((&held["codes"], &held["line"]), (&serde_json::json!(["3R-013"]), &Value::Null), "{held}");
    let number = held["held"].to_string();
    let shown = &desk.json(&["held", "show", &number])[0];
    assert_eq!(
        (&shown["assigned_to"]["agent"], &shown["assigned_to"]["register"]),
        (&other.into(), &loaded["version"])
    );
    assert!(desk.told(&["held", "show", &number]).contains(other));
    desk.told(&["held", "release", &number, "--reason", "they are away this week"]);
    harness::until("the rows to be judged", || (entries_of(&desk, "LearnerEnrolled").len() == 1).then_some(()));
    let rows: Vec<_> = (0..24).map(|row| (row % ULNS.len(), "601/5886/4", "2024-09-02")).collect();
    let path = written(&desk, "elsewhere.csv", &enrolments(&rows));
    desk.json(&["import", "--centre", "C9", &path]);
    let codes = &desk.json(&["held", "list"])[0]["codes"];
    assert_eq!(*codes, serde_json::json!(["1F-017", "3R-013"]), "whoever lets it go on knows of both");
    running.stop_well();
}

/// Goal: a register is mirrored like an original, and in force again on a new machine; where its file cannot be read intake waits
/// until it is loaded again. Method: load, drop, mirror, recover elsewhere, judge; then damage what the vault has of it.
#[test]
fn a_recovered_machine_judges_by_the_same_registers() {
    let place = scratch();
    let central = Central::start(&place.path().join("central"));
    let mut agent = Agent::new(&place.path().join("a"), "local");
    agent.join(&central.address, &central.invite());
    agent.start();
    let centres = place.path().join("centres.csv");
    fs::write(&centres, format!("{CENTRES}{CENTRE},,,601/5886/4,2020-01-01,2024-10-31,,,\n")).expect("written");
    let loaded = agent.good(&[&"reference", &"load", &"centres", &centres, &"--json"]).lines().remove(0);
    same(&agent, &central);
    agent.kill();

    let new = place.path().join("b");
    let key = agent.data.join("operator.key");
    let code = central.invite_to_recover(&agent.log);
    good(&[&"recover", &central.address, &code, &"--operator-key", &key, &"--data", &new]);
    let agent = Agent::at(&new, &agent.log);
    let import = |name: &str, start: &str| agent.import(name, enrolments(&[(0, "601/5886/4", start)]).as_bytes());
    let said = import("late.csv", "2024-11-01");
    assert_eq!(count(&said, "rejected"), 1, "{said}");
    let against = agent.entries().into_iter().find(|entry| text(entry, "type") == "RowRejected").expect("it is there");
    assert_eq!(against["against"], loaded["version"]);

    let object_of = |sha256: &str| new.join("vault").join(&sha256[..2]).join(sha256);
    let path: PathBuf = object_of(text(&loaded, "sha256"));
    let mut bytes = fs::read(&path).expect("it was recovered");
    bytes[100] ^= 1;
    fs::write(&path, bytes).expect("written");
    let path = place.path().join("good.csv");
    fs::write(&path, enrolments(&[(1, "601/5886/4", "2024-09-02")])).expect("written");
    let why = refused(&[&"import", &"--centre", &CENTRE, &path, &"--data", &new]);
    assert!(why.contains("daybook status"), "{why}");
    let alarms = list(&agent.status(), "alarms").to_vec();
    assert!(alarms.iter().any(|alarm| text(alarm, "alarm") == "reference"), "{alarms:?}");
    good(&[&"reference", &"load", &"centres", &centres, &"--data", &new]);
    let said = object(&[&"import", &"--centre", &CENTRE, &path, &"--json", &"--data", &new]);
    assert_eq!(count(&said, "accepted"), 1, "{said}");
    assert_eq!(list(&agent.status(), "alarms").len(), 0);
}

/// Goal: the list of the Department for Education is taken as it is published. Method: the real file through `DAYBOOK_DATA`; skipped without it, and says so.
#[test]
fn the_list_of_the_dfe_is_a_register() {
    let Some(data) = std::env::var_os("DAYBOOK_DATA") else {
        eprintln!("skipped: DAYBOOK_DATA does not say where the real data lies");
        return;
    };
    let path = PathBuf::from(data).join("reference/dfe-approved-qualifications.csv");
    let desk = Desk::in_memory("local");
    let loaded = desk.json(&["reference", "load", "qualifications", path.to_str().expect("text")]).remove(0);
    assert_eq!(loaded["rows"], 8092, "{loaded}");
    assert_eq!(list(&loaded, "lacks").len(), 4, "it has no days and no ages");
    let said = import(
        &desk,
        "enrolments.csv",
        // On the list; on it with a check character that does not fit; not on it; mistyped.
        &enrolments(&[
            (0, "610/0818/7", "2024-09-02"),
            (1, "610/0007/9", "2024-09-02"),
            (2, "500/7386/2", "2024-09-02"),
            (3, "500/1234/5", "2024-09-02"),
        ]),
    );
    assert_eq!((&said["accepted"], &said["rejected"]), (&2.into(), &2.into()), "{said}");
    let codes: Vec<String> = rejected(&desk).into_iter().map(|(codes, _)| codes).collect();
    assert_eq!(codes, ["3R-003", "3R-004 3R-003"]);
}
