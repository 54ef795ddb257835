//! The row of a file that would say what an operator puts on record.

use daybook_protocol::field::{Field, Kind};

use super::{Carriage, FromFile, Identity, OtherLearner, Record, Signed, Whose};

/// The columns of a row as they fill up.
#[derive(Default)]
struct Columns(Vec<(Field, String)>);

impl Columns {
    fn put(mut self, field: Field, value: &impl ToString) -> Self {
        self.0.push((field, value.to_string()));
        self
    }

    fn maybe(self, field: Field, value: Option<&impl ToString>) -> Self {
        match value {
            Some(value) => self.put(field, value),
            None => self,
        }
    }

    fn whose(self, whose: &Whose) -> Self {
        self.maybe(Field::RegistrationNo, whose.registration.as_ref())
            .maybe(Field::Uln, whose.uln.as_ref())
            .maybe(Field::Qualification, whose.qualification.as_ref())
    }

    fn identity(self, identity: &Identity) -> Self {
        self.put(Field::FamilyName, &identity.family_name)
            .put(Field::DateOfBirth, &identity.date_of_birth)
            .maybe(Field::GivenNames, identity.given_names.as_ref())
            .maybe(Field::CentreNo, identity.centre.as_ref())
    }

    fn other(self, other: &OtherLearner) -> Self {
        self.maybe(Field::OtherRegistrationNo, other.other_registration.as_ref())
            .maybe(Field::OtherUln, other.other_uln.as_ref())
    }

    fn carriage(self, carriage: &Carriage) -> Self {
        self.maybe(Field::Carrier, carriage.carrier.as_ref())
            .maybe(Field::Tracking, carriage.tracking.as_ref())
            .maybe(Field::Address, carriage.address.as_ref())
    }
}

impl Record {
    /// Who signs it, where a name was given.
    pub fn operator(&self) -> Option<&str> {
        match self {
            Self::Approve { by, .. } | Self::From(FromFile { by, .. }) => by.operator.as_deref(),
            other => other.signed()?.operator.operator.as_deref(),
        }
    }

    /// What else is to be kept with it.
    pub fn notes(&self) -> Option<&str> {
        self.signed()?.notes.as_deref()
    }

    /// What a row that says the same is about, or the rows of a file.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::From(from) => Some(from.kind),
            other => other.row().map(|(kind, _)| kind),
        }
    }

    fn signed(&self) -> Option<&Signed> {
        match self {
            Self::Withdraw { by, .. }
            | Self::Reverse { by, .. }
            | Self::Extend { by, .. }
            | Self::Void { by, .. }
            | Self::Complete { by, .. }
            | Self::Transfer { by, .. }
            | Self::Merge { by, .. }
            | Self::Unmerge { by, .. }
            | Self::Alias { by, .. }
            | Self::Defer { by, .. }
            | Self::Resume { by, .. }
            | Self::Amend { by, .. }
            | Self::Dispatch { by, .. }
            | Self::Return { by, .. }
            | Self::Redispatch { by, .. }
            | Self::Decline { by, .. }
            | Self::Clock { by, .. } => Some(by),
            Self::From(_) | Self::Proposals | Self::Approve { .. } => None,
        }
    }

    /// The row of a file that would say the same: its kind, and its values by column; `None` where no row says it.
    pub fn row(&self) -> Option<(Kind, Vec<(Field, String)>)> {
        let row = Columns::default();
        let (kind, row) = match self {
            Self::Withdraw { whose, identity, on, reason, last_attended, .. } => {
                let row = row.whose(whose).identity(identity).put(Field::WithdrawalDate, on);
                let row = row.put(Field::WithdrawalReason, reason);
                (Kind::Withdrawals, row.maybe(Field::LastAttendedOn, last_attended.as_ref()))
            }
            Self::Reverse { whose, identity, on, reason, .. } => {
                let row = row.whose(whose).identity(identity);
                (Kind::Reversals, row.put(Field::EffectiveDate, on).put(Field::Reason, reason))
            }
            Self::Complete { whose, identity, on, reason, .. } => {
                let row = row.whose(whose).identity(identity);
                (Kind::Completions, row.put(Field::EffectiveDate, on).put(Field::Reason, reason))
            }
            Self::Merge { whose, identity, other, other_family_name, reason, .. } => {
                let row = row.whose(whose).identity(identity).other(other);
                let row = row.maybe(Field::OtherFamilyName, other_family_name.as_ref());
                (Kind::Merges, row.put(Field::Reason, reason))
            }
            Self::Unmerge { whose, identity, other, reason, .. } => {
                (Kind::Unmerges, row.whose(whose).identity(identity).other(other).put(Field::Reason, reason))
            }
            Self::Alias { whose, identity, other_uln, reason, .. } => {
                let row = row.whose(whose).identity(identity).put(Field::OtherUln, other_uln);
                (Kind::Aliases, row.put(Field::Reason, reason))
            }
            Self::Transfer { whose, identity, to_centre, to_qualification, on, consent, reason, .. } => {
                let row = row.whose(whose).identity(identity).maybe(Field::NewCentre, to_centre.as_ref());
                let row = row.maybe(Field::NewQualification, to_qualification.as_ref()).put(Field::EffectiveDate, on);
                (Kind::Transfers, row.put(Field::Evidence, consent).put(Field::Reason, reason))
            }
            Self::Void { registration, identity, on, reason, .. } => {
                let row = row.put(Field::RegistrationNo, registration).identity(identity);
                (Kind::Voids, row.put(Field::EffectiveDate, on).put(Field::Reason, reason))
            }
            Self::Defer { whose, identity, from, resume_by, reason, .. } => {
                let row = row.whose(whose).identity(identity).put(Field::DeferFrom, from);
                (Kind::Deferrals, row.put(Field::ResumeBy, resume_by).put(Field::DeferralReason, reason))
            }
            Self::Extend { whose, identity, from, resume_by, reason, .. } => {
                let row = row.whose(whose).identity(identity).put(Field::DeferFrom, from);
                (Kind::Extensions, row.put(Field::ResumeBy, resume_by).put(Field::DeferralReason, reason))
            }
            Self::Resume { whose, identity, on, reason, .. } => {
                let row = row.whose(whose).identity(identity);
                (Kind::Resumptions, row.put(Field::ResumedOn, on).put(Field::Reason, reason))
            }
            Self::Amend { whose, identity, field, to, on, reason, .. } => {
                let row = row.whose(whose).identity(identity).put(Field::AmendedField, field).put(Field::NewValue, to);
                (Kind::Amendments, row.maybe(Field::EffectiveDate, on.as_ref()).put(Field::Reason, reason))
            }
            Self::Dispatch { certificate, whose, on, carriage, reason, .. } => {
                let row = row.put(Field::CertificateNo, certificate).whose(whose).put(Field::DispatchedOn, on);
                (Kind::Dispatches, row.carriage(carriage).put(Field::Reason, reason))
            }
            Self::Return { certificate, on, reason, .. } => {
                let row = row.put(Field::CertificateNo, certificate).put(Field::ReturnedOn, on);
                (Kind::Returns, row.put(Field::ReturnReason, reason))
            }
            Self::Redispatch { certificate, on, carriage, evidence, reason, .. } => {
                let row = row.put(Field::CertificateNo, certificate).put(Field::DispatchedOn, on).carriage(carriage);
                (Kind::Redispatches, row.maybe(Field::Evidence, evidence.as_ref()).put(Field::Reason, reason))
            }
            Self::From(_) | Self::Proposals | Self::Approve { .. } | Self::Decline { .. } | Self::Clock { .. } => {
                return None;
            }
        };
        Some((kind, row.maybe(Field::Notes, self.notes().as_ref()).0))
    }
}
