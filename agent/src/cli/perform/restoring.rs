//! Backup and restore of a central node, and the operator's word on whom it lets in after that.

use std::path::Path;

use daybook_protocol::ids::LogId;

use super::{central::Node, hold, scrubbing::Seen};
use crate::{
    central::{self, CentralHandle, PutBack, Saved},
    cli::{
        Exit, Screen,
        figures::{bytes, moment, number},
    },
    home::Home,
    scrub::Work,
};

/// Backs the central node up, beside its work where it runs.
pub(super) fn back_up(
    node: &Node<'_>,
    directory: &Path,
    check: bool,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let saved = node.central.back_up(directory, check, &Work::new(&mut Seen(screen), node.running))?;
    let Saved { made_at, logs, entries, files, new_bytes, damaged, not_saved } = &saved;
    if json {
        screen.out(&serde_json::to_string(&saved)?)?;
    } else {
        screen.out(&format!(
            "{logs} logs with {} entries are in {} as of {}: {} files, {} of them new",
            number(*entries),
            directory.display(),
            moment(*made_at),
            number(*files as u64),
            bytes(*new_bytes),
        ))?;
        for damaged in damaged {
            screen.out(&format!("damaged, and not in the backup: {damaged}; next: daybook scrub"))?;
        }
        for log in not_saved {
            screen.out(&format!("not saved: {log}"))?;
        }
        screen.note("it holds the authority's private keys: keep it as safe as the central node itself");
    }
    Ok(if damaged.is_empty() && not_saved.is_empty() { Exit::Good } else { Exit::Problem })
}

/// Puts a central node back into an empty data directory.
pub(super) fn restore(directory: &Path, home: &Home, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    // Before anything is made in the data directory, which may be named wrongly too.
    central::is_backup(directory)?;
    let _held = hold::take(home)?;
    let put_back = central::restore(directory, home, &Work::new(&mut Seen(screen), false))?;
    if json {
        screen.out(&serde_json::to_string(&put_back)?)?;
        return Ok(Exit::Good);
    }
    let PutBack { made_at, logs, unconfirmed, revoked } = put_back;
    screen.out(&format!("the central node is back in {} as of {}", home.path().display(), moment(made_at)))?;
    for (log, entries) in logs {
        let standing = match log {
            log if unconfirmed.contains(&log) => "its agent is not let in before it is confirmed",
            log if revoked.contains(&log) => "its agent was revoked, and stays shut out",
            _ => "it has no agent that may write it",
        };
        screen.out(&format!("  log {log}: {} entries; {standing}", number(entries)))?;
    }
    screen.out(
        "who was revoked after that is not known here, nor who joined or took a log over. Revoke again whoever was, by \
         `daybook central revoke`, also where the log is not listed.",
    )?;
    screen.out(
        "Where another machine took a log over since, first start the central node and wait until `daybook central agents` \
         shows that machine: a confirmation before that lets the old one write. Then:",
    )?;
    screen.out("  daybook central confirm LOG...    or    daybook central confirm --all")?;
    Ok(Exit::Good)
}

/// Lets agents in again.
pub(super) fn confirm(
    central: &CentralHandle,
    logs: &[LogId],
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<()> {
    let confirmed = central.confirm(logs)?;
    if json {
        screen.out(&serde_json::json!({ "confirmed": confirmed }).to_string())?;
    } else if confirmed.is_empty() {
        screen.out("nobody waits to be confirmed")?;
    } else {
        for log in confirmed {
            screen
                .out(&format!("the agent of log {log} is let in again; what this central node lacks it sends again"))?;
        }
        screen.note(
            "where another machine took a log over after the backup, and `daybook central agents` does not show it yet: \
             start that machine now, since until it comes the old one may write",
        );
    }
    Ok(())
}
