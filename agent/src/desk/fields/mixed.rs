//! Rows that say themselves what they are: those of a mixed file, such as the facts of an Individualised Learner Record.

use daybook_protocol::{field::Field, finding::Code};

use super::{Asked, enrolment, reading::Reading, reasons::plain, registration};
use crate::desk::Ask;

/// What a row's fact is.
///
/// A completed enrolment is an enrolment like any other, and flagged: that a qualification is completed an operator records,
/// since a provider's word is no result.
pub(super) fn ask(row: &mut Reading) -> Option<Asked> {
    let fact = row.required(Field::Fact)?;
    match plain(fact).as_str() {
        "enrolment" => enrolment::enrol(row),
        "completedenrolment" => {
            row.found(Code::COMPLETION_NOT_TAKEN, Field::Fact);
            enrolment::enrol(row)
        }
        "withdrawal" => registration::withdraw(row),
        "deferral" => defer(row),
        "resumption" => registration::resume(row),
        _ => {
            row.found(Code::FACT_UNKNOWN, Field::Fact);
            None
        }
    }
}

/// A break. A learner record does not say when one ends: then it is the longest that the office allows, which is flagged. A day
/// that somebody agreed upon can be sent instead, and the break is over as soon as the learner resumes.
fn defer(row: &mut Reading) -> Option<Asked> {
    if !row.value(Field::ResumeBy).is_empty() {
        return registration::defer(row);
    }
    row.found(Code::RESUME_BY_ASSUMED, Field::ResumeBy);
    let held = row.held();
    let from = row.planned(Field::DeferFrom);
    row.reason(Field::DeferralReason);
    let from = from?.date;
    let resume_by = from.plus_days(row.context.policies.on(from).deferral_days_max);
    Some(Asked { ask: Ask::Defer { resume_by }, subject: held?.subject, effective_on: from })
}
