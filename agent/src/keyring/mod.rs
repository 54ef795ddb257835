//! The keys of persons and of originals, wrapped by the operator's key, in files of fixed records outside the log.
//!
//! Owns the directory `keyring/`, the wrapping of keys, the sealing of an entry's private part and the look-up tokens.
//! Must not know what a key is for: a person and an original are the same to it. Nothing here takes a lock on the
//! directory: whoever opens a keyring for writing holds the lock of the home.
//!
//! # Operator's key
//! 32 random bytes. Its file holds them as 64 hexadecimal digits and a newline. From it come, by HKDF-SHA-256 (RFC 5869)
//! without salt, two keys of 32 bytes, each by an info of its own, in ASCII without a terminator:
//!
//! | info                     | key of                        |
//! |--------------------------|-------------------------------|
//! | `daybook keyring wrap 1` | the wrapping of keys          |
//! | `daybook look-up 1`      | the HMAC of look-up tokens    |
//!
//! # Token
//! The first 16 bytes of HMAC-SHA-256 under the look-up key over the domain and then each part, every one of them as its
//! length in bytes (four bytes, big-endian) and its UTF-8 bytes. The domain is a word that says what the parts are, so
//! that equal texts of different kinds have different tokens. Normalising the parts is the caller's part.
//!
//! # Keyring file
//! One a writer's epoch, named by the epoch in decimal digits, zero-padded to eight, and `.keys`: `keyring/00000001.keys`.
//! It is a run of records of 80 bytes without a header. Record *n*, counted from 0, is at byte 80 × *n* and holds key *n*
//! of that epoch. Numbers are positions: a whole record keeps its number for ever, whatever becomes of its bytes.
//!
//! | bytes  | content                                                                                              |
//! |--------|------------------------------------------------------------------------------------------------------|
//! | 0..24  | nonce, random                                                                                        |
//! | 24..56 | the key's 32 bytes, encrypted                                                                        |
//! | 56..72 | Poly1305 tag                                                                                         |
//! | 72..80 | checksum: the first 8 bytes of SHA-256 over epoch (u32), number (u32), bytes 0..72 of the record     |
//!
//! The encryption is XChaCha20-Poly1305 under the wrapping key; its associated data are epoch and number (two u32). All
//! numbers are big-endian. The checksum lets a holder without the operator's key tell a whole record from a damaged one.
//! A record of 80 zeros is a key that was destroyed: it reads as such, its number is not used again. Bytes behind the last
//! whole record were being written when the machine stopped; no entry can name them, and opening cuts them off. A last
//! record that is whole but damaged stays, because an entry may name it; it is an error when that key is asked for.
//!
//! # Sealed part of an entry
//! XChaCha20-Poly1305 of the encoded private part under the key named beside it, with the nonce beside it, random for
//! each entry; associated data: log id (16 bytes) and sequence (u64, big-endian).

mod cipher;
mod operator;
mod record;
mod records;
mod seal;

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use daybook_protocol::{
    DecodeError,
    ids::{Epoch, KeyId},
    wire::KeysHeld,
};
use rand::{Rng as _, SeedableRng as _, rngs::SysRng};
use rand_chacha::ChaCha12Rng;

pub(crate) use cipher::{Cipher, NONCE_BYTES, TAG_BYTES};
pub use operator::{OperatorKey, Tokens};
pub use record::RECORD_BYTES;
pub(crate) use record::is_intact;
#[cfg(test)]
pub(crate) use record::made_up;
pub use records::{append_records, damaged_in, held_in, read_records};
pub use seal::{Key, open_sealed, seal};

use crate::crash;
use record::Record;

/// At most this many records wait in memory to be written; then [`Keyring::allocate`] writes and syncs them itself. Far
/// more than a batch needs, so that only a caller who never syncs meets it.
pub const UNSYNCED_RECORDS_MAX: usize = 16 * 1024;

/// Why a key cannot be given, made or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The disk refuses. Stop: what was asked for is not durable.
    #[error("cannot read or write {path}: see that this user may")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[source] io::Error),
    /// There is an operator's key already; it is never overwritten.
    #[error("{path} exists and is never overwritten: what was sealed under it could not be read again")]
    OperatorKeyExists {
        /// Which file.
        path: PathBuf,
    },
    /// There is no operator's key.
    #[error(
        "there is no operator's key at {path}: bring the file back from where the operator keeps a copy, or name it with \
         --operator-key"
    )]
    OperatorKeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is not an operator's key.
    #[error(
        "{path} is not an operator's key of 64 hexadecimal digits; bring the file back from where the operator keeps a copy"
    )]
    OperatorKeyMalformed {
        /// Which file.
        path: PathBuf,
    },
    /// The operator's key is not the one that wrapped these keys.
    #[error("the keys of epoch {epoch} were wrapped by another operator's key; name the right one by `operator_key`")]
    WrongOperatorKey {
        /// The epoch.
        epoch: Epoch,
    },
    /// There is no such key.
    #[error(
        "the keyring has no key {id}; `daybook recover`, into another directory, brings keys back from the central node"
    )]
    KeyMissing {
        /// Which key.
        id: KeyId,
    },
    /// The key was destroyed; what it sealed cannot be read by anyone.
    #[error("key {id} was destroyed")]
    KeyDestroyed {
        /// Which key.
        id: KeyId,
    },
    /// The key's record is not what its checksum says.
    #[error(
        "the record of key {id} is damaged; `daybook recover`, into another directory, brings keys back from the central \
         node"
    )]
    KeyDamaged {
        /// Which key.
        id: KeyId,
    },
    /// The file has fewer keys than it must have. Stop: a number would be given out twice.
    #[error(
        "the keyring of epoch {epoch} ends at {found} keys but {expected} are in use; \
         `daybook recover`, into another directory, brings keys back from the central node"
    )]
    Short {
        /// The epoch.
        epoch: Epoch,
        /// How many keys the file has.
        found: u32,
        /// How many it must have.
        expected: u32,
    },
    /// The epoch has as many keys as can be numbered.
    #[error("epoch {epoch} has no numbers left for keys; `daybook recover` begins the next one")]
    Full {
        /// The epoch.
        epoch: Epoch,
    },
    /// Refuse: what was sent is not a whole number of records.
    #[error("{bytes} bytes are not whole records of the keyring")]
    RecordsMalformed {
        /// How many bytes were sent.
        bytes: usize,
    },
    /// Refuse: records before the sent ones are missing here.
    #[error("records from {first} on were sent but the keyring of epoch {epoch} ends at {count}")]
    RecordsGap {
        /// The epoch.
        epoch: Epoch,
        /// The number of the first record sent.
        first: u32,
        /// How many records are here.
        count: u32,
    },
    /// Refuse: other bytes are kept for this key already.
    #[error("the record sent for key {id} is not the one that is kept here; nothing was overwritten")]
    RecordsDiffer {
        /// The first key that differs.
        id: KeyId,
    },
    /// Stop: what is kept for this key is damaged, so that nobody knows whether the same was sent.
    #[error("the record that is kept here of key {id} is damaged; nothing was overwritten")]
    KeptDamaged {
        /// The key.
        id: KeyId,
    },
    /// The private part is too long, or is not one.
    #[error("the private part cannot be encoded or decoded")]
    Private(#[source] DecodeError),
    /// Ciphertext and key do not belong together, or the ciphertext was changed or moved.
    #[error("what key {id} sealed cannot be opened: it was changed, or stands in another place")]
    NotAuthentic {
        /// Which key.
        id: KeyId,
    },
    /// More was to be sealed than the cipher takes.
    #[error("too much to seal at once under key {id}")]
    SealTooLong {
        /// Which key.
        id: KeyId,
    },
}

/// The keyring of a log, open for reading and for writing keys of one epoch.
pub struct Keyring {
    directory: PathBuf,
    epoch: Epoch,
    wrapping: Cipher,
    random: Mutex<ChaCha12Rng>,
    /// The file of the present epoch.
    file: File,
    tail: Mutex<Tail>,
    /// Held while the tail is written, so that keys can be made and read meanwhile.
    writing: Mutex<()>,
    /// The files of other epochs, with the number of their keys; they get no more.
    others: BTreeMap<Epoch, (File, u32)>,
}

/// The end of the present epoch's file.
struct Tail {
    /// How many records are durable.
    durable: u32,
    /// The records behind them.
    unsynced: Vec<Record>,
}

impl Keyring {
    /// Opens the keyring in `directory`, makes it if there is none, and cuts off what was torn. New keys are of `epoch`.
    /// Fails with [`KeyringError::WrongOperatorKey`] if the keys there were wrapped by another operator's key.
    pub fn open(directory: &Path, epoch: Epoch, operator: &OperatorKey) -> Result<Self, KeyringError> {
        let random = ChaCha12Rng::try_from_rng(&mut SysRng).map_err(|error| KeyringError::Random(error.into()))?;
        let (file, durable) = records::open_for_writing(directory, epoch)?;
        let synced = file.sync_all();
        synced.map_err(|source| KeyringError::Io { path: records::path(directory, epoch), source })?;
        let mut keyring = Self {
            directory: directory.to_owned(),
            epoch,
            wrapping: operator.wrapping(),
            random: Mutex::new(random),
            file,
            tail: Mutex::new(Tail { durable, unsynced: Vec::new() }),
            writing: Mutex::new(()),
            others: BTreeMap::new(),
        };
        for KeysHeld { epoch: other, count } in records::held_in(directory)? {
            if other != epoch {
                keyring.others.insert(other, (records::open_for_reading(directory, other)?, count));
            }
        }
        for held in keyring.held() {
            keyring.check_operator_key(held)?;
        }
        Ok(keyring)
    }

    /// Opens the keyring of a copy, which another process may be adding to: nothing is written or cut off, and no key can
    /// be made.
    pub fn open_to_read(directory: &Path, operator: &OperatorKey) -> Result<Self, KeyringError> {
        let random = ChaCha12Rng::try_from_rng(&mut SysRng).map_err(|error| KeyringError::Random(error.into()))?;
        let held = records::held_in(directory)?;
        let latest = held.last().copied().unwrap_or(KeysHeld { epoch: Epoch::FIRST, count: 0 });
        let mut others = BTreeMap::new();
        for KeysHeld { epoch, count } in held.into_iter().filter(|held| held.epoch != latest.epoch) {
            others.insert(epoch, (records::open_for_reading(directory, epoch)?, count));
        }
        let keyring = Self {
            directory: directory.to_owned(),
            epoch: latest.epoch,
            wrapping: operator.wrapping(),
            random: Mutex::new(random),
            file: records::open_for_reading(directory, latest.epoch)?,
            tail: Mutex::new(Tail { durable: latest.count, unsynced: Vec::new() }),
            writing: Mutex::new(()),
            others,
        };
        for held in keyring.held() {
            keyring.check_operator_key(held)?;
        }
        Ok(keyring)
    }

    /// Fails with [`KeyringError::Short`] unless the keyring has at least `used.count` keys of that epoch. Whoever has
    /// folded the log asks this before the first [`Keyring::allocate`]: a file that lost its end would give out numbers
    /// that entries name already.
    pub fn covers(&self, used: KeysHeld) -> Result<(), KeyringError> {
        let found = self.count(used.epoch);
        if found < used.count {
            return Err(KeyringError::Short { epoch: used.epoch, found, expected: used.count });
        }
        Ok(())
    }

    /// Makes a new random key and gives it with its number. It is not durable before [`Keyring::sync`], and nothing that
    /// names it may be before.
    pub fn allocate(&self) -> Result<(KeyId, Key), KeyringError> {
        let (mut nonce, mut key) = ([0; 24], Key::zero());
        {
            let mut random = lock(&self.random);
            random.fill_bytes(&mut nonce);
            random.fill_bytes(key.bytes_mut());
        }
        let mut tail = lock(&self.tail);
        let number =
            tail.count().filter(|number| *number < u32::MAX).ok_or(KeyringError::Full { epoch: self.epoch })?;
        let id = KeyId { epoch: self.epoch, number };
        let record = record::wrap(&self.wrapping, id, nonce, &key)?;
        tail.unsynced.push(record);
        let full = tail.unsynced.len() >= UNSYNCED_RECORDS_MAX;
        drop(tail);
        if full {
            self.sync()?;
        }
        Ok((id, key))
    }

    /// Makes every key that was allocated before this call durable. Does nothing if they are.
    ///
    /// After an error they are still held in memory, and the next call writes them all again: the disk is not trusted
    /// with what a failed sync may have dropped.
    pub fn sync(&self) -> Result<(), KeyringError> {
        let _turn = lock(&self.writing);
        let (durable, records) = {
            let tail = lock(&self.tail);
            (tail.durable, tail.unsynced.clone())
        };
        if records.is_empty() {
            return Ok(());
        }
        let failed = |source| KeyringError::Io { path: records::path(&self.directory, self.epoch), source };
        let found = records::whole(self.file.metadata().map_err(failed)?.len());
        if found < durable {
            // Someone cut the file while it was open: to write on would leave a hole of keys that were in use.
            return Err(KeyringError::Short { epoch: self.epoch, found, expected: durable });
        }
        records::write_all_at(&self.file, records.as_flattened(), records::offset(durable)).map_err(failed)?;
        crash::point("keyring.sync.before");
        self.file.sync_data().map_err(failed)?;
        crash::point("keyring.sync.after");
        // DURABLE: the keys up to here. Entries and originals sealed under them may now become durable themselves.
        let mut tail = lock(&self.tail);
        tail.unsynced.drain(..records.len());
        tail.durable = durable.saturating_add(u32::try_from(records.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// The key of this number, whether durable yet or not.
    pub fn key(&self, id: KeyId) -> Result<Key, KeyringError> {
        record::unwrap(&self.wrapping, id, &self.record(id)?)
    }

    /// How many keys are durable, by epoch, in the order of epochs. An epoch without keys is not named.
    pub fn held(&self) -> Vec<KeysHeld> {
        let present = KeysHeld { epoch: self.epoch, count: lock(&self.tail).durable };
        let others = self.others.iter().map(|(epoch, (_, count))| KeysHeld { epoch: *epoch, count: *count });
        let mut held: Vec<_> = others.chain([present]).filter(|held| held.count > 0).collect();
        held.sort_by_key(|held| held.epoch);
        held
    }

    /// A random nonce, for [`seal()`].
    pub fn nonce(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        lock(&self.random).fill_bytes(&mut nonce);
        nonce
    }

    /// How many whole records there are of an epoch, those that are not durable counted.
    fn count(&self, epoch: Epoch) -> u32 {
        if epoch == self.epoch {
            return lock(&self.tail).count().unwrap_or(u32::MAX);
        }
        self.others.get(&epoch).map_or(0, |(_, count)| *count)
    }

    fn record(&self, id: KeyId) -> Result<Record, KeyringError> {
        let file = if id.epoch == self.epoch {
            let tail = lock(&self.tail);
            if let Some(behind) = id.number.checked_sub(tail.durable) {
                return tail.unsynced.get(behind as usize).copied().ok_or(KeyringError::KeyMissing { id });
            }
            &self.file
        } else {
            let other = self.others.get(&id.epoch).filter(|(_, count)| id.number < *count);
            &other.ok_or(KeyringError::KeyMissing { id })?.0
        };
        // Read from the page cache, not kept: unwrapped keys should not lie about in memory, and reading one costs less
        // than unwrapping it.
        let mut record = [0; RECORD_BYTES];
        records::read_exact_at(file, &mut record, records::offset(id.number))
            .map_err(|source| KeyringError::Io { path: records::path(&self.directory, id.epoch), source })?;
        Ok(record)
    }

    /// Unwraps one undamaged record of the epoch. A wrong operator's key has to be found on opening: keys wrapped by two
    /// of them in one file would be mended by neither.
    fn check_operator_key(&self, held: KeysHeld) -> Result<(), KeyringError> {
        const TRIED_MAX: u32 = 1024;
        for number in 0..held.count.min(TRIED_MAX) {
            match self.key(KeyId { epoch: held.epoch, number }) {
                Err(KeyringError::KeyDestroyed { .. } | KeyringError::KeyDamaged { .. }) => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

impl Tail {
    /// How many records there are, unless they are more than can be numbered.
    fn count(&self) -> Option<u32> {
        self.durable.checked_add(u32::try_from(self.unsynced.len()).ok()?)
    }
}

/// No code that holds one of these locks can leave its content half-changed, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
