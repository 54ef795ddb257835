//! Writes a large file in portions that are synced on the way. Otherwise the sync at its end, which nothing can break off,
//! would take as long as the disk needs for all of it.

use std::{
    fs::File,
    io::{self, Write},
};

/// So many bytes are left to the sync at the end, at the most: under a second even for a slow disk.
const UNSYNCED_BYTES_MAX: usize = 32 << 20;

/// See the module's description.
pub(super) struct Paced<'a> {
    file: &'a File,
    unsynced_bytes: usize,
}

impl<'a> Paced<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, unsynced_bytes: 0 }
    }
}

impl Write for Paced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unsynced_bytes >= UNSYNCED_BYTES_MAX {
            self.file.sync_data()?;
            self.unsynced_bytes = 0;
        }
        let written = self.file.write(bytes)?;
        self.unsynced_bytes += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
