//! What registers of reference data are asked beside: which are in force, and registrations by centre and qualification, those of one
//! number and all that stand open under the terms that somebody asks for.

use std::collections::BTreeMap;

use daybook_protocol::{
    date::Date,
    event::Register,
    ids::{RegistrationNo, Sequence},
};

use super::{Index, people::Terms};

/// The open registrations of a centre for a qualification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Under {
    /// The centre.
    pub centre: String,
    /// The qualification.
    pub qualification: String,
    /// Their numbers, in the order in which they were recorded; at least one.
    pub registrations: Vec<RegistrationNo>,
}

impl Index {
    /// The registers in force, each with its latest `ReferenceLoaded`.
    pub fn registers(&self) -> &BTreeMap<Register, Sequence> {
        &self.registers
    }

    /// Centre and qualification of a registration.
    pub fn terms_of(&self, no: RegistrationNo) -> Option<(&str, &str)> {
        let slot = self.people.registrations.get(self.people.registration_slot(no)?)?;
        self.people.terms.get(slot.terms).map(|terms| self.texts_of(*terms))
    }

    /// The registrations that are open on a day under the terms that are wanted: `wanted` is asked once for each centre and
    /// qualification that any registration has, however many registrations there are.
    pub fn open_under(&self, on: Date, wanted: impl Fn(&str, &str) -> bool) -> Vec<Under> {
        let asked = self.people.terms.all.iter().map(|terms| {
            let (centre, qualification) = self.texts_of(*terms);
            wanted(centre, qualification)
        });
        let asked: Vec<bool> = asked.collect();
        let is_wanted = |place: u32| asked.get(place as usize).copied().unwrap_or(false);
        let mut found: BTreeMap<(&str, &str), Vec<RegistrationNo>> = BTreeMap::new();
        for slot in self.people.registrations.iter() {
            let begun = slot.starts_on <= on && on <= slot.expires_on;
            let Some(terms) = self.people.terms.get(slot.terms).filter(|_| begun && is_wanted(slot.terms)) else {
                continue;
            };
            if self.people.registration(slot).is_some_and(|it| it.open(on)) {
                let no = RegistrationNo { epoch: terms.epoch, sequence: slot.sequence };
                found.entry(self.texts_of(*terms)).or_default().push(no);
            }
        }
        let under = |((centre, qualification), registrations): ((&str, &str), _)| Under {
            centre: centre.to_owned(),
            qualification: qualification.to_owned(),
            registrations,
        };
        found.into_iter().map(under).collect()
    }

    fn texts_of(&self, terms: Terms) -> (&str, &str) {
        (self.people.texts.borrowed(terms.centre), self.people.texts.borrowed(terms.qualification))
    }
}
