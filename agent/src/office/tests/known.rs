//! Rows about people who are known: what differs from what was accepted, and keys that cannot be had.

use std::{fs, io::Write as _, os::unix::fs::FileExt as _};

use daybook_protocol::{event::Verdict, finding::Code};

use super::*;

const HEADER: &str = "uln,given_names,family_name,date_of_birth,qualification_number,start_date,postcode\n";

/// Takes a file in and gives its rows' verdicts and first codes, in order.
fn verdicts(office: &Office, rows: &str) -> Vec<(Verdict, Option<Code>)> {
    let arrival = hand_over(office, &format!("{HEADER}{rows}"));
    office.proceed(arrival, &mut |_, _| {}).expect("done");
    let of_it = |entry: &Entry| matches!(entry.source, Source::Row { arrival: of, .. } if of == arrival);
    let of_it = entries(office).into_iter().filter(of_it);
    of_it.map(|entry| (entry.event.verdict(), entry.findings.first().map(|finding| finding.code))).collect()
}

/// Goal: a row that differs from the accepted one is not taken for the same, and one that does not is. Method: an enrolment, then
/// the same with another given name, another postcode, another spelling, and as it was; a person lets one go on.
#[test]
fn a_changed_row_is_no_duplicate() {
    let (_directory, _, office) = office();
    let row =
        |given: &str, postcode: &str| format!("1000000019,{given},Doe,2004-05-06,60158864,2026-09-01,{postcode}\n");
    assert_eq!(verdicts(&office, &row("Ann", "SW1A 1AA")), [(Verdict::Accepted, None)]);
    let held = [(Verdict::Held, Some(Code::DIFFERS_FROM_ACCEPTED))];
    assert_eq!(verdicts(&office, &row("Bartholomew", "SW1A 1AA")), held);
    assert_eq!(verdicts(&office, &row("Ann", "M1 1AE")), held);
    assert_eq!(verdicts(&office, &row("Ánn", "sw1a1aa")), [(Verdict::Duplicate, None)]);
    assert_eq!(verdicts(&office, &row("Ann", "SW1A 1AA")), [(Verdict::Duplicate, None)]);

    let held = office.journal.look(Index::held).expect("looked");
    let first = held.first().expect("it is held");
    let resolved = daybook_protocol::event::HeldResolved { held: first.held };
    office.journal.note(Draft::plain(Event::HeldReleased(resolved))).expect("noted");
    let verdict = office.judge_again(first.arrival, first.line.expect("a row")).expect("judged");
    assert_eq!((held.len(), verdict), (2, Verdict::Duplicate), "a person has seen it: it changes nothing");
    office.close().expect("closed");
}

/// Goal: a damaged key stops the work for one person and for nobody else. Method: the key of a learner is overwritten; then
/// rows of that learner and of others, in one file.
#[test]
fn a_damaged_key_holds_its_person_up_and_nobody_else() {
    let (_directory, place, office) = office();
    let both =
        "1000000019,Ann,Doe,2004-05-06,60158864,2026-09-01,\n1000000027,Ben,Doe,2004-05-07,60158864,2026-09-01,\n";
    assert_eq!(verdicts(&office, both), [(Verdict::Accepted, None); 2]);
    let is_enrolment = |entry: &Entry| matches!(entry.event, Event::LearnerEnrolled(_));
    let learner = entries(&office).into_iter().find(is_enrolment).and_then(|entry| entry.event.learner());
    let learner = learner.expect("somebody is enrolled");
    office.close().expect("closed");
    let file = place.home.keyring().join(format!("{:08}.keys", learner.epoch.0));
    let at = u64::from(learner.number) * crate::keyring::RECORD_BYTES as u64;
    let mut keys = fs::File::options().write(true).open(file).expect("a keyring");
    keys.write_all_at(&[0xff; 40], at).and_then(|()| keys.flush()).expect("written");

    let office = Office::open(&place, false).expect("opened");
    let again = both.replace("60158864", "60087067");
    assert_eq!(verdicts(&office, &again), [(Verdict::Held, Some(Code::KEY_UNUSABLE)), (Verdict::Accepted, None)]);
    assert_eq!(verdicts(&office, both), [(Verdict::Duplicate, None); 2], "what cannot be read cannot be compared");
    let alarms = office.journal.look(Index::alarms).expect("looked");
    assert!(alarms.iter().any(|(name, open)| name == "keys" && open.detail.contains("damaged")), "{alarms:?}");
    office.close().expect("closed");
}
