//! What operators order: on their own word, or one proposes it and another one approves.

use daybook_protocol::{
    entry::{Actor, Private, Source},
    event::{Event, OrderProposed, ProposalDecided, RowHeld, RowRejected, Verdict},
    ids::Sequence,
};

use super::{Judge, Ruling};
use crate::{
    books::index::Proposal,
    desk::{Command, Occasion},
    journal::{Answer, Draft, JournalError, Reply, Way, failed, today},
};

/// An operator who asks is the person who would be asked: what is doubtful is refused, and can be asked otherwise.
pub(super) fn ordered(ruling: Ruling) -> Ruling {
    let event = match ruling.event {
        Event::RowHeld(RowHeld { learner, against, .. }) => Event::RowRejected(RowRejected { learner, against }),
        other => other,
    };
    Ruling { event, ..ruling }
}

impl Judge {
    /// Judges what an operator orders, and records what comes of it.
    pub(super) fn order(
        &mut self,
        command: &Command,
        operator: String,
        way: Way,
        reply: Reply<Answer>,
    ) -> Result<(), JournalError> {
        let approved = match &way {
            Way::Approving(proposed) => match self.approvable(*proposed, &operator) {
                Ok(proposal) => Some(proposal),
                Err(error) => return self.send(Vec::new(), reply, Err(error)),
            },
            Way::Alone | Way::Proposed(_) => None,
        };
        let key = self.keyring.allocate().map_err(|error| failed(&error))?.0;
        let effective_on = Some(command.effective_on);
        let occasion = Occasion { arrival: None, today: today(), released: false };
        let Ruling { event, findings, private } = ordered(self.judge(command.clone(), occasion, key)?);
        let (event, private) = match (event, way) {
            (event, Way::Proposed(row)) if event.verdict() == Verdict::Accepted => {
                let (learner, registration) = (event.learner(), event.registration());
                let proposed = OrderProposed { kind: command.ask.kind(), learner, registration, held: None };
                (Event::OrderProposed(proposed), private.map(|(key, _)| (key, row)))
            }
            (event, _) => (event, private),
        };
        let (actor, source) = (Actor::Operator(operator), Source::Command);
        let answer = Answer { sequence: self.next, event: event.clone(), findings: findings.clone() };
        let draft = Draft { effective_on, actor: actor.clone(), source, findings, event, private };
        if let Some(error) = self.too_large(&draft) {
            return self.send(Vec::new(), reply, Err(error));
        }
        let stamp = self.clock.stamp();
        let mut entries = vec![self.place(draft, stamp)];
        // Behind what it came to: should the power fail between the two, the order waits still, and comes out as a duplicate.
        if let Some(Proposal { entry, learner, .. }) = approved {
            let decided = ProposalDecided { proposed: entry, entry: Some(answer.sequence), learner };
            let draft = Draft { actor, source, ..Draft::plain(Event::ProposalDecided(decided)) };
            entries.push(self.place(draft, stamp));
        }
        entries.extend(self.alarm_of_keys());
        self.send(entries, reply, Ok(answer))
    }

    /// Records that a proposal is not to be.
    pub(super) fn decline(
        &mut self,
        proposed: Sequence,
        reason: Private,
        operator: String,
        reply: Reply<Answer>,
    ) -> Result<(), JournalError> {
        let Some(Proposal { learner, key, .. }) = self.index.proposal(proposed).cloned() else {
            return self.send(Vec::new(), reply, Err(JournalError::NoProposal(proposed)));
        };
        if let Some(error) = key.map(|key| self.unsealable(key)).transpose()?.flatten() {
            return self.send(Vec::new(), reply, Err(error));
        }
        let event = Event::ProposalDecided(ProposalDecided { proposed, entry: None, learner });
        let (actor, source) = (Actor::Operator(operator), Source::Command);
        let private = key.map(|key| (key, reason));
        let draft = Draft { actor, source, private, ..Draft::plain(event.clone()) };
        if let Some(error) = self.too_large(&draft) {
            return self.send(Vec::new(), reply, Err(error));
        }
        let answer = Answer { sequence: self.next, event, findings: Vec::new() };
        let stamp = self.clock.stamp();
        let entries = vec![self.place(draft, stamp)];
        self.send(entries, reply, Ok(answer))
    }

    /// What waits under an entry, if this operator may approve it: whoever proposed it may not. Asked here, so that of two who
    /// decide at once only the first one does.
    fn approvable(&self, proposed: Sequence, operator: &str) -> Result<Proposal, JournalError> {
        match self.index.proposal(proposed) {
            None => Err(JournalError::NoProposal(proposed)),
            Some(proposal) if proposal.operator == operator => {
                Err(JournalError::OwnProposal { entry: proposed, operator: operator.to_owned() })
            }
            Some(proposal) => Ok(proposal.clone()),
        }
    }
}
