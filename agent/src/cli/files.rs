//! Files handed over with a command, read by whoever typed it, so that the agent needs no permission to read them.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use daybook_protocol::date::Timestamp;
use serde::{Deserialize, Serialize};

/// So many files are handed over with one command.
pub const FILES_MAX: usize = 1024;

/// A file that is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// Its name as it was typed.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was last changed, in microseconds from 1970-01-01T00:00:00Z.
    pub modified_micros: i64,
}

impl Offered {
    /// When it was last changed.
    pub fn modified_at(&self) -> Timestamp {
        Timestamp(self.modified_micros)
    }

    /// The last part of its name.
    pub fn file_name(&self) -> &str {
        Path::new(&self.name).file_name().and_then(|name| name.to_str()).unwrap_or(&self.name)
    }
}

/// The files that come with a command, in the order in which they were typed.
pub trait Files {
    /// All of them, read or not.
    fn offered(&self) -> &[Offered];

    /// The next one and its bytes; `None` after the last. What was not read of the one before is passed over. Reading
    /// gives exactly [`Offered::bytes`] or fails: a file that changes while it is read is not taken.
    fn next(&mut self) -> io::Result<Option<(Offered, Box<dyn Read + '_>)>>;
}

/// A file that cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a folder.
    #[error("{path} is a folder, not a file: name the files in it, such as {path}/*.csv")]
    Folder {
        /// Which one.
        path: PathBuf,
    },
    /// It is a device, a pipe or a socket, which has no end that could be known.
    #[error("{path} is not a file: save what comes from it as one, and name that")]
    NotAFile {
        /// What it is.
        path: PathBuf,
    },
    /// Its name is not text.
    #[error("the name {path:?} is not text: rename the file first")]
    Name {
        /// Which file.
        path: PathBuf,
    },
    /// There are too many.
    #[error("{0} files are more than the {FILES_MAX} that are taken at once: run the command several times")]
    TooMany(usize),
}

/// Files of this machine, read as they are needed.
#[derive(Debug)]
pub struct LocalFiles {
    paths: Vec<PathBuf>,
    offered: Vec<Offered>,
    next: usize,
}

impl LocalFiles {
    /// Looks at every file, so that a mistyped name is known before the first is taken.
    pub fn look(paths: &[PathBuf]) -> Result<Self, FileError> {
        if paths.len() > FILES_MAX {
            return Err(FileError::TooMany(paths.len()));
        }
        let offered = paths.iter().map(|path| offer(path)).collect::<Result<_, _>>()?;
        Ok(Self { paths: paths.to_vec(), offered, next: 0 })
    }
}

fn offer(path: &Path) -> Result<Offered, FileError> {
    let unread = |source| FileError::Read { path: path.to_owned(), source };
    // The kind is looked at before opening: to open a pipe would wait for its other end.
    let kind = path.metadata().map_err(unread)?.file_type();
    if kind.is_dir() {
        return Err(FileError::Folder { path: path.to_owned() });
    }
    if !kind.is_file() {
        return Err(FileError::NotAFile { path: path.to_owned() });
    }
    let metadata = File::open(path).and_then(|file| file.metadata()).map_err(unread)?;
    let name = path.to_str().ok_or_else(|| FileError::Name { path: path.to_owned() })?.to_owned();
    let modified = metadata.modified().map_err(unread)?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified_micros = i64::try_from(modified.as_micros()).unwrap_or(i64::MAX);
    Ok(Offered { name, bytes: metadata.len(), modified_micros })
}

impl Files for LocalFiles {
    fn offered(&self) -> &[Offered] {
        &self.offered
    }

    fn next(&mut self) -> io::Result<Option<(Offered, Box<dyn Read + '_>)>> {
        let place = self.next;
        self.next += 1;
        let (Some(path), Some(offered)) = (self.paths.get(place), self.offered.get(place)) else { return Ok(None) };
        let exact = Exact { source: File::open(path)?, left: offered.bytes };
        Ok(Some((offered.clone(), Box::new(exact))))
    }
}

/// Reads just as many bytes as were promised, and fails where there are fewer or more.
struct Exact {
    source: File,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(piece) = buffer.get_mut(..want).filter(|piece| !piece.is_empty()) else {
            return self.at_end(buffer.is_empty());
        };
        let read = self.source.read(piece)?;
        if read == 0 {
            return Err(changed());
        }
        self.left -= read as u64;
        // Looked at before the last piece is given away, so that whoever receives it never has a whole file that is not one.
        if self.left == 0 { self.at_end(false).map(|_| read) } else { Ok(read) }
    }
}

impl Exact {
    fn at_end(&mut self, nothing_asked: bool) -> io::Result<usize> {
        if nothing_asked || self.source.read(&mut [0])? == 0 { Ok(0) } else { Err(changed()) }
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file changed while it was read: run the command again")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Goal: files come whole and in order, unread rests are passed over. Method: three files, the middle one not read.
    #[test]
    fn files_come_in_order() {
        let directory = tempfile::tempdir().expect("a directory");
        let paths: Vec<_> = ["a", "b", "c"].map(|name| directory.path().join(name)).to_vec();
        for (path, text) in paths.iter().zip(["one", "", "three"]) {
            fs::write(path, text).expect("written");
        }
        let mut files = LocalFiles::look(&paths).expect("they can be read");
        let mut seen = Vec::new();
        while let Some((offered, mut read)) = files.next().expect("opened") {
            let mut text = String::new();
            if offered.file_name() != "a" {
                read.read_to_string(&mut text).expect("read");
            }
            seen.push((offered.file_name().to_owned(), text));
        }
        let expected = [("a", ""), ("b", ""), ("c", "three")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(seen, expected);
    }

    /// Goal: a file that grows or shrinks under us is never taken as whole. Method: change it between look and read.
    #[test]
    fn a_changing_file_is_not_taken() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        for later in ["12345", "1", ""] {
            fs::write(&path, "123").expect("written");
            let mut files = LocalFiles::look(std::slice::from_ref(&path)).expect("it can be read");
            fs::write(&path, later).expect("changed");
            let (_, mut read) = files.next().expect("opened").expect("one file");
            let mut bytes = Vec::new();
            assert!(read.read_to_end(&mut bytes).is_err(), "{later}");
            assert!(bytes.len() < 3, "{later}");
        }
    }

    /// Goal: what is not a readable file is refused by name before anything is taken, with what can be done. Method: a folder, a
    /// device and nothing.
    #[test]
    fn what_is_not_a_file_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = LocalFiles::look(&[directory.path().to_owned()]);
        assert!(
            matches!(&folder, Err(error @ FileError::Folder { .. }) if error.to_string().contains("/*.csv")),
            "{folder:?}"
        );
        #[cfg(unix)]
        {
            let device = LocalFiles::look(&["/dev/null".into()]);
            let told = |error: &FileError| !error.to_string().contains("*.csv");
            assert!(matches!(&device, Err(error @ FileError::NotAFile { .. }) if told(error)), "{device:?}");
        }
        let missing = LocalFiles::look(&[directory.path().join("missing")]);
        assert!(matches!(missing, Err(FileError::Read { .. })), "{missing:?}");
    }
}
