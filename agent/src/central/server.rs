//! The central node's network: accepts, shakes hands, reads hellos, and passes messages between a connection and the
//! archive of its log. Decides nothing: who may come in is the registry's to say, what is kept the keeper's.

use std::{sync::Arc, time::Duration};

use daybook_protocol::{
    ids::{Digest, Epoch, LogId},
    wire::{Hello, Message, Mirrored, Refusal, Role, VERSION},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::{JoinSet, spawn_blocking},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Admission, CentralHandle, Inner,
    archive::{Reply, Request},
    copies::{COPIES_OPEN_MAX, LINGER},
    strangers::{STRANGERS_MAX, Stranger, Strangers},
};
use crate::{
    replicate::{
        HANDSHAKE_TIMEOUT, HELLO_TIMEOUT, Link, LinkError, Reader, Refused, Writer, farewell, now, read_hello,
        write_hello,
    },
    tls::{self, Accepted, Shown},
};

/// At most this many connections at once, of strangers and of agents; more wait until one of them has ended. Strangers leave
/// room for as many agents as there can be copies open.
pub const CONNECTIONS_MAX: usize = STRANGERS_MAX + COPIES_OPEN_MAX;
/// At most this many answers wait to be sent on a connection.
const REPLIES_MAX: usize = 64;
/// After a failure to accept (no more file handles) it is tried again this much later.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// When the central node stops, connections have this long to end by themselves.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// What is noted when a handshake fails by the certificate; the other side learns it by the handshake itself.
const STRANGER: &str = "a machine was turned away that came with a certificate of another authority: it belongs to another \
                        central node, or must join this one by `daybook join`";

type Stream = Accepted<TcpStream>;

/// Serves `listener` until `shutdown`; then ends every connection, closes every copy, and returns.
pub async fn serve(listener: TcpListener, central: CentralHandle, shutdown: CancellationToken) {
    let inner = central.0;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let strangers = Arc::new(Strangers::default());
    let mut connections = JoinSet::new();
    let mut sweep = interval(LINGER / 2);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(error = &error as &dyn std::error::Error, "a connection failed");
                }
            }
            _ = sweep.tick() => inner.copies.sweep(LINGER),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let stranger = strangers.enter(peer.ip());
                    let permit = tokio::select! {
                        biased;
                        () = shutdown.cancelled() => break,
                        permit = Arc::clone(&room).acquire_owned() => permit,
                    };
                    let (inner, shutdown) = (Arc::clone(&inner), shutdown.clone());
                    connections.spawn(async move {
                        let ended = tokio::select! {
                            biased;
                            () = stranger.gone() => Ok(()),
                            ended = connection(&inner, stream, &stranger, &shutdown) => ended,
                        };
                        if let Err(error) = ended {
                            tracing::info!(%peer, error = &error as &dyn std::error::Error, "a connection ended");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
    drop(listener);
    // Each ends by itself within its farewell; one that is stuck before it began is cut.
    let _ = timeout(STOP_TIMEOUT, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    let closed = spawn_blocking(move || inner.copies.close()).await;
    if let Err(error) = closed {
        tracing::error!(error = &error as &dyn std::error::Error, "copies could not be closed");
    }
}

/// One connection, from the handshake to the end.
async fn connection(
    inner: &Arc<Inner>,
    stream: TcpStream,
    stranger: &Stranger,
    shutdown: &CancellationToken,
) -> Result<(), LinkError> {
    let begin = async {
        stream.set_nodelay(true)?;
        let accepted = timeout(HANDSHAKE_TIMEOUT, inner.authority.acceptor().accept(stream)).await;
        let (mut stream, certificate) = match accepted.map_err(|_| LinkError::Slow("the handshake"))? {
            Ok(accepted) => accepted,
            Err(error) => {
                if tls::distrust(&error).is_some() {
                    alarm(inner, None, Refused::new(Refusal::Identity, STRANGER)).await;
                }
                return Err(error.into());
            }
        };
        if certificate.is_some() {
            stranger.is_known();
        }
        let hello = read_hello(&mut stream).await?;
        Ok::<_, LinkError>((stream, certificate, hello))
    };
    let (stream, certificate, hello) = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        came = begin => came?,
    };
    if hello.version != VERSION {
        let detail = format!(
            "this central node speaks version {VERSION} of the protocol and the agent version {}: upgrade the older one",
            hello.version
        );
        return turn_away(stream, &hello, &Refused::new(Refusal::Version, detail)).await;
    }
    match hello.role {
        Role::Newcomer => tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            joined = newcomer(inner, stream, hello) => joined,
        },
        Role::Agent => agent(inner, stream, certificate, hello, shutdown).await,
        Role::Central => {
            turn_away(stream, &hello, &Refused::protocol("a central node does not mirror to another")).await
        }
    }
}

/// The hello of a central node that has `count` entries with this root.
fn hello_of(log: LogId, epoch: Epoch, count: u64, root: Digest) -> Hello {
    Hello { version: VERSION, role: Role::Central, log, epoch, count, root }
}

/// Says hello, so that the other side can read on, and why it cannot come in.
async fn turn_away(mut stream: Stream, hello: &Hello, refused: &Refused) -> Result<(), LinkError> {
    tracing::warn!(log = %hello.log, refusal = refused.refusal.name(), "turned away: {}", refused.in_public());
    write_hello(&mut stream, &hello_of(hello.log, hello.epoch, 0, Digest::of(b""))).await?;
    let Link { mut reader, mut writer } = Link::new(stream);
    farewell(&mut reader, &mut writer, Some(&refused.message())).await;
    Ok(())
}

/// A machine without a certificate: it may ask for one, and nothing else.
async fn newcomer(inner: &Arc<Inner>, mut stream: Stream, hello: Hello) -> Result<(), LinkError> {
    write_hello(&mut stream, &hello_of(hello.log, hello.epoch, 0, Digest::of(b""))).await?;
    let Link { mut reader, mut writer } = Link::new(stream);
    let asked = timeout(HELLO_TIMEOUT, reader.next()).await.map_err(|_| LinkError::Slow("a newcomer"))?;
    let answer = match asked {
        Ok(Message::Join { secret, request }) => {
            let inner = Arc::clone(inner);
            let certified = spawn_blocking(move || inner.certified(hello, &secret, &request)).await;
            certified.unwrap_or_else(|_| Err(Refused::new(Refusal::Busy, "the central node failed: see its own log")))
        }
        Ok(_) | Err(LinkError::Garbage(_) | LinkError::TooLong) => {
            Err(Refused::protocol("a newcomer can only join: run `daybook join` with a one-time code"))
        }
        Err(error) => return Err(error),
    };
    let last = answer.unwrap_or_else(|refused| {
        tracing::warn!(refusal = refused.refusal.name(), "a newcomer was turned away: {refused}");
        refused.message()
    });
    farewell(&mut reader, &mut writer, Some(&last)).await;
    Ok(())
}

/// An agent with a certificate.
async fn agent(
    inner: &Arc<Inner>,
    stream: Stream,
    certificate: Option<Shown>,
    hello: Hello,
    shutdown: &CancellationToken,
) -> Result<(), LinkError> {
    let admitting = Arc::clone(inner);
    let admitted = spawn_blocking(move || admitting.admit(certificate.as_ref(), &hello)).await;
    let admitted =
        admitted.unwrap_or_else(|_| Err(Refused::new(Refusal::Busy, "the central node failed: see its own log")));
    let mut admission = match admitted {
        Ok(admission) => admission,
        Err(refused) => return turn_away(stream, &hello, &refused).await,
    };
    let ended = match inner.copies.enter(inner, hello.log) {
        Ok(requests) => {
            let ended = mirror(inner, stream, hello, &mut admission, requests, shutdown).await;
            inner.copies.leave(hello.log);
            ended
        }
        Err(refused) => turn_away(stream, &hello, &refused).await,
    };
    inner.left(hello.log, admission.connection);
    ended
}

/// Why the messages of a connection end.
enum End {
    Link(LinkError),
    Refuse(Refused),
    Shutdown,
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Garbage(source) => Self::Refuse(Refused::protocol(format!("{source}"))),
            LinkError::TooLong => Self::Refuse(Refused::protocol(error.to_string())),
            other => Self::Link(other),
        }
    }
}

/// Passes messages between an agent that was let in and the archive of its log.
async fn mirror(
    inner: &Arc<Inner>,
    mut stream: Stream,
    hello: Hello,
    admission: &mut Admission,
    requests: mpsc::Sender<Request>,
    shutdown: &CancellationToken,
) -> Result<(), LinkError> {
    let connection = admission.connection;
    let (replies, mut answers) = mpsc::channel(REPLIES_MAX);
    // Only the archive holds the answers open, so that they end when it ends.
    let pongs = replies.downgrade();
    let attach = Request::Attach { connection, hello, replies };
    let met = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        refused = ended(admission) => Err(refused),
        met = meet(&requests, attach, &mut answers) => met.map_err(|refused| why(admission, refused)),
    };
    let mirrored = match met {
        Ok(mirrored) => mirrored,
        Err(refused) => {
            alarm(inner, Some(hello.log), refused.clone()).await;
            return turn_away(stream, &hello, &refused).await;
        }
    };
    write_hello(&mut stream, &hello_of(hello.log, hello.epoch, mirrored.count, mirrored.root)).await?;
    let Link { mut reader, mut writer } = Link::new(stream);
    let end = tokio::select! {
        biased;
        () = shutdown.cancelled() => End::Shutdown,
        refused = ended(admission) => End::Refuse(refused),
        end = answering(&mut writer, mirrored, &mut answers) => end,
        end = asking(&mut reader, connection, &requests, &pongs) => end,
    };
    match end {
        End::Shutdown => farewell(&mut reader, &mut writer, None).await,
        End::Link(error) => return Err(error),
        End::Refuse(refused) => {
            let refused = why(admission, refused);
            let last = refused.message();
            tokio::join!(farewell(&mut reader, &mut writer, Some(&last)), alarm(inner, Some(hello.log), refused));
        }
    }
    Ok(())
}

/// Attaches a connection to the archive; gives where the copy stands.
async fn meet(
    requests: &mpsc::Sender<Request>,
    attach: Request,
    answers: &mut mpsc::Receiver<Reply>,
) -> Result<Mirrored, Refused> {
    // An archive whose thread is gone answers nothing, and the wait ends with that.
    let _ = requests.send(attach).await;
    match answers.recv().await {
        Some(Reply::Met(mirrored)) => Ok(mirrored),
        Some(Reply::Refuse(refused)) => Err(refused),
        Some(Reply::Say(_)) | None => Err(failed()),
    }
}

/// Why a connection really ends: whoever ends it says so before the archive lets go of it, and both may come at once.
fn why(admission: &Admission, refused: Refused) -> Refused {
    admission.end.borrow().clone().unwrap_or(refused)
}

/// Waits until the connection must end.
async fn ended(admission: &mut Admission) -> Refused {
    loop {
        if let Some(refused) = admission.end.borrow_and_update().clone() {
            return refused;
        }
        if admission.end.changed().await.is_err() {
            // Nobody can end it any more but itself.
            std::future::pending::<()>().await;
        }
    }
}

/// Passes on what the archive answers.
async fn answering(writer: &mut Writer<Stream>, first: Mirrored, answers: &mut mpsc::Receiver<Reply>) -> End {
    let mut next = Some(Reply::Say(Message::Mirrored(first)));
    loop {
        match next {
            Some(Reply::Say(message)) => {
                if let Err(error) = writer.send(&message).await {
                    return End::from(error);
                }
            }
            Some(Reply::Met(_)) => {}
            Some(Reply::Refuse(refused)) => return End::Refuse(refused),
            None => return End::Refuse(failed()),
        }
        next = answers.recv().await;
    }
}

/// Passes on what the agent sends.
async fn asking(
    reader: &mut Reader<Stream>,
    connection: u64,
    requests: &mpsc::Sender<Request>,
    pongs: &mpsc::WeakSender<Reply>,
) -> End {
    loop {
        let message = match reader.next().await {
            Ok(message) => message,
            Err(error) => return End::from(error),
        };
        let gone = match message {
            Message::Ping { .. } => match pongs.upgrade() {
                Some(replies) => replies.send(Reply::Say(Message::Pong { now: now() })).await.is_err(),
                None => true,
            },
            // The agent found what is wrong before we did.
            Message::Refused { refusal, detail } => return End::Refuse(Refused::from_peer(refusal, &detail)),
            message => requests.send(Request::Take { connection, message }).await.is_err(),
        };
        if gone {
            // The archive has failed; what it said last is with the answers.
            std::future::pending::<()>().await;
        }
    }
}

/// Notes a refusal, unless it only says to come again.
async fn alarm(inner: &Arc<Inner>, log: Option<LogId>, refused: Refused) {
    if refused.refusal != Refusal::Busy {
        let inner = Arc::clone(inner);
        // The alarm is in the log of the process even where it cannot be noted.
        let _ = spawn_blocking(move || inner.alarm(log, &refused)).await;
    }
}

fn failed() -> Refused {
    super::keeper::trouble(&crate::replicate::CopyError::Damaged("its thread has ended".into()))
}
