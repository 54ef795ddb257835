//! Rows that own their text: a block of them can be handed to another thread while the reader goes on.

use std::{ops::Range, sync::Arc};

use super::{
    records::{Cell, Record},
    rows::{Columns, Row},
};

/// Enough that handing a block over costs nothing beside the work on its rows.
const ROWS_MAX: usize = 1024;
/// What those rows have in a usual file; long rows fill a block sooner, so that it stays small.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// Copies of rows of one file, in the order in which they were pushed.
#[derive(Default)]
pub struct Block {
    text: String,
    unescaped: String,
    cells: Vec<Cell>,
    rows: Vec<Kept>,
    /// The same for every row of a file.
    columns: Option<Arc<Columns>>,
}

/// Where a row's parts lie in its block.
struct Kept {
    text: Range<usize>,
    unescaped: Range<usize>,
    cells: Range<usize>,
    line: u32,
    misquoted: bool,
    shifted: bool,
    marked: bool,
}

impl Block {
    /// Copies a row to the end of the block. All rows of a block are of one [`super::Rows`].
    pub fn push(&mut self, row: &Row<'_>) {
        let Record { text, unescaped, cells, line, misquoted } = row.record;
        let ends = |block: &Self| (block.text.len(), block.unescaped.len(), block.cells.len());
        let begin = ends(self);
        self.text.push_str(text);
        self.unescaped.push_str(unescaped);
        self.cells.extend_from_slice(cells);
        let end = ends(self);
        self.columns.get_or_insert_with(|| row.columns.clone());
        self.rows.push(Kept {
            text: begin.0..end.0,
            unescaped: begin.1..end.1,
            cells: begin.2..end.2,
            line,
            misquoted,
            shifted: row.shifted,
            marked: row.marked,
        });
    }

    /// Whether it has as many rows, or as much text, as one block should.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.text.len() >= TEXT_BYTES_MAX
    }

    /// Its rows, each as it was when it was pushed.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let columns = self.columns.as_ref();
        self.rows.iter().filter_map(move |kept| {
            let record = Record {
                text: self.text.get(kept.text.clone())?,
                unescaped: self.unescaped.get(kept.unescaped.clone())?,
                cells: self.cells.get(kept.cells.clone())?,
                line: kept.line,
                misquoted: kept.misquoted,
            };
            Some(Row { record, columns: columns?, shifted: kept.shifted, marked: kept.marked })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use daybook_protocol::field::Field;

    use super::*;
    use crate::reader::{Source, Wanted, plan, rows};

    /// Everything that can be asked of a row.
    fn all_of(row: &Row<'_>) -> (u32, bool, usize, Vec<String>, Vec<String>) {
        let values = Field::ALL.into_iter().map(|field| row.value(field).to_owned()).collect();
        (row.line(), row.shifted(), row.bytes(), row.raw().map(str::to_owned).collect(), values)
    }

    /// Goal: a copied row is the row. Method: rows quoted, with doubled quotation marks and line breaks, shifted and
    /// misquoted ones among plain ones, compared with what the reader gave.
    #[test]
    fn a_block_gives_back_its_rows() {
        let header = "ULN,Given names,Family name,Date of birth,Qualification,Start date\n";
        let row = "1000000019,Jane,Doe,2005-02-01,60158864,2026-09-01\n";
        let odd = "1000000019,\"Ja\"\"ne\",\"O\n\"\"Hara\"\"\",2005-02-01,60158864,2026-09-01\n\
                   1000000019,Jane,Doe,2005-02-01\n\"1000000019\"x,Jane,Doe,2005-02-01,60158864,2026-09-01\n";
        let text: std::sync::Arc<[u8]> = [header, row, row, odd, row].concat().into_bytes().into();
        let open = || Ok(Box::new(Cursor::new(text.clone())) as Source);
        let planned = plan(&open, &Wanted::default()).expect("a plan");
        let mut read = rows(open().expect("opened"), &planned.plan);
        let (mut block, mut expected) = (Block::default(), Vec::new());
        while let Some(row) = read.next().expect("a row") {
            block.push(&row);
            expected.push(all_of(&row));
        }
        assert_eq!(expected.len(), 6);
        assert!(expected.iter().any(|row| row.1), "one is shifted");
        assert_eq!(block.rows().map(|row| all_of(&row)).collect::<Vec<_>>(), expected);
        assert!(!block.is_full());
    }

    /// Goal: a block stays small whatever its rows are. Method: few long rows, many short ones.
    #[test]
    fn a_block_is_full_by_rows_and_by_bytes() {
        for (filler, at_most) in [(String::new(), ROWS_MAX), ("x".repeat(100_000), 3)] {
            let row = format!("1000000019,Jane,Doe,2005-02-01,60158864,2026-09-01,{filler}\n");
            let header = "ULN,Given names,Family name,Date of birth,Qualification,Start date,Notes\n";
            let text: std::sync::Arc<[u8]> = (header.to_owned() + &row.repeat(at_most)).into_bytes().into();
            let open = || Ok(Box::new(Cursor::new(text.clone())) as Source);
            let planned = plan(&open, &Wanted::default()).expect("a plan");
            let mut read = rows(open().expect("opened"), &planned.plan);
            let mut block = Block::default();
            while let Some(row) = read.next().expect("a row") {
                assert!(!block.is_full());
                block.push(&row);
            }
            assert!(block.is_full());
        }
    }
}
