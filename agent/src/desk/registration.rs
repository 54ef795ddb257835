//! The stream of one registration (DOMAIN.md 3.2): its steps in effective order, what each makes of it, and whether a new
//! one fits.
//!
//! Steps are ordered by effective date, then by sequence. A new step is judged by the state on its own date, so that a
//! back-file is judged as its own time would have judged it; and if a step already recorded for a later date would no
//! longer be possible behind it, a person must look.

use daybook_protocol::{
    date::Date,
    event::{Event, WithdrawalReason},
    finding::Code,
    ids::{RegistrationNo, Sequence},
};

use super::{Objection, Obstacle, Policy, repeat::Accepted};

/// What a step does to a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is opened.
    Enrolled,
    /// It is deferred, until at most that day.
    Deferred(Date),
    /// It is taken up again.
    Resumed,
    /// It is withdrawn.
    Withdrawn(WithdrawalReason),
    /// A certificate is issued on it.
    Certificated,
}

impl Action {
    /// What an event does to which registration, if it does anything to one.
    pub fn of(event: &Event) -> Option<(RegistrationNo, Self)> {
        match event {
            Event::LearnerEnrolled(event) => Some((event.registration, Self::Enrolled)),
            Event::LearnerDeferred(event) => Some((event.registration, Self::Deferred(event.resume_by))),
            Event::LearnerResumed(event) => Some((event.registration, Self::Resumed)),
            Event::LearnerWithdrawn(event) => Some((event.registration, Self::Withdrawn(event.reason))),
            Event::CertificateDispatched(event) => Some((event.registration, Self::Certificated)),
            _ => None,
        }
    }

    /// The state that it leads to wherever it is possible; `None` if it leaves the state as it was.
    pub fn leads_to(self) -> Option<State> {
        match self {
            Self::Enrolled | Self::Resumed => Some(State::Enrolled),
            Self::Deferred(_) => Some(State::Deferred),
            Self::Withdrawn(_) => Some(State::Withdrawn),
            Self::Certificated => None,
        }
    }
}

/// A step in the life of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// From which day it holds.
    pub effective_on: Date,
    /// The entry that records it.
    pub sequence: Sequence,
    /// The file it came in, where it came in one.
    pub arrival: Option<Sequence>,
    /// What it does.
    pub action: Action,
}

impl Step {
    pub(super) fn accepted(&self) -> Accepted {
        Accepted { sequence: self.sequence, arrival: self.arrival }
    }
}

/// The state of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "each is the state of that name in DOMAIN.md 3.2")]
pub enum State {
    Enrolled,
    Deferred,
    Withdrawn,
    Expired,
}

/// Where a registration stands on some day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// Since when, and by which step.
    pub since: (Date, Sequence),
    /// Until when it is deferred at most, if it is.
    pub resume_by: Option<Date>,
    /// How often it has been deferred.
    pub deferrals: u8,
    /// For how many days it has been deferred or may still be.
    pub deferred_days: i32,
    /// The step that issued a certificate, where one did.
    pub certificated: Option<Sequence>,
}

/// A registration with its steps, ordered by effective date and sequence. The first one opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its number.
    pub no: RegistrationNo,
    /// The centre.
    pub centre: String,
    /// The brand.
    pub brand: String,
    /// The qualification.
    pub qualification: String,
    /// Its last day.
    pub expires_on: Date,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// What a step makes of a registration; or by which code it is not possible, and which step stands in the way.
pub fn evolve(before: Option<Standing>, step: &Step, expires_on: Date) -> Result<Standing, (Code, Option<Sequence>)> {
    let since = (step.effective_on, step.sequence);
    let Some(now) = before else {
        let fresh = Standing {
            state: State::Enrolled,
            since,
            resume_by: None,
            deferrals: 0,
            deferred_days: 0,
            certificated: None,
        };
        return if step.action == Action::Enrolled { Ok(fresh) } else { Err((Code::BEFORE_REGISTRATION, None)) };
    };
    let in_the_way = |code| Err((code, Some(now.since.1)));
    if step.effective_on > expires_on && step.action != Action::Certificated {
        return Err((Code::REGISTRATION_EXPIRED, None));
    }
    if let Some(certificate) = now.certificated.filter(|_| step.action != Action::Certificated) {
        return Err((Code::CERTIFICATE_ISSUED, Some(certificate)));
    }
    match (now.state, step.action) {
        (_, Action::Enrolled) => in_the_way(Code::ALREADY_ENROLLED),
        (State::Withdrawn | State::Expired, _) => in_the_way(Code::REGISTRATION_WITHDRAWN),
        (State::Enrolled, Action::Resumed) => in_the_way(Code::NOT_DEFERRED),
        (State::Deferred, Action::Deferred(_) | Action::Certificated) => in_the_way(Code::REGISTRATION_DEFERRED),
        (State::Enrolled, Action::Deferred(resume_by)) => Ok(Standing {
            state: State::Deferred,
            since,
            resume_by: Some(resume_by),
            deferrals: now.deferrals.saturating_add(1),
            deferred_days: now.deferred_days + (resume_by.0 - step.effective_on.0),
            ..now
        }),
        (State::Deferred, Action::Resumed) => {
            // Only the days that were really deferred count.
            let agreed = now.resume_by.map_or(0, |resume_by| resume_by.0 - now.since.0.0);
            let deferred_days = now.deferred_days - agreed + (step.effective_on.0 - now.since.0.0);
            Ok(Standing { state: State::Enrolled, since, resume_by: None, deferred_days, ..now })
        }
        (_, Action::Withdrawn(_)) => Ok(Standing { state: State::Withdrawn, since, resume_by: None, ..now }),
        (State::Enrolled, Action::Certificated) => {
            Ok(Standing { certificated: now.certificated.or(Some(step.sequence)), ..now })
        }
    }
}

impl Registration {
    /// The first day of the registration.
    pub fn starts_on(&self) -> Option<Date> {
        self.steps.first().map(|step| step.effective_on)
    }

    /// Where the registration stood on a day; `None` before it began. Steps that cannot follow one another, which only a
    /// log of other rules can hold, are passed over.
    pub fn standing(&self, on: Date) -> Option<Standing> {
        let standing = self.folded(on)?;
        let open = matches!(standing.state, State::Enrolled | State::Deferred);
        if open && on > self.expires_on {
            let since = (self.expires_on.plus_days(1), standing.since.1);
            return Some(Standing { state: State::Expired, since, resume_by: None, ..standing });
        }
        Some(standing)
    }

    /// Whether the registration was open on a day: neither withdrawn nor expired nor certificated.
    pub fn open(&self, on: Date) -> bool {
        self.standing(on).is_some_and(|standing| {
            matches!(standing.state, State::Enrolled | State::Deferred) && standing.certificated.is_none()
        })
    }

    /// The earlier step that did just this, if one did.
    pub fn same(&self, effective_on: Date, action: Action) -> Option<&Step> {
        self.steps.iter().find(|step| step.effective_on == effective_on && step.action == action)
    }

    /// Whether a new step fits in. `Ok` gives where the registration stands behind it; `Err` says what stands against it.
    pub fn fits(&self, effective_on: Date, action: Action, policy: &Policy) -> Result<Standing, Obstacle> {
        let new = Step { effective_on, sequence: Sequence(u64::MAX), arrival: None, action };
        let before = self.folded(effective_on);
        let object = |(code, against): (Code, Option<Sequence>)| {
            let objection = Objection::of(code);
            Obstacle::Refused(match against {
                Some(sequence) => objection.against(sequence),
                None => objection,
            })
        };
        let after = evolve(before, &new, self.expires_on).map_err(object)?;
        let mut now = after;
        for step in self.steps.iter().filter(|step| step.effective_on > effective_on) {
            now = evolve(Some(now), step, self.expires_on)
                .map_err(|_| Obstacle::Doubtful(Objection::of(Code::BREAKS_LATER_FACT).against(step.sequence)))?;
        }
        if let Action::Deferred(resume_by) = action {
            let end = self.expires_on;
            let limit = match now {
                _ if resume_by > end => Some(Code::DEFERRAL_PAST_END),
                now if now.deferrals > policy.deferrals_max => Some(Code::DEFERRAL_LIMIT),
                now if now.deferred_days > policy.deferral_days_max => Some(Code::DEFERRAL_LIMIT),
                _ => None,
            };
            if let Some(code) = limit {
                return Err(Obstacle::Refused(Objection::of(code)));
            }
        }
        Ok(after)
    }

    /// The steps up to a day, folded; what the calendar alone does is not in it.
    fn folded(&self, on: Date) -> Option<Standing> {
        let past = self.steps.iter().take_while(|step| step.effective_on <= on);
        past.fold(None, |now, step| evolve(now, step, self.expires_on).map_or(now, Some))
    }
}

#[cfg(test)]
mod tests {
    use daybook_protocol::ids::Epoch;

    use super::*;

    fn day(text: &str) -> Date {
        text.parse().expect("a date")
    }

    fn registration(steps: &[(&str, Action)]) -> Registration {
        let steps: Vec<Step> = (10..)
            .zip(steps)
            .map(|(sequence, (on, action))| Step {
                effective_on: day(on),
                sequence: Sequence(sequence),
                arrival: None,
                action: *action,
            })
            .collect();
        Registration {
            no: RegistrationNo { epoch: Epoch::FIRST, sequence: Sequence(10) },
            centre: "C1".into(),
            brand: String::new(),
            qualification: "60158864".into(),
            expires_on: day("2016-10-01"),
            steps,
        }
    }

    const WITHDRAWN: Action = Action::Withdrawn(WithdrawalReason::Illness);

    fn verdict(steps: &[(&str, Action)], on: &str, action: Action) -> String {
        match registration(steps).fits(day(on), action, &Policy::default()) {
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
        let actions =
            [Action::Enrolled, Action::Deferred(day("2014-06-01")), Action::Resumed, WITHDRAWN, Action::Certificated];
        let step = |at, action| Step { effective_on: day("2014-01-01"), sequence: Sequence(at), arrival: None, action };
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
        let life = registration(&[("2013-10-01", Action::Enrolled)]);
        assert!(life.open(day("2016-10-01")) && !life.open(day("2016-10-02")) && !life.open(day("2013-09-30")));
        assert_eq!(life.standing(day("2020-01-01")).map(|standing| standing.state), Some(State::Expired));
    }
}
