//! A recording, and the cuts of it.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    process::Stdio,
    sync::Once,
};

use daybook_protocol::batch::{Frame, HEADER_BYTES, Header};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use super::{
    Left, Sync,
    disk::Disk,
    trace::{self, Event},
};
use crate::harness::{CENTRE, Desk, Fixture, files, until};

/// One command of the recording.
struct Step {
    /// What a sender dropped just before it.
    dropped: Vec<Fixture>,
    /// What it hands over, if it is an import.
    handed: Option<Fixture>,
    /// Where it is killed, if it is.
    killed_at: Option<&'static str>,
}

/// What an agent and two imports did on a fresh machine, event by event, and the place where they did it: every cut is
/// laid out there again, since a log knows its drop folder by its path and an original by its number on the disk.
pub(crate) struct Scene {
    desk: Desk,
    config: PathBuf,
    /// Where originals wait between two cuts.
    waiting: PathBuf,
    steps: Vec<Step>,
    events: Vec<Event>,
}

/// One cut: where, and what is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// Draws everything about the cut.
    pub(crate) seed: u64,
    /// No event before this one is the last.
    pub(crate) from: usize,
    /// What is left of what was not synced; drawn anew for each file where it is not said.
    pub(crate) left: Option<Left>,
}

/// What could be known outside when the power failed.
struct Known {
    step: usize,
    /// Receipts that could be seen, by path.
    receipts: BTreeMap<String, Vec<u8>>,
    /// Originals that had been moved away, by path.
    filed: Vec<String>,
    /// What an import had printed.
    printed: Vec<Value>,
}

impl Scene {
    /// Records the whole of it: files are taken by an agent on a machine that knows nothing yet, one is imported, more are
    /// dropped, the agent is killed at work and goes on, and another is imported.
    pub(crate) fn record() -> Self {
        let mut desk = Desk::new("local");
        let config = desk.beside("agent.toml");
        fs::rename(desk.data.join("daybook.toml"), &config).expect("a configuration");
        // The agent makes its data directory itself.
        fs::remove_dir(&desk.data).expect("it is empty");
        let waiting = desk.beside("waiting");
        fs::create_dir(&waiting).expect("a directory");
        let (few, many) = (Fixture::enrolments(0, 30), Fixture::enrolments(1, 500));
        let (again, withdrawals) = (few.again(), Fixture::withdrawals(&many, 40));
        let run = |dropped, killed_at| Step { dropped, handed: None, killed_at };
        let import = |file| Step { dropped: Vec::new(), handed: Some(file), killed_at: None };
        let steps = vec![
            run(vec![few, many], None),
            import(Fixture::enrolments(2, 40)),
            run(vec![again, withdrawals], Some("store.head.before:7")),
            run(Vec::new(), None),
            import(Fixture::enrolments(3, 20)),
            run(vec![Fixture::enrolments(4, 10)], None),
        ];
        let mut scene = Self { desk, config, waiting, steps: Vec::new(), events: Vec::new() };
        steps.into_iter().for_each(|step| scene.take_step(step));
        let mut running = scene.desk.start(&scene.run());
        running.until_said("runs in");
        scene.desk.check_log(false);
        running.stop_well();
        scene
    }

    fn run(&self) -> [&str; 3] {
        ["run", "--config", self.config.to_str().expect("text")]
    }

    fn take_step(&mut self, step: Step) {
        let trace = self.desk.beside("trace");
        self.events.push(Event::Began { command: self.steps.len() });
        step.dropped.iter().for_each(|file| self.desk.drop_file(file.clone()));
        if let Some(file) = &step.handed {
            let path = self.desk.write(file);
            let import = self.desk.command(&["import", "--centre", CENTRE, "--json", path.to_str().expect("text")]);
            let output = trace::traced(&import, &trace).stdin(Stdio::null()).output().expect("strace runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            self.desk.handed.push(file.clone());
        } else {
            let mut agent = self.desk.command(&self.run());
            agent.envs(step.killed_at.map(|at| ("DAYBOOK_CRASH_AT", at)));
            let mut running = self.desk.spawn(trace::traced(&agent, &trace));
            if step.killed_at.is_some() {
                let ended = until("a death", || running.ended());
                assert!(!ended.success() && !self.desk.is_empty(), "it is killed at work");
            } else {
                self.desk.until_filed(&mut running);
                running.stop_well();
            }
        }
        let text = until("the tracer to finish", || trace::ended(&trace));
        trace::read(&text, self.desk.beside("").to_str().expect("text").trim_end_matches('/'), &mut self.events);
        fs::remove_file(&trace).expect("a trace");
        self.steps.push(step);
    }

    /// How many events there are.
    pub(crate) fn events(&self) -> usize {
        self.events.len()
    }

    /// The first event that is such a sync.
    pub(crate) fn first(&self, sync: &Sync) -> Option<usize> {
        self.events.iter().position(|event| matches!(event, Event::Synced { path, .. } if sync.is(path)))
    }

    /// Cuts the power, starts the program again, and checks everything; says what does not hold. With `without`, those
    /// syncs had not happened.
    pub(crate) fn survives(&mut self, cut: Cut, without: Option<&Sync>) -> Result<(), String> {
        let mut random = ChaCha12Rng::seed_from_u64(cut.seed);
        let at = random.random_range(cut.from.max(1)..=self.events.len());
        let disk = self.disk_at(at, without);
        let known = self.known(&disk, at);
        let mut lefts = Vec::new();
        let left = |random: &mut ChaCha12Rng| {
            let left = cut.left.unwrap_or_else(|| Left::random(at, random));
            lefts.push(left);
            left
        };
        let disk = disk.cut(left, &mut random);
        self.lay_out(&disk);
        let steps = &self.steps[..=known.step];
        self.desk.dropped = steps.iter().flat_map(|step| step.dropped.clone()).collect();
        self.desk.handed = steps.iter().filter_map(|step| step.handed.clone()).collect();
        quietly(|| self.goes_on(&known)).map_err(|why| {
            self.lay_out(&disk);
            let last = self.events.get(at - 1).map(|event| format!("{event:.200?}")).unwrap_or_default();
            let last: String = last.chars().take(200).collect();
            format!("cut behind event {at} of {} ({last}), names {:?}: {why}", self.events.len(), lefts.first())
        })
    }

    /// Leaves the disk as it was after the last cut, for whoever looks into it, and says where.
    pub(crate) fn keep(self) -> PathBuf {
        self.desk.keep()
    }

    fn disk_at(&self, at: usize, without: Option<&Sync>) -> Disk {
        let mut disk = Disk::new();
        ["drop", "drop/in"].into_iter().for_each(|path| disk.put_directory(path));
        for (no, event) in self.events[..at].iter().enumerate() {
            if let Event::Began { command } = event {
                for file in &self.steps[*command].dropped {
                    disk.put_original(&format!("drop/in/{}", file.name), &self.waiting.join(&file.name));
                }
            }
            let forgotten = matches!(event, Event::Synced { path, .. } if without.is_some_and(|sync| sync.is(path)));
            if !forgotten {
                disk.happens(no, event);
            }
        }
        disk
    }

    fn known(&self, disk: &Disk, at: usize) -> Known {
        let mut known = Known { step: 0, receipts: BTreeMap::new(), filed: Vec::new(), printed: Vec::new() };
        for event in &self.events[..at] {
            match event {
                Event::Began { command } => known.step = *command,
                // What an agent says is no answer to anybody.
                Event::Said { text } if self.steps[known.step].handed.is_some() => {
                    known.printed.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
                }
                _ => {}
            }
        }
        for directory in ["drop/receipts", "data/receipts"] {
            let seen = disk.visible(directory).into_iter();
            known.receipts.extend(seen.map(|(name, bytes)| (format!("{directory}/{name}"), bytes)));
        }
        for month in disk.directories("drop/done") {
            let directory = format!("drop/done/{month}");
            known.filed.extend(disk.visible(&directory).into_keys().map(|name| format!("{directory}/{name}")));
        }
        known
    }

    /// Makes the machine as it is after the cut.
    fn lay_out(&self, disk: &Disk) {
        let numbers: BTreeMap<u64, PathBuf> = self.originals();
        for path in files(&self.desk.folder).into_iter().chain(files(&self.waiting)) {
            let number = path.symlink_metadata().expect("it is there").ino();
            if let Some(place) = numbers.get(&number).filter(|place| **place != path && !place.exists()) {
                fs::rename(&path, place).expect("an original");
            }
        }
        for directory in [&self.desk.data, &self.desk.folder] {
            if directory.exists() {
                fs::remove_dir_all(directory).expect("removed");
            }
        }
        disk.materialise(&self.desk.beside(""));
    }

    /// Where each original waits, by its number on the disk.
    fn originals(&self) -> BTreeMap<u64, PathBuf> {
        let mut numbers = BTreeMap::new();
        let named: Vec<_> = self.steps.iter().flat_map(|step| &step.dropped).collect();
        for path in files(&self.desk.folder).into_iter().chain(files(&self.waiting)) {
            let bytes = fs::read(&path).expect("a file");
            if let Some(file) = named.iter().find(|file| file.bytes == bytes) {
                let number = path.symlink_metadata().expect("it is there").ino();
                numbers.insert(number, self.waiting.join(&file.name));
            }
        }
        numbers
    }

    /// The program is started again, an operator repeats what was not answered, and everything holds.
    fn goes_on(&self, known: &Known) {
        let desk = &self.desk;
        let mut running = desk.start(&self.run());
        running.until_said("runs in");
        for file in &desk.handed {
            let digest = file.sha256();
            if !known.printed.iter().any(|line| line["sha256"] == digest.as_str()) {
                let path = desk.beside(&file.name);
                desk.told(&["import", "--centre", CENTRE, path.to_str().expect("text")]);
            }
        }
        desk.until_filed(&mut running);
        desk.check_log(false);
        self.check_known(known);
        self.check_roots();
        self.check_books();
        running.stop_well();
        let verified = &desk.json(&["verify"])[0];
        assert_eq!(verified["ok"], true, "{verified}");
    }

    /// Whatever was known outside before the cut holds after it.
    fn check_known(&self, known: &Known) {
        let root = self.desk.beside("");
        for (path, bytes) in &known.receipts {
            let now = fs::read(root.join(path)).unwrap_or_default();
            assert!(now == *bytes, "the receipt {path} is not what it was");
        }
        for path in &known.filed {
            assert!(root.join(path).is_file(), "the original {path} is gone");
        }
        let entries = self.desk.json(&["entries"]);
        for line in &known.printed {
            let place = usize::try_from(line["receipt"].as_u64().expect("a number")).expect("a place");
            let entry = entries.get(place).expect("what was printed is in the log");
            assert_eq!((&entry["type"], &entry["sha256"]), (&Value::from("FileReceived"), &line["sha256"]));
        }
    }

    /// Every receipt names a root that the log had.
    fn check_roots(&self) {
        let export = self.desk.beside("export");
        self.desk.told(&["export", export.to_str().expect("text")]);
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
        let receipts = [self.desk.folder.join("receipts"), self.desk.data.join("receipts")];
        for path in receipts.iter().flat_map(|directory| files(directory)) {
            if path.extension().is_some_and(|ending| ending == "txt") {
                let text = fs::read_to_string(&path).expect("a receipt");
                assert!(roots.iter().any(|root| text.contains(root)), "{path:?} names a root that the log never had");
            }
        }
    }

    /// The books say what the log says: of the first learner of each file of enrolments, that they are enrolled.
    fn check_books(&self) {
        let enrolments = self.desk.dropped.iter().chain(&self.desk.handed);
        for file in enrolments.filter(|file| file.name.starts_with("enrolments")) {
            let line = file.lines().remove(1);
            let uln = line.split(',').next().expect("a ULN");
            let told = self.desk.told(&["history", "--uln", uln]);
            assert!(told.contains("LearnerEnrolled"), "the books do not know {uln}: {told}");
        }
    }
}

thread_local! {
    /// Whether a check that fails here is none of the test's failures.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does something that may fail, and gives what it failed with instead of printing it.
fn quietly(work: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panic| if !QUIET.get() { loud(panic) }));
    });
    QUIET.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    done.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}
