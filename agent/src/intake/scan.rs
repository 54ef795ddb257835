//! One look at a drop folder after another: what is complete, what is refused, what is still waited for.
//!
//! Memory is bounded: a scan hands out the oldest files only, and a folder fuller than the limits is worked off a part at a
//! time. The order in which files are handed out is the queue's affair.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    time::{Duration, Instant},
};

use daybook_protocol::{
    date::Timestamp,
    event::{Completion, FileId, Refusal},
};

use super::{
    Identity, IntakeError, Version,
    dir::{Dir, Looked, What},
    name,
    queue::{Came, Done, Queue},
};
use crate::config::{CompletionRule, Folder};

/// A scan hands out at most this many files: a few seconds' work, and a list that is small whatever is dropped.
pub const READY_MAX: usize = 1_000;
/// A scan reports at most this many refusals; each becomes an entry of the log.
pub const REFUSED_MAX: usize = 1_000;
/// At most this many names are kept in mind, some 20 MB; those beyond wait until others have gone.
pub const TRACKED_MAX: usize = 100_000;
/// At most this many renames are kept in mind between two scans; one that is forgotten waits for the quiet period.
const RENAMED_MAX: usize = 10_000;
/// An empty file waits this long, since many programs make a file first and write it later (DOMAIN.md 6.3).
pub const EMPTY_WAIT: Duration = Duration::from_mins(5);

/// What one look at a folder showed.
#[derive(Debug, Default)]
pub struct Scan {
    /// Complete files in the order in which they came, none of them behind one that others wait for; at most
    /// [`READY_MAX`]. One is handed out by every scan until [`Scanner::taken`] says that it has been dealt with.
    pub ready: Vec<Ready>,
    /// What is not taken and was not reported before; at most [`REFUSED_MAX`].
    pub refused: Vec<Refused>,
    /// Whether there is nothing in the folder at all.
    pub empty: bool,
    /// How many names are still waited for, temporary ones, those over a limit and those behind an older file included.
    pub waiting: usize,
    /// After how long another look may show something new by itself; at once, where a limit cut this one short.
    pub next_look: Option<Duration>,
}

/// A file that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its name in `in/`. Personal: never in a log or an error.
    pub name: String,
    /// How it is known to be complete.
    pub completed_by: Completion,
    /// Which file it is, and in which state.
    pub identity: Identity,
}

/// Something in the folder that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Refusal,
    /// Its name, made printable. Personal: never in a log or an error.
    pub name: String,
    /// Which one it is.
    pub file_id: FileId,
}

/// Looks at one folder again and again, and remembers what it saw.
#[derive(Debug)]
pub struct Scanner {
    folder: Folder,
    bytes_max: u64,
    /// `in/` as the last scan opened it.
    drop: Option<Dir>,
    /// The number of the present scan: what was not seen in it is forgotten behind it.
    turn: u64,
    tracked: HashMap<String, Seen>,
    /// As they were when they were renamed; one that is no longer so is forgotten.
    renamed: HashMap<String, Identity>,
    taken: HashMap<String, Version>,
    reported: HashMap<FileId, Reported>,
    recorded: HashMap<FileId, Timestamp>,
}

/// An ordinary file, when it came, and since when it has not changed.
#[derive(Debug)]
struct Seen {
    looked: Looked,
    came: Came,
    since: Instant,
    turn: u64,
}

/// What was reported as refused, as it was then.
#[derive(Debug)]
struct Reported {
    changed_at: Timestamp,
    turn: u64,
}

impl Scanner {
    /// A scanner that has seen nothing yet. Files of more than `bytes_max` bytes are refused.
    pub fn new(folder: Folder, bytes_max: u64) -> Self {
        Self {
            folder,
            bytes_max,
            drop: None,
            turn: 0,
            tracked: HashMap::new(),
            renamed: HashMap::new(),
            taken: HashMap::new(),
            reported: HashMap::new(),
            recorded: HashMap::new(),
        }
    }

    /// A refusal that the log has already, so that it is not reported again unless it changed since `recorded_at`.
    pub fn seed_refused(&mut self, file_id: FileId, recorded_at: Timestamp) {
        if self.recorded.len() < TRACKED_MAX {
            let latest = self.recorded.entry(file_id).or_insert(recorded_at);
            *latest = recorded_at.max(*latest);
        }
    }

    /// An arrival whose handling the log has begun and not finished: that version of that name is not handed out.
    pub fn seed_taken(&mut self, name: &str, version: Version) {
        self.taken.insert(name.to_owned(), version);
    }

    /// The arrival is in the log: this version of the file is not handed out again. If the file changes, it is.
    pub fn taken(&mut self, ready: &Ready) {
        self.seed_taken(&ready.name, ready.identity.version());
    }

    /// The watcher saw a rename to this name: the next scan takes it as complete if it is still as it is now. Ignored on
    /// shares, where what was renamed here may still be written there, and under the rule that only markers count.
    pub fn renamed_in(&mut self, name: &str) {
        if self.folder.completion == CompletionRule::Marker || self.renamed.len() >= RENAMED_MAX {
            return;
        }
        let opened = if self.drop.is_none() { self.open_drop().ok() } else { None };
        let Some(drop) = self.drop.as_ref().or(opened.as_ref()) else { return };
        if !drop.on_share()
            && let Ok(Some(looked)) = drop.look(OsStr::new(name))
        {
            self.renamed.insert(name.to_owned(), looked.identity);
        }
    }

    /// Lets go of the folder until the next scan.
    pub fn rest(&mut self) {
        self.drop = None;
    }

    /// Looks at the folder. `now` is the monotonic clock.
    pub fn scan(&mut self, now: Instant) -> Result<Scan, IntakeError> {
        self.drop = None;
        let drop = self.open_drop()?;
        self.turn += 1;
        let mut scan = Scan { empty: true, ..Scan::default() };
        let mut markers = HashMap::new();
        for name in drop.names().map_err(|source| self.unusable(source))? {
            let name = name.map_err(|source| self.unusable(source))?;
            scan.empty = false;
            if name::is_temporary(&name) {
                scan.waiting += 1;
                continue;
            }
            let looked = match drop.look(&name) {
                Ok(Some(looked)) => looked,
                Ok(None) => continue, // gone since it was listed
                Err(_) => {
                    scan.waiting += 1; // one name that cannot be looked at must not stop the others
                    continue;
                }
            };
            let reason = match looked.what {
                What::Link => Refusal::SymbolicLink,
                What::Folder => Refusal::Folder,
                What::Other => Refusal::NotAFile,
                What::File => match name::acceptable(&name) {
                    None => Refusal::Name,
                    Some(name) => {
                        self.notice(name, looked, now, &mut markers, &mut scan);
                        continue;
                    }
                },
            };
            self.refuse(reason, name::printable(&name), &looked, &mut scan);
        }
        self.drop = Some(drop);
        self.forget(now);
        self.judge(now, &markers, &mut scan);
        let turn = self.turn;
        self.reported.retain(|_, reported| reported.turn == turn);
        Ok(scan)
    }

    /// Opens a complete file for reading. An error if it is no longer what the scan saw.
    pub fn open(&self, ready: &Ready) -> Result<File, IntakeError> {
        let (file, looked) = self
            .drop()?
            .read(&ready.name)
            .map_err(|source| IntakeError::Unreadable { folder: self.folder.name.clone(), source })?
            .ok_or_else(|| self.changed())?;
        if looked.what == What::File && looked.identity == ready.identity { Ok(file) } else { Err(self.changed()) }
    }

    /// Whether a file is still what the scan saw. To be asked again when the copy is made: what was written meanwhile may
    /// be in the copy in part.
    pub fn unchanged(&self, ready: &Ready) -> Result<bool, IntakeError> {
        let looked = self.drop()?.look(OsStr::new(&ready.name)).map_err(|source| self.unusable(source))?;
        Ok(looked.is_some_and(|looked| looked.what == What::File && looked.identity == ready.identity))
    }

    /// Whether what came after this file still waits for it, where it could not be taken after all. No longer than
    /// [`HOLDS_UP_MAX`](super::HOLDS_UP_MAX), so that a file that never holds still does not close its folder.
    pub fn holds_up(&self, ready: &Ready, now: Instant) -> bool {
        let seen = self.tracked.get(&ready.name);
        seen.is_some_and(|seen| !seen.came.holds_up(self.quiet(ready.identity.bytes), now).is_zero())
    }

    /// For how long a file of so many bytes must not change before it is taken.
    fn quiet(&self, bytes: u64) -> Duration {
        let quiet = Duration::from_secs(self.folder.quiet_seconds);
        if bytes == 0 { quiet.max(EMPTY_WAIT) } else { quiet }
    }

    /// Takes note of an ordinary file, or of a marker.
    fn notice(
        &mut self,
        name: &str,
        looked: Looked,
        now: Instant,
        markers: &mut HashMap<String, Timestamp>,
        scan: &mut Scan,
    ) {
        if let Some(marked) = name::marked(name) {
            if markers.len() < TRACKED_MAX {
                let latest = markers.entry(marked.to_owned()).or_default();
                *latest = looked.identity.changed_at.max(*latest);
            }
            return;
        }
        let turn = self.turn;
        let fresh = Came { seen_at: now, modified_at: looked.identity.modified_at };
        if let Some(seen) = self.tracked.get_mut(name) {
            let since = if seen.looked == looked { seen.since } else { now };
            // Another file under the same name came only now.
            let same = seen.looked.identity.file_id == looked.identity.file_id;
            let came = if same { seen.came } else { fresh };
            *seen = Seen { looked, came, since, turn };
        } else if self.tracked.len() < TRACKED_MAX + self.taken.len() || self.taken.contains_key(name) {
            self.tracked.insert(name.to_owned(), Seen { looked, came: fresh, since: now, turn });
        } else {
            scan.waiting += 1;
        }
    }

    /// Forgets what is no longer in the folder, or no longer as it was.
    fn forget(&mut self, now: Instant) {
        let turn = self.turn;
        let Self { tracked, taken, renamed, .. } = self;
        tracked.retain(|_, seen| seen.turn == turn);
        taken.retain(|name, version| {
            let Some(seen) = tracked.get_mut(name) else { return false };
            let identity = seen.looked.identity;
            let same = identity.version().is(version);
            if !same {
                // What its sender makes of a file that we have is another arrival, which came when it was noticed.
                seen.came = Came { seen_at: now, modified_at: identity.modified_at };
            }
            same
        });
        renamed.retain(|name, identity| tracked.get(name).is_some_and(|seen| seen.looked.identity == *identity));
    }

    /// Decides about each file that is there: complete, refused, or waited for.
    fn judge(&mut self, now: Instant, markers: &HashMap<String, Timestamp>, scan: &mut Scan) {
        let mut queue = Queue::new(READY_MAX);
        let mut refused = Vec::new();
        for (name, seen) in &self.tracked {
            if self.taken.contains_key(name) {
                continue;
            }
            match self.completion(name, seen, now, markers) {
                Verdict::Complete(done) => queue.complete(seen.came, name, done),
                Verdict::Refused(reason) => refused.push((reason, name.clone(), seen.looked)),
                Verdict::Waits { left, holds_up } => {
                    scan.waiting += 1;
                    scan.next_look = scan.next_look.into_iter().chain(left).min();
                    let holds_up = holds_up.filter(|holds_up| !holds_up.is_zero());
                    if let Some(holds_up) = holds_up {
                        queue.waits(seen.came, name);
                        scan.next_look = scan.next_look.map(|next| next.min(holds_up));
                    }
                }
            }
        }
        let served = queue.serve();
        let ready = served.ready.into_iter().filter_map(|(name, done)| {
            let identity = self.tracked.get(name)?.looked.identity;
            Some(Ready { name: name.to_owned(), completed_by: done.into(), identity })
        });
        scan.ready = ready.collect();
        scan.waiting += served.kept;
        if served.more {
            scan.next_look = Some(Duration::ZERO);
        }
        for (reason, name, looked) in refused {
            self.refuse(reason, name, &looked, scan);
        }
    }

    fn completion(&self, name: &str, seen: &Seen, now: Instant, markers: &HashMap<String, Timestamp>) -> Verdict {
        let identity = &seen.looked.identity;
        let waits = |quiet: Duration| {
            let left = quiet.saturating_sub(now.saturating_duration_since(seen.since));
            // What is over the limit is refused in the end, and what is refused holds nothing up.
            let holds_up = (identity.bytes <= self.bytes_max).then(|| seen.came.holds_up(quiet, now));
            (!left.is_zero()).then_some(Verdict::Waits { left: Some(left), holds_up })
        };
        if seen.looked.linked {
            // Some writers link a finished file to its name and then unlink the temporary one, so a second name has to stay
            // before it counts.
            let quiet = Duration::from_secs(self.folder.quiet_seconds);
            return waits(quiet).unwrap_or(Verdict::Refused(Refusal::HardLink));
        }
        // A marker older than the file is left over from an earlier file of that name.
        let done = if markers.get(name).is_some_and(|marked_at| *marked_at >= identity.changed_at) {
            Done::Marked
        } else if self.folder.completion == CompletionRule::Marker {
            return Verdict::Waits { left: None, holds_up: None };
        } else if identity.bytes > 0 && self.renamed.contains_key(name) {
            Done::Renamed
        } else if let Some(waits) = waits(self.quiet(identity.bytes)) {
            return waits;
        } else {
            Done::Quiet
        };
        // A file that is still written is not refused yet: each of its states would be another refusal.
        if identity.bytes > self.bytes_max { Verdict::Refused(Refusal::TooLarge) } else { Verdict::Complete(done) }
    }

    /// Reports a refusal, unless it was reported before. A file or link that changed since is reported again; a folder or a
    /// pipe is not, since its times change whenever it is used.
    fn refuse(&mut self, reason: Refusal, name: String, looked: &Looked, scan: &mut Scan) {
        let Identity { file_id, changed_at, .. } = looked.identity;
        let fickle = matches!(looked.what, What::Folder | What::Other);
        let turn = self.turn;
        if let Some(reported) = self.reported.get_mut(&file_id)
            && (fickle || reported.changed_at == changed_at)
        {
            reported.turn = turn;
            return;
        }
        let recorded = self.recorded.get(&file_id).is_some_and(|recorded_at| fickle || changed_at <= *recorded_at);
        if !recorded {
            if scan.refused.len() >= REFUSED_MAX || self.reported.len() >= TRACKED_MAX {
                scan.waiting += 1;
                scan.next_look = Some(Duration::ZERO);
                return;
            }
            scan.refused.push(Refused { reason, name, file_id });
        }
        self.reported.insert(file_id, Reported { changed_at, turn });
    }

    fn drop(&self) -> Result<&Dir, IntakeError> {
        self.drop.as_ref().ok_or_else(|| self.changed())
    }

    fn open_drop(&self) -> Result<Dir, IntakeError> {
        self.folder.root()?.open_below("in").map_err(|source| self.unusable(source))
    }

    fn unusable(&self, source: std::io::Error) -> IntakeError {
        self.folder.unusable("in/", source)
    }

    fn changed(&self) -> IntakeError {
        IntakeError::Changed { folder: self.folder.name.clone() }
    }
}

enum Verdict {
    Complete(Done),
    Refused(Refusal),
    Waits {
        /// For so long at least, where that is known.
        left: Option<Duration>,
        /// For so long what came after it waits too; `None` where nothing does.
        holds_up: Option<Duration>,
    },
}

#[cfg(test)]
mod tests;
