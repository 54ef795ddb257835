//! What the schedules did.

use std::collections::BTreeMap;

use daybook_protocol::wire::Refusal;

/// How often things happened, for whoever wants to know what was tried.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) steps: u64,
    pub(super) batches: u64,
    pub(super) cuts: u64,
    pub(super) crashes: u64,
    pub(super) failed_barriers: u64,
    pub(super) restored: u64,
    pub(super) copies: u64,
    pub(super) recovers: u64,
    pub(super) revoked: u64,
    /// At the end, how many machines were refused, and why; and how many were not.
    pub(super) refused: BTreeMap<&'static str, u64>,
    pub(super) converged: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.batches += other.batches;
        self.cuts += other.cuts;
        self.crashes += other.crashes;
        self.failed_barriers += other.failed_barriers;
        self.restored += other.restored;
        self.copies += other.copies;
        self.recovers += other.recovers;
        self.revoked += other.revoked;
        self.converged += other.converged;
        for (name, times) in &other.refused {
            *self.refused.entry(name).or_default() += times;
        }
    }

    pub(super) fn all_happened(&self) -> bool {
        let counts = [
            self.batches,
            self.cuts,
            self.crashes,
            self.failed_barriers,
            self.restored,
            self.copies,
            self.recovers,
            self.revoked,
            self.converged,
        ];
        let refusals = [Refusal::Fork, Refusal::Rollback, Refusal::Fenced, Refusal::Revoked].map(Refusal::name);
        counts.iter().all(|count| *count > 0) && refusals.iter().all(|name| self.refused.contains_key(name))
    }
}
