//! What the store asks of the file system: directories synced, copies, the reserve, free space.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::error::{StoreError, io};
use crate::home::Home;

/// How much of the reserve is written at a time where the file system cannot allocate it.
const PIECE_BYTES: u64 = 1 << 20;

/// With less than this free on its disk nothing more is recorded, in bytes: what is under way already, the head and the
/// books of an agent still find room, and the reserve stays untouched.
pub const RECORD_BYTES_MIN: u64 = 32 << 20;
/// The engine writes at most so far beyond its file's end between two looks at it, in bytes: the rest of a segment that it
/// fills up, and what may be unsynced of the next.
const WRITTEN_BYTES_MAX: u64 = 10 << 20;
/// New places are taken when fewer than so many bytes of them are left: what is under way when others take the last byte
/// of the disk can still be written.
const AHEAD_BYTES_MIN: u64 = 16 << 20;
/// Places are taken up to so many bytes behind the end, so that it costs a call for a segment, not for a batch.
const TAKEN_BYTES: u64 = AHEAD_BYTES_MIN + (8 << 20);

/// The engine lets go of its file a moment after it was closed; a stop is not to wait for it any longer.
const LETTING_GO_MAX: Duration = Duration::from_millis(500);
const LETTING_GO_PAUSE: Duration = Duration::from_millis(2);

/// The places on the disk that were taken behind the end of the engine's file. The engine cannot be used any more after a
/// write that found no room; one for which there is no room is therefore found out before it is given to the engine.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Up to here in the file.
    through: u64,
    /// The file's length when it was last looked at. One that became shorter has lost what was behind it.
    bytes: u64,
}

impl Ahead {
    /// Sees to it that the next writes have their places.
    pub(super) fn hold(&mut self, home: &Home, batches: &File) -> Result<(), StoreError> {
        let bytes = batches.metadata().map_err(io("looking at the batches", home.path()))?.len();
        if bytes < self.bytes {
            self.through = 0;
        }
        self.bytes = bytes;
        if self.through >= bytes + AHEAD_BYTES_MIN {
            return Ok(());
        }
        match take_places(batches, bytes, TAKEN_BYTES) {
            Ok(()) => self.through = bytes + TAKEN_BYTES,
            Err(error) if is_full(&error) && self.through >= bytes + WRITTEN_BYTES_MAX => {}
            Err(error) if is_full(&error) => {
                let (home, free) = (home.path().to_owned(), free_bytes(home.path())?);
                return Err(StoreError::NoSpace { home, needed: TAKEN_BYTES, free });
            }
            Err(source) => return Err(io("taking places for the batches", home.path())(source)),
        }
        Ok(())
    }

    /// Gives back the places behind the end: a node with many logs at rest would miss them. Only where the engine, which was
    /// closed, has let go of its file: what it wrote there meanwhile would be lost.
    pub(super) fn give_back(&mut self, batches: &File) {
        if std::mem::take(&mut self.through) == 0 {
            return;
        }
        let begun = Instant::now();
        while batches.try_lock().is_err() {
            if begun.elapsed() >= LETTING_GO_MAX {
                tracing::debug!("places behind the end of the batches stay taken until the next stop");
                return;
            }
            thread::sleep(LETTING_GO_PAUSE);
        }
        if let Err(error) = give_places_back(batches).and_then(|()| batches.unlock()) {
            tracing::debug!(%error, "places behind the end of the batches stay taken");
        }
    }
}

/// Takes places in a file without making it longer; does nothing where the file system cannot.
#[cfg(target_os = "linux")]
fn take_places(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, from, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        taken => Ok(taken?),
    }
}

/// Cuts a file to the length that it has, which gives back what was taken behind it. (A hole would not do: behind the end
/// ext4 punches none.)
#[cfg(target_os = "linux")]
fn give_places_back(file: &File) -> io::Result<()> {
    file.set_len(file.metadata()?.len())
}

/// Takes places in a file: here the system has no such call, and a full disk is found by the engine.
#[cfg(not(target_os = "linux"))]
fn take_places(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn give_places_back(_: &File) -> io::Result<()> {
    Ok(())
}

/// Whether something failed because the disk is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Sets `bytes` aside on the disk of the home, to be given up when it is full. Does nothing if as much is set aside
/// already.
pub fn hold_reserve(home: &Home, bytes: u64) -> Result<(), StoreError> {
    let path = home.reserve();
    if bytes == 0 || holds_reserve(home, bytes) {
        return Ok(());
    }
    let held = File::create(&path).and_then(|file| {
        allocate(&file, bytes)?;
        file.sync_all()
    });
    // Half a reserve would be taken for a whole one by whoever looks at its name.
    held.inspect_err(|_| drop(fs::remove_file(&path))).map_err(io("setting the reserve aside", &path))?;
    sync_directory(home.path())
}

/// Whether as much is set aside.
pub fn holds_reserve(home: &Home, bytes: u64) -> bool {
    fs::metadata(home.reserve()).is_ok_and(|meta| meta.len() == bytes)
}

/// Gives the reserve up, so that a full disk has room to stop in order; says how many bytes that are.
pub fn release_reserve(home: &Home) -> Result<u64, StoreError> {
    let path = home.reserve();
    let bytes = match fs::metadata(&path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io("giving the reserve up", &path)(error)),
    };
    fs::remove_file(&path).map_err(io("giving the reserve up", &path))?;
    Ok(bytes)
}

/// How many bytes are free for us on the disk of `path`.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    let stat = rustix::fs::statvfs(path).map_err(|error| io("asking for free space", path)(error.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// How many bytes are free for us on the disk of `path`: here the system is not asked.
#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> Result<u64, StoreError> {
    Ok(u64::MAX)
}

/// Fails unless `needed` bytes are free, if need be by giving the reserve up.
pub(super) fn make_room(home: &Home, needed: u64) -> Result<(), StoreError> {
    if free_bytes(home.path())? >= needed {
        return Ok(());
    }
    let given_up = release_reserve(home)?;
    tracing::warn!(bytes = given_up, "the disk is nearly full: the reserve was given up");
    match free_bytes(home.path())? {
        free if free >= needed => Ok(()),
        free => Err(StoreError::NoSpace { home: home.path().to_owned(), needed, free }),
    }
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP) => write_out(file, bytes),
        other => Ok(other?),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    write_out(file, bytes)
}

fn write_out(mut file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; usize::try_from(PIECE_BYTES).unwrap_or_default()];
    let mut left = bytes;
    while left > 0 {
        let piece = left.min(PIECE_BYTES);
        file.write_all(zeros.get(..usize::try_from(piece).unwrap_or_default()).unwrap_or_default())?;
        left -= piece;
    }
    Ok(())
}

/// Makes the names in a directory durable.
#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io("syncing a directory", path))
}

/// Makes the names in a directory durable: here the system does so by itself.
#[cfg(not(unix))]
pub(super) fn sync_directory(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// Syncs a directory with all that is in it.
pub(super) fn sync_tree(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(io("listing", path))? {
        let path = entry.map_err(io("listing", path))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(io("syncing", &path))?;
        }
    }
    sync_directory(path)
}

/// Copies a directory with all that is in it; `to` must not exist.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::create_dir(to).map_err(io("making a directory", to))?;
    for entry in fs::read_dir(from).map_err(io("listing", from))? {
        let entry = entry.map_err(io("listing", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(io("copying", &path))?;
        }
    }
    Ok(())
}

/// How many bytes the files of a directory have.
pub(super) fn tree_bytes(path: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for entry in fs::read_dir(path).map_err(io("listing", path))? {
        let entry = entry.map_err(io("listing", path))?;
        let meta = entry.metadata().map_err(io("listing", path))?;
        bytes += if meta.is_dir() { tree_bytes(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}

/// Removes a directory with all that is in it, if it is there.
pub(super) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io("removing a leftover", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a file, if it is there.
pub(super) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io("removing a leftover", path)(error)),
        _ => Ok(()),
    }
}
