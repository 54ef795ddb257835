//! Withdrawals, deferrals and resumptions, and what an operator decides about a registration.

use daybook_protocol::{date::Date, event::WithdrawalReason, field::Field, finding::Code};

use super::{Asked, reading::Reading, reasons};
use crate::desk::Ask;

/// The end of a registration. How far ahead it may be dated depends on the office and is judged with its state.
pub(super) fn withdraw(row: &mut Reading) -> Option<Asked> {
    let held = row.held();
    let day = row.day(Field::WithdrawalDate);
    let last_attended_on = row.day_if_given(Field::LastAttendedOn).map(|day| day.date);
    let policy = row.context.policies.on(day.map_or(row.context.today, |day| day.date));
    let known = row.reason(Field::WithdrawalReason).and_then(|(column, text)| {
        let known = reasons::withdrawal(text, &policy.reasons);
        if known.is_none() {
            row.found(Code::REASON_UNKNOWN, column);
        }
        known.map(|(reason, explained)| (column, reason, explained))
    });
    if let Some((column, WithdrawalReason::Other, false)) = known {
        let elsewhere = [Field::Notes, Field::Reason].into_iter().filter(|field| *field != column);
        if elsewhere.map(|field| row.value(field)).all(str::is_empty) {
            row.found(Code::OTHER_NEEDS_TEXT, Field::Notes);
        }
    }
    let ask = Ask::Withdraw { reason: known?.1, last_attended_on };
    Some(Asked { ask, subject: held?.subject, effective_on: day?.date })
}

/// A break, with the day by which it ends.
pub(super) fn defer(row: &mut Reading) -> Option<Asked> {
    until(row, |resume_by| Ask::Defer { resume_by })
}

/// A break that goes on.
pub(super) fn extend(row: &mut Reading) -> Option<Asked> {
    until(row, |resume_by| Ask::Extend { resume_by })
}

fn until(row: &mut Reading, ask: impl FnOnce(Date) -> Ask) -> Option<Asked> {
    let held = row.held();
    let from = row.planned(Field::DeferFrom);
    let by = row.day(Field::ResumeBy);
    row.reason(Field::DeferralReason);
    let (from, by) = (from?, by?);
    if by.date <= from.date {
        row.found(Code::DATES_OUT_OF_ORDER, Field::ResumeBy);
    }
    Some(Asked { ask: ask(by.date), subject: held?.subject, effective_on: from.date })
}

/// The end of a break.
pub(super) fn resume(row: &mut Reading) -> Option<Asked> {
    let held = row.held();
    let day = row.planned(Field::ResumedOn);
    Some(Asked { ask: Ask::Resume, subject: held?.subject, effective_on: day?.date })
}

/// A registration that goes on at another centre or for another qualification. Whoever agreed to it stands in the column of
/// evidence. A learner is found by name at one centre only, so that the whole name is needed where the centre is another.
pub(super) fn transfer(row: &mut Reading) -> Option<Asked> {
    let held = row.held();
    let day = row.past(Field::EffectiveDate);
    row.reason(Field::Reason);
    row.required(Field::Evidence);
    let centre = row.other_centre(Field::NewCentre);
    let qualification = row.qualification_in(Field::NewQualification);
    if [Field::NewCentre, Field::NewQualification].map(|field| row.value(field)).iter().all(|text| text.is_empty()) {
        row.found(Code::REQUIRED_MISSING, Field::NewCentre);
    }
    if centre.is_some() {
        row.required(Field::GivenNames);
    }
    let held = held?;
    let person =
        centre.as_ref().and_then(|centre| row.subject(held.family, held.given, held.born, Some(centre)).person);
    let ask = Ask::Transfer { centre, qualification, person };
    Some(Asked { ask, subject: held.subject, effective_on: day?.date })
}

/// What an operator decides about a registration, from a day on and for a reason.
pub(super) fn ruled(row: &mut Reading, ask: Ask) -> Option<Asked> {
    let held = row.held();
    let day = row.past(Field::EffectiveDate);
    row.reason(Field::Reason);
    Some(Asked { ask, subject: held?.subject, effective_on: day?.date })
}
