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

/// Goal: any change to the batches, to `head.json` or to what a checkpoint says is seen by both readers, and one to its signature
/// or key by the program; the Python reader says that it did not check those. Method: flip one byte at many places, cut the end
/// off, leave a batch out, first or last, lengthen it; each must end with status 1.
#[test]
fn a_changed_export_is_damaged() {
    let (desk, export) = exported();
    let frames = fs::read(export.join("log.frames")).expect("an export");
    let checkpoint = fs::read_to_string(export.join("checkpoint")).expect("a checkpoint");
    let said = checkpoint.find("\n\n").expect("what is signed, then the signature") + 2;
    let lengths = lengths(&frames);
    let first = lengths.first().expect("a batch");
    let last = lengths.last().expect("a batch");
    let mut changed = vec![
        ("log.frames", "cut off", frames[..frames.len() - 1].to_vec()),
        ("log.frames", "longer", [frames.as_slice(), b"x"].concat()),
        ("log.frames", "first batch left out", frames[*first..].to_vec()),
        ("log.frames", "last batch left out", frames[..frames.len() - last].to_vec()),
        ("log.frames", "empty", Vec::new()),
        ("head.json", "empty", Vec::new()),
        ("checkpoint", "empty", Vec::new()),
    ];
    for name in ["log.frames", "head.json", "checkpoint", "verifier"] {
        let whole = fs::read(export.join(name)).expect("a file");
        for place in (0..16).map(|part| part * (whole.len() - 1) / 15) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            changed.push((name, if name == "checkpoint" && place >= said { "signature" } else { "a byte" }, bytes));
        }
    }
    for (name, what, bytes) in changed {
        let path = export.join(name);
        let whole = fs::read(&path).expect("a file");
        fs::write(&path, bytes).expect("written");
        let (code, told) = verify(&desk, &export);
        assert_eq!((code, &told["ok"]), (Some(1), &Value::Bool(false)), "{name}, {what}: {told}");
        let (code, told) = python(&export);
        if name == "verifier" || (what == "signature" && code == Some(0)) {
            assert_eq!((code, &told["signature_checked"]), (Some(0), &Value::Bool(false)), "{name}, {what}: {told}");
        } else {
            assert_eq!((code, &told["ok"]), (Some(1), &Value::Bool(false)), "{name}, {what}: {told}");
        }
        fs::write(&path, whole).expect("as it was");
    }
    assert_eq!((python(&export).0, verify(&desk, &export).0), (Some(0), Some(0)));
}

/// Goal: what every export has is missed. Method: take each file away in turn.
#[test]
fn what_is_left_out_of_an_export_is_missed() {
    let (desk, export) = exported();
    for (name, by_program, by_python) in [("log.frames", 2, 2), ("head.json", 1, 1), ("verifier", 1, 0)] {
        let path = export.join(name);
        let whole = fs::read(&path).expect("a file");
        fs::remove_file(&path).expect("removed");
        assert_eq!((verify(&desk, &export).0, python(&export).0), (Some(by_program), Some(by_python)), "{name}");
        fs::write(&path, whole).expect("as it was");
    }
    // An export without a checkpoint may be one of a log that nobody has signed for; whoever brings the key knows better.
    let key = desk.beside("key");
    fs::copy(export.join("verifier"), &key).expect("copied");
    fs::remove_file(export.join("checkpoint")).expect("removed");
    assert_eq!((verify(&desk, &export).0, python(&export).0), (Some(0), Some(0)));
    let words = ["verify", "--export", export.to_str().expect("text"), "--verifier", key.to_str().expect("text")];
    assert_eq!(desk.ask(&words).status.code(), Some(1));
}

/// How long each batch of an export is.
fn lengths(mut frames: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some((start, _)) = frames.split_at_checked(12) {
        let length = u32::from_be_bytes(start[8..].try_into().expect("four bytes"));
        lengths.push(usize::try_from(length).expect("a length"));
        frames = &frames[*lengths.last().expect("one")..];
    }
    lengths
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
