//! A central node and its agents over real TLS on this machine, with real stores.

mod network;
mod registry;
mod support;
