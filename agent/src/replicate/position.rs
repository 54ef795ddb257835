//! How far the mirroring is: as it is told to whoever asks, and as the central node signed for it.

use std::io;

use daybook_protocol::{
    checkpoint::{Checkpoint, NOTE_BYTES_MAX, Verifier},
    date::Timestamp,
    ids::{LogId, Sequence},
};

use super::Refused;
use crate::{durable, home::Home};

/// How far the central node is, as seen from the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// So many entries are behind the central barrier, with the keys that open them.
    pub log_through: u64,
    /// Every original of an arrival before this place is there too.
    pub originals_through: Sequence,
    /// Whether the central node is connected now.
    pub connected: bool,
    /// Why one side turned the other away, if it did, and what to do.
    pub refused: Option<Refused>,
    /// Why there is no connection, for a person, where nobody was turned away.
    pub trouble: Option<String>,
    /// When the central node last said something, by this machine's clock.
    pub last_contact: Option<Timestamp>,
    /// How far the central node's clock was ahead of this machine's when it was last asked, in microseconds, the way included.
    pub clock_ahead_us: Option<i64>,
}

/// The checkpoint of `log` that was kept last in `home`; `None` if there is none that is good.
pub fn kept_checkpoint(home: &Home, log: LogId, verifier: &Verifier) -> io::Result<Option<Checkpoint>> {
    let note = durable::read_bounded(&home.checkpoint(), NOTE_BYTES_MAX as u64)?;
    let note = note.and_then(|note| String::from_utf8(note).ok());
    let kept = note.and_then(|note| Checkpoint::open(&note, verifier).ok());
    Ok(kept.filter(|kept| kept.log == log))
}
