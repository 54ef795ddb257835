//! What happens to an operator's order that takes another one's approval, before it is a fact.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::{
    field::Kind,
    ids::{KeyId, RegistrationNo, Sequence},
};

/// Fields of [`super::Event::OrderProposed`]: a fact that would have been accepted when it was proposed, or that a held row be let go
/// on. Sealed: the order as the row that would say the same, its reason included; of a held row the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct OrderProposed {
    /// What is asked for.
    pub kind: Kind,
    /// The learner it is about.
    pub learner: Option<KeyId>,
    /// The registration it is about, where the event that it would be names one.
    pub registration: Option<RegistrationNo>,
    /// The `RowHeld` that is to be let go on, where that is what is asked for.
    pub held: Option<Sequence>,
}

/// Fields of [`super::Event::ProposalDecided`]. Sealed: the reason, where one was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ProposalDecided {
    /// The `OrderProposed`.
    pub proposed: Sequence,
    /// What the order came to when it was approved: the entry before, by the same operator. `None` where it was declined.
    pub entry: Option<Sequence>,
    /// The learner it is about.
    pub learner: Option<KeyId>,
}
