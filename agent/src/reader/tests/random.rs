//! Files made at random: what was written is what is read, and what is read is what another parser reads.

use proptest::prelude::*;

use super::{
    dress::{Written, blank_line, cell, dress},
    *,
};
use crate::reader::records::Records;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: whatever is written is read again, cell by cell, with every line accounted for and numbered as an editor
    /// numbers it. Method: random rows in a random dress, counted while they are written.
    #[test]
    fn what_is_written_is_read(
        rows in prop::collection::vec((prop::collection::vec(cell(), 5), any::<u64>(), prop::option::of(blank_line())), 0..30),
        dress in dress(),
    ) {
        // The identifier makes a row a row whatever else is in it.
        let row = |cells: &[String]| std::iter::once("1234567890".to_owned()).chain(cells.iter().cloned()).collect();
        let rows: Vec<_> = rows.iter().map(|(cells, quotes, blank)| (row(cells), *quotes, *blank)).collect();
        let header: Vec<_> = HEADER.trim().split(',').collect();
        let written = dress.put_on(&header, &rows);
        prop_assume!(written.is_some());
        let Written { bytes, lines, places } = written.expect("assumed");

        let table = read(&bytes).expect("a good file");
        let read: Vec<_> = table.places.iter().map(|(line, _)| *line).zip(table.rows).collect();
        let expected: Vec<_> = places.into_iter().zip(rows.into_iter().map(|(cells, ..)| cells)).collect();
        prop_assert_eq!(read, expected);
        prop_assert!(table.places.iter().all(|(_, shifted)| !shifted));
        prop_assert_eq!(table.lines, lines);
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
