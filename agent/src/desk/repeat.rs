//! What is asked for again. The same command, accepted before, is a duplicate; and it stays one when its learner has got another
//! name, birth date or ULN since, perhaps by that very command: whoever sends it again states what held when it was
//! accepted, and is answered by what was accepted then.

use daybook_protocol::{
    finding::Code,
    ids::{Sequence, Token},
};

use super::{
    Action, Ask, Change, Command, Decision, Learner, Objection, Occasion, Step, deferral,
    learner::{Candidates, meant},
};

/// A command that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The entry that says so.
    pub(super) sequence: Sequence,
    /// The file it came in.
    pub(super) arrival: Option<Sequence>,
}

/// The same was done before: twice in one file is the sender's mistake, otherwise it is simply known.
pub(super) fn repeated(first: Accepted, occasion: Occasion) -> Decision {
    if first.arrival.is_some() && first.arrival == occasion.arrival {
        Decision::Reject(Objection::of(Code::ROW_DUPLICATE).against(first.sequence))
    } else {
        Decision::Duplicate(first.sequence)
    }
}

/// The decision on a command that was accepted when its learner was known by what it states, and no longer is.
pub(super) fn known_again(found: &Candidates, command: &Command, occasion: Occasion) -> Option<Decision> {
    let stated = command.subject.identity?;
    let learners = [&found.by_uln, &found.by_registration, &found.formerly].into_iter().flatten();
    let mut accepted = learners.filter_map(|learner| accepted(learner, command, stated));
    accepted.next().map(|first| repeated(first, occasion))
}

/// Where the command was accepted when the learner was known by `stated`.
fn accepted(learner: &Learner, command: &Command, stated: Token) -> Option<Accepted> {
    let then = |first: &Accepted| learner.identity_at(first.sequence) == stated;
    let on = command.effective_on;
    let action = match &command.ask {
        // The day does not count here: one that was not given is that of each arrival.
        Ask::Amend { field, change, .. } => {
            let same = learner.changes.iter().filter(|known| (known.field, known.change) == (*field, *change));
            return same.map(Change::accepted).find(then);
        }
        Ask::Enrol { centre, brand } => {
            let qualification = command.subject.qualification.as_ref();
            let mut same =
                learner.registrations.iter().filter(|it| it.voided().is_none()).filter(|it| {
                    Some(&it.qualification) == qualification && it.brand == *brand && it.centre == *centre
                });
            return same.find_map(|it| it.same(on, Action::Enrolled).map(Step::accepted).filter(then));
        }
        Ask::Defer { resume_by } => Action::Deferred(*resume_by),
        Ask::Extend { resume_by } => Action::Extended(*resume_by),
        Ask::Resume => Action::Resumed,
        Ask::Withdraw { reason, .. } => Action::Withdrawn(*reason),
        Ask::Reverse => Action::Reversed,
        Ask::Void => Action::Voided,
        Ask::Complete => Action::Completed,
        Ask::Transfer { .. } => Action::Transferred,
        // Who says who is who names learners by what holds now; certificates are known by their numbers, not by names.
        Ask::Merge { .. }
        | Ask::Unmerge { .. }
        | Ask::Alias { .. }
        | Ask::Dispatch { .. }
        | Ask::Return { .. }
        | Ask::Redispatch { .. } => return None,
    };
    meant(learner, &command.subject).find_map(|it| deferral::known(it, on, action).map(Step::accepted).filter(then))
}
