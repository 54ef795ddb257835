//! Two learners who turn out to be one person (DOMAIN.md 3.1), who turn out not to be, and further ULNs of one (DOMAIN.md 2.1). An operator
//! decides that. Nothing of either history is changed: both are found as one from then on.

use daybook_protocol::{
    event::{Event, LearnersMerged, LearnersUnmerged, UlnAliased},
    finding::Code,
    ids::{KeyId, Token},
};

use super::{
    Decision, Fact, Learner, Merged, Objection, Occasion, Other,
    repeat::{Accepted, repeated},
};

/// Decides whether another learner is the same person. Who orders it must state the identity of both; an identity has the birth date in
/// it, and both are stated with one, so that two birth dates on record have to be amended first.
pub(super) fn merge(
    learner: &Learner,
    other: Option<&Learner>,
    identity: Option<Token>,
    occasion: Occasion,
) -> Decision {
    let Some(other) = other else { return Decision::Reject(Objection::of(Code::REGISTRATION_NOT_FOUND)) };
    if other.id == learner.id {
        // The other was found as the one that it was merged into.
        let known = identity.and_then(|it| learner.merged.iter().find(|merged| merged.tokens.identity == it));
        return match known {
            Some(known) => repeated(Accepted { sequence: known.by, arrival: None }, occasion),
            None => Decision::Reject(Objection::of(Code::SAME_LEARNER)),
        };
    }
    if let Some(earlier) = other.merged.first() {
        return Decision::Reject(Objection::of(Code::HAS_MERGED).against(earlier.by));
    }
    if !identity.is_some_and(|identity| other.is(identity)) {
        return Decision::Reject(Objection::of(Code::IDENTITY_MISMATCH));
    }
    let merged = LearnersMerged { survivor: learner.id, merged: other.id };
    Decision::Accept(Fact::Whole(learner.id, Event::LearnersMerged(merged)))
}

/// Decides that someone who was merged is somebody else again.
pub(super) fn unmerge(learner: &Learner, other: Other) -> Decision {
    let named = |it: &&Merged| {
        other.registration.is_some_and(|no| it.registrations.contains(&no))
            || other.uln.is_some_and(|uln| it.tokens.uln == Some(uln))
    };
    let Some(found) = learner.merged.iter().find(named) else {
        return Decision::Reject(Objection::of(Code::NOT_MERGED));
    };
    let unmerged = LearnersUnmerged { survivor: learner.id, merged: found.id, merge: found.by };
    Decision::Accept(Fact::Whole(learner.id, Event::LearnersUnmerged(unmerged)))
}

/// Decides whether a learner has a further ULN, which nobody else may have.
pub(super) fn alias(learner: &Learner, holder: Option<KeyId>, uln: Token, occasion: Occasion) -> Decision {
    if let Some((_, first)) = learner.aliases.iter().find(|(alias, _)| *alias == uln) {
        return repeated(Accepted { sequence: *first, arrival: None }, occasion);
    }
    match holder {
        Some(holder) if holder != learner.id => Decision::Reject(Objection::of(Code::ULN_HELD_BY_ANOTHER)),
        Some(_) => Decision::Reject(Objection::of(Code::SAME_LEARNER)),
        None => {
            let aliased = UlnAliased { learner: learner.id, alias: uln };
            Decision::Accept(Fact::Whole(learner.id, Event::UlnAliased(aliased)))
        }
    }
}
