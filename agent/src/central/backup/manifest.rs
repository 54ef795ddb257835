//! What a backup holds: each file by its place, length and SHA-256; and the registry, which changes and is therefore part of
//! the manifest itself. The manifest alone is ever replaced, and replaced whole.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Seek as _},
    path::{Path, PathBuf},
};

use daybook_protocol::{
    date::Timestamp,
    ids::{Digest, LogId},
};
use serde::{Deserialize, Serialize};

use super::{BackupError, failed};
use crate::{central::registry::Registry, durable};

const FORMAT: u32 = 1;
/// A manifest has at most this many bytes: about a million and a half of files.
const BYTES_MAX: u64 = 256 << 20;

/// A file of the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Its length.
    pub(super) bytes: u64,
    /// Of its bytes as they lie there.
    pub(super) sha256: Digest,
}

/// How far a log is in the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogKept {
    /// The log.
    pub(super) log: LogId,
    /// How many entries.
    pub(super) entries: u64,
    /// Their root.
    pub(super) root: Digest,
}

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    /// The program that made it.
    pub(super) program: String,
    /// When the registry was copied, which is done last: of what came later the backup knows nothing.
    pub(super) made_at: Timestamp,
    /// The key that checks this central node's checkpoints; tells one central node from another.
    pub(super) verifier: String,
    /// The central node's configuration, where it lies in the data directory.
    pub(super) config: Option<String>,
    /// Who may connect.
    pub(super) registry: Registry,
    /// The logs.
    pub(super) logs: Vec<LogKept>,
    /// The files, by their places from the backup's directory on, with slashes.
    pub(super) files: BTreeMap<String, Kept>,
}

impl Manifest {
    /// One without files yet.
    pub(super) fn new(verifier: String) -> Self {
        Self {
            format: FORMAT,
            program: crate::office::PROGRAM.to_owned(),
            made_at: Timestamp::default(),
            verifier,
            config: None,
            registry: Registry::default(),
            logs: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    /// The manifest of the backup in `directory`, with its own SHA-256; `None` if there is none.
    pub(super) fn load(directory: &Path) -> Result<Option<(Self, Digest)>, BackupError> {
        let path = path(directory);
        let damaged = |why: String| BackupError::Damaged { path: path.clone(), why };
        let Some(bytes) = durable::read_bounded(&path, BYTES_MAX).map_err(failed(&path))? else { return Ok(None) };
        // The last line is the hash of what stands before it.
        let cut = bytes.len().saturating_sub(2 * size_of::<Digest>() + 1);
        let (body, hash) = bytes.split_at(cut);
        let sha256 = Digest::of(body);
        if hash != format!("{sha256}\n").as_bytes() {
            return Err(damaged("its last line is not the SHA-256 of what stands before it".to_owned()));
        }
        let manifest: Self = serde_json::from_slice(body).map_err(|error| damaged(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(damaged(format!("it is of format {} and this program knows {FORMAT}", manifest.format)));
        }
        Ok(Some((manifest, sha256)))
    }

    /// Makes this the manifest of the backup in `directory`, durably.
    pub(super) fn save(&self, directory: &Path) -> Result<(), BackupError> {
        let path = path(directory);
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| BackupError::Damaged { path: path.clone(), why: error.to_string() })?;
        bytes.push(b'\n');
        let sha256 = Digest::of(&bytes);
        bytes.extend_from_slice(format!("{sha256}\n").as_bytes());
        if bytes.len() as u64 > BYTES_MAX {
            let why = format!("it would have {} bytes, and {BYTES_MAX} is the most", bytes.len());
            return Err(BackupError::Damaged { path, why });
        }
        durable::write_whole(&path, &bytes).map_err(failed(&path))
    }

    /// What is kept of a log.
    pub(super) fn log(&self, log: LogId) -> Option<&LogKept> {
        self.logs.iter().find(|kept| kept.log == log)
    }

    /// The files whose place begins with `prefix`, in order.
    pub(super) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, Kept)> {
        let from = self.files.range(prefix.to_owned()..);
        from.take_while(move |(place, _)| place.starts_with(prefix)).map(|(place, kept)| (place.as_str(), *kept))
    }

    /// A file of the backup, opened at its beginning once every byte of it was seen to be what was put there.
    pub(super) fn open(&self, directory: &Path, place: &str) -> Result<File, BackupError> {
        let path = directory.join(place);
        let damaged = |why: &str| BackupError::Damaged { path: path.clone(), why: why.to_owned() };
        let kept = self.files.get(place).ok_or_else(|| damaged("the manifest does not name it"))?;
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("it is missing")),
            opened => opened.map_err(failed(&path))?,
        };
        if durable::hash(&mut file).map_err(failed(&path))? != (kept.bytes, kept.sha256) {
            return Err(damaged("its bytes are not those that the manifest names"));
        }
        file.rewind().map_err(failed(&path))?;
        Ok(file)
    }
}

/// Where the manifest of a backup lies.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("manifest")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a manifest comes back as it was, and one that was changed anywhere is not believed. Method: save, load, and flip
    /// a bit of every byte in turn.
    #[test]
    fn a_manifest_that_was_changed_is_not_believed() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(Manifest::load(directory.path()).expect("none is fine").is_none());
        let mut manifest = Manifest::new("a key".to_owned());
        let (log, root) = (LogId([1; 16]), Digest::of(b""));
        manifest.logs.push(LogKept { log, entries: 7, root });
        manifest.files.insert(format!("logs/{log}/log/0"), Kept { bytes: 3, sha256: root });
        manifest.save(directory.path()).expect("saved");
        let loaded = Manifest::load(directory.path()).expect("good").expect("there");
        assert_eq!(loaded.0, manifest);
        let good = std::fs::read(path(directory.path())).expect("read");
        for place in 0..good.len() {
            let mut changed = good.clone();
            changed[place] ^= 1;
            std::fs::write(path(directory.path()), &changed).expect("written");
            assert!(matches!(Manifest::load(directory.path()), Err(BackupError::Damaged { .. })), "byte {place}");
        }
    }
}
