//! The schedule: simulated time, the lines, what happens by chance, and how it must end.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use daybook_protocol::wire::{Hello, Message};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    Flaw, MACHINES_MAX,
    disk::{Contents, Disk},
    machine::{Machine, Next},
    node::{Answer, Node},
    tally::Tally,
    truth::Truth,
};
use crate::central::Purpose;

/// So many steps a schedule takes at most; one that needs more does not come to rest.
const STEPS_MAX: u32 = 10_000;

/// What happens at some time.
pub(super) enum Happening {
    Hello(u64, Hello),
    ToNode(u64, Message),
    ToMachine(u64, Message),
    /// A machine finds that its connection is gone.
    Gone(u64),
    Archive,
    NodeStarts,
    Starts(usize),
    Connects(usize),
    Produces(usize),
    Records(usize),
    Fault,
}

/// A connection between a machine and the central node. In each direction messages come in their order.
pub(super) struct Line {
    machine: usize,
    /// When the last message arrives: at the node, at the machine.
    last: [u64; 2],
    /// What would arrive later is lost.
    cut: [u64; 2],
}

const NODE: usize = 0;
const MACHINE: usize = 1;

pub(super) struct World {
    pub(super) chance: ChaCha8Rng,
    flaw: Option<Flaw>,
    now: u64,
    /// What is to come, by time and then in the order in which it was arranged.
    coming: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    arranged: u64,
    pub(super) node: Node,
    pub(super) machines: Vec<Machine>,
    pub(super) lines: BTreeMap<u64, Line>,
    pub(super) backup: Option<Contents>,
    pub(super) truth: Truth,
    /// Tells batches, keys and originals apart.
    mark: u32,
    pub(super) faults_left: u32,
    archive_due: bool,
    pub(super) tally: Tally,
}

impl World {
    pub(super) fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let faults_left = chance.random_range(2..=14);
        let mut world = Self {
            chance,
            flaw,
            now: 0,
            coming: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            arranged: 0,
            node: Node::new(flaw),
            machines: Vec::new(),
            lines: BTreeMap::new(),
            backup: None,
            truth: Truth::new(),
            mark: 0,
            faults_left,
            archive_due: false,
            tally: Tally::default(),
        };
        let (certificate, epoch) = world.node.certify(Purpose::Join, &mut Vec::new());
        world.begin(Machine::new(Disk::new(None), epoch, certificate, false));
        world.after(100, Happening::Fault);
        world
    }

    pub(super) fn run(mut self) -> Result<Tally, String> {
        self.until_rest()?;
        // From here on nothing goes wrong.
        self.faults_left = 0;
        self.node.disk.open().log.full = false;
        self.node.disk.open().barrier_fails = false;
        self.node.up = true;
        let mut order: Vec<_> = (0..self.machines.len()).collect();
        for place in (1..order.len()).rev() {
            order.swap(place, self.chance.random_range(0..=place));
        }
        let mut converged = false;
        for machine in order {
            converged |= self.ends_as_it_must(machine)?;
        }
        if !converged && self.machines.len() < MACHINES_MAX {
            let recovered = self.recover();
            if !self.ends_as_it_must(recovered)? {
                return Err("a machine that took the log over does not get on".into());
            }
        }
        Ok(self.tally)
    }

    pub(super) fn until_rest(&mut self) -> Result<(), String> {
        let mut steps = 0;
        while let Some(Reverse((at, place))) = self.coming.pop() {
            steps += 1;
            if steps > STEPS_MAX {
                return Err("it does not come to rest".into());
            }
            let Some(happening) = self.happenings.remove(&place) else { continue };
            self.now = at;
            self.happen(happening)?;
            self.truth.look(&self.node.disk.open())?;
        }
        self.tally.steps += u64::from(steps);
        Ok(())
    }

    pub(super) fn begin(&mut self, machine: Machine) -> usize {
        self.machines.push(machine);
        let machine = self.machines.len() - 1;
        self.start(machine);
        machine
    }

    pub(super) fn start(&mut self, machine: usize) {
        self.machines[machine].up = true;
        self.after(50, Happening::Connects(machine));
        if self.faults_left > 0 {
            self.after(50, Happening::Records(machine));
        }
    }

    /// Arranges something for about so many milliseconds from now.
    pub(super) fn after(&mut self, about: u64, happening: Happening) {
        let at = self.now + self.chance.random_range(1..=2 * about);
        self.at(at, happening);
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.arranged += 1;
        self.coming.push(Reverse((at, self.arranged)));
        self.happenings.insert(self.arranged, happening);
    }

    /// Sends something over a line, towards one of its ends.
    fn send(&mut self, connection: u64, end: usize, happening: Happening) {
        let delay = if self.chance.random_bool(0.05) { 2_000 } else { 20 };
        let delay = self.chance.random_range(1..=delay);
        let Some(line) = self.lines.get_mut(&connection) else { return };
        let at = (self.now + delay).max(line.last[end]);
        line.last[end] = at;
        if at <= line.cut[end] {
            self.at(at, happening);
        }
    }

    /// The line of a connection breaks: in each direction some of what is under way still arrives. The machine notices in time,
    /// the central node when another connection comes.
    pub(super) fn cut(&mut self, connection: u64) {
        let Some(line) = self.lines.get_mut(&connection) else { return };
        self.tally.cuts += 1;
        for end in [NODE, MACHINE] {
            line.cut[end] = self.chance.random_range(self.now..=line.last[end].max(self.now));
        }
        self.after(500, Happening::Gone(connection));
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let mut answers = Vec::new();
        match happening {
            Happening::Hello(connection, hello) => {
                if let (true, Some(line)) = (self.node.up, self.lines.get(&connection)) {
                    let certificate = self.machines[line.machine].certificate;
                    self.node.meet(connection, certificate, hello, &mut answers);
                } else {
                    answers.push(Answer::Close(connection, None));
                }
            }
            Happening::ToNode(connection, message) => self.node.hear(connection, message, &mut answers),
            Happening::ToMachine(connection, message) => self.tell(connection, message)?,
            Happening::Gone(connection) => {
                if let Some(line) = self.lines.remove(&connection) {
                    self.lost(line.machine, connection);
                }
            }
            Happening::Archive => self.archive(&mut answers)?,
            Happening::NodeStarts => self.node.up = true,
            Happening::Starts(machine) if self.faults_left == 0 => self.machines[machine].up = false,
            Happening::Starts(machine) => self.start(machine),
            Happening::Connects(machine) => self.connect(machine)?,
            Happening::Produces(machine) => self.produce(machine)?,
            Happening::Records(machine) => self.record(machine),
            Happening::Fault => self.fault(&mut answers),
        }
        self.answer(answers);
        if self.node.has_work() && !std::mem::replace(&mut self.archive_due, true) {
            self.after(5, Happening::Archive);
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, answers: Vec<Answer>) {
        for answer in answers {
            match answer {
                Answer::Say(connection, message) => {
                    self.send(connection, MACHINE, Happening::ToMachine(connection, message));
                }
                Answer::Close(connection, last) => {
                    if let Some(last) = last {
                        self.send(connection, MACHINE, Happening::ToMachine(connection, last));
                    }
                    self.send(connection, MACHINE, Happening::Gone(connection));
                }
            }
        }
    }

    fn archive(&mut self, answers: &mut Vec<Answer>) -> Result<(), String> {
        self.archive_due = false;
        if !self.node.has_work() {
            return Ok(());
        }
        for said in self.node.work(&mut self.chance, answers)? {
            self.truth.promise(&said, &self.node.disk.open())?;
        }
        if self.faults_left > 0 && self.chance.random_bool(0.01) {
            // It dies with the answers unsent.
            answers.clear();
            self.crash_node();
        }
        Ok(())
    }

    fn tell(&mut self, connection: u64, message: Message) -> Result<(), String> {
        let Some(line) = self.lines.get(&connection) else { return Ok(()) };
        let machine = line.machine;
        if self.machines[machine].connection != Some(connection) {
            return Ok(());
        }
        let mortal = self.faults_left > 0;
        let next = self.machines[machine].take(message, &self.truth, self.flaw, mortal, &mut self.chance)?;
        let says_nothing = matches!(&next, Next::Say(messages) if messages.is_empty());
        self.go_on(machine, next);
        if says_nothing {
            self.after(2, Happening::Produces(machine));
        }
        Ok(())
    }

    fn produce(&mut self, machine: usize) -> Result<(), String> {
        if self.machines[machine].connection.is_none() {
            return Ok(());
        }
        if let Some(next) = self.machines[machine].produce()? {
            self.go_on(machine, next);
            self.after(2, Happening::Produces(machine));
        }
        Ok(())
    }

    fn go_on(&mut self, machine: usize, next: Next) {
        let Some(connection) = self.machines[machine].connection else { return };
        match next {
            Next::Say(messages) => {
                for message in messages {
                    self.send(connection, NODE, Happening::ToNode(connection, message));
                }
            }
            Next::Close(last) => {
                if let Some(last) = last {
                    self.send(connection, NODE, Happening::ToNode(connection, last));
                }
                self.lost(machine, connection);
            }
            Next::Die => self.crash(machine),
        }
    }

    fn connect(&mut self, machine: usize) -> Result<(), String> {
        let ours = &mut self.machines[machine];
        if !ours.up || ours.connection.is_some() || ours.refused.is_some() {
            return Ok(());
        }
        let hello = ours.hello()?;
        self.arranged += 1;
        let connection = self.arranged;
        self.machines[machine].connection = Some(connection);
        self.lines.insert(connection, Line { machine, last: [self.now; 2], cut: [u64::MAX; 2] });
        self.send(connection, NODE, Happening::Hello(connection, hello));
        Ok(())
    }

    /// A machine has lost a connection, and comes again.
    fn lost(&mut self, machine: usize, connection: u64) {
        let ours = &mut self.machines[machine];
        if ours.connection == Some(connection) {
            ours.disconnected();
            self.after(500, Happening::Connects(machine));
        }
    }

    pub(super) fn cut_all(&mut self) {
        for connection in self.lines.keys().copied().collect::<Vec<_>>() {
            self.cut(connection);
        }
    }

    /// Ends whatever a machine does.
    pub(super) fn stop(&mut self, machine: usize) {
        if let Some(connection) = self.machines[machine].connection {
            self.cut(connection);
        }
        self.machines[machine].crash(&mut self.chance);
        self.truth.learn(&self.machines[machine].disk.open());
    }

    fn record(&mut self, machine: usize) {
        if self.faults_left == 0 || !self.machines[machine].up {
            return;
        }
        if !self.machines[machine].recovering && self.chance.random_bool(0.6) {
            if self.machines[machine].record(&mut self.mark, self.flaw, &mut self.chance) {
                self.tally.batches += 1;
                self.truth.learn(&self.machines[machine].disk.open());
                self.after(2, Happening::Produces(machine));
            } else {
                self.crash(machine);
            }
        }
        self.after(150, Happening::Records(machine));
    }
}
