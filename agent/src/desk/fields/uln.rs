//! The unique learner number (DOMAIN.md 2.1, 6.4): ten digits of which the last is a check digit.

use std::borrow::Cow;

use daybook_protocol::finding::Code;

/// What stands in a ULN column.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Uln<'a> {
    /// The ten digits; owned where something had to be cleaned away around them.
    Known(Cow<'a, str>),
    /// A stand-in for a ULN that is not known yet.
    Placeholder,
}

/// Stand-ins, in lower case. `9999999999` and zeros are told apart by their digits.
const PLACEHOLDERS: [&str; 14] = [
    "tbc",
    "tba",
    "n/a",
    "na",
    "n/k",
    "nk",
    "-",
    "none",
    "null",
    "unknown",
    "not known",
    "not yet known",
    "pending",
    "awaiting",
];

/// Reads a value that is not empty. Placeholders are recognised before the check digit is looked at, since none of them
/// would pass it; nine digits are a wrong number and are never padded.
pub(super) fn parse(text: &str) -> Result<Uln<'_>, Code> {
    if ten_digits(text) {
        return judge(Cow::Borrowed(text));
    }
    if PLACEHOLDERS.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(Uln::Placeholder);
    }
    let cleaned: String = text.chars().filter(|letter| !stray(*letter)).collect();
    if scientific(&cleaned) {
        return Err(Code::ULN_SCIENTIFIC);
    }
    let digits = without_tail(&cleaned);
    if !digits.is_empty() && digits.bytes().all(|byte| byte == b'0') {
        return Ok(Uln::Placeholder);
    }
    if !ten_digits(digits) {
        return Err(Code::ULN_LENGTH);
    }
    judge(Cow::Owned(digits.to_owned()))
}

fn judge(digits: Cow<'_, str>) -> Result<Uln<'_>, Code> {
    if digits == "9999999999" || digits == "0000000000" {
        return Ok(Uln::Placeholder);
    }
    if digits.starts_with('0') {
        return Err(Code::ULN_LENGTH);
    }
    let sum: u32 = digits.bytes().zip((1..=10).rev()).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    if sum % 11 == 10 { Ok(Uln::Known(digits)) } else { Err(Code::ULN_CHECK_DIGIT) }
}

fn ten_digits(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What spreadsheets and copying leave around and between digits: white space, characters without width, apostrophes and
/// quotation marks, the comma between thousands.
fn stray(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '\'' | '"' | '`' | ',' | '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2018}'..='\u{201F}')
        || matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{FEFF}')
}

/// `1.23E+09` and its like.
fn scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)) && digits(&mantissa.replacen('.', "", 1))
}

/// Without the `.0` that a spreadsheet hangs on a number: no digit is lost with it.
fn without_tail(text: &str) -> &str {
    match text.split_once('.') {
        Some((digits, tail)) if !tail.is_empty() && tail.bytes().all(|byte| byte == b'0') => digits,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every ULN of DOMAIN.md 2.1, 6.4 and 7 is judged as it says there. Method: a table.
    #[test]
    fn ulns_are_judged_as_in_the_domain() {
        for valid in [
            "1000000019",
            "1000000027",
            "1000000000",
            "1234567899",
            "2000000001",
            "5555555554",
            "3141592658",
            "9276308686",
            "1026893096",
            "4444599390",
            "6936002314",
        ] {
            assert_eq!(parse(valid), Ok(Uln::Known(Cow::Borrowed(valid))), "{valid}");
            for untidy in [
                format!("'{valid}"),
                format!("{valid}.0"),
                format!("{}\u{A0}{}", &valid[..4], &valid[4..]),
                format!("\u{FEFF}{valid}\u{200B}"),
                format!("{},{},{},{}", &valid[..1], &valid[1..4], &valid[4..7], &valid[7..]),
            ] {
                let read = parse(&untidy);
                assert!(matches!(&read, Ok(Uln::Known(Cow::Owned(digits))) if digits == valid), "{untidy}: {read:?}");
            }
        }
        for placeholder in ["9999999999", "999 999 9999", "9999999999.0", "0", "0000000000", "TBC", "N/A", "n/a", "-"] {
            assert_eq!(parse(placeholder), Ok(Uln::Placeholder), "{placeholder}");
        }
        for (wrong, code) in [
            ("1234567890", Code::ULN_CHECK_DIGIT),
            ("1234567890.0", Code::ULN_CHECK_DIGIT),
            ("1000000060", Code::ULN_CHECK_DIGIT),
            ("0000000042", Code::ULN_LENGTH),
            ("123456789", Code::ULN_LENGTH),
            ("12345678999", Code::ULN_LENGTH),
            ("1234567899.5", Code::ULN_LENGTH),
            ("12345X7899", Code::ULN_LENGTH),
            ("\u{661}234567899", Code::ULN_LENGTH),
            ("1.23E+09", Code::ULN_SCIENTIFIC),
            ("1E9", Code::ULN_SCIENTIFIC),
            ("1.234567899e9", Code::ULN_SCIENTIFIC),
            ("E", Code::ULN_LENGTH),
            ("'", Code::ULN_LENGTH),
        ] {
            assert_eq!(parse(wrong), Err(code), "{wrong}");
        }
    }

    /// Goal: the stems for which no check digit exists have no valid ULN. Method: try every last digit.
    #[test]
    fn stems_without_a_check_digit_are_never_valid() {
        for stem in ["100000006", "100000023", "100000037"] {
            for last in 0..10 {
                assert_eq!(parse(&format!("{stem}{last}")), Err(Code::ULN_CHECK_DIGIT), "{stem}{last}");
            }
        }
    }
}
