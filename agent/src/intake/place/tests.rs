use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::*;
use crate::intake::folder::tests::{change_after, folder, look};

/// 00:30 on 1 July in London, still June in UTC.
const RECEIVED_AT: Timestamp = Timestamp(1_782_862_200_000_000);

struct Stand {
    _home: TempDir,
    folder: Folder,
}

impl Stand {
    fn new() -> Self {
        let (home, folder) = folder("");
        Self { _home: home, folder }
    }

    fn write(&self, name: &str, text: &str) -> Version {
        fs::write(self.folder.drop().join(name), text).expect("written");
        version_of(&self.folder.drop().join(name))
    }

    fn file(&self, version: Version, to: Place) -> Filed {
        file_away(&self.folder, &filing(version), to).expect("filed")
    }

    fn done(&self, name: &str) -> PathBuf {
        self.folder.done().join("2026-07").join(name)
    }
}

fn version_of(path: &Path) -> Version {
    look(path).identity.version()
}

fn filing(version: Version) -> Filing<'static> {
    Filing { name: "a.csv", version, receipt: Sequence(7), received_at: RECEIVED_AT }
}

fn text(path: PathBuf) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Goal: an original goes where it belongs, and filing it again, as after a crash, changes nothing. Method: twice to each
/// place; from `held/` on to `done/` although `in/` has a new file of that name.
#[test]
fn filing_twice_is_filing_once() {
    let stand = Stand::new();
    let version = stand.write("a.csv", "one");
    assert_eq!(stand.file(version, Place::Nowhere), Filed::Done);
    for _ in 0..2 {
        assert_eq!(stand.file(version, Place::Held), Filed::Done);
        assert_eq!(text(stand.folder.held().join("7_a.csv")).as_deref(), Some("one"));
    }
    let next = stand.write("a.csv", "next");
    for _ in 0..2 {
        assert_eq!(stand.file(version, Place::Done), Filed::Done);
        assert_eq!(text(stand.done("7_a.csv")).as_deref(), Some("one"));
    }
    assert_eq!(fs::read_dir(stand.folder.held()).expect("listed").count(), 0);
    assert_eq!(text(stand.folder.drop().join("a.csv")).as_deref(), Some("next"), "a later arrival is not touched");
    assert_eq!(
        file_away(&stand.folder, &Filing { receipt: Sequence(8), ..filing(next) }, Place::Done).expect("filed"),
        Filed::Done
    );
    assert_eq!(text(stand.done("8_a.csv")).as_deref(), Some("next"));
}

/// Goal: a crash at any step of the move is taken up where it stopped. Method: the steps by hand, with and without a
/// marker: directories made, renamed but the marker still there.
#[test]
fn a_crash_within_the_move_is_taken_up() {
    let stand = Stand::new();
    let version = stand.write("a.csv", "one");
    fs::write(stand.folder.drop().join("a.csv.done"), "").expect("written");
    fs::create_dir_all(stand.done("")).expect("made");
    fs::rename(stand.folder.drop().join("a.csv"), stand.done("7_a.csv")).expect("renamed");
    assert_eq!(stand.file(version, Place::Done), Filed::Done);
    assert_eq!(fs::read_dir(stand.folder.drop()).expect("listed").count(), 0, "the marker has gone too");
    assert_eq!(text(stand.done("7_a.csv")).as_deref(), Some("one"));
}

/// Goal: a move of which the power left the new name and not the end of the old one is finished. Method: both names by
/// hand, for a file in `in/` and for one in `held/`.
#[test]
fn a_move_left_with_two_names_is_finished() {
    for held in [false, true] {
        let stand = Stand::new();
        let version = stand.write("a.csv", "one");
        let mut from = stand.folder.drop().join("a.csv");
        if held {
            assert_eq!(stand.file(version, Place::Held), Filed::Done);
            from = stand.folder.held().join("7_a.csv");
        }
        fs::create_dir_all(stand.done("")).expect("made");
        fs::hard_link(&from, stand.done("7_a.csv")).expect("linked");
        assert_eq!(stand.file(version, Place::Done), Filed::Done);
        assert_eq!((text(from), text(stand.done("7_a.csv")).as_deref()), (None, Some("one")));
    }
}

/// Goal: the longest name that is taken can be filed too. Method: one that leaves no room for a marker's ending.
#[test]
fn the_longest_name_is_filed() {
    let stand = Stand::new();
    let name = format!("{}.csv", "a".repeat(name::NAME_BYTES_MAX - 4));
    let version = stand.write(&name, "one");
    let filing = Filing { name: &name, ..filing(version) };
    assert_eq!(file_away(&stand.folder, &filing, Place::Done).expect("filed"), Filed::Done);
    assert_eq!(file_away(&stand.folder, &filing, Place::Done).expect("filed again"), Filed::Done);
    assert_eq!(fs::read_dir(stand.folder.drop()).expect("listed").count(), 0);
}

/// Goal: only the version that was taken is moved. Method: rewritten, replaced by an equal copy, and taken away.
#[test]
fn another_version_stays() {
    let stand = Stand::new();
    let version = stand.write("a.csv", "one");
    let path = stand.folder.drop().join("a.csv");
    stand.write("a.csv", "two, longer");
    assert_eq!(stand.file(version, Place::Done), Filed::Changed);
    fs::copy(&path, path.with_extension("new")).expect("copied");
    let version = version_of(&path);
    fs::rename(path.with_extension("new"), &path).expect("replaced");
    assert_eq!(stand.file(version, Place::Done), Filed::Changed, "the same bytes, but another file");
    assert!(path.exists());
    fs::remove_file(&path).expect("removed");
    assert_eq!(stand.file(version, Place::Done), Filed::Missing);
    assert_eq!(fs::read_dir(stand.done("")).expect("listed").count(), 0);
}

/// Goal: nothing is overwritten. Method: originals of another log under the names that ours would have; the move and its
/// repetition.
#[test]
fn nothing_is_overwritten() {
    let stand = Stand::new();
    fs::create_dir_all(stand.done("")).expect("made");
    fs::write(stand.done("7_a.csv"), "another log's").expect("written");
    fs::create_dir(stand.done("7_2_a.csv")).expect("made");
    let version = stand.write("a.csv", "one");
    for _ in 0..2 {
        assert_eq!(stand.file(version, Place::Done), Filed::Done);
        assert_eq!(text(stand.done("7_a.csv")).as_deref(), Some("another log's"));
        assert_eq!(text(stand.done("7_3_a.csv")).as_deref(), Some("one"));
        assert!(!stand.done("7_4_a.csv").exists());
    }
}

/// Goal: a marker goes with its file, unless it has something in it or belongs to the next file. Method: each of them.
#[test]
fn markers_go_with_their_file() {
    let stand = Stand::new();
    let marker = stand.folder.drop().join("a.csv.done");
    for (contents, stays) in [("", false), ("control total 5", true)] {
        let version = stand.write("a.csv", "one");
        fs::write(&marker, contents).expect("written");
        assert_eq!(stand.file(version, Place::Done), Filed::Done);
        assert_eq!(marker.exists(), stays);
        fs::remove_file(stand.done("7_a.csv")).expect("removed");
    }
    let version = stand.write("a.csv", "one");
    assert_eq!(stand.file(version, Place::Done), Filed::Done);
    let moved_at = look(&stand.done("7_a.csv")).identity.changed_at;
    change_after(moved_at, &marker, || fs::write(&marker, "").expect("written"));
    assert_eq!(stand.file(version, Place::Done), Filed::Done, "repeated after a crash");
    assert!(marker.exists(), "it came after the move and belongs to the next file");
}

/// Goal: a link in the place of `done/` leads nowhere. Method: a link to another directory.
#[test]
fn a_linked_destination_is_refused() {
    let stand = Stand::new();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let version = stand.write("a.csv", "one");
    fs::remove_dir(stand.folder.done()).expect("removed");
    std::os::unix::fs::symlink(elsewhere.path(), stand.folder.done()).expect("linked");
    assert!(matches!(file_away(&stand.folder, &filing(version), Place::Done), Err(IntakeError::Move { .. })));
    assert_eq!(fs::read_dir(elsewhere.path()).expect("listed").count(), 0);
    assert!(stand.folder.drop().join("a.csv").exists());
}

/// Goal: a version that slipped in at the last moment goes back unread, and what took its name meanwhile stays. Method: the
/// way back by hand, with the name free and taken.
#[test]
fn what_slipped_in_goes_back() {
    let stand = Stand::new();
    let (drop, held) =
        (Dir::open(&stand.folder.drop()).expect("opens"), Dir::open(&stand.folder.held()).expect("opens"));
    for (taken, expected) in [(false, "a.csv"), (true, "7_a.csv")] {
        fs::write(stand.folder.held().join("7_a.csv"), "slipped in").expect("written");
        let _ = fs::remove_file(stand.folder.drop().join("a.csv"));
        if taken {
            stand.write("a.csv", "later");
        }
        assert_eq!(put_back(&drop, "a.csv", &held, "7_a.csv").expect("put back"), Filed::Changed);
        assert_eq!(text(stand.folder.drop().join(expected)).as_deref(), Some("slipped in"));
    }
    assert_eq!(text(stand.folder.drop().join("a.csv")).as_deref(), Some("later"));
}

/// Goal: the move to another file system loses nothing, keeps the time, and refuses what changed. Method: the copy itself
/// between two directories; its leftovers; a changed source.
#[test]
fn the_copy_to_another_file_system_is_whole() {
    let stand = Stand::new();
    let (drop, held) =
        (Dir::open(&stand.folder.drop()).expect("opens"), Dir::open(&stand.folder.held()).expect("opens"));
    let version = stand.write("a.csv", "one");
    fs::write(stand.folder.held().join(".7.part"), "left by a crash, and longer").expect("written");
    copy_over(&drop, "a.csv", &held, "7_a.csv", &filing(version)).expect("copied");
    assert!(!stand.folder.drop().join("a.csv").exists());
    let copy = version_of(&stand.folder.held().join("7_a.csv"));
    assert_eq!((copy.bytes, copy.modified_at), (3, version.modified_at));
    assert_eq!(fs::read_dir(stand.folder.held()).expect("listed").count(), 1);
    stand.write("a.csv", "changed");
    assert!(
        copy_over(&drop, "a.csv", &held, "8_a.csv", &filing(version))
            .is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
    );
    assert!(stand.folder.drop().join("a.csv").exists());
}

/// Goal: after a crash between the copy and the removal, the source goes only if the copy has its bytes. Method: where
/// this machine has a second file system, an equal copy and one of the same length and time.
#[test]
fn a_copy_counts_only_with_the_same_bytes() {
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let stand = Stand::new();
    for (copied, removed) in [("one", true), ("two", false)] {
        let version = stand.write("a.csv", "one");
        let path = other.path().join("7_a.csv");
        fs::write(&path, copied).expect("written");
        let written = File::options().write(true).open(&path).expect("opens");
        dir::set_modified(&written, version.modified_at).expect("set");
        let places = Places {
            drop: Dir::open(&stand.folder.drop()).expect("opens"),
            held: Dir::open(&stand.folder.held()).expect("opens"),
            month: Some(Dir::open(other.path()).expect("opens")),
        };
        if places.drop.file_id().expect("an id").device == places.target().file_id().expect("an id").device {
            return;
        }
        assert_eq!(places.file_away(&filing(version)).expect("filed"), Filed::Done);
        assert!(!stand.folder.drop().join("a.csv").exists());
        assert_eq!(text(path).as_deref(), Some(copied));
        let moved = text(other.path().join("7_2_a.csv"));
        assert_eq!(moved.as_deref(), if removed { None } else { Some("one") }, "copied beside what is not it");
    }
}
