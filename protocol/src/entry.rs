//! One entry of the log: who, when, by which source, under which rules, what, and the sealed part.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::{
    codec::{self, DecodeError},
    date::{Date, Timestamp},
    event::Event,
    field::Field,
    finding::Finding,
    ids::{KeyId, LogId, Sequence},
};

/// The version of the entry format.
pub const FORMAT: u16 = 1;
/// An entry has at most this many bytes: a row of a file is far below it, and a batch must stay below the length at which
/// sled would put it into a file of its own.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// A configuration has at most this many bytes, so that it fits into one entry.
pub const CONFIG_BYTES_MAX: usize = 60 * 1024;

/// Who caused an entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The agent itself, at work on what arrived.
    Agent,
    /// A person, by the name the operating system knows them by.
    Operator(String),
}

/// What an entry came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// The agent's own doing.
    Agent,
    /// A person's command.
    Command,
    /// A file as a whole.
    File {
        /// The file's `FileReceived`.
        arrival: Sequence,
    },
    /// A row of a file.
    Row {
        /// The file's `FileReceived`.
        arrival: Sequence,
        /// The physical line on which the row begins, counted from 1.
        line: u32,
    },
}

/// The sealed part: XChaCha20-Poly1305 under `key` of a [`Private`], with [`associated_data`] bound in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Sealed {
    /// Which key opens it.
    pub key: KeyId,
    /// The nonce, random for each entry.
    pub nonce: [u8; 24],
    /// The ciphertext and its 16-byte tag.
    pub ciphertext: Vec<u8>,
}

/// What is bound to the ciphertext of an entry, so that it cannot be moved to another place: log id and sequence.
pub fn associated_data(log: LogId, sequence: Sequence) -> [u8; 24] {
    let mut data = [0; 24];
    let (id, place) = data.split_at_mut(16);
    id.copy_from_slice(&log.0);
    place.copy_from_slice(&sequence.0.to_be_bytes());
    data
}

/// What the sealed part says: values by column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Private(pub Vec<(Field, String)>);

impl Private {
    /// Its bytes, to be sealed.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::with_capacity(128);
        codec::encode_into::<ENTRY_BYTES_MAX, _>("private part", self, &mut out)?;
        Ok(out)
    }

    /// Reads what [`Private::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode::<ENTRY_BYTES_MAX, _>("private part", bytes)
    }

    /// The value of a column, if it is there.
    pub fn value(&self, field: Field) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, value)| value.as_str())
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Its place.
    pub sequence: Sequence,
    /// When it was recorded (UTC).
    pub recorded_at: Timestamp,
    /// From which day the fact holds, where it is such a fact.
    pub effective_on: Option<Date>,
    /// Who caused it.
    pub actor: Actor,
    /// What it came from.
    pub source: Source,
    /// The `ConfigAdopted` whose rules governed it.
    pub governed_by: Sequence,
    /// What the checks found; on a fact these are warnings.
    pub findings: Vec<Finding>,
    /// What happened.
    pub event: Event,
    /// What is personal about it.
    pub sealed: Option<Sealed>,
}

impl Entry {
    /// From which day the fact holds; one that names no day holds from the day (UTC) on which it was recorded.
    pub fn holds_from(&self) -> Date {
        self.effective_on.unwrap_or_else(|| self.recorded_at.day())
    }

    /// Appends the entry's bytes to `out`; fails if they are more than [`ENTRY_BYTES_MAX`].
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        codec::encode_into::<ENTRY_BYTES_MAX, _>("entry", self, out)
    }

    /// The entry's bytes: what is hashed, stored and sent.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::with_capacity(256);
        self.encode_into(&mut out)?;
        Ok(out)
    }

    /// Reads one entry that fills `bytes` to the last.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode::<ENTRY_BYTES_MAX, _>("entry", bytes)
    }
}
