//! An index beside the log: of some entries alone, or of entries that might have been.

use daybook_protocol::{entry::Entry, ids::KeyId};

use super::Index;
use crate::desk::{Ask, Command, Learner};

impl Index {
    /// Passes over the next entry, as if it had not been recorded.
    pub fn pass_over(&mut self) {
        self.applied += 1;
    }

    /// An index of some entries alone, in the order of the log: for a rehearsal, which need know of few people.
    pub fn of_some(entries: &[Entry]) -> Self {
        let mut index = Self::default();
        for entry in entries {
            index.apply_alone(entry);
        }
        index
    }

    /// Folds an entry into an index of some, whatever stands before it in the log.
    pub fn apply_alone(&mut self, entry: &Entry) {
        self.applied = entry.sequence.0;
        self.apply(entry);
    }

    /// Whom a command may be about, or stand against: all whose lives decide what becomes of it, those of who was merged into them
    /// included.
    pub fn concerned(&self, command: &Command) -> Vec<KeyId> {
        let Command { ask, subject, .. } = command;
        let of_ask = match ask {
            Ask::Dispatch { certificate, .. }
            | Ask::Return { certificate, .. }
            | Ask::Redispatch { certificate, .. } => {
                let certificate = self.certificates.get(certificate);
                [certificate.and_then(|it| self.people.by_registration(it.registration)), None]
            }
            Ask::Amend { uln: Some(uln), .. } | Ask::Alias { uln } => [self.people.by_uln(uln), None],
            Ask::Merge { other, .. } | Ask::Unmerge { other } => [
                other.uln.and_then(|uln| self.people.by_uln(&uln)),
                other.registration.and_then(|no| self.people.by_registration(no)),
            ],
            _ => [None, None],
        };
        let tokens = [subject.uln, subject.person].into_iter().flatten();
        let formerly = tokens.filter_map(|token| self.people.formerly(&token));
        let by_uln = subject.uln.and_then(|uln| self.people.by_uln(&uln));
        let by_person = subject.person.and_then(|person| self.people.by_person(&person));
        let by_registration = subject.registration.and_then(|no| self.people.by_registration(no));
        let found = of_ask.into_iter().chain([by_uln, by_person, by_registration]).flatten().chain(formerly);
        let ids = |learner: Learner| {
            let merged: Vec<KeyId> = learner.merged.iter().map(|merged| merged.id).collect();
            merged.into_iter().chain([learner.id])
        };
        found.flat_map(ids).collect()
    }
}
