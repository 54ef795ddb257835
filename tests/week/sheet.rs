//! What the reports of the week must say, worked out by hand from what the centres sent and the operators said.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::office::Office;

/// Each file in the order of the week: centre, state, and how many rows there were, accepted, rejected, duplicate and held. A file that
/// was mapped or refused stands there as it was left.
const FILES: [(&str, &str, [u64; 5]); 19] = [
    ("C01", "processed", [5, 5, 0, 0, 0]),
    ("C02", "processed", [5, 4, 1, 0, 0]),
    ("C03", "processed", [3, 3, 0, 0, 0]),
    ("C04", "processed", [5, 5, 0, 0, 0]),
    ("C05", "processed", [2, 2, 0, 0, 0]),
    ("C05", "processed", [2, 0, 0, 2, 0]),
    ("C06", "processed", [1, 1, 0, 0, 0]),
    ("C07", "processed", [3, 3, 0, 0, 0]),
    ("C09", "processed", [3, 3, 0, 0, 0]),
    // Tuesday.
    ("C06", "processed", [1, 0, 0, 0, 1]),
    ("C07", "processed", [3, 1, 2, 0, 0]),
    ("C08", "refused", [6, 0, 6, 0, 0]),
    ("C04", "processed", [5, 5, 0, 0, 0]),
    // Wednesday.
    ("C09", "processed", [2, 2, 0, 0, 0]),
    ("C09", "processed", [2, 2, 0, 0, 0]),
    ("C09", "processed", [2, 1, 1, 0, 0]),
    // Thursday.
    ("C10", "processed", [2, 2, 0, 0, 0]),
    ("C02", "processed", [1, 1, 0, 0, 0]),
    ("C01", "processed", [1, 1, 0, 0, 0]),
];

/// How many registrations stand how at the end: of 28 learners, one of whom has two.
const STATES: [(&str, usize); 6] =
    [("COMPLETED", 2), ("DEFERRED", 1), ("ENROLLED", 17), ("TRANSFERRED", 1), ("VOID", 1), ("WITHDRAWN", 7)];

/// Withdrawals by centre and reason, the one that was reversed too.
const WITHDRAWALS: [(&str, &str, usize); 4] =
    [("C01", "LEFT_COURSE", 1), ("C04", "LEFT_COURSE", 5), ("C07", "LEFT_COURSE", 1), ("C10", "ILLNESS", 1)];

/// Who did what by their own word.
const OVERRIDES: [(&str, &str, usize); 10] = [
    ("Max Manage", "ProposalDecided", 1),
    ("Max Manage", "QualificationCompleted", 2),
    ("Max Manage", "RegistrationVoided", 1),
    ("Max Manage", "WithdrawalReversed", 1),
    ("Pia Process", "HeldRefused", 1),
    ("Pia Process", "MappingLearned", 1),
    ("Pia Process", "RegistrationTransferred", 1),
    ("Sam Post", "CertificateDispatched", 1),
    ("Sam Post", "CertificateReturned", 1),
    ("Sam Post", "HeldRefused", 1),
];

/// Holds the reports against the sheet.
pub(crate) fn check(office: &Office) {
    let files = office.report(&["files"]);
    let figures = ["rows", "accepted", "rejected", "duplicate", "held"];
    let told = |row: &Value| {
        let count = |column: &&str| row[*column].as_u64().unwrap_or_default();
        let counts: Vec<u64> = figures.iter().map(count).collect();
        (text(&row["centre"]), text(&row["state"]), counts)
    };
    let expected = FILES.map(|(centre, state, counts)| (centre.to_owned(), state.to_owned(), counts.to_vec()));
    assert_eq!(files.iter().map(told).collect::<Vec<_>>(), expected);

    let states = tally(&office.report(&["states"]), |row| text(&row["state_now"]));
    assert_eq!(states, STATES.map(|(state, count)| (state.to_owned(), count)).into());

    let withdrawals = tally(&office.report(&["withdrawals"]), |row| (text(&row["centre"]), text(&row["reason"])));
    let expected = WITHDRAWALS.map(|(centre, reason, count)| ((centre.to_owned(), reason.to_owned()), count));
    assert_eq!(withdrawals, expected.into());

    let early = office.report(&["early"]);
    let told = |row: &Value| (text(&row["centre"]), text(&row["what"]), row["days"].clone());
    let expected = ("C03".to_owned(), "QualificationCompleted".to_owned(), Value::from(0));
    assert_eq!(early.iter().map(told).collect::<Vec<_>>(), [expected]);

    let mut overrides = tally(&office.report(&["overrides"]), |row| (text(&row["operator"]), text(&row["what"])));
    // What was proposed is told once it is decided.
    assert_eq!(overrides.remove(&("Sam Post".to_owned(), "OrderProposed".to_owned())), Some(1));
    let expected = OVERRIDES.map(|(operator, what, count)| ((operator.to_owned(), what.to_owned()), count));
    assert_eq!(overrides, expected.into());
    office.desk.json(&["verify"]).iter().for_each(|verified| assert_eq!(verified["ok"], true));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn tally<K: Ord>(rows: &[Value], key: impl Fn(&Value) -> K) -> BTreeMap<K, usize> {
    rows.iter().fold(BTreeMap::new(), |mut tally, row| {
        *tally.entry(key(row)).or_default() += 1;
        tally
    })
}
