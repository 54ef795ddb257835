//! How things stand as figures: Prometheus text (exposition format 0.0.4), for the textfile collector of a node exporter.
//! Pure: whoever asks gathers the report. Names are `daybook_...`; once given they are kept.

use std::{collections::BTreeMap, fmt::Write as _};

use daybook_protocol::date::Timestamp;
use serde::Serialize;

use super::{agents::CentralReport, figures::seconds, scrubbed::ScrubStatus, status::StatusReport};
use crate::scrub::DAMAGE;

const PROBLEMS: &str = "How many things are wrong, as `daybook status` lists them.";

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Its name.
    pub name: &'static str,
    #[serde(skip)]
    help: &'static str,
    /// What it is of.
    pub labels: BTreeMap<&'static str, String>,
    /// Its value.
    pub value: i64,
}

/// Figures in the order in which they are printed: those of one name stand together.
#[derive(Debug, Default)]
struct Samples(Vec<Sample>);

impl Samples {
    fn add(&mut self, name: &'static str, help: &'static str, value: impl TryInto<i64>) {
        self.add_of(name, help, [], value);
    }

    fn add_of<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [(&'static str, &str); N],
        value: impl TryInto<i64>,
    ) {
        let labels = labels.into_iter().map(|(label, of)| (label, of.to_owned())).collect();
        let value = value.try_into().unwrap_or(i64::MAX);
        // Behind the last one of that name, since they are to stand together.
        let place = self.0.iter().rposition(|sample| sample.name == name).map_or(self.0.len(), |last| last + 1);
        self.0.insert(place, Sample { name, help, labels, value });
    }

    fn scrub<const N: usize>(&mut self, scrub: &ScrubStatus, of: [(&'static str, &str); N]) {
        if let Some(at) = scrub.at {
            self.add_of("daybook_last_scrub_timestamp_seconds", "When the last scrub ended.", of, unix(at));
            self.add_of("daybook_last_scrub_faults", "How many things it found damaged or missing.", of, scrub.faults);
        }
        if let Some(due) = scrub.due_at {
            self.add_of("daybook_scrub_due_timestamp_seconds", "When the next scrub is due.", of, unix(due));
        }
    }
}

fn unix(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000_000)
}

/// The figures of an agent.
pub fn of_agent(report: &StatusReport) -> Vec<Sample> {
    let mut samples = Samples::default();
    let all = &mut samples;
    all.add("daybook_problems", PROBLEMS, report.problems().len());
    all.add("daybook_agent_running", "Whether an agent runs.", i64::from(report.agent_running == Some(true)));
    all.add("daybook_entries", "Entries that are durable here.", report.entries);
    if let Some(mirror) = &report.mirror {
        all.add("daybook_mirrored_entries", "Entries that the central node has acknowledged.", mirror.entries);
        all.add("daybook_originals_missing", "Originals that it has not got yet.", mirror.originals_missing);
        all.add("daybook_central_connected", "Whether it is connected.", i64::from(mirror.connected));
    }
    for alarm in &report.alarms {
        let of = [("alarm", alarm.alarm.as_str())];
        all.add_of("daybook_alarm_open", "An alarm that is not cleared.", of, 1);
    }
    all.add("daybook_held_files", "Files that wait for a person.", report.held.files);
    all.add("daybook_held_rows", "Rows that wait for a person.", report.held.rows);
    all.add("daybook_proposals", "Orders that wait for another operator's approval.", report.proposals);
    all.add("daybook_free_bytes", "Free space on the disk of the data directory.", report.disk.free_bytes);
    for folder in &report.folders {
        let of = [("folder", folder.name.as_str())];
        all.add_of("daybook_folder_waiting_files", "Files in it that are not handled yet.", of, folder.waiting);
        if let Some(last) = folder.last_file_at {
            let passed = seconds(last, report.at);
            all.add_of("daybook_folder_last_file_seconds", "Seconds since the last file came from it.", of, passed);
        }
    }
    all.scrub(&report.scrub, []);
    samples.0
}

/// The figures of an agent whose log is damaged and is not opened any more.
pub fn of_damaged(scrub: &ScrubStatus, problems: usize) -> Vec<Sample> {
    let mut samples = Samples::default();
    samples.add("daybook_problems", PROBLEMS, problems);
    samples.add("daybook_agent_running", "Whether an agent runs.", 0);
    samples.add_of("daybook_alarm_open", "An alarm that is not cleared.", [("alarm", DAMAGE)], 1);
    samples.scrub(scrub, []);
    samples.0
}

/// The figures of a central node.
pub fn of_central(report: &CentralReport) -> Vec<Sample> {
    let mut samples = Samples::default();
    let all = &mut samples;
    all.add("daybook_problems", PROBLEMS, report.problems().len());
    all.add("daybook_central_running", "Whether the central node runs.", i64::from(report.running));
    all.add("daybook_free_bytes", "Free space on the disk of the data directory.", report.disk.free_bytes);
    for alarm in &report.alarms {
        let of = [("alarm", alarm.alarm.as_str()), ("log", "")];
        all.add_of("daybook_alarm_open", "An alarm that is not cleared.", of, 1);
    }
    // A log that was taken over has several agents; the one that writes it now tells of it.
    for agent in report.agents.iter().filter(|agent| agent.fenced_at.is_none()) {
        let log = agent.log.to_string();
        let of = [("log", log.as_str())];
        all.add_of("daybook_mirrored_entries", "Entries of the copy.", of, agent.entries);
        all.add_of("daybook_agent_connected", "Whether its agent is connected.", of, i64::from(agent.connected));
        for alarm in &agent.alarms {
            let of = [("alarm", alarm.alarm.as_str()), ("log", log.as_str())];
            all.add_of("daybook_alarm_open", "An alarm that is not cleared.", of, 1);
        }
        all.scrub(&agent.scrub, of);
    }
    samples.0
}

/// The figures as text, line by line.
pub fn text(samples: &[Sample]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last = "";
    for Sample { name, help, labels, value } in samples {
        if *name != last {
            lines.push(format!("# HELP {name} {help}"));
            lines.push(format!("# TYPE {name} gauge"));
            last = name;
        }
        let mut of = String::new();
        for (label, value) in labels {
            let _ = write!(of, "{}{label}=\"{}\"", if of.is_empty() { "{" } else { "," }, escaped(value));
        }
        let end = if of.is_empty() { "" } else { "}" };
        lines.push(format!("{name}{of}{end} {value}"));
    }
    lines
}

/// A label's value, as the format asks for: backslash, quote and line break escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the text is what a collector reads: figures of one name together below one heading, labels escaped. Method:
    /// golden text of samples that were added out of order, with a hostile name.
    #[test]
    fn figures_stand_together() {
        let mut samples = Samples::default();
        samples.add_of("daybook_a", "A.", [("of", "x\\y\"z\n{}")], 1_u64);
        samples.add("daybook_b", "B.", -3_i64);
        samples.add_of("daybook_a", "A.", [("of", "two"), ("and", "more")], u64::MAX);
        let text = text(&samples.0).join("\n");
        assert_eq!(
            text,
            "# HELP daybook_a A.\n# TYPE daybook_a gauge\ndaybook_a{of=\"x\\\\y\\\"z\\n{}\"} 1\n\
             daybook_a{and=\"more\",of=\"two\"} 9223372036854775807\n\
             # HELP daybook_b B.\n# TYPE daybook_b gauge\ndaybook_b -3"
        );
    }
}
