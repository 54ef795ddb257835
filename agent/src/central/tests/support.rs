//! Agents and central nodes for the tests, with real stores in directories of their own.

use std::{io::Cursor, path::Path, sync::Arc, time::Duration};

use daybook_protocol::{
    batch::{Builder, Frame},
    date::Timestamp,
    entry::{Actor, Entry, Private, Source},
    event::{Alarm, Completion, Event, FileId, FileReceived},
    field::Field,
    ids::{Digest, Epoch, LogId, Sequence},
    invite::Invite,
    tree::Frontier,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    central::{CentralHandle, Purpose, serve},
    home::Home,
    identity::Identity,
    keyring::{self, Keyring, OperatorKey},
    replicate::{LocalLog, LogCopy, Mirroring, Outbound, Position, SessionError, join, run_session},
    store::{self, Store},
    vault::Vault,
};

/// Nothing in these tests takes this long.
pub(super) const SOON: Duration = Duration::from_mins(1);

/// A central node that serves.
pub(super) struct Node {
    pub(super) home: Home,
    pub(super) central: CentralHandle,
    pub(super) address: String,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Node {
    pub(super) async fn start(directory: &Path) -> Self {
        let home = Home::new(directory);
        let central = CentralHandle::open(&home).expect("a central node");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a port").to_string();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, central.clone(), shutdown.clone()));
        Self { home, central, address, shutdown, serving }
    }

    pub(super) fn invite(&self, purpose: Purpose) -> Invite {
        self.central.invite(purpose, Duration::from_hours(1)).expect("a code")
    }

    pub(super) fn alarms_of(&self, log: LogId) -> Vec<String> {
        let agents = self.central.agents().into_iter().filter(|agent| agent.log == log);
        agents.flat_map(|agent| agent.alarms).map(|raised| raised.alarm).collect()
    }

    /// Waits until an alarm of a log, or of none, is noted: the agent may hear of it first.
    pub(super) async fn alarmed(&self, log: Option<LogId>, alarm: &str) {
        let noted = || match log {
            Some(log) => self.alarms_of(log).iter().any(|raised| raised == alarm),
            None => self.central.alarms().iter().any(|raised| raised.alarm == alarm),
        };
        let noting = async {
            while !noted() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, noting).await.expect("in time");
    }

    /// Stops serving; the copies are closed when this returns.
    pub(super) async fn stop(self) -> Home {
        self.shutdown.cancel();
        self.serving.await.expect("it stops in order");
        self.home
    }
}

/// An agent with a log that grows.
pub(super) struct Office {
    pub(super) home: Home,
    pub(super) identity: Identity,
    store: Store,
    frontier: Frontier,
    keyring: Arc<Keyring>,
    vault: Arc<Vault>,
    news: watch::Sender<u64>,
}

impl Office {
    /// Joins `node` and begins a log.
    pub(super) async fn join(directory: &Path, node: &Node) -> Self {
        let home = Home::new(directory);
        crate::durable::make_directory(directory).expect("a directory");
        let joined = join(&node.address, &node.invite(Purpose::Join), &home, "post room").await.expect("it joins");
        Self::open(home, joined)
    }

    /// Opens what is in a home, or begins a log there.
    pub(super) fn open(home: Home, identity: Identity) -> Self {
        let store = if store::exists(&home) {
            Store::open(&home, 8 << 20).expect("the log opens")
        } else {
            Store::create(&home, identity.log, identity.epoch, 0).expect("a new log")
        };
        let operator = OperatorKey::load(&home.operator_key())
            .or_else(|_| OperatorKey::create(&home.operator_key()))
            .expect("an operator's key");
        let keyring = Arc::new(Keyring::open(&home.keyring(), identity.epoch, &operator).expect("a keyring"));
        let vault = Arc::new(Vault::open(&home.vault()).expect("a vault"));
        let frontier = store.head().frontier.clone();
        let news = watch::channel(frontier.count()).0;
        Self { home, identity, store, frontier, keyring, vault, news }
    }

    /// One batch more: an original of so many bytes that do not compress, its arrival, and an entry of a person.
    pub(super) fn grow(&mut self, mark: u32, bytes: usize) {
        let mut original = vec![0; bytes];
        ChaCha8Rng::seed_from_u64(u64::from(mark)).fill_bytes(&mut original);
        let preserved = self.vault.preserve(&mut Cursor::new(original), &self.keyring, 1 << 30).expect("preserved");
        let arrival = FileReceived {
            folder: "a".into(),
            centre: "C1".into(),
            brand: String::new(),
            kind: None,
            sha256: preserved.sha256,
            bytes: preserved.bytes,
            file_id: FileId { device: 0, number: u64::from(mark) },
            modified_at: Timestamp(1),
            completed_by: Completion::Handed,
            key: preserved.key,
            same_as: None,
        };
        let (id, key) = self.keyring.allocate().expect("a key");
        let mut builder = Builder::new(self.identity.log, self.identity.epoch, &self.frontier);
        for _ in 0..2 {
            let sequence = Sequence(self.frontier.count());
            let private = Private::from([(Field::FileName, format!("file {mark}"))]);
            let nonce = self.keyring.nonce();
            let sealed = keyring::seal(&key, id, nonce, self.identity.log, sequence, &private).expect("sealed");
            let entry = Entry {
                sequence,
                recorded_at: Timestamp(2),
                effective_on: None,
                actor: Actor::Agent,
                source: Source::Agent,
                governed_by: Sequence(0),
                findings: Vec::new(),
                event: Event::FileReceived(arrival.clone()),
                sealed: Some(sealed),
            };
            builder.push(&entry.encode().expect("a small entry"), &mut self.frontier);
        }
        self.keyring.sync().expect("synced");
        self.store.append(&builder.finish(&self.frontier)).expect("appended");
        self.store.barrier(&self.frontier, self.identity.epoch).expect("durable");
        self.news.send_replace(self.frontier.count());
    }

    pub(super) fn count(&self) -> u64 {
        self.frontier.count()
    }

    pub(super) fn outbound(&self) -> LocalLog {
        LocalLog::new(&self.home, self.store.reader(), Arc::clone(&self.keyring), Arc::clone(&self.vault))
    }

    /// Begins to mirror, over `address` rather than the one that was joined, if one is given.
    pub(super) fn mirror(&self, address: Option<String>) -> Session {
        let mut identity = self.identity.clone();
        if let (Some(address), Some(central)) = (address, &mut identity.central) {
            central.address = address;
        }
        let (position, seen) = watch::channel(Position::default());
        let (alarm, alarms) = mpsc::unbounded_channel();
        let mirroring = Mirroring {
            outbound: Arc::new(self.outbound()),
            news: self.news.subscribe(),
            home: self.home.clone(),
            identity,
            position,
            alarm: Arc::new(move |raised| {
                let _ = alarm.send(raised);
            }),
        };
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run_session(mirroring, shutdown.clone()));
        Session { seen, alarms, shutdown, running }
    }

    /// Stops in order and gives the home.
    pub(super) fn close(self) -> Home {
        self.store.close().expect("closed");
        self.home
    }
}

/// A session that runs.
pub(super) struct Session {
    pub(super) seen: watch::Receiver<Position>,
    pub(super) alarms: mpsc::UnboundedReceiver<Alarm>,
    shutdown: CancellationToken,
    pub(super) running: JoinHandle<Result<(), SessionError>>,
}

impl Session {
    /// Waits for a position.
    pub(super) async fn wait(&mut self, what: impl FnMut(&Position) -> bool) -> Position {
        let waited = tokio::time::timeout(SOON, self.seen.wait_for(what)).await;
        waited.expect("in time").expect("it still runs").clone()
    }

    /// Waits until everything of a log of `count` entries is mirrored.
    pub(super) async fn mirrored(&mut self, count: u64) {
        self.wait(|position| position.log_through == count && position.originals_through == Sequence(count)).await;
    }

    /// Waits for the end that it comes to by itself; the refusal of it.
    pub(super) async fn refused(self) -> crate::replicate::Refused {
        let ended = tokio::time::timeout(SOON, self.running).await.expect("in time").expect("no panic");
        match ended {
            Err(SessionError::Refused(refused)) => refused,
            other => {
                assert!(other.is_err(), "it ended well");
                crate::replicate::Refused::protocol(format!("{other:?}"))
            }
        }
    }

    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.expect("no panic").expect("it stops in order");
    }
}

/// Everything of a log: batches, keys by epoch, sealed originals.
#[derive(PartialEq, Eq)]
pub(super) struct Everything {
    frames: Vec<Frame>,
    keys: Vec<(Epoch, Vec<u8>)>,
    originals: Vec<(Digest, Option<Vec<u8>>)>,
}

pub(super) fn everything(log: &dyn Outbound) -> Everything {
    let frames = log.frames(Sequence(0), usize::MAX).expect("the log is read");
    let held = log.keys_held().expect("the keyring is read");
    let records = |epoch| log.key_records(epoch, 0, usize::MAX >> 8).expect("the keyring is read");
    let mut originals: Vec<_> = frames
        .iter()
        .flat_map(Frame::entries)
        .filter_map(|entry| match entry.expect("an entry").event {
            Event::FileReceived(arrival) => Some(arrival.sha256),
            _ => None,
        })
        .collect();
    originals.sort_unstable();
    originals.dedup();
    let object = |sha256| {
        let bytes = log.object_bytes(sha256).expect("the vault is read")?;
        let bytes = usize::try_from(bytes).expect("a small object");
        Some(log.object_piece(sha256, 0, bytes).expect("the vault is read"))
    };
    Everything {
        keys: held.iter().map(|held| (held.epoch, records(held.epoch))).collect(),
        originals: originals.into_iter().map(|sha256| (sha256, object(sha256))).collect(),
        frames,
    }
}

/// Everything of the copy that a stopped central node has of a log.
pub(super) fn copied(home: &Home, log: LogId) -> Everything {
    let copy = LogCopy::keep(&home.copy_of(log), log).expect("the copy opens");
    let everything = everything(&copy);
    copy.close();
    everything
}

/// What a bad line does to a connection when so many bytes have gone to the central node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Cuts it, each one some bytes later than the one before.
    Cuts { more: u64 },
    /// Carries nothing more to the central node.
    Stalls,
}

/// The address of a line to the central node at `to`.
pub(super) async fn bad_line(to: String, mut bytes: u64, line: Line) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a port").to_string();
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let Ok(mut there) = TcpStream::connect(&to).await else { return };
            let limit = bytes;
            if let Line::Cuts { more } = line {
                bytes += more;
            }
            tokio::spawn(async move {
                let (here_reads, mut here_writes) = here.split();
                let (mut there_reads, mut there_writes) = there.split();
                let mut limited = here_reads.take(limit);
                let there = async {
                    let _ = tokio::io::copy(&mut limited, &mut there_writes).await;
                    if line == Line::Stalls {
                        std::future::pending::<()>().await;
                    }
                };
                // Whichever way ends first, both streams are dropped.
                tokio::select! {
                    () = there => {}
                    _ = tokio::io::copy(&mut there_reads, &mut here_writes) => {}
                }
                let _ = there_writes.shutdown().await;
            });
        }
    });
    address
}

/// A directory of its own for each part of a test.
pub(super) fn place() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Copies a data directory as an operator does.
pub(super) fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
