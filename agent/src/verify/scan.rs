//! Finds batches in raw bytes, whoever wrote them there and in whatever order, and puts them into a chain again.
//!
//! A frame is known by its magic, its header's checksum and its body's hash. What is found may be a leftover that was
//! never acknowledged, so only the chain says what belongs to the log: each frame names the root before it and the root
//! with it. Must not know which engine wrote the bytes.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use daybook_protocol::{
    batch::{BatchError, FRAME_BYTES_MAX, Frame, HEADER_BYTES, Header, MAGIC},
    ids::{Digest, LogId},
};

/// Bytes are read in windows of this many; each overlaps the next by the largest frame, so that none is cut in two.
const WINDOW_BYTES: usize = 8 << 20;

/// How far the pattern may move on by the byte that stands under its last place (Horspool's search). Most bytes are not
/// in the pattern at all, so that the search looks at one byte in eight.
static STEP: [usize; 256] = {
    let mut step = [MAGIC.len(); 256];
    let mut place = 0;
    while place + 1 < MAGIC.len() {
        step[MAGIC[place] as usize] = MAGIC.len() - 1 - place;
        place += 1;
    }
    step
};

/// A frame whose checksums held when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which of the scanned files.
    file: usize,
    /// Where it begins there, in bytes.
    offset: u64,
    /// What it says of itself.
    pub(crate) header: Header,
}

impl Found {
    fn end(&self) -> u64 {
        self.header.end().0
    }
}

/// Batches in the order of the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The batches, first to last.
    pub(crate) batches: Vec<Found>,
    /// The places that no batch was found for, first to last.
    pub(crate) missing: Vec<Range<u64>>,
}

/// The frames found in one or more files. Holds about 200 bytes a batch and none of the bodies.
#[derive(Debug)]
pub(crate) struct Index {
    log: Option<LogId>,
    files: Vec<File>,
    by_end: BTreeMap<u64, Vec<Found>>,
}

impl Index {
    /// An empty index that takes the frames of `log` only, or of any log.
    pub(crate) fn new(log: Option<LogId>) -> Self {
        Self { log, files: Vec::new(), by_end: BTreeMap::new() }
    }

    /// Adds the frames of the file at `path` from byte `from` on. A frame that is there several times is taken once.
    pub(crate) fn scan(&mut self, path: &Path, from: u64) -> io::Result<()> {
        self.scan_telling(path, from, &mut |_| Ok(()))
    }

    /// The same; `told` hears from time to time up to which byte it is, and breaks the scan off by its error.
    pub(crate) fn scan_telling(
        &mut self,
        path: &Path,
        from: u64,
        told: &mut dyn FnMut(u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let file = File::open(path)?;
        let number = self.files.len();
        let mut window = Vec::with_capacity(WINDOW_BYTES + FRAME_BYTES_MAX);
        let mut at = from;
        loop {
            window.clear();
            (&file).seek(SeekFrom::Start(at))?;
            let whole = (&file).take((WINDOW_BYTES + FRAME_BYTES_MAX) as u64).read_to_end(&mut window)?;
            let last = whole < WINDOW_BYTES + FRAME_BYTES_MAX;
            // Frames that begin behind the window's own bytes are judged with the next one.
            let limit = if last { whole } else { WINDOW_BYTES + MAGIC.len() - 1 };
            let mut place = 0;
            while let Some(hit) = find_magic(window.get(place..limit).unwrap_or_default()) {
                let begins = place + hit;
                let bytes = window.get(begins..).unwrap_or_default();
                place = begins + self.judge(number, at + begins as u64, bytes);
            }
            if last {
                break;
            }
            at += place.max(WINDOW_BYTES) as u64;
            told(at)?;
        }
        self.files.push(file);
        Ok(())
    }

    /// Takes the frame at the beginning of `bytes` if it is one, and says how many bytes on the search resumes.
    fn judge(&mut self, file: usize, offset: u64, bytes: &[u8]) -> usize {
        let Ok(header) = Header::decode(bytes) else { return 1 };
        if self.log.is_some_and(|log| log != header.log) {
            return 1;
        }
        let same_end = self.by_end.entry(header.end().0).or_default();
        if same_end.iter().any(|found| found.header == header) {
            // The engine writes a batch two or three times; one good copy is enough, and hashing is most of the cost.
            return HEADER_BYTES;
        }
        if Frame::read(bytes).is_err() {
            if same_end.is_empty() {
                self.by_end.remove(&header.end().0);
            }
            // What looked like a frame may have been overwritten by a real one that begins within it.
            return 1;
        }
        same_end.push(Found { file, offset, header });
        header.bytes as usize
    }

    /// The place behind the last batch found, whatever it belongs to.
    pub(crate) fn furthest(&self) -> u64 {
        self.by_end.last_key_value().map_or(0, |(end, _)| *end)
    }

    /// Reads a found frame again. Fails if its bytes are no longer those that were scanned.
    pub(crate) fn read(&self, found: &Found) -> io::Result<Result<Frame, BatchError>> {
        let mut bytes = Vec::with_capacity(found.header.bytes as usize);
        if let Some(mut file) = self.files.get(found.file) {
            file.seek(SeekFrom::Start(found.offset))?;
            file.take(u64::from(found.header.bytes)).read_to_end(&mut bytes)?;
        }
        Ok(Frame::read(&bytes).and_then(|frame| {
            let same = *frame.header() == found.header;
            same.then_some(frame).ok_or(BatchError::Malformed("another batch was written over it"))
        }))
    }

    /// The batches of the log that has `count` entries and this root, found by walking back from its end. Where one is
    /// missing, the walk goes on from the nearest batch before it, so that all that is missing is known.
    pub(crate) fn back_from(&self, count: u64, root: Digest) -> Chain {
        let (mut chain, mut count, mut root) = (Chain::default(), count, root);
        while count > 0 {
            if let Some(found) = self.ending(count, &root) {
                chain.batches.push(*found);
                (count, root) = (found.header.first.0, found.header.previous_root);
                continue;
            }
            let before = self.by_end.range(..count).next_back().and_then(|(_, found)| found.first());
            let (end, end_root) = before.map_or((0, Digest::of(b"")), |found| (found.end(), found.header.root));
            chain.missing.push(end..count);
            (count, root) = (end, end_root);
        }
        chain.batches.reverse();
        chain.missing.reverse();
        chain
    }

    /// The longest run of batches that continues the log of `count` entries and this root.
    pub(crate) fn forward_from(&self, count: u64, root: Digest) -> Vec<Found> {
        // Taken from the end of the log, the best way on from a batch's end is known when the batch is looked at.
        let mut best: HashMap<(u64, Digest), (u64, &Found)> = HashMap::new();
        let mut all: Vec<&Found> = self.by_end.range(count..).flat_map(|(_, found)| found).collect();
        all.sort_by_key(|found| std::cmp::Reverse(found.header.first));
        for found in all {
            let furthest = best.get(&(found.end(), found.header.root)).map_or(found.end(), |(furthest, _)| *furthest);
            let here = best.entry((found.header.first.0, found.header.previous_root)).or_insert((furthest, found));
            if furthest > here.0 {
                *here = (furthest, found);
            }
        }
        let mut at = (count, root);
        let mut run = Vec::new();
        while let Some((_, found)) = best.get(&at) {
            run.push(**found);
            at = (found.end(), found.header.root);
        }
        run
    }

    fn ending(&self, count: u64, root: &Digest) -> Option<&Found> {
        let ways = self.by_end.get(&count)?.iter().filter(|found| found.header.root == *root);
        // Of several ways to the same root, one that goes on further back is better.
        ways.max_by_key(|found| {
            let before = self.by_end.get(&found.header.first.0);
            found.header.first.0 == 0
                || before.is_some_and(|all| all.iter().any(|other| other.header.root == found.header.previous_root))
        })
    }
}

/// Where in `bytes` the first [`MAGIC`] begins.
pub(crate) fn find_magic(bytes: &[u8]) -> Option<usize> {
    let mut end = MAGIC.len() - 1;
    while let Some(last) = bytes.get(end) {
        let begin = end + 1 - MAGIC.len();
        if bytes.get(begin..=end) == Some(&MAGIC) {
            return Some(begin);
        }
        end += STEP[usize::from(*last)];
    }
    None
}
