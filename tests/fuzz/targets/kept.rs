//! What lies on a disk that others can write to, and what an auditor is handed.

use std::{fs, sync::LazyLock};

use daybook_agent::{
    keyring::{self, Keyring, KeyringError, OperatorKey, RECORD_BYTES},
    vault::{Vault, VaultError},
    verify::verify_export,
};
use daybook_protocol::{
    batch::Frame,
    head::{Head, SLOT_BYTES},
    ids::{Digest, Epoch, KeyId},
    tree::Frontier,
    wire::KeysHeld,
};
use tempfile::TempDir;

use super::directory;

/// A slot of the head; with a first byte that is odd, one whose root and checksum are put right.
pub(super) fn head(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let mut file = bytes.to_vec();
    if how & 1 == 1 {
        file.resize(SLOT_BYTES, 0);
        mend(&mut file);
    }
    let spoilt = Head::spoilt_slot(&file);
    assert!(spoilt.is_none_or(|at| at == 0 || at == SLOT_BYTES));
    let Some(head) = Head::of_file(&file) else { return };
    assert_eq!(Head::decode(&head.encode()).as_ref(), Some(&head));
    assert!(head.offset() == 0 || head.offset() == SLOT_BYTES as u64);
    assert_eq!(head.frontier.subtrees().len(), head.frontier.count().count_ones() as usize);
}

/// Writes magic, root and checksum into a slot (see `protocol/README.md`), so that the rest is looked at.
fn mend(slot: &mut [u8]) {
    slot[..8].copy_from_slice(b"DBKHEAD\x01");
    let count = u64::from_be_bytes(slot[36..44].try_into().expect("eight bytes"));
    let subtrees = slot[76..].chunks_exact(32).take(count.count_ones() as usize);
    let subtrees = subtrees.map(|bytes| Digest(bytes.try_into().expect("32 bytes"))).collect();
    let root = Frontier::from_parts(count, subtrees).expect("one for each bit").root();
    slot[44..76].copy_from_slice(&root.0);
    let (covered, checksum) = slot.split_at_mut(SLOT_BYTES - 32);
    checksum.copy_from_slice(&Digest::of(covered).0);
}

/// A keyring's records, as a file and as they come from a central node: each is as it was written, destroyed or damaged,
/// and whoever looks at it says the same.
pub(super) fn keyring(data: &[u8]) {
    let directory = directory();
    let (epoch, count) = (Epoch::FIRST, u32::try_from(data.len() / RECORD_BYTES).expect("a short input"));
    let whole = &data[..count as usize * RECORD_BYTES];
    let there = directory.path().join("there");
    fs::create_dir(&there).expect("made");
    fs::write(there.join("00000001.keys"), data).expect("written");
    let held = keyring::held_in(&there).expect("read");
    let expected = KeysHeld { epoch, count };
    assert_eq!(held, if count == 0 { Vec::new() } else { vec![expected] });
    assert_eq!(keyring::read_records(&there, epoch, 0, data.len()).expect("read"), whole);
    let damaged = keyring::damaged_in(&there, expected, &|| true).expect("read").expect("to the end");

    let here = directory.path().join("here");
    match keyring::append_records(&here, epoch, 0, data) {
        Ok(taken) => {
            assert!(taken == count && damaged.is_empty() && whole.len() == data.len());
            assert_eq!(keyring::append_records(&here, epoch, 0, data).expect("the same again"), count);
            assert_eq!(keyring::read_records(&here, epoch, 0, data.len()).expect("read"), data);
        }
        Err(KeyringError::RecordsMalformed { .. }) => assert_ne!(whole.len(), data.len()),
        Err(KeyringError::KeyDamaged { id }) => assert_eq!(damaged.first(), Some(&id)),
        Err(error) => unreachable!("{error}"),
    }

    fs::write(directory.path().join("operator.key"), "07".repeat(32)).expect("written");
    let operator = OperatorKey::load(&directory.path().join("operator.key")).expect("a key");
    let Ok(keyring) = Keyring::open_to_read(&there, &operator) else { return };
    for (number, record) in (0..count).zip(whole.chunks(RECORD_BYTES)) {
        let id = KeyId { epoch, number };
        match keyring.key(id) {
            Ok(_) => {}
            Err(KeyringError::KeyDestroyed { .. }) => assert!(record.iter().all(|byte| *byte == 0)),
            Err(KeyringError::KeyDamaged { .. }) => assert!(damaged.contains(&id)),
            Err(KeyringError::WrongOperatorKey { .. }) => assert!(!damaged.contains(&id)),
            Err(error) => unreachable!("{error}"),
        }
    }
    assert!(keyring.key(KeyId { epoch, number: count }).is_err(), "there is no such key");
}

/// A vault with one original.
struct Kept {
    _directory: TempDir,
    vault: Vault,
    keyring: Keyring,
    sha256: Digest,
    object: Vec<u8>,
}

/// Short, so that many changes are tried; that chunks cannot change places is tested with the vault.
const ORIGINAL_BYTES: usize = 2_000;

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let directory = directory();
    let operator = OperatorKey::create(&directory.path().join("operator.key")).expect("made");
    let keyring = Keyring::open(&directory.path().join("keyring"), Epoch::FIRST, &operator).expect("made");
    let vault = Vault::open(&directory.path().join("vault")).expect("made");
    let blocks = (0..ORIGINAL_BYTES as u64 / 32).flat_map(|place| Digest::of(&place.to_be_bytes()).0);
    let original: Vec<u8> = blocks.collect();
    let preserved = vault.preserve(&mut original.as_slice(), &keyring, u64::MAX).expect("preserved");
    let object = fs::read(directory.path().join("vault").join(place(preserved.sha256))).expect("an object");
    Kept { _directory: directory, vault, keyring, sha256: preserved.sha256, object }
});

fn place(sha256: Digest) -> std::path::PathBuf {
    Vault::place_of(sha256)
}

/// An object of the vault. With an even first byte the bytes are the object; with an odd one, they say what of a good one is
/// changed: places (three bytes each) with what is put there, and how much of the end is cut off.
pub(super) fn object(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let kept = &*KEPT;
    let mut object = bytes.to_vec();
    if how & 1 == 1 {
        object.clone_from(&kept.object);
        let (cut, changes) = bytes.split_at(bytes.len().min(1));
        for change in changes.chunks_exact(4) {
            let at = u32::from_be_bytes([0, change[0], change[1], change[2]]) as usize % object.len();
            object[at] = change[3];
        }
        object.truncate(object.len() - usize::from(cut.first().copied().unwrap_or_default()));
    }
    let directory = directory();
    let path = directory.path().join(place(kept.sha256));
    fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    fs::write(&path, &object).expect("written");
    let vault = Vault::to_check(directory.path());
    let sealed = vault.check_sealed_while(&|| true, kept.sha256);
    match vault.check(kept.sha256, &kept.keyring) {
        Ok(length) => {
            assert!(object == kept.object, "a change that was not noticed");
            assert_eq!(length, kept.vault.check(kept.sha256, &kept.keyring).expect("the good one"));
            sealed.expect("good with its key and not without");
        }
        Err(VaultError::Damaged { .. } | VaultError::Key { .. }) => assert!(object != kept.object),
        Err(error) => unreachable!("{error}"),
    }
}

/// An export: `head.json`, checkpoint and verifier up to a line of three dashes each, and the batches. What is called good is
/// what its batches say.
pub(super) fn export(data: &[u8]) {
    let mut parts = Vec::new();
    let mut rest = data;
    while parts.len() < 3 {
        let Some(at) = rest.windows(4).position(|bytes| bytes == b"---\n") else { return };
        parts.push(&rest[..at]);
        rest = &rest[at + 4..];
    }
    let directory = directory();
    for (name, bytes) in
        ["head.json", "checkpoint", "verifier", "log.frames"].into_iter().zip([parts[0], parts[1], parts[2], rest])
    {
        if !bytes.is_empty() {
            fs::write(directory.path().join(name), bytes).expect("written");
        }
    }
    let Ok(report) = verify_export(directory.path(), None, &mut |_, _| {}) else { return };
    let mut frontier = Frontier::default();
    let mut frames = rest;
    let mut whole = true;
    while !frames.is_empty() {
        let Ok(frame) = Frame::read(frames) else {
            whole = false;
            break;
        };
        let log = frame.header().log;
        if frame.check(log, &mut frontier).is_err() || frame.entries().any(|entry| entry.is_err()) {
            whole = false;
            break;
        }
        frames = &frames[frame.bytes().len()..];
    }
    assert!(!report.ok() || (whole && report.entries == frontier.count()), "called good: {report:?}");
}
