//! Registers of qualifications and of centres (DOMAIN.md 2.4, 2.5 and the guards of 3.2): what they have against a fact. Each holds
//! whole, from one file, and says itself from which day to which each thing in it holds. Looked up for every row, so that nothing
//! is allocated where nothing is wrong.

mod numbers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use daybook_protocol::{
    date::Date,
    event::{Event, Register},
    field::Field,
    finding::{Code, Finding},
    ids::{LogId, RegistrationNo, Sequence},
};
use hashbrown::HashMap;

pub use numbers::{CentreNo, QualificationNo};

use super::{Ask, Command, Decision, Fact};

/// From one day to another, both counted; without an end where none is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
}

impl Period {
    /// Whether a day lies in it.
    pub fn holds(&self, on: Date) -> bool {
        self.from.is_none_or(|from| from <= on) && self.to.is_none_or(|to| on <= to)
    }
}

/// A qualification, as far as the desk is concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Qualification {
    /// When it takes registrations.
    pub operational: Period,
    /// The last day on which it is certificated.
    pub certification_ends_on: Option<Date>,
    /// The youngest age at the start, in years.
    pub age_min: Option<i16>,
}

/// The register of qualifications.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Qualifications(HashMap<QualificationNo, Qualification>);

impl Qualifications {
    /// Adds a qualification; false if there is one of that number.
    pub fn add(&mut self, number: QualificationNo, qualification: Qualification) -> bool {
        self.0.insert(number, qualification).is_none()
    }

    /// How many there are, and how many of them take registrations on a day.
    pub fn count(&self, on: Date) -> (usize, usize) {
        (self.0.len(), self.0.values().filter(|it| it.operational.holds(on)).count())
    }
}

/// What a centre is approved for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Approval {
    /// When it is approved.
    pub approved: Period,
    /// Whether its claims need nobody's signature.
    pub direct_claim: bool,
    /// When it is under sanction, if ever.
    pub sanction: Option<Period>,
}

/// A centre.
#[derive(Debug, Default, PartialEq, Eq)]
struct Centre {
    /// The log of the agent to which it belongs; `None` where that is not said.
    agent: Option<LogId>,
    /// Its approvals: for a qualification, or for all.
    approvals: HashMap<Option<QualificationNo>, Vec<Approval>>,
}

impl Centre {
    /// Those that concern a qualification.
    fn approvals(&self, qualification: Option<QualificationNo>) -> impl Iterator<Item = &Approval> {
        let own = qualification.and_then(|number| self.approvals.get(&Some(number)));
        own.into_iter().chain(self.approvals.get(&None)).flatten()
    }
}

/// The register of centres.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Centres(HashMap<CentreNo, Centre>);

impl Centres {
    /// Adds an approval of a centre, for a qualification or for all; false if the centre is said to belong to another agent.
    pub fn add(
        &mut self,
        centre: CentreNo,
        agent: Option<LogId>,
        qualification: Option<QualificationNo>,
        approval: Approval,
    ) -> bool {
        let known = self.0.entry(centre).or_insert_with(|| Centre { agent, ..Centre::default() });
        known.approvals.entry(qualification).or_default().push(approval);
        known.agent == agent
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many approvals hold on a day, how many of those with direct claim status, and how many are under sanction then.
    pub fn approvals(&self, on: Date) -> (usize, usize, usize) {
        let all = || self.0.values().flat_map(|centre| centre.approvals.values()).flatten();
        let held = || all().filter(|it| it.approved.holds(on));
        let sanctioned = all().filter(|it| it.sanction.is_some_and(|sanction| sanction.holds(on)));
        (held().count(), held().filter(|it| it.direct_claim).count(), sanctioned.count())
    }
}

/// What a file of a register holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The qualifications.
    Qualifications(Arc<Qualifications>),
    /// The centres.
    Centres(Arc<Centres>),
}

impl Content {
    /// Of which register it is.
    pub fn register(&self) -> Register {
        match self {
            Self::Qualifications(_) => Register::Qualifications,
            Self::Centres(_) => Register::Centres,
        }
    }
}

/// A register and the entry by which it was loaded.
#[derive(Debug)]
pub struct Version<T> {
    /// The `ReferenceLoaded`.
    pub version: Sequence,
    /// What it holds.
    pub content: Arc<T>,
}

impl<T> Clone for Version<T> {
    fn clone(&self) -> Self {
        Self { version: self.version, content: Arc::clone(&self.content) }
    }
}

/// The registers in force. What none is loaded for is not checked. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Registers {
    /// The qualifications.
    pub qualifications: Option<Version<Qualifications>>,
    /// The centres.
    pub centres: Option<Version<Centres>>,
}

/// What the registers have against a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Against {
    /// What they have against it, of the centre first; never empty.
    pub findings: Vec<Finding>,
    /// The version of the register that has the first.
    pub version: Sequence,
}

impl Registers {
    /// Puts a register in force in the place of an earlier one.
    pub fn adopt(&mut self, version: Sequence, content: Content) {
        match content {
            Content::Qualifications(content) => self.qualifications = Some(Version { version, content }),
            Content::Centres(content) => self.centres = Some(Version { version, content }),
        }
    }

    /// The version in force of a register.
    pub fn version(&self, register: Register) -> Option<Sequence> {
        match register {
            Register::Qualifications => self.qualifications.as_ref().map(|it| it.version),
            Register::Centres => self.centres.as_ref().map(|it| it.version),
        }
    }

    /// What stands against a command beside the state, on which `decision` was come to. What was accepted before is not looked at
    /// again, whatever has changed since. `terms_of` gives centre and qualification of a registration.
    pub fn against<'a>(
        &self,
        command: &Command,
        decision: &Decision,
        terms_of: impl FnOnce(RegistrationNo) -> Option<(&'a str, &'a str)>,
    ) -> Option<Against> {
        let on = command.effective_on;
        match (&command.ask, decision) {
            (_, Decision::Duplicate(_)) => None,
            (Ask::Enrol { centre, age, .. }, _) => {
                let qualification = command.subject.qualification.as_deref()?;
                self.against_registration((centre, qualification), on, Some(*age))
            }
            // Where a transfer leads; the learner's age was looked at when they were enrolled.
            (_, Decision::Accept(Fact::Transfer(_, _, to))) => {
                self.against_registration((&to.centre, &to.qualification), on, None)
            }
            (
                _,
                Decision::Accept(Fact::Whole(
                    _,
                    Event::LearnerResumed(resumed) | Event::LearnerResumedExtended(resumed),
                )),
            ) => self.against_resumption(terms_of(resumed.registration)?, on),
            (_, Decision::Accept(Fact::Whole(_, Event::QualificationCompleted(completed)))) => {
                self.against_certificate(terms_of(completed.registration)?.1, on)
            }
            (_, Decision::Accept(Fact::Whole(_, Event::CertificateDispatched(sent)))) => {
                self.against_certificate(terms_of(sent.registration)?.1, on)
            }
            _ => None,
        }
    }

    /// What stands against a registration at a centre for a qualification from a day on, of a learner of so many years: an age
    /// that is not known is not checked.
    pub fn against_registration(
        &self,
        (centre, qualification): (&str, &str),
        on: Date,
        age: Option<i16>,
    ) -> Option<Against> {
        let mut found = Found::default();
        let number = QualificationNo::of(qualification);
        if let Some(known) = self.approved(&mut found, centre, number, on) {
            let sanctioned = known.approvals(number).any(|it| it.sanction.is_some_and(|sanction| sanction.holds(on)));
            found.unless(!sanctioned, Code::CENTRE_UNDER_SANCTION, Field::CentreNo);
        }
        if let Some(known) = self.qualification(&mut found, number) {
            let Qualification { operational, certification_ends_on, age_min } = *known;
            let open = operational.holds(on) && certification_ends_on.is_none_or(|end| on <= end);
            found.unless(open, Code::QN_CLOSED, Field::Qualification);
            let old_enough = age.zip(age_min).is_none_or(|(age, min)| age >= min);
            found.unless(old_enough, Code::AGE_BELOW_MINIMUM, Field::DateOfBirth);
        }
        found.against()
    }

    /// What stands against a learner's being taught again from a day on: the centre has to be approved still. A sanction keeps
    /// new learners away, and not those whom the centre has.
    pub fn against_resumption(&self, (centre, qualification): (&str, &str), on: Date) -> Option<Against> {
        let mut found = Found::default();
        self.approved(&mut found, centre, QualificationNo::of(qualification), on);
        found.against()
    }

    /// What stands against a completion or a certificate on a day. A qualification that the register does not hold any more says
    /// nothing against it: it was known when the learner was registered.
    pub fn against_certificate(&self, qualification: &str, on: Date) -> Option<Against> {
        let register = self.qualifications.as_ref()?;
        let end = register.content.0.get(&QualificationNo::of(qualification)?)?.certification_ends_on?;
        let finding = Finding::of(Code::QN_PAST_CERTIFICATION, Field::Qualification);
        (on > end).then(|| Against { findings: vec![finding], version: register.version })
    }

    /// The other agent to which a centre belongs, of those that write other logs than this one.
    pub fn elsewhere(&self, centre: &str, log: LogId) -> Option<LogId> {
        let known = self.centres.as_ref()?.content.0.get(&CentreNo::of(centre)?)?;
        known.agent.filter(|agent| *agent != log)
    }

    /// Takes back the doubt about the check character of a qualification's number that the register holds: the rule for it is
    /// inferred, and real numbers break it (DOMAIN.md 2.4).
    pub fn vouch(&self, command: &mut Command) {
        let doubted = command.findings.iter().any(|finding| finding.code == Code::QN_CHECK_CHARACTER);
        let number = command.subject.qualification.as_deref().filter(|_| doubted);
        if number.is_some_and(|number| self.holds(number)) {
            command.findings.retain(|finding| finding.code != Code::QN_CHECK_CHARACTER);
        }
    }

    fn holds(&self, qualification: &str) -> bool {
        let number = QualificationNo::of(qualification);
        let register = self.qualifications.as_ref().zip(number);
        register.is_some_and(|(register, number)| register.content.0.contains_key(&number))
    }

    /// The centre, if the register holds it, whether it is approved for the qualification on that day or not.
    fn approved(
        &self,
        found: &mut Found,
        centre: &str,
        qualification: Option<QualificationNo>,
        on: Date,
    ) -> Option<&Centre> {
        let register = self.centres.as_ref()?;
        found.by(register.version);
        let known = CentreNo::of(centre).and_then(|number| register.content.0.get(&number));
        found.unless(known.is_some(), Code::CENTRE_UNKNOWN, Field::CentreNo);
        let known = known?;
        let approved = known.approvals(qualification).any(|it| it.approved.holds(on));
        found.unless(approved, Code::CENTRE_NOT_APPROVED, Field::CentreNo);
        Some(known)
    }

    fn qualification(&self, found: &mut Found, number: Option<QualificationNo>) -> Option<&Qualification> {
        let register = self.qualifications.as_ref()?;
        found.by(register.version);
        let known = number.and_then(|number| register.content.0.get(&number));
        found.unless(known.is_some(), Code::QN_NOT_FOUND, Field::Qualification);
        known
    }
}

/// What is found, and which version the first of it was found by.
#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    asked: Option<Sequence>,
    first: Option<Sequence>,
}

impl Found {
    fn by(&mut self, version: Sequence) {
        self.asked = Some(version);
    }

    fn unless(&mut self, good: bool, code: Code, field: Field) {
        if !good {
            self.first = self.first.or(self.asked);
            self.findings.push(Finding::of(code, field));
        }
    }

    fn against(self) -> Option<Against> {
        let Self { findings, first, .. } = self;
        first.map(|version| Against { findings, version })
    }
}
