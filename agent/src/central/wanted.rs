//! The originals that entries name and that are not here yet: by entry, because the first of them says how far all is mirrored,
//! and by digest, because that is how they come. After a long absence there are many, and each comes in pieces.

use std::collections::{BTreeMap, HashMap};

use daybook_protocol::{
    event::Original,
    ids::{Digest, Sequence},
};

/// All of them. Holds about 150 bytes for each.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    by_entry: BTreeMap<Sequence, Digest>,
    /// The length of the original, whose sealed object is not much longer, and the entries that name it.
    by_digest: HashMap<Digest, (u64, Vec<Sequence>)>,
}

impl Wanted {
    /// Notes that the entry at a place names an original that is not here.
    pub(super) fn add(&mut self, at: Sequence, original: Original) {
        if self.by_entry.insert(at, original.sha256).is_none() {
            self.by_digest.entry(original.sha256).or_insert((original.bytes, Vec::new())).1.push(at);
        }
    }

    /// Notes that an original is here, whichever entries name it.
    pub(super) fn remove(&mut self, sha256: Digest) {
        for at in self.by_digest.remove(&sha256).map(|(_, entries)| entries).unwrap_or_default() {
            self.by_entry.remove(&at);
        }
    }

    /// How long an original is by the first entry that names it, if it is wanted.
    pub(super) fn bytes(&self, sha256: Digest) -> Option<u64> {
        self.by_digest.get(&sha256).map(|(bytes, _)| *bytes)
    }

    /// The first entry whose original is not here.
    pub(super) fn first(&self) -> Option<Sequence> {
        self.by_entry.first_key_value().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use daybook_protocol::ids::{Epoch, KeyId};

    use super::*;

    fn original(number: u64) -> Original {
        let key = KeyId { epoch: Epoch::FIRST, number: 0 };
        Original { sha256: Digest::of(&number.to_be_bytes()), bytes: number, key }
    }

    /// Goal: an original that several entries name is wanted until it is here, and then by none of them. Method: two entries of one
    /// original around one of another.
    #[test]
    fn an_original_comes_for_all_that_name_it() {
        let mut wanted = Wanted::default();
        for (at, number) in [(3, 7), (5, 8), (9, 7)] {
            wanted.add(Sequence(at), original(number));
        }
        assert_eq!((wanted.first(), wanted.bytes(original(7).sha256)), (Some(Sequence(3)), Some(7)));
        wanted.remove(original(7).sha256);
        wanted.remove(original(7).sha256);
        assert_eq!((wanted.first(), wanted.bytes(original(7).sha256)), (Some(Sequence(5)), None));
        wanted.remove(original(8).sha256);
        assert_eq!(wanted.first(), None);
    }

    /// Goal: what an original costs does not grow with how many are wanted. Method: 100,000 of them, taken from the last to the
    /// first, each looked up for several pieces; walking them all each time would take minutes.
    #[test]
    fn many_are_no_burden() {
        let (many, began) = (100_000, Instant::now());
        let mut wanted = Wanted::default();
        for number in 0..many {
            wanted.add(Sequence(number), original(number));
        }
        for number in (0..many).rev() {
            let sha256 = original(number).sha256;
            assert!((0..3).all(|_| wanted.bytes(sha256) == Some(number)) && wanted.first() == Some(Sequence(0)));
            wanted.remove(sha256);
        }
        assert_eq!(wanted.first(), None);
        assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    }
}
