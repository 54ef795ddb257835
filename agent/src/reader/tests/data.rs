//! Real files: the corner cases that others collected, and a university's registrations. They lie outside the project,
//! where `DAYBOOK_DATA` says; without it these tests say that they were skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::*;
use crate::reader::records::Records;

#[allow(clippy::print_stderr, reason = "a test that cannot run must say so")]
fn data() -> Option<PathBuf> {
    let data = std::env::var_os("DAYBOOK_DATA").map(PathBuf::from);
    if data.is_none() {
        eprintln!("SKIPPED: DAYBOOK_DATA does not say where the test data lies");
    }
    data
}

/// The records of some bytes, their cells as sent; with the number of those that are misquoted.
fn records_of(bytes: Vec<u8>) -> Result<(Vec<Vec<String>>, usize), ReadError> {
    let mut records = Records::new(Box::new(Cursor::new(bytes)), Encoding::Utf8, b',');
    let (mut all, mut misquoted) = (Vec::new(), 0);
    while records.advance()? {
        misquoted += usize::from(records.record().misquoted);
        all.push(records.record().cells().map(str::to_owned).collect());
    }
    Ok((all, misquoted))
}

/// A JSON text's rows: objects by their values under `header`, lists as they are.
fn expected(json: &Value, header: &[String]) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = json.as_array().cloned().unwrap_or_else(|| vec![json.clone()]);
    let row = |row: &Value| match row {
        Value::Array(cells) => cells.iter().map(text).collect(),
        object => header.iter().map(|name| text(object.get(name).unwrap_or(&Value::Null))).collect(),
    };
    rows.iter().map(row).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).expect("the folder of test data");
    let mut files: Vec<PathBuf> = listed.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Goal: records are split as two public collections say. Method: each good file against its JSON.
#[test]
fn corner_cases_of_others_are_read_right() {
    let Some(data) = data() else { return };
    let mut seen = 0;
    for (csvs, jsons) in [("csv-spectrum/csvs", "csv-spectrum/json"), ("csv-test-data/csv", "csv-test-data/json")] {
        for path in files(&data.join("tabular").join(csvs)) {
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
            // The cells of this one hold what a program wrote that could not read them; its JSON is of another table.
            if name.starts_with("bad-") || name == "location_coordinates" {
                continue;
            }
            let json = fs::read(data.join("tabular").join(jsons).join(format!("{name}.json"))).expect("its JSON");
            let json: Value = serde_json::from_slice(&json).expect("JSON");
            let (mut rows, misquoted) = records_of(fs::read(&path).expect("its CSV")).expect("good CSV");
            let objects = csvs.starts_with("csv-spectrum") || name.starts_with("header-");
            let header = if objects { rows.remove(0) } else { Vec::new() };
            assert_eq!((rows, misquoted), (expected(&json, &header), 0), "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 11 + 18);
}

/// Goal: none of the bad files becomes a table, and faults of quoting are seen where they are. Method: each through the
/// whole reader, and its records. A quotation mark in the middle of a cell that does not begin with one is the exception:
/// it can be read in one way only, and people write inches and nicknames.
#[test]
fn bad_files_of_others_are_refused() {
    let Some(data) = data() else { return };
    let bad: Vec<PathBuf> = files(&data.join("tabular/csv-test-data/csv"));
    let bad =
        bad.into_iter().filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bad-")));
    let mut seen = 0;
    for path in bad {
        let bytes = fs::read(&path).expect("its CSV");
        assert!(matches!(read(&bytes), Err(ReadError::Refused { .. })), "{}", path.display());
        let records = records_of(bytes);
        match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("bad-missing-quote") => assert!(matches!(records, Err(ReadError::Refused { .. }))),
            Some("bad-quotes-with-unescaped-quote") => assert_eq!(records.expect("records").1, 1),
            _ => assert_eq!(records.expect("records").1, 0),
        }
        seen += 1;
    }
    assert_eq!(seen, 7);
}

/// Writes the university's registrations as drop files.
fn drop_files(data: &Path, layout: &str, out: &Path) {
    let tool = data.join("../tools/oulad_dropfiles.py");
    let status = Command::new("python3")
        .arg(tool)
        .arg("--registrations")
        .arg(data.join("oulad/studentRegistration-2013.csv"))
        .arg("--names")
        .arg(data.join("reference/common-forenames-by-country.csv"))
        .args(["--presentation", "2013B", "--presentation", "2013J", "--layout", layout, "--out"])
        .arg(out)
        .output()
        .expect("python3");
    assert!(status.status.success());
}

/// What the messy layout does to a plain row: dates day first and, in Windows-1252, the letters that it has. Whatever is
/// ten letters long with a hyphen after the fourth is a date to the tool, the forename Amir-Abbas too; and where no letter
/// is left, or none was, it writes an X.
fn roughened(row: &[String], encoding: Encoding) -> Vec<String> {
    let date = |cell: &str| match cell.chars().collect::<Vec<_>>().as_slice() {
        [year @ .., '-', m, n, _, d, e] if year.len() == 4 => {
            [&[*d, *e, '/', *m, *n, '/'], year].concat().iter().collect()
        }
        _ => cell.to_owned(),
    };
    let fit = |cell: String| {
        let fits = |letter: &char| !encoding_rs::WINDOWS_1252.encode(letter.encode_utf8(&mut [0; 4])).2;
        let kept: String = cell.chars().filter(fits).collect();
        match encoding {
            Encoding::Windows1252 if kept.is_empty() => "X".to_owned(),
            Encoding::Windows1252 => kept,
            _ => cell,
        }
    };
    row.iter().map(|cell| fit(date(cell))).collect()
}

/// Goal: both layouts give the same rows, and the totals that the tool expects. Method: make both, read both, roughen the
/// plain rows as the tool does, compare; count the physical lines without the reader.
#[test]
fn a_universitys_registrations_read_the_same_in_both_layouts() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, messy) = (folder.path().join("plain"), folder.path().join("messy"));
    drop_files(&data, "plain", &plain);
    drop_files(&data, "messy", &messy);
    let expected: Value =
        serde_json::from_slice(&fs::read(plain.join("expected.json")).expect("totals")).expect("JSON");
    let totals = expected.get("files").and_then(Value::as_object).expect("files");
    let mut seen: Vec<(Kind, Encoding, u8, u64)> = Vec::new();
    for (name, total) in totals {
        let neat = read(&fs::read(plain.join(name)).expect("plain")).expect("a good file");
        let bytes = fs::read(messy.join(name)).expect("messy");
        let rough = read(&bytes).expect("a good file");
        let rows = total.as_u64().expect("a number");
        let kind = if name.contains("enrolments") { Kind::Enrolments } else { Kind::Withdrawals };
        assert_eq!((neat.plan.kind, rough.plan.kind), (kind, kind));
        assert_eq!(neat.plan.columns, rough.plan.columns);
        assert!(neat.findings.is_empty() && rough.findings.is_empty());
        assert_eq!(neat.lines, Lines { header: 1, row: rows, ..Lines::default() });
        assert_eq!(rough.lines, Lines { header: 1, title: 1, blank: 1, total: 1, row: rows, ..Lines::default() });
        // In UTF-16, too, no other character of these files has the byte of a line feed.
        assert_eq!(sum(rough.lines), bytes.split(|byte| *byte == b'\n').count() as u64 - 1);
        let roughened: Vec<_> = neat.rows.iter().map(|row| roughened(row, rough.plan.encoding)).collect();
        assert!(roughened == rough.rows, "{name} reads otherwise");
        assert!(neat.places.iter().chain(&rough.places).all(|(_, shifted)| !shifted));
        seen.push((kind, rough.plan.encoding, rough.plan.delimiter, rows));
    }
    let of = |kind| seen.iter().filter(|(other, ..)| *other == kind).map(|(.., rows)| rows).sum::<u64>();
    assert_eq!((of(Kind::Enrolments), of(Kind::Withdrawals)), (13_529, 3_723));
    let layouts: Vec<_> = seen.iter().map(|(_, encoding, delimiter, _)| (*encoding, *delimiter)).collect();
    for layout in [(Encoding::Windows1252, b';'), (Encoding::Utf16Le, b'\t'), (Encoding::Utf8, b',')] {
        assert!(layouts.contains(&layout));
    }
}
