//! What headings and values mean in the files of a centre beyond what is known of them everywhere: as the configuration of the
//! folder says, and as operators said of held files (DOMAIN.md 6.2). What was said later counts, and what was said of a file before
//! what is configured.

use std::{collections::HashMap, io, iter};

use daybook_protocol::{
    entry::{Actor, Private, Source},
    event::{Event, MappingLearned},
    field::Field,
    finding::{Code, Finding, Severity},
    ids::Sequence,
};

use super::{Office, OfficeError};
use crate::{
    books::index::{Arrival, Held},
    config::Folder,
    desk,
    journal::Draft,
    keyring::KeyringError,
    reader::{self, ReadError, Sight, Wanted, normalise},
};

/// The longest heading or value that a mapping can be about, and the longest value that it can stand for, in bytes: those of a
/// sentence are no words.
pub const WORDS_BYTES_MAX: usize = 128;

/// The most mappings that are learned for a centre; each is looked up when one of its files is read.
pub const MAPPINGS_MAX: usize = 1000;

/// So many lines below the header tell what a column may be.
const LINES_LOOKED_AT: usize = 20;

/// What an operator says of a heading or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Columns headed so are this field.
    Heading(String, Field),
    /// In this column such a text stands for this value.
    Value(Field, String, String),
}

/// What headings and values mean in the files of one centre.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    /// Headings, those that count first.
    pub(crate) headings: Vec<(String, Field)>,
    values: HashMap<(Field, String), String>,
}

impl Mapping {
    /// What a text in a column stands for, if it stands for anything but itself. Asked for every value of every row.
    #[inline]
    pub(super) fn meant(&self, field: Field, text: &str) -> Option<&str> {
        if self.values.is_empty() || text.is_empty() {
            return None;
        }
        self.values.get(&(field, key(text))).map(String::as_str)
    }

    fn add(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Heading(heading, field) => self.headings.push((heading, field)),
            Meaning::Value(field, text, value) => {
                self.values.entry((field, key(&text))).or_insert(value);
            }
        }
    }
}

/// Texts are compared as headings are; those of signs alone as they stand.
fn key(text: &str) -> String {
    let normal = normalise(text);
    if normal.is_empty() { text.trim().to_owned() } else { normal }
}

impl Office {
    /// What headings and values mean in an arrival, as far as that was said before an entry.
    pub(super) fn mapping(&self, state: &Arrival, before: Sequence) -> Result<Mapping, OfficeError> {
        self.mapping_in(self.folder(state), state, before)
    }

    /// The same, where its folder was as given.
    pub(crate) fn mapping_in(
        &self,
        folder: Option<Folder>,
        state: &Arrival,
        before: Sequence,
    ) -> Result<Mapping, OfficeError> {
        let centre = state.received.centre.clone();
        let learned = self.journal.look(move |index| index.mappings(&centre))?;
        let mut mapping = Mapping::default();
        for sequence in learned.into_iter().rev().filter(|sequence| *sequence < before) {
            // One whose key was destroyed is forgotten with it.
            if let Some(meaning) = self.learned(sequence)? {
                mapping.add(meaning);
            }
        }
        if let Some(folder) = folder {
            for (heading, field) in folder.headings {
                mapping.add(Meaning::Heading(heading, field));
            }
            for (field, values) in folder.values {
                for (text, value) in values {
                    mapping.add(Meaning::Value(field, text, value));
                }
            }
        }
        Ok(mapping)
    }

    /// What an entry says of a heading or a value.
    fn learned(&self, sequence: Sequence) -> Result<Option<Meaning>, OfficeError> {
        let Some(entry) = self.reading.entry(sequence)? else { return Ok(None) };
        let (Event::MappingLearned(learned), Some(sealed)) = (&entry.event, &entry.sealed) else { return Ok(None) };
        let private = match self.reading.reveal(sequence, sealed) {
            Err(KeyringError::KeyDestroyed { .. }) => None,
            revealed => revealed?,
        };
        Ok(private.and_then(|private| {
            let text = private.value(Field::Line)?.to_owned();
            if !learned.of_value {
                return Some(Meaning::Heading(text, learned.field));
            }
            Some(Meaning::Value(learned.field, text, private.value(Field::NewValue)?.to_owned()))
        }))
    }

    /// Records what operators say of headings and values in a held file, which is read anew then, as are all later files of its
    /// centre. The caller has the arrival's turn.
    pub fn learn(&self, held: &Held, meanings: Vec<Meaning>, operator: &str) -> Result<Vec<Sequence>, OfficeError> {
        let received = self.arrival(held.arrival)?.received;
        let mut noted = Vec::with_capacity(meanings.len());
        for meaning in meanings {
            let (field, of_value, private) = match meaning {
                Meaning::Heading(heading, field) => (field, false, Private::from([(Field::Line, heading)])),
                Meaning::Value(field, text, value) => {
                    (field, true, Private::from([(Field::Line, text), (Field::NewValue, value)]))
                }
            };
            let centre = received.centre.clone();
            let event = Event::MappingLearned(MappingLearned { held: held.held, centre, field, of_value });
            let (actor, private) = (Actor::Operator(operator.to_owned()), Some((received.key, private)));
            let draft = Draft { actor, source: Source::Command, private, ..Draft::plain(event) };
            noted.push(self.journal.note(draft)?);
        }
        Ok(noted)
    }

    /// What was found in a file that is refused, where columns that are missing may be there under headings that nobody knows: then each
    /// of them is a question for a person, who can say so (`held map`).
    pub(super) fn in_doubt(&self, state: &Arrival, findings: Vec<Finding>) -> Result<Vec<Finding>, OfficeError> {
        let errors = || findings.iter().filter(|finding| finding.code.severity() == Severity::Error);
        let missing: Vec<Field> =
            errors().filter(|it| it.code == Code::COLUMN_MISSING).filter_map(|it| it.field).collect();
        if state.released || missing.is_empty() || missing.len() < errors().count() {
            return Ok(findings);
        }
        let sight = match self.sight(state, LINES_LOOKED_AT) {
            Err(OfficeError::Read(ReadError::Refused { .. })) => return Ok(findings),
            sight => sight?,
        };
        let unknown =
            (0..).zip(&sight.columns).filter(|(_, (heading, field))| field.is_none() && !key(heading).is_empty());
        let mut unknown: Vec<usize> = unknown.map(|(place, _)| place).collect();
        for field in missing {
            let cells =
                |place: usize| sight.lines.iter().map(move |(_, cells)| cells.get(place).map_or("", String::as_str));
            let Some(it) = unknown.iter().position(|place| desk::may_be(field, cells(*place))) else {
                return Ok(findings);
            };
            unknown.remove(it);
        }
        let question = |it: &Finding| Finding {
            code: if it.code == Code::COLUMN_MISSING { Code::COLUMN_IN_DOUBT } else { it.code },
            ..*it
        };
        Ok(findings.iter().map(question).collect())
    }

    /// How many mappings were learned for a centre.
    pub fn mappings_of(&self, centre: &str) -> Result<usize, OfficeError> {
        let centre = centre.to_owned();
        Ok(self.journal.look(move |index| index.mappings(&centre).len())?)
    }

    /// What a person sees of a row beside what the reader made of it; nothing, where the file was not read to its rows.
    pub fn sight_of_row(&self, state: &Arrival, line: u32) -> Result<Option<Sight>, OfficeError> {
        let Some(plan) = &state.plan else { return Ok(None) };
        let mut rows = reader::rows(self.original(state)?, plan);
        while let Some(row) = rows.next()? {
            if row.line() == line {
                // Columns of ours in front of a file that came back are passed over.
                let ours = row.raw().count() - row.own_cells().count();
                let fields = plan.columns.iter().copied().skip(ours).chain(iter::repeat(None));
                let columns = row.own_headings().map(str::to_owned).zip(fields).collect();
                let lines = vec![(line, row.own_cells().map(str::to_owned).collect())];
                let (kind, encoding, header_line) = (Some(plan.kind), plan.encoding, plan.header_line);
                return Ok(Some(Sight { kind, encoding, header_line, columns, lines }));
            }
        }
        Ok(None)
    }

    /// What a person sees of an arrival's original beside what the reader makes of it now.
    pub fn sight(&self, state: &Arrival, lines_max: usize) -> Result<Sight, OfficeError> {
        let mapping = self.mapping(state, Sequence(u64::MAX))?;
        let wanted = Wanted { kind: state.received.kind, header_map: &mapping.headings };
        let open = || self.original(state).map_err(io::Error::other);
        Ok(reader::look(&open, &wanted, lines_max)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a text is known in another spelling, in its own column only, and what was said first in order counts. Method: a few
    /// meanings, one of them twice, one of signs alone.
    #[test]
    fn what_counts_first_is_meant() {
        let mut mapping = Mapping::default();
        assert_eq!(mapping.meant(Field::WithdrawalReason, "Left us"), None);
        for (text, value) in [("Left us", "LEFT_COURSE"), ("LEFT-US", "OTHER"), ("??", "98")] {
            mapping.add(Meaning::Value(Field::WithdrawalReason, text.to_owned(), value.to_owned()));
        }
        for (field, text, meant) in [
            (Field::WithdrawalReason, "left  us", Some("LEFT_COURSE")),
            (Field::WithdrawalReason, "??", Some("98")),
            (Field::WithdrawalReason, "?", None),
            (Field::WithdrawalReason, "", None),
            (Field::Notes, "Left us", None),
        ] {
            assert_eq!(mapping.meant(field, text), meant, "{field} {text}");
        }
    }
}
