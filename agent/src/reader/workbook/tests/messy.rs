//! What stands beside a table, and what is no workbook at all.

use super::*;

const ROW: [&str; 6] = ["5958768343", "Zoë", "Bell", "1963-01-29", "667/0808/4", "2013-04-25"];

/// A workbook of several sheets, each a list of rows by number.
fn sheets(sheets: &[&[(u32, &[&str])]]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    for rows in sheets {
        let sheet = workbook.add_worksheet();
        for (row, cells) in *rows {
            put(sheet, *row, cells);
        }
    }
    workbook.save_to_buffer().expect("made")
}

fn check(bytes: &[u8], codes: &[Code], lines: &[u32]) {
    let table = read_all(bytes).expect("a workbook that can be read");
    assert_eq!(table.codes, codes);
    assert_eq!(table.rows.iter().map(|row| row.0).collect::<Vec<_>>(), lines);
}

/// Goal: a table goes on on the next sheet where the same header stands there, under titles too. Method: three sheets, of
/// which the first has explanations only.
#[test]
fn a_table_goes_on_under_the_same_header() {
    let bytes = sheets(&[
        &[(0, &["How to fill this in"]), (1, &["ULN", "ten digits"]), (30, &["Thank you"])],
        &[(0, &HEADER), (1, &ROW)],
        &[(0, &["Enrolments", "June", "2013"]), (2, &HEADER), (3, &ROW), (4, &ROW)],
        &[(1, &["made by Jo"])],
    ]);
    check(&bytes, &[], &[33, 37, 38]);
    let table = read_all(&bytes).expect("read");
    assert_eq!(table.lines, Lines { header: 2, title: 3, blank: 30, total: 0, note: 2, row: 3 });
}

/// Goal: nothing that looks like data is dropped in silence. Method: another table on a later sheet, on an earlier sheet, below
/// the table, and rows below a gap.
#[test]
fn data_beside_the_table_is_a_question() {
    let other: &[&str] = &["Certificate no", "Dispatch date"];
    let table: &[(u32, &[&str])] = &[(0, &HEADER), (1, &ROW)];
    check(&sheets(&[table, &[(0, other), (1, &["C1", "2013-01-01"])]]), &[Code::MORE_TABLES], &[2]);
    check(&sheets(&[table, &[(5, &["a", "b", "c"])]]), &[Code::MORE_TABLES], &[2]);
    check(&sheets(&[table, &[(5, &["a", "b"])]]), &[], &[2]);
    check(&sheets(&[&[(0, &["x", "y", "z"]), (1, &["1", "2", "3"])], table]), &[Code::MORE_TABLES], &[4]);
    check(&sheets(&[&[(0, &HEADER), (1, &ROW), (3, other), (4, &["C1", "2013-01-01"])]]), &[Code::MORE_TABLES], &[2]);
    check(&sheets(&[&[(0, &HEADER), (1, &ROW), (3, &HEADER), (4, &ROW)]]), &[], &[2, 5]);
    check(&sheets(&[&[(0, &HEADER), (1, &ROW), (22, &ROW)]]), &[Code::DATA_AFTER_GAP], &[2, 23]);
    check(&sheets(&[&[(0, &HEADER), (1, &ROW), (21, &ROW)]]), &[], &[2, 22]);
    check(&sheets(&[&[(0, &HEADER), (1, &ROW), (30, &["checked by Jo"])]]), &[], &[2]);
}

/// Goal: a workbook without a table says so. Method: none, an empty one, one without headings.
#[test]
fn a_workbook_without_a_table_is_refused() {
    assert_eq!(refused(&sheets(&[&[]])), [Code::NO_ROWS]);
    assert_eq!(refused(&sheets(&[&[(0, &["one"])]])), [Code::HEADER_NOT_FOUND]);
    assert_eq!(refused(&sheets(&[&[(0, &["x", "y"]), (1, &["1", "2"])]])), [Code::HEADER_NOT_FOUND]);
    let wide: Vec<&str> = std::iter::repeat_n("ULN", 600).collect();
    assert_eq!(refused(&sheets(&[&[(0, &wide)]])), [Code::TOO_LARGE]);
}

/// Puts parts into a ZIP container.
fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("begun");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("made").into_inner()
}

/// The parts of a workbook with one sheet.
fn parts_of(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a workbook");
    let mut parts = Vec::new();
    for place in 0..zip.len() {
        let mut part = zip.by_index(place).expect("a part");
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).expect("read");
        parts.push((part.name().expect("a name").into_owned(), bytes));
    }
    parts
}

/// A workbook with one part changed or added.
fn with_part(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut parts = parts_of(&sheets(&[&[(0, &HEADER), (1, &ROW)]]));
    parts.retain(|part| part.0 != name);
    parts.push((name.to_owned(), bytes.to_vec()));
    let parts: Vec<(&str, &[u8])> = parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    zipped(&parts)
}

/// Goal: containers that are no workbook say what they are, and macros hold. Method: one of each.
#[test]
fn other_containers_are_told() {
    assert_eq!(refused(&zipped(&[("june.csv", b"ULN,Surname\n")])), [Code::ARCHIVE]);
    assert_eq!(refused(&zipped(&[("[Content_Types].xml", b""), ("word/document.xml", b"")])), [Code::DOCUMENT]);
    assert_eq!(
        refused(&zipped(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"")])),
        [Code::DOCUMENT]
    );
    assert_eq!(refused(&zipped(&[("xl/workbook.bin", b"")])), [Code::UNREADABLE]);
    for (stream, code) in
        [("EncryptedPackage", Code::UNREADABLE), ("WordDocument", Code::DOCUMENT), ("Workbook", Code::UNREADABLE)]
    {
        let mut ole = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("made");
        ole.create_stream(stream).expect("made");
        assert!(matches!(refused(&ole.into_inner().into_inner()).as_slice(), [found] if *found == code), "{stream}");
    }
    let table = read_all(&with_part("xl/vbaProject.bin", b"macro")).expect("values can be read");
    assert_eq!((table.codes.as_slice(), table.rows.len()), (&[Code::MACROS][..], 1));
}

/// Goal: a container that unpacks to far more than it should is refused before anything holds it. Method: shared strings of
/// 130 MB of blanks, a text without end, a lie about the number of texts, a part in UTF-16.
#[test]
fn bombs_are_refused() {
    const STRINGS: &str = "xl/sharedStrings.xml";
    let head = "<sst xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";
    let many = format!("{head}>{}</sst>", "<si><t>x</t></si>".repeat(8 << 20));
    assert_eq!(refused(&with_part(STRINGS, many.as_bytes())), [Code::TOO_LARGE]);
    let long = format!("{head}><si><t>{}</t></si></sst>", "x".repeat(3 << 20));
    assert_eq!(refused(&with_part(STRINGS, long.as_bytes())), [Code::TOO_LARGE]);
    let lie = format!("{head} uniqueCount = '99999999999'><si><t>x</t></si></sst>");
    assert_eq!(refused(&with_part(STRINGS, lie.as_bytes())), [Code::UNREADABLE]);
    let wide: Vec<u8> = lie.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(&with_part(STRINGS, &wide)), [Code::UNREADABLE]);
    let head = "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>";
    let rows = "<row><c><v>1</v></c></row>".repeat(3 << 20);
    let sheet = format!("{head}{rows}</sheetData></worksheet>");
    assert_eq!(refused(&with_part("xl/worksheets/sheet1.xml", sheet.as_bytes())), [Code::TOO_LARGE]);
    let far = format!("{head}<row r=\"1048576\"><c r=\"A1048576\"><v>1</v></c></row></sheetData></worksheet>");
    assert_eq!(refused(&with_part("xl/worksheets/sheet1.xml", far.as_bytes())), [Code::HEADER_NOT_FOUND]);
    for odd in [
        "<row r=\"2\"><c r=\"A2\"><v>1</v></c></row><row r=\"1\"><c r=\"A1\"><v>1</v></c></row>",
        "<row r=\"1\"><c r=\"B1\"><v>1</v></c><c r=\"A1\"><v>1</v></c></row>",
    ] {
        let sheet = format!("{head}{odd}</sheetData></worksheet>");
        assert_eq!(refused(&with_part("xl/worksheets/sheet1.xml", sheet.as_bytes())), [Code::UNREADABLE]);
    }
}

/// Goal: a workbook that is cut or damaged anywhere is read or refused, and nothing ends but its own thread. Method: one bit of
/// each byte flipped, and the file cut at each hundredth byte.
#[test]
fn damaged_workbooks_are_refused() {
    let good = sheets(&[&[(0, &HEADER), (1, &ROW)]]);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // What a library says as it panics is of no use here.
        if thread::current().name() != Some("workbook") {
            hook(info);
        }
    }));
    let check = |bytes: &[u8]| match read_all(bytes) {
        Ok(table) => assert!(sum(table.lines) >= 2),
        Err(ReadError::Refused { findings, .. }) => assert!(!findings.is_empty()),
        Err(error) => unreachable!("{error:?}"),
    };
    for place in (0..good.len()).step_by(3) {
        let mut bytes = good.clone();
        bytes[place] ^= 1 << (place % 8);
        check(&bytes);
    }
    for end in (4..good.len()).step_by(100) {
        check(good.get(..end).expect("a part of it"));
    }
}
