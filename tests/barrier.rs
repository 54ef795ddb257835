//! The barrier, seen from the operating system: what the program asks of it, in which order.
//!
//! A commit is: keys synced, batches synced, head written, head synced. Nothing is acknowledged, no receipt takes its place
//! and no original leaves `in/` before the commit of the entry that allows it.

mod harness;

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use daybook_protocol::head::Head;
use harness::{Desk, Fixture, program, until};
use serde_json::Value;

const CALLS: &str =
    "trace=fdatasync,fsync,pwrite64,write,writev,pwritev,rename,renameat,renameat2,sendto,sync_file_range";

/// A row report, a resend file and a summary: each of the files here has rows that are rejected.
const RECEIPT_FILES: u64 = 3;

/// For an arrival: the entries that must be durable before its receipt, before its original moves, and before it is
/// answered on the screen.
#[derive(Clone, Copy)]
struct Needed {
    receipt: u64,
    original: u64,
    answer: u64,
}

/// Follows a trace of the program and says what is out of order.
#[derive(Default)]
struct Checker {
    /// Writes begun and writes known to be durable, for the batches and for the keys.
    batches: (u64, u64),
    keys: (u64, u64),
    /// How many entries the head speaks of: as written, and as known to be durable.
    head: (u64, u64),
    synced_since_head: bool,
    needed: HashMap<u64, Needed>,
    /// Seen: commits, receipts, originals, answers.
    commits: u64,
    receipts: HashMap<u64, u64>,
    originals: u64,
    answers: u64,
    faults: Vec<String>,
    /// Calls that have begun: what, of which file, and how far it was written then.
    under_way: HashMap<String, (String, String, u64)>,
}

impl Checker {
    fn check(trace: &[String], needed: &HashMap<u64, Needed>) -> Self {
        let mut checker = Self { needed: needed.clone(), ..Self::default() };
        for line in trace {
            checker.line(line);
        }
        checker
    }

    fn line(&mut self, line: &str) {
        let Some((process, rest)) = line.split_once(' ') else { return };
        let rest = rest.trim_start();
        if rest.starts_with("<...") {
            if let Some(call) = self.under_way.remove(process) {
                self.ended(&call);
            }
            return;
        }
        let Some((name, arguments)) = rest.split_once('(') else { return };
        let call = self.began(name, arguments);
        if rest.ends_with("<unfinished ...>") {
            self.under_way.insert(process.to_owned(), call);
        } else {
            self.ended(&call);
        }
    }

    /// A call begins. Whatever it does may be done from here on.
    fn began(&mut self, name: &str, arguments: &str) -> (String, String, u64) {
        let path = between(arguments, '<', '>').first().map(|path| text(path)).unwrap_or_default();
        let mut written = 0;
        if name.contains("sync") {
            written = match place(&path) {
                Place::Batches => self.batches.0,
                Place::Keys => self.keys.0,
                Place::Head => self.head.0,
                Place::Other => 0,
            };
        } else if name.contains("rename") {
            self.renames(arguments);
        } else {
            self.writes(&path, arguments);
        }
        (name.to_owned(), path, written)
    }

    /// A call has ended. What it makes durable is durable now.
    fn ended(&mut self, (name, path, written): &(String, String, u64)) {
        if name != "fdatasync" && name != "fsync" {
            return;
        }
        match place(path) {
            Place::Batches => {
                self.batches.1 = *written;
                self.synced_since_head = true;
            }
            Place::Keys => self.keys.1 = *written,
            Place::Head => self.head.1 = *written,
            Place::Other => {}
        }
    }

    fn writes(&mut self, path: &str, arguments: &str) {
        let bytes = || between(arguments, '"', '"').first().map(|hex| bytes(hex)).unwrap_or_default();
        match place(path) {
            Place::Batches => self.batches.0 += 1,
            Place::Keys => self.keys.0 += 1,
            Place::Head => {
                let head = Head::decode(&bytes()).expect("a slot of the head is written whole");
                let count = head.frontier.count();
                if !self.synced_since_head || self.batches.0 != self.batches.1 {
                    self.faults.push(format!("the head speaks of {count} entries before the batches are synced"));
                }
                if self.keys.0 != self.keys.1 {
                    self.faults.push(format!("the head speaks of {count} entries before their keys are synced"));
                }
                self.commits += 1;
                self.synced_since_head = false;
                self.head.0 = count;
            }
            Place::Other if arguments.starts_with("1<") => self.answer(&String::from_utf8_lossy(&bytes())),
            Place::Other => {}
        }
    }

    fn renames(&mut self, arguments: &str) {
        let names: Vec<_> = between(arguments, '"', '"').iter().map(|name| text(name)).collect();
        let folders: Vec<_> = between(arguments, '<', '>').iter().map(|path| text(path)).collect();
        let [.., from, to] = names.as_slice() else { return };
        let name = to.rsplit('/').next().unwrap_or(to);
        let Some(no) = name.split_once('_').and_then(|(no, _)| no.parse::<u64>().ok()) else { return };
        if from.starts_with(&format!(".{no}_")) {
            *self.receipts.entry(no).or_default() += 1;
            self.demand(no, "its receipt takes its place", |needed| needed.receipt);
        } else if folders.first().is_some_and(|folder| folder.ends_with("/in")) {
            self.originals += 1;
            self.demand(no, "its original is moved", |needed| needed.original);
            if self.receipts.get(&no) != Some(&RECEIPT_FILES) {
                self.faults.push(format!("arrival {no}: its original is moved before its receipt is in place"));
            }
        }
    }

    fn answer(&mut self, said: &str) {
        for line in said.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            let Some(no) = line["receipt"].as_u64() else { continue };
            self.answers += 1;
            self.demand(no, "it is answered", |needed| needed.answer);
        }
    }

    fn demand(&mut self, no: u64, what: &str, entry: impl Fn(&Needed) -> u64) {
        let durable = self.head.1;
        match self.needed.get(&no).map(entry) {
            Some(entry) if entry < durable => {}
            Some(entry) => {
                self.faults.push(format!("arrival {no}: {what} with {durable} entries durable and not entry {entry}"));
            }
            None => self.faults.push(format!("arrival {no}: {what}, and the log knows nothing of it")),
        }
    }
}

/// The files whose order matters.
enum Place {
    Batches,
    Keys,
    Head,
    Other,
}

fn place(path: &str) -> Place {
    match path {
        path if path.ends_with("/data/log/db") => Place::Batches,
        path if path.ends_with("0001.keys") => Place::Keys,
        path if path.ends_with("/data/head") => Place::Head,
        _ => Place::Other,
    }
}

/// The parts of a call's arguments between two signs; strace was told to write all text in hexadecimal, so that the signs
/// stand for themselves.
fn between(arguments: &str, open: char, close: char) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = arguments;
    while let Some((_, behind)) = rest.split_once(open) {
        let Some((inner, behind)) = behind.split_once(close) else { break };
        found.push(inner.to_owned());
        rest = behind;
    }
    found
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split("\\x").skip(1).filter_map(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok()).collect()
}

fn text(hex: &str) -> String {
    String::from_utf8_lossy(&bytes(hex)).into_owned()
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "\\x{byte:02x}").expect("text");
        hex
    })
}

/// Whether strace is here and may trace.
fn can_trace() -> bool {
    let tried =
        Command::new("strace").args(["-f", "-o", "/dev/null", program(), "--version"]).stdout(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        skipped("SKIPPED: strace is not installed or may not trace here; tests/run installs it");
    }
    can
}

#[allow(clippy::print_stderr, reason = "whoever runs the tests has to see that this one did not run")]
fn skipped(why: &str) {
    eprintln!("{why}");
}

/// The program under strace, which writes to `trace`. The tracer stands beside, so that signals reach the program.
fn traced(desk: &Desk, arguments: &[&str], trace: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-y", "-xx", "-s", "4096", "-e", CALLS, "-o"]).arg(trace);
    command.arg(program()).args(arguments).arg("--data").arg(&desk.data).stdin(Stdio::null());
    command
}

/// The trace, once its last process has ended.
fn read(trace: &Path) -> Vec<String> {
    until("the tracer to finish", || {
        let text = fs::read_to_string(trace).ok()?;
        let first = text.split(' ').next()?.to_owned();
        let end = format!("{first} +++ exited");
        let ended = text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(&end));
        ended.then(|| text.lines().map(str::to_owned).collect())
    })
}

fn needed(desk: &Desk) -> HashMap<u64, Needed> {
    let mut needed: HashMap<u64, Needed> = HashMap::new();
    for entry in desk.json(&["entries"]) {
        let (Some(arrival), Some(sequence)) = (entry["arrival"].as_u64(), entry["sequence"].as_u64()) else { continue };
        let of = needed.entry(arrival).or_insert(Needed { receipt: u64::MAX, original: u64::MAX, answer: u64::MAX });
        match entry["type"].as_str() {
            Some("FileProcessed") => of.receipt = sequence,
            Some("ReceiptIssued") => of.original = sequence,
            Some("OriginalFiled") => of.answer = sequence,
            _ => {}
        }
    }
    needed
}

/// Goal: an import answers nothing that is not durable. Method: trace one and follow the order of its calls.
#[test]
fn an_import_is_answered_after_its_commit() {
    if !can_trace() {
        return;
    }
    let desk = Desk::new("local");
    let files: Vec<_> = (0..3).map(|file| desk.write(&Fixture::enrolments(file, 300))).collect();
    let mut arguments = vec!["import", "--centre", harness::CENTRE, "--json"];
    arguments.extend(files.iter().map(|path| path.to_str().expect("text")));
    let trace = desk.beside("trace");
    let output = traced(&desk, &arguments, &trace).output().expect("strace runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (trace, needed) = (read(&trace), needed(&desk));
    let checked = Checker::check(&trace, &needed);
    assert_eq!(checked.faults, Vec::<String>::new());
    assert_eq!((checked.receipts.len(), checked.originals, checked.answers), (3, 0, 3));
    assert!(checked.commits >= 3 * 5, "{} commits", checked.commits);
    fails_without(&trace, &needed);
}

/// Goal: an agent answers and moves nothing that is not durable. Method: trace one that takes files from a folder.
#[test]
fn an_agent_moves_originals_after_their_commit() {
    if !can_trace() {
        return;
    }
    let mut desk = Desk::new("local");
    let trace = desk.beside("trace");
    let mut running = desk.spawn(traced(&desk, &["run"], &trace));
    (0..3).for_each(|file| desk.drop_file(Fixture::enrolments(file, 300)));
    desk.until_filed(&mut running);
    running.stop_well();
    desk.check_log(false);
    let (trace, needed) = (read(&trace), needed(&desk));
    let checked = Checker::check(&trace, &needed);
    assert_eq!(checked.faults, Vec::<String>::new());
    assert_eq!((checked.receipts.len(), checked.originals), (3, 3));
    fails_without(&trace, &needed);
}

/// The checker must find fault with the same trace once any of the syncs is missing from it.
fn fails_without(trace: &[String], needed: &HashMap<u64, Needed>) {
    for (file, fault) in [
        ("/log/db>", "before the batches are synced"),
        ("0001.keys>", "before their keys are synced"),
        ("/head>", "entries durable"),
    ] {
        let file = format!("{}>", hex(file.trim_end_matches('>')));
        let is_sync = |line: &&String| (line.contains("fdatasync(") || line.contains("fsync(")) && line.contains(&file);
        let without: Vec<_> = trace.iter().filter(|line| !is_sync(line)).cloned().collect();
        assert!(without.len() < trace.len(), "the trace has syncs of {file}");
        let faults = Checker::check(&without, needed).faults;
        assert!(faults.iter().any(|found| found.contains(fault)), "{faults:?}");
    }
    // The order itself: everything that a head's sync allows, moved before it.
    let is_rename = |line: &&String| line.contains("rename") && line.contains(&hex("_rows.csv"));
    let (early, others): (Vec<_>, Vec<_>) = trace.iter().cloned().partition(|line| is_rename(&line));
    let faults = Checker::check(&[early, others].concat(), needed).faults;
    assert!(faults.iter().any(|found| found.contains("its receipt takes its place")), "{faults:?}");
}
