//! Learners and registrations, in flat tables: a slot each, and hash tables of slot numbers beside them.

use std::collections::HashMap;

use daybook_protocol::{
    date::Date,
    entry::Entry,
    event::{Event, LearnerEnrolled, LearnersMerged, PersonTokens},
    ids::{Epoch, KeyId, RegistrationNo, Sequence, Token},
};
use hashbrown::HashTable;

use super::{arrival_of, flat::Flat, ties::Ties};
use crate::desk::{Action, Change, Learner, Merged, Registration, Step};

/// No slot: the end of a chain.
const NONE: u32 = u32::MAX;
/// The token of nobody: no ULN was given.
const NO_TOKEN: Token = Token([0; 16]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LearnerSlot {
    pub(super) id: KeyId,
    pub(super) uln: Token,
    pub(super) person: Token,
    pub(super) identity: Token,
    /// The latest registration; each names the one before it.
    pub(super) registrations: u32,
}

impl LearnerSlot {
    fn tokens(&self) -> PersonTokens {
        let uln = (self.uln != NO_TOKEN).then_some(self.uln);
        PersonTokens { uln, person: self.person, identity: self.identity }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RegistrationSlot {
    /// Its `LearnerEnrolled`.
    pub(super) sequence: Sequence,
    pub(super) arrival: Maybe,
    pub(super) learner: u32,
    /// What it has in common with others: a place in [`People::terms`].
    pub(super) terms: u32,
    pub(super) starts_on: Date,
    pub(super) expires_on: Date,
    pub(super) previous: u32,
    /// The latest step behind the enrolment; each names the one before it.
    pub(super) steps: u32,
}

/// What an office's registrations have in common; there are few of these. The last three are places in [`People::texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    pub(super) epoch: Epoch,
    pub(super) centre: u32,
    pub(super) brand: u32,
    pub(super) qualification: u32,
}

/// An entry, or none, in eight bytes: an `Option` takes sixteen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Maybe(u64);

impl From<Option<Sequence>> for Maybe {
    fn from(sequence: Option<Sequence>) -> Self {
        Self(sequence.map_or(u64::MAX, |sequence| sequence.0))
    }
}

impl From<Maybe> for Option<Sequence> {
    fn from(Maybe(number): Maybe) -> Self {
        (number != u64::MAX).then_some(Sequence(number))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepSlot {
    pub(super) step: Step,
    pub(super) previous: u32,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) learners: Flat<LearnerSlot>,
    pub(super) registrations: Flat<RegistrationSlot>,
    pub(super) steps: Flat<StepSlot>,
    pub(super) terms: TermsTable,
    pub(super) changes: HashMap<u32, Vec<Change>>,
    pub(super) texts: Texts,
    /// Whose a ULN's or person's token was until an amendment: few, so that these cost a learner nothing.
    pub(super) former: HashMap<Token, u32>,
    pub(super) ties: Ties,
    by_uln: HashTable<u32>,
    by_person: HashTable<u32>,
}

/// Texts that come again and again: centres, brands, qualifications.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) all: Vec<String>,
    /// Asked three times a row, with texts that an office has few of: a quick hash will do.
    places: hashbrown::HashMap<String, u32>,
}

impl Texts {
    pub(super) fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = slot_number(self.all.len());
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    fn text(&self, place: u32) -> String {
        self.all.get(place as usize).cloned().unwrap_or_default()
    }
}

/// [`Terms`], each once.
#[derive(Debug, Default)]
pub(super) struct TermsTable {
    pub(super) all: Vec<Terms>,
    places: hashbrown::HashMap<Terms, u32>,
}

impl TermsTable {
    pub(super) fn place(&mut self, terms: Terms) -> u32 {
        *self.places.entry(terms).or_insert_with(|| {
            self.all.push(terms);
            slot_number(self.all.len() - 1)
        })
    }

    fn get(&self, place: u32) -> Option<&Terms> {
        self.all.get(place as usize)
    }
}

/// A token is the output of a keyed hash already, which nobody outside can choose.
fn hash(token: &Token) -> u64 {
    token.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Slots are counted in 32 bits: four billion learners are beyond any machine this runs on.
fn slot_number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(NONE)
}

impl People {
    pub(super) fn count(&self) -> (usize, usize) {
        (self.learners.len(), self.registrations.len())
    }

    pub(super) fn apply(&mut self, entry: &Entry) {
        let Some(on) = entry.effective_on else { return };
        match &entry.event {
            Event::LearnerEnrolled(enrolled) => self.enrol(entry, on, enrolled),
            Event::LearnersMerged(LearnersMerged { survivor, merged }) => {
                if let (Some(survivor), Some(merged)) = (self.learner_slot(*survivor), self.learner_slot(*merged)) {
                    self.ties.merge(merged, survivor, entry.sequence);
                }
            }
            Event::LearnersUnmerged(unmerged) => {
                if let Some(merged) = self.learner_slot(unmerged.merged) {
                    self.ties.unmerge(merged);
                }
            }
            Event::UlnAliased(aliased) => {
                if let Some(learner) = self.learner_slot(aliased.learner) {
                    self.ties.alias(learner, aliased.alias, entry.sequence);
                }
            }
            Event::RegistrationTransferred(transferred) => {
                self.step(transferred.registration, entry, on, Action::Transferred);
                self.enrol(entry, on, &transferred.enrolment());
            }
            Event::LearnerDetailsAmended(amended) => {
                let Some(slot) = self.learner_slot(amended.learner) else { return };
                let Some(identity_before) = self.learners.get(slot as usize).map(|it| it.identity) else { return };
                let (field, change) = (amended.field, amended.change);
                let (sequence, arrival) = (entry.sequence, arrival_of(entry));
                let change = Change { field, change, effective_on: on, sequence, arrival, identity_before };
                let changes = self.changes.entry(slot).or_default();
                let same = |it: &Change| (it.field, it.change, it.effective_on) == (field, change.change, on);
                changes.retain(|known| !same(known));
                changes.push(change);
                self.retoken(slot, &amended.tokens);
            }
            event => {
                if let Some((registration, action)) = Action::of(event) {
                    self.step(registration, entry, on, action);
                }
            }
        }
    }

    fn enrol(&mut self, entry: &Entry, starts_on: Date, enrolled: &LearnerEnrolled) {
        let learner = match self.learner_slot(enrolled.learner) {
            Some(slot) => {
                self.retoken(slot, &enrolled.tokens);
                slot
            }
            None => self.open(enrolled.learner, &enrolled.tokens),
        };
        let slot = slot_number(self.registrations.len());
        let Some(record) = self.learners.get_mut(learner as usize) else { return };
        let previous = std::mem::replace(&mut record.registrations, slot);
        let terms = Terms {
            epoch: enrolled.registration.epoch,
            centre: self.texts.place(&enrolled.centre),
            brand: self.texts.place(&enrolled.brand),
            qualification: self.texts.place(&enrolled.qualification),
        };
        self.registrations.push(RegistrationSlot {
            sequence: enrolled.registration.sequence,
            arrival: arrival_of(entry).into(),
            learner,
            terms: self.terms.place(terms),
            starts_on,
            expires_on: enrolled.expires_on,
            previous,
            steps: NONE,
        });
    }

    fn open(&mut self, id: KeyId, tokens: &PersonTokens) -> u32 {
        self.restore(LearnerSlot {
            id,
            uln: tokens.uln.unwrap_or(NO_TOKEN),
            person: tokens.person,
            identity: tokens.identity,
            registrations: NONE,
        })
    }

    /// Adds a learner as it stands in a snapshot or is newly opened.
    /// Makes room for looking up so many learners, before the first of them comes.
    pub(super) fn reserve(&mut self, learners: usize) {
        self.by_uln.reserve(learners, |_| 0);
        self.by_person.reserve(learners, |_| 0);
    }

    pub(super) fn restore(&mut self, learner: LearnerSlot) -> u32 {
        let slot = slot_number(self.learners.len());
        self.learners.push(learner);
        self.link(slot);
        slot
    }

    fn link(&mut self, slot: u32) {
        let Self { learners, by_uln, by_person, .. } = self;
        let Some(learner) = learners.get(slot as usize) else { return };
        let at = |slot: &u32| learners.get(*slot as usize);
        if learner.uln != NO_TOKEN {
            let rehash = |slot: &u32| at(slot).map_or(0, |it| hash(&it.uln));
            by_uln.insert_unique(hash(&learner.uln), slot, rehash);
        }
        let rehash = |slot: &u32| at(slot).map_or(0, |it| hash(&it.person));
        by_person.insert_unique(hash(&learner.person), slot, rehash);
    }

    fn retoken(&mut self, slot: u32, tokens: &PersonTokens) {
        let Some(learner) = self.learners.get(slot as usize).copied() else { return };
        let uln = tokens.uln.unwrap_or(NO_TOKEN);
        let after = LearnerSlot { uln, person: tokens.person, identity: tokens.identity, ..learner };
        if after == learner {
            return;
        }
        for (before, now) in [(learner.uln, uln), (learner.person, tokens.person)] {
            if before != now && before != NO_TOKEN {
                self.former.insert(before, slot);
            }
        }
        for (table, token) in [(&mut self.by_uln, learner.uln), (&mut self.by_person, learner.person)] {
            if let Ok(found) = table.find_entry(hash(&token), |it| *it == slot) {
                found.remove();
            }
        }
        if let Some(place) = self.learners.get_mut(slot as usize) {
            *place = after;
        }
        self.link(slot);
    }

    fn step(&mut self, no: RegistrationNo, entry: &Entry, effective_on: Date, action: Action) {
        let slot = slot_number(self.steps.len());
        let Some(registration) = self.registration_slot(no).and_then(|it| self.registrations.get_mut(it)) else {
            return;
        };
        let previous = std::mem::replace(&mut registration.steps, slot);
        let (sequence, recorded_on) = (entry.sequence, entry.recorded_at.day());
        let step = Step { effective_on, recorded_on, sequence, arrival: arrival_of(entry), action };
        self.steps.push(StepSlot { step, previous });
    }

    /// Learners are in the order of their keys, because both are given out by the same writer.
    fn learner_slot(&self, id: KeyId) -> Option<u32> {
        // Most who are asked for are new.
        self.learners.last().filter(|latest| id <= latest.id)?;
        self.learners.find(&id, |learner| learner.id).map(slot_number)
    }

    /// Registrations are in the order of their entries.
    fn registration_slot(&self, no: RegistrationNo) -> Option<usize> {
        let place = self.registrations.find(&no.sequence, |it| it.sequence)?;
        let terms = self.terms.get(self.registrations.get(place)?.terms)?;
        (terms.epoch == no.epoch).then_some(place)
    }

    fn find(&self, table: &HashTable<u32>, token: &Token, of: impl Fn(&LearnerSlot) -> Token) -> Option<u32> {
        let same = |slot: &u32| self.learners.get(*slot as usize).is_some_and(|it| of(it) == *token);
        table.find(hash(token), same).copied()
    }

    pub(super) fn holder(&self, uln: &Token) -> Option<KeyId> {
        self.uln_slot(uln).and_then(|slot| self.id(slot))
    }

    fn uln_slot(&self, uln: &Token) -> Option<u32> {
        self.find(&self.by_uln, uln, |it| it.uln).or_else(|| self.ties.holder(uln))
    }

    /// The id of who stands for a learner.
    fn id(&self, slot: u32) -> Option<KeyId> {
        self.learners.get(self.ties.survivor(slot) as usize).map(|it| it.id)
    }

    /// Who is found by a person's token.
    pub(super) fn bearer(&self, person: &Token) -> Option<KeyId> {
        self.find(&self.by_person, person, |it| it.person).and_then(|slot| self.id(slot))
    }

    pub(super) fn by_uln(&self, uln: &Token) -> Option<Learner> {
        self.uln_slot(uln).and_then(|slot| self.learner(slot))
    }

    pub(super) fn by_person(&self, person: &Token) -> Option<Learner> {
        self.find(&self.by_person, person, |it| it.person).and_then(|slot| self.learner(slot))
    }

    pub(super) fn formerly(&self, token: &Token) -> Option<Learner> {
        self.former.get(token).and_then(|slot| self.learner(*slot))
    }

    pub(super) fn by_registration(&self, no: RegistrationNo) -> Option<Learner> {
        let registration = self.registrations.get(self.registration_slot(no)?)?;
        self.learner(registration.learner)
    }

    /// Who stands for a learner, with all that is of who was merged into them.
    fn learner(&self, slot: u32) -> Option<Learner> {
        let slot = self.ties.survivor(slot);
        let learner = self.learners.get(slot as usize)?;
        let mut registrations = self.registrations_of(learner);
        let mut merged = Vec::new();
        for (member, by) in self.ties.members(slot) {
            let Some(member) = self.learners.get(member as usize) else { continue };
            let theirs = self.registrations_of(member);
            let numbers = theirs.iter().map(|it| it.no).collect();
            merged.push(Merged { id: member.id, tokens: member.tokens(), by, registrations: numbers });
            registrations.extend(theirs);
        }
        if !merged.is_empty() {
            registrations.sort_by_key(|it| it.no.sequence);
        }
        let changes = self.changes.get(&slot).cloned().unwrap_or_default();
        let (id, tokens, aliases) = (learner.id, learner.tokens(), self.ties.aliases(slot).to_vec());
        Some(Learner { id, tokens, merged, aliases, registrations, changes })
    }

    /// In the order in which they were recorded.
    fn registrations_of(&self, learner: &LearnerSlot) -> Vec<Registration> {
        let mut registrations = Vec::new();
        let mut next = learner.registrations;
        while let Some(registration) = self.registrations.get(next as usize) {
            registrations.extend(self.registration(registration));
            next = registration.previous;
        }
        registrations.reverse();
        registrations
    }

    fn registration(&self, slot: &RegistrationSlot) -> Option<Registration> {
        let terms = self.terms.get(slot.terms)?;
        let mut steps = Vec::new();
        let mut next = slot.steps;
        while let Some(step) = self.steps.get(next as usize) {
            steps.push(step.step);
            next = step.previous;
        }
        let (starts_on, sequence) = (slot.starts_on, slot.sequence);
        steps.push(Step {
            effective_on: starts_on,
            recorded_on: starts_on,
            sequence,
            arrival: slot.arrival.into(),
            action: Action::Enrolled,
        });
        steps.sort_unstable_by_key(|step| (step.effective_on, step.sequence));
        Some(Registration {
            no: RegistrationNo { epoch: terms.epoch, sequence },
            centre: self.texts.text(terms.centre),
            brand: self.texts.text(terms.brand),
            qualification: self.texts.text(terms.qualification),
            expires_on: slot.expires_on,
            steps,
        })
    }
}
