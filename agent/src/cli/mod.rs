//! The commands: what can be typed, how it is answered on a screen, and the way from one to the other.
//!
//! A command is performed by the process that has the log open: a running agent, asked over its local socket, or this
//! process itself where none runs. Both print through a [`Screen`], so that the output is the same. Nothing here knows
//! how a thing is stored or judged.

pub mod agents;
pub mod args;
pub mod central;
mod check;
pub mod entries;
mod figures;
pub mod files;
mod follow;
pub mod globals;
pub mod held;
pub mod metrics;
mod perform;
pub mod record;
pub mod reference;
pub mod replay;
pub mod report;
pub mod roles;
mod run;
pub mod screen;
pub mod scrubbed;
pub mod status;
#[cfg(test)]
mod tests;
pub mod values;

pub use args::{Cli, Command, Request};
pub use files::{Files, Offered};
pub use globals::{CENTRAL_BELOW, Globals};
pub use run::{failed, main};
pub use screen::{Exit, Screen};
