//! The judge's thread: takes requests in their order, decides by the index, gives every entry its place and time, and
//! hands it to the writer. Knows nothing of batches and barriers.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use daybook_protocol::{
    batch::Frame,
    date::Timestamp,
    entry::{Actor, ENTRY_BYTES_MAX, Entry, Private, Sealed, Source},
    event::{Event, Register, RowDuplicate, RowHeld, RowRejected},
    finding::{Code, Finding},
    ids::{Digest, Epoch, KeyId, LogId, RegistrationNo, Sequence},
    tree::Frontier,
};
use tracing::error;

use super::{
    Draft, JournalError, Judged, ReadRow, Reply, Work,
    clock::Clock,
    commit::Committer,
    failed, stopped, today,
    writer::{Open, Run, Writer},
};
use crate::{
    books::index::Index,
    desk::{Command, Decision, Fact, Objection, Occasion, Policies, Registers, Rejected},
    keyring::{Key, Keyring, KeyringError},
    store::{Store, StoreReader},
};

mod doubt;
mod known;
mod orders;
mod registers;
mod room;

/// Runs that may wait for the writer. Each is a chunk of rows or a single note, so this bounds memory to some megabytes.
const RUNS_MAX: usize = 32;
/// Groups that may wait for the committer while it is busy with one: no more, since the next one gathers meanwhile.
const GROUPS_MAX: usize = 1;
/// The index is written to disk after this many entries, so that the next start need not read the whole log.
const SNAPSHOT_ENTRIES: u64 = 100_000;
/// A clean stop leaves at most so many entries to be folded by the next start: some hundredths of a second.
const CLOSING_ENTRIES: u64 = 10_000;
/// What a seal adds to an entry: key, nonce, tag and lengths.
const SEAL_BYTES_MAX: usize = 64;

/// The alarm that says that the clock cannot be right. While it is open nothing is taken in.
pub const CLOCK: &str = "clock";

/// The rules by which rows are judged, and the entry that says which they are.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The rules.
    pub policies: Policies,
    /// The `ConfigAdopted` that holds them.
    pub governed_by: Sequence,
    /// The registers in force.
    pub registers: Registers,
    /// Those in force that cannot be read, each with why: until they are loaded again nothing is judged.
    pub unreadable: BTreeMap<Register, String>,
}

/// What the journal starts from.
pub struct Opening {
    /// The open store.
    pub store: Store,
    /// The index, caught up with the store's head.
    pub index: Index,
    /// Where the index is written to from time to time.
    pub snapshot: PathBuf,
    /// The data directory, whose disk must have room for what is recorded.
    pub home: PathBuf,
    /// How many entries the index there has.
    pub saved_through: u64,
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// The log.
    pub log: LogId,
    /// The epoch to write in.
    pub epoch: Epoch,
    /// When the last entry was recorded.
    pub last_recorded_at: Timestamp,
    /// The rules.
    pub desk: Desk,
}

/// Runs judge, writer and committer until they are told to stop or something fails.
pub(super) fn run(
    opening: Opening,
    waiting: &Receiver<Work>,
    waits_for_room: Arc<AtomicBool>,
) -> Result<(), JournalError> {
    let Opening { store, index, snapshot, home, saved_through, keyring, log, epoch, last_recorded_at, desk } = opening;
    let entries = store.reader();
    let (runs, runs_coming) = sync_channel(RUNS_MAX);
    let (groups, groups_coming) = sync_channel(GROUPS_MAX);
    let writer = Writer::new(Arc::clone(&keyring), log, epoch, store.head().frontier.clone(), groups);
    let sealing = spawn("writer", move || writer.run(&runs_coming))?;
    let last = Committer { store, keyring: Arc::clone(&keyring), epoch, waits_for_room };
    let committing = spawn("committer", move || last.run(&groups_coming))?;
    let mut judge = Judge {
        clock: Clock::new(last_recorded_at),
        // An earlier run's alarm is still open: this one has to clear it.
        doubted: index.alarms().iter().any(|(alarm, _)| alarm == CLOCK),
        next: Sequence(index.applied_through()),
        snapshot_at: saved_through,
        made: None,
        unusable: None,
        read_last: None,
        entries,
        scratch: Vec::new(),
        runs,
        index,
        snapshot,
        home,
        keyring,
        log,
        epoch,
        desk,
    };
    let ended = judge.work(waiting).and_then(|()| judge.close());
    // Each thread ends when nobody is left to send it anything. Where several failed, the last of the line failed first.
    drop(judge);
    let written = sealing.join().unwrap_or_else(|_| Err(stopped()));
    let committed = committing.join().unwrap_or_else(|_| Err(stopped()));
    let ended = committed.and(written).and(ended);
    if let Err(error) = &ended {
        error!(error = error as &dyn std::error::Error, "the journal stops: nothing more is recorded");
    }
    ended
}

fn spawn(
    name: &str,
    work: impl FnOnce() -> Result<(), JournalError> + Send + 'static,
) -> Result<JoinHandle<Result<(), JournalError>>, JournalError> {
    thread::Builder::new().name(name.into()).spawn(work).map_err(|error| failed(&error))
}

struct Judge {
    index: Index,
    /// The log as far as it is durable.
    entries: StoreReader,
    /// The batch in which an accepted row was last looked up.
    read_last: Option<Frame>,
    snapshot: PathBuf,
    home: PathBuf,
    snapshot_at: u64,
    keyring: Arc<Keyring>,
    log: LogId,
    epoch: Epoch,
    desk: Desk,
    clock: Clock,
    /// Whether a doubt about the clock has been told of and not yet mended.
    doubted: bool,
    /// The place of the next entry.
    next: Sequence,
    /// A key that was just made or looked up, until the next entry takes it along.
    made: Option<(KeyId, Key)>,
    /// Why a person's key could not be had, until it is told.
    unusable: Option<String>,
    /// Where an entry's length is found out.
    scratch: Vec<u8>,
    /// The way to the writer.
    runs: SyncSender<Run>,
}

/// What a row or command came to, before it has its place.
struct Ruling {
    event: Event,
    findings: Vec<Finding>,
    private: Option<(KeyId, Private)>,
}

impl Judge {
    fn work(&mut self, waiting: &Receiver<Work>) -> Result<(), JournalError> {
        while let Ok(work) = waiting.recv() {
            match work {
                Work::Stop => return Ok(()),
                work => self.take(work)?,
            }
            self.watch_clock()?;
            let judged = self.index.applied_through();
            if judged - self.snapshot_at >= SNAPSHOT_ENTRIES.max(judged / 2) {
                self.save()?;
            }
        }
        Ok(())
    }

    fn take(&mut self, work: Work) -> Result<(), JournalError> {
        if self.is_full() {
            return self.turn_away(work);
        }
        self.perform(work)
    }

    fn perform(&mut self, work: Work) -> Result<(), JournalError> {
        match work {
            Work::Note(draft, reply) => {
                let key = draft.private.as_ref().map(|(key, _)| *key);
                let unsealable = key.map(|key| self.unsealable(key)).transpose()?.flatten();
                if let Some(error) = unsealable.or_else(|| self.too_large(&draft)) {
                    return self.send(Vec::new(), reply, Err(error));
                }
                let stamp = self.clock.stamp();
                let draft = self.screened(*draft);
                let open = self.place(draft, stamp);
                let noted = (open.entry.sequence, stamp);
                self.send(vec![open], reply, Ok(noted))
            }
            Work::Rows { arrival, key, rows, reply } => {
                if let Some(error) = self.unsealable(key)?.or_else(|| self.unreferred()) {
                    return self.send(Vec::new(), reply, Err(error));
                }
                let (entries, judged) = self.judge_rows(arrival, key, rows)?;
                self.send(entries, reply, Ok(judged))
            }
            Work::Order { command, operator, way, reply } => match self.unreferred() {
                Some(error) => self.send(Vec::new(), reply, Err(error)),
                None => self.order(&command, operator, way, reply),
            },
            Work::Adopt { draft, content, reply } => self.adopt(*draft, content, reply),
            Work::Decline { proposed, reason, operator, reply } => self.decline(proposed, reason, operator, reply),
            Work::Hear(central) => {
                self.clock.hear(central);
                Ok(())
            }
            Work::AcceptClock { reason, operator, reply } => self.accept_clock(reason, operator, reply),
            Work::Look(look) => {
                look(&self.index, &self.desk.registers);
                Ok(())
            }
            Work::Stop => Ok(()),
        }
    }

    /// Hands entries to the writer, and what to say once they are durable. What is refused claims nothing durable, and is said
    /// at once: on a full disk whatever is in front may wait for long.
    fn send<T: Send + 'static>(
        &self,
        entries: Vec<Open>,
        reply: Reply<T>,
        result: Result<T, JournalError>,
    ) -> Result<(), JournalError> {
        if result.is_err() && entries.is_empty() {
            // Whoever asked may have gone.
            let _ = reply.send(result);
            return Ok(());
        }
        let answer = Box::new(move |_: &Frontier| {
            // Whoever asked may have gone; what they asked for is recorded all the same.
            let _ = reply.send(result);
        });
        self.runs.send(Run { entries, answer }).map_err(|_| stopped())
    }

    /// Waits until everything that was handed to the writer is durable, and gives the root of the log up to there.
    fn settle(&self) -> Result<Digest, JournalError> {
        let (reply, settled) = sync_channel(1);
        let answer = Box::new(move |end: &Frontier| {
            // Whoever asked waits for it below.
            let _ = reply.send(end.root());
        });
        self.runs.send(Run { entries: Vec::new(), answer }).map_err(|_| stopped())?;
        settled.recv().map_err(|_| stopped())
    }

    fn judge_rows(
        &mut self,
        arrival: Sequence,
        key: KeyId,
        rows: Vec<ReadRow>,
    ) -> Result<(Vec<Open>, Vec<Judged>), JournalError> {
        let (mut entries, mut judged) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let (today, stamp) = (today(), self.clock.stamp());
        let ordered_by = self.index.arrival(arrival).and_then(|arrival| arrival.ordered_by.clone());
        let (asks_from, actor) = match ordered_by {
            // What an operator's file says is what they order, row by row.
            Some(operator) => (None, Actor::Operator(operator)),
            None => (Some(arrival), Actor::Agent),
        };
        for row in rows {
            let source = Source::Row { arrival, line: row.line };
            let effective_on = row.asks.as_ref().ok().map(|command| command.effective_on);
            let ruling = match row.asks {
                Ok(command) => {
                    let occasion = Occasion { arrival: asks_from, today, released: row.released };
                    let ruling = self.judge(command, occasion, key)?;
                    if asks_from.is_none() { orders::ordered(ruling) } else { ruling }
                }
                Err(Rejected { findings, private }) => {
                    let event = Event::RowRejected(RowRejected { learner: None, against: None });
                    Ruling { event, findings, private: Some((key, private)) }
                }
            };
            let Ruling { event, findings, private } = ruling;
            judged.push(Judged {
                line: row.line,
                sequence: self.next,
                verdict: event.verdict(),
                findings: findings.clone(),
                registration: event.registration(),
                expires_on: event.expires_on(),
            });
            let draft = Draft { effective_on, actor: actor.clone(), source, findings, event, private };
            entries.push(self.place(draft, stamp));
        }
        entries.extend(self.alarm_of_keys());
        Ok((entries, judged))
    }

    /// Judges a command as the index stands now. What concerns a known person is sealed under that person's key, the
    /// rest under `key`, that of the source.
    fn judge(&mut self, mut command: Command, occasion: Occasion, key: KeyId) -> Result<Ruling, JournalError> {
        let decision = self.index.judge(&command, occasion, &self.desk.policies);
        self.desk.registers.vouch(&mut command);
        if let Some(against) = self.against(&command, &decision) {
            return self.refused(command, decision.learner(), against, key);
        }
        let Command { ask, findings: mut found, private, .. } = command;
        let (event, sealed_by) = match decision {
            Decision::Accept(fact) => {
                let (event, learner) = self.event_of(fact)?;
                (event, Some(learner))
            }
            Decision::Duplicate(first) => {
                // A person who let it go on has seen that it is different.
                let changed = if occasion.released { None } else { self.changed(first, ask.kind(), &private)? };
                let Some((field, held)) = changed else {
                    let event = Event::RowDuplicate(RowDuplicate { first });
                    return Ok(Ruling { event, findings: found, private: None });
                };
                found.push(Finding::of(Code::DIFFERS_FROM_ACCEPTED, field));
                (Event::RowHeld(held.clone()), held.learner)
            }
            Decision::Reject(Objection { finding, against, learner }) => {
                found.push(finding);
                (Event::RowRejected(RowRejected { learner, against }), learner)
            }
            Decision::Hold(Objection { finding, against, learner }) => {
                found.push(finding);
                (Event::RowHeld(RowHeld { kind: ask.kind(), learner, against }), learner)
            }
        };
        let ruling = Ruling { event, findings: found, private: Some((sealed_by.unwrap_or(key), private)) };
        self.sealable(ask.kind(), ruling, key)
    }

    /// Gives a fact its ids: a new learner's key, and the number of a new registration, which is its place.
    fn event_of(&mut self, fact: Fact) -> Result<(Event, KeyId), JournalError> {
        let registration = RegistrationNo { epoch: self.epoch, sequence: self.next };
        let Self { keyring, made, .. } = self;
        let allocate = || {
            let (id, key) = keyring.allocate()?;
            *made = Some((id, key));
            Ok(id)
        };
        fact.into_event(registration, allocate).map_err(|error: KeyringError| failed(&error))
    }

    /// Gives an entry the next place, and folds it into the index.
    fn place(&mut self, draft: Draft, recorded_at: Timestamp) -> Open {
        let sequence = self.next;
        // A configuration governs its own entry and all that follow, to the next one.
        if matches!(draft.event, Event::ConfigAdopted(_)) {
            self.desk.governed_by = sequence;
        }
        let (mut entry, private) = self.entry(draft, recorded_at);
        let sealed_by = private.as_ref().map(|(key, _)| *key);
        // The index asks by which key an entry is sealed, and not for what.
        entry.sealed = sealed_by.map(|key| Sealed { key, nonce: [0; 24], ciphertext: Vec::new() });
        self.index.apply(&entry);
        self.next = sequence.plus(1);
        let made = self.made.take().filter(|(made, _)| Some(*made) == sealed_by);
        Open { entry, private, key: made.map(|(_, key)| key) }
    }

    /// What a draft would be as the next entry, and what is to be sealed of it.
    fn entry(&self, draft: Draft, recorded_at: Timestamp) -> (Entry, Option<(KeyId, Private)>) {
        let Draft { effective_on, actor, source, findings, event, private } = draft;
        let (sequence, governed_by) = (self.next, self.desk.governed_by);
        let entry =
            Entry { sequence, recorded_at, effective_on, actor, source, governed_by, findings, event, sealed: None };
        (entry, private)
    }

    /// Why an entry would be too large, if it would: its sender's affair. A row's never is, by the limits of its fields.
    fn too_large(&mut self, draft: &Draft) -> Option<JournalError> {
        let too_large = |error: daybook_protocol::DecodeError| JournalError::TooLarge(error.to_string());
        self.scratch.clear();
        let (entry, private) = self.entry(draft.clone(), Timestamp::default());
        if let Err(error) = entry.encode_into(&mut self.scratch) {
            return Some(too_large(error));
        }
        let sealed = match private.map(|(_, private)| private.encode()).transpose() {
            Ok(private) => private.map_or(0, |private| private.len() + SEAL_BYTES_MAX),
            Err(error) => return Some(too_large(error)),
        };
        let bytes = self.scratch.len() + sealed;
        (bytes > ENTRY_BYTES_MAX).then(|| JournalError::TooLarge(format!("{bytes} bytes of {ENTRY_BYTES_MAX}")))
    }

    /// Leaves everything as the next start likes to find it.
    fn close(&mut self) -> Result<(), JournalError> {
        let judged = self.index.applied_through();
        // A command that records one entry need not write the index of ten million learners.
        let worth_it = judged - self.snapshot_at > CLOSING_ENTRIES.min(judged / 16);
        if worth_it { self.save() } else { self.settle().map(|_| ()) }
    }
}
