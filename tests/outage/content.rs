//! A file of which a part is durable, and what may be left of the rest.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;

const BLOCK: usize = 4096;
const SECTOR: usize = 512;
/// One block in so many is torn.
const TORN_OF: u32 = 6;

/// How much of what is not synced is there after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing at all.
    Nothing,
    /// All of it, as after a kill.
    All,
    /// Each part for itself, with so many chances in ten.
    Some(u32),
    /// All up to some moment, nothing behind it.
    UpTo(usize),
}

impl Left {
    /// Whether what happened at event `no` is there.
    pub(crate) fn keeps(self, no: usize, random: &mut ChaCha12Rng) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Some(tenths) => random.random_range(0..10) < tenths,
            Self::UpTo(end) => no < end,
        }
    }

    /// Some way to lose what is not synced at event `now`.
    pub(crate) fn random(now: usize, random: &mut ChaCha12Rng) -> Self {
        match random.random_range(0..10) {
            0..2 => Self::Nothing,
            2 => Self::All,
            3..5 => Self::UpTo(random.random_range(now.saturating_sub(60)..=now)),
            _ => Self::Some([1, 5, 5, 9][random.random_range(0..4)]),
        }
    }
}

/// A file's bytes.
#[derive(Clone, Default)]
pub(crate) struct Content {
    durable: Vec<u8>,
    unsynced: Vec<(usize, Change)>,
    /// A real file that has to keep its identity: it is moved into place, never written.
    pub(crate) original: Option<PathBuf>,
}

/// A change of them.
#[derive(Clone)]
pub(crate) enum Change {
    Write(u64, Arc<[u8]>),
    Resize(u64),
    Extend(u64),
}

impl Change {
    fn happens(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, written) => {
                let at = usize::try_from(*at).expect("a place");
                if bytes.len() < at + written.len() {
                    bytes.resize(at + written.len(), 0);
                }
                bytes[at..at + written.len()].copy_from_slice(written);
            }
            Self::Resize(length) => bytes.resize(usize::try_from(*length).expect("a length"), 0),
            Self::Extend(length) => bytes.resize(bytes.len().max(usize::try_from(*length).expect("a length")), 0),
        }
    }

    /// The length of a file of `length` bytes after it.
    fn length(&self, length: usize) -> usize {
        match self {
            Self::Write(at, written) => length.max(usize::try_from(*at).expect("a place") + written.len()),
            Self::Resize(to) => usize::try_from(*to).expect("a length"),
            Self::Extend(to) => length.max(usize::try_from(*to).expect("a length")),
        }
    }
}

impl Content {
    /// A real file, which is not changed.
    pub(crate) fn original(place: &Path) -> Self {
        Self { original: Some(place.to_owned()), ..Self::default() }
    }

    /// Lets a change happen, at event `no`.
    pub(crate) fn change(&mut self, no: usize, change: Change) {
        assert!(self.original.is_none(), "the program writes into the original {:?}", self.original);
        self.unsynced.push((no, change));
    }

    /// Makes durable what had happened before event `begun`.
    pub(crate) fn sync(&mut self, begun: usize) {
        let covered = self.unsynced.iter().take_while(|(no, _)| *no < begun).count();
        for (_, change) in self.unsynced.drain(..covered) {
            change.happens(&mut self.durable);
        }
    }

    /// Writes what is durable to a file, but for blocks of zeros, which are left out.
    pub(crate) fn write(&self, path: &Path) {
        let file = File::create(path).expect("a file");
        file.set_len(self.durable.len() as u64).expect("a length");
        for (block, piece) in self.durable.chunks(BLOCK).enumerate() {
            if piece != &[0; BLOCK][..piece.len()] {
                file.write_all_at(piece, (block * BLOCK) as u64).expect("written");
            }
        }
    }

    /// What can be read of it.
    pub(crate) fn live(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.unsynced.iter().for_each(|(_, change)| change.happens(&mut bytes));
        bytes
    }

    /// What is left when the power fails.
    pub(crate) fn cut(&mut self, left: Left, random: &mut ChaCha12Rng) {
        let mut unsynced = std::mem::take(&mut self.unsynced).into_iter().peekable();
        // From one cut of its length to the next, the rest of it may be there in any order.
        while unsynced.peek().is_some() {
            let mut length = self.durable.len();
            let mut part = Vec::new();
            let mut shrinks = None;
            for (no, change) in unsynced.by_ref() {
                let after = change.length(length);
                if after < length {
                    shrinks = Some((no, after));
                    break;
                }
                length = after;
                part.push((no, change));
            }
            self.cut_part(&part, left, random);
            match shrinks {
                Some((no, after)) if left.keeps(no, random) => self.durable.truncate(after),
                Some(_) => return,
                None => {}
            }
        }
    }

    fn cut_part(&mut self, part: &[(usize, Change)], left: Left, random: &mut ChaCha12Rng) {
        let before = std::mem::take(&mut self.durable);
        let mut lengths = vec![before.len()];
        let mut writers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, (no, change)) in part.iter().enumerate() {
            let (from, to) = (lengths.last().copied().unwrap_or(0), change.length(*lengths.last().unwrap_or(&0)));
            if let Change::Write(at, bytes) = change {
                let at = usize::try_from(*at).expect("a place");
                (at / BLOCK..(at + bytes.len()).div_ceil(BLOCK))
                    .for_each(|block| writers.entry(block).or_default().push(place));
                // A write grows a file a block at a time, and may be met between two.
                if matches!(left, Left::Some(_)) {
                    lengths.extend((from / BLOCK + 1..to.div_ceil(BLOCK)).map(|block| block * BLOCK));
                }
            }
            if left.keeps(*no, random) || matches!(left, Left::Some(_)) {
                lengths.push(to);
            }
        }
        let length = match left {
            Left::Some(_) => lengths[random.random_range(0..lengths.len())],
            _ => lengths.last().copied().unwrap_or_default(),
        };
        let mut after = before.clone();
        after.resize(length, 0);
        for (block, writers) in writers {
            let range = block * BLOCK..((block + 1) * BLOCK).min(length);
            if range.is_empty() {
                continue;
            }
            let moment = |random: &mut ChaCha12Rng| match left {
                // Some way through its writes, none and all counted.
                Left::Some(tenths) if random.random_range(0..10) < tenths => random.random_range(1..=writers.len()),
                Left::Some(_) => 0,
                _ => writers.iter().filter(|place| left.keeps(part[**place].0, &mut random.clone())).count(),
            };
            let first = moment(random);
            block_at(&before, part, &writers[..first], block, &mut after[range.clone()]);
            if matches!(left, Left::Some(_)) && random.random_range(0..TORN_OF) == 0 {
                let second = moment(random);
                let torn = (random.random_range(1..BLOCK / SECTOR) * SECTOR).min(range.len());
                let mut other = vec![0; range.len()];
                block_at(&before, part, &writers[..second], block, &mut other);
                after[range.start + torn..range.end].copy_from_slice(&other[torn..]);
            }
        }
        self.durable = after;
    }
}

/// A block as it was after some of its writes.
fn block_at(before: &[u8], part: &[(usize, Change)], writers: &[usize], block: usize, to: &mut [u8]) {
    let start = block * BLOCK;
    to.fill(0);
    let there = before.get(start..).unwrap_or_default();
    let length = there.len().min(to.len());
    to[..length].copy_from_slice(&there[..length]);
    for writer in writers {
        let Change::Write(at, bytes) = &part[*writer].1 else { continue };
        let at = usize::try_from(*at).expect("a place");
        let (from, end) = (at.max(start), (at + bytes.len()).min(start + to.len()));
        if from < end {
            to[from - start..end - start].copy_from_slice(&bytes[from - at..end - at]);
        }
    }
}
