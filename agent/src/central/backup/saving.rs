//! `central backup`: adds what is new since the earlier backup in the same directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _, Write as _},
    iter,
    path::{Path, PathBuf},
};

use daybook_protocol::{
    date::Timestamp,
    ids::{Digest, Epoch, LogId, Sequence},
    tree::Frontier,
};

use super::{
    AUTHORITY_BELOW, BackupError, LOGS_BELOW, Saved, failed, frames_below, frames_place, keyring_below,
    manifest::{Kept, LogKept, Manifest},
    reading::Reading,
    short,
    sweeping::sweep,
    vault_below,
    writing::{self, UNFINISHED, Writing},
};
use crate::{
    central::Registry,
    crash, durable,
    home::Home,
    keyring::{self, RECORD_BYTES},
    scrub::Work,
    store,
    vault::{Vault, VaultError},
    verify::{self, Report},
};

/// So many bytes of keys are read at a time.
const KEYS_BYTES: usize = 4096 * RECORD_BYTES;
/// What lies in the directory of a backup.
const OURS: [&str; 4] = ["authority", "logs", "manifest", "manifest.new"];
/// A configuration has at most this many bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Where a backup goes.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) directory: &'a Path,
    /// Whether what is there is hashed, and not only measured.
    pub(super) check: bool,
}

/// What is backed up.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) home: &'a Home,
    pub(super) verifier: &'a str,
    pub(super) logs: &'a [LogId],
    /// Before which place of a log no original was missing.
    pub(super) due: &'a dyn Fn(LogId, &Home) -> Sequence,
}

/// Backs up a central node: its logs, then whatever `registry` puts into the manifest.
pub(super) fn save(
    Source { home, verifier, logs, due }: Source<'_>,
    registry: impl FnOnce() -> (Registry, Timestamp),
    target: Target<'_>,
    work: &Work<'_>,
) -> Result<Saved, BackupError> {
    let mut saving = Saving::begin(target, verifier, work)?;
    saving.authority(home)?;
    for log in logs {
        let copy = home.copy_of(*log);
        // Asked before the log is read: what is due by then is there by now.
        saving.log_or_kept(&copy, *log, due(*log, &copy))?;
    }
    // A log whose copy is no longer here is still in the backup.
    let gone: Vec<_> = saving.before.logs.iter().map(|kept| kept.log).filter(|log| !logs.contains(log)).collect();
    for log in gone {
        saving.keep_log(log)?;
    }
    let config = durable::read_bounded(&home.config(), CONFIG_BYTES_MAX).map_err(failed(&home.config()))?;
    saving.now.config = config.and_then(|text| String::from_utf8(text).ok());
    (saving.now.registry, saving.now.made_at) = registry();
    saving.finish()
}

/// A backup being made.
pub(super) struct Saving<'a, 'b> {
    pub(super) directory: PathBuf,
    check: bool,
    pub(super) work: &'a Work<'b>,
    before: Manifest,
    now: Manifest,
    /// Directories in which names are not durable yet.
    touched: BTreeSet<PathBuf>,
    new_bytes: u64,
    damaged: Vec<String>,
    not_saved: Vec<String>,
}

impl<'a, 'b> Saving<'a, 'b> {
    fn begin(Target { directory, check }: Target<'_>, verifier: &str, work: &'a Work<'b>) -> Result<Self, BackupError> {
        durable::make_directory(directory).map_err(failed(directory))?;
        let path = || directory.to_owned();
        let before = match Manifest::load(directory)? {
            Some((before, _)) if before.verifier == verifier => before,
            Some(_) => return Err(BackupError::OtherNode { path: path() }),
            None => Manifest::new(verifier.to_owned()),
        };
        let mut foreign = false;
        for entry in fs::read_dir(directory).map_err(failed(directory))? {
            let entry = entry.map_err(failed(directory))?;
            match entry.file_name().to_string_lossy() {
                name if name.starts_with(UNFINISHED) => fs::remove_file(entry.path()).map_err(failed(&entry.path()))?,
                name => foreign |= !OURS.contains(&&*name),
            }
        }
        // The first backup may have been broken off. Once there is one, what somebody puts beside it is left alone.
        if foreign && before.files.is_empty() {
            return Err(BackupError::NoBackup { path: path() });
        }
        writing::shut(directory);
        Ok(Self {
            directory: path(),
            check,
            work,
            before,
            now: Manifest::new(verifier.to_owned()),
            touched: BTreeSet::new(),
            new_bytes: 0,
            damaged: Vec::new(),
            not_saved: Vec::new(),
        })
    }

    fn authority(&mut self, home: &Home) -> Result<(), BackupError> {
        let from = home.authority();
        for entry in fs::read_dir(&from).map_err(failed(&from))? {
            let path = entry.map_err(failed(&from))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            self.copy(format!("{AUTHORITY_BELOW}{name}"), &path)?;
        }
        Ok(())
    }

    /// Backs up a log. What stands against that in this log alone is named, and keeps no other log out of the backup.
    fn log_or_kept(&mut self, home: &Home, log: LogId, due: Sequence) -> Result<(), BackupError> {
        match self.log(home, log, due) {
            Err(error @ (BackupError::OtherHistory { .. } | BackupError::Keyring(_) | BackupError::Vault(_))) => {
                self.not_saved.push(format!("log {log}: {}", in_full(&error)));
                self.keep_log(log)
            }
            done => done,
        }
    }

    /// Adds what is new of a log; of a damaged one, keeps what was there. Batches that the earlier backup does not have any
    /// more as they were are written anew from the first on, beside those that are left.
    fn log(&mut self, home: &Home, log: LogId, due: Sequence) -> Result<(), BackupError> {
        let none = (0, Frontier::default().root());
        let before = self.before.log(log).map_or(none, |kept| (kept.entries, kept.root));
        let begin = if self.has_all(&frames_below(log))? { before } else { none };
        let mut reading = Reading {
            saving: self,
            log,
            before,
            passed: begin == before,
            end: begin,
            new: None,
            originals: BTreeMap::new(),
            failed: None,
        };
        let checked = verify::verify_watched(&store::places(home), None, &mut reading);
        let Reading { passed, end, new, originals, failed: broken, .. } = reading;
        if let Some(error) = broken {
            return Err(error);
        }
        if self.work.was_stopped() {
            return Err(BackupError::Stopped);
        }
        let report = match checked {
            Ok(report) if report.ok() || report.start_mends => report,
            Ok(Report { faults, .. }) => {
                let what = faults.first().map_or_else(String::new, ToString::to_string);
                return self.keep_damaged(log, &what);
            }
            Err(error) => return self.keep_damaged(log, &error.to_string()),
        };
        // What the backup has must be a part of what is here: either what is new follows it, or nothing is.
        if (report.entries, report.root) != end || !passed {
            return Err(BackupError::OtherHistory { log });
        }
        if let Some(new) = new {
            let plain = frames_place(log, begin.0, None);
            // A name that the earlier backup has given stays its own until this one is durable.
            let taken = self.before.files.contains_key(&plain);
            let place = if taken { frames_place(log, begin.0, Some(new.sha256())) } else { plain };
            self.finish_file(place, new)?;
        }
        self.now.logs.push(LogKept { log, entries: report.entries, root: report.root });
        self.keyring(home, log)?;
        self.originals(home, log, &originals, due)
    }

    fn keep_damaged(&mut self, log: LogId, what: &str) -> Result<(), BackupError> {
        self.damaged.push(format!("the copy of log {log}: {what}"));
        self.keep_log(log)
    }

    /// Keeps what the earlier backup has of a log, and nothing else of it. What is not good there stays named, and is left as it
    /// is: it may be all that there is of that log.
    fn keep_log(&mut self, log: LogId) -> Result<(), BackupError> {
        let below = format!("{LOGS_BELOW}{log}/");
        self.now.logs.retain(|kept| kept.log != log);
        self.now.logs.extend(self.before.log(log).copied());
        self.now.files.retain(|place, _| !place.starts_with(&below));
        let mut bad = Vec::new();
        for (place, kept) in self.files_before(&below) {
            if !self.has(&place)? {
                self.now.files.insert(place.clone(), kept);
                bad.push(place);
            }
        }
        if let Some(first) = bad.first() {
            let (path, count) = (self.directory.join(first), bad.len());
            self.not_saved.push(format!(
                "log {log}: {} in the backup is missing, or is not what was put there, and cannot be copied anew ({count} such \
                 files): make a backup in another directory",
                path.display()
            ));
        }
        Ok(())
    }

    /// The keys are copied anew where there are more, or where one was destroyed: that must not come back by a backup.
    fn keyring(&mut self, home: &Home, log: LogId) -> Result<(), BackupError> {
        for held in keyring::held_in(&home.keyring())? {
            let mut file = self.begin_file()?;
            let mut first = 0;
            while first < held.count {
                let records = keyring::read_records(&home.keyring(), held.epoch, first, KEYS_BYTES)?;
                let count = u32::try_from(records.len() / RECORD_BYTES).unwrap_or(u32::MAX);
                if count == 0 {
                    break;
                }
                // More may have come since they were counted, and may not be durable.
                let wanted = count.min(held.count - first) as usize * RECORD_BYTES;
                file.write_all(records.get(..wanted).unwrap_or_default()).map_err(failed(&self.directory))?;
                first = first.saturating_add(count);
            }
            let place = format!("{}{:08}-{}.keys", keyring_below(log), held.epoch, short(file.sha256()));
            if !self.has(&place)? {
                self.finish_file(place, file)?;
            }
        }
        Ok(())
    }

    fn originals(
        &mut self,
        home: &Home,
        log: LogId,
        named: &BTreeMap<Digest, Sequence>,
        due: Sequence,
    ) -> Result<(), BackupError> {
        let vault = Vault::to_check(&home.vault());
        for (sha256, arrival) in named {
            let lies_at = Vault::place_of(*sha256);
            let place = format!("{}{}", vault_below(log), lies_at.display()).replace('\\', "/");
            if self.has(&place)? {
                continue;
            }
            match vault.check_sealed_while(&|| self.work.goes_on(), *sha256) {
                Ok(()) => self.copy(place, &home.vault().join(lies_at))?,
                // It is on its way, and is sent again to a node that was put back.
                Err(VaultError::Missing { .. }) if *arrival >= due => {}
                Err(VaultError::BrokenOff) => return Err(BackupError::Stopped),
                Err(VaultError::Missing { .. }) => {
                    self.damaged
                        .push(format!("log {log}, arrival {arrival}: its original {sha256} was here and is missing"));
                }
                Err(error @ VaultError::Damaged { .. }) => {
                    self.damaged.push(format!("log {log}, arrival {arrival}: {error}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Copies a file that never changes, unless it is there.
    fn copy(&mut self, place: String, from: &Path) -> Result<(), BackupError> {
        if self.has(&place)? {
            return Ok(());
        }
        let mut source = File::open(from).map_err(failed(from))?;
        let mut file = self.begin_file()?;
        let mut piece = vec![0; durable::PIECE_BYTES];
        loop {
            if !self.work.goes_on() {
                return Err(BackupError::Stopped);
            }
            let read = source.read(&mut piece).map_err(failed(from))?;
            if read == 0 {
                break;
            }
            file.write_all(piece.get(..read).unwrap_or_default()).map_err(failed(&self.directory))?;
        }
        self.finish_file(place, file)
    }

    /// Whether the earlier backup has this file, with its length, or its hash where that is asked for; then it is in this one too.
    fn has(&mut self, place: &str) -> Result<bool, BackupError> {
        let Some(kept) = self.before.files.get(place) else { return Ok(false) };
        let path = self.directory.join(place);
        match fs::metadata(&path) {
            Ok(found) if found.len() == kept.bytes => {
                if self.check && !self.is_whole(place)? {
                    return Ok(false);
                }
                self.now.files.insert(place.to_owned(), *kept);
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    fn is_whole(&self, place: &str) -> Result<bool, BackupError> {
        if !self.work.goes_on() {
            return Err(BackupError::Stopped);
        }
        match self.before.open(&self.directory, place) {
            Ok(_) => Ok(true),
            Err(BackupError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the earlier backup has every file below a place still; only then are they in this one too.
    fn has_all(&mut self, below: &str) -> Result<bool, BackupError> {
        for (place, _) in self.files_before(below) {
            if !self.has(&place)? {
                self.now.files.retain(|place, _| !place.starts_with(below));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn files_before(&self, below: &str) -> Vec<(String, Kept)> {
        self.before.below(below).map(|(place, kept)| (place.to_owned(), kept)).collect()
    }

    pub(super) fn begin_file(&self) -> Result<Writing, BackupError> {
        Writing::begin(&self.directory).map_err(failed(&self.directory))
    }

    /// Puts a file that was written in its place.
    fn finish_file(&mut self, place: String, written: Writing) -> Result<(), BackupError> {
        let path = self.directory.join(&place);
        let directory = path.parent().unwrap_or(&self.directory).to_owned();
        durable::make_directory(&directory).map_err(failed(&directory))?;
        let kept = written.put(&path).map_err(failed(&path))?;
        self.touched.insert(directory);
        self.new_bytes += kept.bytes;
        self.now.files.insert(place, kept);
        Ok(())
    }

    /// Makes all of it durable, replaces the manifest, and only then removes what is no longer named.
    fn finish(self) -> Result<Saved, BackupError> {
        for directory in &self.touched {
            durable::sync_directory(directory).map_err(failed(directory))?;
        }
        crash::point("central.backup.manifest.before");
        self.now.save(&self.directory)?;
        // DURABLE: the backup. The one before may lose what is not in this one.
        crash::point("central.backup.manifest.after");
        sweep(&self.directory, &self.now.files).map_err(failed(&self.directory))?;
        Ok(Saved {
            made_at: self.now.made_at,
            logs: self.now.logs.len(),
            entries: self.now.logs.iter().map(|kept| kept.entries).sum(),
            files: self.now.files.len(),
            new_bytes: self.new_bytes,
            damaged: self.damaged,
            not_saved: self.not_saved,
        })
    }
}

/// An error with all that it stands for, in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let causes = iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// Where a keyring's file of a backup says that it is from.
pub(super) fn epoch_of(place: &str, log: LogId) -> Option<Epoch> {
    let name = place.strip_prefix(&keyring_below(log))?;
    name.split_once('-')?.0.parse().ok().map(Epoch)
}
