//! An index beside the log: of some entries alone, or of entries that might have been.

use daybook_protocol::{entry::Entry, ids::KeyId};

use super::Index;
use crate::desk::{Ask, Command};

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

    /// Whom a command may be about, or stand against: all whose lives decide what becomes of it.
    pub fn concerned(&self, command: &Command) -> Vec<KeyId> {
        let Command { ask, subject, .. } = command;
        let certificate = match ask {
            Ask::Dispatch { certificate, .. }
            | Ask::Return { certificate, .. }
            | Ask::Redispatch { certificate, .. } => self.learner_by_certificate(certificate),
            _ => None,
        };
        let new = match ask {
            Ask::Amend { uln, .. } => uln.and_then(|uln| self.people.holder(&uln)),
            Ask::Alias { uln } => self.people.holder(uln),
            Ask::Merge { other, .. } => self.other(other).map(|other| other.id),
            _ => None,
        };
        let tokens = [subject.uln, subject.person].into_iter().flatten();
        let formerly = tokens.filter_map(|token| self.people.formerly(&token).map(|learner| learner.id));
        let by_uln = subject.uln.and_then(|uln| self.people.holder(&uln));
        let by_person = subject.person.and_then(|person| self.people.by_person(&person)).map(|learner| learner.id);
        let by_registration = subject.registration.and_then(|no| self.learner_by_registration(no));
        [certificate, new, by_uln, by_person, by_registration].into_iter().flatten().chain(formerly).collect()
    }
}
