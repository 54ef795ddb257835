//! A central node that was put back from a backup: whom it lets in is for its operator to say again, and what was certified
//! since the backup it learns from the certificates. The rules are in `registry/restored.rs`.

use daybook_protocol::ids::LogId;

use super::{CentralError, CentralHandle, Inner, keeper, locked, registry, unwritten};
use crate::{
    replicate::{Refused, now},
    tls::Shown,
};

impl CentralHandle {
    /// Lets the agents of `logs` in again after a restore, or those of all logs where none is named; gives the logs.
    /// Durable when this returns.
    pub fn confirm(&self, logs: &[LogId]) -> Result<Vec<LogId>, CentralError> {
        let mut registry = locked(&self.0.registry);
        let logs = if logs.is_empty() { registry.registry().unconfirmed() } else { logs.to_vec() };
        registry.change(|registry| logs.iter().try_for_each(|log| registry.confirm(*log)))?;
        Ok(logs)
    }
}

impl Inner {
    /// Notes a certificate that was issued since the backup from which the registry was put back.
    pub(super) fn learn(&self, registry: &mut registry::Kept, shown: &Shown) -> Result<(), Refused> {
        let learnt = registry.change(|registry| Ok(registry.learn(shown, now())));
        let later = learnt.map_err(unwritten)?;
        if let Some((log, epoch, _)) = shown.issued_for() {
            tracing::warn!(%log, %epoch, "an agent was certified since the backup from which this central node was put back");
            // Whoever wrote the log until now is out; but one that comes too late puts nobody out.
            if later {
                self.end(log, keeper::fenced(epoch));
            }
        }
        Ok(())
    }
}
