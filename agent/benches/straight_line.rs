//! A million-row enrolment file from drop to receipted, beside `sqlite3 .import` of the same file with synchronous=FULL, in
//! the same run. See `agent/benches/README.md` for how to read the figures.
//!
//! `cargo bench --bench straight_line [-- ROWS]`

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

use std::{
    env, fs,
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const ROWS: u64 = 1_000_000;
/// Every 25th row is of a learner who was enrolled before, for another qualification: 96 % are new.
const RETURNING: u64 = 25;
const QUALIFICATIONS: [&str; 4] = ["601/5886/4", "600/8706/7", "603/0198/3", "603/2496/X"];

fn main() {
    let rows = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(ROWS);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let file = scratch.path().join("enrolments.csv");
    let bytes = generate(&file, rows).expect("the file is written");
    println!("{rows} rows, {} MB", bytes / 1_000_000);
    let sync = fdatasync_p50(scratch.path());
    println!("fdatasync of a 4 KiB append, median: {sync:?}");
    let daybook = import(scratch.path(), &file, rows);
    report("daybook import, drop to receipted", rows, daybook);
    for (name, table) in [
        ("sqlite3 .import, no key", "CREATE TABLE t(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o);"),
        (
            "sqlite3 .import, primary key (uln, qualification)",
            "CREATE TABLE t(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,PRIMARY KEY(a,f));",
        ),
    ] {
        match sqlite(scratch.path(), &file, table) {
            Some(peer) => {
                report(name, rows, peer);
                println!("  daybook takes {:.2} times as long", daybook.as_secs_f64() / peer.as_secs_f64());
            }
            None => println!("{name}: skipped, there is no sqlite3 on this machine"),
        }
    }
}

fn report(name: &str, rows: u64, took: Duration) {
    #[allow(clippy::cast_precision_loss, reason = "a rate is shown to three figures")]
    let rate = rows as f64 / took.as_secs_f64();
    println!("{name}: {took:.2?}, {rate:.0} rows a second");
}

/// Fifteen columns, about 150 bytes a row.
fn generate(path: &Path, rows: u64) -> std::io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    writeln!(
        out,
        "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref,Middle names,\
         Sex,Postcode,Email,PO number,Planned end,Notes"
    )?;
    let mut ulns = (100_000_000_u64..).filter_map(uln);
    let mut last = String::new();
    for row in 0..rows {
        let returning = row % RETURNING == RETURNING - 1;
        if !returning {
            last = ulns.next().unwrap_or_default();
        }
        // A returning learner is the one of the row before, so names and birth date go by the ULN.
        let person = if returning { row - 1 } else { row };
        let qualification = QUALIFICATIONS[usize::from(returning)];
        writeln!(
            out,
            "{last},Given{},Family{},{}-{:02}-{:02},BENCH1,{qualification},2024-09-{:02},REF{row:08},Middle,F,SW1A 1AA,\
             learner{row}@example.test,PO{:06},2026-07-31,none",
            letters(person % 9973),
            letters(person),
            1990 + person % 15,
            1 + person % 12,
            1 + person % 28,
            1 + row % 28,
            row % 1_000_000
        )?;
    }
    out.flush()?;
    fs::metadata(path).map(|meta| meta.len())
}

fn uln(stem: u64) -> Option<String> {
    let digits = format!("{stem:09}");
    let sum: u32 = digits.bytes().zip((2..=10).rev()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    (!sum.is_multiple_of(11)).then(|| format!("{digits}{}", 10 - sum % 11))
}

/// A number in letters, because a name has no digits.
fn letters(mut number: u64) -> String {
    let mut out = String::new();
    loop {
        out.push(char::from(b'a' + u8::try_from(number % 26).unwrap_or(0)));
        number /= 26;
        if number == 0 {
            return out;
        }
    }
}

fn import(scratch: &Path, file: &Path, rows: u64) -> Duration {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_daybook"))
        .args(["import", "--centre", "BENCH1", "--json", "--data"])
        .arg(scratch.join("data"))
        .arg(file)
        .stderr(Stdio::inherit())
        .output()
        .expect("daybook runs");
    let took = began.elapsed();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains(&format!("\"accepted\":{rows}")), "{told}");
    took
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

fn fdatasync_p50(scratch: &Path) -> Duration {
    let mut file = fs::File::create(scratch.join("sync")).expect("a file");
    let mut took: Vec<Duration> = (0..101)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).expect("a sync");
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[took.len() / 2]
}
