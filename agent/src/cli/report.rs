//! What can be asked for with `daybook report`.

use clap::Args;
use daybook_protocol::{date::Date, ids::RegistrationNo};
use serde::{Deserialize, Serialize};

use super::values;
use crate::report::Name;

/// Arguments of `report`.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Report {
    /// Which report
    #[arg(value_enum, value_name = "NAME")]
    pub name: Name,
    /// Only what concerns this centre
    #[arg(long, value_name = "CODE", value_parser = values::centre)]
    pub centre: Option<String>,
    /// Only this registration, for `states`
    #[arg(long, value_name = "NUMBER")]
    pub registration: Option<RegistrationNo>,
    /// From this day on
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Up to this day; deferrals and states as of this day
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Show what is personal too: names, new values, reasons
    #[arg(long)]
    pub reveal: bool,
    /// Print it as CSV, for a spreadsheet
    #[arg(long)]
    pub csv: bool,
}
