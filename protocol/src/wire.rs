//! What agent and central node say to each other, inside one TLS 1.3 connection.
//!
//! Each side first sends a [`Hello`]: fixed bytes, the same for ever, so that two versions can always tell each other why
//! they do not understand one another. Then messages follow, each behind its length as four big-endian bytes.

use bincode::{Decode, Encode};

use crate::{
    codec::{self, DecodeError},
    date::Timestamp,
    ids::{Digest, Epoch, LogId, Sequence},
};

/// The version of the messages; the hello names it.
pub const VERSION: u16 = 1;
/// The length of a hello.
pub const HELLO_BYTES: usize = 96;
/// A message has at most this many bytes: a batch or a piece of an original, and room for what stands around it.
pub const MESSAGE_BYTES_MAX: usize = 160 * 1024;
/// A piece of an original or of the keyring has at most this many bytes.
pub const PIECE_BYTES_MAX: usize = 128 * 1024;
/// At most this many messages may be under way without an answer.
pub const WINDOW_MESSAGES_MAX: usize = 64;

const MAGIC: [u8; 8] = *b"DAYBOOK\n";

/// Which side speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that writes the log.
    Agent,
    /// The side that keeps the copy.
    Central,
    /// A machine without a certificate, with a one-time code.
    Newcomer,
}

/// The first bytes of each side: magic, version, role, five zeros, log id, epoch, four zeros, count, root, sixteen zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The version of the messages that follow.
    pub version: u16,
    /// Who speaks.
    pub role: Role,
    /// The log that is spoken of.
    pub log: LogId,
    /// The speaker's epoch of it.
    pub epoch: Epoch,
    /// How many entries the speaker has.
    pub count: u64,
    /// The root the speaker has.
    pub root: Digest,
}

impl Hello {
    /// The hello's bytes.
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut out = Vec::with_capacity(HELLO_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.push(match self.role {
            Role::Agent => 1,
            Role::Central => 2,
            Role::Newcomer => 3,
        });
        out.extend_from_slice(&[0; 5]);
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.root.0);
        out.resize(HELLO_BYTES, 0);
        let mut hello = [0; HELLO_BYTES];
        hello.copy_from_slice(&out);
        hello
    }

    /// Reads a hello. What stands where zeros should is ignored: a later version may use it.
    pub fn decode(bytes: &[u8; HELLO_BYTES]) -> Result<Self, DecodeError> {
        let malformed = |why: &str| DecodeError::Malformed { what: "hello", why: why.to_owned() };
        let cut = |at: usize, length: usize| bytes.get(at..at + length).unwrap_or_default();
        if cut(0, 8) != MAGIC {
            return Err(malformed("this is not a Daybook connection"));
        }
        let role = match cut(10, 1) {
            [1] => Role::Agent,
            [2] => Role::Central,
            [3] => Role::Newcomer,
            _ => return Err(malformed("unknown role")),
        };
        let unreadable = |_| malformed("too short");
        Ok(Self {
            version: u16::from_be_bytes(cut(8, 2).try_into().map_err(unreadable)?),
            role,
            log: LogId(cut(16, 16).try_into().map_err(unreadable)?),
            epoch: Epoch(u32::from_be_bytes(cut(32, 4).try_into().map_err(unreadable)?)),
            count: u64::from_be_bytes(cut(40, 8).try_into().map_err(unreadable)?),
            root: Digest(cut(48, 32).try_into().map_err(unreadable)?),
        })
    }
}

/// Why the other side is turned away. The order is the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Refusal {
    /// The other side speaks a version that this one does not.
    Version,
    /// The certificate is not one that this central node gave out for this log.
    Identity,
    /// The certificate was revoked.
    Revoked,
    /// Another machine has taken the log over by `recover`.
    Fenced,
    /// The logs differ in what both have.
    Fork,
    /// The agent's log ends before what it was told is mirrored: an old copy was started.
    Rollback,
    /// Entries are missing between what both have.
    Gap,
    /// The one-time code is unknown, used or out of date.
    Code,
    /// The central node's copy of this log is damaged or cannot be opened.
    Damaged,
    /// A message broke a rule of the protocol.
    Protocol,
    /// The central node cannot take more now: its disk is full or it is at its limits.
    Busy,
}

impl Refusal {
    /// Every refusal, in the order of their tags.
    pub const ALL: [Self; 11] = [
        Self::Version,
        Self::Identity,
        Self::Revoked,
        Self::Fenced,
        Self::Fork,
        Self::Rollback,
        Self::Gap,
        Self::Code,
        Self::Damaged,
        Self::Protocol,
        Self::Busy,
    ];

    /// The word that stands for it in alarms and in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Identity => "identity",
            Self::Revoked => "revoked",
            Self::Fenced => "fenced",
            Self::Fork => "fork",
            Self::Rollback => "rollback",
            Self::Gap => "gap",
            Self::Code => "code",
            Self::Damaged => "damaged",
            Self::Protocol => "protocol",
            Self::Busy => "busy",
        }
    }
}

/// How far the central node has keys of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct KeysHeld {
    /// The epoch.
    pub epoch: Epoch,
    /// How many wrapped keys of it are durable there.
    pub count: u32,
}

/// How far the central node is, behind its barrier.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Mirrored {
    /// The log's count there.
    pub count: u64,
    /// The log's root there.
    pub root: Digest,
    /// Every original of an arrival before this place is there.
    pub originals_through: Sequence,
    /// The wrapped keys there, by epoch.
    pub keys: Vec<KeysHeld>,
    /// A signed checkpoint of count and root.
    pub checkpoint: String,
    /// The central node's clock.
    pub now: Timestamp,
}

/// A message. The order is the format: tags are never reused.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// Central: how far it is, right after its hello, and again whenever a barrier has passed.
    Mirrored(Mirrored),
    /// Either side, its last message: why it closes.
    Refused {
        /// The reason.
        refusal: Refusal,
        /// What happened and what to do, for a person.
        detail: String,
    },
    /// A batch's frame; compressed with zstd where that made it shorter.
    Batch {
        /// Whether `bytes` are compressed.
        compressed: bool,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Records of the keyring as they stand in its file, wrapped.
    Keys {
        /// The epoch they belong to.
        epoch: Epoch,
        /// The number of the first one.
        first: u32,
        /// The records.
        records: Vec<u8>,
    },
    /// Agent: asks how much of an original is there already.
    OriginalOffer {
        /// Which original, by the SHA-256 of its bytes.
        sha256: Digest,
        /// The length of the sealed object.
        total: u64,
    },
    /// Central: has this many bytes of the sealed object; go on from there.
    OriginalAt {
        /// Which original.
        sha256: Digest,
        /// How many bytes are there.
        offset: u64,
    },
    /// A piece of a sealed object.
    OriginalPiece {
        /// Which original.
        sha256: Digest,
        /// Where the piece begins.
        offset: u64,
        /// The length of the whole object.
        total: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// Newcomer: asks to be certified.
    Join {
        /// The secret of the one-time code.
        secret: [u8; 16],
        /// Certificate signing request (DER).
        request: Vec<u8>,
    },
    /// Central: the answer to `Join`.
    Certified {
        /// The agent's certificate (DER).
        certificate: Vec<u8>,
        /// The authority's certificate (DER).
        authority: Vec<u8>,
        /// The key that checks checkpoints, as a C2SP vkey.
        verifier: String,
        /// The log the certificate is for.
        log: LogId,
        /// The epoch the machine is to write.
        epoch: Epoch,
    },
    /// Recovering machine: asks for the batches from a place on; `Batch` messages and `End` follow.
    FetchBatches {
        /// The first place wanted.
        from: Sequence,
    },
    /// Recovering machine: asks for the keys; `Keys` messages and `End` follow.
    FetchKeys,
    /// Recovering machine: asks for an original from an offset on; `OriginalPiece` messages and `End` follow.
    FetchOriginal {
        /// Which original.
        sha256: Digest,
        /// The first byte wanted.
        offset: u64,
    },
    /// The end of what was asked for.
    End,
    /// Agent: still here, at this time.
    Ping {
        /// The agent's clock.
        now: Timestamp,
    },
    /// Central: the answer to `Ping`.
    Pong {
        /// The central node's clock.
        now: Timestamp,
    },
}

impl Message {
    /// The message's bytes, without the length before them.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::with_capacity(256);
        codec::encode_into::<MESSAGE_BYTES_MAX, _>("message", self, &mut out)?;
        Ok(out)
    }

    /// Reads one message that fills `bytes` to the last.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode::<MESSAGE_BYTES_MAX, _>("message", bytes)
    }
}
