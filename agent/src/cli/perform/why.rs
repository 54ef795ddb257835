//! Why an entry says what it says: the rules, the configuration it was judged under, and the facts it was compared with.

use daybook_protocol::{
    entry::{Entry, Source},
    event::{Event, Register},
    field::Field,
    ids::Sequence,
};
use serde_json::json;

use crate::{
    cli::{Exit, Screen, entries, values::About},
    config::Config,
    desk::Dated,
    history::is_fact,
    office::Reading,
    zone::day_in_london,
};

/// An entry with what it was judged by.
struct Why {
    entry: Entry,
    /// The entry of the configuration in force; `None` before the first one.
    policy: Option<Sequence>,
    /// Which of its policies was in force on the day that counts; `None` where there is none, or it says what this version does not
    /// understand.
    version: Option<Dated>,
    /// The entry that stands in the way, where one does.
    against: Option<Sequence>,
    /// The register of which that entry loaded a version, where it is one.
    register: Option<Register>,
    /// The facts about the learner that were in the log before it, in the order of the log.
    facts: Vec<Entry>,
}

/// Explains an entry, or every entry about a row of a file, in the order of the log. Reads the log up to there.
pub(super) fn why(reading: &Reading, about: About, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let mut found = false;
    let mut policy = None;
    let last = match about {
        About::Entry(sequence) => Some(sequence),
        About::Row { .. } => None,
    };
    for frame in reading.entries.frames(Sequence(0)) {
        for entry in frame?.entries() {
            let entry = entry?;
            let sequence = entry.sequence;
            if is_about(&entry, about) {
                found = true;
                tell(&explained(reading, entry, policy)?, json, screen)?;
            } else if matches!(entry.event, Event::ConfigAdopted(_)) {
                policy = Some(sequence);
            }
            if Some(sequence) == last {
                return Ok(Exit::Good);
            }
        }
        if screen.gone() {
            return Ok(Exit::Good);
        }
    }
    match about {
        _ if found => Ok(Exit::Good),
        About::Entry(sequence) => Err(anyhow::anyhow!("there is no entry {sequence}")),
        About::Row { file, line } => Err(anyhow::anyhow!(
            "no entry is about line {line} of file {file}: give the number that stands on the file's first receipt"
        )),
    }
}

fn is_about(entry: &Entry, about: About) -> bool {
    match about {
        About::Entry(sequence) => entry.sequence == sequence,
        About::Row { file, line } => entry.source == Source::Row { arrival: file, line },
    }
}

fn explained(reading: &Reading, entry: Entry, policy: Option<Sequence>) -> anyhow::Result<Why> {
    let against = match &entry.event {
        Event::RowRejected(event) => event.against,
        Event::RowHeld(event) => event.against,
        Event::RowDuplicate(event) => Some(event.first),
        _ => None,
    };
    let in_the_way = against.map(|against| reading.entry(against)).transpose()?.flatten().map(|entry| entry.event);
    let register = match &in_the_way {
        Some(Event::ReferenceLoaded(loaded)) => Some(loaded.register),
        _ => None,
    };
    let learner = entry.event.learner().or_else(|| in_the_way?.learner());
    let mut facts = learner.map(|learner| reading.life(learner)).transpose()?.unwrap_or_default();
    facts.retain(|fact| fact.sequence < entry.sequence && is_fact(&fact.event));
    let version = policy.map(|policy| version(reading, policy, &entry)).transpose()?.flatten();
    Ok(Why { entry, policy, version, against, register, facts })
}

/// The policy in force on an entry's effective date; for what holds from no day, on that of its recording.
fn version(reading: &Reading, config: Sequence, entry: &Entry) -> anyhow::Result<Option<Dated>> {
    let Some(Event::ConfigAdopted(adopted)) = reading.entry(config)?.map(|entry| entry.event) else { return Ok(None) };
    let day = entry.effective_on.unwrap_or_else(|| day_in_london(entry.recorded_at));
    Ok(Config::adopted(&adopted.text).ok().map(|config| config.policies.version_on(day).clone()))
}

fn tell(why: &Why, json: bool, screen: &mut dyn Screen) -> anyhow::Result<()> {
    let Why { entry, policy, version, against, register, facts } = why;
    if json {
        let findings = entry.findings.iter().map(|finding| {
            json!({
                "code": finding.code.to_string(), "stage": finding.code.stage(),
                "field": finding.field.map(Field::name),
                "meaning": finding.code.meaning(), "mend": finding.code.mend(),
            })
        });
        let facts = facts.iter().map(
            |fact| json!({ "sequence": fact.sequence, "type": fact.event.name(), "effective_on": fact.holds_from() }),
        );
        let told = json!({
            "sequence": entry.sequence, "type": entry.event.name(), "policy": policy,
            "policy_name": version.as_ref().and_then(|version| version.name.as_ref()),
            "policy_from": version.as_ref().and_then(|version| version.from), "against": against, "register": register,
            "findings": findings.collect::<Vec<_>>(), "facts": facts.collect::<Vec<_>>(),
        });
        screen.out(&told.to_string())?;
        return Ok(());
    }
    screen.out(&format!("{}  {}", entry.sequence, entry.event.name()))?;
    for finding in &entry.findings {
        screen.out(&format!("  rule       {}: {}", entries::in_brief(*finding), finding.code.meaning()))?;
        screen.out(&format!("             {}", finding.code.mend()))?;
        screen.out(&format!("  stage      {}", finding.code.stage()))?;
    }
    if entry.findings.is_empty() {
        screen.out("  rule       nothing was found")?;
    }
    if let Some(policy) = policy {
        let version = version.as_ref().map_or_else(String::new, |version| format!("{version}, in "));
        screen.out(&format!("  policy     {version}the configuration of entry {policy}"))?;
    }
    if let Some(against) = against {
        let of = register.map_or_else(String::new, |register| format!(", the register of {register} in force then"));
        screen.out(&format!("  against    entry {against}{of}"))?;
    }
    for fact in facts {
        let (sequence, what) = (fact.sequence, fact.event.name());
        screen.out(&format!("  saw        entry {sequence}, {what}, from {}", fact.holds_from()))?;
    }
    Ok(())
}
