//! A system without Unix sockets: nobody can be asked yet, and each command opens the log itself.

use std::sync::Arc;

use super::{ControlError, Handler};
use crate::home::Home;

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

/// The user of the operating system that this process runs as.
pub fn own_user() -> String {
    std::env::var("USERNAME").unwrap_or_else(|_| "unknown".to_owned())
}
