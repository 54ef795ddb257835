//! The rules that offices set for themselves (DOMAIN.md 0.2, decision 7; 2.8, 3.2, 3.6, 6.5), with their defaults. A policy is data, and has
//! a day from which it holds: see [`Policies`].

mod dated;
mod reasons;

use daybook_protocol::{date::Date, field::Kind, finding::Code};
use serde::Deserialize;

pub use dated::{Dated, Policies};
pub use reasons::{Known, OwnReasons};

/// More days than any limit of an office: a century. Days are added to dates.
const DAYS_MAX: i32 = 36_500;
/// The longest registration, in years, and the oldest age.
const YEARS_MAX: i16 = 150;
/// The most weeks that may be asked for before a completion: ten years.
const WEEKS_MAX: u16 = 520;

/// Each setting once: what it means, its name, its type, and what it usually is. Gives [`Policy`] and how it is written.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $usual:expr;)+) => {
        /// The rules of the desk at one time. An entry names the configuration, and its effective date the policy within, that governed it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Policy {
            $($(#[doc = $doc])+ pub $name: $type,)+
            /// What an office calls reasons of withdrawal, beside what is known anyway.
            pub reasons: OwnReasons,
        }

        impl Default for Policy {
            fn default() -> Self {
                Self { $($name: $usual,)+ reasons: OwnReasons::default() }
            }
        }

        impl Policy {
            /// Every setting but the reasons, by its name and as it is written, in the order of the configuration.
            pub fn settings(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), format!("{:?}", self.$name)),)+]
            }
        }

        /// A policy as it is written: what it does not state is as in the one before.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Written {
            name: Option<String>,
            #[serde(deserialize_with = "dated::day")]
            from: Option<Date>,
            since: Vec<Written>,
            reasons: reasons::Written,
            two_person: Option<Vec<Kind>>,
            two_person_release: Option<Vec<Code>>,
            $($name: Option<$type>,)+
        }

        impl Written {
            /// The policy that it makes of the one before.
            fn upon(&self, before: &Policy) -> Result<Policy, String> {
                let reasons = before.reasons.with(&self.reasons)?;
                Ok(Policy { $($name: self.$name.unwrap_or(before.$name),)+ reasons })
            }
        }
    };
}

settings! {
    /// For how many years a registration lasts; by the policy of its first day.
    registration_years: i16 = 3;
    /// How often a registration may be deferred, extensions counted.
    deferrals_max: u8 = 2;
    /// For how many days in all a registration may be deferred.
    deferral_days_max: i32 = 365;
    /// For how many days after the agreed day a late resumption is still taken without a person's word. Then the deferral has
    /// lapsed.
    resume_grace_days: i32 = 30;
    /// Whether a registration lasts longer by the days for which it was deferred; by the policy of the day of resumption. What was
    /// decided stands in the log.
    extend_expiry_by_deferral: bool = false;
    /// How many days ahead a withdrawal may be dated.
    withdrawal_ahead_days: i32 = 30;
    /// For how many days a withdrawal can be reversed, from its own day or the day it was recorded, whichever is later.
    reversal_days: i32 = 30;
    /// How many weeks after its first day a qualification can be completed, or a first certificate sent, at the earliest.
    min_weeks_registration_to_completion: u16 = 0;
    /// The youngest age at the start, in years.
    age_min: i16 = 10;
    /// The oldest age at the start, in years.
    age_max: i16 = 100;
    /// Ages at the start outside these are flagged, in years.
    age_usual: [i16; 2] = [14, 85];
    /// How often a certificate may be sent, the first time counted.
    dispatches_max: u8 = 3;
    /// A file with more than this share of its rows in error is held, in percent; by the policy of the day it is read.
    row_errors_percent_max: u8 = 30;
    /// A file with more than this share of one column in error is held, in percent; by the policy of the day it is read.
    column_errors_percent_max: u8 = 50;
}

impl Policy {
    /// The first day on which the qualification of a registration can be completed that begins on a day.
    pub(super) fn completed_from(&self, start: Date) -> Date {
        start.plus_days(7 * i32::from(self.min_weeks_registration_to_completion))
    }

    /// What no office can mean, if there is such a thing.
    fn fault(&self) -> Option<String> {
        let within = |name: &str, value: i64, [least, most]: [i64; 2]| {
            (value < least || value > most).then(|| format!("{name} is {value}, and must be from {least} to {most}"))
        };
        let days = |name, days: i32| within(name, i64::from(days), [0, i64::from(DAYS_MAX)]);
        let age = |name, years: i16| within(name, i64::from(years), [0, i64::from(YEARS_MAX)]);
        let percent = |name, share: u8| within(name, i64::from(share), [0, 100]);
        let upward = |names: [&str; 2], [low, high]: [i16; 2]| {
            let [least, most] = names;
            (low > high).then(|| format!("{least} is {low}, above {most}, which is {high}"))
        };
        let [usual_min, usual_max] = self.age_usual;
        within("registration_years", i64::from(self.registration_years), [1, i64::from(YEARS_MAX)])
            .or_else(|| days("deferral_days_max", self.deferral_days_max))
            .or_else(|| days("resume_grace_days", self.resume_grace_days))
            .or_else(|| days("withdrawal_ahead_days", self.withdrawal_ahead_days))
            .or_else(|| days("reversal_days", self.reversal_days))
            .or_else(|| {
                let weeks = i64::from(self.min_weeks_registration_to_completion);
                within("min_weeks_registration_to_completion", weeks, [0, i64::from(WEEKS_MAX)])
            })
            .or_else(|| age("age_min", self.age_min))
            .or_else(|| age("age_max", self.age_max))
            .or_else(|| upward(["age_min", "age_max"], [self.age_min, self.age_max]))
            .or_else(|| age("the first age of age_usual", usual_min))
            .or_else(|| age("the second age of age_usual", usual_max))
            .or_else(|| upward(["the first age of age_usual", "the second"], [usual_min, usual_max]))
            .or_else(|| within("dispatches_max", i64::from(self.dispatches_max), [1, i64::from(u8::MAX)]))
            .or_else(|| percent("row_errors_percent_max", self.row_errors_percent_max))
            .or_else(|| percent("column_errors_percent_max", self.column_errors_percent_max))
    }
}
