//! Who a learner is on a day, by what enrolments said and amendments changed.

use std::collections::BTreeMap;

use daybook_protocol::{
    date::Date,
    event::Event,
    field::Field,
    ids::{KeyId, Sequence},
};

use super::{Told, Values, values};

/// The columns that say who a person is; the others say what was asked for.
const OF_THE_PERSON: [Field; 11] = [
    Field::Uln,
    Field::CentreRef,
    Field::GivenNames,
    Field::MiddleNames,
    Field::FamilyName,
    Field::PreferredName,
    Field::PreviousFamilyName,
    Field::DateOfBirth,
    Field::Sex,
    Field::Postcode,
    Field::Email,
];

/// Who the learner is on a day; `None` if no seal was opened that would say.
///
/// An amendment holds from its effective date. The first enrolment's details hold from ever: who someone is does not
/// begin with their course. A later enrolment's hold from its start or from the day it was recorded, whichever is
/// earlier, and give way to whatever was amended after it was recorded: who amends knows what the enrolment said.
///
/// What was said of who was merged into the learner does not count: whoever merged them chose who stays.
pub(super) fn personal(learner: KeyId, life: &[&Told], day: Date) -> Option<Values> {
    let own = life.iter().filter(|told| told.entry.event.learner() == Some(learner));
    let mut changes: Vec<(Date, Sequence, bool, Values)> = own.filter_map(|told| change(told)).collect();
    if changes.is_empty() {
        return None;
    }
    changes.sort_by_key(|(from, sequence, ..)| (*from, *sequence));
    let mut now: BTreeMap<Field, (Sequence, String)> = BTreeMap::new();
    for (_, sequence, is_amendment, values) in changes.into_iter().filter(|(from, ..)| *from <= day) {
        for (field, value) in values {
            if is_amendment || now.get(&field).is_none_or(|(said, _)| *said < sequence) {
                now.insert(field, (sequence, value));
            }
        }
    }
    Some(now.into_iter().map(|(field, (_, value))| (field, value)).collect())
}

/// From when on what is said of the person by an entry, where it says anything and was opened.
fn change(told: &Told) -> Option<(Date, Sequence, bool, Values)> {
    let private = told.private.as_ref()?;
    let entry = &told.entry;
    match &entry.event {
        Event::LearnerEnrolled(event) => {
            let earlier = entry.holds_from().min(entry.recorded_at.day());
            let from = if event.opened { Date(i32::MIN) } else { earlier };
            let mut said = values(private);
            said.retain(|field, value| OF_THE_PERSON.contains(field) && !value.is_empty());
            Some((from, entry.sequence, false, said))
        }
        Event::LearnerDetailsAmended(event) => {
            let value = private.value(Field::NewValue)?.to_owned();
            Some((entry.holds_from(), entry.sequence, true, Values::from([(event.field, value)])))
        }
        _ => None,
    }
}
