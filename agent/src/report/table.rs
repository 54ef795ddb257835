//! A table, as text that fits a terminal, as CSV, or as JSON.

use std::fmt::Write as _;

use daybook_protocol::{
    date::{Date, Timestamp},
    entry::Actor,
};
use serde_json::{Map, Value, json};

use crate::{history::harmless, post::push_cell};

/// The width that fits the terminals and the paper of an office.
const COLUMNS: usize = 100;
/// A column of words is not made narrower than this.
const WIDTH_MIN: usize = 8;

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
    pub(super) fn new(columns: &[(&'static str, &'static str)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), closing: Vec::new() }
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) -> Result<(), super::ReportError> {
        if self.rows.len() >= super::ROWS_MAX {
            return Err(super::ReportError::TooLong);
        }
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn close(&mut self, sentence: impl Into<String>) {
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
            let heads: Vec<String> = self.columns.iter().map(|(_, head)| (*head).to_owned()).collect();
            let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Cell::shown).collect()).collect();
            let widths = widths(&heads, &rows);
            let numeric: Vec<bool> = (0..heads.len()).map(|place| self.is_numeric(place)).collect();
            lay_out(&mut lines, &heads, &widths, &numeric);
            let rule: usize = widths.iter().sum::<usize>() + (widths.len().saturating_sub(1)) * gap(&widths);
            lines.push("-".repeat(rule));
            for row in &rows {
                lay_out(&mut lines, row, &widths, &numeric);
            }
            lines.push(String::new());
        }
        for sentence in &self.closing {
            lines.extend(wrapped(&sentence.chars().map(harmless).collect::<String>(), COLUMNS));
        }
        lines
    }

    fn is_numeric(&self, place: usize) -> bool {
        self.rows.iter().filter_map(|row| row.get(place)).all(|cell| matches!(cell, Cell::Number(_) | Cell::Nothing))
    }
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

/// How far columns stand apart: closer where there are many.
fn gap(widths: &[usize]) -> usize {
    let between = widths.len().saturating_sub(1);
    if widths.iter().sum::<usize>() + 2 * between <= COLUMNS { 2 } else { 1 }
}

/// How wide each column is: as its longest cell, unless the row would then be too wide for a screen. Then the widest give way,
/// as far as their longest word lets them, and after that as far as they must.
fn widths(heads: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let longest = |place: usize, of: fn(&str) -> usize| {
        let cells = rows.iter().filter_map(|row| row.get(place));
        heads.get(place).into_iter().chain(cells).map(|cell| of(cell)).max().unwrap_or_default()
    };
    let word = |text: &str| text.split(' ').map(|word| word.chars().count()).max().unwrap_or_default();
    let mut widths: Vec<usize> = (0..heads.len()).map(|place| longest(place, |text| text.chars().count())).collect();
    let words: Vec<usize> = (0..heads.len()).map(|place| longest(place, word)).collect();
    let room = COLUMNS.saturating_sub(heads.len().saturating_sub(1));
    let wide = |widths: &[usize]| widths.iter().sum::<usize>() > room;
    for least in [&words, &vec![WIDTH_MIN; heads.len()]] {
        while wide(&widths) {
            let can = widths.iter().zip(least).enumerate().filter(|(_, (width, least))| width > least);
            let Some((place, _)) = can.max_by_key(|(_, (width, _))| **width) else { break };
            widths.iter_mut().skip(place).take(1).for_each(|width| *width -= 1);
        }
    }
    widths
}

/// Appends a row, of as many lines as its longest cell needs.
fn lay_out(lines: &mut Vec<String>, cells: &[String], widths: &[usize], numeric: &[bool]) {
    let pieces: Vec<Vec<String>> = cells.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
    let gap = gap(widths);
    for at in 0..pieces.iter().map(Vec::len).max().unwrap_or_default() {
        let mut line = String::new();
        for (place, ((pieces, width), numeric)) in pieces.iter().zip(widths).zip(numeric).enumerate() {
            let piece = pieces.get(at).map(String::as_str).unwrap_or_default();
            let _ = write!(line, "{:gap$}", "", gap = if place > 0 { gap } else { 0 });
            // Writing to a string cannot fail.
            let _ = if *numeric { write!(line, "{piece:>width$}") } else { write!(line, "{piece:<width$}") };
        }
        lines.push(line.trim_end().to_owned());
    }
}

/// A text in lines of so many letters, broken between words; a longer word is cut.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut letters: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().map_or(0, |line| line.chars().count());
            let lead = usize::from(line > 0);
            if line + lead + letters.len() <= width {
                let Some(last) = lines.last_mut() else { break };
                last.push_str(if lead == 1 { " " } else { "" });
                last.extend(letters.iter());
                break;
            }
            if line > 0 {
                lines.push(String::new());
            } else {
                let rest = letters.split_off(width);
                if let Some(last) = lines.last_mut() {
                    last.extend(letters.iter());
                }
                letters = rest;
                lines.push(String::new());
            }
        }
    }
    lines
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
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:#?}");
        let letters = |letter: char| lines.iter().flat_map(|line| line.chars()).filter(|c| *c == letter).count();
        assert_eq!((letters('x'), letters('y')), (150, 12));
    }
}
