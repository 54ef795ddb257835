//! The only file that names bincode: one configuration, one way in, one way out.
//!
//! bincode 2.0.1 is final and unmaintained (RUSTSEC-2025-0141), so its encoding is written out in `README.md` and held
//! by golden bytes; replacing it means replacing this file.

use bincode::{
    config,
    de::Decode,
    enc::{Encode, write::Writer},
    error::EncodeError,
};

/// Variable-length integers, little-endian, and a size limit that keeps a lying length from allocating.
fn config<const LIMIT: usize>() -> config::Configuration<config::LittleEndian, config::Varint, config::Limit<LIMIT>> {
    config::standard().with_limit::<LIMIT>()
}

/// Bytes that are not what they should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end early, a tag is unknown, or a length is beyond the limit.
    #[error("not a valid {what}: {why}")]
    Malformed {
        /// What was being read.
        what: &'static str,
        /// bincode's own word for it.
        why: String,
    },
    /// Bytes are left over behind a valid value.
    #[error("{what} is followed by {extra} bytes that do not belong to it")]
    Trailing {
        /// What was being read.
        what: &'static str,
        /// How many bytes are left over.
        extra: usize,
    },
    /// A value is longer than its limit.
    #[error("{what} of {bytes} bytes is over its limit of {limit}")]
    TooLong {
        /// What was being read or written.
        what: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The most it may have.
        limit: usize,
    },
}

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends the encoding of `value` to `out`; fails only when it is over `LIMIT` bytes, and then leaves `out` as it was.
pub(crate) fn encode_into<const LIMIT: usize, T: Encode>(
    what: &'static str,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let start = out.len();
    let written = bincode::encode_into_writer(value, Append(out), config::<LIMIT>());
    let bytes = out.len() - start;
    if let Err(error) = written {
        out.truncate(start);
        return Err(DecodeError::Malformed { what, why: error.to_string() });
    }
    if bytes > LIMIT {
        out.truncate(start);
        return Err(DecodeError::TooLong { what, bytes, limit: LIMIT });
    }
    Ok(())
}

/// Reads one value that must fill `bytes` to the last.
pub(crate) fn decode<const LIMIT: usize, T: Decode<()>>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > LIMIT {
        return Err(DecodeError::TooLong { what, bytes: bytes.len(), limit: LIMIT });
    }
    let (value, consumed) = bincode::decode_from_slice(bytes, config::<LIMIT>())
        .map_err(|error| DecodeError::Malformed { what, why: error.to_string() })?;
    if consumed != bytes.len() {
        return Err(DecodeError::Trailing { what, extra: bytes.len() - consumed });
    }
    Ok(value)
}
