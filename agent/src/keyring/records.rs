//! The files of the keyring as records, without the operator's key: all that a central node can do with them.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use daybook_protocol::{
    ids::{Epoch, KeyId},
    wire::KeysHeld,
};

use super::{
    KeyringError,
    record::{Condition, RECORD_BYTES, Record, condition},
};
use crate::crash;

/// So many bytes of records are read and checked at a time.
const CHECK_BYTES: usize = 4096 * RECORD_BYTES;

/// How many whole records are in each file of `directory`, by epoch; none if there is no such directory. Each file is
/// synced first, so that what is counted is durable even where the process that wrote it was killed before its sync.
/// An epoch without records is not named.
pub fn held_in(directory: &Path) -> Result<Vec<KeysHeld>, KeyringError> {
    let failed = |source| KeyringError::Io { path: directory.to_owned(), source };
    let listing = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing.map_err(failed)?,
    };
    let mut held = Vec::new();
    for file in listing {
        let Some(epoch) = epoch_of(&file.map_err(failed)?.file_name()) else { continue };
        let file = open_for_reading(directory, epoch)?;
        let length = file.sync_data().and_then(|()| file.metadata());
        let length = length.map_err(|source| KeyringError::Io { path: path(directory, epoch), source })?.len();
        held.push(KeysHeld { epoch, count: whole(length) });
    }
    held.retain(|held| held.count > 0);
    held.sort_by_key(|held| held.epoch);
    Ok(held)
}

/// Whole records of an epoch from number `first` on, as they stand in the file, at most `bytes_max` bytes of them; none
/// if there are no more. Says nothing about whether they are durable: for that ask [`held_in`] or
/// [`super::Keyring::held`] first.
pub fn read_records(directory: &Path, epoch: Epoch, first: u32, bytes_max: usize) -> Result<Vec<u8>, KeyringError> {
    let failed = |source| KeyringError::Io { path: path(directory, epoch), source };
    let file = open_for_reading(directory, epoch)?;
    let left = whole(file.metadata().map_err(failed)?.len()).saturating_sub(first);
    let mut records = vec![0; (bytes_max / RECORD_BYTES).min(left as usize) * RECORD_BYTES];
    read_exact_at(&file, &mut records, offset(first)).map_err(failed)?;
    Ok(records)
}

/// The keys of an epoch, among its first `held.count`, whose records are not as they were written; a destroyed key is. Asks
/// `wanted` with every piece whether to go on; `None` when it was broken off.
pub fn damaged_in(
    directory: &Path,
    held: KeysHeld,
    wanted: &dyn Fn() -> bool,
) -> Result<Option<Vec<KeyId>>, KeyringError> {
    let (epoch, mut first, mut damaged) = (held.epoch, 0, Vec::new());
    while first < held.count {
        if !wanted() {
            return Ok(None);
        }
        let most = CHECK_BYTES.min((held.count - first) as usize * RECORD_BYTES);
        let bytes = read_records(directory, epoch, first, most)?;
        let records = bytes.as_chunks::<RECORD_BYTES>().0;
        if records.is_empty() {
            return Err(KeyringError::Short { epoch, found: first, expected: held.count });
        }
        for (number, record) in (first..=u32::MAX).zip(records) {
            let id = KeyId { epoch, number };
            if condition(id, record) == Condition::Damaged {
                damaged.push(id);
            }
        }
        first = first.saturating_add(u32::try_from(records.len()).unwrap_or(u32::MAX));
    }
    Ok(Some(damaged))
}

/// Puts records from number `first` on into the file of an epoch and gives the number of records there now, all durable.
/// The directory and the file are made if need be.
///
/// What is there already may come again; where it comes with other bytes, where a record's checksum does not hold or
/// where records before the first are missing, nothing is written. A record of zeros is taken as a key that was destroyed
/// before it came here; one that is destroyed here is not brought back.
pub fn append_records(directory: &Path, epoch: Epoch, first: u32, records: &[u8]) -> Result<u32, KeyringError> {
    let (records, []) = records.as_chunks::<RECORD_BYTES>() else {
        return Err(KeyringError::RecordsMalformed { bytes: records.len() });
    };
    for (number, record) in (first..=u32::MAX).zip(records) {
        let id = KeyId { epoch, number };
        if condition(id, record) == Condition::Damaged {
            return Err(KeyringError::KeyDamaged { id });
        }
    }
    let end = u32::try_from(records.len()).ok().and_then(|count| first.checked_add(count));
    let end = end.ok_or(KeyringError::Full { epoch })?;
    let (file, count) = open_for_writing(directory, epoch)?;
    if first > count {
        return Err(KeyringError::RecordsGap { epoch, first, count });
    }
    let failed = |source| KeyringError::Io { path: path(directory, epoch), source };
    let (here, new) = records.split_at(records.len().min((count - first) as usize));
    let mut kept = vec![0; here.len() * RECORD_BYTES];
    read_exact_at(&file, &mut kept, offset(first)).map_err(failed)?;
    let mut pairs = (first..=u32::MAX).zip(here.iter().zip(kept.as_chunks::<RECORD_BYTES>().0));
    if let Some((number, (_, kept))) = pairs.find(|(_, (sent, kept))| sent != kept) {
        let id = KeyId { epoch, number };
        let damaged = condition(id, kept) == Condition::Damaged;
        return Err(if damaged { KeyringError::KeptDamaged { id } } else { KeyringError::RecordsDiffer { id } });
    }
    append(&file, count, new).map_err(failed)?;
    // DURABLE: the records up to here. They may be acknowledged.
    Ok(count.max(end))
}

/// Writes records behind the last one, if any, and syncs: those before may be of a process that was killed before its
/// sync. After a failure the file is cut back: what a failed sync left in the page
/// cache must not be taken for durable when the same records come again.
fn append(file: &File, count: u32, records: &[Record]) -> io::Result<()> {
    let written = write_all_at(file, records.as_flattened(), offset(count)).and_then(|()| {
        crash::point("keyring.append.before");
        file.sync_data()?;
        crash::point("keyring.append.after");
        Ok(())
    });
    if written.is_err() {
        // Should this fail too, the first error is still the one to tell.
        let _ = file.set_len(offset(count));
    }
    written
}

/// The file of an epoch.
pub(super) fn path(directory: &Path, epoch: Epoch) -> PathBuf {
    directory.join(format!("{epoch:08}.keys"))
}

fn epoch_of(name: &OsStr) -> Option<Epoch> {
    let digits = name.to_str()?.strip_suffix(".keys")?;
    let epoch = Epoch(digits.parse().ok()?);
    (format!("{epoch:08}") == digits).then_some(epoch)
}

/// Where a record begins, in bytes from the beginning of its file.
pub(super) fn offset(number: u32) -> u64 {
    u64::from(number) * RECORD_BYTES as u64
}

/// How many whole records a file of this length has.
pub(super) fn whole(bytes: u64) -> u32 {
    u32::try_from(bytes / RECORD_BYTES as u64).unwrap_or(u32::MAX)
}

pub(super) fn open_for_reading(directory: &Path, epoch: Epoch) -> Result<File, KeyringError> {
    let path = path(directory, epoch);
    File::open(&path).map_err(|source| KeyringError::Io { path, source })
}

/// Opens the file of an epoch, makes it and its directory if need be, cuts off what was torn, and gives the number of
/// records. The file can be found again after a crash; its content is for the caller to sync.
pub(super) fn open_for_writing(directory: &Path, epoch: Epoch) -> Result<(File, u32), KeyringError> {
    let path = path(directory, epoch);
    let opened = fs::create_dir_all(directory).and_then(|()| {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let count = whole(file.metadata()?.len());
        if file.metadata()?.len() != offset(count) {
            file.set_len(offset(count))?;
        }
        Ok((file, count))
    });
    let (file, count) = opened.map_err(|source| KeyringError::Io { path, source })?;
    if count == 0 {
        // Records are written only behind these two, so that a file with records needs them no more.
        sync_directory(directory)?;
        sync_directory(directory_of(directory))?;
    }
    Ok((file, count))
}

/// The directory in which a file or directory lies.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes durable which names a directory has.
pub(super) fn sync_directory(directory: &Path) -> Result<(), KeyringError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| KeyringError::Io { path: directory.to_owned(), source })
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}
