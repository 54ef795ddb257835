//! One entry of the log: who, when, by which source, under which rules, what, and the sealed part.

use bincode::{
    Decode, Encode,
    de::Decoder,
    enc::Encoder,
    error::{DecodeError as Undecoded, EncodeError},
};
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
    /// A person, by their name among the office's operators; where none are named, by that of the operating system.
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

/// What the sealed part says: values by column. Encoded as a list of pairs of column and text; in memory all texts lie
/// behind one another, because a row has a dozen and a file a million rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Private {
    texts: String,
    /// Each value's column, and where in `texts` it ends.
    values: Vec<(Field, usize)>,
}

impl Private {
    /// Nothing yet, with room for so many values of so many bytes together.
    pub fn with_capacity(values: usize, bytes: usize) -> Self {
        Self { texts: String::with_capacity(bytes), values: Vec::with_capacity(values) }
    }

    /// Adds the value of a column.
    pub fn push(&mut self, field: Field, text: &str) {
        self.texts.push_str(text);
        self.values.push((field, self.texts.len()));
    }

    /// The values, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        let mut begin = 0;
        self.values.iter().map(move |(field, end)| {
            let text = self.texts.get(begin..*end).unwrap_or_default();
            begin = *end;
            (*field, text)
        })
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// The value of a column, if it is there.
    pub fn value(&self, field: Field) -> Option<&str> {
        self.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    /// Its bytes, to be sealed.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        // A column and a length take two or three bytes each, and a seal has a tag of sixteen.
        let mut out = Vec::with_capacity(self.texts.len() + 4 * self.values.len() + 32);
        codec::encode_into::<ENTRY_BYTES_MAX, _>("private part", self, &mut out)?;
        Ok(out)
    }

    /// Reads what [`Private::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode::<ENTRY_BYTES_MAX, _>("private part", bytes)
    }
}

impl<T: AsRef<str>> FromIterator<(Field, T)> for Private {
    fn from_iter<I: IntoIterator<Item = (Field, T)>>(values: I) -> Self {
        let mut private = Self::default();
        for (field, text) in values {
            private.push(field, text.as_ref());
        }
        private
    }
}

impl<T: AsRef<str>, const N: usize> From<[(Field, T); N]> for Private {
    fn from(values: [(Field, T); N]) -> Self {
        values.into_iter().collect()
    }
}

impl Encode for Private {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.values.len().encode(encoder)?;
        self.iter().try_for_each(|value| value.encode(encoder))
    }
}

impl<C> Decode<C> for Private {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, Undecoded> {
        Ok(Vec::<(Field, String)>::decode(decoder)?.into_iter().collect())
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
