//! A register that was loaded on the branch is loaded again: what follows it there was judged by it.

use std::io::Read as _;

use daybook_protocol::event::{JudgedAgain, ReferenceLoaded};

use super::Rejudging;
use crate::{office::OfficeError, reference::FILE_BYTES_MAX};

impl Rejudging<'_> {
    /// Fails where a register of the log could not be read as the log was opened, and can be now that its original came back:
    /// whoever begins again judges by it.
    pub(super) fn registers_are_read(&self) -> Result<(), OfficeError> {
        let unread = self.office.journal.look_by(|index, registers| {
            let all = index.registers().iter();
            all.filter(|(it, _)| registers.version(**it).is_none()).map(|(_, version)| *version).collect::<Vec<_>>()
        })?;
        for version in unread {
            let original = self.office.reading.entry(version)?.and_then(|entry| entry.event.original());
            if original.is_some_and(|original| self.office.vault.contains(original.sha256)) {
                return Err(OfficeError::Rejoining { home: self.office.reading.home.path().to_owned() });
            }
        }
        Ok(())
    }

    /// Loads a register of the branch; the name is that of its file, the operator whoever loaded it.
    pub(super) fn reference(
        &mut self,
        again: JudgedAgain,
        loaded: &ReferenceLoaded,
        (name, operator): (&str, &str),
    ) -> Result<(), OfficeError> {
        let ReferenceLoaded { register, sha256, .. } = *loaded;
        let at = again.entry;
        if self.preserve(sha256)?.is_none() {
            self.told.left.push(format!(
                "the register of {register} that was entry {at} of the branch, SHA-256 {sha256}, is not in its vault: load it \
                 again by `daybook reference load`"
            ));
            return Ok(());
        }
        let from = self.branch.rejoined.from;
        let other = self.office.journal.look_by(move |_, registers| registers.version(register))?;
        let mut bytes = Vec::new();
        let original = self.office.vault.read(sha256, &self.office.keyring)?;
        let read = original.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|source| OfficeError::Disk { path: self.office.reading.home.vault(), source })?;
        self.announce(again)?;
        match self.office.load_reference(register, (name, &bytes), operator, false) {
            Ok(now) => {
                let parted = other.filter(|other| *other >= from && !now.same && !self.loaded.contains(other));
                self.told.left.extend(parted.map(|other| {
                    format!(
                        "the register of {register} was loaded on both sides: that of the branch is in force now, in the place of \
                         entry {other}; load the right one"
                    )
                }));
                self.loaded.extend(now.version);
            }
            // A version of the program that takes less: the office has to see to it.
            Err(error @ OfficeError::Reference { .. }) => self.told.left.push(error.to_string()),
            Err(error) => return Err(error),
        }
        self.told.orders += 1;
        Ok(())
    }
}
