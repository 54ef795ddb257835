//! What goes wrong, and what is done that has its dangers.

use rand::RngExt as _;

use super::{
    MACHINES_MAX,
    disk::Disk,
    machine::Machine,
    node::Answer,
    world::{Happening, World},
};
use crate::{central::Purpose, replicate::memory::LOG};

impl World {
    pub(super) fn crash(&mut self, machine: usize) {
        self.tally.crashes += 1;
        self.stop(machine);
        self.after(300, Happening::Starts(machine));
    }

    pub(super) fn crash_node(&mut self) {
        self.tally.crashes += 1;
        self.node.crash(&mut self.chance);
        self.node_is_down();
    }

    fn node_is_down(&mut self) {
        self.cut_all();
        self.after(300, Happening::NodeStarts);
    }

    pub(super) fn recover(&mut self) -> usize {
        self.tally.recovers += 1;
        let mut answers = Vec::new();
        let (certificate, epoch) = self.node.certify(Purpose::Recover(LOG), &mut answers);
        self.answer(answers);
        self.begin(Machine::new(Disk::new(None), epoch, certificate, true))
    }

    /// Something goes wrong, or is done that has its dangers.
    pub(super) fn fault(&mut self, answers: &mut Vec<Answer>) {
        self.faults_left -= 1;
        let machine = self.chance.random_range(0..self.machines.len());
        let full = self.machines.len() >= MACHINES_MAX - 1;
        match self.chance.random_range(0..100) {
            0..25 => self.cut_all(),
            25..40 if self.machines[machine].up => self.crash(machine),
            40..52 => self.crash_node(),
            52..58 => {
                self.node.stop();
                self.node_is_down();
            }
            58..66 => {
                self.node.disk.open().barrier_fails = true;
                self.tally.failed_barriers += 1;
            }
            66..72 => {
                let mut disk = self.node.disk.open();
                disk.log.full = !disk.log.full;
            }
            72..80 => self.backup = Some(self.node.disk.copied(&mut self.chance)),
            80..86 => {
                if let Some(backup) = self.backup.clone() {
                    self.tally.restored += 1;
                    self.truth.restored(&backup);
                    self.node.restore(backup);
                    self.node_is_down();
                }
            }
            86..93 if !full && !self.machines[machine].recovering => {
                self.tally.copies += 1;
                let copy = self.machines[machine].copied(&mut self.chance);
                self.truth.learn(&copy.disk.open());
                self.begin(copy);
            }
            93..98 if !full => drop(self.recover()),
            98.. => {
                self.tally.revoked += 1;
                self.node.revoke(answers);
            }
            _ => {}
        }
        if self.faults_left > 0 {
            self.after(400, Happening::Fault);
        } else {
            (0..self.machines.len()).for_each(|machine| self.stop(machine));
        }
    }
}
