//! Duplicate people: one ULN with several learners, one learner with several ULNs (DOMAIN.md 4.2, 15).
//!
//! ULNs are compared by what they are looked up by, so that nothing need be revealed to find them.

use std::collections::BTreeSet;

use daybook_protocol::{event::Event, field::Field, ids::KeyId};

use super::{Asked, Cell, ReportError, Table, log};
use crate::{books::read_model::SharedUln, office::Reading};

pub(super) fn duplicates(reading: &Reading, asked: &Asked) -> Result<Table, ReportError> {
    let books = reading.books()?;
    let mut columns = vec![
        ("finding", "finding"),
        ("group", "group"),
        ("learner", "learner"),
        ("centre", "centre"),
        ("entry", "entry"),
        ("has_it_now", "has it now"),
    ];
    if asked.reveal {
        columns.push(("ulns", "ULNs of the learner"));
    }
    let mut table = Table::new(&columns);
    let mut groups = [0, 0];
    let kinds = [
        ("one ULN, several learners", books.ulns_of_several(super::ROWS_MAX + 1)?),
        ("one learner, several ULNs", books.learners_of_several_ulns(super::ROWS_MAX + 1)?),
    ];
    for ((finding, found), count) in kinds.into_iter().zip(&mut groups) {
        for group in found.chunk_by(|one, other| one.group == other.group) {
            if !concerns(reading, group, asked)? {
                continue;
            }
            *count += 1;
            for one in group {
                let mut row = vec![
                    Cell::words(finding),
                    Cell::Number(*count),
                    Cell::words(one.learner.to_string()),
                    Cell::words(centres(reading, one.learner)?.into_iter().collect::<Vec<_>>().join(", ")),
                    Cell::Number(one.at.0),
                    Cell::words(if one.current { "yes" } else { "no" }),
                ];
                if asked.reveal {
                    row.push(Cell::words(ulns(reading, one.learner)?.into_iter().collect::<Vec<_>>().join(", ")));
                }
                table.push(row)?;
            }
        }
    }
    let [several_learners, several_ulns] = groups;
    table.close(format!("ULNs with several learners: {several_learners}. Learners with several ULNs: {several_ulns}."));
    table.close("`daybook history --learner K1-42` tells what is known of each.");
    Ok(table)
}

/// Whether a group has to do with the centre that is asked about.
fn concerns(reading: &Reading, group: &[SharedUln], asked: &Asked) -> Result<bool, ReportError> {
    let Some(centre) = &asked.centre else { return Ok(true) };
    for one in group {
        if centres(reading, one.learner)?.contains(centre) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn centres(reading: &Reading, learner: KeyId) -> Result<BTreeSet<String>, ReportError> {
    Ok(reading.books()?.registrations_of(learner)?.into_iter().map(|it| it.centre).collect())
}

/// Every ULN that a fact of the learner's life gave them.
fn ulns(reading: &Reading, learner: KeyId) -> Result<BTreeSet<String>, ReportError> {
    let life = reading.life(learner)?;
    let given = life.iter().filter_map(|entry| match &entry.event {
        Event::LearnerEnrolled(_) => log::said(reading, entry, &[Field::Uln]),
        Event::LearnerDetailsAmended(event) if event.field == Field::Uln => {
            log::said(reading, entry, &[Field::NewValue])
        }
        _ => None,
    });
    Ok(given.collect())
}
