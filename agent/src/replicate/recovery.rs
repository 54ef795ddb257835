//! What a recovering machine says to the central node, as a struct that is driven by calls: keys first, then batches, then
//! originals, each from where it stands, so that after a cut it goes on. Nothing that comes is believed: batches must chain,
//! objects must pass their own checksums, and the whole must have the root that the central node signed for.

use std::collections::{HashSet, VecDeque};

use daybook_protocol::{
    batch::Frame,
    checkpoint::{Checkpoint, Verifier},
    ids::{Digest, Epoch, LogId, Sequence},
    tree::Frontier,
    wire::{Message, Mirrored, Refusal},
};

use super::{Archive, CopyError, Progress, Refused, Stop, exchange::fork, frame_of};

/// A barrier is set after so many bytes of batches, so that a recover that is cut off has not to begin anew.
const BARRIER_BYTES: usize = 8 << 20;
/// So many bytes of batches are read at a time to look for arrivals.
const READ_BYTES: usize = 512 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Keys,
    Batches,
    Originals,
    Done,
}

/// The original that is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    sha256: Digest,
    offset: u64,
    /// What came does not fit what is here; the rest of it is passed over.
    spoilt: bool,
    /// It is asked for a second time, from its beginning.
    again: bool,
}

/// A recover under way.
pub struct Recovery<A> {
    archive: A,
    log: LogId,
    epoch: Epoch,
    verifier: Verifier,
    frontier: Frontier,
    last_epoch: Epoch,
    unsettled_bytes: usize,
    stage: Stage,
    theirs: Option<Mirrored>,
    walked: Sequence,
    seen: HashSet<Digest>,
    wanted: VecDeque<Digest>,
    asked: Option<Asked>,
    progress: Progress,
    missing: Vec<Digest>,
}

impl<A: Archive> Recovery<A> {
    /// A recover of the log of `archive`, by the machine that will write it in `epoch`.
    pub fn open(archive: A, epoch: Epoch, verifier: Verifier) -> Self {
        Self {
            log: archive.log(),
            epoch,
            verifier,
            frontier: archive.frontier(),
            last_epoch: archive.epoch(),
            unsettled_bytes: 0,
            stage: Stage::Keys,
            theirs: None,
            walked: Sequence(0),
            seen: HashSet::new(),
            wanted: VecDeque::new(),
            asked: None,
            progress: Progress::default(),
            missing: Vec::new(),
            archive,
        }
    }

    /// Begins a new connection: what was asked for on an earlier one is asked for again. Gives count and root for the hello.
    pub fn connect(&mut self) -> Result<(u64, Digest), Stop> {
        self.theirs = None;
        if let Some(asked) = self.asked.take() {
            self.wanted.push_front(asked.sha256);
        }
        self.settle()?;
        Ok((self.frontier.count(), self.frontier.root()))
    }

    /// Whether everything is here.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The originals that the central node does not have.
    pub fn missing(&self) -> &[Digest] {
        &self.missing
    }

    /// The position that the central node signed for.
    pub fn mirrored(&self) -> Option<&Mirrored> {
        self.theirs.as_ref()
    }

    /// Gives the archive back.
    pub fn into_archive(self) -> A {
        self.archive
    }

    /// Takes what the central node sent; gives what to ask for next, if anything.
    pub fn received(&mut self, message: Message) -> Result<Option<Message>, Stop> {
        match message {
            Message::Mirrored(theirs) if self.theirs.is_none() => self.begin(theirs),
            Message::Mirrored(_) | Message::Pong { .. } => Ok(None),
            Message::Refused { refusal, detail } => Err(Stop::Theirs(Refused::from_peer(refusal, &detail))),
            Message::Keys { epoch, first, records } if self.stage == Stage::Keys => {
                let count = self.archive.append_keys(epoch, first, &records).map_err(|error| match error {
                    CopyError::Spoilt(_) => protocol("the central node sent keys that are damaged"),
                    other => other.into(),
                })?;
                self.progress.keys = self.progress.keys.max(u64::from(count));
                Ok(None)
            }
            Message::Batch { compressed, bytes } if self.stage == Stage::Batches => {
                self.batch(&frame_of(compressed, &bytes).map_err(Stop::Ours)?).map(|()| None)
            }
            Message::OriginalPiece { sha256, offset, total, bytes } if self.stage == Stage::Originals => {
                self.piece(sha256, offset, total, &bytes).map(|()| None)
            }
            Message::End => self.end(),
            _ => Err(protocol("the central node sent what was not asked for")),
        }
    }

    fn begin(&mut self, theirs: Mirrored) -> Result<Option<Message>, Stop> {
        let signed = Checkpoint::open(&theirs.checkpoint, &self.verifier)
            .map_err(|error| Stop::Ours(Refused::new(Refusal::Identity, error.to_string())))?;
        if signed != (Checkpoint { log: self.log, count: theirs.count, root: theirs.root }) {
            return Err(protocol("the checkpoint is not of the position that it came with"));
        }
        if theirs.count < self.frontier.count() {
            return Err(Stop::Ours(fork(theirs.count)));
        }
        self.progress.entries_total = theirs.count;
        self.progress.entries = self.frontier.count();
        self.theirs = Some(theirs);
        self.ask()
    }

    /// What to ask for, where nothing is under way.
    fn ask(&mut self) -> Result<Option<Message>, Stop> {
        let Some(theirs) = &self.theirs else { return Ok(None) };
        let (count, root) = (theirs.count, theirs.root);
        if self.stage == Stage::Keys {
            return Ok(Some(Message::FetchKeys));
        }
        if self.stage == Stage::Batches {
            if self.frontier.count() < count {
                return Ok(Some(Message::FetchBatches { from: Sequence(self.frontier.count()) }));
            }
            self.settle()?;
            if self.frontier.root() != root {
                return Err(Stop::Ours(fork(count)));
            }
            // DURABLE: the whole log, as the central node signed for it.
            self.stage = Stage::Originals;
        }
        while self.stage == Stage::Originals {
            if let Some(sha256) = self.wanted.pop_front() {
                let offset = self.archive.partial_bytes(sha256);
                self.asked = Some(Asked { sha256, offset, spoilt: false, again: false });
                return Ok(Some(Message::FetchOriginal { sha256, offset }));
            }
            if self.walked.0 >= count {
                self.stage = Stage::Done;
            } else {
                self.walk()?;
            }
        }
        Ok(None)
    }

    /// What was asked for has come to its end.
    fn end(&mut self) -> Result<Option<Message>, Stop> {
        match self.stage {
            Stage::Keys => {
                let here = self.archive.keys_held()?;
                let theirs = self.theirs.as_ref().map(|theirs| theirs.keys.as_slice()).unwrap_or_default();
                if theirs
                    .iter()
                    .any(|held| !here.iter().any(|here| here.epoch == held.epoch && here.count >= held.count))
                {
                    return Err(protocol("the central node did not send all the keys that it has"));
                }
                // DURABLE: the keys; batches that use them may come.
                self.stage = Stage::Batches;
            }
            Stage::Batches => {
                if self.theirs.as_ref().is_some_and(|theirs| self.frontier.count() < theirs.count) {
                    return Err(protocol("the central node did not send all the batches that it signed for"));
                }
            }
            Stage::Originals => {
                let Some(asked) = self.asked.take() else {
                    return Err(protocol("the central node ended what was not asked for"));
                };
                if self.archive.object_bytes(asked.sha256)?.is_some() {
                    self.progress.originals += 1;
                } else if !asked.again && (asked.spoilt || asked.offset > 0) {
                    // What was here before may have been spoilt by a power cut.
                    let sha256 = asked.sha256;
                    self.asked = Some(Asked { sha256, offset: 0, spoilt: false, again: true });
                    return Ok(Some(Message::FetchOriginal { sha256, offset: 0 }));
                } else {
                    self.missing.push(asked.sha256);
                }
            }
            Stage::Done => return Err(protocol("the central node ended what was not asked for")),
        }
        self.ask()
    }

    fn batch(&mut self, frame: &Frame) -> Result<(), Stop> {
        let epoch = frame.header().epoch;
        if epoch > self.epoch || epoch < self.last_epoch && self.frontier.count() > 0 {
            return Err(protocol("a batch is of the wrong epoch"));
        }
        frame.check(self.log, &mut self.frontier).map_err(|error| protocol(&error.to_string()))?;
        self.archive.append(frame)?;
        self.last_epoch = epoch;
        self.progress.entries = self.frontier.count();
        self.unsettled_bytes += frame.bytes().len();
        if self.unsettled_bytes >= BARRIER_BYTES {
            self.settle()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), CopyError> {
        if self.unsettled_bytes > 0 {
            self.archive.barrier(&self.frontier, self.last_epoch)?;
            self.unsettled_bytes = 0;
        }
        Ok(())
    }

    fn piece(&mut self, sha256: Digest, offset: u64, total: u64, bytes: &[u8]) -> Result<(), Stop> {
        let Some(asked) = self.asked.as_mut().filter(|asked| asked.sha256 == sha256) else {
            return Err(protocol("the central node sent an original that was not asked for"));
        };
        if asked.spoilt || self.archive.object_bytes(sha256)?.is_some() {
            return Ok(());
        }
        match self.archive.receive_piece(sha256, offset, total, bytes) {
            Ok(_) => {}
            Err(CopyError::Spoilt(_)) => asked.spoilt = true,
            Err(other) => return Err(other.into()),
        }
        Ok(())
    }

    /// Looks for originals in the log that is now here.
    fn walk(&mut self) -> Result<(), CopyError> {
        let frames = self.archive.frames(self.walked, READ_BYTES)?;
        let end = frames.last().map(|frame| frame.header().end()).filter(|end| *end > self.walked);
        for frame in &frames {
            for entry in frame.entries() {
                let entry = entry.map_err(|error| CopyError::Damaged(Box::new(error)))?;
                let Some(original) = entry.event.original() else { continue };
                if !self.seen.insert(original.sha256) {
                    continue;
                }
                self.progress.originals_total += 1;
                if self.archive.object_bytes(original.sha256)?.is_some() {
                    self.progress.originals += 1;
                } else {
                    self.wanted.push_back(original.sha256);
                }
            }
        }
        self.walked = end.ok_or_else(|| CopyError::Damaged("the log ends early".into()))?;
        Ok(())
    }
}

fn protocol(detail: &str) -> Stop {
    Stop::Ours(Refused::protocol(detail))
}
