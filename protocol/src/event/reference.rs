//! Reference data: what registers kept elsewhere say of qualifications and centres, by which the desk judges.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::ids::{Digest, KeyId, ParseIdError};

/// A register that can be loaded. The order is the format: new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Register {
    /// The qualifications that there are, with the days between which they take registrations and are certificated.
    Qualifications,
    /// The centres, with what each is approved for, whose agent it belongs to, and its sanctions.
    Centres,
}

impl Register {
    /// Every register, in the order of their tags.
    pub const ALL: [Self; 2] = [Self::Qualifications, Self::Centres];

    /// Its name in output and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qualifications => "qualifications",
            Self::Centres => "centres",
        }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Register {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let known = Self::ALL.into_iter().find(|register| register.name() == text);
        known.ok_or_else(|| ParseIdError { text: text.to_owned(), what: "a register such as centres" })
    }
}

/// Fields of [`super::Event::ReferenceLoaded`]. Sealed: the file's name. The entry's place is the register's version; it governs
/// what is judged behind it, to the next entry of the same register. Its content is an original like that of an arrival.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ReferenceLoaded {
    /// Which register.
    pub register: Register,
    /// SHA-256 of the file's bytes.
    pub sha256: Digest,
    /// The file's length in bytes.
    pub bytes: u64,
    /// How many rows it has below its header.
    pub rows: u64,
    /// The key that seals the file and its name.
    pub key: KeyId,
}
