//! What a file is, told by its bytes and never by its name (DOMAIN.md 6.3, 3). Knows the marks of each format, and not how it
//! is read.

use std::{
    io::{Cursor, Read as _},
    panic::{self, AssertUnwindSafe},
};

use daybook_protocol::{event::Encoding, finding::Code};
use memchr::memmem;
use zip::ZipArchive;

use super::{Refusal, Source, Stop, ilr, whole};

/// What the beginning of a file says.
#[derive(Debug)]
pub(in crate::reader) enum Found {
    /// Text, as far as can be seen.
    Text,
    /// An Individualised Learner Record.
    Learners,
    /// A container, of which the whole must be looked at.
    Container,
    /// Something that is not read.
    Other(Code, &'static str),
}

/// Tells what a file is by its first bytes.
pub(in crate::reader) fn of_beginning(first: &[u8]) -> Found {
    let starts = |magic: &[u8]| first.starts_with(magic);
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") || starts(OLE) {
        return Found::Container;
    }
    if starts(b"\x1F\x8B") || starts(b"7z\xBC\xAF\x27\x1C") || starts(b"Rar!\x1A\x07") {
        return Found::Other(Code::ARCHIVE, "the file is a compressed archive");
    }
    if starts(b"%PDF") || starts(b"{\\rtf") || starts(b"\x89PNG\r\n") || starts(b"\xFF\xD8\xFF") {
        return Found::Other(Code::DOCUMENT, "the file is a document or a picture, not a table");
    }
    if starts(b"\x78\x9F\x3E\x22") {
        return Found::Other(
            Code::MAIL_CONTAINER,
            "the file is winmail.dat, in which a mail program wraps attachments",
        );
    }
    let text = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first).trim_ascii_start();
    let opens = |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    if text.starts_with(b"<") && ilr::is_ilr(text) {
        return Found::Learners;
    }
    let page = [&b"<!doctype html"[..], b"<html", b"<table"].into_iter().any(opens);
    if page || (opens(b"<?xml") && is_page(text)) {
        return Found::Other(Code::WEB_PAGE, "the file is a web page, whatever its name says");
    }
    if opens(b"<?xml") {
        return Found::Other(Code::INTERCHANGE, "the file is XML: A2C or the like");
    }
    if is_edi(text) {
        return Found::Other(Code::INTERCHANGE, "the file has the records of EDI");
    }
    Found::Text
}

const OLE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

/// Whether XML is a page, or the XML that Excel 2003 wrote, which is opened and saved anew in the same way.
fn is_page(text: &[u8]) -> bool {
    let head = text.get(..4096.min(text.len())).unwrap_or_default().to_ascii_lowercase();
    [&b"<html"[..], b"<!doctype html", b"urn:schemas-microsoft-com:office:spreadsheet"]
        .into_iter()
        .any(|mark| memmem::find(&head, mark).is_some())
}

/// Whether text is made of the fixed records of JCQ's EDI: the first characters of each are the type of the file, one letter,
/// and a level, one odd digit, of which the first is 1 (DOMAIN.md 2.9). Nothing separates columns.
fn is_edi(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty());
    let Some([kind, b'1', ..]) = lines.next() else { return false };
    let kind = *kind;
    if !b"ACDEFLORS".contains(&kind) {
        return false;
    }
    let is_record = |line: &[u8]| {
        let level = matches!(line, [first, b'1' | b'3' | b'5' | b'7' | b'9', ..] if *first == kind);
        level && line.len() >= 20 && !line.iter().any(|byte| matches!(byte, b',' | b';' | b'\t' | b'|'))
    };
    // The last line may be cut off.
    let lines: Vec<&[u8]> = lines.collect();
    let whole = lines.split_last().map_or(&[][..], |(_, whole)| whole);
    !whole.is_empty() && whole.iter().all(|line| is_record(line))
}

/// Tells which workbook a container is, and what is to be asked before it is read; or why it is not read.
pub(in crate::reader) fn of_whole(source: Source) -> Result<(Encoding, Vec<Code>), Stop> {
    let bytes = whole(source)?;
    let look = || if bytes.starts_with(OLE) { of_ole(&bytes) } else { of_zip(&bytes) };
    panic::catch_unwind(AssertUnwindSafe(look))
        .unwrap_or_else(|_| Err(Refusal::unreadable("the file is a workbook or an archive that is damaged").into()))
}

fn of_zip(bytes: &[u8]) -> Result<(Encoding, Vec<Code>), Stop> {
    let damaged = |_| Refusal::unreadable("the file is a workbook or an archive that is damaged or cut short");
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut names: Vec<String> = Vec::new();
    for name in zip.file_names() {
        names.push(name.map_err(damaged)?.replace('\\', "/").to_ascii_lowercase());
    }
    let has = |name: &str| names.iter().any(|known| known == name);
    let ends = |end: &str| names.iter().any(|known| known == end || known.ends_with(&format!("/{end}")));
    if has("mimetype") || (has("content.xml") && has("meta-inf/manifest.xml")) {
        let mut mime = String::new();
        if let Ok(part) = zip.by_name("mimetype") {
            // What is no text is no kind that is known here.
            let _ = part.take(128).read_to_string(&mut mime);
        }
        if mime.is_empty() || mime.starts_with("application/vnd.oasis.opendocument.spreadsheet") {
            let macros = names.iter().any(|name| name.starts_with("basic/") || name.starts_with("scripts/"));
            return Ok((Encoding::Ods, macros.then_some(Code::MACROS).into_iter().collect()));
        }
        return Err(document());
    }
    if ends("workbook.bin") {
        return Err(Refusal::unreadable("the file is a binary workbook (XLSB): save it as XLSX").into());
    }
    if ends("workbook.xml") {
        let macros = ends("vbaproject.bin") || names.iter().any(|name| name.contains("/macrosheets/"));
        return Ok((Encoding::Xlsx, macros.then_some(Code::MACROS).into_iter().collect()));
    }
    if has("[content_types].xml") {
        return Err(document());
    }
    Err(Refusal::new(Code::ARCHIVE, "the file is an archive of other files").into())
}

fn document() -> Stop {
    Refusal::new(Code::DOCUMENT, "the file is a document of an office program, not a workbook").into()
}

fn of_ole(bytes: &[u8]) -> Result<(Encoding, Vec<Code>), Stop> {
    let damaged = |_| Refusal::unreadable("the file is an old workbook or document that is damaged or cut short");
    let container = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(damaged)?;
    let entries = container.read_root_storage();
    let names: Vec<String> = entries.map(|entry| entry.name().to_ascii_lowercase()).collect();
    let has = |name: &str| names.iter().any(|known| known == name);
    if has("encryptedpackage") {
        return Err(Refusal::unreadable("the workbook is protected by a password").into());
    }
    if has("workbook") || has("book") {
        let macros = has("_vba_project_cur");
        return Ok((Encoding::Xls, macros.then_some(Code::MACROS).into_iter().collect()));
    }
    Err(document())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is not a table is told by its bytes. Method: the beginning of one file of each kind, and of text that looks
    /// a little like it.
    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        let edi = b"E112345AB26A0000000000000000000\r\nE3123450000000000000000000\r\nE5123450000000000000000000\r\n";
        let a2c = b"<?xml version=\"1.0\"?>\n<Message xmlns=\"http://www.jcq.org.uk/a2c\"/>";
        let old_xml = b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\">";
        for (first, code) in [
            (&b"%PDF-1.7"[..], Some(Code::DOCUMENT)),
            (b"{\\rtf1", Some(Code::DOCUMENT)),
            (b"\x78\x9F\x3E\x22\0\0", Some(Code::MAIL_CONTAINER)),
            (b"\x1F\x8B\x08", Some(Code::ARCHIVE)),
            (b"  <HTML><table>", Some(Code::WEB_PAGE)),
            (b"\xEF\xBB\xBF<!DOCTYPE html>", Some(Code::WEB_PAGE)),
            (b"<table border=1>", Some(Code::WEB_PAGE)),
            (old_xml, Some(Code::WEB_PAGE)),
            (a2c, Some(Code::INTERCHANGE)),
            (edi, Some(Code::INTERCHANGE)),
            (b"E1,Surname\nE3,Bell\n", None),
            (b"E1\nE3\n", None),
            (b"ULN,Surname\n", None),
            (b"", None),
        ] {
            let found = match of_beginning(first) {
                Found::Other(code, _) => Some(code),
                Found::Text => None,
                Found::Learners | Found::Container => unreachable!("none is among them"),
            };
            assert_eq!(found, code, "{}", String::from_utf8_lossy(first));
        }
        assert!(matches!(of_beginning(b"PK\x03\x04"), Found::Container));
        assert!(matches!(of_beginning(OLE), Found::Container));
        for record in [
            &b"<?xml version=\"1.0\"?>\n<Message xmlns:xsi=\"x\" xmlns=\"ESFA/ILR/2018-19\">"[..],
            b"\xEF\xBB\xBF<?xml version='1.0'?><!-- of ours --><Message xmlns='SFA/ILR/2016-17'/>",
            b"<n:Message xmlns:n=\"http://www.theia.org.uk/ILR/2011-12/1\">",
        ] {
            assert!(matches!(of_beginning(record), Found::Learners), "{}", String::from_utf8_lossy(record));
        }
    }
}
