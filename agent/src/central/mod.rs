//! The central node: keeps a verified copy of each agent's log, and decides who may connect.
//!
//! [`CentralHandle`] is what commands and connections share. The rules of who may come in are in [`Registry`], those of a copy
//! in [`Keeper`]; `server` is the network, `archive` the thread of one log, `copies` which of them are open. A damaged copy
//! stops its own log only.

mod archive;
mod authority;
mod backup;
mod confirming;
mod copies;
mod keeper;
mod registry;
mod scrubbing;
mod server;
mod standing;
mod strangers;
#[cfg(test)]
mod tests;
mod wanted;

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use daybook_protocol::{
    date::Timestamp,
    ids::{Digest, LogId},
    invite::Invite,
    wire::{Hello, Message, Mirrored, Refusal},
};
use tokio::sync::watch;

pub use authority::{Authority, AuthorityError};
pub use backup::{BackupError, PutBack, Saved, is_backup, restore};
use copies::Copies;
pub use copies::{COPIES_OPEN_MAX, LINGER};
pub use keeper::{Keeper, Sign};
pub use registry::{Agent, Purpose, Raised, Registry, RegistryError, Revoked};
pub use server::{CONNECTIONS_MAX, serve};
pub use standing::AgentStatus;
pub use strangers::STRANGERS_MAX;

use crate::{
    durable,
    home::Home,
    replicate::{Refused, now},
    scrub::ScrubError,
    store::StoreReader,
    tls::{Shown, SigningRequest, TlsError},
};

/// Why the central node cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum CentralError {
    /// Its directory cannot be used.
    #[error("cannot read or write {path}: see that this user may")]
    Io {
        /// Which path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A restore into it was begun.
    #[error("a `daybook central restore` into {path} was begun and not finished: run the same command again")]
    Restoring {
        /// The data directory.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("another daybook has {path} open: stop it, or wait until its command has ended, and try again")]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// Its authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Its keys and certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A scrub came to no end.
    #[error(transparent)]
    Scrub(#[from] ScrubError),
    /// One is at work already.
    #[error("a scrub is under way: `daybook status` says what came of it when it has ended")]
    Scrubbing,
    /// No copy of that log is here.
    #[error("no copy of log {log} is kept here: `daybook central agents` lists the logs")]
    NoCopy {
        /// The log.
        log: LogId,
    },
    /// A backup came to no end.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Its registry cannot be read or changed, or does not allow it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The central node, for whoever commands it and for its connections. Its calls block on disks: async callers use
/// `spawn_blocking`.
#[derive(Clone)]
pub struct CentralHandle(Arc<Inner>);

struct Inner {
    home: Home,
    authority: Arc<Authority>,
    registry: Mutex<registry::Kept>,
    live: Mutex<HashMap<LogId, Live>>,
    positions: Mutex<HashMap<LogId, Mirrored>>,
    copies: Copies,
    /// Reads the copies that are open, or were.
    readers: Mutex<HashMap<LogId, StoreReader>>,
    connections: AtomicU64,
    /// Held by the scrub that is under way.
    scrubbing: Mutex<()>,
    /// Held by the backup that is under way.
    backing_up: Mutex<()>,
    /// Keeps every other process out for as long as this one is there.
    _lock: File,
}

/// The present connection of a log.
struct Live {
    connection: u64,
    end: watch::Sender<Option<Refused>>,
}

/// A connection that was let in.
struct Admission {
    connection: u64,
    /// Says when, and why, the connection must end.
    end: watch::Receiver<Option<Refused>>,
}

/// What it means for the other side that the registry was not changed.
fn unwritten(error: RegistryError) -> Refused {
    match error {
        RegistryError::Refused(refused) => refused,
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "the registry cannot be changed");
            Refused::new(Refusal::Busy, "the central node cannot write its registry: see its own log")
        }
    }
}

/// Keeps every other process out of a central node's home, for as long as the file is held.
fn lock(home: &Home) -> Result<File, CentralError> {
    let failed = |path: PathBuf| move |source| CentralError::Io { path, source };
    durable::make_directory(home.path()).map_err(failed(home.path().to_owned()))?;
    let lock = OpenOptions::new().create(true).append(true).open(home.lock()).map_err(failed(home.lock()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(CentralError::InUse { path: home.path().to_owned() }),
        Err(TryLockError::Error(source)) => Err(CentralError::Io { path: home.lock(), source }),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever is behind these locks is changed in one step, so that a panic elsewhere has left it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CentralHandle {
    /// Opens the central node at `home`; on the first time its authority and registry are made.
    pub fn open(home: &Home) -> Result<Self, CentralError> {
        let lock = lock(home)?;
        if home.restoring().exists() {
            return Err(CentralError::Restoring { path: home.path().to_owned() });
        }
        // What every agent and every checkpoint depends on is made once, and then only ever put back.
        let (agents, logs) = (home.registry().exists(), home.logs().exists());
        if (agents || logs) && !home.authority().exists() {
            return Err(AuthorityError::Wrong { path: home.authority() }.into());
        }
        if logs && !agents {
            return Err(RegistryError::Wrong { path: home.registry(), why: "it is missing".to_owned() }.into());
        }
        let authority = Authority::create_or_load(&home.authority())?;
        let registry = registry::Kept::load(home.registry())?;
        Ok(Self(Arc::new(Inner {
            home: home.clone(),
            authority: Arc::new(authority),
            registry: Mutex::new(registry),
            live: Mutex::default(),
            positions: Mutex::default(),
            copies: Copies::default(),
            readers: Mutex::default(),
            connections: AtomicU64::new(0),
            scrubbing: Mutex::default(),
            backing_up: Mutex::default(),
            _lock: lock,
        })))
    }

    /// A one-time code that can be used for `valid`.
    pub fn invite(&self, purpose: Purpose, valid: Duration) -> Result<Invite, CentralError> {
        let invite = self.0.authority.invite(rand::random());
        let now = now();
        let valid = i64::try_from(valid.as_micros()).unwrap_or(i64::MAX);
        let expires_at = Timestamp(now.0.saturating_add(valid));
        locked(&self.0.registry).change(|registry| registry.invite(invite.secret_hash(), purpose, now, expires_at))?;
        Ok(invite)
    }

    /// Reads the copy of a log, if it is open now.
    pub fn reader(&self, log: LogId) -> Option<StoreReader> {
        locked(&self.0.readers).get(&log).filter(|reader| reader.is_open()).cloned()
    }

    /// Alarms that belong to no agent, such as a certificate of another authority.
    pub fn alarms(&self) -> Vec<Raised> {
        let registry = locked(&self.0.registry);
        registry.registry().alarms().iter().filter(|raised| raised.log.is_none()).cloned().collect()
    }

    /// Clears the alarms of a log, or those that belong to none, once a person has seen to them; gives how many there were.
    pub fn clear_alarms(&self, log: Option<LogId>) -> Result<usize, CentralError> {
        Ok(locked(&self.0.registry).change(|registry| Ok(registry.clear(log)))?)
    }

    /// Revokes whoever may write `log` now, and closes its connection. Durable when this returns.
    pub fn revoke(&self, log: LogId, reason: &str) -> Result<(), CentralError> {
        let mut registry = locked(&self.0.registry);
        let refused = registry.change(|registry| registry.revoke(log, reason, now()))?;
        // Still under the registry's lock: nobody is let in between the change and this.
        self.0.end(log, refused);
        Ok(())
    }
}

impl Inner {
    /// Lets a connection in or turns it away. The newest connection of a log replaces the one before, which may be a dead
    /// one that nobody has noticed yet.
    fn admit(&self, certificate: Option<&Shown>, hello: &Hello) -> Result<Admission, Refused> {
        let mut registry = locked(&self.registry);
        if let Some(shown) = certificate.filter(|shown| registry.registry().is_news(shown)) {
            self.learn(&mut registry, shown)?;
        }
        let admitted = registry.registry().admit(certificate.map(Shown::fingerprint), hello).map(|agent| agent.log);
        let log = match admitted {
            Ok(log) => log,
            // That it has to come again is no alarm.
            Err((_, refused)) if refused.refusal == Refusal::Busy => return Err(refused),
            Err((log, refused)) => {
                if let Err(error) = registry.raise(log, refused.refusal.name(), refused.in_public(), now()) {
                    tracing::error!(error = &error as &dyn std::error::Error, "an alarm cannot be noted");
                }
                return Err(refused);
            }
        };
        // Under the registry's lock, so that a revocation finds either no connection or this one.
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let (end, ended) = watch::channel(None);
        let replaced = locked(&self.live).insert(log, Live { connection, end });
        if let Some(replaced) = replaced {
            replaced.end.send_replace(Some(Refused::new(
                Refusal::Busy,
                "a newer connection of the same agent took the place of this one",
            )));
        }
        Ok(Admission { connection, end: ended })
    }

    /// Ends the present connection of a log.
    fn end(&self, log: LogId, refused: Refused) {
        if let Some(live) = locked(&self.live).get(&log) {
            live.end.send_replace(Some(refused));
        }
    }

    /// Whether a log has a connection that is not about to end.
    fn is_live(&self, log: LogId) -> bool {
        locked(&self.live).get(&log).is_some_and(|live| live.end.borrow().is_none())
    }

    /// A connection has ended.
    fn left(&self, log: LogId, connection: u64) {
        let mut live = locked(&self.live);
        if live.get(&log).is_some_and(|live| live.connection == connection) {
            live.remove(&log);
        }
    }

    /// Certifies a newcomer. Durable when this returns; only then may the certificate be sent.
    fn certify(&self, hello: Hello, secret: &[u8; 16], request: &[u8]) -> Result<(Agent, Vec<u8>), Refused> {
        let request = SigningRequest::read(request).map_err(|error| Refused::protocol(error.to_string()))?;
        let asked = registry::Asked { secret_hash: Digest::of(secret), request: &request, hello };
        let mut registry = locked(&self.registry);
        let certified = registry.change(|registry| {
            registry.certify(&asked, now(), |log, epoch| self.authority.issue(&request, log, epoch))
        });
        match certified {
            Ok((agent, certificate)) => {
                if agent.fenced_at.is_none() {
                    // Under the registry's lock still: whoever wrote the log until now is out before the new one is in.
                    self.end(agent.log, keeper::fenced(agent.epoch));
                }
                Ok((agent, certificate))
            }
            Err(error) => Err(unwritten(error)),
        }
    }

    /// [`Inner::certify`], as the message that answers a newcomer.
    fn certified(&self, hello: Hello, secret: &[u8; 16], request: &[u8]) -> Result<Message, Refused> {
        let (agent, certificate) = self.certify(hello, secret, request)?;
        tracing::info!(log = %agent.log, epoch = %agent.epoch, "an agent was certified");
        Ok(Message::Certified {
            certificate,
            authority: self.authority.certificate().to_vec(),
            verifier: self.authority.signer().verifier().to_string(),
            log: agent.log,
            epoch: agent.epoch,
        })
    }

    /// Notes that something went wrong, for a person to see.
    fn alarm(&self, log: Option<LogId>, refused: &Refused) {
        let (log_id, name) = (log.map(tracing::field::display), refused.refusal.name());
        tracing::warn!(log = log_id, refusal = name, "{}", refused.in_public());
        if let Err(error) = locked(&self.registry).raise(log, name, refused.in_public(), now()) {
            tracing::error!(error = &error as &dyn std::error::Error, "an alarm cannot be noted");
        }
    }
}
