//! Civil dates and recorded instants, as they stand in an entry.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use jiff::civil;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A civil date (Europe/London) as days from 1970-01-01; negative before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Date(pub i32);

/// A text that is not a date of the form `YYYY-MM-DD`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a date such as 2026-11-21")]
pub struct ParseDateError(pub String);

/// A text that is not an instant of the form `YYYY-MM-DDTHH:MM:SSZ`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an instant such as 2026-11-21T14:53:09Z")]
pub struct ParseTimestampError(pub String);

const EPOCH: civil::Date = civil::date(1970, 1, 1);
/// Beyond the calendar's ends, which are 4,371,587 days before and 2,932,896 days after, and within what a span may have.
const DAYS_MAX: i32 = 7_000_000;

impl Date {
    /// The date of a year, month and day, if there is such a day.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        civil::Date::new(year, month, day).ok().map(Self::from)
    }

    /// As a calendar date; dates beyond the years ±9999, which only damaged bytes can hold, come out as the nearest one.
    pub fn civil(self) -> civil::Date {
        EPOCH.saturating_add(jiff::Span::new().days(self.0.clamp(-DAYS_MAX, DAYS_MAX)))
    }

    /// The date `days` later (earlier if negative).
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The same day `years` later; 29 February becomes 28 February where there is none.
    #[must_use]
    pub fn plus_years(self, years: i16) -> Self {
        Self::from(self.civil().saturating_add(jiff::Span::new().years(years)))
    }

    /// Whole years from `self` to `later`: the age on that day of someone born on this one.
    pub fn years_until(self, later: Self) -> i16 {
        let (from, to) = (self.civil(), later.civil());
        let before_birthday = (to.month(), to.day()) < (from.month(), from.day());
        to.year() - from.year() - i16::from(before_birthday)
    }
}

impl From<civil::Date> for Date {
    fn from(date: civil::Date) -> Self {
        Self(EPOCH.until(date).map_or(0, |span| span.get_days()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.civil().fmt(f)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Date {
    type Err = ParseDateError;
    fn from_str(text: &str) -> Result<Self, ParseDateError> {
        civil::Date::strptime("%Y-%m-%d", text).map(Self::from).map_err(|_| ParseDateError(text.to_owned()))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A recorded instant: microseconds from 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// As jiff's timestamp; an instant beyond its range comes out as the nearest one.
    pub fn instant(self) -> jiff::Timestamp {
        let range = jiff::Timestamp::MIN.as_microsecond()..=jiff::Timestamp::MAX.as_microsecond();
        jiff::Timestamp::from_microsecond(self.0.clamp(*range.start(), *range.end()))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// The UTC day on which it lies.
    pub fn day(self) -> Date {
        Date::from(jiff::tz::Offset::UTC.to_datetime(self.instant()).date())
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(instant: jiff::Timestamp) -> Self {
        Self(instant.as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.instant())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;
    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        text.parse::<jiff::Timestamp>().map(Self::from).map_err(|_| ParseTimestampError(text.to_owned()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: days count from 1970 and come back as they were. Method: known days, leap days and birthdays.
    #[test]
    fn dates_count_and_round_trip() {
        assert_eq!(Date::new(1970, 1, 1), Some(Date(0)));
        assert_eq!("2013-10-01".parse(), Ok(Date(15_979)));
        assert_eq!(Date(15_979).to_string(), "2013-10-01");
        assert_eq!(Date::new(2023, 2, 29), None);
        assert_eq!(Date::new(2024, 2, 29).map(|day| day.plus_years(1).to_string()).as_deref(), Some("2025-02-28"));
        let born: Date = "2000-06-15".parse().expect("a date");
        assert_eq!(born.years_until("2018-06-14".parse().expect("a date")), 17);
        assert_eq!(born.years_until("2018-06-15".parse().expect("a date")), 18);
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!((Timestamp(-1).day(), Timestamp(0).day()), (Date(-1), Date(0)));
        let instant = Timestamp(1_700_000_000_123_456);
        assert_eq!(instant.to_string().parse(), Ok(instant));
        assert!("2026-11-21".parse::<Timestamp>().is_err());
        for end in [civil::Date::MAX, civil::Date::MIN] {
            assert_eq!(Date::from(end).civil(), end);
        }
        let _ = (Date(i32::MAX).to_string(), Date(i32::MIN).to_string(), Timestamp(i64::MAX).to_string());
    }
}
