use std::collections::HashSet;

use daybook_protocol::{
    date::Date,
    entry::Actor,
    event::{
        Completion, Encoding, FileClosed, FileId, FileParsed, FileReceived, HeldResolved, Level, Lines, MappingLearned,
        OriginalFiled, Place, Plan, ProposalDecided, ReceiptIssued, RowHeld, RowRejected, Scrubbed, Totals,
    },
    field::Field,
};

use super::*;

mod people;

const LOG: LogId = LogId([1; 16]);
const ROOT: Digest = Digest([2; 32]);

/// An index, and what is folded into it.
#[derive(Default)]
struct Folded {
    index: Index,
}

impl Folded {
    fn add(&mut self, source: Source, event: Event) -> Sequence {
        self.add_from(None, source, event)
    }

    fn add_from(&mut self, effective_on: Option<Date>, source: Source, event: Event) -> Sequence {
        self.add_by(Actor::Agent, effective_on, source, event)
    }

    fn add_by(&mut self, actor: Actor, effective_on: Option<Date>, source: Source, event: Event) -> Sequence {
        let sequence = Sequence(self.index.applied_through());
        let entry = Entry {
            sequence,
            recorded_at: Timestamp(1),
            effective_on,
            actor,
            source,
            governed_by: Sequence(0),
            findings: Vec::new(),
            event,
            sealed: None,
        };
        self.index.apply(&entry);
        sequence
    }

    /// A file that was received and put away, with one row that is held; gives the file and the held row.
    fn filed_with_a_held_row(&mut self) -> (Sequence, Sequence) {
        let arrival = self.receive();
        let held = self.add(Source::Row { arrival, line: 2 }, row_held());
        self.file(arrival);
        (arrival, held)
    }

    fn receive(&mut self) -> Sequence {
        let received = received(self.index.applied_through());
        self.add(Source::Agent, Event::FileReceived(received))
    }

    fn parse(&mut self, arrival: Sequence) {
        let plan = Plan {
            kind: Kind::Withdrawals,
            encoding: Encoding::Utf8,
            delimiter: b',',
            header_line: 1,
            columns: Vec::new(),
            reader_version: 1,
        };
        let parsed = FileParsed { arrival, plan, lines: Lines::default() };
        self.add(Source::File { arrival }, Event::FileParsed(parsed));
    }

    fn file(&mut self, arrival: Sequence) {
        let filed = OriginalFiled { arrival, place: Place::Nowhere };
        self.add(Source::File { arrival }, Event::OriginalFiled(filed));
    }

    fn answer(&mut self, arrival: Sequence, receipt: Sequence) {
        let report = Digest::of(b"report");
        let issued = ReceiptIssued { arrival, receipt, level: Level::Local, report };
        self.add(Source::File { arrival }, Event::ReceiptIssued(issued));
    }

    fn held(&self) -> HashSet<Sequence> {
        self.index.held().into_iter().map(|held| held.held).collect()
    }

    /// The same index, saved and loaded.
    fn reloaded(&self) -> Index {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("index");
        self.index.save(LOG, ROOT, &path).expect("saved");
        Index::load(&path, LOG).and_then(|saved| saved.on(|_| Some(ROOT))).expect("loaded")
    }
}

fn received(number: u64) -> FileReceived {
    FileReceived {
        folder: "a".into(),
        centre: "C1".into(),
        brand: String::new(),
        kind: None,
        sha256: Digest::of(&number.to_be_bytes()),
        bytes: 1,
        file_id: FileId { device: 0, number },
        modified_at: Timestamp(1),
        completed_by: Completion::Handed,
        key: KeyId { epoch: Epoch::FIRST, number: 0 },
        same_as: None,
    }
}

fn row_held() -> Event {
    Event::RowHeld(RowHeld { kind: Kind::Withdrawals, learner: None, against: None })
}

/// Goal: a crash between a row's release and its new verdict does not lose the row. Method: a release alone, also from a
/// snapshot; then each verdict that may follow.
#[test]
fn a_released_row_is_held_until_it_is_judged() {
    let mut folded = Folded::default();
    let (arrival, held) = folded.filed_with_a_held_row();
    folded.add(Source::Command, Event::HeldReleased(HeldResolved { held }));
    assert_eq!(folded.held(), HashSet::from([held]));
    folded.index = folded.reloaded();
    let again = folded.add(Source::Row { arrival, line: 2 }, row_held());
    assert_eq!(folded.held(), HashSet::from([again]), "held again, under the new entry only");
    folded.add(Source::Command, Event::HeldReleased(HeldResolved { held: again }));
    let rejected = Event::RowRejected(RowRejected { learner: None, against: None });
    folded.add(Source::Row { arrival, line: 2 }, rejected);
    assert_eq!(folded.held(), HashSet::new());
}

/// Goal: what is proposed waits until it is decided, also in a snapshot, with who proposed it; and whose orders a file holds is known
/// of a file without a centre only. Method: two proposals of which one is decided; files from an operator's hand.
#[test]
fn proposals_and_orders_are_kept_with_their_operators() {
    let mut folded = Folded::default();
    let jo = || Actor::Operator("jo".to_owned());
    let learner = Some(KeyId { epoch: Epoch::FIRST, number: 3 });
    let order = OrderProposed { kind: Kind::Voids, learner, registration: None, held: None };
    let mut propose = || folded.add_by(jo(), None, Source::Command, Event::OrderProposed(order));
    let (first, second) = (propose(), propose());
    let decided = ProposalDecided { proposed: first, entry: None, learner };
    folded.add_by(jo(), None, Source::Command, Event::ProposalDecided(decided));
    let [waiting] = &folded.index.proposals()[..] else { unreachable!("one waits") };
    assert_eq!((waiting.entry, waiting.operator.as_str(), waiting.kind), (second, "jo", Kind::Voids));
    assert_eq!(folded.reloaded().proposals(), folded.index.proposals());
    assert_eq!(folded.index.proposal(first), None);
    for (centre, expected) in [("C1", None), ("", Some("jo"))] {
        let received = FileReceived { centre: centre.to_owned(), folder: String::new(), ..received(7) };
        let arrival = folded.add_by(jo(), None, Source::Command, Event::FileReceived(received));
        let reloaded = folded.reloaded();
        let known = reloaded.arrival(arrival).expect("an arrival");
        assert_eq!((known.ordered_by.as_deref(), known.is_seen()), (expected, expected.is_some()), "{centre:?}");
    }
}

/// Goal: a person can decide on a held row however many files came after its own. Method: more files than are kept in mind
/// when finished; the decision then lets the first one go too.
#[test]
fn a_file_with_held_rows_stays_in_mind() {
    let mut folded = Folded::default();
    let (arrival, held) = folded.filed_with_a_held_row();
    for _ in 0..10_001 {
        let other = folded.receive();
        folded.file(other);
    }
    assert!(folded.index.arrival(arrival).is_some() && folded.reloaded().arrival(arrival).is_some());
    assert!(folded.index.open_arrivals().is_empty(), "it is not to be worked on");
    let refused = folded.add(Source::Command, Event::HeldRefused(HeldResolved { held }));
    assert_eq!(folded.held(), HashSet::new());
    folded.answer(arrival, refused);
    let after = folded.receive();
    folded.file(after);
    for _ in 0..10_001 {
        let other = folded.receive();
        folded.file(other);
    }
    assert!(folded.index.arrival(arrival).is_none(), "nothing waits for it any more");
}

/// Goal: an index of another history, however long, is never taken for the log's. Method: save one; load it for another log,
/// another root, and a log that has no such place.
#[test]
fn an_index_is_of_one_history() {
    let mut folded = Folded::default();
    folded.receive();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("index");
    folded.index.save(LOG, ROOT, &path).expect("saved");
    assert!(Index::load(&path, LOG).and_then(|saved| saved.on(|count| (count == 1).then_some(ROOT))).is_some());
    assert!(Index::load(&path, LogId([3; 16])).and_then(|saved| saved.on(|_| Some(ROOT))).is_none());
    assert!(Index::load(&path, LOG).and_then(|saved| saved.on(|_| Some(Digest([4; 32])))).is_none());
    assert!(Index::load(&path, LOG).and_then(|saved| saved.on(|_| None)).is_none());
}

/// Goal: a decided row has to be told of until a receipt tells of it, however many files come meanwhile; one that is held again
/// is nothing new. Method: a release, and the receipt before and after another decision; the totals of each moment.
#[test]
fn a_decided_row_is_told_of_once() {
    let mut folded = Folded::default();
    let arrival = folded.receive();
    folded.parse(arrival);
    let held: Vec<_> = (2..5).map(|line| folded.add(Source::Row { arrival, line }, row_held())).collect();
    folded.file(arrival);
    let totals = |folded: &Folded| {
        let state = folded.index.arrival(arrival).expect("known");
        let Totals { rows, rejected, held, .. } = state.standing;
        (state.is_to_correct(), rows, rejected, held)
    };
    folded.answer(arrival, arrival);
    assert_eq!(totals(&folded), (false, 3, 0, 3));
    let refuse = |folded: &mut Folded, place: usize| {
        let held = *held.get(place).expect("held");
        folded.add(Source::Command, Event::HeldRefused(HeldResolved { held }))
    };
    let first = refuse(&mut folded, 0);
    let again = *held.get(1).expect("held");
    folded.add(Source::Command, Event::HeldReleased(HeldResolved { held: again }));
    let again = folded.add(Source::Row { arrival, line: 3 }, row_held());
    assert_eq!(totals(&folded), (true, 3, 1, 2));
    folded.index = folded.reloaded();
    let second = refuse(&mut folded, 2);
    folded.answer(arrival, first);
    assert_eq!(totals(&folded), (true, 3, 2, 1));
    folded.answer(arrival, second);
    assert_eq!(totals(&folded), (false, 3, 2, 1));
    folded.add(Source::Command, Event::HeldRefused(HeldResolved { held: again }));
    for _ in 0..10_001 {
        let other = folded.receive();
        folded.answer(other, other);
        folded.file(other);
    }
    assert_eq!(folded.index.open_arrivals().iter().map(|it| it.arrival).collect::<Vec<_>>(), [arrival]);
}

/// Goal: what a centre's words mean is known after a start, in order and of that centre alone, and the file that it was learned from is
/// read anew and can be held again. Method: two mappings of one held file, one of another centre.
#[test]
fn what_words_mean_is_known() {
    let mut folded = Folded::default();
    let arrival = folded.receive();
    let wait = |folded: &mut Folded| {
        let closed = FileClosed { arrival, lines: Lines::default() };
        folded.add(Source::File { arrival }, Event::FileHeld(closed))
    };
    let learn = |folded: &mut Folded, held, centre: &str| {
        let (centre, field) = (centre.to_owned(), Field::Uln);
        folded.add(Source::Command, Event::MappingLearned(MappingLearned { held, centre, field, of_value: false }))
    };
    let held = wait(&mut folded);
    folded.file(arrival);
    assert_eq!(folded.index.arrival(arrival).map(|it| it.stage), Some(Stage::Filed));
    let first = learn(&mut folded, held, "C1");
    let second = learn(&mut folded, held, "C1");
    learn(&mut folded, held, "C2");
    for index in [&folded.index, &folded.reloaded()] {
        assert_eq!(index.mappings("C1"), [first, second]);
        assert_eq!(index.arrival(arrival).map(|it| (it.stage, it.released)), Some((Stage::Received, false)));
        assert_eq!(index.held(), []);
    }
    let again = wait(&mut folded);
    assert_eq!(folded.index.held().iter().map(|held| held.held).collect::<Vec<_>>(), [again]);
}

/// Goal: the last scrub is known after a start. Method: two of them, and the index saved and loaded.
#[test]
fn the_last_scrub_is_known() {
    let mut folded = Folded::default();
    let scrubbed = |faults| Event::Scrubbed(Scrubbed { entries: 0, root: ROOT, originals: 0, keys: 0, faults });
    assert_eq!(folded.index.scrubbed(), None);
    folded.add(Source::Agent, scrubbed(2));
    let sequence = folded.add(Source::Command, scrubbed(1));
    for index in [&folded.index, &folded.reloaded()] {
        assert_eq!(index.scrubbed(), Some(LastScrub { sequence, at: 1, faults: 1 }));
    }
}
