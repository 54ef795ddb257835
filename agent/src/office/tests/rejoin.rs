//! A branch that was given up, judged again.

use std::fs;

use daybook_protocol::{event::Verdict, field::Field, ids::RegistrationNo};

use super::*;
use crate::{
    books::index::{Replaced, Stage},
    desk::{self, Command, Context, Given},
    journal::today,
};

const HEADING: &str = "given_names,family_name,date_of_birth,qualification_number,start_date\n";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

fn processed(office: &Office, text: &str) -> Sequence {
    let arrival = hand_over(office, text);
    assert_eq!(office.proceed(arrival, &mut |_, _| {}).expect("done"), Waiting::Nothing);
    arrival
}

/// The registration that a row of an arrival opened.
fn opened(office: &Office, of: Sequence, on: u32) -> RegistrationNo {
    let row = entries(office)
        .into_iter()
        .find(|entry| matches!(entry.source, Source::Row { arrival, line } if (arrival, line) == (of, on)));
    row.and_then(|row| row.event.registration()).expect("it was enrolled")
}

/// What an operator orders about a registration, by its number.
fn command(office: &Office, kind: Kind, no: RegistrationNo, columns: &[(Field, &str)]) -> Command {
    let mut row: Vec<(Field, String)> = columns.iter().map(|(field, text)| (*field, (*text).to_owned())).collect();
    row.push((Field::RegistrationNo, no.to_string()));
    row.extend([(Field::FamilyName, "Okafor".to_owned()), (Field::DateOfBirth, "2001-04-09".to_owned())]);
    let (tokens, policies) = (office.tokens(), &office.config.policies);
    let context = Context { tokens: Some(tokens), policies, centre: "", brand: "", today: today() };
    desk::read(kind, &Given::new(row), &context).expect("it passes the checks of its fields")
}

fn propose(office: &Office, no: RegistrationNo, columns: &[(Field, &str)]) -> Sequence {
    let answer = office.journal.propose(command(office, Kind::Voids, no, columns), Private::default(), "clerk");
    answer.expect("proposed").sequence
}

fn order(office: &Office, kind: Kind, no: RegistrationNo, columns: &[(Field, &str)]) {
    let command = command(office, kind, no, columns);
    let answer = office.journal.order(command, "clerk").expect("recorded");
    assert_eq!(answer.event.verdict(), Verdict::Accepted, "{:?}", answer.findings);
}

/// Goal: a file that arrived in both logs and was answered by the branch alone is answered anew, by a receipt that takes the
/// other's place and leaves it as it is; orders find their registrations though these have other numbers now; and what was done
/// is not done twice. Method: the branch is a home that went on after its copy was made; the copy takes a file of its own first, and
/// judges the branch again, twice.
#[test]
fn a_branch_is_judged_again_once() {
    let (directory, place, office) = office();
    let common = hand_over(&office, &enrolments(3));
    office.close().expect("closed");
    let log = Location { home: Home::new(directory.path().join("log")), ..place.clone() };
    copy(place.home.path(), log.home.path());

    let branch = Office::open(&place, false).expect("opened");
    assert_eq!(branch.proceed(common, &mut |_, _| {}).expect("done"), Waiting::Nothing);
    let own = processed(&branch, &format!("{HEADING}Ada,Okafor,2001-04-09,60158864,2024-09-02\n"));
    let no = opened(&branch, own, 2);
    let amended = [(Field::AmendedField, "given_names"), (Field::NewValue, "Adaeze"), (Field::Reason, "passport seen")];
    order(&branch, Kind::Amendments, no, &amended);
    let withdrawn = [(Field::WithdrawalDate, "2025-01-20"), (Field::WithdrawalReason, "ILLNESS")];
    order(&branch, Kind::Withdrawals, no, &withdrawn);
    branch.close().expect("closed");

    let office = Office::open(&log, false).expect("opened");
    copy(&place.home.receipts(), &log.home.receipts());
    let earlier = fs::read_to_string(log.home.receipts().join(format!("{common}_a_receipt.txt"))).expect("a receipt");
    processed(&office, &format!("{HEADING}Ben,Smith,2002-05-06,60158864,2024-09-02\n"));
    let operator = OperatorKey::load(&log.home.operator_key()).expect("its key");
    let again = |office: &Office| rejudge(office, &place.home, &operator, &mut |_, _, _| {}).expect("judged again");
    let told = again(&office);
    assert_eq!((told.files, told.orders, told.left.as_slice()), (2, 2, [].as_slice()));

    let state = office.arrival(common).expect("an arrival");
    assert_eq!((state.stage, state.replaces), (Stage::Filed, Some(Replaced { receipt: common, epoch: Epoch::FIRST })));
    let now = entries(&office).into_iter().find_map(|entry| match entry.event {
        Event::FileReceived(_) if entry.sequence > own => Some(entry.sequence),
        _ => None,
    });
    let now = now.expect("the branch's own file arrived");
    assert_ne!(opened(&office, now, 2), no, "its number is another");
    let withdrawn = entries(&office).into_iter().find(|entry| matches!(entry.event, Event::LearnerWithdrawn(_)));
    assert_eq!(withdrawn.and_then(|entry| entry.event.registration()), Some(opened(&office, now, 2)));
    let text = fs::read_to_string(log.home.receipts().join(format!("{now}_a_receipt.txt"))).expect("a receipt");
    let takes = |earlier: Sequence| format!("takes the place of receipt {earlier} of epoch 1");
    assert!(text.contains(&takes(own)), "{text}");
    // No epoch began here, as one does by a recover: so that this one is written over the other, whose number it has.
    let text = fs::read_to_string(log.home.receipts().join(format!("{common}_a_receipt.txt"))).expect("a receipt");
    assert!(text.contains(&takes(common)) && text != earlier, "{text}");

    let before = office.reading.entries.count();
    let told = again(&office);
    assert_eq!((told.files, told.orders, told.left.as_slice()), (1, 0, [].as_slice()));
    assert_eq!(office.reading.entries.count(), before);
    office.close().expect("closed");
}

/// Goal: an order that is refused now is listed by every run, and an original that only the branch kept comes back. Method: both
/// logs withdraw the same learner; the copy's vault loses the file that both have.
#[test]
fn what_a_person_has_to_see_to_is_told_again() {
    let (directory, place, office) = office();
    let text = format!("{HEADING}Ada,Okafor,2001-04-09,60158864,2024-09-02\n");
    let common = processed(&office, &text);
    let no = opened(&office, common, 2);
    office.close().expect("closed");
    let log = Location { home: Home::new(directory.path().join("log")), ..place.clone() };
    copy(place.home.path(), log.home.path());
    for (place, on) in [(&place, "2025-01-20"), (&log, "2025-01-21")] {
        let office = Office::open(place, false).expect("opened");
        order(&office, Kind::Withdrawals, no, &[(Field::WithdrawalDate, on), (Field::WithdrawalReason, "ILLNESS")]);
        office.close().expect("closed");
    }
    fs::remove_dir_all(log.home.vault()).expect("lost");

    let office = Office::open(&log, false).expect("opened");
    let operator = OperatorKey::load(&log.home.operator_key()).expect("its key");
    let again = |office: &Office| rejudge(office, &place.home, &operator, &mut |_, _, _| {}).expect("judged again");
    let first = again(&office);
    assert_eq!((first.orders, first.left.len()), (1, 1), "{:?}", first.left);
    assert!(first.left[0].contains("LearnerWithdrawn") && first.left[0].contains("is refused now as entry"));
    let second = again(&office);
    assert_eq!((second.orders, second.left), (0, first.left));
    let received = office.arrival(common).expect("an arrival").received;
    assert_eq!(office.vault.check(received.sha256, &office.keyring).expect("it is back"), text.len() as u64);
    office.close().expect("closed");
}

/// Goal: what a branch ordered by a file is ordered again, in its operator's name; what was only proposed there is told, and what was
/// decided is not. Method: both logs know the learner; the branch voids by a file and proposes twice, once in vain.
#[test]
fn orders_of_a_file_and_proposals_come_along() {
    let (directory, place, office) = office();
    let common = processed(&office, &format!("{HEADING}Ada,Okafor,2001-04-09,60158864,2024-09-02\n"));
    let no = opened(&office, common, 2);
    office.close().expect("closed");
    let log = Location { home: Home::new(directory.path().join("log")), ..place.clone() };
    copy(place.home.path(), log.home.path());
    let branch = Office::open(&place, false).expect("opened");
    let proposed: Vec<_> = [(Field::EffectiveDate, "2024-09-03"), (Field::Reason, "a mistake")].to_vec();
    let first = propose(&branch, no, &proposed);
    let second = propose(&branch, no, &proposed);
    branch.journal.decline(first, Private::default(), "clerk").expect("declined");
    let text = format!(
        "registration_no,family_name,date_of_birth,effective_date,reason\n{no},Okafor,2001-04-09,2024-09-03,a mistake\n"
    );
    let preserved = branch.preserve(&mut text.as_bytes(), text.len() as u64).expect("preserved");
    let orders = Handed { centre: String::new(), kind: Some(Kind::Voids), ..handed() };
    let arrival = branch.receive_from(Some("chief"), &orders, &preserved).expect("received");
    branch.proceed(arrival, &mut |_, _| {}).expect("done");
    branch.close().expect("closed");

    let office = Office::open(&log, false).expect("opened");
    processed(&office, &format!("{HEADING}Ben,Smith,2002-05-06,60158864,2024-09-02\n"));
    let operator = OperatorKey::load(&log.home.operator_key()).expect("its key");
    let told = rejudge(&office, &place.home, &operator, &mut |_, _, _| {}).expect("judged again");
    assert_eq!((told.files, told.orders, told.left.len()), (1, 0, 1), "{:?}", told.left);
    let words = format!("clerk proposed as entry {second} of the branch (voids)");
    assert!(told.left[0].contains(&words), "{:?}", told.left);
    let void = entries(&office).into_iter().find(|entry| matches!(entry.event, Event::RegistrationVoided(_)));
    assert_eq!(void.map(|entry| entry.actor), Some(Actor::Operator("chief".to_owned())));
    office.close().expect("closed");
}

/// Goal: a receipt that the branch issued behind the place to which it can be read is named by the new one all the same. Method: the
/// branch answers a file that both logs have, puts it away, and loses its store.
#[test]
fn a_receipt_behind_a_gap_is_told_of() {
    told_of_behind_a_gap(true);
    told_of_behind_a_gap(false);
}

fn told_of_behind_a_gap(something_left: bool) {
    let (directory, place, office) = office();
    let common = hand_over(&office, &enrolments(3));
    let unanswered = hand_over(&office, &enrolments(4));
    office.close().expect("closed");
    let log = Location { home: Home::new(directory.path().join("log")), ..place.clone() };
    copy(place.home.path(), log.home.path());
    let branch = Office::open(&place, false).expect("opened");
    assert_eq!(branch.proceed(common, &mut |_, _| {}).expect("done"), Waiting::Nothing);
    branch.close().expect("closed");
    fs::remove_dir_all(place.home.log()).expect("lost");
    if something_left {
        // What the store still has is what both have.
        copy(&log.home.log(), &place.home.log());
    }

    let done = log.home.path().join("drop/done/2026-01");
    fs::create_dir_all(&done).expect("made");
    fs::write(done.join(format!("{common}_a.csv")), enrolments(3)).expect("put away");
    // This one has another's name, and says nothing of a receipt.
    fs::write(done.join(format!("{common}_b.csv")), enrolments(4)).expect("put away");
    fs::write(log.home.config(), "[[folder]]\nname = \"a\"\npath = \"drop\"\ncentre = \"C1\"\n").expect("written");
    let office = Office::open(&log, false).expect("opened");
    let operator = OperatorKey::load(&log.home.operator_key()).expect("its key");
    for _ in 0..2 {
        rejudge(&office, &place.home, &operator, &mut |_, _, _| {}).expect("judged again");
        let state = office.arrival(common).expect("an arrival");
        let replaced = Replaced { receipt: common, epoch: Epoch::FIRST };
        assert_eq!((state.stage, state.replaces), (Stage::Filed, Some(replaced)));
        assert_eq!(office.arrival(unanswered).expect("an arrival").stage, Stage::Received);
    }
    office.close().expect("closed");
}
