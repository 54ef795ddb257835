//! Files as a whole: whether so many of their rows would be in error that a person had been asked.

use std::io;

use daybook_protocol::{
    entry::Entry,
    event::{Event, FileClosed, FileParsed, Plan},
    finding::{Code, Finding, Severity, worst},
    ids::Sequence,
};

use super::{Difference, Replay, Said, differing};
use crate::{
    desk::{self, Context, Survey},
    office::{OfficeError, RowCells},
    reader::{self, Wanted},
    zone::day_in_london,
};

impl Replay<'_> {
    /// Looks through a file again that was judged row by row or was held. Its rows are judged as they were in either case: where they
    /// would have been held, as if a person had let them go on; where they were held and would not have been, there are none.
    pub(super) fn file(&mut self, entry: Entry) -> Result<Option<Difference>, OfficeError> {
        let (arrival, plan) = match &entry.event {
            Event::FileParsed(parsed) => (parsed.arrival, Some(parsed.plan.clone())),
            Event::FileHeld(closed) => (closed.arrival, None),
            _ => return Ok(self.fold(entry)),
        };
        let would_be = self.would_be(&entry, arrival, plan)?;
        let difference = would_be.map(|would_be| differing(entry.clone(), would_be));
        self.fold(entry);
        Ok(difference)
    }

    fn would_be(&mut self, entry: &Entry, arrival: Sequence, plan: Option<Plan>) -> Result<Option<Said>, OfficeError> {
        let Some(state) = self.index.arrival(arrival).filter(|state| !state.is_seen()) else { return Ok(None) };
        let (state, today) = (state.clone(), day_in_london(entry.recorded_at));
        let mapping = self.mapping(&state, entry.sequence)?;
        let plan = if let Some(plan) = plan {
            plan
        } else {
            let open = || self.office.original(&state).map_err(io::Error::other);
            let wanted = Wanted { kind: state.received.kind, header_map: &mapping.headings };
            // What nobody can read is held whatever the policy says.
            let Ok(planned) = reader::plan(&open, &wanted) else { return Ok(None) };
            planned.plan
        };
        let Some(original) = self.original(&state)? else { return Ok(None) };
        let mut rows = reader::rows(original, &plan);
        let (centre, brand) = (state.received.centre.as_str(), state.received.brand.as_str());
        let context = Context { tokens: None, policies: self.policies, centre, brand, today };
        let mut survey = Survey::new(plan.kind);
        while let Ok(Some(row)) = rows.next() {
            let cells = RowCells { row, columns: &plan.columns, mapping: &mapping };
            survey.add(&cells, &desk::look_at(plan.kind, &cells, &context));
        }
        self.office.go_on()?;
        self.done.files += 1;
        let lines = rows.lines();
        let findings = with_errors(&entry.findings, &survey.finish(self.policies.on(today)));
        let held = worst(&findings) == Some(Severity::Query);
        if held == matches!(entry.event, Event::FileHeld(_)) {
            return Ok(None);
        }
        let event = if held {
            Event::FileHeld(FileClosed { arrival, lines })
        } else {
            Event::FileParsed(FileParsed { arrival, plan, lines })
        };
        Ok(Some(Said { event: Some(event), findings }))
    }
}

/// What was found in a file, with the shares of rows in error as they would be.
fn with_errors(found: &[Finding], surveyed: &[Finding]) -> Vec<Finding> {
    let by_policy = |finding: &&Finding| finding.code == Code::TOO_MANY_ERRORS;
    let rest = found.iter().filter(|finding| !by_policy(finding));
    rest.chain(surveyed.iter().filter(by_policy)).copied().collect()
}
