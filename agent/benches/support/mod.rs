//! What the benchmarks share: files to take in, programs to run and watch, and how a figure is printed.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]
#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

use std::{
    fs,
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Every 25th row is of a learner who was enrolled before, for another qualification: 96 % are new.
const RETURNING: u64 = 25;
const QUALIFICATIONS: [&str; 4] = ["601/5886/4", "600/8706/7", "603/0198/3", "603/2496/X"];

/// The number on the command line, if there is one.
pub(crate) fn rows(default: u64) -> u64 {
    std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(default)
}

/// The built program.
pub(crate) fn daybook() -> Command {
    Command::new(env!("CARGO_BIN_EXE_daybook"))
}

/// What a program took.
pub(crate) struct Ran {
    pub(crate) took: Duration,
    /// The processor time that it took, of all its threads, to a few hundredths of a second.
    pub(crate) cpu: Duration,
    /// The most memory it had at once, in KiB, as far as it was seen.
    pub(crate) peak_kib: u64,
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

/// Runs a program to its end. What it says goes to a file in `scratch`.
pub(crate) fn run(scratch: &Path, command: &mut Command) -> std::io::Result<Ran> {
    let said = scratch.join("said");
    let began = Instant::now();
    let mut child = command.stdout(fs::File::create(&said)?).spawn()?;
    let (mut peak_kib, mut cpu) = (0, Duration::ZERO);
    let status = loop {
        peak_kib = peak_kib.max(memory_kib(child.id(), "VmHWM:"));
        cpu = cpu.max(cpu_time(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(LOOK);
    };
    Ok(Ran { took: began.elapsed(), cpu, peak_kib, status, said: fs::read_to_string(said)? })
}

/// A line of a process's status, in KiB; 0 where there is none.
pub(crate) fn memory_kib(process: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    found.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The processor time that a process has taken so far; none where there is no such process.
pub(crate) fn cpu_time(process: u32) -> Duration {
    // Of `proc(5)`: the fields behind the name in brackets; the times are its 14th and 15th, in hundredths of a second.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// Prints a figure: how long `count` things took, and how many that is in a second.
pub(crate) fn report(what: &str, count: u64, things: &str, took: Duration) {
    println!("{what}: {took:.2?}, {:.0} {things} a second", per_second(count, took));
}

/// How many a second.
#[allow(clippy::cast_precision_loss, reason = "a rate is shown to three figures")]
pub(crate) fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// One size over another.
#[allow(clippy::cast_precision_loss, reason = "a ratio is shown to three figures")]
pub(crate) fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

/// What a directory's files take on disk, in bytes.
pub(crate) fn bytes_in(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_in(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Fifteen columns, about 150 bytes a row.
pub(crate) fn enrolments(path: &Path, rows: u64) -> std::io::Result<u64> {
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
pub(crate) fn letters(mut number: u64) -> String {
    let mut out = String::new();
    loop {
        out.push(char::from(b'a' + u8::try_from(number % 26).unwrap_or(0)));
        number /= 26;
        if number == 0 {
            return out;
        }
    }
}

/// Takes a file in, and gives what that took.
pub(crate) fn import(scratch: &Path, data: &Path, file: &Path, rows: u64) -> Ran {
    let mut command = daybook();
    command.args(["import", "--centre", "BENCH1", "--json", "--data"]).arg(data).arg(file);
    let ran = run(scratch, &mut command).expect("daybook runs");
    assert!(ran.status.success() && ran.said.contains(&format!("\"accepted\":{rows}")), "{}", ran.said);
    ran
}

/// Runs a command on a data directory, and gives how long it took.
pub(crate) fn command(scratch: &Path, data: &Path, what: &[&str]) -> Duration {
    let mut command = daybook();
    let ran = run(scratch, command.args(what).arg("--data").arg(data).stderr(Stdio::null())).expect("daybook runs");
    assert!(ran.status.success(), "{}", ran.said);
    ran.took
}

/// The median of an fdatasync on the disk that is used: without it no figure can be compared with another machine's.
pub(crate) fn fdatasync_p50(scratch: &Path) -> Duration {
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
