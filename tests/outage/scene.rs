//! A recording, and the cuts of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::Stdio,
};

use super::{
    disk::Disk,
    trace::{self, Event},
};
use crate::harness::{CENTRE, Desk, Fixture, files, until};

/// One command of the recording.
pub(crate) struct Step {
    /// What a sender dropped just before it.
    pub(crate) dropped: Vec<Fixture>,
    /// What it hands over, if it is an import.
    pub(crate) handed: Option<Fixture>,
    /// Where it is killed, if it is.
    killed_at: Option<&'static str>,
}

/// What an agent and two imports did on a fresh machine, event by event, and the place where they did it: every cut is
/// laid out there again, since a log knows its drop folder by its path and an original by its number on the disk.
pub(crate) struct Scene {
    pub(crate) desk: Desk,
    config: PathBuf,
    /// Where originals wait between two cuts.
    waiting: PathBuf,
    pub(crate) steps: Vec<Step>,
    events: Vec<Event>,
}

impl Scene {
    /// Records the whole of it: files are taken by an agent on a machine that knows nothing yet, one is imported, more are
    /// dropped, the agent is killed at work and goes on, and another is imported.
    pub(crate) fn record() -> Self {
        let desk = Desk::in_memory("local");
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
        for step in steps {
            scene.take_step(step);
        }
        let mut running = scene.desk.start(&scene.run());
        running.until_said("runs in");
        scene.desk.check_log(false);
        running.stop_well();
        scene
    }

    /// The arguments by which the agent is started.
    pub(crate) fn run(&self) -> [&str; 3] {
        ["run", "--config", self.config.to_str().expect("text")]
    }

    /// The directory that everything is in.
    pub(crate) fn root(&self) -> String {
        self.desk.beside("").to_str().expect("text").trim_end_matches('/').to_owned()
    }

    fn take_step(&mut self, step: Step) {
        let trace = self.desk.beside("trace");
        self.events.push(Event::Began { step: self.steps.len() });
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
        let root = self.root();
        trace::read(&text, &root, &mut self.events);
        fs::remove_file(&trace).expect("a trace");
        self.steps.push(step);
    }

    /// All that happened.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many events there were before something was synced for the first time: each path, those of one kind counted
    /// once, and each state of the two directories in which everything begins.
    pub(crate) fn first_syncs(&self) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let mut places = Vec::new();
        let mut steps = 0;
        for (no, event) in self.events.iter().enumerate() {
            match event {
                Event::Began { .. } => steps += 1,
                Event::Synced { path, .. } if !path.starts_with("data/books") => {
                    let begins = steps == 1 && matches!(path.as_str(), "data" | "drop");
                    if begins || seen.insert(kind_of(path)) {
                        places.push(no);
                    }
                }
                _ => {}
            }
        }
        places
    }

    /// Leaves the disk as it was after the last cut, for whoever looks into it, and says where.
    pub(crate) fn keep(self) -> PathBuf {
        self.desk.keep()
    }

    /// The disk before anything has happened.
    pub(crate) fn new_disk() -> Disk {
        let mut disk = Disk::new();
        for path in ["drop", "drop/in"] {
            disk.put_directory(path);
        }
        disk
    }

    /// Puts on the disk what was dropped before a step.
    pub(crate) fn put_dropped(&self, disk: &mut Disk, step: usize) {
        for file in &self.steps[step].dropped {
            disk.put_original(&format!("drop/in/{}", file.name), &self.waiting.join(&file.name));
        }
    }

    /// From here on, what was dropped and handed over up to this step is what must be there.
    pub(crate) fn begin_life(&mut self, step: usize) {
        let steps = &self.steps[..=step];
        self.desk.dropped = steps.iter().flat_map(|step| step.dropped.clone()).collect();
        self.desk.handed = steps.iter().filter_map(|step| step.handed.clone()).collect();
    }

    /// Makes the machine as it is after the cut.
    pub(crate) fn lay_out(&self, disk: &Disk) {
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
}

/// Of a name that is drawn or counted, what others of its kind have in common.
fn kind_of(path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    match (directory, name) {
        ("data/vault/tmp", _) => directory.to_owned(),
        ("data/vault", name) if name.len() == 2 => "data/vault/".to_owned(),
        (_, name) if name.starts_with(['.', 's']) => {
            format!("{directory}/{}", name.split(['.', '_']).next_back().unwrap_or(name))
        }
        _ => path.to_owned(),
    }
}
