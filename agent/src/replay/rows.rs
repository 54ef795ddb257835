//! Rows, read again from their originals by the plans that the log has.

use std::{collections::HashMap, io::Read};

use daybook_protocol::{date::Date, event::Plan, ids::Sequence};

use super::{Place, Replay};
use crate::{
    books::index::Arrival,
    desk::{self, Command, Context, Rejected, Tokenizer},
    office::{Mapping, OfficeError, RowCells},
    reader::{self, Rows},
};

/// So many files are open at once, at most: as many as folders are at work on at a time, and far fewer as a rule.
const OPEN_MAX: usize = 64;

/// The files that are being read again.
#[derive(Default)]
pub(super) struct Reread(HashMap<Sequence, Open>);

struct Open {
    rows: Rows,
    plan: Plan,
    mapping: Mapping,
    centre: String,
    brand: String,
    /// The line of the last row that was read; 0 before the first.
    last_line: u32,
}

impl Reread {
    /// A file that is done with.
    pub(super) fn close(&mut self, arrival: Sequence) {
        self.0.remove(&arrival);
    }
}

impl Replay<'_> {
    /// What a row asks for, by the policies that are tried; `None` where its original cannot be read.
    pub(super) fn read_again(
        &mut self,
        (arrival, line): Place,
        today: Date,
    ) -> Result<Option<Result<Command, Rejected>>, OfficeError> {
        let passed = self.reread.0.get(&arrival).is_some_and(|open| open.last_line >= line);
        if passed || !self.reread.0.contains_key(&arrival) {
            let Some(open) = self.open(arrival)? else { return Ok(None) };
            if self.reread.0.len() >= OPEN_MAX {
                self.reread.0.clear();
            }
            self.reread.0.insert(arrival, open);
        }
        let Some(open) = self.reread.0.get_mut(&arrival) else { return Ok(None) };
        while let Ok(Some(row)) = open.rows.next() {
            open.last_line = row.line();
            if row.line() == line {
                let cells = RowCells { row, columns: &open.plan.columns, mapping: &open.mapping };
                let (centre, brand) = (open.centre.as_str(), open.brand.as_str());
                let tokens: &dyn Tokenizer = self.office.tokens();
                let context = Context { tokens: Some(tokens), policies: self.policies, centre, brand, today };
                return Ok(Some(desk::read(open.plan.kind, &cells, &context)));
            }
        }
        self.office.go_on()?;
        self.reread.close(arrival);
        Ok(None)
    }

    fn open(&self, arrival: Sequence) -> Result<Option<Open>, OfficeError> {
        let Some(state) = self.index.arrival(arrival) else { return Ok(None) };
        let Some(plan) = state.plan.clone() else { return Ok(None) };
        let Some(original) = self.original(state)? else { return Ok(None) };
        let mapping = self.mapping(state, state.since)?;
        let (centre, brand) = (state.received.centre.clone(), state.received.brand.clone());
        Ok(Some(Open { rows: reader::rows(original, &plan), plan, mapping, centre, brand, last_line: 0 }))
    }

    /// What headings and values meant in an arrival before an entry.
    pub(super) fn mapping(&self, state: &Arrival, before: Sequence) -> Result<Mapping, OfficeError> {
        self.office.mapping_in(self.in_force.folder(&state.received.folder), state, before)
    }

    /// An original, from its beginning; `None` where the vault cannot give it.
    pub(super) fn original(&self, state: &Arrival) -> Result<Option<Box<dyn Read + Send>>, OfficeError> {
        match self.office.original(state) {
            Ok(original) => Ok(Some(original)),
            Err(OfficeError::Vault(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
