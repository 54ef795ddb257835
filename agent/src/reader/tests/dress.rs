//! The ways in which people send one and the same table.

use daybook_protocol::event::{Encoding, Lines};
use proptest::prelude::*;

use super::{ALL_ENCODINGS, encode, physical_lines};

/// A cell with everything that needs quotation marks, and letters of one to four bytes.
pub(crate) fn cell() -> impl Strategy<Value = String> {
    "[a-z0-9 ,;|\t\"\r\n'éß€ł\u{1F600}]{0,12}"
}

/// What stands between rows: nothing, or some blank line.
pub(crate) fn blank_line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "D", "DDDDD", " D ", "\"\"D\u{a0}", "\t \t"])
}

/// How a table is sent.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a coin tossed on its own")]
pub(crate) struct Dress {
    delimiter: char,
    end: &'static str,
    encoding: Encoding,
    mark: bool,
    titles: Vec<Option<&'static str>>,
    hint: bool,
    total: bool,
    note: bool,
    last_end: bool,
}

pub(crate) fn dress() -> impl Strategy<Value = Dress> {
    let titles = prop::option::of(prop::sample::select(vec!["Return", "made by,hand", "\"a\"\"b\""]));
    (
        prop::sample::select(vec![',', ';', '\t', '|']),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
        prop::sample::select(ALL_ENCODINGS.to_vec()),
        any::<bool>(),
        prop::collection::vec(titles, 0..4),
        any::<[bool; 4]>(),
    )
        .prop_map(|(delimiter, end, encoding, mark, titles, [hint, total, note, last_end])| Dress {
            delimiter,
            end,
            encoding,
            mark,
            titles,
            hint,
            total,
            note,
            last_end,
        })
}

/// A row's cells, which of them stand in quotation marks without need (a bit each), and the blank line behind it.
pub(crate) type DressedRow = (Vec<String>, u64, Option<&'static str>);

/// A table in a dress, counted while it was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Lines,
    /// The physical line on which each row begins.
    pub(crate) places: Vec<u32>,
}

impl Dress {
    /// The same as UTF-8 that says so, to its last line end: every table can be sent that way.
    pub(crate) fn plain(&self) -> Self {
        Self { encoding: Encoding::Utf8, mark: true, last_end: true, ..self.clone() }
    }

    /// A table in this dress; `None` where it cannot be sent this way without becoming another one.
    pub(crate) fn put_on(&self, header: &[&str], rows: &[DressedRow]) -> Option<Written> {
        let mut file = Writer { dress: self, text: String::new(), lines: Lines::default() };
        if self.hint {
            file.line(&format!("sep={}", self.delimiter));
            file.lines.header += 1;
        }
        for title in &self.titles {
            match title {
                Some(title) => {
                    file.line(title);
                    file.lines.title += 1;
                }
                None => file.blank(""),
            }
        }
        file.line(&header.join(&self.delimiter.to_string()));
        file.lines.header += 1;
        let mut places = Vec::new();
        for (cells, quotes, blank) in rows {
            places.push(u32::try_from(physical_lines(&file.text)).expect("few lines") + 1);
            file.line(&file.cells(cells, *quotes));
            file.lines.row += 1;
            if let Some(blank) = blank {
                file.blank(blank);
            }
        }
        if self.note && !rows.is_empty() {
            file.line("checked by Jo");
            file.lines.note += 1;
        }
        if self.total {
            file.line(&format!("Total{}{}", self.delimiter, rows.len()));
            file.lines.total += 1;
        }
        if !self.last_end {
            file.text.truncate(file.text.trim_end_matches(['\r', '\n']).len());
            if rows.last().is_some_and(|(.., blank)| blank.is_some()) && !self.total && !self.note {
                return None;
            }
        }
        let bytes = encode(&file.text, self.encoding, self.mark);
        let told = self.encoding != Encoding::Windows1252
            || file.text.is_ascii()
            || (!encoding_rs::WINDOWS_1252.encode(&file.text).2 && std::str::from_utf8(&bytes).is_err());
        told.then_some(Written { bytes, lines: file.lines, places })
    }
}

/// A file under construction, with the count of what is put into it.
struct Writer<'a> {
    dress: &'a Dress,
    text: String,
    lines: Lines,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.text += line;
        self.text += self.dress.end;
    }

    fn blank(&mut self, line: &str) {
        // A tab is a cell's end in one dress and white space in the others; a blank line is blank in all.
        self.line(&line.replace('D', &self.dress.delimiter.to_string()));
        self.lines.blank += 1;
    }

    fn cells(&self, cells: &[String], quotes: u64) -> String {
        let special = [self.dress.delimiter, '"', '\r', '\n'];
        let dressed = cells.iter().enumerate().map(|(place, cell)| {
            if quotes >> place & 1 == 1 || cell.contains(special) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        });
        dressed.collect::<Vec<_>>().join(&self.dress.delimiter.to_string())
    }
}
