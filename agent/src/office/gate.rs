//! Whether anything may be taken in now, from a folder or from a command.

use super::{Office, OfficeError};
use crate::{books::index::Index, journal::CLOCK, store};
use daybook_protocol::wire::Refusal;

/// What is said of a log whose bytes were found damaged.
const DAMAGED: &str =
    "the log is damaged: stop the agent and run `daybook salvage`; `daybook status` says what was found";
/// What is said of a machine that was replaced.
const REPLACED: &str = "another machine has taken over this log; whatever is recorded here is in no log that counts";

impl Office {
    /// Why nothing may be taken in now, if so.
    pub fn closed(&self) -> Result<Option<&'static str>, OfficeError> {
        if self.reading.entries.condemned().is_some() {
            return Ok(Some(DAMAGED));
        }
        let free = store::free_bytes(self.reading.home.path())?;
        if free < self.config.agent.free_bytes_min {
            return Ok(Some("the disk is nearly full: make room, intake goes on by itself"));
        }
        let alarms = self.journal.look(Index::alarms)?;
        Ok(alarms.iter().find_map(|(name, _)| match name.as_str() {
            CLOCK => Some("the clock cannot be right: `daybook status` says why, and what to do"),
            name if name == Refusal::Fenced.name() => Some(REPLACED),
            _ => None,
        }))
    }

    /// Fails where [`Office::closed`] says why nothing may be taken in.
    pub fn take_nothing_while_closed(&self) -> Result<(), OfficeError> {
        self.closed()?.map_or(Ok(()), |why| Err(OfficeError::Closed(why)))
    }

    /// Fails on a machine that was replaced: a person's word would be lost there.
    pub fn record_nothing_where_replaced(&self) -> Result<(), OfficeError> {
        let alarms = self.journal.look(Index::alarms)?;
        let replaced = alarms.iter().any(|(name, _)| name == Refusal::Fenced.name());
        if replaced { Err(OfficeError::Closed(REPLACED)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use daybook_protocol::event::{Alarm, Event};

    use super::*;
    use crate::{home::Home, journal::Draft, office::Location};

    /// Goal: a machine that was replaced takes nothing in any more, also after a restart. Method: the alarm by which it
    /// learns of it, before and after.
    #[test]
    fn a_replaced_machine_takes_nothing_in() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Location { home: Home::new(directory.path().join("home")), config: None, operator_key: None };
        let office = Office::open(&place, true).expect("a new home");
        assert_eq!(office.closed().expect("looked"), None);
        office.record_nothing_where_replaced().expect("it is not replaced");
        let alarm = Alarm { alarm: Refusal::Fenced.name().to_owned(), detail: "replaced".into() };
        office.journal.note(Draft::plain(Event::AlarmRaised(alarm))).expect("noted");
        assert_eq!(office.closed().expect("looked"), Some(REPLACED));
        office.close().expect("closed");
        let office = Office::open(&place, false).expect("opened");
        assert!(matches!(office.take_nothing_while_closed(), Err(OfficeError::Closed(REPLACED))));
        assert!(matches!(office.record_nothing_where_replaced(), Err(OfficeError::Closed(REPLACED))));
        office.close().expect("closed");
    }
}
