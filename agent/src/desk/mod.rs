//! Rows to events. Architecture invariant: nothing here does I/O or reads a clock, and nothing of ours but the protocol is known.

mod policy;

pub use policy::Policy;
