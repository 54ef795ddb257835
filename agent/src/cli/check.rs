//! `daybook check`: whether the configuration and the folders it names can be used. It touches nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use daybook_protocol::{field::Kind, finding::Code};
use serde::Serialize;

use super::{Exit, Screen, roles};
use crate::{
    config::{Config, ConfigError, Folder},
    intake::inspect,
    operators::Operator,
};

/// What was found. Scripts rely on the names.
#[derive(Debug, Default, Serialize)]
struct Report {
    config: PathBuf,
    ok: bool,
    problems: Vec<String>,
    folders: Vec<FolderReport>,
    operators: Vec<Operator>,
    two_person: Vec<Kind>,
    two_person_release: Vec<Code>,
    /// Who may do what, for a person.
    #[serde(skip)]
    roles: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FolderReport {
    name: String,
    path: PathBuf,
    problems: Vec<String>,
}

/// Checks the configuration at `path` for an agent in the data directory `data`. A mistake in it is a problem that was
/// found; that it cannot be read means that it could not be checked.
pub(super) fn check(path: &Path, data: &Path, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let mut report = Report { config: path.to_owned(), ..Report::default() };
    match Config::load(path) {
        Ok((config, _)) => {
            report.folders = config.folders.iter().flat_map(|folder| look_at(folder, &config, data)).collect();
            report.roles = roles::told(&config);
            report.operators = config.operators.all().to_vec();
            report.two_person = config.policy.two_person;
            report.two_person_release = config.policy.two_person_release;
        }
        Err(ConfigError::Wrong { why, .. }) => report.problems = vec![why],
        Err(error) => return Err(error).context("cannot check"),
    }
    report.ok = report.problems.is_empty() && report.folders.iter().all(|folder| folder.problems.is_empty());
    let ok = report.ok;
    if json {
        screen.out(&serde_json::to_string(&report)?)?;
    } else {
        for line in text(&report) {
            screen.out(&line)?;
        }
    }
    Ok(if ok { Exit::Good } else { Exit::Problem })
}

/// What is said of a folder, or of a pattern and of each of its folders.
fn look_at(folder: &Folder, config: &Config, data: &Path) -> Vec<FolderReport> {
    let Some(above) = folder.pattern() else { return vec![look(folder, inspect(folder), config, data)] };
    let (problems, places) = match folder.places() {
        Ok(places) => (Vec::new(), places),
        Err(error) => (vec![format!("{} cannot be read: {error}", above.display())], Vec::new()),
    };
    let mut reports = vec![look(folder, problems, config, data)];
    reports.extend(places.into_iter().map(|place| {
        let problems = inspect(&place);
        FolderReport { name: place.name, path: place.path, problems }
    }));
    reports
}

/// Adds to a folder's problems where it lies in another's way.
fn look(folder: &Folder, mut problems: Vec<String>, config: &Config, data: &Path) -> FolderReport {
    let whole = |folder: &Folder| resolved(&folder.pattern().unwrap_or_else(|| folder.path.clone()));
    let (here, data) = (whole(folder), resolved(data));
    for other in config.folders.iter().filter(|other| other.name != folder.name) {
        let there = whole(other);
        if there == here {
            problems.push(format!("it is the same directory as folder {:?}", other.name));
        } else if there.starts_with(&here) {
            problems.push(format!("folder {:?} lies inside it: give each a directory of its own", other.name));
        }
    }
    if data.starts_with(&here) {
        problems.push("the data directory lies inside it: whoever drops files could reach it".to_owned());
    }
    FolderReport { name: folder.name.clone(), path: folder.path.clone(), problems }
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

fn text(report: &Report) -> Vec<String> {
    let mut lines = vec![format!("configuration {}", report.config.display())];
    lines.extend(report.problems.iter().flat_map(|problem| problem.lines().map(|line| format!("  {line}"))));
    for folder in &report.folders {
        let verdict = if folder.problems.is_empty() { "good" } else { "cannot be used" };
        lines.push(format!("folder {:?} at {}: {verdict}", folder.name, folder.path.display()));
        lines.extend(folder.problems.iter().map(|problem| format!("  - {problem}")));
    }
    if report.problems.is_empty() && report.folders.is_empty() {
        lines.push(
            "no folder is watched: add a [[folder]] with name, path and centre, or use daybook import".to_owned(),
        );
    }
    lines.extend(report.roles.iter().cloned());
    lines.push(if report.ok {
        "All is well.".to_owned()
    } else {
        "Mend what is named above and check again.".to_owned()
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screen::Kept;

    fn checked(config: &str, json: bool) -> (Exit, Kept, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(directory.path().join("north/inner")).expect("made");
        fs::create_dir(directory.path().join("data")).expect("made");
        let path = directory.path().join("daybook.toml");
        fs::write(&path, config).expect("written");
        let mut screen = Kept::default();
        let exit = check(&path, &directory.path().join("data"), json, &mut screen).expect("checked");
        (exit, screen, directory)
    }

    fn folder(name: &str, path: &str) -> String {
        format!("[[folder]]\nname = {name:?}\npath = {path:?}\ncentre = \"C1\"\n")
    }

    /// Goal: what is good is called good, and each kind of mistake is a problem with its name. Method: a table.
    #[test]
    fn mistakes_are_named() {
        let (exit, screen, _kept) = checked(&folder("north", "north"), false);
        assert_eq!((exit, screen.out.last().map(String::as_str)), (Exit::Good, Some("All is well.")));
        for (config, word) in [
            (folder("north", "south"), "does not exist"),
            (folder("file", "daybook.toml"), "cannot be opened as a directory"),
            (folder("a", "north") + &folder("b", "north/inner"), "\"b\" lies inside it"),
            (folder("a", "north") + &folder("b", "north/../north"), "the same directory as"),
            (folder("all", "."), "data directory lies inside it"),
            ("[[foldr]]\n".to_owned(), "foldr"),
        ] {
            let (exit, screen, _kept) = checked(&config, false);
            assert_eq!(exit, Exit::Problem, "{config}");
            assert!(screen.out.iter().any(|line| line.contains(word)), "{word} in {:?}", screen.out);
        }
    }

    /// Goal: scripts find the problems by their names; what cannot be read is not called wrong. Method: one of each.
    #[test]
    fn a_check_can_be_read_by_a_script() {
        let (exit, screen, directory) = checked(&folder("north", "south"), true);
        let report: serde_json::Value = serde_json::from_str(screen.out.first().expect("a line")).expect("an object");
        assert_eq!((exit, report.get("ok")), (Exit::Problem, Some(&serde_json::json!(false))));
        assert!(report.pointer("/folders/0/problems/0").is_some(), "{report}");
        let missing = directory.path().join("missing.toml");
        assert!(check(&missing, directory.path(), true, &mut Kept::default()).is_err());
        assert!(!missing.exists());
    }
}
