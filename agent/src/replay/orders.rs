//! Operators' orders: of one that became a fact the log has all that was said, in its event and in what is sealed.

use daybook_protocol::{
    entry::Entry,
    event::{Event, RowHeld, RowRejected},
    field::Field,
    finding::{Finding, Severity},
};

use super::{Difference, Replay, Said};
use crate::{
    desk::{self, Context, Given, Occasion, Rejected},
    office::{OfficeError, order_kind, order_row},
    zone::day_in_london,
};

impl Replay<'_> {
    pub(super) fn order(&mut self, entry: Entry) -> Result<Option<Difference>, OfficeError> {
        let Some(kind) = order_kind(&entry.event) else {
            // Of an order that was refused or repeated another one the log does not have all that it said; it changed nothing. What names
            // no learner is no order about one.
            let stands =
                matches!(entry.event, Event::RowRejected(_) | Event::RowDuplicate(_) | Event::LearnerEnrolled(_));
            return if stands { self.leave(entry) } else { Ok(self.fold(entry)) };
        };
        if !self.in_force.read(self.office) {
            return self.leave(entry);
        }
        let Some(private) = self.revealed(&entry) else { return self.leave(entry) };
        let named = order_row(&entry, &private);
        let registration = match (named.registration, named.learner) {
            (Some(no), _) => Some(no),
            (None, Some(learner)) => {
                self.office.reading.books()?.registrations_of(learner)?.last().map(|it| it.registration)
            }
            (None, None) => None,
        };
        let mut columns = named.columns;
        columns.extend(registration.map(|no| (Field::RegistrationNo, no.to_string())));
        self.done.orders += 1;
        let today = day_in_london(entry.recorded_at);
        let tokens = Some(self.office.tokens() as &dyn desk::Tokenizer);
        let context = Context { tokens, policies: self.policies, centre: "", brand: "", today };
        let (effective_on, said) = match desk::read(kind, &Given::new(columns), &context) {
            Err(Rejected { findings, .. }) => (None, Said { event: None, findings }),
            Ok(command) => {
                let effective_on = command.effective_on;
                let occasion = Occasion { arrival: None, today, released: false };
                let mut said = ordered(self.decide(command, occasion, entry.sequence)?);
                said.event = said.event.map(|event| as_ordered(event, &entry.event));
                (Some(effective_on), said)
            }
        };
        // What the log does not have of an order, such as the centre, may have been warned of.
        Ok(self.became(entry, effective_on, said, |finding: &Finding| finding.code.severity() != Severity::Warning))
    }
}

/// An operator who asks is the person who would be asked.
pub(super) fn ordered(said: Said) -> Said {
    let event = said.event.map(|event| match event {
        Event::RowHeld(RowHeld { learner, against, .. }) => Event::RowRejected(RowRejected { learner, against }),
        event => event,
    });
    Said { event, ..said }
}

/// By what a learner is found is as it was recorded: the order may have said
/// more of the person than the log has of it.
fn as_ordered(event: Event, recorded: &Event) -> Event {
    match (event, recorded) {
        (Event::LearnerDetailsAmended(mut amended), Event::LearnerDetailsAmended(was)) => {
            (amended.tokens, amended.class) = (was.tokens, was.class);
            Event::LearnerDetailsAmended(amended)
        }
        (Event::RegistrationTransferred(mut transferred), Event::RegistrationTransferred(was)) => {
            transferred.tokens = was.tokens;
            Event::RegistrationTransferred(transferred)
        }
        (event, _) => event,
    }
}
