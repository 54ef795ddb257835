//! What pass one learns of a file as a whole: whether a column is mistaken for another, whether dates stand month first,
//! whether too many rows fail.

use daybook_protocol::{
    field::{Field, Kind},
    finding::{Code, Finding, Severity},
};

use super::{
    Policy,
    fields::{Cells, Order, order},
};

/// Shares say nothing of fewer rows than this.
const ROWS_MIN: u64 = 5;
/// A few mistyped ULNs are no wrong column.
const WRONG_ULNS_MIN: u64 = 5;

/// Counts over the rows of a file; its size does not grow with the file.
#[derive(Debug)]
pub struct Survey {
    dates: &'static [Field],
    rows: u64,
    rejected: u64,
    /// Rows with an error in that column, by the field's tag.
    errors: [u64; Field::ALL.len()],
    /// ULNs given, placeholders apart, and those of them whose check digit is wrong.
    ulns: u64,
    ulns_wrong: u64,
    /// For each of `dates`: how many can only be day first, and only month first.
    orders: [[u64; 2]; DATES_MAX],
}

const DATES_MAX: usize = 7;

/// The columns of dates that the checks of a kind look at; at most [`DATES_MAX`].
fn dates(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Enrolments => &[Field::DateOfBirth, Field::StartDate],
        Kind::Amendments
        | Kind::Reversals
        | Kind::Voids
        | Kind::Completions
        | Kind::Transfers
        | Kind::Merges
        | Kind::Unmerges
        | Kind::Aliases => &[Field::DateOfBirth, Field::EffectiveDate],
        Kind::Withdrawals => &[Field::DateOfBirth, Field::WithdrawalDate, Field::LastAttendedOn],
        Kind::Deferrals | Kind::Extensions => &[Field::DateOfBirth, Field::DeferFrom, Field::ResumeBy],
        Kind::Resumptions => &[Field::DateOfBirth, Field::ResumedOn],
        Kind::Dispatches | Kind::Redispatches => &[Field::DateOfBirth, Field::DispatchedOn],
        Kind::Returns => &[Field::DateOfBirth, Field::ReturnedOn],
        Kind::Mixed => &[
            Field::DateOfBirth,
            Field::StartDate,
            Field::WithdrawalDate,
            Field::LastAttendedOn,
            Field::DeferFrom,
            Field::ResumeBy,
            Field::ResumedOn,
        ],
    }
}

impl Survey {
    /// A survey of a file of `kind`.
    pub fn new(kind: Kind) -> Self {
        Self {
            dates: dates(kind),
            rows: 0,
            rejected: 0,
            errors: [0; Field::ALL.len()],
            ulns: 0,
            ulns_wrong: 0,
            orders: [[0; 2]; DATES_MAX],
        }
    }

    /// Takes in a row and what [`super::look_at`] says of it: what was found, and whether the row passed.
    pub fn add(&mut self, cells: &dyn Cells, (findings, passed): &(Vec<Finding>, bool)) {
        self.rows += 1;
        if cells.shifted() {
            self.rejected += 1;
            return;
        }
        for (field, [day_first, month_first]) in self.dates.iter().zip(&mut self.orders) {
            match order(cells.value(*field)) {
                Some(Order::DayFirst) => *day_first += 1,
                Some(Order::MonthFirst) => *month_first += 1,
                None => {}
            }
        }
        if !passed {
            self.rejected += 1;
            self.count_errors(findings);
        }
        let found = |code| findings.contains(&Finding::of(code, Field::Uln));
        if !cells.value(Field::Uln).is_empty() && !found(Code::ULN_PLACEHOLDER) {
            self.ulns += 1;
            self.ulns_wrong += u64::from(found(Code::ULN_CHECK_DIGIT));
        }
    }

    /// Takes in what another survey counted of other rows of the same file. In which order rows come is all the same.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.ulns += other.ulns;
        self.ulns_wrong += other.ulns_wrong;
        let (ours, theirs) = (self.orders.as_flattened_mut(), other.orders.as_flattened());
        for (count, more) in self.errors.iter_mut().zip(&other.errors).chain(ours.iter_mut().zip(theirs)) {
            *count += more;
        }
    }

    /// Counts a row once for each column with an error.
    fn count_errors(&mut self, findings: &[Finding]) {
        let error = |finding: &&Finding| finding.code.severity() == Severity::Error;
        for (place, finding) in findings.iter().enumerate().filter(|(_, finding)| error(finding)) {
            let same = |other: &&Finding| other.field == finding.field;
            if findings.iter().take(place).filter(error).any(|other| same(&other)) {
                continue;
            }
            if let Some(count) = finding.field.and_then(|field| self.errors.get_mut(field as usize)) {
                *count += 1;
            }
        }
    }

    /// What is to be said of the file as a whole. Empty means that it can go on.
    pub fn finish(&self, policy: &Policy) -> Vec<Finding> {
        if self.rows == 0 {
            return vec![Code::NO_ROWS.into()];
        }
        let mut findings = Vec::new();
        for (field, counts) in self.dates.iter().zip(self.orders) {
            match counts {
                [_, 0] => {}
                [0, _] => findings.push(Finding::of(Code::MONTH_FIRST, *field)),
                _ => findings.push(Finding::of(Code::DATE_ORDERS_MIXED, *field)),
            }
        }
        if self.ulns_wrong >= WRONG_ULNS_MIN && self.ulns_wrong * 2 > self.ulns {
            findings.push(Finding::of(Code::IDENTIFIER_COLUMN_WRONG, Field::Uln));
        }
        if self.rows < ROWS_MIN {
            return findings;
        }
        let over = |count: u64, percent: u8| count * 100 > self.rows * u64::from(percent);
        let columns = Field::ALL.into_iter().zip(self.errors);
        let columns = columns.filter(|(_, count)| over(*count, policy.column_errors_percent_max));
        let mut many: Vec<_> = columns.map(|(field, _)| Finding::of(Code::TOO_MANY_ERRORS, field)).collect();
        // Where a column is to blame, that says it: of the rows in general it need not be said as well.
        if many.is_empty() && over(self.rejected, policy.row_errors_percent_max) {
            many.push(Code::TOO_MANY_ERRORS.into());
        }
        findings.extend(many);
        findings
    }
}

#[cfg(test)]
mod tests {
    use daybook_protocol::date::Date;

    use super::*;
    use crate::desk::{Context, Given, Policies, look_at};

    /// What a survey finds in enrolments; each row is a list of changes to a sound one.
    fn survey(rows: &[&[(Field, &str)]], policy: &Policy) -> Vec<Finding> {
        let today = Date::new(2026, 11, 21).expect("a date");
        let policies = Policies::default();
        let context = Context { tokens: None, policies: &policies, centre: "C1", brand: "", today };
        // By two, as pass one does: which of them takes a row must not matter.
        let (mut survey, mut other) = (Survey::new(Kind::Enrolments), Survey::new(Kind::Enrolments));
        for (place, changes) in rows.iter().enumerate() {
            let mut row: Vec<(Field, String)> =
                changes.iter().map(|(field, text)| (*field, (*text).to_owned())).collect();
            for (field, text) in [
                (Field::Uln, "1000000019"),
                (Field::GivenNames, "Jane"),
                (Field::FamilyName, "Doe"),
                (Field::DateOfBirth, "2005-02-01"),
                (Field::Qualification, "60158864"),
                (Field::StartDate, "2026-09-01"),
            ] {
                row.push((field, text.to_owned()));
            }
            let row = Given::new(row);
            let one = if place % 3 == 0 { &mut other } else { &mut survey };
            one.add(&row, &look_at(Kind::Enrolments, &row, &context));
        }
        survey.merge(&other);
        survey.finish(policy)
    }

    const SOUND: &[(Field, &str)] = &[];
    const NAMELESS: &[(Field, &str)] = &[(Field::FamilyName, "-")];
    const WRONG_ULN: &[(Field, &str)] = &[(Field::Uln, "1234567890")];
    const NO_ULN: &[(Field, &str)] = &[(Field::Uln, "TBC")];
    const BORN_US: &[(Field, &str)] = &[(Field::DateOfBirth, "12/31/2004")];
    const BORN_UK: &[(Field, &str)] = &[(Field::DateOfBirth, "31/12/2004")];
    const BORN_EITHER: &[(Field, &str)] = &[(Field::DateOfBirth, "01/02/2004")];

    fn rows(parts: &[(usize, &'static [(Field, &'static str)])]) -> Vec<&'static [(Field, &'static str)]> {
        parts.iter().flat_map(|(count, row)| std::iter::repeat_n(*row, *count)).collect()
    }

    /// Goal: each finding about a file comes exactly beyond its threshold. Method: files just below and just above.
    #[test]
    fn thresholds_hold() {
        let policy = Policy::default();
        let many = Finding::from(Code::TOO_MANY_ERRORS);
        let many_in = |field| Finding::of(Code::TOO_MANY_ERRORS, field);
        let ulns = Finding::of(Code::IDENTIFIER_COLUMN_WRONG, Field::Uln);
        let month_first = Finding::of(Code::MONTH_FIRST, Field::DateOfBirth);
        let mixed = Finding::of(Code::DATE_ORDERS_MIXED, Field::DateOfBirth);
        for (parts, expected) in [
            (&[][..], &[Code::NO_ROWS.into()][..]),
            (&[(10, SOUND)], &[]),
            (&[(7, SOUND), (3, NAMELESS)], &[]),
            (&[(6, SOUND), (4, NAMELESS)], &[many]),
            (&[(5, SOUND), (5, NAMELESS)], &[many]),
            (&[(4, SOUND), (6, NAMELESS)], &[many_in(Field::FamilyName)]),
            (&[(4, NAMELESS)], &[]),
            (&[(5, NAMELESS)], &[many_in(Field::FamilyName)]),
            (&[(15, SOUND), (5, WRONG_ULN)], &[]),
            (&[(4, WRONG_ULN)], &[]),
            (&[(5, SOUND), (5, WRONG_ULN)], &[many]),
            (&[(16, NO_ULN), (1, SOUND), (5, WRONG_ULN)], &[ulns]),
            (&[(20, SOUND), (1, BORN_US)], &[month_first]),
            (&[(20, BORN_EITHER), (1, BORN_UK)], &[]),
            (&[(20, BORN_UK), (1, BORN_US)], &[mixed]),
            (&[(1, BORN_UK), (1, BORN_US)], &[mixed]),
        ] {
            assert_eq!(survey(&rows(parts), &policy), expected, "{parts:?}");
        }
        let lenient = Policy { row_errors_percent_max: 100, column_errors_percent_max: 100, ..Policy::default() };
        assert_eq!(survey(&rows(&[(5, NAMELESS)]), &lenient), []);
    }

    /// Goal: shifted rows count as rejected and nothing in them as a value. Method: rows that claim to be shifted.
    #[test]
    fn shifted_rows_are_only_counted() {
        struct Shifted;
        impl Cells for Shifted {
            fn value(&self, _: Field) -> &'static str {
                "12/31/2004"
            }
            fn shifted(&self) -> bool {
                true
            }
            fn raw(&self) -> String {
                "a,b".to_owned()
            }
            fn bytes(&self) -> usize {
                3
            }
            fn columns(&self) -> &[Option<Field>] {
                &[]
            }
        }
        let policy = Policy::default();
        let today = Date::new(2026, 11, 21).expect("a date");
        let policies = Policies::from(policy.clone());
        let context = Context { tokens: None, policies: &policies, centre: "", brand: "", today };
        let mut survey = Survey::new(Kind::Withdrawals);
        for _ in 0..5 {
            survey.add(&Shifted, &look_at(Kind::Withdrawals, &Shifted, &context));
        }
        assert_eq!(survey.finish(&policy), [Code::TOO_MANY_ERRORS.into()]);
    }

    /// Goal: there is room to count every column of dates. Method: ask every kind.
    #[test]
    fn every_kind_has_few_dates() {
        assert!(Kind::ALL.into_iter().all(|kind| dates(kind).len() <= DATES_MAX));
    }
}
