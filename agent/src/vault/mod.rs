//! Originals by SHA-256: what came in, byte for byte, compressed and sealed, each under a key of its own.
//!
//! Owns the directory `vault/` and the format of its objects. Must not know what an original says, who sent it, or what
//! the log says of it. Nothing here takes a lock on the directory: whoever opens a vault for writing holds the lock of
//! the home.
//!
//! # Places
//! An object lies at `XX/<SHA-256 of the original, 64 hexadecimal digits>`, where `XX` is the first two digits. It gets
//! there by a rename once it is whole and synced, so that what is there is complete. `incoming/` has objects of which
//! some pieces have come from another machine, by the same names; `tmp/` has what is being written. An object that can no
//! longer be opened is renamed to `<SHA-256>.damaged-N` when its original comes again, and never deleted.
//!
//! # Object
//! | bytes           | content                                                                   |
//! |-----------------|---------------------------------------------------------------------------|
//! | 8               | magic `DBKORIG` and the version, one byte: 2                               |
//! | 4               | epoch of the key (u32)                                                     |
//! | 4               | number of the key (u32)                                                    |
//! | 19              | nonce prefix, random                                                       |
//! | then, each ...  | chunks: ciphertext of at most 262,144 bytes and its 16-byte Poly1305 tag   |
//! | last 32         | SHA-256 of all bytes before it and the SHA-256 of the original             |
//!
//! All numbers are big-endian. The chunks are pieces of one zstd stream (RFC 8878) of the original. Every chunk but the
//! last is full; the last has at least one byte. A chunk is sealed by XChaCha20-Poly1305 under the object's key; its nonce
//! is the prefix (19 bytes), the chunk's number counted from 0 (u32), and 1 for the last chunk or 0 (one byte): the STREAM
//! construction, by which a chunk cannot be dropped, moved or cut off. Associated data: the 35 bytes before the chunks.
//! With the last 32 bytes a holder without keys can tell a whole object from a damaged one, and from another original's. In
//! version 1, which is still read, they are of the bytes before them only.

mod ahead;
mod object;
mod paced;
mod pieces;

use std::{
    fs::{self, File},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, BufRead as _, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use daybook_protocol::ids::{Digest, KeyId};
use sha2::{Digest as _, Sha256};

pub use ahead::Ahead;
pub use object::{CHUNK_BYTES, Original};

use crate::{
    crash,
    keyring::{Keyring, KeyringError},
};
use object::Sealer;
use paced::Paced;

/// The level of zstd: the fastest that still halves a table, so that preserving keeps up with the disk.
const ZSTD_LEVEL: i32 = 1;
/// Threads that compress a large original while it is read and hashed; a small one is sooner done without.
const ZSTD_WORKERS: u32 = 2;
/// How much of an original is read at a time; one that has as much is large.
const READ_BYTES: usize = 256 * 1024;

/// Why an original cannot be kept or given back.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The disk refuses. Stop: what was asked for is not durable.
    #[error("cannot read or write {path} in the vault")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The original cannot be read where it lies. Retry: nothing of it was kept.
    #[error("the original cannot be read where it lies")]
    Original(#[source] io::Error),
    /// Refuse: the original is longer than allowed. Nothing of it was kept.
    #[error("the original is longer than {bytes_max} bytes, the limit that `file_bytes_max` sets")]
    TooLong {
        /// The limit.
        bytes_max: u64,
    },
    /// Whoever asked does not want it any more. Retry: nothing of it was kept.
    #[error("the copy of an original was broken off")]
    BrokenOff,
    /// The key for a new object could not be made or synced.
    #[error("no key for a new original")]
    Keyring(#[source] KeyringError),
    /// There is no such object.
    #[error(
        "the vault has no original {sha256}; `daybook recover`, into another directory, brings originals back from the \
         central node"
    )]
    Missing {
        /// Which one.
        sha256: Digest,
    },
    /// The object is not what was written.
    #[error(
        "original {sha256} is damaged in the vault: {why}; `daybook recover`, into another directory, brings originals back \
         from the central node"
    )]
    Damaged {
        /// Which one.
        sha256: Digest,
        /// What does not hold.
        why: &'static str,
    },
    /// The object's key cannot be had.
    #[error("original {sha256} cannot be opened")]
    Key {
        /// Which one.
        sha256: Digest,
        /// Why.
        source: KeyringError,
    },
    /// Refuse: bytes before the piece are missing here.
    #[error("a piece of {sha256} begins at byte {offset} but only {have} bytes are here")]
    PieceGap {
        /// Which object.
        sha256: Digest,
        /// Where the piece begins.
        offset: u64,
        /// How many bytes are here.
        have: u64,
    },
    /// Refuse: the piece is not of the object whose beginning is here. That beginning is given up, so that the object can
    /// be sent again from its first byte.
    #[error(
        "a piece of {sha256} does not agree with the bytes that came before it; send the object from its beginning"
    )]
    PieceDiffers {
        /// Which object.
        sha256: Digest,
    },
}

/// What became of an original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preserved {
    /// SHA-256 of the original.
    pub sha256: Digest,
    /// Its length in bytes.
    pub bytes: u64,
    /// The key that seals it.
    pub key: KeyId,
    /// Whether it was here before, whole.
    pub already: bool,
}

/// The originals of a log.
pub struct Vault {
    directory: PathBuf,
    /// Whether every rename into a directory of objects is durable, by the directory's first byte. A process that was
    /// killed may have left one there that is not. Held while renaming, so that nobody sees an object too early.
    settled: Mutex<[bool; 256]>,
}

impl Vault {
    /// Opens the vault in `directory`, makes it if there is none, and removes what an earlier process was writing.
    pub fn open(directory: &Path) -> Result<Self, VaultError> {
        let vault = Self { directory: directory.to_owned(), settled: Mutex::new([false; 256]) };
        for made in [vault.incoming(), vault.temporary()] {
            fs::create_dir_all(&made).map_err(|source| failed(&made, source))?;
        }
        sync_directory(directory)?;
        if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
        let listing = fs::read_dir(vault.temporary()).map_err(|source| failed(&vault.temporary(), source))?;
        for left in listing {
            let left = left.map_err(|source| failed(&vault.temporary(), source))?;
            if !left.file_name().to_string_lossy().starts_with(process_prefix()) {
                fs::remove_file(left.path()).map_err(|source| failed(&left.path(), source))?;
            }
        }
        Ok(vault)
    }

    /// The vault in `directory` for who only checks what is in it, beside whoever keeps it: nothing is made or removed.
    pub fn to_check(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), settled: Mutex::new([false; 256]) }
    }

    /// Keeps an original of at most `bytes_max` bytes: copies it, hashes it, and returns when the sealed copy and its key
    /// are durable. An original that is here already is read back whole and kept as it is; if that fails, the object is
    /// set aside and written anew. Memory does not grow with the original.
    pub fn preserve(
        &self,
        original: &mut dyn Read,
        keyring: &Keyring,
        bytes_max: u64,
    ) -> Result<Preserved, VaultError> {
        self.preserve_while(&|| true, original, keyring, bytes_max)
    }

    /// The same, for as long as `wanted` says so: it is asked with every piece that is copied or read back.
    pub fn preserve_while(
        &self,
        wanted: &dyn Fn() -> bool,
        original: &mut dyn Read,
        keyring: &Keyring,
        bytes_max: u64,
    ) -> Result<Preserved, VaultError> {
        let temporary = self.temporary();
        let io_failed = |source| failed(&temporary, source);
        let file = tempfile::Builder::new().prefix(process_prefix()).tempfile_in(&temporary).map_err(io_failed)?;
        let (id, key) = keyring.allocate().map_err(VaultError::Keyring)?;
        let sealer = Sealer::new(Paced::new(file.as_file()), id, &key, keyring.nonce()).map_err(io_failed)?;
        let mut zstd = zstd::Encoder::new(sealer, ZSTD_LEVEL).map_err(io_failed)?;
        let mut original = BufReader::with_capacity(READ_BYTES, original);
        // An error here is met again, and told, by `copy`.
        if original.fill_buf().is_ok_and(|begin| begin.len() == READ_BYTES) {
            zstd.multithread(ZSTD_WORKERS).map_err(io_failed)?;
        }
        let (sha256, bytes) = copy(wanted, &mut original, &mut zstd, bytes_max, &temporary)?;
        zstd.finish().and_then(|sealer| sealer.finish(sha256)).map_err(io_failed)?;

        if let Some(key) = self.usable(wanted, sha256, keyring)? {
            return Ok(Preserved { sha256, bytes, key, already: true });
        }
        keyring.sync().map_err(VaultError::Keyring)?;
        let (file, path) = file.into_parts();
        crash::point("vault.preserve.before");
        self.put_in_place(&file, sha256, |place| path.persist(place).map_err(|error| error.error))?;
        crash::point("vault.preserve.after");
        Ok(Preserved { sha256, bytes, key: id, already: false })
    }

    /// The original, to be read from its beginning. Damage shows as an [`io::Error`] that holds a [`VaultError`]; the
    /// last read checks the whole against `sha256`, so that only who reads to the end knows.
    pub fn read(&self, sha256: Digest, keyring: &Keyring) -> Result<Original, VaultError> {
        let path = self.place(sha256);
        Original::open(self.open_object(sha256)?, path, sha256, keyring)
    }

    /// Reads a whole original, checks every byte of its object, and gives its length.
    pub fn check(&self, sha256: Digest, keyring: &Keyring) -> Result<u64, VaultError> {
        self.check_while(&|| true, sha256, keyring)
    }

    /// The same, for as long as `wanted` says so: it is asked with every piece that is read.
    pub fn check_while(&self, wanted: &dyn Fn() -> bool, sha256: Digest, keyring: &Keyring) -> Result<u64, VaultError> {
        let mut original = self.read(sha256, keyring)?;
        let (mut buffer, mut bytes) = (vec![0; READ_BYTES], 0_u64);
        while wanted() {
            match original.read(&mut buffer) {
                Ok(0) => return Ok(bytes),
                Ok(read) => bytes += read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(match error.downcast::<VaultError>() {
                        Ok(error) => error,
                        Err(source) => failed(&self.place(sha256), source),
                    });
                }
            }
        }
        Err(VaultError::BrokenOff)
    }

    /// Checks an object as far as that goes without its key: that it is here, whole, has its own checksum, and is of this original.
    pub fn check_sealed_while(&self, wanted: &dyn Fn() -> bool, sha256: Digest) -> Result<(), VaultError> {
        let whole = object::is_whole_while(wanted, &self.open_object(sha256)?, sha256);
        match whole.map_err(|source| failed(&self.place(sha256), source))? {
            Some(true) => Ok(()),
            Some(false) => Err(VaultError::Damaged { sha256, why: "its checksum does not hold" }),
            None => Err(VaultError::BrokenOff),
        }
    }

    /// Where the object lies or should lie, from the vault's directory on.
    pub fn place_of(sha256: Digest) -> PathBuf {
        Self::to_check(Path::new("")).place(sha256)
    }

    /// Whether the object is here, complete and durable. Whether it is undamaged, [`Vault::check`] tells.
    pub fn contains(&self, sha256: Digest) -> bool {
        self.place(sha256).is_file() && self.settle(sha256).is_ok()
    }

    /// The key by which the object is sealed if the object is here and can be read to its end. One that cannot is set
    /// aside.
    fn usable(
        &self,
        wanted: &dyn Fn() -> bool,
        sha256: Digest,
        keyring: &Keyring,
    ) -> Result<Option<KeyId>, VaultError> {
        use KeyringError::{KeyDamaged, KeyDestroyed, KeyMissing};
        if !self.contains(sha256) {
            return Ok(None);
        }
        match self.check_while(wanted, sha256, keyring) {
            Ok(_) => Ok(Some(self.read(sha256, keyring)?.key())),
            Err(
                VaultError::Damaged { .. }
                | VaultError::Key { source: KeyMissing { .. } | KeyDestroyed { .. } | KeyDamaged { .. }, .. },
            ) => {
                self.set_aside(sha256)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn set_aside(&self, sha256: Digest) -> Result<(), VaultError> {
        let place = self.place(sha256);
        let mut asides = (1_u64..).map(|number| place.with_extension(format!("damaged-{number}")));
        let Some(aside) = asides.find(|aside| !aside.exists()) else { return Ok(()) };
        fs::rename(&place, aside).map_err(|source| failed(&place, source))?;
        tracing::warn!(%sha256, "an original came again and the object kept of it cannot be opened; it was set aside");
        Ok(())
    }

    /// Syncs a finished object and has it renamed to its place.
    fn put_in_place(
        &self,
        file: &File,
        sha256: Digest,
        rename: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), VaultError> {
        let (place, shard) = (self.place(sha256), self.shard(sha256));
        file.sync_all().and_then(|()| fs::create_dir_all(&shard)).map_err(|source| failed(&place, source))?;
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        rename(&place).map_err(|source| failed(&place, source))?;
        self.sync_shard(&mut settled, sha256)?;
        // DURABLE: the object. Whoever holds the original elsewhere may let it go.
        Ok(())
    }

    /// Makes durable that what is in the object's directory is there, once in the life of a process.
    fn settle(&self, sha256: Digest) -> Result<(), VaultError> {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, ..] = sha256.0;
        if settled[usize::from(first)] { Ok(()) } else { self.sync_shard(&mut settled, sha256) }
    }

    fn sync_shard(&self, settled: &mut [bool; 256], sha256: Digest) -> Result<(), VaultError> {
        let [first, ..] = sha256.0;
        let done = &mut settled[usize::from(first)];
        // Should the sync fail, what it left undone is not to be taken for done.
        *done = false;
        sync_directory(&self.shard(sha256))?;
        sync_directory(&self.directory)?;
        *done = true;
        Ok(())
    }

    fn open_object(&self, sha256: Digest) -> Result<File, VaultError> {
        let place = self.place(sha256);
        File::open(&place).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => VaultError::Missing { sha256 },
            _ => failed(&place, source),
        })
    }

    /// The directory in which the object lies.
    fn shard(&self, sha256: Digest) -> PathBuf {
        let [first, ..] = sha256.0;
        self.directory.join(format!("{first:02x}"))
    }

    fn place(&self, sha256: Digest) -> PathBuf {
        self.shard(sha256).join(sha256.to_string())
    }

    fn temporary(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    fn incoming(&self) -> PathBuf {
        self.directory.join("incoming")
    }
}

/// Copies an original and gives its SHA-256 and its length. `to` is a file in the directory `temporary`.
fn copy(
    wanted: &dyn Fn() -> bool,
    original: &mut dyn Read,
    to: &mut impl Write,
    bytes_max: u64,
    temporary: &Path,
) -> Result<(Digest, u64), VaultError> {
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        if !wanted() {
            return Err(VaultError::BrokenOff);
        }
        let read = match original.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(VaultError::Original)?,
        };
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            return Ok((Digest(hash.finalize().into()), bytes));
        };
        bytes = bytes.saturating_add(piece.len() as u64);
        if bytes > bytes_max {
            return Err(VaultError::TooLong { bytes_max });
        }
        hash.update(piece);
        to.write_all(piece).map_err(|source| failed(temporary, source))?;
    }
}

/// What the temporary files of this process begin with, so that one who opens the vault again within it does not take
/// them for a dead process's.
fn process_prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| format!("{:016x}-", RandomState::new().build_hasher().finish()))
}

fn failed(path: &Path, source: io::Error) -> VaultError {
    VaultError::Io { path: path.to_owned(), source }
}

fn sync_directory(directory: &Path) -> Result<(), VaultError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|source| failed(directory, source))
}

#[cfg(test)]
mod tests;
