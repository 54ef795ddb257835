//! The marks that tell a clean stop from any other: `unclean` while the store is open, `closed` once it was closed.
//!
//! Two marks, because the engine destroys evidence in opening also where the damage came after a clean stop: what it
//! walks on opening is the end of its file, so that end must be the one that was closed.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
};

use daybook_protocol::{head::Head, ids::Digest};

use super::{
    disk,
    engine::Engine,
    error::{StoreError, io},
};
use crate::home::Home;

/// How much of the file's end the mark covers, in bytes: the segment that the engine goes on in, and the one before it.
/// That takes ten milliseconds; the whole file would take half a second for each GiB.
const END_BYTES: u64 = 16 << 20;

/// Marks the store as open for writing.
pub(super) fn open(home: &Home) -> Result<(), StoreError> {
    let path = home.unclean();
    write(home, &path, "The store is open for writing, or it was not closed in order.\n")
}

/// Marks the store as closed in order; nothing has it open any more.
pub(super) fn closed(home: &Home, head: &Head) -> Result<(), StoreError> {
    write(home, &home.closed(), &state(home, head)?)?;
    disk::remove_file(&home.unclean())?;
    disk::sync_directory(home.path())
    // DURABLE: the store was closed in order; the next start need not look into it.
}

/// Whether the last stop was clean and nothing has changed since.
pub(super) fn is_closed(home: &Home, head: &Head) -> Result<bool, StoreError> {
    if home.unclean().exists() {
        return Ok(false);
    }
    match fs::read_to_string(home.closed()) {
        Ok(mark) => Ok(mark == state(home, head)?),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(false),
        Err(error) => Err(io("reading the mark of a clean stop", &home.closed())(error)),
    }
}

/// The file's length, the hash of its end, and what the head says.
fn state(home: &Home, head: &Head) -> Result<String, StoreError> {
    let path = Engine::file(&home.log());
    let end = File::open(&path).and_then(|mut file| {
        let bytes = file.metadata()?.len();
        file.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES)))?;
        let mut end = Vec::new();
        file.take(END_BYTES).read_to_end(&mut end)?;
        Ok((bytes, Digest::of(&end)))
    });
    let (bytes, hash) = end.map_err(io("reading the batches", &path))?;
    Ok(format!("{bytes} {hash}\n{} {}\n", head.frontier.count(), head.frontier.root()))
}

fn write(home: &Home, path: &std::path::Path, text: &str) -> Result<(), StoreError> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(io("writing a mark", path))?;
    disk::sync_directory(home.path())
}
