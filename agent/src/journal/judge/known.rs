//! What the judge asks of the log and of the keyring about a person who is known: what was accepted of them, and whether
//! their key can be had.

use daybook_protocol::{
    batch::Frame,
    entry::{Entry, Private},
    event::{Alarm, Event, RowHeld},
    field::{Field, Kind},
    finding::{Code, Finding},
    ids::{KeyId, Sequence},
};

use super::{Judge, Ruling};
use crate::{
    desk,
    journal::{Draft, JournalError, failed, writer::Open},
    keyring::{self, Key, KeyringError},
};

/// The alarm that says that a key cannot be had.
const KEYS: &str = "keys";

impl Judge {
    /// A row that asks for what was accepted as `first`, and says something else of the person: a person has to look at it.
    /// `None` where it says the same, or what was accepted can no longer be read.
    pub(super) fn changed(
        &mut self,
        first: Sequence,
        kind: Kind,
        private: &Private,
    ) -> Result<Option<(Field, RowHeld)>, JournalError> {
        if kind != Kind::Enrolments {
            // The other kinds say nothing of a person but who is meant.
            return Ok(None);
        }
        let Some(entry) = self.accepted(first)? else { return Ok(None) };
        if !matches!(entry.event, Event::LearnerEnrolled(_)) {
            // A transfer says no more of a person either.
            return Ok(None);
        }
        let Some(sealed) = &entry.sealed else { return Ok(None) };
        let Ok(key) = self.keyring.key(sealed.key) else { return Ok(None) };
        let Ok(accepted) = keyring::open_sealed(&key, self.log, first, sealed) else { return Ok(None) };
        let held = RowHeld { kind, learner: entry.event.learner(), against: Some(first) };
        Ok(desk::differs(&accepted, private).map(|field| (field, held)))
    }

    /// An entry of the log. Rows that come again stand behind one another as they did the first time, so that the batch read
    /// last mostly has the next one too.
    fn accepted(&mut self, at: Sequence) -> Result<Option<Entry>, JournalError> {
        let has = |frame: &Frame| frame.header().first <= at && at < frame.header().end();
        if !self.read_last.as_ref().is_some_and(has) {
            if self.entries.count() <= at.0 {
                // It is on its way to the disk.
                self.settle()?;
            }
            self.read_last = self.entries.frames(at).next().transpose().map_err(|error| failed(&error))?;
        }
        let Some(frame) = self.read_last.as_ref().filter(|frame| has(frame)) else { return Ok(None) };
        let mut raw = frame.raw_entries().filter_map(Result::ok);
        Ok(raw.find(|(sequence, _)| *sequence == at).and_then(|(_, bytes)| Entry::decode(bytes).ok()))
    }

    /// A ruling about a person whose key can be had; where it cannot, nothing more is recorded of that person until somebody
    /// has looked at it, and what was sent is sealed under `key`, that of the source.
    pub(super) fn sealable(&mut self, kind: Kind, mut ruling: Ruling, key: KeyId) -> Result<Ruling, JournalError> {
        let Some((of_person, _)) = ruling.private.as_ref().filter(|(id, _)| *id != key) else { return Ok(ruling) };
        let of_person = *of_person;
        if self.made.as_ref().is_some_and(|(made, _)| *made == of_person) {
            return Ok(ruling);
        }
        match self.usable(of_person)? {
            Ok(found) => self.made = Some((of_person, found)),
            Err(why) => {
                self.unusable = Some(why);
                ruling.findings.push(Finding::from(Code::KEY_UNUSABLE));
                ruling.event = Event::RowHeld(RowHeld { kind, learner: Some(of_person), against: None });
                ruling.private = ruling.private.map(|(_, private)| (key, private));
            }
        }
        Ok(ruling)
    }

    /// A key, or why it cannot be had; fails where the keyring itself cannot be read.
    fn usable(&self, id: KeyId) -> Result<Result<Key, String>, JournalError> {
        use KeyringError::{KeyDamaged, KeyDestroyed, KeyMissing};
        match self.keyring.key(id) {
            Ok(key) => Ok(Ok(key)),
            Err(error @ (KeyDamaged { .. } | KeyDestroyed { .. } | KeyMissing { .. })) => Ok(Err(error.to_string())),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Why nothing can be sealed under the key of a source, if so.
    pub(super) fn unsealable(&self, id: KeyId) -> Result<Option<JournalError>, JournalError> {
        Ok(self.usable(id)?.err().map(JournalError::Key))
    }

    /// The alarm of a key that could not be had since the last time this was asked, unless it is open.
    pub(super) fn alarm_of_keys(&mut self) -> Option<Open> {
        let why = self.unusable.take()?;
        if self.index.alarms().iter().any(|(open, _)| open == KEYS) {
            return None;
        }
        let detail = format!("{why}; what concerns that person is held");
        let alarm = Event::AlarmRaised(Alarm { alarm: KEYS.to_owned(), detail });
        let stamp = self.clock.stamp();
        Some(self.place(Draft::plain(alarm), stamp))
    }
}
