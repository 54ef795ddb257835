//! A file of a backup while it is written, beside its place: what has a place is whole.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use daybook_protocol::ids::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::manifest::Kept;
use crate::{crash, durable};

/// How the names of files begin that have no place yet. What a process that was killed has left of them, the next one removes.
pub(super) const UNFINISHED: &str = ".unfinished-";

/// Lets the owner alone into a directory that was there before. Where that cannot be, such as on a disk that knows no owners,
/// the files in it and the directories of the backup have modes of their own.
pub(super) fn shut(directory: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let shut = std::fs::metadata(directory).and_then(|found| {
            let mode = found.permissions().mode() & 0o777;
            let its_own = mode & 0o700;
            if mode == its_own {
                Ok(())
            } else {
                std::fs::set_permissions(directory, PermissionsExt::from_mode(its_own))
            }
        });
        if let Err(error) = shut {
            let path = directory.display();
            tracing::warn!(%path, error = &error as &dyn std::error::Error, "others may enter the backup's directory");
        }
    }
    #[cfg(not(unix))]
    let _ = directory;
}

/// A file that has no place yet; one that is dropped is gone.
pub(super) struct Writing {
    file: BufWriter<NamedTempFile>,
    hasher: Sha256,
    bytes: u64,
}

impl Writing {
    /// Begins a file of the backup in `directory`, readable by its owner only.
    pub(super) fn begin(directory: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
        let file = BufWriter::with_capacity(durable::PIECE_BYTES, file);
        Ok(Self { file, hasher: Sha256::new(), bytes: 0 })
    }

    /// The SHA-256 of what was written so far.
    pub(super) fn sha256(&self) -> Digest {
        Digest(self.hasher.clone().finalize().into())
    }

    /// Syncs it and gives it its place. Its name is durable once its directory is synced.
    pub(super) fn put(self, path: &Path) -> io::Result<Kept> {
        let kept = Kept { bytes: self.bytes, sha256: self.sha256() };
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        crash::point("central.backup.file.before");
        file.persist(path)?;
        Ok(kept)
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
