//! Keeps the agent's log mirrored for as long as the agent runs: connects, converses by the rules of [`Exchange`], and
//! comes back after a cut. Publishes how far the central node is.

use std::{collections::VecDeque, io, path::PathBuf, sync::Arc, time::Duration};

use daybook_protocol::{
    checkpoint::{CheckpointError, Verifier},
    date::Timestamp,
    event::Alarm,
    wire::{Hello, Message, Refusal, Role, VERSION},
};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    ConnectError, CopyError, Exchange, Link, LinkError, Outbound, Position, Reader, Refused, Stop, Writer,
    client::{Stream, TlsFiles, TlsFilesError, connect},
    farewell, kept_checkpoint,
    link::PING_INTERVAL,
    now,
};
use crate::{durable, home::Home, identity::Identity, tls::Connector};

/// The pause after the first failure; it doubles with each, up to [`PAUSE_MAX`], and a random part of up to a half is taken
/// off, so that agents do not all come back at once when their central node does.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// At most this many messages wait to be written to the connection.
const QUEUE_MESSAGES_MAX: usize = 8;

/// An answer that was longer under way than this says nothing about the central node's clock: it lay about while the machine
/// slept, or behind a large transfer. Short against the difference that counts.
const CLOCK_WAY_MAX: Duration = Duration::from_mins(1);

/// What a session needs.
pub struct Mirroring {
    /// The log.
    pub outbound: Arc<dyn Outbound>,
    /// Is marked as changed when more of the log has become durable.
    pub news: watch::Receiver<u64>,
    /// The agent's home: its TLS files are read there and the latest checkpoint is kept there.
    pub home: Home,
    /// Who the agent is.
    pub identity: Identity,
    /// Where the position is published.
    pub position: watch::Sender<Position>,
    /// Is told what a person should know; the same thing is told once for as long as it goes on.
    pub alarm: Arc<dyn Fn(Alarm) + Send + Sync>,
}

/// Why mirroring ended for good. Whatever may pass by itself is not among it: then the session goes on trying.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The agent has joined no central node.
    #[error("this agent has joined no central node: run `daybook join` with a one-time code")]
    NotJoined,
    /// Key and certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
    /// The key that checks checkpoints cannot be read.
    #[error("the identity cannot be used")]
    Verifier(#[from] CheckpointError),
    /// The kept checkpoint cannot be read.
    #[error("cannot read {path}")]
    Checkpoint {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One side turned the other away, and nothing will change that but a person.
    #[error("mirroring has stopped: {0}")]
    Refused(Refused),
}

/// Mirrors until `shutdown`, or until it has no sense to go on.
pub async fn run_session(mirroring: Mirroring, shutdown: CancellationToken) -> Result<(), SessionError> {
    let mut session = Session::prepared(&mirroring).inspect_err(|error| {
        mirroring.position.send_modify(|position| position.trouble = Some(error.to_string()));
    })?;
    mirroring.position.send_modify(|position| position.log_through = session.acknowledged);
    let mut failures = 0_u32;
    loop {
        let ended = tokio::select! {
            biased;
            () = shutdown.cancelled() => Ended::Shutdown,
            ended = session.converse(&mirroring, &shutdown, &mut failures) => ended,
        };
        if let Some(ended) = session.publish(&mirroring, ended) {
            return ended;
        }
        failures = failures.saturating_add(1);
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = sleep(pause(failures, rand::random())) => {}
        }
    }
}

/// How long to wait after so many failures; `chance` is a random number.
fn pause(failures: u32, chance: u32) -> Duration {
    let doubled = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(PAUSE_MAX);
    doubled.mul_f64(1.0 - f64::from(chance) / f64::from(u32::MAX) / 2.0)
}

/// Why one connection ended.
enum Ended {
    Shutdown,
    Connect(ConnectError),
    Stop(Stop),
}

impl From<ConnectError> for Ended {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

struct Session {
    address: String,
    connector: Connector,
    verifier: Verifier,
    acknowledged: u64,
    /// The refusal that was told last.
    alarmed: Option<Refusal>,
}

impl Session {
    /// All that the home has for it; without that there is nothing to try.
    fn prepared(mirroring: &Mirroring) -> Result<Self, SessionError> {
        let central = mirroring.identity.central.clone().ok_or(SessionError::NotJoined)?;
        let verifier = central.verifier()?;
        let connector = TlsFiles(&mirroring.home).connector()?;
        let kept = kept_checkpoint(&mirroring.home, mirroring.identity.log, &verifier);
        let failed = |source| SessionError::Checkpoint { path: mirroring.home.checkpoint(), source };
        let acknowledged = kept.map_err(failed)?.map_or(0, |kept| kept.count);
        Ok(Self { address: central.address, connector, verifier, acknowledged, alarmed: None })
    }

    /// One connection, from the beginning to the end.
    async fn converse(&mut self, mirroring: &Mirroring, shutdown: &CancellationToken, failures: &mut u32) -> Ended {
        match self.begin(mirroring).await {
            Err(ended) => ended,
            Ok(Link { mut reader, mut writer }) => {
                let exchange = Exchange::new(mirroring.identity.log, self.verifier.clone(), self.acknowledged);
                let (outgoing, messages) = mpsc::channel(QUEUE_MESSAGES_MAX);
                let mut talk = Talk {
                    mirroring,
                    session: self,
                    failures,
                    exchange: Some(exchange),
                    queue: VecDeque::new(),
                    idle: false,
                    met: false,
                    asked_at: None,
                };
                let begun = Instant::now();
                let ended = tokio::select! {
                    biased;
                    () = shutdown.cancelled() => Ended::Shutdown,
                    ended = talk.run(&mut reader, outgoing) => ended,
                    error = write(&mut writer, messages) => ConnectError::broken(&self.address, error).into(),
                };
                if begun.elapsed() > PAUSE_MAX {
                    *failures = 0;
                }
                let last = match &ended {
                    Ended::Stop(Stop::Ours(refused)) => Some(refused.message()),
                    _ => None,
                };
                farewell(&mut reader, &mut writer, last.as_ref()).await;
                ended
            }
        }
    }

    async fn begin(&self, mirroring: &Mirroring) -> Result<Link<Stream>, Ended> {
        let outbound = Arc::clone(&mirroring.outbound);
        let (count, root) = blocking(move || outbound.head()).await.map_err(Stop::Local)?.map_err(Stop::Local)?;
        let Identity { log, epoch, .. } = mirroring.identity;
        let hello = Hello { version: VERSION, role: Role::Agent, log, epoch, count, root };
        let (_, link) = connect(&self.address, &self.connector, &hello).await?;
        Ok(link)
    }

    /// Says how a connection ended; gives the end of the whole session, if it is that.
    fn publish(&mut self, mirroring: &Mirroring, ended: Ended) -> Option<Result<(), SessionError>> {
        let (refused, trouble) = match ended {
            Ended::Shutdown => {
                mirroring.position.send_modify(|position| position.connected = false);
                return Some(Ok(()));
            }
            Ended::Stop(Stop::Theirs(refused) | Stop::Ours(refused))
            | Ended::Connect(ConnectError::Refused(refused)) => (Some(refused), None),
            Ended::Stop(Stop::Local(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the log cannot be mirrored");
                (None, Some(error.to_string()))
            }
            Ended::Connect(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "not mirroring");
                (None, Some(error.to_string()))
            }
        };
        mirroring.position.send_modify(|position| {
            position.connected = false;
            position.refused.clone_from(&refused);
            position.trouble = trouble;
        });
        let refused = refused?;
        tracing::warn!(refusal = refused.refusal.name(), "not mirroring: {}", refused.in_public());
        // That the central node is busy passes by itself, and is no alarm.
        if refused.refusal != Refusal::Busy && self.alarmed != Some(refused.refusal) {
            self.alarmed = Some(refused.refusal);
            let (alarm, detail) = (refused.refusal.name().to_owned(), refused.in_public().to_owned());
            (mirroring.alarm)(Alarm { alarm, detail });
        }
        is_final(refused.refusal).then_some(Err(SessionError::Refused(refused)))
    }
}

/// Whether a refusal stands until a person does something on this machine. The others may be mended on the central node, or
/// pass.
pub(crate) fn is_final(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::Identity | Refusal::Revoked | Refusal::Fenced | Refusal::Fork | Refusal::Rollback)
}

/// The messages of one connection.
struct Talk<'a> {
    mirroring: &'a Mirroring,
    session: &'a mut Session,
    failures: &'a mut u32,
    /// Lent to a thread that may block, while it reads the log.
    exchange: Option<Exchange>,
    queue: VecDeque<Message>,
    idle: bool,
    /// Whether the central node has said where it stands.
    met: bool,
    /// When the central node was asked for a sign of life that it has not given yet.
    asked_at: Option<Timestamp>,
}

impl Talk<'_> {
    async fn run(&mut self, reader: &mut Reader<Stream>, outgoing: mpsc::Sender<Message>) -> Ended {
        let mut ping = interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = self.mirroring.news.clone();
        let mut grows = true;
        loop {
            let done = tokio::select! {
                biased;
                message = reader.next() => match message {
                    Ok(message) => self.take(message).await,
                    Err(LinkError::Garbage(error)) => Err(Stop::Ours(Refused::protocol(error.to_string())).into()),
                    Err(error) => Err(ConnectError::broken(&self.session.address, error).into()),
                },
                _ = ping.tick() => {
                    let now = now();
                    self.asked_at.get_or_insert(now);
                    self.queue.push_back(Message::Ping { now });
                    Ok(())
                }
                permit = outgoing.reserve(), if !self.queue.is_empty() => match (permit, self.queue.pop_front()) {
                    (Ok(permit), Some(message)) => {
                        permit.send(message);
                        Ok(())
                    }
                    // The writing has ended, and says why.
                    _ => std::future::pending().await,
                },
                changed = news.changed(), if self.idle && grows => {
                    grows = changed.is_ok();
                    self.idle = false;
                    Ok(())
                }
                () = std::future::ready(()), if self.queue.is_empty() && !self.idle => {
                    // Before the log is looked at: what comes in between is then looked at again, not missed.
                    news.mark_unchanged();
                    self.produce().await
                }
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    /// Takes a message and keeps what it says that is new.
    async fn take(&mut self, message: Message) -> Result<(), Ended> {
        let clock_ahead_us = match &message {
            Message::Pong { now: theirs } => self.asked_at.take().and_then(|asked| ahead_us(*theirs, asked, now())),
            _ => None,
        };
        let outbound = Arc::clone(&self.mirroring.outbound);
        let home = self.mirroring.home.clone();
        let moved = self
            .lend(move |exchange| {
                let moved = exchange.received(&*outbound, message)?;
                if let Some(note) = exchange.take_checkpoint() {
                    durable::write_whole(&home.checkpoint(), note.as_bytes()).map_err(CopyError::from)?;
                    // DURABLE: what the central node signed for. From here on a log that ends before it is not written to.
                }
                Ok(moved)
            })
            .await?;
        self.idle = false;
        let Some(exchange) = &mut self.exchange else { return Ok(()) };
        for alarm in exchange.take_alarms() {
            (self.mirroring.alarm)(alarm);
        }
        let log_through = exchange.log_through();
        self.session.acknowledged = exchange.acknowledged();
        let mirrored = exchange.mirrored().filter(|_| moved);
        // The first position is said to whoever is let in; only what follows shows that it goes well.
        if mirrored.is_some() && std::mem::replace(&mut self.met, true) {
            self.session.alarmed = None;
            *self.failures = 0;
        }
        self.mirroring.position.send_modify(|position| {
            position.last_contact = Some(now());
            position.clock_ahead_us = clock_ahead_us.or(position.clock_ahead_us);
            if let Some(mirrored) = mirrored {
                position.connected = true;
                position.refused = None;
                position.trouble = None;
                position.log_through = log_through;
                position.originals_through = mirrored.originals_through;
            }
        });
        Ok(())
    }

    async fn produce(&mut self) -> Result<(), Ended> {
        let outbound = Arc::clone(&self.mirroring.outbound);
        let produced = self.lend(move |exchange| exchange.produce(&*outbound)).await?;
        self.idle = produced.is_none();
        self.queue.extend(produced.unwrap_or_default());
        if let Some(exchange) = &mut self.exchange {
            for alarm in exchange.take_alarms() {
                (self.mirroring.alarm)(alarm);
            }
        }
        Ok(())
    }

    /// Has a thread that may block work with the exchange.
    async fn lend<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Exchange) -> Result<T, Stop> + Send + 'static,
    ) -> Result<T, Ended> {
        let lost = || Stop::Local(CopyError::Damaged("reading the log broke off".into()));
        let mut exchange = self.exchange.take().ok_or_else(lost)?;
        let (exchange, worked) = blocking(move || {
            let worked = work(&mut exchange);
            (exchange, worked)
        })
        .await
        .map_err(Stop::Local)?;
        self.exchange = Some(exchange);
        Ok(worked?)
    }
}

/// How far the clock of `theirs` is ahead, in microseconds, by an answer that came now to what was asked then; `None` if it was
/// too long under way, or this machine's clock was set meanwhile.
fn ahead_us(theirs: Timestamp, asked: Timestamp, now: Timestamp) -> Option<i64> {
    let way = u64::try_from(now.0.saturating_sub(asked.0)).ok().map(Duration::from_micros)?;
    (way <= CLOCK_WAY_MAX).then(|| theirs.0.saturating_sub(now.0))
}

/// Writes messages as they come.
async fn write(writer: &mut Writer<Stream>, mut messages: mpsc::Receiver<Message>) -> LinkError {
    while let Some(message) = messages.recv().await {
        if let Err(error) = writer.send(&message).await {
            return error;
        }
    }
    // The conversation has ended, and says why.
    std::future::pending().await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CopyError> {
    spawn_blocking(work).await.map_err(|error| CopyError::Damaged(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: pauses double up to their ceiling, and no two agents keep step. Method: the extremes of chance, to large numbers.
    #[test]
    fn pauses_double_up_to_a_ceiling() {
        assert_eq!(pause(1, 0), PAUSE_FIRST);
        assert_eq!(pause(2, 0), PAUSE_FIRST * 2);
        for failures in 0..100 {
            assert!(pause(failures, 0) <= PAUSE_MAX && pause(failures, 0) >= PAUSE_FIRST);
            assert_eq!(pause(failures, u32::MAX), pause(failures, 0) / 2);
        }
        assert_eq!(pause(u32::MAX, 0), PAUSE_MAX);
    }

    /// Goal: an old answer is not taken for a wrong clock. Method: answers that came at once, late, and before they were asked for.
    #[test]
    fn a_late_answer_says_nothing_about_the_clock() {
        let second = |at: i64| Timestamp(at * 1_000_000);
        let check = |asked, now| ahead_us(second(500), second(asked), second(now));
        assert_eq!(check(100, 101), Some(399_000_000));
        assert_eq!(check(800, 860), Some(-360_000_000));
        assert_eq!(check(800, 861), None, "the machine slept, or its clock was set");
        assert_eq!(check(800, 799), None);
    }
}
