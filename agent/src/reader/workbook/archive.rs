//! The parts of a ZIP container, looked through before anything believes them: how much they unpack to, and what they say that
//! calamine does not give. Must not know what a cell is.

use std::io::{Cursor, Read};

use daybook_protocol::finding::Code;
use memchr::{memmem, memrchr};
use zip::ZipArchive;

use super::{EXPANDED_BYTES_MAX, HELD_BYTES_MAX, RATIO_MAX, Refusal, SUSPECT_BYTES_MIN};
use crate::reader::{CHUNK_BYTES, LINE_BYTES_MAX};

/// As much of one piece is looked at with the next one: no mark that is looked for is longer.
const MARK_BYTES_MAX: usize = 64;

/// What the parts of a workbook say as a whole.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// A row or a column is hidden or filtered.
    pub(super) hidden: bool,
    /// Cells are merged.
    pub(super) merged: bool,
}

/// Unpacks every part that will be read, keeping nothing, and refuses what is beyond a limit. What a container says of its
/// own sizes may be a lie, so the bytes themselves are counted.
pub(super) fn look_through(bytes: &[u8]) -> Result<Looked, Refusal> {
    let damaged = || Refusal::unreadable("the workbook is damaged: one of its parts cannot be unpacked");
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged())?;
    let mut looked = Looked::default();
    let (mut expanded, mut held) = (0, 0);
    for place in 0..zip.len() {
        let part = zip.by_index(place).map_err(|_| {
            Refusal::unreadable("the workbook is damaged or protected: one of its parts cannot be opened")
        })?;
        let name = part.name().map_err(|_| damaged())?.to_ascii_lowercase();
        let is = |end: &str| name.rsplit('.').next() == Some(end);
        let aside = ["customxml/", "docprops/", "thumbnails/", "pictures/"].iter().any(|start| name.starts_with(start));
        if aside || !(is("xml") || is("rels")) {
            continue;
        }
        let is_sheet = name.contains("sheets/") || name == "content.xml";
        let left = EXPANDED_BYTES_MAX - expanded;
        let bytes_in_part = look_at(part.take(left + 1), is_sheet, &mut looked)?;
        expanded += bytes_in_part;
        held += if is_sheet { 0 } else { bytes_in_part };
        let ratio = expanded / (bytes.len() as u64).max(1);
        let beyond = |what| Refusal::new(Code::TOO_LARGE, what);
        if expanded > EXPANDED_BYTES_MAX {
            return Err(beyond(format!("the workbook unpacks to more than {EXPANDED_BYTES_MAX} bytes")));
        }
        if held > HELD_BYTES_MAX {
            return Err(beyond(format!("the texts of the workbook unpack to more than {HELD_BYTES_MAX} bytes")));
        }
        if expanded > SUSPECT_BYTES_MIN && ratio > RATIO_MAX {
            return Err(beyond(format!("the workbook unpacks to more than {RATIO_MAX} times its size")));
        }
    }
    Ok(looked)
}

/// Looks at one part from its beginning to its end, and says how long it is.
fn look_at(mut part: impl Read, is_sheet: bool, looked: &mut Looked) -> Result<u64, Refusal> {
    let damaged = || Refusal::unreadable("the workbook is damaged: one of its parts cannot be unpacked");
    let marks = [memmem::Finder::new(" hidden=\""), memmem::Finder::new(" hidden='")];
    let [merge, count] = [memmem::Finder::new("mergeCell "), memmem::Finder::new("uniqueCount")];
    // In front of each piece stands the end of the one before.
    let mut piece = vec![0; MARK_BYTES_MAX + CHUNK_BYTES];
    let (mut length, mut since_tag, mut kept) = (0_u64, 0, 0);
    loop {
        let room = piece.get_mut(kept..).unwrap_or_default();
        let read = part.read(room).map_err(|_| damaged())?;
        if read == 0 {
            return Ok(length);
        }
        let seen = piece.get(..kept + read).unwrap_or_default();
        if length == 0 && seen.iter().take(4).any(|byte| matches!(byte, 0 | 0xFE | 0xFF)) {
            // What stands in another encoding cannot be looked through here.
            return Err(Refusal::unreadable("the workbook has a part that is not UTF-8"));
        }
        length += read as u64;
        let fresh = seen.get(kept..).unwrap_or_default();
        since_tag = memrchr(b'<', fresh).map_or(since_tag + read, |last| read - last);
        if since_tag > LINE_BYTES_MAX {
            return Err(Refusal::new(Code::TOO_LARGE, format!("a text is longer than {LINE_BYTES_MAX} bytes")));
        }
        if is_sheet && !looked.hidden {
            let after = |finder: &memmem::Finder| {
                finder.find_iter(seen).any(|at| seen.get(at + 9).is_some_and(|value| matches!(value, b'1' | b't')))
            };
            looked.hidden = marks.iter().any(after);
        }
        looked.merged |= is_sheet && !looked.merged && merge.find(seen).is_some();
        if !is_sheet && count.find_iter(seen).any(|at| lies(seen.get(at + 11..).unwrap_or_default())) {
            return Err(Refusal::unreadable("the workbook says that it has more texts than it can have"));
        }
        let keep = seen.len().min(MARK_BYTES_MAX);
        let from = seen.len() - keep;
        piece.copy_within(from..from + keep, 0);
        kept = keep;
    }
}

/// Whether the number of different texts is more than can be: room for so many is made before the first one is read.
fn lies(after: &[u8]) -> bool {
    let mut digits = after.iter().skip_while(|byte| matches!(byte, b' ' | b'=' | b'"' | b'\'' | b'\t' | b'\n' | b'\r'));
    let mut count = 0_u64;
    while let Some(digit) = digits.next().filter(|byte| byte.is_ascii_digit()) {
        count = count.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    // The shortest text takes five bytes of its part.
    count > HELD_BYTES_MAX / 5
}
