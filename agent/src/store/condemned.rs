//! The mark of a log whose bytes were found damaged while it was closed, or beside whoever had it open. While the mark is
//! there the log is neither opened nor written: the engine knows nothing of damage in its midst, would append behind it,
//! and in time write over what salvage could still find.

use std::{fs, io};

use super::{
    disk,
    error::{StoreError, io},
};
use crate::{durable, home::Home};

/// Notes that the log in `home` is damaged, and why. It is not opened again before [`super::salvage()`] has mended it, or
/// [`absolve`] takes that back. Whoever has it open now is to be told by [`super::StoreReader::condemn`].
pub fn condemn(home: &Home, why: &str) -> Result<(), StoreError> {
    durable::write_whole(&home.damaged(), why.as_bytes()).map_err(io("writing a mark", &home.damaged()))
}

/// Takes the mark away, where there is one: the log was hashed from end to end and is good.
pub fn absolve(home: &Home) -> Result<(), StoreError> {
    if condemned(home)?.is_none() {
        return Ok(());
    }
    disk::remove_file(&home.damaged())?;
    disk::sync_directory(home.path())
}

/// Why the log in `home` is not opened, if it is marked.
pub fn condemned(home: &Home) -> Result<Option<String>, StoreError> {
    match fs::read(home.damaged()) {
        Ok(why) => Ok(Some(String::from_utf8_lossy(&why).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("reading a mark", &home.damaged())(error)),
    }
}
