//! A disk that fails, at each of the calls by which the program changes or syncs anything: the call fails and is not done, or
//! is done and fails all the same, or a write is done by half. Whatever the agent does about it, nothing that it acknowledged
//! is lost, nothing that is not behind a barrier is acknowledged, and a start without faults ends well.

mod harness;
mod shims;

use std::{
    env, fs,
    path::PathBuf,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use harness::{CENTRE, Desk, Fixture, PATIENCE, Running};

/// So many faults are tried where nothing else is asked for; `DAYBOOK_FAULTS` asks for more or fewer, 5000 for every call in
/// every way.
const FAULTS: usize = 20;
/// Runs side by side: each spends most of its time waiting for looks and disks.
const SIDE_BY_SIDE: usize = 4;
/// How a call can fail.
const MODES: [&str; 4] = ["lost", "kept", "torn", "full"];

/// A call that the program made, as the shim wrote it down.
#[derive(Debug, Clone)]
struct Call {
    number: usize,
    failed: bool,
    name: String,
    path: String,
}

impl Call {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let number = words.next()?.parse().ok()?;
        let failed = words.next()? != "0";
        Some(Self { number, failed, name: words.next()?.to_owned(), path: words.next()?.to_owned() })
    }

    fn syncs(&self) -> bool {
        self.name.contains("sync")
    }

    /// Whether it can fail in a way.
    fn fails_by(&self, mode: &str) -> bool {
        match mode {
            "torn" => matches!(self.name.as_str(), "write" | "pwrite64"),
            "full" => !self.syncs(),
            _ => true,
        }
    }
}

/// What is done while a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// An agent takes a file from a folder, on a machine that knows nothing yet.
    Run,
    /// A command takes one.
    Import,
    /// An agent takes another one, on a machine that was killed.
    Again,
}

/// A machine on which a call fails.
struct Scene {
    desk: Desk,
    shim: PathBuf,
}

impl Scene {
    /// Where the work is to be done.
    fn new(work: Work) -> Option<Self> {
        let mut desk = Desk::in_memory("local");
        let shim = shims::compiled("faults", &desk.beside(""))?;
        if work == Work::Again {
            desk.drop_file(Fixture::enrolments(1, 5));
            let mut running = desk.start(&["run"]);
            desk.until_filed(&mut running);
            running.kill();
        }
        Some(Self { desk, shim })
    }

    fn trace(&self) -> PathBuf {
        self.desk.beside("trace")
    }

    fn calls(&self) -> Vec<Call> {
        let trace = fs::read_to_string(self.trace()).unwrap_or_default();
        trace.replace(self.desk.beside("").to_str().expect("text"), "").lines().filter_map(Call::read).collect()
    }

    /// A command under the shim, by which the call of that number fails; none for 0.
    fn failing(&self, arguments: &[&str], at: usize, mode: &str) -> Command {
        let mut command = self.desk.command(arguments);
        let roots = format!("{}:{}", self.desk.data.display(), self.desk.folder.display());
        command.env("LD_PRELOAD", &self.shim).env("SHIM_ROOTS", roots).env("SHIM_TRACE", self.trace());
        command.env("SHIM_AT", at.to_string()).env("SHIM_MODE", mode);
        command
    }

    /// Does the work while a call fails: to its end, or until the program stops. Gives what it said.
    fn work(&mut self, work: Work, at: usize, mode: &str) -> Result<String, String> {
        match work {
            Work::Import => {
                let file = Fixture::enrolments(2, 5);
                let path = self.desk.write(&file);
                let arguments = ["import", "--centre", CENTRE, "--json", path.to_str().expect("text")];
                let output = self.failing(&arguments, at, mode).output().expect("it runs");
                self.desk.handed.push(file);
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                orderly(output.status.code(), &said)
            }
            Work::Run | Work::Again => {
                self.desk.drop_file(Fixture::enrolments(0, 5));
                let mut running = self.desk.spawn(self.failing(&["run"], at, mode));
                let began = std::time::Instant::now();
                let ended = loop {
                    match running.ended() {
                        Some(status) => break Some(status),
                        None if self.is_done(&running) => break None,
                        None if began.elapsed() > PATIENCE => return Err("it neither goes on nor stops".into()),
                        None => thread::sleep(std::time::Duration::from_millis(20)),
                    }
                };
                let status = match ended {
                    Some(status) => status,
                    None => running.stopped().0,
                };
                orderly(status.code(), &running.said())
            }
        }
    }

    /// Whether an agent has filed what was dropped and says that nothing is wrong any more.
    fn is_done(&self, running: &Running) -> bool {
        self.desk.is_empty() && running.said().contains("runs in")
    }

    /// Starts the program once more, without faults; then everything is as it must be.
    fn ends_well(&mut self, work: Work) {
        if work == Work::Import {
            let path = self.desk.beside(&self.desk.handed[0].name);
            self.desk.told(&["import", "--centre", CENTRE, path.to_str().expect("text")]);
            // So that the check finds an agent's folders, too.
            self.desk.drop_file(Fixture::enrolments(0, 5));
        }
        let mut running = self.desk.start(&["run"]);
        self.desk.until_filed(&mut running);
        running.stop_well();
        self.desk.check_log(false);
    }
}

/// A program that ends does so by itself, and where that is not by success it says why.
fn orderly(code: Option<i32>, said: &str) -> Result<String, String> {
    match code {
        None => Err(format!("it died: {said}")),
        Some(0) => Ok(said.to_owned()),
        Some(_) if said.to_lowercase().contains("error") => Ok(said.to_owned()),
        Some(code) => Err(format!("it ended with {code} and did not say why: {said}")),
    }
}

/// After a failed sync nobody knows what of the file is on the disk, and the next sync may be called a success. Log and head are
/// neither written nor synced by this process any more. Keys, which are still in memory, may be written once more and synced
/// then. Until that, nothing is answered.
fn is_left_alone(calls: &[Call]) -> Result<(), String> {
    let (batches, head, keys) = ("data/log/db", "data/head", "data/keyring/00000001.keys");
    // Our own syncs; what the engine asks for by `fsync` when it is let go of, nobody relies on.
    let synced = |call: &Call| call.name == "fdatasync" && [batches, head, keys].contains(&call.path.as_str());
    let Some(at) = calls.iter().position(|call| call.failed && synced(call)) else { return Ok(()) };
    let failed = &calls[at];
    let answers = |call: &Call| {
        call.name.starts_with("rename") && ["/receipts/", "/done/"].iter().any(|place| call.path.contains(place))
    };
    let mut written = false;
    for call in &calls[at + 1..] {
        // The engine writes what it has left into its file when it is let go of.
        let again = call.path == failed.path && (synced(call) || call.path == head);
        if again && written {
            return Ok(());
        }
        if again || answers(call) || call.path == head {
            return Err(format!("after {failed:?} there is {call:?}"));
        }
        written |= call.path == keys && failed.path == keys && call.name == "pwrite64";
    }
    Ok(())
}

/// Goal: a disk that fails loses nothing that was acknowledged, and has nothing acknowledged that it did not keep. Method: write
/// down what an agent and an import ask of the disk; then let one call after the other fail, see that the program goes on or stops
/// in order, start it again and check everything.
#[test]
fn a_failing_disk_loses_and_repeats_nothing() {
    let mut cases = Vec::new();
    for work in [Work::Run, Work::Import, Work::Again] {
        let Some(mut scene) = Scene::new(work) else { return };
        scene.work(work, 0, "lost").expect("nothing fails");
        let calls = scene.calls();
        assert!(calls.len() > 50 && !calls.iter().any(|call| call.failed && call.syncs()), "{calls:?}");
        println_of(&format!("{work:?}: {} calls", calls.len()));
        scene.ends_well(work);
        for mode in MODES {
            cases.extend(calls.iter().filter(|call| call.fails_by(mode)).map(|call| (work, mode, call.clone())));
        }
    }
    let faults = env::var("DAYBOOK_FAULTS").ok().and_then(|text| text.parse().ok()).unwrap_or(FAULTS);
    let every = cases.len().div_ceil(faults);
    // Others with each run; which, is said.
    let first = env::var("DAYBOOK_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::random_range(0..every))
        % every;
    println_of(&format!("every {every}th of {} faults, DAYBOOK_SEED={first}", cases.len()));
    let cases: Vec<_> = cases.into_iter().skip(first).step_by(every).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let outcomes = Mutex::new(std::collections::BTreeMap::<String, usize>::new());
    let work = || {
        while let Some((work, mode, call)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            match fails(*work, mode, call) {
                Ok(outcome) => {
                    println_of(&format!("{work:?} {mode} {call:?}: {outcome}"));
                    *outcomes.lock().expect("a list").entry(outcome).or_default() += 1;
                }
                Err(why) => {
                    println_of(&format!("{work:?} {mode} {call:?}: {why}"));
                    wrong.lock().expect("a list").push(call.number);
                }
            }
        }
    };
    thread::scope(|scope| (0..SIDE_BY_SIDE).for_each(|_| drop(scope.spawn(work))));
    println_of(&format!("{:?}", outcomes.lock().expect("a list")));
    let wrong = wrong.into_inner().expect("a list");
    assert!(wrong.is_empty(), "{} of {} faults end badly: {wrong:?}", wrong.len(), cases.len());
}

/// Does the work with one call failing, and again without; says what the program did about it.
fn fails(work: Work, mode: &str, call: &Call) -> Result<String, String> {
    let mut scene = Scene::new(work).ok_or("no compiler")?;
    let said = scene.work(work, call.number, mode);
    let calls = scene.calls();
    let failed = calls.iter().find(|made| made.number == call.number).cloned();
    let checked = said.and_then(|said| is_left_alone(&calls).map(|()| said)).and_then(|said| {
        let ended = thread::scope(|scope| scope.spawn(|| scene.ends_well(work)).join());
        let text = |panic: Box<dyn std::any::Any + Send>| {
            panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "the check fails".into())
        };
        ended.map_err(text).map(|()| said)
    });
    match checked {
        Ok(said) => {
            let stopped = said.to_lowercase().contains("error");
            Ok(format!(
                "{} {mode}: {}",
                failed.map_or("not reached".into(), |made| made.name),
                if stopped { "said" } else { "went on" }
            ))
        }
        Err(why) => {
            Err(format!("{why}\nwhat failed: {failed:?}\nthe machine as it was: {}", scene.desk.keep().display()))
        }
    }
}

#[allow(clippy::print_stdout, reason = "a failing test shows what it did")]
fn println_of(text: &str) {
    println!("{text}");
}
