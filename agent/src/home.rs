//! Where everything lies in a data directory. The only place that names a file of ours.
//!
//! An agent has one home. A central node has one of its own and, under `logs/`, one for each log that it keeps a copy of,
//! laid out like an agent's, so that every command that reads a log reads a copy in the same way.

use std::path::{Path, PathBuf};

use daybook_protocol::ids::LogId;

/// A data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
        $($(#[$doc])* pub fn $name(&self) -> PathBuf { self.0.join($path) })*
    };
}

impl Home {
    /// The home at `directory`, which need not exist.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    places! {
        /// Held exclusively by whoever has the home open.
        lock = "lock";
        /// Held exclusively by the agent or central node that runs here, from its first moment on.
        running = "running";
        /// Log id, epoch and central node: who this home is.
        identity = "identity.toml";
        /// Who this home is to become, while a `recover` is under way.
        recovering = "recovering.toml";
        /// On a central node: which backup is being put back here, while a restore is under way.
        restoring = "restoring";
        /// Which branch of the log was moved aside, while a `recover --rejoin` is under way.
        rejoining = "rejoining.toml";
        /// The log as the central node has it, while a `recover --rejoin` fetches it: a home of its own, until it takes this one's place.
        rejoined = "rejoined";
        /// The configuration, unless `--config` names another.
        config = "daybook.toml";
        /// The directory of the log's store.
        log = "log";
        /// A store that is being made; it becomes `log` when it is whole.
        log_making = "log.making";
        /// Copies of a suspect store, to see whether it opens.
        log_probe = "log.probe";
        /// How far the log is durable.
        head = "head";
        /// A head that is being made.
        head_making = "head.making";
        /// Space set aside, to be given up when the disk is full.
        reserve = "reserve";
        /// Set while the store is open for writing; found on opening, it says that the last stop was not clean.
        unclean = "unclean";
        /// What the end of the store's file and the head were when the store was last closed in order.
        closed = "closed";
        /// Why the log is not to be opened, where its bytes were found damaged.
        damaged = "damaged";
        /// What the last scrub found, for `status`.
        scrubbed = "scrubbed.json";
        /// Wrapped keys, a file an epoch.
        keyring = "keyring";
        /// The key that wraps them, unless the configuration keeps it elsewhere.
        operator_key = "operator.key";
        /// Originals.
        vault = "vault";
        /// Folds of the log that can be thrown away.
        books = "books";
        /// Among them: the index as of some place, so that a start need not read the whole log.
        index = "books/index";
        /// In a copy of a log: the key that checks its checkpoints.
        verifier = "verifier";
        /// What the last `verify` found, for `status`.
        verified = "verified.json";
        /// The latest signed checkpoint of the central node.
        checkpoint = "checkpoint";
        /// The machine's TLS key and certificate, and the authority's certificate.
        tls = "tls";
        /// Receipts of files that a command handed over.
        receipts = "receipts";
        /// The local socket.
        socket = "control.sock";
        /// On a central node: its authority's keys.
        authority = "authority";
        /// On a central node: who may connect.
        registry = "registry.json";
        /// On a central node: the logs it keeps copies of.
        logs = "logs";
        /// In a copy of a log: before which place no original is missing. Derived; only saves a walk through the log.
        originals = "originals";
        /// What is kept of a damaged or abandoned log.
        evidence = "evidence";
    }

    /// On a central node: the home of its copy of a log.
    #[must_use]
    pub fn copy_of(&self, log: LogId) -> Self {
        Self(self.logs().join(log.to_string()))
    }
}
