//! Workbooks that others have collected.

use std::{env, fs, path::PathBuf};

use super::*;

fn corpus() -> Option<Vec<(String, Vec<u8>)>> {
    let Some(data) = env::var_os("DAYBOOK_DATA") else {
        println!("SKIPPED: DAYBOOK_DATA does not name the folder with the workbooks of calamine");
        return None;
    };
    let folder = PathBuf::from(data).join("tabular/calamine/tests");
    let entries = fs::read_dir(folder).expect("the workbooks are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    Some(paths.iter().map(|path| (name(path), fs::read(path).expect("a file"))).collect())
}

/// What is found in a file: its text, or why it is not read.
fn outcome(bytes: &[u8]) -> Result<(Encoding, String), Refusal> {
    let refusal = |error: io::Error| match error.downcast::<Refusal>() {
        Ok(refusal) => refusal,
        Err(error) => unreachable!("{error}"),
    };
    match of_beginning(bytes) {
        Found::Text | Found::Learners => Err(Refusal::new(Code::NO_ROWS, "it would be read as text")),
        Found::Other(code, detail) => Err(Refusal::new(code, detail)),
        Found::Container => {
            let (format, _) = of_whole(Box::new(Cursor::new(bytes.to_vec()))).map_err(|stop| refusal(stop.into()))?;
            Ok((format, text_of(bytes, format).map_err(refusal)?))
        }
    }
}

/// What cannot be read, and why: protected by a password, binary (XLSB), a picture, too short to be anything, or hostile.
const REFUSED: [(&str, Code); 9] = [
    ("OOM_alloc3.xls", Code::UNREADABLE),
    ("issue252.xlsx", Code::UNREADABLE),
    ("issue_385.xls", Code::UNREADABLE),
    ("issue_594_dos.ods", Code::TOO_LARGE),
    ("pass_protected.ods", Code::UNREADABLE),
    ("pass_protected.xlsx", Code::UNREADABLE),
    ("picture.jpg", Code::DOCUMENT),
    ("picture.png", Code::DOCUMENT),
    ("too_small.xls", Code::NO_ROWS),
];

/// What lies under a merged cell is not seen, and not read.
const COVERED: &str = "covered.ods";

/// Goal: each workbook is read or refused with a code; none crashes or hangs. Method: all of them; those that are refused are
/// listed above, and no others.
#[test]
fn every_workbook_is_read_or_refused() {
    let Some(corpus) = corpus() else { return };
    let mut wrong = Vec::new();
    for (name, bytes) in &corpus {
        let expected = REFUSED.iter().find(|(known, _)| known == name).map(|(_, code)| *code);
        let binary = PathBuf::from(name).extension().is_some_and(|extension| extension == "xlsb");
        let expected = if binary { Some(Code::UNREADABLE) } else { expected };
        let found = outcome(bytes);
        if found.as_ref().err().map(|refusal| refusal.code) != expected {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} workbooks", corpus.len());
}

/// Goal: the cells are those that calamine finds. Method: all workbooks that are read, their texts and numbers compared with
/// those of calamine's own way to read a sheet.
#[test]
fn cells_are_those_of_calamine() {
    use calamine::{Data, Reader as _, SheetType, SheetVisible};
    let mut wrong = Vec::new();
    for (name, bytes) in corpus().unwrap_or_default() {
        let Ok((_, text)) = outcome(&bytes) else { continue };
        let Ok(mut workbook) = calamine::open_workbook_auto_from_rs(Cursor::new(bytes)) else { continue };
        let sheets = workbook.sheets_metadata().to_vec();
        let mut theirs = Vec::new();
        for sheet in sheets {
            if sheet.visible != SheetVisible::Visible || sheet.typ != SheetType::WorkSheet {
                continue;
            }
            let Ok(range) = workbook.worksheet_range(&sheet.name) else { continue };
            for (_, _, cell) in range.used_cells() {
                match cell {
                    Data::String(text) if !text.trim().is_empty() => theirs.push(text.trim().to_owned()),
                    Data::Error(_) => theirs.push("error".to_owned()),
                    Data::Float(number) if number.fract() == 0.0 && number.abs() < 1e9 => {
                        theirs.push(number.to_string());
                    }
                    Data::Bool(flag) => theirs.push(flag.to_string().to_uppercase()),
                    _ => {}
                }
            }
        }
        let mut ours = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let mut cells: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for record in ours.records() {
            for cell in &record.expect("a record") {
                let cell = if fault(cell) == Some(Code::CELL_ERROR) { "error" } else { cell.trim() };
                *cells.entry(cell.to_owned()).or_default() += 1;
                // A number may be shown with leading zeros.
                let number = cell.trim_start_matches('0');
                if number != cell && number.bytes().all(|byte| byte.is_ascii_digit()) {
                    *cells.entry(number.to_owned()).or_default() += 1;
                }
            }
        }
        let mut take = |cell: &String| match cells.get_mut(cell) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        };
        let missing: Vec<String> = theirs.into_iter().filter(|cell| !take(cell)).collect();
        if !missing.is_empty() && name != COVERED {
            wrong.push(format!("{name}: {missing:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
