//! XLSX and XLS through calamine: visible sheets, cell by cell. What calamine does not say of them is in `archive` and `biff`.

use std::{io::Cursor, sync::Arc};

use calamine::{
    CellErrorType, Data, DataRef, Dimensions, ExcelDateTime, Reader as _, Sheet, SheetType, SheetVisible, Xls, Xlsx,
};
use daybook_protocol::finding::Code;

use super::{
    Refusal, Stop, Told, archive, biff,
    line::{Epoch, Lines},
};

/// So many merged cells of a sheet are remembered. What lies beyond is read like any other blank cell.
const MERGED_CELLS_MAX: usize = 1 << 20;

fn damaged<E>(_: E) -> Stop {
    // What the library says may quote the file.
    Refusal::unreadable("the workbook is damaged: a sheet cannot be read").into()
}

/// The sheets that a person sees. Hidden ones are flagged, and charts have no cells.
fn visible(sheets: &[Sheet], told: &Told) -> Vec<String> {
    let mut names = Vec::new();
    for sheet in sheets {
        match (sheet.visible, sheet.typ) {
            (SheetVisible::Visible, SheetType::WorkSheet) => names.push(sheet.name.clone()),
            (_, SheetType::MacroSheet | SheetType::Vba) => told.flag(Code::MACROS),
            (SheetVisible::Visible, SheetType::ChartSheet | SheetType::DialogSheet) => {}
            (SheetVisible::Hidden | SheetVisible::VeryHidden, _) => told.flag(Code::SHEET_HIDDEN),
        }
    }
    names
}

/// Reads an XLSX or XLSM workbook, its sheets streamed.
pub(super) fn xlsx(bytes: Arc<[u8]>, told: &Told, lines: &mut Lines<'_>) -> Result<(), Stop> {
    let looked = archive::look_through(&bytes)?;
    if looked.hidden {
        told.flag(Code::ROWS_HIDDEN);
    }
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(|error| match error {
        calamine::XlsxError::Password => Refusal::unreadable("the workbook is protected by a password"),
        _ => Refusal::unreadable("the workbook is damaged: it cannot be opened"),
    })?;
    let epoch = if workbook.has_1904_epoch() { Epoch::Of1904 } else { Epoch::Of1900 };
    for name in visible(workbook.sheets_metadata(), told) {
        let merged = if looked.merged { workbook.merge_cells_by_sheet_name(&name) } else { Ok(Vec::new()) };
        // What is no worksheet has none.
        lines.sheet(covered(&merged.unwrap_or_default()))?;
        let mut cells = match workbook.worksheet_cells_reader(&name) {
            // What is called a sheet and has no cells of its own, such as a chart.
            Err(calamine::XlsxError::NotAWorksheet(_)) => continue,
            cells => cells.map_err(damaged)?,
        };
        let digits: Vec<usize> = cells.styles().iter().map(digits_of).collect();
        while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(damaged)? {
            let (row, column) = cell.get_position();
            let value = match cell.get_value() {
                DataRef::Empty | DataRef::SharedString("") => continue,
                DataRef::String(text) if text.is_empty() => continue,
                DataRef::String(text) | DataRef::DurationIso(text) => Value::Text(text),
                DataRef::SharedString(text) => Value::Text(text),
                #[allow(clippy::cast_precision_loss, reason = "calamine reads numbers of XLSX as floats")]
                DataRef::Int(number) => Value::Number(*number as f64),
                DataRef::Float(number) => Value::Number(*number),
                DataRef::Bool(flag) => Value::Flag(*flag),
                DataRef::DateTime(date) => Value::Date(*date),
                DataRef::DateTimeIso(text) => Value::Iso(text),
                DataRef::Error(error) => Value::Error(error),
            };
            lines.go_to(row, column)?;
            write(lines, &value, digits.get(style).copied().unwrap_or_default(), epoch);
        }
    }
    Ok(())
}

/// Reads an XLS workbook. Its sheets are in memory, and `biff` has seen before that they are not too large for that.
pub(super) fn xls(bytes: Arc<[u8]>, told: &Told, lines: &mut Lines<'_>) -> Result<(), Stop> {
    let looked = biff::look_through(&bytes)?;
    let mut workbook = Xls::new(Cursor::new(bytes)).map_err(|error| match error {
        calamine::XlsError::Password => Refusal::unreadable("the workbook is protected by a password"),
        _ => Refusal::unreadable("the workbook is damaged: it cannot be opened"),
    })?;
    let epoch = if workbook.has_1904_epoch() { Epoch::Of1904 } else { Epoch::Of1900 };
    let sheets = workbook.sheets_metadata().to_vec();
    for name in visible(&sheets, told) {
        let place = sheets.iter().position(|sheet| sheet.name == name).unwrap_or_default();
        let said = looked.get(place);
        if said.is_some_and(|said| said.hidden) {
            told.flag(Code::ROWS_HIDDEN);
        }
        lines.sheet(covered(&workbook.merge_cells_by_sheet_name(&name).unwrap_or_default()))?;
        let range = workbook.worksheet_range(&name).map_err(damaged)?;
        let (first_row, first_column) = range.start().unwrap_or_default();
        for (row, column, value) in range.used_cells() {
            let at = |first: u32, offset: usize| u32::try_from(offset).ok()?.checked_add(first);
            let (Some(row), Some(column)) = (at(first_row, row), at(first_column, column)) else {
                return Err(damaged(()));
            };
            let value = match value {
                Data::Empty => continue,
                Data::String(text) if text.is_empty() => continue,
                Data::String(text) | Data::DurationIso(text) => Value::Text(text),
                #[allow(clippy::cast_precision_loss, reason = "XLS has whole numbers of 30 bits")]
                Data::Int(number) => Value::Number(*number as f64),
                Data::Float(number) => Value::Number(*number),
                Data::Bool(flag) => Value::Flag(*flag),
                Data::DateTime(date) => Value::Date(*date),
                Data::DateTimeIso(text) => Value::Iso(text),
                Data::Error(error) => Value::Error(error),
            };
            let digits = said.and_then(|said| said.digits.get(&(row, column))).copied().unwrap_or_default();
            lines.go_to(row, column)?;
            write(lines, &value, digits, epoch);
        }
    }
    Ok(())
}

/// A value of a cell, as either library type has it.
enum Value<'a> {
    Text(&'a str),
    Number(f64),
    Flag(bool),
    Date(ExcelDateTime),
    Iso(&'a str),
    Error(&'a CellErrorType),
}

fn write(lines: &mut Lines<'_>, value: &Value<'_>, digits: usize, epoch: Epoch) {
    match value {
        Value::Text(text) => lines.text(text),
        Value::Number(number) => lines.number(*number, digits),
        Value::Flag(flag) => lines.flag(*flag),
        Value::Date(date) if date.is_duration() => lines.duration(date.as_f64()),
        Value::Date(date) => lines.date(date.as_f64(), epoch),
        Value::Iso(text) => lines.iso(text),
        Value::Error(error) => lines.error(word(error)),
    }
}

fn word(error: &CellErrorType) -> &'static str {
    match error {
        CellErrorType::Div0 => "#DIV/0!",
        CellErrorType::NA => "#N/A",
        CellErrorType::Name => "#NAME?",
        CellErrorType::Null => "#NULL!",
        CellErrorType::Num => "#NUM!",
        CellErrorType::Ref => "#REF!",
        CellErrorType::Value => "#VALUE!",
        CellErrorType::GettingData => "#GETTING_DATA",
    }
}

/// How many digits a format of zeros alone shows at least: `0000000000` shows ten. Others show as many as there are.
pub(super) fn zeros(format: &str) -> usize {
    // A format for negative numbers and text may follow; a language may come first.
    let first = format.split(';').next().unwrap_or_default();
    let first = first.rsplit(']').next().unwrap_or_default();
    if first.len() > 1 && first.bytes().all(|byte| byte == b'0') { first.len().min(DIGITS_MAX) } else { 0 }
}

/// No identifier has more digits, and a number has no more that can be told apart.
const DIGITS_MAX: usize = 20;

fn digits_of(style: &calamine::Style) -> usize {
    style.number_format.as_ref().map_or(0, |format| zeros(&format.format_code))
}

/// The cells of merged areas that are covered by the first one.
fn covered(areas: &[Dimensions]) -> Vec<(u32, u32)> {
    let mut covered = Vec::new();
    for area in areas {
        for row in area.start.0..=area.end.0 {
            for column in area.start.1..=area.end.1 {
                if (row, column) != area.start {
                    covered.push((row, column));
                }
                if covered.len() >= MERGED_CELLS_MAX {
                    return covered;
                }
            }
        }
    }
    covered
}
