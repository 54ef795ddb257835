//! What the desk decides.

use daybook_protocol::{
    date::Date,
    event::{Event, LearnerEnrolled, PersonTokens, RegistrationTransferred},
    finding::{Code, Finding},
    ids::{KeyId, RegistrationNo, Sequence},
};

/// On which occasion something is asked.
#[derive(Debug, Clone, Copy)]
pub struct Occasion {
    /// The file that asks; `None` for an operator.
    pub arrival: Option<Sequence>,
    /// The civil date on which it is judged.
    pub today: Date,
    /// Whether a person has looked at it and let it go on: what is only doubtful no longer stands against it.
    pub released: bool,
}

impl Occasion {
    /// Whether no person has looked at what is asked: it comes from a file, and was not let go on.
    pub(super) fn is_unseen(&self) -> bool {
        self.arrival.is_some() && !self.released
    }
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It becomes a fact.
    Accept(Fact),
    /// It is refused.
    Reject(Objection),
    /// It waits for a person.
    Hold(Objection),
    /// The same was done before, by the entry named.
    Duplicate(Sequence),
}

/// Why a command is refused or held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// What stands against it.
    pub finding: Finding,
    /// The entry that stands in the way, where one does.
    pub against: Option<Sequence>,
    /// The learner it is about, where that is known for certain.
    pub learner: Option<KeyId>,
}

/// Why a step is not possible: refused outright, or for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It is refused.
    Refused(Objection),
    /// It waits for a person.
    Doubtful(Objection),
}

impl Obstacle {
    /// The decision on what was asked about `learner`.
    pub(super) fn about(self, learner: KeyId) -> Decision {
        match self {
            Self::Refused(objection) => Decision::Reject(objection.about(learner)),
            Self::Doubtful(objection) => Decision::Hold(objection.about(learner)),
        }
    }
}

impl Objection {
    /// An objection by its code alone.
    pub fn of(code: Code) -> Self {
        Self { finding: code.into(), against: None, learner: None }
    }

    /// The same, naming the entry that stands in the way.
    #[must_use]
    pub fn against(self, sequence: Sequence) -> Self {
        Self { against: Some(sequence), ..self }
    }

    /// The same, naming the learner.
    #[must_use]
    pub fn about(self, learner: KeyId) -> Self {
        Self { learner: Some(learner), ..self }
    }
}

/// A fact that is to be recorded. Only what opens a registration lacks something: its number and, for someone new, the learner's
/// key, which exist once it has its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An enrolment.
    Enrolment(Enrolment),
    /// A transfer: the registration that ends, the learner, and what takes its place.
    Transfer(RegistrationNo, KeyId, Enrolment),
    /// Any other fact, and the learner it concerns.
    Whole(KeyId, Event),
}

/// An enrolment that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The learner; `None` for someone new.
    pub learner: Option<KeyId>,
    /// How the learner is found again.
    pub tokens: PersonTokens,
    /// The centre.
    pub centre: String,
    /// The brand.
    pub brand: String,
    /// The qualification.
    pub qualification: String,
    /// The last day of the registration.
    pub expires_on: Date,
}

impl Fact {
    /// The event, once `registration` is known to be the number of a new registration; `new_key` gives the key of someone
    /// new. Also names the learner.
    pub fn into_event<E>(
        self,
        registration: RegistrationNo,
        new_key: impl FnOnce() -> Result<KeyId, E>,
    ) -> Result<(Event, KeyId), E> {
        match self {
            Self::Whole(learner, event) => Ok((event, learner)),
            Self::Transfer(from, learner, Enrolment { tokens, centre, brand, qualification, expires_on, .. }) => {
                let (registration, to) = (from, registration);
                let transferred = RegistrationTransferred {
                    registration,
                    learner,
                    to,
                    tokens,
                    centre,
                    brand,
                    qualification,
                    expires_on,
                };
                Ok((Event::RegistrationTransferred(transferred), learner))
            }
            Self::Enrolment(Enrolment { learner, tokens, centre, brand, qualification, expires_on }) => {
                let opened = learner.is_none();
                let learner = learner.map_or_else(new_key, Ok)?;
                let enrolled =
                    LearnerEnrolled { registration, learner, opened, tokens, centre, brand, qualification, expires_on };
                Ok((Event::LearnerEnrolled(enrolled), learner))
            }
        }
    }
}
