//! A table, as text that fits a terminal, as CSV, or as JSON.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};
use daybook_protocol::{
    date::{Date, Timestamp},
    entry::Actor,
};
use serde_json::{Map, Value, json};

use crate::{history::harmless, post::push_cell};

/// The width that fits the terminals and the paper of an office.
const COLUMNS: u16 = 100;
/// How far columns stand apart.
const GAP: u16 = 2;

/// How a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a terminal.
    Text,
    /// RFC 4180, with a byte order mark, every cell in quotes and none that a spreadsheet would run.
    Csv,
    /// One object a line.
    Json,
}

/// What stands in a row under a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing is known or there is nothing to say.
    Nothing,
    /// Words.
    Word(String),
    /// A count, or the number of an entry.
    Number(u64),
    /// A day.
    Day(Date),
    /// A moment, in UTC.
    Moment(Timestamp),
}

impl Cell {
    /// Words, or nothing where there are none.
    pub fn words(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Nothing } else { Self::Word(text) }
    }

    fn plain(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Word(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Day(day) => day.to_string(),
            Self::Moment(moment) => format!("{:.0}", moment.instant()),
        }
    }

    /// On a screen a moment's day and time can stand below each other.
    fn shown(&self) -> String {
        match self {
            Self::Nothing => "-".to_owned(),
            Self::Moment(_) => self.plain().replace('T', " ").replace('Z', ""),
            _ => self.plain().chars().map(harmless).collect(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Number(number) => json!(number),
            Self::Moment(moment) => json!(moment),
            _ => json!(self.plain()),
        }
    }
}

impl From<Option<u64>> for Cell {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Nothing, Self::Number)
    }
}

impl From<Option<Date>> for Cell {
    fn from(day: Option<Date>) -> Self {
        day.map_or(Self::Nothing, Self::Day)
    }
}

/// Who caused an entry, for a cell.
pub(super) fn who(actor: &Actor) -> Cell {
    match actor {
        Actor::Agent => Cell::Nothing,
        Actor::Operator(name) => Cell::words(name.as_str()),
    }
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The columns' names, as they stand in JSON and CSV; of two names the second is a shorter one for a screen.
    columns: Vec<(&'static str, &'static str)>,
    rows: Vec<Vec<Cell>>,
    /// What it comes to, in sentences; for a screen only.
    closing: Vec<String>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: &[(&'static str, &'static str)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), closing: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) -> Result<(), super::ReportError> {
        if self.rows.len() >= super::ROWS_MAX {
            return Err(super::ReportError::TooLong);
        }
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
        Ok(())
    }

    pub(crate) fn close(&mut self, sentence: impl Into<String>) {
        self.closing.push(sentence.into());
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its lines, without line feeds.
    pub fn lines(&self, form: Form) -> Vec<String> {
        match form {
            Form::Text => self.text(),
            Form::Csv => self.csv(),
            Form::Json => self.rows.iter().map(|row| self.object(row)).collect(),
        }
    }

    fn object(&self, row: &[Cell]) -> String {
        let members = self.columns.iter().zip(row).map(|((name, _), cell)| ((*name).to_owned(), cell.json()));
        Value::Object(members.collect::<Map<_, _>>()).to_string()
    }

    fn csv(&self) -> Vec<String> {
        let heading = self.columns.iter().map(|(name, _)| (*name).to_owned());
        let mut lines = vec![format!("\u{feff}{}", csv_line(heading))];
        lines.extend(self.rows.iter().map(|row| csv_line(row.iter().map(Cell::plain))));
        lines
    }

    fn text(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.rows.is_empty() {
            lines.extend(self.laid_out().lines().map(|line| line.trim_end().to_owned()));
            lines.push(String::new());
        }
        for sentence in &self.closing {
            // A row of one cell: it is broken between words like any other.
            let mut page = bare();
            page.add_row([sentence.chars().map(harmless).collect::<String>()]);
            for column in page.column_iter_mut() {
                column.set_padding((0, 0));
            }
            lines.extend(page.lines().map(|line| line.trim_end().to_owned()));
        }
        lines
    }

    fn laid_out(&self) -> comfy_table::Table {
        let mut page = bare();
        page.load_style(TableStyle::new().header_separator(LineStyle::none().fill('-')));
        page.set_header(self.columns.iter().map(|(_, head)| *head));
        page.add_rows(self.rows.iter().map(|row| row.iter().map(Cell::shown)));
        let last = self.columns.len().saturating_sub(1);
        for (place, column) in page.column_iter_mut().enumerate() {
            column.set_padding((0, if place < last { GAP } else { 0 }));
            if self.is_numeric(place) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        page
    }

    fn is_numeric(&self, place: usize) -> bool {
        self.rows.iter().filter_map(|row| row.get(place)).all(|cell| matches!(cell, Cell::Number(_) | Cell::Nothing))
    }
}

/// A page without lines, as wide as it has to be and no wider than a screen.
fn bare() -> comfy_table::Table {
    let mut page = comfy_table::Table::new();
    page.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    page
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let mut line = Vec::new();
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            line.push(b',');
        }
        push_cell(&mut line, &cell);
    }
    line.push(b'\r');
    String::from_utf8_lossy(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("entry", "entry"), ("recorded_at", "recorded"), ("reason", "reason")]);
        let moment = Cell::Moment(Timestamp(1_782_862_200_000_000));
        table.push(vec![Cell::Number(7), moment, Cell::words("=SUM(A1) said \u{1b}[2J \"no\"")]).expect("room");
        table.push(vec![Cell::Number(1234), Cell::Nothing, Cell::words("")]).expect("room");
        table.close("2 rows.");
        table
    }

    /// Goal: one table in each of its forms. Method: golden text, with a formula and the letters that steer a terminal.
    #[test]
    fn a_table_has_three_forms() {
        insta::assert_snapshot!(table().lines(Form::Text).join("\n"), @r#"
        entry  recorded             reason
        ---------------------------------------------------
            7  2026-06-30 23:30:00  =SUM(A1) said �[2J "no"
         1234  -                    -

        2 rows.
        "#);
        let csv = table().lines(Form::Csv);
        assert_eq!(csv.len(), 3);
        assert!(csv.iter().all(|line| line.ends_with('\r')));
        assert_eq!(csv[0], "\u{feff}\"entry\",\"recorded_at\",\"reason\"\r");
        assert_eq!(csv[1], "\"7\",\"2026-06-30T23:30:00Z\",\"'=SUM(A1) said \u{fffd}[2J \"\"no\"\"\"\r");
        let json: Vec<Value> =
            table().lines(Form::Json).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(json[1], json!({ "entry": 1234, "recorded_at": null, "reason": null }));
    }

    /// Goal: no line is wider than a screen and no word is lost. Method: long cells and one long word.
    #[test]
    fn a_table_fits_a_screen() {
        let mut table = Table::new(&[("a", "a"), ("b", "b"), ("c", "c")]);
        let long = "many words that go on and on ".repeat(12);
        table.push(vec![Cell::words(long.trim()), Cell::words("x".repeat(150)), Cell::Number(1)]).expect("room");
        let lines = table.lines(Form::Text);
        assert!(lines.iter().all(|line| line.chars().count() <= usize::from(COLUMNS)), "{lines:#?}");
        let letters = |letter: char| lines.iter().flat_map(|line| line.chars()).filter(|c| *c == letter).count();
        assert_eq!((letters('x'), letters('y')), (150, 12));
    }
}
