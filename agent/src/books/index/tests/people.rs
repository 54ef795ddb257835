//! Learners who are amended, and commands that come again afterwards: rows judged and folded one after the other.

use daybook_protocol::{date::Date, event::RowDuplicate, field::Field};

use super::*;
use crate::desk::{Context, Given, Tokenizer};

/// Tokens that tell apart what they are made of, without a key.
struct Plain;

impl Tokenizer for Plain {
    fn token(&self, domain: &str, parts: &[&str]) -> Token {
        let digest = Digest::of(format!("{domain}{parts:?}").as_bytes());
        Token(digest.0.first_chunk().copied().expect("a digest is longer"))
    }
}

/// What came of a row: its verdict, and for a duplicate the entry that it repeats.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Accepted(Sequence),
    Duplicate(Sequence),
    Refused(String),
}

use Became::{Accepted, Duplicate, Refused};

type Cell = (Field, &'static str);

const JANE: [Cell; 3] = [(Field::GivenNames, "Jane"), (Field::FamilyName, "Smith"), (Field::DateOfBirth, "2004-05-06")];
const ULN: Cell = (Field::Uln, "1000000019");
const OTHER_ULN: Cell = (Field::Uln, "1000000027");
const REASON: Cell = (Field::Reason, "as asked");
const ENROLLED: [Cell; 2] = [(Field::Qualification, "60158864"), (Field::StartDate, "2025-09-01")];

fn today() -> Date {
    "2026-06-01".parse().expect("a date")
}

/// A row as the desk reads it. Earlier cells prevail.
fn read(kind: Kind, cells: &[&[Cell]]) -> Command {
    let policies = Policies::default();
    let context = Context { tokens: Some(&Plain), policies: &policies, centre: "C1", brand: "", today: today() };
    let cells = cells.iter().copied().flatten().map(|(field, text)| (*field, (*text).to_owned()));
    desk::read(kind, &Given::new(cells.collect()), &context).expect("a sound row")
}

impl Folded {
    fn judge(&self, command: &Command, arrival: Sequence) -> Decision {
        let occasion = Occasion { arrival: Some(arrival), today: today(), released: false };
        self.index.judge(command, occasion, &Policies::default())
    }

    /// Judges a row of a file of its own, and folds what came of it.
    fn row(&mut self, kind: Kind, cells: &[&[Cell]]) -> Became {
        let command = read(kind, cells);
        let next = Sequence(self.index.applied_through());
        let arrival = Sequence(next.0 + 1_000_000);
        let source = Source::Row { arrival, line: 2 };
        let fact = match self.judge(&command, arrival) {
            Decision::Accept(fact) => fact,
            Decision::Duplicate(first) => {
                self.add(source, Event::RowDuplicate(RowDuplicate { first }));
                return Duplicate(first);
            }
            Decision::Reject(objection) | Decision::Hold(objection) => {
                return Refused(objection.finding.code.to_string());
            }
        };
        let number = RegistrationNo { epoch: Epoch::FIRST, sequence: next };
        let key = KeyId { epoch: Epoch::FIRST, number: u32::try_from(next.0).expect("a small log") };
        let (event, _) = fact.into_event(number, || Ok::<_, ()>(key)).expect("there is a key");
        self.add_from(Some(command.effective_on), source, event);
        Accepted(next)
    }

    fn amend(&mut self, person: &[&[Cell]], field: &'static str, value: &'static str, from: &'static str) -> Became {
        let own = [(Field::AmendedField, field), (Field::NewValue, value), (Field::EffectiveDate, from), REASON];
        self.row(Kind::Amendments, &[&person.concat(), &own])
    }
}

/// Goal: of two amendments of a name the one from the later day is what the learner is found by, in whichever order they
/// came. Method: a late one, also from a snapshot; then a withdrawal by each name.
#[test]
fn a_late_amendment_does_not_prevail() {
    let mut folded = Folded::default();
    assert_eq!(folded.row(Kind::Enrolments, &[&JANE, &[ULN], &ENROLLED]), Accepted(Sequence(0)));
    assert_eq!(folded.amend(&[&JANE, &[ULN]], "surname", "Jones", "2026-03-01"), Accepted(Sequence(1)));
    let jones: [&[Cell]; 3] = [&[(Field::FamilyName, "Jones")], &JANE, &[ULN]];
    assert_eq!(folded.amend(&jones, "surname", "Brown", "2026-02-01"), Accepted(Sequence(2)));
    folded.index = folded.reloaded();
    let left = [(Field::WithdrawalDate, "2026-05-01"), (Field::WithdrawalReason, "Left course")];
    let withdraw =
        |folded: &mut Folded, name| folded.row(Kind::Withdrawals, &[&[(Field::FamilyName, name), ULN], &JANE, &left]);
    assert_eq!(withdraw(&mut folded, "Brown"), Refused("4S-005".into()));
    assert_eq!(withdraw(&mut folded, "Jones"), Accepted(Sequence(3)));
}

/// Goal: what was accepted is a duplicate when it comes again, although its learner is known by something else since; what
/// was not is still refused. Method: each kind of row before and after amendments of name, birth date and ULN, from a
/// snapshot too, with and without a ULN.
#[test]
fn what_was_accepted_is_known_again_behind_an_amendment() {
    for uln in [&[ULN][..], &[]] {
        let mut folded = Folded::default();
        let Accepted(first) = folded.row(Kind::Enrolments, &[&JANE, uln, &ENROLLED]) else {
            unreachable!("somebody new")
        };
        let no: &'static str = format!("R1-{first}").leak();
        let person: [&[Cell]; 3] = [&JANE, uln, &[(Field::RegistrationNo, no)]];
        let deferred = [
            (Field::DeferFrom, "2026-01-10"),
            (Field::ResumeBy, "2026-04-10"),
            (Field::DeferralReason, "parental leave"),
        ];
        let defer = |folded: &mut Folded| folded.row(Kind::Deferrals, &[&person.concat(), &deferred]);
        assert_eq!(defer(&mut folded), Accepted(Sequence(1)));
        let email = |folded: &mut Folded| folded.amend(&person, "email", "jane@example.org", "2026-02-01");
        assert_eq!(email(&mut folded), Accepted(Sequence(2)));
        let renamed = |folded: &mut Folded| folded.amend(&person, "surname", "Jones", "2026-03-01");
        assert_eq!(renamed(&mut folded), Accepted(Sequence(3)));
        let jones: Vec<&[Cell]> = [&[&[(Field::FamilyName, "Jones")][..]], &person[..]].concat();
        let born = |folded: &mut Folded| folded.amend(&jones, "date of birth", "2004-06-05", "2026-03-02");
        assert_eq!(born(&mut folded), Accepted(Sequence(4)));
        let now: Vec<&[Cell]> = [&[&[(Field::DateOfBirth, "2004-06-05")][..]], &jones[..]].concat();
        let numbered = |folded: &mut Folded| folded.amend(&now, "ULN", OTHER_ULN.1, "2026-03-03");
        assert_eq!(numbered(&mut folded), Accepted(Sequence(5)));
        for _ in 0..2 {
            let enrolled = folded.row(Kind::Enrolments, &[&JANE, uln, &ENROLLED]);
            assert_eq!(enrolled, Duplicate(Sequence(0)), "with {uln:?}");
            assert_eq!(defer(&mut folded), Duplicate(Sequence(1)));
            assert_eq!(email(&mut folded), Duplicate(Sequence(2)));
            assert_eq!(renamed(&mut folded), Duplicate(Sequence(3)));
            assert_eq!(born(&mut folded), Duplicate(Sequence(4)));
            assert_eq!(numbered(&mut folded), Duplicate(Sequence(5)));
            folded.index = folded.reloaded();
        }
        assert_eq!(folded.amend(&person, "surname", "Green", "2026-03-01"), Refused("4S-005".into()));
        let stranger: Vec<&[Cell]> = [&[&[(Field::FamilyName, "Green")][..]], &person[..]].concat();
        assert_eq!(folded.amend(&stranger, "surname", "Jones", "2026-03-01"), Refused("4S-005".into()));
    }
}

/// Goal: an amendment that stands twice in one file is the sender's mistake, though the first one changed the identity.
/// Method: the same row on two lines.
#[test]
fn an_amendment_twice_in_a_file_is_refused() {
    let mut folded = Folded::default();
    folded.row(Kind::Enrolments, &[&JANE, &[ULN], &ENROLLED]);
    folded.amend(&[&JANE, &[ULN]], "surname", "Jones", "2026-03-01");
    let found = folded.index.people.by_uln(&Plain.token(desk::ULN_DOMAIN, &[ULN.1])).expect("known");
    let change = found.changes.first().copied().expect("amended");
    let own = [(Field::AmendedField, "surname"), (Field::NewValue, "Jones"), REASON];
    let again = read(Kind::Amendments, &[&JANE, &[ULN], &own]);
    let Decision::Reject(objection) = folded.judge(&again, change.arrival.expect("a file")) else {
        unreachable!("it stood there before")
    };
    assert_eq!((objection.finding.code.to_string().as_str(), objection.against), ("2L-016", Some(change.sequence)));
}
