//! Operators: who works at an office, known by their users of the operating system, and which roles they have. Where none is
//! named, whoever may reach the socket or the data directory may do everything. Pure.
//!
//! This guards against mistakes and puts names on record; it is no wall against the machine's administrator: whoever owns the
//! data directory can do without the program.

use std::fmt;

use daybook_protocol::finding::{Code, Severity};
use serde::{Deserialize, Serialize};

use crate::desk::Policies;

/// So many operators can be named: far more than an office has, and few enough to be looked through for every command.
pub const OPERATORS_MAX: usize = 200;
/// An operator's name stands in every entry of theirs, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// What somebody is allowed to do. Which command needs which role is one table (`cli::roles`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Asks and changes nothing.
    Auditor,
    /// Takes files in, puts facts on record, decides about what is held.
    Processing,
    /// The same, and goes against what rules and files say; approves what another proposes.
    Manager,
    /// Looks after the program and its data; decides about nobody's record.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Auditor, Self::Processing, Self::Manager, Self::Administrator];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Processing => "processing",
            Self::Manager => "manager",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `[[operator]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The name that stands in the log, unique in the configuration.
    pub name: String,
    /// Their user of the operating system; each has one of their own.
    pub user: String,
    /// What they may do.
    pub roles: Vec<Role>,
}

impl Operator {
    /// Whether they have one of some roles.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }
}

/// A user of the operating system who gives a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their name there, or `uid:1000` where it is not known.
    pub name: String,
    /// Whether they are the superuser or own the data directory: then they could do without the program, and are taken for an
    /// administrator without being named.
    pub owns: bool,
}

/// The operators of a configuration; none where it names none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Operators(Vec<Operator>);

impl Operators {
    /// All, in the order in which they are named.
    pub fn all(&self) -> &[Operator] {
        &self.0
    }

    /// Whether none is named, so that everybody may do everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The operator whom a user of the operating system is.
    pub fn of_user(&self, user: &str) -> Option<&Operator> {
        self.0.iter().find(|operator| operator.user == user)
    }

    /// The names of those who have one of some roles.
    pub fn with_any(&self, roles: &[Role]) -> Vec<&str> {
        self.0.iter().filter(|operator| operator.has_any(roles)).map(|operator| operator.name.as_str()).collect()
    }

    /// Whether they can be told from one another, and are enough for what takes two persons by a policy; the error says what is
    /// wrong.
    pub fn check(&self, policies: &Policies) -> Result<(), String> {
        if let Some(why) = self.mistake() {
            return Err(why);
        }
        let (two_person, two_person_release) = (policies.two_person(), policies.two_person_release());
        if two_person.iter().any(|kind| !kind.is_ordered()) {
            return Err("two_person is about what operators order, and no operator orders enrolments".to_owned());
        }
        let holds_no_row = |code: &&Code| code.stage() < 2 || code.severity() != Severity::Query;
        if let Some(code) = two_person_release.iter().find(holds_no_row) {
            return Err(format!("two_person_release is about codes for which a row is held, which {code} is not"));
        }
        if !(two_person.is_empty() && two_person_release.is_empty() || self.has_two_persons()) {
            return Err(
                "what takes two persons needs an [[operator]] with the role manager, and another one with the role \
                        processing or manager"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether for what one operator proposes there is another one who can approve it.
    fn has_two_persons(&self) -> bool {
        let proposing = self.with_any(&[Role::Processing, Role::Manager]).len();
        !self.with_any(&[Role::Manager]).is_empty() && proposing >= 2
    }

    /// Why these cannot be told from one another, if so.
    fn mistake(&self) -> Option<String> {
        if self.0.len() > OPERATORS_MAX {
            return Some(format!("{} operators are more than {OPERATORS_MAX}", self.0.len()));
        }
        self.0.iter().enumerate().find_map(|(place, operator)| {
            let earlier = self.0.get(..place).unwrap_or_default();
            let Operator { name, user, roles } = operator;
            let is_plain = |text: &str| !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
            if !is_plain(name) || name.len() > NAME_BYTES_MAX {
                return Some(format!("operator {} needs a name of at most {NAME_BYTES_MAX} letters", place + 1));
            }
            if !is_plain(user) {
                return Some(format!("operator {name:?} needs a user of this machine"));
            }
            if roles.is_empty() {
                return Some(format!("operator {name:?} needs a role: {}", words(&Role::ALL)));
            }
            if earlier.iter().any(|other| other.name == *name) {
                return Some(format!("two operators are named {name:?}"));
            }
            let same = earlier.iter().find(|other| other.user == *user)?;
            Some(format!("operators {:?} and {name:?} are the same user {user}: each needs their own", same.name))
        })
    }
}

/// Some roles, for a person.
pub fn words(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(name: &str, user: &str, roles: &[Role]) -> Operator {
        Operator { name: name.into(), user: user.into(), roles: roles.to_vec() }
    }

    /// Goal: operators who cannot be told apart are a mistake that is named, and others are none. Method: a table.
    #[test]
    fn operators_are_told_apart() {
        let dana = operator("Dana Lee", "dlee", &[Role::Manager]);
        for (second, word) in [
            (operator("Sam Poe", "spoe", &[Role::Auditor]), None),
            (operator("Dana Lee", "spoe", &[Role::Auditor]), Some("two operators are named")),
            (operator("Sam Poe", "dlee", &[Role::Auditor]), Some("the same user dlee")),
            (operator("Sam Poe", "spoe", &[]), Some("needs a role")),
            (operator("", "spoe", &[Role::Auditor]), Some("operator 2 needs a name")),
            (operator("Sam\nPoe", "spoe", &[Role::Auditor]), Some("operator 2 needs a name")),
            (operator("Sam Poe", " ", &[Role::Auditor]), Some("needs a user")),
        ] {
            let found = Operators(vec![dana.clone(), second.clone()]).mistake();
            assert_eq!(found.is_some(), word.is_some(), "{second:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(word.unwrap_or_default()), "{second:?}");
        }
        let many = (0..=OPERATORS_MAX).map(|at| operator(&format!("n{at}"), &format!("u{at}"), &[Role::Auditor]));
        assert!(Operators(many.collect()).mistake().is_some_and(|why| why.contains("more than")));
    }

    /// Goal: two persons are a manager and another one who may propose. Method: a table.
    #[test]
    fn two_persons_are_two() {
        use Role::{Administrator, Auditor, Manager, Processing};
        for (roles, expected) in [
            (&[&[Manager, Processing][..]][..], false),
            (&[&[Manager], &[Auditor]], false),
            (&[&[Processing], &[Processing]], false),
            (&[&[Manager], &[Processing, Administrator]], true),
            (&[&[Manager], &[Manager]], true),
        ] {
            let named =
                roles.iter().enumerate().map(|(at, roles)| operator(&format!("n{at}"), &format!("u{at}"), roles));
            assert_eq!(Operators(named.collect()).has_two_persons(), expected, "{roles:?}");
        }
    }
}
