//! `daybook status`: gathers how things stand.

use std::fs;

use daybook_protocol::{date::Timestamp, event::Register};

use super::reference::{InForce, in_force};
use crate::{
    books::index::Index,
    cli::{
        Exit, Screen,
        figures::printable,
        metrics,
        scrubbed::ScrubStatus,
        status::{
            AlarmStatus, DiskStatus, FolderStatus, HeldStatus, MirrorStatus, Problem, RegisterStatus, StatusReport,
            verdict,
        },
    },
    home::Home,
    intake,
    office::Office,
    scrub, store,
};

/// Reference data that a desk could be given and that cannot be loaded yet.
const NOT_YET: &str = "prices";

/// Shows how things stand; with `check` the exit status says whether anything is wrong.
pub(super) fn status(
    office: &Office,
    check: bool,
    running: bool,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let report = match report(office, running) {
        Ok(report) => report,
        // It cannot be asked in full, and why is known.
        Err(_) if office.reading.entries.condemned().is_some() => {
            return of_damaged(&office.reading.home, check, json, screen);
        }
        Err(error) => return Err(error),
    };
    if json {
        screen.out(&report.json()?)?;
    } else {
        for line in report.text() {
            screen.out(&line)?;
        }
    }
    Ok(if check && !report.problems().is_empty() { Exit::Problem } else { Exit::Good })
}

/// Prints how things stand as figures.
pub(super) fn metrics(office: &Office, running: bool, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    match report(office, running) {
        Ok(report) => figures(&metrics::of_agent(&report), json, screen),
        Err(_) if office.reading.entries.condemned().is_some() => {
            figures_of_damaged(&office.reading.home, json, screen)
        }
        Err(error) => Err(error),
    }
}

/// Prints figures, as text or as an object each.
pub(super) fn figures(samples: &[metrics::Sample], json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    if json {
        for sample in samples {
            screen.out(&serde_json::to_string(sample)?)?;
        }
    } else {
        for line in metrics::text(samples) {
            screen.out(&line)?;
        }
    }
    Ok(Exit::Good)
}

/// What a scrub found of a log that is not opened any more.
fn damaged(home: &Home) -> anyhow::Result<(ScrubStatus, Vec<Problem>)> {
    let scrub = ScrubStatus::noted(scrub::load(home), Timestamp::default(), 0);
    let mut problems = scrub.problems(jiff::Timestamp::now().into(), false);
    if problems.is_empty() {
        // The mark alone is left.
        let why = store::condemned(home)?.unwrap_or_default();
        problems.push(Problem::new(format!("the log is damaged: {why}"), "daybook scrub"));
    }
    Ok((scrub, problems))
}

/// The figures of a log that is not opened any more.
pub(super) fn figures_of_damaged(home: &Home, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let (scrub, problems) = damaged(home)?;
    figures(&metrics::of_damaged(&scrub, problems.len()), json, screen)
}

/// Shows what a scrub found of a log that is not opened any more.
pub(super) fn of_damaged(home: &Home, check: bool, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let (scrub, problems) = damaged(home)?;
    if json {
        screen.out(&serde_json::json!({ "ok": false, "problems": problems, "scrub": scrub }).to_string())?;
    } else {
        screen.out("the log is damaged and is not opened; nothing is taken in or recorded")?;
        for line in verdict(&problems) {
            screen.out(&printable(&line))?;
        }
    }
    Ok(if check { Exit::Problem } else { Exit::Good })
}

fn report(office: &Office, running: bool) -> anyhow::Result<StatusReport> {
    let (held, proposals, alarms) = office.journal.look(|index| (index.held(), index.proposals(), index.alarms()))?;
    let reading = &office.reading;
    let entries = reading.entries.count();
    let last = entries.checked_sub(1).map(daybook_protocol::ids::Sequence);
    let last = last.map(|last| reading.entry(last)).transpose()?.flatten();
    let root =
        last.as_ref().map(|last| reading.entries.frames(last.sequence).next().transpose()).transpose()?.flatten();
    let since = |sequence| {
        let entry = reading.entry(sequence).ok().flatten();
        entry.map(|entry| entry.recorded_at).unwrap_or_default()
    };
    let alarms = alarms
        .into_iter()
        .map(|(alarm, open)| AlarmStatus { alarm, detail: open.detail, since: since(open.sequence) })
        .collect();
    let reference: Vec<RegisterStatus> = in_force(office)?
        .into_iter()
        .map(|InForce { version, loaded, at, .. }| RegisterStatus {
            register: loaded.register,
            version,
            rows: loaded.rows,
            loaded_at: at,
        })
        .collect();
    let off = Register::ALL.into_iter().filter(|register| reference.iter().all(|it| it.register != *register));
    let checks_off = off.map(Register::name).chain([NOT_YET]).map(str::to_owned).collect();
    let (mut mirror, mut others) = (mirror(office), Vec::new());
    match originals_missing(office) {
        Ok(missing) => mirror.iter_mut().for_each(|mirror| mirror.originals_missing = missing),
        // How things stand is asked for most when they stand badly.
        Err(error) => others.push(Problem::new(format!("the books lag behind the log: {error}"), "")),
    }
    Ok(StatusReport {
        at: jiff::Timestamp::now().into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        agent_running: Some(running),
        log: reading.log,
        epoch: office.identity.epoch,
        entries,
        root: root.map_or_else(|| daybook_protocol::tree::Frontier::default().root(), |frame| frame.header().root),
        last_recorded_at: last.map(|last| last.recorded_at),
        folders: folders(office)?,
        held: HeldStatus {
            files: held.iter().filter(|held| held.line.is_none()).count() as u64,
            rows: held.iter().filter(|held| held.line.is_some()).count() as u64,
            oldest_at: held.first().map(|held| Timestamp(held.since)),
        },
        proposals: proposals.len() as u64,
        operators: office.config.operators.all().len() as u64,
        alarms,
        mirror,
        disk: DiskStatus {
            free_bytes: store::free_bytes(reading.home.path())?,
            free_bytes_min: office.config.agent.free_bytes_min,
        },
        reference,
        checks_off,
        scrub: last_scrub(office)?,
        verified: fs::read(reading.home.verified()).ok().and_then(|found| serde_json::from_slice(&found).ok()),
        others,
    })
}

/// The last scrub: by the note beside the log, which has the names, unless the log has a later one.
fn last_scrub(office: &Office) -> anyhow::Result<ScrubStatus> {
    let (born, days) = (office.born_at(), office.config.agent.scrub_days);
    let on_record = office.journal.look(Index::scrubbed)?;
    let noted = scrub::load(&office.reading.home);
    Ok(match on_record.filter(|last| noted.as_ref().is_none_or(|noted| noted.at.0 < last.at)) {
        Some(last) => {
            let at = Timestamp(last.at);
            let due_at = scrub::due_at(Some(at), born, days);
            ScrubStatus { at: Some(at), faults: last.faults, damage: Vec::new(), due_at }
        }
        None => ScrubStatus::noted(noted, born, days),
    })
}

fn folders(office: &Office) -> anyhow::Result<Vec<FolderStatus>> {
    let latest = office.journal.look(Index::latest_by_folder)?;
    Ok(office
        .config
        .folders
        .iter()
        .map(|folder| FolderStatus {
            name: folder.name.clone(),
            centre: folder.centre.clone(),
            // Markers and files that are still being written wait too.
            waiting: fs::read_dir(folder.drop()).map_or(0, |names| names.count() as u64),
            last_file_at: latest.get(&folder.name).copied(),
            problem: intake::inspect(folder).into_iter().next(),
        })
        .collect())
}

/// How many originals the central node has not got yet; of an agent that joined none, none is missed.
fn originals_missing(office: &Office) -> anyhow::Result<u64> {
    if office.identity.central.is_none() {
        return Ok(0);
    }
    let through = office.mirror.borrow().originals_through;
    let question = format!("SELECT count(*) FROM file WHERE arrival >= {}", through.0);
    let answer = office.reading.books()?.ask(&question)?;
    let arrived: u64 = answer.rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok()).unwrap_or(0);
    let loaded = office.journal.look(move |index| index.registers().values().filter(|it| **it >= through).count())?;
    Ok(arrived + loaded as u64)
}

fn mirror(office: &Office) -> Option<MirrorStatus> {
    let central = office.identity.central.as_ref()?;
    let position = office.mirror.borrow().clone();
    let signed = office.reading.signed_for();
    Some(MirrorStatus {
        central: central.address.clone(),
        connected: position.connected,
        last_contact_at: position.last_contact,
        entries: position.log_through.max(signed.unwrap_or(0)),
        signed_for: signed,
        originals_missing: 0,
        refusal: position.refused.as_ref().map(|refused| refused.refusal.name()),
        refused: position.refused.map(|refused| refused.to_string()),
        trouble: position.trouble,
    })
}
