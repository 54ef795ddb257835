//! Small files that are written whole: after a crash there is the old content or the new one, never half of either. And the hash
//! of large ones. Knows nothing of what the files mean.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use daybook_protocol::ids::Digest;
use sha2::{Digest as _, Sha256};

/// So many bytes of a file are read, hashed or copied at a time.
pub(crate) const PIECE_BYTES: usize = 256 * 1024;

/// Replaces the file at `path` by `bytes`, readable by its owner only. When this returns, file and name are durable.
/// There is one writer for each such file, so that a fixed temporary name beside it is enough.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path);
    write_private(&temporary, bytes)?;
    fs::rename(&temporary, path)?;
    // DURABLE: the new content under its name; the old one may be forgotten.
    path.parent().map_or(Ok(()), sync_directory)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Writes and syncs a file that its owner alone can read; its name is durable after [`sync_directory`].
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a directory, and those above it, that its owner alone can enter; fine if it is there. Its name is durable then.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    make(path, 0o700)
}

/// The same, with the rights that the user gives to directories.
pub(crate) fn make_open_directory(path: &Path) -> io::Result<()> {
    make(path, 0o777)
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    let Some(above) = path.parent() else { return Ok(()) };
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    if path.is_dir() {
        // A process that was killed may have made it and not synced its name. Whoever may not read the directory above has
        // not made anything in it.
        return match sync_directory(above) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            other => other,
        };
    }
    make(above, mode)?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    match builder.create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(error),
        _ => sync_directory(above),
    }
}

/// Makes the names in a directory durable. Windows has no such call and needs none.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Reads a file of at most `bytes_max` bytes; `None` if there is none.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    // Its length is not asked for: a device has none, and a file may grow.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let why = format!("it has more than the {bytes_max} bytes that are expected at most");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Some(bytes))
}

/// Length, in bytes, and SHA-256 of what is left to be read.
pub(crate) fn hash(from: &mut impl Read) -> io::Result<(u64, Digest)> {
    let (mut hasher, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; PIECE_BYTES]);
    loop {
        match from.read(&mut piece)? {
            0 => return Ok((bytes, Digest(hasher.finalize().into()))),
            read => {
                hasher.update(piece.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Goal: no file is read beyond its limit, whatever it says of its length. Method: files on both sides of the limit, one that is
    /// missing, and a device that never ends.
    #[test]
    fn reading_ends_at_the_limit() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        assert_eq!(read_bounded(&path, 3).expect("none"), None);
        for bytes in [&b""[..], b"abc", b"abcd"] {
            fs::write(&path, bytes).expect("written");
            assert_eq!(read_bounded(&path, 3).ok().flatten().as_deref(), (bytes.len() <= 3).then_some(bytes));
        }
        let error = read_bounded(Path::new("/dev/zero"), 3).expect_err("it never ends");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
