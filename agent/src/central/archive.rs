//! One thread for each log that is being mirrored: it owns the copy, takes what is queued, makes it durable with one
//! barrier and only then answers. The rules are the [`Keeper`]'s; the network is the server's.

use std::{
    iter,
    thread::{self, JoinHandle},
};

use daybook_protocol::{
    checkpoint::Checkpoint,
    date::Timestamp,
    ids::{Digest, Epoch, Sequence},
    wire::{Hello, Message, Mirrored, PIECE_BYTES_MAX, Refusal},
};
use tokio::sync::mpsc;

use super::keeper::{Keeper, fenced, trouble};
use crate::{
    keyring::RECORD_BYTES,
    replicate::{Archive, CopyError, Refused, batch_message},
};

/// At most this many messages of a connection wait for the archive: about 5 MB.
pub(super) const QUEUE_MESSAGES_MAX: usize = 32;
/// At most this many messages share a barrier.
const GROUP_MESSAGES_MAX: usize = 64;
/// So many bytes of batches are read at a time for a machine that recovers.
const READ_BYTES: usize = 512 * 1024;

/// What a connection asks of the archive. Each names its connection: what an earlier one still has in the queue when a new
/// one is attached is not taken any more.
pub(super) enum Request {
    /// A connection begins.
    Attach { connection: u64, hello: Hello, replies: mpsc::Sender<Reply> },
    /// It sent a message.
    Take { connection: u64, message: Message },
}

/// What the archive answers.
pub(super) enum Reply {
    /// To the beginning of a connection.
    Met(Mirrored),
    /// A message to be sent.
    Say(Message),
    /// The connection is to end.
    Refuse(Refused),
}

/// What the archive needs from its surroundings.
pub(super) struct Surroundings {
    /// Signs checkpoints.
    pub(super) sign: Box<dyn Fn(&Checkpoint) -> String + Send>,
    /// Is told of each new position.
    pub(super) moved: Box<dyn Fn(&Mirrored) + Send>,
    /// The clock.
    pub(super) now: fn() -> Timestamp,
}

/// Starts the thread of one log. It first waits for its predecessor on the same log to have closed the store. It ends, and
/// closes the store, when all senders of requests are gone, and when the disk failed: then the store is to be opened anew.
pub(super) fn start<A: Archive + 'static>(
    predecessor: Option<JoinHandle<()>>,
    open: impl FnOnce() -> Result<A, CopyError> + Send + 'static,
    close: impl FnOnce(A) + Send + 'static,
    surroundings: Surroundings,
) -> std::io::Result<(mpsc::Sender<Request>, JoinHandle<()>)> {
    let (sender, mut requests) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let thread = thread::Builder::new().name("archive".to_owned()).spawn(move || {
        if let Some(predecessor) = predecessor {
            // A predecessor that panicked has left the store as it is: opening it says what is the matter.
            let _ = predecessor.join();
        }
        match open().and_then(Keeper::open) {
            Ok(keeper) => close(Serving::new(keeper, surroundings).run(&mut requests)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the copy of a log cannot be opened");
                refuse_next(&mut requests, trouble(&error));
            }
        }
    })?;
    Ok((sender, thread))
}

/// Tells the connection for which the copy was to be opened; the next one tries to open it again.
fn refuse_next(requests: &mut mpsc::Receiver<Request>, refused: Refused) {
    while let Some(request) = requests.blocking_recv() {
        if let Request::Attach { replies, .. } = request {
            // A connection that is gone needs no answer.
            let _ = replies.blocking_send(Reply::Refuse(refused));
            return;
        }
    }
}

struct Attached {
    connection: u64,
    epoch: Epoch,
    replies: mpsc::Sender<Reply>,
}

/// The copy of one log at work, message by message; its thread only waits for them.
pub(super) struct Serving<A> {
    keeper: Keeper<A>,
    surroundings: Surroundings,
    attached: Option<Attached>,
    /// Set when the disk failed: nothing more is taken.
    failed: bool,
}

impl<A: Archive> Serving<A> {
    /// The keeper of one log, before anybody is connected.
    pub(super) fn new(keeper: Keeper<A>, surroundings: Surroundings) -> Self {
        Self { keeper, surroundings, attached: None, failed: false }
    }

    fn run(mut self, requests: &mut mpsc::Receiver<Request>) -> A {
        while let Some(request) = requests.blocking_recv() {
            let more = iter::from_fn(|| requests.try_recv().ok());
            if !self.group(iter::once(request).chain(more).take(GROUP_MESSAGES_MAX)) {
                return self.keeper.into_archive();
            }
            if requests.is_empty() {
                self.rest();
            }
        }
        self.end()
    }

    /// Handles what shares a barrier. `false` when the disk failed: then the copy is to be let go of.
    pub(super) fn group(&mut self, requests: impl Iterator<Item = Request>) -> bool {
        requests.for_each(|request| self.handle(request));
        self.settle();
        !self.failed
    }

    /// Notes what saves work later, and gives the copy back.
    pub(super) fn end(mut self) -> A {
        self.keeper.note();
        self.rest();
        self.keeper.into_archive()
    }

    /// For when there is nothing else to do.
    pub(super) fn rest(&mut self) {
        if let Err(error) = self.keeper.rest() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the checkpoint of a copy cannot be kept");
        }
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Attach { connection, hello, replies } => self.attach(connection, &hello, replies),
            Request::Take { connection, message } => {
                if self.attached.as_ref().is_some_and(|attached| attached.connection == connection) {
                    let taken = self.take(message);
                    self.answer(taken);
                }
            }
        }
    }

    fn attach(&mut self, connection: u64, hello: &Hello, replies: mpsc::Sender<Reply>) {
        // What the connection before this one sent is acknowledged to nobody, but it is part of what this one is told.
        self.settle();
        let later = self.attached.as_ref().map(|attached| attached.epoch).filter(|epoch| *epoch > hello.epoch);
        let met = match later {
            _ if self.failed => Err(trouble(&CopyError::Damaged("the disk failed".into()))),
            Some(epoch) => Err(fenced(epoch)),
            None => self.keeper.meet(hello),
        };
        match met {
            Ok(()) => {
                let mirrored = self.keeper.position(&self.surroundings.sign, (self.surroundings.now)());
                (self.surroundings.moved)(&mirrored);
                let _ = replies.blocking_send(Reply::Met(mirrored));
                self.attached = Some(Attached { connection, epoch: hello.epoch, replies });
            }
            Err(refused) => {
                let _ = replies.blocking_send(Reply::Refuse(refused));
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Refused> {
        match message {
            Message::FetchBatches { from } => self.send_batches(from),
            Message::FetchKeys => self.send_keys(),
            Message::FetchOriginal { sha256, offset } => self.send_original(sha256, offset),
            other => {
                if let Some(answer) = self.keeper.take(other)? {
                    self.say(answer);
                }
                Ok(())
            }
        }
    }

    fn settle(&mut self) {
        if self.failed {
            return;
        }
        match self.keeper.settle(&self.surroundings.sign, (self.surroundings.now)()) {
            Ok(None) => {}
            Ok(Some(mirrored)) => {
                (self.surroundings.moved)(&mirrored);
                self.say(Message::Mirrored(mirrored));
            }
            Err(refused) => self.answer(Err(refused)),
        }
    }

    /// Ends the connection where something was refused. After a failure of the disk what is in memory may be ahead of what
    /// is stored, so that nothing more is taken before the archive has been opened anew.
    fn answer(&mut self, taken: Result<(), Refused>) {
        let Err(refused) = taken else { return };
        if matches!(refused.refusal, Refusal::Busy | Refusal::Damaged) {
            self.failed = true;
        } else {
            // What was taken before the refusal is good, and is acknowledged before it.
            self.settle();
        }
        if let Some(attached) = self.attached.take() {
            let _ = attached.replies.blocking_send(Reply::Refuse(refused));
        }
    }

    /// Waits where the connection is slow; it has its own limits, and this log has no other connection. `false` if it is gone.
    fn say(&mut self, message: Message) -> bool {
        match &self.attached {
            Some(attached) => attached.replies.blocking_send(Reply::Say(message)).is_ok(),
            None => false,
        }
    }

    fn send_batches(&mut self, from: Sequence) -> Result<(), Refused> {
        let through = self.keeper.archive().frontier().count();
        let mut next = from.0;
        while next < through {
            let frames = self.keeper.archive().frames(Sequence(next), READ_BYTES).map_err(|error| trouble(&error))?;
            let end = frames.last().map_or(next, |frame| frame.header().end().0);
            if end <= next {
                return Err(trouble(&CopyError::Damaged("the copy ends early".into())));
            }
            for frame in frames {
                if !self.say(batch_message(&frame)) {
                    return Ok(());
                }
            }
            next = end;
        }
        self.say(Message::End);
        Ok(())
    }

    fn send_keys(&mut self) -> Result<(), Refused> {
        let archive = self.keeper.archive();
        let held = archive.keys_held().map_err(|error| trouble(&error))?;
        for held in held {
            let mut first = 0;
            while first < held.count {
                let records = self.keeper.archive().key_records(held.epoch, first, PIECE_BYTES_MAX);
                let records = records.map_err(|error| trouble(&error))?;
                let count = u32::try_from(records.len() / RECORD_BYTES).unwrap_or(u32::MAX);
                if count == 0 {
                    return Err(trouble(&CopyError::Damaged("the keyring ends early".into())));
                }
                if !self.say(Message::Keys { epoch: held.epoch, first, records }) {
                    return Ok(());
                }
                first = first.saturating_add(count);
            }
        }
        self.say(Message::End);
        Ok(())
    }

    /// Sends what is there of an original: nothing, where it is not.
    fn send_original(&mut self, sha256: Digest, offset: u64) -> Result<(), Refused> {
        let archive = self.keeper.archive();
        let total = archive.object_bytes(sha256).map_err(|error| trouble(&error))?.unwrap_or(0);
        let mut next = offset;
        while next < total {
            let bytes = self.keeper.archive().object_piece(sha256, next, PIECE_BYTES_MAX);
            let bytes = bytes.map_err(|error| trouble(&error))?;
            let length = bytes.len() as u64;
            if length == 0 || !self.say(Message::OriginalPiece { sha256, offset: next, total, bytes }) {
                break;
            }
            next += length;
        }
        self.say(Message::End);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as plain;

    use daybook_protocol::{checkpoint::Signer, tree::Frontier, wire::Role};

    use super::*;
    use crate::replicate::{
        Outbound as _,
        memory::{LOG, Memory},
    };

    type Kept = plain::Receiver<Memory>;

    fn keep(memory: Memory) -> (mpsc::Sender<Request>, Kept) {
        let (closed, kept) = plain::channel();
        let signer = Signer::new("central", &[7; 32]);
        let surroundings = Surroundings {
            sign: Box::new(move |checkpoint| checkpoint.sign(&signer)),
            moved: Box::new(|_| {}),
            now: || Timestamp(1),
        };
        let close = move |memory| closed.send(memory).expect("the test waits");
        (start(None, || Ok(memory), close, surroundings).expect("a thread").0, kept)
    }

    /// Attaches an agent that has nothing yet.
    fn attach(requests: &mpsc::Sender<Request>, connection: u64, epoch: u32) -> mpsc::Receiver<Reply> {
        let (replies, answers) = mpsc::channel(100);
        let (epoch, root) = (Epoch(epoch), Frontier::default().root());
        let hello = Hello { version: 1, role: Role::Agent, log: LOG, epoch, count: 0, root };
        requests.blocking_send(Request::Attach { connection, hello, replies }).expect("it runs");
        answers
    }

    fn send(requests: &mpsc::Sender<Request>, connection: u64, log: &Memory) {
        let records = log.key_records(Epoch::FIRST, 0, 1 << 20).expect("in memory");
        let keys = Message::Keys { epoch: Epoch::FIRST, first: 0, records };
        let batch = batch_message(log.frames.first().expect("a batch"));
        for message in [keys, batch] {
            requests.blocking_send(Request::Take { connection, message }).expect("it runs");
        }
    }

    /// Goal: what an earlier connection still has in the queue when a new one is attached is not taken, and an earlier epoch
    /// cannot attach behind a later one. Method: send in the name of the first of two connections, attach a third.
    #[test]
    fn leftovers_of_an_earlier_connection_are_not_taken() {
        let (requests, kept) = keep(Memory::new(LOG));
        let mut first = attach(&requests, 1, 1);
        let mut second = attach(&requests, 2, 2);
        let mut third = attach(&requests, 3, 1);
        send(&requests, 1, &Memory::sample(1));
        assert!(matches!(first.blocking_recv(), Some(Reply::Met(_))));
        assert!(first.blocking_recv().is_none(), "its answers have ended");
        assert!(matches!(second.blocking_recv(), Some(Reply::Met(_))));
        assert!(
            matches!(third.blocking_recv(), Some(Reply::Refuse(refused)) if refused.refusal == Refusal::Fenced),
            "an earlier epoch"
        );
        drop(requests);
        let memory = kept.recv().expect("closed in order");
        assert!(memory.frames.is_empty() && memory.keys.is_empty());
    }

    /// Goal: messages share a barrier and are acknowledged behind it; at the end the copy is closed. Method: send, look at the
    /// answers, let go.
    #[test]
    fn what_is_acknowledged_is_kept() {
        let (requests, kept) = keep(Memory::new(LOG));
        let mut answers = attach(&requests, 1, 1);
        let log = Memory::sample(1);
        send(&requests, 1, &log);
        drop(requests);
        let mut last = 0;
        while let Some(answer) = answers.blocking_recv() {
            if let Reply::Say(Message::Mirrored(mirrored)) = answer {
                last = mirrored.count;
            }
        }
        assert_eq!(last, log.durable.count());
        let memory = kept.recv().expect("closed in order");
        assert_eq!((memory.frames, memory.durable), (log.frames, log.durable));
    }

    /// Goal: after a failure of the disk nothing more is taken, and the copy is let go of so that it is opened anew. Method: a
    /// full disk.
    #[test]
    fn a_failed_copy_is_let_go() {
        let mut full = Memory::new(LOG);
        full.full = true;
        let (requests, kept) = keep(full);
        let mut answers = attach(&requests, 1, 1);
        // The batch is the last message, so that the archive is there to take each.
        send(&requests, 1, &Memory::sample(1));
        let refused = std::iter::from_fn(|| answers.blocking_recv())
            .any(|answer| matches!(answer, Reply::Refuse(refused) if refused.refusal == Refusal::Busy));
        assert!(refused);
        assert!(kept.recv().expect("closed").frames.is_empty());
        while !requests.is_closed() {
            std::thread::yield_now();
        }
    }
}
