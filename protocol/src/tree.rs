//! The hash tree of RFC 6962 over the entries' bytes, kept as its frontier: the roots of the perfect subtrees, largest
//! first. Appending costs two hashes on average; the root of `n` entries costs one hash for each bit of `n`.

use sha2::{Digest as _, Sha256};

use crate::ids::Digest;

/// A frontier has at most this many subtrees: one for each bit of a count.
pub const FRONTIER_MAX: usize = 64;

/// The hash of a leaf: SHA-256 of a zero byte and the entry's bytes (RFC 6962 section 2.1).
pub fn leaf(entry: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(entry);
    Digest(hash.finalize().into())
}

/// The hash of an inner node: SHA-256 of a byte of one and both children (RFC 6962 section 2.1).
pub fn node(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    let (_, children) = bytes.split_at_mut(1);
    let (first, second) = children.split_at_mut(32);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    Digest::of(&bytes)
}

/// The right edge of the tree: all that is needed to append to it and to know its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    count: u64,
    subtrees: Vec<Digest>,
}

impl Frontier {
    /// The frontier of `count` entries from its subtrees, largest first; `None` unless there is one for each bit of `count`.
    pub fn from_parts(count: u64, subtrees: Vec<Digest>) -> Option<Self> {
        (subtrees.len() == count.count_ones() as usize).then_some(Self { count, subtrees })
    }

    /// How many entries the tree has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The roots of the perfect subtrees, largest first.
    pub fn subtrees(&self) -> &[Digest] {
        &self.subtrees
    }

    /// Appends the hash of a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut right = leaf;
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                right = node(&left, &right);
            }
        }
        self.subtrees.push(right);
        self.count += 1;
    }

    /// The root; of no entries, the hash of nothing.
    pub fn root(&self) -> Digest {
        let mut subtrees = self.subtrees.iter().rev();
        let Some(smallest) = subtrees.next() else { return Digest::of(b"") };
        subtrees.fold(*smallest, |right, left| node(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [only] => *only,
            _ => {
                let left = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(left);
                node(&plain_root(left), &plain_root(right))
            }
        }
    }

    /// Goal: the frontier's root is the root of RFC 6962. Method: the definition written out, for every size to 300; and
    /// the well-known roots of the test inputs of certificate transparency.
    #[test]
    fn the_root_is_that_of_rfc_6962() {
        let (mut frontier, mut leaves) = (Frontier::default(), Vec::new());
        for size in 0_u32..300 {
            assert_eq!(frontier.root(), plain_root(&leaves), "{size} leaves");
            let parts = Frontier::from_parts(frontier.count(), frontier.subtrees().to_vec());
            assert_eq!(parts.as_ref(), Some(&frontier));
            frontier.push(leaf(&size.to_be_bytes()));
            leaves.push(leaf(&size.to_be_bytes()));
        }
        let inputs: [&[u8]; 3] = [b"", b"\x00", b"\x10"];
        let mut known = Frontier::default();
        for input in inputs {
            known.push(leaf(input));
        }
        assert_eq!(known.root().to_string(), "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
        assert_eq!(Frontier::from_parts(3, vec![leaf(b"")]), None);
    }
}
