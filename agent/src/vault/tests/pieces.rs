//! Objects that come from elsewhere, piece by piece.

use super::*;

/// Goal: a peer that sends wrong bytes changes nothing, and a right one can begin again. Method: a gap, other bytes, more
/// than was announced, a changed trailer, and things that are no objects.
#[test]
fn wrong_pieces_are_refused() {
    let source = Place::new();
    let sha256 = source.preserve(&noise(4, 1000)).sha256;
    let object = source.object(sha256);
    let total = object.len() as u64;
    let Place { vault, home, .. } = Place::new();
    let taken = |offset: u64, total, bytes: &[u8]| vault.receive_piece(sha256, offset, total, bytes);
    assert!(matches!(taken(1, total, &object[1..]), Err(VaultError::PieceGap { have: 0, .. })));
    assert!(!taken(0, total, &object[..500]).expect("taken"));
    assert!(matches!(taken(501, total, &object[501..]), Err(VaultError::PieceGap { have: 500, .. })));
    assert_eq!(vault.partial_bytes(sha256), 500);
    for (offset, announced, bytes) in [
        (300, total, &object[301..700]),
        (u64::MAX, total, &[]),
        (500, 600, &object[500..]),
        (500, 499, &[]),
        (500, total, &noise(5, object.len() - 500)),
        (0, 500, &object[..500]),
    ] {
        let refused = taken(offset, announced, bytes).expect_err("refused");
        let gap = matches!(refused, VaultError::PieceGap { .. });
        assert_eq!(vault.partial_bytes(sha256), if gap { 500 } else { 0 }, "{refused}");
        assert!(!vault.contains(sha256));
        taken(0, total, &object[..500]).expect("begun again");
    }
    let mut changed = object.clone();
    *changed.last_mut().expect("a trailer") ^= 1;
    assert!(matches!(taken(500, total, &changed[500..]), Err(VaultError::Damaged { .. })));
    assert_eq!(vault.partial_bytes(sha256), 0);
    for short in [Vec::new(), with_trailer(sha256, b"DBKORIG".to_vec()), with_trailer(sha256, vec![0; 200])] {
        assert!(matches!(taken(0, short.len() as u64, &short), Err(VaultError::Damaged { .. })));
    }
    assert!(taken(0, total, &object).expect("complete"));
    assert!(taken(7, 9, b"no longer looked at").expect("complete"));
    assert!(fs::read(vault.place(sha256)).expect("the object") == object);
    let incoming = fs::read_dir(home.path().join("vault/incoming")).expect("listed").count();
    assert_eq!((incoming, vault.partial_bytes(sha256)), (0, 0));
}
