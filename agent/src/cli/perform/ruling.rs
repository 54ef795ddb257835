//! A person's word on what is held: `held release` and `held refuse`.
//!
//! All that one command decides about a file is told to its sender by one receipt, which is written behind the last decision.
//! It comes from the log, so that whoever starts next writes it if this process dies before.

use std::collections::BTreeMap;

use daybook_protocol::{event::Verdict, ids::Sequence};

use super::doing;
use crate::{
    books::index::{Arrival, Held},
    cli::{Exit, Screen, held::Ruling},
    office::{Decided, Office, Ruled, Word},
};

/// Decides on everything that is named, file by file.
pub(super) fn rule(
    office: &Office,
    word: Word,
    ruling: &Ruling,
    operator: &str,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let decision = Decision { word, reason: &ruling.reason, approves: None, operator };
    rule_on(office, decision, &ruling.sequences, json, screen)
}

/// Lets a held row go on, as another operator proposed.
pub(super) fn approve(
    office: &Office,
    (proposed, held): (Sequence, Sequence),
    operator: &str,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let decision = Decision { word: Word::Release, reason: "", approves: Some(proposed), operator };
    rule_on(office, decision, &[held], json, screen)
}

fn rule_on(
    office: &Office,
    decision: Decision<'_>,
    sequences: &[Sequence],
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    office.record_nothing_where_replaced()?;
    let mut by_file: BTreeMap<Sequence, Vec<Sequence>> = BTreeMap::new();
    for sequence in sequences {
        let named = by_file.entry(find(office, *sequence)?.arrival).or_default();
        if !named.contains(sequence) {
            named.push(*sequence);
        }
    }
    for (arrival, named) in by_file {
        // A row is decided on when all rows of its file have had their first verdict, and when the receipts that are due have
        // been written: they come out the same only as long as nothing is added to what they tell of.
        office.proceed(arrival, &mut |done, total| screen.progress(done, total, "rows"))?;
        let mut outcomes = Vec::with_capacity(named.len());
        let decided = decide(office, decision, (arrival, &named), &mut outcomes);
        let told = office.proceed(arrival, &mut |done, total| screen.progress(done, total, "rows"));
        let state = office.arrival(arrival)?;
        for outcome in &outcomes {
            say(office, outcome, &state, json, screen)?;
        }
        let is_told = outcomes.iter().any(|outcome| !matches!(outcome.decided, Decided::Proposed(_)));
        if !json && is_told {
            say_receipt(&state, screen)?;
        }
        decided?;
        told.map_err(|error| anyhow::Error::new(error).context("it is decided, but its sender is not told yet"))?;
    }
    Ok(Exit::Good)
}

/// Decides on what is named of one file, with nobody else at work on it: two who decide at once would both be heard, and a
/// receipt written in between would tell of a part. What was decided before a failure is in `outcomes`.
fn decide(
    office: &Office,
    Decision { word, reason, approves, operator }: Decision<'_>,
    (arrival, named): (Sequence, &[Sequence]),
    outcomes: &mut Vec<Ruled>,
) -> anyhow::Result<()> {
    let _turn = office.turn(arrival);
    for sequence in named {
        // Whoever comes second finds nothing held any more.
        let held = find(office, *sequence)?;
        outcomes.push(match approves {
            Some(proposed) => office.approve_release(proposed, held, operator)?,
            None => office.rule_or_propose(held, word, operator, reason)?,
        });
    }
    Ok(())
}

/// The word for what a row that was let go on came to.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "held again",
        other => other.name(),
    }
}

/// What is held under an entry.
pub(super) fn find(office: &Office, sequence: Sequence) -> anyhow::Result<Held> {
    let held = office.journal.look(move |index| index.held().into_iter().find(|held| held.held == sequence))?;
    held.ok_or_else(|| anyhow::anyhow!("nothing is held under entry {sequence}; `daybook held list` shows what is"))
}

/// Who decides, and what.
#[derive(Clone, Copy)]
struct Decision<'a> {
    word: Word,
    reason: &'a str,
    /// The proposal that is approved by it.
    approves: Option<Sequence>,
    operator: &'a str,
}

/// The receipt that tells of all that is decided; `None` where one has to wait for the central node.
fn told_by(state: &Arrival) -> Option<Sequence> {
    state.receipt.filter(|_| !state.is_open())
}

fn say(office: &Office, outcome: &Ruled, state: &Arrival, json: bool, screen: &mut dyn Screen) -> anyhow::Result<()> {
    let Held { held, arrival, line, .. } = outcome.held;
    match (outcome.decided, line) {
        (Decided::Refused(refused_by), _) if json => {
            let said = serde_json::json!({ "held": held, "refused_by": refused_by, "receipt": told_by(state) });
            screen.out(&said.to_string())?;
        }
        (Decided::Refused(refused_by), _) => {
            screen.out(&format!("entry {held} is refused, as entry {refused_by} records"))?;
        }
        (Decided::Proposed(proposed), _) if json => {
            screen.out(&serde_json::json!({ "held": held, "proposed": proposed }).to_string())?;
        }
        (Decided::Proposed(proposed), _) => screen.out(&format!(
            "entry {held} takes two persons: it goes on when another operator approves it: daybook record approve {proposed}"
        ))?,
        (Decided::Released(_, Some(verdict)), Some(line)) if !json => {
            screen.out(&format!("line {line} of arrival {arrival}: {}", word(verdict)))?;
        }
        (Decided::Released(_, Some(verdict)), _) => {
            // One that is held again is nothing new to its sender.
            let receipt = told_by(state).filter(|_| verdict != Verdict::Held);
            let said = serde_json::json!({ "held": held, "verdict": word(verdict), "receipt": receipt });
            screen.out(&said.to_string())?;
        }
        (Decided::Released(_, None), _) => doing::told(&office.arrived(arrival)?, json, screen)?,
    }
    Ok(())
}

fn say_receipt(state: &Arrival, screen: &mut dyn Screen) -> std::io::Result<()> {
    match (told_by(state), state.is_open()) {
        (Some(receipt), _) if receipt != state.arrival => {
            screen.out(&format!("receipt {receipt} corrects receipt {}", state.arrival))
        }
        (None, true) => screen.out("its sender is told once the central node has it too"),
        _ => Ok(()),
    }
}
