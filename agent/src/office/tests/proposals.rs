//! Orders that one operator proposes and another one approves.

use daybook_protocol::{
    event::ProposalDecided,
    field::Field::{DateOfBirth, EffectiveDate, FamilyName, Reason, Uln},
};

use super::*;
use crate::{
    desk::{self, Command, Context, Given},
    journal::{JournalError, today},
};

const HEADER: &str = "uln,given_names,family_name,date_of_birth,qualification_number,start_date\n";

/// An office where one learner is enrolled.
fn enrolled() -> (TempDir, Location, Office) {
    let (directory, place, office) = office();
    let row = "1000000019,Ann,Doe,2004-05-06,60158864,2026-01-05\n";
    let arrival = hand_over(&office, &format!("{HEADER}{row}"));
    office.proceed(arrival, &mut |_, _| {}).expect("done");
    (directory, place, office)
}

/// The order that the learner's registration is void, and the row that says so.
fn void(office: &Office) -> (Command, Private) {
    let row = [
        (Uln, "1000000019"),
        (FamilyName, "Doe"),
        (DateOfBirth, "2004-05-06"),
        (EffectiveDate, "2026-01-06"),
        (Reason, "a mistake"),
    ];
    let row: Vec<_> = row.map(|(field, text)| (field, text.to_owned())).to_vec();
    let policies = &office.config.policies;
    let context = Context { tokens: Some(office.tokens()), policies, centre: "", brand: "", today: today() };
    let command = desk::read(Kind::Voids, &Given::new(row.clone()), &context).expect("an order");
    (command, row.into_iter().collect())
}

fn waiting(office: &Office) -> Vec<(Sequence, String)> {
    let waiting = office.journal.look(Index::proposals).expect("looked");
    waiting.into_iter().map(|waiting| (waiting.entry, waiting.operator)).collect()
}

/// Goal: what is proposed changes nothing until somebody else approves it; then it is a fact in their name, beside the decision. Method:
/// proposed, approved by the same person and by another, also across a restart, and once more.
#[test]
fn a_proposal_takes_effect_by_another_ones_word() {
    let (_directory, place, office) = enrolled();
    let propose = |office: &Office| {
        let (command, row) = void(office);
        office.journal.propose(command, row, "Pia").expect("proposed")
    };
    let proposed = propose(&office);
    assert!(matches!(proposed.event, Event::OrderProposed(order) if order.registration.is_some()), "{proposed:?}");
    let entry = proposed.sequence;
    assert_eq!(waiting(&office), [(entry, "Pia".to_owned())]);
    let sealed = office.reading.entry(entry).expect("read").and_then(|entry| entry.sealed).expect("sealed");
    assert_eq!(office.reading.reveal(entry, &sealed).expect("opened"), Some(void(&office).1), "the whole row is kept");
    office.close().expect("closed");

    let office = Office::open(&place, false).expect("opened");
    assert_eq!(waiting(&office), [(entry, "Pia".to_owned())]);
    let own = office.journal.approve(void(&office).0, entry, "Pia").expect_err("their own");
    assert!(matches!(own, JournalError::OwnProposal { .. }), "{own}");
    let count = office.reading.entries.count();
    let done = office.journal.approve(void(&office).0, entry, "Max").expect("approved");
    assert!(matches!(done.event, Event::RegistrationVoided(_)), "{done:?}");
    let all = entries(&office);
    let [fact, decided] = &all[usize::try_from(count).expect("few")..] else { unreachable!("two entries") };
    let max = Actor::Operator("Max".to_owned());
    assert_eq!((&fact.actor, &decided.actor, fact.sequence), (&max, &max, done.sequence));
    let learner = fact.event.learner();
    let expected = ProposalDecided { proposed: entry, entry: Some(fact.sequence), learner };
    assert_eq!(decided.event, Event::ProposalDecided(expected));
    let again = office.journal.approve(void(&office).0, entry, "Max").expect_err("decided");
    assert!(matches!(again, JournalError::NoProposal(of) if of == entry), "{again}");
    // What would not be accepted is answered at once, and nobody has to approve it.
    assert!(matches!(propose(&office).event, Event::RowDuplicate(_)));
    assert_eq!(waiting(&office), []);
    office.close().expect("closed");
}

/// Goal: an approved order is judged as things stand then, and is decided also where it is refused; what is declined has no effect.
/// Method: two proposals of one thing, approved one after the other; a third, declined.
#[test]
fn an_approval_is_judged_when_it_is_given() {
    let (_directory, _, office) = enrolled();
    let propose = || {
        let (command, row) = void(&office);
        office.journal.propose(command, row, "Pia").expect("proposed").sequence
    };
    let (first, second, third) = (propose(), propose(), propose());
    let reason = Private::from([(Reason, "a result is on its way")]);
    let declined = office.journal.decline(third, reason.clone(), "Pia").expect("declined");
    let Event::ProposalDecided(decided) = declined.event else { unreachable!("a decision") };
    assert_eq!((decided.proposed, decided.entry), (third, None));
    let sealed = office.reading.entry(declined.sequence).expect("read").and_then(|entry| entry.sealed).expect("sealed");
    assert_eq!(office.reading.reveal(declined.sequence, &sealed).expect("opened"), Some(reason));
    let gone = office.journal.decline(third, Private::default(), "Max").expect_err("decided");
    assert!(matches!(gone, JournalError::NoProposal(_)), "{gone}");
    let approve = |entry| office.journal.approve(void(&office).0, entry, "Max").expect("approved").event;
    assert!(matches!(approve(first), Event::RegistrationVoided(_)));
    assert!(matches!(approve(second), Event::RowDuplicate(_)));
    assert_eq!(waiting(&office), []);
    office.close().expect("closed");
}
