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

/// What is found in a file: its text, or the code with which it is refused.
fn outcome(bytes: &[u8]) -> Result<(Encoding, String), Code> {
    let code = |error: io::Error| match error.downcast::<Refusal>() {
        Ok(refusal) => refusal.code,
        Err(error) => unreachable!("{error}"),
    };
    match of_beginning(bytes) {
        Found::Text => unreachable!("no text is among them"),
        Found::Other(code, _) => Err(code),
        Found::Container => {
            let (format, _) = of_whole(Box::new(Cursor::new(bytes.to_vec()))).map_err(|stop| code(stop.into()))?;
            Ok((format, text_of(bytes, format).map_err(code)?))
        }
    }
}

/// Goal: each workbook is read or refused with a code; none crashes or hangs. Method: all of them, with what came of each.
#[test]
fn every_workbook_is_read_or_refused() {
    for (name, bytes) in corpus().unwrap_or_default() {
        match outcome(&bytes) {
            Ok((format, text)) => println!("{name}: {format:?}, {} lines, {} bytes", text.lines().count(), text.len()),
            Err(code) => println!("{name}: {code}"),
        }
    }
}
