//! `daybook check`: whether the configuration and the folders it names can be used. It touches nothing.

use std::{
    fs, iter,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use daybook_protocol::{date::Date, field::Kind, finding::Code};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Exit, Screen, roles};
use crate::{
    config::{Config, ConfigError, Folder},
    desk::{Dated, Known, Policies, Policy},
    intake::inspect,
    operators::Operator,
};

/// What was found. Scripts rely on the names.
#[derive(Debug, Default, Serialize)]
struct Report {
    config: PathBuf,
    ok: bool,
    problems: Vec<String>,
    policies: Vec<PolicyReport>,
    folders: Vec<FolderReport>,
    operators: Vec<Operator>,
    two_person: Vec<Kind>,
    two_person_release: Vec<Code>,
    /// Who may do what, for a person.
    #[serde(skip)]
    roles: Vec<String>,
}

/// A policy with the day from which it holds, whole: what it takes over from the one before too.
#[derive(Debug, Serialize)]
struct PolicyReport {
    name: Option<String>,
    from: Option<Date>,
    settings: Map<String, Value>,
    reasons: Vec<Known>,
    /// For people: what is new in it.
    #[serde(skip)]
    told: Vec<String>,
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
            report.policies = all_of(&config.policies);
            report.roles = roles::told(&config);
            report.operators = config.operators.all().to_vec();
            report.two_person = config.policies.two_person().to_vec();
            report.two_person_release = config.policies.two_person_release().to_vec();
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

/// What is said of the policies, in the order of their days.
fn all_of(policies: &Policies) -> Vec<PolicyReport> {
    let usual = Policy::default();
    let mut before = None;
    policies.versions().map(|version| told_of(version, before.replace(&version.policy), &usual)).collect()
}

/// What is said of a policy, of which the one before is known already; of the first one all reasons are told.
fn told_of(version: &Dated, before: Option<&Policy>, usual: &Policy) -> PolicyReport {
    let Dated { name, from, policy } = version;
    let (settings, reasons) = (policy.settings(), policy.reasons.known());
    let known = before.unwrap_or(usual).settings();
    let new = settings.iter().filter(|setting| !known.contains(setting));
    let new: Vec<String> = new.map(|(name, value)| format!("{name} = {value}")).collect();
    let new = match (new.as_slice(), before) {
        ([], None) => "as usual".to_owned(),
        ([], Some(_)) => "as before".to_owned(),
        (new, _) => new.join(", "),
    };
    let mut told = vec![format!("policy {version}: {new}")];
    let known = before.map_or_else(Vec::new, |before| before.reasons.known());
    for reason in reasons.iter().filter(|reason| !known.contains(reason)) {
        let codes =
            if reason.ilr.is_empty() { "no ILR code".to_owned() } else { format!("ILR {}", reason.ilr.join(", ")) };
        let own = reason.own.iter().map(|own| format!("{own:?}"));
        let names: Vec<String> = iter::once(codes).chain(own).collect();
        told.push(format!("  reason {}: {}", word(&reason.reason), names.join(", ")));
    }
    let settings = settings.into_iter().map(|(name, value)| {
        let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        (name.to_owned(), value)
    });
    PolicyReport { name: name.clone(), from: *from, settings: settings.collect(), reasons, told }
}

/// The word by which a plain variant stands in output.
fn word(variant: &impl Serialize) -> String {
    serde_json::to_value(variant).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
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
    lines.extend(report.policies.iter().flat_map(|policy| policy.told.iter().cloned()));
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

    /// Goal: people and scripts are told which policies there are, from when each holds, what is new in it, and by which codes and words
    /// each reason is known. Method: three policies, the second with an own word; a mistake in the last.
    #[test]
    fn policies_are_told() {
        let since = "[[policy.since]]\nfrom = 2026-09-01\nname = \"2026/27\"\ndeferrals_max = 1\n\
                     [policy.since.reasons]\n\"gone to work\" = \"LEFT_COURSE\"\n51 = \"OTHER\"\n";
        let config = format!("[policy]\nage_min = 12\n{since}[[policy.since]]\nfrom = 2027-09-01\n");
        let (exit, screen, _kept) = checked(&config, false);
        assert_eq!(exit, Exit::Good, "{:?}", screen.out);
        for line in [
            "policy from the beginning: age_min = 12",
            "  reason LEFT_COURSE: ILR 44, 98",
            "  reason DECEASED: no ILR code",
            "policy \"2026/27\", from 2026-09-01: deferrals_max = 1",
            "  reason LEFT_COURSE: ILR 44, 98, \"gone to work\"",
            "  reason OTHER: ILR 51",
            "policy from 2027-09-01: as before",
        ] {
            assert!(screen.out.iter().any(|said| said == line), "{line} in {:?}", screen.out);
        }
        let (_, screen, _kept) = checked(&config, true);
        let report: Value = serde_json::from_str(screen.out.first().expect("a line")).expect("an object");
        let last = report.pointer("/policies/2").expect("three policies");
        assert_eq!((&last["from"], &last["settings"]["deferrals_max"]), (&"2027-09-01".into(), &1.into()), "{last}");
        let (exit, screen, _kept) = checked(&format!("{config}age_max = 11\n"), false);
        let why = "  the policy from 2027-09-01: age_min is 12, above age_max, which is 11";
        assert!(exit == Exit::Problem && screen.out.iter().any(|line| line == why), "{:?}", screen.out);
    }

    /// Goal: the example has every setting, and can be used as it is. Method: it is read, and searched for their names.
    #[test]
    fn the_example_has_every_setting() {
        let text = include_str!("../../../examples/agent.toml");
        let config = Config::parse(text, Path::new("/base")).expect("a good configuration");
        assert_eq!(config.policies.versions().count(), 2);
        for (name, _) in Policy::default().settings() {
            assert!(text.lines().any(|line| line.starts_with(&format!("{name} = "))), "{name}");
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
