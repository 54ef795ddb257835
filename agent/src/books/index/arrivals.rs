//! Arrivals: how far each file is along the straight line, so that it is taken up where the log ends.

use std::collections::{HashMap, VecDeque};

use daybook_protocol::{
    date::Timestamp,
    entry::{Actor, Entry, Source},
    event::{Event, FileId, FileReceived, JudgedAgain, Lines, Plan, ReceiptIssued, Totals},
    finding::{Finding, Severity},
    ids::{Digest, Epoch, Sequence},
};
use serde::{Deserialize, Serialize};

/// This many finished arrivals are kept in mind, for whoever asks right after; the books know all.
const FINISHED_MAX: usize = 10_000;

/// How far an arrival is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Its original is preserved.
    Received,
    /// It is read by a plan and judged row by row.
    Parsed,
    /// It has its verdict, or all its rows have theirs.
    Judged,
    /// Its sender was answered.
    Answered,
    /// Its original left the drop folder: nothing is left to do.
    Filed,
}

/// What came of a file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every row has its verdict.
    Processed,
    /// It was refused as a whole.
    Rejected,
    /// It waits for a person.
    Held,
}

/// An arrival, as far as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Its `FileReceived`; also its receipt's number.
    pub arrival: Sequence,
    /// When it was recorded, in microseconds from 1970.
    pub recorded_at: i64,
    /// What was recorded.
    pub received: FileReceived,
    /// How far it is.
    pub stage: Stage,
    /// How it is read, once that is known.
    pub plan: Option<Plan>,
    /// How its lines are accounted for.
    pub lines: Lines,
    /// The entry from which on its rows are judged, or that gave it its verdict.
    pub since: Sequence,
    /// The entry that gave it, or the last of its rows, a verdict.
    pub judged: Option<Sequence>,
    /// The line of the last row that has a verdict; 0 before the first.
    pub last_line: u32,
    /// What became of its rows so far.
    pub totals: Totals,
    /// What came of it as a whole.
    pub verdict: Option<Verdict>,
    /// What the checks found in it as a whole.
    pub findings: Vec<Finding>,
    /// The operator whose orders its rows are, where it is a file of orders: it belongs to no centre.
    pub ordered_by: Option<String>,
    /// Whether an operator let it go on after it was held.
    pub released: bool,
    /// Whether its original lies in `held/`.
    pub set_aside: bool,
    /// How many of its rows wait for a person.
    pub rows_held: u32,
    /// What became of its rows by now: as `totals`, with what a person decided since.
    pub standing: Totals,
    /// The number of the latest receipt about it, where one was issued.
    pub receipt: Option<Sequence>,
    /// The receipt that its first one takes the place of, where a branch that was given up had issued one.
    pub replaces: Option<Replaced>,
    /// The held rows that a person has decided on and that no receipt tells of yet, in the order in which they were decided.
    pub decided: Vec<Decided>,
}

/// A receipt of a branch that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Its number.
    pub receipt: Sequence,
    /// The epoch in which it was issued: in this log the same number may be that of another file.
    pub epoch: Epoch,
}

/// A held row that a person has decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The physical line on which it begins.
    pub line: u32,
    /// The entry that has its new verdict: the row, judged again, or the refusal.
    pub entry: Sequence,
}

impl Arrival {
    /// When it was recorded.
    pub fn received_at(&self) -> Timestamp {
        Timestamp(self.recorded_at)
    }

    /// Whether something is still to be done for it.
    pub fn is_open(&self) -> bool {
        self.stage != Stage::Filed || self.is_to_correct()
    }

    /// Whether a person has looked at it as a whole, so that what is only a question no longer holds it.
    pub fn is_seen(&self) -> bool {
        self.released || self.ordered_by.is_some()
    }

    /// Whether its sender was answered and has to hear what a person has decided since.
    pub fn is_to_correct(&self) -> bool {
        self.stage == Stage::Filed && !self.decided.is_empty()
    }

    /// The last entry that its next receipt tells of.
    pub fn last(&self) -> Sequence {
        let decided = self.decided.last().filter(|_| self.is_to_correct()).map(|decided| decided.entry);
        decided.or(self.judged).unwrap_or(self.arrival)
    }

    /// The number of its next receipt.
    pub fn next_receipt(&self) -> Sequence {
        if self.receipt.is_none() { self.arrival } else { self.last() }
    }

    /// The findings about the file as a whole that its sender is told. What a person was to look at is none any more once the
    /// file is not held.
    pub fn told_findings(&self) -> Vec<Finding> {
        let held = self.verdict == Some(Verdict::Held);
        self.findings.iter().copied().filter(|it| held || it.code.severity() != Severity::Query).collect()
    }

    /// The receipt that its next one corrects, where it corrects one.
    pub fn corrects(&self) -> Option<Sequence> {
        self.receipt.map(|_| self.arrival)
    }
}

/// Who orders what the rows of a file say, if it is such a file. Whatever else arrives comes from a centre, or from nobody's hand.
fn ordered_by(entry: &Entry, received: &FileReceived) -> Option<String> {
    match &entry.actor {
        Actor::Operator(operator) if received.centre.is_empty() => Some(operator.clone()),
        _ => None,
    }
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pub(super) open: HashMap<u64, Arrival>,
    pub(super) finished: VecDeque<Arrival>,
    pub(super) first: HashMap<Digest, Sequence>,
    pub(super) refused: HashMap<(String, FileId), Timestamp>,
    pub(super) latest: Option<Sequence>,
    pub(super) by_folder: HashMap<String, Timestamp>,
    /// The arrival of a branch that was given up, which is to arrive next.
    pub(super) again: Option<JudgedAgain>,
}

impl Arrivals {
    pub(super) fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::FileReceived(received) => self.receive(entry, received),
            Event::JudgedAgain(again) => self.judged_again(entry, again),
            Event::ArrivalRefused(refused) => {
                self.refused.insert((refused.folder.clone(), refused.file_id), entry.recorded_at);
            }
            Event::FileParsed(parsed) => self.change(parsed.arrival, |arrival| {
                arrival.stage = Stage::Parsed;
                arrival.plan = Some(parsed.plan.clone());
                arrival.lines = parsed.lines;
                arrival.since = entry.sequence;
                arrival.findings.clone_from(&entry.findings);
            }),
            Event::FileRejected(closed) => self.judge(closed.arrival, entry, Verdict::Rejected, Some(closed.lines)),
            Event::FileHeld(closed) => self.judge(closed.arrival, entry, Verdict::Held, Some(closed.lines)),
            Event::FileProcessed(processed) => self.judge(processed.arrival, entry, Verdict::Processed, None),
            Event::ReceiptIssued(issued) => self.answer(issued),
            Event::OriginalFiled(filed) => {
                self.change(filed.arrival, |arrival| {
                    arrival.stage = Stage::Filed;
                    arrival.set_aside = filed.place == daybook_protocol::event::Place::Held;
                });
                self.finish(filed.arrival);
            }
            event => {
                if let Source::Row { arrival, line } = entry.source {
                    self.row(arrival, line, event);
                }
            }
        }
    }

    fn receive(&mut self, entry: &Entry, received: &FileReceived) {
        self.first.entry(received.sha256).or_insert(entry.sequence);
        self.latest = Some(entry.sequence);
        let again = self.again.take().filter(|again| again.original == Some(received.sha256));
        self.by_folder.insert(received.folder.clone(), entry.recorded_at);
        let arrival = Arrival {
            arrival: entry.sequence,
            recorded_at: entry.recorded_at.0,
            received: received.clone(),
            stage: Stage::Received,
            plan: None,
            lines: Lines::default(),
            since: entry.sequence,
            judged: None,
            last_line: 0,
            totals: Totals::default(),
            verdict: None,
            findings: Vec::new(),
            ordered_by: ordered_by(entry, received),
            released: false,
            set_aside: false,
            rows_held: 0,
            standing: Totals::default(),
            receipt: None,
            replaces: again.and_then(replaced),
            decided: Vec::new(),
        };
        self.open.insert(entry.sequence.0, arrival);
    }

    fn judged_again(&mut self, entry: &Entry, again: &JudgedAgain) {
        match entry.source {
            Source::File { arrival } => self.change(arrival, |arrival| arrival.replaces = replaced(*again)),
            _ => self.again = again.original.map(|_| *again),
        }
    }

    fn row(&mut self, arrival: Sequence, line: u32, event: &Event) {
        self.change(arrival, |arrival| {
            // A row that is judged again after a person released it is not counted twice.
            if arrival.stage != Stage::Parsed || line <= arrival.last_line {
                return;
            }
            arrival.last_line = line;
            arrival.totals.count(event.verdict());
            arrival.standing.count(event.verdict());
        });
    }

    fn answer(&mut self, issued: &ReceiptIssued) {
        self.change(issued.arrival, |arrival| {
            arrival.receipt = Some(issued.receipt);
            arrival.decided.retain(|decided| decided.entry > issued.receipt);
            if arrival.stage == Stage::Judged {
                arrival.stage = Stage::Answered;
            }
        });
        self.finish(issued.arrival);
    }

    fn judge(&mut self, arrival: Sequence, entry: &Entry, verdict: Verdict, lines: Option<Lines>) {
        self.change(arrival, |arrival| {
            arrival.stage = Stage::Judged;
            arrival.verdict = Some(verdict);
            arrival.judged = Some(entry.sequence);
            if let Some(lines) = lines {
                arrival.lines = lines;
                arrival.since = entry.sequence;
                arrival.findings.clone_from(&entry.findings);
            }
        });
    }

    /// A person has decided on a held file: it goes on to be judged, or is refused.
    pub(super) fn resolve(&mut self, arrival: Sequence, released: bool, entry: &Entry) {
        if let Some(place) = self.finished.iter().position(|finished| finished.arrival == arrival)
            && let Some(finished) = self.finished.remove(place)
        {
            self.open.insert(arrival.0, finished);
        }
        self.change(arrival, |arrival| {
            if released {
                arrival.released = true;
                arrival.stage = Stage::Received;
                arrival.verdict = None;
            } else {
                arrival.stage = Stage::Judged;
                arrival.verdict = Some(Verdict::Rejected);
                arrival.judged = Some(entry.sequence);
                arrival.findings.extend(&entry.findings);
            }
        });
    }

    /// What something means in a held file was learned: it is read anew, and may be held again.
    pub(super) fn read_anew(&mut self, arrival: Sequence) {
        self.change(arrival, |arrival| {
            arrival.stage = Stage::Received;
            arrival.verdict = None;
        });
    }

    fn change(&mut self, arrival: Sequence, change: impl FnOnce(&mut Arrival)) {
        if let Some(arrival) = self.open.get_mut(&arrival.0) {
            change(arrival);
        }
    }

    /// A row of the arrival waits for a person.
    pub(super) fn row_held(&mut self, arrival: Sequence) {
        self.change(arrival, |arrival| arrival.rows_held = arrival.rows_held.saturating_add(1));
    }

    /// A row of the arrival waits no longer under the entry that held it: `entry` has its new verdict, or holds it again.
    pub(super) fn row_resolved(&mut self, arrival: Sequence, line: u32, entry: &Entry) {
        self.change(arrival, |arrival| {
            arrival.rows_held = arrival.rows_held.saturating_sub(1);
            if matches!(entry.event, Event::RowHeld(_)) {
                return; // its sender hears nothing new
            }
            arrival.standing.resolve_held(entry.event.verdict());
            arrival.decided.push(Decided { line, entry: entry.sequence });
        });
    }

    /// A file that is held, or has rows that are, is not finished in the end: it stays in mind until a person has decided
    /// and its sender has heard of it, however many files come meanwhile.
    fn finish(&mut self, arrival: Sequence) {
        let waits = |it: &Arrival| it.is_open() || it.verdict == Some(Verdict::Held) || it.rows_held > 0;
        if self.open.get(&arrival.0).is_some_and(waits) {
            return;
        }
        if let Some(finished) = self.open.remove(&arrival.0) {
            self.finished.push_back(finished);
        }
        if self.finished.len() > FINISHED_MAX {
            self.finished.pop_front();
        }
    }

    pub(super) fn one(&self, arrival: Sequence) -> Option<&Arrival> {
        self.open.get(&arrival.0).or_else(|| self.finished.iter().rev().find(|finished| finished.arrival == arrival))
    }

    pub(super) fn open(&self) -> Vec<Arrival> {
        let mut open: Vec<_> = self.open.values().filter(|arrival| arrival.is_open()).cloned().collect();
        open.sort_unstable_by_key(|arrival| arrival.arrival);
        open
    }

    pub(super) fn latest(&self) -> Option<Sequence> {
        self.latest
    }

    pub(super) fn latest_by_folder(&self) -> &HashMap<String, Timestamp> {
        &self.by_folder
    }

    pub(super) fn first(&self, sha256: &Digest) -> Option<Sequence> {
        self.first.get(sha256).copied()
    }

    pub(super) fn refused(&self) -> Vec<(String, FileId, Timestamp)> {
        self.refused.iter().map(|((folder, file_id), at)| (folder.clone(), *file_id, *at)).collect()
    }
}

fn replaced(JudgedAgain { receipt, epoch, .. }: JudgedAgain) -> Option<Replaced> {
    receipt.map(|receipt| Replaced { receipt, epoch })
}
