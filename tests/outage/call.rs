//! A call as strace writes it down. Knows nothing of what calls mean.

use std::sync::LazyLock;

/// A part of a call's arguments.
#[derive(Debug)]
pub(crate) enum Part {
    Word(String),
    Bytes(Vec<u8>),
}

/// A call's arguments, sorted.
pub(crate) struct Call {
    /// Paths, in their order: of open files, and of names put behind the directories they are in.
    pub(crate) paths: Vec<String>,
    /// All but texts.
    pub(crate) words: Vec<String>,
    /// All text, one behind the other.
    pub(crate) bytes: Vec<u8>,
}

impl Call {
    /// Sorts the arguments of the call `name`.
    pub(crate) fn of(name: &str, parts: &[Part]) -> Self {
        let mut call = Self { paths: Vec::new(), words: Vec::new(), bytes: Vec::new() };
        let with_names = ["open", "creat", "rename", "link", "unlink", "rmdir", "symlink", "mkdir", "truncate", "bind"];
        let with_names = with_names.iter().any(|other| name.starts_with(other));
        let mut directory = String::new();
        for part in parts {
            match part {
                Part::Word(word) => {
                    if let Some((_, path)) = word.split_once('<') {
                        path.split('>').next().unwrap_or_default().clone_into(&mut directory);
                        if !with_names {
                            call.paths.push(directory.clone());
                        }
                    }
                    call.words.push(word.clone());
                }
                Part::Bytes(bytes) if with_names => {
                    let name = String::from_utf8_lossy(bytes);
                    let absolute = name.starts_with('/');
                    call.paths.push(if absolute { name.into_owned() } else { format!("{directory}/{name}") });
                }
                Part::Bytes(bytes) => call.bytes.extend_from_slice(bytes),
            }
        }
        call
    }
}

/// The arguments of a call up to its closing bracket, and what follows.
pub(crate) fn parts(text: &[u8]) -> (Vec<Part>, &[u8]) {
    let (mut parts, mut word, mut depth, mut rest) = (Vec::new(), Vec::new(), 0_u32, text);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => {
                let (bytes, behind) = quoted(behind);
                parts.push(Part::Bytes(bytes));
                rest = behind;
                continue;
            }
            b')' if depth == 0 => break,
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' => {
                end_word(&mut word, &mut parts);
                continue;
            }
            _ => {}
        }
        word.push(*byte);
    }
    end_word(&mut word, &mut parts);
    (parts, rest)
}

fn end_word(word: &mut Vec<u8>, parts: &mut Vec<Part>) {
    let text = String::from_utf8_lossy(word.trim_ascii()).into_owned();
    if !text.is_empty() {
        parts.push(Part::Word(text));
    }
    word.clear();
}

/// A text up to its closing quotation mark, and what follows.
fn quoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    /// A store's file is extended by megabytes of zeros, which are read many at a time.
    static ZEROS: LazyLock<Vec<u8>> = LazyLock::new(|| br"\0".repeat(4096));
    let (mut bytes, mut rest) = (Vec::new(), text);
    loop {
        while let Some(behind) =
            rest.strip_prefix(ZEROS.as_slice()).filter(|behind| !behind.first().is_some_and(u8::is_ascii_digit))
        {
            bytes.resize(bytes.len() + ZEROS.len() / 2, 0);
            rest = behind;
        }
        match rest {
            [b'"', behind @ ..] => return (bytes, behind),
            [b'\\', behind @ ..] => {
                let digits = behind.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                let (byte, length) = match behind.first().expect("an escape") {
                    _ if digits > 0 => {
                        let value =
                            behind[..digits].iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                        (u8::try_from(value).expect("a byte"), digits)
                    }
                    b'n' => (b'\n', 1),
                    b't' => (b'\t', 1),
                    b'r' => (b'\r', 1),
                    b'v' => (11, 1),
                    b'f' => (12, 1),
                    other => (*other, 1),
                };
                bytes.push(byte);
                rest = &behind[length..];
            }
            [byte, behind @ ..] => {
                bytes.push(*byte);
                rest = behind;
            }
            [] => unreachable!("a text that does not end"),
        }
    }
}
