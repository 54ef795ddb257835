//! An office made for one test, worked from outside only: the built program, its data directory, a drop folder.
//!
//! Whatever a scenario does to the program, it ends in [`Desk::check_log`], which knows nothing of the program but what it
//! prints and what it leaves on disk.
#![allow(dead_code, reason = "each test of the program uses its own part of this")]

mod check;
mod fixture;
pub(crate) mod rounds;
pub(crate) mod stage;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

pub(crate) use fixture::Fixture;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The centre that every file comes from.
pub(crate) const CENTRE: &str = "RIVER1";
/// How long a condition is waited for: far more than it takes, since the machine may be shared.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(10);

/// The built program.
pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_daybook")
}

/// Waits until `condition` gives something.
pub(crate) fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, condition)
}

/// The same for what may take longer than usual.
pub(crate) fn until_within<T>(patience: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(began.elapsed() < patience, "waited in vain for {what}");
        thread::sleep(LOOK);
    }
}

/// A data directory, a configuration and a drop folder.
pub(crate) struct Desk {
    dir: TempDir,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The drop folder: `in/`, `receipts/`, `done/` and `held/` are below it.
    pub(crate) folder: PathBuf,
    /// What was dropped.
    pub(crate) dropped: Vec<Fixture>,
    /// What was handed over by `import`.
    pub(crate) handed: Vec<Fixture>,
    /// How many receipts are there that no longer count, since their branch of the log was given up.
    pub(crate) given_up: usize,
    /// Whether an original was kept anew: then it is sealed otherwise than in the copy.
    pub(crate) kept_anew: bool,
}

impl Desk {
    /// A desk that answers as soon as the facts are `level`: "local" or "mirrored".
    pub(crate) fn new(level: &str) -> Self {
        Self::prepared(level, |_, _| {})
    }

    /// The same in memory, where there is such a place: for what does not depend on how the disk here syncs, and would wait
    /// for it most of the time.
    pub(crate) fn in_memory(level: &str) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::within(dir.expect("a directory"), level, |_, _| {})
    }

    /// A desk with something done to the places of data directory and drop folder before anything is put there.
    pub(crate) fn prepared(level: &str, prepare: impl FnOnce(&Path, &Path)) -> Self {
        Self::within(tempfile::tempdir().expect("a directory"), level, prepare)
    }

    fn within(dir: TempDir, level: &str, prepare: impl FnOnce(&Path, &Path)) -> Self {
        let (data, folder) = (dir.path().join("data"), dir.path().join("drop"));
        for place in [&data, &folder] {
            fs::create_dir_all(place).expect("a directory");
        }
        prepare(&data, &folder);
        fs::create_dir_all(&data).expect("a data directory");
        fs::create_dir_all(folder.join("in")).expect("a drop folder");
        let config = format!(
            "[agent]\nrescan_seconds = 1\nfree_bytes_min = 1\n[[folder]]\nname = \"riverside\"\npath = \"{}\"\n\
             centre = \"{CENTRE}\"\nquiet_seconds = 0\nanswer_after = \"{level}\"\n",
            folder.display()
        );
        fs::write(data.join("daybook.toml"), config).expect("a configuration");
        Self { dir, data, folder, dropped: Vec::new(), handed: Vec::new(), given_up: 0, kept_anew: false }
    }

    /// A place beside the data directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Leaves everything where it is, for whoever looks into what went wrong, and says where.
    pub(crate) fn keep(self) -> PathBuf {
        self.dir.keep()
    }

    /// Drops a file as a careful sender does: written elsewhere and renamed into place.
    pub(crate) fn drop_file(&mut self, fixture: Fixture) {
        let making = self.beside("making");
        fs::write(&making, &fixture.bytes).expect("a file");
        let place = self.folder.join("in").join(&fixture.name);
        if fs::rename(&making, &place).is_err() {
            // The folder has a disk of its own.
            let beside = self.folder.join(&fixture.name);
            fs::copy(&making, &beside).expect("copied");
            fs::rename(beside, place).expect("dropped");
        }
        self.dropped.push(fixture);
    }

    /// Writes a file that is not dropped, and says where.
    pub(crate) fn write(&self, fixture: &Fixture) -> PathBuf {
        let path = self.beside(&fixture.name);
        fs::write(&path, &fixture.bytes).expect("a file");
        path
    }

    /// The program with this data directory; whatever the environment says to it otherwise is taken away.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        Self::command_in(&self.data, arguments)
    }

    /// The program with another data directory.
    pub(crate) fn command_in(data: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).arg("--data").arg(data).stdin(Stdio::null());
        for variable in ["DAYBOOK_CRASH_AT", "DAYBOOK_LOG", "DAYBOOK_DATA_DIR"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} ended with {}: {said}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command with `--json` that must succeed, and gives one value a line.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let arguments = [arguments, &["--json"]].concat();
        self.told(&arguments).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Starts `run`, `up` or another command that lasts.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// The same, with something in its environment.
    pub(crate) fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        self.spawn(command)
    }

    /// Starts a command that lasts.
    pub(crate) fn spawn(&self, mut command: Command) -> Running {
        let log = self.beside("output.log");
        let output = File::options().append(true).create(true).open(&log).expect("a file for what it says");
        let before = output.metadata().map_or(0, |metadata| metadata.len());
        command.stdout(output.try_clone().expect("a second handle")).stderr(output);
        Running { child: command.spawn().expect("the program starts"), log, before }
    }

    /// Starts the central node that `up` made in the home of an agent, by itself and at the address that this agent knows, which
    /// is given too.
    pub(crate) fn central_of(&self, home: &Path) -> (Running, String) {
        let identity = fs::read_to_string(home.join("identity.toml")).expect("an identity");
        let address = identity.split('"').find(|word| word.starts_with("127.0.0.1:")).expect("an address").to_owned();
        let config = self.beside("central.toml");
        fs::write(&config, format!("[central]\nlisten = \"{address}\"\n")).expect("a configuration");
        let arguments = ["central", "--config", config.to_str().expect("text")];
        let mut running = self.spawn(Self::command_in(&home.join("central"), &arguments));
        running.until_said("listens on");
        (running, address)
    }

    /// What lies in a folder below the drop folder, hidden names too.
    pub(crate) fn names(&self, below: &str) -> Vec<String> {
        names(&self.folder.join(below))
    }

    /// Whether nothing that was dropped waits any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.names("in").is_empty()
    }

    /// Waits until a running agent has filed all that was dropped and said so in its log.
    pub(crate) fn until_filed(&self, running: &mut Running) {
        // Before it has the log open, a command would open it and stand in its way.
        running.until_said("runs in");
        until("all files to be filed", || {
            assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
            self.is_empty().then_some(())
        });
        until("the log to say that all is filed", || {
            assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
            let entries = self.ask(&["entries", "--json"]);
            let text = String::from_utf8_lossy(&entries.stdout).into_owned();
            let count = |event: &str| text.matches(&format!("\"type\":\"{event}\"")).count();
            let filed = count("OriginalFiled");
            (filed > 0 && filed == count("FileReceived")).then_some(())
        });
    }

    /// Waits until the central node has everything: that the last file was put away is the last thing to be mirrored.
    pub(crate) fn until_mirrored(&self) {
        until("everything to be mirrored", || {
            let status = &self.json(&["status"])[0];
            (status["mirror"]["entries"] == status["entries"]).then_some(())
        });
    }
}

/// The names in a directory, in order; none where there is no such directory.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// All files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(directory) {
        let path = directory.join(name);
        let kind = path.symlink_metadata().expect("it is there").file_type();
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found
}

/// How the crash points begin that lie on the ways out: backup and restore of a central node, and a rejoin.
pub(crate) const WAYS_OUT: [&str; 2] = ["central.", "rejoin."];

/// The crash points named in the program's source.
pub(crate) fn crash_points() -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut names = Vec::new();
    for path in files(&source).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs")) {
        let text = fs::read_to_string(path).expect("a source file");
        for piece in text.split("crash::point(\"").skip(1) {
            names.extend(piece.split('"').next().map(str::to_owned));
        }
    }
    names.sort();
    names.dedup();
    names
}

/// A process of the program that lasts. Killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    /// How much its predecessors on the same desk had said.
    before: u64,
}

impl Running {
    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    /// All that it said.
    pub(crate) fn said(&self) -> String {
        let all = fs::read(&self.log).unwrap_or_default();
        let before = usize::try_from(self.before).unwrap_or(all.len());
        String::from_utf8_lossy(all.get(before..).unwrap_or_default()).into_owned()
    }

    /// Waits until it has said something.
    pub(crate) fn until_said(&mut self, words: &str) {
        until(words, || {
            assert!(self.ended().is_none(), "it ended by itself: {}", self.said());
            self.said().contains(words).then_some(())
        });
    }

    /// The most memory that it has had so far, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Kills it, as the power would.
    pub(crate) fn kill(&mut self) {
        // One that has died already need not be killed.
        let _ = self.child.kill();
        self.child.wait().expect("it ends");
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a signal");
    }

    /// Asks it to stop, and says how it ended and how long that took.
    pub(crate) fn stop(mut self) -> (ExitStatus, Duration) {
        self.stopped()
    }

    /// The same, for whoever wants to hear what it says then.
    pub(crate) fn stopped(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.terminate();
        let status = until("an end after SIGTERM", || self.ended());
        (status, began.elapsed())
    }

    /// Asks it to stop, which must go well.
    pub(crate) fn stop_well(self) {
        let log = self.log.clone();
        let (status, _) = self.stop();
        assert!(status.success(), "{status}: {}", fs::read_to_string(log).unwrap_or_default());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
