//! What is held, and what its sender hears once a person has decided.

mod harness;

use std::{collections::BTreeMap, fs};

use harness::{CENTRE, Desk, Fixture, Running, until};
use serde_json::Value;

const HEADING: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref";

/// One learner, and others of that name and birth date, about whom a person must decide: lines 3 to 6.
fn namesakes() -> Fixture {
    let ulns = ["1000000019", "1000000027", "1000000000", "1234567899", "2000000001"];
    let row = |uln| format!("{uln},Jane,Doe,2004-05-06,{CENTRE},601/5886/4,2024-09-02,REF-{uln}");
    let lines: Vec<_> = std::iter::once(HEADING.to_owned()).chain(ulns.map(row)).collect();
    Fixture::other("namesakes.csv", &lines.join("\n"))
}

/// A file of which most rows are wrong: it is held as a whole.
fn spoilt(file: u32) -> Fixture {
    let text = Fixture::enrolments(file, 12).lines().join("\n").replace("-0", "-9");
    Fixture::other(&format!("spoilt-{file}.csv"), &text)
}

/// A desk where a file was taken and the agent has stopped; and the entry that each line is held under.
fn desk_with(fixture: Fixture) -> (Desk, BTreeMap<u64, String>) {
    let mut desk = Desk::new("local");
    desk.drop_file(fixture);
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    running.stop_well();
    let held = held(&desk);
    (desk, held)
}

/// The entry that each line, or as line 0 a file, is held under.
fn held(desk: &Desk) -> BTreeMap<u64, String> {
    let listed = desk.json(&["held", "list"]);
    listed.iter().map(|held| (held["line"].as_u64().unwrap_or(0), held["held"].to_string())).collect()
}

/// The receipts that the log speaks of: number and digest of the report. Each has its two files, and there are no others but
/// resend files.
fn receipts(desk: &Desk) -> Vec<(u64, String)> {
    let entries = desk.json(&["entries"]);
    let issued: Vec<_> = entries.iter().filter(|entry| entry["type"] == "ReceiptIssued").collect();
    for issued in &issued {
        let (_, report) = files(desk, issued["receipt"].as_u64().expect("a number"));
        assert_eq!(Fixture::other("report", &report).sha256(), issued["report"].as_str().expect("a digest"));
    }
    let mut names = desk.names("receipts");
    names.retain(|name| !name.ends_with("_resend.csv"));
    assert_eq!(names.len(), 2 * issued.len(), "{names:?}");
    let number = |issued: &&Value| (issued["receipt"].as_u64().expect("a number"), issued["report"].to_string());
    issued.iter().map(number).collect()
}

/// Summary and row report of a receipt.
fn files(desk: &Desk, number: u64) -> (String, String) {
    let ours = |name: &String| name.starts_with(&format!("{number}_")) && !name.ends_with("_resend.csv");
    let names = desk.names("receipts").into_iter().filter(ours);
    let texts: Vec<_> =
        names.map(|name| fs::read_to_string(desk.folder.join("receipts").join(name)).expect("text")).collect();
    let [summary, report] = texts.try_into().expect("two files");
    (summary, report)
}

/// Decides on some entries.
fn decide(desk: &Desk, word: &str, entries: &[&str]) -> Vec<Value> {
    let arguments = [&["held", word], entries, &["--reason", "looked at", "--operator", "jo"]].concat();
    desk.json(&arguments)
}

/// All that lies in the receipts.
fn all(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| (name.clone(), fs::read(desk.folder.join("receipts").join(&name)).expect("a file"));
    desk.names("receipts").into_iter().map(read).collect()
}

/// Goal: rows that are decided on together are told of together, by a receipt that names the first, tells of no other row and
/// balances; and no receipt is ever changed. Method: two released with the agent running, one refused and one released without.
#[test]
fn rows_decided_on_together_are_told_of_together() {
    let (desk, held) = desk_with(namesakes());
    let [(first, _)] = receipts(&desk).try_into().expect("one receipt");
    let mut agent = desk.start(&["run"]);
    agent.until_said("the agent runs in");
    let said = decide(&desk, "release", &[&held[&5], &held[&3], &held[&5]]);
    let second = said[0]["receipt"].as_u64().expect("a receipt");
    assert_eq!(said.len(), 2, "each once: {said:?}");
    assert!(said.iter().all(|said| said["verdict"] == "accepted" && said["receipt"] == second), "{said:?}");
    let before = all(&desk);
    agent.stop_well();
    let (summary, report) = files(&desk, second);
    assert!(summary.starts_with(&format!("Receipt {second}, which corrects receipt {first}\r\n")), "{summary}");
    for (name, count) in [("seen", 5), ("accepted", 3), ("rejected", 0), ("duplicate", 0), ("held", 2)] {
        assert!(summary.contains(&format!("\r\n  {name:<10}{count:>12}\r\n")), "{name} {count}: {summary}");
    }
    assert!(summary.contains(&format!("Sequence   {second}, ")) && summary.contains("Level      local"), "{summary}");
    let lines: Vec<_> =
        report.lines().skip(1).map(|line| line.split(',').take(3).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(lines, ["\"3\",\"REF-1000000027\",\"accepted\"", "\"5\",\"REF-1234567899\",\"accepted\""]);

    let third = decide(&desk, "refuse", &[&held[&4]])[0]["receipt"].as_u64().expect("a receipt");
    let (summary, report) = files(&desk, third);
    assert!(report.contains("\"4\",\"REF-1000000000\",\"rejected\",\"4S-032\""), "{report}");
    // Only what was refused goes back to be mended, by the receipt that says so.
    let resent: Vec<_> = desk.names("receipts").into_iter().filter(|name| name.ends_with("_resend.csv")).collect();
    assert_eq!(resent, [format!("{third}_namesakes_resend.csv")]);
    let resent = fs::read_to_string(desk.folder.join("receipts").join(&resent[0])).expect("text");
    assert!(
        resent.lines().nth(1).is_some_and(|row| row.starts_with("\"4\",\"4S-032\",") && row.contains("1000000000"))
    );
    assert_eq!(resent.lines().count(), 2, "{resent}");
    assert!(summary.contains("Mend the rows in the resend file") && summary.contains("Held rows wait"), "{summary}");
    let fourth = decide(&desk, "release", &[&held[&6]])[0]["receipt"].as_u64().expect("a receipt");
    assert_eq!(receipts(&desk).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [first, second, third, fourth]);
    let after = all(&desk);
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "a receipt was changed");
    let again = desk.ask(&["held", "release", &held[&3], "--reason", "again"]);
    assert_eq!(again.status.code(), Some(2), "nothing is held under it any more");
    assert_eq!(all(&desk), after);
}

/// Goal: a file that was held is answered again, by a receipt of its own, whether it is let go on or refused. Method: one of
/// each; its original leaves `held/`.
#[test]
fn a_held_file_is_answered_again() {
    for (word, outcome, row) in
        [("release", "Every row of the file has a verdict.", "\"2\","), ("refuse", "was rejected as a whole", "\"\",")]
    {
        let (desk, held) = desk_with(spoilt(0));
        let [(first, _)] = receipts(&desk).try_into().expect("one receipt");
        let (before, _) = files(&desk, first);
        assert!(before.contains("The file is held for a person"), "{before}");
        decide(&desk, word, &[&held[&0]]);
        let [_, (second, _)] = receipts(&desk).try_into().expect("two receipts");
        let (summary, report) = files(&desk, second);
        assert!(summary.starts_with(&format!("Receipt {second}, which corrects receipt {first}\r\n")), "{summary}");
        assert!(summary.contains("A person has looked at the file") && summary.contains(outcome), "{summary}");
        assert!(!summary.contains("A person is looking"), "{summary}");
        assert!(report.lines().nth(1).is_some_and(|line| line.starts_with(row)), "{report}");
        assert_eq!(files(&desk, first).0, before);
        assert_eq!((desk.names("held").len(), desk.names("done").len()), (0, 1));
    }
}

/// Goal: a decision whose process died is told of by the next start, once and by the same bytes. Method: kill a command at each
/// point on the way of its receipt, with the agent's next start and with another decision as what comes after.
#[test]
fn a_correction_survives_a_crash() {
    let cases = [
        ("journal.commit.after:2", "release"),
        ("post.receipt.before", "release"),
        ("post.receipt.resend", "refuse"),
        ("post.receipt.after", "refuse"),
        ("journal.commit.before:3", "release"),
    ];
    for (point, word) in cases {
        for by_another in [false, true] {
            let (desk, held) = desk_with(namesakes());
            let arguments = ["held", word, &held[&3], "--reason", "looked at"];
            let mut doomed = desk.start_with(&arguments, &[("DAYBOOK_CRASH_AT", point)]);
            let ended = until("a death", || doomed.ended());
            assert!(!ended.success(), "it came through at {point}");
            let left: BTreeMap<_, _> = all(&desk).into_iter().filter(|(name, _)| !name.starts_with('.')).collect();
            if by_another {
                decide(&desk, "refuse", &[&held[&4]]);
            } else {
                corrected(&desk, &mut desk.start(&["run"]));
            }
            let told = receipts(&desk);
            assert_eq!(told.len(), if by_another { 3 } else { 2 }, "{point}: {told:?}");
            let after = all(&desk);
            assert!(
                left.iter().all(|(name, bytes)| after.get(name) == Some(bytes)),
                "{point}: another receipt than before"
            );
            let (_, report) = files(&desk, told[1].0);
            assert_eq!(report.lines().count(), 2, "{point}: it tells of the one row: {report}");
        }
    }
}

/// Waits until an agent has written the second receipt and recorded it, and stops it.
fn corrected(desk: &Desk, running: &mut Running) {
    running.until_said("the agent runs in");
    until("a correction", || {
        let entries = desk.json(&["entries"]);
        (entries.iter().filter(|entry| entry["type"] == "ReceiptIssued").count() == 2).then_some(())
    });
    running.terminate();
    until("an end", || running.ended());
}
