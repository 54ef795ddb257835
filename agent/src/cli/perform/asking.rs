//! Commands that ask the log: entries, histories, what is held.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use daybook_protocol::{
    date::Date,
    entry::{Entry, Private},
    event::{Event, Register},
    field::Kind,
    finding::Code,
    ids::{Digest, KeyId, LogId, Sequence},
};

use super::mapping;
use crate::{
    books::{
        index::{Held, Index},
        read_model::Reader,
    },
    cli::{
        Exit, Screen,
        args::{Entries, History as Asked, Subject},
        entries::{self, Look},
        values::AsOf,
    },
    config::Config,
    desk::Policies,
    history::{History, Told, View, arrivals},
    journal::today,
    office::{Office, Reading},
    zone::day_in_london,
};

/// How often a follower looks whether it is still wanted.
const FOLLOW: Duration = Duration::from_millis(200);
/// So many digests of originals are kept in mind while entries are printed.
const DIGESTS_MAX: usize = 10_000;

/// Prints the log from an entry on.
pub(super) fn entries(reading: &Reading, asked: &Entries, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    if asked.reveal && !reading.can_reveal() {
        anyhow::bail!("the operator's key is needed to reveal what is personal: name it with --operator-key");
    }
    let digests = RefCell::new(HashMap::new());
    let sha256 = |arrival: Sequence| digest(reading, &mut digests.borrow_mut(), arrival);
    let reveal = |entry: &Entry| revealed(reading, entry);
    let look = Look { sha256: &sha256, reveal: if asked.reveal { Some(&reveal) } else { None } };
    let mut next = asked.from;
    loop {
        for frame in reading.entries.frames(next) {
            for entry in frame?.entries() {
                let entry = entry?;
                if entry.sequence < next {
                    continue;
                }
                next = entry.sequence.plus(1);
                let line = if json { entries::json(&entry, &look)? } else { entries::line(&entry, &look) };
                screen.out(&line)?;
            }
            if screen.gone() {
                return Ok(Exit::Good);
            }
        }
        screen.flush()?;
        if !asked.follow {
            return Ok(Exit::Good);
        }
        while reading.entries.wait_beyond(next.0, FOLLOW) <= next.0 {
            if screen.gone() || !reading.entries.is_open() {
                return Ok(Exit::Good);
            }
        }
    }
}

/// What an entry's sealed part says, or why that cannot be had.
pub(super) fn revealed(reading: &Reading, entry: &Entry) -> Result<Option<Private>, String> {
    let Some(sealed) = &entry.sealed else { return Ok(None) };
    reading.reveal(entry.sequence, sealed).map_err(|error| error.to_string())
}

fn digest(reading: &Reading, known: &mut HashMap<Sequence, Digest>, arrival: Sequence) -> Option<Digest> {
    if let Some(digest) = known.get(&arrival) {
        return Some(*digest);
    }
    // An entry that cannot be read shows when its own turn comes; here only its file's digest is left out.
    let Some(Entry { event: Event::FileReceived(received), .. }) = reading.entry(arrival).ok()? else { return None };
    if known.len() >= DIGESTS_MAX {
        known.clear();
    }
    known.insert(arrival, received.sha256);
    Some(received.sha256)
}

/// Tells the life of a learner.
pub(super) fn history(reading: &Reading, asked: &Asked, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let learner = learner(reading, &asked.subject)?;
    let mut life = reading.life(learner)?;
    for arrival in arrivals(&life) {
        life.extend(reading.entry(arrival)?);
    }
    // What cannot be revealed must not look like what was not asked for; once for each reason, since a key seals many entries.
    let mut reasons = BTreeSet::new();
    let told: Vec<Told> = life
        .into_iter()
        .map(|entry| {
            let opened = if asked.reveal { revealed(reading, &entry) } else { Ok(None) };
            let private = opened.unwrap_or_else(|why| {
                reasons.insert(why);
                None
            });
            Told { entry, private }
        })
        .collect();
    for why in reasons {
        screen.note(&format!("daybook: not everything is revealed: {why}"));
    }
    let as_of = asked.as_of.map(|as_of| count_at(reading, as_of)).transpose()?;
    let today = day_of(reading, asked.as_of)?;
    let day = asked.on.unwrap_or(today);
    let resume_grace_days = policies_at(reading, as_of)?.on(day).resume_grace_days;
    let history = History::of(learner, &told, View { as_of, on: asked.on, today, resume_grace_days });
    if json {
        screen.out(&serde_json::to_string(&history)?)?;
    } else {
        for line in history.table().lines() {
            screen.out(line)?;
        }
    }
    Ok(Exit::Good)
}

/// The policies by which was judged at a place in the log, as its configurations say; the usual one where none does.
fn policies_at(reading: &Reading, as_of: Option<Sequence>) -> anyhow::Result<Policies> {
    let mut configs = reading.books()?.configs()?.into_iter().map(|(config, _)| config);
    let held = configs.rfind(|config| as_of.is_none_or(|count| *config < count));
    let entry = held.map(|config| reading.entry(config)).transpose()?.flatten();
    let policies = entry.and_then(|entry| match entry.event {
        // One of a newer version may say what this one does not understand.
        Event::ConfigAdopted(config) => Config::adopted(&config.text).ok().map(|config| config.policies),
        _ => None,
    });
    Ok(policies.unwrap_or_default())
}

/// The day on which states are judged: what was known at some moment, by the calendar of that moment.
fn day_of(reading: &Reading, as_of: Option<AsOf>) -> anyhow::Result<Date> {
    Ok(match as_of {
        None => today(),
        // Long after the last entry too: a registration expires without one.
        Some(AsOf::Moment(moment)) => day_in_london(moment),
        Some(AsOf::Sequence(sequence)) => {
            let last = reading.entries.count().checked_sub(1).map(|last| Sequence(last.min(sequence.0)));
            let entry = last.map(|last| reading.entry(last)).transpose()?.flatten();
            entry.map_or_else(today, |entry| day_in_london(entry.recorded_at))
        }
    })
}

/// How many entries had been recorded at a moment, that moment included.
fn count_at(reading: &Reading, as_of: AsOf) -> anyhow::Result<Sequence> {
    match as_of {
        AsOf::Sequence(sequence) => Ok(sequence.plus(1)),
        AsOf::Moment(moment) => Ok(reading.count_at(moment)?),
    }
}

/// The learner who is asked about, or who stands for them.
fn learner(reading: &Reading, subject: &Subject) -> anyhow::Result<KeyId> {
    let books = reading.books()?;
    Ok(books.survivor(named(reading, &books, subject)?)?)
}

fn named(reading: &Reading, books: &Reader, subject: &Subject) -> anyhow::Result<KeyId> {
    if let Some(learner) = subject.learner {
        let known = books.learner(learner)?;
        return known.map(|_| learner).ok_or_else(|| anyhow::anyhow!("there is no learner {learner}"));
    }
    if let Some(no) = subject.registration {
        let registration = books.registration(no)?;
        return registration.map(|it| it.learner).ok_or_else(|| anyhow::anyhow!("there is no registration {no}"));
    }
    if let Some(number) = &subject.certificate {
        let certificate = books.certificate(number)?;
        return certificate.map(|it| it.learner).ok_or_else(|| anyhow::anyhow!("there is no certificate {number}"));
    }
    let uln = subject.uln.as_deref().unwrap_or_default();
    let Some(token) = reading.uln_token(uln) else {
        anyhow::bail!("the operator's key is needed to look up a ULN: name it with --operator-key");
    };
    match books.learners_by_token(token)?.as_slice() {
        [only] => Ok(only.learner),
        [] => Err(anyhow::anyhow!("no learner has that ULN")),
        // The latest one is who has it now.
        [.., last] => Ok(last.learner),
    }
}

/// Lists what waits for a person.
pub(super) fn held_list(office: &Office, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let held = office.journal.look(Index::held)?;
    if held.is_empty() && !json {
        screen.out("nothing is held")?;
    }
    for Held { held, arrival, line, kind, .. } in held {
        let entry = office.reading.entry(held)?;
        let Some(entry) = entry else { continue };
        let codes: Vec<String> = entry.findings.iter().map(|finding| finding.code.to_string()).collect();
        let kind = kind.map(Kind::name);
        if json {
            let line = serde_json::json!({
                "held": held, "arrival": arrival, "line": line, "kind": kind, "codes": codes, "since": entry.recorded_at,
            });
            screen.out(&line.to_string())?;
        } else {
            let what = line.map_or_else(|| "whole file".to_owned(), |line| format!("line {line}"));
            let kind = kind.map_or_else(String::new, |kind| format!(" of {kind}"));
            screen.out(&format!(
                "{held:>8}  {what}{kind}, arrival {arrival}  [{}]  since {}",
                codes.join(", "),
                entry.recorded_at
            ))?;
        }
    }
    Ok(Exit::Good)
}

/// Shows one thing that is held, and why.
pub(super) fn held_show(
    office: &Office,
    sequence: Sequence,
    reveal: bool,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let reading = &office.reading;
    let entry = reading.entry(sequence)?.filter(|it| matches!(it.event, Event::FileHeld(_) | Event::RowHeld(_)));
    let Some(entry) = entry else {
        anyhow::bail!("entry {sequence} holds nothing; `daybook held list` shows what is held");
    };
    let digests = RefCell::new(HashMap::new());
    let sha256 = |arrival: Sequence| digest(reading, &mut digests.borrow_mut(), arrival);
    let revealer = |entry: &Entry| revealed(reading, entry);
    let look = Look { sha256: &sha256, reveal: if reveal { Some(&revealer) } else { None } };
    let assigned = assigned(office, &entry)?;
    // Whoever decides sees the original beside what the reader makes of it.
    let sight = mapping::sight(office, &entry)?;
    if json {
        let mut said: serde_json::Value = serde_json::from_str(&entries::json(&entry, &look)?)?;
        if let (Some(sight), Some(said)) = (&sight, said.as_object_mut()) {
            said.insert("original".to_owned(), mapping::beside_json(sight, reveal));
        }
        if let (Some((agent, version)), Some(said)) = (assigned, said.as_object_mut()) {
            said.insert("assigned_to".to_owned(), serde_json::json!({ "agent": agent, "register": version }));
        }
        screen.out(&said.to_string())?;
    } else {
        let beside = sight.iter().flat_map(|sight| mapping::beside(sight, reveal));
        for line in entries::held(&entry, &look).into_iter().chain(beside) {
            screen.out(&line)?;
        }
        if let Some((agent, version)) = assigned {
            screen.out(&format!("  assigned   to the agent of log {agent}, by the register of entry {version}"))?;
        }
    }
    Ok(Exit::Good)
}

/// The agent to which the centre of a held file belongs by the register in force now, and the entry that loaded it; of a file that
/// is held for that.
fn assigned(office: &Office, entry: &Entry) -> anyhow::Result<Option<(LogId, Sequence)>> {
    let Event::FileHeld(closed) = &entry.event else { return Ok(None) };
    if !entry.findings.contains(&Code::CENTRE_OF_ANOTHER_AGENT.into()) {
        return Ok(None);
    }
    let (centre, log) = (office.arrival(closed.arrival)?.received.centre, office.reading.log);
    Ok(office.journal.look_by(move |_, registers| {
        let agent = registers.elsewhere(&centre, log)?;
        Some((agent, registers.version(Register::Centres)?))
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{home::Home, office::Location};

    /// Goal: what was known at a moment is judged by that moment's calendar in London, however long nothing was recorded
    /// before it. Method: a log of today, seen at moments without entries and at an entry.
    #[test]
    fn a_moment_is_judged_by_its_own_day() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::new(directory.path().join("home"));
        let office = Office::open(&Location { home, config: None, operator_key: None }, true).expect("a new home");
        let day =
            |as_of: &str| day_of(&office.reading, Some(as_of.parse().expect("a moment"))).expect("a day").to_string();
        for (as_of, expected) in
            [("2099-06-30", "2099-06-30"), ("2099-06-30T23:30:00Z", "2099-07-01"), ("1999-01-01T12:00", "1999-01-01")]
        {
            assert_eq!(day(as_of), expected, "{as_of}");
        }
        let recorded_at = office.reading.entry(Sequence(0)).expect("read").expect("an entry").recorded_at;
        for as_of in ["0", "18446744073709551615"] {
            assert_eq!(day(as_of), day_in_london(recorded_at).to_string(), "{as_of}");
        }
        office.close().expect("closed");
    }
}
