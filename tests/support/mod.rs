//! What the black-box tests share: the built program as a process, its output as JSON, and waiting for a condition with a
//! deadline. Knows nothing of the program's insides.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses a part of it, and nothing else can")]

pub mod attack;
pub mod line;
pub mod nodes;
pub mod oulad;
pub mod proxy;

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// The built program.
pub const DAYBOOK: &str = env!("CARGO_BIN_EXE_daybook");
/// Whatever is waited for comes long before, unless it never does: the machine may be shared by many.
pub const DEADLINE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(5);

/// Asks again and again until there is an answer; fails at the deadline, naming what was waited for.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < DEADLINE, "waited in vain: {what}");
        thread::sleep(POLL);
    }
}

/// A fresh directory.
pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("daybook-").tempdir().expect("a directory")
}

fn command(arguments: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(DAYBOOK);
    command.args(arguments.iter().map(AsRef::as_ref)).env_remove("DAYBOOK_LOG").env_remove("DAYBOOK_DATA_DIR");
    command.stdin(Stdio::null());
    command
}

/// What a command said, and how it ended.
pub struct Said {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Self { exit: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Its results, one JSON object a line.
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
    }
}

/// Runs a command to its end.
pub fn daybook(arguments: &[&dyn AsRef<OsStr>]) -> Said {
    Said::of(&command(arguments).output().expect("the program starts"))
}

/// Runs a command that must succeed.
pub fn good(arguments: &[&dyn AsRef<OsStr>]) -> Said {
    let said = daybook(arguments);
    assert_eq!(said.exit, 0, "{}: {}{}", shown(arguments), said.out, said.err);
    said
}

/// Runs a command that must be refused; gives the reason that it prints.
pub fn refused(arguments: &[&dyn AsRef<OsStr>]) -> String {
    let said = daybook(arguments);
    assert_eq!(said.exit, 2, "{}: {}{}", shown(arguments), said.out, said.err);
    said.err
}

/// Runs a command that prints one JSON object.
pub fn object(arguments: &[&dyn AsRef<OsStr>]) -> Value {
    let said = good(arguments);
    let mut lines = said.lines();
    assert_eq!(lines.len(), 1, "{}: {}", shown(arguments), said.out);
    lines.remove(0)
}

fn shown(arguments: &[&dyn AsRef<OsStr>]) -> String {
    arguments.iter().map(|it| it.as_ref().to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A number in a JSON object; `null` and what is not there count as none.
pub fn count(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// A text in a JSON object.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The list of that name in a JSON object.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A running program; killed when it is dropped.
pub struct Process {
    child: Child,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts a command that runs until it is stopped.
    pub fn start(arguments: &[&dyn AsRef<OsStr>]) -> Self {
        let mut command = command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let notes = Arc::new(Mutex::new(Vec::new()));
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        listen(out, Arc::clone(&notes));
        listen(err, Arc::clone(&notes));
        Self { child, notes }
    }

    /// The first line that holds `words`, once it is there.
    pub fn note(&self, words: &str) -> String {
        until(words, || self.said().into_iter().find(|line| line.contains(words)))
    }

    /// Everything it has said so far, on both outputs.
    pub fn said(&self) -> Vec<String> {
        self.notes.lock().expect("no panic").clone()
    }

    /// The most memory that it has had, in KiB, where the system says so.
    pub fn memory_most_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        most.and_then(|most| most.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("a process id");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
        until("the end of a process", || self.child.try_wait().expect("our child"))
    }

    /// Stops it, which must go well.
    pub fn stop_well(self) {
        let notes = Arc::clone(&self.notes);
        let status = self.stop();
        assert!(status.success(), "{status}: {:?}", notes.lock().expect("no panic"));
    }

    /// Kills it where it stands.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(output: impl Read + Send + 'static, notes: Arc<Mutex<Vec<String>>>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            notes.lock().expect("no panic").push(line);
        }
    });
}

/// Copies a directory with everything in it, but for sockets.
pub fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            copy_directory(&entry.path(), &to.join(entry.file_name()));
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

/// Every file below a directory by its path from there, with its bytes.
pub fn tree(directory: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below it").to_owned();
                found.insert(name, fs::read(path).expect("a file"));
            }
        }
    }
    found
}
