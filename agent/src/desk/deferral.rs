//! What becomes of a deferral before the learner resumes (DOMAIN.md 3.2). It is extended, within the same limits and counted once
//! more. Or it lapses: nobody writes that, it follows from the date, and changes nothing but that a person has to look at what
//! comes next.

use daybook_protocol::{
    date::Date,
    event::{DeferralExtended, Event, LearnerDeferred, LearnerResumed},
    finding::Code,
    ids::KeyId,
};

use super::{Action, Learner, Policy, Registration, Standing, State, Step, reversal::in_the_place};

/// What is meant by a deferral of a registration that is deferred on its first day already: that it goes on, if its day is later. And
/// by a resumption, where the policy says so: that the registration lasts longer by the days deferred.
pub(super) fn meant_by(registration: &Registration, on: Date, action: Action, policy: &Policy) -> Action {
    if !matches!(action, Action::Deferred(_) | Action::Resumed) {
        return action;
    }
    let deferred = registration.standing(on).filter(|it| it.state == State::Deferred);
    match (action, deferred) {
        (Action::Deferred(resume_by), Some(Standing { resume_by: Some(agreed), .. })) if resume_by > agreed => {
            Action::Extended(resume_by)
        }
        (Action::Resumed, Some(standing)) if policy.extend_expiry_by_deferral => {
            Action::ResumedExtended(on.0 - standing.since.0.0)
        }
        _ => action,
    }
}

/// The step that did just this; of a deferral also where it was taken for an extension, of a resumption also where the registration
/// lasts longer by it.
pub(super) fn known(registration: &Registration, on: Date, action: Action) -> Option<&Step> {
    registration.same(on, action).or_else(|| match action {
        Action::Deferred(resume_by) => registration.same(on, Action::Extended(resume_by)),
        Action::Resumed => {
            let longer = |step: &&Step| step.effective_on == on && matches!(step.action, Action::ResumedExtended(_));
            registration.steps.iter().rev().find(longer)
        }
        _ => None,
    })
}

/// The registration that had begun only when this one was over, and would not any more if this one is taken up again and lasts
/// longer.
pub(super) fn reached<'a>(
    learner: &'a Learner,
    registration: &Registration,
    on: Date,
    policy: &Policy,
) -> Option<&'a Registration> {
    let Action::ResumedExtended(days) = meant_by(registration, on, Action::Resumed, policy) else { return None };
    let last = registration.last_day();
    let ours = (registration.qualification.as_str(), registration.brand.as_str());
    in_the_place(learner, registration.no, ours, (last, last.plus_days(days)))
}

/// The event of a resumption.
pub(super) fn resumption(
    registration: &Registration,
    before: Option<Standing>,
    learner: KeyId,
    on: Date,
    policy: &Policy,
) -> Event {
    let since = before.map_or(on, |standing| standing.since.0);
    let days_deferred = u32::try_from(on.0 - since.0).unwrap_or(0);
    let resumed = LearnerResumed { registration: registration.no, learner, days_deferred };
    if policy.extend_expiry_by_deferral {
        Event::LearnerResumedExtended(resumed)
    } else {
        Event::LearnerResumed(resumed)
    }
}

/// What a person should look at before a deferral in force is changed: it has lapsed.
pub(super) fn doubt(before: Option<Standing>, on: Date, action: Action, policy: &Policy) -> Option<Code> {
    before.and_then(|standing| standing.lapsed_since(on, policy.resume_grace_days))?;
    match action {
        Action::Resumed => Some(Code::RESUMED_LATE),
        Action::Deferred(_) | Action::Extended(_) => Some(Code::DEFERRAL_LAPSED),
        _ => None,
    }
}

/// The event of a deferral, or of the extension of the one in force.
pub(super) fn event(registration: &Registration, before: Option<Standing>, learner: KeyId, resume_by: Date) -> Event {
    let ordinal = before.map_or(0, |standing| standing.deferrals).saturating_add(1);
    let registration = registration.no;
    if before.is_some_and(|standing| standing.state == State::Deferred) {
        Event::DeferralExtended(DeferralExtended { registration, learner, resume_by, ordinal })
    } else {
        Event::LearnerDeferred(LearnerDeferred { registration, learner, resume_by, ordinal })
    }
}

impl Standing {
    /// Since when a deferral that is in force on a day has lapsed, if it has: some days after the learner was to resume.
    pub fn lapsed_since(&self, on: Date, grace_days: i32) -> Option<Date> {
        let agreed = self.resume_by.filter(|_| self.state == State::Deferred)?;
        Some(agreed.plus_days(grace_days).plus_days(1)).filter(|lapsed| *lapsed <= on)
    }
}

#[cfg(test)]
mod tests {
    use daybook_protocol::{event::WithdrawalReason, ids::Sequence};

    use super::{
        super::scene::{Scene, day},
        *,
    };
    use crate::desk::{Ask, Occasion};

    const ENROLLED: (&str, Action) = ("2013-10-01", Action::Enrolled);

    /// Goal: each guard of an extension holds, by file and by an operator. Method: a table of lives and what is asked of them.
    #[test]
    fn a_deferral_is_extended_within_its_limits() {
        let defer = |by| Ask::Defer { resume_by: day(by) };
        let extend = |by| Ask::Extend { resume_by: day(by) };
        let deferred = ("2014-01-01", Action::Deferred(day("2014-03-01")));
        let extended = ("2014-02-01", Action::Extended(day("2014-04-01")));
        let resumed = ("2014-03-10", Action::Resumed);
        for (steps, ask, on, file, operator) in [
            (&[ENROLLED, deferred][..], defer("2014-05-01"), "2014-02-01", "DeferralExtended", "DeferralExtended"),
            (&[ENROLLED, deferred], defer("2014-05-01"), "2014-01-01", "DeferralExtended", "DeferralExtended"),
            (
                &[ENROLLED, deferred],
                defer("2014-02-20"),
                "2014-02-01",
                "reject 4S-007 against 11",
                "reject 4S-007 against 11",
            ),
            (&[ENROLLED, deferred], defer("2014-03-01"), "2014-01-01", "duplicate 11", "duplicate 11"),
            (&[ENROLLED, deferred], extend("2014-05-01"), "2014-02-01", "reject 4S-035", "DeferralExtended"),
            (&[ENROLLED, deferred], extend("2014-03-01"), "2014-02-01", "reject 4S-035", "reject 4S-007 against 11"),
            (&[ENROLLED, deferred], defer("2015-01-01"), "2014-02-01", "DeferralExtended", "DeferralExtended"),
            (&[ENROLLED, deferred], defer("2015-01-02"), "2014-02-01", "reject 4S-008", "reject 4S-008"),
            (&[ENROLLED, deferred], defer("2016-10-02"), "2014-02-01", "reject 4S-009", "reject 4S-009"),
            (&[ENROLLED, deferred, extended], defer("2014-04-01"), "2014-02-01", "duplicate 12", "duplicate 12"),
            (&[ENROLLED, deferred, extended], defer("2014-05-01"), "2014-02-02", "reject 4S-008", "reject 4S-008"),
            (&[ENROLLED, deferred, resumed], extend("2014-05-01"), "2014-02-01", "reject 4S-035", "DeferralExtended"),
            (
                &[ENROLLED, deferred, resumed],
                extend("2014-05-01"),
                "2014-03-11",
                "reject 4S-035",
                "reject 4S-022 against 12",
            ),
            (&[ENROLLED], extend("2014-05-01"), "2014-03-11", "reject 4S-035", "reject 4S-022 against 10"),
            // Thirty days after the first of March it has lapsed.
            (&[ENROLLED, deferred], defer("2014-05-01"), "2014-03-31", "DeferralExtended", "DeferralExtended"),
            (&[ENROLLED, deferred], defer("2014-05-01"), "2014-04-01", "hold 4S-040 against 10", "DeferralExtended"),
            (&[ENROLLED, deferred], Ask::Resume, "2014-03-31", "LearnerResumed", "LearnerResumed"),
            (&[ENROLLED, deferred], Ask::Resume, "2014-04-01", "hold 4S-024 against 10", "LearnerResumed"),
            (&[ENROLLED, deferred, extended], Ask::Resume, "2014-05-01", "LearnerResumed", "LearnerResumed"),
        ] {
            let scene = Scene::of(&[steps]);
            let told = format!("{steps:?} then {ask:?} on {on}");
            let by_file = Occasion { arrival: Some(Sequence(99)), today: day("2014-06-01"), released: false };
            assert_eq!(scene.ruled(ask.clone(), on, by_file), file, "{told}");
            assert_eq!(scene.asked(ask, on, "2014-06-01"), operator, "{told}");
        }
    }

    /// Goal: where the policy says so a registration lasts longer by the days deferred, and by no others; what was decided stays when the
    /// policy is another. Method: resumed once and twice, each side of the last day, and what may then be asked; told in either order.
    #[test]
    fn a_registration_lasts_longer_by_what_was_deferred() {
        let deferred = ("2014-01-01", Action::Deferred(day("2014-03-01")));
        let mut scene = Scene::of(&[&[ENROLLED, deferred]]);
        assert_eq!(scene.asked(Ask::Resume, "2014-02-15", "2014-03-01"), "LearnerResumed");
        scene.policy.extend_expiry_by_deferral = true;
        assert_eq!(scene.asked(Ask::Resume, "2014-02-15", "2014-03-01"), "LearnerResumedExtended");

        let resumed = ("2014-02-15", Action::ResumedExtended(45));
        let again = [("2015-01-01", Action::Deferred(day("2015-02-01"))), ("2015-01-11", Action::ResumedExtended(10))];
        let [more, back] = again;
        let withdraw = || Ask::Withdraw { reason: WithdrawalReason::LeftCourse, last_attended_on: None };
        for (steps, last, next) in [
            (&[ENROLLED, deferred][..], "2016-10-01", "2016-10-02"),
            (&[ENROLLED, deferred, resumed], "2016-11-15", "2016-11-16"),
            (&[ENROLLED, deferred, resumed, more, back], "2016-11-25", "2016-11-26"),
            (&[ENROLLED, more, back, deferred, resumed], "2016-11-25", "2016-11-26"),
        ] {
            let scene = Scene::of(&[steps]);
            assert_eq!(scene.learner.registrations.first().map(Registration::last_day), Some(day(last)), "{steps:?}");
            assert_eq!(scene.asked(withdraw(), last, "2017-01-01"), "LearnerWithdrawn", "{steps:?}");
            assert_eq!(scene.asked(withdraw(), next, "2017-01-01"), "reject 4S-021", "{steps:?}");
        }
        let scene = Scene::of(&[&[ENROLLED, deferred, resumed]]);
        assert_eq!(scene.asked(Ask::Resume, "2014-02-15", "2014-03-01"), "duplicate 12");
        let until = |by| Ask::Defer { resume_by: day(by) };
        assert_eq!(scene.asked(until("2016-11-15"), "2016-10-10", "2016-10-10"), "LearnerDeferred");
        assert_eq!(scene.asked(until("2016-11-16"), "2016-10-10", "2016-10-10"), "reject 4S-009");
    }

    /// Goal: no registration comes to last into the next one for the same qualification unseen. Method: the next one begins on the last day
    /// that it would have and on the day behind it, and is void.
    #[test]
    fn a_longer_registration_does_not_reach_the_next() {
        let first = [ENROLLED, ("2016-08-01", Action::Deferred(day("2016-09-30")))];
        for (next, expected) in [
            (&[("2016-10-31", Action::Enrolled)][..], "hold 4S-023 against 20"),
            (&[("2016-11-01", Action::Enrolled)], "LearnerResumedExtended"),
            (&[("2016-10-31", Action::Enrolled), ("2016-11-05", Action::Voided)], "LearnerResumedExtended"),
        ] {
            let mut scene = Scene::of(&[&first, next]);
            scene.policy.extend_expiry_by_deferral = true;
            scene.named = scene.learner.registrations.first().map(|it| it.no);
            let said = scene.asked(Ask::Resume, "2016-08-31", "2017-01-01");
            assert_eq!(said, expected, "{next:?}");
        }
    }

    /// Goal: an extension that comes late does not undo a resumption, and its days count only as far as they were deferred.
    /// Method: one told after the resumption, folded.
    #[test]
    fn days_count_as_far_as_they_were_deferred() {
        let life = [
            ENROLLED,
            ("2014-01-01", Action::Deferred(day("2014-03-01"))),
            ("2014-01-31", Action::Resumed),
            ("2014-01-10", Action::Extended(day("2014-06-01"))),
        ];
        let scene = Scene::of(&[&life]);
        let standing = scene.learner.registrations.first().and_then(|it| it.standing(day("2014-02-01")));
        let standing = standing.expect("begun");
        assert_eq!((standing.state, standing.deferrals, standing.deferred_days), (State::Enrolled, 2, 30));
        assert_eq!(standing.lapsed_since(day("2016-01-01"), 30), None);
    }
}
