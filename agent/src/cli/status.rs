//! How things stand, on one screen: first whether anything is wrong and what mends it, then the figures. Pure: whoever
//! asks gathers the report.

use std::fmt::Write as _;

use daybook_protocol::{
    date::Timestamp,
    event::Register,
    ids::{Digest, Epoch, LogId, Sequence},
};
use serde::{Deserialize, Serialize};

use super::{
    figures::{ago, bytes, moment, number, printable, seconds},
    scrubbed::ScrubStatus,
};
use crate::scrub::DAMAGE;

/// A central node that was not heard of for so long, while entries wait for it, is a problem: a week-end without its
/// machine would be noticed on Monday in any case, a day in the week should not pass unseen.
const CONTACT_LATE_SECONDS: i64 = 24 * 3600;
const ROOT_DIGITS: usize = 16;

/// How things stand with one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// When the report was made.
    pub at: Timestamp,
    /// The program's version.
    pub version: String,
    /// Whether an agent is running; `None` where none is expected, as on a central node's copy.
    pub agent_running: Option<bool>,
    /// The log.
    pub log: LogId,
    /// Its epoch.
    pub epoch: Epoch,
    /// How many entries are durable.
    pub entries: u64,
    /// The root of the hash tree over them.
    pub root: Digest,
    /// When the last of them was recorded.
    pub last_recorded_at: Option<Timestamp>,
    /// The drop folders.
    pub folders: Vec<FolderStatus>,
    /// What waits for a person.
    pub held: HeldStatus,
    /// How many orders wait for another operator's approval.
    pub proposals: u64,
    /// How many operators are named; where none is, everybody may do everything.
    pub operators: u64,
    /// What was raised and not cleared.
    pub alarms: Vec<AlarmStatus>,
    /// The central node; `None` if this agent joined none.
    pub mirror: Option<MirrorStatus>,
    /// Space.
    pub disk: DiskStatus,
    /// The registers of reference data that are in force.
    pub reference: Vec<RegisterStatus>,
    /// The reference data that is not loaded, such as `centres`: its checks are off.
    pub checks_off: Vec<String>,
    /// The last `verify`.
    pub verified: Option<VerifyStatus>,
    /// The last scrub.
    pub scrub: ScrubStatus,
    /// Anything else that is wrong.
    pub others: Vec<Problem>,
}

/// A drop folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FolderStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its centre.
    pub centre: String,
    /// How many files lie in it and are not handled yet.
    pub waiting: u64,
    /// When the last file came from it.
    pub last_file_at: Option<Timestamp>,
    /// Why nothing can be taken from it, if so.
    pub problem: Option<String>,
}

/// A register in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RegisterStatus {
    /// Which one.
    pub register: Register,
    /// The entry by which it was loaded.
    pub version: Sequence,
    /// How many rows it has.
    pub rows: u64,
    /// When it was loaded.
    pub loaded_at: Timestamp,
}

/// What waits for a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HeldStatus {
    /// So many files.
    pub files: u64,
    /// So many rows.
    pub rows: u64,
    /// Since when the oldest waits.
    pub oldest_at: Option<Timestamp>,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmStatus {
    /// The word that scripts can rely on, such as `fork`.
    pub alarm: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}

/// How far the log is mirrored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MirrorStatus {
    /// The central node's address.
    pub central: String,
    /// Whether the connection stands.
    pub connected: bool,
    /// When the central node was last heard of.
    pub last_contact_at: Option<Timestamp>,
    /// How many entries it has acknowledged.
    pub entries: u64,
    /// How many entries it has signed for.
    pub signed_for: Option<u64>,
    /// How many originals it has not got yet.
    pub originals_missing: u64,
    /// Why it refuses this agent, if it does, and what to do.
    pub refused: Option<String>,
    /// The alarm that goes with that.
    #[serde(skip)]
    pub refusal: Option<&'static str>,
    /// Why there is no connection, where it does not refuse.
    pub trouble: Option<String>,
}

/// Space on the disk of the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DiskStatus {
    /// So many bytes are free.
    pub free_bytes: u64,
    /// With less than this, intake stops.
    pub free_bytes_min: u64,
}

/// What the last `verify` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyStatus {
    /// When it was.
    pub at: Timestamp,
    /// How many entries there were.
    pub entries: u64,
    /// Whether all was good.
    pub ok: bool,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What, in plain words.
    pub what: String,
    /// What mends it: a command where there is one. Empty where `what` says it already.
    pub mend: String,
}

impl Problem {
    /// `what` is wrong, and `mend` mends it.
    pub fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }
}

impl StatusReport {
    /// Everything that is wrong, the worst first. What waits for a person, and checks that are off, are not wrong.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(verified) = self.verified.filter(|verified| !verified.ok) {
            let what = format!("the log was found damaged on {}", moment(verified.at));
            problems.push(Problem::new(what, "daybook verify, which says where and what mends it"));
        }
        let alarmed = self.alarms.iter().any(|alarm| alarm.alarm == DAMAGE);
        problems.extend(self.scrub.problems(self.at, alarmed));
        problems.extend(self.alarms.iter().map(|alarm| {
            let what = match self.mirror.as_ref().filter(|mirror| mirror.refusal == Some(&alarm.alarm)) {
                Some(mirror) => mirror.refuses().unwrap_or_default(),
                None => format!("{}: {}", alarm.alarm, alarm.detail),
            };
            Problem::new(format!("{what} (since {})", moment(alarm.since)), "")
        }));
        if self.disk.free_bytes < self.disk.free_bytes_min {
            let what = format!(
                "the disk is nearly full: {} free, intake stops below {}",
                bytes(self.disk.free_bytes),
                bytes(self.disk.free_bytes_min)
            );
            problems.push(Problem::new(what, "free some space; intake goes on by itself"));
        }
        if self.agent_running == Some(false) {
            problems.push(Problem::new("the agent is not running: nothing is taken from the folders", "daybook run"));
        }
        problems.extend(self.folders.iter().filter_map(|folder| {
            let why = folder.problem.as_ref()?;
            Some(Problem::new(format!("nothing can be taken from folder {}: {why}", folder.name), "daybook check"))
        }));
        problems.extend(self.mirror.as_ref().and_then(|mirror| self.mirror_problem(mirror)));
        problems.extend(self.others.iter().cloned());
        problems
    }

    /// The report as one line of JSON, with `ok` and `problems` beside its figures.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct WithProblems<'a> {
            ok: bool,
            problems: &'a [Problem],
            #[serde(flatten)]
            report: &'a StatusReport,
        }
        let problems = self.problems();
        serde_json::to_string(&WithProblems { ok: problems.is_empty(), problems: &problems, report: self })
    }

    fn mirror_problem(&self, mirror: &MirrorStatus) -> Option<Problem> {
        if let Some(refuses) = mirror.refuses() {
            // An alarm that is open tells it already.
            let told = self.alarms.iter().any(|alarm| mirror.refusal == Some(&alarm.alarm));
            return (!told).then(|| Problem::new(refuses, ""));
        }
        if self.agent_running == Some(false) && mirror.last_contact_at.is_none() {
            // Nobody here has tried, and that no agent runs is told.
            return None;
        }
        let unheard = mirror.last_contact_at.is_none_or(|at| seconds(at, self.at) > CONTACT_LATE_SECONDS);
        let waiting = self.entries.saturating_sub(mirror.entries);
        (!mirror.connected && unheard && waiting > 0).then(|| {
            let since = mirror
                .last_contact_at
                .map_or_else(|| "it was never reached".to_owned(), |at| format!("last heard of {}", ago(at, self.at)));
            let why = mirror.trouble.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            let what =
                format!("{} entries wait for the central node at {}: {since}{why}", number(waiting), mirror.central);
            Problem::new(what, "see that it runs and that its port can be reached from here")
        })
    }

    /// The report as one screen of text, line by line.
    pub fn text(&self) -> Vec<String> {
        let mut lines =
            vec![format!("Daybook {}, log {}, epoch {}", self.version, self.log, self.epoch), String::new()];
        lines.extend(verdict(&self.problems()));
        lines.push(String::new());
        let mut part = |name: &str, text: String| lines.push(format!("{name:<10} {text}"));
        let last =
            self.last_recorded_at.map_or_else(String::new, |at| format!(", the last recorded {}", ago(at, self.at)));
        part("log", format!("{} entries, root {}{last}", number(self.entries), brief(self.root)));
        match &self.mirror {
            None => {
                part("mirrored", "to nobody: this machine has the only copy (daybook join ADDRESS CODE)".to_owned());
            }
            Some(mirror) => {
                part("mirrored", self.mirrored(mirror));
                part("central", self.central(mirror));
            }
        }
        part("held", held(&self.held, self.at));
        if self.proposals > 0 {
            let waiting = match self.proposals {
                1 => "1 order waits".to_owned(),
                several => format!("{} orders wait", number(several)),
            };
            part("proposed", format!("{waiting} for another operator's approval (daybook record proposals)"));
        }
        part(
            "operators",
            match self.operators {
                0 => "none named: whoever reaches the socket or the data directory may do everything".to_owned(),
                named => format!("{} named (daybook check)", number(named)),
            },
        );
        part("disk", format!("{} free", bytes(self.disk.free_bytes)));
        let loaded = self.reference.iter().map(|it| {
            let (rows, loaded) = (number(it.rows), ago(it.loaded_at, self.at));
            format!("{}: entry {}, {rows} rows, loaded {loaded}", it.register, it.version)
        });
        let off = self.checks_off.join(", ");
        let off = (!off.is_empty()).then(|| format!("not loaded: {off}; their checks are off"));
        let mut names = ["reference"].into_iter().chain(std::iter::repeat(""));
        loaded.chain(off).for_each(|text| part(names.next().unwrap_or(""), text));
        part(
            "verified",
            match self.verified {
                None => "never (daybook verify)".to_owned(),
                Some(verified) => {
                    let found = if verified.ok { "good" } else { "damaged" };
                    format!("{}, {} entries, {found}", ago(verified.at, self.at), number(verified.entries))
                }
            },
        );
        part("scrubbed", self.scrub.text(self.at));
        if !self.folders.is_empty() {
            lines.push(String::new());
            lines.extend(folders(&self.folders, self.at));
        }
        lines.iter().map(|line| printable(line)).collect()
    }

    fn mirrored(&self, mirror: &MirrorStatus) -> String {
        let missing = self.entries.saturating_sub(mirror.entries);
        let entries = match missing {
            0 => "all entries".to_owned(),
            missing => {
                format!("{} of {} entries ({} to go)", number(mirror.entries), number(self.entries), number(missing))
            }
        };
        let originals = match mirror.originals_missing {
            0 => "all originals".to_owned(),
            missing => format!("{} originals to go", number(missing)),
        };
        format!("{entries}, {originals}")
    }

    fn central(&self, mirror: &MirrorStatus) -> String {
        let mut text = mirror.central.clone();
        text.push_str(if mirror.connected { ", connected" } else { ", not connected" });
        match mirror.last_contact_at {
            Some(at) => drop(write!(text, ", last heard of {}", ago(at, self.at))),
            // When it was last reached is what an agent knows, and nobody else.
            None if self.agent_running == Some(false) => text.push_str(" while no agent runs"),
            None => text.push_str(", never reached"),
        }
        match mirror.signed_for {
            Some(entries) => drop(write!(text, ", has signed for {} entries", number(entries))),
            None => text.push_str(", has signed for nothing"),
        }
        text
    }
}

impl MirrorStatus {
    fn refuses(&self) -> Option<String> {
        let why = self.refused.as_ref()?;
        Some(format!("the central node at {} refuses this agent: {why}", self.central))
    }
}

/// What is wrong, a problem after the other, or that nothing is.
pub(super) fn verdict(problems: &[Problem]) -> Vec<String> {
    let mut lines = vec![match problems.len() {
        0 => "All is well.".to_owned(),
        1 => "One thing is wrong:".to_owned(),
        several => format!("{several} things are wrong:"),
    }];
    for problem in problems {
        lines.push(format!("  - {}", problem.what));
        if !problem.mend.is_empty() {
            lines.push(format!("    mend: {}", problem.mend));
        }
    }
    lines
}

fn held(held: &HeldStatus, now: Timestamp) -> String {
    if held.files + held.rows == 0 {
        return "nothing waits for a person".to_owned();
    }
    let oldest = held.oldest_at.map_or_else(String::new, |at| format!(", the oldest since {}", ago(at, now)));
    format!("{} files and {} rows wait for a person{oldest} (daybook held list)", number(held.files), number(held.rows))
}

fn folders(folders: &[FolderStatus], now: Timestamp) -> Vec<String> {
    let name = folders.iter().map(|folder| folder.name.chars().count()).max().unwrap_or(0).max("folder".len());
    let row = |first: &str, centre: &str, waiting: &str, last: &str| {
        format!("{first:<name$}  {centre:<12}  {waiting:>7}  {last}")
    };
    let mut lines = vec![row("folder", "centre", "waiting", "last file")];
    lines.extend(folders.iter().map(|folder| {
        let last = folder.last_file_at.map_or_else(|| "never".to_owned(), |at| ago(at, now));
        row(&folder.name, &folder.centre, &number(folder.waiting), &last)
    }));
    lines
}

fn brief(root: Digest) -> String {
    root.to_string().chars().take(ROOT_DIGITS).collect()
}

#[cfg(test)]
mod tests;
