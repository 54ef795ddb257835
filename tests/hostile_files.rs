//! Hostile files: whatever lies in a drop folder or is handed over ends in a verdict, is held, or is refused and recorded. The
//! program neither crashes nor hangs, follows nothing out of the folder, and takes no more memory for it.
//!
//! The names and kinds that a scan refuses are tried one by one in `agent/src/intake/scan/tests.rs`; this is the whole program.
#![allow(clippy::print_stdout, reason = "the long runs are also measured")]

mod harness;

use std::{
    collections::{BTreeMap, HashSet},
    env,
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::symlink, net::UnixListener},
    path::Path,
    time::{Duration, Instant},
};

use harness::{CENTRE, Desk, Fixture, Running, until, until_within};
use rustix::fs::{CWD, Mode, mkfifoat};

/// The most memory that any of it may take, in bytes: that of a large ordinary file, by the measure that the release is held to.
const RESIDENT_BYTES_MAX: u64 = 320 << 20;

const HEADER: &str = "ULN,First name,Last name,Date of birth,Qualification number,Start date,Learner ref\n";

/// Puts a file into the drop folder under any name at all, by a rename.
fn drop_as(desk: &Desk, name: &[u8], bytes: &[u8]) {
    let making = desk.beside("making");
    fs::write(&making, bytes).expect("written");
    fs::rename(making, desk.folder.join("in").join(OsStr::from_bytes(name))).expect("dropped");
}

/// SHA-256 in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Fixture { bytes: bytes.to_vec(), ..Fixture::other("", "") }.sha256()
}

/// A number from the environment, for the long run.
fn long(variable: &str, usual: u64) -> u64 {
    env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

fn within_memory(running: &Running) {
    let peak = running.peak_bytes();
    assert!(peak < RESIDENT_BYTES_MAX, "it took {} MiB", peak >> 20);
}

/// What became of each file, by its digest: the event that closed it, and the first code of that.
fn fates(desk: &Desk) -> BTreeMap<String, (String, String)> {
    let (mut digests, mut fates) = (BTreeMap::new(), BTreeMap::new());
    for entry in desk.json(&["entries"]) {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let arrival = entry["source"]["arrival"].as_u64();
        match (text("type").as_str(), arrival) {
            ("FileReceived", _) => drop(digests.insert(entry["sequence"].as_u64().expect("a place"), text("sha256"))),
            ("FileRejected" | "FileHeld" | "FileProcessed", Some(arrival)) => {
                let code = entry["findings"][0]["code"].as_str().unwrap_or_default().to_owned();
                fates.insert(digests[&arrival].clone(), (text("type"), code));
            }
            _ => {}
        }
    }
    fates
}

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Files of which none is a good table: name, bytes, and the code under which each is refused or held.
fn strange() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let row = "1000000019,Ann,Doe,2004-05-06,60158864,2026-09-01,A1\n";
    // Claims to unpack to four gigabytes; what a container says of itself is not believed.
    let bomb =
        [&b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\x20\0\0\0\xFF\xFF\xFF\xFF\x0C\0\0\0xl/bomb.xml.."[..], &[0; 64]];
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">\
                  <!ENTITY c \"&b;&b;&b;&b;\"><!ENTITY d SYSTEM \"file:///etc/passwd\">]><l>&c;&d;</l>";
    let wide = (0..10_000).map(|column| format!("Column {column}")).collect::<Vec<_>>().join(",");
    let half = [utf16(&format!("{HEADER}{row}")), vec![0x00, 0xD8, b'x', 0]].concat();
    let odd = [utf16(&format!("{HEADER}{row}")), vec![b'x']].concat();
    let unclosed = format!("{HEADER}{}\"{row}", row.repeat(3));
    vec![
        ("a.csv", b"a".to_vec(), "1F-005"),
        ("break.csv", b"\n".to_vec(), "1F-009"),
        ("quote.csv", b"\"".to_vec(), "1F-001"),
        ("zero.csv", b"\0".to_vec(), "1F-003"),
        ("byte.csv", b"\xFF".to_vec(), "1F-005"),
        ("half a mark.csv", b"\xFF\xFE\0".to_vec(), "1F-003"),
        ("zeros.csv", [HEADER.as_bytes(), &[0; 5000]].concat(), "1F-003"),
        ("half a pair.csv", half, "1F-003"),
        ("odd.csv", odd, "1F-003"),
        ("bomb.xlsx", bomb.concat(), "1F-001"),
        ("laughs.xlsx", laughs.as_bytes().to_vec(), "1F-026"),
        ("page.xls", b"<html><table><tr><td>ULN</td></tr></table></html>".to_vec(), "1F-022"),
        ("wide.csv", format!("{wide}\n{wide}\n").into_bytes(), "1F-016"),
        ("wide row.csv", format!("{HEADER}{row}{}\n", "x,".repeat(10_000)).into_bytes(), "1F-016"),
        ("unclosed.csv", unclosed.into_bytes(), "1F-001"),
        ("no rows.csv", HEADER.as_bytes().to_vec(), "1F-009"),
    ]
}

/// Names of which each is an ordinary file's, however it looks; and names that are refused.
fn names() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let good = ["=cmd|' C calc'!A0.csv", "@SUM(1+1).csv", "-rf", "%2e%2e%2fetc%2fpasswd.csv", "$(touch x).csv"];
    let good = good.iter().map(|name| name.as_bytes().to_vec());
    let longest = [&[b'n'; 251][..], b".csv"].concat();
    let refused =
        ["a\u{202E}vsc.exe", "a\nb.csv", "a\\..\\..\\etc\\passwd.csv", "C:a.csv", "a\u{1b}[2Jb.csv", "a\u{2028}b.csv"];
    let refused = refused.iter().map(|name| name.as_bytes().to_vec()).chain([b"caf\xE9.csv".to_vec()]);
    (good.chain([longest]).collect(), refused.collect())
}

/// Goal: no content and no name crashes it, leads elsewhere, or stays without an answer. Method: all of them at once, beside links,
/// pipes, sockets and a good file; then the log, the folders and what must not have been touched.
#[test]
fn every_file_ends_in_a_verdict_or_is_refused() {
    let mut desk = Desk::new("local");
    let outside = desk.beside("outside.csv");
    fs::write(&outside, "secret of another").expect("written");
    let place = |name: &str| desk.folder.join("in").join(name);
    symlink(&outside, place("link.csv")).expect("linked");
    symlink("/dev/zero", place("device.csv")).expect("linked");
    symlink(desk.beside(""), place("directory.csv")).expect("linked");
    fs::hard_link(&outside, place("hard.csv")).expect("linked");
    fs::create_dir(place("folder.csv")).expect("made");
    mkfifoat(CWD, place("pipe.csv"), Mode::from_raw_mode(0o600)).expect("made");
    let _socket = UnixListener::bind(place("socket.csv")).expect("bound");
    let (strange, (good, refused)) = (strange(), names());
    for (name, bytes, _) in &strange {
        drop_as(&desk, name.as_bytes(), bytes);
    }
    for (number, name) in good.iter().enumerate() {
        // The senders' own reference comes back in the report: it must not become a formula there.
        let rows =
            format!("{HEADER},Ann,Doe{},2004-05-06,60158864,2026-09-01,=cmd|' /C calc'!A0\n", "e".repeat(number));
        drop_as(&desk, name, rows.as_bytes());
    }
    for name in &refused {
        drop_as(&desk, name, b"x");
    }
    desk.drop_file(Fixture::enrolments(0, 5));

    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    let taken = strange.len() + good.len() + 1;
    let all_refused = refused.len() + 7;
    until("everything to be settled", || {
        assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
        let entries = desk.told(&["entries", "--json"]);
        let count = |event: &str| entries.matches(&format!("\"type\":\"{event}\"")).count();
        let filed = count("OriginalFiled");
        (filed >= taken && count("ArrivalRefused") >= all_refused).then_some(())
    });
    within_memory(&running);
    running.stop_well();

    let fates = fates(&desk);
    assert_eq!(fates.len(), taken);
    for (name, bytes, code) in &strange {
        let (event, found) = &fates[&digest(bytes)];
        // What is no table waits for a person; a table that cannot be read goes back.
        let held = ["1F-022", "1F-026"].contains(code);
        let expected = if held { "FileHeld" } else { "FileRejected" };
        assert_eq!((event.as_str(), found.as_str()), (expected, *code), "{name}");
    }
    assert_eq!(fates.values().filter(|(event, _)| event == "FileProcessed").count(), good.len() + 1);
    assert_eq!(fs::read(&outside).expect("still there"), b"secret of another");
    assert!(!desk.told(&["entries", "--json", "--reveal"]).contains("secret of another"));
    check_reasons(&desk);
    let left: HashSet<_> = desk.names("in").into_iter().collect();
    assert_eq!(left.len(), all_refused, "what is refused stays where it is, and nothing else: {left:?}");
    check_reports(&desk.folder.join("receipts"), taken);
    assert_eq!(desk.ask(&["verify"]).status.code(), Some(0));
}

/// Each thing is refused once, by its reason.
fn check_reasons(desk: &Desk) {
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    for entry in desk.json(&["entries"]).iter().filter(|entry| entry["type"] == "ArrivalRefused") {
        *reasons.entry(entry["reason"].as_str().expect("a reason").to_owned()).or_default() += 1;
    }
    let expected = [("folder", 1), ("hard_link", 1), ("name", 7), ("not_a_file", 2), ("symbolic_link", 3)];
    assert_eq!(reasons, expected.map(|(reason, count)| (reason.to_owned(), count)).into());
}

/// Two files for each that was taken, a third where rows go back, and no cell that a spreadsheet would take for a formula.
fn check_reports(receipts: &Path, taken: usize) {
    let names = harness::names(receipts);
    let resent = names.iter().filter(|name| name.ends_with("_resend.csv")).count();
    assert_eq!(names.len(), 2 * taken + resent, "{names:?}");
    for name in names.iter().filter(|name| !name.ends_with("_receipt.txt")) {
        assert!(name.starts_with(|first: char| first.is_ascii_digit()), "{name}");
        for row in csv::Reader::from_path(receipts.join(name)).expect("a report").records() {
            let row = row.expect("a row");
            assert!(!row.iter().any(|cell| cell.starts_with(['=', '+', '-', '@', '\t'])), "{name}: {row:?}");
        }
    }
}

/// Goal: what is named to `import` is not followed, waited for or believed either. Method: a pipe, a device, a folder, names that
/// are no text or lead elsewhere, with no agent and beside one.
#[test]
fn what_is_handed_over_is_not_believed() {
    let desk = Desk::new("local");
    let pipe = desk.beside("pipe.csv");
    mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600)).expect("made");
    let device = desk.beside("device.csv");
    symlink("/dev/zero", &device).expect("linked");
    let table = format!("{HEADER},Ann,Doe,2004-05-06,60158864,2026-09-01,A1\n");
    let strange = desk.beside("x").with_file_name(OsStr::from_bytes(b"caf\xE9\n.csv"));
    let elsewhere = desk.data.join("../drop/../elsewhere.csv");
    for path in [&strange, &elsewhere] {
        fs::write(path, &table).expect("written");
    }
    let mut running = None;
    for _ in 0..2 {
        for (path, word) in
            [(&pipe, "not a file"), (&device, "not a file"), (&desk.folder, "is a folder"), (&strange, "not text")]
        {
            let mut command = desk.command(&["import", "--centre", CENTRE]);
            let output = command.arg(path).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(2) && said.contains(word), "{}: {said}", path.display());
        }
        let path = elsewhere.to_str().expect("text");
        let told = &desk.json(&["import", "--centre", CENTRE, path])[0];
        assert_eq!(told["outcome"], "processed", "{told}");
        let names = harness::names(&desk.data.join("receipts"));
        assert!(names.iter().all(|name| name.contains("_elsewhere_")), "{names:?}");
        if running.is_none() {
            let mut agent = desk.start(&["run"]);
            agent.until_said("runs in");
            running = Some(agent);
        }
    }
    running.expect("started").stop_well();
}

/// Goal: a line without end is refused within the memory of any other file, before and behind a good header, quoted or not. Method:
/// files of one long line; `DAYBOOK_LINE_BYTES=2147483000` makes them as long as a file may be.
#[test]
fn a_line_without_end_is_refused() {
    let bytes = long("DAYBOOK_LINE_BYTES", 24 << 20);
    let desk = Desk::new("local");
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    let kinds =
        [("plain", "x"), ("headed", &format!("{HEADER}x")), ("quoted", &format!("{HEADER}\"")), ("commas", ",")];
    let began = Instant::now();
    for (number, (name, start)) in (1..).zip(kinds) {
        let making = desk.beside("making");
        let mut file = fs::File::create(&making).expect("made");
        file.write_all(start.as_bytes()).expect("written");
        let filling = if name == "commas" { "," } else { "y" }.repeat(1 << 20);
        for _ in 0..bytes >> 20 {
            file.write_all(filling.as_bytes()).expect("written");
        }
        // Each in its turn, so that a disk need not hold all of them.
        fs::rename(making, desk.folder.join("in").join(format!("{name}.csv"))).expect("dropped");
        until_within(Duration::from_mins(1 + (bytes >> 28)), "the file to be filed", || {
            assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
            (desk.is_empty() && fates(&desk).len() == number).then_some(())
        });
        fs::remove_dir_all(desk.folder.join("done")).expect("it was filed");
    }
    let codes: Vec<_> = fates(&desk).into_values().map(|(event, code)| format!("{event} {code}")).collect();
    assert_eq!(codes, ["FileRejected 1F-016"; 4]);
    within_memory(&running);
    println!("4 lines of {bytes} bytes in {:?}, peak {} MiB", began.elapsed(), running.peak_bytes() >> 20);
    running.stop_well();
}

/// Goal: a file that is still being written, or written anew, is never taken torn, and what is taken in the end is how it was left.
/// Method: one that grows with every look and one that is rewritten in place, both for longer than the quiet period; every
/// version that arrives must be one that its writer had finished.
#[test]
fn a_file_that_changes_is_never_taken_torn() {
    let desk = Desk::new("local");
    let config = desk.data.join("daybook.toml");
    let text = fs::read_to_string(&config).expect("a configuration").replace("quiet_seconds = 0", "quiet_seconds = 2");
    fs::write(&config, text).expect("written");
    let mut running = desk.start(&["run"]);
    running.until_said("runs in");
    let [growing, rewritten] = ["growing.csv", "rewritten.csv"].map(|name| desk.folder.join("in").join(name));
    let mut grown = HEADER.as_bytes().to_vec();
    let (mut finished, mut last, mut number) = (HashSet::new(), [String::new(), String::new()], 0_u32);
    let began = Instant::now();
    until("the writers to end", || {
        let letters: String = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        let row = format!(",Ann,Doe{letters},2004-05-06,60158864,2026-09-01,{number}\n");
        grown.extend_from_slice(row.as_bytes());
        let mut file = fs::File::options().append(true).create(true).open(&growing).expect("open");
        file.write_all(if number == 0 { &grown } else { row.as_bytes() }).expect("written");
        let anew = format!("{HEADER}{}", row.replace("Doe", "Roe").repeat(1 + number as usize % 700));
        fs::write(&rewritten, &anew).expect("written");
        last = [digest(&grown), digest(anew.as_bytes())];
        finished.extend(last.clone());
        number += 1;
        (began.elapsed() > Duration::from_secs(6)).then_some(())
    });
    let received = || -> Vec<String> {
        let entries = desk.json(&["entries"]).into_iter().filter(|entry| entry["type"] == "FileReceived");
        entries.map(|entry| entry["sha256"].as_str().expect("a digest").to_owned()).collect()
    };
    until("both to be taken as they were left", || {
        assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
        (desk.is_empty() && last.iter().all(|last| received().contains(last))).then_some(())
    });
    assert!(received().iter().all(|received| finished.contains(received)), "a version that nobody wrote was taken");
    within_memory(&running);
    running.stop_well();
    assert_eq!(desk.ask(&["verify"]).status.code(), Some(0));
}

/// Goal: a drop folder that goes away is told of, stops nothing else, and is worked with again when it comes back, with what lies
/// in it. Method: its `in/` renamed away, a plain file put in its place, then the folder again, with a file in it.
#[test]
fn a_folder_may_vanish_and_come_back() {
    let mut desk = Desk::new("local");
    let mut running = desk.start(&["run"]);
    desk.drop_file(Fixture::enrolments(0, 3));
    desk.until_filed(&mut running);
    let (place, away) = (desk.folder.join("in"), desk.beside("away"));
    for stands_in in [false, true] {
        fs::rename(&place, &away).expect("gone");
        if stands_in {
            fs::write(&place, "no folder").expect("written");
        }
        until("the folder's trouble to be told", || {
            assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
            let status = desk.json(&["status"]).remove(0);
            status["problems"].to_string().contains("riverside").then_some(())
        });
        assert_eq!(desk.ask(&["status", "--check"]).status.code(), Some(1));
        if stands_in {
            fs::remove_file(&place).expect("removed");
        }
        let fixture = Fixture::enrolments(1 + u32::from(stands_in), 3);
        fs::write(away.join(&fixture.name), &fixture.bytes).expect("written");
        desk.dropped.push(fixture);
        fs::rename(&away, &place).expect("back");
        desk.until_filed(&mut running);
    }
    until("the trouble to be over", || {
        (!desk.json(&["status"])[0]["problems"].to_string().contains("riverside")).then_some(())
    });
    running.stop_well();
    desk.check_log(false);
}

/// Goal: any number of files at once is worked off, each once, and memory does not grow with them. Method: five hundred small files
/// that lie there when the agent starts; `DAYBOOK_FLOOD=50000` for the flood. How long it took and the memory are printed.
#[test]
fn a_flood_of_files_is_worked_off() {
    let files = long("DAYBOOK_FLOOD", 500);
    let desk = Desk::new("local");
    let rows = Fixture::enrolments(0, u32::try_from(files).expect("a number of files"));
    let lines = rows.lines();
    let (heading, lines) = lines.split_first().expect("a heading");
    for (number, line) in (0..files).zip(lines) {
        fs::write(desk.folder.join("in").join(format!("{number:06}.csv")), format!("{heading}\n{line}\n"))
            .expect("written");
    }
    let began = Instant::now();
    let mut running = desk.start(&["run"]);
    until_within(Duration::from_secs(60 + files / 5), "all files to be filed", || {
        assert!(running.ended().is_none(), "it ended by itself: {}", running.said());
        desk.is_empty().then_some(())
    });
    let took = began.elapsed();
    within_memory(&running);
    println!("{files} files in {took:?}, peak {} MiB", running.peak_bytes() >> 20);
    running.stop_well();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for entry in desk.json(&["entries"]) {
        *counts.entry(entry["type"].as_str().expect("a type").to_owned()).or_default() += 1;
    }
    for event in ["FileReceived", "FileProcessed", "ReceiptIssued", "OriginalFiled", "LearnerEnrolled"] {
        assert_eq!(counts.get(event), Some(&files), "{event}: {counts:?}");
    }
    assert_eq!(harness::files(&desk.folder.join("done")).len() as u64, files);
}
