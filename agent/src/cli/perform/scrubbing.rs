//! `daybook scrub`, on either side, and what it says.

use daybook_protocol::ids::LogId;
use serde::Serialize;

use crate::{
    central::CentralHandle,
    cli::{Exit, Screen, figures::number},
    office::{self, Location, Office},
    scrub::{Found, Onlooker},
};

/// A screen looks on.
pub(super) struct Seen<'a>(pub(super) &'a mut dyn Screen);

impl Onlooker for Seen<'_> {
    fn progress(&mut self, done: u64, total: u64, what: &str) {
        self.0.progress(done, total, what);
    }

    fn gone(&self) -> bool {
        self.0.gone()
    }
}

/// Scrubs the home of a running agent, beside its work.
pub(super) fn beside(office: &Office, operator: &str, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let found = office.scrub(Some(operator), true, &mut Seen(screen))?;
    tell(&[(office.reading.log, found)], json, screen)
}

/// Scrubs a home that nobody has open.
pub(super) fn closed(place: &Location, operator: &str, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let (log, found) = office::scrub_closed(place, operator, &mut Seen(screen))?;
    tell(&[(log, found)], json, screen)
}

/// Scrubs the copy of a log that a central node keeps, or every copy; beside its work where it runs.
pub(super) fn copies(
    central: &CentralHandle,
    log: Option<LogId>,
    running: bool,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let found = central.scrub(log, running, &mut Seen(screen))?;
    if found.is_empty() && !json {
        screen.out("no copy of a log is kept here yet")?;
    }
    tell(&found, json, screen)
}

/// One scrub. Scripts rely on the names.
#[derive(Serialize)]
struct Told<'a> {
    log: LogId,
    ok: bool,
    #[serde(flatten)]
    found: &'a Found,
}

fn tell(scrubs: &[(LogId, Found)], json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    for (log, found) in scrubs {
        if json {
            screen.out(&serde_json::to_string(&Told { log: *log, ok: found.ok(), found })?)?;
            continue;
        }
        let [entries, originals, keys] = [found.entries, found.originals, found.keys].map(number);
        screen
            .out(&format!("log {log}: {entries} entries, {originals} originals, {keys} keys; root {}", found.root))?;
        for damage in &found.damage {
            screen.out(&format!("damaged: {}", damage.what))?;
            screen.out(&format!("  mend: {}", damage.mend))?;
        }
        let unnamed = found.faults.saturating_sub(found.damage.len() as u64);
        if unnamed > 0 {
            screen.out(&format!("and {} more", number(unnamed)))?;
        }
        if found.log_damage().is_some() {
            screen.out("nothing more is written to this log, and the scrub itself is not on record in it")?;
        }
        screen.out(if found.ok() { "good: everything is as it was written" } else { "DAMAGED: see above" })?;
    }
    Ok(if scrubs.iter().all(|(_, found)| found.ok()) { Exit::Good } else { Exit::Problem })
}
