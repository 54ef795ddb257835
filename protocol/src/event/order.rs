//! What happens to an operator's order that takes another one's approval, before it is a fact.

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::{
    field::Kind,
    ids::{KeyId, RegistrationNo, Sequence},
};

/// Fields of [`super::Event::OrderProposed`]. It would have been accepted when it was proposed. Sealed: the order as the row that
/// would say the same, its reason included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct OrderProposed {
    /// What is asked for.
    pub kind: Kind,
    /// The learner it is about.
    pub learner: Option<KeyId>,
    /// The registration it is about, where the event that it would be names one.
    pub registration: Option<RegistrationNo>,
}

/// Fields of [`super::Event::ProposalDecided`]. Sealed: the reason, where one was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ProposalDecided {
    /// The `OrderProposed`.
    pub proposed: Sequence,
    /// What the order came to when it was approved: the entry just before, by the same operator. `None` where it was declined.
    pub entry: Option<Sequence>,
    /// The learner it is about.
    pub learner: Option<KeyId>,
}
