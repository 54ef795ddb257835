//! The checks of a row's fields (stages 2 and 3 of DOMAIN.md 6.5): cells in, a [`Command`] or a [`Rejected`] out. One file
//! an identifier or a group of kinds; nothing here knows any state.
//!
//! **Matching keys.** Tokens are made of texts in one form, and that form is part of the log's format: a change to it would
//! part a learner's past from their future.
//! - A *name's key*: NFKD; lower case letter by letter; without accents (marks of a canonical combining class from
//!   200) and Hebrew and Arabic vowel points (classes 10 to 35); ß æ œ þ ø ł đ ð ħ ı ς as ss ae oe th o l d d h i σ; and of
//!   what is left only letters, digits and marks, without the letters that are apostrophes by use (U+02B9 to U+02BF, U+02C8,
//!   U+A78C). So `O'Brien`, `O’Brien` and `OBRIEN` are one, as are `de la Cruz` and `De La  Cruz`.
//! - A *date*: `YYYY-MM-DD`. A *ULN*: its ten digits. A *centre*: its number with ASCII letters in upper case.
//! - The person's token takes `given_names` only; middle names stay out of it.
//! - An amendment's new value: as given, without the white space around it.

mod amendment;
mod certificate;
mod contact;
mod dates;
mod enrolment;
mod guess;
mod mixed;
mod names;
mod person;
mod private;
mod qualification;
mod reading;
mod reasons;
mod registration;
mod same;
mod uln;

use daybook_protocol::{
    date::Date,
    field::{Field, Kind},
    finding::{Code, Finding, Severity, worst},
};

use self::reading::Reading;
pub(super) use self::{
    dates::{Order, order},
    qualification::CHARS as QUALIFICATION_CHARS,
    reasons::{key as reason_key, names as usual_names},
};
pub use self::{guess::may_be, same::differs};
use super::{Ask, Command, Policies, QualificationNo, Rejected, Subject, Tokenizer};

/// The cells of one row, by what their columns mean.
pub trait Cells {
    /// The value of a column, trimmed; empty where there is no such column, no cell, or a stand-in for an empty one.
    fn value(&self, field: Field) -> &str;

    /// Whether no column can be trusted, because the row has more or fewer cells than the heading.
    fn shifted(&self) -> bool;

    /// The row as it stood in its file.
    fn raw(&self) -> String;

    /// How many bytes its values have at most, all together.
    fn bytes(&self) -> usize;

    /// What the columns mean, each field once; `None` for a column that is ignored.
    fn columns(&self) -> &[Option<Field>];

    /// The cells of a workbook that show an error, and those that are empty because they are merged with another.
    fn faults(&self) -> Vec<(Field, Code)> {
        Vec::new()
    }
}

/// Values given one by one, as by an operator's command, so that they go through the very checks of a row.
#[derive(Debug, Clone, Default)]
pub struct Given {
    values: Vec<(Field, String)>,
    columns: Vec<Option<Field>>,
}

impl Given {
    /// The values by field. Where a field is given twice, the first value counts.
    pub fn new(values: Vec<(Field, String)>) -> Self {
        let mut columns = Vec::with_capacity(values.len());
        for (field, _) in &values {
            if !columns.contains(&Some(*field)) {
                columns.push(Some(*field));
            }
        }
        Self { values, columns }
    }
}

impl Cells for Given {
    fn value(&self, field: Field) -> &str {
        let text = self.values.iter().find(|(name, _)| *name == field).map_or("", |(_, text)| text.trim());
        if matches!(text, "NULL" | "null" | "#N/A" | "-" | ".") { "" } else { text }
    }

    fn shifted(&self) -> bool {
        false
    }

    fn raw(&self) -> String {
        let values: Vec<&str> = self.values.iter().map(|(_, text)| text.as_str()).collect();
        values.join(" | ")
    }

    fn bytes(&self) -> usize {
        self.values.iter().map(|(_, text)| text.len()).sum()
    }

    fn columns(&self) -> &[Option<Field>] {
        &self.columns
    }
}

/// The values that are not empty, in the order of the columns.
fn present(cells: &dyn Cells) -> impl Iterator<Item = (Field, &str)> {
    let values = cells.columns().iter().flatten().map(|field| (*field, cells.value(*field)));
    values.filter(|(_, text)| !text.is_empty())
}

/// What a row is checked against.
pub struct Context<'a> {
    /// Makes the look-up values; `None` where only the checks matter, as in pass one: then there are none.
    pub tokens: Option<&'a dyn Tokenizer>,
    /// The rules of the office, of which those of the row's own date count.
    pub policies: &'a Policies,
    /// The centre that the sender may speak for; empty where every centre is allowed.
    pub centre: &'a str,
    /// The brand; may be empty.
    pub brand: &'a str,
    /// The day on which the row is read (Europe/London).
    pub today: Date,
}

/// What a builder made of a row.
struct Asked {
    ask: Ask,
    subject: Subject,
    effective_on: Date,
}

/// Checks a row of a file of `kind` and gives all that was found, not only the first thing, and what is asked for if the
/// row passed: then there are warnings only, else there is at least one error.
fn check(kind: Kind, cells: &dyn Cells, context: &Context) -> (Vec<Finding>, Option<Asked>) {
    if cells.shifted() {
        return (vec![Code::COLUMN_SHIFT.into()], None);
    }
    let mut row = Reading::new(cells, context);
    let asked = match kind {
        Kind::Enrolments => enrolment::enrol(&mut row),
        Kind::Amendments => amendment::amend(&mut row),
        Kind::Withdrawals => registration::withdraw(&mut row),
        Kind::Deferrals => registration::defer(&mut row),
        Kind::Resumptions => registration::resume(&mut row),
        Kind::Dispatches => certificate::dispatch(&mut row),
        Kind::Returns => certificate::take_back(&mut row),
        Kind::Redispatches => certificate::redispatch(&mut row),
        Kind::Reversals => registration::ruled(&mut row, Ask::Reverse),
        Kind::Voids => registration::ruled(&mut row, Ask::Void),
        Kind::Completions => registration::ruled(&mut row, Ask::Complete),
        Kind::Extensions => registration::extend(&mut row),
        Kind::Transfers => registration::transfer(&mut row),
        Kind::Merges => person::merge(&mut row),
        Kind::Unmerges => person::unmerge(&mut row),
        Kind::Aliases => person::alias(&mut row),
        Kind::Mixed => mixed::ask(&mut row),
    };
    // What is sealed of a row depends on what it asks for.
    let own = asked.as_ref().map_or(kind, |asked| asked.ask.kind());
    if let Err(field) = private::fits(own, cells) {
        row.found(Code::VALUE_LONG, field);
    }
    let mut findings = row.findings;
    for (field, code) in cells.faults() {
        add_fault(&mut findings, field, code);
    }
    let passed = worst(&findings) < Some(Severity::Query);
    (findings, asked.filter(|_| passed))
}

/// Adds what is wrong with a cell itself. The word of an error is no value, so nothing else is said of it; that cells are merged
/// matters only where a value is missing.
fn add_fault(findings: &mut Vec<Finding>, field: Field, code: Code) {
    if code == Code::CELL_ERROR {
        findings.retain(|finding| finding.field != Some(field));
        findings.push(Finding::of(code, field));
    } else if let Some(place) = findings.iter().position(|found| *found == Finding::of(Code::REQUIRED_MISSING, field)) {
        findings.insert(place + 1, Finding::of(code, field));
    }
}

/// What the checks of a row find, and whether it passes them: all that [`super::Survey`] needs to know of it.
pub fn look_at(kind: Kind, cells: &dyn Cells, context: &Context) -> (Vec<Finding>, bool) {
    let (findings, asked) = check(kind, cells, context);
    (findings, asked.is_some())
}

/// Reads a row of a file of `kind`. All findings are collected, not only the first: an `Err` has at least one of severity
/// error, an `Ok` has warnings only.
pub fn read(kind: Kind, cells: &dyn Cells, context: &Context) -> Result<Command, Rejected> {
    match check(kind, cells, context) {
        (findings, Some(Asked { ask, subject, effective_on })) => {
            let private = private::of_accepted(ask.kind(), cells);
            Ok(Command { ask, subject, effective_on, findings, private })
        }
        (findings, None) if cells.shifted() => Err(Rejected { findings, private: private::of_shifted(cells) }),
        (findings, None) => Err(Rejected { findings, private: private::of_rejected(cells) }),
    }
}

/// The day that a text says, in any form in which a row may say it; `None` if it is none.
pub fn date(text: &str) -> Option<Date> {
    dates::parse(text).ok().map(|day| day.date)
}

/// The number of a qualification that a text says, in any form in which a row may say it but without a route code; `None` if it
/// is none.
pub fn qualification_no(text: &str) -> Option<QualificationNo> {
    let number = qualification::parse(text).ok()?.number;
    QualificationNo::of(&number).filter(|_| number.len() == QUALIFICATION_CHARS)
}

#[cfg(test)]
mod tests;
