//! The records of an XLS workbook, looked through before calamine builds its sheets: how many cells they take, and what they
//! say that calamine does not give. Knows records by their numbers ([MS-XLS] 2.3), and nothing of values.

use std::{
    collections::HashMap,
    io::{Cursor, Read as _},
};

use daybook_protocol::finding::Code;

use super::{Refusal, WORKBOOK_BYTES_MAX, sheets::zeros};

/// The most cells of all sheets, blank ones within their bounds counted, since a sheet is held as a rectangle: a sheet of
/// 65,536 rows, the most of XLS, and 64 columns. They take some 128 MB.
const CELLS_MAX: u64 = 4 << 20;

/// The most formats, and the most records of a sheet's bounds, that are listened to.
const FORMATS_MAX: usize = 1 << 16;

/// What the records of one sheet say.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// A row or column is hidden.
    pub(super) hidden: bool,
    /// How many digits the format of a cell shows at least, where it is of zeros alone.
    pub(super) digits: HashMap<(u32, u32), usize>,
    /// The first and last row and column with a cell.
    bounds: Option<[(u32, u32); 2]>,
}

impl Sheet {
    fn take_in(&mut self, row: u32, column: u32) {
        let [from, to] = self.bounds.get_or_insert([(row, column); 2]);
        *from = (from.0.min(row), from.1.min(column));
        *to = (to.0.max(row), to.1.max(column));
    }

    fn cells(&self) -> u64 {
        self.bounds.map_or(0, |[from, to]| u64::from(to.0 - from.0 + 1) * u64::from(to.1 - from.1 + 1))
    }
}

/// What is known of the workbook as a whole.
#[derive(Default)]
struct Globals {
    /// Where the records of each sheet begin.
    sheets: Vec<usize>,
    /// Digits by the number of a format.
    formats: HashMap<u16, usize>,
    /// The number of a format by that of a style.
    styles: Vec<u16>,
}

impl Globals {
    fn digits(&self, style: u16) -> usize {
        let format = self.styles.get(usize::from(style));
        format.and_then(|format| self.formats.get(format)).copied().unwrap_or_default()
    }
}

/// Looks through all records of a workbook and says what each sheet has, in the order in which the workbook lists them.
pub(super) fn look_through(bytes: &[u8]) -> Result<Vec<Sheet>, Refusal> {
    let stream = stream(bytes)?;
    let mut globals = Globals::default();
    for (number, body) in records(&stream, 0) {
        match number {
            0x2F => return Err(Refusal::unreadable("the workbook is protected by a password")),
            0x85 => {
                let at = word(body, 0).zip(word(body, 2));
                globals.sheets.extend(at.map(|(low, high)| usize::from(low) | usize::from(high) << 16));
            }
            0x041E | 0x1E if globals.formats.len() < FORMATS_MAX => {
                if let Some(number) = word(body, 0) {
                    globals.formats.insert(number, zeros(&format_text(body)));
                }
            }
            0xE0 if globals.styles.len() < FORMATS_MAX => globals.styles.extend(word(body, 2)),
            _ => {}
        }
    }
    globals.formats.retain(|_, digits| *digits > 0);
    let (mut sheets, mut cells) = (Vec::new(), 0);
    for begin in globals.sheets.iter().take(super::SHEETS_MAX) {
        let sheet = look_at(&stream, *begin, &globals);
        cells += sheet.cells();
        if cells > CELLS_MAX {
            return Err(Refusal::new(Code::TOO_LARGE, format!("the sheets have more than {CELLS_MAX} cells")));
        }
        sheets.push(sheet);
    }
    if globals.sheets.len() > super::SHEETS_MAX {
        return Err(Refusal::new(Code::TOO_LARGE, format!("more than {} sheets", super::SHEETS_MAX)));
    }
    Ok(sheets)
}

/// The stream in which a workbook lies.
fn stream(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let damaged = |_| Refusal::unreadable("the workbook is damaged: it cannot be opened");
    let mut container = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(damaged)?;
    let entries = container.read_root_storage();
    let names: Vec<String> = entries.map(|entry| entry.name().to_owned()).collect();
    let find = |wanted: &str| names.iter().find(|name| name.eq_ignore_ascii_case(wanted));
    let name = find("workbook").or_else(|| find("book"));
    let name = name.ok_or_else(|| Refusal::unreadable("the file has no workbook in it"))?;
    let mut stream = Vec::new();
    let opened = container.open_stream(format!("/{name}")).map_err(damaged)?;
    opened.take(WORKBOOK_BYTES_MAX).read_to_end(&mut stream).map_err(damaged)?;
    Ok(stream)
}

/// The records of a part of the stream, to its end: each is a number, a length and so many bytes. Parts lie inside parts, for
/// charts, and each of these has an end of its own.
fn records(stream: &[u8], begin: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let (mut at, mut depth, mut ended) = (begin, 0_u32, false);
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let rest = stream.get(at..)?;
        let (number, length) = word(rest, 0).zip(word(rest, 2))?;
        let body = rest.get(4..4 + usize::from(length))?;
        at += 4 + usize::from(length);
        match number {
            0x0809 | 0x0409 | 0x0209 | 0x09 => depth += 1,
            0x0A => {
                depth = depth.saturating_sub(1);
                ended = depth == 0;
            }
            _ => {}
        }
        Some((number, body))
    })
}

fn look_at(stream: &[u8], begin: usize, globals: &Globals) -> Sheet {
    let mut sheet = Sheet::default();
    for (number, body) in records(stream, begin) {
        let (row, column) = (word(body, 0).map(u32::from), word(body, 2).map(u32::from));
        match number {
            // ROW, COLINFO: hidden.
            0x0208 => sheet.hidden |= word(body, 12).is_some_and(|flags| flags & 0x20 != 0),
            0x7D => sheet.hidden |= word(body, 8).is_some_and(|flags| flags & 1 != 0),
            // One cell: formula, text, number, truth or error, in all their forms.
            0x06 | 0xD6 | 0xFD | 0x0201 | 0x0203 | 0x0204 | 0x0205 | 0x0206 | 0x0406 | 0x027E => {
                let (Some(row), Some(column)) = (row, column) else { continue };
                sheet.take_in(row, column);
                let digits = word(body, 4).map_or(0, |style| globals.digits(style));
                if digits > 0 {
                    sheet.digits.insert((row, column), digits);
                }
            }
            // Several numbers, each with its style; several blanks.
            0xBD | 0xBE => {
                let (Some(row), Some(column)) = (row, column) else { continue };
                let step = if number == 0xBD { 6 } else { 2 };
                let count = body.len().saturating_sub(6) / step;
                for (place, nth) in (column..).zip(0..count) {
                    sheet.take_in(row, place);
                    let digits = word(body, 4 + nth * step).map_or(0, |style| globals.digits(style));
                    if number == 0xBD && digits > 0 {
                        sheet.digits.insert((row, place), digits);
                    }
                }
            }
            _ => {}
        }
    }
    sheet
}

/// The text of a format, as far as it is ASCII; the number of its characters comes first, in one byte or two.
fn format_text(body: &[u8]) -> String {
    let rest = body.get(3..).unwrap_or_default();
    let text = rest.iter().filter(|byte| byte.is_ascii_graphic() || **byte == b' ');
    text.map(|byte| char::from(*byte)).collect()
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    pair.try_into().ok().map(u16::from_le_bytes)
}
