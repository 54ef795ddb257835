//! What can be asked for with `daybook replay`.

use clap::Args;
use daybook_protocol::date::Date;
use serde::{Deserialize, Serialize};

use super::values;

/// Arguments of `replay`.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Replay {
    /// The changed policies, in a file like the configuration, of which only the policies count
    #[arg(long, value_name = "FILE", value_parser = values::policies)]
    pub policy: String,
    /// Judge again what was recorded from this day on
    #[arg(long, value_name = "DATE")]
    pub from: Date,
    /// Up to this day
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Print it as CSV, for a spreadsheet
    #[arg(long)]
    pub csv: bool,
}
