//! One arrival along the straight line: preserved, read, judged, answered, filed.
//!
//! Each step ends in an entry, and the next step is chosen by what the log says. A crash between two steps is therefore
//! nothing special: whoever takes the arrival up again goes on where the log ends.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

use daybook_protocol::{
    entry::{Actor, Private, Source},
    event::{
        Completion, Event, FileClosed, FileId, FileParsed, FileProcessed, FileReceived, Level, OriginalFiled, Place, Plan,
        ReceiptIssued, Totals,
    },
    date::Timestamp,
    field::{Field, Kind},
    finding::{Code, Finding, Severity, worst},
    ids::{Digest, Sequence},
};

use super::{Office, OfficeError};
use crate::{
    books::index::{Arrival, Stage},
    config::Folder,
    desk::{self, Context, NoTokens, Survey, Tokenizer},
    intake::{self, Filed},
    journal::{Draft, Pending, ReadRow, today},
    post::{self},
    reader::{self, ReadError, Rows, Wanted},
};

/// Rows handed to the journal at a time.
const CHUNK_ROWS: usize = 1024;
/// Chunks of one file under way at once: enough that reading and writing overlap.
const CHUNKS_MAX: usize = 6;

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
    /// `processed`, `rejected` or `held`.
    pub outcome: &'static str,
    /// What became of its rows.
    #[serde(flatten)]
    pub totals: Totals,
    /// What the checks found in the file as a whole.
    pub findings: Vec<Finding>,
    /// The earlier arrival of the same bytes.
    pub same_as: Option<Sequence>,
}

impl Office {
    /// Preserves an original and records its arrival. The folder's copy may change or go from here on.
    pub fn receive(&self, handed: &Handed<'_>, original: &mut dyn Read) -> Result<Sequence, OfficeError> {
        let preserved = self.vault.preserve(original, &self.keyring, self.config.agent.file_bytes_max)?;
        // DURABLE: the original is in the vault. It can be read again whatever becomes of the folder.
        self.record_arrival(handed, preserved.sha256, preserved.bytes)
    }

    fn record_arrival(&self, handed: &Handed<'_>, sha256: Digest, bytes: u64) -> Result<Sequence, OfficeError> {
        let same_as = self.journal.look(move |index| index.first_arrival(&sha256))?;
        let (key, _) = self.keyring.allocate()?;
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
        let private = Private(vec![(Field::FileName, handed.name.clone())]);
        let draft = Draft { private: Some((key, private)), ..Draft::plain(event) };
        // DURABLE: the arrival. From here on it is handled to its end, by this run or the next.
        Ok(self.journal.note(draft)?)
    }

    /// Takes an arrival as far along the line as it can go now. `progress` hears of rows done and rows in all.
    pub fn proceed(&self, arrival: Sequence, progress: &mut dyn FnMut(u64, u64)) -> Result<Waiting, OfficeError> {
        loop {
            let state = self.arrival(arrival)?;
            match state.stage {
                Stage::Received => self.first_pass(&state)?,
                Stage::Parsed => self.second_pass(&state, progress)?,
                Stage::Judged if !self.safe_enough(&state)? => return Ok(Waiting::Mirror),
                Stage::Judged => self.answer(&state)?,
                Stage::Answered => self.file(&state)?,
                Stage::Filed => return Ok(Waiting::Nothing),
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
        Ok(Arrived {
            file: self.file_name(&state)?,
            sha256: state.received.sha256,
            receipt: arrival,
            kind: state.plan.as_ref().map(|plan| plan.kind),
            outcome: state.outcome(),
            totals: state.totals,
            findings: state.findings.clone(),
            same_as: state.received.same_as,
        })
    }

    /// Pass one: finds out how the file is to be read and whether it can be judged row by row.
    fn first_pass(&self, state: &Arrival) -> Result<(), OfficeError> {
        let wanted = Wanted { kind: state.received.kind, header_map: &[] };
        let open = || self.original(state);
        let draft = match reader::plan(&open, &wanted) {
            Err(ReadError::Refused { findings, .. }) => self.closing(state, Stage::Received, findings, Default::default()),
            Err(error) => return Err(error.into()),
            Ok(planned) => self.survey(state, planned.plan, planned.findings)?,
        };
        self.journal.note(draft)?;
        // DURABLE: the plan, or the verdict on the whole file.
        Ok(())
    }
}
