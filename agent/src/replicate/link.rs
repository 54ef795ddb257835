//! Hellos and messages over a stream, with their limits of size and time. Knows nothing of what the messages mean.

use std::{error::Error as StdError, io, time::Duration};

use daybook_protocol::{
    DecodeError,
    wire::{HELLO_BYTES, Hello, MESSAGE_BYTES_MAX, Message},
};
use futures_util::{SinkExt, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{
    bytes::Bytes,
    codec::{FramedRead, FramedWrite, LengthDelimitedCodec, LengthDelimitedCodecError},
};

/// A TLS handshake takes at most this long: two round trips on a very bad line.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A hello comes at most this long after the handshake.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Who hears nothing for this long takes the other side for gone: three pings lost.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// An agent says that it is still there this often.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(15);
/// One message is written in at most this long, or the other side is taken for gone.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A last word is given this long to get out: a revoked connection is closed within a second in any case.
pub(crate) const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);

/// Why nothing more comes or goes over a link. The connection is of no use after it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The other side is gone.
    #[error("the other side closed the connection")]
    Closed,
    /// It did not do in time what it should.
    #[error("{0} took too long")]
    Slow(&'static str),
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[source] io::Error),
    /// What came is not a hello or a message.
    #[error("what came is not of this protocol")]
    Garbage(#[source] DecodeError),
    /// What came is longer than any message.
    #[error("a message is over its limit of {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Closed,
            _ if error.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<LengthDelimitedCodecError>) => {
                Self::TooLong
            }
            _ => Self::Io(error),
        }
    }
}

/// Reads the other side's hello.
pub(crate) async fn read_hello<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Hello, LinkError> {
    let mut bytes = [0; HELLO_BYTES];
    timeout(HELLO_TIMEOUT, stream.read_exact(&mut bytes)).await.map_err(|_| LinkError::Slow("the hello"))??;
    Hello::decode(&bytes).map_err(LinkError::Garbage)
}

/// Sends our hello.
pub(crate) async fn write_hello<S: AsyncWrite + Unpin>(stream: &mut S, hello: &Hello) -> Result<(), LinkError> {
    let write = async {
        stream.write_all(&hello.encode()).await?;
        stream.flush().await
    };
    timeout(HELLO_TIMEOUT, write).await.map_err(|_| LinkError::Slow("the hello"))?.map_err(LinkError::from)
}

/// The messages of a connection whose hellos are exchanged.
pub(crate) struct Link<S> {
    /// What comes.
    pub(crate) reader: Reader<S>,
    /// What goes.
    pub(crate) writer: Writer<S>,
}

/// The incoming half.
pub(crate) struct Reader<S> {
    frames: FramedRead<ReadHalf<S>, LengthDelimitedCodec>,
    /// Since when the next message is waited for. Kept here, because whoever waits for a message waits for other things as
    /// well, and begins to wait anew after each.
    waiting_since: Option<Instant>,
}
/// The outgoing half.
pub(crate) struct Writer<S>(FramedWrite<WriteHalf<S>, LengthDelimitedCodec>);

impl<S: AsyncRead + AsyncWrite> Link<S> {
    /// The messages over `stream`.
    pub(crate) fn new(stream: S) -> Self {
        let codec = || LengthDelimitedCodec::builder().max_frame_length(MESSAGE_BYTES_MAX).new_codec();
        let (reader, writer) = tokio::io::split(stream);
        let reader = Reader { frames: FramedRead::new(reader, codec()), waiting_since: None };
        Self { reader, writer: Writer(FramedWrite::new(writer, codec())) }
    }
}

impl<S: AsyncRead> Reader<S> {
    /// The next message; waits for at most [`IDLE_TIMEOUT`]. Dropping the wait loses nothing: the next one goes on with it.
    pub(crate) async fn next(&mut self) -> Result<Message, LinkError> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let frame = timeout_at(since + IDLE_TIMEOUT, self.frames.next()).await;
        let frame = frame.map_err(|_| LinkError::Slow("a sign of life"))?;
        self.waiting_since = None;
        let bytes = frame.ok_or(LinkError::Closed)??;
        Message::decode(&bytes).map_err(LinkError::Garbage)
    }

    /// Reads on to the end without looking at it. Who closes while something unread is under way resets the connection,
    /// and the other side may then never see the last message.
    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.frames.next().await {}
    }
}

impl<S: AsyncWrite> Writer<S> {
    /// Sends a message. When the wait is dropped, what is left of it goes out before the next one.
    pub(crate) async fn send(&mut self, message: &Message) -> Result<(), LinkError> {
        let bytes = message.encode().map_err(LinkError::Garbage)?;
        timeout(WRITE_TIMEOUT, self.0.send(Bytes::from(bytes))).await.map_err(|_| LinkError::Slow("a message"))??;
        Ok(())
    }
}

#[cfg(test)]
impl<S: AsyncWrite> Writer<S> {
    /// Sends bytes that are no message.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.expect("sent");
        self.0.get_mut().flush().await.expect("sent");
    }
}

/// Sends a last message, if there is one, and closes; gives up after [`FAREWELL_TIMEOUT`].
pub(crate) async fn farewell<S>(reader: &mut Reader<S>, writer: &mut Writer<S>, last: Option<&Message>)
where
    S: AsyncRead + AsyncWrite,
{
    let close = async {
        if let Some(last) = last {
            writer.send(last).await?;
        }
        SinkExt::<Bytes>::close(&mut writer.0).await.map_err(LinkError::from)
    };
    // Whoever is turned away may be gone already, or not read any more: nothing is lost by that.
    let _ = timeout(FAREWELL_TIMEOUT, async { tokio::join!(close, reader.drain()) }).await;
}

#[cfg(test)]
mod tests {
    use daybook_protocol::{
        date::Timestamp,
        ids::{Digest, Epoch, LogId},
        wire::{Role, VERSION},
    };

    use super::*;

    fn hello() -> Hello {
        let (log, epoch) = (LogId([1; 16]), Epoch(1));
        Hello { version: VERSION, role: Role::Agent, log, epoch, count: 0, root: Digest::of(b"") }
    }

    /// Goal: who says nothing, or half of it, does not hold a connection. Method: a clock that the test moves; no hello, half a
    /// hello, no message, half a message in waits that
    /// are dropped, signs of life before it.
    #[tokio::test(start_paused = true)]
    async fn silence_has_an_end() {
        for said in [0, HELLO_BYTES / 2] {
            let (mut here, mut there) = tokio::io::duplex(1024);
            there.write_all(hello().encode().get(..said).unwrap_or_default()).await.expect("said");
            let begun = Instant::now();
            assert!(matches!(read_hello(&mut here).await, Err(LinkError::Slow(_))));
            assert_eq!(begun.elapsed().as_secs(), HELLO_TIMEOUT.as_secs());
        }
        let (here, there) = tokio::io::duplex(1024);
        let (mut here, mut there) = (Link::new(here), Link::new(there));
        let begun = Instant::now();
        let ping = Message::Ping { now: Timestamp(1) };
        for _ in 0..3 {
            tokio::time::advance(IDLE_TIMEOUT / 2).await;
            there.writer.send(&ping).await.expect("said");
            here.reader.next().await.expect("a sign of life");
        }
        there.writer.raw(&[0, 0, 0, 9, 1]).await;
        for _ in 0..3 {
            let _ = timeout(IDLE_TIMEOUT / 4, here.reader.next()).await;
        }
        assert!(matches!(here.reader.next().await, Err(LinkError::Slow(_))));
        let silent = begun.elapsed().saturating_sub(IDLE_TIMEOUT / 2 * 3);
        assert_eq!(silent.as_secs(), IDLE_TIMEOUT.as_secs());
    }

    /// Goal: limits hold on both sides, and the end of a stream is known from a breach. Method: a frame one byte over, garbage,
    /// a close.
    #[tokio::test(start_paused = true)]
    async fn what_is_no_message_is_named() {
        let after = |bytes: Vec<u8>| async move {
            let (here, there) = tokio::io::duplex(1024);
            let (mut here, mut there) = (Link::new(here), Link::new(there));
            there.writer.raw(&bytes).await;
            drop(there);
            here.reader.next().await
        };
        let over = u32::try_from(MESSAGE_BYTES_MAX + 1).expect("small").to_be_bytes();
        assert!(matches!(after(over.to_vec()).await, Err(LinkError::TooLong)));
        assert!(matches!(after(vec![0, 0, 0, 2, 250, 1]).await, Err(LinkError::Garbage(_))));
        assert!(matches!(after(Vec::new()).await, Err(LinkError::Closed)));
        let (mut here, mut there) = tokio::io::duplex(1024);
        there.write_all(&[9; HELLO_BYTES]).await.expect("said");
        assert!(matches!(read_hello(&mut here).await, Err(LinkError::Garbage(_))));
    }

    /// Goal: a last word to somebody who does not listen is not waited for. Method: a full pipe.
    #[tokio::test(start_paused = true)]
    async fn a_farewell_has_an_end() {
        let (here, _there) = tokio::io::duplex(8);
        let Link { mut reader, mut writer } = Link::new(here);
        let begun = Instant::now();
        farewell(&mut reader, &mut writer, Some(&Message::End)).await;
        farewell(&mut reader, &mut writer, Some(&Message::Ping { now: Timestamp(i64::MAX) })).await;
        assert!(begun.elapsed() <= FAREWELL_TIMEOUT * 2);
    }
}
