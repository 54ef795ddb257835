//! What a file of orders would come to, held against what it comes to.

use std::{collections::BTreeMap, env};

use daybook_protocol::{field::Field, finding::Code};
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::office::ORDERS_MAX;

/// So many files are tried; `DAYBOOK_SEED` repeats one run of them.
const FILES: usize = 80;
/// And at most so many.
const FILES_MAX: usize = 10 * FILES;
const ROWS_MAX: usize = 12;
const HEADER: &str = "uln,given_names,family_name,date_of_birth,qualification_number,start_date\n";
const LEARNERS: [(&str, &str, &str); 3] =
    [("1000000019", "Doe", "2004-05-06"), ("1000000027", "Roe", "2004-05-07"), ("1000000000", "Poe", "2004-05-08")];
const DAYS: [&str; 6] = ["2026-01-04", "2026-01-05", "2026-02-01", "2026-03-01", "2026-06-01", "2026-08-01"];

/// An office where the learners are enrolled, and which holds no file for its share of errors.
fn enrolled() -> (TempDir, Office) {
    let (directory, place, office) = office();
    office.close().expect("closed");
    let config =
        "[agent]\nfree_bytes_min = 1\n[policy]\nrow_errors_percent_max = 100\ncolumn_errors_percent_max = 100\n";
    std::fs::write(place.home.config(), config).expect("written");
    let office = Office::open(&place, false).expect("opened");
    let row = |(uln, family, born): (&str, &str, &str)| format!("{uln},Ann,{family},{born},60158864,2026-01-05\n");
    let arrival = hand_over(&office, &format!("{HEADER}{}", LEARNERS.map(row).concat()));
    office.proceed(arrival, &mut |_, _| {}).expect("done");
    (directory, office)
}

/// The columns of a kind, behind those that say who is meant.
fn columns(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Enrolments | Kind::Mixed => &[],
        Kind::Amendments => &[Field::AmendedField, Field::NewValue, Field::EffectiveDate, Field::Reason],
        Kind::Withdrawals => &[Field::WithdrawalDate, Field::WithdrawalReason],
        Kind::Deferrals | Kind::Extensions => &[Field::DeferFrom, Field::ResumeBy, Field::DeferralReason],
        Kind::Resumptions => &[Field::ResumedOn, Field::Reason],
        Kind::Dispatches => &[Field::CertificateNo, Field::DispatchedOn, Field::Reason],
        Kind::Redispatches => &[Field::CertificateNo, Field::DispatchedOn, Field::Evidence, Field::Reason],
        Kind::Returns => &[Field::CertificateNo, Field::ReturnedOn, Field::ReturnReason],
        Kind::Reversals | Kind::Voids | Kind::Completions => &[Field::EffectiveDate, Field::Reason],
        Kind::Transfers => &[Field::NewCentre, Field::EffectiveDate, Field::Evidence, Field::Reason],
        Kind::Merges => &[Field::OtherUln, Field::OtherFamilyName, Field::Reason],
        Kind::Unmerges | Kind::Aliases => &[Field::OtherUln, Field::Reason],
    }
}

/// A value that a column may have; some are wrong.
fn value(field: Field, chance: &mut ChaCha8Rng) -> &'static str {
    let values: &[&str] = match field {
        Field::AmendedField => &["family_name", "uln", "postcode"],
        Field::NewValue => &["Noe", "1000000027", "1234567899", "LS1 4AP"],
        Field::OtherUln => &["1000000019", "1000000027", "1000000000", "1234567899"],
        Field::OtherFamilyName => &["Doe", "Roe", "Poe"],
        Field::WithdrawalReason => &["LEFT_COURSE", "ILLNESS", "no reason"],
        Field::ReturnReason => &["GONE_AWAY", "REFUSED"],
        // A certificate may be called what a centre is.
        Field::CertificateNo | Field::NewCentre => &["C1", "C2"],
        Field::DeferralReason | Field::Reason | Field::Evidence => &["told by the centre", ""],
        _ => &DAYS,
    };
    values.choose(chance).copied().unwrap_or_default()
}

/// A file of orders of a kind.
fn orders(kind: Kind, chance: &mut ChaCha8Rng) -> String {
    let who = [Field::Uln, Field::FamilyName, Field::DateOfBirth];
    let mut headings: Vec<&str> = who.iter().chain(columns(kind)).map(|field| field.name()).collect();
    headings.push("qualification_number");
    let mut text = headings.join(",") + "\n";
    for _ in 0..chance.random_range(1..=ROWS_MAX) {
        let (uln, family, born) = LEARNERS.choose(chance).copied().unwrap_or_default();
        let family = if chance.random_bool(0.1) { "Noe" } else { family };
        let mut cells = vec![uln, family, born];
        cells.extend(columns(kind).iter().map(|field| value(*field, chance)));
        cells.push("60158864");
        text.push_str(&(cells.join(",") + "\n"));
    }
    text
}

/// What a row comes to: its event, its codes, and the entry or the line that it stands against.
type Told = (u32, String, Vec<Code>, Option<Sequence>, Option<u32>);

fn rehearsed(office: &Office, kind: Kind, text: &str) -> Vec<Told> {
    let rehearsed = office.rehearse(kind, &text.as_bytes().into(), "clerk").expect("rehearsed");
    let rows = rehearsed.rows.into_iter();
    let codes = |findings: Vec<daybook_protocol::finding::Finding>| findings.iter().map(|it| it.code).collect();
    rows.map(|row| (row.line, row.event.to_owned(), codes(row.findings), row.against, row.against_line)).collect()
}

fn recorded(office: &Office, kind: Kind, text: &str) -> Vec<Told> {
    let preserved = office.preserve(&mut text.as_bytes(), text.len() as u64).expect("preserved");
    let handed = Handed { centre: String::new(), kind: Some(kind), ..handed() };
    let arrival = office.receive_from(Some("clerk"), &handed, &preserved).expect("received");
    office.proceed(arrival, &mut |_, _| {}).expect("done");
    let mut lines = BTreeMap::new();
    let mut told = Vec::new();
    for entry in entries(office) {
        let Source::Row { arrival: of, line } = entry.source else { continue };
        if of != arrival {
            continue;
        }
        assert_eq!(entry.actor, Actor::Operator("clerk".to_owned()), "an operator's file has an operator's rows");
        lines.insert(entry.sequence, line);
        let against = match &entry.event {
            Event::RowRejected(row) => row.against,
            Event::RowDuplicate(row) => Some(row.first),
            _ => None,
        };
        let line_against = against.and_then(|against| lines.get(&against).copied());
        let codes = entry.findings.iter().map(|finding| finding.code).collect();
        let against = against.filter(|_| line_against.is_none());
        told.push((line, entry.event.name().to_owned(), codes, against, line_against));
    }
    told
}

/// Goal: what is rehearsed is what is recorded, whatever is ordered of whom in whichever order, and a rehearsal records nothing.
/// Method: files of random orders about three learners, one after the other, each rehearsed and then taken in.
#[test]
fn a_rehearsal_tells_what_happens() {
    let seed = env::var("DAYBOOK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let (_directory, office) = enrolled();
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.is_ordered()).collect();
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    let all_sorts = |events: &BTreeMap<String, usize>| events.len() > 4 && events.contains_key("RowDuplicate");
    let mut files = 0;
    // Few files may happen to be of few sorts: more are tried then.
    while files < FILES || (files < FILES_MAX && !all_sorts(&events)) {
        files += 1;
        let kind = *kinds.choose(&mut chance).expect("a kind");
        let text = orders(kind, &mut chance);
        let before = office.reading.entries.count();
        let expected = rehearsed(&office, kind, &text);
        assert_eq!(office.reading.entries.count(), before);
        let found = recorded(&office, kind, &text);
        assert_eq!(expected, found, "DAYBOOK_SEED={seed}: {kind}\n{text}");
        for (_, event, ..) in found {
            *events.entry(event).or_default() += 1;
        }
    }
    assert!(all_sorts(&events), "DAYBOOK_SEED={seed}: {events:?}");
    office.close().expect("closed");
}

/// Goal: a file of too many orders is refused before anything is judged. Method: one more than are taken.
#[test]
fn a_file_of_orders_has_a_limit() {
    let (_directory, _, office) = office();
    let row = "1000000019,Doe,2004-05-06,2026-02-01,closed\n";
    let text = format!("uln,family_name,date_of_birth,effective_date,reason\n{}", row.repeat(ORDERS_MAX + 1));
    let refused = office.rehearse(Kind::Voids, &text.as_bytes().into(), "clerk").expect_err("too many");
    assert!(matches!(refused, OfficeError::TooManyOrders), "{refused}");
    office.close().expect("closed");
}
