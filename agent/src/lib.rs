//! Daybook: the book of original entry for offices that process other people's paperwork.
//!
//! The modules stand in the order in which the data flows. See `README.md` of the repository for what the program does.

pub mod config;
pub mod crash;
mod durable;
pub mod home;
pub mod identity;
pub mod operators;
pub mod zone;

pub mod intake;
pub mod reader;
pub mod reference;

pub mod desk;

pub mod journal;
pub mod keyring;
pub mod store;
pub mod vault;

pub mod scrub;

pub mod office;
pub mod post;

pub mod central;
pub mod replicate;
pub mod tls;

pub mod books;
pub mod history;
pub mod replay;
pub mod report;
pub mod verify;

pub mod cli;
pub mod control;
pub mod logging;
pub mod supervise;
