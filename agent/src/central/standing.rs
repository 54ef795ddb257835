//! How each agent stands with the central node.

use daybook_protocol::{
    date::Timestamp,
    head::Head,
    ids::{Digest, Epoch, LogId, Sequence},
};

use super::{Agent, CentralHandle, Inner, Raised, Registry, locked};
use crate::durable;

/// A head file is two slots.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// An agent as `central agents` and `status` show it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AgentStatus {
    /// What people call it.
    pub name: String,
    /// Its log.
    pub log: LogId,
    /// Its epoch.
    pub epoch: Epoch,
    /// SHA-256 of its certificate.
    pub fingerprint: Digest,
    /// When it joined.
    pub joined_at: Timestamp,
    /// When and why it was revoked.
    pub revoked: Option<String>,
    /// When another machine took its log over.
    pub fenced_at: Option<Timestamp>,
    /// Whether it waits to be confirmed since the registry was put back from a backup, and of when that is.
    pub unconfirmed_since: Option<Timestamp>,
    /// Whether it is connected now.
    pub connected: bool,
    /// When its copy last moved, since this process began.
    pub last_contact: Option<Timestamp>,
    /// How many entries of its log are mirrored.
    pub count: u64,
    /// Before which place no original is missing; `None` if it was not connected since this process began.
    pub originals_through: Option<Sequence>,
    /// The alarms of its log.
    pub alarms: Vec<Raised>,
}

impl CentralHandle {
    /// All agents and how they are.
    pub fn agents(&self) -> Vec<AgentStatus> {
        let registry = locked(&self.0.registry).registry().clone();
        registry.agents().iter().map(|agent| self.status_of(agent, &registry)).collect()
    }

    fn status_of(&self, agent: &Agent, registry: &Registry) -> AgentStatus {
        let current = registry.epoch_of(agent.log) == Some(agent.epoch);
        let position = locked(&self.0.positions).get(&agent.log).cloned();
        let count = match &position {
            Some(position) => position.count,
            None => self.0.stored_count(agent.log),
        };
        AgentStatus {
            name: agent.name.clone(),
            log: agent.log,
            epoch: agent.epoch,
            fingerprint: agent.fingerprint,
            joined_at: agent.joined_at,
            revoked: agent.revoked.as_ref().map(|revoked| format!("{}: {}", revoked.at, revoked.reason)),
            fenced_at: agent.fenced_at,
            unconfirmed_since: registry.restored().filter(|_| agent.waits()).map(|restored| restored.made_at),
            connected: current && self.0.is_live(agent.log),
            last_contact: position.as_ref().filter(|_| current).map(|position| position.now),
            count,
            originals_through: position.map(|position| position.originals_through),
            alarms: registry.alarms().iter().filter(|raised| raised.log == Some(agent.log)).cloned().collect(),
        }
    }
}

impl Inner {
    fn stored_count(&self, log: LogId) -> u64 {
        let head = durable::read_bounded(&self.home.copy_of(log).head(), HEAD_BYTES_MAX).ok().flatten();
        head.and_then(|bytes| Head::of_file(&bytes)).map_or(0, |head| head.frontier.count())
    }
}
