//! Rows to events. Architecture invariant: nothing here does I/O or reads a clock, and nothing of ours but the protocol is known.

mod command;
mod fields;
mod policy;
mod survey;

pub use command::{
    Ask, CHANGE_DOMAIN, Command, IDENTITY_DOMAIN, NoTokens, PERSON_DOMAIN, Rejected, Subject, Tokenizer, ULN_DOMAIN,
};
pub use fields::{Cells, Context, Given, read};
pub use policy::Policy;
pub use survey::Survey;
