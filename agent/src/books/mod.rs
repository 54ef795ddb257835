//! Folds of the log: what it comes to, looked up by the desk or asked by people. Each knows through which entry it was
//! applied, may lag behind, and can be thrown away and made anew.

pub mod index;
pub mod read_model;
#[cfg(test)]
pub(crate) mod sample;
