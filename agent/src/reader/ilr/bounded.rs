//! A source that ends in an error where too much is asked of it at once: an XML reader takes a whole token into memory before
//! anybody can see how long it is.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
    sync::Arc,
};

use super::super::{CHUNK_BYTES, Source};

/// More was asked for than is allowed at a time.
#[derive(Debug)]
pub(super) struct Beyond;

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more was asked for than is allowed at a time")
    }
}

impl std::error::Error for Beyond {}

/// A source of which so much may be read, until more is allowed.
pub(super) struct Bounded {
    source: BufReader<Source>,
    /// How many bytes may still be read.
    left: usize,
}

impl Bounded {
    pub(super) fn new(source: Source) -> Self {
        Self { source: BufReader::with_capacity(CHUNK_BYTES, source), left: CHUNK_BYTES }
    }

    /// Allows so many bytes from here on.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.left = bytes;
    }
}

impl Read for Bounded {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(to)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Bounded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.source.fill_buf()?;
        if self.left == 0 && !bytes.is_empty() {
            return Err(io::Error::other(Beyond));
        }
        Ok(bytes.get(..self.left.min(bytes.len())).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        self.source.consume(bytes);
    }
}

/// An error as it came from the source, out of the box in which the XML reader shares it.
pub(super) fn owned(shared: Arc<io::Error>) -> io::Error {
    Arc::try_unwrap(shared).unwrap_or_else(|shared| io::Error::new(shared.kind(), shared))
}
