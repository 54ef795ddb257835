//! `daybook up --sample`: sample files dropped where a newcomer sees what comes of them.

use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;
use daybook_protocol::ids::Sequence;

use crate::{
    books::index::{Index, Stage},
    cli::Screen,
    home::Home,
    office::{Arrived, Office},
    supervise::Shutdown,
};

/// What is dropped, in this order: the withdrawals speak of the enrolments.
const SAMPLES: [(&str, &[u8]); 2] = [
    ("enrolments-riverside.csv", include_bytes!("../../../../examples/drop/enrolments-riverside.csv")),
    ("withdrawals-riverside.csv", include_bytes!("../../../../examples/drop/withdrawals-riverside.csv")),
];
/// The configuration of a first start.
const CONFIG: &str = include_str!("../../../../examples/up.toml");
/// How long to wait for something to be shown, before the newcomer is told where to look instead.
const PATIENCE: Duration = Duration::from_mins(1);
const NOTICE: Duration = Duration::from_millis(50);

/// Writes the configuration of a first start.
pub(super) fn write_config(home: &Home) -> anyhow::Result<()> {
    fs::create_dir_all(home.path()).with_context(|| format!("cannot make {}", home.path().display()))?;
    fs::write(home.config(), CONFIG).with_context(|| format!("cannot write {}", home.config().display()))
}

/// Drops the sample files and shows what comes of each.
pub(super) fn show(office: &Office, shutdown: &Shutdown, screen: &mut dyn Screen) -> anyhow::Result<()> {
    let folder = office.config.folders.first().context("the configuration names no drop folder for the samples")?;
    for (name, bytes) in SAMPLES {
        let before = office.reading.entries.count();
        // Written elsewhere and renamed into place, as a careful sender does.
        let (making, dropped) = (folder.path.join(name), folder.drop().join(name));
        fs::write(&making, bytes)?;
        fs::rename(&making, &dropped)?;
        screen.out(&format!("\ndropped    {}", dropped.display()))?;
        screen.flush()?;
        let Some(arrived) = wait(office, shutdown, before)? else {
            screen.out("           still under way; `daybook status` shows how it goes")?;
            continue;
        };
        told(office, folder, &arrived, screen)?;
    }
    next_steps(office, screen)
}

/// Waits until what was dropped is filed.
fn wait(office: &Office, shutdown: &Shutdown, before: u64) -> anyhow::Result<Option<Arrived>> {
    let began = std::time::Instant::now();
    while began.elapsed() < PATIENCE && !shutdown.is_asked() {
        let latest = office.journal.look(Index::latest_arrival)?;
        if let Some(arrival) = latest.filter(|arrival| arrival.0 >= before)
            && office.arrival(arrival)?.stage == Stage::Filed
        {
            return Ok(Some(office.arrived(arrival)?));
        }
        office.reading.entries.wait_beyond(office.reading.entries.count(), NOTICE);
    }
    Ok(None)
}

fn told(
    office: &Office,
    folder: &crate::config::Folder,
    arrived: &Arrived,
    screen: &mut dyn Screen,
) -> anyhow::Result<()> {
    let totals = arrived.totals;
    let kind = arrived.kind.map_or("unknown", |kind| kind.name());
    screen.out(&format!(
        "recorded   {} rows of {kind}: {} accepted, {} rejected, {} duplicate, {} held",
        totals.rows, totals.accepted, totals.rejected, totals.duplicate, totals.held
    ))?;
    screen.out(&format!("answered   receipt {} in {}", arrived.receipt, folder.receipts().display()))?;
    let last = Sequence(office.reading.entries.count().saturating_sub(1));
    let mut position = office.mirror.subscribe();
    let began = std::time::Instant::now();
    let mirrored = loop {
        let through = position.borrow_and_update().clone();
        if through.log_through > last.0 && through.originals_through > arrived.receipt {
            break true;
        }
        if began.elapsed() > PATIENCE {
            break false;
        }
        std::thread::sleep(NOTICE);
    };
    screen.out(if mirrored {
        "mirrored   log, original and keys are with the central node"
    } else {
        "mirrored   not yet; `daybook status` shows how it goes"
    })?;
    for line in rejected(&folder.receipts(), arrived.receipt)? {
        screen.out(&line)?;
    }
    screen.flush()?;
    Ok(())
}

/// The lines of a row report that ask something of the sender.
fn rejected(receipts: &Path, receipt: Sequence) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for name in fs::read_dir(receipts)? {
        let name = name?;
        let text = name.file_name().to_string_lossy().into_owned();
        if !text.starts_with(&format!("{receipt}_")) || !text.ends_with("_rows.csv") {
            continue;
        }
        let mut rows = csv::Reader::from_path(name.path())?;
        for row in rows.records() {
            let row = row?;
            let cell = |at| row.get(at).unwrap_or_default();
            if cell(2) != "accepted" {
                lines.push(asked(cell(0), cell(2), [cell(3), cell(4), cell(5)]));
            }
        }
    }
    Ok(lines)
}

/// One of them: a finding about the row as a whole has no field.
fn asked(line: &str, verdict: &str, finding: [&str; 3]) -> String {
    let words: Vec<_> = finding.into_iter().filter(|word| !word.is_empty()).collect();
    format!("           line {line} {verdict}: {}", words.join(" "))
}

/// What to try next.
pub(super) fn next_steps(office: &Office, screen: &mut dyn Screen) -> anyhow::Result<()> {
    let data = format!("--data {}", office.reading.home.path().display());
    screen.out("\nTry next, in another terminal:")?;
    let commands = [
        ("status", "is anything wrong?"),
        ("history --uln 1000000027 --reveal", "the life of a learner"),
        ("entries --follow", "the log, as it grows"),
        ("verify", "was anything lost or changed?"),
    ];
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0) + 1 + data.len();
    for (command, what) in commands {
        screen.out(&format!("  daybook {:<width$}   {what}", format!("{command} {data}")))?;
    }
    if let Some(folder) = office.config.folders.first() {
        screen.out(&format!("or drop a file of your own into {}", folder.drop().display()))?;
    }
    screen.out("Stop with Ctrl-C; start again with the same command.")?;
    screen.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a newcomer's first lines are as they should be, with a field and without one. Method: golden text.
    #[test]
    fn a_finding_without_a_field_leaves_no_hole() {
        for (field, told) in [
            ("uln", "           line 7 rejected: 2L-016 uln duplicate row in file"),
            ("", "           line 7 rejected: 2L-016 duplicate row in file"),
        ] {
            assert_eq!(asked("7", "rejected", ["2L-016", field, "duplicate row in file"]), told);
        }
    }
}
