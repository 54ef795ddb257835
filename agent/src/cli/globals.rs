//! What can be said with every command, and which directory is meant by it.

use std::path::PathBuf;

use clap::Args;
use daybook_protocol::ids::LogId;

use super::{Command, values};
use crate::{home::Home, logging::LogFormat};

/// The variable that names the data directory where `--data` does not.
pub const DATA_DIR: &str = "DAYBOOK_DATA_DIR";
const DATA_DIR_DEFAULT: &str = "daybook-data";
const DATA_HELP: &str = "The data directory [default: $DAYBOOK_DATA_DIR, else ./daybook-data]";
/// Where `daybook up` keeps its central node, below its data directory.
pub const CENTRAL_BELOW: &str = "central";

/// What can be said with every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Globals {
    /// The data directory.
    #[arg(long, global = true, value_name = "DIR", help = DATA_HELP, value_parser = values::path)]
    pub data: Option<PathBuf>,
    /// The configuration [default: daybook.toml in the data directory]
    #[arg(long, global = true, value_name = "FILE", value_parser = values::path)]
    pub config: Option<PathBuf>,
    /// Look at the copy of this log that a central node keeps
    #[arg(long, global = true, value_name = "ID")]
    pub log: Option<LogId>,
    /// The operator's key, where it is not in its usual place
    #[arg(long, global = true, value_name = "FILE", value_parser = values::path)]
    pub operator_key: Option<PathBuf>,
    /// Print results as JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// How the log of the program itself is written to standard error
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// There is no copy of the log here.
#[derive(Debug, thiserror::Error)]
#[error("no copy of log {log} is kept in {directory}: `daybook central agents` lists the logs of a central node")]
pub struct NoCopy {
    log: LogId,
    directory: PathBuf,
}

impl Globals {
    /// The data directory.
    pub fn directory(&self) -> PathBuf {
        let named =
            self.data.clone().or_else(|| std::env::var_os(DATA_DIR).filter(|v| !v.is_empty()).map(PathBuf::from));
        let directory = named.unwrap_or_else(|| PathBuf::from(DATA_DIR_DEFAULT));
        std::path::absolute(&directory).unwrap_or(directory)
    }

    /// The home whose log is looked at: the agent's own, or the copy that `--log` names.
    pub fn home(&self) -> Result<Home, NoCopy> {
        let directory = self.directory();
        let Some(log) = self.log else { return Ok(Home::new(directory)) };
        let copies = [Home::new(&directory).copy_of(log), Home::new(directory.join(CENTRAL_BELOW)).copy_of(log)];
        copies.into_iter().find(|copy| copy.path().is_dir()).ok_or(NoCopy { log, directory })
    }

    /// The home of the central node: the data directory, or the one that `daybook up` keeps below it.
    pub fn central_home(&self) -> Home {
        let (here, below) = (Home::new(self.directory()), Home::new(self.directory().join(CENTRAL_BELOW)));
        if !here.authority().exists() && below.authority().exists() { below } else { here }
    }

    /// The home whose process, if one is running, performs this command.
    pub fn asked(&self, command: &Command) -> Home {
        match command {
            Command::Central { .. } => self.central_home(),
            _ if self.log.is_some() => self.central_home(),
            _ => Home::new(self.directory()),
        }
    }

    /// Where the configuration lies.
    pub fn config_path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| Home::new(self.directory()).config())
    }
}
