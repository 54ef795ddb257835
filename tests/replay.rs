//! What another policy would have made of real history, through the built program.

mod harness;

use harness::{CENTRE, Desk, Fixture};
use serde_json::{Value, json};

const ENROLMENTS: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref";
const DEFERRALS: &str = "ULN,Last name,Date of birth,Qualification number,Defer from,Resume by,Deferral reason";
const RESUMPTIONS: &str = "ULN,Last name,Date of birth,Qualification number,Resumed on";
const WITHDRAWALS: &str = "ULN,Last name,Date of birth,Qualification number,Withdrawal date,Reason for withdrawal";

const ANN: &str = "1000000019,Doe,2004-05-06,601/5886/4";
const BEN: &str = "1000000027,Roe,2004-05-06,601/5886/4";
const CID: &str = "1000000000,Poe,2004-05-06,601/5886/4";

/// Takes in a file, and gives the number of its receipt.
fn import(desk: &Desk, name: &str, heading: &str, rows: &[String]) -> u64 {
    let path = desk.write(&Fixture::other(name, &format!("{heading}\n{}\n", rows.join("\n"))));
    let said = desk.json(&["import", "--centre", CENTRE, path.to_str().expect("text")]);
    said[0]["receipt"].as_u64().expect("a number")
}

/// The days on which the office defers, worked by hand. Ann: 60 days, 90 with the operator's extension. Ben: 19 days until he came back,
/// and 44 more in September. Cid: 182 days.
struct Office {
    desk: Desk,
    deferrals: u64,
    resumptions: u64,
    september: u64,
    extension: u64,
}

fn office() -> Office {
    let desk = Desk::in_memory("local");
    let enrolments = [("1000000019", "Doe"), ("1000000027", "Roe"), ("1000000000", "Poe")]
        .map(|(uln, name)| format!("{uln},Jane,{name},2004-05-06,{CENTRE},601/5886/4,2024-01-08,REF"));
    import(&desk, "enrolments.csv", ENROLMENTS, &enrolments);
    let deferrals = [
        format!("{ANN},2024-02-01,2024-04-01,leave"),
        format!("{BEN},2024-02-01,2024-03-01,leave"),
        format!("{CID},2024-02-01,2024-08-01,leave"),
        format!("{CID},2024-02-01,2024-07-01,leave"),
    ];
    let deferrals = import(&desk, "deferrals.csv", DEFERRALS, &deferrals);
    let extend = ["--from", "2024-03-01", "--resume-by", "2024-05-01", "--reason", "leave", "--operator", "jo"];
    let who = ["--uln", "1000000019", "--family-name", "Doe", "--date-of-birth", "2004-05-06"];
    let extension = desk.json(&[&["record", "extend"], &who[..], &extend].concat());
    let extension = extension[0]["sequence"].as_u64().expect("a number");
    let resumptions = [format!("{BEN},2024-02-20"), format!("{ANN},2024-04-20"), format!("{CID},2024-07-01")];
    let resumptions = import(&desk, "resumptions.csv", RESUMPTIONS, &resumptions);
    let september = import(&desk, "september.csv", DEFERRALS, &[format!("{BEN},2024-09-01,2024-10-15,leave")]);
    import(&desk, "withdrawals.csv", WITHDRAWALS, &[format!("{CID},2024-07-15,LEFT_COURSE")]);
    Office { desk, deferrals, resumptions, september, extension }
}

impl Office {
    /// What is told of a replay, and how it ended.
    fn replay(&self, policy: &str, more: &[&str]) -> (Option<i32>, Vec<Value>) {
        let path = self.desk.beside("policy.toml");
        std::fs::write(&path, policy).expect("written");
        let words = ["replay", "--policy", path.to_str().expect("text"), "--from", "2020-01-01", "--json"];
        let output = self.desk.ask(&[&words, more].concat());
        let lines = String::from_utf8(output.stdout).expect("text");
        (output.status.code(), lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }

    /// Where, and from what to what.
    fn told(rows: &[Value]) -> Vec<[String; 4]> {
        let of = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
        rows.iter().map(|row| ["place", "was", "would_be", "code"].map(|column| of(row, column))).collect()
    }
}

/// Goal: a limit lowered flips the rows and orders that it would have refused, and those that rest on them, and no others; on the days on which
/// it would have held. Method: lists worked by hand, from a log that nobody has open and from a running agent; nothing is written.
#[test]
fn a_lowered_limit_flips_what_it_would_have_refused() {
    let office = office();
    let before = office.desk.json(&["entries"]);
    let row = |file: u64, line: u32, was: &str, would_be: &str, code: &str| {
        [format!("{file}:{line}"), was.to_owned(), would_be.to_owned(), code.to_owned()]
    };
    let limit = "[policy]\ndeferral_days_max = 60\n";
    let by_command = ["by command", "DeferralExtended", "RowRejected", "4S-008"].map(str::to_owned);
    let expected = [
        row(office.deferrals, 4, "LearnerDeferred", "RowRejected", "4S-008"),
        row(office.deferrals, 5, "RowRejected", "RowRejected", "4S-008"),
        by_command.clone(),
        row(office.resumptions, 4, "LearnerResumed", "RowRejected", "4S-022"),
        row(office.september, 2, "LearnerDeferred", "RowRejected", "4S-008"),
    ];
    let (status, rows) = office.replay(limit, &[]);
    assert_eq!((status, Office::told(&rows).as_slice()), (Some(1), &expected[..]), "{rows:#?}");
    assert_eq!((&rows[2]["entry"], &rows[2]["day"]), (&json!(office.extension), &json!("2024-03-01")));
    assert_eq!(&rows[1]["was_code"], "4S-007", "it was deferred on that line");

    let dated = "[policy]\n[[policy.since]]\nfrom = 2024-09-01\nname = \"autumn\"\ndeferral_days_max = 60\n";
    let (status, rows) = office.replay(dated, &[]);
    assert_eq!((status, Office::told(&rows).as_slice()), (Some(1), &expected[4..]), "{rows:#?}");
    assert_eq!(rows[0]["policy"], "autumn");
    assert_eq!(office.replay("", &[]), (Some(0), Vec::new()));
    assert_eq!(office.replay(limit, &["--to", "2020-02-01"]), (Some(0), Vec::new()), "before all that was recorded");

    let mut running = office.desk.start(&["run"]);
    running.until_said("runs in");
    let (status, rows) = office.replay(limit, &[]);
    assert_eq!((status, Office::told(&rows).as_slice()), (Some(1), &expected[..]), "{rows:#?}");
    running.stop_well();
    assert_eq!(office.desk.json(&["entries"]), before, "nothing is written");
}

/// Goal: what is told can be read by people and by a spreadsheet, and what cannot be done is said. Method: each form, and some mistakes.
#[test]
fn a_replay_is_told_and_refused() {
    let office = office();
    let path = office.desk.beside("policy.toml");
    std::fs::write(&path, "[policy]\ndeferrals_max = 1\n").expect("written");
    let path = path.to_str().expect("text");
    let ask = |more: &[&str]| office.desk.ask(&[&["replay", "--policy", path, "--from", "2020-01-01"], more].concat());
    let text = String::from_utf8(ask(&[]).stdout).expect("text");
    assert!(text.contains("2 accepted would be rejected."), "{text}");
    assert!(text.contains("12 rows, 1 order and 5 files were judged again: 2 verdicts would differ."), "{text}");
    let csv = String::from_utf8(ask(&["--csv"]).stdout).expect("text");
    let head = "\u{feff}\"entry\",\"place\",\"day\",\"was\",\"was_code\",\"would_be\",\"code\",\"policy\"";
    assert!(csv.lines().next() == Some(head) && csv.lines().count() == 3, "{csv}");
    for wrong in [&["--csv", "--json"][..], &["--to", "2019-12-31"]] {
        assert_eq!(ask(wrong).status.code(), Some(2), "{wrong:?}");
    }
    std::fs::write(path, "[policy]\nage_min = 101\n").expect("written");
    let output = ask(&[]);
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && why.contains("age_min is 101"), "{why}");
}

/// Goal: a file that was held for its share of errors would have been judged, and one that was judged would have been held. Method: one file of
/// each, and the thresholds the other way round.
#[test]
fn files_are_judged_again_as_a_whole() {
    let desk = Desk::in_memory("local");
    let rows = |wrong: usize| -> Vec<String> {
        let row = |place: usize| {
            let name = if place < wrong { "" } else { "Doe" };
            format!(",Jane,{name},2004-05-{:02},{CENTRE},601/5886/4,2024-01-08,REF", place + 1)
        };
        (0..10).map(row).collect()
    };
    let (few, many) = (import(&desk, "few.csv", ENROLMENTS, &rows(1)), import(&desk, "many.csv", ENROLMENTS, &rows(4)));
    let office = Office { desk, deferrals: few, resumptions: many, september: 0, extension: 0 };
    let told = |policy: &str| Office::told(&office.replay(policy, &[]).1);
    let held = [few.to_string(), "FileParsed".to_owned(), "FileHeld".to_owned(), "1F-017".to_owned()];
    let judged = [many.to_string(), "FileHeld".to_owned(), "FileParsed".to_owned(), String::new()];
    assert_eq!(told("[policy]\nrow_errors_percent_max = 9\n"), [held]);
    assert_eq!(told("[policy]\nrow_errors_percent_max = 40\n"), [judged]);
    assert_eq!(told(""), Vec::<[String; 4]>::new());
}

/// Goal: each row is judged again by the registers that were in force at its own entry, and a longer resumption is held against them as any
/// is; orders of a file are judged as orders. Method: a register that lets nobody come back from September on, loaded behind resumptions;
/// replayed by the same policy, and by one by which resumptions are other facts.
#[test]
fn registers_stand_as_they_stood() {
    let office = office();
    let register = office.desk.write(&Fixture::other(
        "centres.csv",
        &format!("Centre,ApprovedFrom,ApprovedTo\n{CENTRE},2020-01-01,2024-08-31\n"),
    ));
    office.desk.json(&["reference", "load", "centres", register.to_str().expect("text")]);
    let late = import(&office.desk, "late.csv", RESUMPTIONS, &[format!("{BEN},2024-10-01")]);
    let why = office.desk.json(&["why", &format!("{late}:2")]).remove(0);
    assert_eq!((&why["type"], &why["findings"][0]["code"]), (&json!("RowRejected"), &json!("3R-002")));
    let orders = office.desk.write(&Fixture::other(
        "orders.csv",
        &format!(
            "{WITHDRAWALS},Reason\n{BEN},2024-10-02,LEFT_COURSE,as asked\n{CID},2024-10-02,LEFT_COURSE,as asked\n"
        ),
    ));
    let orders = orders.to_str().expect("text");
    let ordered = office.desk.ask(&["record", "from", orders, "--kind", "withdrawals", "--apply", "--operator", "jo"]);
    assert_eq!(ordered.status.code(), Some(1), "Cid has left already");

    assert_eq!(office.replay("", &[]), (Some(0), Vec::new()));
    let (status, rows) = office.replay("[policy]\nextend_expiry_by_deferral = true\n", &[]);
    let longer = |line: u32| {
        [&format!("{}:{line}", office.resumptions), "LearnerResumed", "LearnerResumedExtended", ""].map(str::to_owned)
    };
    assert_eq!((status, Office::told(&rows)), (Some(1), vec![longer(2), longer(3), longer(4)]), "{rows:#?}");
}

/// Goal: what a value was said to mean counts where it counted, and not before. Method: a file that is held for a word that nobody knows, the
/// word mapped, the file read anew, and all of it replayed by the same policy.
#[test]
fn mappings_count_as_they_counted() {
    let office = office();
    let rows = [(ANN, "01"), (BEN, "01"), (CID, "01"), (ANN, "02"), (BEN, "02")];
    let rows = rows.map(|(who, day)| format!("{who},2024-11-{day},Gone fishing"));
    let file = import(&office.desk, "sea.csv", WITHDRAWALS, &rows);
    let held = office.desk.json(&["held", "list"])[0]["held"].to_string();
    let said = &office.desk.json(&["held", "map", &held, "--value", "withdrawal_reason:Gone fishing=LEFT_COURSE"])[0];
    assert_eq!((&said["accepted"], &said["rejected"]), (&json!(2), &json!(3)), "{said}");
    assert_eq!(office.replay("", &[]), (Some(0), Vec::new()));
    // The held file would have been judged at once, and its row refused; it came to be read anew all the same.
    let judged = [file.to_string(), "FileHeld".to_owned(), "FileParsed".to_owned(), String::new()];
    let (status, rows) =
        office.replay("[policy]\nrow_errors_percent_max = 100\ncolumn_errors_percent_max = 100\n", &[]);
    assert_eq!((status, Office::told(&rows)), (Some(1), vec![judged]), "{rows:#?}");
}
