//! What the last scrub found, in a file beside the log: on a central node there is no other place for it, and where the log
//! itself is damaged nothing is written to that.

use super::{Found, ScrubError};
use crate::{durable, home::Home};

/// Far more than [`super::NAMED_MAX`] damaged things take.
const BYTES_MAX: u64 = 1 << 20;

/// What the last scrub of a home found, where there was one.
pub fn load(home: &Home) -> Option<Found> {
    // A note that cannot be read is as good as none: the next scrub writes another.
    let bytes = durable::read_bounded(&home.scrubbed(), BYTES_MAX).ok().flatten()?;
    serde_json::from_slice(&bytes).ok()
}

/// Keeps what a scrub found.
pub fn save(home: &Home, found: &Found) -> Result<(), ScrubError> {
    let path = home.scrubbed();
    let written = serde_json::to_vec(found).map_err(std::io::Error::other);
    let written = written.and_then(|bytes| durable::write_whole(&path, &bytes));
    written.map_err(|source| ScrubError::Note { path, source })
}
