//! Receipts: what became of each row, in the order of the rows.
//!
//! The report is written along with the verdicts, as they become durable, while a file is judged. Where that was cut off, or
//! the sender is to be answered later, it is made from the log and the original alone: the rows are read again by the plan
//! that the log has, beside the entries that give them their verdicts. The same bytes come out either way.

use daybook_protocol::{
    batch::Header,
    date::Date,
    entry::{Entry, Source},
    event::{Level, Totals, Verdict},
    field::Field,
    finding::Finding,
    ids::{Digest, RegistrationNo, Sequence},
};

use super::{Office, OfficeError};
use crate::{
    books::index::{self, Arrival, Decided},
    journal::Judged,
    post::{Correction, Outcome, ReceiptWriter, RowVerdict, Summary},
    reader::{self, Block, Row, Rows},
};

/// The report on the rows of an arrival, while they are judged.
pub(super) struct Report(ReceiptWriter);

impl Report {
    /// Begins the first report on an arrival, of which no row was judged before.
    pub(super) fn begin(office: &Office, state: &Arrival) -> Result<Self, OfficeError> {
        let name = office.file_name(state)?;
        Ok(Self(ReceiptWriter::create(&office.receipts(state), state.arrival, &name)?))
    }

    /// Adds rows whose verdicts are durable.
    pub(super) fn add(&mut self, sent: &Block, rows: &[Judged]) -> Result<(), OfficeError> {
        for (sent, row) in sent.rows().zip(rows) {
            let Judged { verdict, findings, sequence, registration, expires_on, .. } = row;
            self.0.row(&told(&sent, *verdict, findings, (*sequence, *registration, *expires_on)))?;
        }
        Ok(())
    }
}

/// Writes the next receipt of an arrival whose verdict is in the log: the first one, of which the report on the rows may be
/// there already, or one that corrects it by what a person decided since. Gives the digest of its row report.
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
    let last = state.last();
    let mut decided = None;
    let receipt = if let Some(Report(receipt)) = report {
        receipt
    } else {
        let mut receipt = ReceiptWriter::create(&office.receipts(state), state.next_receipt(), &name)?;
        if state.is_to_correct() {
            decided = Some(decided_rows(office, state, &mut receipt)?);
        } else if outcome == Outcome::Processed {
            rows(office, state, last, &mut receipt)?;
        }
        receipt
    };
    let header = batch_of(office, last)?;
    let header = header.ok_or(OfficeError::Unsteady { arrival: state.arrival, why: "its last entry is missing" })?;
    let totals = match outcome {
        Outcome::Processed if decided.is_some() => state.standing,
        Outcome::Processed => state.totals,
        _ => Totals::default(),
    };
    let findings = if decided.is_some() { Vec::new() } else { state.told_findings() };
    let summary = Summary {
        file_name: &name,
        sha256: state.received.sha256,
        received_at: state.received_at(),
        centre: &state.received.centre,
        kind: state.plan.as_ref().map(|plan| plan.kind),
        outcome,
        replaces: state.replaces,
        correction: state.corrects().map(|receipt| Correction { receipt, decided }),
        totals,
        lines: state.lines,
        findings: &findings,
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
            receipt.row(&told_by(&entry, &row))?;
        }
        if frame.header().end() > last {
            break;
        }
    }
    Ok(())
}

/// Reports the rows that a person has decided on since the last receipt, in the order of the file, and counts them.
fn decided_rows(office: &Office, state: &Arrival, receipt: &mut ReceiptWriter) -> Result<Totals, OfficeError> {
    let unsteady = |why| OfficeError::Unsteady { arrival: state.arrival, why };
    let plan = state.plan.as_ref().ok_or(unsteady("its plan is missing"))?;
    let mut original: Rows = reader::rows(office.original(state)?, plan);
    let mut decided = state.decided.clone();
    decided.sort_unstable_by_key(|decided| decided.line);
    let mut totals = Totals::default();
    for Decided { line, entry } in decided {
        office.go_on()?;
        let entry = office.reading.entry(entry)?.ok_or(unsteady("the verdict on a row is missing"))?;
        let row = loop {
            match original.next()? {
                Some(row) if row.line() < line => {}
                found => break found.filter(|row| row.line() == line),
            }
        };
        totals.count(entry.event.verdict());
        receipt.row(&told_by(&entry, &row.ok_or(unsteady("a row that was held is none of its rows"))?))?;
    }
    Ok(totals)
}

/// A row as the report tells of it, by its entry.
fn told_by<'a>(entry: &'a Entry, row: &Row<'a>) -> RowVerdict<'a> {
    let event = &entry.event;
    told(row, event.verdict(), &entry.findings, (entry.sequence, event.registration(), event.expires_on()))
}

fn told<'a>(
    row: &Row<'a>,
    verdict: Verdict,
    findings: &'a [Finding],
    (entry, registration, expires_on): (Sequence, Option<RegistrationNo>, Option<Date>),
) -> RowVerdict<'a> {
    let name = [Field::GivenNames, Field::FamilyName].map(|field| row.value(field));
    RowVerdict {
        line: row.line(),
        identifier: identifier(row),
        verdict,
        findings,
        entry,
        registration,
        // Only an enrolment opens a registration that has a last day.
        name: expires_on.map(|_| name),
        expires_on,
        sent: Some(*row),
    }
}

/// What its sender knows a row by.
fn identifier<'a>(row: &Row<'a>) -> &'a str {
    let known_by = [Field::CentreRef, Field::RegistrationNo, Field::CertificateNo, Field::Uln];
    known_by.iter().map(|field| row.value(*field)).find(|value| !value.is_empty()).unwrap_or_default()
}
