//! The events: what happened, in the field's words (DOMAIN.md section 5). Only clear facts stand here: ids of ours, codes,
//! dates. Whatever is personal goes into the sealed part of the entry.
//!
//! The order of variants and of fields is the format: a variant is encoded by its place. None is ever changed or removed: a new
//! version of an event is a new variant at the end.

mod arrival;
mod certificate;
mod learner;
mod log;
mod order;
mod reference;

use bincode::{Decode, Encode};
use serde::Serialize;

pub use arrival::{
    ArrivalRefused, Completion, Encoding, FileClosed, FileId, FileParsed, FileProcessed, FileReceived, HeldResolved,
    Level, Lines, MappingLearned, OriginalFiled, Place, Plan, ReceiptIssued, Refusal, RowDuplicate, RowHeld,
    RowRejected, Totals, Verdict,
};
pub use certificate::{CertificateDispatched, CertificateRedispatched, CertificateReturned, ReturnReason};
pub use learner::{
    AmendmentClass, DeferralExtended, LearnerDeferred, LearnerDetailsAmended, LearnerEnrolled, LearnerResumed,
    LearnerWithdrawn, LearnersMerged, LearnersUnmerged, PersonTokens, QualificationCompleted, RegistrationTransferred,
    RegistrationVoided, UlnAliased, WithdrawalReason, WithdrawalReversed,
};
pub use log::{Alarm, ConfigAdopted, EpochBegan, JudgedAgain, LogOpened, LogRejoined, Scrubbed};
pub use order::{OrderProposed, ProposalDecided};
pub use reference::{ReferenceLoaded, Register};

use crate::{
    date::Date,
    ids::{Digest, KeyId, RegistrationNo},
};

/// What an entry records.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(tag = "type")]
pub enum Event {
    /// The first entry of every log.
    LogOpened(LogOpened),
    /// A new writing end took over (`recover`).
    EpochBegan(EpochBegan),
    /// The configuration that governs the entries from here on; never holds a secret.
    ConfigAdopted(ConfigAdopted),
    /// Something is wrong and a person should look.
    AlarmRaised(Alarm),
    /// It is no longer wrong.
    AlarmCleared(Alarm),
    /// An original is preserved; its handling begins.
    FileReceived(FileReceived),
    /// Something in a drop folder that is not taken: a link, a device, a name that could lead elsewhere.
    ArrivalRefused(ArrivalRefused),
    /// Pass one is done and the file is to be judged row by row, by this plan.
    FileParsed(FileParsed),
    /// The file as a whole is refused; the findings say why.
    FileRejected(FileClosed),
    /// The file as a whole waits for a person; the findings say why.
    FileHeld(FileClosed),
    /// Every row of the file has its verdict.
    FileProcessed(FileProcessed),
    /// The sender was answered.
    ReceiptIssued(ReceiptIssued),
    /// The original left the drop folder.
    OriginalFiled(OriginalFiled),
    /// An operator let a held file or row go on.
    HeldReleased(HeldResolved),
    /// An operator refused a held file or row.
    HeldRefused(HeldResolved),
    /// A row was refused; the findings say why.
    RowRejected(RowRejected),
    /// A row waits for a person; the findings say why.
    RowHeld(RowHeld),
    /// A row asks for what was already done.
    RowDuplicate(RowDuplicate),
    /// A learner was enrolled: a registration was opened.
    LearnerEnrolled(LearnerEnrolled),
    /// What is held of a learner was amended.
    LearnerDetailsAmended(LearnerDetailsAmended),
    /// A registration was deferred.
    LearnerDeferred(LearnerDeferred),
    /// A deferred registration was taken up again.
    LearnerResumed(LearnerResumed),
    /// A registration was withdrawn.
    LearnerWithdrawn(LearnerWithdrawn),
    /// A certificate was sent out.
    CertificateDispatched(CertificateDispatched),
    /// A certificate came back.
    CertificateReturned(CertificateReturned),
    /// A returned certificate was sent out again.
    CertificateRedispatched(CertificateRedispatched),
    /// Log, originals and keys were hashed where they lie.
    Scrubbed(Scrubbed),
    /// A branch of the log that was never mirrored was given up for the mirrored one (`recover --rejoin`).
    LogRejoined(LogRejoined),
    /// What follows takes the place of an entry of the branch that was given up.
    JudgedAgain(JudgedAgain),
    /// A withdrawal was undone: the learner is enrolled again.
    WithdrawalReversed(WithdrawalReversed),
    /// A deferral was extended.
    DeferralExtended(DeferralExtended),
    /// A registration was made in error: it never was.
    RegistrationVoided(RegistrationVoided),
    /// All that a qualification asks for was achieved.
    QualificationCompleted(QualificationCompleted),
    /// A registration ended, and another at another centre or for another qualification took its place.
    RegistrationTransferred(RegistrationTransferred),
    /// Two learners turned out to be one person.
    LearnersMerged(LearnersMerged),
    /// They turned out not to be.
    LearnersUnmerged(LearnersUnmerged),
    /// A learner has another ULN too.
    UlnAliased(UlnAliased),
    /// An operator ordered what takes effect once another one approves it.
    OrderProposed(OrderProposed),
    /// What was proposed was approved or declined.
    ProposalDecided(ProposalDecided),
    /// An operator said what a heading or a value means in the files of a centre.
    MappingLearned(MappingLearned),
    /// A register was loaded: what follows is judged by it.
    ReferenceLoaded(ReferenceLoaded),
    /// A deferred registration was taken up again, and lasts longer by the days for which it was deferred.
    LearnerResumedExtended(LearnerResumed),
}

/// An original that an entry says is preserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its length in bytes.
    pub bytes: u64,
    /// A key without which it, or what the entry says of it, cannot be read.
    pub key: KeyId,
}

impl Event {
    /// The event's name, as in `entries --json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogOpened(_) => "LogOpened",
            Self::EpochBegan(_) => "EpochBegan",
            Self::ConfigAdopted(_) => "ConfigAdopted",
            Self::AlarmRaised(_) => "AlarmRaised",
            Self::AlarmCleared(_) => "AlarmCleared",
            Self::FileReceived(_) => "FileReceived",
            Self::ArrivalRefused(_) => "ArrivalRefused",
            Self::FileParsed(_) => "FileParsed",
            Self::FileRejected(_) => "FileRejected",
            Self::FileHeld(_) => "FileHeld",
            Self::FileProcessed(_) => "FileProcessed",
            Self::ReceiptIssued(_) => "ReceiptIssued",
            Self::OriginalFiled(_) => "OriginalFiled",
            Self::HeldReleased(_) => "HeldReleased",
            Self::HeldRefused(_) => "HeldRefused",
            Self::RowRejected(_) => "RowRejected",
            Self::RowHeld(_) => "RowHeld",
            Self::RowDuplicate(_) => "RowDuplicate",
            Self::LearnerEnrolled(_) => "LearnerEnrolled",
            Self::LearnerDetailsAmended(_) => "LearnerDetailsAmended",
            Self::LearnerDeferred(_) => "LearnerDeferred",
            Self::LearnerResumed(_) => "LearnerResumed",
            Self::LearnerWithdrawn(_) => "LearnerWithdrawn",
            Self::CertificateDispatched(_) => "CertificateDispatched",
            Self::CertificateReturned(_) => "CertificateReturned",
            Self::CertificateRedispatched(_) => "CertificateRedispatched",
            Self::Scrubbed(_) => "Scrubbed",
            Self::LogRejoined(_) => "LogRejoined",
            Self::JudgedAgain(_) => "JudgedAgain",
            Self::WithdrawalReversed(_) => "WithdrawalReversed",
            Self::DeferralExtended(_) => "DeferralExtended",
            Self::RegistrationVoided(_) => "RegistrationVoided",
            Self::QualificationCompleted(_) => "QualificationCompleted",
            Self::RegistrationTransferred(_) => "RegistrationTransferred",
            Self::LearnersMerged(_) => "LearnersMerged",
            Self::LearnersUnmerged(_) => "LearnersUnmerged",
            Self::UlnAliased(_) => "UlnAliased",
            Self::OrderProposed(_) => "OrderProposed",
            Self::ProposalDecided(_) => "ProposalDecided",
            Self::MappingLearned(_) => "MappingLearned",
            Self::ReferenceLoaded(_) => "ReferenceLoaded",
            Self::LearnerResumedExtended(_) => "LearnerResumedExtended",
        }
    }

    /// The original that the event says is preserved: whoever keeps or checks a log keeps and checks these too.
    pub fn original(&self) -> Option<Original> {
        match self {
            Self::FileReceived(file) => Some(Original { sha256: file.sha256, bytes: file.bytes, key: file.key }),
            Self::ReferenceLoaded(file) => Some(Original { sha256: file.sha256, bytes: file.bytes, key: file.key }),
            _ => None,
        }
    }

    /// What the event of a row, or a person's word on a held one, says became of it.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::RowRejected(_) | Self::HeldRefused(_) => Verdict::Rejected,
            Self::RowHeld(_) => Verdict::Held,
            Self::RowDuplicate(_) => Verdict::Duplicate,
            _ => Verdict::Accepted,
        }
    }

    /// The learner that the event itself names; a duplicate names only the entry that it repeats.
    pub fn learner(&self) -> Option<KeyId> {
        match self {
            Self::LearnerEnrolled(event) => Some(event.learner),
            Self::LearnerDetailsAmended(event) => Some(event.learner),
            Self::LearnerDeferred(event) => Some(event.learner),
            Self::LearnerResumed(event) | Self::LearnerResumedExtended(event) => Some(event.learner),
            Self::LearnerWithdrawn(event) => Some(event.learner),
            Self::WithdrawalReversed(event) => Some(event.learner),
            Self::DeferralExtended(event) => Some(event.learner),
            Self::RegistrationVoided(event) => Some(event.learner),
            Self::QualificationCompleted(event) => Some(event.learner),
            Self::RegistrationTransferred(event) => Some(event.learner),
            Self::LearnersMerged(event) => Some(event.survivor),
            Self::LearnersUnmerged(event) => Some(event.survivor),
            Self::UlnAliased(event) => Some(event.learner),
            Self::CertificateDispatched(event) => Some(event.learner),
            Self::CertificateReturned(event) => Some(event.learner),
            Self::CertificateRedispatched(event) => Some(event.learner),
            Self::RowRejected(event) => event.learner,
            Self::RowHeld(event) => event.learner,
            Self::OrderProposed(event) => event.learner,
            Self::ProposalDecided(event) => event.learner,
            _ => None,
        }
    }

    /// The registration that the event names.
    pub fn registration(&self) -> Option<RegistrationNo> {
        match self {
            Self::LearnerEnrolled(event) => Some(event.registration),
            Self::LearnerDeferred(event) => Some(event.registration),
            Self::LearnerResumed(event) | Self::LearnerResumedExtended(event) => Some(event.registration),
            Self::LearnerWithdrawn(event) => Some(event.registration),
            Self::WithdrawalReversed(event) => Some(event.registration),
            Self::DeferralExtended(event) => Some(event.registration),
            Self::RegistrationVoided(event) => Some(event.registration),
            Self::QualificationCompleted(event) => Some(event.registration),
            Self::RegistrationTransferred(event) => Some(event.registration),
            Self::CertificateDispatched(event) => Some(event.registration),
            Self::OrderProposed(event) => event.registration,
            _ => None,
        }
    }

    /// The last day of the registration that it opened.
    pub fn expires_on(&self) -> Option<Date> {
        match self {
            Self::LearnerEnrolled(event) => Some(event.expires_on),
            _ => None,
        }
    }
}
