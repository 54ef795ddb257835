//! Bytes to text: which encoding a file is in (DOMAIN.md 6.3, 4), whether its letters came through whole, and a stream of
//! its text as UTF-8, rendered where it is a workbook or a learner record. Must not know what a line or a column is.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use daybook_protocol::{event::Encoding, finding::Code};
use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{
    CHUNK_BYTES, ReadError, SNIFF_BYTES_MAX, Source,
    workbook::{self, Found, Refusal, Rendered, Told},
};

/// A caller of [`Text::fill`] leaves at least this much room, in bytes, so that a character always fits.
pub(super) const ROOM_BYTES_MIN: usize = 64;

/// So many signs of a wrong encoding make a file damaged. One may be chance; a letter that was read wrongly once was read
/// wrongly wherever it stands.
const DAMAGE_SIGNS_MIN: u32 = 2;

/// What the whole of a file's text looks like.
#[derive(Debug)]
pub(super) struct Surveyed {
    /// Its encoding.
    pub(super) encoding: Encoding,
    /// The beginning of its text, without a byte order mark, at most [`SNIFF_BYTES_MAX`] bytes.
    pub(super) head: String,
    /// Whether there is more than `head`.
    pub(super) cut: bool,
    /// What is to be flagged, or asked, before its rows are looked at.
    pub(super) findings: Vec<Code>,
    /// The line on which each visible sheet of a workbook begins, but the first.
    pub(super) sheets: Vec<u32>,
}

/// Reads the whole file, once or (where it is not UTF-8 after all) twice, and settles its encoding.
pub(super) fn survey(open: &dyn Fn() -> io::Result<Source>) -> Result<Surveyed, ReadError> {
    let mut first = Vec::with_capacity(CHUNK_BYTES);
    open()?.take(CHUNK_BYTES as u64).read_to_end(&mut first)?;
    match workbook::of_beginning(&first) {
        Found::Text => {}
        Found::Learners => return Ok(look_through(open()?, Encoding::Ilr)?),
        Found::Other(code, detail) => return Err(ReadError::refused(code, detail)),
        Found::Container => {
            let (format, findings) = workbook::of_whole(open()?).map_err(|stop| TextError::of(stop.into()))?;
            let mut surveyed = look_through(open()?, format)?;
            surveyed.findings.extend(findings);
            surveyed.findings.sort_unstable();
            surveyed.findings.dedup();
            return Ok(surveyed);
        }
    }
    let (encoding, marked) = match first.as_slice() {
        [0xEF, 0xBB, 0xBF, ..] => (Encoding::Utf8, true),
        [0xFF, 0xFE, ..] => (Encoding::Utf16Le, true),
        [0xFE, 0xFF, ..] => (Encoding::Utf16Be, true),
        _ => (utf16_without_mark(&first).unwrap_or(Encoding::Utf8), false),
    };
    match look_through(open()?, encoding) {
        Err(TextError::Malformed) if encoding == Encoding::Utf8 && !marked => {
            look_through(open()?, Encoding::Windows1252).map_err(ReadError::from)
        }
        looked => looked.map_err(ReadError::from),
    }
}

/// Why a stream of text ends before its end.
#[derive(Debug)]
pub(super) enum TextError {
    Io(io::Error),
    /// The bytes are not of the encoding.
    Malformed,
    Refused(Code, Cow<'static, str>),
}

impl TextError {
    /// What ended a source: a refusal, where it was a workbook's.
    fn of(error: io::Error) -> Self {
        match error.downcast::<Refusal>() {
            Ok(refusal) => refusal.into(),
            Err(error) => Self::Io(error),
        }
    }

    fn refused(code: Code, detail: &'static str) -> Self {
        Self::Refused(code, detail.into())
    }
}

impl From<Refusal> for TextError {
    fn from(Refusal { code, detail }: Refusal) -> Self {
        Self::Refused(code, detail)
    }
}

impl From<TextError> for ReadError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Io(error) => Self::Io(error),
            TextError::Malformed => Self::refused(
                Code::ENCODING_UNKNOWN,
                "the file begins as one encoding, and some of its bytes are not of that encoding",
            ),
            TextError::Refused(code, detail) => Self::refused(code, detail),
        }
    }
}

/// Decodes all of a file and looks at every character.
fn look_through(source: Source, encoding: Encoding) -> Result<Surveyed, TextError> {
    let mut text = Text::new(source, encoding);
    let mut head = String::new();
    let mut cut = false;
    let mut signs = Signs::default();
    let mut chunk = String::with_capacity(CHUNK_BYTES);
    while text.fill(&mut chunk)? {
        if chunk.as_bytes().contains(&0) {
            return Err(TextError::refused(Code::ENCODING_UNKNOWN, "the file has zero bytes where text should be"));
        }
        signs.look(&chunk);
        // The five bytes that Windows-1252 leaves without a character are decoded as control characters.
        if encoding == Encoding::Windows1252 && chunk.chars().any(|letter| ('\u{80}'..='\u{9F}').contains(&letter)) {
            return Err(TextError::refused(
                Code::ENCODING_UNKNOWN,
                "the file is not UTF-8, and has bytes that Windows-1252 does not have either",
            ));
        }
        if head.len() + chunk.len() <= SNIFF_BYTES_MAX && !cut {
            head.push_str(&chunk);
        } else {
            cut = true;
        }
        chunk.clear();
    }
    if signs.count >= DAMAGE_SIGNS_MIN {
        return Err(TextError::refused(Code::MOJIBAKE, "letters were damaged before the file was sent"));
    }
    let told = text.told().look();
    let (findings, sheets) = (told.findings.iter().copied().collect(), told.sheets.clone());
    Ok(Surveyed { encoding, head, cut, findings, sheets })
}

/// Signs that text was once read in a wrong encoding.
#[derive(Default)]
struct Signs {
    count: u32,
    previous: char,
}

impl Signs {
    fn look(&mut self, text: &str) {
        for part in text.split_inclusive('\n') {
            if part.is_ascii() {
                self.previous = '\0';
                continue;
            }
            for letter in part.chars() {
                // A replacement character is what a program writes that could not read a letter.
                if letter == '\u{FFFD}' || damaged(self.previous, letter) {
                    self.count = self.count.saturating_add(1);
                }
                self.previous = letter;
            }
        }
    }
}

/// Whether two characters are what the UTF-8 of one letter or mark looks like when it is read as Windows-1252: `Ã©` for é,
/// `Å‚` for ł, `â€` for the first two bytes of a typographic quotation mark. No language writes these pairs.
fn damaged(first: char, second: char) -> bool {
    match first {
        'Â' | 'Ã' | 'Ä' | 'Å' | 'Ð' | 'Ñ' => {
            ('\u{80}'..='\u{BF}').contains(&second) || "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(second)
        }
        'â' => second == '€',
        _ => false,
    }
}

/// Tells UTF-16 without a mark by its zero bytes: text of the sector has digits and separators everywhere, and each of
/// them has its zero on the same side. Letters that have one on the other side (such as Ā) are few.
fn utf16_without_mark(first: &[u8]) -> Option<Encoding> {
    let zeros = |side: usize| first.iter().skip(side).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), first.len() / 2);
    let many = |zeros: usize, others: usize| zeros * 2 >= pairs && zeros > others * 8;
    if pairs == 0 {
        None
    } else if many(odd, even) {
        Some(Encoding::Utf16Le)
    } else if many(even, odd) {
        Some(Encoding::Utf16Be)
    } else {
        None
    }
}

/// A stream of a file's text, without its byte order mark. Strict: bytes that are not of the encoding end it, because
/// a name must never be mended in silence.
pub(super) struct Text {
    source: Source,
    /// What is told of what is rendered; nothing is told of a text file.
    told: Told,
    decoder: Decoder,
    bytes: Box<[u8]>,
    begin: usize,
    end: usize,
    source_ended: bool,
    ended: bool,
}

impl Text {
    pub(super) fn new(source: Source, encoding: Encoding) -> Self {
        let told = Told::default();
        let source =
            if encoding.is_rendered() { Box::new(Rendered::new(source, encoding, told.clone())) } else { source };
        let encoding = match encoding {
            Encoding::Utf8 | Encoding::Xlsx | Encoding::Xls | Encoding::Ods | Encoding::Ilr => UTF_8,
            Encoding::Utf16Le => UTF_16LE,
            Encoding::Utf16Be => UTF_16BE,
            Encoding::Windows1252 => WINDOWS_1252,
        };
        Self {
            source,
            told,
            decoder: encoding.new_decoder_with_bom_removal(),
            bytes: vec![0; CHUNK_BYTES].into(),
            begin: 0,
            end: 0,
            source_ended: false,
            ended: false,
        }
    }

    /// What is told of a workbook, as far as its text was read and a little further.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// Appends text to `out`, never beyond its capacity, of which at least [`ROOM_BYTES_MIN`] must be free. False at the
    /// end of the file.
    pub(super) fn fill(&mut self, out: &mut String) -> Result<bool, TextError> {
        let before = out.len();
        while !self.ended {
            if self.begin == self.end && !self.source_ended {
                self.end = read_some(&mut self.source, &mut self.bytes).map_err(TextError::of)?;
                self.begin = 0;
                self.source_ended = self.end == 0;
            }
            let bytes = self.bytes.get(self.begin..self.end).unwrap_or_default();
            let (result, read) = self.decoder.decode_to_string_without_replacement(bytes, out, self.source_ended);
            self.begin += read;
            match result {
                DecoderResult::Malformed(..) => return Err(TextError::Malformed),
                DecoderResult::InputEmpty => self.ended = self.source_ended,
                DecoderResult::OutputFull => return Ok(true),
            }
            if out.len() > before {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn read_some(source: &mut dyn Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey_of(bytes: &[u8]) -> Result<Surveyed, ReadError> {
        let bytes = bytes.to_vec();
        survey(&move || Ok(Box::new(io::Cursor::new(bytes.clone())) as Source))
    }

    fn check(bytes: &[u8], encoding: Encoding, text: &str) {
        let surveyed = survey_of(bytes).expect("readable text");
        assert_eq!((surveyed.encoding, surveyed.head.as_str(), surveyed.cut), (encoding, text, false));
    }

    fn check_refused(bytes: &[u8], code: Code) {
        match survey_of(bytes) {
            Err(ReadError::Refused { findings, .. }) => {
                assert_eq!(findings.first().map(|finding| finding.code), Some(code), "{bytes:x?}");
            }
            other => unreachable!("{bytes:x?} gave {other:?}"),
        }
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    /// Goal: the order of DOMAIN.md 6.3 decides, over the whole stream. Method: one text in every encoding, and one whose
    /// only byte that is not UTF-8 stands far beyond the first read.
    #[test]
    fn the_encoding_is_told_by_mark_then_validity() {
        let text = "ULN,Surname\n1,O\u{2019}Zoë €5\n";
        check(text.as_bytes(), Encoding::Utf8, text);
        check(format!("\u{FEFF}{text}").as_bytes(), Encoding::Utf8, text);
        check(&utf16(&format!("\u{FEFF}{text}"), u16::to_le_bytes), Encoding::Utf16Le, text);
        check(&utf16(&format!("\u{FEFF}{text}"), u16::to_be_bytes), Encoding::Utf16Be, text);
        check(&utf16(text, u16::to_le_bytes), Encoding::Utf16Le, text);
        check(&utf16(text, u16::to_be_bytes), Encoding::Utf16Be, text);
        check(&WINDOWS_1252.encode(text).0, Encoding::Windows1252, text);
        check(b"", Encoding::Utf8, "");
        check(b"\xFF\xFE", Encoding::Utf16Le, "");
        let mut late = "Zoe,1\n".repeat(100_000).into_bytes();
        late.extend_from_slice(b"Zo\xEB,1\n");
        let surveyed = survey_of(&late).expect("readable text");
        assert_eq!((surveyed.encoding, surveyed.cut), (Encoding::Windows1252, false));
    }

    /// Goal: what would be guessed at is refused instead. Method: bytes of no encoding, one case a rule.
    #[test]
    fn what_is_of_no_encoding_is_refused() {
        for bytes in [
            &b"a,b\n1,\0\n"[..],
            b"\xEF\xBB\xBFa,b\n1,\xEB\n",
            b"a,b\n1,\x81\n",
            b"\xFF\xFEa\0,\0b",
            b"\xFF\xFEa\0\0\xD8b\0",
            b"\xFF\xFE\0\0a\0\0\0,\0\0\0",
        ] {
            check_refused(bytes, Code::ENCODING_UNKNOWN);
        }
        for magic in [&b"PK\x03\x04 xl"[..], b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"] {
            check_refused(magic, Code::UNREADABLE);
        }
        check_refused(b"%PDF-1.7", Code::DOCUMENT);
        check_refused(b"  <HTML><table>", Code::WEB_PAGE);
    }

    /// Goal: damage done before the file was sent is seen, and real names are not taken for damage. Method: names damaged
    /// as programs damage them, in both encodings, beside names of many languages.
    #[test]
    fn damaged_letters_are_seen() {
        let names = "José Zoë Łukasz Żółć O\u{2019}Neill Dvořák";
        let (damaged, _) = WINDOWS_1252.decode_without_bom_handling(names.as_bytes());
        check_refused(damaged.as_bytes(), Code::MOJIBAKE);
        check_refused(b"ULN,Name\xA3\n1,Jos\xC3\xA9\n2,Zo\xC3\xAB\n", Code::MOJIBAKE);
        check_refused("1,Jos\u{FFFD}\n2,Zo\u{FFFD}\n".as_bytes(), Code::MOJIBAKE);
        let good = "JOÃO MAGALHÃES GUIMARÃES «Âme» Ñandú ÅSA Ärzte Ðorđe Nguyễn Ångström Ÿ Œuvre Â";
        check(good.as_bytes(), Encoding::Utf8, good);
        check("1,JosÃ©".as_bytes(), Encoding::Utf8, "1,JosÃ©");
    }

    /// Goal: a pair that falls on the border of two reads is still seen. Method: pad so that the border moves through it.
    #[test]
    fn damage_on_a_border_is_seen() {
        for pad in CHUNK_BYTES - 8..CHUNK_BYTES + 2 {
            check_refused(format!("{}Ã©Ã«", "x".repeat(pad)).as_bytes(), Code::MOJIBAKE);
        }
    }
}
