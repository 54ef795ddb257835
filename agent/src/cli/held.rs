//! What can be typed about what is held.

use clap::{Args, Subcommand};
use daybook_protocol::{field::Field, ids::Sequence};
use serde::{Deserialize, Serialize};

use super::{record::Operator, values};

/// What can be done with what is held.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// List what waits for a person
    #[command(after_help = "Example:\n  daybook held list --json")]
    List,
    /// Show one of them and why it waits
    #[command(after_help = "Example:\n  daybook held show 4711 --reveal")]
    Show {
        /// Its entry
        #[arg(value_parser = values::sequence)]
        sequence: Sequence,
        /// Show what is personal too
        #[arg(long)]
        reveal: bool,
    },
    /// Say what headings or values mean in the files of a centre, and have a held file read anew
    #[command(
        after_help = "Example:\n  daybook held map 4711 \"Learner Ref No=uln\" --value \"withdrawal_reason:Left us=LEFT_COURSE\"\n\n\
                            It holds for every later file of that centre. `daybook held show ENTRY` shows what each column was taken \
                            for. What is meant for good can stand in the configuration too."
    )]
    Map(Mapping),
    /// Let some of them go on
    #[command(after_help = "Example:\n  daybook held release 4711 4712 --reason \"centre confirmed by telephone\"")]
    Release(Ruling),
    /// Refuse some of them
    #[command(after_help = "Example:\n  daybook held refuse 4711 --reason \"sent by mistake, centre will resend\"")]
    Refuse(Ruling),
}

/// What headings and values mean, as a person says of a held file.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Mapping {
    /// The entry that holds the file
    #[arg(value_parser = values::sequence)]
    pub sequence: Sequence,
    /// A heading of the file and the column that it means, such as "Learner Ref No=uln"
    #[arg(value_name = "HEADING=FIELD", value_parser = values::heading, required_unless_present = "values")]
    pub headings: Vec<(String, Field)>,
    /// A value as it stands in a column, and what it stands for
    #[arg(long = "value", value_name = "FIELD:TEXT=VALUE", value_parser = values::value)]
    pub values: Vec<(Field, String, String)>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
    pub by: Operator,
}

/// A person's word on what is held.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Ruling {
    /// Its entry; what is named together is told together, in one receipt a file
    #[arg(value_name = "SEQUENCE", value_parser = values::sequence, required = true)]
    pub sequences: Vec<Sequence>,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = values::words)]
    pub reason: String,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
    pub by: Operator,
}

impl Held {
    /// The operator that it names, where it names one.
    pub fn operator(&self) -> Option<&str> {
        let by = match self {
            Self::List | Self::Show { .. } => return None,
            Self::Map(mapping) => &mapping.by,
            Self::Release(ruling) | Self::Refuse(ruling) => &ruling.by,
        };
        by.operator.as_deref()
    }
}
