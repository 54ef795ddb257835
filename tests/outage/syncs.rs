//! The syncs of the program, by what they make durable.

/// One kind of sync.
pub(crate) struct Sync {
    /// What it makes durable.
    pub(crate) name: &'static str,
    /// Whether a path is synced for that.
    path: fn(&str) -> bool,
    /// Why nothing fails without it, if nothing does.
    pub(crate) needless: Option<&'static str>,
}

impl Sync {
    /// Whether a sync of this path is one of this kind.
    pub(crate) fn is(&self, path: &str) -> bool {
        (self.path)(path)
    }
}

/// Each kind, and which paths are synced for it.
pub(crate) const SYNCS: &[Sync] = &[
    Sync { name: "batches", path: |path| path == "data/log/db", needless: None },
    Sync {
        name: "head",
        path: |path| path == "data/head",
        needless: Some(
            "a log that goes on behind its head is adopted: the head is there to tell that a log lost its end",
        ),
    },
    Sync { name: "keys", path: |path| path.starts_with("data/keyring/"), needless: None },
    Sync { name: "name of the keys", path: |path| path == "data/keyring", needless: None },
    Sync { name: "originals in the vault", path: |path| path.starts_with("data/vault/tmp/"), needless: None },
    Sync { name: "names in the vault", path: |path| path == "data/vault" || is_shard(path), needless: None },
    Sync { name: "receipts", path: |path| path.contains("/receipts/."), needless: None },
    Sync { name: "names of receipts", path: |path| path.ends_with("/receipts"), needless: None },
    Sync { name: "names in done", path: |path| path.starts_with("drop/done/"), needless: None },
    Sync { name: "months in done", path: |path| path == "drop/done", needless: None },
    Sync { name: "names in in", path: |path| path == "drop/in", needless: None },
    Sync {
        name: "names in held",
        path: |path| path == "drop/held",
        needless: Some("nothing is held in the recording; to `held/` and out of it lead the same lines as to `done/`"),
    },
    Sync { name: "parts of the folder", path: |path| path == "drop", needless: None },
    Sync { name: "names in the home", path: |path| path == "data", needless: None },
    Sync { name: "name of the home", path: str::is_empty, needless: None },
    Sync { name: "identity", path: |path| path == "data/identity.toml.new", needless: None },
    Sync { name: "operator's key", path: |path| path.starts_with("data/.operator-key-"), needless: None },
    Sync { name: "new store", path: |path| path.starts_with("data/log.making"), needless: None },
    Sync { name: "new head", path: |path| path == "data/head.making", needless: None },
    Sync {
        name: "names in the store",
        path: |path| path == "data/log",
        needless: Some(
            "only snapshots of the store come and go there, and an older one or none opens as well, only slower",
        ),
    },
    Sync {
        name: "marks",
        path: |path| path == "data/unclean" || path == "data/closed",
        needless: Some(
            "their names are synced with the home; an empty mark of a clean stop is none, and the store is looked into",
        ),
    },
    Sync { name: "reserve", path: |path| path == "data/reserve", needless: Some("only room is made sure of by it") },
    Sync {
        name: "books",
        path: |path| path.starts_with("data/books"),
        needless: Some("they are folded from the log again"),
    },
];

fn is_shard(path: &str) -> bool {
    path.strip_prefix("data/vault/").is_some_and(|name| name.len() == 2)
}

/// The kind of that name.
pub(crate) fn sync_of(name: &str) -> &'static Sync {
    SYNCS.iter().find(|sync| sync.name == name).unwrap_or_else(|| unreachable!("no sync is called {name}"))
}
