use std::fs;

use data_encoding::HEXLOWER;
use daybook_protocol::{
    entry::{Private, Sealed},
    field::Field,
    ids::{LogId, Sequence, Token},
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const FIRST: Epoch = Epoch::FIRST;

fn operator() -> OperatorKey {
    OperatorKey::from_bytes(std::array::from_fn(|place| u8::try_from(place).expect("32 places")))
}

fn id(number: u32) -> KeyId {
    KeyId { epoch: FIRST, number }
}

fn open(directory: &Path) -> Keyring {
    Keyring::open(directory, FIRST, &operator()).expect("a keyring")
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A keyring of the first epoch with `count` synced keys: its directory, the keys' bytes and the file's.
fn filled(count: u32) -> (TempDir, Vec<[u8; 32]>, Vec<u8>) {
    let home = directory();
    let keyring = open(home.path());
    let keys = (0..count).map(|_| *keyring.allocate().expect("a key").1.bytes()).collect();
    keyring.sync().expect("synced");
    let bytes = fs::read(records::path(home.path(), FIRST)).expect("the file");
    (home, keys, bytes)
}

fn rewrite(home: &TempDir, bytes: &[u8]) {
    fs::write(records::path(home.path(), FIRST), bytes).expect("written");
}

/// Goal: what one release wrote, the next can read. Method: fixed operator's key, fixed results; they were computed by
/// another implementation from the text of this module.
#[test]
fn tokens_and_records_are_as_specified() {
    let tokens = operator().tokens();
    let golden = |hex: &str| hex.parse::<Token>().expect("a token");
    assert_eq!(tokens.token("uln", &["1234567890"]), golden("96fa9bbc20fb0085b86120b17baa1c41"));
    assert_eq!(tokens.token("person", &["smith", "2001-02-03"]), golden("c48a04775379c6ea78654aa7c48e790b"));
    let key = Key::from_bytes([7; 32]);
    let record = record::wrap(&operator().wrapping(), KeyId { epoch: Epoch(2), number: 258 }, [9; 24], &key);
    assert_eq!(
        HEXLOWER.encode(&record.expect("a record")),
        "0909090909090909090909090909090909090909090909093d2cc81703408a83dde2d6c3a15adafce0953087d657c497b56966aa3626283d9bc0b866ba8f1cbffe6270c3ab2091d2317933b37152d9e1"
    );
    let sealed = seal(&key, id(0), [9; 24], LogId([1; 16]), Sequence(5), &Private::default()).expect("sealed");
    assert_eq!(HEXLOWER.encode(&sealed.ciphertext), "be536d45d2923b3f963cb0278e4759f50f");
}

/// Goal: a person's surname is not taken for another's first name, nor a ULN for a centre number. Method: texts that are
/// equal when run together, under equal and different domains.
#[test]
fn tokens_keep_parts_and_domains_apart() {
    let tokens = operator().tokens();
    let all = [
        tokens.token("a", &["bc"]),
        tokens.token("ab", &["c"]),
        tokens.token("a", &["b", "c"]),
        tokens.token("a", &["bc", ""]),
        tokens.token("a", &["", "bc"]),
        OperatorKey::from_bytes([1; 32]).tokens().token("a", &["bc"]),
    ];
    for (place, token) in all.iter().enumerate() {
        assert!(!all[..place].contains(token), "{place}");
    }
    assert_eq!(tokens.clone().token("a", &["bc"]), all[0]);
}

/// Goal: an operator's key is written once, for its owner only, and read back as it was. Method: create, load, create
/// again, and files that are not keys.
#[test]
fn an_operator_key_is_never_overwritten() {
    let home = directory();
    let path = home.path().join("operator.key");
    let made = OperatorKey::create(&path).expect("made");
    let text = fs::read(&path).expect("read");
    assert!(text.len() == 65 && text.ends_with(b"\n"));
    let token = made.tokens().token("a", &[]);
    assert_eq!(OperatorKey::load(&path).expect("loaded").tokens().token("a", &[]), token);
    assert!(matches!(OperatorKey::create(&path), Err(KeyringError::OperatorKeyExists { .. })));
    assert_eq!(fs::read(&path).expect("read"), text);
    assert_eq!(fs::read_dir(home.path()).expect("listed").count(), 1, "no temporary file is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
    fs::write(&path, text.to_ascii_uppercase().trim_ascii()).expect("written");
    assert_eq!(OperatorKey::load(&path).expect("typed in by hand").tokens().token("a", &[]), token);
    for wrong in ["", "\n", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64), &"0".repeat(1000)] {
        fs::write(&path, wrong).expect("written");
        assert!(matches!(OperatorKey::load(&path), Err(KeyringError::OperatorKeyMalformed { .. })), "{wrong}");
    }
    assert!(matches!(OperatorKey::load(home.path()), Err(KeyringError::Io { .. })));
}

/// Goal: a key can be had from the moment it is made, and only durable ones are counted. Method: make, read, sync, read,
/// open again, read.
#[test]
fn keys_are_the_same_before_and_after_their_sync() {
    let home = directory();
    let keyring = open(&home.path().join("keyring"));
    let made: Vec<_> = (0..3).map(|_| keyring.allocate().expect("a key")).collect();
    let check = |keyring: &Keyring| {
        for (number, (id, key)) in (0..).zip(&made) {
            assert_eq!(id.number, number);
            assert_eq!(keyring.key(*id).expect("the key").bytes(), key.bytes());
        }
        assert!(matches!(keyring.key(id(3)), Err(KeyringError::KeyMissing { .. })));
        let elsewhere = KeyId { epoch: Epoch(9), number: 0 };
        assert!(matches!(keyring.key(elsewhere), Err(KeyringError::KeyMissing { .. })));
    };
    check(&keyring);
    assert_eq!(keyring.held(), []);
    keyring.sync().expect("synced");
    keyring.sync().expect("nothing to do");
    check(&keyring);
    assert_eq!(keyring.held(), [KeysHeld { epoch: FIRST, count: 3 }]);
    assert_ne!(made[0].1.bytes(), made[1].1.bytes());
    assert_ne!(keyring.nonce(), keyring.nonce());
    drop(keyring);
    check(&open(&home.path().join("keyring")));
}

/// Goal: keys of earlier epochs can be read and get no more. Method: three keys, then the next epoch.
#[test]
fn earlier_epochs_are_read_only() {
    let (home, keys, bytes) = filled(3);
    let keyring = Keyring::open(home.path(), Epoch(2), &operator()).expect("the next epoch");
    let (made, _) = keyring.allocate().expect("a key");
    assert_eq!(made, KeyId { epoch: Epoch(2), number: 0 });
    keyring.sync().expect("synced");
    assert_eq!(keyring.key(id(2)).expect("an earlier key").bytes(), &keys[2]);
    assert!(matches!(keyring.key(id(3)), Err(KeyringError::KeyMissing { .. })));
    let held = [KeysHeld { epoch: FIRST, count: 3 }, KeysHeld { epoch: Epoch(2), count: 1 }];
    assert_eq!(keyring.held(), held);
    assert_eq!(held_in(home.path()).expect("counted"), held);
    assert_eq!(fs::read(records::path(home.path(), FIRST)).expect("read"), bytes);
}

/// Goal: a writer killed in the middle of a record leaves a keyring that goes on behind the last whole one. Method: a file
/// of two records cut at every length.
#[test]
fn a_torn_tail_is_cut_off() {
    let (home, keys, bytes) = filled(2);
    for length in 0..=bytes.len() {
        rewrite(&home, &bytes[..length]);
        let keyring = open(home.path());
        let whole = u32::try_from(length / RECORD_BYTES).expect("at most two");
        let file = fs::metadata(records::path(home.path(), FIRST)).expect("there");
        assert_eq!(file.len(), records::offset(whole));
        let (made, key) = keyring.allocate().expect("a key");
        assert_eq!(made, id(whole), "cut at {length}");
        keyring.sync().expect("synced");
        drop(keyring);
        let keyring = open(home.path());
        assert_eq!(keyring.held(), [KeysHeld { epoch: FIRST, count: whole + 1 }]);
        assert_eq!(keyring.key(made).expect("the new key").bytes(), key.bytes());
        for (number, key) in (0..whole).zip(&keys) {
            assert_eq!(keyring.key(id(number)).expect("an old key").bytes(), key);
        }
        assert_eq!(keyring.covers(KeysHeld { epoch: FIRST, count: whole + 1 }).ok(), Some(()));
        let short = keyring.covers(KeysHeld { epoch: FIRST, count: whole + 2 });
        assert!(matches!(short, Err(KeyringError::Short { found, .. }) if found == whole + 1));
    }
}

/// Goal: damage costs one key, says so, and no number is ever given out twice. Method: every record of three in turn,
/// the last one too, with a changed byte, with zeros, and with another's bytes.
#[test]
fn damage_costs_one_key() {
    let (home, keys, bytes) = filled(3);
    for number in 0..3_u32 {
        let start = number as usize * RECORD_BYTES;
        let other = if number == 0 { RECORD_BYTES } else { 0 };
        for way in 0..4 {
            let mut damaged = bytes.clone();
            match way {
                0 => damaged[start + 30] ^= 1,
                1 => damaged[start + 79] ^= 0x80,
                2 => damaged[start..start + RECORD_BYTES].fill(0),
                _ => damaged.copy_within(other..other + RECORD_BYTES, start),
            }
            rewrite(&home, &damaged);
            let keyring = open(home.path());
            for (place, key) in (0..).zip(&keys) {
                match keyring.key(id(place)) {
                    // The checksum alone does not make a key unreadable.
                    Ok(found) => assert!(found.bytes() == key && (place != number || way == 1)),
                    Err(KeyringError::KeyDestroyed { id }) => assert!(way == 2 && id.number == number),
                    Err(KeyringError::KeyDamaged { id }) => assert!(way != 2 && id.number == number),
                    Err(error) => unreachable!("{error}"),
                }
            }
            assert_eq!(keyring.allocate().expect("a key").0, id(3));
        }
    }
}

/// Goal: damage is found without the operator's key, in the record that has it and no other; a destroyed key is none, and a
/// check is broken off where nobody wants it. Method: every byte of every record of three changed in turn, and one of zeros.
#[test]
fn damaged_records_are_named() {
    let (home, _, bytes) = filled(3);
    let held = KeysHeld { epoch: FIRST, count: 3 };
    let damaged = || damaged_in(home.path(), held, &|| true).expect("checked").expect("to the end");
    assert_eq!(damaged(), []);
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        rewrite(&home, &changed);
        assert_eq!(damaged(), [id(u32::try_from(place / RECORD_BYTES).expect("one of three"))]);
    }
    let mut destroyed = bytes.clone();
    destroyed[..RECORD_BYTES].fill(0);
    rewrite(&home, &destroyed);
    assert_eq!(damaged(), []);
    assert!(damaged_in(home.path(), held, &|| false).expect("asked").is_none());
    let more = damaged_in(home.path(), KeysHeld { count: 4, ..held }, &|| true);
    assert!(matches!(more, Err(KeyringError::Short { found: 3, expected: 4, .. })));
}

/// Goal: one file never holds keys wrapped by two operator's keys. Method: open with another one, with a destroyed and a
/// damaged record before the one that tells.
#[test]
fn another_operator_key_is_refused_on_opening() {
    let (home, _, mut bytes) = filled(3);
    bytes[..RECORD_BYTES].fill(0);
    bytes[RECORD_BYTES] ^= 1;
    rewrite(&home, &bytes);
    for epoch in [FIRST, Epoch(2)] {
        let opened = Keyring::open(home.path(), epoch, &OperatorKey::from_bytes([1; 32]));
        assert!(matches!(opened, Err(KeyringError::WrongOperatorKey { epoch: FIRST })));
    }
}

/// Goal: a file that is cut while it is open is not written on with a hole in it. Method: cut it between two syncs.
#[test]
fn a_file_cut_under_us_stops_us() {
    let (home, _, bytes) = filled(3);
    let keyring = open(home.path());
    rewrite(&home, &bytes[..2 * RECORD_BYTES]);
    keyring.allocate().expect("a key");
    assert!(matches!(keyring.sync(), Err(KeyringError::Short { found: 2, expected: 3, .. })));
    rewrite(&home, &bytes);
    keyring.sync().expect("synced once the file is back");
    assert_eq!(open(home.path()).held(), [KeysHeld { epoch: FIRST, count: 4 }]);
}

/// Goal: memory is bounded even where nobody syncs. Method: one key more than may wait.
#[test]
fn a_caller_who_never_syncs_is_synced() {
    let home = directory();
    let keyring = open(home.path());
    for _ in 0..=UNSYNCED_RECORDS_MAX {
        keyring.allocate().expect("a key");
    }
    let count = u32::try_from(UNSYNCED_RECORDS_MAX).expect("a small limit");
    assert_eq!(keyring.held(), [KeysHeld { epoch: FIRST, count }]);
    assert_eq!(keyring.count(FIRST), count + 1);
}

fn sealed() -> (Keyring, TempDir, Private, Sealed) {
    let home = directory();
    let keyring = open(home.path());
    let private = Private::from([(Field::FamilyName, "Öberg"), (Field::Uln, "1234567890")]);
    let (id, key) = keyring.allocate().expect("a key");
    let sealed = seal(&key, id, keyring.nonce(), LogId([1; 16]), Sequence(5), &private).expect("sealed");
    (keyring, home, private, sealed)
}

/// Goal: a sealed part opens at its own place and nowhere else. Method: other sequence, log and key, and every bit of
/// ciphertext and nonce flipped.
#[test]
fn a_sealed_part_opens_only_in_its_place() {
    let (keyring, _home, private, sealed) = sealed();
    let key = keyring.key(sealed.key).expect("the key");
    let (log, place) = (LogId([1; 16]), Sequence(5));
    assert_eq!(open_sealed(&key, log, place, &sealed).expect("opened"), private);
    assert_eq!(sealed.ciphertext.len(), private.encode().expect("encoded").len() + 16);
    let (_, other) = keyring.allocate().expect("a key");
    let refused = |key: &Key, log, place, sealed: &Sealed| {
        assert!(matches!(open_sealed(key, log, place, sealed), Err(KeyringError::NotAuthentic { .. })));
    };
    refused(&other, log, place, &sealed);
    refused(&key, LogId([2; 16]), place, &sealed);
    refused(&key, log, Sequence(6), &sealed);
    refused(&key, log, place, &Sealed { ciphertext: Vec::new(), ..sealed.clone() });
    for bit in 0..sealed.ciphertext.len() * 8 {
        let mut changed = sealed.clone();
        changed.ciphertext[bit / 8] ^= 1 << (bit % 8);
        refused(&key, log, place, &changed);
    }
    for bit in 0..sealed.nonce.len() * 8 {
        let mut changed = sealed.clone();
        changed.nonce[bit / 8] ^= 1 << (bit % 8);
        refused(&key, log, place, &changed);
    }
}

/// Goal: nothing secret is printed by accident. Method: what Debug says of each.
#[test]
fn secrets_are_not_printed() {
    let (keyring, _home, ..) = sealed();
    let key = keyring.key(id(0)).expect("the key");
    let said = format!("{key:?} {:?} {:?}", operator(), operator().tokens());
    assert_eq!(said, "Key(secret) OperatorKey(secret) Tokens(secret)");
}

/// Goal: what a peer sends wrongly changes nothing. Method: parts of records, a changed record, a gap, other bytes,
/// numbers past the last, and what was kept damaged.
#[test]
fn wrong_records_are_refused() {
    let (_source, _, bytes) = filled(4);
    let (_other, _, foreign) = filled(2);
    let home = directory();
    let copy = home.path().join("keyring");
    let half = 2 * RECORD_BYTES;
    assert_eq!(append_records(&copy, FIRST, 0, &bytes[..half]).expect("appended"), 2);
    let mut changed = bytes.clone();
    changed[half + 9] ^= 1;
    let refused = |first, records: &[u8]| {
        let error = append_records(&copy, FIRST, first, records).expect_err("refused");
        assert_eq!(fs::read(records::path(&copy, FIRST)).expect("read"), &bytes[..half]);
        error
    };
    assert!(matches!(refused(2, &bytes[half..half + 79]), KeyringError::RecordsMalformed { bytes: 79 }));
    assert!(matches!(refused(0, &changed), KeyringError::KeyDamaged { id } if id.number == 2));
    assert!(matches!(refused(2, &bytes[..RECORD_BYTES]), KeyringError::KeyDamaged { id } if id.number == 2));
    assert!(matches!(refused(3, &bytes[half + RECORD_BYTES..]), KeyringError::RecordsGap { count: 2, .. }));
    assert!(matches!(refused(0, &foreign), KeyringError::RecordsDiffer { id } if id.number == 0));
    assert!(matches!(refused(0, &[0; 2 * RECORD_BYTES]), KeyringError::RecordsDiffer { .. }));
    assert!(matches!(refused(u32::MAX, &[0; 2 * RECORD_BYTES]), KeyringError::Full { .. }));
    fs::write(records::path(&copy, FIRST), [&bytes[..9], &[!bytes[9]], &bytes[10..half]].concat()).expect("damaged");
    let unknown = append_records(&copy, FIRST, 0, &bytes[..half]).expect_err("nobody knows");
    assert!(matches!(unknown, KeyringError::KeptDamaged { id } if id.number == 0));
}

/// Goal: a copy outlives a kill in the middle of a write, and a destroyed key stays destroyed in it. Method: a torn copy
/// taken up again; zeros sent, zeros kept.
#[test]
fn a_torn_copy_is_taken_up_again() {
    let (source, _, bytes) = filled(3);
    let home = directory();
    append_records(home.path(), FIRST, 0, &bytes).expect("appended");
    rewrite(&home, &bytes[..RECORD_BYTES + 33]);
    assert_eq!(held_in(home.path()).expect("counted"), [KeysHeld { epoch: FIRST, count: 1 }]);
    assert_eq!(append_records(home.path(), FIRST, 1, &[0; RECORD_BYTES]).expect("a destroyed key"), 2);
    assert_eq!(append_records(home.path(), FIRST, 2, &bytes[2 * RECORD_BYTES..]).expect("the rest"), 3);
    let brought_back = append_records(home.path(), FIRST, 1, &bytes[RECORD_BYTES..2 * RECORD_BYTES]);
    assert!(matches!(brought_back, Err(KeyringError::RecordsDiffer { id }) if id.number == 1));
    let (copy, original) = (open(home.path()), open(source.path()));
    assert!(matches!(copy.key(id(1)), Err(KeyringError::KeyDestroyed { .. })));
    let pair = (copy.key(id(2)).expect("a key"), original.key(id(2)).expect("the same"));
    assert_eq!(pair.0.bytes(), pair.1.bytes());
    assert_eq!(held_in(&home.path().join("none")).expect("nothing"), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Goal: a copy is the same file however it was cut and however often pieces came. Method: random pieces, each sent
    /// again from a random earlier place.
    #[test]
    fn copying_is_idempotent(count in 1_u32..40, steps in prop::collection::vec((0_usize..900, 0_u32..12), 1..60)) {
        let (source, _, bytes) = filled(count);
        let home = directory();
        let mut have = 0;
        let mut steps = steps.into_iter().chain(std::iter::repeat((800, 0)));
        while have < count {
            let (bytes_max, back) = steps.next().expect("endless");
            let first = have.saturating_sub(back);
            let piece = read_records(source.path(), FIRST, first, bytes_max).expect("read");
            prop_assert!(piece.len() <= bytes_max && piece.len().is_multiple_of(RECORD_BYTES));
            let now = append_records(home.path(), FIRST, first, &piece).expect("appended");
            prop_assert!(now >= have);
            have = now;
        }
        prop_assert_eq!(fs::read(records::path(home.path(), FIRST)).expect("read"), bytes);
        prop_assert!(read_records(source.path(), FIRST, count, 800).expect("the end").is_empty());
        prop_assert!(read_records(source.path(), FIRST, u32::MAX, 800).expect("far behind").is_empty());
    }
}
