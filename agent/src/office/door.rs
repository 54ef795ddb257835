//! The door of a drop folder: takes in what it holds. One look after another, so that the files of a folder are taken in the
//! order in which they came.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use daybook_protocol::{
    date::Timestamp,
    entry::{Private, Source},
    event::{Alarm, ArrivalRefused, Event, FileId, Totals},
    field::Field,
    ids::Sequence,
};
use tracing::{error, info, warn};

use super::{Handed, Office, OfficeError, Waiting};
use crate::{
    books::index::{self, Arrival, Index, Stage},
    config::Folder,
    intake::{HintKind, IntakeError, Ready, Refused, Scanner, Version},
    journal::Draft,
    supervise::Shutdown,
};

/// How long to wait after a folder or the disk could not be used, before trying again.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// How long an empty folder is left alone that nothing tells of: neither the watcher nor the time of its last change, which the
/// periodic scan looks at. What neither of them shows is found then.
const CALM: Duration = Duration::from_mins(15);

/// How a look at a folder ended.
pub(super) struct Looked {
    /// After how long it has to be looked at again by itself.
    pub(super) again_in: Duration,
    /// Whether something of it waits for the central node.
    pub(super) awaits_mirror: bool,
}

/// The name of the alarm that says that an arrival cannot be handled.
fn trouble_with(arrival: Sequence) -> String {
    format!("arrival {arrival}")
}

/// The name of the alarm that says that the next file of a folder is too large for the room that there is.
fn no_room_for(folder: &Folder) -> String {
    format!("room for folder {}", folder.name)
}

/// The name of the alarm that says that a folder, or a file in it, cannot be worked with.
fn trouble_in(folder: &Folder) -> String {
    format!("folder {}", folder.name)
}

/// One folder's door.
pub(super) struct Door {
    office: Arc<Office>,
    folder: Folder,
    scanner: Scanner,
    /// Arrivals of this folder that are not finished.
    open: Vec<Sequence>,
    /// Those of them that cannot be handled.
    stuck: HashSet<Sequence>,
    /// Whether the alarm is open that says that the next file is too large for the room that there is.
    waits_for_room: bool,
    /// Whether the alarm is open that says that the folder cannot be worked with.
    unusable: bool,
    /// Whether it was told that intake waits, so that it is told once.
    waits: bool,
}

impl Door {
    pub(super) fn new(office: Arc<Office>, folder: Folder) -> Self {
        let scanner = Scanner::new(folder.clone(), office.config.agent.file_bytes_max);
        Self {
            office,
            folder,
            scanner,
            open: Vec::new(),
            stuck: HashSet::new(),
            waits_for_room: false,
            unusable: false,
            waits: false,
        }
    }

    /// Remembers what the log says that this folder left unfinished, and what it refused before; `alarms` are all that are
    /// open.
    pub(super) fn remember(
        &mut self,
        open: Vec<Arrival>,
        refused: Vec<(FileId, Timestamp)>,
        alarms: &HashSet<String>,
    ) -> Result<(), OfficeError> {
        self.waits_for_room = alarms.contains(&no_room_for(&self.folder));
        self.unusable = alarms.contains(&trouble_in(&self.folder));
        for arrival in open {
            let received = &arrival.received;
            let version =
                Version { file_id: received.file_id, bytes: received.bytes, modified_at: received.modified_at };
            // One that only has to be corrected has left `in/`: what lies there under its name is another.
            if arrival.stage != Stage::Filed {
                self.scanner.seed_taken(&self.office.file_name(&arrival)?, version);
            }
            // An earlier run's alarm is still open: this one has to clear it.
            if alarms.contains(&trouble_with(arrival.arrival)) {
                self.stuck.insert(arrival.arrival);
            }
            self.open.push(arrival.arrival);
        }
        for (file_id, at) in refused {
            self.scanner.seed_refused(file_id, at);
        }
        Ok(())
    }

    /// One look at the folder, after what was heard of it; nothing where there is nothing to come back for, since it is a stop or
    /// the journal takes nothing more.
    pub(super) fn look_in(&mut self, heard: Vec<HintKind>, shutdown: &Shutdown) -> Option<Looked> {
        for hint in heard {
            if let HintKind::RenamedIn(name) = hint {
                self.scanner.renamed_in(&name);
            }
        }
        let looked = self.look(shutdown);
        match looked.or_else(|error| self.trouble(error).map(|()| RETRY)) {
            Ok(again_in) => Some(Looked { again_in, awaits_mirror: !self.open.is_empty() }),
            Err(OfficeError::Stopping) => None,
            Err(_) => {
                shutdown.ask();
                None
            }
        }
    }

    /// One look at the folder: goes on with what is open, then takes what is ready. Gives how long to wait.
    fn look(&mut self, shutdown: &Shutdown) -> Result<Duration, OfficeError> {
        self.proceed(shutdown)?;
        let rescan = Duration::from_secs(self.office.config.agent.rescan_seconds.max(1));
        if let Some(why) = self.office.closed()? {
            return Err(OfficeError::Closed(why.to_owned()));
        }
        let mut usable = true;
        let scan = self.scanner.scan(Instant::now())?;
        for refused in &scan.refused {
            self.refuse(refused)?;
        }
        for ready in &scan.ready {
            // The disk may have filled up with the files before this one; the next look says so.
            if shutdown.is_asked() || self.office.closed()?.is_some() {
                break;
            }
            let taken = match self.take(ready) {
                // Its owner is still at it, or it cannot be read: the next look finds out.
                Err(OfficeError::Intake(IntakeError::Changed { .. })) => false,
                Err(error @ OfficeError::Intake(IntakeError::Unreadable { .. })) => {
                    self.trouble(error)?;
                    usable = false;
                    false
                }
                taken => taken?,
            };
            if !taken && self.scanner.holds_up(ready, Instant::now()) {
                break;
            }
        }
        self.waits = false;
        if usable {
            self.usable_again()?;
        }
        if scan.empty && self.open.is_empty() {
            self.scanner.rest();
            return Ok(CALM);
        }
        Ok(scan.next_look.map_or(rescan, |next| next.min(rescan)))
    }

    /// Preserves a file, records its arrival and takes it along, unless it changed meanwhile.
    fn take(&mut self, ready: &Ready) -> Result<bool, OfficeError> {
        let mut file = self.scanner.open(ready)?;
        let identity = ready.identity;
        let handed = Handed {
            name: ready.name.clone(),
            folder: Some(&self.folder),
            centre: self.folder.centre.clone(),
            brand: self.folder.brand.clone(),
            kind: None,
            file_id: identity.file_id,
            modified_at: identity.modified_at,
            completed_by: ready.completed_by,
        };
        if let Err(error) = self.office.take_nothing_too_large(identity.bytes) {
            self.too_large(&error)?;
            return Err(error);
        }
        let preserved = self.office.preserve(&mut file, identity.bytes)?;
        if !self.scanner.unchanged(ready)? {
            return Ok(false);
        }
        let arrival = self.office.receive(&handed, &preserved)?;
        self.scanner.taken(ready);
        self.open.push(arrival);
        self.not_too_large()?;
        info!(folder = self.folder.name, arrival = arrival.0, bytes = identity.bytes, "a file was received");
        self.go_on_with(arrival)?;
        Ok(true)
    }

    /// Takes every open arrival as far as it can go now.
    fn proceed(&mut self, shutdown: &Shutdown) -> Result<(), OfficeError> {
        for arrival in self.open.clone() {
            if shutdown.is_asked() {
                return Ok(());
            }
            self.go_on_with(arrival)?;
        }
        // What a person released since is open again.
        let name = self.folder.name.clone();
        let open = self.office.journal.look(Index::open_arrivals)?;
        for arrival in open.into_iter().filter(|arrival| arrival.received.folder == name) {
            if !self.open.contains(&arrival.arrival) {
                self.open.push(arrival.arrival);
            }
        }
        Ok(())
    }

    /// Takes one open arrival as far as it can go now.
    fn go_on_with(&mut self, arrival: Sequence) -> Result<(), OfficeError> {
        match self.office.proceed(arrival, &mut |_, _| {}) {
            Ok(Waiting::Mirror) => {}
            Ok(Waiting::Nothing) => {
                self.answered(arrival)?;
                self.open.retain(|open| *open != arrival);
            }
            Err(error @ (OfficeError::Journal(_) | OfficeError::Stopping | OfficeError::Closed(_))) => {
                return Err(error);
            }
            // One file that cannot be handled must not stop the rest.
            Err(error) => self.stuck(arrival, &error)?,
        }
        Ok(())
    }

    /// Tells that an arrival is finished, and that it is no longer in trouble if it was.
    fn answered(&mut self, arrival: Sequence) -> Result<(), OfficeError> {
        let state = self.office.arrival(arrival)?;
        let Totals { rows, accepted, rejected, duplicate, held } = state.totals;
        let (folder, outcome) = (&self.folder.name, state.verdict.unwrap_or(index::Verdict::Processed));
        info!(folder, arrival = arrival.0, ?outcome, rows, accepted, rejected, duplicate, held, "a file was answered");
        if self.stuck.remove(&arrival) {
            let detail = "the file was handled after all".to_owned();
            let cleared = Event::AlarmCleared(Alarm { alarm: trouble_with(arrival), detail });
            self.office.journal.note(Draft::of_file(arrival, cleared))?;
        }
        Ok(())
    }

    /// An arrival cannot be handled now: raises an alarm once, and tries again with every look.
    fn stuck(&mut self, arrival: Sequence, error: &OfficeError) -> Result<(), OfficeError> {
        if self.stuck.insert(arrival) {
            let cause: &dyn std::error::Error = error;
            error!(
                folder = self.folder.name,
                arrival = arrival.0,
                error = cause,
                "a file cannot be handled; trying again"
            );
            let alarm = Alarm { alarm: trouble_with(arrival), detail: error.to_string() };
            self.office.journal.raise(alarm, Source::File { arrival })?;
        }
        Ok(())
    }

    /// The next file has to wait until there is room for it: raises an alarm once. Files before it were taken, so that the
    /// disk as a whole may not be in trouble.
    fn too_large(&mut self, error: &OfficeError) -> Result<(), OfficeError> {
        if !std::mem::replace(&mut self.waits_for_room, true) {
            let alarm = Alarm { alarm: no_room_for(&self.folder), detail: error.to_string() };
            self.office.journal.raise(alarm, Source::Agent)?;
        }
        Ok(())
    }

    /// A file was taken: none waits for room.
    fn not_too_large(&mut self) -> Result<(), OfficeError> {
        if std::mem::take(&mut self.waits_for_room) {
            let detail = "there was room for the file".to_owned();
            let cleared = Event::AlarmCleared(Alarm { alarm: no_room_for(&self.folder), detail });
            self.office.journal.note(Draft::plain(cleared))?;
        }
        Ok(())
    }

    /// Records that something is not taken.
    fn refuse(&self, refused: &Refused) -> Result<(), OfficeError> {
        let event = Event::ArrivalRefused(ArrivalRefused {
            folder: self.folder.name.clone(),
            centre: self.folder.centre.clone(),
            reason: refused.reason,
            file_id: refused.file_id,
        });
        let private = Private::from([(Field::FileName, &refused.name)]);
        let private = Some((self.office.new_key()?, private));
        self.office.journal.note(Draft { private, ..Draft::plain(event) })?;
        warn!(folder = self.folder.name, reason = ?refused.reason, "something in the folder is not taken; `daybook entries --reveal` names it");
        Ok(())
    }

    /// The folder, or a file in it, cannot be worked with: raises an alarm once, and tries again with every look. That intake waits
    /// as a whole has an alarm of its own. Fails where nothing more can be done.
    fn trouble(&mut self, error: OfficeError) -> Result<(), OfficeError> {
        match error {
            OfficeError::Journal(_) | OfficeError::Stopping => return Err(error),
            OfficeError::Closed(why) => {
                if !std::mem::replace(&mut self.waits, true) {
                    warn!(folder = self.folder.name, why, "intake waits");
                }
            }
            _ if std::mem::replace(&mut self.unusable, true) => {}
            error => {
                let cause: &dyn std::error::Error = &error;
                error!(folder = self.folder.name, error = cause, "the folder cannot be worked with; trying again");
                let alarm = Alarm { alarm: trouble_in(&self.folder), detail: error.to_string() };
                self.office.journal.raise(alarm, Source::Agent)?;
            }
        }
        Ok(())
    }

    /// The folder was looked at, and nothing in it was in the way.
    fn usable_again(&mut self) -> Result<(), OfficeError> {
        if std::mem::take(&mut self.unusable) {
            let detail = "the folder can be worked with again".to_owned();
            let cleared = Event::AlarmCleared(Alarm { alarm: trouble_in(&self.folder), detail });
            self.office.journal.note(Draft::plain(cleared))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
