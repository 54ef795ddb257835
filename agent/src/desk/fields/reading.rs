//! A row while it is being checked: takes a value out of a column, checks it by the column's rule, and notes what it finds.

use std::borrow::Cow;

use daybook_protocol::{
    date::Date,
    field::Field,
    finding::{Code, Finding, Severity},
    ids::{RegistrationNo, Token},
};

use super::{
    Cells, Context, contact,
    dates::{self, Day},
    names, qualification,
    uln::{self, Uln},
};
use crate::desk::{IDENTITY_DOMAIN, PERSON_DOMAIN, Subject, ULN_DOMAIN};

/// How many days ahead a planned day may lie: registrations and breaks are arranged in advance.
const AHEAD_DAYS_MAX: i32 = 365;
/// A certificate's number has at most this many characters.
const CERTIFICATE_CHARS_MAX: usize = 40;
/// A text that stands in the log in clear has at most this many characters.
const CLEAR_CHARS_MAX: usize = 64;
/// A centre's number has at most this many characters (DOMAIN.md 2.2).
const CENTRE_CHARS_MAX: usize = 12;

/// A row while it is being checked.
pub(super) struct Reading<'a> {
    cells: &'a dyn Cells,
    pub(super) context: &'a Context<'a>,
    pub(super) findings: Vec<Finding>,
}

/// What a row says of a person whom we know: what must match before anything is done in their name.
pub(super) struct Held<'a> {
    /// The family name.
    pub(super) family: &'a str,
    /// The given names; may be empty.
    pub(super) given: &'a str,
    /// The date of birth.
    pub(super) born: Day,
    /// The centre, where it is known.
    pub(super) centre: Option<&'a str>,
    /// Identifiers, and the tokens of the above.
    pub(super) subject: Subject,
}

impl<'a> Reading<'a> {
    pub(super) fn new(cells: &'a dyn Cells, context: &'a Context<'a>) -> Self {
        Self { cells, context, findings: Vec::new() }
    }

    pub(super) fn found(&mut self, code: Code, field: Field) {
        self.findings.push(Finding::of(code, field));
    }

    /// Whether something was found in a column.
    pub(super) fn noted(&self, code: Code, field: Field) -> bool {
        self.findings.contains(&Finding::of(code, field))
    }

    /// The value of a column; empty if there is none.
    pub(super) fn value(&self, field: Field) -> &'a str {
        self.cells.value(field)
    }

    /// A value that must be there.
    pub(super) fn required(&mut self, field: Field) -> Option<&'a str> {
        let text = self.value(field);
        if text.is_empty() {
            self.found(Code::REQUIRED_MISSING, field);
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// A name that must be there, is going to be held and is printed.
    pub(super) fn required_name(&mut self, field: Field) -> Option<&'a str> {
        self.required(field)?;
        Some(self.checked_name(field, |_| true))
    }

    /// A name that is going to be held and may be there.
    pub(super) fn name(&mut self, field: Field) -> &'a str {
        self.checked_name(field, |code| code != Code::REQUIRED_MISSING)
    }

    /// A name that is only compared and may be there: how it would print is no matter.
    pub(super) fn held_name(&mut self, field: Field) -> &'a str {
        self.checked_name(field, |code| code != Code::REQUIRED_MISSING && code.severity() == Severity::Error)
    }

    fn checked_name(&mut self, field: Field, matters: impl Fn(Code) -> bool) -> &'a str {
        let text = self.value(field);
        if !text.is_empty() {
            names::check(text, |code| {
                if matters(code) {
                    self.findings.push(Finding::of(code, field));
                }
            });
        }
        text
    }

    /// A day that must be there.
    pub(super) fn day(&mut self, field: Field) -> Option<Day> {
        self.required(field)?;
        self.day_if_given(field)
    }

    /// A day that may be there; `None` too if it is no day, which is then noted.
    pub(super) fn day_if_given(&mut self, field: Field) -> Option<Day> {
        let text = self.value(field);
        if text.is_empty() {
            return None;
        }
        let code = match dates::parse(text) {
            Ok(day) if day.is_default() => Code::DATE_IMPLAUSIBLE,
            Ok(day) => return Some(day),
            Err(code) => code,
        };
        self.found(code, field);
        None
    }

    /// A day that must not lie further ahead than anyone plans.
    pub(super) fn planned(&mut self, field: Field) -> Option<Day> {
        let day = self.day(field)?;
        self.not_after(day, self.context.today.plus_days(AHEAD_DAYS_MAX), field)
    }

    /// A day on which something happened, so that it must not lie ahead.
    pub(super) fn past(&mut self, field: Field) -> Option<Day> {
        let day = self.day(field)?;
        self.not_after(day, self.context.today, field)
    }

    fn not_after(&mut self, day: Day, last: Date, field: Field) -> Option<Day> {
        if day.date > last {
            self.found(Code::DATE_IN_FUTURE, field);
            return None;
        }
        Some(day)
    }

    /// A date of birth, in whichever column it stands.
    pub(super) fn born(&mut self, field: Field) -> Option<Day> {
        let day = self.past(field)?;
        if day.date == self.context.today {
            self.found(Code::DATE_IMPLAUSIBLE, field);
            return None;
        }
        Some(day)
    }

    /// The ten digits of a ULN, in whichever column it stands; `None` if there is none, or a placeholder or a wrong one,
    /// which is then noted.
    pub(super) fn uln(&mut self, field: Field) -> Option<Cow<'a, str>> {
        let text = self.value(field);
        if text.is_empty() {
            return None;
        }
        match uln::parse(text) {
            Ok(Uln::Known(digits)) => {
                if matches!(digits, Cow::Owned(_)) {
                    self.found(Code::ULN_CLEANED, field);
                }
                Some(digits)
            }
            Ok(Uln::Placeholder) => {
                self.found(Code::ULN_PLACEHOLDER, field);
                None
            }
            Err(code) => {
                self.found(code, field);
                None
            }
        }
    }

    /// The token of a ULN.
    pub(super) fn uln_token(&self, digits: &str) -> Token {
        self.token(ULN_DOMAIN, &[digits])
    }

    /// The look-up value of some normalised texts; zeros where nobody is going to look it up.
    pub(super) fn token(&self, domain: &str, parts: &[&str]) -> Token {
        self.context.tokens.map_or(Token([0; 16]), |tokens| tokens.token(domain, parts))
    }

    /// The qualification, if given, as it is kept.
    pub(super) fn qualification(&mut self) -> Option<String> {
        self.qualification_in(Field::Qualification)
    }

    /// The qualification that stands in a column, if given, as it is kept.
    pub(super) fn qualification_in(&mut self, field: Field) -> Option<String> {
        let text = self.value(field);
        if text.is_empty() {
            return None;
        }
        match qualification::parse(text) {
            Ok(known) => {
                if !known.checked {
                    self.found(Code::QN_CHECK_CHARACTER, field);
                }
                Some(known.number)
            }
            Err(code) => {
                self.found(code, field);
                None
            }
        }
    }

    /// The centre: the sender's, which the row must not contradict; the row's own where the sender may speak for any.
    pub(super) fn centre(&mut self) -> Option<&'a str> {
        let (own, given) = (self.context.centre, self.value(Field::CentreNo));
        if own.is_empty() {
            let form = given.len() <= CENTRE_CHARS_MAX && given.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !form {
                self.found(Code::VALUE_FORMAT, Field::CentreNo);
            }
            return Some(given).filter(|given| form && !given.is_empty());
        }
        if !given.is_empty() && !given.eq_ignore_ascii_case(own) {
            self.found(Code::SENDER_NOT_AUTHORISED, Field::CentreNo);
        }
        Some(own)
    }

    /// A centre other than the sender's, if given, as it is kept.
    pub(super) fn other_centre(&mut self, field: Field) -> Option<String> {
        let given = self.value(field);
        let form = given.len() <= CENTRE_CHARS_MAX && given.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !form {
            self.found(Code::VALUE_FORMAT, field);
        }
        Some(given.to_ascii_uppercase()).filter(|given| form && !given.is_empty())
    }

    /// Flags what looks wrong in the values that are taken as sent.
    pub(super) fn contact(&mut self, field: Field, text: &str, reported: Field) {
        let code = match field {
            Field::Postcode if !contact::is_postcode(text) => Code::POSTCODE,
            Field::Email if !contact::is_email(text) => Code::VALUE_UNUSUAL,
            Field::Sex if !contact::is_sex(text) => Code::VALUE_UNUSUAL,
            _ => return,
        };
        if !text.is_empty() {
            self.found(code, reported);
        }
    }

    /// A registration's number, if given.
    pub(super) fn registration(&mut self) -> Option<RegistrationNo> {
        self.registration_in(Field::RegistrationNo)
    }

    /// The number of a registration that stands in a column, if given.
    pub(super) fn registration_in(&mut self, field: Field) -> Option<RegistrationNo> {
        let text = self.value(field);
        if text.is_empty() {
            return None;
        }
        let number = text.parse().ok();
        if number.is_none() {
            self.found(Code::VALUE_FORMAT, field);
        }
        number
    }

    /// A certificate's number, which must be there.
    pub(super) fn certificate(&mut self) -> Option<String> {
        let text = self.required(Field::CertificateNo)?;
        let form = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'-';
        if text.len() > CERTIFICATE_CHARS_MAX || !text.bytes().all(form) {
            self.found(Code::VALUE_FORMAT, Field::CertificateNo);
        }
        Some(text.to_owned())
    }

    /// A text that stands in the log in clear; may be empty.
    pub(super) fn clear_text(&mut self, field: Field) -> String {
        let text = self.value(field);
        if text.chars().count() > CLEAR_CHARS_MAX {
            self.found(Code::VALUE_LONG, field);
        } else if text.chars().any(char::is_control) {
            self.found(Code::VALUE_FORMAT, field);
        }
        text.to_owned()
    }

    /// A reason, which must be there: in its own column, or in the one for reasons of every kind.
    pub(super) fn reason(&mut self, own: Field) -> Option<(Field, &'a str)> {
        let said = |field: &Field| self.value(*field).contains(char::is_alphanumeric);
        let column = [own, Field::Reason].into_iter().find(said);
        if column.is_none() {
            self.found(Code::REASON_REQUIRED, own);
        }
        column.map(|column| (column, self.value(column)))
    }

    /// The person whom a row is about: family name and date of birth as held, and the ULN or the registration's number.
    pub(super) fn held(&mut self) -> Option<Held<'a>> {
        let uln = self.uln(Field::Uln);
        let registration = self.registration();
        let said = |field| !self.value(field).is_empty() && !self.noted(Code::ULN_PLACEHOLDER, field);
        if !said(Field::Uln) && !said(Field::RegistrationNo) {
            self.found(Code::REQUIRED_MISSING, Field::Uln);
        }
        let named = self.required(Field::FamilyName).is_some();
        let severe = |code: Code| code.severity() == Severity::Error;
        let (family, given) = (self.checked_name(Field::FamilyName, severe), self.held_name(Field::GivenNames));
        let born = self.born(Field::DateOfBirth);
        let centre = self.centre();
        let qualification = self.qualification();
        let born = born.filter(|_| named)?;
        let mut subject = self.subject(family, given, born, centre);
        subject.uln = uln.map(|digits| self.uln_token(&digits));
        subject.registration = registration;
        subject.sender = Some(self.context.centre).filter(|own| !own.is_empty()).map(str::to_owned);
        subject.qualification = qualification;
        Some(Held { family, given, born, centre, subject })
    }

    /// A subject with the tokens of a person; that of the person needs given names and a centre.
    pub(super) fn subject(&self, family: &str, given: &str, born: Day, centre: Option<&str>) -> Subject {
        let Some(tokens) = self.context.tokens else { return Subject::default() };
        let (family, given, born) = (names::key(family), names::key(given), born.iso());
        let person = centre.and_then(|centre| self.person((&family, &given, &born), centre));
        let identity = Some(tokens.token(IDENTITY_DOMAIN, &[&family, &born]));
        Subject { person, identity, ..Subject::default() }
    }

    /// The token of a person at a centre, from the matching keys of the names and the birth date as `YYYY-MM-DD`; none without
    /// given names.
    pub(super) fn person(&self, (family, given, born): (&str, &str, &str), centre: &str) -> Option<Token> {
        let tokens = self.context.tokens.filter(|_| !given.is_empty())?;
        Some(tokens.token(PERSON_DOMAIN, &[family, given, born, &centre.to_ascii_uppercase()]))
    }
}
