//! What must hold of a log whatever was done to the program that wrote it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
};

use serde_json::Value;

use super::{Desk, Fixture, files, fixture::sha256, names};

/// An arrival as the log tells it.
#[derive(Default)]
struct Arrival {
    sha256: String,
    /// Of each row its line, verdict and entry, in the order of the log.
    rows: Vec<(u64, &'static str, u64)>,
    /// How many entries of each other type speak of it.
    steps: BTreeMap<String, u64>,
    totals: Value,
    report: String,
    /// Whether a command handed it over.
    handed: bool,
    /// The earlier arrival of the same bytes.
    same_as: Option<u64>,
}

impl Desk {
    /// Every row of every file dropped has one verdict, the right one; every file was answered once and filed once; the
    /// receipts say what the log says; the log is whole. With `mirrored`, the central node's copy is the same log byte for
    /// byte. The program may be running or not.
    pub(crate) fn check_log(&self, mirrored: bool) {
        let entries = self.json(&["entries"]);
        for (place, entry) in entries.iter().enumerate() {
            assert_eq!(entry["sequence"], place, "a place is missing or taken twice");
        }
        let verified = &self.json(&["verify"])[0];
        assert_eq!((&verified["ok"], &verified["entries"]), (&Value::Bool(true), &Value::from(entries.len())));
        let (handed, arrivals) = arrivals(&entries).into_iter().partition(|(_, arrival)| arrival.handed);
        self.check_handed(&handed);
        assert_eq!(arrivals.len(), self.dropped.len(), "each file dropped arrives once");
        let mut by_digest: HashMap<_, _> =
            arrivals.iter().map(|(no, arrival)| (&arrival.sha256, (*no, arrival))).collect();
        for fixture in &self.dropped {
            let (no, arrival) = by_digest.remove(&fixture.sha256()).expect("it arrived");
            check_arrival(fixture, arrival);
            check_receipt(&self.folder.join("receipts"), no, &fixture.name, arrival);
        }
        self.check_folders(arrivals.len());
        if mirrored {
            self.check_copy(&entries);
        }
    }

    /// The same of a log that knows of no drop folder: of what was handed over.
    pub(crate) fn check_handed_log(&self) {
        let entries = self.json(&["entries"]);
        assert_eq!(self.json(&["verify"])[0]["entries"], entries.len());
        self.check_handed(&arrivals(&entries));
    }

    /// Every file that a command handed over was taken once. Where it was cut off after that and before it could say so, the
    /// command was given again, which changed nothing.
    fn check_handed(&self, arrivals: &BTreeMap<u64, Arrival>) {
        for fixture in &self.handed {
            let digest = fixture.sha256();
            let mut of_it = arrivals.iter().filter(|(_, arrival)| arrival.sha256 == digest);
            let (no, first) = of_it.next().expect("what was handed over arrives");
            check_arrival(fixture, first);
            check_receipt(&self.data.join("receipts"), *no, &fixture.name, first);
            for (_, again) in of_it {
                assert_eq!(again.same_as, Some(*no), "{}: the second time it is known", fixture.name);
                let changed = again.rows.iter().filter(|(_, verdict, _)| *verdict == "accepted").count();
                assert_eq!(changed, 0, "{}: the second time changes something", fixture.name);
            }
        }
    }

    /// Every original has left `in/` unchanged, and nothing half-made is left.
    fn check_folders(&self, arrivals: usize) {
        assert_eq!(self.names("in"), Vec::<String>::new(), "originals are left in the drop folder");
        assert_eq!(self.names("held"), Vec::<String>::new());
        let digest = |path: &Path| sha256(&fs::read(path).expect("a file"));
        let filed: BTreeSet<_> = files(&self.folder.join("done")).iter().map(|path| digest(path)).collect();
        let dropped: BTreeSet<_> = self.dropped.iter().map(Fixture::sha256).collect();
        assert_eq!(filed, dropped, "an original was changed or lost");
        assert_eq!(files(&self.folder.join("done")).len(), arrivals);
        let mut receipts = self.names("receipts");
        receipts.retain(|name| !name.ends_with("_resend.csv"));
        assert_eq!(receipts.len(), 2 * (arrivals + self.given_up), "{receipts:?}");
        assert_eq!(names(&self.data.join("vault/tmp")), Vec::<String>::new());
    }

    /// The central node's copy holds the same bytes, and is whole.
    fn check_copy(&self, entries: &[Value]) {
        let log = entries[0]["log"].as_str().expect("the log's id").to_owned();
        let (ours, theirs) = (self.beside("export-agent"), self.beside("export-copy"));
        for (directory, of) in [(&ours, None), (&theirs, Some(log.as_str()))] {
            let _ = fs::remove_dir_all(directory);
            let directory = directory.to_str().expect("text");
            let mut arguments = vec!["export", directory];
            arguments.extend(of.into_iter().flat_map(|log| ["--log", log]));
            self.told(&arguments);
        }
        let frames = |directory: &Path| fs::read(directory.join("log.frames")).expect("an export");
        assert!(frames(&ours) == frames(&theirs), "the copy is another log");
        let verified = &self.json(&["verify", "--log", &log])[0];
        assert_eq!((&verified["ok"], &verified["entries"]), (&Value::Bool(true), &Value::from(entries.len())));
        let vault = |home: &Path| -> BTreeMap<_, _> {
            // A damaged one that was set aside is none of them any more.
            let is_object = |path: &std::path::PathBuf| path.extension().is_none();
            files(&home.join("vault"))
                .into_iter()
                .filter(is_object)
                .map(|path| (path.file_name().map(std::ffi::OsStr::to_owned), fs::read(path).expect("an object")))
                .collect()
        };
        let copy = self.data.join("central/logs").join(&log);
        let (ours, theirs) = (vault(&self.data), vault(&copy));
        assert!(ours.keys().eq(theirs.keys()), "the originals are not those of the agent");
        assert!(self.kept_anew || ours == theirs, "an original is not that of the agent");
        let keys = |home: &Path| fs::read(home.join("keyring/00000001.keys")).expect("keys");
        assert!(keys(&self.data).starts_with(&keys(&copy)), "the keys are not those of the agent");
    }
}

/// The row report is the one that the log speaks of, and says of each row what the log says; the resend file has the rejected
/// rows and no others, and there is one only where there are any.
fn check_receipt(receipts: &Path, no: u64, name: &str, arrival: &Arrival) {
    let stem = format!("{no}_{}_", name.rsplit_once('.').map_or(name, |(stem, _)| stem));
    let mut ours: Vec<_> = names(receipts).into_iter().filter(|name| name.starts_with(&stem)).collect();
    let resend = ours.iter().position(|name| name.ends_with("_resend.csv")).map(|place| ours.remove(place));
    let [summary, report] = ours.as_slice() else { unreachable!("receipt {no} has the files {ours:?}") };
    assert!(summary.ends_with("_receipt.txt") && report.ends_with("_rows.csv"), "{ours:?}");
    let bytes = fs::read(receipts.join(report)).expect("a row report");
    assert_eq!(sha256(&bytes), arrival.report, "the report is not the one that the log speaks of");
    let mut told: Vec<(u64, String, u64)> = Vec::new();
    for row in csv::Reader::from_reader(bytes.as_slice()).records() {
        let row = row.expect("a row");
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let number = |at: usize| cell(at).parse().expect("a number");
        told.push((number(0), cell(2).to_owned(), number(6)));
    }
    // A row with several findings has a line for each.
    told.dedup();
    let logged: Vec<_> =
        arrival.rows.iter().map(|(line, verdict, entry)| (*line, (*verdict).to_owned(), *entry)).collect();
    assert_eq!(told, logged, "what was acknowledged is not what was logged");
    let rejected: Vec<_> = told.iter().filter(|row| row.1 == "rejected").map(|row| row.0).collect();
    let sent_back: Vec<u64> = resend.iter().flat_map(|name| lines_of(&receipts.join(name))).collect();
    assert_eq!(sent_back, rejected, "the rows sent back are not those rejected");
    assert_eq!(resend.is_some(), !rejected.is_empty(), "a resend file without rows");
}

/// The first column of a file, as numbers.
fn lines_of(path: &Path) -> Vec<u64> {
    let mut rows = csv::Reader::from_path(path).expect("a file");
    rows.records().map(|row| row.expect("a row").get(0).expect("a cell").parse().expect("a number")).collect()
}

fn arrivals(entries: &[Value]) -> BTreeMap<u64, Arrival> {
    let mut arrivals: BTreeMap<u64, Arrival> = BTreeMap::new();
    for entry in entries {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let (sequence, event) = (entry["sequence"].as_u64().expect("a sequence"), text("type"));
        if event == "FileReceived" {
            let arrival = arrivals.entry(sequence).or_default();
            arrival.sha256 = text("sha256");
            (arrival.handed, arrival.same_as) = (text("folder").is_empty(), entry["same_as"].as_u64());
        }
        let source = &entry["source"];
        let Some(of) = source["arrival"].as_u64() else { continue };
        let arrival = arrivals.get_mut(&of).expect("it arrived before anything else was said of it");
        if source["kind"] == "row" {
            let verdict = match event.as_str() {
                "RowRejected" => "rejected",
                "RowDuplicate" => "duplicate",
                "RowHeld" => "held",
                _ => "accepted",
            };
            arrival.rows.push((source["line"].as_u64().expect("a line"), verdict, sequence));
            continue;
        }
        match event.as_str() {
            "FileProcessed" => arrival.totals = entry["totals"].clone(),
            "ReceiptIssued" => arrival.report = text("report"),
            // That something was in the way and no longer is, as often as that may be.
            "AlarmRaised" | "AlarmCleared" => continue,
            _ => {}
        }
        *arrival.steps.entry(event).or_default() += 1;
    }
    arrivals
}

fn check_arrival(fixture: &Fixture, arrival: &Arrival) {
    let name = &fixture.name;
    let verdicts: Vec<_> = arrival.rows.iter().map(|(line, verdict, _)| (*line, *verdict)).collect();
    assert_eq!(verdicts, fixture.verdicts, "{name}: each row has one verdict, the right one");
    let steps = ["FileParsed", "FileProcessed", "OriginalFiled", "ReceiptIssued"];
    let once: BTreeMap<_, _> = steps.map(|step| (step.to_owned(), 1)).into();
    assert_eq!(arrival.steps, once, "{name}: each step is taken once");
    let mut totals = serde_json::json!({ "rows": fixture.verdicts.len() });
    for verdict in ["accepted", "rejected", "duplicate", "held"] {
        totals[verdict] = fixture.count(verdict).into();
    }
    assert_eq!(arrival.totals, totals, "{name}: the totals are those of the rows");
}
