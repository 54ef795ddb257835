//! A registry that was put back from a backup is older than what it decides about: it does not know who was revoked, joined
//! or took a log over since. So it lets nobody in that an operator has not confirmed since, and of what it does not know it
//! believes only what its own authority has signed: a certificate says of which log and epoch it is. Whom an operator revokes
//! after the restore is named by the log, since the machine that is meant may be one that the registry does not know yet.

use daybook_protocol::{date::Timestamp, ids::LogId, wire::Refusal};
use serde::{Deserialize, Serialize};

use super::{Agent, Registry, Revoked, unknown};
use crate::{replicate::Refused, tls::Shown};

/// What an agent is called that is known by its certificate alone.
const UNNAMED: &str = "unnamed";

/// That a registry was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When its backup was made: of what came later it knows nothing.
    pub made_at: Timestamp,
    /// When it was put back.
    pub at: Timestamp,
    /// The logs that were revoked since: whatever certificate of theirs is learnt is revoked with them. A machine that is
    /// invited anew is certified here, and so is not learnt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<RevokedLog>,
}

/// A log that was revoked after a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RevokedLog {
    log: LogId,
    revoked: Revoked,
}

impl Registry {
    /// As it is put back at `now` from a backup that was made at `made_at`: nobody is let in before they are confirmed, and
    /// no code is good any more, since it may have let in a machine already.
    #[must_use]
    pub fn put_back(mut self, made_at: Timestamp, now: Timestamp) -> Self {
        // A backup of a node that was itself put back: what was revoked there holds on.
        let revoked = self.restored.take().map_or_else(Vec::new, |restored| restored.revoked);
        self.restored = Some(Restored { made_at, at: now, revoked });
        self.codes.retain(|code| code.used_at.is_some());
        for agent in self.agents.iter_mut().filter(|agent| agent.may_write()) {
            agent.unconfirmed = true;
        }
        self
    }

    /// That it was put back from a backup, if it was.
    pub fn restored(&self) -> Option<&Restored> {
        self.restored.as_ref()
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
        let last = self.agents.iter().filter(|agent| agent.log == log).max_by_key(|agent| agent.fenced_at.is_none());
        if let Some(Revoked { at, reason }) = last.and_then(|agent| agent.revoked.as_ref()) {
            return Err(Refused::new(
                Refusal::Revoked,
                format!(
                    "the agent of log {log} was revoked at {at} ({reason}), and no confirmation lets it in: whoever is to write \
                     that log needs a new code by `daybook central invite --recover {log}`"
                ),
            ));
        }
        last.ok_or_else(|| unknown(Refusal::Identity, log))?;
        self.agents.iter_mut().filter(|agent| agent.log == log).for_each(|agent| agent.unconfirmed = false);
        Ok(())
    }

    /// Whether a certificate is one that was issued since the backup.
    pub fn is_news(&self, shown: &Shown) -> bool {
        let fingerprint = shown.fingerprint();
        let known = || self.agents.iter().any(|agent| agent.fingerprint == fingerprint);
        self.restored.is_some() && !known() && shown.issued_for().is_some()
    }

    /// Notes that a log is revoked, whoever writes it, where this registry was put back; gives when and why it first was.
    pub(super) fn revoke_unseen(&mut self, log: LogId, revoked: &Revoked) -> Option<Revoked> {
        let noted = &mut self.restored.as_mut()?.revoked;
        if let Some(noted) = noted.iter().find(|noted| noted.log == log) {
            return Some(noted.revoked.clone());
        }
        noted.push(RevokedLog { log, revoked: revoked.clone() });
        Some(revoked.clone())
    }

    /// When and why whoever is learnt of a log is revoked: the log was after the restore, or its last agent before it. One who
    /// was revoked before another took over says nothing of that other.
    fn revoked_unseen(&self, log: LogId) -> Option<Revoked> {
        let noted = self.restored.iter().flat_map(|restored| &restored.revoked).find(|noted| noted.log == log);
        let last = || self.agents.iter().find(|agent| agent.log == log && agent.fenced_at.is_none());
        noted.map(|noted| &noted.revoked).or_else(|| last()?.revoked.as_ref()).cloned()
    }

    /// Learns from a certificate of this authority that it was issued since the backup; `true` if its epoch is later than
    /// what was known. Its agent waits to be confirmed like every other, and one of a later epoch shuts out those before it
    /// at once; but where the log was revoked it is revoked too, and shuts out nobody who was let in since.
    pub fn learn(&mut self, shown: &Shown, now: Timestamp) -> bool {
        let Some((log, epoch, key)) = shown.issued_for().filter(|_| self.is_news(shown)) else { return false };
        let revoked = self.revoked_unseen(log);
        let may_write = self.agents.iter().any(|agent| agent.log == log && agent.may_write());
        let later = self.epoch_of(log).is_none_or(|known| known < epoch) && !(revoked.is_some() && may_write);
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
            unconfirmed: later && revoked.is_none(),
            revoked,
            fenced_at: (!later).then_some(now),
        });
        later
    }

    /// The refusal of an agent that is not confirmed yet. It passes by the operator's word, so that the agent comes again.
    pub(super) fn not_yet(&self, log: LogId) -> Refused {
        let made_at = self.restored().map_or_else(String::new, |restored| format!(" made at {}", restored.made_at));
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
