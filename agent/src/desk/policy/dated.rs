//! Policies with the days from which they hold. The first one holds from ever, each later one says only what it changes. A decision is
//! made by the policy in force on the fact's own effective date, so that a back-file is judged as its own time would have
//! judged it.

use std::{fmt, iter};

use daybook_protocol::{date::Date, field::Kind, finding::Code};
use serde::{Deserialize, Deserializer, de};
use toml::value::Datetime;

use super::{Policy, Written};

/// The name of a policy is at most this long: it stands in every answer about what it decided.
const NAME_CHARS_MAX: usize = 64;

/// A policy with the day from which it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dated {
    /// What people call it, where it has a name.
    pub name: Option<String>,
    /// From which day it holds; `None` for the first one, which holds from ever.
    pub from: Option<Date>,
    /// What it says.
    pub policy: Policy,
}

impl fmt::Display for Dated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name:?}, ")?;
        }
        match self.from {
            Some(day) => write!(f, "from {day}"),
            None => f.write_str("from the beginning"),
        }
    }
}

/// Policies, one behind the other: `[policy]`, and `[[policy.since]]` for each later one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Written")]
pub struct Policies {
    first: Dated,
    /// In the order of their days.
    later: Vec<Dated>,
    two_person: Vec<Kind>,
    two_person_release: Vec<Code>,
}

impl From<Policy> for Policies {
    /// One policy, which holds from ever.
    fn from(policy: Policy) -> Self {
        Self { first: Dated { policy, ..Dated::default() }, ..Self::default() }
    }
}

impl Policies {
    /// The policy in force on a day.
    pub fn on(&self, day: Date) -> &Policy {
        &self.version_on(day).policy
    }

    /// The policy in force on a day, with its name and first day.
    pub fn version_on(&self, day: Date) -> &Dated {
        self.later.iter().rev().find(|later| later.from <= Some(day)).unwrap_or(&self.first)
    }

    /// What an operator orders only together with another one: it is proposed, and takes effect when a manager who is not the
    /// proposer approves it. Files are not meant: those have a sender. It holds whatever the day, since it is about who may order today, and
    /// not about when what they order took place: otherwise an earlier date would do in the place of another person.
    pub fn two_person(&self) -> &[Kind] {
        &self.two_person
    }

    /// For which codes a held row is let go on only by two operators in the same way, whatever the day.
    pub fn two_person_release(&self) -> &[Code] {
        &self.two_person_release
    }

    /// All of them, in the order of their days.
    pub fn versions(&self) -> impl Iterator<Item = &Dated> {
        iter::once(&self.first).chain(&self.later)
    }

    /// Whether each says what an office can mean; the error says which one does not, and why. It is asked of a configuration that
    /// is to be used, and not of one in the log: that was good when it was adopted.
    pub fn check(&self) -> Result<(), String> {
        let fault = self.versions().find_map(|version| version.policy.fault().map(|fault| (version, fault)));
        fault.map_or(Ok(()), |(version, fault)| Err(format!("the policy {version}: {fault}")))
    }
}

impl TryFrom<Written> for Policies {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        if written.from.is_some() {
            return Err("[policy] itself holds from ever: give `from` to a [[policy.since]]".to_owned());
        }
        let first = dated(&written, &Policy::default())?;
        let (two_person, two_person_release) = (written.two_person, written.two_person_release);
        let (two_person, two_person_release) = (two_person.unwrap_or_default(), two_person_release.unwrap_or_default());
        let mut policies = Self { first, later: Vec::new(), two_person, two_person_release };
        for later in &written.since {
            let last = policies.later.last().unwrap_or(&policies.first);
            let next = dated(later, &last.policy).map_err(|why| format!("a [[policy.since]]: {why}"))?;
            if next.from.is_none() {
                return Err(
                    "a [[policy.since]] needs the day from which it holds, such as `from = 2026-09-01`".to_owned()
                );
            }
            if !later.since.is_empty() {
                return Err("a [[policy.since]] has no `since` of its own: put them one behind the other".to_owned());
            }
            if later.two_person.is_some() || later.two_person_release.is_some() {
                return Err(
                    "`two_person` and `two_person_release` hold whatever the day: put them into [policy] itself"
                        .to_owned(),
                );
            }
            if next.from <= last.from {
                return Err(format!(
                    "the policy {next} stands behind that {last}: put them in the order of their days"
                ));
            }
            if next.name.is_some() && policies.versions().any(|other| other.name == next.name) {
                return Err(format!("two policies are named {:?}", next.name.unwrap_or_default()));
            }
            policies.later.push(next);
        }
        Ok(policies)
    }
}

fn dated(written: &Written, before: &Policy) -> Result<Dated, String> {
    let wrong = |name: &&String| {
        name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control)
    };
    if let Some(name) = written.name.as_ref().filter(wrong) {
        return Err(format!("a policy's name is 1 to {NAME_CHARS_MAX} letters in one line, not {name:?}"));
    }
    Ok(Dated { name: written.name.clone(), from: written.from, policy: written.upon(before)? })
}

/// A day, as TOML has it or as a text.
pub(super) fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Day {
        Plain(Datetime),
        Text(String),
    }
    let wrong = || de::Error::custom("`from` is a day, such as 2026-09-01");
    let text = match Day::deserialize(deserializer).map_err(|_| wrong())? {
        Day::Plain(plain) => plain.to_string(),
        Day::Text(text) => text,
    };
    text.parse().map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use daybook_protocol::event::WithdrawalReason;

    use super::*;
    use crate::desk::scene::day;

    #[derive(Deserialize)]
    struct Whole {
        policy: Policies,
    }

    fn read(text: &str) -> Result<Policies, String> {
        let whole: Whole = toml::from_str(text).map_err(|error| error.to_string())?;
        whole.policy.check().map(|()| whole.policy)
    }

    const THREE: &str = "[policy]\nname = \"old\"\ndeferrals_max = 4\n[policy.reasons]\n\"gone to work\" = \"LEFT_COURSE\"\n\
        [[policy.since]]\nfrom = 2026-09-01\nname = \"2026/27\"\ndeferral_days_max = 180\n\
        [policy.since.reasons]\n42 = \"OTHER\"\n\
        [[policy.since]]\nfrom = \"2027-09-01\"\ndeferrals_max = 1\n";

    /// Goal: on each day its own policy is in force, and says what it states and what it takes over. Method: three, asked on both
    /// sides of each day.
    #[test]
    fn each_day_has_its_policy() {
        let policies = read(THREE).expect("good policies");
        for (on, name, deferrals, days) in [
            ("1970-01-01", "\"old\", from the beginning", 4, 365),
            ("2026-08-31", "\"old\", from the beginning", 4, 365),
            ("2026-09-01", "\"2026/27\", from 2026-09-01", 4, 180),
            ("2027-08-31", "\"2026/27\", from 2026-09-01", 4, 180),
            ("2027-09-01", "from 2027-09-01", 1, 180),
            ("2099-01-01", "from 2027-09-01", 1, 180),
        ] {
            let found = policies.version_on(day(on));
            let said = (found.to_string(), found.policy.deferrals_max, found.policy.deferral_days_max);
            assert_eq!(said, (name.to_owned(), deferrals, days), "{on}");
        }
        let known = |on, word| policies.on(day(on)).reasons.named(word).map(|(reason, _)| reason);
        assert_eq!(known("2026-08-31", "gonetowork"), Some(WithdrawalReason::LeftCourse));
        assert_eq!((known("2026-08-31", "42"), known("2028-01-01", "42")), (None, Some(WithdrawalReason::Other)));
        assert_eq!(read("[policy]\n"), Ok(Policies::default()));
    }

    /// Goal: what no office can mean is refused, with which policy and why; and nothing that one can. Method: a table.
    #[test]
    fn mistakes_are_named() {
        let since = |more: &str| format!("[policy]\n[[policy.since]]\nfrom = 2026-09-01\n{more}");
        for (text, word) in [
            ("[policy]\nfrom = 2026-09-01\n".to_owned(), "holds from ever"),
            ("[policy]\n[[policy.since]]\nage_min = 12\n".to_owned(), "needs the day"),
            (since("[[policy.since]]\nfrom = 2026-09-01\n"), "in the order of their days"),
            (since("[[policy.since]]\nfrom = 2026-08-31\n"), "in the order of their days"),
            (since("[[policy.since.since]]\nfrom = 2026-08-31\n"), "no `since` of its own"),
            (
                since("name = \"a\"\n[[policy.since]]\nfrom = 2027-09-01\nname = \"a\"\n"),
                "two policies are named \"a\"",
            ),
            (since("name = \" \"\n"), "a policy's name"),
            (since("two_person = [\"voids\"]\n"), "whatever the day"),
            (since("two_person_release = [\"4S-002\"]\n"), "whatever the day"),
            (since("deferals_max = 1\n"), "deferals_max"),
            (since("deferrals_max = -1\n"), "-1"),
            (since("age_min = 101\n"), "from 2026-09-01: age_min is 101, above age_max, which is 100"),
            (since("age_usual = [30, 20]\n"), "above the second"),
            (since("row_errors_percent_max = 101\n"), "from 0 to 100"),
            (since("resume_grace_days = -3\n"), "resume_grace_days is -3"),
            (since("registration_years = 0\n"), "from 1 to 150"),
            (since("dispatches_max = 0\n"), "dispatches_max is 0"),
            ("[policy]\n[[policy.since]]\nfrom = 2026-13-01\n".to_owned(), "2026-13-01"),
            ("[policy]\n[[policy.since]]\nfrom = \"autumn\"\n".to_owned(), "is a day"),
            ("[policy.reasons]\nbored = \"BORED\"\n".to_owned(), "BORED"),
            ("[policy.reasons]\n\"!\" = \"OTHER\"\n".to_owned(), "says nothing"),
            ("[policy.reasons]\n\"Gone home\" = \"OTHER\"\n\"gone-home\" = \"LEFT_COURSE\"\n".to_owned(), "the same"),
        ] {
            let why = read(&text).expect_err(&text);
            assert!(why.contains(word), "{text}: {why}");
        }
    }

    /// Goal: a new setting has its name, its default and its bounds in one place. Method: every setting, written with its
    /// default, reads back as the default policy.
    #[test]
    fn every_setting_reads_back() {
        let settings = Policy::default().settings();
        let text: Vec<_> = settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        assert_eq!(read(&format!("[policy]\n{}\n", text.join("\n"))), Ok(Policies::default()));
        assert_eq!(settings.len(), 14);
    }
}
