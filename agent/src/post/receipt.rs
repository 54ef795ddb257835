//! The files of a receipt: written beside their place, synced, renamed into it.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
};

use daybook_protocol::{
    date::Date,
    event::{Totals, Verdict},
    finding::{Code, Finding},
    ids::{Digest, RegistrationNo, Sequence},
};
use sha2::{Digest as _, Sha256};

use super::{
    PostError, cell,
    resend::{self, Resend},
    summary::{Outcome, Summary},
};
use crate::{
    crash,
    intake::{Dir, is_treacherous, numbered, split},
    reader::Row,
};

/// Rows are written to the file when so many bytes of them have come together.
const BUFFER_BYTES: usize = 64 * 1024;
/// An earlier summary is read this far to see whose it is; the log's id stands well before.
const SUMMARY_BYTES_MAX: u64 = 64 * 1024;
/// So many names are tried. More than one is taken only where a directory has served another log before.
const NAMES_MAX: u32 = 100;

/// The byte order mark lets Excel read UTF-8 as what it is.
const HEADING: &str = "\u{feff}\"Line\",\"Identifier\",\"Verdict\",\"Code\",\"Field\",\"Fix\",\"Entry\",\"Registration\",\"Name\",\"Expires\"\r\n";

/// A row, as the report tells of it.
#[derive(Debug, Clone, Copy)]
pub struct RowVerdict<'a> {
    /// The physical line on which it begins, counted from 1.
    pub line: u32,
    /// What the sender knows it by.
    pub identifier: &'a str,
    /// What became of it.
    pub verdict: Verdict,
    /// Why; on an accepted row these are warnings.
    pub findings: &'a [Finding],
    /// Its entry.
    pub entry: Sequence,
    /// The registration that it opened or concerned, where there is one.
    pub registration: Option<RegistrationNo>,
    /// Given names and family name as they will print, where it was enrolled: the sender may want to amend them before a
    /// certificate is claimed.
    pub name: Option<[&'a str; 2]>,
    /// The last day of the registration that it opened.
    pub expires_on: Option<Date>,
    /// The row as it was sent, for the resend file; `None` where a file is told of as a whole.
    pub sent: Option<Row<'a>>,
}

/// A code as it stands in each line of the report, made once, and how often it was found.
#[derive(Debug)]
struct Told {
    code: Vec<u8>,
    fix: Vec<u8>,
    count: u64,
}

impl Told {
    fn new(code: Code) -> Self {
        let (mut cell, mut fix) = (Vec::new(), Vec::new());
        cell::push_cell(&mut cell, &code.to_string());
        cell::push_cell(&mut fix, &format!("{} {}", resend::sentence(code), code.mend()));
        Self { code: cell, fix, count: 0 }
    }
}

/// Writes one receipt, row by row. Whatever is left of one that was not finished is overwritten by the next attempt.
pub struct ReceiptWriter {
    dir: Dir,
    receipt: Sequence,
    stem: String,
    rows: File,
    /// Once a row was rejected.
    resend: Option<Resend>,
    hash: Sha256,
    buffer: Vec<u8>,
    totals: Totals,
    told: BTreeMap<Code, Told>,
}

impl fmt::Debug for ReceiptWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptWriter")
            .field("receipt", &self.receipt)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}

impl ReceiptWriter {
    /// Begins the receipt of the file that was sent as `file_name`, in the directory `receipts`, which is made where it is
    /// missing.
    pub fn create(receipts: &Path, receipt: Sequence, file_name: &str) -> Result<Self, PostError> {
        let fail = |source| PostError::Write { receipt, source };
        let dir = Dir::open_or_make(receipts).map_err(fail)?;
        let rows = dir.create(&format!(".{receipt}_rows.part")).map_err(fail)?;
        let (stem, _) = split(file_name);
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + 4096);
        buffer.extend_from_slice(HEADING.as_bytes());
        Ok(Self {
            dir,
            receipt,
            stem: stem.replace(is_treacherous, "_"),
            rows,
            resend: None,
            hash: Sha256::new(),
            buffer,
            totals: Totals::default(),
            told: BTreeMap::new(),
        })
    }

    /// Reports one row: a line for each finding, or one line if there is none.
    pub fn row(&mut self, row: &RowVerdict<'_>) -> Result<(), PostError> {
        self.totals.count(row.verdict);
        self.send_back(row)?;
        if row.findings.is_empty() {
            self.line(Some(row.line), row, None)
        } else {
            row.findings.iter().try_for_each(|finding| self.line(Some(row.line), row, Some(finding)))
        }
    }

    /// Puts a row that was rejected into the resend file, which is begun with the first.
    fn send_back(&mut self, row: &RowVerdict<'_>) -> Result<(), PostError> {
        let Some(sent) = row.sent.filter(|_| row.verdict == Verdict::Rejected) else { return Ok(()) };
        let written = match &mut self.resend {
            Some(resend) => resend.row(&sent, row.findings),
            None => Resend::create(&self.dir, &format!(".{}_resend.part", self.receipt), &sent)
                .and_then(|resend| self.resend.insert(resend).row(&sent, row.findings)),
        };
        written.map_err(|source| PostError::Write { receipt: self.receipt, source })
    }

    fn line(&mut self, line: Option<u32>, row: &RowVerdict<'_>, finding: Option<&Finding>) -> Result<(), PostError> {
        let out = &mut self.buffer;
        match line {
            Some(line) => cell::push_number(out, u64::from(line)),
            None => out.extend_from_slice(b"\"\""),
        }
        out.push(b',');
        cell::push_cell(out, row.identifier);
        out.extend_from_slice(b",\"");
        out.extend_from_slice(row.verdict.name().as_bytes());
        out.extend_from_slice(b"\",");
        if let Some(Finding { code, field }) = finding {
            let told = self.told.entry(*code).or_insert_with(|| Told::new(*code));
            told.count += 1;
            out.extend_from_slice(&told.code);
            out.extend_from_slice(b",\"");
            out.extend_from_slice(field.map_or("", |field| field.name()).as_bytes());
            out.extend_from_slice(b"\",");
            out.extend_from_slice(&told.fix);
        } else {
            out.extend_from_slice(b"\"\",\"\",\"\"");
        }
        out.push(b',');
        cell::push_number(out, row.entry.0);
        out.extend_from_slice(b",\"");
        if let Some(registration) = row.registration {
            // Writing to memory cannot fail.
            let _ = write!(out, "{registration}");
        }
        out.extend_from_slice(b"\",");
        let name = row.name.map(|[given, family]| format!("{given} {family}"));
        cell::push_cell(out, name.as_deref().unwrap_or_default().trim());
        out.extend_from_slice(b",\"");
        if let Some(day) = row.expires_on {
            let _ = write!(out, "{day}");
        }
        out.extend_from_slice(b"\"\r\n");
        if out.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), PostError> {
        self.hash.update(&self.buffer);
        let written = self.rows.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|source| PostError::Write { receipt: self.receipt, source })
    }

    /// Writes the summary and puts both files in place. Gives the SHA-256 of the row report. Where `summary` tells of the
    /// file as a whole, no rows were given, and the report has a line for each of the file's findings.
    pub fn finish(mut self, summary: &Summary<'_>) -> Result<Digest, PostError> {
        let decided = summary.correction.and_then(|correction| correction.decided);
        let expected = match summary.outcome {
            Outcome::Processed => decided.unwrap_or(summary.totals),
            _ => Totals::default(),
        };
        for logged in [expected, summary.totals] {
            if self.totals != expected || !logged.balanced() {
                return Err(PostError::Unbalanced { receipt: self.receipt, reported: self.totals, logged });
            }
        }
        let counts: Vec<_> = self.told.iter().map(|(code, told)| (*code, told.count)).collect();
        let text = summary.text(self.receipt, &counts);
        if let Some(verdict) = summary.outcome.verdict() {
            self.whole_file(verdict, summary)?;
        }
        self.flush()?;
        let report = Digest(self.hash.finalize_reset().into());
        self.put_in_place(&summary.whose(), &text)
            .map_err(|source| PostError::Write { receipt: self.receipt, source })?;
        Ok(report)
    }

    fn whole_file(&mut self, verdict: Verdict, summary: &Summary<'_>) -> Result<(), PostError> {
        let row = RowVerdict {
            line: 0,
            identifier: "",
            verdict,
            findings: &[],
            entry: summary.last,
            registration: None,
            name: None,
            expires_on: None,
            sent: None,
        };
        if summary.findings.is_empty() {
            return self.line(None, &row, None);
        }
        summary.findings.iter().try_for_each(|finding| self.line(None, &row, Some(finding)))
    }

    fn put_in_place(&mut self, whose: &str, text: &str) -> io::Result<()> {
        let (rows_part, text_part) =
            (format!(".{}_rows.part", self.receipt), format!(".{}_receipt.part", self.receipt));
        let mut summary = self.dir.create(&text_part)?;
        summary.write_all(text.as_bytes())?;
        summary.sync_all()?;
        self.rows.sync_all()?;
        if let Some(resend) = &mut self.resend {
            resend.sync()?;
        }
        let Names { rows: rows_name, resend: resend_name, text: text_name } = self.names(whose)?;
        crash::point("post.receipt.before");
        // The summary last: who sees it finds the files that it speaks of.
        self.dir.rename(&rows_part, &rows_name)?;
        if self.resend.is_some() {
            crash::point("post.receipt.resend");
            self.dir.rename(&format!(".{}_resend.part", self.receipt), &resend_name)?;
        }
        self.dir.rename(&text_part, &text_name)?;
        self.dir.sync()?;
        // DURABLE: the sender is answered. The log may say so, and the original may leave `in/`.
        crash::point("post.receipt.after");
        Ok(())
    }

    /// The names of the files, which are `<receipt>_<stem>_` and `rows.csv`, `resend.csv` or `receipt.txt`. Our own earlier copy is
    /// overwritten; a receipt of another log, or of a branch that was given up, whose number may be the same, is not.
    fn names(&self, whose: &str) -> io::Result<Names> {
        for attempt in 0..NAMES_MAX {
            let number = match attempt {
                0 => self.receipt.to_string(),
                _ => format!("{}_{}", self.receipt, attempt + 1),
            };
            let text_name = numbered(&number, &self.stem, "_receipt.txt");
            let mut earlier = Vec::new();
            if let Some((file, _)) = self.dir.read(&text_name)? {
                file.take(SUMMARY_BYTES_MAX).read_to_end(&mut earlier)?;
            }
            if earlier.is_empty() || String::from_utf8_lossy(&earlier).contains(whose) {
                let rows = numbered(&number, &self.stem, "_rows.csv");
                return Ok(Names { rows, resend: numbered(&number, &self.stem, "_resend.csv"), text: text_name });
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "every name for it is taken"))
    }
}

/// What the files of a receipt are called.
struct Names {
    rows: String,
    resend: String,
    text: String,
}

#[cfg(test)]
mod tests;
