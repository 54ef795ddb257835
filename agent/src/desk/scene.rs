//! For the tests of the rules: a learner's registrations by their steps, and what the desk says to what is asked.

use daybook_protocol::{
    date::Date,
    entry::Private,
    event::PersonTokens,
    ids::{Epoch, KeyId, RegistrationNo, Sequence, Token},
};

use super::{
    Action, Ask, Candidates, Command, Decision, Fact, Learner, Objection, Occasion, Policy, Registration, Step,
    Subject, decide_learner,
};

pub(super) fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

/// A registration by its steps, whose entries are counted from `first` on in the order given and were recorded on their own days.
pub(super) fn registration(first: u64, steps: &[(&str, Action)]) -> Registration {
    let mut steps: Vec<Step> = (first..)
        .zip(steps)
        .map(|(sequence, (on, action))| Step {
            effective_on: day(on),
            recorded_on: day(on),
            sequence: Sequence(sequence),
            arrival: None,
            action: *action,
        })
        .collect();
    steps.sort_by_key(|step| (step.effective_on, step.sequence));
    Registration {
        no: RegistrationNo { epoch: Epoch::FIRST, sequence: Sequence(first) },
        centre: "C1".into(),
        brand: String::new(),
        qualification: "60158864".into(),
        expires_on: day("2016-10-01"),
        steps,
    }
}

/// A learner, and which of the registrations is named.
pub(super) struct Scene {
    pub(super) learner: Learner,
    pub(super) named: Option<RegistrationNo>,
    pub(super) policy: Policy,
}

impl Scene {
    /// A learner with registrations whose entries are counted from 10, 20, 30 and so on.
    pub(super) fn of(lives: &[&[(&str, Action)]]) -> Self {
        let token = Token([7; 16]);
        let learner = Learner {
            id: KeyId { epoch: Epoch::FIRST, number: 1 },
            tokens: PersonTokens { uln: Some(token), person: token, identity: token },
            registrations: (1..).zip(lives).map(|(place, steps)| registration(place * 10, steps)).collect(),
            changes: Vec::new(),
            merged: Vec::new(),
            aliases: Vec::new(),
        };
        Self { learner, named: None, policy: Policy::default() }
    }

    /// An enrolment like those of the learner.
    pub(super) fn enrol() -> Ask {
        Ask::Enrol { centre: "C1".into(), brand: String::new(), age: 20 }
    }

    /// What becomes of what an operator asks.
    pub(super) fn asked(&self, ask: Ask, on: &str, today: &str) -> String {
        self.ruled(ask, on, Occasion { arrival: None, today: day(today), released: false })
    }

    /// What becomes of what is asked: the event, or the code and the entry in the way.
    pub(super) fn ruled(&self, ask: Ask, on: &str, occasion: Occasion) -> String {
        let subject = Subject {
            uln: self.learner.tokens.uln,
            person: Some(self.learner.tokens.person),
            identity: Some(self.learner.tokens.identity),
            near: Vec::new(),
            sender: None,
            registration: self.named,
            qualification: Some("60158864".into()),
        };
        let (findings, private) = (Vec::new(), Private::default());
        let command = Command { ask, subject, effective_on: day(on), findings, private };
        let found = Candidates {
            by_uln: Some(self.learner.clone()),
            by_person: Some(self.learner.clone()),
            ..Candidates::default()
        };
        let told = |word: &str, objection: Objection| {
            let against = objection.against.map_or(String::new(), |sequence| format!(" against {sequence}"));
            format!("{word} {}{against}", objection.finding.code)
        };
        match decide_learner(&found, &command, occasion, &self.policy) {
            Decision::Accept(Fact::Enrolment(_)) => "LearnerEnrolled".to_owned(),
            Decision::Accept(Fact::Transfer(_, _, to)) => {
                format!("RegistrationTransferred to {} at {} until {}", to.qualification, to.centre, to.expires_on)
            }
            Decision::Accept(Fact::Whole(_, event)) => event.name().to_owned(),
            Decision::Reject(objection) => told("reject", objection),
            Decision::Hold(objection) => told("hold", objection),
            Decision::Duplicate(first) => format!("duplicate {first}"),
        }
    }
}
