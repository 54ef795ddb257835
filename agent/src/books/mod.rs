//! Folds of the log: what it comes to, looked up by the desk or asked by people. Each can be thrown away and made anew.

pub mod read_model;
#[cfg(test)]
pub(crate) mod sample;
