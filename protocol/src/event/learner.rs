//! What happens to learners and their registrations.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{
    date::Date,
    field::Field,
    ids::{KeyId, RegistrationNo, Sequence, Token},
};

/// The look-up values of a person. Each is a keyed HMAC of normalised text, see `README.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct PersonTokens {
    /// Of the ULN, where one was given.
    pub uln: Option<Token>,
    /// Of family name, given names, date of birth and centre.
    pub person: Token,
    /// Of family name and date of birth: what a later request must match.
    pub identity: Token,
}

/// Fields of [`super::Event::LearnerEnrolled`]; effective on the start date. Sealed under the learner's key: what the row said of
/// the person.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerEnrolled {
    /// The new registration's number.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// Whether the learner's record was opened by this entry (`LearnerRecordOpened` of DOMAIN.md 3.1).
    pub opened: bool,
    /// How the learner is found again.
    pub tokens: PersonTokens,
    /// The centre.
    pub centre: String,
    /// The brand; may be empty.
    pub brand: String,
    /// The qualification number without slashes, such as `60158864`, with the route code behind a slash where one was given.
    pub qualification: String,
    /// The last day of the registration (DOMAIN.md 3.2).
    pub expires_on: Date,
}

/// Amendment classes of DOMAIN.md 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub enum AmendmentClass {
    /// Case, spacing, diacritics.
    A,
    /// Contact details.
    B,
    /// Identity: names, date of birth, ULN, sex.
    C,
}

/// Fields of [`super::Event::LearnerDetailsAmended`]. Sealed: the new value and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerDetailsAmended {
    /// The learner.
    pub learner: KeyId,
    /// What was amended.
    pub field: Field,
    /// Which class of amendment it is.
    pub class: AmendmentClass,
    /// How the learner is found from here on.
    pub tokens: PersonTokens,
    /// Keyed HMAC of the field and its new value, so that the same request is known again.
    pub change: Token,
}

/// Fields of [`super::Event::LearnerDeferred`]; effective on the first day of the deferral. Sealed: the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerDeferred {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// The day by which the learner is to resume.
    pub resume_by: Date,
    /// Which deferral of this registration it is, from 1.
    pub ordinal: u8,
}

/// Fields of [`super::Event::LearnerResumed`] and [`super::Event::LearnerResumedExtended`]; effective on the day of resumption.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerResumed {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// For how many days the registration was deferred.
    pub days_deferred: u32,
}

/// Reasons of withdrawal (DOMAIN.md 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "each is the reason of that name in DOMAIN.md 2.8")]
pub enum WithdrawalReason {
    LeftCourse,
    Illness,
    TransferCentre,
    TransferQual,
    Redundant,
    Financial,
    RegisteredInError,
    DuplicateRegistration,
    NonAttendance,
    CentreClosed,
    Deceased,
    Sanction,
    OutsideProviderControl,
    Other,
}

impl WithdrawalReason {
    /// Every reason, in the order of their tags.
    pub const ALL: [Self; 14] = [
        Self::LeftCourse,
        Self::Illness,
        Self::TransferCentre,
        Self::TransferQual,
        Self::Redundant,
        Self::Financial,
        Self::RegisteredInError,
        Self::DuplicateRegistration,
        Self::NonAttendance,
        Self::CentreClosed,
        Self::Deceased,
        Self::Sanction,
        Self::OutsideProviderControl,
        Self::Other,
    ];
}

/// Fields of [`super::Event::LearnerWithdrawn`]; effective on the day of withdrawal. Sealed: notes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnerWithdrawn {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// Why.
    pub reason: WithdrawalReason,
    /// The last day of attendance, where given.
    pub last_attended_on: Option<Date>,
}

/// Fields of [`super::Event::WithdrawalReversed`] (DOMAIN.md 3.2); effective on the day from which the learner counts as enrolled
/// again. Sealed: the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct WithdrawalReversed {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// The `LearnerWithdrawn` that is undone.
    pub withdrawn: Sequence,
}

/// Fields of [`super::Event::DeferralExtended`] (DOMAIN.md 3.2); effective on the day from which the new day holds. Sealed: the
/// reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct DeferralExtended {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// The day by which the learner is to resume now.
    pub resume_by: Date,
    /// Which deferral of this registration it counts as, from 1.
    pub ordinal: u8,
}

/// Fields of [`super::Event::RegistrationVoided`] (DOMAIN.md 3.2). Dated by the day on which it was decided; the registration is void
/// from its first day. Sealed: the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RegistrationVoided {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
}

/// Fields of [`super::Event::RegistrationTransferred`] (DOMAIN.md 3.2); effective on the first day of the registration that takes the
/// place of the other. Sealed: what the operator stated of the learner, both centres' consent, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RegistrationTransferred {
    /// The registration that ends.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// The registration that takes its place; the number has this entry's sequence.
    pub to: RegistrationNo,
    /// How the learner is found from here on.
    pub tokens: PersonTokens,
    /// Its centre.
    pub centre: String,
    /// Its brand; may be empty.
    pub brand: String,
    /// Its qualification, as in [`LearnerEnrolled`].
    pub qualification: String,
    /// Its last day.
    pub expires_on: Date,
}

impl RegistrationTransferred {
    /// The registration that it opens, as an enrolment would.
    pub fn enrolment(&self) -> LearnerEnrolled {
        LearnerEnrolled {
            registration: self.to,
            learner: self.learner,
            opened: false,
            tokens: self.tokens,
            centre: self.centre.clone(),
            brand: self.brand.clone(),
            qualification: self.qualification.clone(),
            expires_on: self.expires_on,
        }
    }
}

/// Fields of [`super::Event::LearnersMerged`] (DOMAIN.md 3.1): from here on both are one learner, under the id of the survivor, and found by
/// the tokens of either. Both histories stay as they are. Sealed under the survivor's key: what the operator stated of both, and why.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnersMerged {
    /// Who stays.
    pub survivor: KeyId,
    /// Who turned out to be the same person.
    pub merged: KeyId,
}

/// Fields of [`super::Event::LearnersUnmerged`] (DOMAIN.md 3.1): they are two learners again, each with the registrations that they were
/// opened with. Sealed under the survivor's key: the reason.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LearnersUnmerged {
    /// Who had stayed.
    pub survivor: KeyId,
    /// Who is somebody else again.
    pub merged: KeyId,
    /// The `LearnersMerged` that is undone.
    pub merge: Sequence,
}

/// Fields of [`super::Event::UlnAliased`] (DOMAIN.md 2.1: the Learning Records Service links several ULNs of one person): the learner is
/// found by this one too. Sealed: the ULN, and why.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct UlnAliased {
    /// The learner.
    pub learner: KeyId,
    /// Token of the further ULN.
    pub alias: Token,
}

/// Fields of [`super::Event::QualificationCompleted`] (DOMAIN.md 3.2); effective on the day on which the last result was there.
/// Sealed: on what evidence.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct QualificationCompleted {
    /// The registration.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
}
