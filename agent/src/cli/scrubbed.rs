//! The last scrub of a log as people and scripts see it. Pure: whoever asks gathers it.

use daybook_protocol::date::Timestamp;
use serde::Serialize;

use super::{
    figures::{ago, moment, number},
    status::Problem,
};
use crate::scrub::{self, Damage, Found};

/// The last scrub of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScrubStatus {
    /// When it ended; `None` if there was none.
    pub at: Option<Timestamp>,
    /// How many things were damaged or missing.
    pub faults: u64,
    /// What they are, where that is noted here.
    pub damage: Vec<Damage>,
    /// When the next one is due; `None` where none ever is.
    pub due_at: Option<Timestamp>,
}

impl ScrubStatus {
    /// The scrub that is noted beside a log which was begun at `born` and is to be scrubbed every so many days.
    pub fn noted(found: Option<Found>, born: Timestamp, days: u32) -> Self {
        let at = found.as_ref().map(|found| found.at);
        let (faults, damage) = found.map_or((0, Vec::new()), |found| (found.faults, found.damage));
        Self { at, faults, damage, due_at: scrub::due_at(at, born, days) }
    }

    /// What is wrong; what an open alarm says already is left out with `alarmed`.
    pub(super) fn problems(&self, now: Timestamp, alarmed: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(at) = self.at.filter(|_| self.faults > 0 && !alarmed) {
            let found = |what: &str| format!("found damaged on {}: {what}", moment(at));
            problems.extend(self.damage.iter().map(|damage| Problem::new(found(&damage.what), &damage.mend)));
            let unnamed = self.faults.saturating_sub(self.damage.len() as u64);
            if unnamed > 0 {
                let what = found(&format!("{} things", number(unnamed)));
                problems.push(Problem::new(what, "what they are, says: daybook scrub"));
            }
        }
        if scrub::is_overdue(self.due_at, now) {
            let since = self.due_at.map_or_else(String::new, moment);
            let what = format!("log, keys and originals were to be scrubbed on {since} and were not");
            problems.push(Problem::new(what, "daybook scrub"));
        }
        problems
    }

    /// When it was and what was found, on one line.
    pub(super) fn text(&self, now: Timestamp) -> String {
        match (self.at, self.faults) {
            (None, _) => "never (daybook scrub)".to_owned(),
            (Some(at), 0) => format!("{}, good", ago(at, now)),
            (Some(at), faults) => format!("{}, {} damaged", ago(at, now), number(faults)),
        }
    }

    /// The same in a table.
    pub(super) fn in_brief(&self, now: Timestamp) -> String {
        if self.at.is_none() { "never".to_owned() } else { self.text(now) }
    }
}
