//! What can be asked of a central node, as it is typed.

use std::path::PathBuf;

use clap::Subcommand;
use daybook_protocol::ids::LogId;
use serde::{Deserialize, Serialize};

use super::values;

/// What can be asked of a central node.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Central {
    /// Print a one-time code with which an agent can join
    #[command(
        after_help = "Example:\n  daybook central invite\n  daybook central invite --recover 0123456789abcdef0123456789abcdef"
    )]
    Invite {
        /// For the recovery of this log on a new machine
        #[arg(long, value_name = "LOG")]
        recover: Option<LogId>,
    },
    /// List the agents, their logs and how far each is mirrored
    #[command(after_help = "Example:\n  daybook central agents --json")]
    Agents,
    /// Shut out an agent at once; what it sent is kept
    #[command(
        after_help = "Example:\n  daybook central revoke 0123456789abcdef0123456789abcdef --reason \"laptop stolen\""
    )]
    Revoke {
        /// The agent's log
        #[arg(value_name = "LOG")]
        log: LogId,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
    },
    /// Say that the alarms of an agent have been dealt with
    #[command(after_help = "Example:\n  daybook central clear 0123456789abcdef0123456789abcdef")]
    Clear {
        /// The agent's log; every alarm unless given
        #[arg(value_name = "LOG")]
        log: Option<LogId>,
    },
    /// Let agents in again after a restore, when they are known not to have been revoked since the backup
    #[command(
        after_help = "Example:\n  daybook central confirm 0123456789abcdef0123456789abcdef\n  daybook central confirm --all\n\n\
                      Where another machine took a log over after the backup, first wait until `daybook central agents` \
                      shows it: it shuts the old one out."
    )]
    Confirm {
        /// The agents' logs
        #[arg(value_name = "LOG", required_unless_present = "all")]
        logs: Vec<LogId>,
        /// All that wait
        #[arg(long, conflicts_with = "logs")]
        all: bool,
    },
    /// Back up everything that the central node keeps, or what is new since the last time
    #[command(
        after_help = "Example:\n  daybook central backup /mnt/backup/daybook-central\n\nIt may be running. The directory then holds \
                      the authority's private keys: keep it as safe as the central node itself. A central node that is put \
                      back does not know who was revoked after its last backup.\n\
                      Exit status: 0 good, 1 something is damaged at the central node and not in the backup, or a \
                      log could not be saved, 2 could not."
    )]
    Backup {
        /// Where to: an empty directory, or that of an earlier backup
        #[arg(value_name = "DIR", value_parser = values::path)]
        directory: PathBuf,
        /// Hash every file that the earlier backup has, instead of looking at its length: what is damaged is copied anew
        #[arg(long)]
        check: bool,
    },
    /// Put a central node back from a backup, into an empty data directory
    #[command(
        after_help = "Example:\n  daybook central restore /mnt/backup/daybook-central --data /var/lib/daybook-central\n\n\
                      Nobody is let in before `daybook central confirm`: the backup does not know who was revoked since."
    )]
    Restore {
        /// The backup
        #[arg(value_name = "DIR", value_parser = values::path)]
        directory: PathBuf,
    },
}

impl Central {
    /// Whether a running central node performs it: all but a restore, which makes one.
    pub(super) fn is_served(&self) -> bool {
        !matches!(self, Self::Restore { .. })
    }
}
