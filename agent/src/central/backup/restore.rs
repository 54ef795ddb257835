//! `central restore`: an empty data directory becomes the central node that a backup was made of.
//!
//! Nothing of the backup is believed before its bytes were seen to be those that the manifest names; batches must chain to
//! the root that it names, and originals pass their own checksums. The registry comes last, and last of all goes the note
//! that a restore is under way, without which nothing starts here. Broken off at any point it is run again, and goes on.

use std::{
    fs::{self, File},
    io::{BufReader, ErrorKind, Read},
    path::Path,
};

use daybook_protocol::{
    batch::FRAME_BYTES_MAX,
    ids::{Digest, LogId},
    wire::PIECE_BYTES_MAX,
};

use super::{
    AUTHORITY_BELOW, BackupError, PutBack, failed, frames_below, keyring_below,
    manifest::{self, LogKept, Manifest},
    saving::epoch_of,
    vault_below,
};
use crate::{
    central::{CentralError, lock, registry},
    crash, durable,
    home::Home,
    keyring::RECORD_BYTES,
    replicate::{Archive as _, CopyError, LogCopy, Outbound as _, now},
    scrub::Work,
    verify,
};

/// A barrier is set after so many bytes of batches.
const BARRIER_BYTES: usize = 8 << 20;
/// No file of an authority is longer than this.
const AUTHORITY_BYTES_MAX: u64 = 64 * 1024;
/// The note is a digest.
const NOTE_BYTES_MAX: u64 = 128;

/// Fails where `directory` holds no backup; for before anything is made for one.
pub fn is_backup(directory: &Path) -> Result<(), BackupError> {
    let path = manifest::path(directory);
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(BackupError::Nothing { path: directory.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err(BackupError::Nothing { path: directory.to_owned() })
        }
        Err(error) => Err(failed(&path)(error)),
    }
}

/// Puts the backup in `directory` back into `home`, which has nothing yet, or a part of the same backup.
pub fn restore(directory: &Path, home: &Home, work: &Work<'_>) -> Result<PutBack, BackupError> {
    let none = || BackupError::Nothing { path: directory.to_owned() };
    let (manifest, sha256) = Manifest::load(directory)?.ok_or_else(none)?;
    let _lock = lock(home).map_err(Box::new)?;
    begin(home, sha256)?;
    let restoring = Restoring { directory, home, manifest: &manifest, work };
    restoring.authority()?;
    for kept in &manifest.logs {
        restoring.log(kept)?;
        crash::point("central.restore.log.after");
    }
    let registry = manifest.registry.clone().put_back(manifest.made_at, now());
    let put_back = PutBack {
        made_at: manifest.made_at,
        logs: manifest.logs.iter().map(|kept| (kept.log, kept.entries)).collect(),
        unconfirmed: registry.unconfirmed(),
        revoked: registry.revoked(),
    };
    registry::Kept::put(home.registry(), registry).map_err(|error| Box::new(CentralError::from(error)))?;
    if let Some(config) = manifest.config.as_ref().filter(|_| !home.config().exists()) {
        durable::write_whole(&home.config(), config.as_bytes()).map_err(failed(&home.config()))?;
    }
    crash::point("central.restore.note.before");
    let settled = fs::remove_file(home.restoring()).and_then(|()| durable::sync_directory(home.path()));
    settled.map_err(failed(&home.restoring()))?;
    // DURABLE: the restore is over; the central node may be started.
    Ok(put_back)
}

/// Notes which backup is put back; refuses a home that has anything else in it.
fn begin(home: &Home, sha256: Digest) -> Result<(), BackupError> {
    let path = || home.path().to_owned();
    let note = durable::read_bounded(&home.restoring(), NOTE_BYTES_MAX).map_err(failed(&home.restoring()))?;
    let ours = format!("{sha256}\n");
    match note {
        Some(note) if note == ours.as_bytes() => return Ok(()),
        Some(_) => return Err(BackupError::OtherBackup { path: path() }),
        None => {}
    }
    let parts =
        [home.authority(), home.registry(), home.logs(), home.identity(), home.head(), home.log(), home.vault()];
    if parts.iter().any(|part| part.exists()) {
        return Err(BackupError::Occupied { path: path() });
    }
    durable::write_whole(&home.restoring(), ours.as_bytes()).map_err(failed(&home.restoring()))
    // DURABLE: that what comes into this home now is a part of that backup, and may be gone on with.
}

struct Restoring<'a, 'b> {
    directory: &'a Path,
    home: &'a Home,
    manifest: &'a Manifest,
    work: &'a Work<'b>,
}

impl Restoring<'_, '_> {
    fn open(&self, place: &str) -> Result<File, BackupError> {
        if self.work.goes_on() { self.manifest.open(self.directory, place) } else { Err(BackupError::Stopped) }
    }

    fn damaged(&self, place: &str, why: &str) -> BackupError {
        BackupError::Damaged { path: self.directory.join(place), why: why.to_owned() }
    }

    fn authority(&self) -> Result<(), BackupError> {
        let to = self.home.authority();
        durable::make_directory(&to).map_err(failed(&to))?;
        for (place, kept) in self.manifest.below(AUTHORITY_BELOW) {
            let name = place.strip_prefix(AUTHORITY_BELOW).filter(|name| is_plain(name));
            let name = name.filter(|_| kept.bytes <= AUTHORITY_BYTES_MAX);
            let path = to.join(name.ok_or_else(|| self.damaged(place, "it is no file of an authority"))?);
            let mut bytes = zeroize::Zeroizing::new(Vec::new());
            self.open(place)?.read_to_end(&mut bytes).map_err(failed(&self.directory.join(place)))?;
            durable::write_private(&path, &bytes).map_err(failed(&path))?;
        }
        durable::sync_directory(&to).map_err(failed(&to))
    }

    fn log(&self, kept: &LogKept) -> Result<(), BackupError> {
        let mut copy = LogCopy::keep(&self.home.copy_of(kept.log), kept.log)?;
        let filled = self.fill(&mut copy, kept);
        copy.close();
        filled
    }

    fn fill(&self, copy: &mut LogCopy, kept: &LogKept) -> Result<(), BackupError> {
        for (place, _) in self.manifest.below(&keyring_below(kept.log)) {
            self.keys(copy, kept.log, place)?;
        }
        for (place, _) in self.manifest.below(&frames_below(kept.log)) {
            self.frames(copy, place)?;
            self.work.progress(copy.frontier().count(), kept.entries, "entries");
        }
        if (copy.frontier().count(), copy.frontier().root()) != (kept.entries, kept.root) {
            let why = format!("log {} does not come to the root that it names", kept.log);
            return Err(self.damaged("manifest", &why));
        }
        let below = vault_below(kept.log);
        let places: Vec<_> = self.manifest.below(&below).collect();
        for (done, (place, found)) in (1..).zip(&places) {
            self.original(copy, place, found.bytes)?;
            self.work.progress(done, places.len() as u64, "originals");
        }
        Ok(())
    }

    fn keys(&self, copy: &mut LogCopy, log: LogId, place: &str) -> Result<(), BackupError> {
        let epoch = epoch_of(place, log).ok_or_else(|| self.damaged(place, "its name says no epoch"))?;
        let mut file = BufReader::new(self.open(place)?);
        let mut first = 0;
        loop {
            let mut records = Vec::new();
            let piece = (PIECE_BYTES_MAX / RECORD_BYTES * RECORD_BYTES) as u64;
            (&mut file).take(piece).read_to_end(&mut records).map_err(failed(&self.directory.join(place)))?;
            if records.is_empty() {
                return Ok(());
            }
            copy.append_keys(epoch, first, &records)?;
            first = first.saturating_add(u32::try_from(records.len() / RECORD_BYTES).unwrap_or(u32::MAX));
        }
    }

    /// Takes the batches of one file that the copy does not have yet.
    fn frames(&self, copy: &mut LogCopy, place: &str) -> Result<(), BackupError> {
        let path = self.directory.join(place);
        let mut file = BufReader::with_capacity(4 * FRAME_BYTES_MAX, self.open(place)?);
        let (mut frontier, mut epoch, mut unsettled) = (copy.frontier(), copy.epoch(), 0);
        while let Some(frame) = verify::next_frame(&mut file).map_err(failed(&path))? {
            let batch = |source| BackupError::Batch { path: path.clone(), source };
            let frame = frame.map_err(batch)?;
            if frame.header().end().0 <= frontier.count() {
                continue;
            }
            frame.check(copy.log(), &mut frontier).map_err(batch)?;
            copy.append(&frame)?;
            epoch = frame.header().epoch;
            unsettled += frame.bytes().len();
            if unsettled >= BARRIER_BYTES {
                copy.barrier(&frontier, epoch)?;
                unsettled = 0;
            }
        }
        copy.barrier(&frontier, epoch)?;
        // DURABLE: the log up to the end of this file.
        Ok(())
    }

    fn original(&self, copy: &mut LogCopy, place: &str, total: u64) -> Result<(), BackupError> {
        let name = place.rsplit('/').next().and_then(|name| name.parse::<Digest>().ok());
        let sha256 = name.ok_or_else(|| self.damaged(place, "its name is no SHA-256"))?;
        if copy.object_bytes(sha256)?.is_some() {
            return Ok(());
        }
        let mut file = self.open(place)?;
        let mut offset = 0;
        loop {
            let mut bytes = Vec::new();
            let piece = (&mut file).take(PIECE_BYTES_MAX as u64).read_to_end(&mut bytes);
            piece.map_err(failed(&self.directory.join(place)))?;
            match copy.receive_piece(sha256, offset, total, &bytes) {
                Ok(true) => return Ok(()),
                Ok(false) if !bytes.is_empty() => offset += bytes.len() as u64,
                Ok(false) => return Err(self.damaged(place, "it is cut short")),
                Err(CopyError::Spoilt(_)) => return Err(self.damaged(place, "it does not pass its own checksum")),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether a name leads nowhere else.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':'])
}
