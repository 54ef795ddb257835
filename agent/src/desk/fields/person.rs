//! What an operator decides about persons: who is who, and by which ULNs.

use daybook_protocol::{field::Field, finding::Code};

use super::{
    Asked,
    reading::{Held, Reading},
};
use crate::desk::{Ask, Other};

/// Two learners who are one person. The other's family name is the same unless given, the birth date always is.
pub(super) fn merge(row: &mut Reading) -> Option<Asked> {
    let held = row.held();
    let (other, held) = (other(row)?, held?);
    let family = match row.name(Field::OtherFamilyName) {
        "" => held.family,
        family => family,
    };
    let identity = row.subject(family, "", held.born, None).identity;
    decided(row, Ask::Merge { other, identity }, held)
}

/// One who was merged and is somebody else.
pub(super) fn unmerge(row: &mut Reading) -> Option<Asked> {
    let held = row.held();
    let (other, held) = (other(row)?, held?);
    decided(row, Ask::Unmerge { other }, held)
}

/// A further ULN.
pub(super) fn alias(row: &mut Reading) -> Option<Asked> {
    let held = row.held();
    row.required(Field::OtherUln);
    let uln = row.uln(Field::OtherUln).map(|digits| row.uln_token(&digits));
    decided(row, Ask::Alias { uln: uln? }, held?)
}

/// The other learner, by ULN or by the number of a registration.
fn other(row: &mut Reading) -> Option<Other> {
    let uln = row.uln(Field::OtherUln).map(|digits| row.uln_token(&digits));
    let registration = row.registration_in(Field::OtherRegistrationNo);
    if uln.is_none() && registration.is_none() {
        row.found(Code::REQUIRED_MISSING, Field::OtherRegistrationNo);
        return None;
    }
    Some(Other { uln, registration })
}

/// From ever, but decided on a day: the one given, or today.
fn decided(row: &mut Reading, ask: Ask, held: Held<'_>) -> Option<Asked> {
    row.reason(Field::Reason);
    let dated = !row.value(Field::EffectiveDate).is_empty();
    let on = if dated { row.past(Field::EffectiveDate).map(|day| day.date) } else { Some(row.context.today) };
    Some(Asked { ask, subject: held.subject, effective_on: on? })
}
