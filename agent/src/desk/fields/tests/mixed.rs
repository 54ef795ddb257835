//! Rows that say themselves what they are.

use super::*;

/// A mixed row of a fact with values of its own.
fn told(fact: &'static str, values: &[(Field, &'static str)]) -> (bool, Vec<String>, Option<(Ask, String)>) {
    let row: Vec<_> = PERSON.iter().copied().chain([(Field::Fact, fact)]).chain(values.iter().copied()).collect();
    let read = read_at(Kind::Mixed, "RIVER1", &row);
    let (findings, ask) = match &read {
        Ok(command) => (&command.findings, Some((command.ask.clone(), command.effective_on.to_string()))),
        Err(rejected) => (&rejected.findings, None),
    };
    let codes = findings.iter().map(|finding| match finding.field {
        Some(field) => format!("{} {field}", finding.code),
        None => finding.code.to_string(),
    });
    (read.is_ok(), codes.collect(), ask)
}

/// Goal: each fact becomes what a file of its kind would ask for, and what is none is named. Method: a row for each.
#[test]
fn a_row_is_what_its_fact_says() {
    let start = (Field::StartDate, "2026-09-07");
    let enrol = Ask::Enrol { centre: "RIVER1".to_owned(), brand: "VTCT".to_owned(), age: 22 };
    let left = [(Field::WithdrawalDate, "2026-10-16"), (Field::WithdrawalReason, "40")];
    let withdraw = Ask::Withdraw { reason: WithdrawalReason::TransferQual, last_attended_on: None };
    let from = (Field::DeferFrom, "2026-10-16");
    let away = (Field::DeferralReason, "agreed break in learning");
    let until = |by: &str| Some((Ask::Defer { resume_by: date(by) }, "2026-10-16".to_owned()));
    for (fact, values, findings, asked) in [
        ("enrolment", &[start][..], &[][..], Some((enrol.clone(), "2026-09-07".to_owned()))),
        ("Completed enrolment", &[start], &["2L-033 fact"], Some((enrol, "2026-09-07".to_owned()))),
        ("withdrawal", &left, &[], Some((withdraw, "2026-10-16".to_owned()))),
        ("deferral", &[from, (Field::ResumeBy, "2027-01-11"), away], &[], until("2027-01-11")),
        ("deferral", &[from, away], &["2L-034 resume_by"], until("2027-10-16")),
        ("resumption", &[(Field::ResumedOn, "2026-11-02")], &[], Some((Ask::Resume, "2026-11-02".to_owned()))),
        ("enrolment", &[], &["2L-001 start_date"], None),
        ("withdrawal", &left[..1], &["2L-018 withdrawal_reason"], None),
        ("CompStatus 9", &[start], &["2L-032 fact"], None),
        ("", &[start], &["2L-001 fact"], None),
    ] {
        let (accepted, found, ask) = told(fact, values);
        assert_eq!((accepted, ask), (asked.is_some(), asked), "{fact} {values:?}: {found:?}");
        assert_eq!(found, findings, "{fact} {values:?}");
    }
}

/// Goal: what an accepted row seals is what a file of its fact's kind would seal, and the fact as it was sent. Method: both read.
#[test]
fn a_row_seals_as_its_own_kind_does() {
    let values = sound(Kind::Enrolments);
    let alone = read_at(Kind::Enrolments, "RIVER1", &values).expect("a sound row").private;
    let with_fact: Vec<_> = values.into_iter().chain([(Field::Fact, "enrolment")]).collect();
    let mixed = read_at(Kind::Mixed, "RIVER1", &with_fact).expect("a sound row").private;
    assert_eq!(mixed.value(Field::Fact), Some("enrolment"));
    let others: Vec<_> = mixed.iter().filter(|(field, _)| *field != Field::Fact).collect();
    assert_eq!(others, alone.iter().collect::<Vec<_>>());
}
