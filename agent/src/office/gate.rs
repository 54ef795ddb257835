//! Whether anything may be taken in now, from a folder or from a command.

use std::sync::PoisonError;

use super::{Office, OfficeError, RESERVE_BYTES, reference::REFERENCE};
use crate::{
    books::index::Index,
    home::Home,
    journal::{CLOCK, Draft},
    store,
};
use daybook_protocol::{
    event::{Alarm, Event},
    wire::Refusal,
};

/// The alarm that says that the disk is nearly full. While it is open nothing is taken in.
const DISK: &str = "disk";
/// What is said of a disk that is nearly full.
pub(super) const NEARLY_FULL: &str = "the disk is nearly full: make room, intake goes on by itself";
/// What is said of a log whose bytes were found damaged.
const DAMAGED: &str =
    "the log is damaged: stop the agent and run `daybook salvage`; `daybook status` says what was found";
/// What is said of a machine that was replaced.
const REPLACED: &str = "another machine has taken over this log; whatever is recorded here is in no log that counts. Where \
                        there is work here that only this machine has: stop it, and run `daybook recover --rejoin ADDRESS CODE` here, with a \
                        code from `daybook central invite --recover`";
/// What is said of a log that is not the one that the central node has.
const PARTED: &str = "this log is not as the central node has it: `daybook status` says why, and what to do";
/// Intake begins again when so large a part more is free than it stops below, so that it does not stop and begin with every
/// file.
const AGAIN_PART: u64 = 8;

impl Office {
    /// Why nothing may be taken in now, if so. Raises the alarm of a full disk, and clears it when there is room again.
    pub fn closed(&self) -> Result<Option<&'static str>, OfficeError> {
        if self.reading.entries.condemned().is_some() {
            return Ok(Some(DAMAGED));
        }
        let alarms = self.journal.look(Index::alarms)?;
        if self.heed_disk(alarms.iter().any(|(name, _)| name == DISK))? {
            return Ok(Some(NEARLY_FULL));
        }
        Ok(alarms.iter().find_map(|(name, _)| match name.as_str() {
            CLOCK => Some("the clock cannot be right: `daybook status` says why, and what to do"),
            REFERENCE => Some("a register in force cannot be read: `daybook status` says which, and what to do"),
            name if name == Refusal::Fenced.name() => Some(REPLACED),
            // What is recorded on a branch or behind an old end would stand in no log that counts.
            name if [Refusal::Fork, Refusal::Rollback].map(Refusal::name).contains(&name) => Some(PARTED),
            _ => None,
        }))
    }

    /// Fails where [`Office::closed`] says why nothing may be taken in.
    pub fn take_nothing_while_closed(&self) -> Result<(), OfficeError> {
        self.closed()?.map_or(Ok(()), |why| Err(OfficeError::Closed(why.to_owned())))
    }

    /// Fails on a machine that was replaced: a person's word would be lost there.
    pub fn record_nothing_where_replaced(&self) -> Result<(), OfficeError> {
        let alarms = self.journal.look(Index::alarms)?;
        let replaced = alarms.iter().any(|(name, _)| name == Refusal::Fenced.name());
        if replaced { Err(OfficeError::Closed(REPLACED.to_owned())) } else { Ok(()) }
    }

    /// Whether the disk has room for more to be taken in. Costs a microsecond, so that it can be asked in the midst of a file.
    pub(super) fn has_room(&self) -> Result<bool, OfficeError> {
        Ok(store::free_bytes(self.reading.home.path())? >= self.least())
    }

    /// What is to stay free, in bytes. The room of a reserve that was given up is not there for intake.
    fn least(&self) -> u64 {
        let given_up = if store::holds_reserve(&self.reading.home, RESERVE_BYTES) { 0 } else { RESERVE_BYTES };
        self.config.agent.free_bytes_min.saturating_add(given_up)
    }

    /// Fails where an original of so many bytes would not leave the room that is to stay free. It is compressed, but who
    /// knows how well; and the log needs as much again as that saves.
    pub fn take_nothing_too_large(&self, bytes: u64) -> Result<(), OfficeError> {
        let (free, least) = (store::free_bytes(self.reading.home.path())?, self.least());
        if free >= least.saturating_add(bytes) {
            return Ok(());
        }
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        Err(OfficeError::Closed(format!(
            "the disk has too little room for a file of {} MiB: {} MiB are free, and {} MiB are to stay free; make room, it \
             is taken by itself",
            mib(bytes),
            free >> 20,
            mib(least)
        )))
    }

    /// Whether the disk is too full for intake, with the alarm that says so raised or cleared.
    fn heed_disk(&self, open: bool) -> Result<bool, OfficeError> {
        let (free, least) = (store::free_bytes(self.reading.home.path())?, self.least());
        let enough = if open { least.saturating_add(least / AGAIN_PART) } else { least };
        let full = free < enough;
        if full != open {
            // Whoever waited here finds it told of already. Nobody waits for what a full disk may keep from being durable.
            let _turn = self.alarming.lock().unwrap_or_else(PoisonError::into_inner);
            let open = self.journal.look(|index| index.alarms().iter().any(|(name, _)| name == DISK))?;
            match (full, open) {
                (true, false) => self.journal.tell(Draft::plain(Event::AlarmRaised(disk_alarm(NEARLY_FULL))))?,
                (false, true) => {
                    let cleared = Event::AlarmCleared(disk_alarm("there is room again, and intake goes on"));
                    self.journal.tell(Draft::plain(cleared))?;
                }
                _ => {}
            }
        }
        if !full {
            hold_reserve(&self.reading.home, self.config.agent.free_bytes_min)?;
        }
        Ok(full)
    }
}

/// Takes the reserve, where there is room for it above what is to stay free.
pub(super) fn hold_reserve(home: &Home, least: u64) -> Result<(), OfficeError> {
    let held = store::holds_reserve(home, RESERVE_BYTES);
    if !held && store::free_bytes(home.path())? > least.saturating_add(RESERVE_BYTES) {
        store::hold_reserve(home, RESERVE_BYTES)?;
    }
    Ok(())
}

fn disk_alarm(detail: &str) -> Alarm {
    Alarm { alarm: DISK.to_owned(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::Location;

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
        assert!(matches!(office.take_nothing_while_closed(), Err(OfficeError::Closed(why)) if why == REPLACED));
        assert!(matches!(office.record_nothing_where_replaced(), Err(OfficeError::Closed(why)) if why == REPLACED));
        office.close().expect("closed");
    }
}
