//! The qualification number (DOMAIN.md 2.4): `601/5886/4` or `60158864`, with an awarding organisation's route code behind
//! it or not.

use daybook_protocol::finding::Code;

/// A number has this many characters without its slashes.
pub(in crate::desk) const CHARS: usize = 8;
/// A route code has at most this many characters.
const ROUTE_CHARS_MAX: usize = 12;

/// A qualification number in the one form in which it is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Qualification {
    /// Eight characters without slashes, and the route code behind a slash where one was given.
    pub(super) number: String,
    /// Whether the check character fits. The rule for it is inferred, so that a misfit only warns.
    pub(super) checked: bool,
}

/// Reads a value that is not empty.
pub(super) fn parse(text: &str) -> Result<Qualification, Code> {
    let (base, route) = split(text).ok_or(Code::QN_FORMAT)?;
    let mut number = String::with_capacity(text.len());
    number.extend(base.chars().filter(|letter| *letter != '/').map(|letter| letter.to_ascii_uppercase()));
    let checked = check(&number).ok_or(Code::QN_FORMAT)?;
    if let Some(route) = route {
        let form = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        if !(1..=ROUTE_CHARS_MAX).contains(&route.len()) || !route.chars().all(form) {
            return Err(Code::QN_FORMAT);
        }
        number.push('/');
        number.extend(route.chars().map(|letter| letter.to_ascii_uppercase()));
    }
    Ok(Qualification { number, checked })
}

/// The number, with its slashes if it has them, and the route code.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let slashed = text.as_bytes().get(3) == Some(&b'/');
    if slashed && text.as_bytes().get(8) != Some(&b'/') {
        return None;
    }
    let (base, rest) = text.split_at_checked(if slashed { CHARS + 2 } else { CHARS })?;
    if rest.is_empty() {
        return Some((base, None));
    }
    rest.strip_prefix('/').map(|route| (base, Some(route)))
}

/// Whether the last of eight characters fits the seven before it; `None` if they are not a number.
fn check(number: &str) -> Option<bool> {
    let (&last, stem) = number.as_bytes().split_last()?;
    if stem.len() != 7 || !stem.iter().all(u8::is_ascii_digit) || !(last.is_ascii_digit() || last == b'X') {
        return None;
    }
    let sum: u32 = stem.iter().zip((2..=8).rev()).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    let expected = b"0123456789X".get(usize::try_from(sum % 11).ok()?)?;
    Some(last == *expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every number of DOMAIN.md 2.4 and 7 is judged as it says there. Method: tables.
    #[test]
    fn numbers_are_judged_as_in_the_domain() {
        for (text, number, checked) in [
            ("601/5886/4", "60158864", true),
            ("60158864", "60158864", true),
            ("600/8706/7", "60087067", true),
            ("603/0198/3", "60301983", true),
            ("601/5789/6", "60157896", true),
            ("500/7386/2", "50073862", true),
            ("603/2496/X", "6032496X", true),
            ("603/2496/x", "6032496X", true),
            ("603/3907/X", "6033907X", true),
            ("601/2147/6/KNO", "60121476/KNO", true),
            ("601/4312/5/cypm", "60143125/CYPM", true),
            ("60121476/KNO", "60121476/KNO", true),
            ("500/1234/5", "50012345", false),
            ("603/1234/5", "60312345", false),
            ("123/1234/1", "12312341", false),
            ("601/5886/5", "60158865", false),
        ] {
            assert_eq!(parse(text), Ok(Qualification { number: number.to_owned(), checked }), "{text}");
        }
        for text in [
            "6015886",
            "601588644",
            "601/5886",
            "601/58864",
            "6015886/4",
            "601-5886-4",
            "X/502/6962",
            "F/617/2428",
            "603/3723/KNO",
            "601/5886/4/",
            "60158864/",
            "601/5886/4/A B",
            "601/5886/4/ABCDEFGHIJKLM",
            "601/5886/4KNO",
            "02-Jan",
            "6.0158864E7",
            "AH20504",
            "60158é64",
            "",
        ] {
            assert_eq!(parse(text), Err(Code::QN_FORMAT), "{text}");
        }
    }
}
