//! A million-row enrolment file from drop to receipted, beside `sqlite3 .import` of the same file with synchronous=FULL and
//! a straightforward Python script for the same job, in the same run; and what it takes in memory and on disk. See
//! `agent/benches/README.md` for how to read the figures.
//!
//! `cargo bench --bench straight_line [-- ROWS]`

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

mod support;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use support::{bytes_in, daybook, per_second, ratio, report, run};

const ROWS: u64 = 1_000_000;
/// The script takes so many rows only: it would be at it for a minute.
const SCRIPT_ROWS_MAX: u64 = 100_000;

fn main() {
    let rows = support::rows(ROWS);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (file, data) = (scratch.path().join("enrolments.csv"), scratch.path().join("data"));
    let bytes = support::enrolments(&file, rows).expect("the file is written");
    println!("{rows} rows, {} MB", bytes / 1_000_000);
    println!("fdatasync of a 4 KiB append, median: {:?}", support::fdatasync_p50(scratch.path()));
    let ran = support::import(scratch.path(), &data, &file, rows);
    let took = ran.took;
    report("daybook import, drop to receipted", rows, "rows", took);
    println!("  at most {} MiB of memory", ran.peak_kib / 1024);
    sizes(scratch.path(), &data, bytes);
    for (name, table) in [
        ("sqlite3 .import, no key", "CREATE TABLE t(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o);"),
        (
            "sqlite3 .import, primary key (uln, qualification)",
            "CREATE TABLE t(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,PRIMARY KEY(a,f));",
        ),
    ] {
        match sqlite(scratch.path(), &file, table) {
            Some(peer) => {
                report(name, rows, "rows", peer);
                println!("  daybook takes {:.2} times as long", took.as_secs_f64() / peer.as_secs_f64());
            }
            None => println!("{name}: skipped, there is no sqlite3 on this machine"),
        }
    }
    let some = rows.min(SCRIPT_ROWS_MAX);
    match script(scratch.path(), some) {
        Some(peer) => {
            report("a Python script for the same job", some, "rows", peer);
            println!("  daybook is {:.1} times quicker", per_second(rows, took) / per_second(some, peer));
        }
        None => println!("a Python script for the same job: skipped, there is no python3 on this machine"),
    }
}

/// What is on disk, beside what it holds.
fn sizes(scratch: &Path, data: &Path, original: u64) {
    let export = scratch.join("export");
    let mut command = daybook();
    let exported = run(scratch, command.arg("export").arg("--data").arg(data).arg(&export)).expect("daybook runs");
    assert!(exported.status.success(), "{}", exported.said);
    let (log, payload) = (bytes_in(&data.join("log")), bytes_in(&export));
    println!("  log {} MB for {} MB of batches: {:.2}", log / 1_000_000, payload / 1_000_000, ratio(log, payload));
    println!("  vault: {:.2} of the original", ratio(bytes_in(&data.join("vault")), original));
    fs::remove_dir_all(export).expect("the export is removed");
}

fn sqlite(scratch: &Path, file: &Path, table: &str) -> Option<Duration> {
    let database = scratch.join("peer.sqlite");
    let script = format!(
        "PRAGMA journal_mode=WAL;\nPRAGMA synchronous=FULL;\n{table}\n.mode csv\n.import --skip 1 {} t\n",
        file.display()
    );
    let began = Instant::now();
    let mut child = Command::new("sqlite3").arg(&database).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().ok()?;
    child.stdin.take()?.write_all(script.as_bytes()).ok()?;
    assert!(child.wait().ok()?.success(), "sqlite3 imports the file");
    let took = began.elapsed();
    fs::remove_file(&database).ok()?;
    Some(took)
}

fn script(scratch: &Path, rows: u64) -> Option<Duration> {
    let (file, database) = (scratch.join("some.csv"), scratch.join("script.sqlite"));
    support::enrolments(&file, rows).ok()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer.py");
    let ran = run(scratch, Command::new("python3").arg(script).arg(&file).arg(&database)).ok()?;
    assert!(ran.status.success() && ran.said.contains(&format!("\"accepted\": {rows}")), "{}", ran.said);
    Some(ran.took)
}
