//! Founding: a home that has no identity yet gets its log and one.

use daybook_protocol::{
    head::{Head, SLOT_BYTES},
    ids::{Epoch, LogId},
};
use rand::RngExt as _;

use super::{CACHE_BYTES, OfficeError, RESERVE_BYTES};
use crate::{
    durable,
    home::Home,
    identity::Identity,
    store::{self, Store},
};

/// Makes a new log, or goes on making one: the store is there before the identity, and has its place before its head.
pub(super) fn found(home: &Home) -> Result<(Identity, Store), OfficeError> {
    if home.tls().exists() || home.checkpoint().exists() {
        // A new identity would know of no central node, and the log would silently be mirrored no more.
        let log = log_of(home).map_or_else(|| "LOG".to_owned(), |log| log.to_string());
        return Err(OfficeError::IdentityMissing { home: home.path().to_owned(), log });
    }
    let store = if store::exists(home) {
        Store::open(home, CACHE_BYTES)?
    } else {
        let log = LogId(rand::rng().random());
        Store::create(home, log, Epoch::FIRST, RESERVE_BYTES)?
    };
    let identity = Identity { log: store.head().log, epoch: store.head().epoch, central: None };
    identity.save(home)?;
    Ok((identity, store))
}

/// The log that lies in a home, where its head says so.
fn log_of(home: &Home) -> Option<LogId> {
    let head = durable::read_bounded(&home.head(), 2 * SLOT_BYTES as u64).ok()??;
    Head::of_file(&head).map(|head| head.log)
}
