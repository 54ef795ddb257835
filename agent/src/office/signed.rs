//! What the central node signed for, held against a log before anything is written to it.

use daybook_protocol::ids::Sequence;

use super::OfficeError;
use crate::{home::Home, identity::Identity, replicate::kept_checkpoint, store::StoreReader};

/// Refuses a log that is not the one of which the central node has signed for so many entries, or that ends before them. Of the
/// entries up to there nothing is read but the last batch: that they are what its root says is for `daybook verify`.
pub(super) fn agrees(home: &Home, identity: &Identity, entries: &StoreReader) -> Result<(), OfficeError> {
    let Some(central) = &identity.central else { return Ok(()) };
    // That the identity's key is one was seen when it was loaded.
    let Ok(verifier) = central.verifier() else { return Ok(()) };
    let failed = |source| OfficeError::Disk { path: home.checkpoint(), source };
    // One that is damaged says nothing; a scrub tells of it, and the next replaces it.
    let Some(signed) = kept_checkpoint(home, identity.log, &verifier).map_err(failed)? else { return Ok(()) };
    let Some(last) = signed.count.checked_sub(1) else { return Ok(()) };
    let other = || OfficeError::NotAsSigned { home: home.path().to_owned(), signed: signed.count };
    if signed.count > entries.count() {
        return Err(other());
    }
    let frame = entries.frames(Sequence(last)).next().ok_or_else(other)??;
    // What is signed for ends with a batch.
    if (frame.header().end().0, frame.header().root) == (signed.count, signed.root) { Ok(()) } else { Err(other()) }
}
