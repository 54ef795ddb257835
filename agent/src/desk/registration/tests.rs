use super::*;
use crate::desk::scene::{day, registration};

const WITHDRAWN: Action = Action::Withdrawn(WithdrawalReason::Illness);

fn verdict(steps: &[(&str, Action)], on: &str, action: Action) -> String {
    match registration(10, steps).fits(day(on), action, &Policy::default()) {
        Ok(standing) => format!("{:?}", standing.state),
        Err(Obstacle::Refused(objection)) => {
            let against = objection.against.map_or(String::new(), |sequence| format!(" against {sequence}"));
            format!("reject {}{against}", objection.finding.code)
        }
        Err(Obstacle::Doubtful(objection)) => {
            format!("hold {} {}", objection.finding.code, objection.against.map_or(0, |sequence| sequence.0))
        }
    }
}

/// Goal: each guard of DOMAIN.md 3.2 holds as of the row's own date. Method: a table of lives and what is asked of them.
#[test]
fn guards_hold_as_of_the_effective_date() {
    let enrolled = ("2013-10-01", Action::Enrolled);
    let deferred = ("2014-01-01", Action::Deferred(day("2014-06-01")));
    let resumed = ("2014-03-01", Action::Resumed);
    let gone = ("2014-05-01", WITHDRAWN);
    let until = |text| Action::Deferred(day(text));
    for (steps, on, action, expected) in [
        (&[enrolled][..], "2013-10-01", WITHDRAWN, "Withdrawn"),
        (&[enrolled], "2013-09-30", WITHDRAWN, "reject 4S-020"),
        (&[enrolled], "2016-10-01", WITHDRAWN, "Withdrawn"),
        (&[enrolled], "2016-10-02", WITHDRAWN, "reject 4S-021"),
        (&[enrolled, gone], "2014-05-02", WITHDRAWN, "reject 4S-006 against 11"),
        (&[enrolled, gone], "2014-04-30", WITHDRAWN, "hold 4S-023 11"),
        (&[enrolled, gone], "2014-04-01", until("2014-04-20"), "Deferred"),
        (&[enrolled, deferred], "2014-02-01", until("2014-07-01"), "reject 4S-007 against 11"),
        (&[enrolled, deferred], "2014-02-01", Action::Resumed, "Enrolled"),
        (&[enrolled, deferred, resumed], "2014-02-01", Action::Resumed, "hold 4S-023 12"),
        (&[enrolled, deferred, resumed], "2014-02-01", WITHDRAWN, "hold 4S-023 12"),
        (&[enrolled, deferred, resumed], "2014-03-02", Action::Resumed, "reject 4S-022 against 12"),
        (&[enrolled, deferred, resumed], "2014-04-01", until("2015-02-04"), "reject 4S-008"),
        (&[enrolled, deferred, resumed], "2014-04-01", until("2015-01-31"), "Deferred"),
        (&[enrolled], "2015-12-01", until("2016-10-02"), "reject 4S-009"),
        (&[enrolled, ("2014-06-01", Action::Certificated)], "2014-07-01", WITHDRAWN, "reject 4S-010 against 11"),
        (&[enrolled, ("2014-06-01", Action::Certificated)], "2014-05-01", WITHDRAWN, "hold 4S-023 11"),
        (&[enrolled], "2017-01-01", Action::Certificated, "Enrolled"),
    ] {
        assert_eq!(verdict(steps, on, action), expected, "{steps:?} then {action:?} on {on}");
    }
}

/// Goal: what a step leads to is what the fold makes of it, so that books that keep only the last step agree with it.
/// Method: every action behind every state; those that are possible are compared.
#[test]
fn a_step_leads_to_what_the_fold_makes_of_it() {
    let actions = [
        Action::Enrolled,
        Action::Deferred(day("2014-06-01")),
        Action::Extended(day("2014-07-01")),
        Action::Resumed,
        WITHDRAWN,
        Action::Certificated,
        Action::Reversed,
        Action::Voided,
        Action::Completed,
        Action::Transferred,
        Action::ResumedExtended(30),
    ];
    let on = day("2014-01-01");
    let step = |at, action| Step { effective_on: on, recorded_on: on, sequence: Sequence(at), arrival: None, action };
    let after = |before, at, action| evolve(before, &step(at, action), day("2016-10-01")).ok();
    let (mut reached, mut compared) = (vec![None], 0);
    for at in 0..3 {
        let before = std::mem::take(&mut reached);
        for (before, action) in before.iter().flat_map(|before| actions.map(|action| (*before, action))) {
            let Some(now) = after(before, at, action) else { continue };
            let expected = action.leads_to().or(before.map(|before: Standing| before.state));
            assert_eq!(Some(now.state), expected, "{action:?} behind {before:?}");
            reached.push(Some(now));
            compared += 1;
        }
    }
    assert!(compared > 6, "{compared}");
}

/// Goal: a registration ends by its date alone. Method: the last day and the one behind it.
#[test]
fn expiry_is_computed() {
    let life = registration(10, &[("2013-10-01", Action::Enrolled)]);
    assert!(life.open(day("2016-10-01")) && !life.open(day("2016-10-02")) && !life.open(day("2013-09-30")));
    assert_eq!(life.standing(day("2020-01-01")).map(|standing| standing.state), Some(State::Expired));
}
