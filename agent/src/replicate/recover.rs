//! `recover`: an empty data directory takes over a log from the central node, with a one-time code. The rules are in
//! [`Recovery`]; here it connects, waits and begins again after a cut.
//!
//! It does not fold books nor write a configuration back: the log that is here afterwards says what to write.

use std::{sync::Arc, time::Duration};

use daybook_protocol::{
    checkpoint::CheckpointError,
    ids::{Digest, Epoch, LogId},
    invite::Invite,
    wire::{Hello, Message, Mirrored, Refusal, Role, VERSION},
};
use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    ANY_LOG, ConnectError, CopyError, JoinError, Link, LogCopy, Reader, Recovery, Refused, Stop, Writer,
    client::{Stream, TlsFiles, TlsFilesError, connect},
    farewell,
    join::certify,
    link::PING_INTERVAL,
    now,
};
use crate::{
    durable,
    home::Home,
    identity::{CentralNode, Identity, IdentityError},
    store,
};

/// After so many failures in a row without anything new, it is left to the operator to begin again.
const ATTEMPTS_MAX: u32 = 5;
/// The pause after the first failure; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);
/// At most this many messages wait to be taken into the copy.
const QUEUE_MESSAGES_MAX: usize = 8;

/// How far a recover is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Wrapped keys of the epoch that has the most.
    pub keys: u64,
    /// Entries.
    pub entries: u64,
    /// Entries that the central node signed for.
    pub entries_total: u64,
    /// Originals.
    pub originals: u64,
    /// Originals that the entries looked at so far name.
    pub originals_total: u64,
}

/// What a recover brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Who this home is from now on.
    pub identity: Identity,
    /// How many entries the log has.
    pub count: u64,
    /// Its root.
    pub root: Digest,
    /// How many originals are here.
    pub originals: u64,
    /// Originals that entries name and the central node does not have: they were not mirrored when the old machine was lost.
    pub missing: Vec<Digest>,
}

/// Why a log could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// There is something in the data directory already.
    #[error(
        "this data directory has a log already: recover needs an empty one, and the old one is evidence; name another by \
         --data. Where it has work that only it has: `daybook recover --rejoin`, with the same code"
    )]
    NotEmpty,
    /// The code is for another log than the one that is half recovered here.
    #[error(
        "this data directory holds a half recovered log {half}, and the code is for another: name another by --data"
    )]
    AnotherLog {
        /// The log that is here in part.
        half: LogId,
    },
    /// The machine could not be certified.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The identity cannot be read or written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Key and certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
    /// The kept key for checkpoints cannot be read.
    #[error("the half recovered identity cannot be used")]
    Verifier(#[from] CheckpointError),
    /// The connection failed too often.
    #[error("the recover was cut off: run the same command again, it goes on where it ended")]
    CutOff(#[source] ConnectError),
    /// One side refuses the other, or the disk fails.
    #[error("the log cannot be recovered")]
    Stopped(#[from] Stop),
    /// What was recovered cannot be kept.
    #[error("what was recovered cannot be kept: run the same command again, it goes on where it ended")]
    Keep(#[source] CopyError),
}

/// Takes over a log from the central node at `address`, with a code made by `central invite --recover`. `progress` is told
/// of every message. Cut off at any point it can be called again, and goes on. `home` is an agent's when the caller has
/// called [`settle`], and nobody may write to the log before.
pub async fn recover(
    address: &str,
    invite: &Invite,
    home: &Home,
    name: &str,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Recovered, RecoverError> {
    take_over(address, invite, home, name, None, progress).await
}

/// The same, where it is known which log it is to be: a code for anything else is refused, and is not spent.
pub async fn take_over(
    address: &str,
    invite: &Invite,
    home: &Home,
    name: &str,
    of: Option<LogId>,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Recovered, RecoverError> {
    let progress: Arc<dyn Fn(Progress) + Send + Sync> = Arc::new(progress);
    let mut identity = match half_recovered(home)? {
        Some(half) if of.is_some_and(|of| of != half.log) => return Err(RecoverError::AnotherLog { half: half.log }),
        Some(half) => half,
        None => begin(address, invite, home, name, of).await?,
    };
    let mut failures = 0;
    loop {
        let recovery = open(home, &identity).await?;
        let (recovery, ended) = fetch(home, &identity, recovery, &progress, &mut failures).await?;
        match ended {
            Ok(()) => return finish(home, identity, recovery).await,
            Err(error) => {
                blocking(move || recovery.into_archive().close()).await.map_err(RecoverError::Keep)?;
                // Somebody else took the log over since this recover began; the code may let us take over from them.
                let Ended::Replaced(refused) = error else { return Err(error.into()) };
                tracing::warn!("the half recovered identity is not let in any more: {}", refused.in_public());
                identity = begin(address, invite, home, name, Some(identity.log)).await?;
            }
        }
    }
}

/// Connects, and connects again after a cut, until everything is here or it has no sense to go on.
async fn fetch(
    home: &Home,
    identity: &Identity,
    mut recovery: Recovery<LogCopy>,
    progress: &Arc<dyn Fn(Progress) + Send + Sync>,
    failures: &mut u32,
) -> Result<Attempt, RecoverError> {
    loop {
        let before = recovery.progress();
        let (given, ended) = attempt(home, identity, recovery, progress).await?;
        recovery = given;
        if recovery.is_done() {
            return Ok((recovery, Ok(())));
        }
        *failures = if recovery.progress() == before { *failures + 1 } else { 1 };
        match ended {
            Ok(()) | Err(Ended::Cut(_)) if *failures < ATTEMPTS_MAX => sleep(PAUSE * 2_u32.pow(*failures)).await,
            ended => return Ok((recovery, ended)),
        }
    }
}

/// The identity of a recover that was begun in this home; refuses a home that has anything else in it.
fn half_recovered(home: &Home) -> Result<Option<Identity>, RecoverError> {
    // As long as the note is there nothing else has opened this home, whether it has its identity already or not.
    let half = Identity::load_from(home.recovering())?;
    let parts = [home.identity(), home.keyring(), home.vault()];
    if half.is_none() && (store::exists(home) || parts.iter().any(|part| part.exists())) {
        return Err(RecoverError::NotEmpty);
    }
    Ok(half)
}

/// Has this machine certified for the log of the code, and notes that the recover has begun.
async fn begin(
    address: &str,
    invite: &Invite,
    home: &Home,
    name: &str,
    half: Option<LogId>,
) -> Result<Identity, RecoverError> {
    let hello = (half.unwrap_or(ANY_LOG), Epoch::FIRST);
    let certified = certify(address, invite, home, name, hello).await?;
    if let Some(half) = half.filter(|half| *half != certified.log) {
        return Err(RecoverError::AnotherLog { half });
    }
    if half.is_some() && certified.epoch == Epoch::FIRST {
        let unknown =
            "it has never had this log: ask for a code by `daybook central invite --recover` on the node that has";
        return Err(JoinError::Answer(unknown).into());
    }
    let verifier = certified.verifier.to_string();
    let central = CentralNode { address: address.to_owned(), name: name.to_owned(), verifier };
    let identity = Identity { log: certified.log, epoch: certified.epoch, central: Some(central) };
    identity.save_to(home.recovering())?;
    // DURABLE: that what comes into this home now is half a log, of this id, and may be gone on with.
    Ok(identity)
}

async fn open(home: &Home, identity: &Identity) -> Result<Recovery<LogCopy>, RecoverError> {
    let (home, log, epoch) = (home.clone(), identity.log, identity.epoch);
    let verifier = central_of(identity).verifier()?;
    let archive =
        blocking(move || LogCopy::keep(&home, log)).await.and_then(|kept| kept).map_err(RecoverError::Keep)?;
    Ok(Recovery::open(archive, epoch, verifier))
}

/// Why a connection ended before everything was here.
enum Ended {
    /// It broke, or the central node says to come again.
    Cut(ConnectError),
    /// The central node does not know this identity any more.
    Replaced(Refused),
    /// One side refuses the other, or the disk fails.
    Stop(Stop),
}

impl Ended {
    fn refused(refused: Refused) -> Self {
        match refused.refusal {
            Refusal::Busy => Self::Cut(ConnectError::Refused(refused)),
            Refusal::Fenced | Refusal::Revoked | Refusal::Identity => Self::Replaced(refused),
            _ => Self::Stop(Stop::Theirs(refused)),
        }
    }
}

impl From<ConnectError> for Ended {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(refused) => Self::refused(refused),
            other => Self::Cut(other),
        }
    }
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Theirs(refused) => Self::refused(refused),
            other => Self::Stop(other),
        }
    }
}

impl From<Ended> for RecoverError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Cut(error) => Self::CutOff(error),
            Ended::Replaced(refused) => Self::Stopped(Stop::Theirs(refused)),
            Ended::Stop(stop) => Self::Stopped(stop),
        }
    }
}

type Attempt = (Recovery<LogCopy>, Result<(), Ended>);

/// One connection, for as long as it lasts.
async fn attempt(
    home: &Home,
    identity: &Identity,
    recovery: Recovery<LogCopy>,
    progress: &Arc<dyn Fn(Progress) + Send + Sync>,
) -> Result<Attempt, RecoverError> {
    let connector = TlsFiles(home).connector()?;
    let address = central_of(identity).address;
    let (recovery, begun) = blocking(move || {
        let mut recovery = recovery;
        let begun = recovery.connect();
        (recovery, begun)
    })
    .await
    .map_err(RecoverError::Keep)?;
    let (count, root) = begun?;
    let hello = Hello { version: VERSION, role: Role::Agent, log: identity.log, epoch: identity.epoch, count, root };
    let Link { mut reader, mut writer } = match connect(&address, &connector, &hello).await {
        Ok((_, link)) => link,
        Err(error) => return Ok((recovery, Err(error.into()))),
    };
    let (incoming, messages) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let (requests, outgoing) = mpsc::channel(1);
    let progress = Arc::clone(progress);
    let taking = spawn_blocking(move || take(recovery, messages, &requests, &*progress));
    // The taking ends when the messages end, and the asking when the taking does.
    let broken = tokio::select! {
        error = read(&mut reader, incoming) => error,
        error = write(&mut writer, outgoing) => error,
    };
    let (recovery, taken) = joined(taking.await).map_err(RecoverError::Keep)?;
    let last = match &taken {
        Err(Stop::Ours(refused)) => Some(refused.message()),
        _ => None,
    };
    farewell(&mut reader, &mut writer, last.as_ref()).await;
    let ended = match (taken, broken) {
        (Err(stop), _) => Err(stop.into()),
        (Ok(()), Some(error)) => Err(ConnectError::broken(&address, error).into()),
        (Ok(()), None) => Ok(()),
    };
    Ok((recovery, ended))
}

/// Takes what comes into the copy, on a thread that may block.
fn take(
    mut recovery: Recovery<LogCopy>,
    mut messages: mpsc::Receiver<Message>,
    requests: &mpsc::Sender<Message>,
    progress: &dyn Fn(Progress),
) -> (Recovery<LogCopy>, Result<(), Stop>) {
    while let Some(message) = messages.blocking_recv() {
        match recovery.received(message) {
            Ok(Some(request)) => {
                if requests.blocking_send(request).is_err() {
                    break;
                }
            }
            Ok(None) => {}
            Err(stop) => return (recovery, Err(stop)),
        }
        progress(recovery.progress());
        if recovery.is_done() {
            break;
        }
    }
    (recovery, Ok(()))
}

/// Passes on what comes; `None` when nobody takes it any more.
async fn read(reader: &mut Reader<Stream>, incoming: mpsc::Sender<Message>) -> Option<super::LinkError> {
    loop {
        match reader.next().await {
            Ok(message) => {
                if incoming.send(message).await.is_err() {
                    return None;
                }
            }
            Err(error) => return Some(error),
        }
    }
}

/// Sends requests, and signs of life between them: an answer may be long under way.
async fn write(writer: &mut Writer<Stream>, mut outgoing: mpsc::Receiver<Message>) -> Option<super::LinkError> {
    let mut ping = interval(PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            request = outgoing.recv() => request?,
            _ = ping.tick() => Message::Ping { now: now() },
        };
        if let Err(error) = writer.send(&message).await {
            return Some(error);
        }
    }
}

/// Takes away the note that a recover is under way. From here on the agent starts, and writes; another recover is refused.
pub fn settle(home: &Home) -> Result<(), RecoverError> {
    crate::crash::point("recover.settle.before");
    let settled = std::fs::remove_file(home.recovering()).and_then(|()| durable::sync_directory(home.path()));
    settled.map_err(|error| RecoverError::Keep(error.into()))?;
    // DURABLE: the recover is over.
    crate::crash::point("recover.settle.after");
    Ok(())
}

/// Keeps the checkpoint and gives the home its identity.
async fn finish(home: &Home, identity: Identity, recovery: Recovery<LogCopy>) -> Result<Recovered, RecoverError> {
    let home = home.clone();
    blocking(move || {
        let theirs = recovery.mirrored().cloned();
        let (missing, progress) = (recovery.missing().to_vec(), recovery.progress());
        let Some(Mirrored { count, root, checkpoint, .. }) = theirs else {
            return Err(RecoverError::Keep(CopyError::Damaged("no checkpoint came".into())));
        };
        recovery.into_archive().close();
        let kept = durable::write_whole(&home.checkpoint(), checkpoint.as_bytes());
        kept.map_err(|error| RecoverError::Keep(error.into()))?;
        crate::crash::point("recover.identity.before");
        identity.save(&home)?;
        // DURABLE: this home is the log's agent, once the note that a recover is under way goes.
        crate::crash::point("recover.identity.after");
        Ok(Recovered { identity, count, root, originals: progress.originals, missing })
    })
    .await
    .map_err(RecoverError::Keep)?
}

fn central_of(identity: &Identity) -> CentralNode {
    let none = || CentralNode { address: String::new(), name: String::new(), verifier: String::new() };
    identity.central.clone().unwrap_or_else(none)
}

/// Runs what may block on a thread for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CopyError> {
    joined(spawn_blocking(work).await)
}

fn joined<T>(done: Result<T, tokio::task::JoinError>) -> Result<T, CopyError> {
    done.map_err(|error| CopyError::Damaged(Box::new(error)))
}
