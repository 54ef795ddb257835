//! The log: hashed by the auditor's own code from the bytes on the disk, whoever has it open; and what its entries name.

use std::{collections::BTreeMap, error::Error as _, fs, io};

use daybook_protocol::{
    batch::Frame,
    checkpoint::{Checkpoint, Verifier},
    head::{Head, SLOT_BYTES},
    ids::{Digest, Epoch, KeyId, Sequence},
};

use super::{Damage, Part, ScrubError, Side, Work};
use crate::{
    home::Home,
    store,
    verify::{self, CouldNotCheck, Report, Watch},
};

/// Beside a writer a slot may be seen half written; it is looked at so often before it is called damaged.
const HEAD_LOOKS: usize = 5;

/// What was found of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFound {
    /// How many entries were hashed.
    pub entries: u64,
    /// The root over them.
    pub root: Digest,
    /// The originals that they name, each with the first entry that does.
    pub originals: BTreeMap<Digest, Sequence>,
    /// How many keys of each epoch they use.
    pub keys_used: BTreeMap<Epoch, u32>,
    /// What is damaged.
    pub damage: Vec<Damage>,
}

impl LogFound {
    /// What is wrong with the log itself, if anything is.
    pub fn log_damage(&self) -> Option<&Damage> {
        self.damage.iter().find(|damage| damage.part == Part::Log)
    }
}

/// Hashes the log of a home and gathers what it names. Takes no lock and writes nothing.
pub fn check_log(home: &Home, verifier: Option<&str>, side: Side, work: &Work<'_>) -> Result<LogFound, ScrubError> {
    let mut beside = Vec::new();
    beside.extend(head_damage(home));
    beside.extend(checkpoint_damage(home, verifier, side));
    // The head that was written before the damaged one may be older than what was signed for. The next start moves it up.
    let verifier = verifier.filter(|_| beside.is_empty());
    let mut found = hash(home, verifier, side, work)?;
    if found.log_damage().is_some() {
        // Beside a writer that moves batches about, once more: much depends on it.
        found = hash(home, verifier, side, work)?;
    }
    found.damage.extend(beside);
    Ok(found)
}

fn hash(home: &Home, verifier: Option<&str>, side: Side, work: &Work<'_>) -> Result<LogFound, ScrubError> {
    let mut gathering = Gathering { work, originals: BTreeMap::new(), keys_used: BTreeMap::new() };
    let checked = verify::verify_watched(&store::places(home), verifier, &mut gathering);
    if work.was_stopped() {
        return Err(ScrubError::Stopped);
    }
    let Gathering { originals, keys_used, .. } = gathering;
    let mend = log_mend(home, side);
    let damage = |what: String| Damage { part: Part::Log, what: format!("log: {what}"), mend: mend.clone() };
    let report = match checked {
        Ok(report) => report,
        Err(error) if is_of_the_disk(&error) => {
            let what = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            let (entries, root) = (0, Digest::of(b""));
            return Ok(LogFound { entries, root, originals, keys_used, damage: vec![damage(what)] });
        }
        Err(error) => return Err(error.into()),
    };
    let Report { entries, root, faults, start_mends, .. } = report;
    // A damaged slot of the head alone is told below, and damages no entry: the log is written on.
    let of_the_log = faults.iter().filter(|_| !start_mends);
    let damage = of_the_log.map(|fault| damage(fault.to_string())).collect();
    Ok(LogFound { entries, root, originals, keys_used, damage })
}

/// Whether the log is there and this user may read it, and yet it cannot be read.
fn is_of_the_disk(error: &CouldNotCheck) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| !matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied))
}

fn log_mend(home: &Home, side: Side) -> String {
    let at = home.path().display();
    match side {
        Side::Agent => format!(
            "stop the agent, then: daybook salvage --data {at}; where that fails: daybook recover, into another directory"
        ),
        Side::Copy => format!(
            "daybook salvage --data {at}; where that fails, move that directory away: the agent sends its log again"
        ),
    }
}

/// Watches the auditor's code at work.
struct Gathering<'a, 'b> {
    work: &'a Work<'b>,
    originals: BTreeMap<Digest, Sequence>,
    keys_used: BTreeMap<Epoch, u32>,
}

impl Gathering<'_, '_> {
    fn uses(&mut self, key: KeyId) {
        let used = self.keys_used.entry(key.epoch).or_default();
        *used = (*used).max(key.number.saturating_add(1));
    }
}

impl Watch for Gathering<'_, '_> {
    fn goes_on(&mut self, done: u64, total: u64) -> bool {
        self.work.progress(done, total, "bytes of the log");
        self.work.goes_on()
    }

    fn batch(&mut self, frame: &Frame) {
        // That every entry can be read has been checked just before.
        for entry in frame.entries().flatten() {
            if let Some(sealed) = &entry.sealed {
                self.uses(sealed.key);
            }
            if let Some(original) = entry.event.original() {
                self.uses(original.key);
                self.originals.entry(original.sha256).or_insert(entry.sequence);
            }
        }
    }
}

/// A slot of the head that was written and cannot be read any more. The other one is then the present head, and what the log
/// has beyond it is taken over by the next start.
fn head_damage(home: &Home) -> Option<Damage> {
    let damaged = |bytes: &[u8]| bytes.len() != 2 * SLOT_BYTES || Head::spoilt_slot(bytes).is_some();
    for _ in 0..HEAD_LOOKS {
        match fs::read(home.head()) {
            // Where there is no good head at all the log itself cannot be judged: the check of the log says so.
            Ok(bytes) if Head::of_file(&bytes).is_some() && damaged(&bytes) => {}
            _ => return None,
        }
    }
    let mend = "it is written anew with the next entries".to_owned();
    Some(Damage { part: Part::Beside, what: "head: one of its two slots is damaged".to_owned(), mend })
}

/// A checkpoint that is not what the central node signed.
fn checkpoint_damage(home: &Home, verifier: Option<&str>, side: Side) -> Option<Damage> {
    let note = fs::read(home.checkpoint()).ok()?;
    let verifier = verifier?.parse::<Verifier>();
    let opened = verifier.and_then(|verifier| Checkpoint::open(&String::from_utf8_lossy(&note), &verifier));
    let what = format!("checkpoint: {}", opened.err()?);
    let again = match side {
        Side::Agent => "the central node signs another with the next entries",
        Side::Copy => "another is signed with the agent's next entries",
    };
    let mend = format!("rm {}: {again}", home.checkpoint().display());
    Some(Damage { part: Part::Beside, what, mend })
}
