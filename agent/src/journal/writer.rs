//! The writer's thread: judge, seal, put into the batch, commit, answer.

use std::{path::PathBuf, sync::Arc, sync::mpsc::Receiver};

use daybook_protocol::{
    batch::{Builder, Frame},
    date::Timestamp,
    entry::{Actor, Entry, Private, Sealed, Source},
    event::{Alarm, Event, RowDuplicate, RowHeld, RowRejected, Totals},
    finding::Finding,
    ids::{Epoch, KeyId, LogId, RegistrationNo, Sequence},
    tree::Frontier,
};
use tracing::{debug, error, warn};

use super::{
    Answer, Draft, JournalError, ReadRow, Reply, Work,
    clock::{Clock, Doubt},
    today,
};
use crate::{
    books::index::Index,
    crash,
    desk::{Command, Decision, Fact, Objection, Occasion, Policy, Rejected},
    keyring::{self, Key, Keyring, KeyringError},
    store::Store,
};

/// A batch is closed at this many entries: below the format's limit, because a frame must stay short enough for the
/// store, and large enough that its header and the store's own cost hardly count.
const BATCH_ENTRIES: u32 = 256;
/// What is committed under one barrier at most, in entries: enough that the barrier's milliseconds hardly count, and
/// little enough that an answer never waits for long.
const COMMIT_ENTRIES: u64 = 16_384;
/// The index is written to disk after this many entries, so that the next start need not read the whole log.
const SNAPSHOT_ENTRIES: u64 = 100_000;

/// The alarm that says that the clock cannot be right. While it is open nothing is taken in.
pub const CLOCK: &str = "clock";

/// The rules by which rows are judged, and the entry that says which they are.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The limits.
    pub policy: Policy,
    /// The `ConfigAdopted` that holds them.
    pub governed_by: Sequence,
}

/// What the writer starts from.
pub struct Opening {
    /// The open store.
    pub store: Store,
    /// The index, caught up with the store's head.
    pub index: Index,
    /// Where the index is written to from time to time.
    pub snapshot: PathBuf,
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

/// Runs the writer until it is told to stop or something fails.
pub(super) fn run(opening: Opening, waiting: &Receiver<Work>) -> Result<(), JournalError> {
    let frontier = opening.store.head().frontier.clone();
    let mut writer = Writer {
        clock: Clock::new(opening.last_recorded_at),
        // An earlier run's alarm is still open: this one has to clear it.
        doubted: opening.index.alarms().iter().any(|(alarm, _)| alarm == CLOCK),
        committed: frontier.count(),
        snapshot_at: opening.index.applied_through(),
        frontier,
        batch: None,
        frames: Vec::new(),
        scratch: Vec::with_capacity(1024),
        key: None,
        answers: Vec::new(),
        opening,
    };
    let ended = writer.work(waiting);
    match &ended {
        Ok(()) => writer.close(),
        Err(error) => {
            error!(error = error as &dyn std::error::Error, "the journal stops: nothing more is recorded");
            ended
        }
    }
}

struct Writer {
    opening: Opening,
    clock: Clock,
    /// Whether a doubt about the clock has been told of and not yet mended.
    doubted: bool,
    /// Where the log ends, what is not yet committed counted.
    frontier: Frontier,
    committed: u64,
    snapshot_at: u64,
    batch: Option<Builder>,
    /// Finished batches that the store has not got yet: at most some megabytes, since [`COMMIT_ENTRIES`] bounds them.
    frames: Vec<Frame>,
    scratch: Vec<u8>,
    /// The key used last: a new learner's was just made, and the rows of a file that concern no known person share one.
    key: Option<(KeyId, Key)>,
    /// What to say once the barrier has passed.
    answers: Vec<Box<dyn FnOnce() + Send>>,
}

/// What a row or command came to, before it has its place.
struct Verdict {
    event: Event,
    findings: Vec<Finding>,
    private: Option<(KeyId, Private)>,
}

impl Writer {
    fn work(&mut self, waiting: &Receiver<Work>) -> Result<(), JournalError> {
        while let Ok(first) = waiting.recv() {
            let mut next = Some(first);
            while let Some(work) = next {
                if matches!(work, Work::Stop) {
                    return self.commit();
                }
                self.take(work)?;
                let room = self.frontier.count() - self.committed < COMMIT_ENTRIES;
                next = if room { waiting.try_recv().ok() } else { None };
            }
            self.commit()?;
            self.watch_clock()?;
        }
        self.commit()
    }

    fn take(&mut self, work: Work) -> Result<(), JournalError> {
        match work {
            Work::Note(draft, reply) => {
                let noted = self.append(*draft);
                self.answer(reply, noted)
            }
            Work::Rows { arrival, key, rows, reply } => {
                let judged = self.judge_rows(arrival, key, rows);
                self.answer(reply, judged)
            }
            Work::Order { command, operator, reply } => {
                let ordered = self.order(&command, operator);
                self.answer(reply, ordered)
            }
            Work::Hear(central) => {
                self.clock.hear(central);
                Ok(())
            }
            Work::AcceptClock { reason, operator, reply } => {
                let accepted = self.accept_clock(reason, operator);
                self.answer(reply, accepted)
            }
            Work::Look(look) => {
                look(&self.opening.index);
                Ok(())
            }
            Work::Stop => Ok(()),
        }
    }

    /// Keeps an answer until the barrier. An entry that was too large is the asker's affair; any other failure is ours.
    fn answer<T: Send + 'static>(
        &mut self,
        reply: Reply<T>,
        result: Result<T, JournalError>,
    ) -> Result<(), JournalError> {
        let ours = match &result {
            Err(error @ JournalError::Stopped(_)) => Some(error.clone()),
            _ => None,
        };
        self.answers.push(Box::new(move || {
            // Whoever asked may have gone; what they asked for is recorded all the same.
            let _ = reply.send(result);
        }));
        ours.map_or(Ok(()), Err)
    }

    fn judge_rows(&mut self, arrival: Sequence, key: KeyId, rows: Vec<ReadRow>) -> Result<Totals, JournalError> {
        let mut totals = Totals::default();
        let (today, stamp) = (today(), self.clock.stamp());
        for row in rows {
            let source = Source::Row { arrival, line: row.line };
            let effective_on = row.asks.as_ref().ok().map(|command| command.effective_on);
            let verdict = match row.asks {
                Ok(command) => {
                    self.judge(command, Occasion { arrival: Some(arrival), today, released: row.released }, key)?
                }
                Err(Rejected { findings, private }) => {
                    let event = Event::RowRejected(RowRejected { learner: None, against: None });
                    Verdict { event, findings, private: Some((key, private)) }
                }
            };
            totals.count(&verdict.event);
            let Verdict { event, findings, private } = verdict;
            let draft = Draft { effective_on, actor: Actor::Agent, source, findings, event, private };
            self.append_at(draft, stamp)?;
        }
        Ok(totals)
    }

    fn order(&mut self, command: &Command, operator: String) -> Result<Answer, JournalError> {
        let key = self.opening.keyring.allocate().map_err(|error| failed(&error))?.0;
        let effective_on = Some(command.effective_on);
        let verdict = self.judge(command.clone(), Occasion { arrival: None, today: today(), released: false }, key)?;
        let Verdict { event, findings, private } = verdict;
        // An operator who asks is the person who would be asked: what is doubtful is refused, and can be asked otherwise.
        let event = match event {
            Event::RowHeld(RowHeld { learner, against, .. }) => Event::RowRejected(RowRejected { learner, against }),
            other => other,
        };
        let (actor, source) = (Actor::Operator(operator), Source::Command);
        let told = (event.clone(), findings.clone());
        let (sequence, _) = self.append(Draft { effective_on, actor, source, findings, event, private })?;
        Ok(Answer { sequence, event: told.0, findings: told.1 })
    }

    /// Judges a command as the index stands now. What concerns a known person is sealed under that person's key, the
    /// rest under `key`, that of the source.
    fn judge(&mut self, command: Command, occasion: Occasion, key: KeyId) -> Result<Verdict, JournalError> {
        let decision = self.opening.index.judge(&command, occasion, &self.opening.desk.policy);
        let Command { ask, findings: mut found, private, .. } = command;
        let (event, sealed_by) = match decision {
            Decision::Accept(fact) => {
                let (event, learner) = self.event_of(fact)?;
                (event, Some(learner))
            }
            Decision::Duplicate(first) => {
                let event = Event::RowDuplicate(RowDuplicate { first });
                return Ok(Verdict { event, findings: found, private: None });
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
        Ok(Verdict { event, findings: found, private: Some((sealed_by.unwrap_or(key), private)) })
    }

    /// Gives a fact its ids: a new learner's key, and the number of a new registration, which is its place.
    fn event_of(&mut self, fact: Fact) -> Result<(Event, KeyId), JournalError> {
        let registration = RegistrationNo { epoch: self.opening.epoch, sequence: Sequence(self.frontier.count()) };
        let Self { opening, key, .. } = self;
        let allocate = || {
            let (id, made) = opening.keyring.allocate()?;
            *key = Some((id, made));
            Ok(id)
        };
        fact.into_event(registration, allocate).map_err(|error: KeyringError| failed(&error))
    }

    fn append(&mut self, draft: Draft) -> Result<(Sequence, Timestamp), JournalError> {
        let stamp = self.clock.stamp();
        self.append_at(draft, stamp)
    }

    fn append_at(&mut self, draft: Draft, recorded_at: Timestamp) -> Result<(Sequence, Timestamp), JournalError> {
        let sequence = Sequence(self.frontier.count());
        let sealed = draft.private.map(|(key, private)| self.seal(key, sequence, &private)).transpose()?;
        // A configuration governs its own entry and all that follow, to the next one.
        if matches!(draft.event, Event::ConfigAdopted(_)) {
            self.opening.desk.governed_by = sequence;
        }
        let entry = Entry {
            sequence,
            recorded_at,
            effective_on: draft.effective_on,
            actor: draft.actor,
            source: draft.source,
            governed_by: self.opening.desk.governed_by,
            findings: draft.findings,
            event: draft.event,
            sealed,
        };
        self.scratch.clear();
        entry.encode_into(&mut self.scratch).map_err(|error| JournalError::TooLarge(error.to_string()))?;
        if self.batch.as_ref().is_some_and(|batch| batch.count() >= BATCH_ENTRIES || !batch.fits(self.scratch.len())) {
            self.close_batch();
        }
        let (log, epoch) = (self.opening.log, self.opening.epoch);
        let batch = self.batch.get_or_insert_with(|| Builder::new(log, epoch, &self.frontier));
        batch.push(&self.scratch, &mut self.frontier);
        self.opening.index.apply(&entry);
        Ok((sequence, recorded_at))
    }

    fn seal(&mut self, id: KeyId, sequence: Sequence, private: &Private) -> Result<Sealed, JournalError> {
        let keyring = &self.opening.keyring;
        let key = match self.key.take() {
            Some((used, key)) if used == id => key,
            _ => keyring.key(id).map_err(|error| failed(&error))?,
        };
        let sealed = keyring::seal(&key, id, keyring.nonce(), self.opening.log, sequence, private);
        self.key = Some((id, key));
        sealed.map_err(|error| failed(&error))
    }

    fn close_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.frames.push(batch.finish(&self.frontier));
        }
    }

    /// Makes everything appended so far durable, then answers.
    fn commit(&mut self) -> Result<(), JournalError> {
        if self.frontier.count() > self.committed {
            crash::point("journal.commit.before");
            self.close_batch();
            // The keys go first: the store may make a batch durable at any time once it has it, and an entry whose key was
            // lost would be an entry that nobody can read.
            self.opening.keyring.sync().map_err(|error| failed(&error))?;
            for frame in self.frames.drain(..) {
                self.opening.store.append(&frame).map_err(|error| failed(&error))?;
            }
            self.opening.store.barrier(&self.frontier, self.opening.epoch).map_err(|error| failed(&error))?;
            // DURABLE: every entry appended so far. Whoever waits may forget what they sent.
            self.committed = self.frontier.count();
            crash::point("journal.commit.after");
        }
        for answer in self.answers.drain(..) {
            answer();
        }
        if self.committed - self.snapshot_at >= SNAPSHOT_ENTRIES.max(self.committed / 4) {
            self.snapshot();
        }
        Ok(())
    }

    /// Writes the index to disk. It can be had from the log at any time, so a failure costs only the next start's time.
    fn snapshot(&mut self) {
        self.snapshot_at = self.committed;
        let written = self.opening.index.save(self.opening.log, self.frontier.root(), &self.opening.snapshot);
        if let Err(error) = written {
            warn!(
                error = &error as &dyn std::error::Error,
                "the index was not written; the next start reads the log instead"
            );
        }
    }

    /// Tells of a doubt about the clock once, and of its end once.
    fn watch_clock(&mut self) -> Result<(), JournalError> {
        let (doubt, alarm) = (self.clock.doubt(), CLOCK.to_owned());
        if doubt.is_some() == self.doubted {
            return Ok(());
        }
        self.doubted = doubt.is_some();
        let event = match doubt {
            Some(doubt) => {
                warn!("{doubt}: intake waits");
                let mend = match doubt {
                    Doubt::Central(_) => "set right whichever of the two is wrong",
                    Doubt::Jumped(_) | Doubt::Log(_) => {
                        "set it right; if it is right, accept it with `daybook record clock --reason TEXT`"
                    }
                };
                Event::AlarmRaised(Alarm { alarm, detail: format!("{doubt}, and intake waits: {mend}") })
            }
            None => Event::AlarmCleared(Alarm { alarm, detail: "the clock is right again".into() }),
        };
        self.append(Draft::plain(event))?;
        self.commit()
    }

    /// Believes the machine's clock on an operator's word. The entry that says so is the first with a time of that clock,
    /// and the only kind whose time may be before that of the entry before it.
    fn accept_clock(&mut self, reason: Private, operator: String) -> Result<Answer, JournalError> {
        // An alarm is there to be cleared, so that whoever looks for such places finds each among the alarms.
        self.watch_clock()?;
        let refused = |why: String| Err(JournalError::Clock(why));
        let Some(doubt) = self.clock.doubt() else { return refused("nothing speaks against it".to_owned()) };
        let accepted = match self.clock.accept() {
            Ok(accepted) => accepted,
            Err(doubt) => return refused(format!("{doubt}: set right whichever of the two is wrong")),
        };
        self.doubted = false;
        let detail = format!("{doubt}; an operator accepts it: entries go on from {accepted}");
        let event = Event::AlarmCleared(Alarm { alarm: CLOCK.to_owned(), detail });
        let key = self.opening.keyring.allocate().map_err(|error| failed(&error))?.0;
        let (actor, source) = (Actor::Operator(operator), Source::Command);
        let draft = Draft { actor, source, private: Some((key, reason)), ..Draft::plain(event.clone()) };
        let (sequence, _) = self.append_at(draft, accepted)?;
        Ok(Answer { sequence, event, findings: Vec::new() })
    }

    fn close(mut self) -> Result<(), JournalError> {
        if self.snapshot_at < self.committed {
            self.snapshot();
        }
        let entries = self.committed;
        self.opening.store.close().map_err(|error| failed(&error))?;
        debug!(entries, "the journal is closed");
        Ok(())
    }
}

/// A failure of store or keyring: the text with its causes, because it is told to everyone who waits.
fn failed(error: &dyn std::error::Error) -> JournalError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    JournalError::Stopped(text)
}
