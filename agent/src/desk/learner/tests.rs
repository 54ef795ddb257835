use daybook_protocol::{entry::Private, ids::Epoch};

use super::*;

fn token(value: u8) -> Token {
    Token([value; 16])
}

/// Goal: an amendment that was made before is known again, also behind a later one of the same field, and a return to an
/// earlier value is not taken for it. Method: two values of one field, and what is asked after them.
#[test]
fn an_amendment_that_comes_again_is_known() {
    let change = |change, day, sequence| Change {
        field: Field::Email,
        change: token(change),
        effective_on: Date(day),
        sequence: Sequence(sequence),
        arrival: None,
        identity_before: token(0),
    };
    let learner = Learner {
        id: KeyId { epoch: Epoch::FIRST, number: 0 },
        tokens: PersonTokens { uln: None, person: token(0), identity: token(0) },
        merged: Vec::new(),
        aliases: Vec::new(),
        registrations: Vec::new(),
        changes: vec![change(1, 10, 7), change(2, 20, 8)],
    };
    for (value, day, expected) in [(1, 10, Some(7)), (2, 20, Some(8)), (2, 30, Some(8)), (1, 30, None), (3, 10, None)] {
        let change = token(value);
        let (uln, person, identity) = (None, None, None);
        let ask = Ask::Amend { field: Field::Email, class: AmendmentClass::B, uln, person, identity, change };
        let command = Command {
            ask,
            subject: Subject::default(),
            effective_on: Date(day),
            findings: Vec::new(),
            private: Private::default(),
        };
        let decision = amend(&learner, None, &command, Occasion { arrival: None, today: Date(40), released: false });
        let first = match decision {
            Decision::Duplicate(first) => Some(first.0),
            _ => None,
        };
        assert_eq!(first, expected, "value {value} from day {day}");
    }
}

/// Goal: someone who may be known already waits for a person, and whom that person lets go on is somebody new. Method: one
/// enrolment whose name and birth date are those of a holder of another ULN, before and after.
#[test]
fn a_released_row_is_somebody_new() {
    let tokens = PersonTokens { uln: Some(token(1)), person: token(2), identity: token(3) };
    let id = KeyId { epoch: Epoch::FIRST, number: 0 };
    let known =
        Learner { id, tokens, merged: Vec::new(), aliases: Vec::new(), registrations: Vec::new(), changes: Vec::new() };
    let found = Candidates { by_person: Some(known), ..Candidates::default() };
    let subject = Subject {
        uln: Some(token(9)),
        person: Some(token(2)),
        identity: Some(token(3)),
        near: Vec::new(),
        sender: None,
        registration: None,
        qualification: Some("60158864".into()),
    };
    let ask = Ask::Enrol { centre: "C1".into(), brand: String::new(), age: 20 };
    let (findings, private) = (Vec::new(), Private::default());
    let command = Command { ask, subject, effective_on: Date(10), findings, private };
    let asked = |released| {
        let occasion = Occasion { arrival: None, today: Date(40), released };
        decide(&found, &command, occasion, &Policy::default())
    };
    assert!(matches!(asked(false), Decision::Hold(objection) if objection.learner == Some(id)));
    let Decision::Accept(Fact::Enrolment(enrolment)) = asked(true) else { unreachable!("it was let go on") };
    assert_eq!((enrolment.learner, enrolment.tokens.uln), (None, Some(token(9))));
}

/// Goal: who is known under a slip of the pen waits for a person, and is somebody new on that person's word; who is known for certain does
/// not wait. Method: enrolments of someone near to another, with and without being known.
#[test]
fn a_slip_of_the_pen_is_asked_about() {
    let tokens = PersonTokens { uln: None, person: token(2), identity: token(3) };
    let id = KeyId { epoch: Epoch::FIRST, number: 0 };
    let known =
        Learner { id, tokens, merged: Vec::new(), aliases: Vec::new(), registrations: Vec::new(), changes: Vec::new() };
    let near = KeyId { number: 7, ..id };
    for (by_person, uln, released, expected) in [
        (None, None, false, Err(near)),
        (None, Some(token(9)), false, Err(near)),
        (None, None, true, Ok(None)),
        (Some(known), None, false, Ok(Some(id))),
    ] {
        let found = Candidates { by_person, near: Some(near), ..Candidates::default() };
        let subject = Subject {
            uln,
            person: Some(token(2)),
            identity: Some(token(3)),
            near: vec![token(5)],
            sender: None,
            registration: None,
            qualification: Some("60158864".into()),
        };
        let ask = Ask::Enrol { centre: "C1".into(), brand: String::new(), age: 20 };
        let (findings, private) = (Vec::new(), Private::default());
        let command = Command { ask, subject, effective_on: Date(10), findings, private };
        let occasion = Occasion { arrival: Some(Sequence(40)), today: Date(40), released };
        let decided = match decide(&found, &command, occasion, &Policy::default()) {
            Decision::Accept(Fact::Enrolment(enrolment)) => Ok(enrolment.learner),
            Decision::Hold(objection) if objection.finding.code == Code::POSSIBLE_DUPLICATE_PERSON => {
                Err(objection.learner.expect("who"))
            }
            other => unreachable!("{other:?}"),
        };
        assert_eq!(decided, expected, "{uln:?}, released {released}");
    }
}

/// Goal: of two amendments of one field the one from the later day holds, in whichever order they come. Method: a name, and a
/// ULN, amended from a day before, on and behind that of an amendment already made, and behind one of another field.
#[test]
fn an_amendment_from_an_earlier_day_does_not_prevail() {
    let now = PersonTokens { uln: Some(token(1)), person: token(2), identity: token(3) };
    let known = |field| Change {
        field,
        change: token(9),
        effective_on: Date(20),
        sequence: Sequence(7),
        arrival: None,
        identity_before: token(3),
    };
    let amended = |field, day, known: Change| {
        let learner = Learner {
            id: KeyId { epoch: Epoch::FIRST, number: 0 },
            tokens: now,
            merged: Vec::new(),
            aliases: Vec::new(),
            registrations: Vec::new(),
            changes: vec![known],
        };
        let (uln, person, identity) = match field {
            Field::Uln => (Some(token(11)), None, None),
            _ => (None, Some(token(12)), Some(token(13))),
        };
        let ask = Ask::Amend { field, class: AmendmentClass::C, uln, person, identity, change: token(8) };
        let (subject, findings, private) = (Subject::default(), Vec::new(), Private::default());
        let command = Command { ask, subject, effective_on: Date(day), findings, private };
        let occasion = Occasion { arrival: None, today: Date(40), released: false };
        match amend(&learner, None, &command, occasion) {
            Decision::Accept(Fact::Whole(_, Event::LearnerDetailsAmended(amended))) => amended.tokens,
            other => unreachable!("it is accepted: {other:?}"),
        }
    };
    let (name, uln) = (Field::FamilyName, Field::Uln);
    let (renamed, renumbered) =
        (PersonTokens { person: token(12), identity: token(13), ..now }, PersonTokens { uln: Some(token(11)), ..now });
    for (field, day, other, expected) in [
        (name, 10, name, now),
        (name, 20, name, renamed),
        (name, 30, name, renamed),
        (uln, 10, uln, now),
        (uln, 30, uln, renumbered),
        (name, 10, Field::DateOfBirth, renamed),
    ] {
        assert_eq!(amended(field, day, known(other)), expected, "{field} from day {day} behind {other}");
    }
}
