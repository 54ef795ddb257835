//! A small log for the tests of what folds the log: two learners, from enrolment to what came of it.

use daybook_protocol::{
    date::{Date, Timestamp},
    entry::{Actor, Entry, Private, Sealed, Source},
    event::{
        Alarm, AmendmentClass, CertificateDispatched, CertificateRedispatched, CertificateReturned, Completion,
        ConfigAdopted, Encoding, Event, FileClosed, FileId, FileParsed, FileProcessed, FileReceived, HeldResolved,
        LearnerDeferred, LearnerDetailsAmended, LearnerEnrolled, LearnerResumed, LearnerWithdrawn, Level, Lines,
        LogOpened, OriginalFiled, PersonTokens, Place, Plan, ReceiptIssued, ReturnReason, RowDuplicate, RowHeld,
        RowRejected, Scrubbed, Totals, WithdrawalReason,
    },
    field::{Field, Kind},
    finding::Code,
    ids::{Digest, Epoch, KeyId, LogId, RegistrationNo, Sequence, Token},
};

pub(crate) const LOG: LogId = LogId([7; 16]);
/// The learner whose life is long.
pub(crate) const ANN: KeyId = key(2);
/// The learner with a certificate.
pub(crate) const BEN: KeyId = key(3);
/// Everything personal in the log.
pub(crate) const PERSONAL: [&str; 12] = [
    "Ann",
    "Archer",
    "Baker",
    "Ben",
    "Brewer",
    "9000000006",
    "2000-06-15",
    "1999-01-31",
    "PL1 4AB",
    "EX4 4QJ",
    "moved away",
    "july.csv",
];

/// The key of that number.
pub(crate) const fn key(number: u32) -> KeyId {
    KeyId { epoch: Epoch(1), number }
}

/// The registration that the entry at `sequence` opened.
pub(crate) const fn registration(sequence: u64) -> RegistrationNo {
    RegistrationNo { epoch: Epoch(1), sequence: Sequence(sequence) }
}

/// A token that stands for some text.
pub(crate) fn token(of: &str) -> Token {
    let mut token = [0; 16];
    token.copy_from_slice(Digest::of(of.as_bytes()).0.split_at(16).0);
    Token(token)
}

pub(crate) fn tokens(uln: Option<&str>, person: &str) -> PersonTokens {
    PersonTokens { uln: uln.map(token), person: token(person), identity: token(&format!("identity of {person}")) }
}

/// Seals as a test may: turns every bit of the bytes over.
fn seal(key: KeyId, private: &Private) -> Sealed {
    let bytes = private.encode().expect("encodes");
    Sealed { key, nonce: [9; 24], ciphertext: bytes.into_iter().map(|byte| !byte).collect() }
}

/// Opens what [`seal`] sealed.
pub(crate) fn reveal(sealed: &Sealed) -> Option<Private> {
    Private::decode(&sealed.ciphertext.iter().map(|byte| !byte).collect::<Vec<_>>()).ok()
}

struct Log(Vec<Entry>);

impl Log {
    fn add(&mut self, source: Source, on: Option<&str>, event: Event, sealed: Option<(KeyId, &[(Field, &str)])>) {
        let sequence = Sequence(self.0.len() as u64);
        let findings = match event {
            Event::RowRejected(_) => vec![Code::REGISTRATION_NOT_FOUND.into()],
            Event::RowHeld(_) => vec![Code::RESUMED_LATE.into()],
            _ => Vec::new(),
        };
        let actor = match source {
            Source::Command => Actor::Operator("clerk".to_owned()),
            _ => Actor::Agent,
        };
        // A day passes with every entry, from 2026-11-01 on.
        let days = i64::try_from(sequence.0).expect("a small log") + 20_758;
        self.0.push(Entry {
            sequence,
            recorded_at: Timestamp((days * 86_400 + 36_000) * 1_000_000),
            effective_on: on.map(date),
            actor,
            source,
            governed_by: Sequence(1),
            findings,
            event,
            sealed: sealed.map(|(key, values)| seal(key, &values.iter().copied().collect())),
        });
    }

    fn row(&mut self, line: u32, on: &str, event: Event, sealed: Option<(KeyId, &[(Field, &str)])>) {
        self.add(Source::Row { arrival: Sequence(2), line }, Some(on), event, sealed);
    }
}

pub(crate) fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

/// The log. The comment before a piece says at which entry it begins.
pub(crate) fn log() -> Vec<Entry> {
    let mut log = Log(Vec::new());
    // 0
    let opened = LogOpened { log: LOG, format: 1, program: "daybook 0.1.0".to_owned() };
    log.add(Source::Agent, None, Event::LogOpened(opened), None);
    log.add(Source::Agent, None, Event::ConfigAdopted(ConfigAdopted { text: String::new() }), None);
    // 2
    arrive(&mut log);
    // 4
    enrol(&mut log);
    // 7
    amend_and_defer(&mut log);
    // 15
    certificates(&mut log);
    // 18
    let left = LearnerWithdrawn {
        registration: registration(4),
        learner: ANN,
        reason: WithdrawalReason::LeftCourse,
        last_attended_on: Some(date("2014-05-30")),
    };
    log.add(
        Source::Command,
        Some("2014-06-01"),
        Event::LearnerWithdrawn(left),
        Some((ANN, &[(Field::Reason, "moved away")])),
    );
    let again = LearnerEnrolled { opened: false, ..enrolled(19, ANN, tokens(None, "Ann Baker")) };
    log.row(9, "2014-10-01", Event::LearnerEnrolled(again), Some((ANN, &[(Field::FamilyName, "Baker")])));
    // 20
    close(&mut log);
    log.0
}

fn enrolled(sequence: u64, learner: KeyId, tokens: PersonTokens) -> LearnerEnrolled {
    LearnerEnrolled {
        registration: registration(sequence),
        learner,
        opened: true,
        tokens,
        centre: "C1".to_owned(),
        brand: "VTCT".to_owned(),
        qualification: "60158864".to_owned(),
        expires_on: date("2016-09-30"),
    }
}

fn arrive(log: &mut Log) {
    let received = FileReceived {
        folder: "plymouth".to_owned(),
        centre: "C1".to_owned(),
        brand: "VTCT".to_owned(),
        kind: None,
        sha256: Digest::of(b"july"),
        bytes: 4,
        file_id: FileId { device: 1, number: 2 },
        modified_at: Timestamp(0),
        completed_by: Completion::Quiet,
        key: key(1),
        same_as: None,
    };
    log.add(Source::Agent, None, Event::FileReceived(received), Some((key(1), &[(Field::FileName, "july.csv")])));
    let plan = Plan {
        kind: Kind::Enrolments,
        encoding: Encoding::Utf8,
        delimiter: b',',
        header_line: 1,
        columns: vec![Some(Field::Uln)],
        reader_version: 1,
    };
    let parsed = FileParsed { arrival: Sequence(2), plan, lines: Lines { header: 1, row: 8, ..Lines::default() } };
    log.add(Source::File { arrival: Sequence(2) }, None, Event::FileParsed(parsed), None);
}

fn enrol(log: &mut Log) {
    let ann = [
        (Field::Uln, "9000000006"),
        (Field::GivenNames, "Ann"),
        (Field::FamilyName, "Archer"),
        (Field::DateOfBirth, "2000-06-15"),
        (Field::Postcode, "PL1 4AB"),
    ];
    let event = enrolled(4, ANN, tokens(Some("9000000006"), "Ann Archer"));
    log.row(2, "2013-10-01", Event::LearnerEnrolled(event), Some((ANN, &ann)));
    let ben = [(Field::GivenNames, "Ben"), (Field::FamilyName, "Brewer"), (Field::DateOfBirth, "1999-01-31")];
    log.row(3, "2013-10-01", Event::LearnerEnrolled(enrolled(5, BEN, tokens(None, "Ben Brewer"))), Some((BEN, &ben)));
    let unknown = RowRejected { learner: None, against: None };
    log.add(
        Source::Row { arrival: Sequence(2), line: 4 },
        None,
        Event::RowRejected(unknown),
        Some((key(1), &[(Field::FamilyName, "Archer")])),
    );
}

fn amend_and_defer(log: &mut Log) {
    let amended = |field, person| LearnerDetailsAmended {
        learner: ANN,
        field,
        class: if field == Field::Postcode { AmendmentClass::B } else { AmendmentClass::C },
        tokens: tokens(Some("9000000006"), person),
        change: token("a change"),
    };
    // 7
    let name = Event::LearnerDetailsAmended(amended(Field::FamilyName, "Ann Baker"));
    log.row(5, "2014-02-01", name, Some((ANN, &[(Field::NewValue, "Baker")])));
    let deferred =
        LearnerDeferred { registration: registration(4), learner: ANN, resume_by: date("2014-04-30"), ordinal: 1 };
    log.row(6, "2014-03-01", Event::LearnerDeferred(deferred), Some((ANN, &[(Field::DeferralReason, "moved away")])));
    // 9
    let late = RowHeld { kind: Kind::Resumptions, learner: Some(ANN), against: Some(Sequence(8)) };
    log.add(Source::Row { arrival: Sequence(2), line: 7 }, None, Event::RowHeld(late), None);
    log.add(Source::Command, None, Event::HeldReleased(HeldResolved { held: Sequence(9) }), None);
    let resumed = LearnerResumed { registration: registration(4), learner: ANN, days_deferred: 61 };
    log.row(7, "2014-05-01", Event::LearnerResumed(resumed), None);
    // 12: what was told late: the postcode had changed before the name did
    let moved = Event::LearnerDetailsAmended(amended(Field::Postcode, "Ann Baker"));
    log.row(8, "2013-12-01", moved, Some((ANN, &[(Field::NewValue, "EX4 4QJ")])));
    let twice = Event::RowDuplicate(RowDuplicate { first: Sequence(8) });
    log.add(Source::Row { arrival: Sequence(2), line: 10 }, None, twice, None);
    let refused = Event::RowRejected(RowRejected { learner: Some(ANN), against: Some(Sequence(4)) });
    log.add(Source::Row { arrival: Sequence(2), line: 11 }, None, refused, None);
}

fn certificates(log: &mut Log) {
    let certificate = || "V-0001".to_owned();
    let (carrier, tracking) = ("Royal Mail".to_owned(), "RM1".to_owned());
    let sent = CertificateDispatched {
        certificate: certificate(),
        registration: registration(5),
        learner: BEN,
        carrier,
        tracking,
    };
    log.add(Source::Command, Some("2015-07-01"), Event::CertificateDispatched(sent), None);
    let back = CertificateReturned { certificate: certificate(), learner: BEN, reason: ReturnReason::GoneAway };
    log.add(Source::Command, Some("2015-07-09"), Event::CertificateReturned(back), None);
    let (carrier, tracking) = (String::new(), String::new());
    let again = CertificateRedispatched { certificate: certificate(), learner: BEN, attempt: 2, carrier, tracking };
    log.add(Source::Command, Some("2015-08-01"), Event::CertificateRedispatched(again), None);
}

fn close(log: &mut Log) {
    let (arrival, source) = (Sequence(2), Source::File { arrival: Sequence(2) });
    let totals = Totals { rows: 8, accepted: 5, rejected: 2, duplicate: 1, held: 0 };
    log.add(source, None, Event::FileProcessed(FileProcessed { arrival, totals }), None);
    let receipt = ReceiptIssued { arrival, receipt: arrival, level: Level::Local, report: Digest::of(b"report") };
    log.add(source, None, Event::ReceiptIssued(receipt), None);
    log.add(source, None, Event::OriginalFiled(OriginalFiled { arrival, place: Place::Done }), None);
    let alarm = |alarm: &str| Alarm { alarm: alarm.to_owned(), detail: "look".to_owned() };
    // 23
    log.add(Source::Agent, None, Event::AlarmRaised(alarm("disk")), None);
    log.add(Source::Agent, None, Event::AlarmRaised(alarm("fork")), None);
    log.add(Source::Agent, None, Event::AlarmCleared(alarm("disk")), None);
    // 26
    let second = log.0.get(2).cloned().expect("the first arrival");
    log.add(Source::Agent, None, second.event, None);
    let (arrival, source) = (Sequence(26), Source::File { arrival: Sequence(26) });
    log.add(source, None, Event::FileHeld(FileClosed { arrival, lines: Lines { row: 3, ..Lines::default() } }), None);
    // 28
    let scrubbed = Scrubbed { entries: 28, root: Digest::of(b"root"), originals: 1, keys: 2, faults: 0 };
    log.add(Source::Agent, None, Event::Scrubbed(scrubbed), None);
}
