//! `daybook reference`: loads registers, and shows which are in force.

use std::io::Read as _;

use daybook_protocol::{
    date::Timestamp,
    entry::{Actor, Entry},
    event::{Event, ReferenceLoaded, Register},
    ids::Sequence,
};
use serde_json::json;

use crate::{
    cli::{
        Exit, Files, Screen,
        figures::{moment, number, printable},
        reference::Load,
    },
    journal::today,
    office::{Office, Reference},
    reference::FILE_BYTES_MAX,
};

/// Loads a register from the file that was handed over.
pub(super) fn load(
    office: &Office,
    (load, operator): (&Load, &str),
    files: &mut dyn Files,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let Load { register, dry_run, .. } = *load;
    if !dry_run {
        office.record_nothing_where_replaced()?;
    }
    let Some((offered, handed)) = files.next()? else { anyhow::bail!("no file was handed over") };
    if offered.bytes > FILE_BYTES_MAX {
        anyhow::bail!("{} is longer than {FILE_BYTES_MAX} bytes: that is no register", offered.name);
    }
    let mut bytes = Vec::new();
    handed.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let loaded = office.load_reference(register, (offered.file_name(), &bytes), operator, dry_run)?;
    if json {
        let mut told = serde_json::to_value(&loaded)?;
        if let Some(told) = told.as_object_mut() {
            told.insert("dry_run".to_owned(), dry_run.into());
        }
        screen.out(&told.to_string())?;
    } else {
        tell(&loaded, dry_run, screen)?;
    }
    Ok(Exit::Good)
}

fn tell(loaded: &Reference, dry_run: bool, screen: &mut dyn Screen) -> anyhow::Result<()> {
    let Reference { register, version, before, same, sha256, rows, lacks, touched } = loaded;
    let rows = number(*rows);
    let known = |version: &Option<Sequence>| version.map_or_else(String::new, |version| version.to_string());
    let became = match (same, dry_run) {
        (true, _) => format!("in force already, as entry {}; nothing changes", known(version)),
        (false, true) => "not loaded: this was a trial".to_owned(),
        (false, false) => format!("in force from entry {} on", known(version)),
    };
    let instead = before.map_or_else(String::new, |before| format!(", in the place of entry {before}"));
    screen.out(&format!("register of {register}: {rows} rows, SHA-256 {sha256}"))?;
    screen.out(&format!("  {became}{instead}"))?;
    if !lacks.is_empty() {
        screen.out(&format!("  not in the file, and so not checked: {}", lacks.join(", ")))?;
    }
    let all: u64 = touched.iter().map(|it| it.registrations.len() as u64).sum();
    if all > 0 {
        screen.out(&format!(
            "  {} open registrations could be made before and could not be made today; they stay as they are (--json names them):",
            number(all)
        ))?;
    }
    for it in touched {
        let codes: Vec<String> = it.codes.iter().map(|code| format!("{code} {}", code.meaning())).collect();
        let (centre, qualification) = (printable(&it.centre), printable(&it.qualification));
        let count = number(it.registrations.len() as u64);
        screen.out(&format!("    centre {centre}, {qualification}: {count} ({})", codes.join(", ")))?;
    }
    Ok(())
}

/// A register in force, and when it was loaded and by whom.
pub(super) struct InForce {
    pub(super) version: Sequence,
    pub(super) loaded: ReferenceLoaded,
    pub(super) at: Timestamp,
    by: String,
}

/// The registers in force, as the log says.
pub(super) fn in_force(office: &Office) -> anyhow::Result<Vec<InForce>> {
    let versions = office.journal.look(|index| index.registers().clone())?;
    let mut found = Vec::new();
    for version in versions.into_values() {
        let entry = office.reading.entry(version)?;
        if let Some(Entry { event: Event::ReferenceLoaded(loaded), recorded_at: at, actor, .. }) = entry {
            let by = match actor {
                Actor::Agent => String::new(),
                Actor::Operator(name) => name,
            };
            found.push(InForce { version, loaded, at, by });
        }
    }
    Ok(found)
}

/// Shows which registers are in force.
pub(super) fn show(office: &Office, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let on = today();
    let (qualifications, centres) = office.journal.look_by(move |_, registers| {
        let qualifications = registers.qualifications.as_ref().map(|it| it.content.count(on));
        (qualifications, registers.centres.as_ref().map(|it| (it.content.count(), it.content.approvals(on))))
    })?;
    for InForce { version, loaded, at, by } in in_force(office)? {
        let (figures, told) = match loaded.register {
            Register::Qualifications => qualifications.map(|(all, open)| {
                let told = format!(
                    "{} qualifications, {} of them closed to registration today",
                    spelt(all),
                    spelt(all - open)
                );
                (json!({ "qualifications": all, "open": open }), told)
            }),
            Register::Centres => centres.map(|(all, (approvals, direct_claim, sanctions))| {
                let told = format!(
                    "{} centres; today {} approvals, {} of them with direct claim status, {} under sanction",
                    spelt(all),
                    spelt(approvals),
                    spelt(direct_claim),
                    spelt(sanctions)
                );
                let figures = json!({
                    "centres": all, "approvals": approvals, "direct_claim": direct_claim, "sanctions": sanctions,
                });
                (figures, told)
            }),
        }
        .unwrap_or_else(|| (json!(null), "it cannot be read: `daybook status` says what to do".to_owned()));
        let ReferenceLoaded { register, sha256, rows, .. } = loaded;
        if json {
            let line = json!({
                "register": register, "version": version, "loaded_at": at, "operator": by, "sha256": sha256, "rows": rows,
                "today": figures,
            });
            screen.out(&line.to_string())?;
        } else {
            let (rows, at, by) = (number(rows), moment(at), printable(&by));
            screen.out(&format!("{register}: entry {version}, {rows} rows, loaded {at} by {by}, SHA-256 {sha256}"))?;
            screen.out(&format!("  {told}"))?;
        }
    }
    if !json {
        let loaded = office.journal.look(|index| index.registers().clone())?;
        for register in Register::ALL.into_iter().filter(|register| !loaded.contains_key(register)) {
            screen
                .out(&format!("{register}: not loaded; its checks are off (daybook reference load {register} FILE)"))?;
        }
    }
    Ok(Exit::Good)
}

fn spelt(count: usize) -> String {
    number(count as u64)
}
