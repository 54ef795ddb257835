//! ODS, streamed: cells as `OpenDocument` writes them (ODF 1.3 part 3, 9.1 and 19.385). calamine holds a whole sheet, repeated
//! rows written out, so an ODS file is read here; tests hold the two against each other.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Cursor},
    sync::Arc,
};

use daybook_protocol::finding::Code;
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use zip::ZipArchive;

use super::{Refusal, SHEET_ROWS_MAX, Stop, Told, archive, line::Lines};
use crate::reader::{COLUMNS_MAX, LINE_BYTES_MAX};

/// Styles that hide a sheet are remembered up to so many.
const STYLES_MAX: usize = 1 << 16;

fn damaged<E>(_: E) -> Stop {
    Refusal::unreadable("the workbook is damaged: its content cannot be read").into()
}

/// Reads an ODS workbook.
pub(super) fn read(bytes: Arc<[u8]>, told: &Told, lines: &mut Lines<'_>) -> Result<(), Stop> {
    archive::look_through(&bytes)?;
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if let Ok(manifest) = zip.by_name("META-INF/manifest.xml")
        && is_encrypted(&mut Reader::from_reader(BufReader::new(manifest)))
    {
        return Err(Refusal::unreadable("the workbook is protected by a password").into());
    }
    let content = zip.by_name("content.xml").map_err(damaged)?;
    let mut sheets = Sheets { lines, told, hidden_styles: HashSet::new(), style: None, buffer: Vec::new() };
    sheets.read(&mut Reader::from_reader(BufReader::new(content)))
}

/// Whether the list of parts says that one of them is encrypted.
fn is_encrypted(manifest: &mut Reader<impl BufRead>) -> bool {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match manifest.read_event_into(&mut buffer) {
            Ok(Event::Start(tag) | Event::Empty(tag)) if tag.local_name().as_ref() == "encryption-data" => return true,
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

struct Sheets<'a, 'b> {
    lines: &'a mut Lines<'b>,
    told: &'a Told,
    /// The styles of tables that are not displayed.
    hidden_styles: HashSet<String>,
    /// The style that is being read.
    style: Option<String>,
    buffer: Vec<u8>,
}

/// A cell with a value, or one that is covered by another.
struct Cell {
    column: usize,
    repeated: usize,
    value: Value,
}

#[derive(Debug, PartialEq)]
enum Value {
    Blank,
    Covered,
    Text(String),
    Number(f64, usize),
    Flag(bool),
    Date(String),
    Error(String),
}

impl Sheets<'_, '_> {
    fn read(&mut self, xml: &mut Reader<impl BufRead>) -> Result<(), Stop> {
        loop {
            self.buffer.clear();
            let mut buffer = std::mem::take(&mut self.buffer);
            let event = xml.read_event_into(&mut buffer).map_err(damaged)?;
            match &event {
                Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                    "style:style" => self.style = attribute(tag, "style:name")?,
                    "style:table-properties" => {
                        let shown = attribute(tag, "table:display")?.is_none_or(|shown| shown != "false");
                        if let (Some(style), false) = (self.style.take(), shown)
                            && self.hidden_styles.len() < STYLES_MAX
                        {
                            self.hidden_styles.insert(style);
                        }
                    }
                    "table:table" if matches!(event, Event::Start(_)) => {
                        let style = attribute(tag, "table:style-name")?;
                        if style.is_some_and(|style| self.hidden_styles.contains(&style)) {
                            self.told.flag(Code::SHEET_HIDDEN);
                            skip(xml, tag)?;
                        } else {
                            self.lines.sheet(Vec::new())?;
                            self.table(xml)?;
                        }
                    }
                    "table:tracked-changes" if matches!(event, Event::Start(_)) => skip(xml, tag)?,
                    _ => {}
                },
                Event::Eof => return Ok(()),
                _ => {}
            }
            self.buffer = buffer;
        }
    }

    /// Reads one sheet to its end.
    fn table(&mut self, xml: &mut Reader<impl BufRead>) -> Result<(), Stop> {
        let (mut buffer, mut row) = (Vec::new(), 0_u32);
        loop {
            buffer.clear();
            match xml.read_event_into(&mut buffer).map_err(damaged)? {
                Event::Start(tag) if tag.name().as_ref() == "table:table-row" => {
                    let repeated = self.row_begins(&tag)?;
                    let cells = cells_of_row(xml)?;
                    row = self.write(row, repeated, &cells)?;
                }
                Event::Empty(tag) if tag.name().as_ref() == "table:table-row" => {
                    row = row.saturating_add(self.row_begins(&tag)?);
                }
                Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "table:table-column" => {
                    self.flag_hidden(&tag)?;
                }
                // Pictures and the like, which may have tables of their own.
                Event::Start(tag) if matches!(tag.name().as_ref(), "table:shapes" | "office:forms" | "table:table") => {
                    skip(xml, &tag)?;
                }
                Event::End(tag) if tag.name().as_ref() == "table:table" => return Ok(()),
                Event::Eof => return Err(damaged(())),
                _ => {}
            }
        }
    }

    /// How often a row is repeated.
    fn row_begins(&self, tag: &BytesStart<'_>) -> Result<u32, Stop> {
        self.flag_hidden(tag)?;
        let repeated = attribute(tag, "table:number-rows-repeated")?;
        repeated.map_or(Ok(1), |number| number.parse().map_err(damaged))
    }

    fn flag_hidden(&self, tag: &BytesStart<'_>) -> Result<(), Stop> {
        let visibility = attribute(tag, "table:visibility")?;
        if visibility.is_some_and(|value| value == "collapse" || value == "filter") {
            self.told.flag(Code::ROWS_HIDDEN);
        }
        Ok(())
    }

    /// Writes a row as often as it is repeated, and gives the number of the next one.
    fn write(&mut self, row: u32, repeated: u32, cells: &[Cell]) -> Result<u32, Stop> {
        let end = row.saturating_add(repeated);
        // Blank rows need no words, however many they are.
        let any = cells.iter().any(|cell| cell.value != Value::Covered);
        for row in (row..end).take_while(|_| any) {
            for cell in cells {
                // One column too many is enough to have the row refused.
                for column in (cell.column..).take(cell.repeated.min(COLUMNS_MAX + 1)) {
                    self.cell(row, column, &cell.value)?;
                }
            }
            if row >= SHEET_ROWS_MAX {
                break;
            }
        }
        Ok(end)
    }

    fn cell(&mut self, row: u32, column: usize, value: &Value) -> Result<(), Stop> {
        if *value == Value::Covered && column >= self.lines.width() {
            return Ok(());
        }
        self.lines.go_to(row, u32::try_from(column).unwrap_or(u32::MAX))?;
        match value {
            Value::Blank => {}
            Value::Covered => self.lines.covered(),
            Value::Text(text) => self.lines.text(text),
            Value::Number(number, digits) => self.lines.number(*number, *digits),
            Value::Flag(flag) => self.lines.flag(*flag),
            Value::Date(text) => self.lines.iso(text),
            Value::Error(word) => self.lines.error(word),
        }
        Ok(())
    }
}

/// Reads the cells of a row that are not blank.
fn cells_of_row(xml: &mut Reader<impl BufRead>) -> Result<Vec<Cell>, Stop> {
    let (mut buffer, mut cells, mut column) = (Vec::new(), Vec::new(), 0_usize);
    loop {
        buffer.clear();
        let event = xml.read_event_into(&mut buffer).map_err(damaged)?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let covered = tag.name().as_ref() == "table:covered-table-cell";
                if !covered && tag.name().as_ref() != "table:table-cell" {
                    continue;
                }
                let repeated = attribute(tag, "table:number-columns-repeated")?;
                let repeated = repeated.map_or(Ok(1), |number| number.parse().map_err(damaged))?;
                let text =
                    if matches!(event, Event::Start(_)) { cell_text(xml, tag.name().as_ref())? } else { String::new() };
                let value = if covered { Value::Covered } else { value(tag, text)? };
                if value != Value::Blank {
                    cells.push(Cell { column, repeated, value });
                }
                column = column.saturating_add(repeated);
            }
            Event::End(tag) if tag.name().as_ref() == "table:table-row" => return Ok(cells),
            Event::Eof => return Err(damaged(())),
            _ => {}
        }
    }
}

/// What a cell says, by its attributes and its text.
fn value(tag: &BytesStart<'_>, text: String) -> Result<Value, Stop> {
    if attribute(tag, "calcext:value-type")?.is_some_and(|kind| kind == "error") {
        return Ok(Value::Error(text.lines().next().unwrap_or_default().chars().take(16).collect()));
    }
    let kind = attribute(tag, "office:value-type")?;
    let value = match kind.as_deref() {
        Some("float" | "percentage" | "currency") => {
            let number = attribute(tag, "office:value")?.and_then(|number| number.parse::<f64>().ok());
            let Some(number) = number.filter(|number| number.is_finite()) else { return Err(damaged(())) };
            // The truth of a formula is a number that is shown as a word.
            if matches!(text.as_str(), "TRUE" | "FALSE") {
                return Ok(Value::Flag(text == "TRUE"));
            }
            // What is shown with leading zeros is all digits, and longer than the number.
            let shown = text.trim();
            let zeros = shown.starts_with('0') && shown.bytes().all(|byte| byte.is_ascii_digit());
            Value::Number(number, if zeros { shown.len().min(20) } else { 0 })
        }
        Some("boolean") => Value::Flag(attribute(tag, "office:boolean-value")?.is_some_and(|flag| flag == "true")),
        Some("date") => attribute(tag, "office:date-value")?.map_or(Value::Blank, Value::Date),
        Some("time") => attribute(tag, "office:time-value")?.map_or(Value::Blank, |time| Value::Text(clock(&time))),
        _ => match attribute(tag, "office:string-value")? {
            Some(given) if text.is_empty() => Value::Text(given),
            _ => Value::Text(text),
        },
    };
    Ok(if value == Value::Text(String::new()) { Value::Blank } else { value })
}

/// A time such as PT12H30M00S as 12:30:00; what is of another form stays as it is.
fn clock(time: &str) -> String {
    let parts = || {
        let (hours, rest) = time.strip_prefix("PT")?.split_once('H')?;
        let (minutes, rest) = rest.split_once('M')?;
        let seconds = rest.strip_suffix('S')?.split(['.', ',']).next()?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        [hours, minutes, seconds].into_iter().all(digits).then(|| format!("{hours}:{minutes}:{seconds}"))
    };
    parts().unwrap_or_else(|| time.to_owned())
}

/// The text of a cell, its paragraphs on lines of their own, and without what is pinned to it.
fn cell_text(xml: &mut Reader<impl BufRead>, cell: &str) -> Result<String, Stop> {
    let (mut text, mut paragraphs, mut depth, mut buffer) = (String::new(), 0, 0_u32, Vec::new());
    loop {
        buffer.clear();
        let event = xml.read_event_into(&mut buffer).map_err(damaged)?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let opened = matches!(event, Event::Start(_));
                match tag.name().as_ref() {
                    "text:p" => {
                        if paragraphs > 0 {
                            text.push('\n');
                        }
                        paragraphs += 1;
                        depth += u32::from(opened);
                    }
                    "text:s" => {
                        let count = attribute(tag, "text:c")?.and_then(|count| count.parse().ok()).unwrap_or(1);
                        text.extend(std::iter::repeat_n(' ', usize::min(count, LINE_BYTES_MAX)));
                    }
                    "text:tab" => text.push('\t'),
                    "text:line-break" => text.push('\n'),
                    "text:a" | "text:span" | "text:ruby" | "text:ruby-base" => {}
                    _ if opened => skip(xml, tag)?,
                    _ => {}
                }
            }
            Event::Text(part) if depth > 0 => text.push_str(&part.xml10_content()),
            Event::CData(part) if depth > 0 => text.push_str(part.as_ref()),
            Event::GeneralRef(name) if depth > 0 => match quick_xml::escape::resolve_xml_entity(name.as_ref()) {
                Some(known) => text.push_str(known),
                None => text.extend(name.resolve_char_ref().map_err(damaged)?),
            },
            Event::End(tag) if tag.name().as_ref() == "text:p" => depth = depth.saturating_sub(1),
            Event::End(tag) if tag.name().as_ref() == cell => return Ok(text),
            Event::Eof => return Err(damaged(())),
            _ => {}
        }
        if text.len() > LINE_BYTES_MAX {
            return Err(Refusal::new(Code::TOO_LARGE, format!("a cell is longer than {LINE_BYTES_MAX} bytes")).into());
        }
    }
}

/// Passes over an element and all that is in it.
fn skip(xml: &mut Reader<impl BufRead>, tag: &BytesStart<'_>) -> Result<(), Stop> {
    xml.read_to_end_into(tag.name(), &mut Vec::new()).map_err(damaged)?;
    Ok(())
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, Stop> {
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(damaged)?;
        if attribute.key.as_ref() == name {
            let value = quick_xml::escape::unescape(&attribute.value).map_err(damaged)?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}
