//! `daybook record`: a fact that an operator puts on record, typed as the columns of the row that would say the same, so
//! that the desk judges it by the same rules; and that the machine's clock is right, which no row says.

mod parts;
mod row;

use clap::{ArgGroup, Subcommand};
use daybook_protocol::{
    date::Date,
    field::Field,
    ids::{RegistrationNo, Sequence},
};
use serde::{Deserialize, Serialize};

use super::values;
pub use parts::{Carriage, FromFile, Identity, Operator, OtherLearner, Signed, Whose};

/// What an operator can put on record.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "a doc comment on a flattened part would replace the command's own help text")]
pub enum Record {
    /// Withdraw a registration
    #[command(
        after_help = "Example:\n  daybook record withdraw --registration R1-48213 --family-name Okafor \\\n      \
                            --date-of-birth 2001-04-09 --on 2026-11-20 --reason LEFT_COURSE"
    )]
    Withdraw {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// The day of withdrawal
        #[arg(long, value_name = "DATE")]
        on: Date,
        /// Why
        #[arg(long, value_name = "CODE", ignore_case = true, value_parser = withdrawal_reason())]
        reason: String,
        /// The last day of attendance
        #[arg(long, value_name = "DATE")]
        last_attended: Option<Date>,
        #[command(flatten)]
        by: Signed,
    },
    /// Reverse a withdrawal: the learner is enrolled again
    #[command(
        after_help = "Example:\n  daybook record reverse --registration R1-48213 --family-name Okafor \\\n      \
                            --date-of-birth 2001-04-09 --on 2026-11-20 --reason \"sent by mistake\"\n\n\
                            For as long as the office's policy allows (30 days), and unless another registration took its place."
    )]
    Reverse {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// From which day they count as enrolled again: that of the withdrawal, if it was a mistake
        #[arg(long, value_name = "DATE")]
        on: Date,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Declare a registration void: it was made in error, and nothing came of it
    #[command(after_help = "Example:\n  daybook record void --registration R1-48213 --family-name Okafor \\\n      \
                            --date-of-birth 2001-04-09 --on 2026-11-20 --reason \"wrong qualification typed\"\n\n\
                            It counts as if it had never been: the learner can be enrolled again. Not once a result or \
                            certificate is on record.")]
    Void {
        /// The registration's number
        #[arg(long, value_name = "NUMBER")]
        registration: RegistrationNo,
        #[command(flatten)]
        identity: Identity,
        /// The day on which it was decided
        #[arg(long, value_name = "DATE")]
        on: Date,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Record that the qualification of a registration is completed
    #[command(
        after_help = "Example:\n  daybook record complete --registration R1-48213 --family-name Okafor \\\n      \
                            --date-of-birth 2001-04-09 --on 2026-11-20 --reason \"results of all four units seen\"\n\n\
                            It can no longer be withdrawn or deferred then."
    )]
    Complete {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// The day of the last result
        #[arg(long, value_name = "DATE")]
        on: Date,
        /// On what evidence
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Transfer a registration to another centre or qualification
    #[command(
        group = ArgGroup::new("where to").args(["to_centre", "to_qualification"]).required(true).multiple(true),
        after_help = "Example:\n  daybook record transfer --registration R1-48213 --family-name Okafor --given-names Ada \\\n      \
                            --date-of-birth 2001-04-09 --to-centre HILL2 --on 2026-11-20 \\\n      \
                            --consent \"both centres by mail of 18 November\" --reason \"moved house\"\n\n\
                            It ends, and another registration takes its place. The same qualification keeps its last day."
    )]
    Transfer {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// The centre that the learner goes to; the given names are needed then
        #[arg(long, value_name = "CODE", value_parser = values::centre, requires = "given_names")]
        to_centre: Option<String>,
        /// The qualification that the learner changes to
        #[arg(long, value_name = "NUMBER", value_parser = values::words)]
        to_qualification: Option<String>,
        /// The first day of the registration that takes its place
        #[arg(long, value_name = "DATE")]
        on: Date,
        /// How both centres agreed to it
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        consent: String,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Record that two learners are one person
    #[command(
        after_help = "Example:\n  daybook record merge --registration R1-48213 --family-name Okafor --date-of-birth 2001-04-09 \\\n      \
                            --other-registration R1-51002 --reason \"passport seen, one person\"\n\n\
                            The one named first stays. Both are found as one from then on, by the ULN and name of either; nothing of \
                            either history changes. Birth dates must agree: amend one first."
    )]
    Merge {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        #[command(flatten)]
        other: OtherLearner,
        /// The other's family name on record, where it is another
        #[arg(long, value_name = "NAME", value_parser = values::words)]
        other_family_name: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Record that two learners who were merged are two
    #[command(
        after_help = "Example:\n  daybook record unmerge --registration R1-48213 --family-name Okafor --date-of-birth 2001-04-09 \\\n      \
                            --other-registration R1-51002 --reason \"twins\"\n\n\
                            Each has the registrations again that they were opened with."
    )]
    Unmerge {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        #[command(flatten)]
        other: OtherLearner,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Record that a learner has another ULN too
    #[command(
        after_help = "Example:\n  daybook record alias --uln 1000000019 --family-name Okafor --date-of-birth 2001-04-09 \\\n      \
                            --other-uln 1000000027 --reason \"linked by the LRS\"\n\n\
                            Files that name either mean the same learner."
    )]
    Alias {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// The further ULN
        #[arg(long, value_name = "ULN", value_parser = values::uln)]
        other_uln: String,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Defer a registration
    #[command(
        after_help = "Example:\n  daybook record defer --uln 1000000019 --family-name Okafor --date-of-birth 2001-04-09 \\\n      \
                            --from 2026-12-01 --resume-by 2027-03-01 --reason \"parental leave\""
    )]
    Defer {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// The first day of the deferral
        #[arg(long, value_name = "DATE")]
        from: Date,
        /// The day by which the learner is to resume
        #[arg(long, value_name = "DATE")]
        resume_by: Date,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Extend the deferral of a registration
    #[command(after_help = "Example:\n  daybook record extend --registration R1-48213 --family-name Okafor \\\n      \
                            --date-of-birth 2001-04-09 --from 2027-03-01 --resume-by 2027-06-01 --reason \"leave prolonged\"\n\n\
                            It counts as one more deferral. A deferral that lapsed can be extended too.")]
    Extend {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// From which day the new day holds
        #[arg(long, value_name = "DATE")]
        from: Date,
        /// The day by which the learner is to resume now
        #[arg(long, value_name = "DATE")]
        resume_by: Date,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Take up a deferred registration again
    #[command(after_help = "Example:\n  daybook record resume --registration R1-48213 --family-name Okafor \\\n      \
                            --date-of-birth 2001-04-09 --on 2027-02-15 --reason \"back from leave\"")]
    Resume {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// The day of resumption
        #[arg(long, value_name = "DATE")]
        on: Date,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Amend what is held of a learner
    #[command(
        after_help = "Example:\n  daybook record amend --uln 1000000019 --family-name Okafor --date-of-birth 2001-04-09 \\\n      \
                            --field family_name --to Okafor-Reid --reason \"marriage certificate seen\""
    )]
    Amend {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        identity: Identity,
        /// What to amend
        #[arg(long, value_name = "COLUMN", value_parser = values::amendable())]
        field: Field,
        /// What it is to be
        #[arg(long, value_name = "VALUE", value_parser = values::words)]
        to: String,
        /// From which day it holds; today unless given
        #[arg(long, value_name = "DATE")]
        on: Option<Date>,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Record that a certificate was sent out
    #[command(
        after_help = "Example:\n  daybook record dispatch --certificate C0012345 --registration R1-48213 --on 2026-11-20 \\\n      \
                            --carrier \"Royal Mail\" --tracking AB123456785GB --reason \"signed-off claim\""
    )]
    Dispatch {
        /// The certificate's number
        #[arg(long, value_name = "NUMBER", value_parser = values::words)]
        certificate: String,
        #[command(flatten)]
        whose: Whose,
        /// The day it was sent
        #[arg(long, value_name = "DATE")]
        on: Date,
        #[command(flatten)]
        carriage: Carriage,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Record that a certificate came back
    #[command(
        after_help = "Example:\n  daybook record return --certificate C0012345 --on 2026-11-28 --reason GONE_AWAY"
    )]
    Return {
        /// The certificate's number
        #[arg(long, value_name = "NUMBER", value_parser = values::words)]
        certificate: String,
        /// The day it was received back
        #[arg(long, value_name = "DATE")]
        on: Date,
        /// Why it came back
        #[arg(long, value_name = "CODE", ignore_case = true, value_parser = return_reason())]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Record that a returned certificate was sent out again
    #[command(
        group = ArgGroup::new("address known").args(["address", "evidence"]).required(true).multiple(true),
        after_help = "Example:\n  daybook record redispatch --certificate C0012345 --on 2026-12-02 \\\n      \
                      --address \"1 New Street, Leeds LS1 4AP\" --reason \"new address from the centre\""
    )]
    Redispatch {
        /// The certificate's number
        #[arg(long, value_name = "NUMBER", value_parser = values::words)]
        certificate: String,
        /// The day it was sent again
        #[arg(long, value_name = "DATE")]
        on: Date,
        #[command(flatten)]
        carriage: Carriage,
        /// How it is known that the old address is right, where no new one is given
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        evidence: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Put the rows of a file on record, as orders of yours; without --apply it is told what they would come to, and nothing changes
    #[command(after_help = "Example:\n  daybook record from closed-centre.csv --kind withdrawals\n  \
                            daybook record from closed-centre.csv --kind withdrawals --apply\n\n\
                            The columns are those of the files that centres send; reversals, voids and completions have uln or \
                            registration_no, family_name, date_of_birth, effective_date and reason. At most 10,000 rows and 16 MiB.\n\
                            With --json, without --apply: one object a line for each row, with line, verdict, type, registration, \
                            against, against_line (of this file) and findings; with --apply as `import`.\n\
                            Exit status: 1 where rows are rejected.")]
    From(FromFile),
    /// List what was proposed and waits for another operator's approval
    #[command(after_help = "Example:\n  daybook record proposals\n\n\
                            What takes two persons the configuration says, by `two_person` under [policy]. With --json: one object \
                            a line with entry, kind, registration, learner, operator and since.")]
    Proposals,
    /// Approve what another operator proposed: it is judged as things stand now, and takes effect
    #[command(after_help = "Example:\n  daybook record approve 4711\n\n\
                            Look at it first: daybook record proposals, daybook entries --from 4711 --reveal")]
    Approve {
        /// The entry of the proposal
        #[arg(value_name = "ENTRY", value_parser = values::sequence)]
        entry: Sequence,
        #[command(flatten)]
        by: Operator,
    },
    /// Decline what was proposed: it takes no effect
    #[command(after_help = "Example:\n  daybook record decline 4711 --reason \"a result is on its way\"")]
    Decline {
        /// The entry of the proposal
        #[arg(value_name = "ENTRY", value_parser = values::sequence)]
        entry: Sequence,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
    /// Record that this machine's clock is right, although it jumped or stands before the last entry
    #[command(
        after_help = "Example:\n  daybook record clock --reason \"the battery was flat; set by the time service, checked\"\n\n\
                            Set the clock right first. Where the last entries are stamped with a wrong year, those that follow \
                            go on from the present."
    )]
    Clock {
        /// Why, and how it was checked
        #[arg(long, value_name = "TEXT", value_parser = values::words)]
        reason: String,
        #[command(flatten)]
        by: Signed,
    },
}

fn withdrawal_reason() -> impl clap::builder::TypedValueParser<Value = String> {
    values::one_of([
        "LEFT_COURSE",
        "ILLNESS",
        "TRANSFER_CENTRE",
        "TRANSFER_QUAL",
        "REDUNDANT",
        "FINANCIAL",
        "REGISTERED_IN_ERROR",
        "DUPLICATE_REGISTRATION",
        "NON_ATTENDANCE",
        "CENTRE_CLOSED",
        "DECEASED",
        "SANCTION",
        "OUTSIDE_PROVIDER_CONTROL",
        "OTHER",
    ])
}

fn return_reason() -> impl clap::builder::TypedValueParser<Value = String> {
    values::one_of([
        "GONE_AWAY",
        "REFUSED",
        "INCOMPLETE_ADDRESS",
        "NOT_CALLED_FOR",
        "DAMAGED",
        "ADDRESSEE_UNKNOWN",
        "OTHER",
    ])
}
