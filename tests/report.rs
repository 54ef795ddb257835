//! Reports: what auditors ask, counted here from what was sent.

mod harness;

use harness::{Desk, Fixture};
use serde_json::{Value, json};

/// A learner of a file of enrolments, by the place of their row: ULN, family name, date of birth.
fn learner(of: &Fixture, place: usize) -> [String; 3] {
    let cells: Vec<_> = of.lines()[place + 1].split(',').map(str::to_owned).collect();
    [cells[0].clone(), cells[2].clone(), cells[3].clone()]
}

/// Withdrawals of the first five learners, by their reasons and the words to them.
fn withdrawals(of: &Fixture) -> Fixture {
    let heading =
        "ULN,Surname,Date of birth,Centre number,Qualification number,Withdrawal date,Withdrawal reason,Notes";
    let reasons = ["ILLNESS,", "OTHER,moved abroad", "unknown,", "LEFT_COURSE,", "Other: see letter,"];
    let rows = reasons
        .iter()
        .enumerate()
        .map(|(place, reason)| format!("{},RIVER1,601/5886/4,2025-01-2{place},{reason}", learner(of, place).join(",")));
    let lines: Vec<_> = std::iter::once(heading.to_owned()).chain(rows).collect();
    Fixture::other("withdrawals.csv", &lines.join("\n"))
}

/// An operator's word about a learner.
fn order(desk: &Desk, of: &Fixture, place: usize, words: &[&str], rest: &[&str]) {
    let [uln, family, born] = learner(of, place);
    let who = ["--uln", &uln, "--family-name", &family, "--date-of-birth", &born, "--operator", "jo"];
    desk.told(&[words, &who, rest].concat());
}

/// A desk where files of every fate came, and operators gave their word.
fn busy_desk() -> (Desk, Fixture) {
    let mut desk = Desk::new("local");
    let taken = Fixture::enrolments(0, 20);
    let spoilt = Fixture::enrolments(1, 12).lines().join("\n").replace("-0", "-9");
    let headless = Fixture::enrolments(2, 3).lines().split_off(1).join("\n");
    for fixture in [
        taken.clone(),
        taken.again(),
        Fixture::other("spoilt.csv", &spoilt),
        Fixture::other("headless.csv", &headless),
        withdrawals(&taken),
    ] {
        desk.drop_file(fixture);
        let mut running = desk.start(&["run"]);
        desk.until_filed(&mut running);
        running.stop_well();
    }
    let defer = |place: usize, from: &str, by: &str| {
        order(&desk, &taken, place, &["record", "defer"], &["--from", from, "--resume-by", by, "--reason", "leave"]);
    };
    defer(10, "2025-02-03", "2025-05-01");
    defer(11, "2025-02-03", "2025-12-01");
    let amend = |place: usize, field: &str, to: &str| {
        order(&desk, &taken, place, &["record", "amend"], &["--field", field, "--to", to, "--reason", "a deed poll"]);
    };
    amend(12, "family_name", "Newname");
    amend(13, "uln", "3000000096");
    amend(14, "postcode", "LS1 4AP");
    (desk, taken)
}

/// A report as JSON, the same from a running agent as from a log that nobody has open.
fn report(desk: &Desk, words: &[&str]) -> Vec<Value> {
    desk.json(&[&["report"], words].concat())
}

fn of<'a>(rows: &'a [Value], column: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| &row[column]).collect()
}

/// Goal: every file is told of with its figures, by what was in it. Method: files of every fate; counts made from the fixtures.
#[test]
fn files_are_told_of_with_their_figures() {
    let (desk, taken) = busy_desk();
    let rows = report(&desk, &["files"]);
    assert_eq!(of(&rows, "state"), ["processed", "processed", "held", "rejected", "processed"]);
    let again = taken.again();
    let counts =
        |fixture: &Fixture| ["accepted", "rejected", "duplicate", "held"].map(|verdict| json!(fixture.count(verdict)));
    for (row, fixture) in rows.iter().zip([&taken, &again]) {
        let told = ["accepted", "rejected", "duplicate", "held"].map(|column| row[column].clone());
        assert_eq!((told, &row["rows"]), (counts(fixture), &json!(fixture.verdicts.len())), "{row}");
    }
    assert_eq!((&rows[2]["held"], &rows[2]["waiting"]), (&json!(14), &json!(14)), "{}", rows[2]);
    assert_eq!(of(&rows, "receipts"), [1, 1, 1, 1, 1]);
    assert!(rows.iter().all(|row| row["answered_at"].is_string() && row["name"].is_null()));
    let revealed = report(&desk, &["files", "--reveal"]);
    let names: Vec<_> = revealed.iter().map(|row| row["name"].as_str().expect("a name")).collect();
    assert_eq!(
        names,
        ["enrolments-000.csv", "again-enrolments-000.csv", "spoilt.csv", "headless.csv", "withdrawals.csv"]
    );
    assert_eq!(report(&desk, &["files", "--centre", "NOBODY1"]), Vec::<Value>::new());
    assert_eq!(report(&desk, &["files", "--to", "2020-01-01"]), Vec::<Value>::new());

    // As text it fits a terminal and sums up; as CSV it has the same rows. With an agent running all is the same.
    let forms = || {
        let text = desk.told(&["report", "files"]);
        let csv = desk.told(&["report", "files", "--csv"]);
        (text, csv, report(&desk, &["files"]))
    };
    let (text, csv, _) = forms();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let sum = |verdict: &str| taken.count(verdict) + again.count(verdict);
    let (accepted, rejected, duplicate) = (sum("accepted") + 5, sum("rejected"), sum("duplicate"));
    // Of the file without headings no row was ever told from another.
    let sent = taken.verdicts.len() + again.verdicts.len() + 14 + 5;
    let counts = format!("{accepted} accepted, {rejected} rejected, {duplicate} duplicate, 14 held");
    let flat = text.replace('\n', " ");
    assert!(flat.contains(&format!("5 files with {sent} rows: {counts}")), "{text}");
    assert!(flat.contains("5 receipts sent."), "{text}");
    assert!(text.contains("Every file was answered."), "{text}");
    let mut reader = csv::Reader::from_reader(csv.trim_start_matches('\u{feff}').as_bytes());
    let read: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    let first: Vec<_> = read.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(first, of(&rows, "file").iter().map(ToString::to_string).collect::<Vec<_>>());
    let without = forms();
    let mut agent = desk.start(&["run"]);
    agent.until_said("runs in");
    assert_eq!(forms(), without);
    agent.stop_well();
    let both = desk.ask(&["report", "files", "--csv", "--json"]);
    assert_eq!(both.status.code(), Some(2));
}

/// Goal: a withdrawal without a reason, a lapsed deferral, an amendment, a second ULN and an operator's word are each found,
/// once, and what is sealed shows on request only. Method: some of each among others; as JSON.
#[test]
fn what_auditors_ask_is_found() {
    let (desk, taken) = busy_desk();
    let registration = |place: usize| {
        let [uln, ..] = learner(&taken, place);
        let history = &desk.json(&["history", "--uln", &uln])[0];
        history["registrations"][0]["registration"].as_str().expect("a number").to_owned()
    };

    let rows = report(&desk, &["withdrawals"]);
    assert_eq!(of(&rows, "reason"), ["ILLNESS", "OTHER", "LEFT_COURSE", "LEFT_COURSE", "OTHER"]);
    let bare: Vec<_> = rows.iter().map(|row| row["finding"] == "no reason").collect();
    assert_eq!(bare, [false, false, true, false, false]);
    assert_eq!(of(&report(&desk, &["withdrawals", "--reveal"]), "words")[1], "moved abroad");
    let some = report(&desk, &["withdrawals", "--from", "2025-01-21", "--to", "2025-01-22"]);
    assert_eq!(of(&some, "withdrawn_on"), ["2025-01-21", "2025-01-22"]);
    assert!(desk.told(&["report", "withdrawals"]).contains("5 withdrawals: 1 without a reason"));

    assert_eq!(report(&desk, &["deferrals", "--to", "2025-05-31"]), Vec::<Value>::new());
    let rows = report(&desk, &["deferrals", "--to", "2025-06-01"]);
    assert_eq!(of(&rows, "registration"), [&json!(registration(10))]);
    assert_eq!((&rows[0]["finding"], &rows[0]["days"]), (&json!("lapsed since 2025-06-01"), &json!(87)));
    assert_eq!(report(&desk, &["deferrals", "--to", "2026-01-01"]).len(), 2);
    // What is undone or prolonged is told as that.
    let reverse = ["--on", "2025-01-23", "--reason", "sent by mistake"];
    order(&desk, &taken, 3, &["record", "reverse"], &reverse);
    let by = desk.json(&["entries"]).into_iter().find(|entry| entry["type"] == "WithdrawalReversed").expect("reversed");
    let findings = report(&desk, &["withdrawals"]);
    assert_eq!(of(&findings, "finding")[3], &json!(format!("reversed by entry {}", by["sequence"])));
    let extend = ["--from", "2025-12-01", "--resume-by", "2026-02-01", "--reason", "leave prolonged"];
    order(&desk, &taken, 11, &["record", "extend"], &extend);
    let rows = report(&desk, &["deferrals", "--to", "2026-03-04"]);
    assert_eq!(of(&rows, "resume_by"), ["2025-05-01", "2026-02-01"]);
    assert_eq!((&rows[1]["deferrals"], &rows[1]["days"]), (&json!(2), &json!(363)), "{rows:?}");
    assert_eq!(rows[1]["finding"], "lapsed since 2026-03-04");

    let rows = report(&desk, &["amendments"]);
    assert_eq!(of(&rows, "field"), ["family_name", "uln"]);
    assert!(rows.iter().all(|row| row["operator"].as_str().is_some_and(|name| name.starts_with("jo"))), "{rows:?}");
    let revealed = report(&desk, &["amendments", "--reveal"]);
    assert_eq!(of(&revealed, "new_value"), ["Newname", "3000000096"]);
    assert_eq!(of(&revealed, "reason"), ["a deed poll", "a deed poll"]);
    assert!(desk.told(&["report", "amendments"]).contains("By centre of the learner: RIVER1 2."));

    let rows = report(&desk, &["duplicates", "--reveal"]);
    let [uln, ..] = learner(&taken, 13);
    assert_eq!(of(&rows, "finding"), ["one learner, several ULNs", "one learner, several ULNs"]);
    assert!(rows.iter().all(|row| row["ulns"].as_str().is_some_and(|ulns| ulns.contains(&uln))), "{rows:?}");

    desk.told(&["scrub"]);
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    desk.told(&["held", "refuse", &held, "--reason", "=not ours", "--operator", "jo"]);
    let rows = report(&desk, &["overrides", "--reveal"]);
    let expected = [
        "LearnerDeferred",
        "LearnerDeferred",
        "LearnerDetailsAmended",
        "LearnerDetailsAmended",
        "LearnerDetailsAmended",
        "WithdrawalReversed",
        "DeferralExtended",
        "HeldRefused",
    ];
    assert_eq!(of(&rows, "what"), expected);
    let last = &rows[7];
    assert_eq!((&last["reason"], &last["centre"]), (&json!("=not ours"), &json!("RIVER1")));
    assert!(last["about"].as_str().is_some_and(|about| about.starts_with(&format!("entry {held}, file "))), "{last}");
    assert!(last["guard"].as_str().is_some_and(|guard| guard.starts_with("1F-")), "{last}");
    assert!(desk.told(&["report", "overrides", "--csv", "--reveal"]).contains("\"'=not ours\""));
    assert!(!desk.told(&["report", "overrides"]).contains("not ours"));
}

/// Goal: where a registration stood on a day is told on both axes of time. Method: a deferral recorded today that holds from
/// last year; one registration and all of them.
#[test]
fn a_state_is_told_as_known_then_and_now() {
    let (desk, taken) = busy_desk();
    let [uln, ..] = learner(&taken, 10);
    let history = &desk.json(&["history", "--uln", &uln])[0];
    let number = history["registrations"][0]["registration"].as_str().expect("a number").to_owned();
    let states = |day: &str| report(&desk, &["states", "--registration", &number, "--to", day]);
    let row = &states("2025-03-01")[0];
    assert_eq!(
        (&row["state_then"], &row["state_now"], &row["differs"]),
        (&Value::Null, &json!("DEFERRED"), &json!("yes"))
    );
    assert_eq!(row["since_now"], "2025-02-03");
    let row = &states("2025-01-01")[0];
    assert_eq!(row["state_now"], "ENROLLED");
    let all = report(&desk, &["states", "--centre", "RIVER1"]);
    let count = |state: &str| all.iter().filter(|row| row["state_now"] == state).count();
    assert_eq!((all.len(), count("WITHDRAWN"), count("DEFERRED")), (20, 5, 2));
    assert!(all.iter().all(|row| row["differs"] == "no" && row["state_then"] == row["state_now"]));
    let none = desk.ask(&["report", "states", "--registration", "R1-99999"]);
    assert_eq!(none.status.code(), Some(2));
}

/// Goal: what an older configuration let through shows up by the limits of the present one. Method: two deferrals of one learner,
/// then a configuration that allows one.
#[test]
fn a_deferral_beyond_the_limit_is_found() {
    let mut desk = Desk::new("local");
    let taken = Fixture::enrolments(0, 3);
    desk.drop_file(taken.clone());
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    running.stop_well();
    let defer = |from: &str, by: &str| {
        order(&desk, &taken, 1, &["record", "defer"], &["--from", from, "--resume-by", by, "--reason", "leave"]);
    };
    defer("2025-01-06", "2025-02-03");
    order(&desk, &taken, 1, &["record", "resume"], &["--on", "2025-02-01", "--reason", "back"]);
    defer("2025-04-01", "2025-05-01");
    let found =
        |day: &str| of(&report(&desk, &["deferrals", "--to", day]), "finding").into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(found("2025-04-15"), Vec::<Value>::new());
    let path = desk.data.join("daybook.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    std::fs::write(&path, text + "[policy]\ndeferrals_max = 1\n").expect("written");
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    running.stop_well();
    assert_eq!(found("2025-03-15"), Vec::<Value>::new());
    assert_eq!(found("2025-04-15"), [json!("deferred 2 times, at most 1")]);
    let days = &report(&desk, &["deferrals", "--to", "2025-04-15"])[0]["days"];
    assert_eq!(days, &json!(26 + 14), "from 6 January to 1 February, and from 1 to 15 April");
}

/// Goal: the copy at a central node answers as the log does, and reveals what is personal to who brings the key only. Method:
/// every report of both, side by side.
#[test]
fn a_copy_answers_as_the_log_does() {
    let mut desk = Desk::new("local");
    let mut running = desk.start(&["up"]);
    let taken = Fixture::enrolments(0, 5);
    desk.drop_file(taken.clone());
    desk.until_filed(&mut running);
    order(&desk, &taken, 2, &["record", "amend"], &["--field", "family_name", "--to", "Newname", "--reason", "a deed"]);
    desk.until_mirrored();
    let log = desk.json(&["entries"])[0]["log"].as_str().expect("a log").to_owned();
    for name in ["files", "withdrawals", "deferrals", "amendments", "duplicates", "overrides", "states"] {
        assert_eq!(report(&desk, &[name, "--log", &log]), report(&desk, &[name]), "{name}");
    }
    assert_eq!(desk.ask(&["report", "amendments", "--reveal", "--log", &log]).status.code(), Some(2));
    let key = desk.data.join("operator.key");
    let words = ["amendments", "--reveal", "--log", &log, "--operator-key", key.to_str().expect("text")];
    assert_eq!(of(&report(&desk, &words), "new_value"), ["Newname"]);
    running.stop_well();
}
