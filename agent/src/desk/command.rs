//! What a row or an operator asks for, in the desk's own terms: identifiers checked, names turned into look-up values,
//! everything personal set apart.

use daybook_protocol::{
    date::Date,
    entry::Private,
    event::{AmendmentClass, ReturnReason, WithdrawalReason},
    field::{Field, Kind},
    finding::Finding,
    ids::{RegistrationNo, Token},
};

/// Makes look-up values, for several threads at once. The desk knows no keys: whoever calls it does.
pub trait Tokenizer: Sync {
    /// The look-up value of some normalised texts; `domain` keeps values of different meaning apart.
    fn token(&self, domain: &str, parts: &[&str]) -> Token;
}

/// The domain of a ULN's token; its one part is the ten digits.
pub const ULN_DOMAIN: &str = "uln";
/// The domain of a person's token; its parts are the matching keys of family name and given names, the date of birth as
/// `YYYY-MM-DD`, and the centre.
pub const PERSON_DOMAIN: &str = "person";
/// The domain of an identity's token; its parts are the matching key of the family name and the date of birth.
pub const IDENTITY_DOMAIN: &str = "identity";
/// The domain of an amendment's token; its parts are the field's name and the new value as given.
pub const CHANGE_DOMAIN: &str = "change";

/// Whom a command is about, as far as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Token of the ULN.
    pub uln: Option<Token>,
    /// Token of family name, given names, date of birth and centre.
    pub person: Option<Token>,
    /// Token of family name and date of birth.
    pub identity: Option<Token>,
    /// Of someone who is to be enrolled: tokens like `person`, with slips that people make undone. Who is found by one of these
    /// and not otherwise is perhaps the same person.
    pub near: Vec<Token>,
    /// The centre that the sender speaks for; `None` where that may be any.
    pub sender: Option<String>,
    /// The registration, by its number.
    pub registration: Option<RegistrationNo>,
    /// The qualification, in its form without slashes.
    pub qualification: Option<String>,
}

/// The other one of two learners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other {
    /// Token of the ULN, where it was given.
    pub uln: Option<Token>,
    /// A registration, where it was given.
    pub registration: Option<RegistrationNo>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Enrol; effective on the start date. The subject has `person`, `identity` and `qualification`.
    Enrol {
        /// The centre.
        centre: String,
        /// The brand; may be empty.
        brand: String,
        /// The learner's age at the start, in years.
        age: i16,
    },
    /// Amend what is held of a learner.
    Amend {
        /// What is amended.
        field: Field,
        /// The class, as far as the field tells it; a change that leaves the identity's token as it was is of class A.
        class: AmendmentClass,
        /// The ULN's token afterwards, where the ULN is amended.
        uln: Option<Token>,
        /// The person's token afterwards, where it changes and the row says enough to know it.
        person: Option<Token>,
        /// The identity's token afterwards, where family name or date of birth is amended.
        identity: Option<Token>,
        /// Token of the field and its new value.
        change: Token,
    },
    /// Defer, or extend the deferral that is in force; effective on the first day.
    Defer {
        /// The day by which the learner is to resume.
        resume_by: Date,
    },
    /// Extend a deferral; effective on the day from which the new day holds.
    Extend {
        /// The day by which the learner is to resume now.
        resume_by: Date,
    },
    /// Resume; effective on the day of resumption.
    Resume,
    /// Withdraw; effective on the day of withdrawal.
    Withdraw {
        /// Why.
        reason: WithdrawalReason,
        /// The last day of attendance, where given.
        last_attended_on: Option<Date>,
    },
    /// Undo a withdrawal; effective on the day from which the learner counts as enrolled again.
    Reverse,
    /// Declare a registration void, made in error; dated by the day of the decision.
    Void,
    /// Record that the qualification is completed; effective on the day of the last result.
    Complete,
    /// Let another registration take the place of one; effective on the first day of the other.
    Transfer {
        /// The other's centre; `None` for the same.
        centre: Option<String>,
        /// The other's qualification; `None` for the same.
        qualification: Option<String>,
        /// The person's token at the other centre.
        person: Option<Token>,
    },
    /// Make two learners one; the subject is who stays.
    Merge {
        /// The other.
        other: Other,
        /// The other's identity, which must match as the subject's must.
        identity: Option<Token>,
    },
    /// Make them two again; the subject is who stayed.
    Unmerge {
        /// The other.
        other: Other,
    },
    /// Give a learner a further ULN.
    Alias {
        /// Its token.
        uln: Token,
    },
    /// Record that a certificate was sent out.
    Dispatch {
        /// Its number.
        certificate: String,
        /// Who carries it; may be empty.
        carrier: String,
        /// The carrier's number; may be empty.
        tracking: String,
    },
    /// Record that a certificate came back.
    Return {
        /// Its number.
        certificate: String,
        /// Why.
        reason: ReturnReason,
    },
    /// Record that a returned certificate was sent out again.
    Redispatch {
        /// Its number.
        certificate: String,
        /// Who carries it; may be empty.
        carrier: String,
        /// The carrier's number; may be empty.
        tracking: String,
        /// Whether a new address is given or the old one was confirmed.
        address_confirmed: bool,
    },
}

impl Ask {
    /// The kind of file that asks for this.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Enrol { .. } => Kind::Enrolments,
            Self::Amend { .. } => Kind::Amendments,
            Self::Defer { .. } => Kind::Deferrals,
            Self::Extend { .. } => Kind::Extensions,
            Self::Resume => Kind::Resumptions,
            Self::Withdraw { .. } => Kind::Withdrawals,
            Self::Reverse => Kind::Reversals,
            Self::Void => Kind::Voids,
            Self::Complete => Kind::Completions,
            Self::Transfer { .. } => Kind::Transfers,
            Self::Merge { .. } => Kind::Merges,
            Self::Unmerge { .. } => Kind::Unmerges,
            Self::Alias { .. } => Kind::Aliases,
            Self::Dispatch { .. } => Kind::Dispatches,
            Self::Return { .. } => Kind::Returns,
            Self::Redispatch { .. } => Kind::Redispatches,
        }
    }
}

/// A row or an operator's order that passed the checks of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What is asked for.
    pub ask: Ask,
    /// Whom it is about.
    pub subject: Subject,
    /// From which day it is to hold.
    pub effective_on: Date,
    /// Warnings of the checks.
    pub findings: Vec<Finding>,
    /// What is personal about it, as sent.
    pub private: Private,
}

/// A row that did not pass the checks of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// All that the checks found, warnings included.
    pub findings: Vec<Finding>,
    /// The row's values, as sent.
    pub private: Private,
}
