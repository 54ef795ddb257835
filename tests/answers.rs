//! Answers: why a row became what it became.

mod harness;

use harness::{CENTRE, Desk, Fixture};
use serde_json::{Value, json};

const HEADING: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref";

/// Goal: a row that waits is explained by its rule, the configuration in force and the one fact known of the learner, by
/// entry and by line alike. Method: an enrolment on line 2, a namesake with another ULN on line 3, asked with the agent
/// stopped.
#[test]
fn a_held_row_is_explained() {
    let row = |uln| format!("{uln},Jane,Doe,2004-05-06,{CENTRE},601/5886/4,2024-09-02,REF-{uln}");
    let text = [HEADING.to_owned(), row("1000000019"), row("1000000027")].join("\n");
    let mut desk = Desk::new("local");
    desk.drop_file(Fixture::other("two.csv", &text));
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    running.stop_well();

    let log = desk.json(&["entries"]);
    let of_type = |what: &str| -> Vec<&Value> { log.iter().filter(|entry| entry["type"] == what).collect() };
    let (enrolled, held, files) = (of_type("LearnerEnrolled"), of_type("RowHeld"), of_type("FileReceived"));
    assert_eq!((enrolled.len(), held.len(), files.len()), (1, 1, 1));
    let (enrolled, held) = (&enrolled[0]["sequence"], &held[0]["sequence"]);
    let config = &of_type("ConfigAdopted").last().expect("a configuration")["sequence"];

    let told = desk.json(&["why", &held.to_string()]);
    assert_eq!(told, desk.json(&["why", &format!("{}:3", files[0]["sequence"])]));
    assert_eq!(told.len(), 1, "one answer");
    let told = &told[0];
    assert_eq!((&told["sequence"], &told["type"], &told["policy"]), (held, &json!("RowHeld"), config));
    let fact = json!({ "sequence": enrolled, "type": "LearnerEnrolled", "effective_on": "2024-09-02" });
    assert_eq!(told["facts"], json!([fact]));
    assert_eq!(told["findings"].as_array().map(Vec::len), Some(1));
    assert!(!told["findings"][0]["mend"].as_str().expect("a way to mend it").is_empty());

    // The enrolment itself was compared with nothing: nobody was known.
    let told = desk.json(&["why", &enrolled.to_string()]);
    assert_eq!(told[0]["facts"], json!([]));
}
