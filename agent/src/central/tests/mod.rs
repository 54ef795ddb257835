//! A central node and its agents over real TLS on this machine, with real stores.

mod joining;
mod network;
mod registry;
mod support;
