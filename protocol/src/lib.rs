//! What agent, central node and auditor agree on: events, entries, batches, the hash tree, heads, checkpoints and
//! wire messages.
//!
//! Architecture invariant: nothing here does I/O, reads a clock, draws a random number or waits. Every function is a
//! pure function of its arguments, so that the formats can be tested by bytes alone and read by another program.
//! `README.md` beside this crate is the normative specification.
#![forbid(unsafe_code)]

pub mod batch;
pub mod checkpoint;
mod codec;
pub mod date;
pub mod entry;
pub mod event;
pub mod field;
pub mod finding;
pub mod head;
pub mod ids;
pub mod invite;
pub mod tree;
pub mod wire;

pub use codec::DecodeError;
