//! Golden bytes: the encoding of every event, every message and every frame is held to the byte, so that a change of the
//! format cannot happen by accident. `DAYBOOK_BLESS=1 cargo test -p daybook-protocol` writes the files anew.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use data_encoding::HEXLOWER;
use daybook_protocol::{
    batch::{Builder, Frame},
    checkpoint::{Checkpoint, Signer},
    date::{Date, Timestamp},
    entry::{Actor, Entry, Private, Sealed, Source},
    event::{
        Alarm, AmendmentClass, ArrivalRefused, CertificateDispatched, CertificateRedispatched, CertificateReturned,
        Completion, ConfigAdopted, DeferralExtended, Encoding, EpochBegan, Event, FileClosed, FileId, FileParsed,
        FileProcessed, FileReceived, HeldResolved, JudgedAgain, LearnerDeferred, LearnerDetailsAmended,
        LearnerEnrolled, LearnerResumed, LearnerWithdrawn, LearnersMerged, LearnersUnmerged, Level, Lines, LogOpened,
        LogRejoined, MappingLearned, OrderProposed, OriginalFiled, PersonTokens, Place, Plan, ProposalDecided,
        QualificationCompleted, ReceiptIssued, ReferenceLoaded, Refusal, Register, RegistrationTransferred,
        RegistrationVoided, ReturnReason, RowDuplicate, RowHeld, RowRejected, Scrubbed, Totals, UlnAliased,
        WithdrawalReason, WithdrawalReversed,
    },
    field::{Field, Kind},
    finding::{Code, Finding},
    head::Head,
    ids::{Digest, Epoch, KeyId, LogId, RegistrationNo, Sequence, Token},
    tree::Frontier,
    wire::{self, Hello, KeysHeld, Message, Mirrored, Role},
};

const LOG: LogId = LogId([0xA5; 16]);
const KEY: KeyId = KeyId { epoch: Epoch(1), number: 300 };
const REGISTRATION: RegistrationNo = RegistrationNo { epoch: Epoch(1), sequence: Sequence(70_000) };

fn tokens() -> PersonTokens {
    PersonTokens { uln: Some(Token([1; 16])), person: Token([2; 16]), identity: Token([3; 16]) }
}

fn plan() -> Plan {
    Plan {
        kind: Kind::Enrolments,
        encoding: Encoding::Windows1252,
        delimiter: b';',
        header_line: 3,
        columns: vec![Some(Field::Uln), None, Some(Field::Line)],
        reader_version: 1,
    }
}

fn arrival_events() -> Vec<Event> {
    let arrival = Sequence(40);
    let lines = Lines { header: 1, title: 2, blank: 3, total: 4, note: 5, row: 251 };
    vec![
        Event::LogOpened(LogOpened { log: LOG, format: 1, program: "daybook 0.1.0".into() }),
        Event::EpochBegan(EpochBegan { epoch: Epoch(2), program: "daybook 0.1.0".into() }),
        Event::ConfigAdopted(ConfigAdopted { text: "[agent]\n".into() }),
        Event::AlarmRaised(Alarm { alarm: "fork".into(), detail: "two logs".into() }),
        Event::AlarmCleared(Alarm { alarm: "fork".into(), detail: String::new() }),
        Event::FileReceived(FileReceived {
            folder: "riverside".into(),
            centre: "C1".into(),
            brand: "VTCT".into(),
            kind: Some(Kind::Withdrawals),
            sha256: Digest::of(b"original"),
            bytes: 65_536,
            file_id: FileId { device: 2049, number: 5_000_000_000 },
            modified_at: Timestamp(1_763_765_999_000_000),
            completed_by: Completion::Quiet,
            key: KEY,
            same_as: Some(Sequence(7)),
        }),
        Event::ArrivalRefused(ArrivalRefused {
            folder: "riverside".into(),
            centre: "C1".into(),
            reason: Refusal::SymbolicLink,
            file_id: FileId { device: 1, number: 2 },
        }),
        Event::FileParsed(FileParsed { arrival, plan: plan(), lines }),
        Event::FileRejected(FileClosed { arrival, lines }),
        Event::FileHeld(FileClosed { arrival, lines }),
        Event::FileProcessed(FileProcessed {
            arrival,
            totals: Totals { rows: 10, accepted: 4, rejected: 3, duplicate: 2, held: 1 },
        }),
        Event::ReceiptIssued(ReceiptIssued {
            arrival,
            receipt: Sequence(300),
            level: Level::Mirrored,
            report: Digest::of(b"report"),
        }),
        Event::OriginalFiled(OriginalFiled { arrival, place: Place::Held }),
        Event::HeldReleased(HeldResolved { held: Sequence(44) }),
        Event::HeldRefused(HeldResolved { held: Sequence(44) }),
    ]
}

fn row_events() -> Vec<Event> {
    let (certificate, carrier, tracking) = ("VT000123".to_owned(), "Royal Mail".to_owned(), "RM1GB".to_owned());
    vec![
        Event::RowRejected(RowRejected { learner: Some(KEY), against: Some(Sequence(41)) }),
        Event::RowHeld(RowHeld { kind: Kind::Deferrals, learner: None, against: Some(Sequence(41)) }),
        Event::RowDuplicate(RowDuplicate { first: Sequence(41) }),
        Event::LearnerEnrolled(LearnerEnrolled {
            registration: REGISTRATION,
            learner: KEY,
            opened: true,
            tokens: tokens(),
            centre: "C1".into(),
            brand: "VTCT".into(),
            qualification: "60158864".into(),
            expires_on: Date(17_074),
        }),
        Event::LearnerDetailsAmended(LearnerDetailsAmended {
            learner: KEY,
            field: Field::FamilyName,
            class: AmendmentClass::C,
            tokens: tokens(),
            change: Token([4; 16]),
        }),
        Event::LearnerDeferred(LearnerDeferred {
            registration: REGISTRATION,
            learner: KEY,
            resume_by: Date(16_100),
            ordinal: 1,
        }),
        Event::LearnerResumed(LearnerResumed { registration: REGISTRATION, learner: KEY, days_deferred: 121 }),
        Event::LearnerWithdrawn(LearnerWithdrawn {
            registration: REGISTRATION,
            learner: KEY,
            reason: WithdrawalReason::Other,
            last_attended_on: Some(Date(-1)),
        }),
        Event::CertificateDispatched(CertificateDispatched {
            certificate: certificate.clone(),
            registration: REGISTRATION,
            learner: KEY,
            carrier: carrier.clone(),
            tracking: tracking.clone(),
        }),
        Event::CertificateReturned(CertificateReturned {
            certificate: certificate.clone(),
            learner: KEY,
            reason: ReturnReason::GoneAway,
        }),
        Event::CertificateRedispatched(CertificateRedispatched {
            certificate,
            learner: KEY,
            attempt: 2,
            carrier,
            tracking,
        }),
    ]
}

/// Those that were added later, in the order in which they were: they are in no golden frame.
fn later_events() -> Vec<Event> {
    vec![
        Event::Scrubbed(Scrubbed {
            entries: 70_000,
            root: Digest::of(b"root"),
            originals: 300,
            keys: 5_000_000_000,
            faults: 1,
        }),
        Event::LogRejoined(LogRejoined {
            from: Sequence(300),
            epoch: Epoch(1),
            entries: 70_000,
            root: Digest::of(b"root"),
        }),
        Event::JudgedAgain(JudgedAgain {
            entry: Sequence(301),
            epoch: Epoch(1),
            original: Some(Digest::of(b"original")),
            receipt: Some(Sequence(301)),
        }),
    ]
}

/// What the desk and operators came to do later.
fn desk_events() -> Vec<Event> {
    let (registration, learner) = (REGISTRATION, KEY);
    let resume_by = Date(16_200);
    let merged = KeyId { number: 77, ..KEY };
    vec![
        Event::WithdrawalReversed(WithdrawalReversed { registration, learner, withdrawn: Sequence(71_000) }),
        Event::DeferralExtended(DeferralExtended { registration, learner, resume_by, ordinal: 2 }),
        Event::RegistrationVoided(RegistrationVoided { registration, learner }),
        Event::QualificationCompleted(QualificationCompleted { registration, learner }),
        Event::RegistrationTransferred(RegistrationTransferred {
            registration,
            learner,
            to: RegistrationNo { sequence: Sequence(72_000), ..REGISTRATION },
            tokens: PersonTokens { uln: Some(Token([1; 16])), person: Token([2; 16]), identity: Token([3; 16]) },
            centre: "C2".into(),
            brand: "VTCT".into(),
            qualification: "60087067".into(),
            expires_on: Date(17_000),
        }),
        Event::LearnersMerged(LearnersMerged { survivor: learner, merged }),
        Event::LearnersUnmerged(LearnersUnmerged { survivor: learner, merged, merge: Sequence(73_000) }),
        Event::UlnAliased(UlnAliased { learner, alias: Token([4; 16]) }),
        Event::OrderProposed(OrderProposed {
            kind: Kind::Voids,
            learner: Some(learner),
            registration: Some(registration),
            held: Some(Sequence(70_900)),
        }),
        Event::ProposalDecided(ProposalDecided {
            proposed: Sequence(71_000),
            entry: Some(Sequence(71_001)),
            learner: None,
        }),
        Event::MappingLearned(MappingLearned {
            held: Sequence(44),
            centre: "RIVER1".into(),
            field: Field::WithdrawalReason,
            of_value: true,
        }),
        Event::ReferenceLoaded(ReferenceLoaded {
            register: Register::Centres,
            sha256: Digest::of(b"original"),
            bytes: 65_536,
            rows: 300,
            key: KEY,
        }),
        Event::LearnerResumedExtended(LearnerResumed { registration, learner, days_deferred: 121 }),
    ]
}

fn entry(sequence: u64, event: Event) -> Entry {
    Entry {
        sequence: Sequence(sequence),
        recorded_at: Timestamp(1_763_766_000_123_456),
        effective_on: Some(Date(15_979)),
        actor: Actor::Operator("clerk".into()),
        source: Source::Row { arrival: Sequence(40), line: 17 },
        governed_by: Sequence(1),
        findings: vec![Finding::of(Code::ULN_CLEANED, Field::Uln), Code::COLUMN_IGNORED.into()],
        event,
        sealed: Some(Sealed { key: KEY, nonce: [9; 24], ciphertext: vec![8; 20] }),
    }
}

fn bare(sequence: u64, event: Event) -> Entry {
    Entry {
        effective_on: None,
        actor: Actor::Agent,
        source: Source::Agent,
        findings: vec![],
        sealed: None,
        ..entry(sequence, event)
    }
}

fn messages() -> Vec<(&'static str, Message)> {
    let sha256 = Digest::of(b"original");
    vec![
        (
            "Mirrored",
            Message::Mirrored(Mirrored {
                count: 815,
                root: Digest::of(b"root"),
                originals_through: Sequence(700),
                keys: vec![KeysHeld { epoch: Epoch(1), count: 99 }],
                checkpoint: "note".into(),
                now: Timestamp(5),
            }),
        ),
        ("Refused", Message::Refused { refusal: wire::Refusal::Fork, detail: "two logs".into() }),
        ("Batch", Message::Batch { compressed: true, bytes: vec![1, 2, 3] }),
        ("Keys", Message::Keys { epoch: Epoch(1), first: 3, records: vec![7; 5] }),
        ("OriginalOffer", Message::OriginalOffer { sha256, total: 1 << 33 }),
        ("OriginalAt", Message::OriginalAt { sha256, offset: 4096 }),
        ("OriginalPiece", Message::OriginalPiece { sha256, offset: 4096, total: 1 << 33, bytes: vec![1] }),
        ("Join", Message::Join { secret: [6; 16], request: vec![0x30] }),
        (
            "Certified",
            Message::Certified {
                certificate: vec![0x30],
                authority: vec![0x31],
                verifier: "central+00000000+AQ==".into(),
                log: LOG,
                epoch: Epoch(2),
            },
        ),
        ("FetchBatches", Message::FetchBatches { from: Sequence(12) }),
        ("FetchKeys", Message::FetchKeys),
        ("FetchOriginal", Message::FetchOriginal { sha256, offset: 0 }),
        ("End", Message::End),
        ("Ping", Message::Ping { now: Timestamp(1) }),
        ("Pong", Message::Pong { now: Timestamp(2) }),
    ]
}

/// Compares `found` with the golden file, or writes it where the environment asks for that.
fn hold(file: &str, found: &BTreeMap<String, Vec<u8>>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    let mut text = String::new();
    for (name, bytes) in found {
        let _ = writeln!(text, "{name} {}", HEXLOWER.encode(bytes));
    }
    if std::env::var_os("DAYBOOK_BLESS").is_some() {
        fs::write(&path, &text).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden file is there");
    for (found, golden) in text.lines().zip(golden.lines()) {
        assert_eq!(found, golden, "{file}: the format has changed");
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{file}: something was added or taken away");
}

/// Goal: the bytes of every event, with all optional parts and with none, never change. Method: golden file, and each
/// decodes to what it was.
#[test]
fn entries() {
    let events = arrival_events().into_iter().chain(row_events()).chain(later_events()).chain(desk_events());
    let mut found = BTreeMap::new();
    for (place, event) in events.enumerate() {
        let name = format!("{place:02}-{}", event.name());
        for (form, entry) in [("full", entry(300, event.clone())), ("bare", bare(4_294_967_296, event))] {
            let bytes = entry.encode().expect("encodes");
            assert_eq!(Entry::decode(&bytes), Ok(entry), "{name} {form}");
            found.insert(format!("{name}-{form}"), bytes);
        }
    }
    assert_eq!(found.len(), 2 * 42, "every event is here");
    hold("entries.txt", &found);
}

/// Goal: the plan of a workbook has its own bytes for ever, and those of text files stay. Method: golden file, one plan for
/// each format.
#[test]
fn plans_of_workbooks() {
    let mut found = BTreeMap::new();
    for (name, encoding) in [("xlsx", Encoding::Xlsx), ("xls", Encoding::Xls), ("ods", Encoding::Ods)] {
        let plan = Plan { encoding, delimiter: b',', ..plan() };
        let lines = Lines { header: 1, title: 2, blank: 3, total: 4, note: 5, row: 251 };
        let entry = bare(300, Event::FileParsed(FileParsed { arrival: Sequence(40), plan, lines }));
        let bytes = entry.encode().expect("encodes");
        assert_eq!(Entry::decode(&bytes), Ok(entry), "{name}");
        found.insert(name.to_owned(), bytes);
    }
    hold("workbooks.txt", &found);
}

/// Goal: the plan of a learner record has its own bytes for ever: kind, encoding and the column of facts. Method: golden file.
#[test]
fn plans_of_learner_records() {
    let columns = vec![Some(Field::Fact), Some(Field::Uln), None];
    let plan = Plan { kind: Kind::Mixed, encoding: Encoding::Ilr, delimiter: b',', columns, ..plan() };
    let lines = Lines { header: 1, title: 0, blank: 0, total: 0, note: 3, row: 251 };
    let entry = bare(300, Event::FileParsed(FileParsed { arrival: Sequence(40), plan, lines }));
    let bytes = entry.encode().expect("encodes");
    assert_eq!(Entry::decode(&bytes), Ok(entry));
    hold("learner_records.txt", &BTreeMap::from([("ilr".to_owned(), bytes)]));
}

/// Goal: the bytes of every message and of the hello never change. Method: golden file, and each decodes to what it was.
#[test]
fn wire_messages() {
    let mut found = BTreeMap::new();
    for (place, (name, message)) in messages().into_iter().enumerate() {
        let bytes = message.encode().expect("encodes");
        assert_eq!(Message::decode(&bytes), Ok(message), "{name}");
        found.insert(format!("{place:02}-{name}"), bytes);
    }
    for role in [Role::Agent, Role::Central, Role::Newcomer] {
        let hello = Hello { version: 1, role, log: LOG, epoch: Epoch(3), count: 815, root: Digest::of(b"root") };
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        found.insert(format!("hello-{role:?}"), hello.encode().to_vec());
    }
    hold("messages.txt", &found);
}

fn frames() -> Vec<Frame> {
    let mut frontier = Frontier::default();
    let mut frames = Vec::new();
    let mut sequence = 0;
    for run in [arrival_events(), row_events()] {
        let mut builder = Builder::new(LOG, Epoch(1), &frontier);
        for event in run {
            let bytes = entry(sequence, event).encode().expect("encodes");
            assert!(builder.fits(bytes.len()));
            builder.push(&bytes, &mut frontier);
            sequence += 1;
        }
        frames.push(builder.finish(&frontier));
    }
    frames
}

/// Goal: the bytes of a frame, a head, a private part and a checkpoint never change, and a log of two frames checks.
/// Method: golden file.
#[test]
fn frames_heads_and_checkpoints() {
    let mut found = BTreeMap::new();
    let mut frontier = Frontier::default();
    for (place, frame) in frames().into_iter().enumerate() {
        frame.check(LOG, &mut frontier).expect("continues the log");
        assert_eq!(Frame::read(frame.bytes()).as_ref(), Ok(&frame));
        assert!(frame.entries().all(|entry| entry.is_ok()));
        found.insert(format!("frame-{place}"), frame.bytes().to_vec());
    }
    let head = Head { generation: 5, log: LOG, epoch: Epoch(1), frontier: frontier.clone() };
    assert_eq!(Head::decode(&head.encode()), Some(head.clone()));
    found.insert("head".into(), head.encode().to_vec());
    let private = Private::from([(Field::FamilyName, "Ó Súilleabháin"), (Field::Line, "")]);
    found.insert("private".into(), private.encode().expect("encodes"));
    let checkpoint = Checkpoint { log: LOG, count: frontier.count(), root: frontier.root() };
    let signer = Signer::new("daybook-central", &[7; 32]);
    found.insert("checkpoint".into(), checkpoint.sign(&signer).into_bytes());
    found.insert("verifier".into(), signer.verifier().to_string().into_bytes());
    hold("frames.txt", &found);
}

/// Goal: a frame with any one bit changed, or cut anywhere, is not read as a good one. Method: all of them.
#[test]
fn a_damaged_frame_is_not_read() {
    let mut frames = frames();
    let frame = frames.pop().expect("two frames");
    for place in 0..frame.bytes().len() {
        let mut damaged = frame.bytes().to_vec();
        if let Some(byte) = damaged.get_mut(place) {
            *byte ^= 1 << (place % 8);
        }
        assert!(Frame::read(&damaged).is_err(), "bit flipped at {place}");
        assert!(Frame::read(frame.bytes().get(..place).expect("within")).is_err(), "cut at {place}");
    }
    let mut empty = Frontier::default();
    assert!(frame.check(LOG, &mut empty).is_err(), "the first batch is missing");
    assert_eq!(empty, Frontier::default());
}
