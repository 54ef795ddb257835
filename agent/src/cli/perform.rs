//! Performs a command in this process, with the log opened here: no agent is running, or this is to become one.

use super::{Exit, Globals, Request, Screen};
use crate::supervise::Shutdown;

/// Performs `request` on the home that `globals` name, until done or until `shutdown` is asked for.
pub(super) fn perform(
    globals: &Globals,
    request: Request,
    shutdown: &Shutdown,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let _ = (globals, request, shutdown, screen);
    anyhow::bail!("this command is not connected yet")
}
