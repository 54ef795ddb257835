//! Pass two over an arrival's original: every row to the desk. It reads from the vault only, as pass one does.

use std::collections::VecDeque;

use daybook_protocol::{
    event::{Event, FileProcessed, FileReceived, Level, Totals, Verdict},
    field::Field,
    finding::Code,
    ids::Sequence,
};

use super::{Office, OfficeError, mapping::Mapping, receipt::Report};
use crate::{
    books::index::Arrival,
    desk::{self, Cells, Context, Tokenizer},
    journal::{Draft, Judged, Pending, ReadRow, today},
    reader::{self, Block, Row},
};

/// Rows handed to the journal at a time.
const CHUNK_ROWS: usize = 1024;
/// Chunks of one file under way at once: enough that reading goes on while the disk syncs, and some twenty megabytes.
const CHUNKS_MAX: usize = 32;

impl Office {
    /// Pass two: every row to the desk, by the plan that the log has, from the first row that has no verdict yet. Gives the
    /// report on the rows if it could be written along.
    pub(super) fn second_pass(
        &self,
        state: &Arrival,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<Report>, OfficeError> {
        let (arrival, key) = (state.arrival, state.received.key);
        let unsteady = |why| OfficeError::Unsteady { arrival, why };
        let plan = state.plan.as_ref().ok_or(unsteady("its plan is missing"))?;
        let mut rows = reader::rows(self.original(state)?, plan);
        let context = self.context(state, Some(&self.tokens));
        let mapping = self.mapping(state, state.since)?;
        let mut settled = Settled { totals: state.totals, report: self.report(state), all: state.lines.row, progress };
        let mut under_way: VecDeque<(Block, Pending<Vec<Judged>>)> = VecDeque::new();
        let (mut chunk, mut sent) = (Vec::with_capacity(CHUNK_ROWS), Block::default());
        loop {
            if chunk.is_empty() {
                // Whatever was sent is committed before the journal stops.
                self.go_on()?;
                if !self.has_room()? {
                    // What was sent is recorded; the rest is judged when there is room.
                    self.take_nothing_while_closed()?;
                }
            }
            let row = rows.next()?;
            let end = row.is_none();
            if let Some(row) = row.filter(|row| row.line() > state.last_line) {
                if settled.report.is_some() {
                    sent.push(&row);
                }
                let cells = RowCells { row, columns: &plan.columns, mapping: &mapping };
                let asks = desk::read(plan.kind, &cells, &context);
                chunk.push(ReadRow { line: row.line(), asks, released: false });
            }
            // Long rows make a short chunk, so that what is under way stays small.
            if chunk.len() >= CHUNK_ROWS || sent.is_full() || (end && !chunk.is_empty()) {
                let rows = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
                let sent = std::mem::take(&mut sent);
                under_way.push_back((sent, self.journal.rows(arrival, key, rows)?));
            }
            if under_way.len() >= CHUNKS_MAX
                && let Some((sent, oldest)) = under_way.pop_front()
            {
                settled.add(&sent, &oldest.wait()?);
            }
            if end {
                break;
            }
        }
        for (sent, pending) in under_way {
            settled.add(&sent, &pending.wait()?);
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
        if waits || state.totals.rows > 0 || state.receipt.is_some() {
            return None;
        }
        // What is in the way will be told by the one who makes it from the log.
        Report::begin(self, state).ok()
    }

    /// Judges one row of an arrival again, as things stand now, after a person has let it go on. The caller has the arrival's
    /// turn.
    pub fn judge_again(&self, arrival: Sequence, line: u32) -> Result<Verdict, OfficeError> {
        let state = self.arrival(arrival)?;
        let unsteady = |why| OfficeError::Unsteady { arrival, why };
        let plan = state.plan.as_ref().ok_or(unsteady("its plan is missing"))?;
        let context = self.context(&state, Some(&self.tokens));
        let mapping = self.mapping(&state, state.since)?;
        let mut rows = reader::rows(self.original(&state)?, plan);
        while let Some(row) = rows.next()? {
            if row.line() == line {
                let cells = RowCells { row, columns: &plan.columns, mapping: &mapping };
                let row = ReadRow { line, asks: desk::read(plan.kind, &cells, &context), released: true };
                let judged = self.journal.rows(arrival, state.received.key, vec![row])?.wait()?;
                return judged.first().map(|row| row.verdict).ok_or(unsteady("it was not judged"));
            }
        }
        Err(unsteady("that line is no row of it"))
    }

    pub(super) fn context<'a>(&'a self, state: &'a Arrival, tokens: Option<&'a dyn Tokenizer>) -> Context<'a> {
        let FileReceived { centre, brand, .. } = &state.received;
        Context { tokens, policies: &self.config.policies, centre, brand, today: today() }
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
    fn add(&mut self, sent: &Block, rows: &[Judged]) {
        for row in rows {
            self.totals.count(row.verdict);
        }
        // A report that fails is given up: the receipt is then made from the log, and says what is wrong.
        self.report = self.report.take().and_then(|mut report| report.add(sent, rows).ok().map(|()| report));
        (self.progress)(self.totals.rows, self.all);
    }
}

/// A row, as the desk sees it.
pub(crate) struct RowCells<'a> {
    pub(crate) row: Row<'a>,
    pub(crate) columns: &'a [Option<Field>],
    pub(crate) mapping: &'a Mapping,
}

impl Cells for RowCells<'_> {
    fn value(&self, field: Field) -> &str {
        let text = self.row.value(field);
        self.mapping.meant(field, text).unwrap_or(text)
    }
    fn shifted(&self) -> bool {
        self.row.shifted()
    }
    fn raw(&self) -> String {
        self.row.raw().collect::<Vec<_>>().join(" | ")
    }
    fn bytes(&self) -> usize {
        self.row.bytes()
    }
    fn columns(&self) -> &[Option<Field>] {
        self.columns
    }
    fn faults(&self) -> Vec<(Field, Code)> {
        self.row.faults(self.columns)
    }
}
