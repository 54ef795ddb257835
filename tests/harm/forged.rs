//! A log written anew by somebody who can write to the disk: one entry is another, and every hash fits.

use std::{fs, path::Path};

use daybook_protocol::{
    batch::{Builder, Frame},
    date::Timestamp,
    head::{Head, SLOT_BYTES},
    tree::Frontier,
};

use crate::support::attack::batches;

/// Puts a log into a home in the place of the one that `exported` is of: entry `at` was recorded at another time in it. Batches,
/// roots and head are as they would be.
pub(crate) fn rewrite(home: &Path, exported: &[u8], at: u64) {
    let (mut frontier, mut forged, mut last) = (Frontier::default(), Vec::new(), None);
    for frame in batches(exported) {
        let header = frame.header();
        let mut builder = Builder::new(header.log, header.epoch, &frontier);
        for entry in frame.entries() {
            let mut entry = entry.expect("an entry");
            if entry.sequence.0 == at {
                entry.recorded_at = Timestamp(entry.recorded_at.0 + 1);
            }
            builder.push(&entry.encode().expect("small enough"), &mut frontier);
        }
        let frame: Frame = builder.finish(&frontier);
        forged.extend_from_slice(frame.bytes());
        last = Some(*frame.header());
    }
    let last = last.expect("a batch");
    let head = Head { generation: 1000, log: last.log, epoch: last.epoch, frontier };
    let mut slots = vec![0; 2 * SLOT_BYTES];
    let at = usize::try_from(head.offset()).expect("small");
    slots[at..at + SLOT_BYTES].copy_from_slice(&head.encode());
    fs::write(home.join("head"), slots).expect("written");
    fs::write(home.join("log/db"), forged).expect("written");
}
