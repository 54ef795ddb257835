//! Receipts, written from the log and the original alone: the rows are read again by the plan that the log has, beside the
//! entries that give them their verdicts. The same bytes come out whenever it is done.

use daybook_protocol::{
    batch::Header,
    entry::{Entry, Source},
    event::{Event, Level, Totals},
    field::Field,
    ids::{Digest, Sequence},
};

use super::{Office, OfficeError};
use crate::{
    books::index::{self, Arrival},
    post::{Outcome, ReceiptWriter, RowVerdict, Summary, Verdict},
    reader::{self, Row, Rows},
};

/// Writes the receipt of an arrival whose verdict is in the log, and gives the digest of its row report.
pub(super) fn write(office: &Office, state: &Arrival, level: Level) -> Result<Digest, OfficeError> {
    let name = office.file_name(state)?;
    let mut receipt = ReceiptWriter::create(&office.receipts(state), state.arrival, &name)?;
    let outcome = match state.verdict {
        Some(index::Verdict::Held) => Outcome::Held,
        Some(index::Verdict::Rejected) => Outcome::Rejected,
        _ => Outcome::Processed,
    };
    let last = state.judged.unwrap_or(state.arrival);
    let header = match outcome {
        Outcome::Processed => rows(office, state, last, &mut receipt)?,
        _ => batch_of(office, last)?,
    };
    let header = header.ok_or(OfficeError::Unsteady { arrival: state.arrival, why: "its last entry is missing" })?;
    let totals = if outcome == Outcome::Processed { state.totals } else { Totals::default() };
    let summary = Summary {
        file_name: &name,
        sha256: state.received.sha256,
        received_at: state.received_at(),
        centre: &state.received.centre,
        kind: state.plan.as_ref().map(|plan| plan.kind),
        outcome,
        totals,
        lines: state.lines,
        findings: &state.findings,
        log: office.identity.log,
        epoch: header.epoch,
        last,
        root: header.root,
        root_count: header.end().0,
        level,
    };
    Ok(receipt.finish(&summary)?)
}

/// The header of the batch that holds an entry.
fn batch_of(office: &Office, sequence: Sequence) -> Result<Option<Header>, OfficeError> {
    Ok(office.reading.entries.frames(sequence).next().transpose()?.map(|frame| *frame.header()))
}

/// Reports the rows of an arrival, and gives the header of the batch that holds its last entry.
fn rows(
    office: &Office,
    state: &Arrival,
    last: Sequence,
    receipt: &mut ReceiptWriter,
) -> Result<Option<Header>, OfficeError> {
    let unsteady = |why| OfficeError::Unsteady { arrival: state.arrival, why };
    let plan = state.plan.as_ref().ok_or(unsteady("its plan is missing"))?;
    let mut original: Rows = reader::rows(office.original(state)?, plan);
    for frame in office.reading.entries.frames(state.since) {
        office.go_on()?;
        let frame = frame?;
        for entry in frame.entries() {
            let entry = entry?;
            let Source::Row { arrival, line } = entry.source else { continue };
            if arrival != state.arrival || entry.sequence < state.since || entry.sequence > last {
                continue;
            }
            let row = original.next()?.filter(|row| row.line() == line);
            let row = row.ok_or(unsteady("its rows do not stand where the log has them"))?;
            receipt.row(&told(&entry, &row))?;
        }
        if frame.header().end() > last {
            return Ok(Some(*frame.header()));
        }
    }
    Ok(None)
}

fn told<'a>(entry: &'a Entry, row: &Row<'a>) -> RowVerdict<'a> {
    let verdict = match &entry.event {
        Event::RowRejected(_) => Verdict::Rejected,
        Event::RowHeld(_) => Verdict::Held,
        Event::RowDuplicate(_) => Verdict::Duplicate,
        _ => Verdict::Accepted,
    };
    let known_by = [Field::CentreRef, Field::RegistrationNo, Field::CertificateNo, Field::Uln];
    RowVerdict {
        line: match entry.source {
            Source::Row { line, .. } => line,
            _ => 0,
        },
        identifier: known_by.iter().map(|field| row.value(*field)).find(|value| !value.is_empty()).unwrap_or_default(),
        verdict,
        findings: &entry.findings,
        entry: entry.sequence,
        registration: entry.event.registration(),
    }
}
