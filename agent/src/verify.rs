//! Checks a log, or an export of one, from its raw bytes: every batch, every entry, the hash tree, the signed checkpoint.
//!
//! Architecture invariant: this module and those below it import `daybook_protocol` and the standard library, nothing
//! else of ours and no storage engine, so that an auditor need trust neither. It writes nothing and takes no lock: it
//! works while an agent is appending.

use std::{
    fmt, fs,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use daybook_protocol::{
    batch::{BatchError, Frame},
    checkpoint::{Checkpoint, NOTE_BYTES_MAX, Verifier},
    head::{Head, SLOT_BYTES},
    ids::{Digest, LogId, Sequence},
    tree::{self, Frontier},
};

mod export;
pub(crate) mod scan;
#[cfg(test)]
mod tests;

pub(crate) use export::next_frame;
pub use export::{head_text, verify_export};

/// A scan is repeated when a running agent has moved a batch meanwhile. The engine moves the newest batches only, and
/// those up to the head are soon not the newest any more: a second scan is nearly always enough.
const SCANS_MAX: usize = 5;

/// Where the parts of a log lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The file that holds the batches.
    pub batches: PathBuf,
    /// The head.
    pub head: PathBuf,
    /// The central node's signed checkpoint, which need not be there.
    pub checkpoint: PathBuf,
}

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many entries the log has: by its head, and where one of the head's slots is damaged, with the good ones behind it;
    /// of an export, as many as were read.
    pub entries: u64,
    /// The root of so many entries, recomputed where [`Report::ok`].
    pub root: Digest,
    /// How many entries the central node has signed for, with the root that they have here; `None` if it never has, or
    /// if that could not be checked.
    pub anchored_through: Option<u64>,
    /// What is wrong, in the order of the log.
    pub faults: Vec<Fault>,
    /// Whether all that is wrong is one slot of the head, which the next start writes anew: no entry is lost.
    pub start_mends: bool,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn ok(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The first entry concerned, where it is about entries.
    pub at: Option<Sequence>,
    /// What is wrong, for a person; nothing personal.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "from entry {at} on: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Whoever watches a check of a log: hears how far it is, sees every batch, and may break it off.
pub trait Watch {
    /// `done` of `total` bytes are checked. With `false` the check is broken off, and ends in [`CouldNotCheck`].
    fn goes_on(&mut self, done: u64, total: u64) -> bool;

    /// A batch that is good so far as the log up to it is. Where the file changes meanwhile, a batch is seen again.
    fn batch(&mut self, _: &Frame) {}
}

/// Only hears how far it is.
struct Heard<'a>(&'a mut dyn FnMut(u64, u64));

impl Watch for Heard<'_> {
    fn goes_on(&mut self, done: u64, total: u64) -> bool {
        (self.0)(done, total);
        true
    }
}

/// Why nothing can be said about a log: there is none, it cannot be read, or the check was broken off.
#[derive(Debug)]
pub struct CouldNotCheck {
    /// What could not be done.
    pub what: String,
    source: Option<io::Error>,
}

impl fmt::Display for CouldNotCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for CouldNotCheck {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// Checks the log at `places`; `verifier` is the text of the key that checks the checkpoint, where it is known. `progress`
/// hears of bytes done and bytes in all.
pub fn verify(
    places: &Places,
    verifier: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, CouldNotCheck> {
    verify_watched(places, verifier, &mut Heard(progress))
}

/// The same, for whoever does more than hear of it.
pub fn verify_watched(places: &Places, verifier: Option<&str>, watch: &mut dyn Watch) -> Result<Report, CouldNotCheck> {
    // The order matters beside a running agent: what is signed is at most what the head says, and what the head says is
    // at most what is in the file.
    let note = read_if_there(&places.checkpoint, NOTE_BYTES_MAX + 1)?;
    let head = read_head(&places.head)?;
    let batches_there = places.batches.try_exists().map_err(|source| unreadable(&places.batches, source))?;
    let nothing = |what: String| Report {
        entries: 0,
        root: Frontier::default().root(),
        anchored_through: None,
        faults: vec![Fault { at: None, what }],
        start_mends: false,
    };
    let spoilt = head.as_deref().and_then(Head::spoilt_slot);
    let head = match head {
        None if !batches_there => {
            let what = format!("there is no log at {}: name its data directory with --data", places.batches.display());
            return Err(CouldNotCheck { what, source: None });
        }
        None => return Ok(nothing("the head is missing".to_owned())),
        Some(bytes) => match Head::of_file(&bytes) {
            None => return Ok(nothing("the head is damaged in both its slots".to_owned())),
            Some(head) => head,
        },
    };
    let mut tally = Tally::new(Some(head.log));
    tally.anchor(note.as_deref(), verifier);
    if batches_there {
        recompute(&places.batches, (&head, spoilt.is_some()), &mut tally, watch)?;
    } else {
        tally.fault(Some(Sequence(0)), "the head is there, but the file of the batches is missing".to_owned());
    }
    let said = head.frontier.count();
    let end = if tally.frontier.count() > said { tally.frontier.clone() } else { head.frontier };
    let mut report = tally.report(end.count(), end.root());
    if let Some(slot) = spoilt {
        report.start_mends = report.ok();
        let what = format!(
            "the slot of the head at byte {slot} is damaged; by the other one the log has {said} entries, and {} more \
             stand behind them and are good: a start takes them over and writes the slot anew",
            end.count() - said
        );
        report.faults.insert(0, Fault { at: None, what });
    }
    Ok(report)
}

/// The bytes of a head file, if there is one. A slot that is damaged is looked at again: a running agent may just be writing it.
fn read_head(path: &Path) -> Result<Option<Vec<u8>>, CouldNotCheck> {
    let mut bytes = None;
    for _ in 0..SCANS_MAX {
        bytes = read_if_there(path, 2 * SLOT_BYTES)?;
        if bytes.as_deref().is_none_or(|bytes| Head::spoilt_slot(bytes).is_none()) {
            break;
        }
    }
    Ok(bytes)
}

/// Finds the batches up to the head, or also those behind it, in the file at `path` and takes them in order. Of the progress one
/// half is the finding.
fn recompute(
    path: &Path,
    (head, behind_too): (&Head, bool),
    tally: &mut Tally,
    watch: &mut dyn Watch,
) -> Result<(), CouldNotCheck> {
    let unreadable = |source| unreadable(path, source);
    let stamp = || fs::metadata(path).and_then(|meta| Ok((meta.len(), meta.modified()?))).map_err(unreadable);
    let blank = tally.clone();
    for scans in 1.. {
        let before = stamp()?;
        let (bytes, entries) = (before.0, head.frontier.count().max(1));
        let mut index = scan::Index::new(Some(head.log));
        index.scan_telling(path, 0, &mut |at| broken_off(watch, at.min(bytes), 2 * bytes)).map_err(unreadable)?;
        *tally = blank.clone();
        let mut walked = |frame: &Frame| {
            watch.batch(frame);
            broken_off(watch, bytes + part(bytes, frame.header().end().0, entries), 2 * bytes)
        };
        let moved = walk(&index, (head, behind_too), tally, &mut walked).map_err(unreadable)?;
        let found_none = tally.faults.len() == blank.faults.len();
        // Only what did not change while it was read can be called damaged.
        if scans >= SCANS_MAX || (!moved && found_none) || stamp()? == before {
            if moved && found_none {
                tally.fault(Some(Sequence(tally.frontier.count())), "the batch changes while it is read".to_owned());
            }
            break;
        }
    }
    Ok(())
}

/// An error where whoever watches does not want it any more.
fn broken_off(watch: &mut dyn Watch, done: u64, total: u64) -> io::Result<()> {
    if watch.goes_on(done, total) { Ok(()) } else { Err(io::Error::other("the check was broken off")) }
}

/// That part of `whole` which `done` is of `total`.
fn part(whole: u64, done: u64, total: u64) -> u64 {
    let part = u128::from(whole) * u128::from(done.min(total)) / u128::from(total.max(1));
    u64::try_from(part).unwrap_or(whole)
}

/// Takes the batches of the head's chain, and perhaps those that follow; says whether it had to stop because one is no longer
/// where it was found. `told` sees each that was taken.
fn walk(
    index: &scan::Index,
    (head, behind_too): (&Head, bool),
    tally: &mut Tally,
    told: &mut dyn FnMut(&Frame) -> io::Result<()>,
) -> io::Result<bool> {
    let mut chain = index.back_from(head.frontier.count(), head.frontier.root());
    for range in &chain.missing {
        let last = range.end.saturating_sub(1);
        let what = format!("entries {} to {last} are missing or damaged", range.start);
        tally.fault(Some(Sequence(range.start)), what);
    }
    if behind_too {
        chain.batches.extend(index.forward_from(head.frontier.count(), head.frontier.root()));
    }
    for found in &chain.batches {
        if found.header.first.0 != tally.frontier.count() {
            // Behind a gap roots cannot be recomputed; the scan has checked the checksums of what is there.
            break;
        }
        let Ok(frame) = index.read(found)? else { return Ok(true) };
        if !tally.take(&frame) {
            break;
        }
        told(&frame)?;
    }
    Ok(false)
}

/// What has been checked so far.
#[derive(Debug, Clone)]
struct Tally {
    log: Option<LogId>,
    frontier: Frontier,
    anchor: Option<Checkpoint>,
    anchored: bool,
    faults: Vec<Fault>,
}

impl Tally {
    fn new(log: Option<LogId>) -> Self {
        Self { log, frontier: Frontier::default(), anchor: None, anchored: false, faults: Vec::new() }
    }

    fn fault(&mut self, at: Option<Sequence>, what: String) {
        self.faults.push(Fault { at, what });
    }

    /// Takes note of the signed checkpoint that the log must agree with.
    fn anchor(&mut self, note: Option<&[u8]>, verifier: Option<&str>) {
        let (Some(note), Some(verifier)) = (note, verifier) else { return };
        let opened = verifier
            .parse::<Verifier>()
            .and_then(|verifier| Checkpoint::open(&String::from_utf8_lossy(note), &verifier))
            .map_err(|error| error.to_string());
        match opened {
            Err(why) => self.fault(None, why),
            Ok(checkpoint) if self.log.is_some_and(|log| log != checkpoint.log) => {
                self.fault(None, format!("the checkpoint is of another log, {}", checkpoint.log));
            }
            Ok(checkpoint) => {
                self.log = Some(checkpoint.log);
                self.anchor = Some(checkpoint);
                self.meet_anchor(&Frontier::default());
            }
        }
    }

    /// Takes the batch that should come next; says whether it did.
    fn take(&mut self, frame: &Frame) -> bool {
        let first = frame.header().first;
        let log = *self.log.get_or_insert(frame.header().log);
        let mut before = self.frontier.clone();
        if let Err(error) = frame.check(log, &mut self.frontier) {
            self.fault(Some(Sequence(before.count())), error.to_string());
            return false;
        }
        for entry in frame.entries() {
            if let Err(error) = entry {
                let at = if let BatchError::Entry { sequence, .. } = &error { *sequence } else { first };
                self.fault(Some(at), error.to_string());
                return false;
            }
        }
        if self.anchor.is_some_and(|anchor| (first.0 + 1..=frame.header().end().0).contains(&anchor.count)) {
            for (_, entry) in frame.raw_entries().flatten() {
                before.push(tree::leaf(entry));
                self.meet_anchor(&before);
            }
        }
        true
    }

    /// Compares the log with the checkpoint if it has come to it.
    fn meet_anchor(&mut self, here: &Frontier) {
        let Some(anchor) = self.anchor.filter(|anchor| anchor.count == here.count()) else { return };
        if anchor.root == here.root() {
            self.anchored = true;
        } else {
            let what = format!(
                "the central node signed for {} entries with the root {}, but here they have the root {}",
                anchor.count,
                anchor.root,
                here.root()
            );
            self.fault(None, what);
        }
    }

    fn report(mut self, entries: u64, root: Digest) -> Report {
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.count > entries) {
            let what = format!("the central node signed for {} entries, but the log ends here", anchor.count);
            self.fault(Some(Sequence(entries)), what);
        }
        if self.faults.is_empty() && (self.frontier.count(), self.frontier.root()) != (entries, root) {
            self.fault(Some(Sequence(self.frontier.count())), "the entries do not give the head's root".to_owned());
        }
        self.faults.sort_by_key(|fault| fault.at);
        let anchored_through = self.anchor.filter(|_| self.anchored).map(|anchor| anchor.count);
        Report { entries, root, anchored_through, faults: self.faults, start_mends: false }
    }
}

fn unreadable(path: &Path, source: io::Error) -> CouldNotCheck {
    CouldNotCheck { what: format!("cannot read {}", path.display()), source: Some(source) }
}

/// The first `most` bytes of a file that may not be there.
fn read_if_there(path: &Path, most: usize) -> Result<Option<Vec<u8>>, CouldNotCheck> {
    let read = File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(unreadable(path, source)),
    }
}
