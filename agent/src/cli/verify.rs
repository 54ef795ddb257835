//! `daybook verify`: what the check of a log found, as it is printed. The check runs in the process in which it was typed,
//! whether an agent is running or not: whoever doubts the log should not have to ask the agent about it.

use daybook_protocol::ids::{Digest, Sequence};
use serde::Serialize;

use super::{Exit, Screen};
use crate::{
    home::Home,
    identity::Identity,
    store,
    verify::{self, CouldNotCheck, Report},
};

/// The members of the JSON object. Scripts rely on the names.
#[derive(Serialize)]
struct View<'a> {
    entries: u64,
    root: Digest,
    anchored_through: Option<u64>,
    ok: bool,
    faults: Vec<FaultView<'a>>,
}

#[derive(Serialize)]
struct FaultView<'a> {
    at: Option<Sequence>,
    what: &'a str,
}

/// Checks the log of `home` and shows what was found.
pub(super) fn of_home(home: &Home, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let central = Identity::load(home)?.and_then(|identity| identity.central);
    let verifier = central.as_ref().map(|central| central.verifier.as_str());
    show(verify::verify(&store::places(home), verifier), json, screen)
}

/// Shows what a check found.
pub(super) fn show(
    checked: Result<Report, CouldNotCheck>,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let report = checked?;
    if json {
        let faults = report.faults.iter().map(|fault| FaultView { at: fault.at, what: &fault.what }).collect();
        let Report { entries, root, anchored_through, .. } = report;
        screen.out(&serde_json::to_string(&View { entries, root, anchored_through, ok: report.ok(), faults })?)?;
    } else {
        for line in text(&report) {
            screen.out(&line)?;
        }
    }
    Ok(if report.ok() { Exit::Good } else { Exit::Problem })
}

fn text(report: &Report) -> Vec<String> {
    let verdict = if report.ok() { "Good: nothing was lost or changed." } else { "Damaged:" };
    let mut lines = vec![verdict.to_owned()];
    lines.extend(report.faults.iter().map(|fault| format!("  - {fault}")));
    if !report.ok() {
        lines.push("    mend: stop the agent, then run: daybook salvage".to_owned());
    }
    lines.push(format!("entries   {}", report.entries));
    lines.push(format!("root      {}", report.root));
    lines.push(match report.anchored_through {
        Some(entries) => format!("anchored  the central node has signed for {entries} entries"),
        None => "anchored  the central node has signed for nothing yet".to_owned(),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::screen::Kept, verify::Fault};

    fn shown(faults: Vec<Fault>, json: bool) -> (Exit, String) {
        let report = Report { entries: 3, root: Digest([0xab; 32]), anchored_through: Some(2), faults };
        let mut screen = Kept::default();
        let exit = show(Ok(report), json, &mut screen).expect("shown");
        (exit, screen.out.join("\n"))
    }

    /// Goal: the object that scripts rely on keeps its members, and status and `ok` agree. Method: golden text, good and
    /// damaged.
    #[test]
    fn a_verdict_can_be_read_by_a_script() {
        let figures = format!(r#"{{"entries":3,"root":"{}","anchored_through":2,"#, "ab".repeat(32));
        assert_eq!(shown(Vec::new(), true), (Exit::Good, format!(r#"{figures}"ok":true,"faults":[]}}"#)));
        let fault = Fault { at: Some(Sequence(1)), what: "the hash is wrong".to_owned() };
        let damaged = format!(r#"{figures}"ok":false,"faults":[{{"at":1,"what":"the hash is wrong"}}]}}"#);
        assert_eq!(shown(vec![fault.clone()], true), (Exit::Problem, damaged));
        let (exit, text) = shown(vec![fault], false);
        assert!(exit == Exit::Problem && text.contains("from entry 1 on: the hash is wrong"), "{text}");
    }

    /// Goal: where there is no log, it is not called good or damaged. Method: an empty directory.
    #[test]
    fn no_log_is_no_verdict() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut screen = Kept::default();
        let error = of_home(&Home::new(directory.path()), true, &mut screen).expect_err("nothing to check");
        assert!(error.to_string().contains("there is no log") && screen.out.is_empty(), "{error}");
    }
}
