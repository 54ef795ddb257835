//! The completion of a qualification (DOMAIN.md 3.2). Results are kept elsewhere yet, so that an operator says that all of them are
//! there; from then on the registration is neither withdrawn nor deferred.

use daybook_protocol::{
    event::{Event, QualificationCompleted},
    finding::Code,
};

use super::{
    Action, Command, Decision, Fact, Learner, Objection, Occasion, Policy, Registration,
    learner::{choose, meant},
    repeat::repeated,
};

/// Decides the completion of the qualification of one of a learner's registrations.
pub(super) fn decide(learner: &Learner, command: &Command, occasion: Occasion, policy: &Policy) -> Decision {
    let on = command.effective_on;
    if on > occasion.today {
        return Decision::Reject(Objection::of(Code::DATE_IN_FUTURE));
    }
    let meant: Vec<&Registration> = meant(learner, &command.subject).collect();
    if let Some(first) = meant.iter().find_map(|it| it.same(on, Action::Completed)) {
        return repeated(first.accepted(), occasion);
    }
    match choose(&meant, on, Action::Completed, policy) {
        Ok(registration) => {
            let completed = QualificationCompleted { registration: registration.no, learner: learner.id };
            Decision::Accept(Fact::Whole(learner.id, Event::QualificationCompleted(completed)))
        }
        Err(obstacle) => obstacle.about(learner.id),
    }
}

#[cfg(test)]
mod tests {
    use daybook_protocol::event::WithdrawalReason;

    use super::{
        super::scene::{Scene, day, registration},
        *,
    };
    use crate::desk::{Ask, Obstacle};

    const WITHDRAWN: Action = Action::Withdrawn(WithdrawalReason::LeftCourse);
    const WITHDRAW: Ask = Ask::Withdraw { reason: WithdrawalReason::LeftCourse, last_attended_on: None };
    const ENROLLED: (&str, Action) = ("2013-10-01", Action::Enrolled);
    const DONE: (&str, Action) = ("2014-05-01", Action::Completed);

    /// Goal: neither is a qualification completed nor a first certificate sent before so many weeks have passed, and later ones are not
    /// asked. Method: the day before and the day itself, of an office that asks for ten weeks.
    #[test]
    fn some_weeks_have_to_pass() {
        let sent = ("2013-10-20", Action::Certificated);
        for (steps, action, on, expected) in [
            (&[ENROLLED][..], Action::Completed, "2013-12-09", Some("4S-012")),
            (&[ENROLLED], Action::Completed, "2013-12-10", None),
            (&[ENROLLED], Action::Certificated, "2013-12-09", Some("4S-012")),
            (&[ENROLLED], Action::Certificated, "2013-12-10", None),
            (&[ENROLLED, sent], Action::Certificated, "2013-11-01", None),
            (&[ENROLLED], WITHDRAWN, "2013-10-02", None),
        ] {
            let policy = Policy { min_weeks_registration_to_completion: 10, ..Policy::default() };
            let found = registration(10, steps).fits(day(on), action, &policy).err().map(|obstacle| match obstacle {
                Obstacle::Refused(objection) | Obstacle::Doubtful(objection) => objection.finding.code.to_string(),
            });
            assert_eq!(found.as_deref(), expected, "{steps:?} then {action:?} on {on}");
        }
        let mut scene = Scene::of(&[&[ENROLLED]]);
        scene.policy.min_weeks_registration_to_completion = 10;
        assert_eq!(scene.asked(Ask::Complete, "2013-12-09", "2014-01-01"), "reject 4S-012 against 10");
    }

    /// Goal: each guard of a completion holds, and those that it is for others. Method: a table of lives and what is asked of them.
    #[test]
    fn a_completion_has_its_place() {
        let deferred = ("2014-04-01", Action::Deferred(day("2014-09-01")));
        let defer = || Ask::Defer { resume_by: day("2014-09-01") };
        let sent = ("2014-06-01", Action::Certificated);
        for (steps, ask, on, expected) in [
            (&[ENROLLED][..], Ask::Complete, "2014-05-01", "QualificationCompleted"),
            (&[ENROLLED], Ask::Complete, "2016-10-02", "reject 4S-021"),
            (&[ENROLLED], Ask::Complete, "2017-01-03", "reject 2L-009"),
            (&[ENROLLED], Ask::Complete, "2013-09-30", "reject 4S-020"),
            (&[ENROLLED, deferred], Ask::Complete, "2014-05-01", "reject 4S-007 against 11"),
            (&[ENROLLED, ("2014-04-01", WITHDRAWN)], Ask::Complete, "2014-05-01", "reject 4S-006 against 11"),
            (&[ENROLLED, ("2014-06-01", WITHDRAWN)], Ask::Complete, "2014-05-01", "hold 4S-023 against 11"),
            (&[ENROLLED, sent], Ask::Complete, "2014-05-01", "QualificationCompleted"),
            (&[ENROLLED, sent], Ask::Complete, "2014-07-01", "reject 4S-010 against 11"),
            (&[ENROLLED, DONE], Ask::Complete, "2014-05-01", "duplicate 11"),
            (&[ENROLLED, DONE], Ask::Complete, "2014-05-02", "reject 4S-043 against 11"),
            (&[ENROLLED, DONE], WITHDRAW, "2014-06-01", "reject 4S-043 against 11"),
            (&[ENROLLED, DONE], WITHDRAW, "2014-04-01", "hold 4S-023 against 11"),
            (&[ENROLLED, DONE], defer(), "2014-06-01", "reject 4S-043 against 11"),
            (&[ENROLLED, DONE], defer(), "2014-04-01", "hold 4S-023 against 11"),
            (&[ENROLLED, DONE], Ask::Reverse, "2014-06-01", "reject 4S-043 against 11"),
            (&[ENROLLED, DONE], Scene::enrol(), "2014-04-01", "reject 4S-001 against 10"),
            (&[ENROLLED, DONE], Scene::enrol(), "2014-06-01", "LearnerEnrolled"),
        ] {
            let told = format!("{steps:?} then {ask:?} on {on}");
            assert_eq!(Scene::of(&[steps]).asked(ask, on, "2017-01-02"), expected, "{told}");
        }
    }
}
