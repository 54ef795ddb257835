//! Logs as they lie on a disk: the agent's own, seen by what goes out of it, and a copy in a home that is laid out like an
//! agent's.

use std::{io, path::PathBuf, sync::Arc};

use daybook_protocol::{
    batch::Frame,
    ids::{Digest, Epoch, LogId, Sequence},
    tree::Frontier,
    wire::KeysHeld,
};

use super::{Archive, CopyError, Outbound};
use crate::{
    durable,
    home::Home,
    keyring::{self, KeyringError},
    store::{self, Store, StoreError, StoreReader},
    vault::{Vault, VaultError},
};

/// What the store of a copy may keep in memory, in bytes: a central node has many open.
const CACHE_BYTES: u64 = 8 << 20;
/// A copy sets no space aside: when the disk of a central node is full, its agents wait, and nothing is lost.
const RESERVE_BYTES: u64 = 0;
/// With less than this free on its disk a copy takes nothing more, in bytes: so it is found out before the engine is given
/// what it has no room for, and the registry, marks and checkpoints of all logs can still be written.
const FREE_BYTES_MIN: u64 = 2 * store::RECORD_BYTES_MIN;

/// The agent's own log, for the central node to have a copy of it.
pub struct LocalLog {
    reader: StoreReader,
    keyring: Arc<keyring::Keyring>,
    keyring_directory: PathBuf,
    vault: Arc<Vault>,
}

impl LocalLog {
    /// The log that `reader` reads, with the keyring and the vault of `home`.
    pub fn new(home: &Home, reader: StoreReader, keyring: Arc<keyring::Keyring>, vault: Arc<Vault>) -> Self {
        Self { reader, keyring, keyring_directory: home.keyring(), vault }
    }
}

impl Outbound for LocalLog {
    fn log(&self) -> LogId {
        self.reader.log()
    }

    fn head(&self) -> Result<(u64, Digest), CopyError> {
        let count = self.reader.count();
        let Some(last) = count.checked_sub(1) else { return Ok((0, Frontier::default().root())) };
        match self.reader.frames(Sequence(last)).next() {
            // More may have become durable in between: what this batch ends with is durable in any case.
            Some(frame) => frame.map(|frame| (frame.header().end().0, frame.header().root)).map_err(CopyError::from),
            None => Err(CopyError::Damaged("the log ends before its head".into())),
        }
    }

    fn frames(&self, from: Sequence, bytes_max: usize) -> Result<Vec<Frame>, CopyError> {
        frames(&self.reader, from, bytes_max)
    }

    fn keys_held(&self) -> Result<Vec<KeysHeld>, CopyError> {
        Ok(self.keyring.held())
    }

    fn key_records(&self, epoch: Epoch, first: u32, bytes_max: usize) -> Result<Vec<u8>, CopyError> {
        Ok(keyring::read_records(&self.keyring_directory, epoch, first, bytes_max)?)
    }

    fn object_bytes(&self, sha256: Digest) -> Result<Option<u64>, CopyError> {
        object_bytes(&self.vault, sha256)
    }

    fn object_piece(&self, sha256: Digest, offset: u64, bytes_max: usize) -> Result<Vec<u8>, CopyError> {
        Ok(self.vault.object_piece(sha256, offset, bytes_max)?)
    }
}

/// A copy of a log in a home of its own.
pub struct LogCopy {
    home: Home,
    store: Store,
    reader: StoreReader,
    vault: Vault,
}

impl LogCopy {
    /// Opens the copy of `log` in `home`, or begins it.
    pub fn keep(home: &Home, log: LogId) -> Result<Self, CopyError> {
        durable::make_directory(home.path())?;
        let store = if store::exists(home) {
            Store::open(home, CACHE_BYTES)?
        } else {
            Store::create(home, log, Epoch::FIRST, RESERVE_BYTES)?
        };
        if store.head().log != log {
            return Err(CopyError::Damaged("the copy is of another log".into()));
        }
        let vault = Vault::open(&home.vault())?;
        Ok(Self { home: home.clone(), reader: store.reader(), store, vault })
    }

    /// Fails where the disk has no room for `bytes` more.
    fn room_for(&self, bytes: usize) -> Result<(), CopyError> {
        let (free, needed) = (store::free_bytes(self.home.path())?, FREE_BYTES_MIN.saturating_add(bytes as u64));
        if free >= needed {
            return Ok(());
        }
        Err(StoreError::NoSpace { home: self.home.path().to_owned(), needed, free }.into())
    }

    /// Reads what is durable of the copy, for whoever looks at it meanwhile.
    pub fn reader(&self) -> StoreReader {
        self.reader.clone()
    }

    /// Closes it in order. What fails now is found when it is opened again, so it is only noted.
    pub fn close(self) {
        if let Err(error) = self.store.close() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the copy of a log was not closed in order");
        }
    }
}

impl Outbound for LogCopy {
    fn log(&self) -> LogId {
        self.store.head().log
    }

    fn head(&self) -> Result<(u64, Digest), CopyError> {
        let frontier = &self.store.head().frontier;
        Ok((frontier.count(), frontier.root()))
    }

    fn frames(&self, from: Sequence, bytes_max: usize) -> Result<Vec<Frame>, CopyError> {
        frames(&self.reader, from, bytes_max)
    }

    fn keys_held(&self) -> Result<Vec<KeysHeld>, CopyError> {
        Ok(keyring::held_in(&self.home.keyring())?)
    }

    fn key_records(&self, epoch: Epoch, first: u32, bytes_max: usize) -> Result<Vec<u8>, CopyError> {
        Ok(keyring::read_records(&self.home.keyring(), epoch, first, bytes_max)?)
    }

    fn object_bytes(&self, sha256: Digest) -> Result<Option<u64>, CopyError> {
        object_bytes(&self.vault, sha256)
    }

    fn object_piece(&self, sha256: Digest, offset: u64, bytes_max: usize) -> Result<Vec<u8>, CopyError> {
        Ok(self.vault.object_piece(sha256, offset, bytes_max)?)
    }
}

impl Archive for LogCopy {
    fn frontier(&self) -> Frontier {
        self.store.head().frontier.clone()
    }

    fn epoch(&self) -> Epoch {
        self.store.head().epoch
    }

    fn append(&mut self, frame: &Frame) -> Result<(), CopyError> {
        self.room_for(frame.bytes().len())?;
        Ok(self.store.append(frame)?)
    }

    fn barrier(&mut self, frontier: &Frontier, epoch: Epoch) -> Result<(), CopyError> {
        Ok(self.store.barrier(frontier, epoch)?)
    }

    fn append_keys(&mut self, epoch: Epoch, first: u32, records: &[u8]) -> Result<u32, CopyError> {
        self.room_for(records.len())?;
        Ok(keyring::append_records(&self.home.keyring(), epoch, first, records)?)
    }

    fn partial_bytes(&self, sha256: Digest) -> u64 {
        self.vault.partial_bytes(sha256)
    }

    fn receive_piece(&mut self, sha256: Digest, offset: u64, total: u64, bytes: &[u8]) -> Result<bool, CopyError> {
        self.room_for(bytes.len())?;
        self.vault.receive_piece(sha256, offset, total, bytes).map_err(|error| match error {
            VaultError::PieceDiffers { .. } | VaultError::Damaged { .. } => CopyError::Spoilt(Box::new(error)),
            other => other.into(),
        })
    }

    fn originals_noted(&self) -> Sequence {
        let noted = std::fs::read_to_string(self.home.originals()).ok();
        Sequence(noted.and_then(|noted| noted.trim().parse().ok()).unwrap_or(0))
    }

    fn note_originals(&mut self, through: Sequence) {
        if let Err(error) = durable::write_whole(&self.home.originals(), format!("{through}\n").as_bytes()) {
            tracing::warn!(%error, "how far no original is missing cannot be noted: the next opening takes longer");
        }
    }

    fn keep_checkpoint(&mut self, note: &str) -> Result<(), CopyError> {
        Ok(durable::write_whole(&self.home.checkpoint(), note.as_bytes())?)
    }
}

fn frames(reader: &StoreReader, from: Sequence, bytes_max: usize) -> Result<Vec<Frame>, CopyError> {
    let (mut frames, mut bytes) = (Vec::new(), 0);
    for frame in reader.frames(from) {
        let frame = frame?;
        bytes += frame.bytes().len();
        frames.push(frame);
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(frames)
}

fn object_bytes(vault: &Vault, sha256: Digest) -> Result<Option<u64>, CopyError> {
    if !vault.contains(sha256) {
        return Ok(None);
    }
    Ok(Some(vault.object_bytes(sha256)?))
}

/// What a failing disk means.
fn disk(source: &io::Error) -> fn(Box<dyn std::error::Error + Send + Sync>) -> CopyError {
    if store::is_full(source) { CopyError::Full } else { CopyError::Damaged }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        disk(&error)(Box::new(error))
    }
}

impl From<StoreError> for CopyError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Busy { .. } => Self::InUse(Box::new(error)),
            StoreError::NoSpace { .. } => Self::Full(Box::new(error)),
            StoreError::Io { source, .. } => disk(source)(Box::new(error)),
            _ => Self::Damaged(Box::new(error)),
        }
    }
}

impl From<VaultError> for CopyError {
    fn from(error: VaultError) -> Self {
        match &error {
            VaultError::Io { source, .. } => disk(source)(Box::new(error)),
            _ => Self::Damaged(Box::new(error)),
        }
    }
}

impl From<KeyringError> for CopyError {
    fn from(error: KeyringError) -> Self {
        match &error {
            KeyringError::Io { source, .. } => disk(source)(Box::new(error)),
            KeyringError::RecordsDiffer { .. } => Self::Differs(Box::new(error)),
            KeyringError::KeyDamaged { .. } | KeyringError::RecordsMalformed { .. } => Self::Spoilt(Box::new(error)),
            _ => Self::Damaged(Box::new(error)),
        }
    }
}
