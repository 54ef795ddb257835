//! Small files that are written whole: after a crash there is the old content or the new one, never half of either.
//! Knows nothing of what the files mean.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

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

/// Makes a directory, and those above it, that its owner alone can enter; fine if it is there.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes the names in a directory durable. Windows has no such call and needs none.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Reads a file of at most `bytes_max` bytes; `None` if there is none.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(found) if found.len() > bytes_max => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it has {} bytes and at most {bytes_max} are expected", found.len()),
        )),
        Ok(_) => fs::read(path).map(Some),
    }
}
