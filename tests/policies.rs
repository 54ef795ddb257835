//! Policies are dated data: what is asked is judged by the one in force on its own date, through the built program.

mod harness;

use harness::{CENTRE, Desk, Fixture};
use serde_json::{Value, json};

const ENROLMENTS: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref";
const DEFERRALS: &str = "ULN,Last name,Date of birth,Qualification number,Defer from,Resume by,Deferral reason";
const RESUMPTIONS: &str = "ULN,Last name,Date of birth,Qualification number,Resumed on";
const WITHDRAWALS: &str = "ULN,Last name,Date of birth,Qualification number,Withdrawal date,Reason for withdrawal";

/// A desk with more in its configuration.
fn desk(policy: &str) -> Desk {
    let desk = Desk::in_memory("local");
    adopt(&desk, policy);
    desk
}

/// Puts other policies into the configuration.
fn adopt(desk: &Desk, policy: &str) {
    let path = desk.data.join("daybook.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let text = text.split("[policy]").next().expect("a beginning").to_owned();
    std::fs::write(&path, text + policy).expect("written");
}

/// Takes in a file of these rows, and gives the entries that judge them, in the order of the rows.
fn import(desk: &Desk, name: &str, heading: &str, rows: &[&str]) -> Vec<Value> {
    let text = [&[heading], rows].concat().join("\n");
    let path = desk.write(&Fixture::other(name, &text));
    let said = desk.json(&["import", "--centre", CENTRE, path.to_str().expect("text")]);
    let arrival = &said[0]["receipt"];
    let of_file = |entry: &Value| entry["source"]["kind"] == "row" && entry["source"]["arrival"] == *arrival;
    desk.json(&["entries"]).into_iter().filter(of_file).collect()
}

/// What became of rows: the event, and the code that speaks against it.
fn became(entries: &[Value]) -> Vec<String> {
    let told = |entry: &Value| {
        let findings = entry["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let code = findings.last().and_then(|finding| finding["code"].as_str()).unwrap_or_default();
        format!("{} {code}", entry["type"].as_str().expect("a type")).trim_end().to_owned()
    };
    entries.iter().map(told).collect()
}

fn enrolment(uln: &str, name: &str, start: &str) -> String {
    format!("{uln},Jane,{name},2004-05-06,{CENTRE},601/5886/4,{start},REF")
}

fn row(uln: &str, name: &str, rest: &str) -> String {
    format!("{uln},{name},2004-05-06,601/5886/4,{rest}")
}

const TWO: &str = "[policy]\nname = \"old\"\ndeferral_days_max = 100\n[policy.reasons]\n\"gone to sea\" = \"LEFT_COURSE\"\n\
    [[policy.since]]\nfrom = 2025-01-01\nname = \"new\"\ndeferral_days_max = 30\n[policy.since.reasons]\n45 = \"FINANCIAL\"\n";

/// Goal: of rows in one file each is judged by the policy of its own date, its limits and its reasons, and says which that was. Method:
/// rows on both sides of a day.
#[test]
fn a_row_is_judged_by_the_policy_of_its_own_date() {
    let desk = desk(TWO);
    let (doe, roe) = (enrolment("1000000019", "Doe", "2024-01-08"), enrolment("1000000027", "Roe", "2024-01-08"));
    assert_eq!(became(&import(&desk, "enrolments.csv", ENROLMENTS, &[&doe, &roe])), ["LearnerEnrolled"; 2]);
    let deferrals = import(
        &desk,
        "deferrals.csv",
        DEFERRALS,
        &[
            &row("1000000019", "Doe", "2024-12-31,2025-03-01,leave"),
            &row("1000000027", "Roe", "2025-01-01,2025-03-01,leave"),
            &row("1000000027", "Roe", "2025-01-01,2025-01-31,leave"),
        ],
    );
    assert_eq!(became(&deferrals), ["LearnerDeferred", "RowRejected 4S-008", "LearnerDeferred"]);
    let config = desk.json(&["entries"]).into_iter().find(|entry| entry["type"] == "ConfigAdopted").expect("one");
    for (entry, name, from) in [(&deferrals[0], "old", Value::Null), (&deferrals[1], "new", json!("2025-01-01"))] {
        let why = &desk.json(&["why", &entry["sequence"].to_string()])[0];
        let told = (&why["policy"], &why["policy_name"], &why["policy_from"]);
        assert_eq!(told, (&config["sequence"], &json!(name), &from), "{why}");
        assert_eq!(entry["governed_by"], config["sequence"]);
    }
    let why = desk.told(&["why", &deferrals[1]["sequence"].to_string()]);
    assert!(why.contains("\"new\", from 2025-01-01, in the configuration of entry 1"), "{why}");

    let gone = import(
        &desk,
        "withdrawals.csv",
        WITHDRAWALS,
        &[
            &row("1000000019", "Doe", "2024-12-20,45"),
            &row("1000000019", "Doe", "2025-02-01,Gone to sea"),
            &row("1000000027", "Roe", "2025-02-01,45"),
        ],
    );
    assert_eq!(became(&gone), ["RowRejected 2L-019", "LearnerWithdrawn", "LearnerWithdrawn"]);
    assert_eq!((&gone[1]["reason"], &gone[2]["reason"]), (&json!("LEFT_COURSE"), &json!("FINANCIAL")));
}

/// Goal: a registration lasts longer by what was deferred where the policy of that day says so, and the log says so for ever, whatever the
/// policy says later, to history and to books alike. Method: one resumed before the day and one behind it; another policy; what may then be
/// asked; the books rebuilt.
#[test]
fn a_registration_lasts_longer_by_policy_and_log() {
    let desk = desk("[policy]\n[[policy.since]]\nfrom = 2020-06-01\nextend_expiry_by_deferral = true\n");
    let (doe, roe) = (enrolment("1000000019", "Doe", "2020-01-08"), enrolment("1000000027", "Roe", "2020-01-08"));
    let enrolled = import(&desk, "enrolments.csv", ENROLMENTS, &[&doe, &roe]);
    let until = |uln, name| row(uln, name, "2020-03-01,2020-07-01,leave");
    import(&desk, "deferrals.csv", DEFERRALS, &[&until("1000000019", "Doe"), &until("1000000027", "Roe")]);
    let back = [row("1000000019", "Doe", "2020-05-31"), row("1000000027", "Roe", "2020-06-01")];
    let resumed = import(&desk, "resumptions.csv", RESUMPTIONS, &[&back[0], &back[1]]);
    assert_eq!(became(&resumed), ["LearnerResumed", "LearnerResumedExtended"]);
    assert_eq!(resumed[1]["days_deferred"], 92);
    let last_days = || -> Vec<Value> {
        let last_day = |entry: &Value| {
            let no = entry["registration"].as_str().expect("a number");
            desk.json(&["history", "--registration", no])[0]["registrations"][0]["expires_on"].clone()
        };
        enrolled.iter().map(last_day).collect()
    };
    let expected = [json!("2023-01-08"), json!("2023-04-10")];
    assert_eq!(last_days(), expected);

    adopt(&desk, "[policy]\nextend_expiry_by_deferral = false\n");
    let again = import(&desk, "again.csv", RESUMPTIONS, &[&back[1], &back[0]]);
    assert_eq!(became(&again), ["RowDuplicate"; 2]);
    let left = |uln, name, on: &str| row(uln, name, &format!("{on},LEFT_COURSE"));
    let left = [left("1000000019", "Doe", "2023-01-09"), left("1000000027", "Roe", "2023-04-10")];
    let gone = import(&desk, "withdrawals.csv", WITHDRAWALS, &[&left[0], &left[1]]);
    assert_eq!(became(&gone), ["RowRejected 4S-021", "LearnerWithdrawn"]);
    desk.told(&["rebuild"]);
    assert_eq!(last_days(), expected);
}

/// Goal: a qualification is not completed before its weeks have passed, by the policy of that day. Method: the day before and the day itself;
/// a certificate sent too early.
#[test]
fn weeks_have_to_pass_before_a_completion() {
    let desk = desk("[policy]\n[[policy.since]]\nfrom = 2024-02-01\nmin_weeks_registration_to_completion = 10\n");
    let enrolled = import(&desk, "enrolments.csv", ENROLMENTS, &[&enrolment("1000000019", "Doe", "2024-01-08")]);
    let no = enrolled[0]["registration"].as_str().expect("a number");
    let complete = |on: &str| {
        let who = ["--family-name", "Doe", "--date-of-birth", "2004-05-06", "--reason", "all results seen"];
        let output =
            desk.ask(&[&["record", "complete", "--registration", no, "--on", on, "--json"], &who[..]].concat());
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let sent =
        ["record", "dispatch", "--certificate", "C1", "--registration", no, "--on", "2024-02-05", "--reason", "x"];
    assert_eq!(desk.ask(&sent).status.code(), Some(1));
    assert_eq!(became(&[complete("2024-03-17")]), ["RowRejected 4S-012"]);
    assert_eq!(became(&[complete("2024-03-18")]), ["QualificationCompleted"]);
}

/// Goal: a configuration that nobody can mean starts no agent, and whoever checks it is told why. Method: a negative limit.
#[test]
fn a_policy_that_nobody_can_mean_is_refused() {
    let desk = desk("[policy]\nresume_grace_days = -1\n");
    let said = desk.ask(&["check", "--config", desk.data.join("daybook.toml").to_str().expect("text")]);
    assert_eq!(said.status.code(), Some(1));
    let output = desk.ask(&["run"]);
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && why.contains("resume_grace_days is -1"), "{why}");
}
