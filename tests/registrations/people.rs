//! Who is who: learners who may be known already, who turn out to be one person, or to have several ULNs.

use serde_json::Value;

use super::{HEADING, WHO, day, import, life, record};
use crate::harness::{CENTRE, Desk};

/// A file with one enrolment, ten days ago.
fn enrolment(uln: &str, given: &str, family: &str, born: &str, qualification: &str) -> String {
    format!("{HEADING}\n{uln},{given},{family},{born},{CENTRE},{qualification},{},REF1\n", day(-10))
}

/// Enrols somebody new, and gives the number of the registration.
fn enrol(desk: &Desk, name: &str, text: &str) -> String {
    assert_eq!(import(desk, name, text)["accepted"], 1, "{name}");
    let entries = desk.json(&["entries"]);
    let enrolled = entries.iter().rfind(|entry| entry["type"] == "LearnerEnrolled").expect("an enrolment");
    enrolled["registration"].as_str().expect("a number").to_owned()
}

/// The numbers of the registrations that are told of a learner, and the family name.
fn told_of(desk: &Desk, about: &[&str]) -> (Vec<String>, Value) {
    let history = desk.json(&[&["history", "--reveal"], about].concat()).remove(0);
    let registrations = history["registrations"].as_array().expect("registrations");
    let numbers = registrations.iter().map(|it| it["registration"].as_str().expect("a number").to_owned());
    (numbers.collect(), history["personal"]["family_name"].clone())
}

/// Goal: a learner who comes again under a slip of the pen is asked about, and nobody is made of it unseen. Method: names the wrong way
/// round, day and month the wrong way round, and, without a ULN, a mistyped year; then one of them released.
#[test]
fn near_duplicates_wait_for_a_person() {
    let desk = Desk::in_memory("local");
    let row = |uln, given, family, born| enrolment(uln, given, family, born, "601/5886/4");
    assert_eq!(import(&desk, "first.csv", &row("", "Jane", "Doe", "2004-05-06"))["accepted"], 1);
    for (name, text, expected) in [
        ("swapped.csv", row("1000000019", "Doe", "Jane", "2004-05-06"), "held"),
        ("turned.csv", row("1000000027", "Jane", "Doe", "2004-06-05"), "held"),
        ("mistyped.csv", row("", "Jane", "Doe", "2003-05-06"), "held"),
        ("other.csv", row("1000000000", "Jane", "Doe", "2003-05-06"), "accepted"),
        ("sister.csv", row("", "Joan", "Doe", "2004-05-06"), "accepted"),
    ] {
        assert_eq!(import(&desk, name, &text)[expected], 1, "{name}");
    }
    let held = desk.json(&["held", "list"]);
    assert_eq!(held.len(), 3);
    let first = held[0]["held"].to_string();
    assert_eq!(desk.json(&["why", &first])[0]["findings"][0]["code"], "4S-002");
    desk.told(&["held", "release", &first, "--reason", "another person, says the centre"]);
    let entries = desk.json(&["entries"]);
    assert_eq!(
        entries.iter().filter(|entry| entry["opened"] == true).count(),
        4,
        "the first, two others, the released one"
    );
}

/// Goal: two learners who are one person are found as one by whatever was known of either, and as two again when that was wrong; nothing
/// of either is lost. Method: two enrolments under two names, merged by an operator, a file for each ULN, and unmerged.
#[test]
fn two_learners_become_one_and_two_again() {
    let desk = Desk::in_memory("local");
    let one = enrol(&desk, "one.csv", &enrolment("1000000019", "Jane", "Doe", "2004-05-06", "601/5886/4"));
    let other = enrol(&desk, "other.csv", &enrolment("1000000027", "Jane", "Roe", "2004-05-06", "600/8706/7"));
    let merge = |name: &str| {
        let named = ["--other-registration", &other, "--other-family-name", name, "--reason", "passport seen"];
        record(&desk, "merge", &one, &named).1
    };
    assert_eq!(merge("Poe")["findings"][0]["code"], "4S-005", "whose identity is not proven");
    assert_eq!(merge("Roe")["type"], "LearnersMerged");
    assert_eq!(merge("Roe")["type"], "RowDuplicate");

    let both = (vec![one.clone(), other.clone()], Value::from("Doe"));
    for about in [["--uln", "1000000019"], ["--uln", "1000000027"], ["--registration", &other]] {
        assert_eq!(told_of(&desk, &about), both, "{about:?}");
    }
    // The other's registration by the other's ULN and name, and by the name of who stays.
    let gone = |name: &str, qualification: &str| {
        let heading = "ULN,Last name,Date of birth,Qualification number,Withdrawal date,Reason for withdrawal";
        format!("{heading}\n1000000027,{name},2004-05-06,{qualification},{},LEFT_COURSE\n", day(-5))
    };
    assert_eq!(import(&desk, "gone.csv", &gone("Roe", "600/8706/7"))["accepted"], 1);
    assert_eq!(import(&desk, "gone-too.csv", &gone("Doe", "601/5886/4"))["accepted"], 1);
    assert_eq!([&one, &other].map(|no| life(&desk, no)["state"].clone()), ["WITHDRAWN", "WITHDRAWN"]);

    let unmerge = || record(&desk, "unmerge", &one, &["--other-uln", "1000000027", "--reason", "twins"]).1;
    assert_eq!(unmerge()["type"], "LearnersUnmerged");
    assert_eq!(unmerge()["findings"][0]["code"], "4S-047");
    assert_eq!(told_of(&desk, &["--uln", "1000000019"]), (vec![one.clone()], Value::from("Doe")));
    assert_eq!(told_of(&desk, &["--uln", "1000000027"]), (vec![other.clone()], Value::from("Roe")));
    // What was recorded meanwhile is of whom it is about.
    assert_eq!([&one, &other].map(|no| life(&desk, no)["state"].clone()), ["WITHDRAWN", "WITHDRAWN"]);
    let events = |no: &str| desk.json(&["history", "--registration", no]).remove(0)["events"].to_string();
    assert!(events(&other).contains(&format!("\"registration\":\"{other}\"")) && !events(&one).contains(&other));
    desk.told(&["rebuild"]);
    assert_eq!(told_of(&desk, &["--uln", "1000000027"]).1, "Roe");
}

/// Goal: a file that names a further ULN means the same learner, and nobody else gets it. Method: given by an operator, twice, and to
/// somebody else; then a withdrawal by it.
#[test]
fn a_learner_has_a_further_uln() {
    let desk = Desk::in_memory("local");
    let one = enrol(&desk, "one.csv", &enrolment("1000000019", "Jane", "Doe", "2004-05-06", "601/5886/4"));
    let other = enrol(&desk, "other.csv", &enrolment("1000000000", "Ann", "Doe", "2004-05-06", "601/5886/4"));
    let alias =
        |no: &str, uln: &str| record(&desk, "alias", no, &["--other-uln", uln, "--reason", "linked by the LRS"]).1;
    assert_eq!(alias(&one, "1000000027")["type"], "UlnAliased");
    assert_eq!(alias(&one, "1000000027")["type"], "RowDuplicate");
    assert_eq!(alias(&one, "1000000019")["findings"][0]["code"], "4S-046");
    assert_eq!(alias(&other, "1000000027")["findings"][0]["code"], "4S-003");
    let again = enrolment("1000000027", "Jane", "Doe", "2004-05-06", "600/8706/7");
    assert_eq!(import(&desk, "again.csv", &again)["accepted"], 1, "no one else by another ULN");
    assert_eq!(told_of(&desk, &["--uln", "1000000019"]).0.len(), 2);
    assert_eq!(told_of(&desk, &["--uln", "1000000027"]).0.len(), 2, "by the further one too");
    let several = desk.json(&["report", "duplicates"]);
    assert!(several.iter().any(|row| row["finding"] == "one learner, several ULNs"), "{several:?}");
    let amend = ["--field", "uln", "--to", "1000000027", "--reason", "error"];
    let of_other = [&["record", "amend", "--registration", &other], &WHO[..], &amend, &["--json"]].concat();
    assert!(String::from_utf8_lossy(&desk.ask(&of_other).stdout).contains("4S-003"));
}
