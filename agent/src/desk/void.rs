//! A registration that was made in error (DOMAIN.md 3.2) is void: it never was, whichever day is asked about, so that it stands in the
//! way of no other. An operator decides that, and only while nothing came of it.

use daybook_protocol::{
    event::{Event, RegistrationVoided},
    finding::Code,
};

use super::{
    Action, Command, Decision, Fact, Learner, Objection, Occasion, Registration, learner::meant, repeat::repeated,
};

/// Decides whether one of a learner's registrations is void.
pub(super) fn decide(learner: &Learner, command: &Command, occasion: Occasion) -> Decision {
    let meant: Vec<&Registration> = meant(learner, &command.subject).collect();
    let registration = match meant.as_slice() {
        [registration] => registration,
        [] => return Decision::Reject(Objection::of(Code::REGISTRATION_NOT_FOUND)),
        _ => return Decision::Reject(Objection::of(Code::SEVERAL_REGISTRATIONS)),
    };
    if let Some(void) = registration.voided() {
        return repeated(void.accepted(), occasion);
    }
    if command.effective_on > occasion.today {
        return Decision::Reject(Objection::of(Code::DATE_IN_FUTURE));
    }
    if registration.starts_on().is_some_and(|start| command.effective_on < start) {
        return Decision::Reject(Objection::of(Code::BEFORE_REGISTRATION).against(registration.no.sequence));
    }
    // Of any day: what was earned stands against it, not what was earned by some date.
    let earned = registration.steps.iter().find_map(|step| match step.action {
        Action::Certificated => Some(Objection::of(Code::CERTIFICATE_ISSUED).against(step.sequence)),
        Action::Completed => Some(Objection::of(Code::REGISTRATION_COMPLETED).against(step.sequence)),
        Action::Transferred => Some(Objection::of(Code::REGISTRATION_TRANSFERRED).against(step.sequence)),
        _ => None,
    });
    if let Some(objection) = earned {
        return Decision::Reject(objection);
    }
    let voided = RegistrationVoided { registration: registration.no, learner: learner.id };
    Decision::Accept(Fact::Whole(learner.id, Event::RegistrationVoided(voided)))
}

#[cfg(test)]
mod tests {
    use daybook_protocol::{event::WithdrawalReason, ids::Sequence};

    use super::{
        super::scene::{Scene, day},
        *,
    };
    use crate::desk::{Ask, State};

    const WITHDRAWN: Action = Action::Withdrawn(WithdrawalReason::LeftCourse);
    const WITHDRAW: Ask = Ask::Withdraw { reason: WithdrawalReason::LeftCourse, last_attended_on: None };
    const ENROLLED: (&str, Action) = ("2013-10-01", Action::Enrolled);
    const VOID: (&str, Action) = ("2014-05-01", Action::Voided);

    /// Goal: each guard of a declaration holds, also behind other steps and behind the end. Method: a table of lives.
    #[test]
    fn a_registration_is_void_while_nothing_came_of_it() {
        let deferred = ("2014-04-01", Action::Deferred(day("2014-09-01")));
        let sent = ("2014-06-01", Action::Certificated);
        for (steps, on, expected) in [
            (&[ENROLLED][..], "2014-05-01", "RegistrationVoided"),
            (&[ENROLLED], "2017-01-01", "RegistrationVoided"),
            (&[ENROLLED], "2013-09-30", "reject 4S-020 against 10"),
            (&[ENROLLED], "2017-01-03", "reject 2L-009"),
            (&[ENROLLED, deferred], "2014-05-01", "RegistrationVoided"),
            (&[ENROLLED, ("2014-04-01", WITHDRAWN)], "2014-05-01", "RegistrationVoided"),
            (&[ENROLLED, sent], "2014-05-01", "reject 4S-010 against 11"),
            (&[ENROLLED, ("2014-06-01", Action::Completed)], "2014-05-01", "reject 4S-043 against 11"),
            (&[ENROLLED, VOID], "2014-06-01", "duplicate 11"),
        ] {
            assert_eq!(Scene::of(&[steps]).asked(Ask::Void, on, "2017-01-02"), expected, "{steps:?} on {on}");
        }
        let two = Scene::of(&[&[ENROLLED], &[("2014-06-01", Action::Enrolled)]]);
        assert_eq!(two.asked(Ask::Void, "2014-07-01", "2017-01-02"), "reject 4S-031", "nobody says which");
    }

    /// Goal: what is void is void from its first day, whatever happened in between. Method: days around every step.
    #[test]
    fn it_never_was() {
        let scene = Scene::of(&[&[ENROLLED, ("2014-04-01", WITHDRAWN), VOID]]);
        let registration = scene.learner.registrations.first().expect("one");
        for on in ["2013-10-01", "2014-04-02", "2014-05-01", "2020-01-01"] {
            let standing = registration.standing(day(on)).expect("begun");
            assert_eq!((standing.state, standing.since), (State::Void, (day("2013-10-01"), Sequence(12))), "{on}");
        }
        assert_eq!(registration.standing(day("2013-09-30")), None);
    }

    /// Goal: a void registration stands in nobody's way and is not meant where there is another; the very row that made it waits for
    /// a person. Method: enrolments and a withdrawal, with and without another registration.
    #[test]
    fn what_is_void_makes_way() {
        let alone = Scene::of(&[&[ENROLLED, VOID]]);
        let file = Occasion { arrival: Some(Sequence(99)), today: day("2014-07-01"), released: false };
        let released = Occasion { released: true, ..file };
        for (occasion, start, expected) in [
            (file, "2013-10-01", "hold 4S-042 against 11"),
            (released, "2013-10-01", "LearnerEnrolled"),
            (file, "2013-10-02", "LearnerEnrolled"),
            (file, "2013-09-01", "LearnerEnrolled"),
            (file, "2014-06-01", "LearnerEnrolled"),
        ] {
            assert_eq!(alone.ruled(Scene::enrol(), start, occasion), expected, "{start}");
        }
        assert_eq!(alone.ruled(WITHDRAW, "2014-06-01", file), "reject 4S-041 against 11");
        let both = Scene::of(&[&[ENROLLED, VOID], &[ENROLLED]]);
        assert_eq!(both.ruled(Scene::enrol(), "2013-10-01", file), "duplicate 20");
        assert_eq!(both.ruled(WITHDRAW, "2014-06-01", file), "LearnerWithdrawn");
        let reversed = Scene::of(&[&[ENROLLED, ("2014-04-01", WITHDRAWN)], &[("2014-04-20", Action::Enrolled), VOID]]);
        assert_eq!(reversed.asked(Ask::Reverse, "2014-04-01", "2014-04-30"), "WithdrawalReversed");
    }
}
