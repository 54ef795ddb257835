//! The canonical columns of DOMAIN.md 6.2, and the kinds of file that carry them.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A canonical column. The order is the format: new ones go to the end, none is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the column of that name in DOMAIN.md 6.2")]
pub enum Field {
    Uln,
    RegistrationNo,
    CentreRef,
    GivenNames,
    MiddleNames,
    FamilyName,
    PreferredName,
    PreviousFamilyName,
    DateOfBirth,
    Sex,
    Postcode,
    Email,
    CentreNo,
    Qualification,
    Unit,
    StartDate,
    PlannedEndDate,
    Grade,
    ResultDate,
    WithdrawalReason,
    WithdrawalDate,
    DeferFrom,
    ResumeBy,
    DeferralReason,
    ResumedOn,
    ExamDate,
    Venue,
    Attempt,
    PoNumber,
    Reason,
    Evidence,
    Notes,
    /// What an amendment changes.
    AmendedField,
    /// What it changes to.
    NewValue,
    EffectiveDate,
    CertificateNo,
    DispatchedOn,
    Carrier,
    Tracking,
    ReturnedOn,
    ReturnReason,
    /// Where a certificate was sent.
    Address,
    LastAttendedOn,
    /// The name under which a file arrived.
    FileName,
    /// A row as it stood in its file, where no column can be trusted.
    Line,
    /// The centre to which a registration is transferred.
    NewCentre,
    /// The qualification to which a registration is transferred.
    NewQualification,
    /// The ULN of the other one of two learners, or a further one of the same.
    OtherUln,
    /// A registration of the other one of two learners.
    OtherRegistrationNo,
    /// The family name of the other one of two learners, where it is another.
    OtherFamilyName,
    /// What a row of a mixed file is: an enrolment, a withdrawal and so on.
    Fact,
}

impl Field {
    /// Every field, in the order of their tags.
    pub const ALL: [Self; 51] = [
        Self::Uln,
        Self::RegistrationNo,
        Self::CentreRef,
        Self::GivenNames,
        Self::MiddleNames,
        Self::FamilyName,
        Self::PreferredName,
        Self::PreviousFamilyName,
        Self::DateOfBirth,
        Self::Sex,
        Self::Postcode,
        Self::Email,
        Self::CentreNo,
        Self::Qualification,
        Self::Unit,
        Self::StartDate,
        Self::PlannedEndDate,
        Self::Grade,
        Self::ResultDate,
        Self::WithdrawalReason,
        Self::WithdrawalDate,
        Self::DeferFrom,
        Self::ResumeBy,
        Self::DeferralReason,
        Self::ResumedOn,
        Self::ExamDate,
        Self::Venue,
        Self::Attempt,
        Self::PoNumber,
        Self::Reason,
        Self::Evidence,
        Self::Notes,
        Self::AmendedField,
        Self::NewValue,
        Self::EffectiveDate,
        Self::CertificateNo,
        Self::DispatchedOn,
        Self::Carrier,
        Self::Tracking,
        Self::ReturnedOn,
        Self::ReturnReason,
        Self::Address,
        Self::LastAttendedOn,
        Self::FileName,
        Self::Line,
        Self::NewCentre,
        Self::NewQualification,
        Self::OtherUln,
        Self::OtherRegistrationNo,
        Self::OtherFamilyName,
        Self::Fact,
    ];

    /// The column's name in output and in configuration, such as `date_of_birth`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uln => "uln",
            Self::RegistrationNo => "registration_no",
            Self::CentreRef => "centre_ref",
            Self::GivenNames => "given_names",
            Self::MiddleNames => "middle_names",
            Self::FamilyName => "family_name",
            Self::PreferredName => "preferred_name",
            Self::PreviousFamilyName => "previous_family_name",
            Self::DateOfBirth => "date_of_birth",
            Self::Sex => "sex",
            Self::Postcode => "postcode",
            Self::Email => "email",
            Self::CentreNo => "centre_no",
            Self::Qualification => "qualification",
            Self::Unit => "unit",
            Self::StartDate => "start_date",
            Self::PlannedEndDate => "planned_end_date",
            Self::Grade => "grade",
            Self::ResultDate => "result_date",
            Self::WithdrawalReason => "withdrawal_reason",
            Self::WithdrawalDate => "withdrawal_date",
            Self::DeferFrom => "defer_from",
            Self::ResumeBy => "resume_by",
            Self::DeferralReason => "deferral_reason",
            Self::ResumedOn => "resumed_on",
            Self::ExamDate => "exam_date",
            Self::Venue => "venue",
            Self::Attempt => "attempt",
            Self::PoNumber => "po_number",
            Self::Reason => "reason",
            Self::Evidence => "evidence",
            Self::Notes => "notes",
            Self::AmendedField => "amended_field",
            Self::NewValue => "new_value",
            Self::EffectiveDate => "effective_date",
            Self::CertificateNo => "certificate_no",
            Self::DispatchedOn => "dispatched_on",
            Self::Carrier => "carrier",
            Self::Tracking => "tracking",
            Self::ReturnedOn => "returned_on",
            Self::ReturnReason => "return_reason",
            Self::Address => "address",
            Self::LastAttendedOn => "last_attended_on",
            Self::FileName => "file_name",
            Self::Line => "line",
            Self::NewCentre => "new_centre",
            Self::NewQualification => "new_qualification",
            Self::OtherUln => "other_uln",
            Self::OtherRegistrationNo => "other_registration_no",
            Self::OtherFamilyName => "other_family_name",
            Self::Fact => "fact",
        }
    }
}

impl Field {
    /// Whether files have it as a column; the others are notes of ours.
    pub fn is_column(self) -> bool {
        !matches!(self, Self::FileName | Self::Line)
    }
}

impl std::str::FromStr for Field {
    type Err = crate::ids::ParseIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|field| field.name() == text && field.is_column());
        named.ok_or_else(|| crate::ids::ParseIdError {
            text: text.to_owned(),
            what: "a column, such as uln or date_of_birth",
        })
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a file is about (DOMAIN.md 5.2). The order is the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `F.enr`: enrolments.
    Enrolments,
    /// `F.amd`: amendments of what is held of a learner.
    Amendments,
    /// `F.wdr`: withdrawals.
    Withdrawals,
    /// `F.def`: deferrals.
    Deferrals,
    /// `F.def`: resumptions after a deferral.
    Resumptions,
    /// `F.dsp`: certificates sent out.
    Dispatches,
    /// `F.ret`: certificates that came back.
    Returns,
    /// `F.dsp`: certificates sent out again.
    Redispatches,
    /// Withdrawals that are undone: by an operator only.
    Reversals,
    /// Deferrals that are extended, where an operator says so; a file of deferrals asks for them too.
    Extensions,
    /// Registrations made in error: by an operator only.
    Voids,
    /// Qualifications completed: by an operator only, while results are kept elsewhere.
    Completions,
    /// Registrations that go on at another centre or for another qualification: by an operator only.
    Transfers,
    /// Learners who turned out to be one person: by an operator only.
    Merges,
    /// Those of them who turned out not to be: by an operator only.
    Unmerges,
    /// Further ULNs of learners: by an operator only.
    Aliases,
    /// Facts of several kinds, each row saying of which it is: learning deliveries of an Individualised Learner Record.
    Mixed,
}

impl Kind {
    /// Every kind, in the order of their tags.
    pub const ALL: [Self; 17] = [
        Self::Enrolments,
        Self::Amendments,
        Self::Withdrawals,
        Self::Deferrals,
        Self::Resumptions,
        Self::Dispatches,
        Self::Returns,
        Self::Redispatches,
        Self::Reversals,
        Self::Extensions,
        Self::Voids,
        Self::Completions,
        Self::Transfers,
        Self::Merges,
        Self::Unmerges,
        Self::Aliases,
        Self::Mixed,
    ];

    /// The kind's name in output, in configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enrolments => "enrolments",
            Self::Amendments => "amendments",
            Self::Withdrawals => "withdrawals",
            Self::Deferrals => "deferrals",
            Self::Resumptions => "resumptions",
            Self::Dispatches => "dispatches",
            Self::Returns => "returns",
            Self::Redispatches => "redispatches",
            Self::Reversals => "reversals",
            Self::Extensions => "extensions",
            Self::Voids => "voids",
            Self::Completions => "completions",
            Self::Transfers => "transfers",
            Self::Merges => "merges",
            Self::Unmerges => "unmerges",
            Self::Aliases => "aliases",
            Self::Mixed => "mixed",
        }
    }

    /// Whether operators order it; who is enrolled comes in files of centres, and a mixed file says it row by row.
    pub fn is_ordered(self) -> bool {
        !matches!(self, Self::Enrolments | Self::Mixed)
    }

    /// Whether files ask for it; the others only an operator does (DOMAIN.md 3.2).
    pub fn is_in_files(self) -> bool {
        self <= Self::Redispatches || self == Self::Mixed
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = crate::ids::ParseIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| crate::ids::ParseIdError {
            text: text.to_owned(),
            what: "a kind of file (enrolments, amendments, withdrawals, deferrals, resumptions, dispatches, returns, redispatches, mixed)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no tag moves and no name is given twice. Method: every field's place in `ALL` is its tag, and every kind's.
    #[test]
    fn tags_are_places() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, place, "{field}");
            assert_eq!(serde_json::to_value(field).expect("serializes"), field.name());
        }
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind}");
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).expect("serializes"), kind.name());
        }
    }
}
