//! Made-up files, each with the verdict that every row of it must get.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

const HEADING: &str =
    "ULN,First name,Last name,Date of birth,Centre number,Qualification number,Start date,Learner ref\n";

/// A file of enrolments and what must come of it.
#[derive(Clone)]
pub(crate) struct Fixture {
    /// Its name.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// For each row its line and verdict.
    pub(crate) verdicts: Vec<(u64, &'static str)>,
    /// What is personal in it: names, ULNs and birth dates as they stand there.
    pub(crate) personal: Vec<String>,
}

impl Fixture {
    /// File number `file` with `rows` good rows, one with a wrong check digit and one that repeats the first. No two files
    /// have a learner in common.
    pub(crate) fn enrolments(file: u32, rows: u32) -> Self {
        let mut text = HEADING.to_owned();
        let (mut verdicts, mut personal) = (Vec::new(), Vec::new());
        let mut row = |line: u32, uln: &str, learner: u32, verdict| {
            let (given, family) = (word("Gi", learner), word("Fa", learner));
            let born = format!("19{:02}-{:02}-{:02}", 80 + learner % 20, 1 + learner % 12, 1 + learner % 28);
            let columns = "RIVER1,601/5886/4,2024-09-02";
            writeln!(text, "{uln},{given},{family},{born},{columns},REF{learner}").expect("text");
            verdicts.push((u64::from(line), verdict));
            personal.extend([uln.to_owned(), given, family, born]);
        };
        let first = file * 20_000;
        for place in 0..rows {
            row(place + 2, &uln(first + place), first + place, "accepted");
        }
        let mut wrong = uln(first + rows);
        let last = wrong.pop().expect("a digit");
        wrong.push(if last == '1' { '2' } else { '1' });
        row(rows + 2, &wrong, first + rows, "rejected");
        row(rows + 3, &uln(first), first, "rejected");
        Self { name: format!("enrolments-{file:03}.csv"), bytes: text.into_bytes(), verdicts, personal }
    }

    /// The same rows in another file: of what was taken before, nothing is new.
    pub(crate) fn again(&self) -> Self {
        // The row that stood twice is, both times, one that is known already.
        let last = self.verdicts.last().map(|(line, _)| *line);
        let repeated = |line, verdict| if verdict == "accepted" || Some(line) == last { "duplicate" } else { verdict };
        Self {
            name: format!("again-{}", self.name),
            bytes: [self.bytes.as_slice(), b"\n"].concat(),
            verdicts: self.verdicts.iter().map(|(line, verdict)| (*line, repeated(*line, verdict))).collect(),
            personal: self.personal.clone(),
        }
    }

    /// Withdrawals of the first `rows` learners of a file of enrolments.
    pub(crate) fn withdrawals(of: &Self, rows: usize) -> Self {
        let mut text = "ULN,First name,Surname,Date of birth,Centre number,Qualification number,Withdrawal date,\
                        Withdrawal reason\n"
            .to_owned();
        let mut verdicts = Vec::new();
        for (line, learner) in (2..).zip(of.lines().iter().skip(1).take(rows)) {
            let learner: Vec<_> = learner.split(',').take(4).collect();
            writeln!(text, "{},RIVER1,601/5886/4,2025-01-20,ILLNESS", learner.join(",")).expect("text");
            verdicts.push((line, "accepted"));
        }
        let name = format!("withdrawals-of-{}", of.name);
        Self { name, bytes: text.into_bytes(), verdicts, personal: Vec::new() }
    }

    /// A file of some other text, which is taken as a whole or not at all.
    pub(crate) fn other(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), bytes: text.into(), verdicts: Vec::new(), personal: Vec::new() }
    }

    /// Its lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.bytes).lines().map(str::to_owned).collect()
    }

    /// SHA-256 of its bytes in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        sha256(&self.bytes)
    }

    /// How many of its rows must get this verdict.
    pub(crate) fn count(&self, verdict: &str) -> u64 {
        self.verdicts.iter().filter(|(_, other)| *other == verdict).count() as u64
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text");
        text
    })
}

/// The `place`th of our ULNs: nine digits, and the tenth that makes the sum by weights ten to one leave ten over eleven.
fn uln(place: u32) -> String {
    // The tenth would have to be a ten where the nine leave nothing over; then another ninth digit does.
    for ninth in 0..10 {
        let nine = (10_000_000 + place) * 10 + ninth;
        let sum: u32 =
            nine.to_string().bytes().zip((2..=10).rev()).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
        if !sum.is_multiple_of(11) {
            return format!("{nine}{}", 10 - sum % 11);
        }
    }
    unreachable!("the weight of the ninth digit is 2, so that ten of them do not all leave the same")
}

/// A word of letters that nobody else has.
fn word(start: &str, number: u32) -> String {
    let mut word = start.to_owned();
    let mut rest = number;
    for _ in 0..6 {
        word.push(char::from(b'a' + u8::try_from(rest % 26).unwrap_or_default()));
        rest /= 26;
    }
    word
}
