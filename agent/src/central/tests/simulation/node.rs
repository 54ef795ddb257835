//! The central node: its registry, its copy of the log and the rules of both, without threads and connections.

use std::collections::{BTreeMap, VecDeque};

use daybook_protocol::{
    checkpoint::Checkpoint,
    date::Timestamp,
    ids::{Digest, Epoch},
    wire::{Hello, Message, Mirrored, Refusal, Role, VERSION},
};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use super::{
    Flaw,
    disk::{Contents, Disk},
    requests, signer,
};
use crate::{
    central::{
        Keeper, Purpose, Registry,
        archive::{Reply, Request, Serving, Surroundings},
        keeper::fenced,
        registry::Asked,
    },
    replicate::{ANY_LOG, Archive as _, Refused, frame_of, memory::LOG},
    tls,
};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
/// More than are ever under way: the simulation takes every answer before it goes on.
const ANSWERS_MAX: usize = 10_000;

/// What the central node does by itself: an answer on a connection, or the end of one.
pub(super) enum Answer {
    Say(u64, Message),
    Close(u64, Option<Message>),
}

pub(super) struct Node {
    pub(super) disk: Disk,
    registry: Registry,
    /// `None` while it is down, and after its disk has failed until it is opened again.
    serving: Option<Serving<Disk>>,
    pub(super) up: bool,
    queue: VecDeque<Request>,
    answers: BTreeMap<u64, mpsc::Receiver<Reply>>,
    /// The connection of the log.
    live: Option<u64>,
    connections: u64,
    flaw: Option<Flaw>,
}

impl Node {
    pub(super) fn new(flaw: Option<Flaw>) -> Self {
        Self {
            disk: Disk::new(flaw),
            registry: Registry::default(),
            serving: None,
            up: true,
            queue: VecDeque::new(),
            answers: BTreeMap::new(),
            live: None,
            connections: 0,
            flaw,
        }
    }

    /// Lets a new machine in by a code: to begin the log, or to take it over. Gives the fingerprint and the epoch.
    pub(super) fn certify(&mut self, purpose: Purpose, answers: &mut Vec<Answer>) -> (Digest, Epoch) {
        let machine = self.registry.agents().len();
        let secret_hash = Digest::of(&machine.to_be_bytes());
        self.registry.invite(secret_hash, purpose, NOW, Timestamp(NOW.0 + 1)).expect("a code");
        let log = if purpose == Purpose::Join { LOG } else { ANY_LOG };
        let (count, root) = super::truth::beginning();
        let hello = Hello { version: VERSION, role: Role::Newcomer, log, epoch: Epoch::FIRST, count, root };
        let request = requests().get(machine).expect("few machines");
        let asked = Asked { secret_hash, request, hello };
        let certificate = machine.to_be_bytes().to_vec();
        let (agent, _) = self.registry.certify(&asked, NOW, |_, _| Ok(certificate)).expect("a good code");
        assert_eq!(agent.fingerprint, tls::fingerprint(&machine.to_be_bytes()));
        self.end_live(&fenced(agent.epoch), answers);
        (agent.fingerprint, agent.epoch)
    }

    pub(super) fn revoke(&mut self, answers: &mut Vec<Answer>) {
        let refused = self.registry.revoke(LOG, "stolen", NOW).expect("it has an agent");
        self.end_live(&refused, answers);
    }

    /// Why a machine may not come in, if so.
    pub(super) fn turns_away(&self, certificate: Digest, hello: &Hello) -> Option<Refused> {
        self.registry.admit(Some(certificate), hello).err().map(|(_, refused)| refused)
    }

    fn end_live(&mut self, refused: &Refused, answers: &mut Vec<Answer>) {
        if let Some(connection) = self.live.take() {
            answers.push(Answer::Close(connection, Some(refused.message())));
        }
    }

    /// A hello comes: the newest connection takes the place of the one before.
    pub(super) fn meet(&mut self, connection: u64, certificate: Digest, hello: Hello, answers: &mut Vec<Answer>) {
        let turned_away = self.turns_away(certificate, &hello).filter(|_| self.flaw != Some(Flaw::NoFence));
        if let Some(refused) = turned_away {
            answers.push(Answer::Close(connection, Some(refused.message())));
            return;
        }
        self.end_live(&Refused::new(Refusal::Busy, "a newer connection took the place of this one"), answers);
        self.live = Some(connection);
        self.connections += 1;
        let (replies, coming) = mpsc::channel(ANSWERS_MAX);
        self.answers.insert(connection, coming);
        self.queue.push_back(Request::Attach { connection, hello, replies });
    }

    /// A message comes. What a connection says that is not there any more is not heard.
    pub(super) fn hear(&mut self, connection: u64, message: Message, answers: &mut Vec<Answer>) {
        if self.live != Some(connection) {
            return;
        }
        if let Message::Refused { .. } = message {
            self.live = None;
            answers.push(Answer::Close(connection, None));
        } else {
            self.queue.push_back(Request::Take { connection, message });
        }
    }

    /// Whether there is something for the archive to do.
    pub(super) fn has_work(&self) -> bool {
        self.up && !self.queue.is_empty()
    }

    /// The archive takes some of what is queued, behind one barrier. Gives the positions that it says.
    pub(super) fn work(&mut self, chance: &mut ChaCha8Rng, answers: &mut Vec<Answer>) -> Result<Vec<Mirrored>, String> {
        if self.serving.is_none() {
            let keeper = Keeper::open(self.disk.clone()).map_err(|error| format!("the copy does not open: {error}"))?;
            let sign = Box::new(|checkpoint: &Checkpoint| checkpoint.sign(signer()));
            self.serving = Some(Serving::new(keeper, Surroundings { sign, moved: Box::new(|_| {}), now: || NOW }));
        }
        let Some(serving) = &mut self.serving else { return Ok(Vec::new()) };
        let some = chance.random_range(1..=self.queue.len().min(12));
        let group: Vec<_> = self.queue.drain(..some).collect();
        let mut said = Vec::new();
        if self.flaw == Some(Flaw::EarlyAnswer) {
            said.extend(group.iter().filter_map(|request| early(request, &self.disk)));
        }
        let works = serving.group(group.into_iter());
        if !works {
            // The copy is let go of, and what is queued with it.
            self.serving = None;
            self.queue.clear();
            self.disk.open().crash(chance);
        } else if self.queue.is_empty() && chance.random_bool(0.5) {
            serving.rest();
        }
        self.collect(answers, &mut said);
        Ok(said)
    }

    /// Takes what the archive has answered.
    fn collect(&mut self, answers: &mut Vec<Answer>, said: &mut Vec<Mirrored>) {
        let mut over = Vec::new();
        for (connection, coming) in &mut self.answers {
            loop {
                match coming.try_recv() {
                    Ok(Reply::Met(mirrored) | Reply::Say(Message::Mirrored(mirrored))) => {
                        said.push(mirrored.clone());
                        answers.push(Answer::Say(*connection, Message::Mirrored(mirrored)));
                    }
                    Ok(Reply::Say(message)) => answers.push(Answer::Say(*connection, message)),
                    Ok(Reply::Refuse(refused)) => {
                        over.push(*connection);
                        answers.push(Answer::Close(*connection, Some(refused.message())));
                        break;
                    }
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => {
                        over.push(*connection);
                        answers.push(Answer::Close(*connection, None));
                        break;
                    }
                }
            }
        }
        for connection in over {
            self.answers.remove(&connection);
            self.live = self.live.filter(|live| *live != connection);
        }
    }

    /// Stops in order.
    pub(super) fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.end();
        }
        self.let_go();
    }

    /// Loses what is in memory, and on the disk what is not behind a barrier.
    pub(super) fn crash(&mut self, chance: &mut ChaCha8Rng) {
        self.let_go();
        self.disk.open().crash(chance);
    }

    /// Its disk is put back from a backup.
    pub(super) fn restore(&mut self, backup: Contents) {
        self.let_go();
        self.disk = Disk::of(backup);
    }

    fn let_go(&mut self) {
        (self.serving, self.live, self.up) = (None, None, false);
        self.queue.clear();
        self.answers.clear();
    }
}

/// What a node says that answers a batch before its barrier.
fn early(request: &Request, disk: &Disk) -> Option<Mirrored> {
    let Request::Take { message: Message::Batch { compressed, bytes }, .. } = request else { return None };
    let header = *frame_of(*compressed, bytes).ok()?.header();
    let (count, root) = (header.end().0, header.root);
    let checkpoint = Checkpoint { log: LOG, count, root }.sign(signer());
    let keys = disk.open().keys_held();
    let originals_through = disk.originals_noted();
    Some(Mirrored { count, root, originals_through, keys, checkpoint, now: NOW })
}
