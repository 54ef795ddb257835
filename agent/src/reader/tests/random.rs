//! Files made at random: what was written is what is read, and what is read is what another parser reads.

use proptest::prelude::*;

use super::*;
use crate::reader::records::Records;

/// A cell with everything that needs quotation marks, and letters of one to four bytes.
fn cell() -> impl Strategy<Value = String> {
    "[a-z0-9 ,;|\t\"\r\n'éß€ł\u{1F600}]{0,12}"
}

/// What stands between rows: nothing, or some blank line.
fn blank_line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "D", "DDDDD", " D ", "\"\"D\u{a0}", "\t \t"])
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a coin tossed on its own")]
struct Dress {
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

fn dress() -> impl Strategy<Value = Dress> {
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

    fn cells(&mut self, cells: &[String], quotes: u64) -> String {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: whatever is written is read again, cell by cell, with every line accounted for and numbered as an editor
    /// numbers it. Method: random rows in a random dress, counted while they are written.
    #[test]
    fn what_is_written_is_read(
        rows in prop::collection::vec((prop::collection::vec(cell(), 5), any::<u64>(), prop::option::of(blank_line())), 0..30),
        dress in dress(),
    ) {
        let mut file = Writer { dress: &dress, text: String::new(), lines: Lines::default() };
        if dress.hint {
            file.line(&format!("sep={}", dress.delimiter));
            file.lines.header += 1;
        }
        for title in &dress.titles {
            match title {
                Some(title) => {
                    file.line(title);
                    file.lines.title += 1;
                }
                None => file.blank(""),
            }
        }
        file.line(&HEADER.trim().replace(',', &dress.delimiter.to_string()));
        file.lines.header += 1;
        let mut expected = Vec::new();
        for (cells, quotes, blank) in &rows {
            // The identifier makes a row a row whatever else is in it.
            let row: Vec<String> = std::iter::once("1234567890".to_owned()).chain(cells.iter().cloned()).collect();
            let line = u32::try_from(physical_lines(&file.text)).expect("few lines") + 1;
            let text = file.cells(&row, *quotes);
            file.line(&text);
            file.lines.row += 1;
            expected.push((line, row));
            if let Some(blank) = blank {
                file.blank(blank);
            }
        }
        if dress.note && !rows.is_empty() {
            file.line("checked by Jo");
            file.lines.note += 1;
        }
        if dress.total {
            file.line(&format!("Total{}{}", dress.delimiter, rows.len()));
            file.lines.total += 1;
        }
        if !dress.last_end {
            file.text.truncate(file.text.trim_end_matches(['\r', '\n']).len());
            prop_assume!(!rows.last().is_some_and(|(.., blank)| blank.is_some()) || dress.total || dress.note);
        }
        let bytes = encode(&file.text, dress.encoding, dress.mark);
        let as_1252 = dress.encoding == Encoding::Windows1252;
        prop_assume!(!as_1252 || !encoding_rs::WINDOWS_1252.encode(&file.text).2);
        prop_assume!(!as_1252 || file.text.is_ascii() || std::str::from_utf8(&bytes).is_err());

        let table = read(&bytes).expect("a good file");
        let read: Vec<_> = table.places.iter().map(|(line, _)| *line).zip(table.rows).collect();
        prop_assert_eq!(read, expected);
        prop_assert!(table.places.iter().all(|(_, shifted)| !shifted));
        prop_assert_eq!(table.lines, file.lines);
    }

    /// Goal: text that nobody wrote with care is split as the `csv` crate splits it, however it is cut into reads, and the
    /// line numbers are right. Method: random text of the letters that matter; where our reader refuses or marks it, the
    /// other has no opinion.
    #[test]
    fn another_parser_reads_the_same(text in "[aé\",\r\n ]{0,60}", piece in 1_usize..9) {
        let mut records = Records::new(Box::new(Trickle { rest: text.clone().into_bytes(), piece }), Encoding::Utf8, b',');
        let mut ours = Vec::new();
        let mut lines = Vec::new();
        let whole = loop {
            match records.advance() {
                Ok(true) => {}
                Ok(false) => break true,
                Err(_) => break false,
            }
            let record = records.record();
            prop_assume!(!record.misquoted);
            lines.push(record.line);
            ours.push(record.cells().map(str::to_owned).collect::<Vec<_>>());
        };
        prop_assert!(lines.windows(2).all(|pair| pair.first() < pair.last()));
        prop_assert!(lines.first().is_none_or(|line| *line == 1));
        prop_assume!(whole);
        let breaks: u64 = ours.iter().flatten().map(|cell| physical_lines(&format!("{cell}.")) - 1).sum();
        prop_assert_eq!(ours.len() as u64 + breaks, physical_lines(&text));
        let mut theirs = csv::ReaderBuilder::new();
        let mut theirs = theirs.has_headers(false).flexible(true).from_reader(text.as_bytes());
        let theirs = theirs.records().map(|record| record.expect("UTF-8").iter().map(str::to_owned).collect::<Vec<_>>());
        // It passes over empty lines; a line of one empty cell in quotation marks looks the same here.
        let told = |row: &Vec<String>| row.len() > 1 || row.iter().any(|cell| !cell.is_empty());
        let ours: Vec<_> = ours.into_iter().filter(told).collect();
        prop_assert_eq!(ours, theirs.filter(told).collect::<Vec<_>>());
    }

    /// Goal: no bytes at all make the reader panic. Method: random bytes of the kinds that matter, behind a header or not.
    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(prop::sample::select(b"\0\"\",;\t|\r\n aA1\xC3\xA9\xEF\xBB\xBF\xFF\xFE\xD8\x81".to_vec()), 0..200),
        headed in any::<bool>(),
    ) {
        let header = if headed { HEADER.as_bytes() } else { b"" };
        let _ = read(&[header, &bytes].concat());
    }
}

/// A source that gives a few bytes at a time.
struct Trickle {
    rest: Vec<u8>,
    piece: usize,
}

impl Read for Trickle {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.piece.min(out.len()).min(self.rest.len());
        let given: Vec<u8> = self.rest.drain(..count).collect();
        out.iter_mut().zip(given).for_each(|(place, byte)| *place = byte);
        Ok(count)
    }
}
