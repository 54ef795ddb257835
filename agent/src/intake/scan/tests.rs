use std::{
    ffi::OsStr,
    fs,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use super::*;
use crate::intake::{
    folder::tests::{change_after, folder, look},
    prepare,
};

mod order;

const QUIET: Duration = Duration::from_secs(10);

/// A folder, its scanner, and a clock that stands still until it is told.
struct Stand {
    home: TempDir,
    folder: Folder,
    scanner: Scanner,
    now: Instant,
}

impl Stand {
    fn new(toml: &str) -> Self {
        let (home, folder) = folder(toml);
        let scanner = Scanner::new(folder.clone(), 1000);
        Self { home, folder, scanner, now: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.drop().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn scan_after(&mut self, wait: Duration) -> Scan {
        self.now += wait;
        self.scanner.scan(self.now).expect("scanned")
    }

    /// The names that are ready after some time.
    fn ready_after(&mut self, wait: Duration) -> Vec<(String, Completion)> {
        self.scan_after(wait).ready.into_iter().map(|ready| (ready.name, ready.completed_by)).collect()
    }
}

fn quiet(name: &str) -> Vec<(String, Completion)> {
    vec![(name.to_owned(), Completion::Quiet)]
}

fn none() -> Vec<(String, Completion)> {
    Vec::new()
}

/// Goal: whatever is no ordinary file with an ordinary name is refused by its reason, once, and never followed. Method:
/// one of each kind beside a good file; a second scan; a second scanner that knows what the log has.
#[test]
fn what_could_lead_elsewhere_is_refused() {
    let mut stand = Stand::new("");
    let outside = stand.home.path().join("outside.csv");
    fs::write(&outside, "secret").expect("written");
    symlink(&outside, stand.path("link.csv")).expect("linked");
    symlink("nowhere", stand.path("dangling.csv")).expect("linked");
    symlink(stand.home.path(), stand.path("directory.csv")).expect("linked");
    fs::hard_link(&outside, stand.path("hard.csv")).expect("linked");
    fs::create_dir(stand.path("folder")).expect("made");
    mkfifoat(CWD, stand.path("pipe.csv"), Mode::from_raw_mode(0o600)).expect("made");
    let _socket = UnixListener::bind(stand.path("socket.csv")).expect("bound");
    for name in [
        &b"bell\x07.csv"[..],
        b"line\nbreak.csv",
        b"back\\slash.csv",
        "right\u{202e}vsc.csv".as_bytes(),
        b"caf\xe9.csv",
    ] {
        fs::write(stand.folder.drop().join(OsStr::from_bytes(name)), "x").expect("written");
    }
    stand.write("large.csv", &"x".repeat(1001));
    stand.write("good.csv", "x");

    let mut refused = stand.scan_after(Duration::ZERO).refused;
    let scan = stand.scan_after(QUIET);
    assert_eq!(scan.ready.iter().map(|ready| ready.name.as_str()).collect::<Vec<_>>(), ["good.csv"]);
    refused.extend(scan.refused);
    let mut seen: Vec<_> = refused.iter().map(|refused| (refused.name.as_str(), refused.reason)).collect();
    seen.sort_by_key(|(name, _)| *name);
    assert_eq!(
        seen,
        [
            ("back\\u{5c}slash.csv", Refusal::Name),
            ("bell\\u{7}.csv", Refusal::Name),
            ("caf\\xe9.csv", Refusal::Name),
            ("dangling.csv", Refusal::SymbolicLink),
            ("directory.csv", Refusal::SymbolicLink),
            ("folder", Refusal::Folder),
            ("hard.csv", Refusal::HardLink),
            ("large.csv", Refusal::TooLarge),
            ("line\\u{a}break.csv", Refusal::Name),
            ("link.csv", Refusal::SymbolicLink),
            ("pipe.csv", Refusal::NotAFile),
            ("right\\u{202e}vsc.csv", Refusal::Name),
            ("socket.csv", Refusal::NotAFile),
        ]
    );
    for _ in 0..3 {
        assert_eq!(stand.scan_after(QUIET).refused, [], "each is reported once");
    }
    let mut restarted = Scanner::new(stand.folder.clone(), 1000);
    for refused in &refused {
        restarted.seed_refused(refused.file_id, jiff::Timestamp::now().into());
    }
    assert_eq!(restarted.scan(stand.now).expect("scanned").refused, []);
    assert_eq!(
        restarted.scan(stand.now + QUIET).expect("scanned").refused,
        [],
        "what the log has is not reported again"
    );
    fs::remove_file(stand.path("pipe.csv")).expect("removed");
    fs::rename(stand.path("link.csv"), stand.path("link2.csv")).expect("renamed");
    let (renamed, again) = (stand.path("link2.csv"), stand.path("link3.csv"));
    change_after(look(&renamed).identity.changed_at, &renamed, || {
        fs::rename(&renamed, &again).and_then(|()| fs::rename(&again, &renamed)).expect("renamed");
    });
    let again = stand.scan_after(Duration::ZERO).refused;
    assert!(matches!(again.as_slice(), [only] if only.name == "link2.csv"), "a changed one is reported again");
}

/// Goal: names of unfinished files wait and are never refused, whatever they are. Method: each pattern, and links.
#[test]
fn temporary_names_wait() {
    let mut stand = Stand::new("");
    for name in ["~$a.xlsx", "a.tmp", "b.PART", "c.filepart", ".d.csv.swp", ".DS_Store", "Thumbs.db", "desktop.ini"] {
        stand.write(name, "x");
    }
    symlink("nowhere", stand.path(".link")).expect("linked");
    fs::create_dir(stand.path(".folder")).expect("made");
    stand.scan_after(Duration::ZERO);
    let scan = stand.scan_after(EMPTY_WAIT);
    assert_eq!((scan.ready, scan.refused, scan.waiting, scan.next_look), (vec![], vec![], 10, None));
}

/// Goal: a file is complete when it has not changed for the quiet period, and the scan says when that may be. Method: a
/// file that grows, is rewritten with the same length, and rests.
#[test]
fn a_file_rests_before_it_is_taken() {
    let mut stand = Stand::new("");
    let second = Duration::from_secs(1);
    stand.write("a.csv", "one");
    let scan = stand.scan_after(Duration::ZERO);
    assert_eq!((scan.ready.len(), scan.waiting, scan.next_look), (0, 1, Some(QUIET)));
    assert_eq!(stand.scan_after(QUIET.saturating_sub(second)).next_look, Some(second));
    stand.write("a.csv", "one, two");
    assert_eq!(stand.ready_after(second), none(), "it grew");
    let path = stand.path("a.csv");
    change_after(look(&path).identity.changed_at, &path, || {
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "two, one").expect("written");
    });
    assert_eq!(stand.ready_after(QUIET), none(), "it is another file of the same length");
    assert_eq!(stand.ready_after(QUIET.saturating_sub(second)), none());
    assert_eq!(stand.ready_after(second), quiet("a.csv"));
    assert_eq!(stand.ready_after(Duration::ZERO), quiet("a.csv"), "until it is taken");
}

/// Goal: an empty file gets longer, since it is often about to be written. Method: the clock on both sides of five minutes.
#[test]
fn an_empty_file_waits_longer() {
    let mut stand = Stand::new("");
    stand.write("empty.csv", "");
    stand.scanner.renamed_in("empty.csv");
    assert_eq!(stand.ready_after(Duration::ZERO), none());
    assert_eq!(stand.ready_after(EMPTY_WAIT.saturating_sub(Duration::from_secs(1))), none());
    assert_eq!(stand.ready_after(Duration::from_secs(1)), quiet("empty.csv"));
}

/// Goal: a marker completes its file at once and is no file itself; one that is older than the file, or alone, does
/// nothing. Method: both rules; a marker left over from an earlier file of the same name.
#[test]
fn a_marker_completes_its_file() {
    for rule in ["", "completion = \"marker\""] {
        let mut stand = Stand::new(rule);
        stand.write("alone.csv.done", "");
        stand.write("a.csv", "x");
        stand.write("B.CSV", "x");
        stand.write("old.csv.done", "");
        let left_over = look(&stand.path("old.csv.done")).identity.changed_at;
        change_after(left_over, &stand.path("old.csv"), || stand.write("old.csv", "x"));
        stand.scanner.renamed_in("a.csv.done");
        stand.write("a.csv.done", "");
        stand.write("B.CSV.DONE", "");
        let mut ready = stand.ready_after(Duration::ZERO);
        ready.sort_by_key(|(name, _)| name.clone());
        assert_eq!(ready, [("B.CSV".to_owned(), Completion::Marked), ("a.csv".to_owned(), Completion::Marked)]);
        let scan = stand.scan_after(EMPTY_WAIT);
        let later = scan.ready.iter().any(|ready| ready.name == "old.csv" && ready.completed_by == Completion::Quiet);
        assert_eq!(later, rule.is_empty(), "without its marker it is complete by the quiet rule or never");
        assert_eq!(scan.ready.len(), if later { 3 } else { 2 }, "markers are not taken");
    }
}

/// Goal: a rename into place completes at once, but only the file that was renamed, and not where only markers count.
/// Method: a rename; a file written anew under that name before the scan; the marker rule.
#[test]
fn a_rename_completes_its_file() {
    let mut stand = Stand::new("");
    for name in ["a.csv", "b.csv"] {
        stand.write("x.part", "x");
        fs::rename(stand.path("x.part"), stand.path(name)).expect("renamed");
        stand.scanner.renamed_in(name);
    }
    stand.scanner.renamed_in("gone.csv");
    stand.write("b.csv", "more");
    assert_eq!(stand.ready_after(Duration::ZERO), [("a.csv".to_owned(), Completion::Renamed)]);
    assert_eq!(
        stand.ready_after(Duration::ZERO),
        [("a.csv".to_owned(), Completion::Renamed)],
        "still, until it is taken"
    );
    let mut stand = Stand::new("completion = \"marker\"");
    stand.write("a.csv", "x");
    stand.scanner.renamed_in("a.csv");
    assert_eq!(stand.ready_after(EMPTY_WAIT), none());
}

/// A way of changing a file, given its path and that of another file; with what it is called.
type Change = (&'static str, fn(&Path, &Path));

/// Goal: what is opened is what was noticed, and a change during the copy is seen. Method: each way of changing a file
/// between the scan and the opening, and between the opening and the second look.
#[test]
fn a_change_around_the_copy_is_seen() {
    let mut stand = Stand::new("quiet_seconds = 0");
    stand.write("a.csv", "before");
    let outside = stand.home.path().join("outside.csv");
    fs::write(&outside, "secret").expect("written");
    let changes: [Change; 6] = [
        ("appended", |path, _| fs::write(path, "before and after").expect("written")),
        ("removed", |path, _| fs::remove_file(path).expect("removed")),
        ("linked", |path, outside| {
            fs::remove_file(path).expect("removed");
            symlink(outside, path).expect("linked");
        }),
        ("replaced", |path, outside| {
            fs::copy(outside, path.with_extension("tmp")).expect("copied");
            fs::rename(path.with_extension("tmp"), path).expect("renamed");
        }),
        ("a pipe", |path, _| {
            fs::remove_file(path).expect("removed");
            mkfifoat(CWD, path, Mode::from_raw_mode(0o600)).expect("made");
        }),
        ("a folder", |path, _| {
            fs::remove_file(path).expect("removed");
            fs::create_dir(path).expect("made");
        }),
    ];
    for (change, make) in changes {
        let path = stand.path("a.csv");
        let _ = fs::remove_file(&path);
        fs::write(&path, "before").expect("written");
        let scan = stand.scan_after(Duration::ZERO);
        let ready = scan.ready.first().expect("a file");
        let mut text = String::new();
        stand.scanner.open(ready).expect("opens").read_to_string(&mut text).expect("read");
        assert_eq!(text, "before");
        assert!(stand.scanner.unchanged(ready).expect("looked"));
        make(&path, &outside);
        assert!(!stand.scanner.unchanged(ready).expect("looked"), "{change}");
        assert!(matches!(stand.scanner.open(ready), Err(IntakeError::Changed { .. })), "{change}");
    }
}

/// Goal: a file in hand is not handed out again, by name and version; what comes after it under that name is. Method:
/// taken, seeded after a restart, rewritten, replaced.
#[test]
fn a_file_in_hand_is_not_handed_out_again() {
    let mut stand = Stand::new("quiet_seconds = 0");
    stand.write("a.csv", "x");
    let ready = stand.scan_after(Duration::ZERO).ready.pop().expect("a file");
    stand.scanner.taken(&ready);
    let scan = stand.scan_after(Duration::ZERO);
    assert_eq!((scan.ready.len(), scan.waiting), (0, 0));
    let mut restarted = Scanner::new(stand.folder.clone(), 1000);
    restarted.seed_taken("a.csv", ready.identity.version());
    assert_eq!(restarted.scan(stand.now).expect("scanned").ready, []);
    fs::rename(stand.path("a.csv"), stand.path("b.csv")).expect("renamed");
    assert_eq!(stand.ready_after(Duration::ZERO), quiet("b.csv"), "under another name it is another arrival");
    stand.write("a.csv", "xx");
    assert_eq!(
        restarted.scan(stand.now).expect("scanned").ready.len(),
        2,
        "another file of that name is another arrival"
    );
}

/// Goal: ten thousand files at once are worked off a bounded part at a time, oldest first, none left out. Method: files
/// with set times; each scan's files are taken away.
#[test]
fn a_flood_is_worked_off_oldest_first() {
    let mut stand = Stand::new("quiet_seconds = 0");
    for number in 0..10_000_u64 {
        let file = File::create(stand.path(&format!("{number:05}.csv"))).expect("made");
        rustix::io::write(&file, b"x").expect("written");
        // Two of each time, so that names decide between them.
        let at = std::time::UNIX_EPOCH + Duration::from_secs(2_000_000 - number / 2);
        file.set_modified(at).expect("set");
    }
    let mut handed_out = Vec::new();
    while handed_out.len() < 10_000 {
        let scan = stand.scan_after(Duration::ZERO);
        assert_eq!(scan.ready.len(), READY_MAX);
        assert_eq!(scan.waiting, 9_000 - handed_out.len());
        assert_eq!(scan.next_look, (scan.waiting > 0).then_some(Duration::ZERO));
        for ready in scan.ready {
            fs::remove_file(stand.path(&ready.name)).expect("removed");
            handed_out.push((ready.identity.modified_at, ready.name));
        }
    }
    assert!(handed_out.is_sorted());
    let scan = stand.scan_after(Duration::ZERO);
    assert_eq!((scan.ready.len(), scan.waiting, scan.next_look), (0, 0, None));
    assert!(stand.scanner.tracked.is_empty(), "nothing is remembered of what has gone");
}

/// Goal: refusals are bounded too, and each comes in the end. Method: more links than a scan reports.
#[test]
fn refusals_are_reported_a_part_at_a_time() {
    let mut stand = Stand::new("");
    for number in 0..REFUSED_MAX + 10 {
        symlink("nowhere", stand.path(&format!("{number}"))).expect("linked");
    }
    let (first, second) = (stand.scan_after(Duration::ZERO), stand.scan_after(Duration::ZERO));
    assert_eq!((first.refused.len(), first.waiting, first.next_look), (REFUSED_MAX, 10, Some(Duration::ZERO)));
    assert_eq!((second.refused.len(), second.waiting, second.next_look), (10, 0, None));
}

/// Goal: a folder that goes away is an error, and is found again when it comes back. Method: removed and made again.
#[test]
fn a_folder_that_was_made_again_is_scanned() {
    let mut stand = Stand::new("quiet_seconds = 0");
    stand.scan_after(Duration::ZERO);
    fs::remove_dir_all(&stand.folder.path).expect("removed");
    assert!(matches!(stand.scanner.scan(stand.now), Err(IntakeError::Folder { part: "the top", .. })));
    prepare(&stand.folder).expect("made again");
    stand.write("a.csv", "x");
    assert_eq!(stand.ready_after(Duration::ZERO), quiet("a.csv"));
    fs::remove_dir_all(stand.folder.drop()).expect("removed");
    symlink(stand.home.path(), stand.folder.drop()).expect("linked");
    assert!(matches!(stand.scanner.scan(stand.now), Err(IntakeError::Folder { part: "in/", .. })));
}
