//! What becomes of a deferral before the learner resumes (DOMAIN.md 3.2). It is extended, within the same limits and counted once
//! more. Or it lapses: nobody writes that, it follows from the date, and changes nothing but that a person has to look at what
//! comes next.

use daybook_protocol::{
    date::Date,
    event::{DeferralExtended, Event, LearnerDeferred},
    finding::Code,
    ids::KeyId,
};

use super::{Action, Policy, Registration, Standing, State, Step};

/// What is meant by a deferral of a registration that is deferred on its first day already: that it goes on, if its day is later.
pub(super) fn meant_by(registration: &Registration, on: Date, action: Action) -> Action {
    let agreed = registration.standing(on).filter(|it| it.state == State::Deferred).and_then(|it| it.resume_by);
    match (action, agreed) {
        (Action::Deferred(resume_by), Some(agreed)) if resume_by > agreed => Action::Extended(resume_by),
        _ => action,
    }
}

/// The step that did just this; of a deferral also where it was taken for an extension.
pub(super) fn known(registration: &Registration, on: Date, action: Action) -> Option<&Step> {
    registration.same(on, action).or_else(|| match action {
        Action::Deferred(resume_by) => registration.same(on, Action::Extended(resume_by)),
        _ => None,
    })
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
    use daybook_protocol::ids::Sequence;

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
