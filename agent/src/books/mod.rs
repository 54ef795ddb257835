//! Folds of the log. Each knows through which entry it was applied, may lag behind, and can be thrown away.

pub mod index;
pub mod read_model;
