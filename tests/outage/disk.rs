//! A disk that knows what is durable, and what may be left of the rest when the power fails.
//!
//! Assumed of the file system, and no more:
//! - A sync of a file makes its bytes and its length durable, and not its name; a sync of a directory makes the names in it
//!   durable, and nothing of what they name. `sync_file_range` makes nothing durable.
//! - Of what is not synced any part may be there. A file's blocks of 4 KiB are written in any order and each as it was at
//!   some moment since; one in writing may be torn between its sectors of 512 bytes. Its length is that of some moment
//!   since. What was cut off by a durable cut does not come back.
//! - Names of a directory come and go in any order, but for those of the same name. A rename within a directory happens or
//!   does not; one into another directory adds the new name before it takes the old one away. A sync of the old directory
//!   alone takes the old name away for good, whatever becomes of the new one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use rand_chacha::ChaCha12Rng;

use super::{
    content::{Change, Content, Left},
    trace::Event,
};

type Id = usize;

#[derive(Clone)]
enum Node {
    File(Content),
    Directory(Names),
    /// A socket that nobody listens at.
    Socket,
}

#[derive(Clone, Default)]
struct Names {
    durable: BTreeMap<String, Id>,
    live: BTreeMap<String, Id>,
    unsynced: Vec<(usize, Naming)>,
}

/// A change of a directory that happens or does not.
#[derive(Clone)]
struct Naming {
    removes: Option<String>,
    adds: Option<(String, Id)>,
    /// The directory that has to have the new name before the old one goes, unless a sync makes it go.
    moved_to: Option<Id>,
}

/// The disk at some moment.
#[derive(Clone)]
pub(crate) struct Disk {
    nodes: Vec<Node>,
}

const ROOT: Id = 0;

impl Disk {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::Directory(Names::default())] }
    }

    /// Puts a directory there, durably.
    pub(crate) fn put_directory(&mut self, path: &str) {
        self.put(path, Node::Directory(Names::default()));
    }

    /// Puts a real file there, durably. It keeps its identity.
    pub(crate) fn put_original(&mut self, path: &str, original: &Path) {
        self.put(path, Node::File(Content::original(original)));
    }

    fn put(&mut self, path: &str, node: Node) {
        let (directory, name) = self.parent(path);
        let id = self.nodes.len();
        self.nodes.push(node);
        let names = self.names(directory);
        names.durable.insert(name.clone(), id);
        names.live.insert(name, id);
    }

    /// Lets an event happen, which is the `no`th.
    pub(crate) fn happens(&mut self, no: usize, event: &Event) {
        match event {
            Event::Began { .. } | Event::Said { .. } => {}
            Event::Made { path, directory: true } => self.make(no, path, Node::Directory(Names::default())),
            Event::Made { path, directory: false } => self.make(no, path, Node::File(Content::default())),
            Event::Bound { path } => self.make(no, path, Node::Socket),
            Event::Wrote { path, at, bytes } => self.change(no, path, Change::Write(*at, Arc::clone(bytes))),
            Event::Resized { path, bytes } => self.change(no, path, Change::Resize(*bytes)),
            Event::Extended { path, bytes } => self.change(no, path, Change::Extend(*bytes)),
            Event::Renamed { from, to } => self.rename(no, from, to),
            Event::Linked { from, to } => {
                let id = self.find(from);
                let (directory, name) = self.parent(to);
                self.name(no, directory, Naming { removes: None, adds: Some((name, id)), moved_to: None });
            }
            Event::Removed { path } => {
                let (directory, name) = self.parent(path);
                self.name(no, directory, Naming { removes: Some(name), adds: None, moved_to: None });
            }
            Event::Synced { path, begun } => self.sync(path, *begun),
        }
    }

    fn make(&mut self, no: usize, path: &str, node: Node) {
        let (parent, name) = self.parent(path);
        if self.names(parent).live.contains_key(&name) {
            assert!(matches!(node, Node::File(_)), "{path} is made twice");
            return;
        }
        let id = self.nodes.len();
        self.nodes.push(node);
        self.name(no, parent, Naming { removes: None, adds: Some((name, id)), moved_to: None });
    }

    fn change(&mut self, no: usize, path: &str, change: Change) {
        let id = self.find(path);
        let Some(Node::File(content)) = self.nodes.get_mut(id) else { unreachable!("{path} is no file") };
        content.change(no, change);
    }

    fn rename(&mut self, no: usize, from: &str, to: &str) {
        let id = self.find(from);
        let ((old, from), (new, to)) = (self.parent(from), self.parent(to));
        if old == new {
            self.name(no, old, Naming { removes: Some(from), adds: Some((to, id)), moved_to: None });
        } else {
            self.name(no, new, Naming { removes: None, adds: Some((to, id)), moved_to: None });
            self.name(no, old, Naming { removes: Some(from), adds: None, moved_to: Some(new) });
        }
    }

    fn name(&mut self, no: usize, directory: Id, naming: Naming) {
        let names = self.names(directory);
        naming.happens(&mut names.live);
        names.unsynced.push((no, naming));
    }

    fn sync(&mut self, path: &str, begun: usize) {
        let id = self.find(path);
        match &mut self.nodes[id] {
            Node::File(content) => {
                content.sync(begun);
            }
            Node::Directory(names) => {
                let covered = names.unsynced.iter().take_while(|(no, _)| *no < begun).count();
                for (_, naming) in names.unsynced.drain(..covered) {
                    naming.happens(&mut names.durable);
                }
            }
            Node::Socket => unreachable!("{path} is synced"),
        }
    }

    /// Files that can be seen in a directory, with what can be read of them; hidden ones are passed over.
    pub(crate) fn visible(&self, directory: &str) -> BTreeMap<String, Vec<u8>> {
        let Some(Node::Directory(names)) = self.look(directory).map(|id| &self.nodes[id]) else {
            return BTreeMap::new();
        };
        let files = names.live.iter().filter(|(name, _)| !name.starts_with('.'));
        let read = |id: Id| match &self.nodes[id] {
            Node::File(content) => Some(content.live()),
            Node::Directory(_) | Node::Socket => None,
        };
        files.filter_map(|(name, id)| Some((name.clone(), read(*id)?))).collect()
    }

    /// The directories in a directory.
    pub(crate) fn directories(&self, directory: &str) -> Vec<String> {
        let Some(Node::Directory(names)) = self.look(directory).map(|id| &self.nodes[id]) else { return Vec::new() };
        let is_directory = |id: &Id| matches!(self.nodes[*id], Node::Directory(_));
        names.live.iter().filter(|(_, id)| is_directory(id)).map(|(name, _)| name.clone()).collect()
    }

    /// What is left when the power fails now, where `left` says how much for each file, and once for all names.
    pub(crate) fn cut(mut self, mut left: impl FnMut(&mut ChaCha12Rng) -> Left, random: &mut ChaCha12Rng) -> Self {
        let of_names = left(random);
        self.cut_names(of_names, random);
        for node in &mut self.nodes {
            if let Node::File(content) = node {
                let of_file = left(random);
                content.cut(of_file, random);
            }
        }
        self
    }

    fn cut_names(&mut self, left: Left, random: &mut ChaCha12Rng) {
        let mut namings: Vec<(usize, Id, Naming)> = Vec::new();
        for (id, node) in self.nodes.iter_mut().enumerate() {
            if let Node::Directory(names) = node {
                namings.extend(names.unsynced.drain(..).map(|(no, naming)| (no, id, naming)));
            }
        }
        // Of a rename into another directory, the new name comes first.
        namings.sort_by_key(|(no, _, naming)| (*no, naming.moved_to.is_some()));
        let mut lost: BTreeSet<(Id, String)> = BTreeSet::new();
        let mut gone: BTreeSet<(usize, Id)> = BTreeSet::new();
        for (no, id, naming) in namings {
            let touched: Vec<_> = naming.touches().map(|name| (id, name.to_owned())).collect();
            let follows_lost = touched.iter().any(|touched| lost.contains(touched));
            let before_new = naming.moved_to.is_some_and(|new| gone.contains(&(no, new)));
            if follows_lost || before_new || !left.keeps(no, random) {
                lost.extend(touched);
                gone.insert((no, id));
            } else {
                naming.happens(&mut self.names(id).durable);
            }
        }
        for node in &mut self.nodes {
            if let Node::Directory(names) = node {
                names.live = names.durable.clone();
            }
        }
    }

    /// Makes real what is on the disk, below `root`, where nothing of it is.
    pub(crate) fn materialise(&self, root: &Path) {
        let mut placed = BTreeMap::new();
        self.materialise_names(ROOT, root, &mut placed);
    }

    fn materialise_names(&self, directory: Id, place: &Path, placed: &mut BTreeMap<Id, PathBuf>) {
        let Node::Directory(names) = &self.nodes[directory] else { return };
        for (name, id) in &names.durable {
            let path = place.join(name);
            match &self.nodes[*id] {
                // SQLite makes it anew; its bytes were written through memory and are not known.
                Node::File(_) if name.ends_with("-shm") => {}
                Node::Socket => drop(UnixListener::bind(&path).expect("a socket")),
                Node::Directory(_) => {
                    if !path.is_dir() {
                        fs::create_dir(&path).expect("a directory");
                    }
                    self.materialise_names(*id, &path, placed);
                }
                Node::File(content) => {
                    if let Some(first) = placed.insert(*id, path.clone()) {
                        fs::hard_link(first, &path).expect("a second name");
                    } else if let Some(original) = &content.original {
                        fs::rename(original, &path).expect("an original");
                    } else {
                        content.write(&path);
                    }
                }
            }
        }
    }

    fn names(&mut self, directory: Id) -> &mut Names {
        match &mut self.nodes[directory] {
            Node::Directory(names) => names,
            _ => unreachable!("{directory} is used as a directory"),
        }
    }

    fn look(&self, path: &str) -> Option<Id> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(ROOT, |id, name| match &self.nodes[id] {
            Node::Directory(names) => names.live.get(name).copied(),
            _ => None,
        })
    }

    fn find(&self, path: &str) -> Id {
        self.look(path).unwrap_or_else(|| unreachable!("the trace speaks of {path:?} and not of its making"))
    }

    fn parent(&self, path: &str) -> (Id, String) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.find(parent), name.to_owned())
    }
}

impl Naming {
    fn happens(&self, names: &mut BTreeMap<String, Id>) {
        if let Some(name) = &self.removes {
            names.remove(name);
        }
        if let Some((name, id)) = &self.adds {
            names.insert(name.clone(), *id);
        }
    }

    fn touches(&self) -> impl Iterator<Item = &str> {
        self.removes.as_deref().into_iter().chain(self.adds.as_ref().map(|(name, _)| name.as_str()))
    }
}
