//! Names in a drop folder: which are still being written, which are markers, which are refused.

use std::{ffi::OsStr, fmt::Write as _, os::unix::ffi::OsStrExt};

/// A name has at most this many bytes: the limit of the usual file systems, so that what we make can be kept on each.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// What a marker's name has behind the name of its file.
pub(super) const MARKERS: [&str; 2] = [".done", ".DONE"];

/// Whether a name says that its writer has not finished, or that an office program or a desktop put it there.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_bytes().to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix.as_bytes()));
    name.starts_with(b".")
        || name.starts_with(b"~$")
        || ends(&[".tmp", ".part", ".filepart"])
        || name == b"thumbs.db"
        || name == b"desktop.ini"
}

/// The name of the file that a marker says is complete; `None` for a name that is no marker.
pub(super) fn marked(name: &str) -> Option<&str> {
    MARKERS.iter().find_map(|marker| name.strip_suffix(marker)).filter(|name| !name.is_empty())
}

/// The name as text, if it can be taken: no control characters, nothing that is a path somewhere, nothing that makes it
/// read as another name on a screen.
pub(super) fn acceptable(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    (name.len() <= NAME_BYTES_MAX && !name.contains(is_treacherous)).then_some(name)
}

/// A letter that has no place in a file's name: control characters, line breaks, what separates the parts of a path here
/// or on Windows, and what turns the direction of writing round.
pub(crate) fn is_treacherous(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '/' | '\\' | ':')
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A refused name so that it can be shown: treacherous letters and bytes that are no text are written out as numbers.
pub(super) fn printable(name: &OsStr) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for letter in chunk.valid().chars() {
            if is_treacherous(letter) {
                // Writing to a string cannot fail.
                let _ = write!(out, "{}", letter.escape_unicode());
            } else {
                out.push(letter);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A name made of a number and a given name, `number_stem` and `ending`, cut within the stem to [`NAME_BYTES_MAX`] bytes.
/// Two names with different numbers never come out the same.
pub(crate) fn numbered(number: &str, stem: &str, ending: &str) -> String {
    let room = NAME_BYTES_MAX.saturating_sub(number.len() + 1 + ending.len());
    let stem = stem.get(..stem.floor_char_boundary(room)).unwrap_or_default();
    format!("{number}_{stem}{ending}")
}

/// The stem and the ending of a name, the dot with the ending. An ending longer than 16 bytes is none.
pub(crate) fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every name is waited for, refused or taken as the rules say. Method: a table.
    #[test]
    fn names_are_told_apart() {
        for name in
            ["~$a.xlsx", "a.tmp", "A.TMP", "a.part", "a.FilePart", ".hidden", ".DS_Store", "THUMBS.DB", "Desktop.ini"]
        {
            assert!(is_temporary(OsStr::new(name)), "{name}");
        }
        for name in [
            "a.csv",
            "~a.csv",
            "tmp",
            "part.csv",
            "thumbs.db.csv",
            "Siân’s file.csv",
            "-rf",
            "a b (2).csv",
            "تسجيل.csv",
        ] {
            assert!(!is_temporary(OsStr::new(name)), "{name}");
            assert_eq!(acceptable(OsStr::new(name)), Some(name));
            assert_eq!(printable(OsStr::new(name)), name);
        }
        for (name, shown) in [
            (&b"a\nb.csv"[..], "a\\u{a}b.csv"),
            (b"a\x1b[2Jb.csv", "a\\u{1b}[2Jb.csv"),
            (b"a\x7f", "a\\u{7f}"),
            (b"C:\\x.csv", "C\\u{3a}\\u{5c}x.csv"),
            ("a\u{202e}vsc.exe".as_bytes(), "a\\u{202e}vsc.exe"),
            ("a\u{2066}b".as_bytes(), "a\\u{2066}b"),
            ("a\u{85}b".as_bytes(), "a\\u{85}b"),
            (b"caf\xe9.csv", "caf\\xe9.csv"),
        ] {
            let name = OsStr::from_bytes(name);
            assert_eq!(acceptable(name), None, "{shown}");
            assert_eq!(printable(name), shown);
        }
    }

    /// Goal: a marker names its file, and nothing else is one. Method: a table.
    #[test]
    fn markers_name_their_file() {
        assert_eq!(marked("a.csv.done"), Some("a.csv"));
        assert_eq!(marked("A.CSV.DONE"), Some("A.CSV"));
        assert_eq!((marked("a.csv"), marked(".done"), marked("done")), (None, None, None));
    }

    /// Goal: a name that we make can be kept and still says what it is. Method: long names of letters of one to four bytes.
    #[test]
    fn long_names_are_cut_between_letters() {
        for letter in ["a", "é", "漢", "𝒳"] {
            let long = format!("{}.csv", letter.repeat(250 / letter.len()));
            let (stem, ending) = split(&long);
            let made = numbered("18446744073709551615", stem, ending);
            assert!(made.len() <= NAME_BYTES_MAX && made.len() > NAME_BYTES_MAX - 4, "{}", made.len());
            assert!(made.starts_with("18446744073709551615_") && split(&made).1 == ".csv");
        }
        assert_eq!(split("a.tar.gz"), ("a.tar", ".gz"));
        assert_eq!((split("noending"), split(".hidden")), (("noending", ""), (".hidden", "")));
    }
}
