//! The one-time code that lets a machine join or recover: a secret that the central node knows by its hash, and the
//! fingerprint of the central node's authority, so that the machine knows whom it talks to before it has a certificate.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;

use crate::ids::Digest;

const BYTES: usize = 16 + 16 + 3;
/// A code is at most this long, with room for dashes and blanks that a person puts in.
pub const CODE_CHARS_MAX: usize = 160;

/// A one-time code.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// What the central node asks for, once.
    pub secret: [u8; 16],
    /// The first half of the SHA-256 of the authority's certificate (DER).
    pub authority: [u8; 16],
}

/// A text that is not a one-time code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a one-time code: copy it whole, as `daybook central invite` printed it")]
pub struct InviteError;

impl Invite {
    /// Whether `certificate` (DER) is that of the authority this code was made by.
    pub fn is_by(&self, certificate: &[u8]) -> bool {
        Digest::of(certificate).0.starts_with(&self.authority)
    }

    /// What the central node keeps of the code: it can recognise the secret but not give it away.
    pub fn secret_hash(&self) -> Digest {
        Digest::of(&self.secret)
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.authority);
        let check = Digest::of(&bytes);
        bytes.extend_from_slice(check.0.split_at(3).0);
        let text = BASE32_NOPAD.encode(&bytes);
        for (place, letter) in text.chars().enumerate() {
            if place > 0 && place % 8 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invite(secret)")
    }
}

impl FromStr for Invite {
    type Err = InviteError;
    fn from_str(text: &str) -> Result<Self, InviteError> {
        if text.len() > CODE_CHARS_MAX {
            return Err(InviteError);
        }
        let letters: String =
            text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
        let bytes = BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| InviteError)?;
        let (covered, check) = bytes.split_at_checked(32).ok_or(InviteError)?;
        if check.len() != BYTES - 32 || !Digest::of(covered).0.starts_with(check) {
            return Err(InviteError);
        }
        let (secret, authority) = covered.split_first_chunk::<16>().ok_or(InviteError)?;
        Ok(Self { secret: *secret, authority: authority.try_into().map_err(|_| InviteError)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a code survives being typed, and a mistyped one is refused here rather than by the network.
    /// Method: round trip, lower case and blanks, and every single changed letter.
    #[test]
    fn a_mistyped_code_is_refused() {
        let invite = Invite { secret: [3; 16], authority: [9; 16] };
        let text = invite.to_string();
        assert_eq!(text.parse(), Ok(invite.clone()));
        assert_eq!(text.to_lowercase().replace('-', " ").parse(), Ok(invite));
        for (place, letter) in text.char_indices().filter(|(_, letter)| *letter != '-') {
            let mut wrong = text.clone();
            wrong.replace_range(place..=place, if letter == 'A' { "B" } else { "A" });
            assert_eq!(wrong.parse::<Invite>(), Err(InviteError), "{wrong}");
        }
        for wrong in ["", "A", "1", &"A".repeat(1000)] {
            assert_eq!(wrong.parse::<Invite>(), Err(InviteError));
        }
    }
}
