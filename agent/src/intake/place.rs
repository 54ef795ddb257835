//! Puts an original away: out of `in/` (or `held/`) into `done/` or `held/`, once everything that came of it is durable.
//!
//! May be repeated after a crash at any point and comes to the same end. Never overwrites, and never moves what is no
//! longer the version that was taken: that is a new arrival.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader},
};

use daybook_protocol::{date::Timestamp, event::Place, ids::Sequence};

use super::{
    IntakeError, Version,
    dir::{self, Dir, Looked, What},
    name,
};
use crate::{config::Folder, crash, zone};

/// So many names are tried for one original. More than one is taken only where a folder has served another log before.
const NAMES_MAX: u32 = 100;

/// Which original is to be put away.
#[derive(Debug, Clone, Copy)]
pub struct Filing<'a> {
    /// Its name in `in/`.
    pub name: &'a str,
    /// Which version of it was taken.
    pub version: Version,
    /// The receipt's number, which goes before the name.
    pub receipt: Sequence,
    /// When its arrival was recorded, which says in which month's directory it belongs, however late it is moved.
    pub received_at: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// It is in its place, durably; now or since before.
    Done,
    /// Another version stands under its name: left there, to be noticed as a new arrival.
    Changed,
    /// Somebody took it away. The vault has it.
    Missing,
}

/// Moves an original to `done/YYYY-MM/` or `held/`, as `<receipt>_<name>`. For [`Place::Nowhere`] there is nothing to do.
pub fn file_away(folder: &Folder, filing: &Filing<'_>, to: Place) -> Result<Filed, IntakeError> {
    if to == Place::Nowhere {
        return Ok(Filed::Done);
    }
    Places::open(folder, filing, to)
        .and_then(|places| places.file_away(filing))
        .map_err(|source| IntakeError::Move { folder: folder.name.clone(), source })
}

/// The directories that a move may concern.
struct Places {
    drop: Dir,
    held: Dir,
    /// `None` if `held` is.
    month: Option<Dir>,
}

/// Where the original is now.
enum Original {
    Here { held: bool, name: String },
    Changed,
    Missing,
}

impl Places {
    fn open(folder: &Folder, filing: &Filing<'_>, to: Place) -> io::Result<Self> {
        let root = Dir::open(&folder.path)?;
        let month = filing.received_at.instant().to_zoned(zone::london().clone()).strftime("%Y-%m").to_string();
        Ok(Self {
            drop: root.open_below("in")?,
            held: root.make_below("held")?,
            month: if to == Place::Done { Some(root.make_below("done")?.make_below(&month)?) } else { None },
        })
    }

    fn target(&self) -> &Dir {
        self.month.as_ref().unwrap_or(&self.held)
    }

    fn file_away(&self, filing: &Filing<'_>) -> io::Result<Filed> {
        let original = self.original(filing)?;
        let target = self.target();
        for attempt in 0..NAMES_MAX {
            let as_name = filed_name(filing, attempt);
            if let Some(there) = target.look(OsStr::new(&as_name))? {
                if self.is_there(filing, &original, &as_name, &there)? {
                    return self.settle(filing, &as_name);
                }
                continue;
            }
            let (from, name) = match &original {
                Original::Here { held, name } => (if *held { &self.held } else { &self.drop }, name),
                Original::Changed => return Ok(Filed::Changed),
                Original::Missing => return Ok(Filed::Missing),
            };
            crash::point("intake.file.before");
            let moved = match from.rename_new(name, target, &as_name) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    copy_over(from, name, target, &as_name, filing)
                }
                other => other,
            };
            match moved {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                // Gone or rewritten in the moment between the look and the move.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Filed::Changed),
                other => other?,
            }
            let there = target.look(OsStr::new(&as_name))?;
            if !there.is_some_and(|there| is_version(&there, filing) || is_copy(&there, filing)) {
                return put_back(from, name, target, &as_name);
            }
            return self.settle(filing, &as_name);
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "every name for it is taken"))
    }

    /// Looks for the original: what was held is looked for there first, since `in/` may have a later file of that name.
    fn original(&self, filing: &Filing<'_>) -> io::Result<Original> {
        for attempt in 0..NAMES_MAX {
            let name = filed_name(filing, attempt);
            let Some(there) = self.held.look(OsStr::new(&name))? else { break };
            if self.month.is_some() && is_version(&there, filing) {
                return Ok(Original::Here { held: true, name });
            }
        }
        Ok(match self.drop.look(OsStr::new(filing.name))? {
            Some(there) if is_version(&there, filing) => Original::Here { held: false, name: filing.name.to_owned() },
            Some(_) => Original::Changed,
            None => Original::Missing,
        })
    }

    /// Whether what stands at the destination is the original: moved there, or copied there from another file system. In
    /// the latter case what is left to do is to remove the source, but only if the bytes are the same.
    fn is_there(&self, filing: &Filing<'_>, original: &Original, as_name: &str, there: &Looked) -> io::Result<bool> {
        let same_device = self.drop.file_id()?.device == self.target().file_id()?.device;
        if is_version(there, filing) {
            if let (true, Original::Here { held, name }) = (same_device, original) {
                // The power failed in the midst of the move: the file has both names. The old one goes, else it would be
                // taken for a file that somebody linked there.
                let from = if *held { &self.held } else { &self.drop };
                self.target().sync()?;
                from.remove(name)?;
            }
            return Ok(true);
        }
        if same_device || !is_copy(there, filing) {
            return Ok(false);
        }
        let Original::Here { held, name } = original else { return Ok(true) };
        let from = if *held { &self.held } else { &self.drop };
        let (Some((source, _)), Some((copy, _))) = (from.read(name)?, self.target().read(as_name)?) else {
            return Ok(false);
        };
        let same = same_bytes(source, copy)?;
        if same {
            self.target().sync()?;
            from.remove(name)?;
        }
        Ok(same)
    }

    /// Makes the move durable, and removes the marker that belonged to the original.
    fn settle(&self, filing: &Filing<'_>, as_name: &str) -> io::Result<Filed> {
        if let Some(there) = self.target().look(OsStr::new(as_name))? {
            for marker in name::MARKERS {
                let marker = format!("{}{marker}", filing.name);
                // A name that leaves no room for a marker's ending has none, and to ask for one would be an error.
                if marker.len() > name::NAME_BYTES_MAX {
                    continue;
                }
                let looked = self.drop.look(OsStr::new(&marker))?;
                // A later one belongs to a later file; one with something in it is not ours to delete. Either may stay:
                // a marker older than its file counts for nothing.
                let spent = |looked: Looked| {
                    looked.what == What::File
                        && looked.identity.bytes == 0
                        && looked.identity.changed_at <= there.identity.changed_at
                };
                if looked.is_some_and(spent) {
                    self.drop.remove(&marker)?;
                }
            }
        }
        // The new name first: if the power fails between, the original has two names rather than none.
        self.target().sync()?;
        self.drop.sync()?;
        self.held.sync()?;
        // DURABLE: the original has left `in/`. The log may say so, and this arrival need not be thought of again.
        crash::point("intake.file.after");
        Ok(Filed::Done)
    }
}

/// The name in `done/` and `held/`. Unique by the receipt's number; the later attempts are for a folder in which another
/// log has left its originals.
fn filed_name(filing: &Filing<'_>, attempt: u32) -> String {
    let number = match attempt {
        0 => filing.receipt.to_string(),
        _ => format!("{}_{}", filing.receipt, attempt + 1),
    };
    let (stem, ending) = name::split(filing.name);
    name::numbered(&number, stem, ending)
}

fn is_version(there: &Looked, filing: &Filing<'_>) -> bool {
    there.what == What::File && there.identity.version().is(&filing.version)
}

/// Whether it may be a copy of the original on another file system, by length and time.
fn is_copy(there: &Looked, filing: &Filing<'_>) -> bool {
    let copied = Version { file_id: filing.version.file_id, ..there.identity.version() };
    there.what == What::File && copied.is(&filing.version)
}

/// What was moved turned out to be a version that nobody has read: back to `in/` with it, under another name if its own
/// is taken again.
fn put_back(from: &Dir, name: &str, target: &Dir, as_name: &str) -> io::Result<Filed> {
    match target.rename_new(as_name, from, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => target.rename_new(as_name, from, as_name)?,
        other => other?,
    }
    from.sync()?;
    target.sync()?;
    Ok(Filed::Changed)
}

/// The move to another file system: copied, synced, renamed into place, and only then removed here.
fn copy_over(from: &Dir, name: &str, target: &Dir, as_name: &str, filing: &Filing<'_>) -> io::Result<()> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let (mut source, looked) = from.read(name)?.ok_or_else(gone)?;
    if !is_version(&looked, filing) {
        return Err(gone());
    }
    let part = format!(".{}.part", filing.receipt);
    let mut copy = target.create(&part)?;
    io::copy(&mut source, &mut copy)?;
    dir::set_modified(&copy, filing.version.modified_at)?;
    copy.sync_all()?;
    if !from.look(OsStr::new(name))?.is_some_and(|looked| is_version(&looked, filing)) {
        target.remove(&part)?;
        return Err(gone());
    }
    target.rename_new(&part, target, as_name)?;
    target.sync()?;
    from.remove(name)
}

fn same_bytes(one: File, other: File) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::with_capacity(1 << 16, one), BufReader::with_capacity(1 << 16, other));
    loop {
        let (its, others) = (one.fill_buf()?, other.fill_buf()?);
        let both = its.len().min(others.len());
        if both == 0 {
            return Ok(its.is_empty() && others.is_empty());
        }
        if its.get(..both) != others.get(..both) {
            return Ok(false);
        }
        one.consume(both);
        other.consume(both);
    }
}

#[cfg(test)]
mod tests;
