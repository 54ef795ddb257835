//! Exports: a folder that anyone can check, and how it is checked.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use daybook_protocol::{
    batch::{BatchError, FRAME_BYTES_MAX, Frame, HEADER_BYTES, Header},
    checkpoint::NOTE_BYTES_MAX,
    ids::{Digest, LogId, Sequence},
};

use super::{CouldNotCheck, Report, Tally, read_if_there, unreadable};

/// `head.json` is one line of some 150 bytes; of a longer one this much is looked at.
const HEAD_BYTES_MAX: usize = 1024;

/// Checks an export: `log.frames` (the batches, one behind the other), `head.json` and, if they are there, `checkpoint` and
/// `verifier`. A `verifier` given here, which the auditor has from elsewhere, goes before the export's own. `progress` hears of
/// bytes done and bytes in all.
pub fn verify_export(
    directory: &Path,
    verifier: Option<&str>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, CouldNotCheck> {
    let note = read_if_there(&directory.join("checkpoint"), NOTE_BYTES_MAX + 1)?;
    let own = read_if_there(&directory.join("verifier"), NOTE_BYTES_MAX)?;
    let own = own.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let head = read_if_there(&directory.join("head.json"), HEAD_BYTES_MAX)?;
    let path = directory.join("log.frames");
    let file = File::open(&path).map_err(|source| unreadable(&path, source))?;
    let (mut done, total) = (0, file.metadata().map_or(0, |meta| meta.len()));
    let mut tally = Tally::new(None);
    let key = verifier.or(own.as_deref());
    let lacks = match (&note, key, verifier) {
        (Some(_), None, _) => {
            Some("there is a checkpoint but no verifier beside it: name the central node's key with --verifier")
        }
        (None, _, Some(_)) => Some("there is no checkpoint that the given key could check"),
        _ => None,
    };
    if let Some(what) = lacks {
        tally.fault(None, what.to_owned());
    }
    tally.anchor(note.as_deref(), key);
    let mut frames = io::BufReader::with_capacity(4 * FRAME_BYTES_MAX, file);
    while let Some(frame) = next_frame(&mut frames).map_err(|source| unreadable(&path, source))? {
        done += frame.as_ref().map_or(0, |frame| frame.bytes().len() as u64);
        let taken = frame.map_err(|error| error.to_string()).map(|frame| tally.take(&frame));
        progress(done, total);
        match taken {
            Ok(true) => {}
            Ok(false) => break,
            Err(why) => {
                tally.fault(Some(Sequence(tally.frontier.count())), why);
                break;
            }
        }
    }
    let (entries, root) = (tally.frontier.count(), tally.frontier.root());
    if tally.faults.iter().all(|fault| fault.at.is_none()) {
        // Where the batches do not hold, of course the count and the root are others.
        compare(head.as_deref(), tally.log, &mut tally);
    }
    Ok(tally.report(entries, root))
}

/// The next frame of an export, or why it is none; `None` at the end.
pub(crate) fn next_frame(from: &mut impl Read) -> io::Result<Option<Result<Frame, BatchError>>> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES_MAX);
    from.take(HEADER_BYTES as u64).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let header = match Header::decode(&bytes) {
        Ok(header) => header,
        Err(error) => return Ok(Some(Err(error))),
    };
    let body = u64::from(header.bytes).saturating_sub(HEADER_BYTES as u64);
    from.take(body).read_to_end(&mut bytes)?;
    Ok(Some(Frame::read(&bytes)))
}

/// The text of an export's `head.json`: exactly this, so that it is compared and never parsed.
pub fn head_text(log: LogId, entries: u64, root: Digest) -> String {
    format!("{{\"entries\":{entries},\"log\":\"{log}\",\"root\":\"{root}\"}}\n")
}

/// Compares what `head.json` says with what the batches give. Batches that hold by themselves may still be too few: only this
/// says where the export ended when it was made.
fn compare(head: Option<&[u8]>, log: Option<LogId>, tally: &mut Tally) {
    let Some(head) = head else { return tally.fault(None, "head.json is missing, which every export has".to_owned()) };
    let Some(log) = log else { return tally.fault(None, "there is no batch in log.frames".to_owned()) };
    let found = head_text(log, tally.frontier.count(), tally.frontier.root());
    if head != found.as_bytes() {
        let said = String::from_utf8_lossy(head);
        let what = format!("head.json says {:?}, but the batches give {:?}", said.trim_end(), found.trim_end());
        tally.fault(Some(Sequence(tally.frontier.count())), what);
    }
}
