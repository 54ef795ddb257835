//! What comes over the wire, and what stands in a log.

use daybook_agent::replicate::frame_of;
use daybook_protocol::{
    batch::{Builder, ENTRIES_MAX, FRAME_BYTES_MAX, Frame, HEADER_BYTES, MAGIC},
    checkpoint::{Checkpoint, NOTE_BYTES_MAX, Signer, Verifier},
    entry::{Entry, Private},
    ids::{Digest, LogId},
    tree::Frontier,
    wire::{HELLO_BYTES, Hello, Message},
};

/// A hello: what is read is what was written, zeros apart, of which a later version may make something.
pub(super) fn hello(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<HELLO_BYTES>() else { return };
    let Ok(hello) = Hello::decode(bytes) else { return };
    let again = hello.encode();
    assert_eq!(Hello::decode(&again), Ok(hello));
    let spare = |place: usize| (11..16).contains(&place) || (36..40).contains(&place) || place >= 80;
    let same = bytes.iter().zip(&again).enumerate().all(|(place, (ours, theirs))| spare(place) || ours == theirs);
    assert!(same, "a byte of it means nothing");
}

/// A message: what is read can be written, in no more bytes, and is then the same. A batch in it is unpacked to no more than
/// a batch may have.
pub(super) fn message(data: &[u8]) {
    let Ok(message) = Message::decode(data) else { return };
    let again = message.encode().expect("what was read can be written");
    assert!(again.len() <= data.len(), "numbers are written in the shortest way");
    assert_eq!(Message::decode(&again).as_ref(), Ok(&message));
    if let Message::Batch { compressed, bytes } = &message
        && let Ok(frame) = frame_of(*compressed, bytes)
    {
        assert!(*compressed || frame.bytes() == bytes.as_slice());
        check_frame(&frame);
    }
}

/// A batch; with a first byte that is odd, one whose lengths and checksums are put right.
pub(super) fn frame(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if how & 1 == 1 && bytes.len() >= HEADER_BYTES {
        mend(&mut bytes);
    }
    if let Ok(frame) = Frame::read(&bytes) {
        assert!(bytes.starts_with(frame.bytes()));
        check_frame(&frame);
    }
}

/// Writes magic, length and hashes into the header (see `protocol/README.md`), so that the rest is looked at.
fn mend(bytes: &mut [u8]) {
    let length = u32::try_from(bytes.len()).expect("a short input");
    let (header, body) = bytes.split_at_mut(HEADER_BYTES);
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&length.to_be_bytes());
    header[108..140].copy_from_slice(&Digest::of(body).0);
    let checksum = Digest::of(&header[..140]);
    header[140..].copy_from_slice(&checksum.0[..16]);
}

fn check_frame(frame: &Frame) {
    let header = frame.header();
    assert!(frame.bytes().len() == header.bytes as usize && frame.bytes().len() <= FRAME_BYTES_MAX);
    assert!((1..=ENTRIES_MAX).contains(&header.count));
    assert_eq!(Frame::read(frame.bytes()).as_ref(), Ok(frame));
    let raw: Result<Vec<_>, _> = frame.raw_entries().collect();
    let decoded: Result<Vec<_>, _> = frame.entries().collect();
    assert!(frame.raw_entries().count() <= header.count as usize + 1, "it ends");
    assert!(raw.is_ok() || decoded.is_err());
    let before = Frontier::default();
    let mut frontier = before.clone();
    match frame.check(header.log, &mut frontier) {
        Ok(()) => assert_eq!((frontier.count(), frontier.root()), (header.end().0, header.root)),
        Err(_) => assert_eq!(frontier, before, "a batch that does not continue a log leaves it as it is"),
    }
    let Ok(raw) = raw else { return };
    // Of the same entries, a batch of ours.
    let mut after = before.clone();
    let mut builder = Builder::new(header.log, header.epoch, &before);
    for (_, entry) in &raw {
        assert!(builder.fits(entry.len()), "what fitted fits again");
        builder.push(entry, &mut after);
    }
    let ours = builder.finish(&after);
    let entries: Vec<_> = ours.raw_entries().map(|raw| raw.expect("ours").1.to_vec()).collect();
    assert!(entries.iter().map(Vec::as_slice).eq(raw.iter().map(|(_, entry)| *entry)));
    let mut frontier = before;
    assert_eq!(ours.check(header.log, &mut frontier), Ok(()));
    assert_eq!(frontier, after);
}

/// An entry and a private part: what is read can be written, in no more bytes, and told as JSON.
pub(super) fn entry(data: &[u8]) {
    if let Ok(entry) = Entry::decode(data) {
        let again = entry.encode().expect("what was read can be written");
        assert!(again.len() <= data.len(), "numbers are written in the shortest way");
        assert_eq!(Entry::decode(&again).as_ref(), Ok(&entry));
        serde_json::to_string(&entry.event).expect("JSON");
        let _ = entry.holds_from();
    }
    if let Ok(private) = Private::decode(data) {
        let again = private.encode().expect("what was read can be written");
        assert!(again.len() <= data.len() && private.iter().count() == private.count());
        assert_eq!(Private::decode(&again), Ok(private));
    }
}

/// A checkpoint and a verifier's key; with a first byte that is odd, a note that its owner signed.
pub(super) fn checkpoint(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(verifier) = text.parse::<Verifier>() {
        assert_eq!(verifier.to_string(), text.trim());
    }
    let signer = Signer::new("central", &[7; 32]);
    let verifier = signer.verifier();
    if let Ok(checkpoint) = Checkpoint::open(text, &verifier) {
        assert!(text.len() <= NOTE_BYTES_MAX);
        assert_eq!(Checkpoint::open(&checkpoint.sign(&signer), &verifier), Ok(checkpoint));
    }
    if how & 1 == 1 {
        let (log, rest) = bytes.split_at(bytes.len().min(16));
        let mut id = [0; 16];
        id[..log.len()].copy_from_slice(log);
        let count = u64::try_from(rest.len()).expect("a length").wrapping_mul(u64::MAX / 251);
        let checkpoint = Checkpoint { log: LogId(id), count, root: Digest::of(rest) };
        let note = checkpoint.sign(&signer);
        assert_eq!(Checkpoint::open(&note, &verifier), Ok(checkpoint));
        // Whatever else is put behind, before or into it: it says the same or nothing.
        let at = note.floor_char_boundary(rest.len() % (note.len() + 1));
        let (front, back) = note.split_at(at);
        let changed = format!("{front}{text}{back}");
        if let Ok(opened) = Checkpoint::open(&changed, &verifier) {
            assert_eq!(opened, checkpoint);
        }
    }
}
