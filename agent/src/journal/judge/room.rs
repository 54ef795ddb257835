//! What a nearly full disk means for the judge: nothing is recorded, so that what was recorded stays safe.

use std::fs;

use daybook_protocol::event::Event;
use tracing::warn;

use super::{Judge, Work};
use crate::{
    journal::JournalError,
    store::{self, RECORD_BYTES_MIN},
};

impl Judge {
    /// Whether the disk has so little room that nothing is to be recorded.
    pub(super) fn is_full(&self) -> bool {
        self.has_less_than(RECORD_BYTES_MIN)
    }

    fn has_less_than(&self, bytes: u64) -> bool {
        // A disk that cannot be asked is told of by whoever writes to it.
        store::free_bytes(&self.home).is_ok_and(|free| free < bytes)
    }

    /// Refuses to record anything on a disk that is nearly full, before it has changed anything. Alarms are the exception:
    /// they are few and short, and the store has places for them.
    pub(super) fn turn_away(&mut self, work: Work) -> Result<(), JournalError> {
        match work {
            Work::Note(draft, reply) if !matches!(draft.event, Event::AlarmRaised(_) | Event::AlarmCleared(_)) => {
                self.send(Vec::new(), reply, Err(JournalError::Full))
            }
            Work::Adopt { reply, .. } => self.send(Vec::new(), reply, Err(JournalError::Full)),
            Work::Rows { reply, .. } => self.send(Vec::new(), reply, Err(JournalError::Full)),
            Work::Order { reply, .. } | Work::Decline { reply, .. } | Work::AcceptClock { reply, .. } => {
                self.send(Vec::new(), reply, Err(JournalError::Full))
            }
            other => self.perform(other),
        }
    }

    /// Writes the index to disk. It can be had from the log at any time, so a failure costs only the next start's time.
    pub(super) fn save(&mut self) -> Result<(), JournalError> {
        let before = fs::metadata(&self.snapshot).map_or(0, |about| about.len());
        self.snapshot_at = self.index.applied_through();
        // Asked first: what is to be settled may itself wait for room.
        if self.has_less_than(RECORD_BYTES_MIN.saturating_add(2 * before)) {
            warn!("the disk has no room for the index; the next start reads the log instead");
            return Ok(());
        }
        // An index that is ahead of the log on disk would speak of entries that a crash can still undo.
        let root = self.settle()?;
        if let Err(error) = self.index.save(self.log, root, &self.snapshot) {
            let error = &error as &dyn std::error::Error;
            warn!(error, "the index was not written; the next start reads the log instead");
        }
        Ok(())
    }
}
