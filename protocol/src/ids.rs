//! Identifiers, each a type of its own so that one cannot be passed for another.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// A text that is not the identifier it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not {what}")]
pub struct ParseIdError {
    /// The text as given.
    pub text: String,
    /// What was expected.
    pub what: &'static str,
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                HEXLOWER
                    .decode(text.to_ascii_lowercase().as_bytes())
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError { text: text.to_owned(), what: $what })
            }
        }
        text_serde!($name);
    };
}

macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

bytes_id!(
    /// The random name of one log, made once and for ever.
    LogId, 16, "a log id of 32 hexadecimal digits"
);
bytes_id!(
    /// A SHA-256 digest.
    Digest, 32, "a SHA-256 of 64 hexadecimal digits"
);
bytes_id!(
    /// A keyed look-up value: the first 16 bytes of an HMAC-SHA-256. Says nothing to whoever lacks the key.
    Token, 16, "a token of 32 hexadecimal digits"
);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// The place of an entry in its log, counted from 0; also its leaf index in the hash tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The place `entries` further on.
    #[must_use]
    pub fn plus(self, entries: u64) -> Self {
        Self(self.0.saturating_add(entries))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often the writing end of a log has been made anew: 1 at first, one more with each `recover`. The central node
/// takes entries of the highest epoch only, which fences a machine that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a new log.
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key of the keyring: the epoch that made it and its number within that epoch, counted from 0. A person is known by
/// the key that seals what is personal about them, so this is also the learner's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct KeyId {
    /// The epoch whose writer made the key.
    pub epoch: Epoch,
    /// Its number in that epoch's part of the keyring.
    pub number: u32,
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "K{}-{}", self.epoch, self.number)
    }
}

impl FromStr for KeyId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_numbered('K', text)
            .and_then(|(epoch, number)| Some(Self { epoch, number: number.try_into().ok()? }))
            .ok_or_else(|| ParseIdError { text: text.to_owned(), what: "a key number such as K1-42" })
    }
}
text_serde!(KeyId);

/// A registration's number: the epoch and the sequence of the entry that made it, so that it is unique for ever and no
/// counter has to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct RegistrationNo {
    /// The epoch of the entry.
    pub epoch: Epoch,
    /// The sequence of the entry.
    pub sequence: Sequence,
}

impl fmt::Display for RegistrationNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{}-{}", self.epoch, self.sequence)
    }
}

impl FromStr for RegistrationNo {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_numbered('R', text)
            .map(|(epoch, number)| Self { epoch, sequence: Sequence(number) })
            .ok_or_else(|| ParseIdError { text: text.to_owned(), what: "a registration number such as R1-48213" })
    }
}
text_serde!(RegistrationNo);

fn parse_numbered(letter: char, text: &str) -> Option<(Epoch, u64)> {
    let (epoch, number) = text.trim().strip_prefix([letter, letter.to_ascii_lowercase()])?.split_once('-')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(epoch) || !digits(number) {
        return None;
    }
    Some((Epoch(epoch.parse().ok()?), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is printed can be typed in again, and near misses are refused. Method: round trips and a table.
    #[test]
    fn numbers_round_trip() {
        let no = RegistrationNo { epoch: Epoch(2), sequence: Sequence(48_213) };
        assert_eq!(no.to_string(), "R2-48213");
        assert_eq!("r2-48213".parse(), Ok(no));
        assert_eq!("K1-0".parse(), Ok(KeyId { epoch: Epoch(1), number: 0 }));
        for wrong in ["", "R", "R1", "R1-", "R-1", "R1-x", "R1-+4", "K1-4294967296"] {
            assert!(wrong.parse::<RegistrationNo>().is_err() && wrong.parse::<KeyId>().is_err(), "{wrong}");
        }
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
}
