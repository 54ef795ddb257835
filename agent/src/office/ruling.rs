//! A person's word on what is held.

use daybook_protocol::{
    entry::{Actor, Private, Source},
    event::{Event, HeldResolved, Verdict},
    field::Field,
    finding::{Code, Finding},
    ids::Sequence,
};

use super::{Office, OfficeError};
use crate::{books::index::Held, journal::Draft};

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The file is judged row by row whatever its share of errors, the row is judged again as things stand now.
    Release,
    /// It is refused for good.
    Refuse,
}

/// What became of something held.
#[derive(Debug)]
pub struct Ruled {
    /// What was held.
    pub held: Held,
    /// The entry that refuses it, if it was refused.
    pub refused_by: Option<Sequence>,
    /// What a row that was let go on came to.
    pub verdict: Option<Verdict>,
}

impl Office {
    /// Records what a person decided about something held, and has a row that was let go on judged again. The reason is sealed
    /// under the key of the arrival: it may name the person. The caller has the arrival's turn.
    pub fn rule(&self, held: Held, word: Word, operator: &str, reason: &str) -> Result<Ruled, OfficeError> {
        let resolved = HeldResolved { held: held.held };
        let (event, findings) = match (word, held.line) {
            (Word::Release, _) => (Event::HeldReleased(resolved), Vec::new()),
            (Word::Refuse, Some(_)) => (Event::HeldRefused(resolved), vec![Finding::from(Code::ROW_REFUSED)]),
            (Word::Refuse, None) => (Event::HeldRefused(resolved), vec![Finding::from(Code::FILE_REFUSED)]),
        };
        let key = self.arrival(held.arrival)?.received.key;
        let private = Some((key, Private::from([(Field::Reason, reason)])));
        let actor = Actor::Operator(operator.to_owned());
        let noted =
            self.journal.note(Draft { actor, source: Source::Command, findings, private, ..Draft::plain(event) })?;
        let refused_by = (word == Word::Refuse).then_some(noted);
        let line = held.line.filter(|_| word == Word::Release);
        let verdict = line.map(|line| self.judge_again(held.arrival, line)).transpose()?;
        Ok(Ruled { held, refused_by, verdict })
    }
}
