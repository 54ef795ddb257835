//! The scrub of a central node: each copy is hashed where it lies, beside whoever is mirroring to it. What is found is an alarm of
//! that log; a copy whose log is damaged is written to no more, and the others go on.

use std::{fs, sync::TryLockError, thread, time::Duration};

use daybook_protocol::{
    date::Timestamp,
    ids::{LogId, Sequence},
    wire::Refusal,
};

use super::{CentralError, CentralHandle, Inner, keeper, locked};
use crate::{
    home::Home,
    replicate::{CopyError, now},
    scrub::{self, DAMAGE, Found, LogFound, Onlooker, ScrubError, Side, Timer, Unseen, Work},
    store,
    supervise::Shutdown,
};

/// A note of one number.
const NOTE_BYTES_MAX: u64 = 64;

impl CentralHandle {
    /// Scrubs the copy of `only`, or every copy. With `gentle` it rests in between.
    pub fn scrub(
        &self,
        only: Option<LogId>,
        gentle: bool,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Vec<(LogId, Found)>, CentralError> {
        let work = Work::new(onlooker, gentle);
        let logs = match only {
            Some(log) if store::exists(&self.0.home.copy_of(log)) => vec![log],
            Some(log) => return Err(CentralError::NoCopy { log }),
            None => self.0.kept()?,
        };
        self.0.scrub(&logs, &work)
    }

    /// When the copy of a log was last scrubbed, and what was found.
    pub fn scrubbed(&self, log: LogId) -> Option<Found> {
        scrub::load(&self.0.home.copy_of(log))
    }

    /// Scrubs each copy when it is time; the thread ends when the stop is asked for.
    pub fn scrub_by_timer(&self, timer: Timer, shutdown: &Shutdown) -> thread::JoinHandle<()> {
        let (inner, shutdown) = (self.0.clone(), shutdown.clone());
        thread::spawn(move || {
            scrub::each_look(timer, &shutdown, &mut |running| {
                inner.scrub_when_due(timer, running, &shutdown).map_err(Into::into)
            });
        })
    }
}

impl Inner {
    /// The logs of which there are copies.
    pub(super) fn kept(&self) -> Result<Vec<LogId>, CentralError> {
        let failed = |source| CentralError::Io { path: self.home.logs(), source };
        if !self.home.logs().exists() {
            return Ok(Vec::new());
        }
        let mut logs = Vec::new();
        for entry in fs::read_dir(self.home.logs()).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let log = name.to_str().and_then(|name| name.parse().ok());
            logs.extend(log.filter(|log| store::exists(&self.home.copy_of(*log))));
        }
        logs.sort_unstable_by_key(|log: &LogId| log.0);
        Ok(logs)
    }

    fn scrub_when_due(&self, timer: Timer, running: Duration, shutdown: &Shutdown) -> Result<bool, CentralError> {
        let due = |log: &LogId| {
            let last = scrub::load(&self.home.copy_of(*log)).map(|found| found.at);
            timer.rings(last, self.born_at(*log), now(), running)
        };
        let logs: Vec<_> = self.kept()?.into_iter().filter(due).collect();
        if logs.is_empty() {
            return Ok(false);
        }
        self.scrub(&logs, &Work::new(&mut Unseen(shutdown.clone()), true)).map(|_| true)
    }

    /// When the first agent of a log joined.
    fn born_at(&self, log: LogId) -> Timestamp {
        let registry = locked(&self.registry);
        let joined = registry.registry().agents().iter().filter(|agent| agent.log == log).map(|agent| agent.joined_at);
        joined.min().unwrap_or_else(now)
    }

    fn scrub(&self, logs: &[LogId], work: &Work<'_>) -> Result<Vec<(LogId, Found)>, CentralError> {
        let _one = match self.scrubbing.try_lock() {
            Ok(one) => one,
            Err(TryLockError::Poisoned(one)) => one.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(CentralError::Scrubbing),
        };
        logs.iter().map(|log| self.scrub_copy(*log, work).map(|found| (*log, found))).collect()
    }

    fn scrub_copy(&self, log: LogId, work: &Work<'_>) -> Result<Found, CentralError> {
        let home = self.home.copy_of(log);
        let due = self.originals_due(log, &home);
        let verifier = self.authority.signer().verifier().to_string();
        let checked = scrub::check_log(&home, Some(&verifier), Side::Copy, work)?;
        self.judge_log(log, &home, &checked)?;
        let rest = scrub::check_rest(&home, &checked, None, due, Side::Copy, work)?;
        let found = Found::of(checked, rest, now());
        scrub::save(&home, &found)?;
        if found.ok() {
            // Of two names: what turned the agent away because of the copy is over too.
            let over = [DAMAGE, Refusal::Damaged.name()];
            let mut registry = locked(&self.registry);
            let mut alarms = registry.registry().alarms().iter();
            if alarms.any(|raised| raised.log == Some(log) && over.contains(&raised.alarm.as_str())) {
                registry.change(|registry| Ok(registry.lower(log, &over)))?;
            }
        } else {
            tracing::error!(%log, "the copy of a log is damaged: {}", found.in_brief());
            locked(&self.registry).raise(Some(log), DAMAGE, &found.in_brief(), now())?;
        }
        Ok(found)
    }

    /// Has nothing more written to a copy whose log is damaged, whether it is open or not; or takes that back.
    fn judge_log(&self, log: LogId, home: &Home, checked: &LogFound) -> Result<(), CentralError> {
        let reader = locked(&self.readers).get(&log).filter(|reader| reader.is_open()).cloned();
        let Some(damage) = checked.log_damage() else {
            let absolved = reader.map_or_else(|| store::absolve(home), |reader| reader.absolve());
            return Ok(absolved.map_err(ScrubError::from)?);
        };
        let condemned =
            reader.map_or_else(|| store::condemn(home, &damage.what), |reader| reader.condemn(&damage.what));
        condemned.map_err(ScrubError::from)?;
        self.end(log, keeper::trouble(&CopyError::Damaged(damage.what.clone().into())));
        Ok(())
    }

    /// Before which place no original of a copy was missing: what came before is not on its way any more.
    pub(super) fn originals_due(&self, log: LogId, home: &Home) -> Sequence {
        let noted = crate::durable::read_bounded(&home.originals(), NOTE_BYTES_MAX).ok().flatten();
        let noted = noted.and_then(|noted| String::from_utf8(noted).ok()?.trim().parse().ok()).map(Sequence);
        let position = locked(&self.positions).get(&log).map(|position| position.originals_through);
        noted.max(position).unwrap_or(Sequence(0))
    }
}
