//! Removes what a backup does not name: what an earlier one named, and what one that was broken off has left.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use super::{AUTHORITY_BELOW, LOGS_BELOW, manifest::Kept};

/// Removes every file below `authority/` and `logs/` in `directory` that is not among `named`. What somebody puts beside these
/// is left alone.
pub(super) fn sweep(directory: &Path, named: &BTreeMap<String, Kept>) -> io::Result<()> {
    [AUTHORITY_BELOW, LOGS_BELOW].into_iter().try_for_each(|below| walk(&directory.join(below), below, named))
}

fn walk(directory: &Path, below: &str, named: &BTreeMap<String, Kept>) -> io::Result<()> {
    let listing = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        listing => listing?,
    };
    for entry in listing {
        let entry = entry?;
        // A name that is no text is never named.
        let place = format!("{below}{}", entry.file_name().to_string_lossy());
        // A link is not followed: what it leads to is no part of the backup.
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{place}/"), named)?;
        } else if !named.contains_key(&place) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use daybook_protocol::ids::Digest;

    use super::*;

    /// Goal: what no manifest names is gone after a backup, whoever left it, and nothing else is. Method: named and unnamed
    /// files, and one beside.
    #[test]
    fn what_nobody_names_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |place: &str| {
            let path = directory.path().join(place);
            fs::create_dir_all(path.parent().expect("one")).expect("made");
            fs::write(path, place).expect("written");
        };
        let named = ["authority/key", "logs/a/log/0.frames"];
        let kept = Kept { bytes: 1, sha256: Digest::of(b"") };
        let files: BTreeMap<_, _> = named.iter().map(|place| ((*place).to_owned(), kept)).collect();
        let unnamed = ["authority/key.new", "logs/a/log/7.frames", "logs/b/vault/00/x", "logs/.unfinished-x"];
        named.iter().chain(&unnamed).chain(&["beside/it", "manifest"]).for_each(|place| put(place));
        sweep(directory.path(), &files).expect("swept");
        let there = |place: &&str| directory.path().join(place).exists();
        assert!(named.iter().chain(&["beside/it", "manifest"]).all(there));
        assert!(!unnamed.iter().any(there));
        sweep(&directory.path().join("none"), &files).expect("nothing to sweep");
    }
}
