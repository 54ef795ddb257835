//! Postcode, e-mail and sex: values that are taken as sent, whatever they look like, and flagged where they look wrong.

/// Letters that stand in each place of a postcode (DOMAIN.md 2.3).
const FIRST: &[u8] = b"ABCDEFGHIJKLMNOPRSTUWYZ";
const SECOND: &[u8] = b"ABCDEFGHKLMNOPQRSTUVWXY";
const THIRD: &[u8] = b"ABCDEFGHJKPSTUW";
const FOURTH: &[u8] = b"ABEHMNPRVWXY";
const INWARD: &[u8] = b"ABDEFGHJLNPQRSTUWXYZ";

/// Whether a text is a postcode of the United Kingdom, of its forces, or the one that stands for an unknown one, written
/// with or without its space and in either case.
pub(super) fn is_postcode(text: &str) -> bool {
    let mut packed = [0; 8];
    let mut length = 0;
    for byte in text.bytes().filter(|byte| *byte != b' ') {
        let Some(place) = packed.get_mut(length) else { return false };
        *place = byte.to_ascii_uppercase();
        length += 1;
    }
    let Some(code) = packed.get(..length) else { return false };
    match code {
        b"ZZ999ZZ" | b"GIR0AA" => true,
        [b'B', b'F', b'P', b'O', number @ ..] => !number.is_empty() && number.iter().all(u8::is_ascii_digit),
        [outward @ .., digit, one, two] => {
            digit.is_ascii_digit() && INWARD.contains(one) && INWARD.contains(two) && is_outward(outward)
        }
        _ => false,
    }
}

fn is_outward(code: &[u8]) -> bool {
    let digit = u8::is_ascii_digit;
    match code {
        [a, b] => FIRST.contains(a) && digit(b),
        [a, b, c] if digit(b) => FIRST.contains(a) && (digit(c) || THIRD.contains(c)),
        [a, b, c] => FIRST.contains(a) && SECOND.contains(b) && digit(c),
        [a, b, c, d] => FIRST.contains(a) && SECOND.contains(b) && digit(c) && (digit(d) || FOURTH.contains(d)),
        _ => false,
    }
}

/// Whether a text has the form of an e-mail address; not whether anyone reads it.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.chars().any(|letter| letter.is_whitespace() || letter == '@');
    text.len() <= 254
        && plain(local)
        && plain(domain)
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty())
}

/// Whether a text says a sex in one of the ways of DOMAIN.md 6.4.
pub(super) fn is_sex(text: &str) -> bool {
    ["m", "f", "male", "female", "0", "1", "2", "9", "x", "u"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the postcodes of DOMAIN.md 2.3 and 7 pass or fail as it says there. Method: tables.
    #[test]
    fn postcodes_are_judged_as_in_the_domain() {
        for code in [
            "SW1A 1AA",
            "M1 1AE",
            "B33 8TH",
            "CR2 6XH",
            "DN55 1PT",
            "EC1A 1BB",
            "W1A 0AX",
            "SO16 7NS",
            "GIR 0AA",
            "ZZ99 9ZZ",
            "BFPO 57",
            "BFPO 1234",
            "sw1a1aa",
            " m1  1ae ",
        ] {
            assert!(is_postcode(code), "{code}");
        }
        for code in [
            "Q1 1AA",
            "SW1A 1CC",
            "SW1A OAA",
            "MI 1AE",
            "1AA",
            "",
            "BFPO",
            "BFPO 12345",
            "SW1AA 1AA",
            "12345",
            "É1 1AA",
        ] {
            assert!(!is_postcode(code), "{code}");
        }
    }

    /// Goal: addresses and sexes are told from what is none. Method: tables.
    #[test]
    fn addresses_and_sexes_are_told_from_others() {
        for text in ["jane@example.org", "j.o'brien+x@mail.example.museum"] {
            assert!(is_email(text), "{text}");
        }
        for text in
            ["jane", "jane@", "@example.org", "jane@example", "jane@example..org", "ja ne@example.org", "a@b@c.d"]
        {
            assert!(!is_email(text), "{text}");
        }
        assert!(["M", "f", "Male", "FEMALE", "1", "9", "X", "U"].into_iter().all(is_sex));
        assert!(!["", "3", "man", "MF"].into_iter().any(is_sex));
    }
}
