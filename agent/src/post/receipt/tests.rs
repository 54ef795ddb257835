use std::{fs, os::unix::fs::symlink, path::PathBuf};

use daybook_protocol::{
    date::Timestamp,
    event::{Level, Lines},
    field::{Field, Kind},
    ids::{Epoch, LogId},
};

use super::*;
use crate::{
    post::Correction,
    reader::{Block, Wanted, plan, rows},
};

const TOTALS: Totals = Totals { rows: 4, accepted: 1, rejected: 1, duplicate: 1, held: 1 };

fn summary() -> Summary<'static> {
    Summary {
        file_name: "autumn intake.csv",
        sha256: Digest::of(b"file"),
        received_at: Timestamp(1_782_862_200_000_000),
        centre: "C1",
        kind: Some(Kind::Enrolments),
        outcome: Outcome::Processed,
        correction: None,
        replaces: None,
        totals: TOTALS,
        lines: Lines { header: 1, title: 2, blank: 0, total: 1, note: 0, row: 4 },
        findings: &[],
        log: LogId([0xab; 16]),
        epoch: Epoch(1),
        last: Sequence(1012),
        root: Digest::of(b"root"),
        root_count: 1013,
        level: Level::Local,
    }
}

/// A file as its sender has it, with a title and a foreign column: two of its cells are formulas to a spreadsheet.
const SENT: &str = "Our learners\n\
    ULN;Given names;Family name;Date of birth;Qualification number;Start date;Centre number;Learner ref;\"Our \"\"own\"\"\"\n\n\
    1000000019; Zoë ;O'Neill;2004-05-06;60158864;2026-09-01;C1;LR-1;\n\
    1000000018;Ann;Lee;2004-05-06;60158864;2026-09-01;C1;=cmd|' /C calc'!A0;\"a \"\"b\"\";\nc\"\n\
    1000000027;Bo;Day;2004-05-06;60158864;2026-09-01;C1;LR-2;\n\
    1000000000;Cy;Fox;2004-05-06;60158864;2026-09-01;C1;;\n";

fn read(text: &str) -> Block {
    let text: std::sync::Arc<[u8]> = text.as_bytes().into();
    let open = || Ok(Box::new(std::io::Cursor::new(text.clone())) as Box<dyn std::io::Read + Send>);
    let planned = plan(&open, &Wanted::default()).expect("a plan");
    let (mut read, mut block) = (rows(open().expect("opened"), &planned.plan), Block::default());
    while let Some(row) = read.next().expect("a row") {
        block.push(&row);
    }
    block
}

fn verdict<'a>(line: u32, identifier: &'a str, verdict: Verdict, findings: &'a [Finding]) -> RowVerdict<'a> {
    let entry = Sequence(1000 + u64::from(line));
    RowVerdict {
        line,
        identifier,
        verdict,
        findings,
        entry,
        registration: None,
        name: None,
        expires_on: None,
        sent: None,
    }
}

/// Writes the rows that [`TOTALS`] counts.
fn write_rows(writer: &mut ReceiptWriter) {
    let block = read(SENT);
    let sent: Vec<_> = block.rows().collect();
    let row = |line: u32, identifier, of, findings| {
        let sent = sent.iter().find(|row| row.line() == line).copied();
        assert!(sent.is_some(), "line {line} is a row");
        RowVerdict { sent, ..verdict(line, identifier, of, findings) }
    };
    let registration = Some(RegistrationNo { epoch: Epoch(1), sequence: Sequence(1004) });
    let (name, expires_on) = (Some(["Zoë", "O'Neill"]), Some("2029-08-31".parse().expect("a date")));
    writer
        .row(&RowVerdict { registration, name, expires_on, ..row(4, "1000000019", Verdict::Accepted, &[]) })
        .expect("written");
    let two = [Finding::of(Code::ULN_CHECK_DIGIT, Field::Uln), Finding::of(Code::NAME_LONG, Field::FamilyName)];
    writer.row(&row(5, "=cmd|' /C calc'!A0", Verdict::Rejected, &two)).expect("written");
    writer.row(&row(7, "LR-2", Verdict::Duplicate, &[])).expect("written");
    writer.row(&row(8, "", Verdict::Held, &[Code::POSSIBLE_DUPLICATE_PERSON.into()])).expect("written");
}

fn issue(receipts: &Path, summary: &Summary<'_>) -> Digest {
    let mut writer = ReceiptWriter::create(receipts, Sequence(7), summary.file_name).expect("created");
    write_rows(&mut writer);
    writer.finish(summary).expect("finished")
}

/// The files of a directory and what is in them.
fn files(dir: &Path) -> Vec<(String, String)> {
    let listed = fs::read_dir(dir).expect("listed").map(|entry| entry.expect("an entry").path());
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("text"))
    };
    let mut files: Vec<_> = listed.map(read).collect();
    files.sort();
    files
}

/// Goal: a receipt's two files are what the sender is promised, to the byte, and the digest is that of the report. Method:
/// one row of each verdict, compared with the whole text; the report read by the csv crate.
#[test]
fn a_receipt_reads_as_promised() {
    let home = tempfile::tempdir().expect("a folder");
    let receipts = home.path().join("drop/receipts");
    let report = issue(&receipts, &summary());
    let files = files(&receipts);
    let [(text_name, text), (resend_name, _), (rows_name, rows)] = files.as_slice() else {
        unreachable!("three files: {files:?}")
    };
    let names = [text_name, resend_name, rows_name].map(|name| name.strip_prefix("7_autumn intake_"));
    assert_eq!(names, [Some("receipt.txt"), Some("resend.csv"), Some("rows.csv")]);
    assert_eq!(report, Digest::of(rows.as_bytes()));
    insta::assert_snapshot!(text.replace("\r\n", "\n"), @r#"
    Receipt 7

    File       autumn intake.csv
    SHA-256    3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80
    Received   1 July 2026 at 00:30:00 BST (2026-06-30T23:30:00Z)
    Centre     C1
    Kind       enrolments

    Every row of the file has a verdict. The row report beside this receipt gives each.

    Rows
      seen                 4
      accepted             1
      rejected             1
      duplicate            1
      held                 1

    What was found in its rows
      2L-003  ULN check digit wrong, once (an error)
              A digit is mistyped or two are swapped. Take the ULN from the learner's record again.
      2L-013  name longer than 35 letters, once (a warning)
              Nothing to do here; the Learning Records Service keeps 35 letters only.
      4S-002  possibly a person already known, once (held)
              A person is looking at it.

    How the lines of the file were accounted for (a row of several lines counts once)
      header 1, title 2, blank 0, total 1, note 0, row 4; 8 in all

    Where its facts stand
      Log        abababababababababababababababab
      Epoch      1
      Sequence   1012, the last entry of this file
      Root       4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2, of the first 1013 entries
      Level      local: durable on the machine where the file arrived

    What to do next
      Mend the rows in the resend file beside this receipt, which has the rejected ones in your own
      columns, and drop that file as it is: we pass over the columns in front that say what is wrong.
      Or send the whole file again under another name, mended: rows that were accepted come back as
      duplicates and change nothing.
      Held rows wait for a person of ours. Do not send them again.
    "#);
    assert!(
        text.lines().count() == text.matches("\r\n").count()
            && text.matches('\n').count() == text.matches("\r\n").count()
    );
    insta::assert_snapshot!(rows.strip_prefix('\u{feff}').expect("a mark").replace("\r\n", "\n"), @r#"
    "Line","Identifier","Verdict","Code","Field","Fix","Entry","Registration","Name","Expires"
    "4","1000000019","accepted","","","","1004","R1-1004","Zoë O'Neill","2029-08-31"
    "5","'=cmd|' /C calc'!A0","rejected","2L-003","uln","ULN check digit wrong. A digit is mistyped or two are swapped. Take the ULN from the learner's record again.","1005","","",""
    "5","'=cmd|' /C calc'!A0","rejected","2L-013","family_name","Name longer than 35 letters. Nothing to do here; the Learning Records Service keeps 35 letters only.","1005","","",""
    "7","LR-2","duplicate","","","","1007","","",""
    "8","","held","4S-002","","Possibly a person already known. A person is looking at it.","1008","","",""
    "#);
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let cells: Vec<_> = reader.records().map(|row| row.expect("readable")).collect();
    assert_eq!(cells.len(), 5);
    assert!(cells.iter().flatten().all(|cell| !cell.starts_with(['=', '+', '-', '@'])));
}

/// Goal: the resend file has the rejected rows in the sender's own form, with what is wrong in front and nothing that a
/// spreadsheet would run, and reads back to the values that were sent, also a second time. Method: compared to the byte; read
/// by the reader, all of it rejected again, and read once more.
#[test]
fn a_resend_file_reads_back() {
    let home = tempfile::tempdir().expect("a folder");
    issue(home.path(), &summary());
    let resend = fs::read_to_string(home.path().join("7_autumn intake_resend.csv")).expect("text");
    let expected = concat!(
        "\u{feff}\"Line\";\"Code\";\"Field\";\"Reason\";\"Fix\";\"ULN\";\"Given names\";\"Family name\";\"Date of birth\";",
        "\"Qualification number\";\"Start date\";\"Centre number\";\"Learner ref\";\"Our \"\"own\"\"\"\r\n",
        "\"5\";\"2L-003\";\"uln\";\"ULN check digit wrong.\";\"A digit is mistyped or two are swapped. Take the ULN from the ",
        "learner's record again.\";\"1000000018\";\"Ann\";\"Lee\";\"2004-05-06\";\"60158864\";\"2026-09-01\";\"C1\";",
        "\"'=cmd|' /C calc'!A0\";\"a \"\"b\"\";\nc\"\r\n"
    );
    assert_eq!(resend, expected);
    let first = read(SENT);
    let sent = first.rows().find(|row| row.line() == 5).expect("a row");
    let all_of = |row: &Row<'_>| {
        let cells: Vec<String> = row.own_cells().map(str::to_owned).collect();
        (cells, Field::ALL.map(|field| row.value(field).to_owned()), row.shifted())
    };
    let mut text = resend;
    for again in 0..3 {
        let block = read(&text);
        let rows: Vec<_> = block.rows().collect();
        let [row] = rows.as_slice() else { unreachable!("one row: {}", rows.len()) };
        assert_eq!((all_of(row), row.line()), (all_of(&sent), 2));
        assert!(row.own_headings().eq(sent.own_headings()));
        let home = tempfile::tempdir().expect("a folder");
        let mut writer = ReceiptWriter::create(home.path(), Sequence(again), "again.csv").expect("created");
        let findings = [Finding::of(Code::ULN_CHECK_DIGIT, Field::Uln)];
        writer.row(&RowVerdict { sent: Some(*row), ..verdict(2, "", Verdict::Rejected, &findings) }).expect("written");
        let totals = Totals { rows: 1, rejected: 1, ..Totals::default() };
        writer.finish(&Summary { totals, file_name: "again.csv", ..summary() }).expect("finished");
        let sent_back = fs::read_to_string(home.path().join(format!("{again}_again_resend.csv"))).expect("text");
        assert_eq!(sent_back, expected.replace("\"5\";\"2L", "\"2\";\"2L"));
        text = sent_back;
    }
}

/// Goal: writing a receipt again after a crash gives the same bytes and nothing besides, wherever the crash was. Method:
/// again over leftovers, over one file of the two, and over both.
#[test]
fn writing_again_gives_the_same() {
    let home = tempfile::tempdir().expect("a folder");
    let receipts = home.path().join("receipts");
    let first = issue(&receipts, &summary());
    let expected = files(&receipts);
    fs::write(receipts.join(".7_rows.part"), "left by a crash").expect("written");
    drop(ReceiptWriter::create(&receipts, Sequence(7), "autumn intake.csv").expect("created and not finished"));
    fs::write(receipts.join(".7_resend.part"), "left by a crash").expect("written");
    for removed in ["", "7_autumn intake_receipt.txt", "7_autumn intake_rows.csv", "7_autumn intake_resend.csv"] {
        let _ = fs::remove_file(receipts.join(removed));
        assert_eq!(issue(&receipts, &summary()), first);
        assert_eq!(files(&receipts), expected);
    }
}

/// Goal: another log's receipt of the same number stays. Method: a second log in the same directory, twice.
#[test]
fn another_logs_receipt_is_not_overwritten() {
    let home = tempfile::tempdir().expect("a folder");
    issue(home.path(), &summary());
    let before = files(home.path());
    for _ in 0..2 {
        issue(home.path(), &Summary { log: LogId([1; 16]), ..summary() });
        let after = files(home.path());
        assert_eq!(after.len(), 6);
        assert!(before.iter().all(|file| after.contains(file)));
        assert!(after.iter().any(|(name, _)| name == "7_2_autumn intake_receipt.txt"));
    }
}

/// Goal: a file that is not judged row by row is answered too, in words and for programs. Method: each outcome.
#[test]
fn a_whole_file_is_answered() {
    let home = tempfile::tempdir().expect("a folder");
    let missing = [Finding::of(Code::COLUMN_MISSING, Field::DateOfBirth)];
    let many = [Finding::from(Code::TOO_MANY_ERRORS)];
    for (outcome, findings, sentence, line) in [
        (
            Outcome::Rejected,
            &missing[..],
            "1F-007  required column missing: date_of_birth (an error)",
            "\"rejected\",\"1F-007\",\"date_of_birth\"",
        ),
        (Outcome::Held, &many, "The file is held for a person", "\"held\",\"1F-017\",\"\""),
    ] {
        let summary = Summary { outcome, findings, totals: Totals::default(), ..summary() };
        let receipt = ReceiptWriter::create(home.path(), Sequence(7), summary.file_name).expect("created");
        let report = receipt.finish(&summary).expect("answered");
        let files = files(home.path());
        let [(_, text), (_, rows)] = files.as_slice() else { unreachable!("two files: {files:?}") };
        assert!(text.contains(sentence), "{text}");
        assert!(!text.contains("accepted"), "no rows are told of: {text}");
        assert_eq!(report, Digest::of(rows.as_bytes()));
        assert!(rows.lines().nth(1).is_some_and(|row| row.starts_with(&format!("\"\",\"\",{line}"))), "{rows}");
    }
}

/// Goal: a receipt that corrects another names it, tells only of the rows decided on, and gives the totals of the whole file.
/// Method: one row accepted and one refused, compared with the whole text; then one row too few, and a file that was held.
#[test]
fn a_correcting_receipt_reads_as_promised() {
    let home = tempfile::tempdir().expect("a folder");
    let row = |line, of, findings| verdict(line, "LR-1", of, findings);
    let decided = Totals { rows: 2, accepted: 1, rejected: 1, ..Totals::default() };
    let correction = Some(Correction { receipt: Sequence(7), decided: Some(decided) });
    let totals = Totals { rows: 4, accepted: 2, rejected: 1, duplicate: 1, held: 0 };
    let summary = Summary { correction, totals, ..summary() };
    let begin = || {
        let mut writer = ReceiptWriter::create(home.path(), Sequence(1012), summary.file_name).expect("created");
        writer.row(&row(6, Verdict::Accepted, &[])).expect("written");
        writer
    };
    assert!(matches!(begin().finish(&summary), Err(PostError::Unbalanced { .. })));
    let mut writer = begin();
    writer.row(&row(7, Verdict::Rejected, &[Code::ROW_REFUSED.into()])).expect("written");
    writer.finish(&summary).expect("finished");
    let told = files(home.path());
    let [(name, text), (_, rows)] = told.as_slice() else { unreachable!("two files: {told:?}") };
    assert_eq!(name, "1012_autumn intake_receipt.txt");
    let (before, _) = text.split_once("How the lines").expect("lines");
    insta::assert_snapshot!(before.replace("\r\n", "\n"), @r#"
    Receipt 1012, which corrects receipt 7

    File       autumn intake.csv
    SHA-256    3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80
    Received   1 July 2026 at 00:30:00 BST (2026-06-30T23:30:00Z)
    Centre     C1
    Kind       enrolments

    A person has decided on rows of the file that were held. The row report beside this receipt gives
    the new verdict of each; the verdicts on all other rows stand.

    Rows decided on now
      seen                 2
      accepted             1
      rejected             1
      duplicate            0
      held                 0

    Rows of the whole file, these included
      seen                 4
      accepted             2
      rejected             1
      duplicate            1
      held                 0

    What was found in its rows
      4S-032  refused by a person who looked at it, once (an error)
              Ask us if the reason is not clear to you. Mend the row and send it again in a new file.

    "#);
    assert_eq!(rows.lines().count(), 3);

    let correction = Some(Correction { receipt: Sequence(7), decided: None });
    let refused = [Finding::from(Code::FILE_REFUSED)];
    let summary =
        Summary { correction, outcome: Outcome::Rejected, findings: &refused, totals: Totals::default(), ..summary };
    let receipt = ReceiptWriter::create(home.path(), Sequence(1013), summary.file_name).expect("created");
    receipt.finish(&summary).expect("answered");
    let text = fs::read_to_string(home.path().join("1013_autumn intake_receipt.txt")).expect("text");
    for sentence in ["Receipt 1013, which corrects receipt 7", "A person has looked at the file", "rejected as a whole"]
    {
        assert!(text.contains(sentence), "{text}");
    }
}

/// Goal: a report that does not balance with the log is not sent. Method: a row too few.
#[test]
fn an_unbalanced_receipt_is_not_sent() {
    let home = tempfile::tempdir().expect("a folder");
    let mut writer = ReceiptWriter::create(home.path(), Sequence(7), "a.csv").expect("created");
    write_rows(&mut writer);
    let totals = Totals { rows: 5, accepted: 2, ..TOTALS };
    let refused = writer.finish(&Summary { totals, ..summary() });
    assert!(matches!(refused, Err(PostError::Unbalanced { .. })));
    assert!(files(home.path()).iter().all(|(name, _)| name.starts_with('.')));
}

/// Goal: no name of a file, and nothing that a sender put into the directory, leads a receipt elsewhere. Method: a name with
/// ways in it, the longest name, links in the place of our files and of the directory.
#[test]
fn a_receipt_stays_in_its_directory() {
    let home = tempfile::tempdir().expect("a folder");
    let (receipts, victim) = (home.path().join("receipts"), home.path().join("victim"));
    fs::create_dir(&receipts).expect("made");
    fs::write(&victim, "untouched").expect("written");
    for name in [".7_rows.part", ".7_receipt.part", "7_.._.._x_receipt.txt"] {
        symlink(&victim, receipts.join(name)).expect("linked");
    }
    fs::hard_link(&victim, receipts.join("7_.._.._x_rows.csv")).expect("linked");
    issue(&receipts, &Summary { file_name: "../../x.csv", ..summary() });
    assert_eq!(fs::read_to_string(&victim).expect("text"), "untouched");
    assert!(receipts.join("7_.._.._x_receipt.txt").symlink_metadata().expect("there").is_file());
    let long = format!("{}.csv", "é".repeat(125));
    issue(&receipts, &Summary { file_name: &long, ..summary() });
    let linked = home.path().join("linked");
    symlink(&receipts, &linked).expect("linked");
    assert!(matches!(ReceiptWriter::create(&linked, Sequence(7), "a.csv"), Err(PostError::Write { .. })));
}
