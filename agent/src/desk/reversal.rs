//! The reversal of a withdrawal (DOMAIN.md 3.2): by an operator, for a limited time, unless another registration has taken
//! the place of the withdrawn one.

use daybook_protocol::{
    date::Date,
    event::{Event, WithdrawalReversed},
    finding::Code,
    ids::{RegistrationNo, Sequence},
};

use super::{
    Action, Command, Decision, Fact, Learner, Objection, Occasion, Policy, Registration, Step,
    learner::{choose, meant},
    repeat::repeated,
};

/// Decides the reversal of a withdrawal of one of a learner's registrations.
pub(super) fn decide(learner: &Learner, command: &Command, occasion: Occasion, policy: &Policy) -> Decision {
    let on = command.effective_on;
    if on > occasion.today {
        return Decision::Reject(Objection::of(Code::DATE_IN_FUTURE));
    }
    let meant: Vec<&Registration> = meant(learner, &command.subject).collect();
    let same = meant.iter().find_map(|it| it.same(on, Action::Reversed).filter(|first| of(it, first).is_none()));
    if let Some(first) = same {
        return repeated(first.accepted(), occasion);
    }
    let registration = match choose(&meant, on, Action::Reversed, policy) {
        Ok(registration) => registration,
        Err(obstacle) => return obstacle.about(learner.id),
    };
    let Some(withdrawal) = registration.step_in_force(on) else {
        return Decision::Reject(Objection::of(Code::NOT_WITHDRAWN));
    };
    let known_on = withdrawal.effective_on.max(withdrawal.recorded_on);
    if occasion.today > known_on.plus_days(policy.reversal_days) {
        return Decision::Reject(Objection::of(Code::REVERSAL_TOO_LATE).against(withdrawal.sequence));
    }
    let (taken, until) = ((registration.qualification.as_str(), registration.brand.as_str()), registration.last_day());
    if let Some(other) = in_the_place(learner, registration.no, taken, (on, until)) {
        return Decision::Reject(Objection::of(Code::REPLACED_SINCE).against(other.no.sequence));
    }
    let (registration, withdrawn) = (registration.no, withdrawal.sequence);
    let reversed = WithdrawalReversed { registration, learner: learner.id, withdrawn };
    Decision::Accept(Fact::Whole(learner.id, Event::WithdrawalReversed(reversed)))
}

/// The registration, other than `but`, that stands where one for a qualification and brand would be open from a day on until
/// another: a learner has no two open ones for the same.
pub(super) fn in_the_place<'a>(
    learner: &'a Learner,
    but: RegistrationNo,
    (qualification, brand): (&str, &str),
    (on, until): (Date, Date),
) -> Option<&'a Registration> {
    let alike = learner.registrations.iter().filter(|it| it.no != but && it.voided().is_none());
    let mut alike = alike.filter(|it| it.qualification == qualification && it.brand == brand);
    alike.find(|it| it.open(on) || it.starts_on().is_some_and(|start| start > on && start <= until))
}

/// The step that undid another one on its very day: of a withdrawal its reversal, of a reversal the next withdrawal. What is
/// undone from a later day on has held until then, and goes on to be known.
pub(super) fn of(registration: &Registration, step: &Step) -> Option<Sequence> {
    let undoes = |later: &&Step| {
        let pair = (step.action, later.action);
        later.effective_on == step.effective_on
            && later.sequence > step.sequence
            && matches!(pair, (Action::Withdrawn(_), Action::Reversed) | (Action::Reversed, Action::Withdrawn(_)))
    };
    registration.steps.iter().find(undoes).map(|later| later.sequence)
}

/// The step by which a registration that was withdrawn is open again after a day.
pub(super) fn after(registration: &Registration, day: Date) -> Option<Sequence> {
    let reopens = |step: &&Step| step.action == Action::Reversed && step.effective_on > day;
    registration.steps.iter().find(reopens).map(|step| step.sequence)
}

#[cfg(test)]
mod tests {
    use daybook_protocol::event::WithdrawalReason;

    use super::{
        super::scene::{Scene, day},
        *,
    };
    use crate::desk::Ask;

    const WITHDRAWN: Action = Action::Withdrawn(WithdrawalReason::LeftCourse);
    const WITHDRAW: Ask = Ask::Withdraw { reason: WithdrawalReason::LeftCourse, last_attended_on: None };
    const ENROLLED: (&str, Action) = ("2013-10-01", Action::Enrolled);
    const GONE: (&str, Action) = ("2014-05-01", WITHDRAWN);
    const BACK: (&str, Action) = ("2014-05-01", Action::Reversed);

    /// Goal: each guard of a reversal holds. Method: a table of lives and the days on which it is asked for.
    #[test]
    fn a_withdrawal_is_reversed_in_time_only() {
        let deferred = ("2014-04-01", Action::Deferred(day("2014-09-01")));
        for (steps, on, today, expected) in [
            (&[ENROLLED, GONE][..], "2014-05-01", "2014-05-31", "WithdrawalReversed"),
            (&[ENROLLED, GONE], "2014-05-20", "2014-05-31", "WithdrawalReversed"),
            (&[ENROLLED, GONE], "2014-05-01", "2014-06-01", "reject 4S-037 against 11"),
            (&[ENROLLED, GONE], "2014-05-03", "2014-05-02", "reject 2L-009"),
            (&[ENROLLED, GONE], "2014-04-30", "2014-05-02", "reject 4S-036 against 10"),
            (&[ENROLLED], "2014-05-01", "2014-05-02", "reject 4S-036 against 10"),
            (&[ENROLLED, deferred, GONE], "2014-05-01", "2014-05-02", "WithdrawalReversed"),
            (&[ENROLLED, GONE, BACK], "2014-05-01", "2014-05-02", "duplicate 12"),
            (&[ENROLLED, GONE, BACK, GONE], "2014-05-01", "2014-05-02", "WithdrawalReversed"),
            (&[ENROLLED, GONE, BACK], "2014-05-02", "2014-05-03", "reject 4S-036 against 12"),
        ] {
            assert_eq!(Scene::of(&[steps]).asked(Ask::Reverse, on, today), expected, "{steps:?} on {on}, {today}");
        }
    }

    /// Goal: a withdrawal that is told late can be reversed as long as one that is told at once. Method: the last day and the
    /// one behind it, counted from the day it was recorded.
    #[test]
    fn the_time_runs_from_when_it_was_known() {
        let mut scene = Scene::of(&[&[ENROLLED, GONE]]);
        for step in scene.learner.registrations.iter_mut().flat_map(|it| &mut it.steps) {
            step.recorded_on = day("2014-08-01");
        }
        for (today, expected) in [("2014-08-31", "WithdrawalReversed"), ("2014-09-01", "reject 4S-037 against 11")] {
            assert_eq!(scene.asked(Ask::Reverse, "2014-05-01", today), expected, "{today}");
        }
    }

    /// Goal: nobody has two open registrations for one qualification by a reversal, whichever of the two comes late. Method: a
    /// second registration before, around and after; and an enrolment into the gap.
    #[test]
    fn a_reversal_makes_no_second_open_registration() {
        let again = [("2014-06-01", Action::Enrolled)];
        let ended = [("2014-05-10", Action::Enrolled), ("2014-05-15", WITHDRAWN)];
        for (second, on, expected) in [
            (&again[..], "2014-05-01", "reject 4S-038 against 20"),
            (&ended, "2014-05-01", "reject 4S-038 against 20"),
            (&ended, "2014-05-12", "reject 4S-038 against 20"),
            (&ended, "2014-05-16", "WithdrawalReversed"),
        ] {
            let mut scene = Scene::of(&[&[ENROLLED, GONE], second]);
            scene.named = scene.learner.registrations.first().map(|it| it.no);
            assert_eq!(scene.asked(Ask::Reverse, on, "2014-05-20"), expected, "{second:?} on {on}");
        }
        let reversed = Scene::of(&[&[ENROLLED, GONE, ("2014-05-20", Action::Reversed)]]);
        for (start, expected) in [("2014-05-10", "hold 4S-023 against 12"), ("2014-05-20", "reject 4S-001 against 10")]
        {
            assert_eq!(reversed.asked(Scene::enrol(), start, "2014-05-30"), expected, "{start}");
        }
    }

    /// Goal: a file that comes again does not withdraw whom an operator has enrolled again, and does not say that it had. Method: the
    /// same row by file, by a released row and by an operator, reversed from its own day and from a later one.
    #[test]
    fn a_reversed_withdrawal_that_comes_again_is_held() {
        let at_once = Scene::of(&[&[ENROLLED, GONE, BACK]]);
        let later = Scene::of(&[&[ENROLLED, GONE, ("2014-05-20", Action::Reversed)]]);
        let ask = |scene: &Scene| {
            let file = Occasion { arrival: Some(Sequence(99)), today: day("2014-05-30"), released: false };
            let orders = [file, Occasion { released: true, ..file }, Occasion { arrival: None, ..file }];
            orders.map(|occasion| scene.ruled(WITHDRAW, "2014-05-01", occasion))
        };
        assert_eq!(ask(&at_once), ["hold 4S-039 against 12", "LearnerWithdrawn", "LearnerWithdrawn"]);
        assert_eq!(ask(&later), ["duplicate 11"; 3]);
        let reversal = Occasion { arrival: Some(Sequence(99)), today: day("2014-05-30"), released: false };
        assert_eq!(at_once.ruled(Ask::Reverse, "2014-05-01", reversal), "reject 4S-035", "no file reverses");
    }
}
