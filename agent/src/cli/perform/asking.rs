//! Commands that ask the log: entries, histories, what is held.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use daybook_protocol::{
    entry::Entry,
    event::Event,
    field::Kind,
    ids::{Digest, KeyId, Sequence},
};

use crate::{
    books::index::{Held, Index},
    cli::{
        Exit, Screen,
        args::{Entries, History as Asked, Subject},
        entries::{self, Look},
        values::AsOf,
    },
    history::{History, Told, View, arrivals},
    journal::today,
    office::{Office, Reading},
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
    let reveal = |entry: &Entry| Ok(entry.sealed.as_ref().and_then(|sealed| reading.reveal(entry.sequence, sealed)));
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
    let told: Vec<Told> = life
        .into_iter()
        .map(|entry| {
            let sealed = entry.sealed.as_ref().filter(|_| asked.reveal);
            let private = sealed.and_then(|sealed| reading.reveal(entry.sequence, sealed));
            Told { entry, private }
        })
        .collect();
    let as_of = asked.as_of.map(|as_of| count_at(reading, as_of)).transpose()?;
    // What was known at some moment is judged by the calendar of that moment.
    let last = as_of.and_then(|count| count.0.checked_sub(1)).map(|last| reading.entry(Sequence(last))).transpose()?;
    let today = last.flatten().map_or_else(today, |entry| entry.recorded_at.day());
    let history = History::of(learner, &told, View { as_of, on: asked.on, today });
    if json {
        screen.out(&serde_json::to_string(&history)?)?;
    } else {
        for line in history.table().lines() {
            screen.out(line)?;
        }
    }
    Ok(Exit::Good)
}

/// How many entries had been recorded at a moment, that moment included.
fn count_at(reading: &Reading, as_of: AsOf) -> anyhow::Result<Sequence> {
    match as_of {
        AsOf::Sequence(sequence) => Ok(sequence.plus(1)),
        AsOf::Moment(moment) => Ok(reading.count_at(moment)?),
    }
}

fn learner(reading: &Reading, subject: &Subject) -> anyhow::Result<KeyId> {
    let books = reading.books()?;
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
    let revealer = |entry: &Entry| Ok(entry.sealed.as_ref().and_then(|sealed| reading.reveal(entry.sequence, sealed)));
    let look = Look { sha256: &sha256, reveal: if reveal { Some(&revealer) } else { None } };
    if json {
        screen.out(&entries::json(&entry, &look)?)?;
    } else {
        for line in entries::held(&entry, &look) {
            screen.out(&line)?;
        }
    }
    Ok(Exit::Good)
}
