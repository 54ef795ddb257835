//! A system without Unix sockets: nobody can be asked yet, and each command opens the log itself.

use std::sync::Arc;

use super::{ControlError, Handler};
use crate::{home::Home, operators::User};

/// Nothing that would have to be stopped.
#[derive(Debug)]
pub struct Control;

impl Control {
    /// Does nothing.
    pub fn stop(self) {}
}

/// Takes no commands.
pub fn serve(_: &Home, _: Arc<dyn Handler>) -> Result<Control, ControlError> {
    Ok(Control)
}

/// The user of the operating system that this process runs as; whoever opens a home here owns it.
pub fn own_user(_: &Home) -> User {
    User { name: std::env::var("USERNAME").unwrap_or_else(|_| "unknown".to_owned()), owns: true }
}
