//! Names: what may stand in one, and the key by which two spellings of one are matched.

use daybook_protocol::finding::Code;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, char::canonical_combining_class, is_nfc_quick};

/// The Learning Records Service keeps this many letters.
const USUAL_CHARS_MAX: usize = 35;
/// Ofqual's returns have room for this many.
const CHARS_MAX: usize = 150;

/// Titles that people put in front of a first name, in lower case, without their full stop.
const TITLES: [&str; 16] = [
    "mr",
    "mrs",
    "miss",
    "ms",
    "mx",
    "dr",
    "prof",
    "professor",
    "rev",
    "revd",
    "reverend",
    "sir",
    "dame",
    "lady",
    "lord",
    "master",
];

/// What was seen in a name.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each was seen or not, whatever else was")]
struct Seen {
    chars: usize,
    letters: usize,
    upper: bool,
    lower: bool,
    comma: bool,
    symbol: bool,
}

impl Seen {
    fn ascii(name: &str) -> Self {
        let mut seen = Self { chars: name.len(), ..Self::default() };
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' => (seen.letters, seen.lower) = (seen.letters + 1, true),
                b'A'..=b'Z' => (seen.letters, seen.upper) = (seen.letters + 1, true),
                b' ' | b'\'' | b'-' | b'.' | b'`' => {}
                b',' => seen.comma = true,
                _ => seen.symbol = true,
            }
        }
        seen
    }

    fn unicode(name: &str) -> Self {
        let mut seen = Self::default();
        // Marks that could be composed do not count as letters of their own.
        let composed = matches!(is_nfc_quick(name.chars()), IsNormalized::Yes);
        seen.chars = if composed { name.chars().count() } else { name.nfc().count() };
        for letter in name.chars() {
            if is_letter(letter) {
                seen.letters += 1;
                seen.upper |= letter.is_uppercase();
                seen.lower |= letter.is_lowercase();
            } else if letter == ',' {
                seen.comma = true;
            } else if !is_mark(letter) && !is_joint(letter) {
                seen.symbol = true;
            }
        }
        seen
    }
}

/// Checks a name that is not empty and tells each thing found. It is never changed: it prints as it was sent.
pub(super) fn check(name: &str, mut found: impl FnMut(Code)) {
    let seen = if name.is_ascii() { Seen::ascii(name) } else { Seen::unicode(name) };
    if seen.comma {
        found(Code::NAME_COMMA);
    }
    // What is a letter to Unicode may still leave nothing to match by.
    if seen.symbol || (seen.letters > 0 && !name.is_ascii() && key(name).is_empty()) {
        found(Code::NAME_SYMBOLS);
    } else if seen.letters == 0 && !seen.comma {
        // A dash stands for a name that is not there.
        found(Code::REQUIRED_MISSING);
    }
    if seen.chars > CHARS_MAX {
        found(Code::VALUE_LONG);
    } else if seen.chars > USUAL_CHARS_MAX {
        found(Code::NAME_LONG);
    }
    if seen.letters > 2 && seen.upper != seen.lower {
        found(Code::NAME_CASE);
    }
}

/// Whether given names begin with a title.
pub(super) fn is_titled(given: &str) -> bool {
    let first = given.split_whitespace().next().unwrap_or_default().trim_end_matches('.');
    TITLES.iter().any(|title| title.eq_ignore_ascii_case(first))
}

/// The key by which spellings of a name are matched, as the documentation of [`super`] defines it.
pub(super) fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    if name.is_ascii() {
        key.push_str(name);
        key.retain(|letter| letter.is_ascii_alphanumeric());
        key.make_ascii_lowercase();
        return key;
    }
    for letter in name.nfkd().flat_map(char::to_lowercase) {
        match letter {
            'ß' => key.push_str("ss"),
            'æ' => key.push_str("ae"),
            'œ' => key.push_str("oe"),
            'þ' => key.push_str("th"),
            'ø' => key.push('o'),
            'ł' => key.push('l'),
            'đ' | 'ð' => key.push('d'),
            'ħ' => key.push('h'),
            'ı' => key.push('i'),
            'ς' => key.push('σ'),
            apostrophe if is_apostrophe(apostrophe) => {}
            accent if is_accent(accent) => {}
            other if other.is_alphanumeric() || is_mark(other) => key.push(other),
            _ => {}
        }
    }
    key
}

/// A letter of any script. The squared and circled letters and the emoji that Unicode counts among them print on no
/// certificate.
fn is_letter(letter: char) -> bool {
    letter.is_alphabetic()
        && !letter.is_numeric()
        && !is_apostrophe(letter)
        && !matches!(letter, '\u{24B6}'..='\u{24E9}' | '\u{1F000}'..='\u{1FAFF}')
}

/// Letters by their class, apostrophes by their use.
fn is_apostrophe(letter: char) -> bool {
    matches!(letter, '\u{2B9}'..='\u{2BF}' | '\u{2C8}' | '\u{A78C}')
}

fn is_mark(letter: char) -> bool {
    unicode_normalization::char::is_combining_mark(letter) && !matches!(letter, '\u{20D0}'..='\u{20FF}')
}

/// What joins or parts the letters of a name: spaces, dots, hyphens, apostrophes, and the joiners of Persian and Indian
/// scripts.
fn is_joint(letter: char) -> bool {
    matches!(
        letter,
        ' ' | '\'' | '-' | '.' | '`' | '\u{A0}' | '\u{B4}' | '\u{B7}' | '\u{5BE}' | '\u{5F3}' | '\u{200C}' | '\u{200D}'
    ) || matches!(letter, '\u{2010}'..='\u{2014}' | '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{2032}' | '\u{202F}')
        || is_apostrophe(letter)
        || matches!(letter, '\u{3000}' | '\u{30FB}' | '\u{FF07}')
}

/// A mark that spellings of one name have or lack: accents (combining classes from 200) and the vowel points of Hebrew and
/// Arabic (10 to 35). Vowel signs of other scripts are letters in all but name and stay.
fn is_accent(letter: char) -> bool {
    matches!(canonical_combining_class(letter), 10..=35 | 200..)
}

#[cfg(test)]
mod tests {
    use daybook_protocol::finding::Severity;
    use proptest::prelude::*;

    use super::*;

    fn codes(name: &str) -> Vec<Code> {
        let mut codes = Vec::new();
        check(name, |code| codes.push(code));
        codes
    }

    /// Goal: the names of DOMAIN.md 7, and others that real people have, pass without a word. Method: a list.
    #[test]
    fn names_of_people_pass() {
        for name in [
            "O'Brien",
            "O\u{2019}Brien",
            "Siân",
            "Sia\u{302}n",
            "Zoë",
            "Nguyễn",
            "McDonald",
            "de la Cruz",
            "Al-Hassan",
            "Ó Súilleabháin",
            "Jean-François",
            "X Æ",
            "Li",
            "J. R.",
            "Gal\u{B7}la",
            "Ng",
            "王小明",
            "محمّد",
            "रामकृष्ण",
            "Kaʻiulani",
            "Smith\u{2011}Jones",
            "Jane\u{A0}Mary",
        ] {
            assert_eq!(codes(name), [], "{name}");
        }
        let long = "Featherstonehaugh-Cholmondeley-Smyth";
        assert_eq!((long.chars().count(), codes(long)), (36, vec![Code::NAME_LONG]));
    }

    /// Goal: each fault of a name has its code. Method: a table.
    #[test]
    fn faults_of_names_have_their_codes() {
        for (name, expected) in [
            ("Jane2", vec![Code::NAME_SYMBOLS]),
            ("jane@example.org", vec![Code::NAME_SYMBOLS, Code::NAME_CASE]),
            ("Jane \u{1F600}", vec![Code::NAME_SYMBOLS]),
            ("Jane \u{1F170}", vec![Code::NAME_SYMBOLS]),
            ("Jane\u{24B6}", vec![Code::NAME_SYMBOLS]),
            ("Jane \u{2167}", vec![Code::NAME_SYMBOLS]),
            ("Jane\u{663}", vec![Code::NAME_SYMBOLS]),
            ("Jane (Jen)", vec![Code::NAME_SYMBOLS]),
            ("Jane\nSmith", vec![Code::NAME_SYMBOLS]),
            ("Jane\u{200B}", vec![Code::NAME_SYMBOLS]),
            ("SMITH, Jane", vec![Code::NAME_COMMA]),
            ("Smith, 2", vec![Code::NAME_COMMA, Code::NAME_SYMBOLS]),
            ("--", vec![Code::REQUIRED_MISSING]),
            ("\u{2013}", vec![Code::REQUIRED_MISSING]),
            ("SMITH", vec![Code::NAME_CASE]),
            ("smith", vec![Code::NAME_CASE]),
            ("ÉLODIE", vec![Code::NAME_CASE]),
        ] {
            assert_eq!(codes(name), expected, "{name}");
        }
        assert_eq!(codes(&"Ab".repeat(75)), [Code::NAME_LONG]);
        assert_eq!(codes(&format!("{}c", "Ab".repeat(75))), [Code::VALUE_LONG]);
        for (given, titled) in [("Miss Jane", true), ("DR. Jane", true), ("Mr", true), ("Mia", false), ("Drew", false)]
        {
            assert_eq!(is_titled(given), titled, "{given}");
        }
    }

    /// Goal: spellings of one name share a key, names that differ do not. Method: tables of both.
    #[test]
    fn keys_match_spellings_and_nothing_else() {
        for (key_expected, spellings) in [
            ("obrien", &["O'Brien", "O\u{2019}Brien", "OBRIEN", "o`brien", "O \u{2BC}Brien", "O\u{B4}Brien"][..]),
            ("delacruz", &["de la Cruz", "De La  Cruz", "DE-LA-CRUZ", "de\u{A0}la Cruz"]),
            ("sian", &["Siân", "Sia\u{302}n", "SIÂN", "Sian"]),
            ("nguyen", &["Nguyễn", "NGUYỄN", "Nguyen"]),
            ("strasse", &["Straße", "STRASSE", "STRA\u{1E9E}E"]),
            ("soren", &["Søren", "SØREN", "Soren"]),
            ("lukasz", &["Łukasz", "ŁUKASZ"]),
            ("xae", &["X Æ", "x ae"]),
            ("irem", &["İrem", "irem", "Irem", "ırem"]),
            ("γιωργοσ", &["Γιώργος", "ΓΙΩΡΓΟΣ"]),
            ("fiona", &["\u{FB01}ona", "Fiona"]),
        ] {
            for spelling in spellings {
                assert_eq!(key(spelling), key_expected, "{spelling}");
            }
        }
        for (one, other) in [("राम", "रमा"), ("か", "が"), ("Ann", "Anne"), ("王", "玉")] {
            assert_ne!(key(one), key(other), "{one} {other}");
        }
    }

    /// Goal: what is decomposed stays so in lower case, so that a key is the same however its name was written. Method: every
    /// character there is.
    #[test]
    fn lower_case_leaves_nothing_to_decompose() {
        for letter in '\0'..=char::MAX {
            let lower: String = [letter].into_iter().nfkd().flat_map(char::to_lowercase).collect();
            assert!(lower.nfkd().eq(lower.chars()), "{letter:?}");
        }
    }

    proptest! {
        /// Goal: a name that is taken can be matched. Method: arbitrary texts.
        #[test]
        fn names_that_pass_have_a_key(name in "\\PC{1,20}") {
            let refused = codes(&name).into_iter().any(|code| code.severity() == Severity::Error);
            prop_assert!(refused || !key(&name).is_empty());
        }

        /// Goal: a key does not depend on how a name is composed. Method: arbitrary texts in both forms.
        #[test]
        fn keys_are_stable(name in "\\PC{0,20}") {
            let once = key(&name);
            prop_assert_eq!(key(&name.nfc().collect::<String>()), once.as_str());
            prop_assert_eq!(key(&name.nfd().collect::<String>()), once.as_str());
        }
    }
}
