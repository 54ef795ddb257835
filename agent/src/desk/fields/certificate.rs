//! Certificates sent, come back, and sent again. Their number is enough; whom they are for is checked where the row says it.

use daybook_protocol::{field::Field, finding::Code};

use super::{Asked, reading::Reading, reasons};
use crate::desk::{Ask, Subject};

/// A certificate sent out.
pub(super) fn dispatch(row: &mut Reading) -> Option<Asked> {
    let certificate = row.certificate();
    let day = row.past(Field::DispatchedOn);
    let subject = subject(row);
    let (carrier, tracking) = (row.clear_text(Field::Carrier), row.clear_text(Field::Tracking));
    let ask = Ask::Dispatch { certificate: certificate?, carrier, tracking };
    Some(Asked { ask, subject, effective_on: day?.date })
}

/// A certificate that came back.
pub(super) fn take_back(row: &mut Reading) -> Option<Asked> {
    let certificate = row.certificate();
    let day = row.past(Field::ReturnedOn);
    let subject = subject(row);
    let reason = row.reason(Field::ReturnReason).and_then(|(column, text)| {
        let reason = reasons::returned(text);
        if reason.is_none() {
            row.found(Code::REASON_UNKNOWN, column);
        }
        reason
    });
    let ask = Ask::Return { certificate: certificate?, reason: reason? };
    Some(Asked { ask, subject, effective_on: day?.date })
}

/// A returned certificate sent out again, to a new address or to the old one after it was confirmed.
pub(super) fn redispatch(row: &mut Reading) -> Option<Asked> {
    let certificate = row.certificate();
    let day = row.past(Field::DispatchedOn);
    let subject = subject(row);
    let (carrier, tracking) = (row.clear_text(Field::Carrier), row.clear_text(Field::Tracking));
    let evidence = row.value(Field::Evidence);
    let denied = ["no", "n", "false", "0", "none"].iter().any(|word| word.eq_ignore_ascii_case(evidence));
    let address_confirmed = !row.value(Field::Address).is_empty() || !(evidence.is_empty() || denied);
    let ask = Ask::Redispatch { certificate: certificate?, carrier, tracking, address_confirmed };
    Some(Asked { ask, subject, effective_on: day?.date })
}

/// Whom a certificate is for, as far as the row says.
fn subject(row: &mut Reading) -> Subject {
    let uln = row.uln(Field::Uln);
    let registration = row.registration();
    let qualification = row.qualification();
    let centre = row.centre();
    let (family, given) = (row.held_name(Field::FamilyName), row.held_name(Field::GivenNames));
    let given_born = !row.value(Field::DateOfBirth).is_empty();
    let born = if given_born { row.born(Field::DateOfBirth) } else { None };
    let mut subject = born
        .filter(|_| !family.is_empty())
        .map_or_else(Subject::default, |born| row.subject(family, given, born, centre));
    subject.uln = uln.map(|digits| row.uln_token(&digits));
    subject.registration = registration;
    subject.qualification = qualification;
    subject
}
