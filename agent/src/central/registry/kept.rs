//! The registry's file: read whole, and written whole with every change.

use std::{io, path::PathBuf};

use daybook_protocol::{date::Timestamp, ids::LogId};

use super::{FORMAT, Registry};
use crate::{durable, replicate::Refused};

/// The registry's file has at most this many bytes: some tens of thousands of agents.
const BYTES_MAX: u64 = 64 << 20;

/// Why the registry cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The rules do not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The file cannot be read or written.
    #[error("cannot read or write {path}: see that this user may")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this program wrote.
    #[error("{path} is damaged ({why}): put it back from a backup; without it no agent can connect")]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
}

/// The registry and its file.
pub(in crate::central) struct Kept {
    path: PathBuf,
    registry: Registry,
}

impl Kept {
    /// Reads the registry at `path`; an empty one if there is none.
    pub(in crate::central) fn load(path: PathBuf) -> Result<Self, RegistryError> {
        let bytes = match durable::read_bounded(&path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(source) => return Err(RegistryError::Io { path, source }),
        };
        let registry = match bytes.map(|bytes| serde_json::from_slice::<Registry>(&bytes)) {
            None => Registry::default(),
            Some(Ok(registry)) if registry.format == FORMAT => registry,
            Some(Ok(registry)) => {
                let why = format!("it is of format {} and this program knows {FORMAT}", registry.format);
                return Err(RegistryError::Wrong { path, why });
            }
            Some(Err(error)) => return Err(RegistryError::Wrong { path, why: error.to_string() }),
        };
        Ok(Self { path, registry })
    }

    /// Puts a registry back at `path`, durably.
    pub(in crate::central) fn put(path: PathBuf, registry: Registry) -> Result<(), RegistryError> {
        let kept = Self { path, registry };
        kept.write(&kept.registry)
    }

    /// The registry as it stands, in memory and in the file.
    pub(in crate::central) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Changes the registry. When this returns well, the change is durable; otherwise nothing has changed.
    pub(in crate::central) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Registry) -> Result<T, Refused>,
    ) -> Result<T, RegistryError> {
        let mut changed = self.registry.clone();
        let given = change(&mut changed)?;
        self.write(&changed)?;
        self.registry = changed;
        Ok(given)
    }

    /// Raises an alarm; a repeated one is not written every time.
    pub(in crate::central) fn raise(
        &mut self,
        log: Option<LogId>,
        alarm: &str,
        detail: &str,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        if self.registry.raise(log, alarm, detail, now) { self.write(&self.registry) } else { Ok(()) }
    }

    fn write(&self, registry: &Registry) -> Result<(), RegistryError> {
        let mut bytes = serde_json::to_vec_pretty(registry)
            .map_err(|error| RegistryError::Wrong { path: self.path.clone(), why: error.to_string() })?;
        bytes.push(b'\n');
        crate::crash::point("registry.write.before");
        durable::write_whole(&self.path, &bytes)
            .map_err(|source| RegistryError::Io { path: self.path.clone(), source })?;
        // DURABLE: who may connect. Only now may a certificate be sent, a code count as used, a revocation be reported.
        crate::crash::point("registry.write.after");
        Ok(())
    }
}
