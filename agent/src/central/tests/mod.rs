//! A central node and its agents over real TLS on this machine, with real stores; and simulated, with everything that can go
//! wrong.

mod backup;
mod joining;
mod network;
mod registry;
mod simulation;
mod support;
