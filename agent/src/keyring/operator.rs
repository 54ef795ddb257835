//! The operator's key and what is derived from it. Whoever has it can read everything; it never enters the log, the
//! keyring or a message.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use daybook_protocol::ids::Token;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::{TryRng as _, rngs::SysRng};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Cipher, KeyringError, records};

/// The file is never longer than this: the digits and what an editor may put behind them.
const FILE_BYTES_MAX: u64 = 128;
const WRAP_INFO: &[u8] = b"daybook keyring wrap 1";
const LOOK_UP_INFO: &[u8] = b"daybook look-up 1";

/// The key that the operator keeps and from which all others can be read. Wiped from memory when dropped.
pub struct OperatorKey([u8; 32]);

impl OperatorKey {
    /// Makes a random key and writes it to `path`, readable by its owner only. Never overwrites. Durable on return; a
    /// crash leaves the whole file or none.
    pub fn create(path: &Path) -> Result<Self, KeyringError> {
        let failed = |source| KeyringError::Io { path: path.to_owned(), source };
        let mut key = Self([0; 32]);
        SysRng.try_fill_bytes(&mut key.0).map_err(|error| KeyringError::Random(error.into()))?;
        let mut digits = Zeroizing::new(HEXLOWER.encode(&key.0));
        digits.push('\n');
        let directory = records::directory_of(path);
        // A temporary file is made with mode 0600 on Unix.
        let mut file = tempfile::Builder::new().prefix(".operator-key-").tempfile_in(directory).map_err(failed)?;
        file.write_all(digits.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        match file.persist_noclobber(path) {
            Ok(_) => records::sync_directory(directory)?,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeyringError::OperatorKeyExists { path: path.to_owned() });
            }
            Err(error) => return Err(failed(error.error)),
        }
        // DURABLE: the operator's key. Keys may now be wrapped by it.
        Ok(key)
    }

    /// Reads the key at `path`.
    pub fn load(path: &Path) -> Result<Self, KeyringError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeyringError::OperatorKeyMissing { path: path.to_owned() },
            _ => KeyringError::Io { path: path.to_owned(), source },
        };
        let mut text = Zeroizing::new(Vec::with_capacity(256));
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut text)).map_err(failed)?;
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).map(Zeroizing::new).unwrap_or_default();
        let key = bytes.as_slice().try_into().map(Self);
        key.map_err(|_| KeyringError::OperatorKeyMalformed { path: path.to_owned() })
    }

    /// What look-up tokens are made with.
    pub fn tokens(&self) -> Tokens {
        // HMAC fills a key shorter than a block up with zeros.
        let mut block = Zeroizing::new([0; 64]);
        block.split_at_mut(32).0.copy_from_slice(self.derive(LOOK_UP_INFO).as_slice());
        Tokens(Hmac::new((&*block).into()))
    }

    /// The cipher that wraps keys.
    pub(super) fn wrapping(&self) -> Cipher {
        Cipher::new(*self.derive(WRAP_INFO))
    }

    #[cfg(test)]
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn derive(&self, info: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(info, key.as_mut_slice())
            .expect("HKDF-SHA-256 gives up to 8160 bytes");
        key
    }
}

impl Drop for OperatorKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperatorKey(secret)")
    }
}

/// Makes look-up tokens. Holds the HMAC with its key taken in, so that a token costs two hashes of a short text.
#[derive(Clone)]
pub struct Tokens(Hmac<Sha256>);

impl Tokens {
    /// The token of `parts` in `domain`, a word that says what the parts are. The caller has normalised the parts.
    pub fn token(&self, domain: &str, parts: &[&str]) -> Token {
        let mut mac = self.0.clone();
        for text in std::iter::once(&domain).chain(parts) {
            // A text of 4 GiB cannot come here: rows and entries are far shorter.
            mac.update(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            mac.update(text.as_bytes());
        }
        let mut token = Token([0; 16]);
        token.0.copy_from_slice(mac.finalize().as_bytes().split_at(16).0);
        token
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(secret)")
    }
}
