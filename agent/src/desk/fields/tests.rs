//! Rows of every kind through [`read`], with exact findings.

mod any;
mod mixed;
mod shifted;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use daybook_protocol::{
    entry::Private,
    event::{AmendmentClass, ReturnReason, WithdrawalReason},
    finding::Finding,
    ids::{RegistrationNo, Token},
};

use super::*;
use crate::desk::{CHANGE_DOMAIN, IDENTITY_DOMAIN, Other, PERSON_DOMAIN, ULN_DOMAIN};

/// Tokens that tell apart what they are made of, without a key.
struct Plain;

impl Tokenizer for Plain {
    fn token(&self, domain: &str, parts: &[&str]) -> Token {
        let mut hasher = DefaultHasher::new();
        (domain, parts).hash(&mut hasher);
        Token(u128::from(hasher.finish()).to_be_bytes())
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with what a row may lack")]
fn token(domain: &str, parts: &[&str]) -> Option<Token> {
    Some(Plain.token(domain, parts))
}

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

const PERSON: [(Field, &str); 6] = [
    (Field::Uln, "1000000019"),
    (Field::GivenNames, "Siân"),
    (Field::FamilyName, "O\u{2019}Brien"),
    (Field::DateOfBirth, "17/03/2004"),
    (Field::CentreNo, "river1"),
    (Field::Qualification, "601/5886/4"),
];

/// A sound row of a kind, its own columns behind those of the person.
fn sound(kind: Kind) -> Vec<(Field, &'static str)> {
    let own: &[(Field, &str)] = match kind {
        Kind::Enrolments => &[(Field::StartDate, "2026-09-07"), (Field::CentreRef, "RS-001")],
        Kind::Amendments => {
            &[(Field::AmendedField, "Surname"), (Field::NewValue, "Nguyễn"), (Field::Reason, "marriage")]
        }
        Kind::Withdrawals => &[(Field::WithdrawalDate, "16/10/2026"), (Field::WithdrawalReason, "Left course")],
        Kind::Deferrals | Kind::Extensions => &[
            (Field::DeferFrom, "2026-12-01"),
            (Field::ResumeBy, "2027-03-01"),
            (Field::DeferralReason, "parental leave"),
        ],
        Kind::Resumptions => &[(Field::ResumedOn, "2027-02-15")],
        Kind::Merges | Kind::Unmerges => {
            &[(Field::OtherRegistrationNo, "R1-48"), (Field::OtherUln, "1000000027"), (Field::Reason, "passport seen")]
        }
        Kind::Aliases => &[(Field::OtherUln, "1000000027"), (Field::Reason, "linked by the LRS")],
        Kind::Transfers => &[
            (Field::NewCentre, "hill2"),
            (Field::NewQualification, "600/8706/7"),
            (Field::EffectiveDate, "2026-10-16"),
            (Field::Reason, "moved house"),
            (Field::Evidence, "both centres by mail"),
        ],
        Kind::Reversals | Kind::Voids | Kind::Completions => {
            &[(Field::EffectiveDate, "2026-10-16"), (Field::Reason, "sent by mistake")]
        }
        Kind::Dispatches => &[
            (Field::CertificateNo, "VT/2026-001"),
            (Field::DispatchedOn, "2026-11-20"),
            (Field::Carrier, "Royal Mail"),
            (Field::Tracking, "AB123456789GB"),
        ],
        Kind::Returns => &[
            (Field::CertificateNo, "VT/2026-001"),
            (Field::ReturnedOn, "2026-11-20"),
            (Field::ReturnReason, "Gone away"),
        ],
        Kind::Redispatches => &[
            (Field::CertificateNo, "VT/2026-001"),
            (Field::DispatchedOn, "2026-11-20"),
            (Field::Address, "1 High Street"),
        ],
        Kind::Mixed => {
            &[(Field::Fact, "withdrawal"), (Field::WithdrawalDate, "2026-10-16"), (Field::WithdrawalReason, "3")]
        }
    };
    PERSON.iter().chain(own).copied().collect()
}

fn given(values: &[(Field, &str)]) -> Given {
    Given::new(values.iter().map(|(field, text)| (*field, (*text).to_owned())).collect())
}

fn read_at(kind: Kind, centre: &str, values: &[(Field, &str)]) -> Result<Command, Rejected> {
    let (policies, today) = (&Policies::default(), date("2026-11-21"));
    let context = Context { tokens: Some(&Plain), policies, centre, brand: "VTCT", today };
    read(kind, &given(values), &context)
}

/// Reads a sound row of a kind with some values changed.
fn changed(kind: Kind, changes: &[(Field, &str)]) -> Result<Command, Rejected> {
    let values: Vec<_> = changes.iter().copied().chain(sound(kind)).collect();
    read_at(kind, "RIVER1", &values)
}

/// What is found in a row, as in a receipt, and whether it was accepted.
fn found(kind: Kind, changes: &[(Field, &str)]) -> (bool, Vec<String>) {
    let read = changed(kind, changes);
    let findings = match &read {
        Ok(command) => &command.findings,
        Err(rejected) => &rejected.findings,
    };
    let told = |finding: &Finding| match finding.field {
        Some(field) => format!("{} {field}", finding.code),
        None => finding.code.to_string(),
    };
    (read.is_ok(), findings.iter().map(told).collect())
}

/// Goal: a sound row of each kind becomes the command it asks for. Method: compare whole commands.
#[test]
fn sound_rows_become_commands() {
    let subject = Subject {
        uln: token(ULN_DOMAIN, &["1000000019"]),
        person: token(PERSON_DOMAIN, &["obrien", "sian", "2004-03-17", "RIVER1"]),
        identity: token(IDENTITY_DOMAIN, &["obrien", "2004-03-17"]),
        near: Vec::new(),
        sender: None,
        registration: None,
        qualification: Some("60158864".to_owned()),
    };
    let certificate = "VT/2026-001".to_owned();
    let other = Other { uln: token(ULN_DOMAIN, &["1000000027"]), registration: "R1-48".parse().ok() };
    for (kind, effective_on, ask) in [
        (Kind::Reversals, "2026-10-16", Ask::Reverse),
        (Kind::Voids, "2026-10-16", Ask::Void),
        (Kind::Completions, "2026-10-16", Ask::Complete),
        (Kind::Merges, "2026-11-21", Ask::Merge { other, identity: subject.identity }),
        (Kind::Unmerges, "2026-11-21", Ask::Unmerge { other }),
        (Kind::Aliases, "2026-11-21", Ask::Alias { uln: Plain.token(ULN_DOMAIN, &["1000000027"]) }),
        (
            Kind::Transfers,
            "2026-10-16",
            Ask::Transfer {
                centre: Some("HILL2".to_owned()),
                qualification: Some("60087067".to_owned()),
                person: token(PERSON_DOMAIN, &["obrien", "sian", "2004-03-17", "HILL2"]),
            },
        ),
        (Kind::Extensions, "2026-12-01", Ask::Extend { resume_by: date("2027-03-01") }),
        (Kind::Enrolments, "2026-09-07", Ask::Enrol { centre: "RIVER1".to_owned(), brand: "VTCT".to_owned(), age: 22 }),
        (
            Kind::Amendments,
            "2026-11-21",
            Ask::Amend {
                field: Field::FamilyName,
                class: AmendmentClass::C,
                uln: None,
                person: token(PERSON_DOMAIN, &["nguyen", "sian", "2004-03-17", "RIVER1"]),
                identity: token(IDENTITY_DOMAIN, &["nguyen", "2004-03-17"]),
                change: Plain.token(CHANGE_DOMAIN, &["family_name", "Nguyễn"]),
            },
        ),
        (
            Kind::Withdrawals,
            "2026-10-16",
            Ask::Withdraw { reason: WithdrawalReason::LeftCourse, last_attended_on: None },
        ),
        (Kind::Deferrals, "2026-12-01", Ask::Defer { resume_by: date("2027-03-01") }),
        (Kind::Resumptions, "2027-02-15", Ask::Resume),
        (
            Kind::Dispatches,
            "2026-11-20",
            Ask::Dispatch {
                certificate: certificate.clone(),
                carrier: "Royal Mail".to_owned(),
                tracking: "AB123456789GB".to_owned(),
            },
        ),
        (Kind::Returns, "2026-11-20", Ask::Return { certificate: certificate.clone(), reason: ReturnReason::GoneAway }),
        (
            Kind::Redispatches,
            "2026-11-20",
            Ask::Redispatch { certificate, carrier: String::new(), tracking: String::new(), address_confirmed: true },
        ),
    ] {
        let command = changed(kind, &[]).expect("a sound row");
        assert_eq!(command.ask, ask);
        // Names the wrong way round; the seventeenth is no month.
        let slips = token(PERSON_DOMAIN, &["sian", "obrien", "2004-03-17", "RIVER1"]);
        let near = slips.into_iter().filter(|_| kind == Kind::Enrolments).collect();
        let held = !matches!(kind, Kind::Enrolments | Kind::Dispatches | Kind::Returns | Kind::Redispatches);
        let sender = held.then(|| "RIVER1".to_owned());
        let subject = Subject { near, sender, ..subject.clone() };
        assert_eq!((command.subject, command.effective_on), (subject, date(effective_on)), "{kind}");
        assert_eq!(command.findings, [], "{kind}");
        assert_eq!(command.private.value(Field::FamilyName), Some("O\u{2019}Brien"));
        assert_eq!(command.private.value(Field::DateOfBirth), Some("17/03/2004"));
        assert_eq!(command.private.value(Field::Qualification), None);
    }
}

/// A kind, changes to its sound row, whether the row is still accepted, and the findings.
type Case<'a> = (Kind, &'a [(Field, &'a str)], bool, &'a [&'a str]);

/// Goal: every fault of a row is found, with its code and column, and warnings reject nothing. Method: a table of changes to
/// sound rows, with the findings as a receipt shows them.
#[test]
#[allow(clippy::too_many_lines, reason = "a table is read line by line")]
fn faults_are_found() {
    use Field as F;
    use Kind as K;
    let long = "Ab ".repeat(400);
    let long_name = "Ab".repeat(80);
    #[rustfmt::skip]
    let table: &[Case] = &[
        (K::Enrolments, &[(F::Uln, "")], true, &[]),
        (K::Enrolments, &[(F::Uln, "TBC")], true, &["2L-006 uln"]),
        (K::Enrolments, &[(F::Uln, "'1000000019")], true, &["2L-005 uln"]),
        (K::Enrolments, &[(F::Uln, "1234567890")], false, &["2L-003 uln"]),
        (K::Enrolments, &[(F::Uln, "123456789"), (F::StartDate, "")], false, &["2L-002 uln", "2L-001 start_date"]),
        (K::Enrolments, &[(F::Uln, "1.23E+09")], false, &["2L-004 uln"]),
        (K::Enrolments, &[(F::GivenNames, "-"), (F::FamilyName, "--")], false, &["2L-001 given_names", "2L-001 family_name"]),
        (K::Enrolments, &[(F::FamilyName, "SMITH, Jane")], false, &["2L-022 family_name"]),
        (K::Enrolments, &[(F::GivenNames, "Jane2")], false, &["2L-012 given_names"]),
        (K::Enrolments, &[(F::GivenNames, "Miss JANE")], true, &["2L-021 given_names"]),
        (K::Enrolments, &[(F::FamilyName, "SMITH")], true, &["2L-014 family_name"]),
        (K::Enrolments, &[(F::FamilyName, "Featherstonehaugh-Cholmondeley-Smyth")], true, &["2L-013 family_name"]),
        (K::Enrolments, &[(F::MiddleNames, "--"), (F::PreferredName, "J4ne")], false, &["2L-012 preferred_name"]),
        (K::Enrolments, &[(F::MiddleNames, &long_name)], false, &["2L-023 middle_names"]),
        (K::Enrolments, &[(F::DateOfBirth, "12/31/2004")], false, &["2L-007 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "17/03/04")], false, &["2L-008 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "01/01/1900")], false, &["2L-025 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "1970-01-01 00:00:00")], false, &["2L-025 date_of_birth"]),
        (K::Enrolments, &[(F::StartDate, "30/12/1899")], false, &["2L-025 start_date"]),
        (K::Enrolments, &[(F::DateOfBirth, "2026-11-21")], false, &["2L-025 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "2026-09-07")], false, &["2L-025 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "2026-11-22")], false, &["2L-009 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "2016-09-08")], false, &["2L-010 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "2016-09-07")], true, &["2L-011 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "2012-09-07")], true, &[]),
        (K::Enrolments, &[(F::DateOfBirth, "1940-09-07")], true, &["2L-011 date_of_birth"]),
        (K::Enrolments, &[(F::DateOfBirth, "1925-09-07")], false, &["2L-010 date_of_birth"]),
        (K::Enrolments, &[(F::StartDate, "2027-11-21")], true, &[]),
        (K::Enrolments, &[(F::StartDate, "2027-11-22")], false, &["2L-009 start_date"]),
        (K::Enrolments, &[(F::Sex, "F"), (F::Postcode, "SW1A 1AA"), (F::Email, "s@example.org")], true, &[]),
        (K::Enrolments, &[(F::Sex, "man"), (F::Postcode, "Q1 1AA"), (F::Email, "s@")], true, &["2L-028 sex", "2L-015 postcode", "2L-028 email"]),
        (K::Enrolments, &[(F::Qualification, "6015886")], false, &["2L-026 qualification"]),
        (K::Enrolments, &[(F::Qualification, "500/1234/5")], true, &["3R-004 qualification"]),
        (K::Enrolments, &[(F::Qualification, "")], false, &["2L-001 qualification"]),
        (K::Enrolments, &[(F::CentreNo, "HILL2")], false, &["3R-009 centre_no"]),
        (K::Enrolments, &[(F::CentreNo, "")], true, &[]),
        (K::Enrolments, &[(F::PlannedEndDate, "TBC"), (F::RegistrationNo, "12/34")], true, &[]),
        (K::Enrolments, &[(F::Notes, &long)], false, &["2L-023 notes"]),
        (K::Withdrawals, &[(F::Uln, "")], false, &["2L-001 uln"]),
        (K::Withdrawals, &[(F::Uln, "9999999999")], false, &["2L-006 uln", "2L-001 uln"]),
        (K::Withdrawals, &[(F::Uln, "123")], false, &["2L-002 uln"]),
        (K::Withdrawals, &[(F::Uln, ""), (F::RegistrationNo, "R1-48213")], true, &[]),
        (K::Withdrawals, &[(F::Uln, ""), (F::RegistrationNo, "48213")], false, &["2L-024 registration_no"]),
        (K::Withdrawals, &[(F::FamilyName, ""), (F::DateOfBirth, "")], false, &["2L-001 family_name", "2L-001 date_of_birth"]),
        (K::Withdrawals, &[(F::FamilyName, "O'BRIEN"), (F::GivenNames, "Miss SIAN")], true, &[]),
        (K::Withdrawals, &[(F::FamilyName, "--")], false, &["2L-001 family_name"]),
        (K::Withdrawals, &[(F::GivenNames, ""), (F::Qualification, "")], true, &[]),
        (K::Withdrawals, &[(F::CentreNo, "HILL2")], false, &["3R-009 centre_no"]),
        (K::Withdrawals, &[(F::WithdrawalDate, "")], false, &["2L-001 withdrawal_date"]),
        (K::Withdrawals, &[(F::WithdrawalDate, "2030-01-01")], true, &[]),
        (K::Withdrawals, &[(F::LastAttendedOn, "soon")], false, &["2L-007 last_attended_on"]),
        (K::Withdrawals, &[(F::WithdrawalReason, "")], false, &["2L-018 withdrawal_reason"]),
        (K::Withdrawals, &[(F::WithdrawalReason, ""), (F::Reason, "bored")], false, &["2L-019 reason"]),
        (K::Withdrawals, &[(F::WithdrawalReason, "42")], false, &["2L-019 withdrawal_reason"]),
        (K::Withdrawals, &[(F::WithdrawalReason, "OTHER")], false, &["2L-020 notes"]),
        (K::Withdrawals, &[(F::WithdrawalReason, "OTHER"), (F::Notes, "moved abroad")], true, &[]),
        (K::Withdrawals, &[(F::WithdrawalReason, "OTHER"), (F::Reason, "moved abroad")], true, &[]),
        (K::Withdrawals, &[(F::WithdrawalReason, ""), (F::Reason, "other")], false, &["2L-020 notes"]),
        (K::Deferrals, &[(F::DeferralReason, ""), (F::ResumeBy, "")], false, &["2L-001 resume_by", "2L-018 deferral_reason"]),
        (K::Deferrals, &[(F::ResumeBy, "2026-12-01")], false, &["2L-029 resume_by"]),
        (K::Deferrals, &[(F::DeferFrom, "2028-01-01"), (F::ResumeBy, "2028-02-01")], false, &["2L-009 defer_from"]),
        (K::Deferrals, &[(F::DeferralReason, ""), (F::Reason, "illness")], true, &[]),
        (K::Resumptions, &[(F::ResumedOn, "")], false, &["2L-001 resumed_on"]),
        (K::Resumptions, &[(F::ResumedOn, "31/11/2026")], false, &["2L-007 resumed_on"]),
        (K::Dispatches, &[(F::CertificateNo, "")], false, &["2L-001 certificate_no"]),
        (K::Dispatches, &[(F::CertificateNo, "VT 1")], false, &["2L-024 certificate_no"]),
        (K::Dispatches, &[(F::CertificateNo, "12345678901234567890123456789012345678901")], false, &["2L-024 certificate_no"]),
        (K::Dispatches, &[(F::DispatchedOn, "2026-11-22")], false, &["2L-009 dispatched_on"]),
        (K::Dispatches, &[(F::Carrier, "A carrier whose name is longer than any that a carrier ever had before")], false, &["2L-023 carrier"]),
        (K::Dispatches, &[(F::Tracking, "A\tB")], false, &["2L-024 tracking"]),
        (K::Dispatches, &[(F::Uln, "1234567890"), (F::Qualification, "x")], false, &["2L-003 uln", "2L-026 qualification"]),
        (K::Returns, &[(F::ReturnReason, "")], false, &["2L-018 return_reason"]),
        (K::Returns, &[(F::ReturnReason, "eaten")], false, &["2L-019 return_reason"]),
        (K::Returns, &[(F::ReturnedOn, "")], false, &["2L-001 returned_on"]),
        (K::Redispatches, &[(F::DispatchedOn, "")], false, &["2L-001 dispatched_on"]),
        (K::Amendments, &[(F::Reason, "")], false, &["2L-018 reason"]),
        (K::Amendments, &[(F::NewValue, "")], false, &["2L-001 new_value"]),
        (K::Amendments, &[(F::AmendedField, "")], false, &["2L-001 amended_field"]),
        (K::Amendments, &[(F::AmendedField, "Centre number")], false, &["2L-027 amended_field"]),
        (K::Amendments, &[(F::EffectiveDate, "1/2/26"), (F::AmendedField, "qualification")], false, &["2L-008 effective_date", "2L-027 amended_field"]),
        (K::Amendments, &[(F::NewValue, "Jane2")], false, &["2L-012 new_value"]),
        (K::Amendments, &[(F::NewValue, "SMITH")], true, &["2L-014 new_value"]),
        (K::Amendments, &[(F::AmendedField, "forename"), (F::NewValue, "Dr Jane")], true, &["2L-021 new_value"]),
        (K::Amendments, &[(F::AmendedField, "dob"), (F::NewValue, "1/2/05")], false, &["2L-008 new_value"]),
        (K::Amendments, &[(F::AmendedField, "dob"), (F::NewValue, "2026-12-01")], false, &["2L-009 new_value"]),
        (K::Amendments, &[(F::AmendedField, "uln"), (F::NewValue, "1234567890")], false, &["2L-003 new_value"]),
        (K::Amendments, &[(F::AmendedField, "uln"), (F::NewValue, "TBC")], false, &["2L-006 new_value", "2L-001 new_value"]),
        (K::Amendments, &[(F::AmendedField, "postcode"), (F::NewValue, "Q1 1AA")], true, &["2L-015 new_value"]),
    ];
    for (kind, changes, accepted, expected) in table {
        assert_eq!(
            found(*kind, changes),
            (*accepted, expected.iter().map(|&it| it.into()).collect()),
            "{kind} {changes:?}"
        );
    }
}

/// Goal: an amendment tells by which tokens the learner is found afterwards, as far as its row can know. Method: amend each
/// thing that is part of a token, with and without given names.
#[test]
fn amendments_tell_the_tokens_afterwards() {
    let amend = |changes: &[(Field, &str)]| {
        let afterwards = match changed(Kind::Amendments, changes).expect("a sound row").ask {
            Ask::Amend { class, uln, person, identity, .. } => Some((class, uln, person, identity)),
            _ => None,
        };
        afterwards.expect("an amendment")
    };
    let to = |field, value| [(Field::AmendedField, field), (Field::NewValue, value)];
    assert_eq!(
        amend(&to("dob", "18/03/2004")),
        (
            AmendmentClass::C,
            None,
            token(PERSON_DOMAIN, &["obrien", "sian", "2004-03-18", "RIVER1"]),
            token(IDENTITY_DOMAIN, &["obrien", "2004-03-18"])
        )
    );
    assert_eq!(
        amend(&to("First name", "Zoë")),
        (AmendmentClass::C, None, token(PERSON_DOMAIN, &["obrien", "zoe", "2004-03-17", "RIVER1"]), None)
    );
    let mut nameless = to("surname", "Lee").to_vec();
    nameless.push((Field::GivenNames, ""));
    assert_eq!(amend(&nameless), (AmendmentClass::C, None, None, token(IDENTITY_DOMAIN, &["lee", "2004-03-17"])));
    assert_eq!(amend(&to("ULN", "1000000027")), (AmendmentClass::C, token(ULN_DOMAIN, &["1000000027"]), None, None));
    for (field, class) in [("sex", AmendmentClass::C), ("e-mail", AmendmentClass::B), ("address", AmendmentClass::B)] {
        assert_eq!(amend(&to(field, "1")), (class, None, None, None), "{field}");
    }
}

/// Goal: a row's centre stands in for the sender's where there is none. Method: read with an empty context.
#[test]
fn a_sender_for_all_centres_needs_them_in_the_rows() {
    let values = sound(Kind::Enrolments);
    let command = read_at(Kind::Enrolments, "", &values).expect("a sound row");
    assert_eq!(command.ask, Ask::Enrol { centre: "RIVER1".to_owned(), brand: "VTCT".to_owned(), age: 22 });
    assert_eq!(command.subject.person, changed(Kind::Enrolments, &[]).expect("a sound row").subject.person);
    for (centre, code) in [("", Code::REQUIRED_MISSING), ("../etc", Code::VALUE_FORMAT)] {
        let values: Vec<_> = [(Field::CentreNo, centre)].into_iter().chain(values.clone()).collect();
        let rejected = read_at(Kind::Enrolments, "", &values).expect_err("no centre");
        assert_eq!(rejected.findings, [Finding::of(code, Field::CentreNo)]);
    }
    let values: Vec<_> = [(Field::CentreNo, "")].into_iter().chain(sound(Kind::Withdrawals)).collect();
    assert_eq!(read_at(Kind::Withdrawals, "", &values).map(|command| command.subject.person), Ok(None));
}

/// Goal: a registration's number and the last day of attendance reach the command, and a denial of evidence confirms no
/// address. Method: rows that give them.
#[test]
fn what_is_optional_reaches_the_command() {
    let changes = [(Field::RegistrationNo, "r2-7"), (Field::LastAttendedOn, "1 Oct 2026")];
    let command = changed(Kind::Withdrawals, &changes).expect("a sound row");
    assert_eq!(command.subject.registration, "R2-7".parse::<RegistrationNo>().ok());
    let last_attended_on = Some(date("2026-10-01"));
    assert_eq!(command.ask, Ask::Withdraw { reason: WithdrawalReason::LeftCourse, last_attended_on });
    for (address, evidence, expected) in [
        ("", "rang the centre", true),
        ("", "Yes", true),
        ("", "No", false),
        ("", "", false),
        ("1 Low Road", "no", true),
    ] {
        let command = changed(Kind::Redispatches, &[(Field::Address, address), (Field::Evidence, evidence)]);
        let ask = command.expect("a sound row").ask;
        assert!(
            matches!(ask, Ask::Redispatch { address_confirmed, .. } if address_confirmed == expected),
            "{evidence}"
        );
    }
}

/// Goal: what is sealed is as sent, names composed, and complete where the row is rejected. Method: one row of each sort.
#[test]
fn what_is_personal_is_set_apart() {
    let changes = [(Field::GivenNames, "Sia\u{302}n"), (Field::Notes, " e\u{301} "), (Field::Uln, "'1000000019")];
    let private = changed(Kind::Enrolments, &changes).expect("a sound row").private;
    let value = |field| private.value(field);
    assert_eq!((value(Field::GivenNames), value(Field::Notes)), (Some("Siân"), Some("e\u{301}")));
    assert_eq!((value(Field::Uln), value(Field::CentreRef)), (Some("'1000000019"), Some("RS-001")));
    assert_eq!((value(Field::StartDate), value(Field::CentreNo)), (None, None));

    let private = changed(Kind::Enrolments, &[(Field::FamilyName, "Jane2")]).expect_err("a digit").private;
    assert_eq!(private.count(), sound(Kind::Enrolments).len());
    assert_eq!(private.value(Field::StartDate), Some("2026-09-07"));
}
