//! The file of the head: two slots, written in turn, so that a torn write spoils one and never both.

use std::{
    fs::{self, File},
    io,
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

/// Whether one of the slots was written and is not good.
pub(super) fn is_spoilt(path: &Path) -> Result<bool, StoreError> {
    let bytes = fs::read(path).map_err(io("reading the head", path))?;
    Ok(Head::spoilt_slot(&bytes).is_some())
}

/// Makes a new head file at `path`, synced; the caller gives it its place and syncs the directory.
pub(super) fn make(path: &Path, head: &Head) -> Result<(), StoreError> {
    let made = File::create(path).and_then(|mut file| {
        file.set_len(2 * SLOT_BYTES as u64)?;
        write_at(&mut file, &head.encode(), head.offset())?;
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
        let written = write_at(&mut self.file, &head.encode(), head.offset()).and_then(|()| self.file.sync_data());
        written.map_err(io("writing the head", &self.path))?;
        // DURABLE: the log up to this head. Whoever waits for these entries may be answered.
        crash::point("store.head.after");
        Ok(())
    }
}

#[cfg(unix)]
fn write_at(file: &mut File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(file: &mut File, bytes: &[u8], at: u64) -> io::Result<()> {
    use io::{Seek, Write};
    file.seek(io::SeekFrom::Start(at))?;
    file.write_all(bytes)
}
