//! What only an operator can do to a registration, through the built program.

mod harness;
#[path = "registrations/people.rs"]
mod people;

use harness::{CENTRE, Desk, Fixture};
use serde_json::Value;

const HEADING: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref";
const WHO: [&str; 4] = ["--family-name", "Doe", "--date-of-birth", "2004-05-06"];

/// Today, as the program counts it.
fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().in_tz("Europe/London").expect("a zone").date()
}

/// The day so many days from today.
fn day(days: i32) -> String {
    today().saturating_add(jiff::Span::new().days(days)).to_string()
}

/// A desk where one learner was enrolled a hundred days ago; and the number of the registration.
fn enrolled() -> (Desk, String) {
    let desk = Desk::in_memory("local");
    let row = format!("1000000019,Jane,Doe,2004-05-06,{CENTRE},601/5886/4,{},REF1", day(-100));
    let said = import(&desk, "enrolments.csv", &format!("{HEADING}\n{row}\n"));
    assert_eq!(said["accepted"], 1, "{said}");
    let entries = desk.json(&["entries"]);
    let enrolled = entries.iter().find(|entry| entry["type"] == "LearnerEnrolled").expect("an enrolment");
    let no = enrolled["registration"].as_str().expect("a number").to_owned();
    (desk, no)
}

/// Takes a file in, and gives what was said of it.
fn import(desk: &Desk, name: &str, text: &str) -> Value {
    let path = desk.write(&Fixture::other(name, text));
    let said = desk.json(&["import", "--centre", CENTRE, path.to_str().expect("text")]);
    said.into_iter().next().expect("one file")
}

/// Puts something on record about the registration, and gives what was said.
fn record(desk: &Desk, what: &str, no: &str, more: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["record", what, "--registration", no], &WHO[..], more, &["--json"]].concat();
    let output = desk.ask(&arguments);
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let said = said.lines().next().unwrap_or_else(|| unreachable!("{arguments:?}: {why}"));
    (output.status.code(), serde_json::from_str(said).expect("JSON"))
}

/// The registration in the learner's history.
fn life(desk: &Desk, no: &str) -> Value {
    life_in(&desk.json(&["history", "--registration", no]), no)
}

/// The same, on the day so many days from today.
fn life_on(desk: &Desk, no: &str, days: i32) -> Value {
    life_in(&desk.json(&["history", "--registration", no, "--on", &day(days)]), no)
}

fn life_in(history: &[Value], no: &str) -> Value {
    let registrations = history[0]["registrations"].as_array().expect("registrations");
    registrations.iter().find(|it| it["registration"] == no).expect("the registration").clone()
}

/// Goal: an operator undoes a withdrawal that was a mistake, once; the file that asked for it changes nothing by itself when it comes
/// again, and does on a person's word. Method: the whole way by files and commands, told by history.
#[test]
fn a_withdrawal_is_reversed() {
    let (desk, no) = enrolled();
    let heading = "ULN,Last name,Date of birth,Qualification number,Withdrawal date,Reason for withdrawal";
    let gone = format!("{heading}\n1000000019,Doe,2004-05-06,601/5886/4,{},LEFT_COURSE\n", day(-50));
    assert_eq!(import(&desk, "withdrawals.csv", &gone)["accepted"], 1);
    assert_eq!(life(&desk, &no)["state"], "WITHDRAWN");

    let reverse = |on: i32| record(&desk, "reverse", &no, &["--on", &day(on), "--reason", "sent by mistake"]);
    let (status, refused) = reverse(-60);
    assert_eq!((status, &refused["findings"][0]["code"]), (Some(1), &"4S-036".into()), "{refused}");
    let (status, reversed) = reverse(-50);
    assert_eq!((status, &reversed["type"]), (Some(0), &"WithdrawalReversed".into()), "recorded today: {reversed}");
    assert_eq!(reverse(-50).1["type"], "RowDuplicate");
    assert_eq!((&life(&desk, &no)["state"], &life(&desk, &no)["since"]), (&"ENROLLED".into(), &day(-50).into()));

    let again = import(&desk, "again.csv", &format!("{gone}\n"));
    assert_eq!((&again["held"], &life(&desk, &no)["state"]), (&1.into(), &"ENROLLED".into()), "{again}");
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    let told = desk.json(&["why", &held]);
    assert_eq!((&told[0]["findings"][0]["code"], &told[0]["against"]), (&"4S-039".into(), &reversed["sequence"]));
    desk.told(&["held", "release", &held, "--reason", "they left after all"]);
    assert_eq!(life(&desk, &no)["state"], "WITHDRAWN");
}

/// Goal: a deferral goes on by a file or by an operator, as often as is allowed; one that nobody ended lapses, and is taken up again
/// on a person's word only. Method: deferred long ago, extended twice, and resumed by a file.
#[test]
fn a_deferral_is_extended_and_lapses() {
    let (desk, no) = enrolled();
    let row = |from: i32, by: i32| format!("1000000019,Doe,2004-05-06,601/5886/4,{},{},leave\n", day(from), day(by));
    let heading = "ULN,Last name,Date of birth,Qualification number,Defer from,Resume by,Deferral reason\n";
    let file = |name: &str, from, by| import(&desk, name, &format!("{heading}{}", row(from, by)));
    assert_eq!(file("deferred.csv", -90, -70)["accepted"], 1);
    assert_eq!(file("extended.csv", -70, -60)["accepted"], 1);
    assert_eq!(file("extended-again.csv", -70, -60)["duplicate"], 1);
    let now = life(&desk, &no);
    let lapsed = (&day(-60).into(), &day(-29).into());
    assert_eq!((&now["state"], (&now["resume_by"], &now["lapsed_since"])), (&"DEFERRED".into(), lapsed), "{now}");
    let extend = ["--from", &day(-60), "--resume-by", &day(30), "--reason", "leave"];
    assert_eq!(record(&desk, "extend", &no, &extend).1["findings"][0]["code"], "4S-008", "as often as is allowed");

    let resumed = format!("ULN,Last name,Date of birth,Resumed on\n1000000019,Doe,2004-05-06,{}\n", day(-5));
    assert_eq!(import(&desk, "resumed.csv", &resumed)["held"], 1);
    let resume = ["--on", &day(-5), "--reason", "back"];
    let (status, said) = record(&desk, "resume", &no, &resume);
    assert_eq!((status, &said["days_deferred"]), (Some(0), &85.into()), "{said}");
    assert_eq!(life(&desk, &no)["state"], "ENROLLED");
}

/// Goal: a registration made in error makes way for another; the row that made it does not make it again by itself. Method: void,
/// the same row once more, another one, and a withdrawal that no longer has anything to withdraw.
#[test]
fn a_registration_made_in_error_is_void() {
    let (desk, no) = enrolled();
    let decided = ["--on", &day(0), "--reason", "wrong learner"];
    let (status, said) = record(&desk, "void", &no, &decided);
    assert_eq!((status, &said["type"]), (Some(0), &"RegistrationVoided".into()), "{said}");
    assert_eq!(record(&desk, "void", &no, &decided).1["type"], "RowDuplicate");
    let now = life(&desk, &no);
    assert_eq!((&now["state"], &now["since"]), (&"VOID".into(), &day(-100).into()), "{now}");

    let row =
        |start: i32| format!("{HEADING}\n1000000019,Jane,Doe,2004-05-06,{CENTRE},601/5886/4,{},REF1\n", day(start));
    assert_eq!(import(&desk, "same.csv", &row(-100))["held"], 1);
    assert_eq!(desk.json(&["held", "list"]).len(), 1);
    let said = import(&desk, "other.csv", &row(-20));
    assert_eq!(said["accepted"], 1, "{said}");
    let withdraw = ["--on", &day(-10), "--reason", "LEFT_COURSE"];
    assert_eq!(record(&desk, "withdraw", &no, &withdraw).1["findings"][0]["code"], "4S-041");
    assert_eq!(life(&desk, &no)["state"], "VOID");
}

/// Goal: what is completed is neither withdrawn nor deferred nor void from then on, and a certificate can be sent. Method: completed in the
/// midst, and what is asked before and after.
#[test]
fn a_completed_qualification_stays() {
    let (desk, no) = enrolled();
    let (status, said) = record(&desk, "complete", &no, &["--on", &day(-10), "--reason", "all units passed"]);
    assert_eq!((status, &said["type"]), (Some(0), &"QualificationCompleted".into()), "{said}");
    let withdraw = |on: i32| record(&desk, "withdraw", &no, &["--on", &day(on), "--reason", "LEFT_COURSE"]).1;
    assert_eq!(withdraw(-5)["findings"][0]["code"], "4S-043");
    assert_eq!(withdraw(-20)["findings"][0]["code"], "4S-023", "it would take the completion away");
    let defer = ["--from", &day(-5), "--resume-by", &day(5), "--reason", "leave"];
    assert_eq!(record(&desk, "defer", &no, &defer).1["findings"][0]["code"], "4S-043");
    assert_eq!(record(&desk, "void", &no, &["--on", &day(0), "--reason", "error"]).1["findings"][0]["code"], "4S-043");
    let sent =
        ["record", "dispatch", "--certificate", "C1", "--registration", &no, "--on", &day(-1), "--reason", "claim"];
    assert_eq!(desk.json(&sent)[0]["type"], "CertificateDispatched");
    assert_eq!((&life(&desk, &no)["state"], &life(&desk, &no)["since"]), (&"COMPLETED".into(), &day(-10).into()));
}

/// Goal: a transferred registration ends, another takes its place at the other centre, and files of either centre are judged by the
/// one that they mean. Method: transferred in the midst by an operator; then files of both centres, and the same order again.
#[test]
fn a_registration_goes_on_at_another_centre() {
    let (desk, no) = enrolled();
    let to = ["--given-names", "Jane", "--to-centre", "HILL2", "--on", &day(-20)];
    let agreed = ["--consent", "both centres by mail", "--reason", "moved house"];
    let order = [&to[..], &agreed[..]].concat();
    let (status, said) = record(&desk, "transfer", &no, &order);
    assert_eq!((status, &said["type"]), (Some(0), &"RegistrationTransferred".into()), "{said}");
    let other = said["to"].as_str().expect("a number").to_owned();
    assert_eq!(record(&desk, "transfer", &no, &order).1["type"], "RowDuplicate");

    let (old, new) = (life(&desk, &no), life(&desk, &other));
    assert_eq!((&old["state"], &old["since"]), (&"TRANSFERRED".into(), &day(-20).into()), "{old}");
    assert_eq!((&new["state"], &new["start_on"]), (&"ENROLLED".into(), &day(-20).into()), "{new}");
    assert_eq!((&new["centre"], &new["expires_on"]), (&"HILL2".into(), &old["expires_on"]), "{new}");
    assert_eq!(life_on(&desk, &no, -21)["state"], "ENROLLED");

    let import_at = |centre: &str, name: &str, text: &str| {
        let path = desk.write(&Fixture::other(name, text));
        desk.json(&["import", "--centre", centre, path.to_str().expect("text")]).into_iter().next().expect("one file")
    };
    let enrolment = |centre: &str, start: i32| {
        format!("{HEADING}\n1000000019,Jane,Doe,2004-05-06,{centre},601/5886/4,{},REF1\n", day(start))
    };
    assert_eq!(import_at(CENTRE, "known.csv", &enrolment(CENTRE, -100))["duplicate"], 1, "where it began");
    assert_eq!(import_at("HILL2", "there.csv", &enrolment("HILL2", -20))["duplicate"], 1, "where it went on");
    assert_eq!(import_at("HILL2", "again.csv", &enrolment("HILL2", -10))["rejected"], 1, "enrolled there already");
    let left = format!(
        "ULN,Last name,Date of birth,Withdrawal date,Reason for withdrawal\n1000000019,Doe,2004-05-06,{},LEFT_COURSE\n",
        day(-5)
    );
    assert_eq!(import_at("HILL2", "gone.csv", &left)["accepted"], 1);
    let both = [&no, &other].map(|no| life(&desk, no)["state"].clone());
    assert_eq!(both, ["TRANSFERRED", "WITHDRAWN"]);
    assert_eq!(record(&desk, "void", &no, &["--on", &day(0), "--reason", "error"]).1["findings"][0]["code"], "4S-044");
}

/// Goal: a centre's file changes nothing about another centre's learners, also about those who were its own before a transfer; what an
/// operator orders does. Method: a withdrawal and an amendment by another centre, and the old centre's withdrawal after a transfer.
#[test]
fn a_file_is_about_its_own_centre() {
    let (desk, no) = enrolled();
    let by = |centre: &str, name: &str, text: &str| {
        let path = desk.write(&Fixture::other(name, text));
        let said = desk.json(&["import", "--centre", centre, path.to_str().expect("text")]).remove(0);
        let entries = desk.json(&["entries"]);
        let row = entries.iter().rfind(|entry| entry["source"]["kind"] == "row").expect("a row").clone();
        (said["rejected"].clone(), row["findings"].as_array().and_then(|all| all.last()).map(|it| it["code"].clone()))
    };
    let refused = |code: &str| (Value::from(1), Some(Value::from(code)));
    let heading = "ULN,Last name,Date of birth,Withdrawal date,Reason for withdrawal";
    let gone = |reason: &str| format!("{heading}\n1000000019,Doe,2004-05-06,{},{reason}\n", day(-5));
    let renamed =
        "ULN,Last name,Date of birth,Amended field,New value,Reason\n1000000019,Doe,2004-05-06,surname,Poe,error\n";
    assert_eq!(by("HILL2", "gone.csv", &gone("LEFT_COURSE")), refused("3R-009"));
    assert_eq!(by("HILL2", "renamed.csv", renamed), refused("3R-009"));
    let to = ["--given-names", "Jane", "--to-centre", "HILL2", "--on", &day(-20)];
    let agreed = ["--consent", "both centres by mail", "--reason", "moved house"];
    assert_eq!(record(&desk, "transfer", &no, &[&to[..], &agreed].concat()).1["type"], "RegistrationTransferred");
    assert_eq!(by(CENTRE, "left us.csv", &gone("TRANSFER_CENTRE")), refused("4S-044"), "it ended there already");
    assert_eq!(by("HILL2", "gone after all.csv", &format!("{}\n", gone("LEFT_COURSE"))).0, 0);
}
