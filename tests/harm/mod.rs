//! Damage to stored files: which kinds of files there are, and what can become of one.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod forged;
pub(crate) mod office;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;

/// Every kind of file that lies in the home of an agent and of its central node, by the name in the table.
pub(crate) const KINDS: [&str; 31] = [
    "log/db",
    "log/conf",
    "log/snap",
    "head",
    "closed",
    "keyring",
    "operator.key",
    "identity.toml",
    "tls",
    "vault",
    "books/index",
    "books/books.sqlite",
    "checkpoint",
    "scrubbed.json",
    "verified.json",
    "daybook.toml",
    "central: registry.json",
    "central: authority",
    "copy: books/books.sqlite",
    "copy: log/db",
    "copy: log/conf",
    "copy: log/snap",
    "copy: head",
    "copy: closed",
    "copy: keyring",
    "copy: vault",
    "copy: checkpoint",
    "copy: verifier",
    "copy: originals",
    "copy: scrubbed.json",
    "copy: verified.json",
];

/// The kind of a file, by its path from the data directory on; `None` for what is locked, or kept free, and never read.
pub(crate) fn kind(path: &Path) -> Option<String> {
    let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let side = match parts.first().map(AsRef::as_ref) {
        Some("central") if parts.get(1).is_some_and(|part| part == "logs") => {
            parts.drain(..3);
            "copy: "
        }
        Some("central") => {
            parts.remove(0);
            "central: "
        }
        _ => "",
    };
    let name = match parts.first()?.as_ref() {
        "lock" | "running" | "reserve" | "control.sock" => return None,
        "log" => format!("log/{}", parts.get(1)?.split('.').next()?),
        "books" => format!("books/{}", parts.get(1)?),
        other => other.to_owned(),
    };
    Some(format!("{side}{name}"))
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// One of its bits changes.
    Flipped,
    /// It ends somewhere before its end.
    Cut,
    /// A block of it has zeros.
    Zeroed,
    /// It changes places with another one.
    Swapped,
}

/// How large a block of a disk is, in bytes.
const BLOCK_BYTES: usize = 4096;

/// A file that was damaged, and how.
#[derive(Debug)]
pub(crate) struct Harm {
    pub(crate) path: PathBuf,
    pub(crate) way: Way,
    /// Where in the file, or with which other one.
    place: String,
    /// What was there before: the file's own bytes, and those of the one with which it changed places.
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.path.display(), self.way, self.place)
    }
}

impl Harm {
    /// Damages one file of `files`, in some way, where it holds something: so that its bytes are others than before.
    pub(crate) fn to_one_of(files: &[PathBuf], others: &[PathBuf], random: &mut ChaCha12Rng) -> Self {
        loop {
            let path = files[random.random_range(0..files.len())].clone();
            let bytes = fs::read(&path).expect("a file");
            // Behind that a file has filler only.
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let mut harmed = bytes.clone();
            let mut before = vec![(path.clone(), bytes.clone())];
            let (way, place) = match random.random_range(0..8) {
                _ if used == 0 => continue,
                0..4 => {
                    let (at, bit) = (random.random_range(0..used), random.random_range(0..8));
                    harmed[at] ^= 1 << bit;
                    (Way::Flipped, format!("bit {bit} of byte {at}"))
                }
                4..6 => {
                    harmed.truncate(random.random_range(0..used));
                    (Way::Cut, format!("from {} to {} bytes", bytes.len(), harmed.len()))
                }
                6 => {
                    let block = random.random_range(0..used.div_ceil(BLOCK_BYTES)) * BLOCK_BYTES;
                    let end = harmed.len().min(block + BLOCK_BYTES);
                    harmed[block..end].fill(0);
                    (Way::Zeroed, format!("block at {block}"))
                }
                _ => {
                    let other = &others[random.random_range(0..others.len())];
                    harmed = fs::read(other).expect("a file");
                    fs::write(other, &bytes).expect("written");
                    before.push((other.clone(), harmed.clone()));
                    (Way::Swapped, format!("with {}", other.display()))
                }
            };
            if harmed != bytes {
                fs::write(&path, harmed).expect("written");
                return Self { path, way, place, before };
            }
        }
    }

    /// Whether a message says where to look: names the file, the directory that it is in, or places in the log.
    pub(crate) fn is_named(&self, told: &str) -> bool {
        let damaged = self.before.iter().flat_map(|(path, _)| path.iter().rev().take(2));
        // An authority's certificate that was changed and is one still shows by the name under which is signed.
        let words = [
            "entries",
            "the store in ",
            "copy of this log",
            "the head",
            "operator's key",
            "this machine's certificate",
            "is not signed by",
        ];
        damaged.map(|name| name.to_string_lossy()).any(|name| told.contains(&*name))
            || words.iter().any(|word| told.contains(word))
    }

    /// Whether one of the damaged files lies in a directory, or is the one of that name.
    pub(crate) fn is_below(&self, place: &Path) -> bool {
        self.before.iter().any(|(path, _)| path.starts_with(place))
    }

    /// Puts back what was there, as from a backup.
    pub(crate) fn undo(&self) {
        for (path, bytes) in &self.before {
            fs::write(path, bytes).expect("written");
        }
    }
}
