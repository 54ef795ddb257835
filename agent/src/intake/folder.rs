//! A drop folder's parts: made where they are missing, and inspected without being touched.

use std::{ffi::OsStr, io, path::Path};

use super::{
    IntakeError,
    dir::{Dir, What},
};
use crate::{config::Folder, durable};

/// The parts of a folder, by the names that [`Folder`] gives them.
const PARTS: [&str; 4] = ["in", "receipts", "done", "held"];

impl Folder {
    /// The folder itself, opened.
    pub(super) fn root(&self) -> Result<Dir, IntakeError> {
        Dir::open(&self.path).map_err(|source| self.unusable("the top", source))
    }

    pub(super) fn unusable(&self, part: &'static str, source: io::Error) -> IntakeError {
        IntakeError::Folder { folder: self.name.clone(), part, source }
    }
}

/// Makes the folder and its parts where they are missing. What is there stays as it is, and its names are made durable: a
/// process that was killed may have made a directory and not synced its name, and what lies in it hangs by that.
pub fn prepare(folder: &Folder) -> Result<(), IntakeError> {
    durable::make_open_directory(&folder.path).map_err(|source| folder.unusable("the top", source))?;
    let root = folder.root()?;
    for part in PARTS {
        let made = root.make_below(part).map_err(|source| folder.unusable(part, source))?;
        if part == "done" {
            // The directories of its months.
            made.sync().map_err(|source| folder.unusable(part, source))?;
        }
    }
    root.sync().map_err(|source| folder.unusable("the top", source))
}

/// What is wrong with the folder, a sentence each; nothing if it can be used. Touches nothing.
pub fn inspect(folder: &Folder) -> Vec<String> {
    let at = folder.path.display();
    let root = match Dir::open(&folder.path) {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return vec![format!("{at} does not exist; check the path, or let `daybook run` make it")];
        }
        Err(error) => return vec![format!("{at} cannot be opened as a directory: {error}")],
    };
    let (mut problems, mut parts) = (Vec::new(), Vec::new());
    for part in PARTS {
        match open_part(&root, part) {
            Ok(Some(dir)) => parts.push((part, dir)),
            Ok(None) if root.writable() => {} // `run` makes it
            Ok(None) => problems.push(format!("{at}/{part} is missing and this user may not make it")),
            Err(why) => problems.push(format!("{at}/{part} {why}")),
        }
    }
    for (part, dir) in &parts {
        if !dir.writable() {
            problems.push(format!("{at}/{part} must be readable and writable for this user"));
        }
    }
    problems.extend(on_other_file_systems(&folder.path, &parts));
    problems
}

/// `None` where it is missing; why not, where it is something else than a directory.
fn open_part(root: &Dir, part: &str) -> Result<Option<Dir>, String> {
    match root.look(OsStr::new(part)) {
        Ok(None) => Ok(None),
        Ok(Some(looked)) if looked.what == What::Folder => {
            root.open_below(part).map(Some).map_err(|error| format!("cannot be opened: {error}"))
        }
        Ok(Some(looked)) if looked.what == What::Link => {
            Err("is a symbolic link; links are not followed, put a directory there".to_owned())
        }
        Ok(Some(_)) => Err("is not a directory".to_owned()),
        Err(error) => Err(format!("cannot be looked at: {error}")),
    }
}

/// A move to another file system is a copy, which takes longer and needs the room twice.
fn on_other_file_systems(path: &Path, parts: &[(&str, Dir)]) -> Vec<String> {
    let device = |wanted: &str| {
        let (_, dir) = parts.iter().find(|(part, _)| *part == wanted)?;
        dir.file_id().ok().map(|id| id.device)
    };
    ["done", "held"]
        .into_iter()
        .filter(|part| device("in").zip(device(part)).is_some_and(|(drop, other)| drop != other))
        .map(|part| {
            format!(
                "{0}/{part} is on another file system than {0}/in, so that originals are copied there",
                path.display()
            )
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::{fs, os::unix::fs::symlink};

    use daybook_protocol::date::Timestamp;
    use tempfile::TempDir;

    use super::*;
    use crate::intake::dir::Looked;

    /// What a path is now.
    pub(in crate::intake) fn look(path: &Path) -> Looked {
        let dir = Dir::open(path.parent().expect("a directory")).expect("opens");
        dir.look(path.file_name().expect("a name")).expect("looked").expect("something")
    }

    /// Changes a path until its time of change shows it to be later than `than`: file systems may tick as rarely as
    /// every ten milliseconds.
    pub(in crate::intake) fn change_after(than: Timestamp, path: &Path, change: impl Fn()) {
        change();
        while look(path).identity.changed_at <= than {
            change();
        }
    }

    /// A prepared folder with the default rules, and what else `toml` sets.
    pub(in crate::intake) fn folder(toml: &str) -> (TempDir, Folder) {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("drop");
        let text = format!("[[folder]]\nname = \"a\"\npath = {path:?}\ncentre = \"C1\"\n{toml}\n");
        let config = crate::config::Config::parse(&text, home.path()).expect("a configuration");
        let folder = config.folders.into_iter().next().expect("a folder");
        prepare(&folder).expect("prepared");
        (home, folder)
    }

    /// Goal: a folder is made whole once and stays as it is afterwards. Method: prepare twice, with a file in it.
    #[test]
    fn what_is_missing_is_made() {
        let (_home, folder) = folder("");
        assert!(PARTS.iter().all(|part| folder.path.join(part).is_dir()));
        fs::write(folder.drop().join("a.csv"), "x").expect("written");
        fs::remove_dir(folder.held()).expect("removed");
        prepare(&folder).expect("prepared again");
        assert!(folder.drop().join("a.csv").exists() && folder.held().is_dir());
        assert_eq!(inspect(&folder), Vec::<String>::new());
    }

    /// Goal: an inspection names what is wrong and makes nothing. Method: each mistake in turn.
    #[test]
    fn an_inspection_names_the_mistake() {
        let (home, mut folder) = folder("");
        fs::remove_dir(folder.held()).expect("removed");
        assert_eq!(inspect(&folder), Vec::<String>::new(), "`run` makes what is missing");
        assert!(!folder.held().exists());
        fs::write(folder.held(), "").expect("written");
        fs::remove_dir(folder.done()).expect("removed");
        symlink(home.path(), folder.done()).expect("linked");
        let problems = inspect(&folder);
        assert!(
            matches!(problems.as_slice(), [done, held] if done.contains("link") && held.contains("not a directory"))
        );
        assert!(matches!(prepare(&folder), Err(IntakeError::Folder { part: "done", .. })));
        folder.path = home.path().join("mistyped");
        assert!(matches!(inspect(&folder).as_slice(), [only] if only.contains("does not exist")));
        assert!(!folder.path.exists());
    }
}
