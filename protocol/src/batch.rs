//! A batch: the transaction. A self-framing run of entries that is found again by a scan of raw bytes.
//!
//! All numbers are big-endian. See `README.md` for the layout, [`HEADER_BYTES`] and the order of fields in [`Header`].

use crate::{
    codec::DecodeError,
    entry::{ENTRY_BYTES_MAX, Entry},
    ids::{Digest, Epoch, LogId, Sequence},
    tree::{self, Frontier},
};

/// The first bytes of a frame. No other record of ours begins with them.
pub const MAGIC: [u8; 8] = *b"DBKBATC\x01";
/// The length of a frame's header.
pub const HEADER_BYTES: usize = 156;
/// A frame has at most this many bytes: sled puts values over about 120 KiB into files that it never syncs.
pub const FRAME_BYTES_MAX: usize = 96 * 1024;
/// A batch has at most this many entries.
pub const ENTRIES_MAX: u32 = 1024;

/// Where the header's checksum begins: behind everything it covers.
const CHECKSUM_AT: usize = HEADER_BYTES - 16;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The length of the whole frame, header included.
    pub bytes: u32,
    /// The log.
    pub log: LogId,
    /// The epoch of the writer.
    pub epoch: Epoch,
    /// The place of the first entry.
    pub first: Sequence,
    /// How many entries there are; at least one.
    pub count: u32,
    /// The root of the log before this batch.
    pub previous_root: Digest,
    /// The root of the log with this batch.
    pub root: Digest,
    /// SHA-256 of the body.
    pub body: Digest,
}

/// Why bytes are not the batch they should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BatchError {
    /// The frame does not begin with [`MAGIC`].
    #[error("no batch begins here")]
    NoMagic,
    /// The frame ends before its header says so.
    #[error("the batch is cut short at {bytes} bytes")]
    Short {
        /// How many bytes there are.
        bytes: usize,
    },
    /// Header or body are not what their checksums say.
    #[error("the batch's {part} does not match its checksum")]
    Checksum {
        /// `header` or `body`.
        part: &'static str,
    },
    /// A number in the header is beyond its limit, or the body does not hold what the header says.
    #[error("the batch is malformed: {0}")]
    Malformed(&'static str),
    /// An entry of the batch cannot be read.
    #[error("entry {sequence} cannot be read")]
    Entry {
        /// Which one.
        sequence: Sequence,
        /// Why.
        source: DecodeError,
    },
    /// The batch does not continue the log it is put behind.
    #[error("the batch at entry {found} does not continue the log at entry {expected}: {why}")]
    Chain {
        /// Where the batch says it begins.
        found: Sequence,
        /// Where the log ends.
        expected: Sequence,
        /// What differs.
        why: &'static str,
    },
}

impl Header {
    /// The place behind the batch.
    pub fn end(&self) -> Sequence {
        self.first.plus(u64::from(self.count))
    }

    /// Reads the header of the frame at the beginning of `bytes`, which may go on behind it.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(BatchError::NoMagic);
        }
        let short = BatchError::Short { bytes: bytes.len() };
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Err(short) };
        let (covered, checksum) = header.split_at(CHECKSUM_AT);
        if !Digest::of(covered).0.starts_with(checksum) {
            return Err(BatchError::Checksum { part: "header" });
        }
        let mut rest = Cut(covered.get(MAGIC.len()..).unwrap_or_default());
        let header = Self {
            bytes: u32::from_be_bytes(rest.take()),
            log: LogId(rest.take()),
            epoch: Epoch(u32::from_be_bytes(rest.take())),
            first: Sequence(u64::from_be_bytes(rest.take())),
            count: u32::from_be_bytes(rest.take()),
            previous_root: Digest(rest.take()),
            root: Digest(rest.take()),
            body: Digest(rest.take()),
        };
        match header {
            Self { bytes, .. } if (bytes as usize) < HEADER_BYTES || bytes as usize > FRAME_BYTES_MAX => {
                Err(BatchError::Malformed("its length is beyond the limits"))
            }
            Self { count, .. } if count == 0 || count > ENTRIES_MAX => {
                Err(BatchError::Malformed("its number of entries is beyond the limits"))
            }
            Self { first, count, .. } if first.0.checked_add(u64::from(count)).is_none() => {
                Err(BatchError::Malformed("its sequence is beyond the limits"))
            }
            _ => Ok(header),
        }
    }

    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.bytes.to_be_bytes());
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.first.0.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.previous_root.0);
        out.extend_from_slice(&self.root.0);
        out.extend_from_slice(&self.body.0);
        let checksum = Digest::of(&out);
        out.extend_from_slice(checksum.0.split_at(16).0);
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&out);
        header
    }
}

/// Takes fixed pieces off a slice whose length was checked before; past the end it yields zeros.
struct Cut<'a>(&'a [u8]);

impl Cut<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (piece, rest) = self.0.split_at(N.min(self.0.len()));
        self.0 = rest;
        let mut out = [0; N];
        out.split_at_mut(piece.len()).0.copy_from_slice(piece);
        out
    }
}

/// A frame whose checksums hold: header and bytes. Whether it continues a log is for [`Frame::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    header: Header,
    bytes: Vec<u8>,
}

impl Frame {
    /// The frame at the beginning of `bytes`, which may go on behind it.
    pub fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        let header = Header::decode(bytes)?;
        let Some(frame) = bytes.get(..header.bytes as usize) else {
            return Err(BatchError::Short { bytes: bytes.len() });
        };
        let body = frame.get(HEADER_BYTES..).unwrap_or_default();
        if Digest::of(body) != header.body {
            return Err(BatchError::Checksum { part: "body" });
        }
        Ok(Self { header, bytes: frame.to_vec() })
    }

    /// What the frame says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The frame's bytes: what is stored and sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The entries' bytes with their places, in order; fails where the body is not as the header says.
    pub fn raw_entries(&self) -> impl Iterator<Item = Result<(Sequence, &[u8]), BatchError>> {
        let mut rest = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let mut places = 0..u64::from(self.header.count);
        std::iter::from_fn(move || {
            let Some(place) = places.next() else {
                let left = !rest.is_empty();
                rest = &[];
                return left.then_some(Err(BatchError::Malformed("bytes are left over behind its entries")));
            };
            let entry = rest.split_first_chunk::<4>().and_then(|(length, behind)| {
                let length = u32::from_be_bytes(*length) as usize;
                (length <= ENTRY_BYTES_MAX).then_some(())?;
                behind.split_at_checked(length)
            });
            let Some((entry, behind)) = entry else {
                (places, rest) = (0..0, &[]);
                return Some(Err(BatchError::Malformed("it ends within an entry")));
            };
            rest = behind;
            Some(Ok((self.header.first.plus(place), entry)))
        })
    }

    /// The entries, decoded, in order.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, BatchError>> {
        self.raw_entries().map(|raw| {
            let (sequence, bytes) = raw?;
            let entry = Entry::decode(bytes).map_err(|source| BatchError::Entry { sequence, source })?;
            if entry.sequence == sequence {
                Ok(entry)
            } else {
                Err(BatchError::Malformed("an entry names another place"))
            }
        })
    }

    /// Checks that this batch continues the log that `frontier` stands for, and moves `frontier` past it. Leaves
    /// `frontier` as it was if it does not.
    pub fn check(&self, log: LogId, frontier: &mut Frontier) -> Result<(), BatchError> {
        let expected = Sequence(frontier.count());
        let chain = |why| BatchError::Chain { found: self.header.first, expected, why };
        if self.header.log != log {
            return Err(chain("it is of another log"));
        }
        if self.header.first != expected {
            return Err(chain("entries are missing or come twice"));
        }
        if self.header.previous_root != frontier.root() {
            return Err(chain("the roots before it differ"));
        }
        let mut after = frontier.clone();
        for raw in self.raw_entries() {
            after.push(tree::leaf(raw?.1));
        }
        if self.header.root != after.root() {
            return Err(chain("its entries do not give its root"));
        }
        *frontier = after;
        Ok(())
    }
}

/// Builds a frame entry by entry.
#[derive(Debug)]
pub struct Builder {
    log: LogId,
    epoch: Epoch,
    first: Sequence,
    count: u32,
    previous_root: Digest,
    bytes: Vec<u8>,
}

impl Builder {
    /// A batch that continues the log that `frontier` stands for.
    pub fn new(log: LogId, epoch: Epoch, frontier: &Frontier) -> Self {
        let mut bytes = Vec::with_capacity(FRAME_BYTES_MAX);
        bytes.resize(HEADER_BYTES, 0);
        Self { log, epoch, first: Sequence(frontier.count()), count: 0, previous_root: frontier.root(), bytes }
    }

    /// How many entries there are so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether an entry of `bytes` bytes still fits.
    pub fn fits(&self, bytes: usize) -> bool {
        self.count < ENTRIES_MAX && self.bytes.len() + 4 + bytes <= FRAME_BYTES_MAX
    }

    /// Adds the bytes of an entry and moves `frontier` past it. The caller asked [`Builder::fits`] before.
    pub fn push(&mut self, entry: &[u8], frontier: &mut Frontier) {
        debug_assert!(self.fits(entry.len()), "the caller asks whether the entry fits");
        frontier.push(tree::leaf(entry));
        let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(entry);
        self.count += 1;
    }

    /// The finished frame; `frontier` stands behind its last entry.
    pub fn finish(mut self, frontier: &Frontier) -> Frame {
        debug_assert!(self.count > 0, "a batch has at least one entry");
        let body = Digest::of(self.bytes.get(HEADER_BYTES..).unwrap_or_default());
        let header = Header {
            bytes: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            log: self.log,
            epoch: self.epoch,
            first: self.first,
            count: self.count,
            previous_root: self.previous_root,
            root: frontier.root(),
            body,
        };
        self.bytes.split_at_mut(HEADER_BYTES).0.copy_from_slice(&header.encode());
        Frame { header, bytes: self.bytes }
    }
}
