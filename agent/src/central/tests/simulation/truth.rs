//! What was ever durable on any machine, and what must hold of the central node's copy at every moment.

use std::collections::{BTreeMap, BTreeSet};

use daybook_protocol::{
    batch::Frame,
    event::Event,
    ids::{Digest, KeyId, Sequence},
    tree::Frontier,
    wire::Mirrored,
};

use super::disk::Contents;

/// How far a log goes: count and root, which stands for all before it.
pub(super) type Place = (u64, Digest);

struct Batch {
    before: Place,
    keys: BTreeSet<KeyId>,
    arrivals: Vec<(Sequence, Digest)>,
}

/// Every batch that was ever durable on the machine that wrote it, and what the central node has said and kept.
pub(super) struct Truth {
    batches: BTreeMap<Place, Batch>,
    /// Where the copy was when it was last looked at.
    copy: Place,
    /// How far it was said to be.
    promised: u64,
}

impl Truth {
    pub(super) fn new() -> Self {
        Self { batches: BTreeMap::new(), copy: beginning(), promised: 0 }
    }

    /// Notes what is durable of a machine's log.
    pub(super) fn learn(&mut self, contents: &Contents) {
        let end = contents.log.durable.count();
        for frame in contents.log.frames.iter().rev().skip_while(|frame| frame.header().end().0 > end) {
            let place = behind(frame);
            if self.batches.contains_key(&place) {
                return;
            }
            self.batches.insert(place, Batch::of(frame));
        }
    }

    /// Whether a log at `place` has all that one at `earlier` has.
    pub(super) fn continues(&self, place: Place, earlier: Place) -> bool {
        let mut at = place;
        while at.0 > earlier.0 {
            let Some(batch) = self.batches.get(&at) else { return false };
            at = batch.before;
        }
        at == earlier
    }

    /// The originals that a log names.
    pub(super) fn originals(&self, contents: &Contents) -> BTreeSet<Digest> {
        let batches = contents.log.frames.iter().filter_map(|frame| self.batches.get(&behind(frame)));
        batches.flat_map(|batch| &batch.arrivals).map(|(_, sha256)| *sha256).collect()
    }

    /// The copy was put back from an older backup: what was promised beyond it is to be sent again.
    pub(super) fn restored(&mut self, contents: &Contents) {
        self.copy = safe(contents);
        self.promised = self.promised.min(self.copy.0);
    }

    /// Looks at the copy: one history of the log, nothing overwritten, nothing missing that was promised, no batch before its
    /// keys.
    pub(super) fn look(&mut self, contents: &Contents) -> Result<(), String> {
        let place = safe(contents);
        if place.0 < self.promised {
            return Err(format!("{} entries were acknowledged and {} are left", self.promised, place.0));
        }
        if !self.continues(place, beginning()) {
            return Err(format!("the copy at {} is no history of the log", place.0));
        }
        if !self.continues(place, self.copy) {
            return Err(format!("the copy went from {} to {} and not on", self.copy.0, place.0));
        }
        for frame in contents.log.frames.iter().rev().take_while(|frame| frame.header().end().0 > self.copy.0) {
            if let Some(key) = Batch::of(frame).keys.into_iter().find(|key| !contents.has_key(*key)) {
                return Err(format!("the batch at {} is there before its key {key}", frame.header().first));
            }
        }
        self.copy = place;
        Ok(())
    }

    /// The central node says how far it is: it is all there, whatever happens next.
    pub(super) fn promise(&mut self, said: &Mirrored, contents: &Contents) -> Result<(), String> {
        let place = safe(contents);
        if !self.continues(place, (said.count, said.root)) {
            return Err(format!("{} entries are acknowledged and {} are durable", said.count, place.0));
        }
        let here = contents.keys_held();
        let short =
            said.keys.iter().find(|said| !here.iter().any(|here| here.epoch == said.epoch && here.count >= said.count));
        if let Some(short) = short {
            return Err(format!("{} keys of epoch {} are acknowledged and not durable", short.count, short.epoch));
        }
        for frame in &contents.log.frames {
            if frame.header().first >= said.originals_through {
                break;
            }
            let batch = self.batches.get(&behind(frame));
            let arrivals = batch.map(|batch| batch.arrivals.as_slice()).unwrap_or_default();
            let missing =
                |(at, sha256): &&(Sequence, Digest)| *at < said.originals_through && !contents.has_object(*sha256);
            if let Some((at, _)) = arrivals.iter().find(missing) {
                return Err(format!("the original of entry {at} is acknowledged and not durable"));
            }
        }
        self.promised = self.promised.max(said.count);
        Ok(())
    }
}

impl Batch {
    fn of(frame: &Frame) -> Self {
        let header = frame.header();
        let mut batch =
            Self { before: (header.first.0, header.previous_root), keys: BTreeSet::new(), arrivals: Vec::new() };
        for entry in frame.entries() {
            let entry = entry.expect("its own entries");
            batch.keys.extend(entry.sealed.map(|sealed| sealed.key));
            if let Event::FileReceived(arrival) = entry.event {
                batch.keys.insert(arrival.key);
                batch.arrivals.push((entry.sequence, arrival.sha256));
            }
        }
        batch
    }
}

/// The place before the first entry.
pub(super) fn beginning() -> Place {
    (0, Frontier::default().root())
}

fn behind(frame: &Frame) -> Place {
    (frame.header().end().0, frame.header().root)
}

/// How far a log goes after any crash.
fn safe(contents: &Contents) -> Place {
    let last = contents.log.frames.iter().find(|frame| frame.header().end().0 == contents.safe);
    last.map_or(beginning(), behind)
}
