//! What the commands of `daybook record` have in common: who is meant, what proves it, and who says so.

use std::path::PathBuf;

use clap::Args;
use daybook_protocol::{date::Date, field::Kind, ids::RegistrationNo};
use serde::{Deserialize, Serialize};

use crate::cli::values;

/// Who puts it on record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Operator {
    /// Who decides it; whoever gives the command unless another name is given, which operators cannot
    #[arg(long, value_name = "NAME", value_parser = values::name)]
    pub operator: Option<String>,
}

/// Which registration is meant: by its number, or by the learner's ULN and, where they have several, the qualification.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[group(skip)]
pub struct Whose {
    /// The registration's number, such as R1-48213
    #[arg(long, value_name = "NUMBER", required_unless_present = "uln")]
    pub registration: Option<RegistrationNo>,
    /// The learner's ULN
    #[arg(long, value_parser = values::uln)]
    pub uln: Option<String>,
    /// The qualification, where the learner has several registrations
    #[arg(long, value_name = "NUMBER")]
    pub qualification: Option<String>,
}

/// What must match the record before anything about a person is changed.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Identity {
    /// The family name on record
    #[arg(long, value_name = "NAME", value_parser = values::words)]
    pub family_name: String,
    /// The date of birth on record
    #[arg(long, value_name = "DATE")]
    pub date_of_birth: Date,
    /// The given names on record
    #[arg(long, value_name = "NAMES", value_parser = values::words)]
    pub given_names: Option<String>,
    /// The centre on record
    #[arg(long, value_name = "CODE", value_parser = values::centre)]
    pub centre: Option<String>,
}

/// The other one of two learners: by their ULN, or by the number of one of their registrations.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[group(skip)]
pub struct OtherLearner {
    /// The other's registration
    #[arg(long, value_name = "NUMBER", required_unless_present = "other_uln")]
    pub other_registration: Option<RegistrationNo>,
    /// The other's ULN
    #[arg(long, value_name = "ULN", value_parser = values::uln)]
    pub other_uln: Option<String>,
}

/// How a certificate travels.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Carriage {
    /// Who carries it
    #[arg(long, value_name = "NAME")]
    pub carrier: Option<String>,
    /// The carrier's number for it
    #[arg(long, value_name = "NUMBER")]
    pub tracking: Option<String>,
    /// Where it is sent
    #[arg(long, value_name = "TEXT")]
    pub address: Option<String>,
}

/// What every record carries: who, and what else there is to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Signed {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
    pub operator: Operator,
    /// Anything else to be kept with it
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,
}

/// Arguments of `record from`.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct FromFile {
    // It is read by the process in which it was typed and handed over, so it is not part of what is sent.
    /// The file
    #[arg(value_name = "FILE")]
    #[serde(skip)]
    pub file: PathBuf,
    /// What its rows order
    #[arg(long, value_name = "KIND", value_parser = values::orders())]
    pub kind: Kind,
    /// Record what they come to
    #[arg(long)]
    pub apply: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
    pub by: Operator,
}
