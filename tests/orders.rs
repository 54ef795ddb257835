//! Orders from a file: what they would come to is what they come to, and until they are applied nothing changes.

mod harness;

use std::path::PathBuf;

use harness::{CENTRE, Desk, Fixture};
use serde_json::Value;

const HEADING: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref";
/// Three learners: ULN, family name, date of birth.
const LEARNERS: [(&str, &str, &str); 3] =
    [("1000000019", "Doe", "2004-05-06"), ("1000000027", "Roe", "2004-05-07"), ("1000000000", "Poe", "2004-05-08")];

/// The day so many days from today, as the program counts it.
fn day(days: i32) -> String {
    let today = jiff::Timestamp::now().in_tz("Europe/London").expect("a zone").date();
    today.saturating_add(jiff::Span::new().days(days)).to_string()
}

/// A desk where each of the learners was enrolled a hundred days ago.
fn enrolled() -> Desk {
    let desk = Desk::in_memory("local");
    let row = |(uln, family, born): (&str, &str, &str)| {
        format!("{uln},Jane,{family},{born},{CENTRE},601/5886/4,{},REF1\n", day(-100))
    };
    let path = write(&desk, "enrolments.csv", HEADING, &LEARNERS.map(row));
    let said = desk.json(&["import", "--centre", CENTRE, path.to_str().expect("text")]);
    assert_eq!(said[0]["accepted"], 3, "{said:?}");
    desk
}

fn write(desk: &Desk, name: &str, heading: &str, rows: &[String]) -> PathBuf {
    desk.write(&Fixture::other(name, &format!("{heading}\n{}", rows.concat())))
}

/// What a file of orders comes to: one object a row, and the exit status.
fn from(desk: &Desk, path: &std::path::Path, kind: &str, apply: bool) -> (Option<i32>, Vec<Value>) {
    let mut words = vec!["record", "from", path.to_str().expect("text"), "--kind", kind, "--json"];
    words.extend(apply.then_some("--apply"));
    let output = desk.ask(&words);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (output.status.code(), rows)
}

/// Verdict, event and first code of each row, as they were told before.
fn told(rows: &[Value]) -> Vec<[String; 2]> {
    rows.iter().map(|row| [text(&row["type"]), text(&row["findings"][0]["code"])]).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The entries of the rows of the last file, in the order of its lines.
fn recorded(desk: &Desk) -> Vec<Value> {
    let entries = desk.json(&["entries"]);
    let arrival =
        entries.iter().rev().find(|entry| entry["type"] == "FileReceived").expect("a file")["sequence"].clone();
    entries
        .into_iter()
        .filter(|entry| entry["source"]["kind"] == "row" && entry["source"]["arrival"] == arrival)
        .collect()
}

/// What lies in the vault and among the receipts.
fn kept(desk: &Desk) -> usize {
    ["vault", "receipts"].map(|below| harness::files(&desk.data.join(below)).len()).iter().sum()
}

/// Goal: what is told beforehand is what is recorded, each row seeing those before it, and nothing changes until then. Method:
/// deferrals of one learner until there are too many, among rows of others and wrong ones; then applied, with an agent and without.
#[test]
fn what_is_rehearsed_is_what_is_recorded() {
    for with_agent in [false, true] {
        let desk = enrolled();
        let agent = with_agent.then(|| {
            let mut agent = desk.start(&["run"]);
            agent.until_said("runs in");
            agent
        });
        let heading = "ULN,Last name,Date of birth,Qualification number,Defer from,Resume by,Reason";
        let row = |learner: usize, from: i32, by: i32| {
            let (uln, family, born) = LEARNERS[learner];
            format!("{uln},{family},{born},601/5886/4,{},{},leave\n", day(from), day(by))
        };
        let wrong = row(1, -90, -80).replace("Roe", "Noe");
        let rows = [row(0, -90, -70), row(0, -70, -60), row(0, -60, -50), wrong, row(1, -90, -80), row(1, -90, -80)];
        let path = write(&desk, "leave.csv", heading, &rows);
        let before = (desk.json(&["entries"]).len(), kept(&desk));
        let (status, rehearsed) = from(&desk, &path, "deferrals", false);
        assert_eq!(status, Some(1), "some are rejected");
        let expected = [
            ["LearnerDeferred", ""],
            ["DeferralExtended", ""],
            ["RowRejected", "4S-008"],
            ["RowRejected", "4S-005"],
            ["LearnerDeferred", ""],
            ["RowDuplicate", ""],
        ];
        assert_eq!(told(&rehearsed), expected, "{rehearsed:?}");
        let seen = |row: usize| (&rehearsed[row]["against"], &rehearsed[row]["against_line"]);
        assert_eq!(seen(5), (&Value::Null, &6.into()), "the row before it");
        assert_eq!((desk.json(&["entries"]).len(), kept(&desk)), before, "nothing changed");
        assert_eq!(from(&desk, &path, "deferrals", false).1, rehearsed);

        let (status, arrived) = from(&desk, &path, "deferrals", true);
        assert_eq!((status, &arrived[0]["accepted"], &arrived[0]["rejected"]), (Some(1), &3.into(), &2.into()));
        let entries = recorded(&desk);
        assert_eq!(told(&entries), expected);
        assert!(entries.iter().all(|entry| entry["actor"]["operator"].is_string()), "{entries:?}");
        assert!(kept(&desk) > before.1, "the file is kept, and answered");
        let (_, again) = from(&desk, &path, "deferrals", false);
        assert_eq!(told(&again)[0], ["RowDuplicate", ""]);
        assert_eq!((&again[0]["against"], &again[0]["against_line"]), (&entries[0]["sequence"], &Value::Null));
        if let Some(agent) = agent {
            agent.stop_well();
        }
    }
}

/// Goal: what no file of a centre asks for can be ordered from a file. Method: reversals and voids, with what stands in their way; and a
/// file that is of no use.
#[test]
fn orders_of_operators_come_from_files_too() {
    let desk = enrolled();
    let (uln, family, born) = LEARNERS[0];
    let heading = "ULN,Last name,Date of birth,Qualification number,Effective date,Reason";
    let rows: Vec<String> = (LEARNERS.iter())
        .map(|(uln, family, born)| format!("{uln},{family},{born},601/5886/4,{},closed\n", day(0)))
        .collect();
    let path = write(&desk, "orders.csv", heading, &rows);
    assert_eq!(told(&from(&desk, &path, "reversals", false).1), vec![["RowRejected", "4S-036"]; 3]);
    let (status, rehearsed) = from(&desk, &path, "voids", false);
    assert_eq!((status, told(&rehearsed)), (Some(0), vec![["RegistrationVoided".into(), String::new()]; 3]));
    let (status, arrived) = from(&desk, &path, "voids", true);
    assert_eq!((status, &arrived[0]["accepted"], &arrived[0]["kind"]), (Some(0), &3.into(), &"voids".into()));
    let history = &desk.json(&["history", "--uln", uln])[0];
    assert_eq!(history["registrations"][0]["state"], "VOID", "{family} {born}");

    let none = write(&desk, "none.csv", "Colour,Size", &["red,10\n".to_owned()]);
    let output = desk.ask(&["record", "from", none.to_str().expect("text"), "--kind", "voids"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("rejected as a whole"), "{said}");
    let enrol = desk.ask(&["record", "from", none.to_str().expect("text"), "--kind", "enrolments"]);
    assert_eq!(enrol.status.code(), Some(2));
}
