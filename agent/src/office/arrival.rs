//! One arrival along the straight line: preserved, read, judged, answered, filed.
//!
//! Each step ends in an entry, and the next step is chosen by what the log says. A crash between two steps is therefore
//! nothing special: whoever takes the arrival up again goes on where the log ends.

use std::{
    collections::VecDeque,
    io::{self, Read},
    path::PathBuf,
};

use daybook_protocol::{
    event::{
        Event, FileClosed, FileParsed, FileProcessed, FileReceived, Level, Lines, OriginalFiled, Place, ReceiptIssued,
        Totals, Verdict as RowVerdict,
    },
    field::{Field, Kind},
    finding::{Code, Finding, Severity, worst},
    ids::{Digest, Sequence},
};

use tracing::error;

use super::{
    Office, OfficeError,
    heeding::{Heeding, heeded},
    receipt::{Identifiers, Report},
};
use crate::{
    books::index::{Arrival, Index, Stage, Verdict},
    config::Folder,
    desk::{self, Cells, Context, NoTokens, Survey, Tokenizer},
    intake::{self, Filed, Filing, Version},
    journal::{Draft, Judged, Pending, ReadRow, today},
    reader::{self, Planned, ReadError, Row, Wanted},
    vault::Ahead,
};

/// Rows handed to the journal at a time.
const CHUNK_ROWS: usize = 1024;
/// Chunks of one file under way at once: enough that reading and writing overlap.
const CHUNKS_MAX: usize = 6;

/// A shorter original is read before a thread that reads ahead would have begun.
const AHEAD_BYTES_MIN: u64 = 1 << 20;

/// What an arrival waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing: its handling is finished.
    Nothing,
    /// The central node, before it is answered.
    Mirror,
}

/// What came of a file, for whoever handed it in.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Arrived {
    /// The file's name.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its receipt's number: the sequence of its `FileReceived`.
    pub receipt: Sequence,
    /// What it was read as.
    pub kind: Option<Kind>,
    /// What came of it as a whole.
    pub outcome: Option<Verdict>,
    /// What became of its rows.
    #[serde(flatten)]
    pub totals: Totals,
    /// What the checks found in the file as a whole.
    pub findings: Vec<Finding>,
    /// The earlier arrival of the same bytes.
    pub same_as: Option<Sequence>,
}

impl Office {
    /// Goes on with every file that a command handed over and that was not finished, and gives those there were. What
    /// somebody is at work on is left to them.
    pub fn resume_handed(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Arrival>, OfficeError> {
        let open = self.journal.look(Index::open_arrivals)?;
        let handed: Vec<_> = open.into_iter().filter(|arrival| arrival.received.folder.is_empty()).collect();
        for arrival in handed.iter().filter(|arrival| !self.turns.is_taken(arrival.arrival)) {
            match self.proceed(arrival.arrival, progress) {
                Err(error @ (OfficeError::Journal(_) | OfficeError::Stopping)) => return Err(error),
                // One file that cannot be handled must not stop the rest.
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    error!(arrival = arrival.arrival.0, error, "a file that was handed over cannot be handled");
                }
                Ok(_) => {}
            }
        }
        Ok(handed)
    }

    /// Judges one row of an arrival again, as things stand now, after a person has let it go on.
    pub fn judge_again(&self, arrival: Sequence, line: u32) -> Result<RowVerdict, OfficeError> {
        let state = self.arrival(arrival)?;
        let unsteady = |why| OfficeError::Unsteady { arrival, why };
        let plan = state.plan.as_ref().ok_or(unsteady("its plan is missing"))?;
        let context = self.context(&state, &self.tokens);
        let mut rows = reader::rows(self.original(&state)?, plan);
        while let Some(row) = rows.next()? {
            if row.line() == line {
                let cells = RowCells { row, columns: &plan.columns };
                let row = ReadRow { line, asks: desk::read(plan.kind, &cells, &context), released: true };
                let judged = self.journal.rows(arrival, state.received.key, vec![row])?.wait()?;
                return judged.first().map(|row| row.verdict).ok_or(unsteady("it was not judged"));
            }
        }
        Err(unsteady("that line is no row of it"))
    }

    /// Takes an arrival as far along the line as it can go now, or until the wish to stop. Waits while somebody else is
    /// at work on it. `progress` hears of rows done and rows in all.
    pub fn proceed(&self, arrival: Sequence, progress: &mut dyn FnMut(u64, u64)) -> Result<Waiting, OfficeError> {
        let _turn = self.turn(arrival);
        let mut report = None;
        loop {
            let state = self.arrival(arrival)?;
            match state.stage {
                Stage::Received => self.first_pass(&state).map_err(heeded)?,
                Stage::Parsed => report = self.second_pass(&state, progress).map_err(heeded)?,
                Stage::Judged if !self.safe_enough(&state) => return Ok(Waiting::Mirror),
                Stage::Judged => self.answer(&state, report.take()).map_err(heeded)?,
                Stage::Answered => self.file(&state)?,
                Stage::Filed => return Ok(Waiting::Nothing),
            }
        }
    }

    /// What the log says of an arrival.
    pub fn arrival(&self, arrival: Sequence) -> Result<Arrival, OfficeError> {
        self.journal.look(move |index| index.arrival(arrival).cloned())?.ok_or(OfficeError::NoArrival(arrival))
    }

    /// What came of an arrival, for whoever handed it in.
    pub fn arrived(&self, arrival: Sequence) -> Result<Arrived, OfficeError> {
        let state = self.arrival(arrival)?;
        let rows = state.lines.row;
        // Of a file that was not judged row by row, every row shares the file's verdict.
        let totals = match state.verdict {
            Some(Verdict::Rejected) => Totals { rows, rejected: rows, ..Totals::default() },
            Some(Verdict::Held) => Totals { rows, held: rows, ..Totals::default() },
            _ => state.totals,
        };
        Ok(Arrived {
            file: self.file_name(&state)?,
            sha256: state.received.sha256,
            receipt: arrival,
            kind: state.plan.as_ref().map(|plan| plan.kind),
            outcome: state.verdict,
            totals,
            findings: state.findings.clone(),
            same_as: state.received.same_as,
        })
    }

    /// Pass one: finds out how the file is to be read and whether it can be judged row by row.
    fn first_pass(&self, state: &Arrival) -> Result<(), OfficeError> {
        let wanted = Wanted { kind: state.received.kind, header_map: &[] };
        let open = || self.original(state).map_err(io::Error::other);
        let draft = match reader::plan(&open, &wanted) {
            Err(ReadError::Refused { findings, .. }) => closing(state, findings, Lines::default(), false),
            Err(error) => return Err(error.into()),
            Ok(planned) => self.survey(state, planned)?,
        };
        self.journal.note(draft)?;
        // DURABLE: the plan, or the verdict on the whole file.
        Ok(())
    }

    /// Reads the whole file by its plan and checks the fields of every row, to see whether it is what it seems.
    fn survey(&self, state: &Arrival, planned: Planned) -> Result<Draft, OfficeError> {
        let Planned { plan, mut findings } = planned;
        let mut rows = reader::rows(self.original(state)?, &plan);
        let context = self.context(state, &NoTokens);
        let mut survey = Survey::new(plan.kind);
        loop {
            self.go_on()?;
            match rows.next() {
                Ok(Some(row)) => {
                    let cells = RowCells { row, columns: &plan.columns };
                    survey.add(&cells, &desk::look_at(plan.kind, &cells, &context));
                }
                Ok(None) => break,
                Err(ReadError::Refused { findings, .. }) => return Ok(closing(state, findings, rows.lines(), false)),
                Err(error) => return Err(error.into()),
            }
        }
        findings.extend(survey.finish(&self.config.policy));
        if self.folder(state).is_some_and(|folder| !folder.expects(plan.kind)) {
            findings.push(Code::KIND_NOT_ALLOWED.into());
        }
        let lines = rows.lines();
        match worst(&findings) {
            Some(Severity::Error) => Ok(closing(state, findings, lines, false)),
            Some(Severity::Query) if !state.released => Ok(closing(state, findings, lines, true)),
            _ => {
                let parsed = FileParsed { arrival: state.arrival, plan, lines };
                Ok(Draft { findings, ..Draft::of_file(state.arrival, Event::FileParsed(parsed)) })
            }
        }
    }

    /// Pass two: every row to the desk, by the plan that the log has, from the first row that has no verdict yet. Gives the
    /// report on the rows if it could be written along.
    fn second_pass(&self, state: &Arrival, progress: &mut dyn FnMut(u64, u64)) -> Result<Option<Report>, OfficeError> {
        let (arrival, key) = (state.arrival, state.received.key);
        let unsteady = |why| OfficeError::Unsteady { arrival, why };
        let plan = state.plan.as_ref().ok_or(unsteady("its plan is missing"))?;
        let mut rows = reader::rows(self.original(state)?, plan);
        let context = self.context(state, &self.tokens);
        let mut settled = Settled { totals: state.totals, report: self.report(state), all: state.lines.row, progress };
        let mut under_way: VecDeque<(Identifiers, Pending<Vec<Judged>>)> = VecDeque::new();
        let (mut chunk, mut identifiers) = (Vec::with_capacity(CHUNK_ROWS), Identifiers::default());
        loop {
            // Whatever was sent is committed before the journal stops.
            self.go_on()?;
            let row = rows.next()?;
            let end = row.is_none();
            if let Some(row) = row.filter(|row| row.line() > state.last_line) {
                identifiers.push(&row);
                let cells = RowCells { row, columns: &plan.columns };
                let asks = desk::read(plan.kind, &cells, &context);
                chunk.push(ReadRow { line: row.line(), asks, released: false });
            }
            if chunk.len() >= CHUNK_ROWS || (end && !chunk.is_empty()) {
                let rows = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
                let identifiers = std::mem::take(&mut identifiers);
                under_way.push_back((identifiers, self.journal.rows(arrival, key, rows)?));
            }
            if under_way.len() >= CHUNKS_MAX
                && let Some((identifiers, oldest)) = under_way.pop_front()
            {
                settled.add(&identifiers, &oldest.wait()?);
            }
            if end {
                break;
            }
        }
        for (identifiers, pending) in under_way {
            settled.add(&identifiers, &pending.wait()?);
        }
        let Settled { totals, report, .. } = settled;
        if rows.lines() != state.lines || totals.rows != state.lines.row || !totals.balanced() {
            return Err(unsteady("its rows were counted differently before"));
        }
        let processed = FileProcessed { arrival, totals };
        self.journal.note(Draft::of_file(arrival, Event::FileProcessed(processed)))?;
        // DURABLE: every row has its verdict, and the totals say so.
        Ok(report)
    }

    /// Begins to report on an arrival's rows, unless some were judged before or its sender has to wait for their answer:
    /// then the report is made from the log.
    fn report(&self, state: &Arrival) -> Option<Report> {
        let waits = self.folder(state).is_some_and(|folder| folder.answer_after == Level::Mirrored);
        if waits || state.totals.rows > 0 {
            return None;
        }
        // What is in the way will be told by the one who makes it from the log.
        Report::begin(self, state).ok()
    }

    /// Fails once the wish to stop is there.
    pub(super) fn go_on(&self) -> Result<(), OfficeError> {
        if self.stop.is_asked() { Err(OfficeError::Stopping) } else { Ok(()) }
    }

    fn context<'a>(&'a self, state: &'a Arrival, tokens: &'a dyn Tokenizer) -> Context<'a> {
        let FileReceived { centre, brand, .. } = &state.received;
        Context { tokens, policy: &self.config.policy, centre, brand, today: today() }
    }

    /// The drop folder that an arrival came in, if it is still configured.
    fn folder(&self, state: &Arrival) -> Option<&Folder> {
        self.config.folders.iter().find(|folder| folder.name == state.received.folder)
    }

    /// The original, from its beginning, to be read until the wish to stop.
    pub(super) fn original(&self, state: &Arrival) -> Result<Box<dyn Read + Send>, OfficeError> {
        let original = self.vault.read(state.received.sha256, &self.keyring)?;
        let original = Heeding::new(original, self.stop.clone());
        if state.received.bytes < AHEAD_BYTES_MIN {
            return Ok(Box::new(original));
        }
        let ahead = Ahead::new(original);
        Ok(Box::new(ahead.map_err(|source| OfficeError::Disk { path: self.reading.home.vault(), source })?))
    }

    /// The name under which a file arrived.
    pub fn file_name(&self, state: &Arrival) -> Result<String, OfficeError> {
        let entry = self.reading.entry(state.arrival)?.ok_or(OfficeError::NoArrival(state.arrival))?;
        let private = entry.sealed.as_ref().and_then(|sealed| self.reading.reveal(entry.sequence, sealed));
        let name = private.as_ref().and_then(|private| private.value(Field::FileName)).map(str::to_owned);
        Ok(name.unwrap_or_else(|| format!("arrival-{}", state.arrival)))
    }

    /// Whether an arrival's facts are as safe as its folder wants them before the sender is answered.
    fn safe_enough(&self, state: &Arrival) -> bool {
        match self.folder(state).map(|folder| folder.answer_after) {
            Some(Level::Mirrored) => self.level(state) == Level::Mirrored,
            _ => true,
        }
    }

    /// How safe an arrival's facts are now.
    fn level(&self, state: &Arrival) -> Level {
        let last = state.judged.unwrap_or(state.arrival);
        let position = self.mirror.borrow();
        let mirrored = position.log_through > last.0 && position.originals_through > state.arrival;
        if mirrored { Level::Mirrored } else { Level::Local }
    }

    /// Writes the receipt and records that it was written.
    fn answer(&self, state: &Arrival, report: Option<Report>) -> Result<(), OfficeError> {
        let level = self.level(state);
        let report = super::receipt::write(self, state, report, level)?;
        let issued = ReceiptIssued { arrival: state.arrival, level, report };
        self.journal.note(Draft::of_file(state.arrival, Event::ReceiptIssued(issued)))?;
        // DURABLE: the sender has been answered, and the log says so.
        Ok(())
    }

    /// Where receipts for an arrival are written.
    pub(super) fn receipts(&self, state: &Arrival) -> PathBuf {
        self.folder(state).map_or_else(|| self.reading.home.receipts(), Folder::receipts)
    }

    /// Moves the original out of the drop folder and records that it was moved.
    fn file(&self, state: &Arrival) -> Result<(), OfficeError> {
        let wanted = if state.verdict == Some(Verdict::Held) { Place::Held } else { Place::Done };
        let place = match self.folder(state) {
            None => Place::Nowhere,
            Some(folder) => {
                let FileReceived { file_id, bytes, modified_at, .. } = state.received;
                let name = self.file_name(state)?;
                let version = Version { file_id, bytes, modified_at };
                let filing = Filing { name: &name, version, receipt: state.arrival, received_at: state.received_at() };
                match intake::file_away(folder, &filing, wanted)? {
                    Filed::Done => wanted,
                    // The sender changed or took it. The vault has what was judged; what is there now is a new arrival.
                    Filed::Changed | Filed::Missing => Place::Nowhere,
                }
            }
        };
        let filed = OriginalFiled { arrival: state.arrival, place };
        self.journal.note(Draft::of_file(state.arrival, Event::OriginalFiled(filed)))?;
        // DURABLE: nothing is left to do for this arrival.
        Ok(())
    }
}

/// What has become of the rows of a file so far.
struct Settled<'a> {
    totals: Totals,
    report: Option<Report>,
    /// How many rows the file has.
    all: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Settled<'_> {
    /// Rows whose verdicts are durable.
    fn add(&mut self, identifiers: &Identifiers, rows: &[Judged]) {
        for row in rows {
            self.totals.count(row.verdict);
        }
        // A report that fails is given up: the receipt is then made from the log, and says what is wrong.
        self.report = self.report.take().and_then(|mut report| report.add(identifiers, rows).ok().map(|()| report));
        (self.progress)(self.totals.rows, self.all);
    }
}

/// The verdict on a whole file: refused, or held for a person.
fn closing(state: &Arrival, findings: Vec<Finding>, lines: Lines, held: bool) -> Draft {
    let closed = FileClosed { arrival: state.arrival, lines };
    let event = if held { Event::FileHeld(closed) } else { Event::FileRejected(closed) };
    Draft { findings, ..Draft::of_file(state.arrival, event) }
}

/// A row, as the desk sees it.
struct RowCells<'a> {
    row: Row<'a>,
    columns: &'a [Option<Field>],
}

impl Cells for RowCells<'_> {
    fn value(&self, field: Field) -> &str {
        self.row.value(field)
    }
    fn shifted(&self) -> bool {
        self.row.shifted()
    }
    fn raw(&self) -> String {
        self.row.raw().collect::<Vec<_>>().join(" | ")
    }
    fn columns(&self) -> &[Option<Field>] {
        self.columns
    }
}
