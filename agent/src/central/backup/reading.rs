//! What a backup takes from a log as the auditor's code reads it.

use std::{collections::BTreeMap, io::Write as _};

use daybook_protocol::{
    batch::Frame,
    ids::{Digest, LogId, Sequence},
};

use super::{BackupError, failed, saving::Saving, writing::Writing};
use crate::verify::Watch;

/// Watches the auditor's code read a log: what is new goes into the backup.
pub(super) struct Reading<'s, 'a, 'b> {
    pub(super) saving: &'s Saving<'a, 'b>,
    pub(super) log: LogId,
    /// Count and root of what the earlier backup says that it has.
    pub(super) before: (u64, Digest),
    /// Whether that is a part of this log, as far as it was read.
    pub(super) passed: bool,
    /// Count and root of what the backup has so far.
    pub(super) end: (u64, Digest),
    pub(super) new: Option<Writing>,
    pub(super) originals: BTreeMap<Digest, Sequence>,
    pub(super) failed: Option<BackupError>,
}

impl Reading<'_, '_, '_> {
    fn take(&mut self, frame: &Frame) -> Result<(), BackupError> {
        let header = frame.header();
        for entry in frame.entries().flatten() {
            if let Some(original) = entry.event.original() {
                self.originals.entry(original.sha256).or_insert(entry.sequence);
            }
        }
        // A batch that is seen again, where the file changed meanwhile, was taken the first time.
        if header.first.0 != self.end.0 {
            return Ok(());
        }
        if header.previous_root != self.end.1 {
            return Err(BackupError::OtherHistory { log: self.log });
        }
        let new = match self.new.take() {
            Some(new) => new,
            None => self.saving.begin_file()?,
        };
        let new = self.new.insert(new);
        new.write_all(frame.bytes()).map_err(failed(&self.saving.directory))?;
        self.end = (header.end().0, header.root);
        self.passed |= self.end == self.before;
        Ok(())
    }
}

impl Watch for Reading<'_, '_, '_> {
    fn goes_on(&mut self, done: u64, total: u64) -> bool {
        self.saving.work.progress(done, total, "bytes of the logs");
        self.failed.is_none() && self.saving.work.goes_on()
    }

    fn batch(&mut self, frame: &Frame) {
        if self.failed.is_none() {
            self.failed = self.take(frame).err();
        }
    }
}
