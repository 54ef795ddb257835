//! How quickly the reader goes through a workbook, and what memory that takes: 200,000 rows as XLSX, beside openpyxl's read-only
//! mode and beside the same rows as text. `cargo bench --bench workbooks [-- ROWS]`. openpyxl is asked for by `python3`; where it is
//! not there its line is missing.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]

mod support;

use std::{
    env, fs, io,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use daybook_agent::reader::{Wanted, plan, rows};
use rust_xlsxwriter::{Format, Workbook};
use support::{memory_kib, report, run};

const ROWS: u64 = 200_000;

/// What a user would write: every value of every row, and nothing done with it.
const PEER: &str = "import sys, openpyxl
sheet = openpyxl.load_workbook(sys.argv[1], read_only=True, data_only=True).worksheets[0]
print(sum(1 for row in sheet.iter_rows(values_only=True)))";

fn main() {
    if let Some(path) = env::args().skip_while(|argument| argument != "--read").nth(1) {
        return read(Path::new(&path));
    }
    let count = support::rows(ROWS);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (text, workbook) = (scratch.path().join("enrolments.csv"), scratch.path().join("enrolments.xlsx"));
    support::enrolments(&text, count).expect("the file is written");
    make(&text, &workbook);
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |about| about.len());
    println!("{count} rows of 15 columns: {} bytes as XLSX, {} as text", bytes(&workbook), bytes(&text));
    for path in [&workbook, &text] {
        let mut command = Command::new(env::current_exe().expect("this program"));
        let ran = run(scratch.path(), command.arg("--read").arg(path)).expect("this program runs");
        assert!(ran.status.success(), "{}", ran.said);
        print!("{}", ran.said);
    }
    let mut peer = Command::new("python3");
    let began = Instant::now();
    match run(scratch.path(), peer.args(["-c", PEER]).arg(&workbook)) {
        Ok(ran) if ran.status.success() => {
            report("openpyxl, read-only", count, "rows", began.elapsed());
            println!("  at most {} MiB of memory", ran.peak_kib / 1024);
        }
        _ => println!("openpyxl is not there"),
    }
}

/// Writes the rows of a text file as a workbook, dates and numbers as such.
fn make(text: &Path, path: &Path) {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    let mut records = csv::ReaderBuilder::new().has_headers(false).from_path(text).expect("a text file");
    for (row, record) in (0..).zip(records.records()) {
        for (column, cell) in (0..).zip(&record.expect("a record")) {
            let day = cell.parse::<jiff::civil::Date>().ok().filter(|_| row > 0);
            let written = match (day, cell.parse::<f64>()) {
                (Some(day), _) => {
                    let days = day.since(jiff::civil::date(1899, 12, 30)).expect("a day").get_days();
                    sheet.write_number_with_format(row, column, days, &date)
                }
                (None, Ok(number)) if column == 0 => sheet.write_number(row, column, number),
                (None, _) => sheet.write_string(row, column, cell),
            };
            written.expect("written");
        }
    }
    workbook.save(path).expect("made");
}

/// Makes the plan of a file and reads its rows by it.
fn read(path: &Path) {
    let open = || Ok(Box::new(fs::File::open(path)?) as Box<dyn io::Read + Send>);
    let began = Instant::now();
    let planned = plan(&open, &Wanted::default()).expect("a plan");
    let planning = began.elapsed();
    let began = Instant::now();
    let mut rows = rows(open().expect("opened"), &planned.plan);
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next().expect("a row") {
        count += 1;
        bytes += row.bytes();
    }
    let reading: Duration = began.elapsed();
    let name = path.extension().unwrap_or_default().to_string_lossy();
    report(&format!("{name}, plan"), count, "rows", planning);
    report(&format!("{name}, rows"), count, "rows", reading);
    println!("  {bytes} bytes of text, at most {} MiB of memory", memory_kib(std::process::id(), "VmHWM:") / 1024);
}
