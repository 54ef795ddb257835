//! What happens to certificates.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, RegistrationNo};

/// Fields of [`super::Event::CertificateDispatched`]; effective on the day of dispatch. Sealed: address.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CertificateDispatched {
    /// The certificate's number, unique for ever (Ofqual Condition I3.2).
    pub certificate: String,
    /// The registration it was earned on.
    pub registration: RegistrationNo,
    /// The learner.
    pub learner: KeyId,
    /// Who carries it; may be empty.
    pub carrier: String,
    /// The carrier's number for it; may be empty.
    pub tracking: String,
}

/// Reasons why a certificate comes back (DOMAIN.md 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "each is the reason of that name in DOMAIN.md 3.6")]
pub enum ReturnReason {
    GoneAway,
    Refused,
    IncompleteAddress,
    NotCalledFor,
    Damaged,
    AddresseeUnknown,
    Other,
}

/// Fields of [`super::Event::CertificateReturned`]; effective on the day it was received back. Sealed: notes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CertificateReturned {
    /// The certificate's number.
    pub certificate: String,
    /// The learner.
    pub learner: KeyId,
    /// Why it came back.
    pub reason: ReturnReason,
}

/// Fields of [`super::Event::CertificateRedispatched`]; effective on the day of dispatch. Sealed: the new address, or the
/// statement that the old one is right.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct CertificateRedispatched {
    /// The certificate's number.
    pub certificate: String,
    /// The learner.
    pub learner: KeyId,
    /// Which dispatch it is, the first one counted.
    pub attempt: u8,
    /// Who carries it; may be empty.
    pub carrier: String,
    /// The carrier's number for it; may be empty.
    pub tracking: String,
}
