//! Receipts: what became of each row, in the order of the rows.
//!
//! The report is written along with the verdicts, as they become durable, while a file is judged. Where that was cut off, or
//! the sender is to be answered later, it is made from the log and the original alone: the rows are read again by the plan
//! that the log has, beside the entries that give them their verdicts. The same bytes come out either way.

use daybook_protocol::{
    batch::Header,
    entry::Source,
    event::{Level, Totals},
    field::Field,
    ids::{Digest, Sequence},
};

use super::{Office, OfficeError};
use crate::{
    books::index::{self, Arrival},
    journal::Judged,
    post::{Outcome, ReceiptWriter, RowVerdict, Summary},
    reader::{self, Row, Rows},
};

/// The report on the rows of an arrival, while they are judged.
pub(super) struct Report(ReceiptWriter);

/// What a sender knows each row by, from the reading of a row to its verdict.
#[derive(Default)]
pub(super) struct Identifiers {
    texts: String,
    ends: Vec<usize>,
}

impl Identifiers {
    pub(super) fn push(&mut self, row: &Row<'_>) {
        self.texts.push_str(identifier(row));
        self.ends.push(self.texts.len());
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| self.texts.get(begin..*end).unwrap_or_default())
    }
}

impl Report {
    /// Begins the report on an arrival of which no row was judged before.
    pub(super) fn begin(office: &Office, state: &Arrival) -> Result<Self, OfficeError> {
        let name = office.file_name(state)?;
        Ok(Self(ReceiptWriter::create(&office.receipts(state), state.arrival, &name)?))
    }

    /// Adds rows whose verdicts are durable.
    pub(super) fn add(&mut self, identifiers: &Identifiers, rows: &[Judged]) -> Result<(), OfficeError> {
        for (identifier, row) in identifiers.iter().zip(rows) {
            let Judged { line, sequence, verdict, findings, registration } = row;
            let (line, verdict, entry, registration) = (*line, *verdict, *sequence, *registration);
            self.0.row(&RowVerdict { line, identifier, verdict, findings, entry, registration })?;
        }
        Ok(())
    }
}

/// Writes the receipt of an arrival whose verdict is in the log, and gives the digest of its row report, of which the rows
/// may be there already.
pub(super) fn write(
    office: &Office,
    state: &Arrival,
    report: Option<Report>,
    level: Level,
) -> Result<Digest, OfficeError> {
    let name = office.file_name(state)?;
    let outcome = match state.verdict {
        Some(index::Verdict::Held) => Outcome::Held,
        Some(index::Verdict::Rejected) => Outcome::Rejected,
        _ => Outcome::Processed,
    };
    let last = state.judged.unwrap_or(state.arrival);
    let receipt = if let Some(report) = report {
        report.0
    } else {
        let mut receipt = ReceiptWriter::create(&office.receipts(state), state.arrival, &name)?;
        if outcome == Outcome::Processed {
            rows(office, state, last, &mut receipt)?;
        }
        receipt
    };
    let header = batch_of(office, last)?;
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

/// Reports the rows of an arrival from the log and its original.
fn rows(office: &Office, state: &Arrival, last: Sequence, receipt: &mut ReceiptWriter) -> Result<(), OfficeError> {
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
            receipt.row(&RowVerdict {
                line,
                identifier: identifier(&row),
                verdict: entry.event.verdict(),
                findings: &entry.findings,
                entry: entry.sequence,
                registration: entry.event.registration(),
            })?;
        }
        if frame.header().end() > last {
            break;
        }
    }
    Ok(())
}

/// What its sender knows a row by.
fn identifier<'a>(row: &Row<'a>) -> &'a str {
    let known_by = [Field::CentreRef, Field::RegistrationNo, Field::CertificateNo, Field::Uln];
    known_by.iter().map(|field| row.value(*field)).find(|value| !value.is_empty()).unwrap_or_default()
}
