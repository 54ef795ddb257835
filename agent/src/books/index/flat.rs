//! A table of records of one size that only grows.

/// Records in a piece: some hundreds of kilobytes.
const PIECE: usize = 1 << 13;

/// Like a `Vec`, but in pieces of one size: growing neither copies what is there nor needs room for it twice, which with ten
/// million learners would be as much again as the table itself.
#[derive(Debug)]
pub(super) struct Flat<T> {
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Flat<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Flat<T> {
    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    pub(super) fn push(&mut self, record: T) {
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            // The first one grows by itself: most offices are small.
            self.pieces.push(Vec::with_capacity(if self.pieces.is_empty() { 0 } else { PIECE }));
        }
        if let Some(last) = self.pieces.last_mut() {
            last.push(record);
        }
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.pieces.get(place / PIECE)?.get(place % PIECE)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.pieces.get_mut(place / PIECE)?.get_mut(place % PIECE)
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.pieces.last()?.last()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// Where the record with that key is; records are in the order of their keys.
    pub(super) fn find<K: Ord>(&self, key: &K, of: impl Fn(&T) -> K) -> Option<usize> {
        let after = self.pieces.partition_point(|piece| piece.first().is_some_and(|first| of(first) <= *key));
        let piece = after.checked_sub(1)?;
        let place = self.pieces.get(piece)?.binary_search_by_key(key, of).ok()?;
        Some(piece * PIECE + place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: it is a vector. Method: beside one, with lengths about the ends of pieces.
    #[test]
    fn it_is_like_a_vector() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 7] {
            let vector: Vec<usize> = (0..length).map(|number| 3 * number).collect();
            let mut flat = Flat::default();
            for number in &vector {
                flat.push(*number);
            }
            assert_eq!(flat.len(), vector.len());
            assert!(flat.iter().eq(&vector));
            assert_eq!(flat.last(), vector.last());
            assert_eq!(flat.get(length), None);
            for place in [0, 1, PIECE - 1, PIECE, length.saturating_sub(1), length] {
                assert_eq!(flat.get(place), vector.get(place));
                assert_eq!(flat.get_mut(place).copied(), vector.get(place).copied());
            }
            for number in [0, 1, 3, 3 * PIECE - 3, 3 * PIECE, 3 * PIECE + 1, (3 * length).saturating_sub(3), 3 * length]
            {
                assert_eq!(flat.find(&number, |it| *it), vector.binary_search(&number).ok());
            }
        }
    }
}
