//! A power cut under the built program: what it did is recorded, a disk is worked out of which only what was synced is
//! sure, and the program is started on it.

mod disk;
mod scene;
mod syncs;
mod trace;

pub(crate) use disk::Left;
pub(crate) use scene::{Cut, Scene};
pub(crate) use syncs::{SYNCS, Sync};
