//! What can be done with a log of a million entries once it is there: checked, opened after a kill, its books folded anew.
//! `cargo bench --bench asking [-- ROWS]`

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use support::{command, daybook, report};

const ROWS: u64 = 1_000_000;

fn main() {
    let rows = support::rows(ROWS);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (file, data) = (scratch.path().join("enrolments.csv"), scratch.path().join("data"));
    support::enrolments(&file, rows).expect("the file is written");
    killed_at_the_end(scratch.path(), &data, &file);
    let opened = command(scratch.path(), &data, &["held", "list"]);
    println!("the first command after a kill -9 at the end of the import: {opened:.2?}");
    println!("the same after a clean stop: {:.2?}", command(scratch.path(), &data, &["held", "list"]));
    report("verify", rows, "entries", command(scratch.path(), &data, &["verify"]));
    match hash_of_all(&data) {
        Some(peer) => println!("  sha256sum of the same file: {peer:.2?}"),
        None => println!("  sha256sum: skipped, it is not on this machine"),
    }
    fs::remove_file(data.join("books/index")).expect("there is an index");
    let index = command(scratch.path(), &data, &["held", "list"]);
    report("the index, folded from the log (with the start of a command)", rows, "entries", index);
    let both = command(scratch.path(), &data, &["rebuild"]);
    report("index and read model, folded from the log", rows, "entries", both);
    report("the read model's part of that", rows, "entries", both.saturating_sub(index));
}

/// Imports a file, and kills the program as soon as it has answered: nothing is closed in order.
fn killed_at_the_end(scratch: &Path, data: &Path, file: &Path) {
    let said = scratch.join("answer");
    let mut importing = daybook();
    importing.args(["import", "--centre", "BENCH1", "--json", "--data"]).arg(data).arg(file).stderr(Stdio::null());
    let mut child = importing.stdout(fs::File::create(&said).expect("a file")).spawn().expect("daybook runs");
    while fs::metadata(&said).map_or(0, |about| about.len()) == 0 {
        assert!(child.try_wait().expect("a child").is_none(), "it answers before it ends");
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().and_then(|()| child.wait()).expect("it is killed");
}

fn hash_of_all(data: &Path) -> Option<Duration> {
    let began = Instant::now();
    let hashed = Command::new("sha256sum").arg(data.join("log/db")).stdout(Stdio::null()).status().ok()?;
    hashed.success().then(|| began.elapsed())
}
