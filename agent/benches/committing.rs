//! How many syncs it takes to commit what 64 writers want recorded at the same time, each waiting for its answer before it asks
//! again: counted by strace, of the whole process. `cargo bench --bench committing [-- COMMITS]`

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

mod support;

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use daybook_agent::{
    home::Home,
    journal::Draft,
    office::{Location, Office},
};
use daybook_protocol::event::{Alarm, Event};
use support::report;

const COMMITS: u64 = 64 * 250;
const WRITERS: u64 = 64;
/// The word before the directory by which this program knows that it is the one that is counted.
const COUNTED: &str = "--counted";

fn main() {
    let commits = support::rows(COMMITS) / WRITERS * WRITERS;
    let mut arguments = env::args().skip_while(|argument| argument != COUNTED);
    if let Some(data) = arguments.nth(1) {
        println!("{}", write(Path::new(&data), commits).as_micros());
        return;
    }
    let scratch = tempfile::tempdir().expect("a scratch directory");
    report("committed by 64 writers", commits, "commits", write(&scratch.path().join("data"), commits));
    let (counts, this) = (scratch.path().join("counts"), env::current_exe().expect("this program"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,sync_file_range,msync,syncfs", "-o"]);
    strace.arg(&counts).arg(this).arg(commits.to_string()).arg(COUNTED).arg(scratch.path().join("counted"));
    match strace.stdout(Stdio::null()).status() {
        Ok(status) => assert!(status.success(), "strace runs it"),
        Err(_) => return println!("syncs: skipped, there is no strace on this machine"),
    }
    let counted = fs::read_to_string(counts).expect("counts");
    let of = |name: &str| {
        let line = counted.lines().find(|line| line.split_whitespace().last() == Some(name));
        line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(0_u64)
    };
    let syncs = of("fsync") + of("fdatasync") + of("msync") + of("syncfs");
    println!("  {syncs} syncs in all, opening and closing included: one for {} commits", commits / syncs.max(1));
    println!("  {} sync_file_range beside them, which make nothing durable", of("sync_file_range"));
}

/// Has so many small events recorded in a new log, and gives how long that took.
fn write(data: &Path, commits: u64) -> Duration {
    let place = Location { home: Home::new(data), config: None, operator_key: None };
    let office = Office::open(&place, true).expect("a new home");
    let began = Instant::now();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let journal = office.journal.clone();
            scope.spawn(move || {
                for _ in 0..commits / WRITERS {
                    let alarm = Alarm { alarm: format!("bench {writer}"), detail: "nothing is wrong".to_owned() };
                    journal.note(Draft::plain(Event::AlarmCleared(alarm))).expect("recorded");
                }
            });
        }
    });
    let took = began.elapsed();
    office.close().expect("closed");
    took
}
