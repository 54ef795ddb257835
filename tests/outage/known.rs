//! What was known outside when the power failed, and whether it still holds.

use std::{collections::BTreeMap, fs};

use daybook_protocol::batch::{Frame, HEADER_BYTES, Header};
use serde_json::Value;

use super::{disk::Disk, trace::Event};
use crate::harness::{Desk, files};

/// What could be known outside.
pub(crate) struct Known {
    /// The command that was under way.
    pub(crate) step: usize,
    /// What imports had printed.
    pub(crate) printed: Vec<Value>,
    /// Receipts that could be seen, by path.
    receipts: BTreeMap<String, Vec<u8>>,
    /// Originals that had been moved away, by path.
    filed: Vec<String>,
}

impl Known {
    /// What a history has told; `is_import` says which of its commands answer by what they print.
    pub(crate) fn of(history: &[Event], is_import: impl Fn(usize) -> bool) -> Self {
        let mut known = Self { step: 0, printed: Vec::new(), receipts: BTreeMap::new(), filed: Vec::new() };
        for event in history {
            match event {
                Event::Began { step } => known.step = *step,
                Event::Said { text } if is_import(known.step) => {
                    known.printed.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
                }
                _ => {}
            }
        }
        known
    }

    /// Looks at what can be seen in the folders now.
    pub(crate) fn see(&mut self, disk: &Disk) {
        for directory in ["drop/receipts", "data/receipts"] {
            let seen = disk.visible(directory).into_iter();
            self.receipts.extend(seen.map(|(name, bytes)| (format!("{directory}/{name}"), bytes)));
        }
        for month in disk.directories("drop/done") {
            let directory = format!("drop/done/{month}");
            self.filed.extend(disk.visible(&directory).into_keys().map(|name| format!("{directory}/{name}")));
        }
    }

    /// All of it holds of what is there now. The program is running.
    pub(crate) fn check(&self, desk: &Desk) {
        let root = desk.beside("");
        for (path, bytes) in &self.receipts {
            let now = fs::read(root.join(path)).unwrap_or_default();
            assert!(now == *bytes, "the receipt {path} is not what it was");
        }
        for path in &self.filed {
            assert!(root.join(path).is_file(), "the original {path} is gone");
        }
        let entries = desk.json(&["entries"]);
        for line in &self.printed {
            let place = usize::try_from(line["receipt"].as_u64().expect("a number")).expect("a place");
            let entry = entries.get(place).expect("what was printed is in the log");
            assert_eq!((&entry["type"], &entry["sha256"]), (&Value::from("FileReceived"), &line["sha256"]));
        }
        check_roots(desk);
        check_books(desk);
    }
}

/// Every receipt names a root that the log had.
fn check_roots(desk: &Desk) {
    let export = desk.beside("export");
    desk.told(&["export", export.to_str().expect("text")]);
    let frames = fs::read(export.join("log.frames")).expect("an export");
    fs::remove_dir_all(&export).expect("removed");
    let (mut roots, mut rest) = (Vec::new(), frames.as_slice());
    while !rest.is_empty() {
        let header = Header::decode(&rest[..HEADER_BYTES]).expect("a header");
        let (frame, behind) = rest.split_at(usize::try_from(header.bytes).expect("a length"));
        Frame::read(frame).expect("a batch");
        roots.push(format!("{}, of the first {} entries", header.root, header.end().0));
        rest = behind;
    }
    let receipts = [desk.folder.join("receipts"), desk.data.join("receipts")];
    for path in receipts.iter().flat_map(|directory| files(directory)) {
        if path.extension().is_some_and(|ending| ending == "txt") {
            let text = fs::read_to_string(&path).expect("a receipt");
            assert!(roots.iter().any(|root| text.contains(root)), "{} names a root that never was", path.display());
        }
    }
}

/// The books say what the log says: of the first learner of each file of enrolments, that they are enrolled.
fn check_books(desk: &Desk) {
    let enrolments = desk.dropped.iter().chain(&desk.handed);
    for file in enrolments.filter(|file| file.name.starts_with("enrolments")) {
        let line = file.lines().remove(1);
        let uln = line.split(',').next().expect("a ULN");
        let told = desk.told(&["history", "--uln", uln]);
        assert!(told.contains("LearnerEnrolled"), "the books do not know {uln}: {told}");
    }
}
