//! Reading ahead: a source is read on a thread of its own, so that opening and decompressing an original go on while its
//! rows are looked at. Knows nothing of what it reads.

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

/// How much is read at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// How many pieces are read ahead: enough that neither side waits for the other's every piece.
const PIECES_MAX: usize = 4;

/// A source that is read ahead. When it is dropped its thread ends with the piece in hand.
pub struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    /// The way back for pieces that were passed on, to be filled again.
    passed: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    /// How much of `piece` was passed on.
    at: usize,
    ended: bool,
}

impl Ahead {
    /// Begins to read. Fails where no thread can be had.
    pub fn new(mut source: impl Read + Send + 'static) -> io::Result<Self> {
        let (pieces, coming) = sync_channel(PIECES_MAX);
        let (passed, back) = sync_channel::<Vec<u8>>(PIECES_MAX + 2);
        let reading = move || {
            loop {
                let mut piece = back.try_recv().unwrap_or_default();
                let read = fill(&mut source, &mut piece);
                let last = !matches!(read, Ok(1..));
                if pieces.send(read.map(|_| piece)).is_err() || last {
                    return;
                }
            }
        };
        thread::Builder::new().name("ahead".into()).spawn(reading)?;
        Ok(Self { pieces: coming, passed, piece: Vec::new(), at: 0, ended: false })
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let ended = || Err(io::Error::other("the thread that reads ahead has ended"));
        let next = self.pieces.recv().unwrap_or_else(|_| ended())?;
        self.ended = next.is_empty();
        let passed = std::mem::replace(&mut self.piece, next);
        // A full way back means that there are pieces enough.
        let _ = self.passed.try_send(passed);
        self.at = 0;
        Ok(())
    }
}

impl Read for Ahead {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !self.ended {
            self.next_piece()?;
        }
        let read = self.piece.get(self.at..).unwrap_or_default().read(to)?;
        self.at += read;
        Ok(read)
    }
}

/// Fills a piece as far as the source goes; of nothing only at its end.
fn fill(source: &mut impl Read, piece: &mut Vec<u8>) -> io::Result<usize> {
    piece.resize(PIECE_BYTES, 0);
    let mut filled = 0;
    while let Some(room) = piece.get_mut(filled..).filter(|room| !room.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(filled);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is read ahead is what is there, and an error comes where it stands. Method: sources of lengths around
    /// those of pieces, read in odd steps, one of them broken behind its bytes.
    #[test]
    fn the_same_bytes_come_and_the_same_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(io::ErrorKind::InvalidData, "torn"))
            }
        }
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 9 * PIECE_BYTES + 7] {
            let bytes: Vec<u8> = (0_u8..=250).cycle().take(length).collect();
            let mut whole = Vec::new();
            Ahead::new(io::Cursor::new(bytes.clone())).expect("a thread").read_to_end(&mut whole).expect("read");
            assert_eq!(whole, bytes, "{length} bytes");
        }
        let mut read = Vec::new();
        let source = io::Cursor::new(vec![7; PIECE_BYTES]).chain(Broken);
        let error = Ahead::new(source).expect("a thread").read_to_end(&mut read).expect_err("broken");
        assert_eq!((read.len(), error.to_string().as_str()), (PIECE_BYTES, "torn"));
    }

    /// Goal: a reader that is dropped half-way leaves no thread behind. Method: the source tells when it is dropped.
    #[test]
    fn a_dropped_reader_ends_its_thread() {
        #[allow(dead_code, reason = "it is there to be dropped")]
        struct Endless(SyncSender<()>);
        impl Read for Endless {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                to.fill(1);
                Ok(to.len())
            }
        }
        let (gone, waiting) = sync_channel(1);
        let mut ahead = Ahead::new(Endless(gone)).expect("a thread");
        ahead.read_exact(&mut [0; 10]).expect("read");
        drop(ahead);
        assert!(waiting.recv().is_err(), "the source is gone with its thread");
    }
}
