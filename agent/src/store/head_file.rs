//! The file of the head: two slots, written in turn, so that a torn write spoils one and never both.

use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use daybook_protocol::head::{Head, SLOT_BYTES};

use super::error::{StoreError, io};
use crate::crash;

/// The present head as the file at `path` says; `None` if there is no file or neither slot is good.
pub(super) fn read(path: &Path) -> Result<Option<Head>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Head::of_file(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("reading the head", path)(error)),
    }
}

/// Makes a new head file at `path`, synced; the caller gives it its place and syncs the directory.
pub(super) fn make(path: &Path, head: &Head) -> Result<(), StoreError> {
    let made = File::create(path).and_then(|mut file| {
        file.set_len(2 * SLOT_BYTES as u64)?;
        file.seek(SeekFrom::Start(head.offset()))?;
        file.write_all(&head.encode())?;
        file.sync_all()
    });
    made.map_err(io("writing the head", path))
}

/// An open head file.
pub(super) struct HeadFile {
    path: PathBuf,
    file: File,
}

impl HeadFile {
    /// Opens the head file at `path` for writing.
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let file = File::options().write(true).open(&path).map_err(io("opening the head", &path))?;
        Ok(Self { path, file })
    }

    /// Writes `head` into its slot and makes it durable. The caller has made everything durable that it speaks of.
    pub(super) fn write(&mut self, head: &Head) -> Result<(), StoreError> {
        crash::point("store.head.before");
        let written = self.file.seek(SeekFrom::Start(head.offset())).and_then(|_| {
            self.file.write_all(&head.encode())?;
            self.file.sync_data()
        });
        written.map_err(io("writing the head", &self.path))?;
        // DURABLE: the log up to this head. Whoever waits for these entries may be answered.
        crash::point("store.head.after");
        Ok(())
    }
}
