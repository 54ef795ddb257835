//! One arrival along the straight line: preserved, read, judged, answered, filed.
//!
//! Each step ends in an entry, and the next step is chosen by what the log says. A crash between two steps is therefore
//! nothing special: whoever takes the arrival up again goes on where the log ends.

use std::{io::Read, path::PathBuf};

use daybook_protocol::{
    date::Timestamp,
    entry::{Actor, Private, Source},
    event::{Completion, Event, FileId, FileReceived, Level, OriginalFiled, Place, ReceiptIssued, Totals},
    field::{Field, Kind},
    finding::Finding,
    ids::{Digest, KeyId, Sequence},
};
use tracing::error;

use super::{
    Office, OfficeError,
    gate::NEARLY_FULL,
    heeding::{Heeding, heeded},
    receipt::Report,
};
use crate::{
    books::index::{Arrival, Index, Stage, Verdict},
    config::Folder,
    intake::{self, Filed, Filing, Version},
    journal::Draft,
    vault::{Ahead, Preserved, VaultError},
};

/// A file that is handed in, with what is known of it before it is read.
pub struct Handed<'a> {
    /// Its name, as its sender knows it.
    pub name: String,
    /// The drop folder it lies in; `None` for one that a command hands over.
    pub folder: Option<&'a Folder>,
    /// The centre it is for; may be empty where each row says so.
    pub centre: String,
    /// The brand it is for; may be empty.
    pub brand: String,
    /// The kind it is said to be.
    pub kind: Option<Kind>,
    /// Which file it is.
    pub file_id: FileId,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// How it is known to be complete.
    pub completed_by: Completion,
}

/// A shorter original is read before a thread that reads ahead would have begun.
const AHEAD_BYTES_MIN: u64 = 1 << 20;

/// What an arrival waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Nothing: its handling is finished.
    Nothing,
    /// The central node, before it is answered.
    Mirror,
}

/// What came of a file, for whoever handed it in.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Arrived {
    /// The file's name.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its receipt's number: the sequence of its `FileReceived`.
    pub receipt: Sequence,
    /// What it was read as.
    pub kind: Option<Kind>,
    /// What came of it as a whole.
    pub outcome: Option<Verdict>,
    /// What became of its rows.
    #[serde(flatten)]
    pub totals: Totals,
    /// What the checks found in the file as a whole.
    pub findings: Vec<Finding>,
    /// The earlier arrival of the same bytes.
    pub same_as: Option<Sequence>,
    /// The receipt that corrects its first one, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrected_by: Option<Sequence>,
}

impl Office {
    /// Keeps an original of so many bytes in the vault, unless the wish to stop or a full disk comes first. It can be read
    /// again whatever becomes of the folder.
    pub fn preserve(&self, original: &mut dyn Read, bytes: u64) -> Result<Preserved, OfficeError> {
        self.take_nothing_too_large(bytes)?;
        // Others write to the same disk.
        let wanted = || !self.stop.is_asked() && self.has_room().unwrap_or(true);
        match self.vault.preserve_while(&wanted, original, &self.keyring, self.config.agent.file_bytes_max) {
            Err(VaultError::BrokenOff) if self.stop.is_asked() => Err(OfficeError::Stopping),
            Err(VaultError::BrokenOff) => Err(OfficeError::Closed(NEARLY_FULL.to_owned())),
            preserved => Ok(preserved?),
        }
    }

    /// A new key for what concerns no known person.
    pub(super) fn new_key(&self) -> Result<KeyId, OfficeError> {
        Ok(self.keyring.allocate()?.0)
    }

    /// Records the arrival of an original that is in the vault.
    pub fn receive(&self, handed: &Handed<'_>, preserved: &Preserved) -> Result<Sequence, OfficeError> {
        self.receive_from(None, handed, preserved)
    }

    /// The same of one that an operator hands over, who is named in the entry.
    pub fn receive_from(
        &self,
        operator: Option<&str>,
        handed: &Handed<'_>,
        preserved: &Preserved,
    ) -> Result<Sequence, OfficeError> {
        let Preserved { sha256, bytes, .. } = *preserved;
        let same_as = self.journal.look(move |index| index.first_arrival(&sha256))?;
        let key = self.new_key()?;
        let event = Event::FileReceived(FileReceived {
            folder: handed.folder.map(|folder| folder.name.clone()).unwrap_or_default(),
            centre: handed.centre.clone(),
            brand: handed.brand.clone(),
            kind: handed.kind,
            sha256,
            bytes,
            file_id: handed.file_id,
            modified_at: handed.modified_at,
            completed_by: handed.completed_by,
            key,
            same_as,
        });
        let private = Private::from([(Field::FileName, &handed.name)]);
        let mut draft = Draft { private: Some((key, private)), ..Draft::plain(event) };
        if let Some(operator) = operator {
            (draft.actor, draft.source) = (Actor::Operator(operator.to_owned()), Source::Command);
        }
        // DURABLE: the arrival. From here on it is handled to its end, by this run or the next.
        Ok(self.journal.note(draft)?)
    }

    /// Goes on with every file that a command handed over and that was not finished, and gives those there were. What
    /// somebody is at work on is left to them.
    pub fn resume_handed(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Arrival>, OfficeError> {
        let open = self.journal.look(Index::open_arrivals)?;
        let handed: Vec<_> = open.into_iter().filter(|arrival| arrival.received.folder.is_empty()).collect();
        for arrival in handed.iter().filter(|arrival| !self.turns.is_taken(arrival.arrival)) {
            match self.proceed(arrival.arrival, progress) {
                Err(error @ (OfficeError::Journal(_) | OfficeError::Stopping | OfficeError::Closed(_))) => {
                    return Err(error);
                }
                // One file that cannot be handled must not stop the rest.
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    error!(arrival = arrival.arrival.0, error, "a file that was handed over cannot be handled");
                }
                Ok(_) => {}
            }
        }
        // One that only had to be corrected was finished before.
        Ok(handed.into_iter().filter(|arrival| arrival.stage != Stage::Filed).collect())
    }

    /// Takes an arrival as far along the line as it can go now, or until the wish to stop. Waits while somebody else is
    /// at work on it. `progress` hears of rows done and rows in all.
    pub fn proceed(&self, arrival: Sequence, progress: &mut dyn FnMut(u64, u64)) -> Result<Waiting, OfficeError> {
        let _turn = self.turn(arrival);
        let mut report = None;
        loop {
            let state = self.arrival(arrival)?;
            match state.stage {
                Stage::Received => self.first_pass(&state).map_err(heeded)?,
                Stage::Parsed => report = self.second_pass(&state, progress).map_err(heeded)?,
                Stage::Answered => self.file(&state)?,
                Stage::Filed if !state.is_to_correct() => return Ok(Waiting::Nothing),
                Stage::Judged | Stage::Filed if !self.safe_enough(&state) => return Ok(Waiting::Mirror),
                Stage::Judged | Stage::Filed => self.answer(&state, report.take()).map_err(heeded)?,
            }
        }
    }

    /// What the log says of an arrival.
    pub fn arrival(&self, arrival: Sequence) -> Result<Arrival, OfficeError> {
        self.journal.look(move |index| index.arrival(arrival).cloned())?.ok_or(OfficeError::NoArrival(arrival))
    }

    /// What came of an arrival, for whoever handed it in.
    pub fn arrived(&self, arrival: Sequence) -> Result<Arrived, OfficeError> {
        let state = self.arrival(arrival)?;
        let rows = state.lines.row;
        // Of a file that was not judged row by row, every row shares the file's verdict.
        let totals = match state.verdict {
            Some(Verdict::Rejected) => Totals { rows, rejected: rows, ..Totals::default() },
            Some(Verdict::Held) => Totals { rows, held: rows, ..Totals::default() },
            _ => state.standing,
        };
        Ok(Arrived {
            file: self.file_name(&state)?,
            sha256: state.received.sha256,
            receipt: arrival,
            kind: state.plan.as_ref().map(|plan| plan.kind),
            outcome: state.verdict,
            totals,
            findings: state.told_findings(),
            same_as: state.received.same_as,
            corrected_by: state.receipt.filter(|receipt| *receipt != arrival),
        })
    }

    /// Fails once the wish to stop is there.
    pub(crate) fn go_on(&self) -> Result<(), OfficeError> {
        if self.stop.is_asked() { Err(OfficeError::Stopping) } else { Ok(()) }
    }

    /// The drop folder that an arrival came in, if it is still configured.
    pub(super) fn folder(&self, state: &Arrival) -> Option<Folder> {
        self.config.folder(&state.received.folder)
    }

    /// The original, from its beginning, to be read until the wish to stop.
    pub(crate) fn original(&self, state: &Arrival) -> Result<Box<dyn Read + Send>, OfficeError> {
        let original = self.vault.read(state.received.sha256, &self.keyring)?;
        let original = Heeding::new(original, self.stop.clone());
        if state.received.bytes < AHEAD_BYTES_MIN {
            return Ok(Box::new(original));
        }
        let ahead = Ahead::new(original);
        Ok(Box::new(ahead.map_err(|source| OfficeError::Disk { path: self.reading.home.vault(), source })?))
    }

    /// The name under which a file arrived.
    pub fn file_name(&self, state: &Arrival) -> Result<String, OfficeError> {
        let entry = self.reading.entry(state.arrival)?.ok_or(OfficeError::NoArrival(state.arrival))?;
        let private =
            entry.sealed.as_ref().and_then(|sealed| self.reading.reveal(entry.sequence, sealed).ok().flatten());
        let name = private.as_ref().and_then(|private| private.value(Field::FileName)).map(str::to_owned);
        Ok(name.unwrap_or_else(|| format!("arrival-{}", state.arrival)))
    }

    /// Whether an arrival's facts are as safe as its folder wants them before the sender is answered.
    fn safe_enough(&self, state: &Arrival) -> bool {
        let last = state.last();
        let position = self.mirror.borrow();
        let mirrored = position.log_through > last.0 && position.originals_through > state.arrival;
        mirrored || self.level(state) == Level::Local
    }

    /// How safe a receipt says that an arrival's facts are: what its folder waits for, whatever they have become meanwhile.
    /// A receipt that is written again after a crash then says the same.
    fn level(&self, state: &Arrival) -> Level {
        self.folder(state).map_or(Level::Local, |folder| folder.answer_after)
    }

    /// Writes the next receipt and records that it was written.
    fn answer(&self, state: &Arrival, report: Option<Report>) -> Result<(), OfficeError> {
        let level = self.level(state);
        let report = super::receipt::write(self, state, report, level)?;
        let issued = ReceiptIssued { arrival: state.arrival, receipt: state.next_receipt(), level, report };
        self.journal.note(Draft::of_file(state.arrival, Event::ReceiptIssued(issued)))?;
        // DURABLE: the sender has been answered, and the log says so.
        Ok(())
    }

    /// Where receipts for an arrival are written.
    pub(super) fn receipts(&self, state: &Arrival) -> PathBuf {
        self.folder(state).map_or_else(|| self.reading.home.receipts(), |folder| folder.receipts())
    }

    /// Moves the original out of the drop folder and records that it was moved.
    fn file(&self, state: &Arrival) -> Result<(), OfficeError> {
        let wanted = if state.verdict == Some(Verdict::Held) { Place::Held } else { Place::Done };
        let place = match self.folder(state) {
            None => Place::Nowhere,
            Some(folder) => {
                let FileReceived { file_id, bytes, modified_at, .. } = state.received;
                let name = self.file_name(state)?;
                let version = Version { file_id, bytes, modified_at };
                let filing = Filing { name: &name, version, receipt: state.arrival, received_at: state.received_at() };
                match intake::file_away(&folder, &filing, wanted)? {
                    Filed::Done => wanted,
                    // The sender changed or took it. The vault has what was judged; what is there now is a new arrival.
                    Filed::Changed | Filed::Missing => Place::Nowhere,
                }
            }
        };
        let filed = OriginalFiled { arrival: state.arrival, place };
        self.journal.note(Draft::of_file(state.arrival, Event::OriginalFiled(filed)))?;
        // DURABLE: nothing is left to do for this arrival.
        Ok(())
    }
}
