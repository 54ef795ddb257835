//! Amendments of what is held of a learner.

use daybook_protocol::{event::AmendmentClass, field::Field, finding::Code, ids::Token};

use super::{
    Asked, names,
    reading::{Held, Reading},
    reasons,
};
use crate::desk::{Ask, CHANGE_DOMAIN};

/// What can be amended, in the spellings of headings (DOMAIN.md 6.2). A wrong centre or qualification is withdrawn and
/// enrolled again instead.
const AMENDABLE: &[(Field, &[&str])] = &[
    (Field::FamilyName, &["familyname", "surname", "lastname", "lastnames"]),
    (
        Field::GivenNames,
        &["givennames", "givenname", "firstname", "firstnames", "forename", "forenames", "christianname"],
    ),
    (Field::MiddleNames, &["middlenames", "middlename", "middleothername"]),
    (Field::PreferredName, &["preferredname", "knownas", "preferredgivenname", "preffirstname"]),
    (Field::PreviousFamilyName, &["previousfamilyname", "previoussurname", "prevsurname", "maidenname"]),
    (Field::DateOfBirth, &["dateofbirth", "dob", "birthdate", "birthday"]),
    (Field::Uln, &["uln", "uniquelearnernumber", "learnernumber", "miapuln", "ulnnumber", "uniquelearnerno"]),
    (Field::Sex, &["sex", "gender", "legalsex"]),
    (Field::Postcode, &["postcode", "postcodehome", "homepostcode", "postalcode", "zip", "lastknownpostcode"]),
    (Field::Email, &["email", "emailaddress", "learneremail", "learneremailaddress"]),
    (Field::Address, &["address", "newaddress", "homeaddress", "fulladdress"]),
];

/// The tokens that an amendment changes.
#[derive(Default)]
struct Afterwards {
    uln: Option<Token>,
    person: Option<Token>,
    identity: Option<Token>,
}

/// A new value for something held of a learner; effective on the day given, or today.
pub(super) fn amend(row: &mut Reading) -> Option<Asked> {
    let held = row.held();
    row.reason(Field::Reason);
    let dated = !row.value(Field::EffectiveDate).is_empty();
    let effective_on =
        if dated { row.planned(Field::EffectiveDate).map(|day| day.date) } else { Some(row.context.today) };
    let new = row.required(Field::NewValue);
    let field = row.required(Field::AmendedField).and_then(|name| {
        let field = amendable(name);
        if field.is_none() {
            row.found(Code::AMENDED_FIELD_UNKNOWN, Field::AmendedField);
        }
        field
    });
    let (field, new) = (field?, new?);
    let afterwards = afterwards(row, field, new, held.as_ref());
    let class = match field {
        Field::Postcode | Field::Email | Field::Address => AmendmentClass::B,
        _ => AmendmentClass::C,
    };
    let change = row.token(CHANGE_DOMAIN, &[field.name(), new]);
    let Afterwards { uln, person, identity } = afterwards;
    let ask = Ask::Amend { field, class, uln, person, identity, change };
    Some(Asked { ask, subject: held?.subject, effective_on: effective_on? })
}

fn amendable(name: &str) -> Option<Field> {
    let name = reasons::plain(name);
    AMENDABLE.iter().find(|(_, words)| words.contains(&name.as_str())).map(|(field, _)| *field)
}

/// Checks the new value by the rule of its field, and works out by which tokens the learner will be found.
fn afterwards(row: &mut Reading, field: Field, new: &str, held: Option<&Held>) -> Afterwards {
    let mut afterwards = Afterwards::default();
    match field {
        Field::FamilyName => {
            row.required_name(Field::NewValue);
            if let Some(held) = held {
                let subject = row.subject(new, held.given, held.born, held.centre);
                (afterwards.person, afterwards.identity) = (subject.person, subject.identity);
            }
        }
        Field::GivenNames => {
            row.required_name(Field::NewValue);
            if names::is_titled(new) {
                row.found(Code::NAME_TITLE, Field::NewValue);
            }
            let subject = held.map(|held| row.subject(held.family, new, held.born, held.centre));
            afterwards.person = subject.and_then(|subject| subject.person);
        }
        Field::MiddleNames | Field::PreferredName | Field::PreviousFamilyName => {
            row.required_name(Field::NewValue);
        }
        Field::DateOfBirth => {
            if let (Some(born), Some(held)) = (row.born(Field::NewValue), held) {
                let subject = row.subject(held.family, held.given, born, held.centre);
                (afterwards.person, afterwards.identity) = (subject.person, subject.identity);
            }
        }
        Field::Uln => match row.uln(Field::NewValue) {
            Some(digits) => afterwards.uln = Some(row.uln_token(&digits)),
            // A placeholder only warns, but here it leaves nothing to amend to.
            None if row.noted(Code::ULN_PLACEHOLDER, Field::NewValue) => {
                row.found(Code::REQUIRED_MISSING, Field::NewValue);
            }
            None => {}
        },
        contact => row.contact(contact, new, Field::NewValue),
    }
    afterwards
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every field that can be amended is known by its own name, and no spelling stands for two. Method: look up all.
    #[test]
    fn what_can_be_amended_is_known_by_its_names() {
        for (field, words) in AMENDABLE {
            assert_eq!(amendable(field.name()), Some(*field));
            for word in *words {
                assert_eq!(amendable(word), Some(*field), "{word}");
            }
        }
        for (name, field) in [
            ("First name", Some(Field::GivenNames)),
            ("D.O.B.", Some(Field::DateOfBirth)),
            ("E-mail", Some(Field::Email)),
            ("Centre number", None),
            ("qualification", None),
            ("", None),
        ] {
            assert_eq!(amendable(name), field, "{name}");
        }
    }
}
