//! The syncs of the program, by what they make durable.

/// One kind of sync.
pub(crate) struct Sync {
    /// What it makes durable.
    pub(crate) name: &'static str,
    /// Whether a path is synced for that.
    path: fn(&str) -> bool,
}

impl Sync {
    /// Whether a sync of this path is one of this kind.
    pub(crate) fn is(&self, path: &str) -> bool {
        (self.path)(path)
    }
}

/// Each kind, and which paths are synced for it.
pub(crate) const SYNCS: &[Sync] = &[
    Sync { name: "batches", path: |path| path == "data/log/db" },
    Sync { name: "head", path: |path| path == "data/head" },
    Sync { name: "keys", path: |path| path.ends_with(".keys") },
    Sync { name: "name of the keys", path: |path| path == "data/keyring" },
    Sync { name: "originals in the vault", path: |path| path.starts_with("data/vault/tmp/") },
    Sync { name: "names in the vault", path: |path| path == "data/vault" || is_shard(path) },
    Sync { name: "receipts", path: |path| path.ends_with(".part") },
    Sync { name: "names of receipts", path: |path| path.ends_with("/receipts") },
    Sync { name: "names in done", path: |path| path.starts_with("drop/done/") },
    Sync { name: "months in done", path: |path| path == "drop/done" },
    Sync { name: "names in in", path: |path| path == "drop/in" },
    Sync { name: "names in held", path: |path| path == "drop/held" },
    Sync { name: "parts of the folder", path: |path| path == "drop" },
    Sync { name: "names in the home", path: |path| path == "data" },
    Sync { name: "name of the home", path: str::is_empty },
    Sync { name: "identity", path: |path| path == "data/identity.toml.new" },
    Sync { name: "operator's key", path: |path| path.starts_with("data/.operator-key-") },
    Sync { name: "new store", path: |path| path.starts_with("data/log.making") },
    Sync { name: "new head", path: |path| path == "data/head.making" },
    Sync { name: "names in the store", path: |path| path == "data/log" },
    Sync { name: "marks", path: |path| path == "data/unclean" || path == "data/closed" },
    Sync { name: "reserve", path: |path| path == "data/reserve" },
    Sync { name: "books", path: |path| path.starts_with("data/books") },
];

fn is_shard(path: &str) -> bool {
    path.strip_prefix("data/vault/").is_some_and(|name| name.len() == 2)
}
