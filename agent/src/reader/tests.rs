//! Whole files through the whole reader.

mod data;
pub(crate) mod dress;
mod random;

use std::io::{self, Cursor, Read};

use daybook_protocol::{
    event::{Encoding, Lines},
    field::{Field, Kind},
    finding::{Code, Finding},
};

use super::*;

/// What comes of a file.
#[derive(Debug)]
struct Table {
    plan: Plan,
    findings: Vec<Finding>,
    /// The cells of each row as sent.
    rows: Vec<Vec<String>>,
    /// The line of each row, and whether it is shifted.
    places: Vec<(u32, bool)>,
    lines: Lines,
}

fn read_as(bytes: &[u8], wanted: &Wanted) -> Result<Table, ReadError> {
    let shared: std::sync::Arc<[u8]> = bytes.into();
    let open = || Ok(Box::new(Cursor::new(shared.clone())) as Source);
    let Planned { plan, findings } = plan(&open, wanted)?;
    let mut table = Table { findings, rows: Vec::new(), places: Vec::new(), lines: Lines::default(), plan };
    let mut rows = rows(open()?, &table.plan);
    while let Some(row) = rows.next()? {
        table.rows.push(row.raw().map(str::to_owned).collect());
        table.places.push((row.line(), row.shifted()));
    }
    table.lines = rows.lines();
    Ok(table)
}

fn read(bytes: &[u8]) -> Result<Table, ReadError> {
    read_as(bytes, &Wanted::default())
}

/// Asserts that a file is refused with just these codes.
fn check_refused(bytes: &[u8], codes: &[Code]) {
    match read(bytes) {
        Err(ReadError::Refused { findings, .. }) => {
            let found: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
            assert_eq!(found, codes, "{}", String::from_utf8_lossy(bytes));
        }
        other => unreachable!("{} gave {other:?}", String::from_utf8_lossy(bytes)),
    }
}

/// Counts physical lines without any notion of a table.
fn physical_lines(text: &str) -> u64 {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let whole = text.matches('\n').count() as u64;
    whole + u64::from(!text.is_empty() && !text.ends_with('\n'))
}

fn sum(lines: Lines) -> u64 {
    lines.header + lines.title + lines.blank + lines.total + lines.note + lines.row
}

/// The bytes of a text in an encoding, with or without its mark.
fn encode(text: &str, encoding: Encoding, mark: bool) -> Vec<u8> {
    let marked = if mark { format!("\u{FEFF}{text}") } else { text.to_owned() };
    match encoding {
        Encoding::Utf8 => marked.into_bytes(),
        Encoding::Xlsx | Encoding::Xls | Encoding::Ods | Encoding::Ilr => unreachable!("no encoding of text"),
        Encoding::Utf16Le => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16Be => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Windows1252 => encoding_rs::WINDOWS_1252.encode(text).0.into_owned(),
    }
}

const ALL_ENCODINGS: [Encoding; 4] = [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Windows1252];

const HEADER: &str = "ULN,Forename,Surname,DOB,QAN,Start date\n";

/// Goal: neither encoding nor delimiter nor line end changes what is read. Method: one table in all of them.
#[test]
fn one_table_in_every_dress() {
    let cells = [
        vec!["5958768343", "Zoë", "O\u{2019}Neill; née Łuk|as", "1963-01-29", "667/0808/4", "2013-04-25"],
        vec!["6419733129", "José", "da \"Silva\", jr.", "02/09/1959", "667/0808/4", "a\tb"],
    ];
    for encoding in ALL_ENCODINGS {
        for (delimiter, mark, end) in
            [(',', true, "\r\n"), (';', false, "\n"), ('\t', true, "\r"), ('|', false, "\r\n")]
        {
            let mut text = HEADER.trim().replace(',', &delimiter.to_string()) + end;
            let mut expected = Vec::new();
            for row in &cells {
                let fit =
                    |cell: &str| if encoding == Encoding::Windows1252 { cell.replace('Ł', "L") } else { cell.into() };
                let row: Vec<String> = row.iter().copied().map(fit).collect();
                let quoted: Vec<String> = row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
                text += &(quoted.join(&delimiter.to_string()) + end);
                expected.push(row);
            }
            let table = read(&encode(&text, encoding, mark)).expect("a good file");
            assert_eq!((table.plan.encoding, table.plan.delimiter), (encoding, delimiter as u8));
            assert_eq!(table.rows, expected);
            assert_eq!(table.lines, Lines { header: 1, row: 2, ..Lines::default() });
        }
    }
}

/// Goal: each line of a messy file is what a person would call it, and its number is the one an editor shows. Method: one
/// file with everything, in the three ways to end a line.
#[test]
fn every_line_is_accounted_for() {
    let text = "sep=,\nEnrolments return,,,,,\n,,,,,\n\nULN,Forename,Surname,DOB,QAN,\"Start\ndate\",\n\
        1234567890,Ann,\"de\nla\n\nCruz\",1.1.2000,1,2013-01-01\n\u{a0}, ,,\"\n\",,\n\n\
        1234567891,Count,Total,1.1.2000,1,2013-01-01,,\nTotals:,2,,,,\nCount,Zoe,Bell,1.1.2000,1,2013-01-01\n\
        1234567892,,,,,\nTotal,3 in all,,,,\nall checked by Jo,,,,,\n* left\n1,Ann\n,,Total,,,9\n";
    for end in ["\n", "\r\n", "\r"] {
        let text = text.replace('\n', end);
        let table = read(text.as_bytes()).expect("a good file");
        assert_eq!(table.lines, Lines { header: 2, title: 1, blank: 4, total: 3, note: 2, row: 5 });
        assert_eq!(table.places, [(7, false), (14, false), (16, false), (17, false), (21, true)]);
        assert_eq!(table.plan.header_line, 5);
        // One line break inside quotation marks in the header, three in a name, one in a blank cell.
        assert_eq!(sum(table.lines), physical_lines(&text) - 5);
        let name = table.rows.first().and_then(|row| row.get(2));
        assert_eq!(name, Some(&"de\nla\n\nCruz".replace('\n', end)));
    }
}

/// Goal: nothing that may be a row is taken for a note. Method: text in the first column alone, above every row, and one
/// word under a name's heading.
#[test]
fn a_note_stands_below_rows_only() {
    let table =
        read(format!("{HEADER}to be checked,,,,,\n1,2,3,4,5,6\nto be checked,,,,,\n").as_bytes()).expect("a good file");
    assert_eq!(table.lines, Lines { header: 1, row: 2, note: 1, ..Lines::default() });
    let text = "Surname,Forename,DOB,QAN,Start date\nBell,2,3,4,5\nCruz,,,,\nde la Cruz,,,,\n";
    assert_eq!(
        read(text.as_bytes()).expect("a good file").lines,
        Lines { header: 1, row: 2, note: 1, ..Lines::default() }
    );
}

/// Goal: a row whose columns cannot be trusted says so. Method: a table of rows under a header of six columns and one
/// empty heading.
#[test]
fn shifted_rows_are_marked() {
    for (row, shifted) in [
        ("1,2,3,4,5,6", false),
        ("1,2,3,4,5,6,", false),
        ("1,2,3,4,5,6,, ,\u{a0}", false),
        ("1,2,3,4,5,", false),
        ("1,2,3,4,5", true),
        ("1,2,3,4,5,6,7", true),
        ("1,2,3,4,5,6,,7", true),
        ("1,2,\"3\" x,4,5,6", true),
        ("1,2,\"3\" ,4,5,6", true),
        ("1,2,a \"3\",4,5,6", false),
        ("1,2,\"a \"\"3\"\"\",4,5,6", false),
    ] {
        let table = read(format!("{},\n{row}", HEADER.trim()).as_bytes()).expect("a good file");
        assert_eq!(table.places, [(2, shifted)], "{row}");
    }
}

/// Goal: a value is what the sender meant, and absent where nothing was meant. Method: a table of cells.
#[test]
fn values_are_trimmed_and_stand_ins_are_absent() {
    for (cell, value) in [
        ("Zoë", "Zoë"),
        (" \u{a0}Ann\u{200b}\u{feff}\t", "Ann"),
        ("\"\n Ann \n\"", "Ann"),
        ("é", "é"),
        ("NULL", ""),
        (" #N/A ", ""),
        ("-", ""),
        (".", ""),
        ("Null", "Null"),
        ("--", "--"),
        ("\"\"", ""),
    ] {
        let bytes = format!("{HEADER}1,{cell},Bell,4,5,6\n").into_bytes();
        let planned = plan(&|| Ok(Box::new(Cursor::new(bytes.clone()))), &Wanted::default()).expect("a plan");
        let mut rows = rows(Box::new(Cursor::new(bytes.clone())), &planned.plan);
        let row = rows.next().expect("readable").expect("a row");
        assert_eq!((row.value(Field::GivenNames), row.value(Field::FamilyName)), (value, "Bell"), "{cell}");
        assert_eq!((row.value(Field::Email), row.value(Field::Line)), ("", ""));
    }
}

/// Goal: what cannot be read is refused with the code of DOMAIN.md 6.5. Method: one file for each code.
#[test]
fn what_cannot_be_read_is_refused() {
    for empty in ["", "\u{FEFF}", " \r\n\n", ",,,\n,,,\n"] {
        check_refused(empty.as_bytes(), &[Code::NO_ROWS]);
    }
    check_refused(b"ULN Surname\n1 Bell\n", &[Code::DELIMITER_NOT_FOUND]);
    check_refused(b"sep=^\nULN^Surname\n1^Bell\n", &[Code::DELIMITER_NOT_FOUND]);
    check_refused(b"foo,bar,baz\n1,2,3\n", &[Code::HEADER_NOT_FOUND]);
    check_refused(("x,y\n".repeat(HEADER_ROWS_MAX) + HEADER).as_bytes(), &[Code::HEADER_NOT_FOUND]);
    check_refused(b"ULN,Surname\n1,Bell\n", &[Code::KIND_UNKNOWN]);
    check_refused(
        b"ULN,Surname,Last name,Leave date,Shoe\n",
        &[Code::COLUMN_TWICE, Code::COLUMN_MISSING, Code::COLUMN_MISSING, Code::COLUMN_IGNORED],
    );
    check_refused(format!("{HEADER}1,Ann,\"Bell,4,5,6\n2,Zoe,Bell,4,5,6\n").as_bytes(), &[Code::UNREADABLE]);
    check_refused(format!("{HEADER}{}", ",".repeat(COLUMNS_MAX)).as_bytes(), &[Code::TOO_LARGE]);
    for title in ["", "Enrolments\n\n"] {
        let wide = format!("{title}ULN,Surname{}\n1,Bell\n", ",Shoe".repeat(10_000));
        check_refused(wide.as_bytes(), &[Code::TOO_LARGE]);
    }
    check_refused("x".repeat(SNIFF_BYTES_MAX + 1).as_bytes(), &[Code::TOO_LARGE]);
    let table = read(HEADER.as_bytes()).expect("a header alone has a plan");
    assert_eq!((table.rows.len(), sum(table.lines)), (0, 1));
}

/// Goal: the header is found at the last place where it may stand, and a sentence with words of headings in it is not
/// taken for one. Method: titles above it.
#[test]
fn the_header_is_found_below_titles() {
    let text = "Surname list of the ULN and DOB team\n".to_owned()
        + &",\n".repeat(HEADER_ROWS_MAX - 2)
        + HEADER
        + "1,2,3,4,5,6";
    let table = read(text.as_bytes()).expect("a good file");
    assert_eq!((table.plan.header_line, table.rows.len()), (20, 1));
    assert_eq!(table.lines, Lines { header: 1, title: 1, blank: 18, row: 1, ..Lines::default() });
}

/// Goal: commas in every row do not outweigh the separator that the header has. Method: semicolons, and a column with more
/// commas than there are semicolons.
#[test]
fn known_headings_decide_the_delimiter() {
    let rows = "1;Ann;Bell;1, High St, Ely, Cambs, CB7 1AA, UK, Europe\n".repeat(60);
    let table = read(format!("ULN;Forename;Surname;Resumed on;DOB\n{rows}").as_bytes()).expect("a good file");
    assert_eq!((table.plan.delimiter, table.rows.len()), (b';', 60));
    let hinted = read(format!("sep=;\nULN;Surname;DOB;Resumed on\n{rows}").as_bytes()).expect("a good file");
    assert_eq!((hinted.plan.delimiter, hinted.lines.header), (b';', 2));
    let quoted = read(format!("\"SEP=;\"\nULN;Surname;DOB;Resumed on\n{rows}").as_bytes()).expect("a good file");
    assert_eq!((quoted.plan.header_line, quoted.lines.header, quoted.lines.title), (2, 2, 0));
}

/// Goal: what was asked for goes before what the headings say. Method: a dispatch file read as a redispatch.
#[test]
fn a_wanted_kind_goes_first() {
    let bytes = b"Certificate no,Dispatch date\nC1,2013-01-01\n";
    assert_eq!(read(bytes).expect("a good file").plan.kind, Kind::Dispatches);
    let wanted = Wanted { kind: Some(Kind::Redispatches), header_map: &[] };
    assert_eq!(read_as(bytes, &wanted).expect("a good file").plan.kind, Kind::Redispatches);
}

/// Goal: a row without end takes no more memory than the limit. Method: a source that never ends, behind a good header.
#[test]
fn an_endless_row_is_refused() {
    let table = read(HEADER.as_bytes()).expect("a plan");
    for byte in [b'x', b'"'] {
        let endless = HEADER.as_bytes().chain(&b"1,\""[..]).chain(io::repeat(byte));
        let mut rows = rows(Box::new(endless), &table.plan);
        match rows.next() {
            Err(ReadError::Refused { findings, detail }) => {
                assert_eq!(findings, [Code::TOO_LARGE.into()]);
                assert!(detail.contains("line 2"), "{detail}");
            }
            other => unreachable!("{:?}", other.map(|row| row.is_some())),
        }
        assert!(rows.records.buffer_bytes() <= LINE_BYTES_MAX + CHUNK_BYTES);
    }
}

/// Goal: rows longer than a chunk, and characters and line ends on the border of two, come through whole. Method: long
/// cells under a source that gives a few bytes at a time.
#[test]
fn nothing_is_lost_between_two_reads() {
    let long = "ä\"\"\r\n".repeat(30_000);
    let text = HEADER.to_owned() + &format!("1,2,\"{long}\",4,5,6\r\n7,8,é,10,11,12\r\n").repeat(2);
    let table = read(text.as_bytes()).expect("a good file");
    assert_eq!(table.places, [(2, false), (30_003, false), (30_004, false), (60_005, false)]);
    let name = table.rows.first().and_then(|row| row.get(2)).expect("a name");
    assert_eq!(*name, "ä\"\r\n".repeat(30_000));
}

/// Goal: a file that is no longer what the plan was made of stops the reader. Method: other bytes under the same plan.
#[test]
fn another_file_under_the_same_plan_is_an_error() {
    let table = read(format!("Title\n{HEADER}").as_bytes()).expect("a plan");
    for other in [&b"Title\n"[..], b"\"Title\n\"\nx\n", b"Title\n\nULN,Surname\n", b"Title\nULN,\xFF\n"] {
        let mut rows = rows(Box::new(Cursor::new(other.to_vec())), &table.plan);
        assert!(matches!(rows.next(), Err(ReadError::Io(_))), "{other:?}");
    }
}
