//! How a file comes in, from a folder or a command: preserved first, then recorded. What becomes of it afterwards is
//! `arrival.rs`.

use std::io::Read;

use daybook_protocol::{
    date::Timestamp,
    entry::Private,
    event::{Completion, Event, FileId, FileReceived},
    field::{Field, Kind},
    ids::{KeyId, Sequence},
};

use super::{Office, OfficeError};
use crate::{
    config::Folder,
    journal::Draft,
    vault::{Preserved, VaultError},
};

/// A file that is handed in, with what is known of it before it is read.
pub struct Handed<'a> {
    /// Its name, as its sender knows it.
    pub name: String,
    /// The drop folder it lies in; `None` for one that a command hands over.
    pub folder: Option<&'a Folder>,
    /// The centre it is for; may be empty where each row says so.
    pub centre: String,
    /// The brand it is for; may be empty.
    pub brand: String,
    /// The kind it is said to be.
    pub kind: Option<Kind>,
    /// Which file it is.
    pub file_id: FileId,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// How it is known to be complete.
    pub completed_by: Completion,
}

impl Office {
    /// Keeps an original in the vault, unless the wish to stop comes first. It can be read again whatever becomes of the
    /// folder.
    pub fn preserve(&self, original: &mut dyn Read) -> Result<Preserved, OfficeError> {
        let wanted = || !self.stop.is_asked();
        match self.vault.preserve_while(&wanted, original, &self.keyring, self.config.agent.file_bytes_max) {
            Err(VaultError::BrokenOff) => Err(OfficeError::Stopping),
            preserved => Ok(preserved?),
        }
    }

    /// A new key for what concerns no known person.
    pub(super) fn new_key(&self) -> Result<KeyId, OfficeError> {
        Ok(self.keyring.allocate()?.0)
    }

    /// Records the arrival of an original that is in the vault.
    pub fn receive(&self, handed: &Handed<'_>, preserved: &Preserved) -> Result<Sequence, OfficeError> {
        let Preserved { sha256, bytes, .. } = *preserved;
        let same_as = self.journal.look(move |index| index.first_arrival(&sha256))?;
        let key = self.new_key()?;
        let event = Event::FileReceived(FileReceived {
            folder: handed.folder.map(|folder| folder.name.clone()).unwrap_or_default(),
            centre: handed.centre.clone(),
            brand: handed.brand.clone(),
            kind: handed.kind,
            sha256,
            bytes,
            file_id: handed.file_id,
            modified_at: handed.modified_at,
            completed_by: handed.completed_by,
            key,
            same_as,
        });
        let private = Private::from([(Field::FileName, &handed.name)]);
        let draft = Draft { private: Some((key, private)), ..Draft::plain(event) };
        // DURABLE: the arrival. From here on it is handled to its end, by this run or the next.
        Ok(self.journal.note(draft)?)
    }
}
