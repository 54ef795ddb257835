//! The form of a resend file: the rejected rows of a file in their sender's own columns, with columns of ours in front that
//! say what is wrong with each. The sender mends it and drops the very file.
//!
//! What we put in front is known again by its headings, all of them in their order, and passed over in silence: it means
//! nothing to us any more. A cell of the sender's own that a spreadsheet would take for a formula stands there behind an
//! apostrophe (DOMAIN.md 6.3, point 9), and one apostrophe before such a cell is taken away again when the file comes back. No
//! cell is read as another value for that, not even one that began with an apostrophe before. In a file without our headings
//! an apostrophe is a letter like any other.

use super::rows::invisible;

/// The headings of our columns.
pub const HEADINGS: [&str; 5] = ["Line", "Code", "Field", "Reason", "Fix"];

/// Whether a header is that of a resend file.
pub(super) fn is_resent<'a>(mut header: impl Iterator<Item = &'a str>) -> bool {
    HEADINGS
        .iter()
        .all(|ours| header.next().is_some_and(|cell| cell.trim_matches(invisible).eq_ignore_ascii_case(ours)))
}

/// Whether a spreadsheet would run a cell, whatever apostrophes stand before it. A sign alone stands for an empty cell.
pub fn is_dangerous(cell: &str) -> bool {
    let text = cell.trim_start_matches('\'');
    let mut letters = text.trim_start_matches(unseen).chars();
    let sign = letters.next().is_some_and(starts_formula);
    text.starts_with(['\t', '\r', '\n']) || (sign && letters.next().is_some())
}

/// A cell of a resend file as its sender had it.
pub(super) fn restored(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|_| is_dangerous(cell)).unwrap_or(cell)
}

fn unseen(letter: char) -> bool {
    invisible(letter) || letter.is_control()
}

/// What begins a formula in some spreadsheet, in its narrow, wide and small forms.
pub fn starts_formula(letter: char) -> bool {
    matches!(letter, '=' | '+' | '-' | '@')
        || matches!(letter, '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}' | '\u{2212}')
        || matches!(letter, '\u{fe66}' | '\u{fe62}' | '\u{fe63}' | '\u{fe6b}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A cell as a resend file has it.
    fn written(cell: &str) -> String {
        format!("{}{cell}", if is_dangerous(cell) { "'" } else { "" })
    }

    /// Goal: known tricks are defused, and what is none stays as it was. Method: a table.
    #[test]
    fn formulas_stand_behind_an_apostrophe() {
        for (cell, expected) in [
            ("", ""),
            ("1000000019", "1000000019"),
            ("O'Neill", "O'Neill"),
            ("'Neill", "'Neill"),
            ("-", "-"),
            ("=1+1", "'=1+1"),
            ("'=1+1", "''=1+1"),
            ("+44 20 7946 0000", "'+44 20 7946 0000"),
            ("\u{feff} @SUM(A1)", "'\u{feff} @SUM(A1)"),
            ("\tx", "'\tx"),
            ("＝cmd", "'＝cmd"),
        ] {
            assert_eq!(written(cell), expected, "{cell:?}");
        }
    }

    /// Goal: a resend file is known by all its headings and no fewer. Method: theirs, in other letters, and a few short of it.
    #[test]
    fn our_headings_are_known() {
        let known = |header: &str| is_resent(header.split(','));
        assert!(known("Line,Code,Field,Reason,Fix,ULN") && known("line, CODE ,field,reason,fix"));
        assert!(!known("Line,Code,Field,Reason") && !known("ULN,Line,Code,Field,Reason,Fix"));
    }

    proptest! {
        /// Goal: every cell comes back as it was. Method: random texts, many of them of apostrophes and signs.
        #[test]
        fn a_cell_comes_back(cell in prop_oneof!["\\PC*", any::<String>(), "['=+\\-@\t\r\n a＝]{0,8}"]) {
            let there = written(&cell);
            prop_assert_eq!(restored(&there), cell.as_str());
            prop_assert!(!is_dangerous(&cell) || there.starts_with('\''));
        }
    }
}
