//! Reading an original until the wish to stop: a large one is read from end to end where nobody can be asked in between.

use std::io::{self, Read};

use super::OfficeError;
use crate::{
    reader::ReadError,
    supervise::Shutdown,
    vault::{Original, VaultError},
};

/// An original that breaks off at the wish to stop.
pub(super) struct Heeding {
    original: Original,
    stop: Shutdown,
}

impl Heeding {
    pub(super) fn new(original: Original, stop: Shutdown) -> Self {
        Self { original, stop }
    }
}

impl Read for Heeding {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_asked() { Err(io::Error::other(VaultError::BrokenOff)) } else { self.original.read(to) }
    }
}

/// What a step ended in, with the end of a [`Heeding`] known for what it is: no trouble with the file.
pub(super) fn heeded(error: OfficeError) -> OfficeError {
    let broken_off = |source: &io::Error| {
        let inner = source.get_ref().and_then(|inner| inner.downcast_ref());
        matches!(inner, Some(VaultError::BrokenOff))
    };
    match error {
        OfficeError::Read(ReadError::Io(source)) if broken_off(&source) => OfficeError::Stopping,
        other => other,
    }
}
