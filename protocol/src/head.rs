//! The head: how far the log is known to be durable. Two slots of fixed size, written in turn, each with a checksum, so
//! that a torn write spoils one and never both.

use crate::{
    ids::{Digest, Epoch, LogId},
    tree::Frontier,
};

/// The length of a slot.
pub const SLOT_BYTES: usize = 4096;
const MAGIC: [u8; 8] = *b"DBKHEAD\x01";
const FIXED_BYTES: usize = 8 + 8 + 16 + 4 + 8 + 32;

/// Where the log ends, as of the last barrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Counts the heads written; the slot with the higher one is the present one.
    pub generation: u64,
    /// The log.
    pub log: LogId,
    /// The epoch of the last batch.
    pub epoch: Epoch,
    /// Count, root and right edge of the tree.
    pub frontier: Frontier,
}

impl Head {
    /// The slot's bytes: magic, generation, log id, epoch, count, root, subtrees, zeros, SHA-256 of all before it.
    pub fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut out = Vec::with_capacity(SLOT_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.generation.to_be_bytes());
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.frontier.count().to_be_bytes());
        out.extend_from_slice(&self.frontier.root().0);
        for subtree in self.frontier.subtrees() {
            out.extend_from_slice(&subtree.0);
        }
        out.resize(SLOT_BYTES - 32, 0);
        let checksum = Digest::of(&out);
        out.extend_from_slice(&checksum.0);
        let mut slot = [0; SLOT_BYTES];
        slot.copy_from_slice(&out);
        slot
    }

    /// Reads a slot; `None` if it was never written or is damaged.
    pub fn decode(slot: &[u8]) -> Option<Self> {
        let (covered, checksum) = slot.split_at_checked(SLOT_BYTES - 32)?;
        if Digest::of(covered).0 != checksum {
            return None;
        }
        let (magic, rest) = covered.split_first_chunk::<8>()?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let (log, rest) = rest.split_first_chunk::<16>()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let (root, rest) = rest.split_first_chunk::<32>()?;
        let count = u64::from_be_bytes(*count);
        let subtrees = rest.chunks_exact(32).take(count.count_ones() as usize);
        let subtrees = subtrees.filter_map(|bytes| bytes.try_into().ok().map(Digest)).collect();
        let frontier = Frontier::from_parts(count, subtrees)?;
        (*magic == MAGIC && frontier.root().0 == *root).then_some(Self {
            generation: u64::from_be_bytes(*generation),
            log: LogId(*log),
            epoch: Epoch(u32::from_be_bytes(*epoch)),
            frontier,
        })
    }

    /// The present head of a head file: the valid slot of the higher generation.
    pub fn of_file(bytes: &[u8]) -> Option<Self> {
        bytes.chunks(SLOT_BYTES).take(2).filter_map(Self::decode).max_by_key(|head| head.generation)
    }

    /// Where in a head file a slot begins that was written and is not good, in bytes; zeros were never written. Where the other
    /// slot is good, this one may have been the newer: the log then goes on behind that head.
    pub fn spoilt_slot(bytes: &[u8]) -> Option<usize> {
        let slots = (0..2).map(|slot| slot * SLOT_BYTES);
        let good =
            |slot: &[u8]| Self::decode(slot).is_some() || (slot.len() == SLOT_BYTES && slot.iter().all(|b| *b == 0));
        slots.into_iter().find(|at| !bytes.get(*at..).is_some_and(|rest| good(rest.get(..SLOT_BYTES).unwrap_or(rest))))
    }

    /// Where in the head file this head belongs, in bytes from its beginning.
    pub fn offset(&self) -> u64 {
        (self.generation % 2) * SLOT_BYTES as u64
    }
}

const _: () =
    assert!(FIXED_BYTES + crate::tree::FRONTIER_MAX * 32 + 32 <= SLOT_BYTES, "the largest frontier fits into a slot");
