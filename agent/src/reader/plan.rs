//! The plan of a file: its encoding, what separates its columns, where its header stands, what each column means. Puts the
//! other parts together; must not know how any of them works.

use std::io;

use daybook_protocol::{
    event::{Encoding, Plan},
    field::{Field, Kind},
    finding::{Code, Finding, Severity},
};

use super::{
    HEADER_ROWS_MAX, Planned, READER_VERSION, ReadError, SNIFF_ROWS_MAX, Source, Wanted,
    encoding::{Surveyed, survey},
    header,
    records::{Record, Records},
    workbook,
};

/// What can separate columns, the commonest first: it wins where nothing else decides.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// So many headings must be known for a row to be the header. One may be chance, in a title as well.
const HEADER_HITS_MIN: usize = 2;

/// Looks through a file and says how it is to be read. `open` opens the original at its beginning; it is called up to three
/// times, one after the other. The plan says nothing of how many rows there are: a file with a header alone has a plan.
///
/// An error of the kind [`ReadError::Refused`] says all that is wrong with the header at once.
pub fn plan(open: &dyn Fn() -> io::Result<Source>, wanted: &Wanted) -> Result<Planned, ReadError> {
    let surveyed = survey(open)?;
    let layout = lay_out(&surveyed, wanted)?;
    let mut mapped = header::map(&layout.header, meant(wanted, surveyed.encoding));
    mapped.findings.extend(surveyed.findings.iter().copied().map(Finding::from));
    let wrong = mapped.findings.iter().filter(|finding| finding.code.severity() == Severity::Error);
    let names: Vec<String> = wrong
        .map(|finding| match finding.field {
            Some(field) => format!("{}: {field}", finding.code.meaning()),
            None => finding.code.meaning().to_owned(),
        })
        .collect();
    match mapped.kind {
        Some(kind) if names.is_empty() => Ok(Planned {
            plan: Plan {
                kind,
                encoding: surveyed.encoding,
                delimiter: layout.delimiter,
                header_line: layout.header_line,
                columns: mapped.columns,
                reader_version: READER_VERSION,
            },
            findings: mapped.findings,
        }),
        _ => Err(ReadError::Refused {
            findings: mapped.findings,
            detail: format!("header on line {}: {}", layout.header_line, names.join("; ")),
        }),
    }
}

/// The headings of a learner record are ours, and say what its facts are whatever its sender says.
fn meant<'a>(wanted: &'a Wanted<'a>, encoding: Encoding) -> &'a Wanted<'a> {
    const OURS: &Wanted<'_> = &Wanted { kind: None, header_map: &[] };
    if encoding == Encoding::Ilr { OURS } else { wanted }
}

/// What a person sees of a file beside what the reader makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// What it is about, if that can be told.
    pub kind: Option<Kind>,
    /// How its bytes are read.
    pub encoding: Encoding,
    /// The line of its header, counted from 1.
    pub header_line: u32,
    /// Each heading as it was sent, and what it was taken for.
    pub columns: Vec<(String, Option<Field>)>,
    /// The first lines below the header that are not blank, as they were sent: their numbers and cells.
    pub lines: Vec<(u32, Vec<String>)>,
}

/// Looks at the header of a file and at up to `lines_max` lines below it, whatever is wrong with the file otherwise. `open` is as for
/// [`plan()`].
pub fn look(open: &dyn Fn() -> io::Result<Source>, wanted: &Wanted, lines_max: usize) -> Result<Sight, ReadError> {
    let surveyed = survey(open)?;
    let Layout { delimiter, header, header_line } = lay_out(&surveyed, wanted)?;
    let mapped = header::map(&header, meant(wanted, surveyed.encoding));
    let marked = surveyed.encoding.is_workbook();
    let seen = |cell: &str| if marked { workbook::visible(cell).to_owned() } else { cell.to_owned() };
    let columns = header.iter().map(|cell| seen(cell)).zip(mapped.columns).collect();
    let mut records = Records::of_head(surveyed.head, surveyed.encoding, delimiter);
    let mut lines = Vec::new();
    // Beyond the beginning that is kept, or beyond a limit, there is nothing more to be shown.
    while lines.len() < lines_max && records.advance().unwrap_or(false) {
        let record = records.record();
        if record.line > header_line && !record.cells().all(super::rows::blank) {
            lines.push((record.line, record.cells().map(seen).collect()));
        }
    }
    Ok(Sight { kind: mapped.kind, encoding: surveyed.encoding, header_line, columns, lines })
}

/// Where the table of a file is and what separates its columns.
struct Layout {
    delimiter: u8,
    header: Vec<String>,
    header_line: u32,
}

fn lay_out(surveyed: &Surveyed, wanted: &Wanted) -> Result<Layout, ReadError> {
    let workbook = surveyed.encoding.is_workbook();
    let rendered = surveyed.encoding.is_rendered();
    let hint = delimiter_hint(&surveyed.head).filter(|_| !rendered);
    let delimiters = match hint {
        // This is how its rows were rendered.
        _ if rendered => vec![b','],
        Some(letter) => DELIMITERS.into_iter().filter(|known| char::from(*known) == letter).collect(),
        None => DELIMITERS.to_vec(),
    };
    let tried = delimiters.into_iter().map(|delimiter| Tried::new(surveyed, delimiter, wanted));
    let mut tried: Vec<Tried> = tried.collect();
    if tried.iter().any(|tried| tried.ended && tried.rows.is_empty()) {
        return Err(ReadError::refused(Code::NO_ROWS, "the file is empty"));
    }
    // The last of equals would win: the order is turned round so that the first does.
    let Some(best) = (0..tried.len()).rev().max_by_key(|place| tried.get(*place).map(Tried::score)) else {
        return Err(not_separated("the sep= line names none that is read"));
    };
    let best = tried.remove(best);
    if let (Some(error), true) = (best.stopped, best.rows.is_empty()) {
        return Err(error);
    }
    match best.header {
        Some((header_line, header, hits)) if hits >= HEADER_HITS_MIN => {
            Ok(Layout { delimiter: best.delimiter, header, header_line })
        }
        // What went beyond a limit by another delimiter was separated by it.
        _ if best.columns < 2 && !rendered => {
            let beyond = tried.into_iter().filter_map(|tried| tried.stopped).find(ReadError::is_beyond);
            Err(beyond.unwrap_or_else(|| not_separated("none found")))
        }
        _ => {
            let of = if workbook { " of a visible sheet" } else { "" };
            let detail = format!("no row of known headings among the first {HEADER_ROWS_MAX} rows{of}");
            Err(ReadError::refused(Code::HEADER_NOT_FOUND, detail))
        }
    }
}

fn not_separated(why: &str) -> ReadError {
    ReadError::refused(Code::DELIMITER_NOT_FOUND, format!("separator of columns: {why}"))
}

/// What the beginning of a file looks like with one delimiter.
struct Tried {
    delimiter: u8,
    /// The cells of each row that is not blank.
    rows: Vec<usize>,
    /// The row that looks most like a header, with its line and its hits.
    header: Option<(u32, Vec<String>, usize)>,
    /// The commonest number of columns.
    columns: usize,
    /// How many rows have it.
    regular: usize,
    /// Whether the file has no more rows.
    ended: bool,
    /// Why no further row was looked at. It matters only if there is none before: what is found by the right delimiter is
    /// found again, and reported, when the rows are read.
    stopped: Option<ReadError>,
}

impl Tried {
    fn new(surveyed: &Surveyed, delimiter: u8, wanted: &Wanted) -> Self {
        let mut records = Records::of_head(surveyed.head.clone(), surveyed.encoding, delimiter);
        let mut tried =
            Self { delimiter, rows: Vec::new(), header: None, columns: 0, regular: 0, ended: false, stopped: None };
        // A sheet of explanations may stand before that of the table, so each sheet is looked at from its top.
        let rows_max = if surveyed.encoding.is_workbook() { usize::MAX } else { SNIFF_ROWS_MAX };
        let (mut sheets, mut place) = (surveyed.sheets.iter().peekable(), 0);
        for _ in 0..rows_max {
            match records.advance() {
                Ok(true) if !surveyed.cut || !records.at_end() => {}
                Ok(false) => {
                    tried.ended = !surveyed.cut;
                    break;
                }
                Err(error) if !surveyed.cut => {
                    tried.stopped = Some(error);
                    break;
                }
                // What is rendered has its own limit, which was looked at.
                Ok(true) | Err(_) if surveyed.encoding.is_rendered() => break,
                Ok(true) | Err(_) => {
                    let detail = "a row is beyond the limit; look there for a quotation mark that is never closed";
                    tried.stopped = Some(ReadError::refused(Code::TOO_LARGE, detail));
                    break;
                }
            }
            let record = records.record();
            while sheets.next_if(|begin| **begin <= record.line).is_some() {
                place = 0;
            }
            tried.look(record, place < HEADER_ROWS_MAX, wanted);
            place += 1;
        }
        for columns in &tried.rows {
            let regular = tried.rows.iter().filter(|other| *other == columns).count();
            (tried.regular, tried.columns) = (tried.regular, tried.columns).max((regular, *columns));
        }
        tried
    }

    fn look(&mut self, record: Record<'_>, may_be_header: bool, wanted: &Wanted) {
        if record.cells().all(super::rows::blank) {
            return;
        }
        self.rows.push(record.len());
        if may_be_header {
            let cells: Vec<String> = record.cells().map(str::to_owned).collect();
            let hits = header::hits(&cells, wanted);
            if self.header.as_ref().is_none_or(|(_, _, most)| hits > *most) {
                self.header = Some((record.line, cells, hits));
            }
        }
    }

    /// Known headings decide; then how many rows have the same number of columns; then that number.
    fn score(&self) -> (usize, bool, usize, usize) {
        let hits = self.header.as_ref().map_or(0, |(_, _, hits)| *hits);
        (hits, self.columns > 1, self.regular, self.columns)
    }
}

/// The X of a first line `sep=X`, which spreadsheets write and obey.
fn delimiter_hint(head: &str) -> Option<char> {
    let line = head.split(['\r', '\n']).next().unwrap_or_default();
    super::rows::separator_line(line.trim_matches('"'))
}
