//! Whether a column of an unknown heading may be one that is missing, by what stands in it. A guess decides nothing: it makes a
//! question for a person of what would be refused otherwise.

use daybook_protocol::{
    field::Field,
    finding::{Code, Severity},
};

use super::{
    dates, names, qualification,
    uln::{self, Uln},
};

/// Whether most of some values, blank ones left out, may be those of a column that files need.
pub fn may_be<'a>(field: Field, values: impl IntoIterator<Item = &'a str>) -> bool {
    let (mut given, mut fit) = (0, 0);
    for value in values.into_iter().map(str::trim).filter(|value| !value.is_empty()) {
        given += 1;
        fit += usize::from(fits(field, value));
    }
    fit * 2 > given
}

fn fits(field: Field, value: &str) -> bool {
    match field {
        Field::Uln => matches!(uln::parse(value), Ok(Uln::Known(_))),
        Field::Qualification => qualification::parse(value).is_ok(),
        Field::DateOfBirth
        | Field::StartDate
        | Field::WithdrawalDate
        | Field::DeferFrom
        | Field::ResumeBy
        | Field::ResumedOn
        | Field::DispatchedOn
        | Field::ReturnedOn => dates::parse(value).is_ok(),
        Field::FamilyName | Field::GivenNames => {
            let mut good = true;
            names::check(value, |code: Code| good &= code.severity() != Severity::Error);
            good
        }
        // Words of any kind.
        Field::WithdrawalReason | Field::DeferralReason | Field::ReturnReason | Field::Reason => {
            value.contains(char::is_alphabetic) && dates::parse(value).is_err()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: columns are taken for what most of their values can be, and for nothing where they are blank. Method: a table.
    #[test]
    fn columns_are_known_by_their_values() {
        for (field, values, expected) in [
            (Field::Uln, &["1000000019", " 1000000027 ", "", "TBC"][..], true),
            (Field::Uln, &["1000000019", "1234567890"], false),
            (Field::Uln, &["", " "], false),
            (Field::Qualification, &["601/5886/4", "60158864"], true),
            (Field::Qualification, &["Hair level 2"], false),
            (Field::DateOfBirth, &["2004-05-06", "6/5/2004", "?"], true),
            (Field::DateOfBirth, &["60158864"], false),
            (Field::FamilyName, &["Doe", "O'Brien"], true),
            (Field::FamilyName, &["Doe, Jane", "Group 7"], false),
            (Field::WithdrawalReason, &["Gone fishing"], true),
            (Field::WithdrawalReason, &["2004-05-06", "7"], false),
            (Field::CertificateNo, &["C1"], false),
        ] {
            assert_eq!(may_be(field, values.iter().copied()), expected, "{field} {values:?}");
        }
    }
}
