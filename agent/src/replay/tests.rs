//! Random histories, replayed from random places.

use std::fs;

use daybook_protocol::{
    event::{Completion, FileId, Register},
    field::Field,
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    desk::{Context, Given},
    home::Home,
    journal::today,
    office::{Handed, Location, Meaning, Word},
};

/// Policies of which every kind of decision asks something.
const POLICIES: &str = "[agent]\nfree_bytes_min = 1\n[policy]\ndeferral_days_max = 400\nrow_errors_percent_max = 60\n\
    [[policy.since]]\nfrom = 2024-07-01\nextend_expiry_by_deferral = true\nmin_weeks_registration_to_completion = 12\n\
    dispatches_max = 1\n[policy.since.reasons]\nbored = \"LEFT_COURSE\"\n";
/// Under these nobody is deferred.
const STRICT: &str = "[policy]\ndeferrals_max = 0\n";

const DAYS: [&str; 8] =
    ["2024-01-08", "2024-03-01", "2024-06-30", "2024-07-01", "2024-09-02", "2024-12-31", "2025-02-14", "2025-06-01"];
const LEARNERS: [(&str, &str); 3] = [("1000000019", "Doe"), ("1000000027", "Roe"), ("1000000000", "Poe")];
/// In so many ways a row can say something; most of them are the plain one.
const WAYS: usize = 18;

/// What a row says: of whom, from which day, until which, and in which of some ways.
type Row = (usize, usize, usize, usize);

#[derive(Debug, Clone)]
enum Deed {
    /// A file of a kind.
    File(Kind, Vec<Row>),
    /// An operator's order.
    Order(Kind, Row),
    /// A file of operator's orders.
    Orders(Kind, Vec<Row>),
    /// A person's word on one of those held.
    Word(usize, bool),
    /// What an operator says of a value in a file that is held.
    Map(usize),
    /// A register of centres, in which the one of all rows is approved up to some day or for good.
    Load(usize),
}

fn columns(kind: Kind, (who, from, until, how): Row) -> Vec<(Field, String)> {
    let (uln, family) = LEARNERS[who];
    // Whoever is enrolled begins early, and a deferral mostly ends behind its first day.
    let from = if kind == Kind::Enrolments { from % 3 } else { from };
    let until = if how == 1 { until } else { (from + 1 + until % 3).min(DAYS.len() - 1) };
    let (from, until) = (DAYS[from], DAYS[until]);
    let mut row = vec![
        (Field::Uln, if how == 2 { "1234567899" } else { uln }.to_owned()),
        (Field::GivenNames, if how == 3 { "Janet" } else { "Jane" }.to_owned()),
        (Field::FamilyName, if how == 4 { "New" } else { family }.to_owned()),
        (Field::DateOfBirth, if how == 5 { "today" } else { "2004-05-06" }.to_owned()),
        (Field::Qualification, "60158864".to_owned()),
    ];
    let reason = ["LEFT_COURSE", "bored", "44", "OTHER", "Illness", ""][how % 6];
    let mut put = |field, text: &str| row.push((field, text.to_owned()));
    match kind {
        Kind::Enrolments => put(Field::StartDate, from),
        Kind::Withdrawals => {
            put(Field::WithdrawalDate, from);
            put(Field::WithdrawalReason, reason);
        }
        Kind::Deferrals | Kind::Extensions => {
            put(Field::DeferFrom, from);
            put(Field::ResumeBy, until);
            put(Field::DeferralReason, "leave");
        }
        Kind::Resumptions => put(Field::ResumedOn, from),
        Kind::Amendments => {
            put(Field::AmendedField, ["family_name", "postcode"][how % 2]);
            put(Field::NewValue, ["New", "LS1 4AP"][how % 2]);
            put(Field::EffectiveDate, from);
        }
        Kind::Dispatches => {
            put(Field::CertificateNo, ["C1", "C2"][how % 2]);
            put(Field::DispatchedOn, from);
        }
        Kind::Returns => {
            put(Field::CertificateNo, ["C1", "C2"][how % 2]);
            put(Field::ReturnedOn, from);
            put(Field::ReturnReason, "moved");
        }
        Kind::Redispatches => {
            put(Field::CertificateNo, ["C1", "C2"][how % 2]);
            put(Field::DispatchedOn, from);
            put(Field::Evidence, "seen");
        }
        Kind::Reversals | Kind::Voids | Kind::Completions => put(Field::EffectiveDate, from),
        Kind::Transfers => {
            put(Field::EffectiveDate, from);
            put(Field::NewCentre, ["C1", "C2", ""][how % 3]);
            put(Field::NewQualification, ["60158864", "60087067"][how % 2]);
            put(Field::Evidence, "both agree");
        }
        Kind::Merges | Kind::Unmerges => {
            let (uln, family) = LEARNERS[(who + 1) % LEARNERS.len()];
            put(Field::OtherUln, uln);
            put(Field::OtherFamilyName, family);
        }
        Kind::Aliases => put(Field::OtherUln, ["1234567899", "5555555554"][how % 2]),
        Kind::Mixed => {
            put(Field::Fact, ["enrolment", "deferral", "resumption", "withdrawal"][how % 4]);
            put(Field::StartDate, DAYS[how % 3]);
            put(Field::DeferFrom, from);
            put(Field::ResumeBy, if how % 2 == 0 { until } else { "" });
            put(Field::DeferralReason, "leave");
            put(Field::ResumedOn, from);
            put(Field::WithdrawalDate, from);
            put(Field::WithdrawalReason, reason);
        }
    }
    if kind == Kind::Transfers && how % 3 == 2 {
        row.retain(|(field, _)| *field != Field::GivenNames);
    }
    if kind != Kind::Enrolments {
        row.push((Field::Reason, "as asked".to_owned()));
    }
    row
}

fn file(kind: Kind, rows: &[Row]) -> String {
    let heading: Vec<_> = columns(kind, (0, 0, 0, 0)).iter().map(|(field, _)| field.name()).collect();
    let row = |row: &Row| columns(kind, *row).into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",");
    let rows: Vec<_> = rows.iter().map(row).collect();
    format!("{}\n{}\n", heading.join(","), rows.join("\n"))
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let row = || (0..LEARNERS.len(), 0..DAYS.len(), 0..DAYS.len(), 0..WAYS);
    let kinds = || {
        let many = [Kind::Deferrals, Kind::Resumptions, Kind::Deferrals, Kind::Resumptions, Kind::Enrolments];
        prop_oneof![2 => prop::sample::select(many.to_vec()), 1 => prop::sample::select(Kind::ALL.to_vec())]
    };
    let deed = prop_oneof![
        3 => (kinds().prop_filter("in files", |kind| kind.is_in_files()), prop::collection::vec(row(), 1..8))
            .prop_map(|(kind, rows)| Deed::File(kind, rows)),
        3 => (kinds(), row()).prop_map(|(kind, row)| Deed::Order(kind, row)),
        1 => (kinds().prop_filter("orders", |kind| *kind != Kind::Enrolments && *kind != Kind::Mixed),
              prop::collection::vec(row(), 1..4)).prop_map(|(kind, rows)| Deed::Orders(kind, rows)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, release)| Deed::Word(which, release)),
        1 => any::<usize>().prop_map(Deed::Map),
        1 => (0..DAYS.len()).prop_map(Deed::Load),
    ];
    let first = prop::collection::vec(row(), 6..10).prop_map(|rows| Deed::File(Kind::Enrolments, rows));
    (first, prop::collection::vec(deed, 8..24)).prop_map(|(first, rest)| [vec![first], rest].concat())
}

fn office() -> (TempDir, Office) {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let config = directory.path().join("daybook.toml");
    fs::write(&config, POLICIES).expect("written");
    let place = Location { home: Home::new(directory.path().join("home")), config: Some(config), operator_key: None };
    let office = Office::open(&place, true).expect("a new home");
    (directory, office)
}

fn import(office: &Office, kind: Kind, ordered_by: Option<&str>, text: &str) {
    let handed = Handed {
        name: "a.csv".into(),
        folder: None,
        centre: if ordered_by.is_none() { "C1".into() } else { String::new() },
        brand: String::new(),
        kind: Some(kind),
        file_id: FileId { device: 0, number: 0 },
        modified_at: Timestamp(1),
        completed_by: Completion::Handed,
    };
    let preserved = office.preserve(&mut text.as_bytes(), text.len() as u64).expect("preserved");
    let arrival = office.receive_from(ordered_by, &handed, &preserved).expect("received");
    office.proceed(arrival, &mut |_, _| {}).expect("done");
}

fn order(office: &Office, kind: Kind, row: Row) {
    let (tokens, policies) = (office.tokens(), &office.config.policies);
    // An operator may name the centre, of which the log has nothing then.
    let context = Context { tokens: Some(tokens), policies, centre: "C1", brand: "", today: today() };
    let mut columns = columns(kind, row);
    columns.push((Field::CentreNo, "C1".to_owned()));
    // An order that does not pass the checks of its fields is not recorded.
    if let Ok(command) = desk::read(kind, &Given::new(columns), &context) {
        office.journal.order(command, "jo").expect("judged");
    }
}

fn word(office: &Office, which: usize, release: bool) {
    let held = office.journal.look(Index::held).expect("looked");
    let Some(held) = held.get(which % held.len().max(1)).cloned() else { return };
    let (arrival, word) = (held.arrival, if release { Word::Release } else { Word::Refuse });
    office.rule(held, word, "jo", "seen").expect("ruled");
    office.proceed(arrival, &mut |_, _| {}).expect("done");
}

fn map(office: &Office, which: usize) {
    let mut held = office.journal.look(Index::held).expect("looked");
    held.retain(|held| held.line.is_none());
    let Some(held) = held.get(which % held.len().max(1)) else { return };
    let meaning = Meaning::Value(Field::WithdrawalReason, "bored".to_owned(), "OTHER".to_owned());
    office.learn(held, vec![meaning], "jo").expect("learned");
    office.proceed(held.arrival, &mut |_, _| {}).expect("done");
}

fn load(office: &Office, until: usize) {
    let until = if until < 3 { "" } else { DAYS[until] };
    let text = format!("Centre,ApprovedFrom,ApprovedTo\nC1,2020-01-01,{until}\n");
    office.load_reference(Register::Centres, ("centres.csv", text.as_bytes()), "jo", false).expect("loaded");
}

fn replayed(office: &Office, policies: &str, from: u64) -> (Replayed, Vec<Difference>) {
    let config = crate::config::Config::parse(policies, std::path::Path::new("")).expect("good policies");
    let mut differences = Vec::new();
    let places = (Sequence(from), Sequence(office.reading.entries.count()));
    let mut found = |difference: &Difference| differences.push(difference.clone());
    let done = replay_between(office, &config.policies, places, &mut found, &mut |_, _| true);
    (done.expect("replayed"), differences)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 40, ..ProptestConfig::default() })]

    /// Goal: the policy by which history was judged changes nothing of it, from wherever it is replayed, and nothing but what the log
    /// does not have is left out; another one does change it. Method: random files, orders, rulings, mappings and
    /// registers.
    #[test]
    fn the_same_policy_changes_nothing(deeds in deeds(), from in any::<prop::sample::Index>()) {
        let (_directory, office) = office();
        for deed in &deeds {
            match deed {
                Deed::File(kind, rows) => import(&office, *kind, None, &file(*kind, rows)),
                Deed::Orders(kind, rows) => import(&office, *kind, Some("jo"), &file(*kind, rows)),
                Deed::Order(kind, row) => order(&office, *kind, *row),
                Deed::Word(which, release) => word(&office, *which, *release),
                Deed::Map(which) => map(&office, *which),
                Deed::Load(until) => load(&office, *until),
            }
        }
        let count = office.reading.entries.count();
        let entries: Vec<Entry> = (0..count)
            .map(|at| office.reading.entry(Sequence(at)).expect("read").expect("an entry"))
            .collect();
        let unknown = |entry: &&Entry| {
            let stands = matches!(
                entry.event,
                Event::RowRejected(_) | Event::RowDuplicate(_) | Event::LearnerEnrolled(_)
            );
            entry.source == Source::Command && stands
        };
        let rows = entries.iter().filter(|entry| matches!(entry.source, Source::Row { .. })).count() as u64;
        for from in [0, from.index(usize::try_from(count).expect("few")) as u64] {
            let (done, differences) = replayed(&office, POLICIES, from);
            prop_assert_eq!(&differences, &[], "from {}", from);
            if from == 0 {
                let left = entries.iter().filter(unknown).count() as u64;
                prop_assert_eq!((done.rows, done.left), (rows, left));
            }
        }
        let deferred = entries.iter().filter(|entry| matches!(entry.event, Event::LearnerDeferred(_))).count();
        let (_, differences) = replayed(&office, STRICT, 0);
        let flipped = differences.iter().filter(|it| matches!(it.was.event, Some(Event::LearnerDeferred(_)))).count();
        prop_assert_eq!(flipped, deferred);
        prop_assert_eq!(office.reading.entries.count(), count, "nothing is written");
        office.close().expect("closed");
    }
}
