//! The numbers of a snapshot, written and read through their hash.

use std::io::{self, Read, Write};

use daybook_protocol::{date::Date, ids::Sequence};
use sha2::{Digest as _, Sha256};

/// Written, read and hashed in pieces of this size.
pub(super) const BUFFER_BYTES: usize = 1 << 20;

/// Hashes what is written: a megabyte at a time, since most of it comes four bytes at a time.
pub(super) struct Out<T> {
    inner: T,
    hash: Sha256,
    buffer: Vec<u8>,
}

impl<T: Write> Out<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), buffer: Vec::with_capacity(2 * BUFFER_BYTES) }
    }
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.hash.update(&self.buffer);
        self.inner.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
    /// Writes what is left, and the hash of all.
    pub(super) fn finish(mut self) -> io::Result<T> {
        self.flush()?;
        self.inner.write_all(&self.hash.finalize())?;
        Ok(self.inner)
    }
    pub(super) fn number(&mut self, number: u64) -> io::Result<()> {
        self.put(&number.to_be_bytes())
    }
    pub(super) fn small(&mut self, number: u32) -> io::Result<()> {
        self.put(&number.to_be_bytes())
    }
    pub(super) fn date(&mut self, date: Date) -> io::Result<()> {
        self.put(&date.0.to_be_bytes())
    }
}

/// Hashes what is read: a megabyte at a time, since most of it is asked for four bytes at a time.
pub(super) struct Hashing<T> {
    pub(super) inner: T,
    pub(super) hash: Sha256,
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(to)?;
        self.hash.update(to.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Reads the parts of a snapshot.
pub(super) struct In<T> {
    pub(super) inner: T,
}

impl<T: Read> In<T> {
    pub(super) fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }
    pub(super) fn number(&mut self) -> io::Result<u64> {
        self.take().map(u64::from_be_bytes)
    }
    pub(super) fn small(&mut self) -> io::Result<u32> {
        self.take().map(u32::from_be_bytes)
    }
    pub(super) fn date(&mut self) -> io::Result<Date> {
        self.take().map(|bytes| Date(i32::from_be_bytes(bytes)))
    }
    pub(super) fn sequence(&mut self) -> io::Result<Sequence> {
        self.number().map(Sequence)
    }
    pub(super) fn maybe(&mut self) -> io::Result<Option<Sequence>> {
        self.number().map(|number| number.checked_sub(1).map(Sequence))
    }
}

/// No sequence is written as 0, any other as one more than it is.
pub(super) fn maybe(sequence: Option<Sequence>) -> u64 {
    sequence.map_or(0, |sequence| sequence.0 + 1)
}
