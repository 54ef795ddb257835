//! Entries by their places, read batch by batch.

use daybook_protocol::{
    entry::{Entry, Private},
    field::Field,
    ids::Sequence,
};

use super::ReportError;
use crate::office::Reading;

/// Hands over the entries at these places, which are in order, one after the other.
pub(super) fn each_of(
    reading: &Reading,
    places: &[Sequence],
    mut take: impl FnMut(Entry) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    let mut rest = places;
    while let Some(next) = rest.first() {
        let Some(frame) = reading.entries.frames(*next).next() else { break };
        let frame = frame?;
        let end = frame.header().end();
        let (here, later) = rest.split_at(rest.partition_point(|place| *place < end).max(1));
        for entry in frame.entries() {
            let entry = entry?;
            if here.binary_search(&entry.sequence).is_ok() {
                take(entry)?;
            }
        }
        rest = later;
    }
    Ok(())
}

/// Hands over every entry from a place on, up to another.
pub(super) fn each_between(
    reading: &Reading,
    (from, to): (Sequence, Sequence),
    mut take: impl FnMut(Entry) -> Result<(), ReportError>,
) -> Result<(), ReportError> {
    for frame in reading.entries.frames(from) {
        let frame = frame?;
        for entry in frame.entries() {
            let entry = entry?;
            if entry.sequence >= from && entry.sequence < to {
                take(entry)?;
            }
        }
        if frame.header().end() >= to {
            break;
        }
    }
    Ok(())
}

/// What an entry's sealed part says; nothing where it cannot be opened.
pub(super) fn opened(reading: &Reading, entry: &Entry) -> Option<Private> {
    entry.sealed.as_ref().and_then(|sealed| reading.reveal(entry.sequence, sealed).ok().flatten())
}

/// The first of these fields that an entry's sealed part gives a value for.
pub(super) fn said(reading: &Reading, entry: &Entry, fields: &[Field]) -> Option<String> {
    let private = opened(reading, entry)?;
    fields.iter().find_map(|field| private.value(*field)).filter(|value| !value.is_empty()).map(str::to_owned)
}
