//! A power cut under the built program: what it did is recorded, a disk is worked out of which only what was synced is
//! sure, and the program is started on it.

mod call;
mod content;
mod cut;
mod disk;
mod known;
mod pool;
mod scene;
mod syncs;
mod trace;

pub(crate) use content::Left;
pub(crate) use cut::{Before, Cut};

pub(crate) use pool::each;
pub(crate) use scene::Scene;
pub(crate) use syncs::{SYNCS, Sync, sync_of};
pub(crate) use trace::Event;
