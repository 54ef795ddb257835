//! The numbers by which registers are asked, in the one form in which they compare.

use crate::desk::fields::QUALIFICATION_CHARS;

/// A centre's number has at most this many characters (DOMAIN.md 2.2).
const CENTRE_CHARS_MAX: usize = 12;

/// A centre's number: 1 to 12 letters and digits, upper and lower case alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CentreNo([u8; CENTRE_CHARS_MAX]);

impl CentreNo {
    /// The number that a text says; `None` if it cannot be one.
    pub fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut number = [0; CENTRE_CHARS_MAX];
        let place = number.get_mut(..bytes.len()).filter(|_| !bytes.is_empty())?;
        for (to, from) in place.iter_mut().zip(bytes) {
            *to = Some(from.to_ascii_uppercase()).filter(u8::is_ascii_alphanumeric)?;
        }
        Some(Self(number))
    }
}

/// A qualification's number without slashes and without a route code: a register knows no routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QualificationNo([u8; QUALIFICATION_CHARS]);

impl QualificationNo {
    /// That of a number as it is kept: eight characters, and perhaps a route code behind a slash.
    pub fn of(kept: &str) -> Option<Self> {
        kept.as_bytes().first_chunk().copied().map(Self)
    }
}
