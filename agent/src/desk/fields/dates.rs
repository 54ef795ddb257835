//! Dates as people write them, day first (DOMAIN.md 6.4). Whether a date makes sense where it stands is for the builders.

use daybook_protocol::{date::Date, finding::Code};

/// Years outside these are slips of the pen; the Learning Records Service knows no others.
const YEARS: std::ops::RangeInclusive<i16> = 1800..=2099;

/// The months by name; the first three letters are enough.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A day of the calendar, with its parts at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    /// The day.
    pub(super) date: Date,
    year: i16,
    month: i8,
    of_month: i8,
}

impl Day {
    fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        let date = Date::new(year, month, day)?;
        YEARS.contains(&year).then_some(Self { date, year, month, of_month: day })
    }

    /// Whole years from this day to a later one.
    pub(super) fn years_until(self, later: Self) -> i16 {
        later.year - self.year - i16::from((later.month, later.of_month) < (self.month, self.of_month))
    }

    /// As `YYYY-MM-DD`.
    pub(super) fn iso(self) -> String {
        let (year, month, day) = (self.year, i16::from(self.month), i16::from(self.of_month));
        // -1 is no digit and comes out as the hyphen.
        let digits = [year / 1000, year / 100, year / 10, year, -1, month / 10, month, -1, day / 10, day];
        let text = digits.map(|number| u8::try_from(number % 10).map_or(b'-', |digit| b'0' + digit));
        text.iter().map(|byte| char::from(*byte)).collect()
    }

    /// The day with its day and month the wrong way round, where that is another day.
    pub(super) fn turned(self) -> Option<Self> {
        Self::new(self.year, self.of_month, self.month).filter(|turned| *turned != self)
    }

    /// The days whose figures differ from those of this one in one place.
    pub(super) fn mistyped(self) -> Vec<Self> {
        let figure = |number: i16, places: &[i16]| -> Vec<i16> {
            let others = places.iter().flat_map(|place| {
                let without = number - number / place % 10 * place;
                (0..10).map(move |figure| without + figure * place)
            });
            others.filter(|other| *other != number).collect()
        };
        let small = |number: i16| i8::try_from(number).unwrap_or_default();
        let (year, month, of_month) = (self.year, i16::from(self.month), i16::from(self.of_month));
        let years = figure(year, &[1, 10, 100, 1000]).into_iter().map(|year| (year, self.month, self.of_month));
        let months = figure(month, &[1, 10]).into_iter().map(|month| (self.year, small(month), self.of_month));
        let days = figure(of_month, &[1, 10]).into_iter().map(|day| (self.year, self.month, small(day)));
        years.chain(months).chain(days).filter_map(|(year, month, day)| Self::new(year, month, day)).collect()
    }

    /// Whether spreadsheets show this day for an empty cell or for a zero.
    pub(super) fn is_default(self) -> bool {
        matches!((self.year, self.month, self.of_month), (1899, 12, 30) | (1900 | 1970, 1, 1))
    }
}

/// In which order a date is written, where it could be written in no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::desk) enum Order {
    /// As in `31/12/2005`.
    DayFirst,
    /// As in `12/31/2005`.
    MonthFirst,
}

/// Reads a value that is not empty: `2005-02-01`, `1/2/2005`, `01.02.2005`, `01-02-2005`, `1 Feb 2005`, `01022005`, each
/// with midnight behind it or not.
pub(super) fn parse(text: &str) -> Result<Day, Code> {
    // Most dates are written year first, and in full.
    if let [_, _, _, _, b'-', _, _, b'-', _, _] = text.as_bytes()
        && let (Some(year), Some(month), Some(day)) = (text.get(..4), text.get(5..7), text.get(8..))
    {
        return day_of(year, number(month, 2), day);
    }
    let Some(text) = without_midnight(text) else { return Err(Code::DATE_INVALID) };
    let Some((separator, [first, second, third])) = parts(text) else { return run_together(text) };
    if first.len() == 4 && separator != ' ' {
        return day_of(first, number(second, 2), third);
    }
    let month = if separator == ' ' { None } else { number(second, 2) }.or_else(|| month_named(second));
    match third.len() {
        4 => day_of(third, month, first),
        2 => two_digits(third, month, first),
        _ => Err(Code::DATE_INVALID),
    }
}

/// The order of a date in figures; `None` where either is possible, or neither.
pub(in crate::desk) fn order(text: &str) -> Option<Order> {
    // Most dates are written year first.
    if let [_, _, _, _, b'-', _, _, b'-', ..] = text.as_bytes() {
        return None;
    }
    let (separator, [first, second, third]) = parts(without_midnight(text)?)?;
    if separator == ' ' || number(third, 4).is_none() {
        return None;
    }
    match (number(first, 2)?, number(second, 2)?) {
        (13..=31, 1..=12) => Some(Order::DayFirst),
        (1..=12, 13..=31) => Some(Order::MonthFirst),
        _ => None,
    }
}

fn day_of(year: &str, month: Option<i16>, day: &str) -> Result<Day, Code> {
    let small = |number: Option<i16>| number.and_then(|number| i8::try_from(number).ok());
    let (year, month, day) = (number(year, 4), small(month), small(number(day, 2)));
    let day = year.zip(month).zip(day).and_then(|((year, month), day)| Day::new(year, month, day));
    day.ok_or(Code::DATE_INVALID)
}

/// A year of two digits is never guessed; 2000 was a leap year, so that 29 February passes for a day.
fn two_digits(year: &str, month: Option<i16>, day: &str) -> Result<Day, Code> {
    number(year, 2).ok_or(Code::DATE_INVALID)?;
    day_of("2000", month, day).and(Err(Code::YEAR_TWO_DIGITS))
}

/// `ddmmyyyy`, and `ddmmyy` to say what is wrong with it.
fn run_together(text: &str) -> Result<Day, Code> {
    let (Some(day), Some(month), Some(year)) = (text.get(..2), text.get(2..4), text.get(4..)) else {
        return Err(Code::DATE_INVALID);
    };
    match year.len() {
        4 => day_of(year, number(month, 2), day),
        2 => two_digits(year, number(month, 2), day),
        _ => Err(Code::DATE_INVALID),
    }
}

/// The three parts of a date and what separates them, the same both times.
fn parts(text: &str) -> Option<(char, [&str; 3])> {
    let separator = text.chars().find(|letter| matches!(letter, '/' | '-' | '.' | ' '))?;
    let mut parts = text.split(separator);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some((separator, three))
}

fn number(text: &str, digits_max: usize) -> Option<i16> {
    if !(1..=digits_max).contains(&text.len()) {
        return None;
    }
    text.bytes().try_fold(0, |sum: i16, byte| byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0')))
}

fn month_named(text: &str) -> Option<i16> {
    let known = |name: &&str| text.len() >= 3 && name.get(..text.len()).is_some_and(|n| n.eq_ignore_ascii_case(text));
    (1..).zip(MONTHS.iter()).find(|(_, name)| known(name)).map(|(number, _)| number)
}

/// Without the time that a database or spreadsheet hangs on a date, as long as it is midnight; `None` if it is not.
fn without_midnight(text: &str) -> Option<&str> {
    let Some(colon) = text.bytes().position(|byte| byte == b':') else { return Some(text) };
    let (date, time) =
        text.get(..colon)?.rsplit_once([' ', 'T']).and_then(|(date, _)| text.split_at_checked(date.len()))?;
    let midnight = time.bytes().skip(1).all(|byte| matches!(byte, b'0' | b':' | b'.' | b'Z'));
    midnight.then(|| date.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every form of DOMAIN.md 6.4 is read, day first. Method: write one day in all of them.
    #[test]
    fn every_form_of_a_date_is_read() {
        for text in [
            "2005-02-01",
            "2005/02/01",
            "2005-2-1",
            "01/02/2005",
            "1/2/2005",
            "01-02-2005",
            "01.02.2005",
            "1.2.2005",
            "1 Feb 2005",
            "01 February 2005",
            "01-FEB-2005",
            "1/feb/2005",
            "01022005",
            "2005-02-01 00:00:00",
            "2005-02-01T00:00:00",
            "2005-02-01T00:00:00.000Z",
            "01/02/2005 00:00",
            "01/02/2005 0:00:00",
            "1 Feb 2005 00:00",
        ] {
            let day = parse(text).map(|day| (day.iso(), day.date.to_string()));
            assert_eq!(day, Ok(("2005-02-01".to_owned(), "2005-02-01".to_owned())), "{text}");
        }
        assert_eq!(parse("29/02/2024").map(Day::iso).as_deref(), Ok("2024-02-29"));
        assert_eq!(parse("30 Sept 1999").map(Day::iso).as_deref(), Ok("1999-09-30"));
    }

    /// Goal: the slips of a day are days, each once, and never itself. Method: those of some days, counted by hand.
    #[test]
    fn slips_of_a_day_are_days() {
        let read = |text| parse(text).expect("a day");
        let turned = |text| read(text).turned().map(Day::iso);
        assert_eq!(turned("2004-05-06").as_deref(), Some("2004-06-05"));
        assert_eq!((turned("2004-05-05"), turned("2004-03-17")), (None, None));
        let mistyped = |text| -> Vec<String> { read(text).mistyped().into_iter().map(Day::iso).collect() };
        let slips = mistyped("2004-03-17");
        // Years 9 by the last figure and 9 by the decade, no other century; months 01 to 09; days 10 to 19, 07 and 27; but itself.
        assert_eq!(slips.len(), 9 + 9 + 8 + 9 + 2, "{slips:?}");
        for slip in ["2005-03-17", "2014-03-17", "2004-08-17", "2004-03-18", "2004-03-27"] {
            assert!(slips.iter().any(|it| it == slip), "{slip}: {slips:?}");
        }
        assert!(!slips.contains(&"2004-03-17".to_owned()));
        assert!(mistyped("2004-02-29").iter().all(|it| parse(it).is_ok()), "no 29 February of another year");
    }

    /// Goal: what is no date is refused with the code that helps. Method: a table.
    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "12/31/2005",
            "2005-12-31 10:15",
            "29/02/2023",
            "2005-13-01",
            "31.04.2005",
            "0/1/2005",
            "01/02/0205",
            "01/02/20055",
            "01/02/200",
            "01/02-2005",
            "01 02 2005",
            "1 Fe 2005",
            "1 Febs 2005",
            "Feb 1 2005",
            "38384",
            "2005",
            "20050201",
            "0102",
            "TBC",
            "1/2",
            "1/2/3/2005",
            "+1/02/2005",
            "00:00",
            " 00:00",
            "é1/02/2005",
            "０１/02/2005",
            "",
        ] {
            assert_eq!(parse(text), Err(Code::DATE_INVALID), "{text}");
        }
        for text in ["01/02/05", "1/2/05", "29-02-01", "1 Feb 05", "010205", "01.02.99 00:00"] {
            assert_eq!(parse(text), Err(Code::YEAR_TWO_DIGITS), "{text}");
        }
    }

    /// Goal: only a date that can be read one way says in which order it is written. Method: a table.
    #[test]
    fn an_order_is_told_by_what_is_over_twelve() {
        for (text, expected) in [
            ("31/12/2005", Some(Order::DayFirst)),
            ("13.01.05", Some(Order::DayFirst)),
            ("12/31/2005", Some(Order::MonthFirst)),
            ("1-13-05 00:00", Some(Order::MonthFirst)),
            ("01/02/2005", None),
            ("12/01/2005", None),
            ("01/12/2005", None),
            ("31/13/2005", None),
            ("2005-12-31", None),
            ("2005/12/31", None),
            ("31 Dec 2005", None),
            ("31122005", None),
            ("soon", None),
        ] {
            assert_eq!(order(text), expected, "{text}");
        }
    }

    /// Goal: a year is full on its birthday and not before. Method: the days around one.
    #[test]
    fn ages_are_whole_years() {
        let day = |text| parse(text).expect("a date");
        assert_eq!(day("2000-06-15").years_until(day("2014-06-14")), 13);
        assert_eq!(day("2000-06-15").years_until(day("2014-06-15")), 14);
        assert_eq!(day("2000-06-15").years_until(day("1999-06-15")), -1);
    }
}
