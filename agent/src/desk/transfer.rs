//! The transfer of a registration (DOMAIN.md 3.2) to another centre or qualification: it ends, and another one, which the same entry
//! opens, takes its place. An operator decides that, once both centres have agreed.

use daybook_protocol::{event::PersonTokens, finding::Code};

use super::{
    Action, Ask, Command, Decision, Enrolment, Fact, Learner, Objection, Occasion, Policy, Registration, Step,
    learner::{choose, meant},
    repeat::repeated,
    reversal::in_the_place,
};

/// Decides the transfer of one of a learner's registrations.
pub(super) fn decide(learner: &Learner, command: &Command, occasion: Occasion, policy: &Policy) -> Decision {
    let Ask::Transfer { centre, qualification, person } = &command.ask else {
        return Decision::Reject(Objection::of(Code::VALUE_FORMAT));
    };
    let on = command.effective_on;
    if on > occasion.today {
        return Decision::Reject(Objection::of(Code::DATE_IN_FUTURE));
    }
    let meant: Vec<&Registration> = meant(learner, &command.subject).collect();
    let wanted = |it: &Registration| {
        centre.as_ref().is_none_or(|centre| *centre == it.centre)
            && qualification.as_ref().is_none_or(|qualification| *qualification == it.qualification)
    };
    let known = meant.iter().filter_map(|it| it.same(on, Action::Transferred));
    if let Some(first) = known.into_iter().find(|step| opened_by(learner, step).is_some_and(wanted)) {
        return repeated(first.accepted(), occasion);
    }
    let registration = match choose(&meant, on, Action::Transferred, policy) {
        Ok(registration) => registration,
        Err(obstacle) => return obstacle.about(learner.id),
    };
    if wanted(registration) {
        return Decision::Reject(Objection::of(Code::NOTHING_TO_TRANSFER).against(registration.no.sequence));
    }
    // Another qualification begins anew; the same one goes on, wherever it is.
    let begins_anew = qualification.as_ref().is_some_and(|qualification| *qualification != registration.qualification);
    let expires_on = if begins_anew { on.plus_years(policy.registration_years) } else { registration.last_day() };
    let to = Enrolment {
        learner: Some(learner.id),
        tokens: PersonTokens { person: person.unwrap_or(learner.tokens.person), ..learner.tokens },
        centre: centre.as_ref().unwrap_or(&registration.centre).clone(),
        brand: registration.brand.clone(),
        qualification: qualification.as_ref().unwrap_or(&registration.qualification).clone(),
        expires_on,
    };
    if let Some(other) = in_the_place(learner, registration.no, (&to.qualification, &to.brand), (on, expires_on)) {
        return Decision::Reject(Objection::of(Code::ALREADY_ENROLLED).against(other.no.sequence));
    }
    Decision::Accept(Fact::Transfer(registration.no, learner.id, to))
}

/// The registration that a transfer opened.
fn opened_by<'a>(learner: &'a Learner, transfer: &Step) -> Option<&'a Registration> {
    learner.registrations.iter().find(|it| it.no.sequence == transfer.sequence)
}

#[cfg(test)]
mod tests {
    use daybook_protocol::{event::WithdrawalReason, ids::Sequence};

    use super::{
        super::scene::{Scene, day},
        *,
    };

    const WITHDRAW: Ask = Ask::Withdraw { reason: WithdrawalReason::LeftCourse, last_attended_on: None };
    const GONE: Action = Action::Withdrawn(WithdrawalReason::LeftCourse);
    const ENROLLED: (&str, Action) = ("2013-10-01", Action::Enrolled);
    const AWAY: (&str, Action) = ("2014-05-01", Action::Transferred);

    fn to(centre: Option<&str>, qualification: Option<&str>) -> Ask {
        let text = |text: &str| text.to_owned();
        Ask::Transfer { centre: centre.map(text), qualification: qualification.map(text), person: None }
    }

    /// Goal: each guard of a transfer holds. Method: a table of lives and what is asked of them.
    #[test]
    fn a_transfer_has_its_place() {
        let deferred = ("2014-04-01", Action::Deferred(day("2014-09-01")));
        let sent = ("2014-04-01", Action::Certificated);
        let there = || to(Some("C2"), None);
        for (steps, ask, on, expected) in [
            (&[ENROLLED][..], there(), "2014-05-01", "RegistrationTransferred to 60158864 at C2 until 2016-10-01"),
            (
                &[ENROLLED],
                to(None, Some("60087067")),
                "2014-05-01",
                "RegistrationTransferred to 60087067 at C1 until 2017-05-01",
            ),
            (&[ENROLLED], to(Some("C1"), None), "2014-05-01", "reject 4S-045 against 10"),
            (&[ENROLLED], to(Some("C1"), Some("60158864")), "2014-05-01", "reject 4S-045 against 10"),
            (&[ENROLLED], there(), "2013-09-30", "reject 4S-020"),
            (&[ENROLLED], there(), "2017-01-03", "reject 2L-009"),
            (&[ENROLLED], there(), "2016-10-02", "reject 4S-021"),
            (&[ENROLLED, deferred], there(), "2014-05-01", "reject 4S-007 against 11"),
            (&[ENROLLED, ("2014-04-01", GONE)], there(), "2014-05-01", "reject 4S-006 against 11"),
            (&[ENROLLED, ("2014-06-01", GONE)], there(), "2014-05-01", "hold 4S-023 against 11"),
            (&[ENROLLED, sent], there(), "2014-05-01", "reject 4S-010 against 11"),
            (&[ENROLLED, AWAY], there(), "2014-06-01", "reject 4S-044 against 11"),
            (&[ENROLLED, AWAY], WITHDRAW, "2014-06-01", "reject 4S-044 against 11"),
            (&[ENROLLED, AWAY], WITHDRAW, "2014-04-01", "hold 4S-023 against 11"),
            (&[ENROLLED, AWAY], Ask::Void, "2014-06-01", "reject 4S-044 against 11"),
        ] {
            let told = format!("{steps:?} then {ask:?} on {on}");
            assert_eq!(Scene::of(&[steps]).asked(ask, on, "2017-01-02"), expected, "{told}");
        }
    }

    /// Goal: the same transfer is known again, what comes behind it is of the registration that it opened, and none is made where
    /// another registration stands. Method: a learner with both.
    #[test]
    fn what_follows_a_transfer_is_of_the_other_registration() {
        let mut scene = Scene::of(&[&[ENROLLED, AWAY], &[("2014-05-01", Action::Enrolled)]]);
        if let Some(other) = scene.learner.registrations.last_mut() {
            (other.centre, other.no.sequence) = ("C2".into(), Sequence(11));
        }
        assert_eq!(scene.asked(to(Some("C2"), None), "2014-05-01", "2014-06-01"), "duplicate 11");
        assert_eq!(
            scene.asked(to(Some("C3"), None), "2014-05-01", "2014-06-01"),
            "RegistrationTransferred to 60158864 at C3 until 2016-10-01"
        );
        assert_eq!(scene.asked(WITHDRAW, "2014-06-01", "2014-06-01"), "LearnerWithdrawn");
        assert_eq!(scene.asked(WITHDRAW, "2014-04-01", "2014-06-01"), "hold 4S-023 against 11");

        let mut scene = Scene::of(&[&[ENROLLED], &[("2014-06-01", Action::Enrolled)]]);
        scene.named = scene.learner.registrations.first().map(|it| it.no);
        if let Some(other) = scene.learner.registrations.last_mut() {
            other.qualification = "60087067".into();
        }
        assert_eq!(scene.asked(to(None, Some("60087067")), "2014-05-01", "2014-06-02"), "reject 4S-001 against 20");
    }
}
