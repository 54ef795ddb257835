//! How many syncs it takes to commit what 64 writers want recorded at the same time, each waiting for its answer before it asks
//! again: counted by strace, of the one thread that commits. `cargo bench --bench committing [-- COMMITS]`

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
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

fn main() {
    let commits = support::rows(COMMITS) / WRITERS * WRITERS;
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (counts, data) = (scratch.path().join("counts"), scratch.path().join("counted"));
    report("committed by 64 writers", commits, "commits", write(&scratch.path().join("data"), commits, None));
    let took = write(&data, commits, Some(&counts));
    let Ok(counted) = fs::read_to_string(&counts) else {
        return println!("  syncs: not counted, strace is not here or may not look at this program");
    };
    let of = |name: &str| {
        let line = counted.lines().find(|line| line.split_whitespace().last() == Some(name));
        line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(0_u64)
    };
    let syncs = of("fsync") + of("fdatasync") + of("msync") + of("syncfs");
    println!("  watched by strace: {took:.2?}, {syncs} syncs, one for {} commits", commits / syncs.max(1));
    println!("  {} sync_file_range beside them, which make nothing durable", of("sync_file_range"));
}

/// Has so many small events recorded in a new log, and gives how long that took. The committer's calls are counted into a file.
fn write(data: &Path, commits: u64, counts: Option<&Path>) -> Duration {
    let place = Location { home: Home::new(data), config: None, operator_key: None };
    let office = Office::open(&place, true).expect("a new home");
    let watching = counts.and_then(watch);
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
    if let Some(mut strace) = watching {
        strace.wait().expect("it ends with the thread");
    }
    took
}

/// Has strace count the committer's syncs, and nothing of the other threads, which it would slow down tenfold.
fn watch(counts: &Path) -> Option<Child> {
    let committer = fs::read_dir("/proc/self/task")
        .ok()?
        .flatten()
        .find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "committer"))?;
    let mut strace = Command::new("strace");
    strace.args(["-c", "-e", "trace=fsync,fdatasync,sync_file_range,msync,syncfs", "-o"]).arg(counts);
    strace.arg("-p").arg(committer.file_name());
    let mut strace = strace.stderr(Stdio::piped()).spawn().ok()?;
    let attached =
        BufReader::new(strace.stderr.take()?).lines().map_while(Result::ok).find(|line| line.contains("attached"));
    attached.map(|_| strace)
}
