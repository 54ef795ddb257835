//! What a centre's own headings and values mean: by the configuration, and by an operator's word on a held file.

mod harness;

use std::fs;

use harness::{CENTRE, Desk, Fixture};
use serde_json::Value;

const PERSON: &str = "ULN,Last name,Date of birth,Qualification number";

/// A desk where some learners are enrolled, and their ULNs.
fn enrolled() -> (Desk, [&'static str; 6]) {
    let desk = Desk::in_memory("local");
    let ulns = ["1000000019", "1000000027", "1000000000", "1234567899", "2000000001", "5555555554"];
    let row = |uln| format!("{uln},Jane,Doe,2004-05-06,{CENTRE},601/5886/4,2025-09-01\n");
    let heading = "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date\n";
    // Each has a name of their own, or they would be one person.
    let rows = ulns.into_iter().zip('a'..).map(|(uln, letter)| row(uln).replace("Doe", &format!("Doe{letter}")));
    let said = import(&desk, "enrolments.csv", &format!("{heading}{}", rows.collect::<String>()));
    assert_eq!(said["accepted"], 6, "{said}");
    (desk, ulns)
}

/// Takes a file in, and gives what was said of it.
fn import(desk: &Desk, name: &str, text: &str) -> Value {
    let path = desk.write(&Fixture::other(name, text));
    let said = desk.json(&["import", "--centre", CENTRE, path.to_str().expect("text")]);
    said.into_iter().next().expect("one file")
}

/// Withdrawals of some learners whose reasons stand under a heading of their own, in words of their own.
fn withdrawals(ulns: &[&str], from: usize, reason: &str) -> String {
    let row = |(uln, letter): (&&str, char)| format!("{uln},Doe{letter},2004-05-06,601/5886/4,2026-01-20,{reason}\n");
    let rows: String = ulns.iter().zip('a'..).skip(from).map(row).collect();
    format!("{PERSON},Withdrawal date,Reason for withdrawal\n{rows}")
}

/// Goal: what an operator says of values in a held file has it read anew, holds for later files of the centre, and is still known after the
/// books were thrown away. Method: withdrawals for a reason of the centre's own, mapped, and another file of them.
#[test]
fn a_value_is_learned_from_a_held_file() {
    let (desk, ulns) = enrolled();
    let said = import(&desk, "left.csv", &withdrawals(&ulns[..5], 0, "Gone fishing"));
    assert_eq!((&said["outcome"], &said["held"]), (&"held".into(), &5.into()), "{said}");
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    let shown = &desk.json(&["held", "show", &held])[0]["original"];
    assert_eq!((&shown["read_as"], &shown["header_line"]), (&"withdrawals".into(), &1.into()), "{shown}");
    assert_eq!(shown["columns"][5]["field"], "withdrawal_reason");
    assert!(shown["lines"].is_null() && !shown.to_string().contains("Reason for"), "nothing personal: {shown}");
    let shown = &desk.json(&["held", "show", &held, "--reveal"])[0]["original"];
    assert_eq!(shown["columns"][5]["heading"], "Reason for withdrawal");
    assert_eq!(shown["lines"][0]["cells"][5], "Gone fishing");
    assert!(desk.told(&["held", "show", &held, "--reveal"]).contains("\"Gone fishing\""));

    let wrong = desk.ask(&["held", "map", &held, "Nothing=uln"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("is headed"), "{wrong:?}");
    let said = &desk.json(&["held", "map", &held, "--value", "withdrawal_reason:Gone fishing=Away"])[0];
    assert_eq!(said["outcome"], "held", "it is asked again where that did not help: {said}");
    let gone = desk.ask(&["held", "map", &held, "--value", "withdrawal_reason:Gone fishing=OTHER"]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("nothing is held under"), "{gone:?}");
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    let mapping = ["held", "map", &held, "--value", "withdrawal_reason:gone  FISHING=LEFT_COURSE", "--operator", "jo"];
    let said = &desk.json(&mapping)[0];
    assert_eq!((&said["outcome"], &said["accepted"]), (&"processed".into(), &5.into()), "{said}");
    assert_eq!(desk.json(&["held", "list"]).len(), 0);
    let entries = desk.json(&["entries"]);
    let learned = entries.iter().find(|entry| entry["type"] == "MappingLearned").expect("an entry");
    assert_eq!((&learned["centre"], &learned["field"]), (&CENTRE.into(), &"withdrawal_reason".into()));
    assert!(!learned.to_string().contains("ishing"), "what the file says is sealed: {learned}");
    let withdrawn = entries.iter().find(|entry| entry["type"] == "LearnerWithdrawn").expect("a withdrawal");
    assert_eq!(withdrawn["reason"], "LEFT_COURSE");

    desk.told(&["rebuild"]);
    let said = import(&desk, "later.csv", &withdrawals(&ulns, 5, "Gone fishing"));
    assert_eq!(said["accepted"], 1, "{said}");
    let report = desk.told(&["report", "overrides", "--csv"]);
    assert!(report.contains("MappingLearned") && report.contains(CENTRE), "{report}");
    desk.check_handed_log();
}

/// Goal: a heading that was taken for another field is put right for good. Method: ULNs under a heading that everybody knows as the
/// centre's own reference, and nothing under that for ULNs.
#[test]
fn a_heading_is_learned_from_a_held_file() {
    let (mut desk, ulns) = enrolled();
    let of = |from, text: &str| withdrawals(&ulns, from, "ILLNESS").replacen("ULN,", text, 1);
    desk.drop_file(Fixture::other("left.csv", &of(1, "Candidate number,")));
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    assert_eq!(desk.names("held").len(), 1);
    // The agent runs on and is asked.
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    let said = &desk.json(&["held", "map", &held, "candidate NUMBER=uln"])[0];
    assert_eq!((&said["accepted"], said["findings"].to_string().contains("1F-017")), (&5.into(), false), "{said}");
    assert_eq!(desk.names("held"), Vec::<String>::new(), "the original has left held/");
    let summaries = desk.names("receipts").into_iter().filter(|name| name.ends_with("_receipt.txt"));
    assert_eq!(summaries.count(), 2, "one that says it is held, and one that corrects it");
    running.stop_well();
    let said = import(&desk, "later.csv", &of(0, "Candidate number,"));
    assert_eq!((&said["accepted"], &said["duplicate"]), (&1.into(), &5.into()), "{said}");
    desk.check_handed_log();
}

/// Goal: a held row is shown beside what its columns were taken for. Method: somebody of the same name and birth date as another.
#[test]
fn a_held_row_is_shown_by_its_columns() {
    let (desk, _) = enrolled();
    let row = format!("3141592658,Jane,Doea,2004-05-06,{CENTRE},601/5886/4,2025-09-01,blue");
    let heading = "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Colour";
    let said = import(&desk, "namesake.csv", &format!("{heading}\n{row}\n"));
    assert_eq!(said["held"], 1, "{said}");
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    let shown = &desk.json(&["held", "show", &held, "--reveal"])[0]["original"];
    let column = |place: usize| (&shown["columns"][place]["field"], &shown["lines"][0]["cells"][place]);
    assert_eq!(
        (column(2), column(7)),
        ((&"family_name".into(), &"Doea".into()), (&Value::Null, &"blue".into())),
        "{shown}"
    );
    assert_eq!(shown["lines"][0]["line"], 2);
}

/// Goal: a file in which a column seems to be missing waits for a person where a column of an unknown heading may be it, and goes back at
/// once where none can be. Method: ULNs under a heading of the centre's own, mapped; and without them.
#[test]
fn a_column_that_may_be_missing_is_asked_about() {
    let (desk, ulns) = enrolled();
    let of = |from, heading: &str| withdrawals(&ulns, from, "ILLNESS").replacen("ULN,", heading, 1);
    let said = import(&desk, "left.csv", &of(0, "Learner key,"));
    assert_eq!((&said["outcome"], said["findings"].to_string().contains("1F-036")), (&"held".into(), true), "{said}");
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    let shown = desk.told(&["held", "show", &held, "--reveal"]);
    assert!(shown.contains("passed over") && shown.contains("\"Learner key\": \"1000000019\""), "{shown}");
    let said = &desk.json(&["held", "map", &held, "Learner key=uln"])[0];
    assert_eq!(said["accepted"], 6, "{said}");
    let said = import(&desk, "later.csv", &of(1, "LEARNER KEY,"));
    assert_eq!(said["duplicate"], 5, "{said}");

    // What stands there is no ULN.
    let without = of(0, "Colour,").replace("00", "x");
    let said = import(&desk, "without.csv", &without);
    assert_eq!(
        (&said["outcome"], said["findings"].to_string().contains("1F-007")),
        (&"rejected".into(), true),
        "{said}"
    );
    let said = import(&desk, "released.csv", &of(0, "Another key,"));
    assert_eq!(said["outcome"], "held", "{said}");
    let held = desk.json(&["held", "list"])[0]["held"].to_string();
    let said = &desk.json(&["held", "release", &held, "--reason", "as it is"])[0];
    assert_eq!(
        (&said["outcome"], said["findings"].to_string().contains("1F-007")),
        (&"rejected".into(), true),
        "{said}"
    );
}

/// Goal: a folder's own headings and values are read as its configuration says. Method: a file that could not be read without.
#[test]
fn a_folder_has_words_of_its_own() {
    let (mut desk, ulns) = enrolled();
    let path = desk.data.join("daybook.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    let own =
        "headings = { \"Our ref\" = \"uln\" }\nvalues = { withdrawal_reason = { \"Gone fishing\" = \"ILLNESS\" } }\n";
    fs::write(path, format!("{config}{own}")).expect("written");
    let text = withdrawals(&ulns, 0, "gone fishing").replacen("ULN,", "Our ref,", 1);
    let verdicts = (2..8).map(|line| (line, "accepted")).collect();
    desk.drop_file(Fixture { verdicts, ..Fixture::other("left.csv", &text) });
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    running.stop_well();
    let entries = desk.json(&["entries"]);
    let reasons: Vec<_> =
        entries.iter().filter(|it| it["type"] == "LearnerWithdrawn").map(|it| &it["reason"]).collect();
    assert_eq!(reasons, ["ILLNESS"; 6]);
}
