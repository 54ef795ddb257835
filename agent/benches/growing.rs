//! Whether a row costs more where the log has many entries already: a large import beside one of 100,000 rows, by processor time,
//! and its memory; and the read model of all of it. `cargo bench --bench growing [-- ROWS]`; ten million rows take some minutes and
//! 8 GB of disk.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use support::{Ran, command, ratio, report};

const ROWS: u64 = 1_000_000;
const FEW_ROWS: u64 = 100_000;

fn main() {
    let rows = support::rows(ROWS);
    let few = import(FEW_ROWS);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (many, data) = import_into(scratch.path(), rows);
    let cost = |ran: &Ran, rows: u64| ratio(u64::try_from(ran.cpu.as_micros()).unwrap_or(u64::MAX), rows);
    let (few_cost, cost) = (cost(&few, FEW_ROWS), cost(&many, rows));
    println!("a row of {FEW_ROWS} costs {few_cost:.2} µs of processor time, one of {rows} {cost:.2} µs");
    println!("  {:.2} times as much; at most {} MiB of memory", cost / few_cost, many.peak_kib / 1024);
    let index = fs::metadata(data.join("books/index")).map_or(0, |about| about.len());
    println!("  the index has {} bytes a row on disk", index / rows);
    fs::remove_file(data.join("books/index")).expect("there is an index");
    let folded = command(scratch.path(), &data, &["held", "list"]);
    report("the index, folded from the log (with the start of a command)", rows, "entries", folded);
    let both = command(scratch.path(), &data, &["rebuild"]);
    report("the read model, folded from the log", rows, "entries", both.saturating_sub(folded));
}

fn import(rows: u64) -> Ran {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    import_into(scratch.path(), rows).0
}

fn import_into(scratch: &Path, rows: u64) -> (Ran, PathBuf) {
    let (file, data) = (scratch.join("enrolments.csv"), scratch.join("data"));
    support::enrolments(&file, rows).expect("the file is written");
    let ran = support::import(scratch, &data, &file, rows);
    fs::remove_file(file).expect("the file is removed");
    (ran, data)
}
