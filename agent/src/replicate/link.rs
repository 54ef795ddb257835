//! Hellos and messages over a stream, with their limits of size and time. Knows nothing of what the messages mean.

use std::{io, time::Duration};

use daybook_protocol::{
    DecodeError,
    wire::{HELLO_BYTES, Hello, MESSAGE_BYTES_MAX, Message},
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

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
            _ if error.get_ref().is_some_and(|inner| inner.is::<tokio_util::codec::LengthDelimitedCodecError>()) => {
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
        timeout(WRITE_TIMEOUT, self.0.send(bytes.into())).await.map_err(|_| LinkError::Slow("a message"))??;
        Ok(())
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
        writer.0.close().await.map_err(LinkError::from)
    };
    // Whoever is turned away may be gone already, or not read any more: nothing is lost by that.
    let _ = timeout(FAREWELL_TIMEOUT, async { tokio::join!(close, reader.drain()) }).await;
}
