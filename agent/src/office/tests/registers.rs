//! Registers: in force from their own entries on, whoever begins again in between, and on a branch that is judged again.

use daybook_protocol::{
    event::{Register, Verdict},
    finding::Code,
};

use super::*;
use crate::{desk, journal::ReadRow, journal::today};

const HEADINGS: &str = "Centre,ApprovedFrom,ApprovedTo\n";

fn load(office: &Office, text: &str) -> Reference {
    let file = ("centres.csv", text.as_bytes());
    office.load_reference(Register::Centres, file, "clerk", false).expect("loaded")
}

/// Of each row of an arrival, the verdict, and the version of the register that stood against it.
fn judged(office: &Office, of: Sequence) -> Vec<(Verdict, Option<Sequence>)> {
    let rows = entries(office)
        .into_iter()
        .filter(|entry| matches!(entry.source, Source::Row { arrival, .. } if arrival == of));
    let against = |event: &Event| match event {
        Event::RowRejected(row) => row.against,
        _ => None,
    };
    rows.map(|entry| (entry.event.verdict(), against(&entry.event))).collect()
}

/// Goal: a file that is left in its midst is judged to its end by the register that is in force then, and what it was judged by
/// before stays. Method: one row judged, another register loaded, the office closed and opened, and the rest judged.
#[test]
fn a_file_that_is_resumed_is_judged_by_the_register_in_force() {
    let (_directory, place, office) = office();
    load(&office, &format!("{HEADINGS}C1,2020-01-01,\n"));
    let arrival = received(&office, 3);
    office.first_pass(&office.arrival(arrival).expect("an arrival")).expect("read");
    let state = office.arrival(arrival).expect("an arrival");
    let cells = [
        (daybook_protocol::field::Field::GivenNames, "Jane"),
        (daybook_protocol::field::Field::FamilyName, "Doea"),
        (daybook_protocol::field::Field::DateOfBirth, "2004-05-06"),
        (daybook_protocol::field::Field::Qualification, "60158864"),
        (daybook_protocol::field::Field::StartDate, "2026-09-01"),
    ];
    let given = desk::Given::new(cells.map(|(field, text)| (field, text.to_owned())).to_vec());
    let context = desk::Context {
        tokens: Some(office.tokens()),
        policies: &office.config.policies,
        centre: "C1",
        brand: "",
        today: today(),
    };
    let asks = desk::read(Kind::Enrolments, &given, &context);
    let row = ReadRow { line: 2, asks, released: false };
    office.journal.rows(arrival, state.received.key, vec![row]).expect("sent").wait().expect("judged");
    let second = load(&office, &format!("{HEADINGS}C1,2020-01-01,2026-08-31\n"));
    assert_eq!(second.touched.len(), usize::from(today() > "2026-08-31".parse().expect("a date")));
    office.close().expect("closed");

    let office = Office::open(&place, false).expect("opened");
    assert_eq!(office.proceed(arrival, &mut |_, _| {}).expect("done"), Waiting::Nothing);
    let refused = (Verdict::Rejected, second.version);
    assert_eq!(judged(&office, arrival), [(Verdict::Accepted, None), refused, refused]);
    let totals = office.arrived(arrival).expect("an arrival").totals;
    assert_eq!((totals.rows, totals.accepted, totals.rejected), (3, 1, 2));
    office.close().expect("closed");
}

/// Goal: a register whose file is gone stops all judging until it is loaded again, and says so; nothing passes unjudged. Method: the
/// vault emptied, a file that waits, an alarm before and after.
#[test]
fn nothing_is_judged_by_a_register_that_cannot_be_read() {
    let (_directory, place, office) = office();
    let text = format!("{HEADINGS}C2,,\n");
    load(&office, &text);
    let arrival = received(&office, 2);
    let received = office.arrival(arrival).expect("an arrival").received;
    office.close().expect("closed");
    let kept = place.home.vault().join(crate::vault::Vault::place_of(received.sha256));
    let bytes = std::fs::read(&kept).expect("the original");
    std::fs::remove_dir_all(place.home.vault()).expect("lost");
    std::fs::create_dir_all(kept.parent().expect("its directory")).expect("made");
    std::fs::write(&kept, bytes).expect("put back");

    let office = Office::open(&place, false).expect("opened");
    let alarmed = |office: &Office| {
        let alarms = office.journal.look(Index::alarms).expect("looked");
        alarms.iter().any(|(alarm, _)| alarm == reference::REFERENCE)
    };
    assert!(alarmed(&office) && office.closed().expect("looked").is_some());
    let why = office.proceed(arrival, &mut |_, _| {}).expect_err("it waits").to_string();
    assert!(why.contains("daybook reference load centres"), "{why}");
    assert_eq!(judged(&office, arrival), []);
    let again = load(&office, &text);
    assert!(!again.same && !alarmed(&office));
    office.proceed(arrival, &mut |_, _| {}).expect("done");
    assert_eq!(judged(&office, arrival), [(Verdict::Rejected, again.version); 2]);
    office.close().expect("closed");
}

/// Goal: a register that a branch loaded is in force again before what was judged by it is judged again, and is loaded once. Method:
/// the branch loads one and takes a file; its copy, which has another, judges the branch again, twice.
#[test]
fn a_register_of_a_branch_is_loaded_again() {
    let (directory, place, office) = office();
    load(&office, &format!("{HEADINGS}C1,,\n"));
    office.close().expect("closed");
    let log = Location { home: Home::new(directory.path().join("log")), ..place.clone() };
    copy(place.home.path(), log.home.path());
    let branch = Office::open(&place, false).expect("opened");
    load(&branch, &format!("{HEADINGS}C2,,\n"));
    let own = received(&branch, 2);
    branch.proceed(own, &mut |_, _| {}).expect("done");
    assert!(judged(&branch, own).iter().all(|(verdict, _)| *verdict == Verdict::Rejected));
    branch.close().expect("closed");

    // What the copy lost of its register comes back from the branch, and is in force when it is opened anew.
    let lost = log.home.vault();
    std::fs::remove_dir_all(&lost).expect("lost");
    let operator = OperatorKey::load(&log.home.operator_key()).expect("its key");
    let office = Office::open(&log, false).expect("opened");
    let begun = rejudge(&office, &place.home, &operator, &mut |_, _, _| {});
    assert!(matches!(begun, Err(OfficeError::Rejoining { .. })), "{begun:?}");
    office.close().expect("closed");
    let office = Office::open(&log, false).expect("opened");
    assert!(office.closed().expect("looked").is_none());
    let other = load(&office, &format!("{HEADINGS}C1,,\nC3,,\n"));
    let again = |office: &Office| rejudge(office, &place.home, &operator, &mut |_, _, _| {}).expect("judged again");
    let told = again(&office);
    assert_eq!((told.files, told.orders, told.left.len()), (1, 1, 1), "{:?}", told.left);
    assert!(told.left[0].contains("loaded on both sides"), "{:?}", told.left);
    let loaded = office.journal.look_by(|_, registers| registers.version(Register::Centres)).expect("looked");
    assert!(loaded > other.version);
    let now = entries(&office).into_iter().rfind(|entry| matches!(entry.event, Event::FileReceived(_)));
    assert_eq!(judged(&office, now.expect("it arrived").sequence), [(Verdict::Rejected, loaded); 2]);
    let before = office.reading.entries.count();
    again(&office);
    assert_eq!(office.reading.entries.count(), before, "nothing is done twice");
    let rejected = entries(&office).into_iter().filter(|entry| matches!(entry.event, Event::RowRejected(_)));
    assert!(rejected.into_iter().all(|entry| entry.findings.iter().any(|it| it.code == Code::CENTRE_UNKNOWN)));
    office.close().expect("closed");
}
