//! Makes the files that training providers would send from the registrations of an open university (OULAD): real
//! timelines, made-up people. The same student is the same person everywhere.
//!
//! One file of enrolments and one of withdrawals for each module and presentation, in two layouts: plain, and as people
//! really send them. Also says what verdict each row of the plain layout must get, by rules written down here again.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use jiff::{ToSpan as _, civil::Date};
use sha2::{Digest as _, Sha256};

const GIVEN: [&str; 24] = [
    "Aisha",
    "Łukasz",
    "Zoë",
    "Jean-François",
    "Siân",
    "Thomas",
    "Ελένη",
    "Priya",
    "Callum",
    "Maja",
    "Grace",
    "Nguyễn Thị",
    "Peter",
    "Søren",
    "Ayşe",
    "Oluwaseun",
    "Brónagh",
    "Dmitri",
    "Mei",
    "José",
    "Harriet",
    "Žofia",
    "Ifan",
    "Ruth",
];
const FAMILY: [&str; 24] = [
    "O'Brien",
    "de la Cruz",
    "McDonald",
    "Al-Hassan",
    "Wright",
    "Okafor",
    "Marsh",
    "Shah",
    "Fraser",
    "Kowalska",
    "Παπαδάκη",
    "Müller",
    "Şahin",
    "Ólafsdóttir",
    "Petrović",
    "Jones",
    "Łącki",
    "Evans",
    "Čermák",
    "Smith",
    "Nguyễn",
    "Hughes",
    "Begum",
    "Fernández",
];

/// How the files are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// UTF-8, commas, our own headings.
    Plain,
    /// Windows-1252 with semicolons, UTF-16 with tabs, UTF-8 with a mark; title and blank row above, total row below,
    /// other headings, dates the British way.
    Messy,
}

/// A person, made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub uln: String,
    pub given: String,
    pub family: String,
    pub born: Date,
}

/// A registration of the source.
#[derive(Debug, Clone)]
pub struct Registration {
    pub student: String,
    pub start: Option<Date>,
    pub end: Option<Date>,
}

/// A file that was made.
#[derive(Debug, Clone)]
pub struct DropFile {
    pub path: PathBuf,
    pub centre: String,
    pub enrolments: bool,
    pub encoding: &'static str,
    pub delimiter: char,
    /// The student of each row.
    pub students: Vec<String>,
    /// The verdict that each row must get in the plain layout, and by which code.
    pub expected: Vec<(&'static str, String)>,
}

/// The whole source.
pub struct Source {
    pub people: HashMap<String, Person>,
    /// By presentation and module, in the order in which they came.
    pub groups: BTreeMap<(String, String), Vec<Registration>>,
}

fn number(domain: &str, text: &str) -> u64 {
    let digest = Sha256::digest(format!("{domain}/{text}").as_bytes());
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn pick<'a>(list: &[&'a str], number: u64) -> &'a str {
    let place = usize::try_from(number % list.len() as u64).expect("small");
    list.get(place).expect("within")
}

/// The digits weighted from `weight` downwards, by what is left of their sum after elevens.
fn remainder(digits: &str, weight: u32) -> u32 {
    digits.chars().zip((0..=weight).rev()).filter_map(|(c, w)| Some(c.to_digit(10)? * w)).sum::<u32>() % 11
}

fn uln(from: u64, used: &HashSet<String>) -> String {
    (from..from + 1_000_000)
        .map(|number| (100_000_000 + number % 800_000_000).to_string())
        // With nothing left there is no check digit.
        .filter_map(|stem| {
            Some(remainder(&stem, 10)).filter(|left| *left > 0).map(|left| format!("{stem}{}", 10 - left))
        })
        .find(|uln| !used.contains(uln))
        .expect("there are enough")
}

/// A well-formed qualification number for a module.
pub fn qualification(module: &str) -> String {
    let stem = format!("6{:06}", number("module", module) % 1_000_000);
    let left = remainder(&stem, 8);
    let check = if left == 10 { "X".to_owned() } else { left.to_string() };
    let (first, second) = stem.split_at(3);
    format!("{first}/{second}/{check}")
}

fn person(student: &str, used: &HashSet<String>) -> Person {
    let of = |domain: &str| number(domain, student);
    // Second names, so that no two people of a centre look like one.
    let second = pick(&FAMILY, of("second"));
    // After 1 January 1970, which spreadsheets make of an empty cell.
    let days = i64::try_from(of("born") % 10_000).expect("small");
    Person {
        uln: uln(of("uln"), used),
        given: pick(&GIVEN, of("given")).to_owned(),
        family: format!("{}-{second}", pick(&FAMILY, of("family"))),
        born: jiff::civil::date(1970, 1, 2).checked_add(days.days()).expect("a date"),
    }
}

impl Source {
    /// Reads the registrations.
    pub fn read(path: &Path) -> Self {
        let mut rows = csv::Reader::from_path(path).expect("the registrations");
        let (mut people, mut used, mut groups) = (HashMap::new(), HashSet::new(), BTreeMap::new());
        for row in rows.records() {
            let row = row.expect("a row");
            let cell = |at| row.get(at).unwrap_or_default().to_owned();
            let (module, presentation, student) = (cell(0), cell(1), cell(2));
            let begin = match presentation.as_str() {
                "2013B" => jiff::civil::date(2013, 2, 1),
                _ => jiff::civil::date(2013, 10, 1),
            };
            let day = |at| {
                let offset: Option<f64> = cell(at).parse().ok();
                #[allow(clippy::cast_possible_truncation, reason = "whole numbers of days")]
                offset.map(|days| begin.checked_add((days as i64).days()).expect("a date"))
            };
            people.entry(student.clone()).or_insert_with(|| {
                let person = person(&student, &used);
                used.insert(person.uln.clone());
                person
            });
            let registration = Registration { student, start: day(3), end: day(4) };
            groups.entry((presentation, module)).or_insert_with(Vec::new).push(registration);
        }
        Self { people, groups }
    }

    /// Writes all files, in the order in which they are to be sent; their names sort in that order.
    pub fn write(&self, layout: Layout, out: &Path) -> Vec<DropFile> {
        let mut desk = Desk::default();
        let mut files = Vec::new();
        for (place, ((presentation, module), registrations)) in self.groups.iter().enumerate() {
            let centre = format!("C{module}");
            fs::create_dir_all(out.join(&centre)).expect("a directory");
            let withdrawn: Vec<_> = registrations.iter().filter(|it| it.end.is_some()).cloned().collect();
            for (step, of_kind) in [(1, registrations.as_slice()), (2, withdrawn.as_slice())] {
                let enrolments = step == 1;
                let kind = if enrolments { "enrolments" } else { "withdrawals" };
                let path = out.join(&centre).join(format!("{presentation}-{step}-{kind}-{module}.csv"));
                let file = Sheet { source: self, layout, place, module, presentation, enrolments };
                let (encoding, delimiter) = file.write(&path, of_kind);
                let expected = of_kind.iter().map(|it| desk.judge(module, it, enrolments)).collect();
                let students = of_kind.iter().map(|it| it.student.clone()).collect();
                files.push(DropFile {
                    path,
                    centre: centre.clone(),
                    enrolments,
                    encoding,
                    delimiter,
                    students,
                    expected,
                });
            }
        }
        files
    }
}

struct Sheet<'a> {
    source: &'a Source,
    layout: Layout,
    place: usize,
    module: &'a str,
    presentation: &'a str,
    enrolments: bool,
}

impl Sheet<'_> {
    fn heads(&self) -> Vec<&'static str> {
        let plain = self.layout == Layout::Plain;
        let name = |ours, theirs| if plain { ours } else { theirs };
        let mut heads = vec![
            name("ULN", "Unique Learner Number"),
            name("First name", "Forename(s)"),
            name("Last name", "Surname"),
            name("Date of birth", "D.O.B."),
            name("Centre number", "Centre No"),
            name("Qualification number", "QAN"),
        ];
        if self.enrolments {
            heads.push(name("Start date", "Enrolment date"));
        } else {
            heads.extend([name("Withdrawal date", "Leave date"), name("Reason", "Reason for withdrawal"), "Notes"]);
        }
        heads.push(name("Learner ref", "Your ref"));
        heads
    }

    fn cells(&self, of: &Registration) -> Vec<String> {
        let plain = self.layout == Layout::Plain;
        let day = |date: Option<Date>| {
            date.map_or_else(String::new, |date| date.strftime(if plain { "%Y-%m-%d" } else { "%d/%m/%Y" }).to_string())
        };
        let person = self.source.people.get(&of.student).expect("a person");
        let mut cells = vec![person.uln.clone(), person.given.clone(), person.family.clone(), day(Some(person.born))];
        cells.extend([format!("C{}", self.module), qualification(self.module)]);
        if self.enrolments {
            cells.push(day(of.start));
        } else {
            cells.extend([day(of.end), "OTHER".to_owned(), "left the presentation".to_owned()]);
        }
        cells.push(format!("OU{}-{}", of.student, self.presentation));
        cells
    }

    fn write(&self, path: &Path, rows: &[Registration]) -> (&'static str, char) {
        let (encoding, delimiter) = match (self.layout, self.place % 3) {
            (Layout::Plain, _) => ("utf-8", ','),
            (Layout::Messy, 0) => ("cp1252", ';'),
            (Layout::Messy, 1) => ("utf-16", '\t'),
            (Layout::Messy, _) => ("utf-8-sig", ','),
        };
        let mut lines = csv::WriterBuilder::new()
            .delimiter(u8::try_from(delimiter).expect("ASCII"))
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let heads = self.heads();
        let beside = |first: &[&str]| -> Vec<String> {
            (0..heads.len()).map(|at| first.get(at).copied().unwrap_or_default().to_owned()).collect()
        };
        if self.layout == Layout::Messy {
            lines.write_record(beside(&["Return of the term"])).expect("memory");
            lines.write_record(beside(&[])).expect("memory");
        }
        lines.write_record(&heads).expect("memory");
        for row in rows {
            let cells = self.cells(row).into_iter().map(|cell| if encoding == "cp1252" { fit(&cell) } else { cell });
            lines.write_record(cells).expect("memory");
        }
        if self.layout == Layout::Messy {
            lines.write_record(beside(&["Total", &rows.len().to_string()])).expect("memory");
        }
        let text = String::from_utf8(lines.into_inner().expect("memory")).expect("UTF-8");
        fs::write(path, encoded(&text, encoding)).expect("written");
        (encoding, delimiter)
    }
}

/// What Windows-1252 keeps of a text; a cross where nothing is left.
pub fn fit(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !encoding_rs::WINDOWS_1252.encode(&c.to_string()).2).collect();
    if text.chars().any(char::is_alphabetic) && !kept.chars().any(char::is_alphabetic) { "X".to_owned() } else { kept }
}

fn encoded(text: &str, encoding: &str) -> Vec<u8> {
    match encoding {
        "cp1252" => encoding_rs::WINDOWS_1252.encode(text).0.into_owned(),
        "utf-16" => "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
        "utf-8-sig" => format!("\u{feff}{text}").into_bytes(),
        _ => text.as_bytes().to_vec(),
    }
}

type Life = (Date, Option<Date>);

/// The rules again, as far as these files need them: one life a student and module, from first and last days.
#[derive(Default)]
struct Desk {
    /// First day, and last day where there is one, of each registration of a student for a module.
    registrations: HashMap<(String, String), Vec<Life>>,
}

impl Desk {
    fn judge(&mut self, module: &str, row: &Registration, enrolment: bool) -> (&'static str, String) {
        let rejected = |code: &str| ("rejected", code.to_owned());
        let lives = self.registrations.entry((row.student.clone(), module.to_owned())).or_default();
        if enrolment {
            let Some(start) = row.start else { return rejected("2L-001/start_date") };
            if lives.iter().any(|(from, until)| *from <= start && until.is_none_or(|until| until > start)) {
                return rejected("4S-001");
            }
            lives.push((start, None));
            return ("accepted", String::new());
        }
        let end = row.end.expect("only such rows are sent");
        let mut verdict = rejected("4S-004");
        for (from, until) in lives.iter_mut() {
            match until {
                _ if *from > end => {}
                None => {
                    *until = Some(end);
                    return ("accepted", String::new());
                }
                Some(known) if *known == end => return ("duplicate", String::new()),
                Some(known) if *known < end => verdict = rejected("4S-006"),
                Some(_) => verdict = ("held", "4S-023".to_owned()),
            }
        }
        verdict
    }
}

/// A made-up person; no two share a name, and no two of one salt a ULN.
pub fn stranger(salt: u32, place: u32) -> Person {
    let from = number("salt", &salt.to_string()) % 400_000_000 + u64::from(place) * 7;
    let person = person(&format!("{salt}/{place}"), &HashSet::new());
    let letters = noise(salt, place).bytes().take(10).map(|digit| char::from(b'a' + digit % 16)).collect::<String>();
    Person { uln: uln(from, &HashSet::new()), family: format!("{}-{letters}", person.family), ..person }
}

/// Some letters and digits that do not compress.
pub fn noise(salt: u32, place: u32) -> String {
    format!("{:016x}", number("noise", &format!("{salt}/{place}")))
}
