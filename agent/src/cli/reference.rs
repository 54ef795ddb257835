//! What can be done with registers of reference data by `daybook reference`.

use std::path::PathBuf;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use daybook_protocol::event::Register;
use serde::{Deserialize, Serialize};

use super::record::Operator;

/// What can be done with them.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// Load a register from a CSV file: from now on rows are judged by it
    #[command(
        after_help = "Example:\n  daybook reference load qualifications dfe-approved-qualifications.csv --dry-run\n  \
                      daybook reference load centres centres.csv\n\n\
                      The file is the whole register and takes the place of the one before; what was judged stays as it is. \
                      Headings of qualifications: QualificationNumber, OperationalStartDate, OperationalEndDate, \
                      CertificationEndDate, MinimumAge, and others, which are passed over. Of centres, a row for each approval: \
                      Centre, Name, Agent, Qualification, ApprovedFrom, ApprovedTo, DirectClaim, SanctionFrom, SanctionTo; no \
                      qualification stands for all, no day for no end; the agent is the log that `daybook status` names.\n\n\
                      With --json: register, version (its entry), before, same, sha256, rows, lacks, and touched: the open \
                      registrations that could not be made today as they could before. Exit status 2 where the file is refused; \
                      then nothing of it is taken."
    )]
    Load(Load),
    /// Show which registers are in force
    #[command(
        after_help = "Example:\n  daybook reference show --json\n\nWith --json: one object a line for each register."
    )]
    Show,
}

/// A register to be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Load {
    /// Which register
    #[arg(value_name = "REGISTER", value_parser = register())]
    pub register: Register,
    // It is read by the process in which it was typed and handed over, so it is not part of what is sent.
    /// The file
    #[arg(value_name = "FILE")]
    #[serde(skip)]
    pub file: PathBuf,
    /// Only say what would come of it
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
    pub by: Operator,
}

impl Reference {
    /// The operator it names, where it names one.
    pub fn operator(&self) -> Option<&str> {
        match self {
            Self::Load(load) => load.by.operator.as_deref(),
            Self::Show => None,
        }
    }

    /// The file to be handed over with it.
    pub fn files(&self) -> &[PathBuf] {
        match self {
            Self::Load(load) => std::slice::from_ref(&load.file),
            Self::Show => &[],
        }
    }
}

fn register() -> impl TypedValueParser<Value = Register> {
    PossibleValuesParser::new(Register::ALL.map(Register::name)).try_map(|name| name.parse::<Register>())
}
