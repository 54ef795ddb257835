use daybook_protocol::{
    date::Date,
    entry::{Entry, Private},
    event::Event,
    field::Field,
    ids::{KeyId, Sequence},
};

use super::{History, Told, View, arrivals};
use crate::{
    books::sample::{ANN, BEN, date, log, registration, reveal},
    desk::State,
};

/// The entries of the sample that concern a learner, and the arrivals they came from, as the read model would name them.
fn told(learner: KeyId, revealed: bool) -> Vec<Told> {
    let entries = log();
    let places: &[u64] = if learner == ANN { &[4, 7, 8, 9, 10, 11, 12, 13, 14, 18, 19] } else { &[5, 15, 16, 17] };
    let life: Vec<Entry> = entries.iter().filter(|entry| places.contains(&entry.sequence.0)).cloned().collect();
    let files = arrivals(&life);
    assert_eq!(files.iter().copied().collect::<Vec<_>>(), [Sequence(2)]);
    let files = entries.into_iter().filter(|entry| files.contains(&entry.sequence));
    let open = |entry: &Entry| entry.sealed.as_ref().filter(|_| revealed).and_then(reveal);
    files.chain(life).map(|entry| Told { private: open(&entry), entry }).collect()
}

fn view(as_of: Option<u64>, on: Option<&str>) -> View {
    View { as_of: as_of.map(Sequence), on: on.map(date), today: date("2026-12-01"), resume_grace_days: 30 }
}

fn history(as_of: Option<u64>, on: Option<&str>) -> History {
    History::of(ANN, &told(ANN, true), view(as_of, on))
}

fn json(history: &History) -> String {
    serde_json::to_string_pretty(history).expect("serializes")
}

/// Goal: the form and content of `history --json` do not change unnoticed. Method: golden files: all that is known; what
/// was known before the late entries; one day as now known; the same day as known then; and a certificate, unrevealed.
#[test]
fn a_life_is_told_on_both_time_axes() {
    insta::assert_snapshot!("all", json(&history(None, None)));
    insta::assert_snapshot!("as_of", json(&history(Some(9), None)));
    insta::assert_snapshot!("on", json(&history(None, Some("2014-03-15"))));
    insta::assert_snapshot!("as_of_on", json(&history(Some(8), Some("2014-03-15"))));
    insta::assert_snapshot!("certificate_unrevealed", json(&History::of(BEN, &told(BEN, false), view(None, None))));
}

/// Goal: the text for people. Method: golden files.
#[test]
fn a_life_fits_on_paper() {
    insta::assert_snapshot!("table", history(None, None).table());
    insta::assert_snapshot!(
        "table_certificate",
        History::of(BEN, &told(BEN, false), view(Some(20), Some("2015-07-20"))).table()
    );
}

/// Goal: the state of a registration on a day follows the facts that hold by then, as known by then. Method: a table of
/// days and positions in the log.
#[test]
fn the_state_is_that_of_the_day_as_known() {
    use State::{Deferred, Enrolled, Expired, Withdrawn};
    for (as_of, on, expected) in [
        (None, Some("2013-09-30"), None),
        (None, Some("2013-10-01"), Some(Enrolled)),
        (None, Some("2014-02-28"), Some(Enrolled)),
        (None, Some("2014-03-01"), Some(Deferred)),
        (None, Some("2014-05-01"), Some(Enrolled)),
        (None, Some("2014-06-01"), Some(Withdrawn)),
        (None, Some("2020-01-01"), Some(Withdrawn)),
        (None, None, Some(Withdrawn)),
        // Before it was known that the learner had left, and before the resumption was.
        (Some(18), Some("2014-06-01"), Some(Enrolled)),
        (Some(11), Some("2014-06-01"), Some(Deferred)),
        (Some(8), Some("2014-06-01"), Some(Enrolled)),
        (Some(18), Some("2016-09-30"), Some(Enrolled)),
        (Some(18), Some("2016-10-01"), Some(Expired)),
        (Some(11), None, Some(Expired)),
    ] {
        let history = history(as_of, on);
        let first = history.registrations.first().expect("a registration");
        assert_eq!((first.registration, first.state), (registration(4), expected), "as of {as_of:?} on {on:?}");
        assert_eq!(first.since.is_some(), expected.is_some());
    }
    assert!(history(Some(4), None).registrations.is_empty());
}

/// Goal: a deferral that nobody ended is told as lapsed, and only while it is in force. Method: the days around its end.
#[test]
fn a_lapsed_deferral_is_told() {
    for (as_of, on, expected) in [
        // To resume by 2014-04-30: thirty days more are not late yet.
        (Some(11), Some("2014-05-30"), None),
        (Some(11), Some("2014-05-31"), Some("2014-05-31")),
        (Some(11), Some("2016-09-30"), Some("2014-05-31")),
        (Some(11), Some("2016-10-01"), None),
        (None, Some("2014-05-31"), None),
    ] {
        let history = history(as_of, on);
        let lapsed = history.registrations.first().and_then(|it| it.lapsed_since);
        assert_eq!(lapsed, expected.map(date), "as of {as_of:?} on {on:?}");
        assert_eq!(history.table().contains(", lapsed since 2014-05-31"), expected.is_some());
    }
}

/// Goal: who someone is on a day follows the amendments in the order in which they hold, not in which they were told; and
/// an enrolment gives way to what was amended after it. Method: days around each, and an enrolment that says otherwise.
#[test]
fn details_follow_the_amendments_in_effective_order() {
    let is = |history: &History, field| history.personal.as_ref().and_then(|now| now.get(&field)).cloned();
    for (as_of, on, name, postcode) in [
        (None, "2013-11-30", "Archer", "PL1 4AB"),
        (None, "2013-12-01", "Archer", "EX4 4QJ"),
        (None, "2014-02-01", "Baker", "EX4 4QJ"),
        (Some(12), "2014-02-01", "Baker", "PL1 4AB"),
        (Some(7), "2014-02-01", "Archer", "PL1 4AB"),
        // Who someone is does not begin with their course.
        (None, "2001-01-01", "Archer", "PL1 4AB"),
    ] {
        let history = history(as_of, Some(on));
        let now = (is(&history, Field::FamilyName), is(&history, Field::Postcode));
        assert_eq!(now, (Some(name.to_owned()), Some(postcode.to_owned())), "as of {as_of:?} on {on}");
    }

    let mut told = told(ANN, true);
    let mut second = told.pop().expect("the second enrolment");
    let mut retold = |sequence: u64, postcode: &str| {
        second.entry.sequence = Sequence(sequence);
        second.private = Some(Private::from([(Field::Postcode, postcode)]));
        told.push(second.clone());
        History::of(ANN, &told, view(None, None))
    };
    let before = retold(6, "AB1 1AB");
    assert_eq!(is(&before, Field::Postcode).as_deref(), Some("EX4 4QJ"), "told before the amendment was recorded");
    let after = retold(30, "ZE1 0AA");
    assert_eq!(is(&after, Field::Postcode).as_deref(), Some("ZE1 0AA"), "told after it");
}

/// Goal: the order in which entries are handed over changes no byte. Method: both orders, JSON and text.
#[test]
fn the_order_of_telling_does_not_matter() {
    let mut told = told(ANN, true);
    let forward = History::of(ANN, &told, view(None, None));
    told.reverse();
    let backward = History::of(ANN, &told, view(None, None));
    assert_eq!(json(&forward), json(&backward));
    assert_eq!(forward.table(), backward.table());
}

/// Goal: without reveal not one personal value is in either form. Method: a search, and the same search with reveal.
#[test]
fn nothing_personal_is_told_unrevealed() {
    let closed = History::of(ANN, &told(ANN, false), view(None, None));
    let open = history(None, None);
    assert_eq!(closed.personal, None);
    for text in ["Archer", "Baker", "9000000006", "2000-06-15", "EX4 4QJ", "moved away", "july.csv"] {
        assert!(!json(&closed).contains(text) && !closed.table().contains(text), "{text}");
        assert!(json(&open).contains(text) && open.table().contains(text), "{text}");
    }
}

/// Goal: whatever a row said, the text keeps to its width and cannot steer a terminal. Method: long and hostile values.
#[test]
fn the_text_keeps_to_its_width() {
    for value in [
        "x".repeat(1000),
        "é ".repeat(400),
        "\u{1b}[2J\u{7}\r\n\tname".to_owned(),
        "\u{202e}drowssap".to_owned(),
        format!("{} {}", "y".repeat(99), "z".repeat(101)),
        " ".repeat(300),
    ] {
        let mut told = told(ANN, true);
        for told in &mut told {
            if let Event::LearnerEnrolled(event) = &mut told.entry.event {
                event.centre.clone_from(&value);
            }
            told.private = Some(Private::from([(Field::FamilyName, &value), (Field::FileName, &value)]));
        }
        let table = History::of(ANN, &told, view(None, None)).table();
        for line in table.lines() {
            assert!(line.chars().count() <= 100, "{line:?}");
            assert!(!line.chars().any(|letter| letter.is_control() || letter == '\u{202e}'), "{line:?}");
        }
        let letters = |text: &str| text.chars().filter(|letter| "xyzé".contains(*letter)).count();
        assert!(letters(&table) >= letters(&value), "nothing is lost");
    }
}

/// Goal: a learner of whom nothing is told has an empty history, not an error.
#[test]
fn nothing_told_is_an_empty_history() {
    let history = History::of(ANN, &[], view(None, None));
    assert!(history.events.is_empty() && history.registrations.is_empty() && history.personal.is_none());
    assert_eq!(history.on, None::<Date>);
    assert!(history.table().starts_with("Learner K1-2\n"));
}
