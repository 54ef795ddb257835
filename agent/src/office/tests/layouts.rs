//! Random tables in every layout through the whole line: each row has one verdict, the totals balance, and the layout makes
//! no difference.

use std::{cell::Cell as Counter, env, fs};

use daybook_protocol::{
    event::{Totals, Verdict},
    finding::Code,
};
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};

use super::*;
use crate::{
    books::index,
    reader::tests::dress::{Dress, DressedRow, Written, blank_line, cell, dress},
};

/// How many tables are tried, unless `DAYBOOK_TABLES` says otherwise.
const TABLES: u32 = 120;
/// Every row may be wrong: the shares that hold a file as a whole are tested elsewhere. A small disk will do.
const CONFIG: &str =
    "[agent]\nfree_bytes_min = 1\n[policy]\nrow_errors_percent_max = 100\ncolumn_errors_percent_max = 100\n";

/// What is the matter with a row. A number is that of an earlier row, counted from the first.
#[derive(Debug, Clone, Copy)]
enum Made {
    Good,
    WrongCheckDigit,
    Nameless,
    Unborn,
    Shifted,
    /// The same learner once more.
    Repeat(usize),
    /// Another person's name and birth under the same ULN.
    Usurped(usize),
    /// The same learner with another start.
    Moved(usize),
}

fn made() -> impl Strategy<Value = Made> {
    prop_oneof![
        6 => Just(Made::Good),
        1 => prop::sample::select(vec![Made::WrongCheckDigit, Made::Nameless, Made::Unborn, Made::Shifted]),
        1 => any::<usize>().prop_map(Made::Repeat),
        1 => any::<usize>().prop_map(Made::Usurped),
        1 => any::<usize>().prop_map(Made::Moved),
    ]
}

/// The columns of an enrolment, each by several of its headings.
const ENROLMENT: [&[&str]; 8] = [
    &["ULN", "Unique Learner Number", "uln"],
    &["Forename", "First name", "given_names"],
    &["Surname", "Family Name", "LAST NAME"],
    &["DOB", "Date of birth (dd/mm/yyyy)", "date_of_birth"],
    &["QAN", "Qualification number", "LearnAimRef"],
    &["Start date", "Date of enrolment", "LearnStartDate"],
    &["Notes", "note"],
    &["Shoe size", "Mode"],
];
/// The columns of a withdrawal.
const WITHDRAWAL: [&[&str]; 6] = [
    &["ULN", "Unique Learner Number", "uln"],
    &["Surname", "Family Name", "LAST NAME"],
    &["DOB", "Date of birth", "date_of_birth"],
    &["Withdrawal date", "Date left", "withdrawn on"],
    &["Withdrawal reason", "Reason for leaving", "leaving_reason"],
    &["Notes", "note"],
];

/// A way to send a table: its dress, the order of its columns, their headings, and how dates are written.
#[derive(Debug, Clone)]
struct Layout {
    dress: Dress,
    order: Vec<usize>,
    heading: usize,
    slashes: bool,
    quotes: u64,
}

fn layout() -> impl Strategy<Value = Layout> {
    let order = Just((0..ENROLMENT.len()).collect::<Vec<_>>()).prop_shuffle();
    (dress(), order, any::<usize>(), any::<bool>(), any::<u64>()).prop_map(
        |(dress, order, heading, slashes, quotes)| Layout { dress, order, heading: heading / 8, slashes, quotes },
    )
}

impl Layout {
    /// The rows, each with the blank line behind it, under the headings.
    fn written(&self, columns: &[&[&str]], rows: &[(Vec<String>, Option<&'static str>)]) -> Written {
        let order: Vec<usize> = self.order.iter().copied().filter(|place| *place < columns.len()).collect();
        let heading = |place: &usize| {
            let headings = columns[*place];
            headings[(self.heading + place) % headings.len()]
        };
        let header: Vec<&str> = order.iter().map(heading).collect();
        let arrange = |(cells, blank): &(Vec<String>, Option<&'static str>)| -> DressedRow {
            let beyond = cells.get(columns.len()..).unwrap_or_default();
            let cells = order.iter().map(|place| &cells[*place]).chain(beyond).map(|cell| self.day(cell)).collect();
            (cells, self.quotes, *blank)
        };
        let rows: Vec<DressedRow> = rows.iter().map(arrange).collect();
        let written = self.dress.put_on(&header, &rows).or_else(|| self.dress.plain().put_on(&header, &rows));
        written.expect("the plain way is always one")
    }

    /// A date as it is written here; anything else as it is.
    fn day(&self, cell: &str) -> String {
        let parts: Vec<&str> = cell.split('-').collect();
        match parts.as_slice() {
            [year, month, day] if self.slashes && year.len() == 4 => format!("{day}/{month}/{year}"),
            _ => cell.to_owned(),
        }
    }
}

/// The `number`th ULN: nine digits, and the tenth that makes the weighted sum leave ten over eleven (DOMAIN.md 2.1).
fn uln(number: u32) -> String {
    let check = |nine: u32| {
        let sum: u32 =
            nine.to_string().bytes().zip((2..=10).rev()).map(|(digit, by)| u32::from(digit - b'0') * by).sum();
        (!sum.is_multiple_of(11)).then(|| format!("{nine}{}", 10 - sum % 11))
    };
    (0..10)
        .find_map(|ninth| check((10_000_000 + number) * 10 + ninth))
        .expect("one of ten ninth digits has a check digit")
}

/// The cells of an enrolment in the order of [`ENROLMENT`]; `learner` is nobody else's number.
fn good(learner: u32) -> Vec<String> {
    let letters: String = learner.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    let born = format!("{}-{:02}-{:02}", 1980 + learner % 20, 1 + learner % 12, 1 + learner % 28);
    let cells = [uln(learner), format!("Gi{letters}"), format!("Fa{letters}"), born];
    cells.into_iter().chain(["60158864", "2026-09-01", "", "f/t"].map(str::to_owned)).collect()
}

/// The rows of a table of enrolments of learners from number `first` on.
fn enrolments(
    table: &[(Made, String, Option<&'static str>, bool)],
    first: u32,
) -> Vec<(Vec<String>, Option<&'static str>)> {
    let mut rows: Vec<(Vec<String>, Option<&'static str>)> = Vec::new();
    for (learner, (made, notes, blank, _)) in (first..).zip(table) {
        let mut cells = good(learner);
        let earlier = |of: usize| rows.get(of % rows.len().max(1)).map(|(cells, _)| cells.clone());
        match made {
            Made::Good => {}
            Made::WrongCheckDigit => {
                let last = cells[0].pop().expect("a digit");
                cells[0].push(if last == '1' { '2' } else { '1' });
            }
            Made::Nameless => cells[2] = "-".to_owned(),
            Made::Unborn => cells[3] = "45.13.2004".to_owned(),
            Made::Shifted => cells.push("=1+1".to_owned()),
            Made::Repeat(of) => cells = earlier(*of).unwrap_or(cells),
            Made::Usurped(of) => {
                if let Some(other) = earlier(*of) {
                    cells[0].clone_from(&other[0]);
                }
            }
            Made::Moved(of) => {
                cells = earlier(*of).unwrap_or(cells);
                "2026-10-05".clone_into(&mut cells[5]);
            }
        }
        cells[6].clone_from(notes);
        rows.push((cells, *blank));
    }
    rows
}

/// What came of a file: of the file as a whole, and of each row its verdict and codes.
#[derive(Debug, PartialEq)]
struct Outcome {
    whole: Option<index::Verdict>,
    findings: Vec<Code>,
    rows: Vec<(Verdict, Vec<Code>)>,
}

/// Takes a file in, and holds log, totals and receipt against what was written.
fn taken(office: &Office, kind: Kind, written: &Written) -> Result<Outcome, TestCaseError> {
    let start = Sequence(office.reading.entries.count());
    let preserved = office.preserve(&mut written.bytes.as_slice(), written.bytes.len() as u64).expect("preserved");
    let arrival = office.receive(&Handed { kind: Some(kind), ..handed() }, &preserved).expect("received");
    prop_assert_eq!(office.proceed(arrival, &mut |_, _| {}).expect("done"), Waiting::Nothing);

    let frames = office.reading.entries.frames(start).map(|frame| frame.expect("a frame"));
    let entries = frames.flat_map(|frame| frame.entries().map(|entry| entry.expect("an entry")).collect::<Vec<_>>());
    let (mut places, mut rows, mut counted) = (Vec::new(), Vec::new(), Totals::default());
    for entry in entries.filter(|entry| entry.sequence >= start) {
        let Source::Row { arrival: of, line } = entry.source else { continue };
        prop_assert_eq!(of, arrival);
        let mut codes: Vec<Code> = entry.findings.iter().map(|finding| finding.code).collect();
        codes.sort_unstable();
        counted.count(entry.event.verdict());
        places.push(line);
        rows.push((entry.event.verdict(), codes));
    }
    let (arrived, state) = (office.arrived(arrival).expect("arrived"), office.arrival(arrival).expect("known"));
    prop_assert_eq!(state.lines, written.lines, "every physical line is accounted for");
    prop_assert!(arrived.totals.balanced());
    if arrived.outcome == Some(index::Verdict::Processed) {
        prop_assert_eq!(arrived.totals, counted, "the totals are those of the entries");
        prop_assert_eq!(&places, &written.places, "each row has one verdict");
        let verdicts = places.iter().zip(&rows).map(|(line, (verdict, _))| (*line, verdict.name().to_owned()));
        prop_assert_eq!(report(office, arrival), verdicts.collect::<Vec<_>>(), "the receipt says what the log says");
    } else {
        prop_assert!(rows.is_empty() && arrived.outcome.is_some(), "the file as a whole has a verdict: {:?}", arrived);
    }
    let mut findings: Vec<Code> = arrived.findings.iter().map(|finding| finding.code).collect();
    findings.sort_unstable();
    Ok(Outcome { whole: arrived.outcome, findings, rows })
}

/// Line and verdict of each row that the receipt reports on.
fn report(office: &Office, arrival: Sequence) -> Vec<(u32, String)> {
    let names =
        fs::read_dir(office.reading.home.receipts()).expect("receipts").map(|entry| entry.expect("an entry").path());
    let is_its = |name: &str| name.starts_with(&format!("{arrival}_")) && name.ends_with("_rows.csv");
    let mut its = names.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_its));
    let path = its.next().expect("a row report");
    let mut told = Vec::new();
    for row in csv::Reader::from_path(path).expect("a report").records() {
        let row = row.expect("a row");
        told.push((row[0].parse().expect("a line"), row[2].to_owned()));
    }
    // A row with several findings has a line for each.
    told.dedup();
    told
}

/// Goal: rows = accepted + rejected + duplicate + held, always, and how a table is sent changes no verdict. Method: random
/// tables of good, wrong, repeated and conflicting rows, written in two random layouts and counted while they are;
/// one goes through one office, one through another. Then the same rows come again, some with another name, and withdrawals of the
/// same learners, each with the layouts changed round. `DAYBOOK_TABLES=5000` tries as many.
#[test]
fn totals_balance_in_every_layout() {
    let cases = env::var("DAYBOOK_TABLES").map_or(TABLES, |cases| cases.parse().expect("DAYBOOK_TABLES is a number"));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let offices = [(); 2].map(|()| {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        let file = directory.path().join("elsewhere.toml");
        fs::write(&file, CONFIG).expect("written");
        let place = Location { home: Home::new(directory.path().join("home")), config: Some(file), operator_key: None };
        let office = Office::open(&place, true).expect("a new home");
        (directory, office)
    });
    let [(_, one), (_, other)] = &offices;
    let (learners, seen) = (Counter::new(0), Counter::new(Totals::default()));
    let table = prop::collection::vec(
        (made(), cell(), prop::option::weighted(0.2, blank_line()), prop::bool::weighted(0.2)),
        0..25,
    );
    let tried = TestRunner::new(config).run(&(table, layout(), layout()), |(table, layout, second)| {
        // Also where a failure is narrowed down, nobody was here before.
        let first = learners.replace(learners.get() + 25);
        let rows = enrolments(&table, first);
        let [here, there] = [&layout, &second].map(|layout| layout.written(&ENROLMENT, &rows));
        let taken_here = taken(one, Kind::Enrolments, &here)?;
        prop_assert_eq!(&taken_here, &taken(other, Kind::Enrolments, &there)?, "the layout makes no difference");
        for ((made, ..), (verdict, codes)) in table.iter().zip(&taken_here.rows) {
            let expected = match made {
                Made::Good => Verdict::Accepted,
                Made::Repeat(_) | Made::Usurped(_) | Made::Moved(_) => continue,
                _ => Verdict::Rejected,
            };
            prop_assert_eq!(*verdict, expected, "{:?}: {:?}", made, codes);
        }
        let mut again = rows.clone();
        for ((cells, _), _) in again.iter_mut().zip(&table).filter(|(_, (.., changed))| *changed) {
            cells[1].push('x');
        }
        let [here, there] = [&second, &layout].map(|layout| layout.written(&ENROLMENT, &again));
        let again = taken(one, Kind::Enrolments, &here)?;
        prop_assert_eq!(&again, &taken(other, Kind::Enrolments, &there)?, "the layout makes no difference");
        let mut counted = seen.get();
        taken_here.rows.iter().chain(&again.rows).for_each(|(verdict, _)| counted.count(*verdict));
        seen.set(counted);
        for (((.., changed), (before, _)), (now, _)) in table.iter().zip(&taken_here.rows).zip(&again.rows) {
            prop_assert!(*now != Verdict::Accepted, "nothing is new");
            let expected = if *changed { Verdict::Held } else { Verdict::Duplicate };
            prop_assert!(*before != Verdict::Accepted || *now == expected, "{:?}", again);
        }
        let left = |(cells, blank): &(Vec<String>, Option<&'static str>)| {
            let [uln, surname, born, notes] = [0, 2, 3, 6].map(|place| cells[place].clone());
            (vec![uln, surname, born, "2026-10-20".to_owned(), "ILLNESS".to_owned(), notes], *blank)
        };
        let rows: Vec<_> = rows.iter().map(left).collect();
        let [here, there] = [&second, &layout].map(|layout| layout.written(&WITHDRAWAL, &rows));
        prop_assert_eq!(taken(one, Kind::Withdrawals, &here)?, taken(other, Kind::Withdrawals, &there)?);
        Ok(())
    });
    assert!(tried.is_ok(), "{}", tried.expect_err("a failure"));
    let Totals { rows, accepted, rejected, duplicate, held } = seen.get();
    let all_sorts = [accepted, rejected, duplicate, held].into_iter().all(|count| count > rows / 50);
    assert!(rows > 0 && all_sorts, "the tables are of all sorts: {:?}", seen.get());
    for (_, office) in offices {
        office.close().expect("closed");
    }
}
