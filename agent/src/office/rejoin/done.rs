//! What the branch can no longer tell of: where it cannot be read to its end, the originals in `done/` that the log does not know
//! are taken once more. The number before each name is that of the receipt which its sender has.

use std::{
    fs::File,
    io::{self, Seek as _},
};

use daybook_protocol::{
    event::{Completion, JudgedAgain},
    ids::Sequence,
};

use super::Rejudging;
use crate::{
    config::Folder,
    durable,
    intake::{Dir, Identity, What},
    office::{Handed, OfficeError},
};

impl Rejudging<'_> {
    /// Takes from every folder what the log does not know.
    pub(super) fn done_folders(&mut self) -> Result<(), OfficeError> {
        self.told.left.push(
            "the branch could not be read to its end: originals in done/ were judged again, but orders given behind that place are \
             lost, and so are files that `daybook import` took: give and hand them over again"
                .to_owned(),
        );
        for folder in &self.office.config.places() {
            for (month, name) in in_done(folder).map_err(|source| disk(folder, source))? {
                let opened = Dir::open(&folder.done()).and_then(|done| done.open_below(&month)?.read(&name));
                let file = opened.map_err(|source| disk(folder, source))?;
                if let Some((file, looked)) = file.filter(|(_, looked)| looked.what == What::File) {
                    self.filed(folder, &name, file, looked.identity)?;
                }
            }
        }
        Ok(())
    }

    fn filed(&mut self, folder: &Folder, name: &str, mut file: File, identity: Identity) -> Result<(), OfficeError> {
        let (_, sha256) = durable::hash(&mut file).map_err(|source| disk(folder, source))?;
        let (receipt, name) = numbered(name);
        if let Some(arrival) = self.office.journal.look(move |index| index.first_arrival(&sha256))? {
            return self.put_away(arrival, receipt);
        }
        file.rewind().map_err(|source| disk(folder, source))?;
        let preserved = self.office.preserve(&mut file, identity.bytes)?;
        let entry = receipt.unwrap_or(self.branch.rejoined.from);
        let again = JudgedAgain { entry, epoch: self.branch.rejoined.epoch, original: Some(sha256), receipt };
        let handed = Handed {
            name: name.to_owned(),
            folder: Some(folder),
            centre: folder.centre.clone(),
            brand: folder.brand.clone(),
            kind: None,
            file_id: identity.file_id,
            modified_at: identity.modified_at,
            completed_by: Completion::Quiet,
        };
        self.receive(again, None, &handed, &preserved)
    }

    /// The log knows an original that was put away here. A first receipt has the number of its arrival, and a file is put away once it
    /// has one: where the log has none, the branch issued it behind the place to which it can be read.
    fn put_away(&mut self, arrival: Sequence, receipt: Option<Sequence>) -> Result<(), OfficeError> {
        let state = self.office.arrival(arrival)?;
        if receipt != Some(arrival) || state.receipt.is_some() {
            return Ok(());
        }
        self.answered(
            arrival,
            JudgedAgain { entry: arrival, epoch: self.branch.rejoined.epoch, original: None, receipt },
        )
    }
}

/// What lies in `done/`, by month and name; links are not followed.
fn in_done(folder: &Folder) -> io::Result<Vec<(String, String)>> {
    let done = match Dir::open(&folder.done()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut found = Vec::new();
    for month in done.names()? {
        let month = month?;
        let is_folder = done.look(&month)?.is_some_and(|looked| looked.what == What::Folder);
        // We make no name that is not text.
        let Some(month) = month.to_str().filter(|_| is_folder) else { continue };
        for name in done.open_below(month)?.names()? {
            found.extend(name?.to_str().map(|name| (month.to_owned(), name.to_owned())));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The receipt's number and the name under which a file came, by the name under which it was put away.
fn numbered(name: &str) -> (Option<Sequence>, &str) {
    let parts = name.split_once('_').and_then(|(number, name)| Some((Sequence(number.parse().ok()?), name)));
    parts.map_or((None, name), |(number, name)| (Some(number), name))
}

fn disk(folder: &Folder, source: io::Error) -> OfficeError {
    OfficeError::Disk { path: folder.done(), source }
}
