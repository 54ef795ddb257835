//! An agent's machine, or one that is to become it, as a session drives it: message by message.

use daybook_protocol::{
    ids::{Digest, Epoch},
    wire::{Hello, Message, Refusal, Role, VERSION},
};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{
    Flaw,
    disk::Disk,
    signer,
    truth::{Place, Truth},
};
use crate::replicate::{Exchange, Outbound as _, Recovery, Stop, is_final, memory::LOG};

/// A machine.
pub(super) struct Machine {
    pub(super) disk: Disk,
    pub(super) epoch: Epoch,
    /// The fingerprint of its certificate.
    pub(super) certificate: Digest,
    pub(super) up: bool,
    pub(super) connection: Option<u64>,
    talk: Option<Talk>,
    /// Whether it still fetches the log that it is to write.
    pub(super) recovering: bool,
    /// The count of the checkpoint that it keeps.
    kept: u64,
    /// The most that was ever acknowledged to it, and whether it was told that the central node fell behind that.
    acknowledged: u64,
    told: bool,
    /// Why it does not try any more.
    pub(super) refused: Option<Refusal>,
}

enum Talk {
    Mirrors(Exchange),
    Recovers(Recovery<Disk>),
}

/// What comes of a message.
pub(super) enum Next {
    /// To be sent; the machine may have more to say.
    Say(Vec<Message>),
    /// The connection is closed, with a last word.
    Close(Option<Message>),
    /// The machine died over it.
    Die,
}

impl Machine {
    pub(super) fn new(disk: Disk, epoch: Epoch, certificate: Digest, recovering: bool) -> Self {
        Self {
            disk,
            epoch,
            certificate,
            up: true,
            connection: None,
            talk: None,
            recovering,
            kept: 0,
            acknowledged: 0,
            told: false,
            refused: None,
        }
    }

    /// The machine that is started from a copy of this one's disk.
    pub(super) fn copied(&self, chance: &mut ChaCha8Rng) -> Self {
        let disk = Disk::of(self.disk.copied(chance));
        let mut copy = Self::new(disk, self.epoch, self.certificate, false);
        (copy.kept, copy.acknowledged, copy.told) = (self.kept, self.acknowledged, self.told);
        copy
    }

    pub(super) fn head(&self) -> Place {
        self.disk.head().expect("in memory")
    }

    /// Loses what is in memory, and on the disk what is not behind a barrier.
    pub(super) fn crash(&mut self, chance: &mut ChaCha8Rng) {
        self.disk.open().crash(chance);
        (self.up, self.refused) = (false, None);
        self.disconnected();
    }

    pub(super) fn disconnected(&mut self) {
        self.connection = None;
        // A recover goes on with what it has, for as long as its process lives.
        if matches!(self.talk, Some(Talk::Mirrors(_))) || !self.up {
            self.talk = None;
        }
    }

    /// The agent records: keys, batches, barrier. `false` if the machine dies over it.
    pub(super) fn record(&mut self, mark: &mut u32, flaw: Option<Flaw>, chance: &mut ChaCha8Rng) -> bool {
        let mut contents = self.disk.open();
        let mut arrivals = Vec::new();
        for _ in 0..chance.random_range(1..=3) {
            *mark += 1;
            let original = if chance.random_bool(0.2) { chance.random_range(1..=*mark) } else { *mark };
            arrivals.push((*mark, contents.preserve(self.epoch, *mark, original)));
        }
        if chance.random_bool(0.02) {
            return false;
        }
        if flaw != Some(Flaw::LateKeys) {
            contents.sync_keys();
        }
        let mut end = contents.log.durable.clone();
        for (mark, arrival) in arrivals {
            contents.write(&mut end, self.epoch, mark, arrival);
        }
        if chance.random_bool(0.03) {
            return false;
        }
        contents.commit(&end, self.epoch);
        true
    }

    /// Begins a connection: what the machine says first.
    pub(super) fn hello(&mut self) -> Result<Hello, String> {
        let (count, root) = if self.recovering {
            let open = || Recovery::open(self.disk.clone(), self.epoch, signer().verifier());
            let mut recovery = match self.talk.take() {
                Some(Talk::Recovers(recovery)) => recovery,
                _ => open(),
            };
            let begun = recovery.connect().map_err(|stop| format!("a recover cannot go on: {stop}"))?;
            self.talk = Some(Talk::Recovers(recovery));
            begun
        } else {
            self.talk = Some(Talk::Mirrors(Exchange::new(LOG, signer().verifier(), self.kept)));
            self.head()
        };
        Ok(Hello { version: VERSION, role: Role::Agent, log: LOG, epoch: self.epoch, count, root })
    }

    /// Takes what the central node said.
    pub(super) fn take(
        &mut self,
        message: Message,
        truth: &Truth,
        flaw: Option<Flaw>,
        mortal: bool,
        chance: &mut ChaCha8Rng,
    ) -> Result<Next, String> {
        match self.talk.take() {
            None => Ok(Next::Say(Vec::new())),
            Some(Talk::Recovers(recovery)) => self.fetched(recovery, message),
            Some(Talk::Mirrors(mut exchange)) => {
                let said = if let Message::Mirrored(said) = &message { Some((said.count, said.root)) } else { None };
                let moved = match exchange.received(&self.disk, message) {
                    Ok(moved) => moved,
                    Err(Stop::Ours(_)) if flaw == Some(Flaw::BlindAgent) => said.is_some(),
                    Err(stop) => return self.stopped(&stop),
                };
                let place = said.filter(|_| moved);
                if exchange.take_checkpoint().is_some() {
                    self.kept = exchange.acknowledged();
                }
                if mortal && chance.random_bool(0.01) {
                    return Ok(Next::Die);
                }
                self.told |= exchange.take_alarms().iter().any(|alarm| alarm.alarm == "central_rollback");
                if let Some(place) = place {
                    self.moved(place, truth)?;
                }
                self.talk = Some(Talk::Mirrors(exchange));
                Ok(Next::Say(Vec::new()))
            }
        }
    }

    /// The position moved: it is one of this log, and does not go back without a word.
    fn moved(&mut self, place: Place, truth: &Truth) -> Result<(), String> {
        if !truth.continues(self.head(), place) {
            return Err(format!("the agent believes {} entries to be mirrored that are not its own", place.0));
        }
        if place.0 >= self.acknowledged {
            (self.acknowledged, self.told) = (place.0, false);
        } else if !self.told {
            return Err(format!("the position goes back from {} to {} without an alarm", self.acknowledged, place.0));
        }
        Ok(())
    }

    fn fetched(&mut self, mut recovery: Recovery<Disk>, message: Message) -> Result<Next, String> {
        match recovery.received(message) {
            Ok(request) if !recovery.is_done() => {
                self.talk = Some(Talk::Recovers(recovery));
                Ok(Next::Say(request.into_iter().collect()))
            }
            Ok(_) => {
                let theirs = recovery.mirrored().map_or(0, |theirs| theirs.count);
                (self.kept, self.acknowledged, self.recovering) = (theirs, theirs, false);
                if self.head().0 != theirs {
                    return Err(format!("a recover of {theirs} entries ends at {}", self.head().0));
                }
                Ok(Next::Close(None))
            }
            Err(stop) => self.stopped(&stop),
        }
    }

    fn stopped(&mut self, stop: &Stop) -> Result<Next, String> {
        let last = match stop {
            Stop::Ours(refused) => Some(refused.message()),
            Stop::Theirs(_) => None,
            Stop::Local(error) => return Err(format!("a log that is whole cannot be read: {error:?}")),
        };
        if let Stop::Ours(refused) | Stop::Theirs(refused) = stop {
            if refused.refusal == Refusal::Protocol {
                return Err(format!("nobody broke a rule here, and yet: {stop}"));
            }
            self.refused = is_final(refused.refusal).then_some(refused.refusal);
        }
        Ok(Next::Close(last))
    }

    /// What it has to say by itself; `None` if nothing until something comes or the log grows.
    pub(super) fn produce(&mut self) -> Result<Option<Next>, String> {
        let Some(Talk::Mirrors(exchange)) = &mut self.talk else { return Ok(None) };
        match exchange.produce(&self.disk) {
            Ok(messages) => Ok(messages.map(Next::Say)),
            Err(stop) => self.stopped(&stop).map(Some),
        }
    }
}
