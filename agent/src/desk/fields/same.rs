//! Whether a row that asks for what was accepted before says the same of the person.

use std::borrow::Cow;

use daybook_protocol::{entry::Private, field::Field};

use super::names;

/// The columns in which a difference is news: what is printed or written to. Family name and date of birth have to agree
/// before a row is compared at all.
const TOLD: [Field; 5] = [Field::GivenNames, Field::MiddleNames, Field::PreferredName, Field::Postcode, Field::Email];

/// The first column in which a row says something else than the accepted one did. Only what both say counts: a row that says
/// less is no change. Spelling does not count as far as it makes no difference to whom or what is meant.
pub fn differs(accepted: &Private, now: &Private) -> Option<Field> {
    TOLD.into_iter().find(|field| {
        let both = accepted.value(*field).zip(now.value(*field));
        both.is_some_and(|(one, other)| one != other && normal(*field, one) != normal(*field, other))
    })
}

fn normal(field: Field, text: &str) -> Cow<'_, str> {
    match field {
        Field::Postcode => text.chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_uppercase).collect(),
        Field::Email => text.to_lowercase().into(),
        _ => names::key(text).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: another value is seen, another spelling is not. Method: a table of pairs.
    #[test]
    fn a_difference_is_one_of_meaning() {
        for (field, one, other, seen) in [
            (Field::GivenNames, "Ann", "Bartholomew", true),
            (Field::GivenNames, "Siân", "SIAN", false),
            (Field::GivenNames, "Ann", "Ann Marie", true),
            (Field::Postcode, "sw1a1aa", "SW1A 1AA", false),
            (Field::Postcode, "SW1A 1AA", "M1 1AE", true),
            (Field::Email, "A@example.test", "a@example.test", false),
            (Field::Email, "a@example.test", "b@example.test", true),
            (Field::Notes, "one", "two", false),
        ] {
            let differs = differs(&Private::from([(field, one)]), &Private::from([(field, other)]));
            assert_eq!(differs, seen.then_some(field), "{one} and {other}");
        }
        let both = Private::from([(Field::GivenNames, "Ann"), (Field::Email, "a@example.test")]);
        assert_eq!(differs(&both, &Private::from([(Field::GivenNames, "Ann")])), None);
    }
}
