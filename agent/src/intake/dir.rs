//! An open directory, and what may be done with the names in it: never through a link, never outside.
//!
//! The only file of intake and post that names rustix, so that another operating system needs another one of these.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use daybook_protocol::{date::Timestamp, event::FileId};
use rustix::{
    fs::{self, Access, AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps},
    io::Errno,
};

use super::Identity;
use crate::durable;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// An ordinary file.
    File,
    /// A symbolic link.
    Link,
    /// A directory.
    Folder,
    /// A device, a pipe or a socket.
    Other,
}

/// What a look at a name shows, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looked {
    /// What it is.
    pub(crate) what: What,
    /// Which one, and in which state.
    pub(crate) identity: Identity,
    /// Whether it has other names as well.
    pub(crate) linked: bool,
}

impl Looked {
    fn new(stat: &Stat) -> Self {
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => What::File,
            FileType::Symlink => What::Link,
            FileType::Directory => What::Folder,
            _ => What::Other,
        };
        let at = |seconds: i64, nanoseconds| {
            let micros = i64::try_from(nanoseconds).unwrap_or_default() / 1000;
            Timestamp(seconds.saturating_mul(1_000_000).saturating_add(micros))
        };
        let identity = Identity {
            file_id: FileId { device: stat.st_dev, number: stat.st_ino },
            bytes: u64::try_from(stat.st_size).unwrap_or_default(),
            modified_at: at(stat.st_mtime, stat.st_mtime_nsec),
            changed_at: at(stat.st_ctime, stat.st_ctime_nsec),
        };
        Self { what, identity, linked: stat.st_nlink > 1 }
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// A pipe that took a file's place must not make the opening wait for ever.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const CREATE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Dir {
    /// Opens a directory that the configuration names; links on the way are the operator's own.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::open(path, DIRECTORY, Mode::empty())?))
    }

    /// Opens the directory `name` in this one; a link in its place is an error.
    pub(crate) fn open_below(&self, name: &str) -> io::Result<Self> {
        Ok(Self(fs::openat(&self.0, single(name)?, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// The same, after making it where it is missing.
    pub(crate) fn make_below(&self, name: &str) -> io::Result<Self> {
        match fs::mkdirat(&self.0, single(name)?, Mode::from_raw_mode(0o777)) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.open_below(name)
    }

    /// Opens the directory at `path`, made where it is missing, its last part no link.
    pub(crate) fn open_or_make(path: &Path) -> io::Result<Self> {
        let name = path.file_name().and_then(OsStr::to_str).ok_or(Errno::INVAL)?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !parent.is_dir() {
            durable::make_open_directory(parent)?;
        }
        Self::open(parent)?.make_below(name)
    }

    /// The names in it, in no order, without `.` and `..`.
    pub(crate) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
        let entries = fs::Dir::read_from(&self.0)?;
        Ok(entries.filter_map(|entry| match entry {
            Ok(entry) => match entry.file_name().to_bytes() {
                b"." | b".." => None,
                name => Some(Ok(OsStr::from_bytes(name).to_owned())),
            },
            Err(error) => Some(Err(error.into())),
        }))
    }

    /// Looks at a name without following it; `None` if there is nothing of that name.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Option<Looked>> {
        match fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Looked::new(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file for reading, and looks at what was opened; an error where a link is, `None` where nothing is.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<(File, Looked)>> {
        let file = match fs::openat(&self.0, single(name)?, READ, Mode::empty()) {
            Ok(file) => file,
            // A link, a socket, or a device without a driver stands where the file was.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let looked = Looked::new(&fs::fstat(&file)?);
        Ok(Some((File::from(file), looked)))
    }

    /// Makes a new file for writing; what a crash left under that name is removed first. Never writes through a link,
    /// soft or hard, that somebody put there.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        self.remove(name)?;
        Ok(File::from(fs::openat(&self.0, single(name)?, CREATE, Mode::from_raw_mode(0o666))?))
    }

    /// Renames within this directory, over whatever is there.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.0, single(from)?, &self.0, single(to)?)?)
    }

    /// Renames into another directory, never over anything: an error of kind `AlreadyExists` instead, or of kind
    /// `CrossesDevices` where that is another file system.
    pub(crate) fn rename_new(&self, from: &str, to: &Self, as_name: &str) -> io::Result<()> {
        let (from, as_name) = (single(from)?, single(as_name)?);
        match fs::renameat_with(&self.0, from, &to.0, as_name, RenameFlags::NOREPLACE) {
            // The file system cannot refuse by itself (NFS). The agent is the only one that makes such names.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if to.look(OsStr::new(as_name))?.is_some() {
                    return Err(Errno::EXIST.into());
                }
                Ok(fs::renameat(&self.0, from, &to.0, as_name)?)
            }
            other => Ok(other?),
        }
    }

    /// Removes a name, if it is there.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.0, single(name)?, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes what was renamed, made or removed in it durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.0)?)
    }

    /// Which directory it is.
    pub(crate) fn file_id(&self) -> io::Result<FileId> {
        Ok(Looked::new(&fs::fstat(&self.0)?).identity.file_id)
    }

    /// Whether this user may list it, make and rename names in it.
    pub(crate) fn writable(&self) -> bool {
        let wanted = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
        fs::accessat(&self.0, ".", wanted, AtFlags::EACCESS).is_ok()
    }

    /// Whether it lies on a network share, where another machine may write unseen.
    #[cfg(target_os = "linux")]
    pub(crate) fn on_share(&self) -> bool {
        /// NFS, SMB, CIFS, SMB 2, 9P, FUSE (sshfs and others), Ceph, AFS: the numbers of statfs(2).
        const SHARES: [u32; 8] =
            [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x6573_5546, 0x00c3_6400, 0x5346_414f];
        fs::fstatfs(&self.0).is_ok_and(|system| {
            // Some of them fill the sign bit: only the low 32 bits are the number.
            let number = system.f_type & 0xffff_ffff;
            SHARES.iter().any(|share| i64::from(*share) == number)
        })
    }

    /// Whether it lies on a network share; not known here, so nothing is taken for granted.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn on_share(&self) -> bool {
        true
    }
}

/// Gives a file the time of its last change, for a copy that is to count as the same version.
pub(crate) fn set_modified(file: &File, at: Timestamp) -> io::Result<()> {
    let time = Timespec { tv_sec: at.0.div_euclid(1_000_000), tv_nsec: at.0.rem_euclid(1_000_000) * 1000 };
    Ok(fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

/// Lets through a name that means something in one directory only. Names come from the log too, and whoever damaged it
/// must not be able to lead us elsewhere.
fn single(name: &str) -> io::Result<&str> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Errno::INVAL.into());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Goal: no name leads out of a directory, and nothing is made through a link. Method: names with a way in them,
    /// links in the place of a directory and of a file that is to be written.
    #[test]
    fn no_name_leads_elsewhere() {
        let (inside, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let victim = outside.path().join("victim");
        std::fs::write(&victim, "untouched").expect("written");
        symlink(outside.path(), inside.path().join("away")).expect("linked");
        std::fs::hard_link(&victim, inside.path().join("soft")).expect("linked");
        symlink(&victim, inside.path().join("hard")).expect("linked");
        let dir = Dir::open(inside.path()).expect("opens");
        for name in ["", ".", "..", "a/b", "/etc", "a\0b"] {
            assert!(dir.create(name).is_err() && dir.open_below(name).is_err() && dir.read(name).is_err(), "{name:?}");
            assert!(dir.remove(name).is_err() && dir.rename_new("soft", &dir, name).is_err(), "{name:?}");
        }
        assert!(dir.open_below("away").is_err() && dir.make_below("away").is_err());
        assert!(dir.read("hard").expect("looked").is_none(), "a link is not read");
        dir.create("soft").expect("a new file");
        dir.create("hard").expect("a new file");
        assert_eq!(std::fs::read_to_string(&victim).expect("read"), "untouched");
        assert!(dir.rename_new("soft", &dir, "hard").is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists));
    }

    /// Goal: a missing directory is made with those above it, and an existing one opened. Method: twice the same path.
    #[test]
    fn a_missing_directory_is_made() {
        let base = tempfile::tempdir().expect("a folder");
        let path = base.path().join("a/b/receipts");
        let first = Dir::open_or_make(&path).and_then(|dir| dir.file_id()).expect("made");
        let again = Dir::open_or_make(&path).and_then(|dir| dir.file_id()).expect("opened");
        assert_eq!(first, again);
    }
}
