//! Where on the straight line a program was when it died: by what its log and the copy of it held at that moment.

use std::{fmt, fs, path::Path};

use daybook_protocol::head::Head;
use serde_json::Value;

use super::Desk;

/// How far the newest file was that had been begun and not filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// There was none.
    Between,
    /// Its original was preserved.
    Received,
    /// It had been read, and the plan for it logged.
    Read,
    /// Some of its rows had their verdicts.
    Judging,
    /// All of them had, and the totals were logged.
    Judged,
    /// The central node had all of that.
    Mirrored,
    /// The receipt was logged; the original was still to be put away.
    Answered,
}

impl Stage {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 7] =
        [Self::Between, Self::Received, Self::Read, Self::Judging, Self::Judged, Self::Mirrored, Self::Answered];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Between => "no file begun, or filed",
            Self::Received => "received",
            Self::Read => "read",
            Self::Judging => "rows being judged",
            Self::Judged => "judged",
            Self::Mirrored => "mirrored",
            Self::Answered => "answered, not yet filed",
        })
    }
}

/// How many entries were durable at some moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Of the agent's log.
    pub(crate) logged: u64,
    /// Of the central node's copy of it.
    pub(crate) copied: u64,
}

impl Moment {
    /// As the heads say now. The program need not run.
    pub(crate) fn of(desk: &Desk) -> Self {
        let logs = desk.data.join("central/logs");
        let copied = super::names(&logs).first().map_or(0, |log| count(&logs.join(log)));
        Self { logged: count(&desk.data), copied }
    }

    /// Where the agent was at that moment, by the entries of its log as they were found later.
    pub(crate) fn stage(self, entries: &[Value]) -> Stage {
        let before = |count: u64| entries.iter().take(usize::try_from(count).expect("small"));
        let of = |arrival: &Value| {
            let arrival = arrival["sequence"].as_u64();
            let of_it = move |entry: &&Value| entry["source"]["arrival"].as_u64() == arrival;
            let (mut stage, mut filed) = (Stage::Received, false);
            for entry in before(self.logged).filter(of_it) {
                match entry["type"].as_str() {
                    Some("FileParsed") => stage = Stage::Read,
                    Some("FileProcessed") => {
                        let is_copied = entry["sequence"].as_u64() < Some(self.copied);
                        stage = if is_copied { Stage::Mirrored } else { Stage::Judged };
                    }
                    Some("ReceiptIssued") => stage = Stage::Answered,
                    Some("OriginalFiled") => filed = true,
                    _ if entry["source"]["kind"] == "row" => stage = Stage::Judging,
                    _ => {}
                }
            }
            (!filed).then_some(stage)
        };
        let arrivals = before(self.logged).filter(|entry| entry["type"] == "FileReceived");
        arrivals.rev().take(NEWEST).find_map(of).unwrap_or(Stage::Between)
    }
}

/// No more files than this are under way at once.
const NEWEST: usize = 4;

/// How many entries a home's head speaks of.
fn count(home: &Path) -> u64 {
    let head = fs::read(home.join("head")).ok();
    head.and_then(|bytes| Head::of_file(&bytes)).map_or(0, |head| head.frontier.count())
}
