//! What of a row is sealed, and how much of it at most.

use std::borrow::Cow;

use daybook_protocol::{
    entry::Private,
    field::{Field, Kind},
};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use super::{Cells, present};

/// A value has at most this many characters: a long note, not a document.
const VALUE_CHARS_MAX: usize = 1000;
/// All values of a row together have at most this many bytes, so that an entry stays well below its 64 KiB.
const ROW_BYTES_MAX: usize = 48 * 1024;

/// What the event of an accepted row says itself, by its own fields or by the registration they lead to. All else that the
/// row says is sealed.
fn in_clear(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Enrolments => &[Field::CentreNo, Field::Qualification, Field::StartDate],
        // Of merges and the like: who the others are is known by tokens only, and what was stated of them is sealed.
        Kind::Amendments
        | Kind::Reversals
        | Kind::Voids
        | Kind::Completions
        | Kind::Merges
        | Kind::Unmerges
        | Kind::Aliases => &[Field::RegistrationNo, Field::CentreNo, Field::Qualification, Field::EffectiveDate],
        Kind::Transfers => &[
            Field::RegistrationNo,
            Field::CentreNo,
            Field::Qualification,
            Field::EffectiveDate,
            Field::NewCentre,
            Field::NewQualification,
        ],
        Kind::Withdrawals => &[
            Field::RegistrationNo,
            Field::CentreNo,
            Field::Qualification,
            Field::WithdrawalDate,
            Field::LastAttendedOn,
        ],
        Kind::Deferrals | Kind::Extensions => {
            &[Field::RegistrationNo, Field::CentreNo, Field::Qualification, Field::DeferFrom, Field::ResumeBy]
        }
        Kind::Resumptions => &[Field::RegistrationNo, Field::CentreNo, Field::Qualification, Field::ResumedOn],
        Kind::Dispatches | Kind::Redispatches => &[
            Field::RegistrationNo,
            Field::CentreNo,
            Field::Qualification,
            Field::CertificateNo,
            Field::DispatchedOn,
            Field::Carrier,
            Field::Tracking,
        ],
        Kind::Returns => {
            &[Field::RegistrationNo, Field::CentreNo, Field::Qualification, Field::CertificateNo, Field::ReturnedOn]
        }
    }
}

/// What an accepted row would seal, as sent. `Err` names the column that is beyond the limits, since nothing of a fact may
/// be cut off.
pub(super) fn fits(kind: Kind, cells: &dyn Cells) -> Result<(), Field> {
    if cells.bytes() <= VALUE_CHARS_MAX {
        // As nearly every row: no value and no sum of them can be beyond the limits.
        return Ok(());
    }
    let mut bytes = 0;
    for (field, text) in sealed(kind, cells) {
        bytes += text.len();
        let long = text.len() > VALUE_CHARS_MAX && text.chars().count() > VALUE_CHARS_MAX;
        if long || bytes > ROW_BYTES_MAX {
            return Err(field);
        }
    }
    Ok(())
}

/// What an accepted row seals, as sent; names in NFC. The caller asked [`fits`] before.
pub(super) fn of_accepted(kind: Kind, cells: &dyn Cells) -> Private {
    let mut private = Private::with_capacity(cells.columns().len(), 128);
    for (field, text) in sealed(kind, cells) {
        private.push(field, &composed(field, text));
    }
    private
}

fn sealed(kind: Kind, cells: &dyn Cells) -> impl Iterator<Item = (Field, &str)> {
    let clear = in_clear(kind);
    present(cells).filter(|(field, _)| !clear.contains(field))
}

/// All that a rejected row says, as sent but for what is beyond the limits.
pub(super) fn of_rejected(cells: &dyn Cells) -> Private {
    let mut private = Private::with_capacity(cells.columns().len(), 128);
    let mut room = ROW_BYTES_MAX;
    for (field, text) in present(cells) {
        let end = text.char_indices().nth(VALUE_CHARS_MAX).map_or(text.len(), |(end, _)| end);
        let kept = cut(text, end.min(room));
        room -= kept.len();
        if !kept.is_empty() {
            private.push(field, kept);
        }
    }
    private
}

/// A row of which no column can be trusted, as it stood in its file.
pub(super) fn of_shifted(cells: &dyn Cells) -> Private {
    let raw = cells.raw();
    Private::from([(Field::Line, cut(&raw, ROW_BYTES_MAX))])
}

/// The beginning of a text, whole characters of at most `bytes_max` bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

/// Names are composed, so that the same name is the same bytes whichever machine typed it.
fn composed(field: Field, text: &str) -> Cow<'_, str> {
    let name = matches!(
        field,
        Field::GivenNames
            | Field::MiddleNames
            | Field::FamilyName
            | Field::PreferredName
            | Field::PreviousFamilyName
            | Field::NewValue
    );
    if name && !text.is_ascii() && !matches!(is_nfc_quick(text.chars()), IsNormalized::Yes) {
        Cow::Owned(text.nfc().collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Given;

    /// Goal: many long values never make an entry too long: a rejected row is cut, an accepted one refused instead. Method:
    /// values of the longest kind that is let pass one by one, in every column.
    #[test]
    fn many_long_values_stay_within_the_limit() {
        let longest = "\u{1F600}".repeat(VALUE_CHARS_MAX);
        let all = Given::new(Field::ALL.into_iter().map(|field| (field, longest.clone())).collect());
        let kept = of_rejected(&all);
        assert_eq!(kept.iter().map(|(_, text)| text.len()).sum::<usize>(), ROW_BYTES_MAX);
        assert_eq!(kept.iter().next(), Some((Field::Uln, longest.as_str())));
        assert!(kept.encode().is_ok());
        for kind in Kind::ALL {
            let fields: Vec<Field> = Field::ALL.into_iter().filter(|field| !in_clear(kind).contains(field)).collect();
            let fit = ROW_BYTES_MAX / longest.len();
            assert_eq!(fits(kind, &all), Err(fields[fit]), "{kind}");
            let some = Given::new(fields.iter().take(fit).map(|field| (*field, longest.clone())).collect());
            assert_eq!((fits(kind, &some), of_accepted(kind, &some).count()), (Ok(()), fit), "{kind}");
        }
    }
}
