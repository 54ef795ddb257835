//! What the central node signs for: a C2SP tlog-checkpoint in a C2SP signed note, Ed25519.
//!
//! A checkpoint says that at one time the log had so many entries and this root. Whoever holds one can show later that
//! history was not rewritten.

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::ids::{Digest, LogId};

/// A signed note is at most this long: three short lines and one signature.
pub const NOTE_BYTES_MAX: usize = 1024;
/// The byte that stands for Ed25519 in a note's key (C2SP signed-note).
const ED25519: u8 = 1;

/// Why a checkpoint is not good.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// The text is not a signed checkpoint.
    #[error("not a signed checkpoint: {0}")]
    Malformed(&'static str),
    /// The signature is not by the expected key over this text.
    #[error("the checkpoint is not signed by {name}")]
    Signature {
        /// The expected signer.
        name: String,
    },
}

/// The size and root of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub log: LogId,
    /// How many entries it has.
    pub count: u64,
    /// Its root.
    pub root: Digest,
}

impl Checkpoint {
    /// The note's text: origin, count and root, each on a line.
    fn text(&self) -> String {
        format!("daybook/{}\n{}\n{}\n", self.log, self.count, BASE64.encode(&self.root.0))
    }

    /// The signed note.
    pub fn sign(&self, signer: &Signer) -> String {
        let text = self.text();
        let mut signature = signer.verifier().id.to_vec();
        signature.extend_from_slice(&signer.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", signer.name, BASE64.encode(&signature))
    }

    /// Reads a signed note and checks that `verifier` signed it.
    pub fn open(note: &str, verifier: &Verifier) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        if note.len() > NOTE_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let (text, signatures) = note.split_once("\n\n").ok_or(malformed("no blank line before the signatures"))?;
        let text = format!("{text}\n");
        let wrong = || CheckpointError::Signature { name: verifier.name.clone() };
        let signatures = signatures.strip_suffix('\n').ok_or(malformed("no line break at its end"))?;
        let signed = signatures.split('\n').any(|line| {
            let rest = line.strip_prefix("\u{2014} ").and_then(|rest| rest.strip_prefix(verifier.name.as_str()));
            let rest = rest.and_then(|rest| rest.strip_prefix(' '));
            let bytes = rest.and_then(|rest| BASE64.decode(rest.as_bytes()).ok()).unwrap_or_default();
            let Some((id, signature)) = bytes.split_first_chunk::<4>() else { return false };
            let Ok(signature) = Signature::from_slice(signature) else { return false };
            *id == verifier.id && verifier.key.verify_strict(text.as_bytes(), &signature).is_ok()
        });
        if !signed {
            return Err(wrong());
        }
        let mut lines = text.lines();
        let log = lines.next().and_then(|line| line.strip_prefix("daybook/")).and_then(|id| id.parse().ok());
        let count = lines.next().and_then(|line| line.parse().ok());
        let root =
            lines.next().and_then(|line| BASE64.decode(line.as_bytes()).ok()).and_then(|root| root.try_into().ok());
        match (log, count, root) {
            (Some(log), Some(count), Some(root)) => Ok(Self { log, count, root: Digest(root) }),
            _ => Err(malformed("origin, size and root expected")),
        }
    }
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(name);
    hash.update([b'\n', ED25519]);
    hash.update(key.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

/// Who signs, and by which key.
pub struct Signer {
    name: String,
    key: SigningKey,
}

impl Signer {
    /// A signer from a name without spaces or plus signs and the 32 secret bytes of its Ed25519 key.
    pub fn new(name: &str, secret: &[u8; 32]) -> Self {
        Self { name: name.replace([' ', '+'], "-"), key: SigningKey::from_bytes(secret) }
    }

    /// What others need to check the signatures.
    pub fn verifier(&self) -> Verifier {
        let key = self.key.verifying_key();
        Verifier { id: key_id(&self.name, &key), name: self.name.clone(), key }
    }
}

/// The public half of a [`Signer`]; its text form is a C2SP `vkey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&key))
    }
}

impl std::str::FromStr for Verifier {
    type Err = CheckpointError;
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed("not a verifier key");
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let key = BASE64.decode(key.as_bytes()).ok().and_then(|key| {
            let (kind, key) = key.split_first()?;
            (*kind == ED25519).then_some(())?;
            VerifyingKey::from_bytes(key.try_into().ok()?).ok()
        });
        let Some(key) = key else { return Err(malformed) };
        let verifier = Self { id: key_id(name, &key), name: name.to_owned(), key };
        if HEXLOWER.encode(&verifier.id) == id { Ok(verifier) } else { Err(malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a checkpoint says what was signed and nothing else passes. Method: sign, read back, change one thing at a time.
    #[test]
    fn only_what_was_signed_opens() {
        let signer = Signer::new("central one", &[7; 32]);
        let verifier: Verifier = signer.verifier().to_string().parse().expect("its own text form");
        assert_eq!(verifier, signer.verifier());
        let checkpoint = Checkpoint { log: LogId([1; 16]), count: 815, root: Digest::of(b"root") };
        let note = checkpoint.sign(&signer);
        assert_eq!(Checkpoint::open(&note, &verifier), Ok(checkpoint));
        let other = Signer::new("central one", &[8; 32]).verifier();
        assert!(Checkpoint::open(&note, &other).is_err());
        assert!(Checkpoint::open(&note.replacen("815", "816", 1), &verifier).is_err());
        for (place, _) in note.char_indices() {
            let mut changed = note.clone().into_bytes();
            changed[place] ^= 1;
            assert!(Checkpoint::open(&String::from_utf8_lossy(&changed), &verifier).is_err(), "byte {place}");
        }
        assert!(Checkpoint::open("", &verifier).is_err() && Checkpoint::open("a\n\nb", &verifier).is_err());
    }
}
