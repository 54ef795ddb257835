//! The stream of one certificate (DOMAIN.md 3.6): sent, come back, sent again.

use daybook_protocol::{
    date::Date,
    event::{CertificateDispatched, CertificateRedispatched, CertificateReturned, Event, ReturnReason},
    finding::Code,
    ids::{KeyId, RegistrationNo, Sequence},
};

use super::{
    Action, Ask, Command, Decision, Fact, Objection, Occasion, Policy,
    learner::{Candidates, choose, meant},
};

/// What happened to a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// It was sent out.
    Dispatched,
    /// It came back.
    Returned(ReturnReason),
    /// It was sent out again.
    Redispatched,
}

/// A step in the life of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// On which day.
    pub effective_on: Date,
    /// The entry that records it.
    pub sequence: Sequence,
    /// The file it came in, where it came in one.
    pub arrival: Option<Sequence>,
    /// What happened.
    pub leg: Leg,
}

/// A certificate, with its moves ordered by effective date and sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its number.
    pub number: String,
    /// The registration it was earned on.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// Its moves; the first one is its dispatch.
    pub moves: Vec<Move>,
}

/// Decides a command about a certificate. `known` is the certificate of that number, `found` who may be meant by a dispatch.
pub fn decide(
    known: Option<&Certificate>,
    found: &Candidates,
    command: &Command,
    occasion: Occasion,
    policy: &Policy,
) -> Decision {
    if command.effective_on > occasion.today {
        return Decision::Reject(Objection::of(Code::DATE_IN_FUTURE));
    }
    match (&command.ask, known) {
        (Ask::Dispatch { certificate, carrier, tracking }, None) => {
            let dispatched = |registration, learner| CertificateDispatched {
                certificate: certificate.clone(),
                registration,
                learner,
                carrier: carrier.clone(),
                tracking: tracking.clone(),
            };
            dispatch(found, command, dispatched, policy)
        }
        (Ask::Dispatch { .. }, Some(known)) => match known.same(command.effective_on, Leg::Dispatched) {
            Some(first) if means(found, command, known) => repeated(first, occasion),
            first => Decision::Reject(
                Objection::of(Code::CERTIFICATE_NUMBER_TAKEN)
                    .against(first.or(known.moves.first()).map_or(known.registration.sequence, |it| it.sequence)),
            ),
        },
        (_, None) => Decision::Reject(Objection::of(Code::CERTIFICATE_UNKNOWN)),
        (Ask::Return { reason, .. }, Some(known)) => known.travel(command, Leg::Returned(*reason), occasion, || {
            let (certificate, learner) = (known.number.clone(), known.learner);
            Ok(Event::CertificateReturned(CertificateReturned { certificate, learner, reason: *reason }))
        }),
        (Ask::Redispatch { carrier, tracking, address_confirmed, .. }, Some(known)) => {
            known.travel(command, Leg::Redispatched, occasion, || {
                let sent = known.moves.iter().filter(|it| !matches!(it.leg, Leg::Returned(_))).count();
                let attempt = u8::try_from(sent + 1).unwrap_or(u8::MAX);
                if !address_confirmed {
                    return Err(Code::DISPATCH_ADDRESS_UNCONFIRMED);
                }
                if attempt > policy.dispatches_max {
                    return Err(Code::DISPATCH_ATTEMPTS);
                }
                Ok(Event::CertificateRedispatched(CertificateRedispatched {
                    certificate: known.number.clone(),
                    learner: known.learner,
                    attempt,
                    carrier: carrier.clone(),
                    tracking: tracking.clone(),
                }))
            })
        }
        _ => Decision::Reject(Objection::of(Code::VALUE_FORMAT)),
    }
}

fn dispatch(
    found: &Candidates,
    command: &Command,
    dispatched: impl FnOnce(RegistrationNo, KeyId) -> CertificateDispatched,
    policy: &Policy,
) -> Decision {
    let learner = match (&found.by_registration, &found.by_uln) {
        (Some(one), Some(other)) if one.id != other.id => {
            return Decision::Reject(Objection::of(Code::IDENTITY_MISMATCH));
        }
        (Some(learner), _) | (None, Some(learner)) => learner,
        (None, None) => return Decision::Reject(Objection::of(Code::REGISTRATION_NOT_FOUND)),
    };
    let meant: Vec<_> = meant(learner, &command.subject).collect();
    match choose(&meant, command.effective_on, Action::Certificated, policy) {
        Ok(registration) => {
            let event = Event::CertificateDispatched(dispatched(registration.no, learner.id));
            Decision::Accept(Fact::Whole(learner.id, event))
        }
        Err(obstacle) => obstacle.about(learner.id),
    }
}

/// Whether a dispatch is about the learner whose certificate it is.
fn means(found: &Candidates, command: &Command, known: &Certificate) -> bool {
    match command.subject.registration {
        Some(no) => no == known.registration,
        None => found.by_uln.as_ref().is_some_and(|learner| learner.id == known.learner),
    }
}

fn repeated(first: &Move, occasion: Occasion) -> Decision {
    if first.arrival.is_some() && first.arrival == occasion.arrival {
        Decision::Reject(Objection::of(Code::ROW_DUPLICATE).against(first.sequence))
    } else {
        Decision::Duplicate(first.sequence)
    }
}

impl Certificate {
    fn same(&self, on: Date, leg: Leg) -> Option<&Move> {
        self.moves.iter().find(|it| it.effective_on == on && it.leg == leg)
    }

    /// Decides a move: it must follow what came before it on its date, and leave what came after it possible.
    fn travel(
        &self,
        command: &Command,
        leg: Leg,
        occasion: Occasion,
        event: impl FnOnce() -> Result<Event, Code>,
    ) -> Decision {
        let on = command.effective_on;
        if let Some(first) = self.same(on, leg) {
            return repeated(first, occasion);
        }
        let place = self.moves.partition_point(|it| it.effective_on <= on);
        let (before, after) = self.moves.split_at(place);
        let follows = |before: Option<&Move>, leg: Leg| {
            let back = before.is_some_and(|it| matches!(it.leg, Leg::Returned(_)));
            match leg {
                Leg::Dispatched => before.is_none(),
                Leg::Returned(_) => before.is_some() && !back,
                Leg::Redispatched => back,
            }
        };
        if !follows(before.last(), leg) {
            let objection = Objection::of(Code::CERTIFICATE_STATE).about(self.learner);
            let against = before.last().or(after.first()).map_or(self.registration.sequence, |it| it.sequence);
            return Decision::Reject(objection.against(against));
        }
        if let Some(later) = after.first() {
            // Moves alternate, so one put between two others always breaks the later one.
            return Decision::Hold(Objection::of(Code::BREAKS_LATER_FACT).against(later.sequence).about(self.learner));
        }
        match event() {
            Ok(event) => Decision::Accept(Fact::Whole(self.learner, event)),
            Err(code) => Decision::Reject(Objection::of(code).about(self.learner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use daybook_protocol::{
        entry::Private,
        event::PersonTokens,
        ids::{Epoch, Token},
    };

    use super::{super::Learner, *};

    fn learner(number: u32) -> Learner {
        let token = Token([0; 16]);
        let tokens = PersonTokens { uln: None, person: token, identity: token };
        let id = KeyId { epoch: Epoch::FIRST, number };
        Learner { id, tokens, registrations: Vec::new(), merged: Vec::new(), aliases: Vec::new(), changes: Vec::new() }
    }

    /// Goal: a dispatch whose ULN and registration lead to two people is refused, not given to one of them. Method: the
    /// registration's learner with another and with the same holder of the ULN.
    #[test]
    fn a_dispatch_to_two_people_is_refused() {
        let command = Command {
            ask: Ask::Dispatch { certificate: "C1".into(), carrier: String::new(), tracking: String::new() },
            subject: super::super::Subject::default(),
            effective_on: Date(0),
            findings: Vec::new(),
            private: Private::default(),
        };
        let occasion = Occasion { arrival: None, today: Date(1), released: false };
        let check = |by_uln: Option<Learner>| {
            let found = Candidates { by_uln, by_registration: Some(learner(1)), ..Candidates::default() };
            match decide(None, &found, &command, occasion, &Policy::default()) {
                Decision::Reject(objection) => Some(objection.finding.code),
                _ => None,
            }
        };
        assert_eq!(check(Some(learner(2))), Some(Code::IDENTITY_MISMATCH));
        assert_eq!(check(Some(learner(1))), Some(Code::REGISTRATION_NOT_FOUND), "nothing is registered here");
        assert_eq!(check(None), Some(Code::REGISTRATION_NOT_FOUND));
    }
}
