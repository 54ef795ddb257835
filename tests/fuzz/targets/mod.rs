//! One function for each decoder that is given foreign bytes. It takes any bytes at all, and asserts what must hold of
//! whatever the decoder makes of them. Run by libFuzzer, and by `tests/corpora.rs` on every test run.
//!
//! Where a checksum would keep all but the luckiest inputs out, the first byte says whether it is put right first.

mod kept;
mod learners;
mod said;
mod tables;
mod wire;
mod workbooks;

use std::path::Path;

/// Takes an input.
pub(crate) type Target = fn(&[u8]);

/// Every target by its name, which is also that of its directory of inputs.
pub(crate) const TARGETS: [(&str, Target); 17] = [
    ("checkpoint", wire::checkpoint),
    ("config", said::config),
    ("csv", tables::csv),
    ("entry", wire::entry),
    ("export", kept::export),
    ("frame", wire::frame),
    ("head", kept::head),
    ("headings", tables::headings),
    ("hello", wire::hello),
    ("ilr", learners::ilr),
    ("invite", said::invite),
    ("keyring", kept::keyring),
    ("message", wire::message),
    ("object", kept::object),
    ("register", said::register),
    ("request", said::request),
    ("workbook", workbooks::workbook),
];

/// A directory for one input, in memory where the machine has such a place: decoders that sync are not to wait for a disk.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("daybook-").tempdir_in(place).expect("a directory")
}
