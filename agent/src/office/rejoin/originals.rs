//! Originals that the branch's vault has whole: of its own arrivals, and of those in the log that the central node never had.

use std::collections::HashSet;

use daybook_protocol::{
    event::Original,
    ids::{Digest, Sequence},
};

use super::Rejudging;
use crate::{
    office::{Office, OfficeError},
    vault::{Preserved, VaultError},
};

impl Rejudging<'_> {
    /// Takes over what entries name and the vault lacks.
    pub(super) fn missing_originals(&mut self) -> Result<(), OfficeError> {
        let mut seen = HashSet::new();
        for frame in self.office.reading.entries.frames(Sequence(0)) {
            for entry in frame?.entries() {
                let entry = entry?;
                let Some(Original { sha256, .. }) = entry.event.original() else { continue };
                if !seen.insert(sha256) || self.office.vault.contains(sha256) || self.preserve(sha256)?.is_some() {
                    continue;
                }
                self.told.left.push(format!(
                    "the original of arrival {}, SHA-256 {sha256}, is neither at the central node nor in the branch's vault: look \
                     for it in done/, here or on the machine that took it, and hand it over by `daybook import`",
                    entry.sequence
                ));
            }
        }
        Ok(())
    }

    /// Keeps an original of the branch in the vault, which may have it already; `None` if nobody has it whole.
    pub(super) fn preserve(&self, sha256: Digest) -> Result<Option<Preserved>, OfficeError> {
        let Office { vault, keyring, .. } = self.office;
        for (vault, keyring) in [(&self.branch.vault, &self.branch.keyring), (&**vault, &**keyring)] {
            match vault.check(sha256, keyring) {
                Ok(bytes) => {
                    let mut original = vault.read(sha256, keyring)?;
                    return self.office.preserve(&mut original, bytes).map(Some);
                }
                Err(VaultError::Missing { .. } | VaultError::Damaged { .. } | VaultError::Key { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}
