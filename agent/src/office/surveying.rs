//! Pass one over an arrival's original: how the file is to be read, and whether it can be judged row by row. Two threads
//! check rows, because a large file is otherwise read on one core while the other has nothing to do.

use std::{
    io, panic,
    sync::mpsc::{self, TrySendError},
    thread,
};

use daybook_protocol::{
    event::{Event, FileClosed, FileParsed, Lines, Plan},
    finding::{Code, Finding, Severity, worst},
    ids::Sequence,
};

use super::{Office, OfficeError, judging::RowCells, mapping::Mapping};
use crate::{
    books::index::Arrival,
    desk::{self, Context, Survey},
    journal::{Draft, today},
    reader::{self, Block, Planned, ReadError, Rows, Wanted},
};

/// Blocks that wait for the second thread at once: enough that it never waits, and a few megabytes.
const BLOCKS_MAX: usize = 4;

impl Office {
    /// Pass one: finds out how the file is to be read and whether it can be judged row by row.
    pub(super) fn first_pass(&self, state: &Arrival) -> Result<(), OfficeError> {
        let mapping = self.mapping(state, Sequence(u64::MAX))?;
        let wanted = Wanted { kind: state.received.kind, header_map: &mapping.headings };
        let open = || self.original(state).map_err(io::Error::other);
        let planned = reader::plan(&open, &wanted);
        let draft = match planned {
            Err(ReadError::Refused { findings, .. }) => {
                let findings = self.in_doubt(state, findings)?;
                // Where nothing but a question is in the way the file waits for a person; what they let go on and nobody can read
                // goes back.
                let held = worst(&findings) == Some(Severity::Query) && !state.is_seen();
                closing(state, findings, Lines::default(), held)
            }
            Err(error) => return Err(error.into()),
            Ok(planned) => self.survey(state, planned, &mapping)?,
        };
        self.journal.note(draft)?;
        // DURABLE: the plan, or the verdict on the whole file.
        Ok(())
    }

    /// Reads the whole file by its plan and checks the fields of every row, to see whether it is what it seems.
    fn survey(&self, state: &Arrival, planned: Planned, mapping: &Mapping) -> Result<Draft, OfficeError> {
        let Planned { plan, mut findings } = planned;
        let mut rows = reader::rows(self.original(state)?, &plan);
        let survey = match self.look_through(state, &plan, mapping, &mut rows) {
            Ok(survey) => survey,
            Err(OfficeError::Read(ReadError::Refused { findings, .. })) => {
                return Ok(closing(state, findings, rows.lines(), false));
            }
            Err(error) => return Err(error),
        };
        findings.extend(rows.findings());
        findings.extend(survey.finish(self.config.policies.on(today())));
        // A learner record is what it is, whatever it was said to be.
        let unexpected = state.received.kind.is_some_and(|said| said != plan.kind);
        if unexpected || self.folder(state).is_some_and(|folder| !folder.expects(plan.kind)) {
            findings.push(Code::KIND_NOT_ALLOWED.into());
        }
        let lines = rows.lines();
        match worst(&findings) {
            Some(Severity::Error) => Ok(closing(state, findings, lines, false)),
            Some(Severity::Query) if !state.is_seen() => Ok(closing(state, findings, lines, true)),
            _ => {
                let parsed = FileParsed { arrival: state.arrival, plan, lines };
                Ok(Draft { findings, ..Draft::of_file(state.arrival, Event::FileParsed(parsed)) })
            }
        }
    }

    /// Checks the fields of all rows: a second thread takes block after block, and the one that reads checks a block itself
    /// whenever the other has enough to do.
    fn look_through(
        &self,
        state: &Arrival,
        plan: &Plan,
        mapping: &Mapping,
        rows: &mut Rows,
    ) -> Result<Survey, OfficeError> {
        let context = self.context(state, None);
        let (to_other, blocks) = mpsc::sync_channel::<Block>(BLOCKS_MAX);
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut survey = Survey::new(plan.kind);
                for block in blocks {
                    look_at(&block, (plan, mapping), &context, &mut survey);
                }
                survey
            });
            let mut survey = Survey::new(plan.kind);
            let read = self.blocks(rows, |block| match to_other.try_send(block) {
                Ok(()) => {}
                Err(TrySendError::Full(block) | TrySendError::Disconnected(block)) => {
                    look_at(&block, (plan, mapping), &context, &mut survey);
                }
            });
            drop(to_other);
            let others = other.join().unwrap_or_else(|cause| panic::resume_unwind(cause));
            read?;
            survey.merge(&others);
            Ok(survey)
        })
    }

    /// Reads all rows and hands them out in blocks.
    fn blocks(&self, rows: &mut Rows, mut hand_out: impl FnMut(Block)) -> Result<(), OfficeError> {
        let mut block = Block::default();
        while let Some(row) = rows.next()? {
            block.push(&row);
            if block.is_full() {
                self.go_on()?;
                hand_out(std::mem::take(&mut block));
            }
        }
        hand_out(block);
        Ok(())
    }
}

/// Checks the fields of a block's rows.
fn look_at(block: &Block, (plan, mapping): (&Plan, &Mapping), context: &Context<'_>, survey: &mut Survey) {
    for row in block.rows() {
        let cells = RowCells { row, columns: &plan.columns, mapping };
        survey.add(&cells, &desk::look_at(plan.kind, &cells, context));
    }
}

/// The verdict on a whole file: refused, or held for a person.
fn closing(state: &Arrival, findings: Vec<Finding>, lines: Lines, held: bool) -> Draft {
    let closed = FileClosed { arrival: state.arrival, lines };
    let event = if held { Event::FileHeld(closed) } else { Event::FileRejected(closed) };
    Draft { findings, ..Draft::of_file(state.arrival, event) }
}
