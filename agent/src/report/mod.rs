//! Reports: what auditors and regulators ask of a log (DOMAIN.md 4.2), answered from the books and the entries they point to.
//!
//! Each question is a function from a log and what was asked to a [`Table`]; how a table is printed is the table's own matter.
//! A report reveals nothing personal unless it is asked to. It reads only, so that it can be asked of a copy too.
//!
//! What happened is taken by the day on which it was recorded, in London, but for withdrawals, deferrals and early ends, which are taken by
//! the day from which they hold. Both ends of a period belong to it.

mod amendments;
mod deferrals;
mod duplicates;
mod early;
mod files;
mod log;
mod overrides;
mod states;
mod table;
mod withdrawals;

use clap::ValueEnum;
use daybook_protocol::{
    date::{Date, Timestamp},
    ids::{RegistrationNo, Sequence},
};
use serde::{Deserialize, Serialize};

pub use self::table::{Cell, Form, Table};
use crate::{
    office::{OfficeError, Reading},
    zone::london,
};

/// So many rows are told at most: a report is read by people, and it is put together in memory.
pub const ROWS_MAX: usize = 100_000;

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// Files received, what became of their rows, and how often each was answered
    Files,
    /// Withdrawals, those without a reason and those that were reversed marked
    Withdrawals,
    /// Deferrals that lapsed or went beyond a limit, as of the last day asked about or today
    Deferrals,
    /// Amendments of name, birth date or ULN
    Amendments,
    /// One ULN with several learners, one learner with several ULNs
    Duplicates,
    /// Registrations completed or certificated on their first day, or sooner than the office allows
    Early,
    /// What operators released, refused or put on record by their own word
    Overrides,
    /// Where registrations stood on a day, as known then and as known now
    States,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Only what concerns this centre.
    pub centre: Option<String>,
    /// Only this registration; for [`Name::States`].
    pub registration: Option<RegistrationNo>,
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
    /// Whether what is personal is shown.
    pub reveal: bool,
    /// The day on which states are judged where no last day is given.
    pub today: Date,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The log or its books cannot be asked.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// There is no such registration.
    #[error("there is no registration {0}")]
    NoRegistration(RegistrationNo),
    /// There is too much to tell.
    #[error("more than {ROWS_MAX} rows: narrow it down with --centre, --from and --to")]
    TooLong,
}

/// What `?` makes of the errors below an office.
macro_rules! through_office {
    ($($error:ty),*) => {
        $(impl From<$error> for ReportError {
            fn from(error: $error) -> Self {
                Self::Office(error.into())
            }
        })*
    };
}
through_office!(
    crate::books::read_model::ReadModelError,
    crate::store::StoreError,
    daybook_protocol::batch::BatchError
);

/// Puts a report together.
pub fn report(reading: &Reading, name: Name, asked: &Asked) -> Result<Table, ReportError> {
    match name {
        Name::Files => files::files(reading, asked),
        Name::Withdrawals => withdrawals::withdrawals(reading, asked),
        Name::Deferrals => deferrals::deferrals(reading, asked),
        Name::Amendments => amendments::amendments(reading, asked),
        Name::Duplicates => duplicates::duplicates(reading, asked),
        Name::Early => early::early(reading, asked),
        Name::Overrides => overrides::overrides(reading, asked),
        Name::States => states::states(reading, asked),
    }
}

impl Asked {
    /// The first moment of the period, and the first one behind it.
    fn moments(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.from.and_then(begin_of), self.to.and_then(|day| begin_of(day.plus_days(1))))
    }

    /// The places of the log in which the period was recorded.
    fn places(&self, reading: &Reading) -> Result<(Sequence, Sequence), ReportError> {
        let count_before = |moment: Timestamp| reading.count_at(Timestamp(moment.0 - 1));
        let (from, to) = self.moments();
        let from = from.map(count_before).transpose()?.unwrap_or(Sequence(0));
        let to = to.map(count_before).transpose()?.unwrap_or(Sequence(reading.entries.count()));
        Ok((from, to))
    }

    fn has_day(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    fn has_centre(&self, centre: &str) -> bool {
        self.centre.as_ref().is_none_or(|asked| asked == centre)
    }
}

/// The moment at which a day begins in London.
fn begin_of(day: Date) -> Option<Timestamp> {
    london().to_timestamp(day.civil().at(0, 0, 0, 0)).ok().map(Timestamp::from)
}

/// A count with its word.
fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
