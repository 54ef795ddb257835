//! A key, and the sealing of an entry's private part under it. Knows nothing of files or of the operator's key.

use daybook_protocol::{
    entry::{Private, Sealed, associated_data},
    ids::{KeyId, LogId, Sequence},
};
use zeroize::Zeroize as _;

use super::{Cipher, KeyringError};

/// A secret key of 32 bytes. Wiped from memory when dropped.
pub struct Key([u8; 32]);

impl Key {
    pub(super) fn zero() -> Self {
        Self([0; 32])
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }

    /// The cipher under this key.
    pub(crate) fn cipher(&self) -> Cipher {
        Cipher::new(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// Seals what is personal about the entry at `sequence` of `log` under `key`, whose number is `id`. The nonce is from
/// [`super::Keyring::nonce`] and used once.
pub fn seal(
    key: &Key,
    id: KeyId,
    nonce: [u8; 24],
    log: LogId,
    sequence: Sequence,
    private: &Private,
) -> Result<Sealed, KeyringError> {
    let mut ciphertext = private.encode().map_err(KeyringError::Private)?;
    let tag = key.cipher().seal(&nonce, &associated_data(log, sequence), &mut ciphertext);
    ciphertext.extend_from_slice(&tag.map_err(|_| KeyringError::SealTooLong { id })?);
    Ok(Sealed { key: id, nonce, ciphertext })
}

/// Opens what [`seal`] sealed. Fails if it was changed, or taken from another place or log.
pub fn open_sealed(key: &Key, log: LogId, sequence: Sequence, sealed: &Sealed) -> Result<Private, KeyringError> {
    let mut plain = sealed.ciphertext.clone();
    let opened = key.cipher().open(&sealed.nonce, &associated_data(log, sequence), &mut plain);
    plain.truncate(opened.map_err(|_| KeyringError::NotAuthentic { id: sealed.key })?);
    Private::decode(&plain).map_err(KeyringError::Private)
}
