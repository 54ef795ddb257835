//! The branch of the log that was given up, as it lies in evidence: read by the auditor's code, which takes no lock and writes
//! nothing there.

use std::collections::BTreeMap;

use daybook_protocol::{
    batch::Frame,
    entry::{Actor, Entry, Private, Source},
    event::{Event, FileReceived, LogRejoined, ReferenceLoaded},
    field::{Field, Kind},
    ids::{Digest, Epoch, KeyId, RegistrationNo, Sequence},
    tree::Frontier,
};

use super::{super::OfficeError, orders};
use crate::{
    home::Home,
    identity::Identity,
    keyring::{self, Keyring, OperatorKey},
    office::Word,
    store::{self, StoreError, StoreReader},
    vault::Vault,
    verify::{self, Watch},
};

/// Something that only the branch has and that is to be judged again.
pub(super) struct Item {
    /// Its place in the branch.
    pub(super) at: Sequence,
    /// The epoch in which it was written there.
    pub(super) epoch: Epoch,
    pub(super) what: What,
}

pub(super) enum What {
    /// A file that arrived, from an operator's hand or by itself; the receipt is the latest that the branch issued about it.
    Arrival { received: FileReceived, operator: Option<String>, name: String, receipt: Option<Sequence> },
    /// A register that an operator loaded, by the name of its file.
    Reference { loaded: ReferenceLoaded, name: String, operator: String },
    /// A receipt about a file whose arrival is in both.
    Answered { arrival: Sequence, receipt: Sequence },
    /// An operator's order, as the row that would say the same; `None` where what was sealed of it cannot be opened.
    Order { operator: String, event: &'static str, row: Option<(Kind, orders::Named)> },
    /// An operator's order that waited there for another one's approval.
    Proposal { operator: String, kind: Kind },
    /// What an operator said of a heading or a value in a file that was held.
    Mapping { operator: String, field: Field },
    /// An operator's word on what was held.
    Ruling { held: Sequence, word: Word, operator: String, reason: String },
}

/// See the module's description.
pub(super) struct Branch {
    /// What is recorded of it.
    pub(super) rejoined: LogRejoined,
    /// Whether it could be read to its end.
    pub(super) whole: bool,
    /// The files and rows that it held: the arrival of each, and the line of a row.
    pub(super) held: BTreeMap<Sequence, (Sequence, Option<u32>)>,
    /// The rows that opened registrations.
    pub(super) enrolled: BTreeMap<Sequence, (Sequence, u32)>,
    /// A registration of each learner whom it enrolled.
    pub(super) learners: BTreeMap<KeyId, RegistrationNo>,
    pub(super) keyring: Keyring,
    pub(super) vault: Vault,
}

impl Branch {
    /// Reads the branch in `home` as far as that goes, beside the log that is kept now; gives what is to be judged again, in its
    /// order.
    pub(super) fn read(
        home: &Home,
        operator: &OperatorKey,
        log: &StoreReader,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(Self, Vec<Item>), OfficeError> {
        let keyring = Keyring::open_to_read(&home.keyring(), operator)?;
        let epoch = Identity::load(home)?.map_or(Epoch::FIRST, |identity| identity.epoch);
        let mut reading = Reading { keyring: &keyring, log, progress, failed: None, found: Found::new(epoch) };
        let checked = verify::verify_watched(&store::places(home), None, &mut reading);
        let Reading { found, failed, .. } = reading;
        if let Some(error) = failed {
            return Err(error.into());
        }
        // Of a log that cannot be read at all, nothing can be said but that.
        let whole = checked.is_ok_and(|report| report.ok() || report.start_mends);
        let Found { from, end: (entries, root), epoch, items, held, enrolled, learners } = found;
        let rejoined = LogRejoined { from: from.unwrap_or(Sequence(entries)), epoch, entries, root };
        let vault = Vault::to_check(&home.vault());
        Ok((Self { rejoined, whole, held, enrolled, learners, keyring, vault }, items))
    }
}

/// What was found so far.
struct Found {
    /// Where the branch parts from the log, once that is known.
    from: Option<Sequence>,
    end: (u64, Digest),
    epoch: Epoch,
    items: Vec<Item>,
    held: BTreeMap<Sequence, (Sequence, Option<u32>)>,
    enrolled: BTreeMap<Sequence, (Sequence, u32)>,
    learners: BTreeMap<KeyId, RegistrationNo>,
}

impl Found {
    fn new(epoch: Epoch) -> Self {
        Self {
            from: None,
            end: (0, Frontier::default().root()),
            epoch,
            items: Vec::new(),
            held: BTreeMap::new(),
            enrolled: BTreeMap::new(),
            learners: BTreeMap::new(),
        }
    }
}

struct Reading<'a> {
    keyring: &'a Keyring,
    log: &'a StoreReader,
    progress: &'a mut dyn FnMut(u64, u64),
    failed: Option<StoreError>,
    found: Found,
}

impl Reading<'_> {
    fn take(&mut self, frame: &Frame) -> Result<(), StoreError> {
        let header = frame.header();
        if header.first.0 == 0 {
            // The file changed meanwhile, and is read anew.
            self.found = Found::new(self.found.epoch);
        }
        self.found.end = (header.end().0, header.root);
        self.found.epoch = header.epoch;
        if self.found.from.is_none() {
            let ours = self.log.frames(header.first).next().transpose()?;
            if ours.is_some_and(|ours| ours.header() == header) {
                return Ok(());
            }
            self.found.from = Some(header.first);
        }
        for entry in frame.entries().flatten() {
            self.gather(&entry, header.epoch);
        }
        Ok(())
    }

    /// What is sealed of an entry; nothing, where it cannot be opened.
    fn reveal(&self, entry: &Entry) -> Option<Private> {
        let sealed = entry.sealed.as_ref()?;
        let key = self.keyring.key(sealed.key).ok()?;
        keyring::open_sealed(&key, self.log.log(), entry.sequence, sealed).ok()
    }

    fn file_name(&self, entry: &Entry) -> Option<String> {
        self.reveal(entry)?.value(Field::FileName).map(str::to_owned)
    }

    fn gather(&mut self, entry: &Entry, epoch: Epoch) {
        let at = entry.sequence;
        match (&entry.event, entry.source) {
            (Event::RowHeld(_), Source::Row { arrival, line }) => {
                self.found.held.insert(at, (arrival, Some(line)));
            }
            (Event::FileHeld(closed), _) => {
                self.found.held.insert(at, (closed.arrival, None));
            }
            (Event::LearnerEnrolled(enrolled), Source::Row { arrival, line }) => {
                self.found.enrolled.insert(at, (arrival, line));
                self.found.learners.insert(enrolled.learner, enrolled.registration);
            }
            _ => {}
        }
        if let Some(what) = self.item(entry) {
            self.found.items.push(Item { at, epoch, what });
        }
    }

    fn item(&mut self, entry: &Entry) -> Option<What> {
        let operator = match &entry.actor {
            Actor::Operator(operator) if entry.source == Source::Command => Some(operator.clone()),
            _ => None,
        };
        let ruling = |held, word| {
            let reason = self.reveal(entry).and_then(|private| private.value(Field::Reason).map(str::to_owned));
            operator.clone().map(|operator| What::Ruling { held, word, operator, reason: reason.unwrap_or_default() })
        };
        match &entry.event {
            Event::FileReceived(received) => {
                let name = self.file_name(entry).unwrap_or_else(|| format!("arrival-{}", entry.sequence));
                Some(What::Arrival { received: received.clone(), operator, name, receipt: None })
            }
            Event::ReferenceLoaded(loaded) => {
                let name = self.file_name(entry).unwrap_or_else(|| format!("register-{}", entry.sequence));
                Some(What::Reference { loaded: loaded.clone(), name, operator: operator? })
            }
            Event::ReceiptIssued(issued) => {
                let place = self.found.items.binary_search_by_key(&issued.arrival, |item| item.at).ok();
                let of_it = place.and_then(|place| self.found.items.get_mut(place));
                if let Some(Item { what: What::Arrival { receipt, .. }, .. }) = of_it {
                    *receipt = Some(issued.receipt);
                    return None;
                }
                Some(What::Answered { arrival: issued.arrival, receipt: issued.receipt })
            }
            Event::OrderProposed(order) => operator.map(|operator| What::Proposal { operator, kind: order.kind }),
            Event::ProposalDecided(decided) => {
                // What it came to is an order of its own.
                if let Ok(place) = self.found.items.binary_search_by_key(&decided.proposed, |item| item.at) {
                    self.found.items.remove(place);
                }
                None
            }
            Event::HeldReleased(resolved) => ruling(resolved.held, Word::Release),
            Event::HeldRefused(resolved) => ruling(resolved.held, Word::Refuse),
            Event::MappingLearned(learned) => operator.map(|operator| What::Mapping { operator, field: learned.field }),
            event => {
                let (operator, kind) = (operator?, orders::kind_of(event)?);
                let row = self.reveal(entry).map(|private| (kind, orders::row_of(entry, &private)));
                Some(What::Order { operator, event: event.name(), row })
            }
        }
    }
}

impl Watch for Reading<'_> {
    fn goes_on(&mut self, done: u64, total: u64) -> bool {
        (self.progress)(done, total);
        self.failed.is_none()
    }

    fn batch(&mut self, frame: &Frame) {
        if self.failed.is_none() {
            self.failed = self.take(frame).err();
        }
    }
}
