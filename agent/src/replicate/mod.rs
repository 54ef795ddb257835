//! How a log gets to the central node and comes back from it: the agent's side of the wire, and what both sides share.
//!
//! The rules are in plain structs that are driven by calls ([`Exchange`], [`Recovery`]); only `session`, `join` and
//! `recover` wait, connect and read clocks. Must not know how a log is stored, beyond the traits [`Outbound`] and
//! [`Archive`].

mod client;
mod copy;
mod exchange;
mod join;
mod link;
mod look;
#[cfg(test)]
pub(crate) mod memory;
mod position;
mod recover;
mod recovery;
mod session;
#[cfg(test)]
mod tests;

use daybook_protocol::{
    batch::{FRAME_BYTES_MAX, Frame},
    date::Timestamp,
    ids::{Digest, Epoch, LogId, Sequence},
    tree::Frontier,
    wire::{KeysHeld, Message, Refusal},
};

pub use client::{ConnectError, TlsFilesError};
#[cfg(test)]
pub(crate) use client::{TlsFiles, connect};
pub use copy::{LocalLog, LogCopy};
pub use exchange::{Exchange, Stop};
pub(crate) use exchange::{GO_BACK, fork, rollback};
#[cfg(test)]
pub(crate) use join::certify;
pub use join::{JoinError, join};
pub(crate) use link::{
    HANDSHAKE_TIMEOUT, HELLO_TIMEOUT, Link, LinkError, Reader, Writer, farewell, read_hello, write_hello,
};
pub use look::mirrored;
pub use position::{Position, kept_checkpoint};
pub use recover::{Progress, RecoverError, Recovered, recover, settle, take_over};
pub use recovery::Recovery;
#[cfg(test)]
pub(crate) use session::is_final;
pub use session::{Mirroring, SessionError, run_session};

/// The port of a central node, where an address names none.
pub const PORT: u16 = 7310;
/// What a recovering machine says for its log: which one it is, the code says.
pub(crate) const ANY_LOG: LogId = LogId([0; 16]);
/// The level that compresses batches: higher ones cost more than the network gains.
const ZSTD_LEVEL: i32 = 1;

/// Why a log cannot be read or written, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The disk is full: refuse, and try again later.
    #[error("the disk is full: make room, then it goes on by itself")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has it open: refuse, and try again later.
    #[error("another process has the log open")]
    InUse(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is there differs from what came: refuse, nothing is overwritten.
    #[error("what is here differs from what came")]
    Differs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What came does not pass its own checksum: refuse it, it may be sent again.
    #[error("what came does not pass its own checksum")]
    Spoilt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is damaged or cannot be reached: stop.
    #[error("the log cannot be read or written: `daybook verify` says what is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What goes out of a log, for another machine to have a copy of it. All calls may block on a disk.
pub trait Outbound: Send + Sync {
    /// The log.
    fn log(&self) -> LogId;
    /// How many entries are durable, and their root.
    fn head(&self) -> Result<(u64, Digest), CopyError>;
    /// Whole durable batches, in order; the first is the one that holds `from`. About `bytes_max` bytes, at least one batch
    /// if there is one.
    fn frames(&self, from: Sequence, bytes_max: usize) -> Result<Vec<Frame>, CopyError>;
    /// How many wrapped keys are durable, by epoch.
    fn keys_held(&self) -> Result<Vec<KeysHeld>, CopyError>;
    /// Whole records of the keyring from number `first` on, at most `bytes_max` bytes; empty behind the last.
    fn key_records(&self, epoch: Epoch, first: u32, bytes_max: usize) -> Result<Vec<u8>, CopyError>;
    /// The length of an original's sealed object; `None` if it is not here.
    fn object_bytes(&self, sha256: Digest) -> Result<Option<u64>, CopyError>;
    /// A piece of a sealed object, at most `bytes_max` bytes; empty at its end.
    fn object_piece(&self, sha256: Digest, offset: u64, bytes_max: usize) -> Result<Vec<u8>, CopyError>;
}

/// A copy of a log that is being written: on the central node, and on a machine that recovers.
pub trait Archive: Outbound {
    /// The right edge of the tree, as of the last barrier.
    fn frontier(&self) -> Frontier;
    /// The epoch of the last batch, as of the last barrier.
    fn epoch(&self) -> Epoch;
    /// Puts a batch behind the log; the caller has checked that it continues it. Not durable before [`Archive::barrier`].
    fn append(&mut self, frame: &Frame) -> Result<(), CopyError>;
    /// Makes everything appended durable.
    fn barrier(&mut self, frontier: &Frontier, epoch: Epoch) -> Result<(), CopyError>;
    /// Puts records into the keyring from number `first` on, durably; gives how many there are now. The same records again
    /// are fine, others are [`CopyError::Differs`].
    fn append_keys(&mut self, epoch: Epoch, first: u32, records: &[u8]) -> Result<u32, CopyError>;
    /// How much of an incoming object is here.
    fn partial_bytes(&self, sha256: Digest) -> u64;
    /// Takes a piece of an object. `true` when the object is complete, has passed its own checksum and is durable; an object
    /// that does not pass is [`CopyError::Spoilt`] and begins anew.
    fn receive_piece(&mut self, sha256: Digest, offset: u64, total: u64, bytes: &[u8]) -> Result<bool, CopyError>;
    /// Before which place no original was missing when it was last noted; 0 if that is not known.
    fn originals_noted(&self) -> Sequence;
    /// Notes before which place no original is missing. Only saves work: losing it is harmless.
    fn note_originals(&mut self, through: Sequence);
    /// Keeps the latest signed checkpoint, whole.
    fn keep_checkpoint(&mut self, note: &str) -> Result<(), CopyError>;
}

/// Why one side turns the other away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// The reason, for programs.
    pub refusal: Refusal,
    /// What happened and what to do, for a person; nothing personal.
    pub detail: String,
}

impl Refused {
    /// A refusal as a peer worded it, made safe to keep and to print.
    pub(crate) fn from_peer(refusal: Refusal, detail: &str) -> Self {
        let detail = detail.chars().filter(|letter| !letter.is_control()).take(DETAIL_CHARS_MAX).collect();
        Self { refusal, detail }
    }

    /// A refusal with its reason in words.
    pub fn new(refusal: Refusal, detail: impl Into<String>) -> Self {
        Self { refusal, detail: detail.into() }
    }

    /// The detail as it may stand in a program's log and in alarms: without what an operator wrote, who may have named a
    /// person.
    pub fn in_public(&self) -> &str {
        match self.refusal {
            Refusal::Revoked => "the certificate of this agent was revoked: `daybook central agents` says when and why",
            _ => &self.detail,
        }
    }

    /// A broken rule of the protocol.
    pub fn protocol(detail: impl Into<String>) -> Self {
        Self::new(Refusal::Protocol, detail)
    }

    /// As the last message of a connection.
    pub fn message(&self) -> Message {
        // A detail comes from us or, repeated, from a peer: it is cut so that it fits into a message in any case.
        let detail = self.detail.chars().take(DETAIL_CHARS_MAX).collect();
        Message::Refused { refusal: self.refusal, detail }
    }
}

/// The detail of a refusal is at most this long: a few sentences.
const DETAIL_CHARS_MAX: usize = 2000;

/// A batch as a message, compressed where that makes it shorter.
pub(crate) fn batch_message(frame: &Frame) -> Message {
    match zstd::bulk::compress(frame.bytes(), ZSTD_LEVEL) {
        Ok(bytes) if bytes.len() < frame.bytes().len() => Message::Batch { compressed: true, bytes },
        _ => Message::Batch { compressed: false, bytes: frame.bytes().to_vec() },
    }
}

/// The batch of a message; its checksums hold, nothing else is known of it.
pub fn frame_of(compressed: bool, bytes: &[u8]) -> Result<Frame, Refused> {
    let unpacked;
    let bytes = if compressed {
        unpacked = zstd::bulk::decompress(bytes, FRAME_BYTES_MAX)
            .map_err(|error| Refused::protocol(format!("a batch cannot be unpacked: {error}")))?;
        unpacked.as_slice()
    } else {
        bytes
    };
    let frame = Frame::read(bytes).map_err(|error| Refused::protocol(format!("a batch came damaged: {error}")))?;
    if frame.bytes().len() == bytes.len() {
        Ok(frame)
    } else {
        Err(Refused::protocol("a batch is followed by bytes that do not belong to it"))
    }
}

/// This machine's clock.
pub(crate) fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}
