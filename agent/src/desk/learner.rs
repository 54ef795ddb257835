//! The stream of one learner (DOMAIN.md 3.1): who someone is, and what may be amended; and, for every command about a
//! person, which learner and which registration is meant.

use daybook_protocol::{
    date::Date,
    event::{AmendmentClass, Event, LearnerDetailsAmended, LearnerWithdrawn, PersonTokens},
    field::Field,
    finding::Code,
    ids::{KeyId, RegistrationNo, Sequence, Token},
};

use super::{
    Action, Ask, Command, Decision, Enrolment, Fact, Objection, Obstacle, Occasion, Policy, Registration, Subject,
    completion, deferral, merge,
    repeat::{Accepted, known_again, repeated},
    reversal, transfer, void,
};

/// A learner, with all registrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learner {
    /// The learner's key, which is also the learner's id.
    pub id: KeyId,
    /// How the learner is found.
    pub tokens: PersonTokens,
    /// Who was merged into the learner, who is found by their tokens too.
    pub merged: Vec<Merged>,
    /// Tokens of further ULNs, and the entries that gave them.
    pub aliases: Vec<(Token, Sequence)>,
    /// The registrations, those of who was merged included, in the order in which they were recorded.
    pub registrations: Vec<Registration>,
    /// The amendments, each value of a field from each day once.
    pub changes: Vec<Change>,
}

/// A learner who was merged into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Who.
    pub id: KeyId,
    /// How they are found.
    pub tokens: PersonTokens,
    /// The `LearnersMerged`.
    pub by: Sequence,
    /// Their registrations.
    pub registrations: Vec<RegistrationNo>,
}

/// An amendment of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What was amended.
    pub field: Field,
    /// Token of field and value.
    pub change: Token,
    /// From which day it holds.
    pub effective_on: Date,
    /// The entry that records it.
    pub sequence: Sequence,
    /// The file it came in.
    pub arrival: Option<Sequence>,
    /// The identity's token before it: what whoever asked for it had to state.
    pub identity_before: Token,
}

impl Change {
    pub(super) fn accepted(&self) -> Accepted {
        Accepted { sequence: self.sequence, arrival: self.arrival }
    }
}

impl Learner {
    /// Whether an identity's token is the learner's, or that of someone merged into the learner.
    pub(super) fn is(&self, identity: Token) -> bool {
        self.tokens.identity == identity || self.merged.iter().any(|it| it.tokens.identity == identity)
    }

    /// The identity's token by which the learner was known when an entry was recorded.
    pub(super) fn identity_at(&self, sequence: Sequence) -> Token {
        let next = self.changes.iter().filter(|it| it.sequence >= sequence).min_by_key(|it| it.sequence);
        next.map_or(self.tokens.identity, |it| it.identity_before)
    }
}

/// The learners whom a command may mean, as the index found them.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// Who has the ULN.
    pub by_uln: Option<Learner>,
    /// Who has the name, birth date and centre.
    pub by_person: Option<Learner>,
    /// Who is perhaps the one who is to be enrolled, by a slip of the pen.
    pub near: Option<KeyId>,
    /// Whose registration is named.
    pub by_registration: Option<Learner>,
    /// Who has the ULN that an amendment or an alias gives.
    pub by_new_uln: Option<KeyId>,
    /// The other one of two learners.
    pub other: Option<Learner>,
    /// Who had the ULN, or the name, birth date and centre, until an amendment.
    pub formerly: Option<Learner>,
}

/// Decides a command about a person.
pub fn decide(found: &Candidates, command: &Command, occasion: Occasion, policy: &Policy) -> Decision {
    if let Ask::Enrol { centre, brand, .. } = &command.ask {
        return enrol(found, command, (centre, brand), occasion, policy);
    }
    let learner = match identified(found, &command.subject) {
        Ok(learner) => learner,
        Err(objection) => {
            return known_again(found, command, occasion).unwrap_or(Decision::Reject(objection));
        }
    };
    let decision = match &command.ask {
        _ if !learner.registrations.iter().any(|it| is_of_sender(it, command, occasion)) => {
            Decision::Reject(Objection::of(Code::SENDER_NOT_AUTHORISED))
        }
        Ask::Amend { .. } => amend(learner, found.by_new_uln, command, occasion),
        ask if occasion.arrival.is_some() && !ask.kind().is_in_files() => {
            Decision::Reject(Objection::of(Code::OPERATOR_ONLY))
        }
        Ask::Reverse => reversal::decide(learner, command, occasion, policy),
        Ask::Void => void::decide(learner, command, occasion),
        Ask::Complete => completion::decide(learner, command, occasion, policy),
        Ask::Transfer { .. } => transfer::decide(learner, command, occasion, policy),
        Ask::Merge { identity, .. } => merge::merge(learner, found.other.as_ref(), *identity, occasion),
        Ask::Unmerge { other } => merge::unmerge(learner, *other),
        Ask::Alias { uln } => merge::alias(learner, found.by_new_uln, *uln, occasion),
        _ => step(learner, command, occasion, policy),
    };
    match decision {
        Decision::Reject(objection) => Decision::Reject(objection.about(learner.id)),
        Decision::Hold(objection) => Decision::Hold(objection.about(learner.id)),
        other => other,
    }
}

/// The learner whom a command means: found by ULN or registration number, and proven by surname and date of birth
/// (DOMAIN.md 0.2, decision 5).
fn identified<'a>(found: &'a Candidates, subject: &Subject) -> Result<&'a Learner, Objection> {
    let learner = match (&found.by_uln, &found.by_registration) {
        (Some(one), Some(other)) if one.id != other.id => return Err(Objection::of(Code::IDENTITY_MISMATCH)),
        (Some(learner), _) | (None, Some(learner)) => learner,
        (None, None) => return Err(Objection::of(Code::REGISTRATION_NOT_FOUND)),
    };
    if !subject.identity.is_some_and(|identity| learner.is(identity)) {
        return Err(Objection::of(Code::IDENTITY_MISMATCH));
    }
    Ok(learner)
}

fn enrol(
    found: &Candidates,
    command: &Command,
    (centre, brand): (&str, &str),
    occasion: Occasion,
    policy: &Policy,
) -> Decision {
    let Subject { uln, person: Some(person), identity: Some(identity), qualification: Some(qualification), .. } =
        &command.subject
    else {
        return Decision::Reject(Objection::of(Code::REQUIRED_MISSING));
    };
    if let Some(decision) = known_again(found, command, occasion) {
        return decision;
    }
    let learner = match (uln, &found.by_uln, &found.by_person) {
        (Some(_), Some(holder), _) if !holder.is(*identity) => {
            return Decision::Reject(Objection::of(Code::ULN_HELD_BY_ANOTHER));
        }
        (Some(_), Some(holder), _) => Some(holder),
        // A person has said that this is somebody else.
        (Some(_), None, Some(known)) if known.tokens.uln.is_some() && occasion.released => None,
        (Some(_), None, Some(known)) if known.tokens.uln.is_some() => {
            return Decision::Hold(Objection::of(Code::POSSIBLE_DUPLICATE_PERSON).about(known.id));
        }
        (_, None, None) if occasion.released => None,
        (_, _, known) => {
            if let (None, Some(near)) = (known, found.near) {
                return Decision::Hold(Objection::of(Code::POSSIBLE_DUPLICATE_PERSON).about(near));
            }
            known.as_ref()
        }
    };
    let starts_on = command.effective_on;
    let expires_on = starts_on.plus_years(policy.registration_years);
    if let Some(learner) = learner
        && let Some(decision) = overlap(learner, (qualification, centre, brand), (starts_on, expires_on), occasion)
    {
        return decision;
    }
    let tokens = PersonTokens { uln: *uln, person: *person, identity: *identity };
    let tokens = learner.map_or(tokens, |learner| PersonTokens { uln: learner.tokens.uln.or(*uln), ..learner.tokens });
    Decision::Accept(Fact::Enrolment(Enrolment {
        learner: learner.map(|learner| learner.id),
        tokens,
        centre: centre.to_owned(),
        brand: brand.to_owned(),
        qualification: qualification.clone(),
        expires_on,
    }))
}

/// What stands against another registration of the same learner for the same qualification and brand.
fn overlap(
    learner: &Learner,
    (qualification, centre, brand): (&str, &str, &str),
    (starts_on, expires_on): (Date, Date),
    occasion: Occasion,
) -> Option<Decision> {
    let alike = || learner.registrations.iter().filter(|it| it.qualification == qualification && it.brand == brand);
    let same = || alike().filter(|it| it.centre == centre && it.same(starts_on, Action::Enrolled).is_some());
    let first = same().filter(|it| it.voided().is_none()).find_map(|it| it.same(starts_on, Action::Enrolled));
    if let Some(first) = first {
        return Some(repeated(first.accepted(), occasion));
    }
    if let Some(void) = same().find_map(Registration::voided).filter(|_| occasion.is_unseen()) {
        let objection = Objection::of(Code::VOIDED_SINCE).against(void.sequence);
        return Some(Decision::Hold(objection.about(learner.id)));
    }
    let alike = || alike().filter(|it| it.voided().is_none());
    if let Some(open) = alike().find(|it| it.open(starts_on)) {
        let objection = Objection::of(Code::ALREADY_ENROLLED).against(open.no.sequence);
        return Some(Decision::Reject(objection.about(learner.id)));
    }
    if let Some(reopened) = alike().find_map(|it| reversal::after(it, starts_on)) {
        let objection = Objection::of(Code::BREAKS_LATER_FACT).against(reopened);
        return Some(Decision::Hold(objection.about(learner.id)));
    }
    let later = alike().find(|it| it.starts_on().is_some_and(|later| later > starts_on && later <= expires_on))?;
    let objection = Objection::of(Code::BREAKS_LATER_FACT).against(later.no.sequence);
    Some(Decision::Hold(objection.about(learner.id)))
}

fn amend(learner: &Learner, new_holder: Option<KeyId>, command: &Command, occasion: Occasion) -> Decision {
    let Ask::Amend { field, class, uln, person, identity, change } = &command.ask else {
        return Decision::Reject(Objection::of(Code::AMENDED_FIELD_UNKNOWN));
    };
    // What holds now, or was once amended from this very day: a file that comes again brings earlier values back otherwise.
    let of_field = || learner.changes.iter().filter(|known| known.field == *field);
    let present = of_field().max_by_key(|known| (known.effective_on, known.sequence));
    let dated = of_field().filter(|known| known.effective_on == command.effective_on);
    if let Some(known) = present.into_iter().chain(dated).find(|known| known.change == *change) {
        return repeated(known.accepted(), occasion);
    }
    if uln.is_some() && new_holder.is_some_and(|holder| holder != learner.id) {
        return Decision::Reject(Objection::of(Code::ULN_HELD_BY_ANOTHER));
    }
    let cosmetic = *identity == Some(learner.tokens.identity);
    let class = if cosmetic { AmendmentClass::A } else { *class };
    let certificate = learner.registrations.iter().find_map(|it| it.standing(occasion.today)?.certificated);
    if let (AmendmentClass::C, Some(certificate)) = (class, certificate) {
        return Decision::Reject(Objection::of(Code::CERTIFICATE_ISSUED).against(certificate));
    }
    let amended_later = of_field().any(|known| known.effective_on > command.effective_on);
    let tokens = if amended_later {
        // A fact of an earlier time that comes late: what was amended from a later day goes on to hold.
        learner.tokens
    } else {
        PersonTokens {
            uln: uln.or(learner.tokens.uln),
            person: person.unwrap_or(learner.tokens.person),
            identity: identity.unwrap_or(learner.tokens.identity),
        }
    };
    let amended = LearnerDetailsAmended { learner: learner.id, field: *field, class, tokens, change: *change };
    Decision::Accept(Fact::Whole(learner.id, Event::LearnerDetailsAmended(amended)))
}

/// Decides a step in the life of one of a learner's registrations.
fn step(found: &Learner, command: &Command, occasion: Occasion, policy: &Policy) -> Decision {
    let on = command.effective_on;
    let action = match &command.ask {
        Ask::Defer { resume_by } => Action::Deferred(*resume_by),
        Ask::Extend { resume_by } => Action::Extended(*resume_by),
        Ask::Resume => Action::Resumed,
        Ask::Withdraw { reason, .. } => Action::Withdrawn(*reason),
        _ => return Decision::Reject(Objection::of(Code::VALUE_FORMAT)),
    };
    let mut meant: Vec<&Registration> = meant(found, &command.subject).collect();
    let others = meant.len();
    meant.retain(|it| is_of_sender(it, command, occasion));
    if meant.is_empty() && others > 0 {
        return Decision::Reject(Objection::of(Code::SENDER_NOT_AUTHORISED));
    }
    if let Some((registration, first)) = meant.iter().find_map(|it| Some((it, deferral::known(it, on, action)?))) {
        match reversal::of(registration, first) {
            None => return repeated(first.accepted(), occasion),
            Some(undone_by) if occasion.is_unseen() => {
                return Decision::Hold(Objection::of(Code::REVERSED_SINCE).against(undone_by));
            }
            Some(_) => {}
        }
    }
    if on > occasion.today.plus_days(policy.withdrawal_ahead_days) {
        return Decision::Reject(Objection::of(Code::FURTHER_THAN_ALLOWED));
    }
    let registration = match choose(&meant, on, action, policy) {
        Ok(registration) => registration,
        Err(obstacle) => return obstacle.about(found.id),
    };
    let before = registration.standing(on);
    let (learner, no) = (found.id, registration.no);
    if occasion.is_unseen()
        && let Some(code) = deferral::doubt(before, on, action, policy)
    {
        return Decision::Hold(Objection::of(code).against(no.sequence));
    }
    if action == Action::Resumed
        && let Some(other) = deferral::reached(found, registration, on, policy)
    {
        return Decision::Hold(Objection::of(Code::BREAKS_LATER_FACT).against(other.no.sequence));
    }
    let event = match &command.ask {
        Ask::Defer { resume_by } | Ask::Extend { resume_by } => {
            deferral::event(registration, before, learner, *resume_by)
        }
        Ask::Withdraw { reason, last_attended_on } => Event::LearnerWithdrawn(LearnerWithdrawn {
            registration: no,
            learner,
            reason: *reason,
            last_attended_on: *last_attended_on,
        }),
        _ => deferral::resumption(registration, before, learner, on, policy),
    };
    Decision::Accept(Fact::Whole(learner, event))
}

/// Whether a registration is of the centre that a file came from: no centre asks for anything about another one's (DOMAIN.md 6.4).
/// An operator, and a sender who may speak for any centre, ask about all.
fn is_of_sender(registration: &Registration, command: &Command, occasion: Occasion) -> bool {
    let sender = command.subject.sender.as_ref().filter(|_| occasion.arrival.is_some());
    sender.is_none_or(|sender| sender.eq_ignore_ascii_case(&registration.centre))
}

/// The registrations that a command can mean: the one named, else those for the qualification, else all.
pub(super) fn meant<'a>(learner: &'a Learner, subject: &'a Subject) -> impl Iterator<Item = &'a Registration> {
    let named = learner.registrations.iter().filter(|it| match (&subject.registration, &subject.qualification) {
        (Some(no), _) => it.no == *no,
        (None, Some(qualification)) => it.qualification == *qualification,
        (None, None) => true,
    });
    // Nobody means a void one while there is another.
    let another = named.clone().any(|it| it.voided().is_none());
    named.filter(move |it| !another || it.voided().is_none())
}

/// The one registration of those meant for which a step is possible; else what explains best why there is
/// none: that of the registration that had begun last on that day.
pub(super) fn choose<'a>(
    meant: &[&'a Registration],
    on: Date,
    action: Action,
    policy: &Policy,
) -> Result<&'a Registration, Obstacle> {
    let fits = |it: &Registration| it.fits(on, deferral::meant_by(it, on, action, policy), policy);
    let tried: Vec<_> = meant.iter().map(|it| (*it, fits(it))).collect();
    let mut possible = tried.iter().filter(|(_, fits)| fits.is_ok());
    match (possible.next(), possible.next()) {
        (Some((registration, _)), None) => Ok(registration),
        (Some(_), Some(_)) => Err(Obstacle::Refused(Objection::of(Code::SEVERAL_REGISTRATIONS))),
        (None, _) => {
            let begun = |it: &Registration| it.starts_on().filter(|start| *start <= on);
            let best =
                tried.into_iter().max_by_key(|(it, fits)| (matches!(fits, Err(Obstacle::Doubtful(_))), begun(it)));
            let obstacle = best.and_then(|(_, fits)| fits.err());
            Err(obstacle.unwrap_or(Obstacle::Refused(Objection::of(Code::REGISTRATION_NOT_FOUND))))
        }
    }
}

#[cfg(test)]
mod tests;
