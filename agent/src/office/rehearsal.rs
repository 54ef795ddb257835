//! What a file of orders would come to, without anything being recorded: read and judged as it would be, row after row, each by
//! what the rows before it would have changed.
//!
//! It is judged by an index of its own, folded from the lives of whoever its rows may be about: what the journal decides by is
//! neither copied nor touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Cursor, Read},
    sync::Arc,
};

use daybook_protocol::{
    date::Timestamp,
    entry::{Actor, Entry, Source},
    event::{Event, RowDuplicate, RowRejected, Verdict},
    field::Kind,
    finding::{Finding, Severity, worst},
    ids::{RegistrationNo, Sequence},
};
use serde::Serialize;

use super::{Office, OfficeError, judging::RowCells, mapping::Mapping};
use crate::{
    books::index::Index,
    desk::{self, Command, Context, Decision, Objection, Occasion, Registers, Rejected, Survey},
    journal::today,
    reader::{self, ReadError, Wanted},
};

/// A rehearsal is in memory, and read by a person: a file has at most so many orders.
pub const ORDERS_MAX: usize = 10_000;

/// What a file of orders would come to.
#[derive(Debug, Default)]
pub struct Rehearsed {
    /// What the checks found in the file as a whole.
    pub findings: Vec<Finding>,
    /// What each row would come to; none where the file as a whole is refused.
    pub rows: Vec<RowRehearsed>,
}

/// What a row would come to. Scripts rely on the names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowRehearsed {
    /// The physical line on which it begins, counted from 1.
    pub line: u32,
    /// The word for what becomes of it.
    pub verdict: &'static str,
    /// The event that it would be.
    #[serde(rename = "type")]
    pub event: &'static str,
    /// The registration that it would concern, where that names one.
    pub registration: Option<RegistrationNo>,
    /// The entry that stands in the way, or did the same before.
    pub against: Option<Sequence>,
    /// The line of the row of this file that would, where it is one.
    pub against_line: Option<u32>,
    /// What the checks found.
    pub findings: Vec<Finding>,
}

/// A row of orders, read.
type Asked = (u32, Result<Command, Rejected>);

impl Rehearsed {
    /// Whether the file as a whole would be refused.
    pub fn is_refused(&self) -> bool {
        worst(&self.findings) == Some(Severity::Error)
    }

    /// How many rows would come to a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict.name()).count()
    }
}

impl Office {
    /// Judges a file of orders of one kind as if `operator` had given them, and records nothing.
    pub fn rehearse(&self, kind: Kind, bytes: &Arc<[u8]>, operator: &str) -> Result<Rehearsed, OfficeError> {
        let (findings, asked) = match self.read_orders(kind, bytes) {
            Err(OfficeError::Read(ReadError::Refused { findings, .. })) => (findings, Vec::new()),
            read => read?,
        };
        let mut rehearsed = Rehearsed { findings, rows: Vec::with_capacity(asked.len()) };
        if rehearsed.is_refused() {
            return Ok(rehearsed);
        }
        let (asked, learners, registers) = self.journal.look_by(move |index, registers| {
            let commands = asked.iter().filter_map(|(_, asks)| asks.as_ref().ok());
            let learners: BTreeSet<_> = commands.flat_map(|command| index.concerned(command)).collect();
            (asked, learners, registers.clone())
        })?;
        let mut known: Vec<Entry> = Vec::new();
        for learner in learners {
            known.extend(self.reading.life(learner)?);
        }
        known.sort_unstable_by_key(|entry| entry.sequence);
        known.dedup_by_key(|entry| entry.sequence);
        let next = Sequence(self.reading.entries.count());
        let mut stage =
            Stage { office: self, scratch: Index::of_some(&known), registers, next, lines: BTreeMap::new(), operator };
        for row in asked {
            rehearsed.rows.push(stage.play(row)?);
        }
        Ok(rehearsed)
    }

    /// Reads all rows, with what is found in the file as a whole.
    fn read_orders(&self, kind: Kind, bytes: &Arc<[u8]>) -> Result<(Vec<Finding>, Vec<Asked>), OfficeError> {
        let open = || -> io::Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(Arc::clone(bytes)))) };
        let planned = reader::plan(&open, &Wanted { kind: Some(kind), header_map: &[] })?;
        let policies = &self.config.policies;
        let context = Context { tokens: Some(&self.tokens), policies, centre: "", brand: "", today: today() };
        let (mut rows, mut survey) = (reader::rows(open().map_err(ReadError::from)?, &planned.plan), Survey::new(kind));
        let (mut asked, mut findings) = (Vec::new(), planned.findings);
        // An office's own file belongs to no centre, and nobody's words are learned for it.
        let mapping = Mapping::default();
        while let Some(row) = rows.next()? {
            if asked.len() >= ORDERS_MAX {
                return Err(OfficeError::TooManyOrders);
            }
            let line = row.line();
            let cells = RowCells { row, columns: &planned.plan.columns, mapping: &mapping };
            survey.add(&cells, &desk::look_at(kind, &cells, &context));
            asked.push((line, desk::read(kind, &cells, &context)));
        }
        findings.extend(rows.findings());
        findings.extend(survey.finish(policies.on(today())));
        Ok((findings, asked))
    }
}

/// Where the rows are played, one after the other.
struct Stage<'a> {
    office: &'a Office,
    scratch: Index,
    /// The registers in force.
    registers: Registers,
    /// The place that the next accepted row would have, if nothing came in between.
    next: Sequence,
    /// The lines of the rows that have such places.
    lines: BTreeMap<Sequence, u32>,
    operator: &'a str,
}

impl Stage<'_> {
    fn play(&mut self, (line, asks): Asked) -> Result<RowRehearsed, OfficeError> {
        let mut command = match asks {
            Ok(command) => command,
            Err(Rejected { findings, .. }) => {
                let event = Event::RowRejected(RowRejected { learner: None, against: None });
                return Ok(self.told(line, &event, findings));
            }
        };
        let occasion = Occasion { arrival: None, today: today(), released: false };
        self.registers.vouch(&mut command);
        let mut findings = command.findings.clone();
        let decision = self.scratch.judge(&command, occasion, &self.office.config.policies);
        if let Some(against) = self.registers.against(&command, &decision, |no| self.scratch.terms_of(no)) {
            findings.extend(against.findings);
            let event = RowRejected { learner: decision.learner(), against: Some(against.version) };
            return Ok(self.told(line, &Event::RowRejected(event), findings));
        }
        let event = match decision {
            Decision::Accept(fact) => {
                let registration = RegistrationNo { epoch: self.office.identity.epoch, sequence: self.next };
                let nobody_new = || Err(OfficeError::Unrecordable("no operator orders enrolments".to_owned()));
                let (event, _) = fact.into_event(registration, nobody_new)?;
                self.takes_place(line, &command, event.clone());
                event
            }
            Decision::Duplicate(first) => Event::RowDuplicate(RowDuplicate { first }),
            Decision::Reject(objection) | Decision::Hold(objection) => {
                let Objection { finding, against, learner } = objection;
                findings.push(finding);
                Event::RowRejected(RowRejected { learner, against })
            }
        };
        Ok(self.told(line, &event, findings))
    }

    /// The rows that follow see what this one would have done.
    fn takes_place(&mut self, line: u32, command: &Command, event: Event) {
        let entry = Entry {
            sequence: self.next,
            recorded_at: Timestamp::from(jiff::Timestamp::now()),
            effective_on: Some(command.effective_on),
            actor: Actor::Operator(self.operator.to_owned()),
            source: Source::Command,
            governed_by: Sequence(0),
            findings: Vec::new(),
            event,
            sealed: None,
        };
        self.scratch.apply_alone(&entry);
        self.lines.insert(self.next, line);
        self.next = self.next.plus(1);
    }

    fn told(&self, line: u32, event: &Event, findings: Vec<Finding>) -> RowRehearsed {
        let against = match event {
            Event::RowRejected(row) => row.against,
            Event::RowDuplicate(row) => Some(row.first),
            _ => None,
        };
        let against_line = against.and_then(|against| self.lines.get(&against).copied());
        let against = against.filter(|_| against_line.is_none());
        let (verdict, registration) = (event.verdict().name(), event.registration());
        RowRehearsed { line, verdict, event: event.name(), registration, against, against_line, findings }
    }
}
