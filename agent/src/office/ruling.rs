//! A person's word on what is held.

use daybook_protocol::{
    entry::{Actor, Entry, Private, Source},
    event::{Event, HeldResolved, OrderProposed, ProposalDecided, RowHeld, Verdict},
    field::Field,
    finding::{Code, Finding},
    ids::Sequence,
};

use super::{Office, OfficeError};
use crate::{
    books::index::{Held, Index},
    journal::{Draft, JournalError},
};

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The file is judged row by row whatever its share of errors, the row is judged again as things stand now.
    Release,
    /// It is refused for good.
    Refuse,
}

/// What became of something held.
#[derive(Debug)]
pub struct Ruled {
    /// What was held.
    pub held: Held,
    /// What was decided about it.
    pub decided: Decided,
}

/// What was decided about something held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is refused, as this entry says.
    Refused(Sequence),
    /// It is let go on, as this entry says; and what a row came to.
    Released(Sequence, Option<Verdict>),
    /// This entry proposes that it be let go on, for another operator to approve.
    Proposed(Sequence),
}

impl Office {
    /// Records what a person decided about something held, and has a row that was let go on judged again; a row that takes two persons
    /// is only proposed to be let go on. The caller has the arrival's turn.
    pub fn rule_or_propose(&self, held: Held, word: Word, operator: &str, reason: &str) -> Result<Ruled, OfficeError> {
        if word == Word::Release && held.line.is_some() {
            let entry = self.reading.entry(held.held)?;
            let two_person = self.config.policies.two_person_release();
            if let Some(entry) = entry.filter(|it| it.findings.iter().any(|found| two_person.contains(&found.code))) {
                return self.propose_release(held, &entry, operator, reason);
            }
        }
        self.rule(held, word, operator, reason)
    }

    /// Records what a person decided about something held, and has a row that was let go on judged again. The reason is sealed
    /// under the key of the arrival: it may name the person. The caller has the arrival's turn.
    pub fn rule(&self, held: Held, word: Word, operator: &str, reason: &str) -> Result<Ruled, OfficeError> {
        let resolved = HeldResolved { held: held.held };
        let (event, findings) = match (word, held.line) {
            (Word::Release, _) => (Event::HeldReleased(resolved), Vec::new()),
            (Word::Refuse, Some(_)) => (Event::HeldRefused(resolved), vec![Finding::from(Code::ROW_REFUSED)]),
            (Word::Refuse, None) => (Event::HeldRefused(resolved), vec![Finding::from(Code::FILE_REFUSED)]),
        };
        let noted = self.note_word(&held, operator, Some(reason), (event, findings))?;
        let decided = match (word, held.line) {
            (Word::Refuse, _) => Decided::Refused(noted),
            (Word::Release, None) => Decided::Released(noted, None),
            (Word::Release, Some(line)) => Decided::Released(noted, Some(self.judge_again(held.arrival, line)?)),
        };
        Ok(Ruled { held, decided })
    }

    fn propose_release(&self, held: Held, entry: &Entry, operator: &str, reason: &str) -> Result<Ruled, OfficeError> {
        let at = held.held;
        let proposed = move |index: &Index| index.proposals().into_iter().find(|proposal| proposal.held == Some(at));
        if let Some(proposal) = self.journal.look(proposed)? {
            return Err(OfficeError::ProposedAlready { held: at, proposed: proposal.entry });
        }
        let Event::RowHeld(RowHeld { kind, learner, .. }) = entry.event else {
            return self.rule(held, Word::Release, operator, reason);
        };
        let order = Event::OrderProposed(OrderProposed { kind, learner, registration: None, held: Some(at) });
        let noted = self.note_word(&held, operator, Some(reason), (order, Vec::new()))?;
        Ok(Ruled { held, decided: Decided::Proposed(noted) })
    }

    /// Lets a held row go on, as another operator proposed, for their reason. The caller has the arrival's turn.
    pub fn approve_release(&self, proposed: Sequence, held: Held, operator: &str) -> Result<Ruled, OfficeError> {
        let proposal = self.journal.look(move |index| index.proposal(proposed).cloned())?;
        let proposal = proposal.filter(|proposal| proposal.held == Some(held.held));
        let proposal = proposal.ok_or(OfficeError::Journal(JournalError::NoProposal(proposed)))?;
        if proposal.operator == operator {
            let own = JournalError::OwnProposal { entry: proposed, operator: proposal.operator };
            return Err(OfficeError::Journal(own));
        }
        let entry = self.reading.entry(proposed)?;
        let sealed = entry.as_ref().and_then(|entry| entry.sealed.as_ref());
        let private = sealed.map(|sealed| self.reading.reveal(proposed, sealed)).transpose()?.flatten();
        let reason = private.as_ref().and_then(|private| private.value(Field::Reason)).unwrap_or_default();
        let ruled = self.rule(held, Word::Release, operator, reason)?;
        if let Decided::Released(noted, _) = ruled.decided {
            let decided = ProposalDecided { proposed, entry: Some(noted), learner: proposal.learner };
            self.note_word(&ruled.held, operator, None, (Event::ProposalDecided(decided), Vec::new()))?;
        }
        Ok(ruled)
    }

    /// Records an operator's word about something held.
    fn note_word(
        &self,
        held: &Held,
        operator: &str,
        reason: Option<&str>,
        (event, findings): (Event, Vec<Finding>),
    ) -> Result<Sequence, OfficeError> {
        let key = self.arrival(held.arrival)?.received.key;
        let private = reason.map(|reason| (key, Private::from([(Field::Reason, reason)])));
        let (actor, source) = (Actor::Operator(operator.to_owned()), Source::Command);
        Ok(self.journal.note(Draft { actor, source, findings, private, ..Draft::plain(event) })?)
    }
}
