mod pieces;

use std::collections::BTreeSet;

use daybook_protocol::ids::Epoch;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use sha2::Sha256;
use tempfile::TempDir;

use super::{
    object::{HEADER_BYTES, OBJECT_BYTES_MIN, Opener, TRAILER_BYTES},
    *,
};
use crate::keyring::{OperatorKey, RECORD_BYTES};

const NO_LIMIT: u64 = u64::MAX;
const SEALED_CHUNK: usize = CHUNK_BYTES + 16;

/// A vault and a keyring of its own.
struct Place {
    home: TempDir,
    vault: Vault,
    keyring: Keyring,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let operator = OperatorKey::create(&home.path().join("operator.key")).expect("a key");
        let keyring = Keyring::open(&home.path().join("keyring"), Epoch::FIRST, &operator).expect("a keyring");
        let vault = Vault::open(&home.path().join("vault")).expect("a vault");
        Self { home, vault, keyring }
    }

    fn preserve(&self, original: &[u8]) -> Preserved {
        self.vault.preserve(&mut &*original, &self.keyring, NO_LIMIT).expect("preserved")
    }

    fn read(&self, sha256: Digest) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.vault.read(sha256, &self.keyring).map_err(io::Error::other)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn object(&self, sha256: Digest) -> Vec<u8> {
        fs::read(self.vault.place(sha256)).expect("the object")
    }

    /// Puts bytes where an object lies and says whether they are found to be damaged.
    fn is_damaged(&self, sha256: Digest, object: &[u8]) -> bool {
        fs::write(self.vault.place(sha256), object).expect("written");
        let Err(error) = self.vault.check(sha256, &self.keyring) else { return false };
        assert!(self.read(sha256).is_err(), "what check finds, reading finds");
        let named = matches!(&error, VaultError::Damaged { sha256: named, .. } | VaultError::Key { sha256: named, .. } if *named == sha256);
        assert!(named, "{error}");
        true
    }

    fn files(&self, below: &str) -> BTreeSet<String> {
        let listing = fs::read_dir(self.home.path().join("vault").join(below)).expect("listed");
        listing.map(|file| file.expect("a name").file_name().to_string_lossy().into_owned()).collect()
    }
}

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// An object's bytes with a trailer that holds for the original `sha256`, as one could make who has no key.
fn with_trailer(sha256: Digest, mut body: Vec<u8>) -> Vec<u8> {
    let trailer = Sha256::new().chain_update(&body).chain_update(sha256.0).finalize();
    body.extend_from_slice(&trailer);
    body
}

/// Seals bytes as they are, without compression, into an object.
fn seal_raw(place: &Place, id: KeyId, nonce: [u8; 24], pieces: &[&[u8]]) -> Vec<u8> {
    let mut object = Vec::new();
    let key = place.keyring.key(id).expect("the key");
    let mut sealer = Sealer::new(&mut object, id, &key, nonce).expect("begun");
    for piece in pieces {
        sealer.write_all(piece).expect("sealed");
    }
    sealer.finish(Digest::of(b"")).expect("finished");
    object
}

/// Opens an object of bytes as they are.
fn open_raw(place: &Place, object: &[u8]) -> io::Result<Vec<u8>> {
    let path = place.home.path().join("object");
    fs::write(&path, object)?;
    let (mut opener, _) = Opener::open(File::open(&path)?, path, Digest::of(b""), &place.keyring).expect("an object");
    let mut content = Vec::new();
    opener.read_to_end(&mut content)?;
    Ok(content)
}

/// Goal: the pipeline's threads can share a vault and hand an original on. Method: what the compiler knows.
#[test]
fn parts_can_go_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    fn handed_on<T: Read + Send + 'static>() {}
    shared::<Vault>();
    shared::<Keyring>();
    handed_on::<Original>();
}

/// Goal: what one release wrote, the next can read. Method: a fixed key, nonce and content; the object was computed by
/// another implementation from the text of this module.
#[test]
fn objects_are_as_specified() {
    let mut object = Vec::new();
    let id = KeyId { epoch: Epoch(2), number: 258 };
    let key = crate::keyring::Key::from_bytes([7; 32]);
    let mut sealer = Sealer::new(&mut object, id, &key, [9; 24]).expect("begun");
    sealer.write_all(b"Daybook").expect("sealed");
    sealer.finish(Digest::of(b"Daybook")).expect("finished");
    assert_eq!(
        data_encoding::HEXLOWER.encode(&object),
        "44424b4f52494702000000020000010209090909090909090909090909090909090909a0f8b7d3dddf55622e3a7f5842deda20ba6398850e28980f14e8b6827e3941df1f65892fd242317a28950fbdc1290f3ce03360463a03bc"
    );
    // As the first version wrote it.
    let object = data_encoding::HEXLOWER
        .decode(
            b"44424b4f52494701000000020000010209090909090909090909090909090909090909a0f8b7d3dddf55dc315449f668a9cb3bfbdc0e98de1966a697c36082d47dd84b4015630f2f60625f771fa3cfcba62d8700aaf094f5f47d",
        )
        .expect("hexadecimal");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &object).expect("written");
    let whole = |sha256| object::is_whole(file.as_file(), sha256).expect("read");
    assert!(whole(Digest::of(b"Daybook")) && whole(Digest::of(b"another")), "it does not know whose it is");
    fs::write(file.path(), [&object[..object.len() - 1], b"x"].concat()).expect("written");
    assert!(!whole(Digest::of(b"Daybook")));
}

/// Goal: what goes in comes out, is found again, and is kept once. Method: originals whose compressed length lies around
/// the ends of chunks, the empty one, and tables that compress well.
#[test]
fn originals_come_back_byte_for_byte() {
    let place = Place::new();
    let lengths = [0, 1, 100, CHUNK_BYTES - 19, CHUNK_BYTES, CHUNK_BYTES + 1, 600_000];
    let table =
        |rows: usize| (0..rows).flat_map(|row| format!("{row},Smith,Ann,2001-02-03\r\n").into_bytes()).collect();
    let noises = lengths.iter().map(|length| noise(1, *length));
    for original in noises.chain([table(1), table(20_000)]) {
        let preserved = place.preserve(&original);
        assert_eq!((preserved.sha256, preserved.bytes), (Digest::of(&original), original.len() as u64));
        assert!(!preserved.already && place.vault.contains(preserved.sha256));
        assert!(place.read(preserved.sha256).expect("read") == original);
        assert_eq!(place.vault.check(preserved.sha256, &place.keyring).expect("whole"), preserved.bytes);
        let object = place.object(preserved.sha256);
        assert_eq!(place.vault.object_bytes(preserved.sha256).expect("its length"), object.len() as u64);
        assert_eq!(place.preserve(&original), Preserved { already: true, ..preserved });
        assert!(place.object(preserved.sha256) == object, "kept as it was");
    }
    assert!(place.files("tmp").is_empty());
    let unknown = Digest::of(b"unknown");
    assert!(!place.vault.contains(unknown));
    assert!(matches!(place.vault.check(unknown, &place.keyring), Err(VaultError::Missing { .. })));
    assert!(matches!(place.vault.object_bytes(unknown), Err(VaultError::Missing { .. })));
}

/// Goal: no changed bit and no lost end goes unnoticed. Method: every bit of a small object flipped, every length cut,
/// a byte put behind.
#[test]
fn every_bit_counts() {
    let place = Place::new();
    let sha256 = place.preserve(b"the quick brown fox").sha256;
    let object = place.object(sha256);
    assert!(!place.is_damaged(sha256, &object));
    for bit in 0..object.len() * 8 {
        let mut changed = object.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(place.is_damaged(sha256, &changed), "bit {bit}");
    }
    for length in 0..object.len() {
        assert!(place.is_damaged(sha256, &object[..length]), "cut at {length}");
    }
    assert!(place.is_damaged(sha256, &[object.as_slice(), b"x"].concat()));
}

/// Goal: who can write files but has no key cannot change an original either. Method: chunks dropped, swapped and taken
/// from another object of the same key, another version, always with a trailer that holds.
#[test]
fn chunks_cannot_be_rearranged() {
    let place = Place::new();
    let original = noise(2, 3 * CHUNK_BYTES);
    let sha256 = place.preserve(&original).sha256;
    let object = place.object(sha256);
    let (header, rest) = object.split_at(HEADER_BYTES);
    let (body, _) = rest.split_at(rest.len() - TRAILER_BYTES);
    let chunks: Vec<_> = body.chunks(SEALED_CHUNK).collect();
    assert_eq!(chunks.len(), 4);
    let made = |chunks: &[&[u8]]| with_trailer(sha256, [&[header], chunks].concat().concat());
    assert!(!place.is_damaged(sha256, &made(&chunks)));
    assert!(place.is_damaged(sha256, &made(&chunks[..3])));
    assert!(place.is_damaged(sha256, &made(&chunks[1..])));
    assert!(place.is_damaged(sha256, &made(&[chunks[1], chunks[0], chunks[2], chunks[3]])));
    assert!(place.is_damaged(sha256, &made(&[chunks[0], chunks[2], chunks[3]])));
    assert!(place.is_damaged(sha256, &made(&[chunks[0], chunks[1], chunks[2], chunks[3], chunks[3]])));
    let (id, _) = object::decode_header(header.try_into().expect("a header")).expect("ours");
    let other = seal_raw(&place, id, [1; 24], &[&original]);
    assert!(
        place.is_damaged(sha256, &made(&[&other[HEADER_BYTES..][..SEALED_CHUNK], chunks[1], chunks[2], chunks[3]]))
    );
    assert!(place.is_damaged(sha256, &other), "not a zstd stream");
    let mut version = object[..object.len() - TRAILER_BYTES].to_vec();
    version[7] = 3;
    assert!(place.is_damaged(sha256, &with_trailer(sha256, version)));
}

/// Goal: a whole object under another's name is found when it is read to its end, and without its key. Method: rename one over
/// another.
#[test]
fn an_object_under_a_wrong_name_is_found() {
    let place = Place::new();
    let (one, two) = (place.preserve(b"one").sha256, place.preserve(b"two").sha256);
    let object = place.object(two);
    assert!(place.is_damaged(one, &object));
    // Who has no key finds it too.
    fs::write(place.vault.place(one), &object).expect("written");
    let sealed = |sha256| place.vault.check_sealed_while(&|| true, sha256);
    assert!(matches!(sealed(one), Err(VaultError::Damaged { .. })) && sealed(two).is_ok());
}

/// A source that breaks off.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = to.len().min(self.0).min(1000);
        self.0 -= read;
        if read == 0 { Err(io::Error::other("the share went away")) } else { Ok(read) }
    }
}

/// Goal: what cannot be kept whole leaves nothing behind. Method: a source that breaks off, one byte too many, and a
/// keyring that cannot be synced, which also shows that the key is durable before the object is in place.
#[test]
fn a_failure_leaves_nothing() {
    let place = Place::new();
    let nothing = |place: &Place| place.files("tmp").is_empty() && place.files("").len() == 2;
    let broken = place.vault.preserve(&mut Broken(5000), &place.keyring, NO_LIMIT);
    assert!(matches!(broken, Err(VaultError::Original(_))) && nothing(&place));
    let original = noise(3, 5000);
    let long = place.vault.preserve(&mut original.as_slice(), &place.keyring, 4999);
    assert!(matches!(long, Err(VaultError::TooLong { bytes_max: 4999 })) && nothing(&place));
    place.keyring.sync().expect("synced");
    let file = place.home.path().join("keyring/00000001.keys");
    let keys = fs::read(&file).expect("read");
    fs::write(&file, &keys[..keys.len() - RECORD_BYTES]).expect("cut");
    let unsynced = place.vault.preserve(&mut original.as_slice(), &place.keyring, 5000);
    assert!(matches!(unsynced, Err(VaultError::Keyring(_))) && nothing(&place));
    fs::write(&file, keys).expect("mended");
    let preserved = place.vault.preserve(&mut original.as_slice(), &place.keyring, 5000).expect("preserved");
    assert!(place.keyring.held().iter().any(|held| held.count > preserved.key.number), "the key is durable");
}

/// Goal: an original that comes again is safe whatever became of the first copy, and evidence is kept. Method: an object
/// damaged twice, then one whose key is destroyed, then one whose key is gone.
#[test]
fn an_unusable_object_is_set_aside() {
    let place = Place::new();
    let original = b"row after row".as_slice();
    let first = place.preserve(original);
    let name = first.sha256.to_string();
    let shard = name.split_at(2).0;
    for time in 1..=2 {
        let mut object = place.object(first.sha256);
        object[50] ^= 1;
        assert!(place.is_damaged(first.sha256, &object));
        let again = place.preserve(original);
        assert!(!again.already && again.key != first.key);
        assert_eq!(place.read(first.sha256).expect("read"), original);
        let aside = place.vault.place(first.sha256).with_extension(format!("damaged-{time}"));
        assert_eq!(fs::read(aside).expect("kept"), object);
    }
    let third = place.preserve(original);
    assert!(third.already);
    let file = place.home.path().join("keyring/00000001.keys");
    let mut keys = fs::read(&file).expect("read");
    let record = third.key.number as usize * RECORD_BYTES;
    keys[record..record + RECORD_BYTES].fill(0);
    fs::write(&file, &keys).expect("destroyed");
    let read = place.vault.read(first.sha256, &place.keyring);
    assert!(matches!(read, Err(VaultError::Key { source: KeyringError::KeyDestroyed { .. }, .. })));
    assert!(!place.preserve(original).already);
    let empty = Place::new();
    fs::create_dir_all(empty.vault.shard(first.sha256)).expect("made");
    fs::write(empty.vault.place(first.sha256), place.object(first.sha256)).expect("copied without its key");
    assert!(!empty.preserve(original).already);
    assert_eq!(empty.files(shard).len(), 2);
    assert_eq!(place.files(shard).len(), 4);
}

/// Goal: what a killed process was writing is removed, and what this one is writing is not. Method: open a second time
/// with a file of each.
#[test]
fn only_the_dead_are_swept_away() {
    let place = Place::new();
    let tmp = place.home.path().join("vault/tmp");
    let ours = format!("{}ours", process_prefix());
    fs::write(tmp.join(&ours), b"x").expect("written");
    fs::write(tmp.join("0123-theirs"), b"x").expect("written");
    Vault::open(&place.home.path().join("vault")).expect("opened again");
    assert_eq!(place.files("tmp"), BTreeSet::from([ours]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Goal: chunks hold whatever lengths come, however they are cut. Method: lengths within 20 bytes of up to three
    /// chunks, written in random pieces.
    #[test]
    fn chunks_round_trip(chunks in 0_usize..4, off in 0_usize..40, seed in any::<u64>(), cut in 1_usize..400_000) {
        let place = Place::new();
        let length = (chunks * CHUNK_BYTES + off).saturating_sub(20).max(1);
        let content = noise(seed, length);
        let pieces: Vec<_> = content.chunks(cut).collect();
        let (id, _) = place.keyring.allocate().expect("a key");
        let object = seal_raw(&place, id, [3; 24], &pieces);
        prop_assert_eq!(object.len(), HEADER_BYTES + length + length.div_ceil(CHUNK_BYTES) * 16 + TRAILER_BYTES);
        prop_assert!(object.len() as u64 >= OBJECT_BYTES_MIN);
        prop_assert!(open_raw(&place, &object).expect("whole") == content);
        if length > CHUNK_BYTES {
            let cut = with_trailer(Digest::of(b""), object[..HEADER_BYTES + SEALED_CHUNK].to_vec());
            prop_assert!(open_raw(&place, &cut).is_err(), "an end that is a whole chunk but not the last");
        }
    }

    /// Goal: damage anywhere in a large object is found. Method: one random bit, one random cut.
    #[test]
    fn damage_anywhere_is_found(seed in any::<u64>(), length in 200_000_usize..600_000, at in any::<prop::sample::Index>(), bit in 0..8) {
        let place = Place::new();
        let sha256 = place.preserve(&noise(seed, length)).sha256;
        let mut object = place.object(sha256);
        let at = at.index(object.len());
        prop_assert!(place.is_damaged(sha256, &object[..at]));
        prop_assert!(place.vault.check_sealed_while(&|| true, sha256).is_err());
        fs::write(place.vault.place(sha256), &object).expect("written");
        prop_assert!(place.vault.check_sealed_while(&|| true, sha256).is_ok());
        let broken_off = place.vault.check_sealed_while(&|| false, sha256);
        prop_assert!(matches!(broken_off, Err(VaultError::BrokenOff)));
        object[at] ^= 1_u8 << bit;
        prop_assert!(place.is_damaged(sha256, &object));
        prop_assert!(place.vault.check_sealed_while(&|| true, sha256).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Goal: an object arrives whole however often its sending breaks off. Method: random pieces, taken up again at random
    /// places before the end, the vault opened anew between them.
    #[test]
    fn sending_is_taken_up_again(length in 0_usize..3000, steps in prop::collection::vec((0_usize..600, 0_u64..300, any::<bool>()), 0..40)) {
        let (source, target) = (Place::new(), Place::new());
        let sha256 = source.preserve(&noise(6, length)).sha256;
        let total = source.vault.object_bytes(sha256).expect("its length");
        let directory = target.home.path().join("vault");
        let mut vault = Vault::open(&directory).expect("opened");
        let mut steps = steps.into_iter().chain(std::iter::repeat((500, 0, false)));
        loop {
            let (bytes_max, back, anew) = steps.next().expect("endless");
            if anew {
                vault = Vault::open(&directory).expect("opened anew");
            }
            let have = vault.partial_bytes(sha256);
            let offset = have.saturating_sub(back);
            let piece = source.vault.object_piece(sha256, offset, bytes_max).expect("read");
            prop_assert!(piece.len() <= bytes_max);
            let complete = vault.receive_piece(sha256, offset, total, &piece).expect("taken");
            prop_assert_eq!(complete, offset + piece.len() as u64 == total || have == total);
            prop_assert_eq!(complete, vault.contains(sha256));
            if complete {
                break;
            }
            prop_assert_eq!(vault.partial_bytes(sha256), have.max(offset + piece.len() as u64));
        }
        prop_assert!(target.object(sha256) == source.object(sha256));
        prop_assert!(source.vault.object_piece(sha256, total, 100).expect("the end").is_empty());
        prop_assert!(source.vault.object_piece(sha256, total + 9, 100).expect("behind it").is_empty());
    }
}

/// Goal: a copy that nobody wants any more ends within a piece and leaves nothing, whether the original is new or here already.
/// Method: one that never ends, and a known one that is broken off while it is read back; the wish is counted.
#[test]
fn a_copy_is_broken_off() {
    let place = Place::new();
    let asked = std::cell::Cell::new(0);
    let times = |most: u32| {
        asked.set(0);
        let asked = &asked;
        move || asked.replace(asked.get() + 1) < most
    };
    let endless = place.vault.preserve_while(&times(3), &mut io::repeat(7), &place.keyring, NO_LIMIT);
    assert!(matches!(endless, Err(VaultError::BrokenOff)) && asked.get() == 4, "{endless:?}");
    assert_eq!(place.files("tmp"), BTreeSet::new());
    let known = noise(1, 3 * READ_BYTES);
    let kept = place.preserve(&known);
    let copied = 4;
    let again = place.vault.preserve_while(&times(copied + 1), &mut &*known, &place.keyring, NO_LIMIT);
    assert!(matches!(again, Err(VaultError::BrokenOff)), "{again:?}");
    assert_eq!(place.files("tmp"), BTreeSet::new());
    assert!(place.preserve(&known) == Preserved { already: true, ..kept });
}
