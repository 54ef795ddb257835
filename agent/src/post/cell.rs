//! Cells of a CSV file that a spreadsheet shows and never runs.

use crate::{intake::is_treacherous, reader};

/// Appends a cell in quotes. What a spreadsheet would take for a formula gets an apostrophe before it, at the beginning
/// and behind whatever another country's spreadsheet takes for the end of a cell.
pub(crate) fn push_cell(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_defused(out, text);
    }
    out.push(b'"');
}

/// Whether the cell can stand as it is: the case of nearly all identifiers.
fn is_plain(text: &[u8]) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b" /_.-".contains(byte);
    text.first().is_none_or(u8::is_ascii_alphanumeric) && text.iter().all(inner)
}

fn push_defused(out: &mut Vec<u8>, text: &str) {
    let mut first = true;
    for letter in text.chars() {
        if first && starts_formula(letter) {
            out.push(b'\'');
        }
        first = ends_cell(letter) || (first && is_blank(letter));
        match letter {
            '"' => out.extend_from_slice(b"\"\""),
            '/' | '\\' | ':' => out.push(letter as u8),
            _ if is_treacherous(letter) => push_letter(out, char::REPLACEMENT_CHARACTER),
            _ => push_letter(out, letter),
        }
    }
}

fn push_letter(out: &mut Vec<u8>, letter: char) {
    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What begins a formula in some spreadsheet.
fn starts_formula(letter: char) -> bool {
    matches!(letter, '\t' | '\r' | '\n') || reader::starts_formula(letter)
}

/// What ends a cell in some spreadsheet: one that expects semicolons takes our quotes for letters.
fn ends_cell(letter: char) -> bool {
    matches!(letter, ',' | ';' | '|' | '\t' | '\r' | '\n' | '"')
}

/// What is not seen, or stripped, before a formula.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Appends a number in quotes.
pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let (mut rest, mut length) = (number, 0);
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        (rest, length) = (rest / 10, length + 1);
        if rest == 0 {
            break;
        }
    }
    out.push(b'"');
    out.extend_from_slice(digits.split_at(digits.len() - length).1);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(text: &str) -> String {
        let mut out = Vec::new();
        push_cell(&mut out, text);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(out.as_slice());
        let row = reader.records().next().expect("a row").expect("readable");
        assert_eq!(row.len(), 1, "{text:?}");
        row.get(0).expect("a cell").to_owned()
    }

    /// Goal: known tricks are defused and everything else is as it was. Method: a table.
    #[test]
    fn formulas_are_defused() {
        for (text, cell) in [
            ("", ""),
            ("1000000019", "1000000019"),
            ("LR-7/b c.2_x", "LR-7/b c.2_x"),
            ("a\\b:c d’é漢", "a\\b:c d’é漢"),
            ("say \"hello\"", "say \"hello\""),
            ("=1+1", "'=1+1"),
            ("  @SUM(A1)", "  '@SUM(A1)"),
            ("\u{200b}\u{feff}-2", "\u{200b}\u{feff}'-2"),
            ("＝cmd", "'＝cmd"),
            ("a;=cmd", "a;'=cmd"),
            ("a\" ;\t=cmd", "a\" ;'\u{fffd}'=cmd"),
            ("\r\nx", "'\u{fffd}'\u{fffd}x"),
            ("x\u{1b}[2J\u{202e}", "x\u{fffd}[2J\u{fffd}"),
        ] {
            assert_eq!(read_back(text), cell, "{text:?}");
        }
        let mut out = Vec::new();
        for number in [0, 9, 10, 1_234_567, u64::MAX] {
            push_number(&mut out, number);
        }
        assert_eq!(out, b"\"0\"\"9\"\"10\"\"1234567\"\"18446744073709551615\"");
    }

    proptest! {
        /// Goal: no text whatever becomes a formula. Method: random texts, many of them of dangerous letters, read back by
        /// the csv crate, whole and cut where other spreadsheets would cut them.
        #[test]
        fn no_cell_begins_a_formula(text in prop_oneof!["\\PC*", any::<String>(), "[=+\\-@\t\r\n ;,|\"a＝＋－＠\u{200b}]{0,12}"]) {
            let cell = read_back(&text);
            for piece in cell.split([',', ';', '|', '\t', '"']) {
                let seen = piece.trim_start_matches(is_blank);
                prop_assert!(!seen.starts_with(starts_formula), "{piece:?}");
            }
            prop_assert!(!cell.contains(char::is_control));
            let kept = |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(kept(&cell), kept(&text));
        }
    }
}
