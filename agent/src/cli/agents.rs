//! A central node on one screen: its agents, how far each is mirrored, and what is wrong with any of them. Pure: whoever asks
//! gathers the report.

use daybook_protocol::{
    date::Timestamp,
    ids::{Epoch, LogId, Sequence},
};
use serde::Serialize;

use super::{
    figures::{ago, bytes, moment, number, printable},
    scrubbed::ScrubStatus,
    status::{AlarmStatus, DiskStatus, Problem, verdict},
};
use crate::scrub::DAMAGE;

/// How things stand with a central node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CentralReport {
    /// When the report was made.
    pub at: Timestamp,
    /// The program's version.
    pub version: String,
    /// Whether the central node is running.
    pub running: bool,
    /// Space on its disk.
    pub disk: DiskStatus,
    /// The agents.
    pub agents: Vec<AgentReport>,
    /// Alarms that concern no log that is known.
    pub alarms: Vec<AlarmStatus>,
}

/// How things stand with one agent, as the central node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentReport {
    /// What people call it.
    pub name: String,
    /// Its log.
    pub log: LogId,
    /// Its epoch.
    pub epoch: Epoch,
    /// When it joined.
    pub joined_at: Timestamp,
    /// Why it was revoked, if it was.
    pub revoked: Option<String>,
    /// When another machine took its log over.
    pub fenced_at: Option<Timestamp>,
    /// When the backup was made from which the central node was put back, where the agent waits to be confirmed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed_since: Option<Timestamp>,
    /// Whether it is connected.
    pub connected: bool,
    /// When it was last heard of.
    pub last_contact_at: Option<Timestamp>,
    /// How many entries of its log are mirrored.
    pub entries: u64,
    /// Before which place no original is missing, where that is known.
    pub originals_through: Option<Sequence>,
    /// The last scrub of the copy of its log.
    pub scrub: ScrubStatus,
    /// The alarms of its log.
    pub alarms: Vec<AlarmStatus>,
}

impl AgentReport {
    fn standing(&self) -> String {
        if self.revoked.is_some() {
            "revoked".to_owned()
        } else if let Some(at) = self.fenced_at {
            format!("replaced on {}", moment(at))
        } else if self.unconfirmed_since.is_some() {
            "to be confirmed".to_owned()
        } else if self.connected {
            "connected".to_owned()
        } else {
            self.last_contact_at.map_or_else(|| "not connected".to_owned(), |_| "away".to_owned())
        }
    }
}

impl CentralReport {
    /// Everything that is wrong. An agent that is away is not: it may be switched off.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.running {
            problems.push(Problem::new("the central node is not running: nothing is mirrored", "daybook central"));
        }
        if self.disk.free_bytes < self.disk.free_bytes_min {
            problems.push(Problem::new(
                format!("the disk is nearly full: {} free", bytes(self.disk.free_bytes)),
                "free some space; mirroring goes on by itself",
            ));
        }
        let told = |whose: String, alarm: &AlarmStatus| {
            format!("{whose}{}: {} (since {})", alarm.alarm, alarm.detail, moment(alarm.since))
        };
        for agent in &self.agents {
            if let Some(made_at) = agent.unconfirmed_since {
                let what = format!(
                    "agent {}: not let in: this central node was put back from a backup of {} and does not know whether it \
                     was revoked since",
                    agent.name,
                    moment(made_at)
                );
                let mend = format!("daybook central confirm {log}, or daybook central revoke {log}", log = agent.log);
                problems.push(Problem::new(what, mend));
            }
            let alarmed = agent.alarms.iter().any(|alarm| alarm.alarm == DAMAGE);
            // Of a log that was taken over, the agent that writes it now tells.
            let scrub = if agent.fenced_at.is_some() { ScrubStatus::default() } else { agent.scrub.clone() };
            problems.extend(
                scrub
                    .problems(self.at, alarmed)
                    .into_iter()
                    .map(|Problem { what, mend }| Problem::new(format!("agent {}: {what}", agent.name), mend)),
            );
            problems.extend(agent.alarms.iter().map(|alarm| {
                let mend = format!("when it is dealt with: daybook central clear {}", agent.log);
                Problem::new(told(format!("agent {}: ", agent.name), alarm), mend)
            }));
        }
        problems.extend(
            self.alarms
                .iter()
                .map(|alarm| Problem::new(told(String::new(), alarm), "when it is dealt with: daybook central clear")),
        );
        problems
    }

    /// The report as one line of JSON, with `ok` and `problems` beside its figures.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct WithProblems<'a> {
            ok: bool,
            problems: &'a [Problem],
            #[serde(flatten)]
            report: &'a CentralReport,
        }
        let problems = self.problems();
        serde_json::to_string(&WithProblems { ok: problems.is_empty(), problems: &problems, report: self })
    }

    /// The report as one screen of text, line by line.
    pub fn text(&self) -> Vec<String> {
        let mut lines = vec![format!("Daybook {}, central node", self.version), String::new()];
        lines.extend(verdict(&self.problems()));
        lines.push(String::new());
        lines.extend(self.table());
        lines.push(String::new());
        lines.push(format!("disk       {} free", bytes(self.disk.free_bytes)));
        lines.iter().map(|line| printable(line)).collect()
    }

    /// The agents alone, a line each below a heading.
    pub fn table(&self) -> Vec<String> {
        if self.agents.is_empty() {
            return vec!["no agent has joined yet: daybook central invite prints a code for one".to_owned()];
        }
        let name = self.agents.iter().map(|agent| agent.name.chars().count()).max().unwrap_or(0).max("agent".len());
        let row = |[first, log, epoch, entries, originals, heard, scrubbed, standing]: [&str; 8]| {
            let line = format!(
                "{first:<name$}  {log:<32}  {epoch:>5}  {entries:>11}  {originals:>9}  {heard:<12}  {scrubbed:<21}  {standing}"
            );
            line.trim_end().to_owned()
        };
        let heading = ["agent", "log", "epoch", "entries", "originals", "heard of", "scrubbed", "standing"];
        let mut lines = vec![row(heading)];
        lines.extend(self.agents.iter().map(|agent| {
            let originals = agent.originals_through.map_or_else(|| "?".to_owned(), |through| number(through.0));
            let heard = agent.last_contact_at.map_or_else(|| "never".to_owned(), |at| ago(at, self.at));
            let (log, epoch) = (agent.log.to_string(), agent.epoch.to_string());
            let (name, entries, standing) = (printable(&agent.name), number(agent.entries), agent.standing());
            let scrubbed = agent.scrub.in_brief(self.at);
            row([&name, &log, &epoch, &entries, &originals, &heard, &scrubbed, &standing])
        }));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::metrics,
        scrub::{Damage, Part},
    };

    const NOW: Timestamp = Timestamp(1_795_269_802_000_000);

    fn agent(name: &str, number: u8) -> AgentReport {
        AgentReport {
            name: name.to_owned(),
            log: LogId([number; 16]),
            epoch: Epoch(1),
            joined_at: NOW,
            revoked: None,
            fenced_at: None,
            unconfirmed_since: None,
            connected: true,
            last_contact_at: Some(Timestamp(NOW.0 - 3_000_000)),
            entries: 48_213,
            originals_through: Some(Sequence(48_213)),
            scrub: ScrubStatus::default(),
            alarms: Vec::new(),
        }
    }

    fn report(agents: Vec<AgentReport>) -> CentralReport {
        CentralReport {
            at: NOW,
            version: "0.1.0".to_owned(),
            running: true,
            disk: DiskStatus { free_bytes: 1 << 40, free_bytes_min: 256 << 20 },
            agents,
            alarms: Vec::new(),
        }
    }

    /// Goal: every standing of an agent can be told apart, and alarms come first with what mends them. Method: golden text.
    #[test]
    fn agents_stand_in_a_table() {
        let alarm =
            AlarmStatus { alarm: "fork".to_owned(), detail: "other entries from 9 on\u{7}".to_owned(), since: NOW };
        let at = Some(Timestamp(NOW.0 - 200_000_000_000));
        let torn = Damage { part: Part::Log, what: "log: torn".to_owned(), mend: "mend it".to_owned() };
        let scrub = ScrubStatus { at, faults: 1, damage: vec![torn], due_at: None };
        let agents = vec![
            AgentReport { scrub: ScrubStatus { at, ..ScrubStatus::default() }, ..agent("post room", 1) },
            AgentReport { connected: false, last_contact_at: None, originals_through: None, ..agent("b", 2) },
            AgentReport { connected: false, alarms: vec![alarm], scrub, ..agent("c\u{1b}[2J", 3) },
            AgentReport { connected: false, revoked: Some("stolen".to_owned()), ..agent("d", 4) },
            AgentReport { connected: false, fenced_at: Some(NOW), ..agent("e", 5) },
            AgentReport { connected: false, unconfirmed_since: Some(NOW), ..agent("f", 6) },
        ];
        let report = report(agents);
        insta::assert_snapshot!(report.text().join("\n"));
        insta::assert_snapshot!("figures", metrics::text(&metrics::of_central(&report)).join("\n"));
        assert!(report.json().expect("an object").starts_with(r#"{"ok":false,"problems":[{"what":"agent c"#));
    }

    /// Goal: a central node at rest is well, and its first steps are named. Method: no agents, then each problem.
    #[test]
    fn an_empty_central_node_is_well() {
        let mut report = report(Vec::new());
        assert_eq!(report.problems(), []);
        assert!(report.text().iter().any(|line| line.contains("daybook central invite")));
        report.running = false;
        report.disk.free_bytes = 0;
        assert_eq!(report.problems().len(), 2);
    }
}
