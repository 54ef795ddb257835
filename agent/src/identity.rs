//! Who a home is: its log, its epoch, and the central node that it joined. Owns `identity.toml` and nothing else; keys and
//! certificates lie in `tls/`.

use std::{io, path::PathBuf};

use daybook_protocol::{
    checkpoint::{CheckpointError, Verifier},
    ids::{Epoch, LogId},
};
use serde::{Deserialize, Serialize};

use crate::{durable, home::Home};

/// An identity has a few short lines.
const BYTES_MAX: u64 = 64 * 1024;

/// Who a home is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The log that this home writes.
    pub log: LogId,
    /// The epoch in which it writes it.
    pub epoch: Epoch,
    /// The central node that it mirrors to; `None` until it has joined one.
    pub central: Option<CentralNode>,
}

/// The central node that a home joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CentralNode {
    /// Host and port, as given to `join`.
    pub address: String,
    /// The name under which the central node lists this agent.
    pub name: String,
    /// The key that checks its checkpoints, as a C2SP vkey.
    pub verifier: String,
}

impl CentralNode {
    /// The key that checks its checkpoints.
    pub fn verifier(&self) -> Result<Verifier, CheckpointError> {
        self.verifier.parse()
    }
}

/// Why an identity cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("cannot read or write {path}: see that this user may")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this program wrote.
    #[error("{path} is not an identity ({why}): put it back from a backup; never make it up, the log depends on it")]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
}

/// The key that checks the checkpoints kept in `home`, where one is known: of an agent's central node, or in a copy.
pub fn verifier_of(home: &Home) -> Result<Option<String>, IdentityError> {
    let central = Identity::load(home)?.and_then(|identity| identity.central);
    Ok(central.map(|central| central.verifier).or_else(|| std::fs::read_to_string(home.verifier()).ok()))
}

impl Identity {
    /// The identity of `home`; `None` if it has none yet.
    pub fn load(home: &Home) -> Result<Option<Self>, IdentityError> {
        Self::load_from(home.identity())
    }

    /// Makes this the identity of `home`, durably.
    pub fn save(&self, home: &Home) -> Result<(), IdentityError> {
        self.save_to(home.identity())
    }

    /// Reads the identity at `path`; `None` if there is none.
    pub(crate) fn load_from(path: PathBuf) -> Result<Option<Self>, IdentityError> {
        let bytes = match durable::read_bounded(&path, BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(source) => return Err(IdentityError::Io { path, source }),
        };
        let read = || {
            let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
            let identity: Self = toml::from_str(text).map_err(|error| error.to_string())?;
            if let Some(central) = &identity.central {
                central.verifier().map_err(|error| error.to_string())?;
            }
            Ok(identity)
        };
        read().map(Some).map_err(|why| IdentityError::Wrong { path, why })
    }

    /// Writes the identity to `path`, durably.
    pub(crate) fn save_to(&self, path: PathBuf) -> Result<(), IdentityError> {
        let wrong = |error: toml::ser::Error| IdentityError::Wrong { path: path.clone(), why: error.to_string() };
        let text = toml::to_string(self).map_err(wrong)?;
        crate::crash::point("identity.write.before");
        durable::write_whole(&path, text.as_bytes()).map_err(|source| IdentityError::Io { path, source })?;
        // DURABLE: the identity. From here on the home is this log's, and no other is ever made in it.
        crate::crash::point("identity.write.after");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use daybook_protocol::checkpoint::Signer;

    use super::*;

    /// Goal: an identity comes back as it was, and one that was tampered with is named, not guessed. Method: save, load,
    /// change a word.
    #[test]
    fn an_identity_round_trips() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::new(directory.path());
        assert_eq!(Identity::load(&home).expect("no identity is fine"), None);
        let verifier = Signer::new("central", &[7; 32]).verifier().to_string();
        let central = CentralNode { address: "central.example:7310".into(), name: "post room".into(), verifier };
        let mut identity = Identity { log: LogId([5; 16]), epoch: Epoch(2), central: Some(central) };
        identity.save(&home).expect("saved");
        assert_eq!(Identity::load(&home).expect("loaded"), Some(identity.clone()));
        let text = std::fs::read_to_string(home.identity()).expect("the file");
        std::fs::write(home.identity(), text.replace("epoch", "epoque")).expect("written");
        assert!(matches!(Identity::load(&home), Err(IdentityError::Wrong { .. })));
        identity.central = None;
        identity.save(&home).expect("saved");
        assert_eq!(Identity::load(&home).expect("loaded"), Some(identity));
    }
}
