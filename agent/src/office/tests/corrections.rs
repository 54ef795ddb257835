//! Receipts that correct others, once a person has decided on what was held.

use std::{collections::BTreeMap, fs};

use daybook_protocol::event::{HeldResolved, ReceiptIssued};

use super::*;

/// One learner, and three others of that name and birth date, about whom a person must decide.
const NAMESAKES: &str = "uln,given_names,family_name,date_of_birth,qualification_number,start_date\n\
    1000000019,Jane,Doe,2004-05-06,60158864,2026-09-01\n\
    1000000027,Jane,Doe,2004-05-06,60158864,2026-09-01\n\
    1000000000,Jane,Doe,2004-05-06,60158864,2026-09-01\n\
    1234567899,Jane,Doe,2004-05-06,60158864,2026-09-01\n";

/// Decides on the row that is held on this line, and writes no receipt.
fn decide(office: &Office, arrival: Sequence, line: u32, release: bool) {
    let held = office.journal.look(Index::held).expect("looked").into_iter().find(|held| held.line == Some(line));
    let resolved = HeldResolved { held: held.expect("it is held").held };
    let event = if release { Event::HeldReleased(resolved) } else { Event::HeldRefused(resolved) };
    office.journal.note(Draft::plain(event)).expect("noted");
    if release {
        office.judge_again(arrival, line).expect("judged");
    }
}

fn issued(office: &Office) -> Vec<ReceiptIssued> {
    let issued = |entry: Entry| match entry.event {
        Event::ReceiptIssued(issued) => Some(issued),
        _ => None,
    };
    entries(office).into_iter().filter_map(issued).collect()
}

/// The files of all receipts.
fn receipts(office: &Office) -> BTreeMap<String, String> {
    let listed = fs::read_dir(office.reading.home.receipts()).expect("receipts");
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("text"))
    };
    listed.map(|entry| read(entry.expect("an entry").path())).collect()
}

/// Goal: what a person decides reaches the sender once, though the process dies before the receipt is written. Method: two rows
/// decided on and an office closed without a receipt; the next one writes it from the log; then the last row.
#[test]
fn a_missing_correction_is_written_by_the_next_start() {
    let (_directory, place, office) = office();
    let arrival = hand_over(&office, NAMESAKES);
    office.proceed(arrival, &mut |_, _| {}).expect("done");
    let first = receipts(&office);
    assert_eq!((first.len(), issued(&office).len()), (2, 1));
    decide(&office, arrival, 4, false);
    decide(&office, arrival, 3, true);
    let last = Sequence(office.reading.entries.count() - 1);
    office.close().expect("closed");

    let office = Office::open(&place, false).expect("opened");
    assert_eq!(office.resume_handed(&mut |_, _| {}).expect("resumed"), [], "it is no file that was left unfinished");
    let told = receipts(&office);
    assert!(first.iter().all(|(name, text)| told.get(name) == Some(text)), "a receipt is never changed");
    let (summary, rows) = (&told[&format!("{last}_a_receipt.txt")], &told[&format!("{last}_a_rows.csv")]);
    let heading = format!("Receipt {last}, which corrects receipt {arrival}\r\n");
    let place = format!("Sequence   {last}, ");
    for sentence in
        [heading.as_str(), &place, "Level      local", "  seen                 4\r\n  accepted             2\r\n"]
    {
        assert!(summary.contains(sentence), "{sentence:?} is not in {summary}");
    }
    let lines: Vec<_> =
        rows.lines().skip(1).map(|line| line.split(',').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines, ["\"3\" \"1000000027\" \"accepted\"", "\"4\" \"1000000000\" \"rejected\""]);
    let corrected = issued(&office).pop().expect("issued");
    assert_eq!((corrected.arrival, corrected.receipt), (arrival, last));
    assert_eq!(corrected.report, daybook_protocol::ids::Digest::of(rows.as_bytes()));
    office.resume_handed(&mut |_, _| {}).expect("resumed");
    assert_eq!((issued(&office).len(), receipts(&office)), (2, told.clone()), "it is told once");

    decide(&office, arrival, 5, true);
    office.proceed(arrival, &mut |_, _| {}).expect("done");
    let totals = office.arrived(arrival).expect("arrived").totals;
    assert_eq!((totals.rows, totals.accepted, totals.rejected, totals.held), (4, 3, 1, 0));
    let after = receipts(&office);
    // A receipt that sends a row back has a third file.
    assert_eq!((after.len(), issued(&office).len()), (7, 3));
    assert!(after[&format!("{last}_a_resend.csv")].contains("\"4\",\"\","));
    assert!(told.iter().all(|(name, text)| after.get(name) == Some(text)));
    office.close().expect("closed");
}

/// Goal: the first receipt of a file whose sender waits for the mirror tells of its own moment, though rows were decided on
/// before it; the correction follows, when it is mirrored too. Method: decide while the central node is away.
#[test]
fn a_correction_waits_for_the_mirror_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path().join("home"));
    let text = "[[folder]]\nname = \"a\"\npath = \"drop\"\ncentre = \"C1\"\nanswer_after = \"mirrored\"\n";
    let config = directory.path().join("daybook.toml");
    fs::write(&config, text).expect("written");
    let place = Location { home, config: Some(config), operator_key: None };
    let office = Office::open(&place, true).expect("a new home");
    let folder = office.config.folders.first().expect("a folder").clone();
    crate::intake::prepare(&folder).expect("prepared");
    let preserved = office.preserve(&mut NAMESAKES.as_bytes(), NAMESAKES.len() as u64).expect("preserved");
    let arrival = office.receive(&Handed { folder: Some(&folder), ..handed() }, &preserved).expect("received");
    let proceed = || office.proceed(arrival, &mut |_, _| {}).expect("done");
    let mirrored = |count: u64| {
        office.mirror.send_modify(|position| {
            (position.log_through, position.originals_through) = (count, Sequence(count));
        });
    };
    assert_eq!(proceed(), Waiting::Mirror);
    let processed = office.reading.entries.count();
    decide(&office, arrival, 3, true);
    assert_eq!((proceed(), issued(&office).len()), (Waiting::Mirror, 0));
    mirrored(processed);
    assert_eq!((proceed(), issued(&office).len()), (Waiting::Mirror, 1), "the correction is not mirrored");
    mirrored(office.reading.entries.count());
    assert_eq!((proceed(), issued(&office).len()), (Waiting::Nothing, 2));
    let held = |number: Sequence| {
        let name = folder.receipts().join(format!("{number}_a_receipt.txt"));
        let text = fs::read_to_string(name).expect("a receipt");
        text.lines().filter(|line| line.starts_with("  held")).map(|line| line.trim_end().to_owned()).next_back()
    };
    let numbers: Vec<_> = issued(&office).iter().map(|issued| held(issued.receipt)).collect();
    let line = |held: u64| Some(format!("  held      {held:>12}"));
    assert_eq!(numbers, [line(3), line(2)]);
    office.close().expect("closed");
}
