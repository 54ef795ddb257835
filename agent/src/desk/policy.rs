//! The limits that offices set for themselves (DOMAIN.md 3.2, 3.6, 6.5), with their defaults.

use daybook_protocol::{field::Kind, finding::Code};
use serde::Deserialize;

/// The rules of the desk. An entry names the configuration, and with it the policy, that governed it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// For how many years a registration lasts.
    pub registration_years: i16,
    /// How often a registration may be deferred, extensions counted.
    pub deferrals_max: u8,
    /// For how many days in all a registration may be deferred.
    pub deferral_days_max: i32,
    /// For how many days after the agreed day a late resumption is still taken without a person's word. Then the deferral has
    /// lapsed.
    pub resume_grace_days: i32,
    /// How many days ahead a withdrawal may be dated.
    pub withdrawal_ahead_days: i32,
    /// For how many days a withdrawal can be reversed, from its own day or the day it was recorded, whichever is later.
    pub reversal_days: i32,
    /// The youngest age at the start, in years.
    pub age_min: i16,
    /// The oldest age at the start, in years.
    pub age_max: i16,
    /// Ages at the start outside these are flagged, in years.
    pub age_usual: [i16; 2],
    /// How often a certificate may be sent, the first time counted.
    pub dispatches_max: u8,
    /// A file with more than this share of its rows in error is held, in percent.
    pub row_errors_percent_max: u8,
    /// A file with more than this share of one column in error is held, in percent.
    pub column_errors_percent_max: u8,
    /// What an operator orders only together with another one: it is proposed, and takes effect when a manager who is not the
    /// proposer approves it. Files are not meant: those have a sender.
    pub two_person: Vec<Kind>,
    /// For which codes a held row is let go on only by two operators in the same way.
    pub two_person_release: Vec<Code>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            registration_years: 3,
            deferrals_max: 2,
            deferral_days_max: 365,
            resume_grace_days: 30,
            withdrawal_ahead_days: 30,
            reversal_days: 30,
            age_min: 10,
            age_max: 100,
            age_usual: [14, 85],
            dispatches_max: 3,
            row_errors_percent_max: 30,
            column_errors_percent_max: 50,
            two_person: Vec::new(),
            two_person_release: Vec::new(),
        }
    }
}
