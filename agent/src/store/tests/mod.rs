use std::{collections::BTreeMap, fs, path::Path};

use daybook_protocol::{
    batch::{Builder, HEADER_BYTES, Header},
    date::Timestamp,
    entry::{Actor, Entry, Source},
    event::{ConfigAdopted, Event},
};
use tempfile::TempDir;

use super::*;
use crate::verify::scan::find_magic;

mod damage;
mod opening;
mod writing;

const LOG: LogId = LogId([7; 16]);
const CACHE: u64 = 8 << 20;

/// A home with a log, and what was put into it.
struct Book {
    directory: TempDir,
    frontier: Frontier,
    frames: Vec<Frame>,
}

impl Book {
    fn new() -> (Self, Store) {
        let directory = tempfile::tempdir().expect("a directory");
        let book = Self { directory, frontier: Frontier::default(), frames: Vec::new() };
        let store = Store::create(&book.home(), LOG, Epoch::FIRST, 0).expect("a new log");
        (book, store)
    }

    /// A log of `batches` batches of 8 entries, closed in order.
    fn closed(batches: usize) -> Self {
        let (mut book, mut store) = Self::new();
        book.write(&mut store, batches);
        store.close().expect("closed");
        book
    }

    fn home(&self) -> Home {
        Home::new(self.directory.path().join("home"))
    }

    fn append(&mut self, store: &mut Store, batches: usize) {
        self.append_large(store, batches, 200);
    }

    /// Appends batches of 8 entries of about `bytes` bytes.
    fn append_large(&mut self, store: &mut Store, batches: usize, bytes: usize) {
        for _ in 0..batches {
            let mut builder = Builder::new(LOG, Epoch::FIRST, &self.frontier);
            for _ in 0..8 {
                let entry = Entry {
                    sequence: Sequence(self.frontier.count()),
                    recorded_at: Timestamp(0),
                    effective_on: None,
                    actor: Actor::Agent,
                    source: Source::Agent,
                    governed_by: Sequence(0),
                    findings: Vec::new(),
                    event: Event::ConfigAdopted(ConfigAdopted { text: "x".repeat(bytes) }),
                    sealed: None,
                };
                builder.push(&entry.encode().expect("a small entry"), &mut self.frontier);
            }
            let frame = builder.finish(&self.frontier);
            store.append(&frame).expect("appended");
            self.frames.push(frame);
        }
    }

    /// Appends and makes durable, a batch at a time.
    fn write(&mut self, store: &mut Store, batches: usize) {
        for _ in 0..batches {
            self.append(store, 1);
            store.barrier(&self.frontier, Epoch::FIRST).expect("a barrier");
        }
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.home(), CACHE)
    }

    /// Opens, and checks that every batch is there.
    fn check(&self) -> Store {
        let store = self.open().expect("it opens");
        assert_eq!(store.head().frontier, self.frontier);
        let read: Result<Vec<_>, _> = store.reader().frames(Sequence(0)).collect();
        assert!(read.expect("readable") == self.frames);
        store
    }

    /// A copy of the home as it is now.
    fn copy(&self) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        disk::copy_tree(&self.directory.path().join("home"), &directory.path().join("home")).expect("a copy");
        Self { directory, frontier: self.frontier.clone(), frames: self.frames.clone() }
    }

    /// All files of the home with their bytes, but for the lock.
    fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn collect(path: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(path).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    collect(&path, into);
                } else if !path.ends_with("lock") {
                    into.insert(path.clone(), fs::read(path).expect("a file"));
                }
            }
        }
        let mut files = BTreeMap::new();
        collect(self.home().path(), &mut files);
        files
    }
}

/// Every place in `bytes` where a batch stands, the engine's older copies too.
fn batches_in(bytes: &[u8]) -> Vec<(usize, Header)> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(hit) = find_magic(&bytes[from..]) {
        found.extend(Header::decode(&bytes[from + hit..]).map(|header| (from + hit, header)));
        from += hit + 1;
    }
    found
}

/// Overwrites every copy of the batch that begins at `first`.
fn wipe(home: &Home, first: u64) {
    let path = Engine::file(&home.log());
    let mut bytes = fs::read(&path).expect("the batches");
    for (at, header) in batches_in(&bytes) {
        if header.first == Sequence(first) {
            bytes[at + HEADER_BYTES..at + header.bytes as usize].fill(0xEE);
        }
    }
    fs::write(path, bytes).expect("written");
}

fn mark(home: &Home) {
    fs::write(home.unclean(), "").expect("marked");
}
