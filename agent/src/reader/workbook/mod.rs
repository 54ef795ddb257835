//! Workbooks to text: XLSX, XLS and ODS become one stream of records, a record for each row of each visible sheet, by RFC 4180
//! and in UTF-8. Everything after that is the same for a workbook as for a text file. A learner record (`ilr`) comes to text by the
//! same way. Must not know what a cell means.
//!
//! A workbook is read on a thread of its own, which hands the text over in pieces: the sheet of an XLSX file or an ODS file
//! is never in memory as a whole, and a fault in a library that reads foreign bytes ends that thread and nothing else. The
//! compressed original, the strings that cells share, and the cells of an XLS file are in memory, each under a limit.
//!
//! Nothing is written anywhere: what a workbook unpacks to is personal.

mod archive;
mod biff;
mod kind;
mod line;
mod ods;
mod sheets;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt,
    io::{self, Read},
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use daybook_protocol::{event::Encoding, finding::Code};

pub(super) use self::{
    kind::{Found, of_beginning, of_whole},
    line::{Lines, fault, visible},
};
use super::{Source, ilr};

/// The longest original of a workbook, in bytes, since it is held in memory. Workbooks of the sector have a few hundred
/// kilobytes; the largest sheet that there can be, of 1,048,576 enrolments, has about this.
pub const WORKBOOK_BYTES_MAX: u64 = 64 << 20;

/// What a workbook may unpack to, in bytes. A sheet is streamed, so this bounds time and not memory: the largest sheet, of
/// 1,048,576 rows and 20 columns, has about this.
pub const EXPANDED_BYTES_MAX: u64 = 1 << 30;

/// What the parts of a workbook may unpack to that are held in memory, in bytes: the shared strings and the styles. Three
/// different names in each row of the largest sheet are about this.
pub const HELD_BYTES_MAX: u64 = 128 << 20;

/// Below so many bytes the ratio of DOMAIN.md 6.3, 7 is not looked at: a small sheet of the same value may well be squeezed
/// more than a hundredfold, and does no harm.
pub const SUSPECT_BYTES_MIN: u64 = 50 << 20;

/// Nothing honest is squeezed further than this and large as well.
pub const RATIO_MAX: u64 = 100;

/// The most sheets of a workbook. A sheet for each course is usual, a sheet for each learner is not.
pub const SHEETS_MAX: usize = 256;

/// The most rows of all visible sheets, blank ones counted: twice the largest sheet.
pub const SHEET_ROWS_MAX: u32 = 2 << 20;

/// How much text is handed over at a time, in bytes.
const PIECE_BYTES: usize = 64 << 10;
/// How many pieces wait: enough that neither side waits for the other's every piece.
const PIECES_MAX: usize = 4;

/// Why a workbook is not read any further.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    /// In our words only, nothing that the file says.
    pub(super) detail: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// What a library says of the file is left out: it may quote it.
    fn unreadable(what: &'static str) -> Self {
        Self::new(Code::UNREADABLE, what)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}

/// What ends the reading of a workbook before its end.
#[derive(Debug)]
pub(super) enum Stop {
    Io(io::Error),
    Refused(Refusal),
    /// Nobody reads on.
    Unwanted,
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Io(error) => error,
            Stop::Refused(refusal) => Self::new(io::ErrorKind::InvalidData, refusal),
            Stop::Unwanted => Self::other("nobody reads on"),
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is told of a workbook beside its text, while the text comes.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// What is to be flagged.
    pub(super) findings: BTreeSet<Code>,
    /// The line on which each visible sheet but the first begins.
    pub(super) sheets: Vec<u32>,
}

/// What is told of a workbook, shared with the thread that reads it. The beginning of a sheet is told before its text is
/// handed over.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Arc<Mutex<Telling>>);

impl Told {
    pub(super) fn look(&self) -> MutexGuard<'_, Telling> {
        // A thread that panicked left a list that is good as far as it goes; the panic refuses the file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn flag(&self, code: Code) {
        self.look().findings.insert(code);
    }
}

/// The text of a workbook, as it comes.
pub(super) struct Rendered {
    pieces: Receiver<io::Result<Vec<u8>>>,
    /// Why there is no thread.
    failed: Option<io::Error>,
    piece: Vec<u8>,
    /// How much of `piece` was passed on.
    at: usize,
    ended: bool,
}

impl Rendered {
    /// Begins to read a workbook. When the text is dropped its thread ends with the piece in hand. Where no thread can be had,
    /// the first read fails.
    pub(super) fn new(source: Source, format: Encoding, told: Told) -> Self {
        let (sender, pieces) = sync_channel(PIECES_MAX);
        let reading = move || {
            let read = panic::catch_unwind(AssertUnwindSafe(|| read(source, format, &told, &sender)));
            let stop = match read {
                Ok(Ok(())) => return,
                Ok(Err(stop)) => stop,
                Err(_) => Refusal::unreadable("the workbook cannot be read: it is damaged").into(),
            };
            // Where nobody reads on there is nobody to be told.
            let _ = sender.send(Err(stop.into()));
        };
        let failed = thread::Builder::new().name("workbook".into()).spawn(reading).err();
        Self { pieces, failed, piece: Vec::new(), at: 0, ended: false }
    }
}

impl Read for Rendered {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.at == self.piece.len() && !self.ended {
            // The thread hangs up when it has sent everything.
            self.piece = self.pieces.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            self.ended = self.piece.is_empty();
            self.at = 0;
        }
        let read = self.piece.get(self.at..).unwrap_or_default().read(to)?;
        self.at += read;
        Ok(read)
    }
}

/// Takes an original into memory, as far as a workbook may be long.
fn whole(source: Source) -> Result<Arc<[u8]>, Stop> {
    let mut bytes = Vec::new();
    source.take(WORKBOOK_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Stop::Io)?;
    if bytes.len() as u64 > WORKBOOK_BYTES_MAX {
        let detail = format!("the workbook has more than {WORKBOOK_BYTES_MAX} bytes");
        return Err(Refusal::new(Code::TOO_LARGE, detail).into());
    }
    Ok(bytes.into())
}

fn read(source: Source, format: Encoding, told: &Told, pieces: &SyncSender<io::Result<Vec<u8>>>) -> Result<(), Stop> {
    let mut lines = Lines::new(pieces, told);
    match format {
        Encoding::Ilr => ilr::read(source, told, &mut lines)?,
        Encoding::Xls => sheets::xls(whole(source)?, told, &mut lines)?,
        Encoding::Ods => ods::read(whole(source)?, told, &mut lines)?,
        _ => sheets::xlsx(whole(source)?, told, &mut lines)?,
    }
    lines.finish()
}

#[cfg(test)]
#[allow(clippy::print_stdout, reason = "a test that skips says so")]
mod tests;
