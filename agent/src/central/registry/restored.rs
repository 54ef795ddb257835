//! A registry that was put back from a backup is older than what it decides about: it does not know who was revoked, joined
//! or took a log over since. So it lets nobody in that an operator has not confirmed since, and of what it does not know it
//! believes only what its own authority has signed: a certificate says of which log and epoch it is.

use daybook_protocol::{date::Timestamp, ids::LogId, wire::Refusal};
use serde::{Deserialize, Serialize};

use super::{Agent, Registry, unknown};
use crate::{replicate::Refused, tls::Shown};

/// What an agent is called that is known by its certificate alone.
const UNNAMED: &str = "unnamed";

/// That a registry was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When its backup was made: of what came later it knows nothing.
    pub made_at: Timestamp,
    /// When it was put back.
    pub at: Timestamp,
}

impl Registry {
    /// As it is put back at `now` from a backup that was made at `made_at`: nobody is let in before they are confirmed, and
    /// no code is good any more, since it may have let in a machine already.
    #[must_use]
    pub fn put_back(mut self, made_at: Timestamp, now: Timestamp) -> Self {
        self.restored = Some(Restored { made_at, at: now });
        self.codes.retain(|code| code.used_at.is_some());
        for agent in self.agents.iter_mut().filter(|agent| agent.may_write()) {
            agent.unconfirmed = true;
        }
        self
    }

    /// That it was put back from a backup, if it was.
    pub fn restored(&self) -> Option<Restored> {
        self.restored
    }

    /// The logs whose agents wait to be confirmed.
    pub fn unconfirmed(&self) -> Vec<LogId> {
        self.agents.iter().filter(|agent| agent.waits()).map(|agent| agent.log).collect()
    }

    /// The logs whose agents were revoked.
    pub fn revoked(&self) -> Vec<LogId> {
        self.agents.iter().filter(|agent| agent.revoked.is_some()).map(|agent| agent.log).collect()
    }

    /// Lets the agent of a log in again, on the operator's word that it was not revoked since the backup.
    pub fn confirm(&mut self, log: LogId) -> Result<(), Refused> {
        let mut agents = self.agents.iter_mut().filter(|agent| agent.log == log).peekable();
        agents.peek().ok_or_else(|| unknown(Refusal::Identity, log))?;
        agents.for_each(|agent| agent.unconfirmed = false);
        Ok(())
    }

    /// Whether a certificate is one that was issued since the backup.
    pub fn is_news(&self, shown: &Shown) -> bool {
        let fingerprint = shown.fingerprint();
        let known = || self.agents.iter().any(|agent| agent.fingerprint == fingerprint);
        self.restored.is_some() && !known() && shown.issued_for().is_some()
    }

    /// Learns from a certificate of this authority that it was issued since the backup. Its agent waits to be confirmed like
    /// every other; one of a later epoch shuts out those before it at once.
    pub fn learn(&mut self, shown: &Shown, now: Timestamp) {
        let Some((log, epoch, key)) = shown.issued_for().filter(|_| self.is_news(shown)) else { return };
        let later = self.epoch_of(log).is_none_or(|known| known < epoch);
        if later {
            for earlier in self.agents.iter_mut().filter(|agent| agent.log == log) {
                earlier.fenced_at.get_or_insert(now);
                earlier.unconfirmed = false;
            }
        }
        self.agents.push(Agent {
            name: UNNAMED.to_owned(),
            log,
            epoch,
            fingerprint: shown.fingerprint(),
            certificate: data_encoding::BASE64.encode(shown.der()),
            key,
            code: shown.fingerprint(),
            joined_at: now,
            revoked: None,
            fenced_at: (!later).then_some(now),
            unconfirmed: later,
        });
    }

    /// The refusal of an agent that is not confirmed yet. It passes by the operator's word, so that the agent comes again.
    pub(super) fn not_yet(&self, log: LogId) -> Refused {
        let made_at = self.restored.map_or_else(String::new, |restored| format!(" made at {}", restored.made_at));
        Refused::new(
            Refusal::Busy,
            format!(
                "this central node was put back from a backup{made_at} and does not know who was revoked since: it lets this \
                 agent in once its operator has said `daybook central confirm {log}`"
            ),
        )
    }
}

impl Agent {
    /// Whether it waits to be confirmed by an operator.
    pub fn waits(&self) -> bool {
        self.unconfirmed && self.may_write()
    }

    /// Whether it may write its log, as far as the registry knows.
    fn may_write(&self) -> bool {
        self.revoked.is_none() && self.fenced_at.is_none()
    }
}
