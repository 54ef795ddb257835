//! How a schedule must end when nothing goes wrong any more.

use daybook_protocol::{ids::Digest, wire::Refusal};

use super::world::World;

impl World {
    /// A machine on its own, with nothing in its way, comes to what the state of both sides says. `true` if that is to be
    /// mirrored to the end.
    pub(super) fn ends_as_it_must(&mut self, machine: usize) -> Result<bool, String> {
        self.machines[machine].refused = None;
        let expected = self.expected(machine)?;
        self.start(machine);
        self.until_rest()?;
        let refused = self.machines[machine].refused;
        self.stop(machine);
        self.until_rest()?;
        let wrong = |what: &str| Err(format!("machine {machine}: {what}, expected {expected:?}"));
        if refused != expected {
            return wrong(&format!("{refused:?}"));
        }
        if let Some(refusal) = expected {
            *self.tally.refused.entry(refusal.name()).or_default() += 1;
            return Ok(false);
        }
        self.tally.converged += 1;
        let (ours, theirs) = (self.machines[machine].disk.open(), self.node.disk.open());
        if ours.log.frames != theirs.log.frames {
            return wrong(&format!("the log of {} entries has a copy of {}", ours.place().0, theirs.place().0));
        }
        if ours.keys_held() != theirs.keys_held() || ours.log.keys != theirs.log.keys {
            return wrong("the copy has other keys");
        }
        // What was lost with a machine before it was mirrored is nowhere.
        let missing = |sha256: &&Digest| ours.has_object(**sha256) && !theirs.has_object(**sha256);
        if let Some(missing) = self.truth.originals(&ours).iter().find(missing) {
            return wrong(&format!("the original {missing} is not there"));
        }
        Ok(true)
    }

    /// How a machine must end, by what is on both disks and in the registry.
    fn expected(&mut self, machine: usize) -> Result<Option<Refusal>, String> {
        let ours = &mut self.machines[machine];
        let hello = ours.hello()?;
        ours.disconnected();
        if let Some(refused) = self.node.turns_away(ours.certificate, &hello) {
            return Ok(Some(refused.refusal));
        }
        let recovering = ours.recovering;
        let (ours, theirs) = (ours.disk.open(), self.node.disk.open());
        let (here, there) = (ours.place(), theirs.place());
        // One that recovers fetches what it lacks, and cannot fetch less than it has.
        Ok(if recovering && here.0 > there.0 {
            Some(Refusal::Fork)
        } else if self.truth.continues(here, there) {
            ours.keys_against(&theirs).filter(|_| !recovering)
        } else if self.truth.continues(there, here) {
            Some(Refusal::Rollback).filter(|_| !recovering)
        } else {
            Some(Refusal::Fork)
        })
    }
}
