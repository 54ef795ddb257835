//! After `recover --rejoin`: what only the branch had that was given up is judged again on the central log, in the order in which
//! it came: files, operators' orders, their rulings on what was held. It may come to other verdicts there, and the receipts say so.
//!
//! Each is announced by a `JudgedAgain` before it is done, so that a rejoin that was killed finds in the log what is left. Nobody
//! else has the log open meanwhile, so that what follows such an entry is what it announced.

mod branch;
mod done;
mod orders;
mod originals;
mod registers;

use std::collections::{BTreeMap, BTreeSet};

use daybook_protocol::{
    entry::{Actor, Entry, Source},
    event::{Event, FileReceived, JudgedAgain},
    field::{Field, Kind},
    finding::Finding,
    ids::{RegistrationNo, Sequence},
};
use serde::Serialize;

use super::{Handed, Office, OfficeError, Word};
use crate::{
    books::index::Index,
    crash,
    desk::{self, Context, Given},
    home::Home,
    journal::{Draft, today},
    keyring::OperatorKey,
    vault::Preserved,
};
use branch::{Branch, Item, What};
use orders::Named;
pub(crate) use orders::{kind_of as order_kind, row_of as order_row};

/// What became of a branch.
#[derive(Debug, Default, Serialize)]
pub struct Rejudged {
    /// The first place at which it is not the log.
    pub from: Sequence,
    /// How many entries it had, as far as it could be read.
    pub entries: u64,
    /// How many files were judged again.
    pub files: u64,
    /// How many orders of operators were.
    pub orders: u64,
    /// How many of their rulings on what was held were.
    pub rulings: u64,
    /// What a person has to see to.
    pub left: Vec<String>,
}

/// Judges again what only the branch in `home` has. `progress` hears of things done, of things in all, and of what they are.
pub fn rejudge(
    office: &Office,
    home: &Home,
    operator: &OperatorKey,
    progress: &mut dyn FnMut(u64, u64, &str),
) -> Result<Rejudged, OfficeError> {
    let entries = &office.reading.entries;
    let mut read = |done, total| progress(done, total, "bytes of the branch");
    let (branch, items) = Branch::read(home, operator, entries, &mut read)?;
    let rejoined = branch.rejoined;
    let told = Rejudged { from: rejoined.from, entries: rejoined.entries, ..Rejudged::default() };
    let mut rejudging =
        Rejudging { office, branch, arrivals: BTreeMap::new(), given: BTreeMap::new(), loaded: BTreeSet::new(), told };
    if !rejudging.look_back()? {
        office.journal.note(Draft::plain(Event::LogRejoined(rejoined)))?;
    }
    rejudging.missing_originals()?;
    rejudging.registers_are_read()?;
    let total = items.len() as u64;
    for (done, item) in (1..).zip(items) {
        office.take_nothing_while_closed()?;
        rejudging.item(item)?;
        progress(done, total, "files and orders of the branch");
    }
    if !rejudging.branch.whole {
        rejudging.done_folders()?;
    }
    Ok(rejudging.told)
}

/// The entry that refuses an order, and the codes of why.
type Refusal = (Sequence, Vec<String>);

struct Rejudging<'a> {
    office: &'a Office,
    branch: Branch,
    /// Arrivals of the branch, and which ones in the log take their places.
    arrivals: BTreeMap<Sequence, Sequence>,
    /// Orders and rulings of the branch that were given again, and which entry refused one, and why.
    given: BTreeMap<Sequence, Option<Refusal>>,
    /// Registers of the branch, as they are in the log.
    loaded: BTreeSet<Sequence>,
    told: Rejudged,
}

impl Rejudging<'_> {
    /// Finds in the log what an earlier run has done; says whether there was one.
    fn look_back(&mut self) -> Result<bool, OfficeError> {
        let (mut found, mut announced) = (false, None::<JudgedAgain>);
        for frame in self.office.reading.entries.frames(self.branch.rejoined.from) {
            for entry in frame?.entries() {
                let entry = entry?;
                let ordered = matches!(entry.actor, Actor::Operator(_)) && entry.source == Source::Command;
                match &entry.event {
                    Event::LogRejoined(rejoined) => found |= *rejoined == self.branch.rejoined,
                    Event::JudgedAgain(again) if found && entry.source == Source::Agent => announced = Some(*again),
                    Event::FileReceived(received) => {
                        let again = announced.take().filter(|again| again.original == Some(received.sha256));
                        self.arrivals.extend(again.map(|again| (again.entry, entry.sequence)));
                    }
                    _ if ordered => {
                        let refusal = matches!(entry.event, Event::RowRejected(_))
                            .then(|| (entry.sequence, codes_of(&entry.findings)));
                        self.given.extend(announced.take().map(|again| (again.entry, refusal)));
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    fn item(&mut self, Item { at, epoch, what }: Item) -> Result<(), OfficeError> {
        let again = JudgedAgain { entry: at, epoch, original: None, receipt: None };
        match what {
            What::Arrival { received, operator, name, receipt } => {
                let again = JudgedAgain { original: Some(received.sha256), receipt, ..again };
                self.arrival(again, &received, operator.as_deref(), name)
            }
            What::Answered { arrival, receipt } => {
                self.answered(arrival, JudgedAgain { receipt: Some(receipt), ..again })
            }
            What::Order { operator, event, .. } if self.given.contains_key(&at) => {
                let refusal = self.given.get(&at).cloned().flatten();
                self.told
                    .left
                    .extend(refusal.map(|(now, codes)| refused(&whose(at, event, &operator), Some(now), &codes)));
                Ok(())
            }
            What::Proposal { operator, kind } => {
                self.told.left.push(format!(
                    "what {operator} proposed as entry {at} of the branch ({kind}) was not decided there: propose it again"
                ));
                Ok(())
            }
            What::Ruling { .. } | What::Reference { .. } if self.given.contains_key(&at) => Ok(()),
            What::Reference { loaded, name, operator } => self.reference(again, &loaded, (&name, &operator)),
            What::Mapping { operator, field } => {
                let said = format!("what entry {at} of the branch says of {field}, by {operator}");
                self.told
                    .left
                    .push(format!("{said}, does not hold: where a file waits for it, `daybook held map` it again"));
                Ok(())
            }
            What::Order { operator, event, row } => self.order(again, &operator, event, row),
            What::Ruling { held, word, operator, reason } => self.ruling(again, held, word, &operator, &reason),
        }
    }

    /// Says in the log what the next entry takes the place of.
    fn announce(&self, again: JudgedAgain) -> Result<(), OfficeError> {
        crash::point("rejoin.announce.before");
        self.office.journal.note(Draft::plain(Event::JudgedAgain(again)))?;
        crash::point("rejoin.announce.after");
        Ok(())
    }

    fn arrival(
        &mut self,
        again: JudgedAgain,
        received: &FileReceived,
        operator: Option<&str>,
        name: String,
    ) -> Result<(), OfficeError> {
        if let Some(now) = self.arrivals.get(&again.entry) {
            return self.proceed(*now);
        }
        let Some(preserved) = self.preserve(received.sha256)? else {
            self.told.left.push(format!(
                "the original of arrival {} of the branch, SHA-256 {}, is not in its vault: look for it in done/, and hand it \
                 over by `daybook import`",
                again.entry, received.sha256
            ));
            return Ok(());
        };
        let folder = self.office.config.folder(&received.folder);
        let handed = Handed {
            name,
            folder: folder.as_ref(),
            centre: received.centre.clone(),
            brand: received.brand.clone(),
            kind: received.kind,
            file_id: received.file_id,
            modified_at: received.modified_at,
            completed_by: received.completed_by,
        };
        self.receive(again, operator, &handed, &preserved)
    }

    fn receive(
        &mut self,
        again: JudgedAgain,
        operator: Option<&str>,
        handed: &Handed<'_>,
        preserved: &Preserved,
    ) -> Result<(), OfficeError> {
        self.announce(again)?;
        let now = self.office.receive_from(operator, handed, preserved)?;
        crash::point("rejoin.receive.after");
        self.arrivals.insert(again.entry, now);
        self.proceed(now)
    }

    /// Takes a file as far along the line as it can go now.
    fn proceed(&mut self, arrival: Sequence) -> Result<(), OfficeError> {
        match self.office.proceed(arrival, &mut |_, _| {}) {
            Err(error @ (OfficeError::Journal(_) | OfficeError::Stopping | OfficeError::Closed(_))) => {
                return Err(error);
            }
            // One file that cannot be handled must not stop the rest; the agent tries again.
            Err(error) => self.told.left.push(format!("arrival {arrival} cannot be handled: {error}")),
            Ok(_) => {}
        }
        self.told.files += 1;
        Ok(())
    }

    /// The branch answered a file whose arrival is in the log too. Where the log has not, its answer takes the other's place.
    fn answered(&mut self, arrival: Sequence, again: JudgedAgain) -> Result<(), OfficeError> {
        let state = self.office.journal.look(move |index| index.arrival(arrival).cloned())?;
        let from = self.branch.rejoined.from;
        match state {
            Some(state) if state.replaces.is_some() => Ok(()),
            // All that it spoke of is in the log: the same receipt is written, and is good.
            Some(state) if state.receipt.is_none() && state.judged.is_some_and(|last| last < from) => {
                self.proceed(arrival)
            }
            Some(state) if state.receipt.is_none() => {
                let again = JudgedAgain { entry: arrival, original: Some(state.received.sha256), ..again };
                self.office.journal.note(Draft::of_file(arrival, Event::JudgedAgain(again)))?;
                self.proceed(arrival)
            }
            state => {
                let counts = state.and_then(|state| state.receipt);
                let counts = counts.map_or_else(String::new, |receipt| format!(", and receipt {receipt} does"));
                let receipt = again.receipt.unwrap_or(arrival);
                self.told.left.push(format!(
                    "receipt {receipt} of the branch, about arrival {arrival} of both logs, no longer counts{counts}: tell the sender"
                ));
                Ok(())
            }
        }
    }

    fn order(
        &mut self,
        again: JudgedAgain,
        operator: &str,
        event: &str,
        row: Option<(Kind, Named)>,
    ) -> Result<(), OfficeError> {
        let whose = whose(again.entry, event, operator);
        let Some((kind, named)) = row else {
            self.told.left.push(format!("{whose} cannot be opened: give it again by `daybook record`"));
            return Ok(());
        };
        let registration = self.registration(&named)?;
        let mut columns = named.columns;
        columns.extend(registration.map(|no| (Field::RegistrationNo, no.to_string())));
        let (tokens, policies) = (self.office.tokens(), &self.office.config.policies);
        let context = Context { tokens: Some(tokens), policies, centre: "", brand: "", today: today() };
        let (findings, entry) = match desk::read(kind, &Given::new(columns), &context) {
            Err(rejected) => (rejected.findings, None),
            Ok(command) => {
                self.announce(again)?;
                let answer = self.office.journal.order(command, operator)?;
                crash::point("rejoin.order.after");
                self.told.orders += 1;
                if !matches!(answer.event, Event::RowRejected(_)) {
                    return Ok(());
                }
                (answer.findings, Some(answer.sequence))
            }
        };
        self.told.left.push(refused(&whose, entry, &codes_of(&findings)));
        Ok(())
    }

    /// The number of the registration that an order names, as it is in the log.
    fn registration(&self, named: &Named) -> Result<Option<RegistrationNo>, OfficeError> {
        let known = |learner| -> Result<Option<RegistrationNo>, OfficeError> {
            if let Some(no) = self.branch.learners.get(&learner) {
                return Ok(Some(*no));
            }
            Ok(self.office.reading.books()?.registrations_of(learner)?.last().map(|it| it.registration))
        };
        let Some(no) = named.registration.map_or_else(|| named.learner.map_or(Ok(None), known), |no| Ok(Some(no)))?
        else {
            return Ok(None);
        };
        if no.sequence < self.branch.rejoined.from {
            return Ok(Some(no));
        }
        let Some((arrival, line)) = self.branch.enrolled.get(&no.sequence).copied() else { return Ok(None) };
        let Some(row) = self.now(arrival).map(|arrival| self.verdict_on(arrival, line)).transpose()?.flatten() else {
            return Ok(None);
        };
        match row.event {
            Event::RowDuplicate(repeated) => {
                Ok(self.office.reading.entry(repeated.first)?.and_then(|first| first.event.registration()))
            }
            event => Ok(event.registration()),
        }
    }

    /// Which arrival in the log an arrival of the branch is.
    fn now(&self, arrival: Sequence) -> Option<Sequence> {
        if arrival < self.branch.rejoined.from { Some(arrival) } else { self.arrivals.get(&arrival).copied() }
    }

    /// The latest verdict on a row.
    fn verdict_on(&self, of: Sequence, on: u32) -> Result<Option<Entry>, OfficeError> {
        let mut verdict = None;
        for frame in self.office.reading.entries.frames(of) {
            for entry in frame?.entries() {
                let entry = entry?;
                if matches!(entry.source, Source::Row { arrival, line } if (arrival, line) == (of, on)) {
                    verdict = Some(entry);
                }
            }
        }
        Ok(verdict)
    }

    /// A person's word on something held is given again where the log holds it too.
    fn ruling(
        &mut self,
        again: JudgedAgain,
        held: Sequence,
        word: Word,
        operator: &str,
        reason: &str,
    ) -> Result<(), OfficeError> {
        let place = self.branch.held.get(&held).map(|(arrival, line)| (self.now(*arrival), *line));
        let all = self.office.journal.look(Index::held)?;
        let found = all.into_iter().find(|it| match place {
            Some((arrival, line)) => Some(it.arrival) == arrival && it.line == line,
            None => it.held == held,
        });
        // What the log does not hold it has judged otherwise, and its receipt says how.
        let Some(found) = found else { return Ok(()) };
        let arrival = found.arrival;
        let turn = self.office.turn(arrival);
        self.announce(again)?;
        self.office.rule(found, word, operator, reason)?;
        crash::point("rejoin.ruling.after");
        drop(turn);
        self.told.rulings += 1;
        self.office.proceed(arrival, &mut |_, _| {}).map(drop)
    }
}

fn whose(entry: Sequence, event: &str, operator: &str) -> String {
    format!("the order that was entry {entry} of the branch ({event}, by {operator})")
}

fn refused(whose: &str, now: Option<Sequence>, codes: &[String]) -> String {
    let now = now.map_or_else(String::new, |entry| format!(" as entry {entry}"));
    format!("{whose} is refused now{now}: {}", codes.join(", "))
}

fn codes_of(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| finding.code.to_string()).collect()
}
