//! The scrub of an agent's own home: what it finds is put on record, but for damage of the log itself, which is not written
//! to any more.

use std::{
    sync::{Arc, TryLockError},
    thread,
    time::Duration,
};

use daybook_protocol::{
    date::Timestamp,
    entry::{Actor, Source},
    event::{Alarm, Event, Scrubbed},
    ids::{LogId, Sequence},
};

use super::{Location, Office, OfficeError};
use crate::{
    books::index::Index,
    home::Home,
    identity::{Identity, verifier_of},
    journal::Draft,
    scrub::{self, DAMAGE, Damage, Found, LogFound, Onlooker, Side, Timer, Unseen, Work},
    store,
    supervise::Shutdown,
};

impl Office {
    /// Scrubs this home on behalf of an operator, or by itself, and records what was found. With `gentle` it rests in between.
    pub fn scrub(
        &self,
        operator: Option<&str>,
        gentle: bool,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Found, OfficeError> {
        let work = Work::new(onlooker, gentle);
        let home = &self.reading.home;
        let _one = match self.scrubbing.try_lock() {
            Ok(one) => one,
            // One that panicked has recorded nothing, and that is all there is to it.
            Err(TryLockError::Poisoned(one)) => one.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(OfficeError::Scrubbing),
        };
        let log = scrub::check_log(home, verifier_of(home)?.as_deref(), Side::Agent, &work)?;
        match log.log_damage() {
            // Before anything else, and before more can be appended.
            Some(damage) => self.reading.entries.condemn(&damage.what)?,
            None => self.reading.entries.absolve()?,
        }
        self.scrub_rest(log, operator, &work)
    }

    fn scrub_rest(&self, log: LogFound, operator: Option<&str>, work: &Work<'_>) -> Result<Found, OfficeError> {
        let home = &self.reading.home;
        let rest = scrub::check_rest(home, &log, Some(&self.keyring), Sequence(u64::MAX), Side::Agent, work)?;
        let mut found = Found::of(log, rest, jiff::Timestamp::now().into());
        if !found.ok() {
            tell(&found);
        }
        let recorded = match found.log_damage() {
            Some(_) => Ok(found.at),
            None => self.record_scrub(&found, operator),
        };
        found.at = *recorded.as_ref().unwrap_or(&found.at);
        // Noted too, and also where it cannot be recorded: there are all the names, and the entry has their number.
        scrub::save(home, &found)?;
        recorded.map(|_| found)
    }

    /// Puts on record what was found; gives the time of that.
    fn record_scrub(&self, found: &Found, operator: Option<&str>) -> Result<Timestamp, OfficeError> {
        let (actor, source) = match operator {
            Some(name) => (Actor::Operator(name.to_owned()), Source::Command),
            None => (Actor::Agent, Source::Agent),
        };
        let note = |event| Draft { actor: actor.clone(), source, ..Draft::plain(event) };
        let Found { entries, root, originals, keys, faults, .. } = *found;
        let (_, at) =
            self.journal.note_at(note(Event::Scrubbed(Scrubbed { entries, root, originals, keys, faults })))?;
        let open = self.journal.look(Index::alarms)?.into_iter().find(|(name, _)| name == DAMAGE);
        let alarm = |detail| Alarm { alarm: DAMAGE.to_owned(), detail };
        if found.ok() {
            if open.is_some() {
                let detail = "log, keys and originals are as they were written".to_owned();
                self.journal.note(note(Event::AlarmCleared(alarm(detail))))?;
            }
            return Ok(at);
        }
        let detail = found.in_brief();
        if open.is_none_or(|(_, open)| open.detail != detail) {
            self.journal.note(note(Event::AlarmRaised(alarm(detail))))?;
        }
        Ok(at)
    }

    /// When this home was last scrubbed, by its log or by the note beside it, whichever is later.
    pub fn last_scrub(&self) -> Result<Option<Timestamp>, OfficeError> {
        let on_record = self.journal.look(Index::scrubbed)?.map(|last| Timestamp(last.at));
        Ok(on_record.max(scrub::load(&self.reading.home).map(|found| found.at)))
    }

    /// When the log was begun: from then on the first scrub is reckoned.
    pub fn born_at(&self) -> Timestamp {
        // Where the first entry cannot be read there is worse to be told of than a scrub that is late.
        let first = self.reading.entry(Sequence(0)).ok().flatten();
        first.map_or_else(|| jiff::Timestamp::now().into(), |first| first.recorded_at)
    }

    /// Scrubs if it is time; says whether it did.
    fn scrub_when_due(&self, timer: Timer, running: Duration, shutdown: &Shutdown) -> Result<bool, OfficeError> {
        let (last, born) = (self.last_scrub()?, self.born_at());
        // Neither by a clock that cannot be right, nor on a log that is not to be written.
        if !timer.rings(last, born, jiff::Timestamp::now().into(), running) || self.closed()?.is_some() {
            return Ok(false);
        }
        self.scrub(None, true, &mut Unseen(shutdown.clone())).map(|_| true)
    }
}

/// What is damaged, in the program's own log.
fn tell(found: &Found) {
    for Damage { what, mend, .. } in &found.damage {
        tracing::error!(mend, "damaged: {what}");
    }
}

/// Scrubs the home of an office by the timer that its configuration sets; the thread ends when the stop is asked for.
pub fn scrub_by_timer(office: &Arc<Office>, shutdown: &Shutdown) -> thread::JoinHandle<()> {
    let (office, shutdown) = (Arc::clone(office), shutdown.clone());
    let timer = office.config.agent.scrub_timer();
    thread::spawn(move || {
        scrub::each_look(timer, &shutdown.clone(), &mut |running| {
            office.scrub_when_due(timer, running, &shutdown).map_err(Into::into)
        });
    })
}

/// Scrubs a home that nobody has open, and records what was found. The log is hashed before it is opened: opening it would
/// write to it.
pub fn scrub_closed(
    place: &Location,
    operator: &str,
    onlooker: &mut dyn Onlooker,
) -> Result<(LogId, Found), OfficeError> {
    let home = &place.home;
    if !store::exists(home) {
        return Err(OfficeError::NoLog { home: home.path().to_owned() });
    }
    if home.rejoining().exists() {
        return Err(OfficeError::Rejoining { home: home.path().to_owned() });
    }
    if home.recovering().exists() {
        return Err(OfficeError::Recovering { home: home.path().to_owned() });
    }
    let work = Work::new(onlooker, false);
    let log = {
        let _held = store::hold(home)?;
        let log = scrub::check_log(home, verifier_of(home)?.as_deref(), Side::Agent, &work)?;
        if let Some(damage) = log.log_damage() {
            store::condemn(home, &damage.what)?;
            let id = Identity::load(home)?.map_or(LogId([0; 16]), |identity| identity.log);
            return unopened(home, log, &work).map(|found| (id, found));
        }
        store::absolve(home)?;
        log
    };
    let office = Office::open(place, false)?;
    let id = office.reading.log;
    let found = office.scrub_rest(log, Some(operator), &work);
    let closed = office.close();
    let found = found?;
    closed.map(|()| (id, found))
}

/// The rest of a home whose log is damaged, as far as that goes without opening it; it is not recorded but noted.
fn unopened(home: &Home, log: LogFound, work: &Work<'_>) -> Result<Found, OfficeError> {
    let rest = scrub::check_rest(home, &log, None, Sequence(u64::MAX), Side::Agent, work)?;
    let found = Found::of(log, rest, jiff::Timestamp::now().into());
    scrub::save(home, &found)?;
    Ok(found)
}
