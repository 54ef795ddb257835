//! The format of an object: an original's bytes into chunks and back. Knows nothing of directories.

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, Read, Seek as _, SeekFrom, Write},
    path::PathBuf,
};

use daybook_protocol::ids::{Digest, Epoch, KeyId};
use sha2::{Digest as _, Sha256};

use super::VaultError;
use crate::keyring::{Cipher, Key, Keyring, NONCE_BYTES, TAG_BYTES};

/// A chunk seals this many bytes of the compressed original; the last one may seal fewer.
pub const CHUNK_BYTES: usize = 256 * 1024;
const MAGIC: [u8; 7] = *b"DBKORIG";
/// The version that is written. Objects of the first, whose trailer does not know which original they are of, are still read.
const VERSION: u8 = 2;
pub(super) const HEADER_BYTES: usize = 35;
pub(super) const TRAILER_BYTES: usize = 32;
/// The shortest object has one chunk with one byte.
pub(super) const OBJECT_BYTES_MIN: u64 = (HEADER_BYTES + 1 + TAG_BYTES + TRAILER_BYTES) as u64;

type Header = [u8; HEADER_BYTES];

fn encode_header(key: KeyId, prefix: [u8; 19]) -> Header {
    let mut header = [0; HEADER_BYTES];
    let parts: [&[u8]; 5] = [&MAGIC, &[VERSION], &key.epoch.0.to_be_bytes(), &key.number.to_be_bytes(), &prefix];
    for (to, from) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    header
}

/// The key and the nonce prefix; `None` if this is not an object of a version that we know.
pub(super) fn decode_header(header: &Header) -> Option<(KeyId, [u8; 19])> {
    let (version, rest) = header.strip_prefix(&MAGIC)?.split_first()?;
    if !(1..=VERSION).contains(version) {
        return None;
    }
    let (epoch, rest) = rest.split_first_chunk::<4>()?;
    let (number, prefix) = rest.split_first_chunk::<4>()?;
    let key = KeyId { epoch: Epoch(u32::from_be_bytes(*epoch)), number: u32::from_be_bytes(*number) };
    Some((key, prefix.try_into().ok()?))
}

/// The trailer of an object of the original `sha256`, from its header and the hash of all before the trailer. With the original in
/// it an object under another's name is found without its key.
fn trailer(header: &Header, mut hash: Sha256, sha256: Digest) -> [u8; TRAILER_BYTES] {
    if header.get(MAGIC.len()) != Some(&1) {
        hash.update(sha256.0);
    }
    hash.finalize().into()
}

/// Seals chunk after chunk, in order, or opens them.
struct Chunks {
    cipher: Cipher,
    header: Header,
    prefix: [u8; 19],
    /// The number of the next chunk.
    next: u32,
}

impl Chunks {
    fn new(key: &Key, header: Header, prefix: [u8; 19]) -> Self {
        Self { cipher: key.cipher(), header, prefix, next: 0 }
    }

    /// `None` when there are more chunks than can be numbered: a petabyte.
    fn nonce(&mut self, last: bool) -> Option<[u8; NONCE_BYTES]> {
        let mut nonce = [0; NONCE_BYTES];
        let (prefix, rest) = nonce.split_at_mut(self.prefix.len());
        let (number, flag) = rest.split_at_mut(4);
        prefix.copy_from_slice(&self.prefix);
        number.copy_from_slice(&self.next.to_be_bytes());
        flag.fill(u8::from(last));
        self.next = self.next.checked_add(1)?;
        Some(nonce)
    }

    /// Seals `chunk` in place and puts its tag behind it.
    fn seal(&mut self, chunk: &mut Vec<u8>, last: bool) -> io::Result<()> {
        let tag = self.nonce(last).and_then(|nonce| self.cipher.seal(&nonce, &self.header, chunk).ok());
        chunk.extend_from_slice(&tag.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?);
        Ok(())
    }

    /// Opens `chunk` in place; `None` if it is not the one that belongs here.
    fn open(&mut self, chunk: &mut Vec<u8>, last: bool) -> Option<()> {
        let nonce = self.nonce(last)?;
        let length = self.cipher.open(&nonce, &self.header, chunk).ok().filter(|length| *length > 0)?;
        chunk.truncate(length);
        Some(())
    }
}

/// Takes bytes and writes an object of them. Without [`Sealer::finish`] there is no object.
pub(super) struct Sealer<W> {
    to: W,
    chunks: Chunks,
    /// What is not sealed yet; room for its tag is there.
    chunk: Vec<u8>,
    hash: Sha256,
}

impl<W: Write> Sealer<W> {
    /// Begins an object under `key`, whose number is `id`; of the random `nonce` it takes what it needs.
    pub(super) fn new(mut to: W, id: KeyId, key: &Key, nonce: [u8; 24]) -> io::Result<Self> {
        let mut prefix = [0; 19];
        prefix.copy_from_slice(nonce.split_at(19).0);
        let header = encode_header(id, prefix);
        to.write_all(&header)?;
        let hash = Sha256::new().chain_update(header);
        let chunk = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
        Ok(Self { to, chunks: Chunks::new(key, header, prefix), chunk, hash })
    }

    /// Seals the last chunk and writes the trailer; the bytes taken were those of the original `sha256`.
    pub(super) fn finish(mut self, sha256: Digest) -> io::Result<()> {
        self.write_chunk(true)?;
        self.to.write_all(&trailer(&self.chunks.header, self.hash, sha256))
    }

    fn write_chunk(&mut self, last: bool) -> io::Result<()> {
        self.chunks.seal(&mut self.chunk, last)?;
        self.hash.update(&self.chunk);
        self.to.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits until it is known not to be the last.
        if self.chunk.len() == CHUNK_BYTES && !bytes.is_empty() {
            self.write_chunk(false)?;
        }
        let (taken, _) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.chunk.len()));
        self.chunk.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads an object's chunks and checks its trailer. Ends well only after the last byte of the object was checked.
pub(super) struct Opener {
    file: File,
    path: PathBuf,
    sha256: Digest,
    chunks: Chunks,
    /// How many bytes of chunks are still to be read.
    left: u64,
    chunk: Vec<u8>,
    /// How much of `chunk` is consumed.
    consumed: usize,
    hash: Sha256,
    whole: bool,
}

impl Opener {
    /// The object in `file`, at `path`, of the original `sha256`, and the number of its key.
    pub(super) fn open(
        mut file: File,
        path: PathBuf,
        sha256: Digest,
        keyring: &Keyring,
    ) -> Result<(Self, KeyId), VaultError> {
        let damaged = |why| VaultError::Damaged { sha256, why };
        let mut header = [0; HEADER_BYTES];
        let length = match file.metadata() {
            Ok(about) if about.len() < OBJECT_BYTES_MIN => return Err(damaged("it is too short")),
            about => about.and_then(|about| file.read_exact(&mut header).map(|()| about.len())),
        };
        let length = length.map_err(|source| super::failed(&path, source))?;
        let (id, prefix) = decode_header(&header).ok_or(damaged("it does not begin as an object of this version"))?;
        let key = keyring.key(id).map_err(|source| VaultError::Key { sha256, source })?;
        let opener = Self {
            file,
            path,
            sha256,
            chunks: Chunks::new(&key, header, prefix),
            left: length - (HEADER_BYTES + TRAILER_BYTES) as u64,
            chunk: Vec::with_capacity(CHUNK_BYTES + TAG_BYTES),
            consumed: 0,
            hash: Sha256::new().chain_update(header),
            whole: false,
        };
        Ok((opener, id))
    }

    fn damaged(&self, why: &'static str) -> io::Error {
        let error = VaultError::Damaged { sha256: self.sha256, why };
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    fn failed(&self, source: io::Error) -> io::Error {
        io::Error::new(source.kind(), super::failed(&self.path, source))
    }

    /// Reads the next chunk, and the trailer behind the last one.
    fn next_chunk(&mut self) -> io::Result<()> {
        let sealed = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK_BYTES + TAG_BYTES);
        self.chunk.resize(sealed, 0);
        let read = self.file.read_exact(&mut self.chunk);
        read.map_err(|source| self.failed(source))?;
        self.hash.update(&self.chunk);
        self.left -= sealed as u64;
        let last = self.left == 0;
        if self.chunks.open(&mut self.chunk, last).is_none() {
            self.chunk.clear();
            return Err(self.damaged("a chunk is not what was sealed"));
        }
        if last {
            let mut found = [0; TRAILER_BYTES];
            let read = self.file.read_exact(&mut found);
            read.map_err(|source| self.failed(source))?;
            self.whole = trailer(&self.chunks.header, self.hash.clone(), self.sha256) == found;
            if !self.whole {
                self.chunk.clear();
                return Err(self.damaged("its checksum does not hold"));
            }
        }
        Ok(())
    }
}

impl Read for Opener {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(to)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Opener {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.chunk.len() && !self.whole {
            self.consumed = 0;
            self.chunk.clear();
            self.next_chunk()?;
        }
        Ok(self.chunk.get(self.consumed..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.consumed = self.chunk.len().min(self.consumed + bytes);
    }
}

/// An original, read from its object.
pub struct Original {
    zstd: zstd::Decoder<'static, Opener>,
    sha256: Digest,
    key: KeyId,
    hash: Sha256,
}

impl Original {
    pub(super) fn open(file: File, path: PathBuf, sha256: Digest, keyring: &Keyring) -> Result<Self, VaultError> {
        let (opener, key) = Opener::open(file, path, sha256, keyring)?;
        let zstd = zstd::Decoder::with_buffer(opener)
            .map_err(|_| VaultError::Damaged { sha256, why: "its content cannot be decompressed" })?;
        Ok(Self { zstd, sha256, key, hash: Sha256::new() })
    }

    /// The key that seals it.
    pub fn key(&self) -> KeyId {
        self.key
    }

    fn damaged(&self, why: &'static str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, VaultError::Damaged { sha256: self.sha256, why })
    }
}

impl Read for Original {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = match self.zstd.read(to) {
            Ok(read) => read,
            Err(error) if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<VaultError>) => {
                return Err(error);
            }
            Err(_) => return Err(self.damaged("its content cannot be decompressed")),
        };
        self.hash.update(to.get(..read).unwrap_or_default());
        if read == 0 && !to.is_empty() && self.hash.clone().finalize() != self.sha256.0 {
            return Err(self.damaged("it holds another original"));
        }
        Ok(read)
    }
}

/// Whether a file is a whole object of the original `sha256`, as far as can be told without its key.
pub(super) fn is_whole(file: &File, sha256: Digest) -> io::Result<bool> {
    Ok(is_whole_while(&|| true, file, sha256)?.unwrap_or(false))
}

/// The same, for as long as `wanted` says so: it is asked with every piece; `None` when it was broken off.
pub(super) fn is_whole_while(wanted: &dyn Fn() -> bool, mut file: &File, sha256: Digest) -> io::Result<Option<bool>> {
    let length = file.metadata()?.len();
    if length < OBJECT_BYTES_MIN {
        return Ok(Some(false));
    }
    file.seek(SeekFrom::Start(0))?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header)?;
    let mut hash = Sha256::new().chain_update(header);
    let mut body = file.take(length - (HEADER_BYTES + TRAILER_BYTES) as u64);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        if !wanted() {
            return Ok(None);
        }
        let read = body.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
    let mut found = [0; TRAILER_BYTES];
    file.read_exact(&mut found)?;
    Ok(Some(decode_header(&header).is_some() && trailer(&header, hash, sha256) == found))
}
