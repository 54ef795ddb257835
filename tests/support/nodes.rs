//! A central node and agents as processes of their own, on ports that the system gives them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Process, Said, copy_directory, count, daybook, good, list, object, text, until};

/// A central node.
pub struct Central {
    pub data: PathBuf,
    pub address: String,
    /// What stands in its configuration besides the address, from the next start on.
    pub settings: String,
    process: Option<Process>,
}

impl Central {
    /// Makes one and starts it.
    pub fn start(data: &Path) -> Self {
        fs::create_dir_all(data).expect("a directory");
        let mut central =
            Self { data: data.to_owned(), address: "127.0.0.1:0".to_owned(), settings: String::new(), process: None };
        central.go_on();
        central
    }

    /// Starts it, at its address.
    pub fn go_on(&mut self) {
        let config = format!("[central]\nlisten = \"{}\"\n{}", self.address, self.settings);
        fs::write(self.data.join("daybook.toml"), config).expect("written");
        let process = Process::start(&[&"central", &"--data", &self.data]);
        let note = process.note("the central node listens on ");
        let after = note.split("listens on ").nth(1).expect("an address");
        after.split(';').next().expect("an address").clone_into(&mut self.address);
        self.process = Some(process);
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.process.take().expect("it runs").stop_well();
    }

    /// Kills it where it stands.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// The most memory that it has had, in KiB, where the system says so.
    pub fn memory_most_kib(&self) -> u64 {
        self.process.as_ref().expect("it runs").memory_most_kib()
    }

    /// Everything it said since it was started.
    pub fn said(&self) -> Vec<String> {
        self.process.as_ref().expect("it runs").said()
    }

    /// A code for a new agent.
    pub fn invite(&self) -> String {
        text(&object(&[&"central", &"invite", &"--data", &self.data, &"--json"]), "code").to_owned()
    }

    /// A code for the recovery of a log.
    pub fn invite_to_recover(&self, log: &str) -> String {
        let invite = object(&[&"central", &"invite", &"--recover", &log, &"--data", &self.data, &"--json"]);
        text(&invite, "code").to_owned()
    }

    /// How things stand with it.
    pub fn report(&self) -> Value {
        object(&[&"central", &"agents", &"--data", &self.data, &"--json"])
    }

    /// Whether `status` finds something wrong with it, and what.
    pub fn status(&self) -> Said {
        daybook(&[&"status", &"--check", &"--data", &self.data])
    }

    /// What it says of the present agent of a log.
    pub fn agent(&self, log: &str) -> Value {
        let report = self.report();
        let of_log = list(&report, "agents").iter().filter(|agent| text(agent, "log") == log);
        of_log.max_by_key(|agent| count(agent, "epoch")).cloned().expect("it knows the log")
    }

    /// The alarms of a log; of none, those that belong to no log.
    pub fn alarms(&self, log: Option<&str>) -> Vec<(String, String)> {
        let report = self.report();
        let raised = match log {
            Some(_) => list(&report, "agents").iter().filter(|agent| Some(text(agent, "log")) == log).collect(),
            None => vec![&report],
        };
        let both = |alarm: &Value| (text(alarm, "alarm").to_owned(), text(alarm, "detail").to_owned());
        raised.into_iter().flat_map(|of| list(of, "alarms")).map(both).collect()
    }

    /// Waits until it has raised an alarm; gives what it says about it.
    pub fn alarmed(&self, log: Option<&str>, alarm: &str) -> String {
        until(alarm, || self.alarms(log).into_iter().find(|(name, _)| name == alarm).map(|(_, detail)| detail))
    }

    /// The frames of its copy of a log.
    pub fn frames(&self, log: &str) -> Vec<u8> {
        frames(&[&"--data", &self.data, &"--log", &log])
    }
}

fn frames(place: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<u8> {
    let directory = super::scratch();
    let out = directory.path().join("out");
    good(&[&[&"export" as &dyn AsRef<std::ffi::OsStr>, &out], place].concat());
    fs::read(out.join("log.frames")).expect("it has frames")
}

/// An agent.
pub struct Agent {
    pub data: PathBuf,
    pub log: String,
    process: Option<Process>,
}

impl Agent {
    /// An agent that was never started, with one drop folder, answered at that level.
    pub fn new(data: &Path, answer_after: &str) -> Self {
        fs::create_dir_all(data).expect("a directory");
        let config = format!(
            "[[folder]]\nname = \"drop\"\npath = \"drop\"\ncentre = \"RIVER1\"\nquiet_seconds = 1\nanswer_after = \
             \"{answer_after}\"\n"
        );
        fs::write(data.join("daybook.toml"), config).expect("written");
        Self { data: data.to_owned(), log: String::new(), process: None }
    }

    /// The agent of a data directory that is there already.
    pub fn at(data: &Path, log: &str) -> Self {
        Self { data: data.to_owned(), log: log.to_owned(), process: None }
    }

    /// Joins it to a central node at an address.
    pub fn join(&mut self, address: &str, code: &str) {
        good(&[&"join", &address, &code, &"--data", &self.data]);
        text(&self.status(), "log").clone_into(&mut self.log);
    }

    /// A copy of its data directory, which must not be in use.
    pub fn copy(&self, to: &Path) -> Self {
        assert!(self.process.is_none(), "it is stopped");
        copy_directory(&self.data, to);
        Self::at(to, &self.log)
    }

    /// Has it go to another address.
    pub fn redirect(&self, from: &str, to: &str) {
        let path = self.data.join("identity.toml");
        let identity = fs::read_to_string(&path).expect("it has joined");
        assert!(identity.contains(from), "{identity}");
        fs::write(path, identity.replace(from, to)).expect("written");
    }

    /// Starts it.
    pub fn start(&mut self) {
        let process = Process::start(&[&"run", &"--data", &self.data]);
        process.note("the agent runs in");
        self.process = Some(process);
        // Only then do commands go to it, and are its folders there.
        self.shows("an agent at work", |status| {
            let folders = list(status, "folders").iter().all(|folder| folder.get("problem").is_none_or(Value::is_null));
            (folders && status.get("agent_running")?.as_bool()?).then_some(())
        });
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.process.take().expect("it runs").stop_well();
    }

    /// Kills it where it stands.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Runs a command on it that must succeed.
    pub fn good(&self, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Said {
        good(&[arguments, &[&"--data", &self.data]].concat())
    }

    /// Its status. While it starts, there may be none.
    pub fn status(&self) -> Value {
        until("a status", || {
            let said = daybook(&[&"status", &"--json", &"--data", &self.data]);
            (said.exit == 0).then(|| said.lines().into_iter().next()).flatten()
        })
    }

    /// Waits until its status shows something.
    pub fn shows<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        until(what, || look(&self.status()))
    }

    /// Why the central node refuses it, once it does.
    pub fn refused(&self) -> String {
        self.shows("a refusal", |status| Some(status.get("mirror")?.get("refused")?.as_str()?.to_owned()))
    }

    /// Waits until it has raised an alarm; gives what it says about it.
    pub fn alarmed(&self, alarm: &str) -> String {
        self.shows(alarm, |status| {
            let raised = list(status, "alarms").iter().find(|raised| text(raised, "alarm") == alarm)?;
            Some(text(raised, "detail").to_owned())
        })
    }

    /// Waits until everything in its folders is handled, and everything in its log is with the central node; gives how many
    /// entries there are.
    pub fn mirrored(&self) -> u64 {
        self.shows("a mirrored log", |status| {
            let mirror = status.get("mirror")?;
            let settled = list(status, "folders").iter().all(|folder| count(folder, "waiting") == 0);
            let entries = count(status, "entries");
            let there = count(mirror, "entries") == entries && count(mirror, "originals_missing") == 0;
            let connected = mirror.get("connected")?.as_bool()?;
            (settled && there && connected && self.rests(entries)).then_some(entries)
        })
    }

    /// Whether its last entry leaves nothing of a file to be done.
    fn rests(&self, entries: u64) -> bool {
        let last = self.good(&[&"entries", &"--json", &"--from", &entries.saturating_sub(1).to_string()]).lines();
        let rest = [
            "OriginalFiled",
            "ConfigAdopted",
            "EpochBegan",
            "LogOpened",
            "AlarmRaised",
            "AlarmCleared",
            "Scrubbed",
            "ReferenceLoaded",
        ];
        last.len() == 1 && last.iter().all(|entry| rest.contains(&text(entry, "type")))
    }

    /// Its entries.
    pub fn entries(&self) -> Vec<Value> {
        self.good(&[&"entries", &"--json"]).lines()
    }

    /// The frames of its log.
    pub fn frames(&self) -> Vec<u8> {
        frames(&[&"--data", &self.data])
    }

    /// Takes in a file by command; gives what came of it.
    pub fn import(&self, name: &str, bytes: &[u8]) -> Value {
        let directory = super::scratch();
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("written");
        object(&[&"import", &"--centre", &"RIVER1", &"--json", &path, &"--data", &self.data])
    }

    /// Drops a file as a careful sender does: written elsewhere, then renamed into place.
    pub fn drop_file(&self, name: &str, bytes: &[u8]) {
        let folder = self.data.join("drop");
        fs::write(folder.join(name), bytes).expect("written");
        fs::rename(folder.join(name), folder.join("in").join(name)).expect("renamed");
    }

    /// The receipts that it has written: of each, the text.
    pub fn receipts(&self) -> Vec<String> {
        let Ok(folder) = fs::read_dir(self.data.join("drop/receipts")) else { return Vec::new() };
        let names = folder.map(|entry| entry.expect("an entry").path());
        let texts = names.filter(|path| path.to_string_lossy().ends_with("_receipt.txt"));
        texts.map(|path| fs::read_to_string(path).expect("a receipt")).collect()
    }

    /// Checks its log, which must be good.
    pub fn verify(&self) -> Value {
        object(&[&"verify", &"--json", &"--data", &self.data])
    }
}

/// Both logs are the same, byte for byte, and good; gives how many entries there are.
pub fn same(agent: &Agent, central: &Central) -> u64 {
    let entries = agent.mirrored();
    assert!(agent.frames() == central.frames(&agent.log), "the copy differs");
    let ours = agent.verify();
    let theirs = object(&[&"verify", &"--json", &"--data", &central.data, &"--log", &agent.log]);
    for verified in [&ours, &theirs] {
        assert_eq!((verified.get("ok"), count(verified, "entries")), (Some(&true.into()), entries), "{verified}");
        assert_eq!(count(verified, "anchored_through"), entries, "{verified}");
    }
    assert_eq!(ours.get("root"), theirs.get("root"));
    entries
}

/// Arrival and line of the row that an entry gives a verdict on, if it does.
pub fn row(entry: &Value) -> Option<(u64, u64)> {
    let source = entry.get("source").filter(|source| text(source, "kind") == "row")?;
    Some((count(source, "arrival"), count(source, "line")))
}

/// Every row that was handed over has one verdict.
pub fn each_row_once(agent: &Agent, rows: usize) {
    let mut found: Vec<(u64, u64)> = agent.entries().iter().filter_map(row).collect();
    assert_eq!(found.len(), rows);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), rows, "a row has two verdicts");
}

/// A file of enrolments, each of a person of its own; `salt` makes them others.
pub fn enrolments(salt: u32, rows: u32) -> Vec<u8> {
    let mut file =
        "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref\n".to_owned();
    for row in 0..rows {
        let person = super::oulad::stranger(salt, row);
        let reference = super::oulad::noise(salt, row);
        let line = format!(
            "{},{},{},{},RIVER1,601/5886/4,2026-09-07,{reference}\n",
            person.uln, person.given, person.family, person.born
        );
        file.push_str(&line);
    }
    file.into_bytes()
}
