//! Objects in pieces, as they stand, for another machine and from one. Needs no key: all of it works on sealed bytes.

use std::{
    fs::{self, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
};

use daybook_protocol::ids::Digest;

use super::{Vault, VaultError, failed, object};
use crate::crash;

impl Vault {
    /// The length of the sealed object in bytes.
    pub fn object_bytes(&self, sha256: Digest) -> Result<u64, VaultError> {
        let about = self.open_object(sha256)?.metadata();
        about.map(|about| about.len()).map_err(|source| failed(&self.place(sha256), source))
    }

    /// Bytes of the sealed object from `offset` on, at most `bytes_max` of them; none at its end.
    pub fn object_piece(&self, sha256: Digest, offset: u64, bytes_max: usize) -> Result<Vec<u8>, VaultError> {
        let mut file = self.open_object(sha256)?;
        let mut piece = Vec::new();
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.take(bytes_max as u64).read_to_end(&mut piece));
        read.map_err(|source| failed(&self.place(sha256), source))?;
        Ok(piece)
    }

    /// How many bytes of an object that is not complete have come; 0 if none have, or if it is complete.
    pub fn partial_bytes(&self, sha256: Digest) -> u64 {
        fs::metadata(self.partial(sha256)).map_or(0, |about| about.len())
    }

    /// Takes a piece of an object of `total` bytes and says whether the object is now here, complete and durable.
    ///
    /// A piece may begin anywhere in what has come so far, and must then agree with it. One that does not agree, or that
    /// completes an object whose own checksum does not hold, is refused, and what has come of the object is given up: it
    /// is to be sent again from its beginning. Pieces of an object that is complete here are not looked at.
    ///
    /// Pieces of one object come from one thread at a time. How many bytes an object may have is for the caller to limit.
    pub fn receive_piece(&self, sha256: Digest, offset: u64, total: u64, bytes: &[u8]) -> Result<bool, VaultError> {
        if self.contains(sha256) {
            return Ok(true);
        }
        let path = self.partial(sha256);
        let io_failed = |source| failed(&path, source);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(io_failed)?;
        let have = file.metadata().map_err(io_failed)?.len();
        if offset > have {
            return Err(VaultError::PieceGap { sha256, offset, have });
        }
        let end = offset.saturating_add(bytes.len() as u64);
        let overlap = usize::try_from(have - offset).unwrap_or(usize::MAX).min(bytes.len());
        let (again, new) = bytes.split_at(overlap);
        let mut kept = vec![0; again.len()];
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut kept));
        read.map_err(io_failed)?;
        if kept != again || end > total || have > total {
            return Err(self.give_up(sha256, VaultError::PieceDiffers { sha256 }));
        }
        if !new.is_empty() {
            file.seek(SeekFrom::Start(have)).and_then(|_| file.write_all(new)).map_err(io_failed)?;
        }
        if have.max(end) < total {
            return Ok(false);
        }
        if !object::is_whole(&file, sha256).map_err(io_failed)? {
            let why = "what was sent is not a whole object of this version";
            return Err(self.give_up(sha256, VaultError::Damaged { sha256, why }));
        }
        crash::point("vault.receive.before");
        self.put_in_place(&file, sha256, |place| fs::rename(&path, place))?;
        crash::point("vault.receive.after");
        Ok(true)
    }

    /// Removes what has come of an object and gives the reason, or the reason why it cannot be removed.
    fn give_up(&self, sha256: Digest, why: VaultError) -> VaultError {
        let path = self.partial(sha256);
        match fs::remove_file(&path) {
            Ok(()) => why,
            Err(source) => failed(&path, source),
        }
    }

    fn partial(&self, sha256: Digest) -> PathBuf {
        self.incoming().join(sha256.to_string())
    }
}
