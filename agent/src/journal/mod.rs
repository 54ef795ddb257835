//! The only writer of the log. It gives every entry its place and time, seals what is personal, and commits: batch, keys,
//! barrier, head, and only then the answer. Whoever wants something recorded sends it here and waits.
//!
//! Three threads, one behind the other. The *judge* owns the index that the desk decides by, so that every decision sees
//! all before it, and gives each entry its place. The *writer* seals and encodes entries in their order and puts them into
//! batches. The *committer* owns the store: it makes batches durable, and answers. Several sources share a barrier: whatever
//! has come in while the last one passed goes into the next.
//!
//! Architecture invariant: there is no second way to append, and no answer before the barrier. After any failure of store
//! or keyring all three stop for good; what was not answered is judged again by the next start. A full disk is such a failure
//! to a command, which can be given again; an agent waits for room.

mod clock;
mod commit;
mod judge;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, SyncSender},
    },
    thread,
};

use daybook_protocol::{
    date::{Date, Timestamp},
    entry::{Actor, Private, Source},
    event::{Alarm, Event, Verdict},
    finding::Finding,
    ids::{KeyId, RegistrationNo, Sequence},
};

pub use clock::today;
pub use judge::{CLOCK, Desk, Opening};

use crate::{
    books::index::Index,
    desk::{Command, Content, Registers, Rejected},
    store::StoreReader,
};
use clock::Moment;

/// Requests that may wait for the writer. Each is a chunk of rows or a single note, so this bounds memory to some
/// megabytes and keeps a slow disk from being buried.
const WAITING_MAX: usize = 8;

/// An entry before it has its place.
#[derive(Debug, Clone)]
pub struct Draft {
    /// From which day the fact holds, where it is such a fact.
    pub effective_on: Option<Date>,
    /// Who caused it.
    pub actor: Actor,
    /// What it came from.
    pub source: Source,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// What happened.
    pub event: Event,
    /// What is personal about it, and the key to seal it under.
    pub private: Option<(KeyId, Private)>,
}

impl Draft {
    /// An event of the agent's own, with nothing personal.
    pub fn plain(event: Event) -> Self {
        let (actor, source) = (Actor::Agent, Source::Agent);
        Self { effective_on: None, actor, source, findings: Vec::new(), event, private: None }
    }

    /// An event about a file as a whole.
    pub fn of_file(arrival: Sequence, event: Event) -> Self {
        Self { source: Source::File { arrival }, ..Self::plain(event) }
    }
}

/// A row as the desk has read it.
#[derive(Debug)]
pub struct ReadRow {
    /// The physical line on which it begins, counted from 1.
    pub line: u32,
    /// What it asks for, or why it cannot be taken.
    pub asks: Result<Command, Rejected>,
    /// Whether a person has let it go on after it was held.
    pub released: bool,
}

/// What became of a row.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The physical line on which it begins, counted from 1.
    pub line: u32,
    /// Its entry.
    pub sequence: Sequence,
    /// What the desk said.
    pub verdict: Verdict,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// The registration that it opened or concerned, where there is one.
    pub registration: Option<RegistrationNo>,
    /// The last day of a registration that it opened.
    pub expires_on: Option<Date>,
}

/// What became of an operator's command.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The entry that says so.
    pub sequence: Sequence,
    /// What was recorded.
    pub event: Event,
    /// What the checks found.
    pub findings: Vec<Finding>,
}

/// How an operator orders something.
#[derive(Debug)]
enum Way {
    /// On their own word.
    Alone,
    /// For another one to approve; with the row that would say the same, to be judged again then.
    Proposed(Private),
    /// By approving what another one proposed under this entry.
    Approving(Sequence),
}

/// Why something was not recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The writer has stopped: store or keyring failed, or the program is stopping. What it was given last may be found in the log
    /// by the next start all the same.
    #[error("the journal has stopped: {0}")]
    Stopped(String),
    /// An entry would be over its limit; nothing was written.
    #[error("the entry is too large: {0}")]
    TooLarge(String),
    /// The log's bytes are damaged; nothing was written, and nothing is before that is mended.
    #[error("nothing is recorded on a damaged log ({0}): stop the agent and run `daybook salvage`")]
    Damaged(String),
    /// The disk has so little room that nothing is recorded, so that what was recorded stays safe. Nothing was written.
    #[error("the disk is nearly full: make room, it goes on by itself")]
    Full,
    /// A key under which it was to be sealed cannot be had; nothing was written.
    #[error("{0}")]
    Key(String),
    /// A register that is in force cannot be read, so that nothing can be judged by it; nothing was written.
    #[error("{0}")]
    Register(String),
    /// Nothing waits for approval under that entry; nothing was written.
    #[error("nothing waits for approval under entry {0}: `daybook record proposals` lists what does")]
    NoProposal(Sequence),
    /// Who proposed it would approve it too; nothing was written.
    #[error("entry {entry} was proposed by {operator}, so that another operator has to approve it")]
    OwnProposal {
        /// The proposal.
        entry: Sequence,
        /// Who proposed it.
        operator: String,
    },
    /// The machine's clock is not accepted; nothing was written.
    #[error("the clock is not accepted: {0}")]
    Clock(String),
}

type Reply<T> = mpsc::SyncSender<Result<T, JournalError>>;

/// What is asked of the index and the registers between two requests.
type Question = Box<dyn FnOnce(&Index, &Registers) + Send>;

enum Work {
    Note(Box<Draft>, Reply<(Sequence, Timestamp)>),
    Rows { arrival: Sequence, key: KeyId, rows: Vec<ReadRow>, reply: Reply<Vec<Judged>> },
    Order { command: Box<Command>, operator: String, way: Way, reply: Reply<Answer> },
    Decline { proposed: Sequence, reason: Private, operator: String, reply: Reply<Answer> },
    Hear(Moment),
    AcceptClock { reason: Private, operator: String, reply: Reply<Answer> },
    Adopt { draft: Box<Draft>, content: Content, reply: Reply<Sequence> },
    Look(Question),
    Stop,
}

/// The way to the writer. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    work: SyncSender<Work>,
    log: StoreReader,
    /// Whether what finds no room on the disk waits for it.
    waits_for_room: Arc<AtomicBool>,
}

/// The threads, to be awaited at the end.
pub struct Writing(thread::JoinHandle<Result<(), JournalError>>);

impl Writing {
    /// Whether the writer has stopped, by itself or because it was told to.
    pub fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits until the writer has committed what it holds and closed the store.
    pub fn wait(self) -> Result<(), JournalError> {
        self.0.join().unwrap_or_else(|_| Err(JournalError::Stopped("its thread ended unexpectedly".into())))
    }
}

impl Journal {
    /// Starts the writer.
    pub fn start(opening: Opening) -> (Self, Writing) {
        let (work, waiting) = mpsc::sync_channel(WAITING_MAX);
        let log = opening.store.reader();
        let waits_for_room = Arc::new(AtomicBool::new(false));
        let waits = Arc::clone(&waits_for_room);
        let thread = thread::Builder::new().name("judge".into()).spawn(move || judge::run(opening, &waiting, waits));
        let journal = Self { work, log, waits_for_room };
        match thread {
            Ok(thread) => (journal, Writing(thread)),
            // No thread can be had: every request will find the channel closed and say so.
            Err(error) => {
                let failed = JournalError::Stopped(error.to_string());
                (journal, Writing(thread::spawn(move || Err(failed))))
            }
        }
    }

    /// Whether from now on what finds no room on the disk waits until there is some, together with whoever is to be answered:
    /// for an agent, until it is to stop. Otherwise the journal stops then.
    pub fn wait_for_room(&self, wait: bool) {
        self.waits_for_room.store(wait, Ordering::Relaxed);
    }

    /// Records one event and answers when it is durable.
    pub fn note(&self, draft: Draft) -> Result<Sequence, JournalError> {
        self.note_at(draft).map(|(sequence, _)| sequence)
    }

    /// The same, with the time of recording.
    pub fn note_at(&self, draft: Draft) -> Result<(Sequence, Timestamp), JournalError> {
        self.send(|reply| Work::Note(Box::new(draft), reply))?.wait()
    }

    /// Records one event; does not wait until it is durable, which on a full disk may be long.
    pub fn tell(&self, draft: Draft) -> Result<(), JournalError> {
        self.send(|reply| Work::Note(Box::new(draft), reply)).map(drop)
    }

    /// Hands over rows of a file, in order, to be judged; the answer, a pending one, says what became of them once they
    /// are durable. Blocks while the writer is busy with earlier ones.
    pub fn rows(
        &self,
        arrival: Sequence,
        key: KeyId,
        rows: Vec<ReadRow>,
    ) -> Result<Pending<Vec<Judged>>, JournalError> {
        self.send(|reply| Work::Rows { arrival, key, rows, reply })
    }

    /// Judges and records an operator's command.
    pub fn order(&self, command: Command, operator: &str) -> Result<Answer, JournalError> {
        self.order_by(Way::Alone, command, operator)
    }

    /// Records, for another operator to approve, a command that would be accepted; `row` is what would say the same, and is sealed.
    /// What would not be accepted is answered as if it had been ordered.
    pub fn propose(&self, command: Command, row: Private, operator: &str) -> Result<Answer, JournalError> {
        self.order_by(Way::Proposed(row), command, operator)
    }

    /// Judges and records a command that another operator proposed, as things stand now. It is decided by that, also where it is
    /// refused.
    pub fn approve(&self, command: Command, proposed: Sequence, operator: &str) -> Result<Answer, JournalError> {
        self.order_by(Way::Approving(proposed), command, operator)
    }

    /// Records that what was proposed is not to be, for a reason that is sealed.
    pub fn decline(&self, proposed: Sequence, reason: Private, operator: &str) -> Result<Answer, JournalError> {
        let operator = operator.to_owned();
        self.send(|reply| Work::Decline { proposed, reason, operator, reply })?.wait()
    }

    fn order_by(&self, way: Way, command: Command, operator: &str) -> Result<Answer, JournalError> {
        let operator = operator.to_owned();
        self.send(|reply| Work::Order { command: Box::new(command), operator, way, reply })?.wait()
    }

    /// Tells the writer that the central node's clock is so many microseconds ahead of this machine's; negative if behind.
    pub fn hear_clock(&self, ahead_us: i64) -> Result<(), JournalError> {
        self.work.send(Work::Hear(Moment::now_by(ahead_us))).map_err(|_| stopped())
    }

    /// Has the machine's clock believed on an operator's word, for a reason that is sealed.
    pub fn accept_clock(&self, reason: Private, operator: &str) -> Result<Answer, JournalError> {
        let operator = operator.to_owned();
        self.send(|reply| Work::AcceptClock { reason, operator, reply })?.wait()
    }

    /// Records that a register was loaded, as the draft says, and judges by it from there on.
    pub fn adopt(&self, draft: Draft, content: Content) -> Result<Sequence, JournalError> {
        self.send(|reply| Work::Adopt { draft: Box::new(draft), content, reply })?.wait()
    }

    /// Looks something up in the index as it stands between two requests.
    pub fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Index) -> T + Send + 'static,
    ) -> Result<T, JournalError> {
        self.look_by(|index, _| question(index))
    }

    /// The same, with the registers in force then.
    pub fn look_by<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Index, &Registers) -> T + Send + 'static,
    ) -> Result<T, JournalError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let look = Work::Look(Box::new(move |index, registers| {
            // Whoever asked may have gone; then nobody misses the answer.
            let _ = answer.send(question(index, registers));
        }));
        self.work.send(look).map_err(|_| stopped())?;
        answered.recv().map_err(|_| stopped())
    }

    /// Raises an alarm, unless it is open already.
    pub fn raise(&self, alarm: Alarm, source: Source) -> Result<(), JournalError> {
        let name = alarm.alarm.clone();
        let open = self.look(move |index| index.alarms().iter().any(|(open, _)| *open == name))?;
        if !open {
            self.note(Draft { source, ..Draft::plain(Event::AlarmRaised(alarm)) })?;
        }
        Ok(())
    }

    /// Asks the writer to commit what it holds and to stop.
    pub fn stop(&self) {
        // A writer that has stopped already need not be told.
        let _ = self.work.send(Work::Stop);
    }

    fn send<T>(&self, work: impl FnOnce(Reply<T>) -> Work) -> Result<Pending<T>, JournalError> {
        if let Some(why) = self.log.condemned() {
            return Err(JournalError::Damaged(why));
        }
        let (reply, answer) = mpsc::sync_channel(1);
        self.work.send(work(reply)).map_err(|_| stopped())?;
        Ok(Pending(answer))
    }
}

/// An answer that comes once what was asked for is durable.
pub struct Pending<T>(mpsc::Receiver<Result<T, JournalError>>);

impl<T> Pending<T> {
    /// Waits for it.
    pub fn wait(self) -> Result<T, JournalError> {
        self.0.recv().map_err(|_| stopped())?
    }
}

fn stopped() -> JournalError {
    JournalError::Stopped("the log can no longer be written; the first error in the agent's log says why".into())
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
