//! What comes back to the sender: the rejected rows, to be mended and dropped as they are.

mod harness;

use std::fs;

use harness::{CENTRE, Desk, Fixture};

/// Eight learners, the second and the fourth without a date of birth that is one; columns nobody knows at both ends, with formulas
/// and quotation marks in them.
fn enrolments() -> Fixture {
    let heading = "Our key;ULN;First name;Last name;Date of birth;Centre number;Qualification number;Start date;Notes";
    let row = |key: &str, uln: &str, born: &str, notes: &str| {
        format!("{key};{uln};Jane;Doe{key};{born};{CENTRE};601/5886/4;2024-09-02;{notes}")
    };
    let rows = [
        row("a", "3000000010", "2004-05-06", "\"says \"\"hello\"\"; twice\""),
        row("b", "3000000029", "2004-05-36", "\"=HYPERLINK(\"\"x\"\")\""),
        row("c", "3000000037", "6 May 2004", ""),
        row("d", "3000000045", "", "-"),
        row("e", "3000000053", "2004-05-06", "+44 20 7946 0000"),
        row("f", "3000000061", "2004-05-06", ""),
        row("g", "3000000088", "2004-05-06", ""),
        row("h", "3000000096", "2004-05-06", ""),
    ];
    let lines: Vec<_> = std::iter::once(heading.to_owned()).chain(rows).collect();
    Fixture::other("autumn.csv", &lines.join("\r\n"))
}

/// Drops a file and waits until it is filed.
fn drop_and_file(desk: &mut Desk, fixture: Fixture) {
    desk.drop_file(fixture);
    let mut running = desk.start(&["run"]);
    desk.until_filed(&mut running);
    running.stop_well();
}

/// The one resend file that there is besides those known.
fn resend(desk: &Desk, known: &[String]) -> Option<(String, String)> {
    let is_new = |name: &String| name.ends_with("_resend.csv") && !known.contains(name);
    let name = desk.names("receipts").into_iter().find(is_new)?;
    let text = fs::read_to_string(desk.folder.join("receipts").join(&name)).expect("text");
    Some((name, text))
}

/// Verdicts on all rows so far, and how many of each.
fn verdicts(desk: &Desk) -> Vec<(String, usize)> {
    let entries = desk.json(&["entries"]);
    ["LearnerEnrolled", "RowRejected", "RowHeld", "RowDuplicate"]
        .map(|what| (what.to_owned(), entries.iter().filter(|entry| entry["type"] == what).count()))
        .to_vec()
}

/// Goal: the sender mends the very file that came back and drops it, and its rows are taken; unmended they come back just the
/// same; where nothing was rejected nothing comes back. Method: a file with two bad rows, its resend file dropped unchanged,
/// then with both mended.
#[test]
fn a_resend_file_is_mended_and_dropped() {
    let mut desk = Desk::new("local");
    drop_and_file(&mut desk, enrolments());
    let counts = |enrolled, rejected| {
        [("LearnerEnrolled", enrolled), ("RowRejected", rejected), ("RowHeld", 0), ("RowDuplicate", 0)]
            .map(|(what, count): (&str, usize)| (what.to_owned(), count))
            .to_vec()
    };
    assert_eq!(verdicts(&desk), counts(6, 2));
    let (first, text) = resend(&desk, &[]).expect("a resend file");
    let rows: Vec<_> = text.split("\r\n").collect();
    assert_eq!(rows.len(), 4, "a header and two rows, each with its line end: {text}");
    assert!(
        rows[0].starts_with("\u{feff}\"Line\";\"Code\";\"Field\";\"Reason\";\"Fix\";\"Our key\";\"ULN\""),
        "{text}"
    );
    assert!(rows[1].starts_with("\"3\";\"2L-") && rows[1].ends_with(";\"'=HYPERLINK(\"\"x\"\")\""), "{text}");
    assert!(rows[2].starts_with("\"5\";") && rows[2].ends_with(";\"-\""), "{text}");

    let named = |name: &str, text: &str| Fixture::other(name, text);
    drop_and_file(&mut desk, named("unmended.csv", &text));
    assert_eq!(verdicts(&desk), counts(6, 4));
    let (second, again) = resend(&desk, std::slice::from_ref(&first)).expect("a resend file");
    let without_lines = |text: &str| {
        text.split("\r\n").map(|row| row.split_once(';').map(|(_, rest)| rest.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(without_lines(&again), without_lines(&text), "the same rows, once in our columns");

    let mended = again.replace("2004-05-36", "2004-05-26").replace("\"Doed\";\"\"", "\"Doed\";\"2003-01-02\"");
    drop_and_file(&mut desk, named("mended.csv", &mended));
    assert_eq!(verdicts(&desk), counts(8, 4), "{mended}");
    assert_eq!(resend(&desk, &[first, second]), None);
    let findings: Vec<_> = desk.json(&["entries"]).into_iter().filter(|entry| entry["type"] == "FileParsed").collect();
    let codes: Vec<_> = findings.iter().map(|entry| entry["findings"].to_string()).collect();
    assert!(codes.iter().all(|found| *found == codes[0]), "our columns are flagged: {codes:?}");
}

/// Goal: the sender reads what was accepted: the name as it will print, and until when. Method: the row report of that file.
#[test]
fn an_accepted_row_shows_name_and_expiry() {
    let mut desk = Desk::new("local");
    drop_and_file(&mut desk, enrolments());
    let name = desk.names("receipts").into_iter().find(|name| name.ends_with("_rows.csv")).expect("a row report");
    let mut report = csv::Reader::from_path(desk.folder.join("receipts").join(name)).expect("a report");
    let rows: Vec<_> = report.records().map(|row| row.expect("a row")).collect();
    let of_line = |line: &str| rows.iter().find(|row| &row[0] == line).expect("a row");
    // Three years from 2 September 2024 (DOMAIN.md 3.2).
    assert_eq!((&of_line("2")[8], &of_line("2")[9]), ("Jane Doea", "2027-09-02"));
    assert!(of_line("2")[7].starts_with("R1-"));
    assert_eq!((&of_line("3")[8], &of_line("3")[9]), ("", ""));
}
