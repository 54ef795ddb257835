//! One record of the keyring: a key, wrapped. Knows the bytes of a record and nothing of files.

use daybook_protocol::ids::KeyId;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Cipher, Key, KeyringError, NONCE_BYTES, TAG_BYTES};

/// The length of a record: nonce, key, tag and checksum.
pub const RECORD_BYTES: usize = 80;
/// Where the checksum begins: behind everything it covers.
const CHECKSUM_AT: usize = RECORD_BYTES - 8;

/// The bytes of a record.
pub(super) type Record = [u8; RECORD_BYTES];

/// What can be said of a record without the operator's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It is as it was written.
    Intact,
    /// It was overwritten with zeros.
    Destroyed,
    /// Its checksum does not hold.
    Damaged,
}

/// Epoch and number: what is bound to the wrapped key, so that a record cannot be moved to another place.
fn associated_data(id: KeyId) -> [u8; 8] {
    (u64::from(id.epoch.0) << 32 | u64::from(id.number)).to_be_bytes()
}

/// The record of `key`. The nonce is fresh and random.
pub(super) fn wrap(wrapping: &Cipher, id: KeyId, nonce: [u8; NONCE_BYTES], key: &Key) -> Result<Record, KeyringError> {
    let mut record = [0; RECORD_BYTES];
    let (front, wrapped) = record.split_at_mut(nonce.len());
    let (wrapped, tag) = wrapped.split_at_mut(32);
    front.copy_from_slice(&nonce);
    wrapped.copy_from_slice(key.bytes());
    let sealed = wrapping.seal(&nonce, &associated_data(id), wrapped);
    let sealed = sealed.map_err(|_| KeyringError::SealTooLong { id })?;
    tag.split_at_mut(sealed.len()).0.copy_from_slice(&sealed);
    let checksum = checksum(id, &record);
    record.split_at_mut(CHECKSUM_AT).1.copy_from_slice(&checksum);
    Ok(record)
}

/// The key of a record. Only where it does not open is its checksum asked for the reason: the tag says more than the
/// checksum, and this is done for every learner who comes back.
pub(super) fn unwrap(wrapping: &Cipher, id: KeyId, record: &Record) -> Result<Key, KeyringError> {
    let (nonce, wrapped) = record.split_at(NONCE_BYTES);
    let mut opened = Zeroizing::new([0; 32 + TAG_BYTES]);
    opened.copy_from_slice(wrapped.split_at(32 + TAG_BYTES).0);
    let nonce = nonce.try_into();
    if nonce.is_ok_and(|nonce| wrapping.open(nonce, &associated_data(id), &mut *opened).is_ok()) {
        let mut key = Key::zero();
        key.bytes_mut().copy_from_slice(opened.split_at(32).0);
        return Ok(key);
    }
    match condition(id, record) {
        Condition::Intact => Err(KeyringError::WrongOperatorKey { epoch: id.epoch }),
        Condition::Destroyed => Err(KeyringError::KeyDestroyed { id }),
        Condition::Damaged => Err(KeyringError::KeyDamaged { id }),
    }
}

/// Whether some bytes are the record of a key as it was written.
pub(crate) fn is_intact(id: KeyId, record: &[u8]) -> bool {
    <&Record>::try_from(record).is_ok_and(|record| condition(id, record) == Condition::Intact)
}

/// A record that passes for one, told apart from others by `mark`; no key opens it.
#[cfg(test)]
pub(crate) fn made_up(id: KeyId, mark: u32) -> Record {
    let mut record = [0; RECORD_BYTES];
    record.split_at_mut(4).0.copy_from_slice(&mark.to_be_bytes());
    let checksum = checksum(id, &record);
    record.split_at_mut(CHECKSUM_AT).1.copy_from_slice(&checksum);
    record
}

/// What can be said of a record.
pub(super) fn condition(id: KeyId, record: &Record) -> Condition {
    if record.iter().all(|byte| *byte == 0) {
        Condition::Destroyed
    } else if record.ends_with(&checksum(id, record)) {
        Condition::Intact
    } else {
        Condition::Damaged
    }
}

fn checksum(id: KeyId, record: &Record) -> [u8; 8] {
    let hash = Sha256::new().chain_update(associated_data(id)).chain_update(record.split_at(CHECKSUM_AT).0).finalize();
    let mut checksum = [0; 8];
    checksum.copy_from_slice(hash.split_at(8).0);
    checksum
}
