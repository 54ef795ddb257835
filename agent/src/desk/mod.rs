//! Rows to events. Architecture invariant: nothing here does I/O or reads a clock, and nothing of ours but the protocol is known.

mod certificate;
mod command;
mod completion;
mod decision;
mod deferral;
mod fields;
mod learner;
mod merge;
mod policy;
mod registers;
mod registration;
mod repeat;
mod reversal;
#[cfg(test)]
mod scene;
mod survey;
mod transfer;
mod void;

pub use certificate::{Certificate, Leg, Move, decide as decide_certificate};
pub use command::{
    Ask, CHANGE_DOMAIN, Command, IDENTITY_DOMAIN, Other, PERSON_DOMAIN, Rejected, Subject, Tokenizer, ULN_DOMAIN,
};
pub use decision::{Decision, Enrolment, Fact, Objection, Obstacle, Occasion};
pub use fields::{Cells, Context, Given, date, differs, look_at, may_be, qualification_no, read};
pub use learner::{Candidates, Change, Learner, Merged, decide as decide_learner};
pub use policy::{Dated, Known, OwnReasons, Policies, Policy};
pub use registers::{
    Against, Approval, CentreNo, Centres, Content, Period, Qualification, QualificationNo, Qualifications, Registers,
    Version,
};
pub use registration::{Action, Registration, Standing, State, Step, evolve};
pub use survey::Survey;
