//! Everything that can be typed. A command can be sent to a running agent as it stands, so nothing in it depends on where
//! it was typed: paths are taken from the root, defaults from this machine's environment are filled in before.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use daybook_protocol::{
    date::Date,
    field::Kind,
    ids::{KeyId, LogId, RegistrationNo, Sequence},
};
use serde::{Deserialize, Serialize};

use super::{
    Globals,
    central::Central,
    held::Held,
    record::Record,
    reference::Reference,
    replay::Replay,
    report::Report,
    values::{self, AsOf},
};

/// The book of original entry: what came in, in the order it came in, never rubbed out
#[derive(Debug, Parser)]
#[command(
    name = "daybook",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Start here:\n  daybook up --sample      try it: agent and central node on this machine, with sample files\n  \
                  daybook status           is anything wrong?\n  daybook help COMMAND     what a command does, with an example\n\n\
                  Results go to standard output, everything else to standard error.\n\
                  Exit status: 0 good, 1 a check found a problem, 2 it could not be done."
)]
pub struct Cli {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the program's own help text")]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Run agent and central node together on this machine, made and joined on first start
    #[command(
        after_help = "Example:\n  daybook up --sample\n\nStop it with Ctrl-C; start it again with the same command."
    )]
    Up {
        /// Drop the sample files too, and show what comes of them
        #[arg(long)]
        sample: bool,
    },
    /// Run the agent
    #[command(
        after_help = "Example:\n  daybook run --data /var/lib/daybook --config /etc/daybook.toml --log-format json"
    )]
    Run,
    /// Run a central node, or ask one
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example:\n  daybook central --data /var/lib/daybook-central          runs it\n  \
                      daybook central invite --data /var/lib/daybook-central   prints a one-time code for a new agent"
    )]
    Central {
        #[command(subcommand)]
        #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
        what: Option<Central>,
    },
    /// Join this agent to a central node
    #[command(after_help = "Example:\n  daybook join central.example:7310 AAAAAAAA-BBBBBBBB-...\n\n\
                            The code comes from `daybook central invite` and can be used once.")]
    Join {
        /// Where the central node listens
        #[arg(value_name = "ADDRESS", value_parser = values::address)]
        address: String,
        /// The one-time code
        #[arg(value_name = "CODE", value_parser = values::code)]
        code: String,
        /// What the central node calls this agent; the machine's name unless given
        #[arg(long, value_name = "NAME", value_parser = values::name)]
        name: Option<String>,
    },
    /// Take in some files now, without a drop folder
    #[command(after_help = "Example:\n  daybook import --centre 12345 --kind enrolments registrations.csv\n\n\
                            With --json: one object a line for each file, with at least file, sha256, rows, accepted, rejected, \
                            duplicate and held. Exit status 0 when every row has a verdict.")]
    Import(Import),
    /// Put a fact on record as an operator
    #[command(
        after_help = "Example:\n  daybook record withdraw --registration R1-48213 --family-name Okafor \\\n      \
                            --date-of-birth 2001-04-09 --on 2026-11-20 --reason LEFT_COURSE\n\n\
                            It is judged by the same rules as a row of a file. What is typed here stays in the history of your shell."
    )]
    Record {
        #[command(subcommand)]
        #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
        what: Record,
    },
    /// Load registers of centres and qualifications, by which rows are judged
    #[command(after_help = "Example:\n  daybook reference load centres centres.csv\n  daybook reference show")]
    Reference {
        #[command(subcommand)]
        #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
        what: Reference,
    },
    /// Print the entries of the log
    #[command(after_help = "Example:\n  daybook entries --from 800 --follow --json\n\n\
                            With --json: one object a line, with at least sequence, recorded_at, effective_on, type, source and the \
                            event's own fields; what is personal stands under `private`, with --reveal only.")]
    Entries(Entries),
    /// Tell the life of a learner, a registration or a certificate
    #[command(after_help = "Example:\n  daybook history --uln 1000000019\n  \
                            daybook history --registration R1-48213 --as-of 2026-06-30 --on 2013-10-01\n\n\
                            --as-of asks what was known then, --on what held on that day: the two are independent.")]
    History(History),
    /// Say why an entry, or what became of a row of a file, is as it is
    #[command(after_help = "Example:\n  daybook why 4711\n  daybook why 4700:12\n\n\
                            FILE is the number of the file's first receipt. With --json: sequence, type, policy (the entry of the \
                            configuration it was judged under), policy_name and policy_from (which of its policies), against, register \
                            (the one of which that is a version), findings and facts (what was known of the learner).")]
    Why {
        /// An entry, or a file's receipt and a line of it
        #[arg(value_name = "ENTRY|FILE:LINE")]
        about: values::About,
    },
    /// Answer what auditors ask: files, withdrawals, deferrals, amendments, duplicates, early ends, overrides, states
    #[command(after_help = "Example:\n  daybook report files --from 2026-11-01 --to 2026-11-30\n  \
                            daybook report deferrals --centre 12345 --csv > deferrals.csv\n  \
                            daybook report states --registration R1-48213 --to 2026-06-30\n\n\
                            By the day of recording, in London; withdrawals by the day they hold from. What happened to one learner, in \
                            order, `daybook history` tells; which configuration governed an entry, `daybook why`. With --json: one \
                            object a line with the columns of --csv; what is personal with --reveal only.")]
    Report(Report),
    /// Judge history again under changed policies, and list every verdict that would differ
    #[command(after_help = "Example:\n  daybook replay --policy next-year.toml --from 2026-01-01\n\n\
                            Nothing is recorded or changed: it is judged beside the log. Persons' words on what was held stand as they \
                            were given. Replay with the policies of now first, to see what would differ anyway, because the program or a \
                            policy changed since. With --json: one object for each verdict with entry, place, day, was, was_code, would_be, \
                            code and policy.\nExit status: 0 none would differ, 1 some would, 2 it could not be done.")]
    Replay(Replay),
    /// Show on one screen how things stand and whether anything is wrong
    #[command(after_help = "Example:\n  daybook status --check && echo all is well")]
    Status {
        /// Exit with 1 if anything is wrong
        #[arg(long)]
        check: bool,
    },
    /// Decide about files and rows that wait for a person
    #[command(
        after_help = "Example:\n  daybook held list\n  daybook held release 4711 --reason \"centre confirmed by telephone\""
    )]
    Held {
        #[command(subcommand)]
        #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
        what: Held,
    },
    /// Check that nothing of the log was lost or changed
    #[command(
        after_help = "Example:\n  daybook verify --json\n  daybook verify --export 2026-11 --verifier central.key\n\n\
                            With --json: entries, root, anchored_through (what the central node has signed for, or null) and ok.\n\
                            Exit status: 0 good, 1 damaged (and where), 2 could not check."
    )]
    Verify {
        /// Check this export instead of the data directory
        #[arg(long, value_name = "DIR", value_parser = values::path)]
        export: Option<PathBuf>,
        /// The central node's key for checkpoints, in a file that did not come with the export
        #[arg(long, value_name = "FILE", requires = "export", value_parser = values::path)]
        verifier: Option<PathBuf>,
    },
    /// Hash log, originals and keys where they lie, and record what is found
    #[command(
        after_help = "Example:\n  daybook scrub\n  daybook scrub --data /var/lib/daybook-central          every copy of a central \
                            node\n\nDone by itself every `scrub_days`. It rests in between where an agent or central node is at work.\n\
                            With --json: one object for each log, with at, entries, root, originals, keys, faults and damage.\n\
                            Exit status: 0 good, 1 something is damaged (what, and what mends it), 2 could not scrub."
    )]
    Scrub,
    /// Print how things stand as Prometheus text
    #[command(
        after_help = "Example:\n  daybook metrics > daybook.prom.new && mv daybook.prom.new /var/lib/node_exporter/daybook.prom\n\n\
                            For the textfile collector of a node exporter, from a timer. With --json: one object for each figure."
    )]
    Metrics,
    /// Write the log to a directory from which anyone can check it
    #[command(
        after_help = "Example:\n  daybook export /mnt/auditor/2026-11\n  daybook verify --export /mnt/auditor/2026-11"
    )]
    Export {
        /// Where to; it must not exist or be empty
        #[arg(value_name = "DIR", value_parser = values::path)]
        directory: PathBuf,
    },
    /// Rebuild a lost agent on this machine from the central node
    #[command(
        after_help = "Example:\n  daybook recover central.example:7310 AAAAAAAA-BBBBBBBB-... --operator-key /media/key/operator.key\n\n\
                            The code comes from `daybook central invite --recover LOG` and can be used once. The machine that held \
                            the log before is shut out.\n\nOf a log that parted from the central one, in its own data directory:\n  \
                            daybook recover --rejoin central.example:7310 AAAAAAAA-BBBBBBBB-..."
    )]
    Recover {
        /// Where the central node listens
        #[arg(value_name = "ADDRESS", value_parser = values::address)]
        address: String,
        /// The one-time code
        #[arg(value_name = "CODE", value_parser = values::code)]
        code: String,
        /// What the central node calls this agent; the machine's name unless given
        #[arg(long, value_name = "NAME", value_parser = values::name)]
        name: Option<String>,
        /// In the data directory of a log that parted from the central one: keep what is here as evidence, and judge again on the
        /// central log what only this one has
        #[arg(long)]
        rejoin: bool,
    },
    /// Throw away the books and fold them from the log again
    #[command(after_help = "Example:\n  daybook rebuild\n\nThe log is read, never written.")]
    Rebuild,
    /// Bring back what a damaged store still holds
    #[command(after_help = "Example:\n  daybook salvage\n\n\
                            Stop the agent first. The damaged store is kept under `evidence`; nothing is deleted.")]
    Salvage,
    /// Check the configuration and the folders; touches nothing
    #[command(after_help = "Example:\n  daybook check --config /etc/daybook.toml")]
    Check,
    /// Open the store in a directory and say whether that went well: done in a process of its own, since it may die of it
    #[command(hide = true)]
    ProbeStore {
        /// The store's directory
        #[arg(value_name = "DIR", value_parser = values::path)]
        directory: PathBuf,
    },
}

/// Arguments of `import`.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Import {
    // They are read by the process in which they were typed and handed over, so they are not part of what is sent.
    /// The files
    #[arg(value_name = "FILE", required = true)]
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// The centre that they come from
    #[arg(long, value_name = "CODE", value_parser = values::centre)]
    pub centre: String,
    /// The brand that they belong to
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub brand: String,
    /// What they are about, where their headings do not tell
    #[arg(long, value_name = "KIND", value_parser = values::kind())]
    pub kind: Option<Kind>,
}

/// Arguments of `entries`.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Entries {
    /// Begin with this entry
    #[arg(long, value_name = "SEQUENCE", default_value = "0", value_parser = values::sequence)]
    pub from: Sequence,
    /// Go on with each new entry as it is committed, until Ctrl-C; agents may start and stop meanwhile
    #[arg(long)]
    pub follow: bool,
    /// Show what is personal too
    #[arg(long)]
    pub reveal: bool,
}

/// Arguments of `history`.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct History {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the command's own help text")]
    pub subject: Subject,
    /// As it was known at this recorded moment: an entry's number, a day (its end) or a time
    #[arg(long, value_name = "MOMENT")]
    pub as_of: Option<AsOf>,
    /// As it held on this day
    #[arg(long, value_name = "DATE")]
    pub on: Option<Date>,
    /// Show what is personal too
    #[arg(long)]
    pub reveal: bool,
}

/// Whose history; exactly one is set.
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[group(required = true, multiple = false)]
pub struct Subject {
    /// The learner with this ULN
    #[arg(long, value_parser = values::uln)]
    pub uln: Option<String>,
    /// A registration, such as R1-48213
    #[arg(long, value_name = "NUMBER")]
    pub registration: Option<RegistrationNo>,
    /// A certificate
    #[arg(long, value_name = "NUMBER")]
    pub certificate: Option<String>,
    /// A learner by our own number, such as K1-42
    #[arg(long, value_name = "NUMBER")]
    pub learner: Option<KeyId>,
}

impl Command {
    /// The operator it names, where it names one.
    pub fn operator(&self) -> Option<&str> {
        match self {
            Self::Record { what } => what.operator(),
            Self::Reference { what } => what.operator(),
            Self::Held { what } => what.operator(),
            _ => None,
        }
    }

    /// The files to be handed over with it.
    pub fn files(&self) -> &[PathBuf] {
        match self {
            Self::Import(import) => &import.files,
            Self::Record { what: Record::From(from) } => std::slice::from_ref(&from.file),
            Self::Reference { what } => what.files(),
            _ => &[],
        }
    }

    /// Whether a running agent or central node performs it, since it has the log open. The others start such a process,
    /// need it stopped, or ask nothing of it.
    pub fn is_served(&self) -> bool {
        match self {
            Self::Central { what } => what.as_ref().is_some_and(Central::is_served),
            Self::Import(_)
            | Self::Record { .. }
            | Self::Reference { .. }
            | Self::Entries(_)
            | Self::History(_)
            | Self::Why { .. }
            | Self::Report(_)
            | Self::Replay(_)
            | Self::Status { .. }
            | Self::Held { .. }
            | Self::Verify { export: None, .. }
            | Self::Scrub
            | Self::Metrics
            | Self::Export { .. }
            | Self::Rebuild => true,
            Self::Up { .. }
            | Self::Run
            | Self::Join { .. }
            | Self::Verify { export: Some(_), .. }
            | Self::Recover { .. }
            | Self::Salvage
            | Self::Check
            | Self::ProbeStore { .. } => false,
        }
    }
}

/// A command with what was said beside it, as it is performed here or sent to a running agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// Whether results are wanted as JSON.
    pub json: bool,
    /// The log whose copy is looked at, on a central node.
    pub log: Option<LogId>,
    /// Where the operator's key lies, if not in its usual place.
    pub operator_key: Option<PathBuf>,
}

impl Request {
    /// What was typed.
    pub fn new(globals: &Globals, command: Command) -> Self {
        Self { command, json: globals.json, log: globals.log, operator_key: globals.operator_key.clone() }
    }

    /// The operator's key file of a home, unless another was named.
    pub fn operator_key(&self, usual: &Path) -> PathBuf {
        self.operator_key.clone().unwrap_or_else(|| usual.to_owned())
    }
}
