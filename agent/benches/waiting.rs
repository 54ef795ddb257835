//! How long a sender waits for the receipt of a small file, with the watcher and without it; and what an agent costs that
//! has nothing to do. `cargo bench --bench waiting [-- FILES]`

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use support::{cpu_time, daybook, memory_kib};

const FILES: u64 = 200;
/// Without the watcher a file waits for seconds.
const UNWATCHED_FILES_MAX: u64 = 20;
/// Centres of one pattern.
const FOLDERS: u64 = 10_000;
/// Nothing is done for so long before and while an idle agent is looked at.
const IDLE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_micros(200);

fn main() {
    let files = support::rows(FILES);
    let with_watcher = daybook();
    let mut waits = served(with_watcher, 5, files, |folder, name, text| {
        fs::write(folder.join(name), text).expect("a file");
        fs::rename(folder.join(name), folder.join("in").join(name)).expect("in place");
    });
    print(&format!("a small file renamed into place, to its receipt, {files} times"), &mut waits);
    // What the kernel answers where it has no more watchers to give.
    let mut without = Command::new("strace");
    without.args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=inotify_init1", "-e"]);
    without.args(["inject=inotify_init1:error=EMFILE", env!("CARGO_BIN_EXE_daybook")]);
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok() {
        let files = files.min(UNWATCHED_FILES_MAX);
        let mut waits = served(without, 1, files, |folder, name, text| {
            fs::write(folder.join("in").join(name), text).expect("a file");
            fs::write(folder.join("in").join(format!("{name}.done")), "").expect("its marker");
        });
        print(&format!("the same with a marker, no watcher and a scan every second, {files} times"), &mut waits);
    } else {
        println!("the same without a watcher: skipped, there is no strace on this machine");
    }
    for folders in [1, FOLDERS] {
        idle(folders);
    }
}

/// Hands in files of one row, one after the other, and gives how long the receipt of each took. `drop` puts one in.
fn served(program: Command, rescan_seconds: u64, files: u64, drop: impl Fn(&Path, &str, &str)) -> Vec<Duration> {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let data = configured(scratch.path(), rescan_seconds, 1);
    let all = scratch.path().join("all.csv");
    support::enrolments(&all, files + 1).expect("the file is written");
    let text = fs::read_to_string(all).expect("the file");
    let (header, rows) = text.split_once('\n').expect("a header");
    let folder = scratch.path().join("folders/BENCH1");
    let agent = Agent::start(program, &data, &folder.join("in"));
    let took = rows.lines().zip(1..).map(|(row, number)| {
        let (name, text) = (format!("file-{number}.csv"), format!("{header}\n{row}\n"));
        let began = Instant::now();
        drop(&folder, &name, &text);
        // A summary is put in place behind its report.
        wait_for(|| ending(&folder.join("receipts"), "txt") == number);
        let took = began.elapsed();
        wait_for(|| !folder.join("in").join(&name).exists());
        took
    });
    // The first one finds an agent that is still starting.
    let took = took.skip(1).collect();
    agent.stop();
    took
}

/// What an agent with so many empty folders takes while nothing comes.
fn idle(folders: u64) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let data = configured(scratch.path(), 5, folders);
    // Folders are made in the order of their names, which takes a while where there are many.
    let last = (1..=folders).map(|number| format!("BENCH{number}")).max().expect("a folder");
    let agent = Agent::start(daybook(), &data, &scratch.path().join("folders").join(last).join("in"));
    thread::sleep(IDLE);
    let (before, began) = (cpu_time(agent.process), Instant::now());
    thread::sleep(IDLE);
    let taken = cpu_time(agent.process).saturating_sub(before);
    let share = taken.as_secs_f64() / began.elapsed().as_secs_f64();
    let memory = memory_kib(agent.process, "VmRSS:") / 1024;
    println!("idle with {folders} folders: {:.2} % of a processor, {memory} MiB of memory", 100.0 * share);
    agent.stop();
}

/// A data directory with a configuration of so many folders.
fn configured(scratch: &Path, rescan_seconds: u64, folders: u64) -> PathBuf {
    let data = scratch.join("data");
    fs::create_dir(&data).expect("a directory");
    let mut text = format!("[agent]\nrescan_seconds = {rescan_seconds}\n");
    text.push_str("[[folder]]\nname=\"bench\"\npath=\"../folders/{centre}\"\n");
    for number in 1..=folders {
        fs::create_dir_all(scratch.join(format!("folders/BENCH{number}"))).expect("a directory");
    }
    fs::write(data.join("daybook.toml"), text).expect("a configuration");
    data
}

/// A running agent, perhaps below a program that started it.
struct Agent {
    child: Child,
    /// The agent itself.
    process: u32,
}

impl Agent {
    /// Starts one, and waits until it has made `folder`.
    fn start(mut program: Command, data: &Path, folder: &Path) -> Self {
        program.arg("run").arg("--data").arg(data).stderr(Stdio::null());
        let mut child = program.spawn().expect("the agent starts");
        wait_for(|| {
            assert!(child.try_wait().expect("a child").is_none(), "the agent runs");
            folder.exists()
        });
        let started = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        let process = started.trim().parse().unwrap_or_else(|_| child.id());
        Self { child, process }
    }

    /// Ends it, and with it what started it.
    fn stop(mut self) {
        let killed = Command::new("kill").arg("-9").arg(self.process.to_string()).status();
        assert!(killed.and(self.child.wait()).is_ok(), "it is stopped");
    }
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::sleep(LOOK);
    }
}

/// How many files of a directory end so.
fn ending(directory: &Path, ending: &str) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let is_one = |name: &Path| name.extension().is_some_and(|extension| extension == ending);
    entries.flatten().filter(|entry| is_one(&entry.path())).count() as u64
}

fn print(what: &str, waits: &mut [Duration]) {
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
    println!("{what}: p50 {:.0?}, p99 {:.0?}, at most {:.0?}", at(50), at(99), at(100));
}
