//! An export can be checked by anyone: the program, and a reader of another make, agree about it.

mod harness;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use harness::{Desk, Fixture};
use serde_json::Value;

/// Reads an export with the Python of `examples/`.
fn python(export: &Path) -> (Option<i32>, Value) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/verify_export.py");
    said(&Command::new("python3").arg(script).arg(export).output().expect("python3 is installed: tests/run does that"))
}

fn verify(desk: &Desk, export: &Path) -> (Option<i32>, Value) {
    said(&desk.ask(&["verify", "--json", "--export", export.to_str().expect("text")]))
}

fn said(output: &Output) -> (Option<i32>, Value) {
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), json)
}

/// A log with some files in it, mirrored, and its export.
fn exported() -> (Desk, PathBuf) {
    let mut desk = Desk::new("mirrored");
    (0..2).for_each(|file| desk.drop_file(Fixture::enrolments(file, 400)));
    let mut running = desk.start(&["up"]);
    desk.until_filed(&mut running);
    harness::until("the central node's signature", || {
        let verified = &desk.json(&["verify"])[0];
        (verified["anchored_through"] == verified["entries"]).then_some(())
    });
    running.stop_well();
    let export = desk.beside("export");
    desk.told(&["export", export.to_str().expect("text")]);
    (desk, export)
}

/// Goal: two readers of different make and the log itself agree on entries, root and what was signed for. Method: export
/// a mirrored log and compare what each says.
#[test]
fn an_export_says_what_the_log_says() {
    let (desk, export) = exported();
    let log = desk.json(&["verify"]).remove(0);
    assert!(log["entries"].as_u64() > Some(800) && log["anchored_through"].is_u64(), "{log}");
    for (code, told) in [python(&export), verify(&desk, &export)] {
        assert_eq!(code, Some(0), "{told}");
        for field in ["entries", "root", "anchored_through", "ok"] {
            assert_eq!(told[field], log[field], "{field}");
        }
    }
}

/// Goal: any change to an export is seen by both readers. Method: flip one byte at many places, cut the end off, leave a
/// batch out, lengthen it; each must end with status 1.
#[test]
fn a_changed_export_is_damaged() {
    let (desk, export) = exported();
    let path = export.join("log.frames");
    let whole = fs::read(&path).expect("an export");
    let mut changed = Vec::new();
    for place in (0..16).map(|part| part * (whole.len() - 1) / 15) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        changed.push((format!("byte {place}"), bytes));
    }
    changed.push(("cut off".into(), whole[..whole.len() - 1].to_vec()));
    changed.push(("longer".into(), [whole.as_slice(), b"x"].concat()));
    let first = usize::try_from(u32::from_be_bytes(whole[8..12].try_into().expect("a length"))).expect("a length");
    changed.push(("first batch left out".into(), whole[first..].to_vec()));
    for (what, bytes) in changed {
        fs::write(&path, bytes).expect("written");
        for (code, told) in [python(&export), verify(&desk, &export)] {
            assert_eq!((code, &told["ok"]), (Some(1), &Value::Bool(false)), "{what}: {told}");
        }
    }
    fs::remove_file(&path).expect("removed");
    assert_eq!((python(&export).0, verify(&desk, &export).0), (Some(2), Some(2)));
}

/// Goal: a checkpoint that is not of this log is seen. Method: another log's checkpoint beside the frames.
#[test]
fn another_logs_checkpoint_is_damage() {
    let ((_one, ours), (desk, theirs)) = (exported(), exported());
    fs::copy(ours.join("checkpoint"), theirs.join("checkpoint")).expect("copied");
    assert_eq!(python(&theirs).0, Some(1));
    assert_eq!(verify(&desk, &theirs).0, Some(1));
}

/// Goal: an auditor need not trust the key that comes with an export. Method: the central node's own key beside a forged one,
/// and another central node's.
#[test]
fn an_auditor_brings_the_key() {
    let ((desk, ours), (_other, theirs)) = (exported(), exported());
    let with = |key: &Path| {
        let words = ["verify", "--json", "--export", ours.to_str().expect("text"), "--verifier"];
        said(&desk.ask(&[&words[..], &[key.to_str().expect("text")]].concat()))
    };
    let kept = desk.beside("kept");
    fs::copy(ours.join("verifier"), &kept).expect("copied");
    fs::write(ours.join("verifier"), "forged").expect("written");
    let (code, told) = with(&kept);
    assert_eq!((code, &told["ok"], told["anchored_through"].is_u64()), (Some(0), &Value::Bool(true), true), "{told}");
    assert_eq!(with(&theirs.join("verifier")).0, Some(1));
    assert_eq!(with(&desk.beside("nowhere")).0, Some(2));
}

/// Goal: nothing is overwritten. Method: export twice to the same place.
#[test]
fn an_export_overwrites_nothing() {
    let (desk, export) = exported();
    let before = fs::read(export.join("log.frames")).expect("an export");
    let again = desk.ask(&["export", export.to_str().expect("text")]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"));
    assert!(fs::read(export.join("log.frames")).expect("an export") == before);
}
