//! Files as they are sent: bytes to text to records to rows to what the desk is asked for.

use std::io::{self, Read};

use daybook_agent::{
    desk::{self, Cells, Context, Policies, Survey},
    reader::{self, COLUMNS_MAX, LINE_BYTES_MAX, Planned, ReadError, Row, Wanted},
};
use daybook_protocol::{
    date::Date,
    event::{Encoding, Lines, Plan},
    field::{Field, Kind},
    finding::{Code, Finding, Severity, worst},
};

type Source = Box<dyn Read + Send>;

/// Bytes that come so many at a time.
struct Pieces {
    rest: io::Cursor<Vec<u8>>,
    most: usize,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = self.most.min(out.len());
        self.rest.read(&mut out[..most])
    }
}

pub(super) fn open(file: &[u8], most: usize) -> Source {
    Box::new(Pieces { rest: io::Cursor::new(file.to_vec()), most })
}

/// All that the reader says of a file by its plan.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    /// Line and cells of each row.
    pub(super) rows: Vec<(u32, Vec<String>)>,
    pub(super) lines: Lines,
    /// Why it ended before the end.
    pub(super) refused: Option<Vec<Finding>>,
}

/// A file, behind a byte that says what kind it is to be (its low half) and in which pieces it is read (its high half).
///
/// Every record that another parser finds is accounted for, under the line on which it begins there; the pieces make no
/// difference; each row passes the desk's checks or is rejected with a reason.
pub(super) fn csv(data: &[u8]) {
    let Some((how, file)) = data.split_first() else { return };
    let wanted = Wanted { kind: Kind::ALL.get(usize::from(how & 15)).copied(), header_map: &[] };
    let Some(planned) = plan(file, &wanted).filter(|planned| !planned.plan.encoding.is_rendered()) else { return };
    let plan = &planned.plan;
    let mut seen = Desk::new(plan.kind);
    let table = read(open(file, usize::MAX), plan, &mut |row| seen.row(row, &plan.columns));
    seen.finish(table.lines.row);
    let pieces = read(open(file, 1 + usize::from(how >> 4)), plan, &mut |_| {});
    assert_eq!(table, pieces, "what is read does not depend on how it comes");

    let found = records(&text(file, plan.encoding), char::from(plan.delimiter));
    match (&table.refused, found) {
        (None, Some(found)) => {
            let Lines { header, title, blank, total, note, row } = table.lines;
            let lines = header + title + blank + total + note + row;
            assert_eq!(lines, found.len() as u64, "every record is accounted for");
            assert!(header >= 1 && row == table.rows.len() as u64);
            let mut found = found.into_iter();
            for row in &table.rows {
                assert!(found.any(|other| other == *row), "another parser reads this row otherwise: {row:?}");
            }
        }
        (None, None) => unreachable!("a quotation mark that is never closed was not seen"),
        (Some(findings), found) => {
            let long = |(_, cells): &(u32, Vec<String>)| {
                cells.len() > COLUMNS_MAX || cells.iter().map(String::len).sum::<usize>() > LINE_BYTES_MAX / 2
            };
            let wrong = found.is_none_or(|found| found.iter().any(long));
            assert!(wrong, "refused as {findings:?} for nothing");
        }
    }
}

/// How a file is to be read; nothing where it is refused, which has a reason.
pub(super) fn plan(file: &[u8], wanted: &Wanted) -> Option<Planned> {
    let planned = match reader::plan(&|| Ok(open(file, usize::MAX)), wanted) {
        Ok(planned) => planned,
        Err(ReadError::Refused { findings, detail }) => {
            assert!(worst(&findings) >= Some(Severity::Query), "{findings:?}");
            assert!(!detail.is_empty());
            return None;
        }
        Err(ReadError::Io(error)) => unreachable!("the bytes can be had: {error}"),
    };
    assert!(worst(&planned.findings) < Some(Severity::Error), "{:?}", planned.findings);
    let Plan { kind, columns, header_line, encoding, .. } = &planned.plan;
    // A learner record is what it is, whatever it was said to be.
    let as_wanted = wanted.kind.is_none_or(|wanted| wanted == *kind) || *encoding == Encoding::Ilr;
    assert!(as_wanted && *header_line >= 1 && columns.len() <= COLUMNS_MAX);
    for field in Field::ALL {
        assert!(columns.iter().filter(|column| **column == Some(field)).count() <= 1, "{field} twice");
    }
    Some(planned)
}

/// Reads a file by its plan.
pub(super) fn read(source: Source, plan: &Plan, each: &mut dyn FnMut(Row<'_>)) -> Table {
    let mut rows = reader::rows(source, plan);
    let mut table = Table { rows: Vec::new(), lines: Lines::default(), refused: None };
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                each(row);
                table.rows.push((row.line(), row.raw().map(str::to_owned).collect()));
            }
            Ok(None) => break,
            Err(ReadError::Refused { findings, .. }) => {
                table.refused = Some(findings);
                break;
            }
            Err(ReadError::Io(error)) => unreachable!("it is the file that the plan was made of: {error}"),
        }
    }
    table.lines = rows.lines();
    table
}

fn today() -> Date {
    Date::new(2026, 11, 21).expect("a date")
}

/// What is asked of the desk by the rows of a file, as far as that goes without any state.
pub(super) struct Desk {
    kind: Kind,
    policies: Policies,
    survey: Survey,
    rows: u64,
}

impl Desk {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, policies: Policies::default(), survey: Survey::new(kind), rows: 0 }
    }

    pub(super) fn row(&mut self, row: Row<'_>, columns: &[Option<Field>]) {
        self.rows += 1;
        for field in Field::ALL {
            let value = row.value(field);
            assert!(value.trim() == value && (value.is_empty() || row.raw().any(|cell| cell.contains(value))));
        }
        let context = Context { tokens: None, policies: &self.policies, centre: "C1", brand: "", today: today() };
        let cells = RowCells { row, columns };
        let looked = desk::look_at(self.kind, &cells, &context);
        let (findings, private) = match desk::read(self.kind, &cells, &context) {
            Ok(command) => {
                assert!(looked.1 && worst(&command.findings) < Some(Severity::Query));
                (command.findings, command.private)
            }
            Err(rejected) => {
                assert!(!looked.1 && worst(&rejected.findings) == Some(Severity::Error));
                (rejected.findings, rejected.private)
            }
        };
        assert_eq!(findings, looked.0, "both passes find the same");
        private.encode().expect("what is personal fits into an entry");
        self.survey.add(&cells, &looked);
    }

    pub(super) fn finish(&self, rows: u64) {
        assert_eq!(self.rows, rows);
        let findings = self.survey.finish(self.policies.on(today()));
        assert_eq!(rows == 0, findings.contains(&Code::NO_ROWS.into()));
    }
}

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
}

/// The text of a file, by a decoder that is given all of it at once.
fn text(file: &[u8], encoding: Encoding) -> String {
    let encoding = match encoding {
        Encoding::Utf8 => encoding_rs::UTF_8,
        Encoding::Utf16Le => encoding_rs::UTF_16LE,
        Encoding::Utf16Be => encoding_rs::UTF_16BE,
        Encoding::Windows1252 => encoding_rs::WINDOWS_1252,
        Encoding::Xlsx | Encoding::Xls | Encoding::Ods | Encoding::Ilr => unreachable!("no text"),
    };
    let (text, wrong) = encoding.decode_with_bom_removal(file);
    assert!(!wrong, "some bytes are not of the encoding that the plan names");
    text.into_owned()
}

/// Another parser, letter by letter: each record with the line on which it begins; `None` where a quotation mark is never
/// closed.
fn records(text: &str, delimiter: char) -> Option<Vec<(u32, Vec<String>)>> {
    let letters: Vec<char> = text.chars().collect();
    let at = |place: usize| letters.get(place).copied();
    let ends = |place: usize| at(place).is_none_or(|letter| letter == delimiter || matches!(letter, '\r' | '\n'));
    let (mut records, mut place, mut line) = (Vec::new(), 0, 1);
    while place < letters.len() {
        let (begun, mut cells) = (line, Vec::new());
        loop {
            let start = place;
            let mut quoted = None;
            if at(place) == Some('"') {
                let mut cell = String::new();
                place += 1;
                loop {
                    match (at(place)?, at(place + 1)) {
                        ('"', Some('"')) => {
                            cell.push('"');
                            place += 1;
                        }
                        ('"', _) => break,
                        (letter, next) => {
                            line += u32::from(letter == '\n' || (letter == '\r' && next != Some('\n')));
                            cell.push(letter);
                        }
                    }
                    place += 1;
                }
                place += 1;
                quoted = ends(place).then_some(cell);
            }
            while !ends(place) {
                place += 1;
            }
            cells.push(quoted.unwrap_or_else(|| letters[start..place].iter().collect()));
            if at(place) != Some(delimiter) {
                break;
            }
            place += 1;
        }
        place += if (at(place), at(place + 1)) == (Some('\r'), Some('\n')) { 2 } else { 1 };
        line += 1;
        records.push((begun, cells));
    }
    Some(records)
}

/// Headings, one a line, behind a byte for the kind; where the first line has an equals sign, what stands before it means a
/// surname at this centre. The columns say what the headings say, in every order.
pub(super) fn headings(data: &[u8]) {
    let Some((how, text)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let mut headings: Vec<&str> = text.split('\n').collect();
    if headings.len() > COLUMNS_MAX {
        return;
    }
    for heading in &headings {
        let normal = reader::normalise(heading);
        assert!(normal.chars().all(char::is_alphanumeric));
    }
    let learned = headings.first().and_then(|first| first.split_once('='));
    let header_map: Vec<_> = learned.iter().map(|(heading, _)| ((*heading).to_owned(), Field::FamilyName)).collect();
    if let Some((heading, _)) = learned {
        headings[0] = heading;
    }
    let wanted = Wanted { kind: Kind::ALL.get(usize::from(how & 15)).copied(), header_map: &header_map };
    let file = |headings: &[&str]| {
        let quoted: Vec<_> = headings.iter().map(|heading| format!("\"{}\"", heading.replace('"', "\"\""))).collect();
        quoted.join(",") + "\n"
    };
    let planned = plan(file(&headings).as_bytes(), &wanted);
    headings.reverse();
    let turned = plan(file(&headings).as_bytes(), &wanted);
    let (Some(planned), Some(turned)) = (planned, turned) else { return };
    assert_eq!(planned.plan.kind, turned.plan.kind);
    let known = |plan: &Plan| plan.columns.iter().flatten().copied().collect::<Vec<_>>();
    assert!(known(&planned.plan).into_iter().rev().eq(known(&turned.plan)), "their order means nothing");
    if let Some((heading, _)) = learned
        && !reader::normalise(heading).is_empty()
        && heading.len() <= reader::HEADING_BYTES_MAX
        && !heading.contains(['\r', '\n'])
    {
        assert_eq!(planned.plan.columns.first(), Some(&Some(Field::FamilyName)), "what the centre says goes first");
    }
}
