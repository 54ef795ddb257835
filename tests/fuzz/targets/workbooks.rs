//! Workbooks as they are sent, and their parts in a container that is put right.

use std::io::{Cursor, Read, Write as _};

use daybook_agent::reader::{self, Planned, ReadError, Wanted};
use daybook_protocol::{
    event::{Lines, Plan},
    finding::{Severity, worst},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A workbook. By the first byte the rest is the file, the sheet of an XLSX file, or the content of an ODS file.
///
/// It has a plan or is refused, with a reason; by its plan it is read the same way twice, and each row is accounted for. What
/// panics in a library is refused as well, but libFuzzer ends at the panic itself.
pub(super) fn workbook(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let file = match how & 3 {
        1 => xlsx(bytes),
        2 => zipped(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", bytes)]),
        _ => bytes.to_vec(),
    };
    match reader::plan(&|| Ok(open(&file)), &Wanted::default()) {
        Ok(Planned { plan, findings }) => {
            assert!(worst(&findings) < Some(Severity::Error), "{findings:?}");
            assert_eq!(read(&file, &plan), read(&file, &plan), "what is read does not depend on chance");
        }
        Err(ReadError::Refused { findings, detail }) => {
            assert!(worst(&findings) >= Some(Severity::Query) && !detail.is_empty(), "{findings:?}");
        }
        Err(ReadError::Io(error)) => unreachable!("the bytes can be had: {error}"),
    }
}

fn open(file: &[u8]) -> Box<dyn Read + Send> {
    Box::new(Cursor::new(file.to_vec()))
}

/// Line and cells of each row, and how the lines are accounted for, as far as it goes.
fn read(file: &[u8], plan: &Plan) -> (Vec<(u32, Vec<String>)>, Lines) {
    let mut rows = reader::rows(open(file), plan);
    let mut found: Vec<(u32, Vec<String>)> = Vec::new();
    while let Ok(Some(row)) = rows.next() {
        assert!(found.last().is_none_or(|last| last.0 < row.line()), "lines go up");
        found.push((row.line(), row.raw().map(str::to_owned).collect()));
    }
    let lines = rows.lines();
    assert_eq!(lines.row, found.len() as u64);
    (found, lines)
}

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(*name, options).expect("begun");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("made").into_inner()
}

/// A workbook around one sheet.
fn xlsx(sheet: &[u8]) -> Vec<u8> {
    const BOOK: &str = "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
        xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>\
        <sheet name=\"Sheet1\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>";
    const LINKS: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
        <Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" \
        Target=\"worksheets/sheet1.xml\"/></Relationships>";
    zipped(&[
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", LINKS.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet),
    ])
}
