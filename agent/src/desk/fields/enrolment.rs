//! Enrolments.

use daybook_protocol::{field::Field, finding::Code, ids::Token};

use super::{Asked, dates::Day, names, reading::Reading};
use crate::desk::Ask;

/// A learner's first day on a qualification. The planned end is neither checked nor used: people write `TBC` there.
pub(super) fn enrol(row: &mut Reading) -> Option<Asked> {
    let uln = row.uln(Field::Uln);
    let given = row.required_name(Field::GivenNames);
    if given.is_some_and(names::is_titled) {
        row.found(Code::NAME_TITLE, Field::GivenNames);
    }
    let family = row.required_name(Field::FamilyName);
    for field in [Field::MiddleNames, Field::PreferredName, Field::PreviousFamilyName] {
        row.name(field);
    }
    let born = row.born(Field::DateOfBirth);
    let start = row.planned(Field::StartDate);
    let age = born.zip(start).map(|(born, start)| age(row, born, start));
    for field in [Field::Sex, Field::Postcode, Field::Email] {
        row.contact(field, row.value(field), field);
    }
    row.required(Field::Qualification);
    let qualification = row.qualification();
    if row.context.centre.is_empty() {
        row.required(Field::CentreNo);
    }
    let centre = row.centre();

    let (start, centre, age) = (start?, centre?, age?);
    let mut subject = row.subject(family?, given?, born?, Some(centre));
    subject.near = near(row, (family?, given?, born?), centre, uln.is_some());
    subject.uln = uln.map(|digits| row.uln_token(&digits));
    subject.qualification = Some(qualification?);
    let own = !row.context.centre.is_empty();
    let centre = if own { centre.to_owned() } else { centre.to_ascii_uppercase() };
    let ask = Ask::Enrol { centre, brand: row.context.brand.to_owned(), age };
    Some(Asked { ask, subject, effective_on: start.date })
}

/// The tokens of those for whom the learner may be mistaken (DOMAIN.md 6.4, same person by another birth date or a swapped name): names
/// the wrong way round, day and month of the birth date the wrong way round. Where there is no ULN to tell people apart, also a
/// birth date with one figure mistyped.
fn near(row: &Reading, (family, given, born): (&str, &str, Day), centre: &str, has_uln: bool) -> Vec<Token> {
    if row.context.tokens.is_none() {
        // Pass one looks nobody up.
        return Vec::new();
    }
    let (family, given) = (names::key(family), names::key(given));
    let swapped = (family != given).then_some((&given, &family, born));
    let turned = born.turned().map(|born| (&family, &given, born));
    let mistyped = if has_uln { Vec::new() } else { born.mistyped() };
    let mistyped = mistyped.into_iter().map(|born| (&family, &given, born));
    let slips = swapped.into_iter().chain(turned).chain(mistyped);
    slips.filter_map(|(family, given, born)| row.person((family, given, &born.iso()), centre)).collect()
}

/// The age at the start, in years, with what is wrong with it noted.
fn age(row: &mut Reading, born: Day, start: Day) -> i16 {
    let (policy, years) = (row.context.policies.on(start.date), born.years_until(start));
    let [usual_min, usual_max] = policy.age_usual;
    if born == start {
        row.found(Code::DATE_IMPLAUSIBLE, Field::DateOfBirth);
    } else if !(policy.age_min..=policy.age_max).contains(&years) {
        row.found(Code::AGE_BELOW_MINIMUM, Field::DateOfBirth);
    } else if !(usual_min..=usual_max).contains(&years) {
        row.found(Code::AGE_UNUSUAL, Field::DateOfBirth);
    }
    years
}
