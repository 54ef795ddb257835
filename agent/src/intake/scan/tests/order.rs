//! In which order files are handed out while some of them are not complete.

use std::time::SystemTime;

use super::*;
use crate::intake::HOLDS_UP_MAX;

/// A stand whose `a.csv` is a second older than whatever is written to it next.
fn older_and_newer(toml: &str) -> Stand {
    let stand = Stand::new(toml);
    stand.write("a.csv", "x");
    let earlier = SystemTime::now() - Duration::from_secs(1);
    File::options().write(true).open(stand.path("a.csv")).expect("opened").set_modified(earlier).expect("set");
    stand
}

fn names(scan: Scan) -> Vec<String> {
    scan.ready.into_iter().map(|ready| ready.name).collect()
}

/// Goal: a file whose rename was not heard of is not overtaken by one whose rename was. Method: two files, the second known
/// to be complete at once; seen in one look, seen one after the other with times that say otherwise, and one of a later day.
#[test]
fn a_file_is_not_overtaken_while_it_rests() {
    let mut stand = older_and_newer("");
    stand.write("b.csv", "x");
    stand.scanner.renamed_in("b.csv");
    let scan = stand.scan_after(Duration::ZERO);
    assert_eq!((scan.ready.len(), scan.waiting, scan.next_look), (0, 2, Some(QUIET)));
    assert_eq!(names(stand.scan_after(QUIET)), ["a.csv", "b.csv"]);

    let mut stand = Stand::new("");
    stand.write("first.csv", "x");
    stand.scan_after(Duration::ZERO);
    stand.write("second.csv", "x");
    let earlier = SystemTime::now() - Duration::from_hours(24);
    File::options().write(true).open(stand.path("second.csv")).expect("opened").set_modified(earlier).expect("set");
    stand.scanner.renamed_in("second.csv");
    assert_eq!(names(stand.scan_after(Duration::from_secs(1))), [""; 0]);
    assert_eq!(names(stand.scan_after(QUIET)), ["first.csv", "second.csv"]);
    stand.write("third.csv", "x");
    assert_eq!(names(stand.scan_after(Duration::ZERO)), ["first.csv", "second.csv"], "a newer one holds nothing up");
}

/// Goal: a file that is written on and on is waited for, and not for ever; in its turn it is still taken. Method: a file that
/// grows with every look beside a complete one, to both sides of the bound.
#[test]
fn a_growing_file_is_overtaken_in_the_end() {
    let mut stand = older_and_newer("");
    stand.write("b.csv", "x");
    stand.scanner.renamed_in("b.csv");
    let (second, bound) = (Duration::from_secs(1), HOLDS_UP_MAX + QUIET);
    let start = stand.now;
    stand.scan_after(Duration::ZERO);
    for length in 2.. {
        let wait = QUIET.saturating_sub(second).min((start + bound).saturating_duration_since(stand.now));
        if wait.is_zero() {
            break;
        }
        stand.write("a.csv", &"x".repeat(length));
        let scan = stand.scan_after(wait);
        let expected = if stand.now < start + bound { vec![] } else { vec!["b.csv"] };
        assert!(
            scan.next_look.is_some_and(|next| next <= (start + bound).saturating_duration_since(stand.now).max(QUIET))
        );
        assert_eq!(names(scan), expected, "{:?} after the first look", stand.now - start);
    }
    assert_eq!(names(stand.scan_after(QUIET)), ["a.csv", "b.csv"]);
}

/// Goal: what its sender calls unfinished, and what is refused, holds nothing up. Method: one of each, older than a complete
/// file; by both rules of completion.
#[test]
fn what_is_not_ours_to_wait_for_holds_nothing_up() {
    let mut stand = Stand::new("");
    for name in ["a.part", ".a.csv", "a.csv.tmp"] {
        stand.write(name, "x");
    }
    stand.write("large.csv", &"x".repeat(1001));
    symlink("nowhere", stand.path("link.csv")).expect("linked");
    mkfifoat(CWD, stand.path("pipe.csv"), Mode::from_raw_mode(0o600)).expect("made");
    stand.scan_after(Duration::ZERO);
    stand.write("b.csv", "x");
    stand.scanner.renamed_in("b.csv");
    assert_eq!(names(stand.scan_after(Duration::ZERO)), ["b.csv"]);

    let mut stand = older_and_newer("completion = \"marker\"");
    stand.scan_after(Duration::ZERO);
    stand.write("b.csv", "x");
    stand.write("b.csv.done", "");
    assert_eq!(names(stand.scan_after(Duration::ZERO)), ["b.csv"]);
}

/// Goal: a file that was taken and is written anew queues up as what it is, a later arrival. Method: taken, overtaken,
/// rewritten in place, and replaced.
#[test]
fn a_later_version_comes_later() {
    let mut stand = Stand::new("");
    stand.write("a.csv", "x");
    stand.scanner.renamed_in("a.csv");
    let ready = stand.scan_after(Duration::ZERO).ready.pop().expect("a file");
    assert!(stand.scanner.holds_up(&ready, stand.now + HOLDS_UP_MAX));
    assert!(!stand.scanner.holds_up(&ready, stand.now + HOLDS_UP_MAX + QUIET));
    stand.scanner.taken(&ready);
    stand.write("b.csv", "x");
    stand.scan_after(Duration::from_secs(1));
    stand.scanner.renamed_in("b.csv");
    stand.write("a.csv", "xx");
    assert_eq!(names(stand.scan_after(Duration::from_secs(1))), ["b.csv"]);
    stand.write("a.new.part", "xxx");
    fs::rename(stand.path("a.new.part"), stand.path("a.csv")).expect("renamed");
    assert_eq!(names(stand.scan_after(QUIET)), ["b.csv"]);
    assert_eq!(names(stand.scan_after(QUIET)), ["b.csv", "a.csv"]);
}
