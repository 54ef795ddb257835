//! Which role may give which command: one table, which `daybook check` prints. And by which name a command is signed.
//!
//! It holds in the same way for whoever asks a running agent and for whoever opens the log themselves. Where the configuration
//! names no operator everybody may do everything.

use daybook_protocol::field::Kind;

use super::{Command, central::Central, held::Held, record::Record, reference::Reference};
use crate::{
    config::Config,
    operators::{Role, User, words},
};

/// What somebody does with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Asks, and changes nothing.
    Ask,
    /// The daily work.
    Process,
    /// Goes against what rules and files say, or speaks for another.
    Override,
    /// Looks after the program and its data.
    Keep,
    /// Needs no role: it starts what the others ask, asks nothing of a log here, or is another process of our own.
    Open,
}

/// One row: what is done, by which commands, by whom. An administrator decides about nobody's record, so that whoever looks after
/// the machine has no hand in the work.
struct Row {
    duty: Duty,
    what: &'static str,
    commands: &'static [&'static str],
    roles: &'static [Role],
}

const TABLE: [Row; 4] = [
    Row {
        duty: Duty::Ask,
        what: "asking",
        commands: &[
            "entries",
            "history",
            "report",
            "replay",
            "why",
            "held list",
            "held show",
            "record proposals",
            "reference show",
            "verify",
            "status",
            "metrics",
            "central agents",
        ],
        roles: &Role::ALL,
    },
    Row {
        duty: Duty::Process,
        what: "daily work",
        commands: &[
            "import",
            "record withdraw",
            "record defer",
            "record extend",
            "record resume",
            "record amend",
            "record dispatch",
            "record return",
            "record redispatch",
            "record transfer",
            "record alias",
            "record from",
            "held map",
            "held release",
            "held refuse",
        ],
        roles: &[Role::Processing, Role::Manager],
    },
    Row {
        duty: Duty::Override,
        what: "overrides",
        commands: &[
            "record reverse",
            "record void",
            "record complete",
            "record merge",
            "record unmerge",
            "record approve",
            "record decline",
            "record clock",
            "reference load",
        ],
        roles: &[Role::Manager],
    },
    Row {
        duty: Duty::Keep,
        what: "upkeep",
        commands: &[
            "export",
            "scrub",
            "rebuild",
            "salvage",
            "join",
            "recover",
            "central invite",
            "central revoke",
            "central clear",
            "central backup",
            "central restore",
            "central confirm",
        ],
        roles: &[Role::Administrator],
    },
];

/// The orders that go against what was recorded, whether one by one or from a file.
const OVERRIDES: [Kind; 5] = [Kind::Reversals, Kind::Voids, Kind::Completions, Kind::Merges, Kind::Unmerges];

/// Why a command is not performed for somebody.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    /// They lack the role.
    #[error("{user} may not do this: it needs the role {needed}, which {who}")]
    Role {
        /// Who asks, by their name among the operators or else by their user of the operating system.
        user: String,
        /// The roles of which one is needed.
        needed: String,
        /// Who has one of them.
        who: String,
    },
    /// They want to sign as somebody else.
    #[error("you are known as {known_as} and cannot sign as somebody else: leave out --operator")]
    Signature {
        /// Who they are.
        known_as: String,
    },
}

/// Whether `user` may give a command by a configuration, and the name by which they sign it.
pub fn permit(config: &Config, user: &User, command: &Command) -> Result<String, NotPermitted> {
    let operators = &config.operators;
    if operators.is_empty() {
        return anybody(user, command.operator());
    }
    let known = operators.of_user(&user.name);
    let needed = roles_for(duty_in(config, command));
    let allowed = known.is_some_and(|operator| operator.has_any(needed))
        || needed.is_empty()
        // Whoever could do without us is not kept from looking after what is theirs.
        || user.owns && needed.contains(&Role::Administrator);
    if !allowed {
        let who = match operators.with_any(needed).as_slice() {
            [] if needed.contains(&Role::Administrator) => {
                "only the superuser and the owner of the data directory have".to_owned()
            }
            [] => "nobody has yet: give it to somebody under [[operator]] in the configuration".to_owned(),
            [only] => format!("{only} has"),
            several => format!("{} have", several.join(", ")),
        };
        let user = known.map_or(&user.name, |operator| &operator.name).clone();
        return Err(NotPermitted::Role { user, needed: either(needed), who });
    }
    let known_as = known.map_or(&user.name, |operator| &operator.name).clone();
    match command.operator() {
        Some(named) if named != known_as && named != user.name => Err(NotPermitted::Signature { known_as }),
        _ => Ok(known_as),
    }
}

/// Without operators, whoever could open the log by themselves may sign with another name, since they could do so without us
/// too, and is recorded beside it; anybody else is who they are.
fn anybody(user: &User, named: Option<&str>) -> Result<String, NotPermitted> {
    match named {
        Some(named) if named != user.name && !user.owns => Err(NotPermitted::Signature { known_as: user.name.clone() }),
        Some(named) if named != user.name => Ok(format!("{named} (as {})", user.name)),
        _ => Ok(user.name.clone()),
    }
}

fn roles_for(duty: Duty) -> &'static [Role] {
    TABLE.iter().find(|row| row.duty == duty).map_or(&[], |row| row.roles)
}

/// What a command does by a configuration: what takes two persons is only proposed, and that is daily work.
fn duty_in(config: &Config, command: &Command) -> Duty {
    let proposed = match command {
        Command::Record { what } => what.kind().is_some_and(|kind| config.policies.two_person().contains(&kind)),
        _ => false,
    };
    if proposed { Duty::Process } else { duty(command) }
}

fn duty(command: &Command) -> Duty {
    match command {
        Command::Entries(_)
        | Command::History(_)
        | Command::Why { .. }
        | Command::Report(_)
        | Command::Replay(_)
        | Command::Status { .. }
        | Command::Verify { export: None, .. }
        | Command::Metrics
        | Command::Held { what: Held::List | Held::Show { .. } }
        | Command::Central { what: Some(Central::Agents) }
        | Command::Record { what: Record::Proposals }
        | Command::Reference { what: Reference::Show } => Duty::Ask,
        Command::Import(_) | Command::Held { what: Held::Map(_) | Held::Release(_) | Held::Refuse(_) } => Duty::Process,
        Command::Record { what } => match what {
            Record::Approve { .. } | Record::Decline { .. } | Record::Clock { .. } => Duty::Override,
            // Also where the rows of a file order it.
            _ if what.kind().is_some_and(|kind| OVERRIDES.contains(&kind)) => Duty::Override,
            _ => Duty::Process,
        },
        // It bears on every verdict from there on.
        Command::Reference { what: Reference::Load(_) } => Duty::Override,
        Command::Central { what: Some(_) }
        | Command::Export { .. }
        | Command::Scrub
        | Command::Rebuild
        | Command::Salvage
        | Command::Join { .. }
        | Command::Recover { .. } => Duty::Keep,
        Command::Up { .. }
        | Command::Run
        | Command::Central { what: None }
        | Command::Verify { export: Some(_), .. }
        | Command::Check
        | Command::ProbeStore { .. } => Duty::Open,
    }
}

fn either(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(" or ")
}

/// The operators of a configuration and what each may do, for a person.
pub fn told(config: &Config) -> Vec<String> {
    let operators = &config.operators;
    if operators.is_empty() {
        return vec![
            "no [[operator]] is named: whoever may reach the agent's socket or the data directory may do everything"
                .to_owned(),
        ];
    }
    let mut lines: Vec<String> = (operators.all().iter())
        .map(|operator| format!("operator {:?}, user {}: {}", operator.name, operator.user, words(&operator.roles)))
        .collect();
    for Row { what, commands, roles, .. } in &TABLE {
        let roles = if roles.len() == Role::ALL.len() { "any role".to_owned() } else { either(roles) };
        lines.push(format!("  {what} ({roles}): {}", commands.join(", ")));
    }
    let releases = config.policies.two_person_release().iter().map(|code| format!("release of {code}"));
    let orders = config.policies.two_person().iter().map(|kind| kind.name().to_owned());
    let two_person: Vec<String> = orders.chain(releases).collect();
    if !two_person.is_empty() {
        lines.push(format!("  proposed by one, approved by a manager who is another: {}", two_person.join(", ")));
    }
    lines.push("  the superuser and the owner of the data directory are administrators without being named".to_owned());
    lines
}

#[cfg(test)]
mod tests;
