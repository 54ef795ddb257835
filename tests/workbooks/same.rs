//! The same table, saved by other programs in every format that is read.

use std::{
    io::{Cursor, Read},
    sync::Arc,
};

use daybook_agent::{
    desk::{self, Cells, Context, Policies},
    reader::{Row, Wanted, plan, rows},
};
use daybook_protocol::{
    date::Date,
    event::{Encoding, Lines},
    field::{Field, Kind},
    finding::{Code, Finding},
};

/// The table as it was made by openpyxl, in both date systems, and as `LibreOffice` saved it.
const SAVED: [(&[u8], Encoding); 4] = [
    (include_bytes!("enrolments.xlsx"), Encoding::Xlsx),
    (include_bytes!("enrolments-1904.xlsx"), Encoding::Xlsx),
    (include_bytes!("enrolments.xls"), Encoding::Xls),
    (include_bytes!("enrolments.ods"), Encoding::Ods),
];
const TEXT: &str = include_str!("enrolments.csv");

struct RowCells<'a> {
    row: Row<'a>,
    columns: &'a [Option<Field>],
}

impl Cells for RowCells<'_> {
    fn value(&self, field: Field) -> &str {
        self.row.value(field)
    }
    fn shifted(&self) -> bool {
        self.row.shifted()
    }
    fn raw(&self) -> String {
        self.row.raw().collect()
    }
    fn bytes(&self) -> usize {
        self.row.bytes()
    }
    fn columns(&self) -> &[Option<Field>] {
        self.columns
    }
    fn faults(&self) -> Vec<(Field, Code)> {
        self.row.faults(self.columns)
    }
}

/// All that the desk makes of a row: the values of its cells, and what is found in them.
#[derive(Debug, PartialEq)]
pub(crate) struct Judged {
    pub(crate) values: Vec<(Field, String)>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) passed: bool,
}

/// What the desk makes of each row of a file, and how its lines are accounted for.
pub(crate) fn judged(bytes: &[u8], encoding: Encoding) -> (Vec<Judged>, Lines) {
    let shared: Arc<[u8]> = bytes.into();
    let open = || Ok(Box::new(Cursor::new(shared.clone())) as Box<dyn Read + Send>);
    let plan = plan(&open, &Wanted::default()).expect("a good file").plan;
    assert_eq!((plan.encoding, plan.kind), (encoding, Kind::Enrolments));
    let policies = Policies::default();
    let today = Date::new(2026, 11, 21).expect("a date");
    let context = Context { tokens: None, policies: &policies, centre: "RIVER1", brand: "", today };
    let mut rows = rows(open().expect("opened"), &plan);
    let mut found = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let cells = RowCells { row, columns: &plan.columns };
        let (findings, passed) = desk::look_at(plan.kind, &cells, &context);
        let values = plan.columns.iter().flatten().map(|field| (*field, row.value(*field).to_owned())).collect();
        found.push(Judged { values, findings, passed });
    }
    (found, rows.lines())
}

/// Goal: in which format a table is saved makes no difference to any cell or verdict. Method: the same table in five encodings of
/// text, XLSX of both date systems, XLS and ODS, through the checks of the desk. The date systems have their own warning.
#[test]
fn the_same_table_gives_the_same_verdicts() {
    let (expected, lines) = judged(TEXT.as_bytes(), Encoding::Utf8);
    assert_eq!(lines, Lines { header: 1, title: 1, blank: 2, total: 1, note: 0, row: 7 });
    assert_eq!(expected.iter().filter(|row| row.passed).count(), 3, "{expected:#?}");
    for (bytes, encoding) in SAVED {
        let (found, lines_found) = judged(bytes, encoding);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{encoding:?}");
        }
        assert_eq!((found.len(), lines_found), (expected.len(), lines), "{encoding:?}");
    }
    let marked = format!("\u{FEFF}{TEXT}");
    let little: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (bytes, encoding) in
        [(marked.as_bytes(), Encoding::Utf8), (&little, Encoding::Utf16Le), (&big, Encoding::Utf16Be)]
    {
        assert_eq!(judged(bytes, encoding).0, expected, "{encoding:?}");
    }
    // Windows-1252 has not all the letters.
    let fits = TEXT.replace("Łukasz", "Lukasz").replace("Żółć", "Zoé");
    let (bytes, ..) = encoding_rs::WINDOWS_1252.encode(&fits);
    assert_eq!(judged(&bytes, Encoding::Windows1252).0, judged(fits.as_bytes(), Encoding::Utf8).0);
}
