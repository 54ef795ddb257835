//! An operator's order, as the row that would say the same: what was sealed of it stands there as it was typed, and the rest is
//! in the event. Pure.

use daybook_protocol::{
    entry::{Entry, Private},
    event::Event,
    field::{Field, Kind},
    ids::{KeyId, RegistrationNo},
};

/// The columns of a row but for the registration, whose number may be another now.
pub(crate) struct Named {
    pub(crate) columns: Vec<(Field, String)>,
    /// The registration that the event names.
    pub(crate) registration: Option<RegistrationNo>,
    /// The learner, where it names nothing else and no ULN was given.
    pub(crate) learner: Option<KeyId>,
}

/// What an order of this event asks for; `None` for an event that records no fact about a person. One that was refused became no
/// fact, and whoever gave it was told.
pub(crate) fn kind_of(event: &Event) -> Option<Kind> {
    match event {
        Event::LearnerDetailsAmended(_) => Some(Kind::Amendments),
        Event::LearnerDeferred(_) => Some(Kind::Deferrals),
        Event::LearnerResumed(_) | Event::LearnerResumedExtended(_) => Some(Kind::Resumptions),
        Event::LearnerWithdrawn(_) => Some(Kind::Withdrawals),
        Event::WithdrawalReversed(_) => Some(Kind::Reversals),
        Event::RegistrationVoided(_) => Some(Kind::Voids),
        Event::QualificationCompleted(_) => Some(Kind::Completions),
        Event::RegistrationTransferred(_) => Some(Kind::Transfers),
        Event::LearnersMerged(_) => Some(Kind::Merges),
        Event::LearnersUnmerged(_) => Some(Kind::Unmerges),
        Event::UlnAliased(_) => Some(Kind::Aliases),
        Event::DeferralExtended(_) => Some(Kind::Extensions),
        Event::CertificateDispatched(_) => Some(Kind::Dispatches),
        Event::CertificateReturned(_) => Some(Kind::Returns),
        Event::CertificateRedispatched(_) => Some(Kind::Redispatches),
        _ => None,
    }
}

/// The row of an order.
pub(crate) fn row_of(entry: &Entry, private: &Private) -> Named {
    let mut columns: Vec<(Field, String)> = private.iter().map(|(field, text)| (field, text.to_owned())).collect();
    let on = entry.holds_from().to_string();
    let mut put = |field: Field, text: &str| {
        if !text.is_empty() {
            columns.push((field, text.to_owned()));
        }
    };
    match &entry.event {
        Event::LearnerDetailsAmended(_)
        | Event::WithdrawalReversed(_)
        | Event::RegistrationVoided(_)
        | Event::QualificationCompleted(_)
        | Event::LearnersMerged(_)
        | Event::LearnersUnmerged(_)
        | Event::UlnAliased(_) => {
            put(Field::EffectiveDate, &on);
        }
        Event::RegistrationTransferred(transferred) => {
            put(Field::EffectiveDate, &on);
            // Whoever names another centre has to state the given names too, and whoever does not may have left them out.
            if private.value(Field::GivenNames).is_some() {
                put(Field::NewCentre, &transferred.centre);
            }
            put(Field::NewQualification, &transferred.qualification);
        }
        Event::LearnerDeferred(deferred) => {
            put(Field::DeferFrom, &on);
            put(Field::ResumeBy, &deferred.resume_by.to_string());
        }
        Event::DeferralExtended(extended) => {
            put(Field::DeferFrom, &on);
            put(Field::ResumeBy, &extended.resume_by.to_string());
        }
        Event::LearnerResumed(_) | Event::LearnerResumedExtended(_) => put(Field::ResumedOn, &on),
        Event::LearnerWithdrawn(withdrawn) => {
            put(Field::WithdrawalDate, &on);
            put(Field::LastAttendedOn, &withdrawn.last_attended_on.map_or_else(String::new, |day| day.to_string()));
        }
        Event::CertificateDispatched(sent) => {
            put(Field::CertificateNo, &sent.certificate);
            put(Field::DispatchedOn, &on);
            put(Field::Carrier, &sent.carrier);
            put(Field::Tracking, &sent.tracking);
        }
        Event::CertificateReturned(back) => {
            put(Field::CertificateNo, &back.certificate);
            put(Field::ReturnedOn, &on);
        }
        Event::CertificateRedispatched(sent) => {
            put(Field::CertificateNo, &sent.certificate);
            put(Field::DispatchedOn, &on);
            put(Field::Carrier, &sent.carrier);
            put(Field::Tracking, &sent.tracking);
        }
        _ => {}
    }
    let names_only = matches!(
        entry.event,
        Event::LearnerDetailsAmended(_) | Event::LearnersMerged(_) | Event::LearnersUnmerged(_) | Event::UlnAliased(_)
    );
    let by_learner = names_only && private.value(Field::Uln).is_none();
    let learner = entry.event.learner().filter(|_| by_learner);
    Named { columns, registration: entry.event.registration(), learner }
}
