//! Values as they are typed: how each is read, and what is said about one that is wrong.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use daybook_protocol::{
    date::{Date, Timestamp},
    field::{Field, Kind},
    ids::Sequence,
    invite::Invite,
};
use jiff::civil;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, ConfigError, valid_centre},
    office::WORDS_BYTES_MAX,
    reader::normalise,
    zone::london,
};

/// Where a central node listens unless it is told otherwise.
const CENTRAL_PORT: u16 = 7310;
/// A name on record is at most this long: user names and host names are shorter everywhere.
const NAME_CHARS_MAX: usize = 64;

/// An entry's number.
pub fn sequence(text: &str) -> Result<Sequence, String> {
    text.parse().map(Sequence).map_err(|_| "an entry's number, counted from 0".to_owned())
}

/// A recorded moment, by its sequence or by the clock. What was recorded up to it, itself included, is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AsOf {
    /// As of this entry.
    Sequence(Sequence),
    /// As of this instant.
    Moment(Timestamp),
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence(sequence) => sequence.fmt(f),
            Self::Moment(moment) => moment.fmt(f),
        }
    }
}

impl From<AsOf> for String {
    fn from(as_of: AsOf) -> Self {
        as_of.to_string()
    }
}

impl TryFrom<String> for AsOf {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for AsOf {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let place = text.parse().map_err(|_| "no log has so many entries".to_owned())?;
            return Ok(Self::Sequence(Sequence(place)));
        }
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::Moment(instant.into()));
        }
        // A day stands for its end: what was recorded on that day is seen.
        let (local, day) = match (text.parse::<Date>(), text.parse::<civil::DateTime>()) {
            (Ok(date), _) => (date.plus_days(1).civil().at(0, 0, 0, 0), true),
            (_, Ok(local)) => (local, false),
            _ => {
                return Err("give an entry's number, a day such as 2026-11-21 (its end), \
                            a time such as 2026-11-21T14:30 (London), or one in UTC such as 2026-11-21T14:30:00Z"
                    .to_owned());
            }
        };
        let instant = london().to_timestamp(local).map_err(|error| error.to_string())?;
        Ok(Self::Moment(Timestamp(instant.as_microsecond() - i64::from(day))))
    }
}

/// `HOST:PORT`; the usual port where none is given.
pub(super) fn address(text: &str) -> Result<String, String> {
    let wrong =
        || format!("give the central node's address as HOST or HOST:PORT, such as central.example:{CENTRAL_PORT}");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') && host.ends_with(']') => (host, Some(port)),
        Some(_) => return Err(format!("put an IPv6 address in brackets, such as [::1]:{CENTRAL_PORT}")),
        None => (text, None),
    };
    let port = port.map_or(Ok(CENTRAL_PORT), str::parse::<u16>).map_err(|_| wrong())?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._[]:".contains(letter);
    if host.is_empty() || port == 0 || !host.chars().all(plain) {
        return Err(wrong());
    }
    Ok(format!("{host}:{port}"))
}

/// A one-time code, kept as it was typed.
pub(super) fn code(text: &str) -> Result<String, String> {
    text.parse::<Invite>().map(|invite| invite.to_string()).map_err(|error| error.to_string())
}

/// A path from the root, since the process that performs the command may stand elsewhere.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|error| error.to_string())
}

/// The text of a file with policies. It is read by whoever typed its name, so that an agent needs no permission to.
pub(super) fn policies(path: &str) -> Result<String, String> {
    match Config::load(Path::new(path)) {
        Ok((_, text)) => Ok(text),
        Err(ConfigError::Read { path, source }) => Err(format!("cannot read {}: {source}", path.display())),
        Err(ConfigError::Wrong { why, .. }) => Err(why),
    }
}

/// A centre number.
pub(super) fn centre(text: &str) -> Result<String, String> {
    valid_centre(text).then(|| text.to_owned()).ok_or_else(|| "a centre is 1 to 12 letters and digits".to_owned())
}

/// A ULN of ten digits; blanks and dashes in it do not count.
pub(super) fn uln(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
    let good = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then_some(digits).ok_or_else(|| "a ULN has exactly 10 digits".to_owned())
}

/// The name of a person or of a machine.
pub(super) fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(format!("a name of at most {NAME_CHARS_MAX} letters"));
    }
    Ok(name.to_owned())
}

/// Some words; an empty text says nothing and is refused.
pub(super) fn words(text: &str) -> Result<String, String> {
    let words = text.trim();
    if words.is_empty() { Err("say something: it goes on record".to_owned()) } else { Ok(words.to_owned()) }
}

/// One of the kinds of file.
pub(super) fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.into_iter().filter(|kind| kind.is_in_files()).map(Kind::name))
        .try_map(|name| name.parse::<Kind>())
}

/// A kind of what an operator orders.
pub(super) fn orders() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.into_iter().filter(|kind| kind.is_ordered()).map(Kind::name))
        .try_map(|name| name.parse::<Kind>())
}

/// What can be amended of a learner (DOMAIN.md 3.1).
pub const AMENDABLE: [Field; 11] = [
    Field::Uln,
    Field::GivenNames,
    Field::MiddleNames,
    Field::FamilyName,
    Field::PreferredName,
    Field::PreviousFamilyName,
    Field::DateOfBirth,
    Field::Sex,
    Field::Postcode,
    Field::Email,
    Field::Address,
];

/// One of the columns that can be amended.
pub(super) fn amendable() -> impl TypedValueParser<Value = Field> {
    PossibleValuesParser::new(AMENDABLE.map(Field::name)).try_map(|name| {
        AMENDABLE.into_iter().find(|field| field.name() == name).ok_or("not a column that can be amended")
    })
}

/// What a heading means: `HEADING=FIELD`.
pub(super) fn heading(text: &str) -> Result<(String, Field), String> {
    let (heading, field) = text.rsplit_once('=').ok_or("a heading and a column, such as \"Learner Ref No=uln\"")?;
    let field = field.trim().parse::<Field>().map_err(|error| error.to_string())?;
    if normalise(heading).is_empty() {
        return Err("a heading has letters or digits".to_owned());
    }
    Ok((mapped(heading)?, field))
}

/// What a value stands for: `FIELD:TEXT=VALUE`.
pub(super) fn value(text: &str) -> Result<(Field, String, String), String> {
    let parts = text.split_once(':').and_then(|(field, rest)| Some((field, rest.rsplit_once('=')?)));
    let (field, (text, value)) =
        parts.ok_or("a column, a text and what it stands for, such as \"withdrawal_reason:Left us=LEFT_COURSE\"")?;
    let field = field.trim().parse::<Field>().map_err(|error| error.to_string())?;
    Ok((field, mapped(text)?, mapped(value)?))
}

fn mapped(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > WORDS_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!("headings and values have 1 to {WORDS_BYTES_MAX} bytes"));
    }
    Ok(text.to_owned())
}

/// One of some codes, in small letters or capitals.
pub(super) fn one_of<const N: usize>(codes: [&'static str; N]) -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(codes).map(|code| code.to_ascii_uppercase())
}

/// What `why` explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// An entry.
    Entry(Sequence),
    /// Whatever was decided about a row.
    Row {
        /// The arrival of its file, which is the number of the file's first receipt.
        file: Sequence,
        /// The physical line on which it begins, counted from 1.
        line: u32,
    },
}

impl std::str::FromStr for About {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entry = |text: &str| text.parse().map(Sequence).ok();
        let about = match text.split_once(':') {
            None => entry(text).map(Self::Entry),
            Some((file, line)) => entry(file).zip(line.parse().ok()).map(|(file, line)| Self::Row { file, line }),
        };
        about.ok_or_else(|| "an entry such as 4711, or a file's receipt and a line such as 4700:12".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each way of naming a moment means what its words say, summer time included. Method: a table.
    #[test]
    fn moments_are_read() {
        for (text, meant) in [
            ("812", "812"),
            ("2026-11-21T14:30:00Z", "2026-11-21T14:30:00.000000Z"),
            ("2026-07-01T14:30", "2026-07-01T13:30:00.000000Z"),
            ("2026-07-01", "2026-07-01T22:59:59.999999Z"),
            ("2026-11-21", "2026-11-21T23:59:59.999999Z"),
        ] {
            let as_of: AsOf = text.parse().expect(text);
            assert_eq!(as_of.to_string(), meant, "{text}");
            assert_eq!(AsOf::try_from(String::from(as_of)), Ok(as_of), "{text} again");
        }
        for wrong in ["", "yesterday", "-1", "2026-13-01", "99999999999999999999"] {
            assert!(wrong.parse::<AsOf>().is_err(), "{wrong}");
        }
    }

    /// Goal: an address is taken with or without its port and refused where it cannot be one. Method: a table.
    #[test]
    fn addresses_are_read() {
        assert_eq!(address("central.example"), Ok("central.example:7310".to_owned()));
        assert_eq!(address("127.0.0.1:9"), Ok("127.0.0.1:9".to_owned()));
        assert_eq!(address("[::1]:9"), Ok("[::1]:9".to_owned()));
        for wrong in ["", ":7310", "::1", "host:port", "host:70000", "host:0", "https://host"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    /// Goal: an entry and a line of a file are told apart, and nothing else is taken for either. Method: good and bad texts.
    #[test]
    fn what_is_to_be_explained() {
        assert_eq!("4711".parse(), Ok(About::Entry(Sequence(4711))));
        assert_eq!("4700:12".parse(), Ok(About::Row { file: Sequence(4700), line: 12 }));
        for bad in ["", ":", "4700:", ":12", "a.csv:12", "4700:-1", "1:2:3"] {
            assert!(bad.parse::<About>().is_err(), "{bad}");
        }
    }
}
