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
    /// Its deferral is extended, until at most that day.
    Extended(Date),
    /// It is taken up again.
    Resumed,
    /// It is taken up again, and lasts for so many days more.
    ResumedExtended(i32),
    /// It is withdrawn.
    Withdrawn(WithdrawalReason),
    /// A certificate is issued on it.
    Certificated,
    /// Its withdrawal is undone.
    Reversed,
    /// It was made in error.
    Voided,
    /// Its qualification is completed.
    Completed,
    /// Another one took its place: the one whose first entry is this step's.
    Transferred,
}

impl Action {
    /// What an event does to which registration, if it does anything to one.
    pub fn of(event: &Event) -> Option<(RegistrationNo, Self)> {
        match event {
            Event::LearnerEnrolled(event) => Some((event.registration, Self::Enrolled)),
            Event::LearnerDeferred(event) => Some((event.registration, Self::Deferred(event.resume_by))),
            Event::LearnerResumed(event) => Some((event.registration, Self::Resumed)),
            Event::LearnerResumedExtended(event) => {
                let days = i32::try_from(event.days_deferred).unwrap_or(i32::MAX);
                Some((event.registration, Self::ResumedExtended(days)))
            }
            Event::LearnerWithdrawn(event) => Some((event.registration, Self::Withdrawn(event.reason))),
            Event::CertificateDispatched(event) => Some((event.registration, Self::Certificated)),
            Event::DeferralExtended(event) => Some((event.registration, Self::Extended(event.resume_by))),
            Event::RegistrationVoided(event) => Some((event.registration, Self::Voided)),
            Event::QualificationCompleted(event) => Some((event.registration, Self::Completed)),
            Event::WithdrawalReversed(event) => Some((event.registration, Self::Reversed)),
            Event::RegistrationTransferred(event) => Some((event.registration, Self::Transferred)),
            _ => None,
        }
    }

    /// The state that it leads to wherever it is possible; `None` if it leaves the state as it was.
    pub fn leads_to(self) -> Option<State> {
        match self {
            Self::Enrolled | Self::Resumed | Self::ResumedExtended(_) | Self::Reversed => Some(State::Enrolled),
            Self::Deferred(_) => Some(State::Deferred),
            Self::Withdrawn(_) => Some(State::Withdrawn),
            Self::Voided => Some(State::Void),
            Self::Completed => Some(State::Completed),
            Self::Transferred => Some(State::Transferred),
            Self::Extended(_) | Self::Certificated => None,
        }
    }
}

/// A step in the life of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// From which day it holds.
    pub effective_on: Date,
    /// On which day (UTC) it was recorded. Nobody asks this of an enrolment, which has its first day here: the index would have
    /// to keep it of every registration.
    pub recorded_on: Date,
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
    Void,
    Completed,
    Transferred,
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
    /// Its last day, by what is known on that day: resumptions may move it.
    pub expires_on: Date,
}

impl Standing {
    /// For how many days the registration was deferred, where a deferral in force ends on `day`: only the days that were really
    /// deferred count.
    fn deferred_days_by(&self, day: Date) -> i32 {
        let began = self.since.0.0;
        self.resume_by.map_or(self.deferred_days, |agreed| self.deferred_days - (agreed.0 - began) + (day.0 - began))
    }
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
    /// Its last day when it was opened; [`Registration::last_day`] says what it is by now.
    pub expires_on: Date,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// What a step makes of a registration; or by which code it is not possible, and which step stands in the way. One that is opened
/// lasts until `expires_on`.
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
            expires_on,
        };
        return if step.action == Action::Enrolled { Ok(fresh) } else { Err((Code::BEFORE_REGISTRATION, None)) };
    };
    let in_the_way = |code| Err((code, Some(now.since.1)));
    if step.effective_on > now.expires_on && !matches!(step.action, Action::Certificated | Action::Voided) {
        return Err((Code::REGISTRATION_EXPIRED, None));
    }
    if let Some(certificate) = now.certificated.filter(|_| step.action != Action::Certificated) {
        return Err((Code::CERTIFICATE_ISSUED, Some(certificate)));
    }
    match (now.state, step.action) {
        (State::Void, _) => in_the_way(Code::REGISTRATION_VOID),
        (State::Transferred, _) => in_the_way(Code::REGISTRATION_TRANSFERRED),
        (State::Enrolled | State::Completed, Action::Certificated) => {
            Ok(Standing { certificated: now.certificated.or(Some(step.sequence)), ..now })
        }
        (State::Completed, _) => in_the_way(Code::REGISTRATION_COMPLETED),
        (_, Action::Voided) => Ok(Standing { state: State::Void, since, resume_by: None, ..now }),
        (_, Action::Enrolled) => in_the_way(Code::ALREADY_ENROLLED),
        (State::Withdrawn, Action::Reversed) => Ok(Standing { state: State::Enrolled, since, resume_by: None, ..now }),
        (_, Action::Reversed) => in_the_way(Code::NOT_WITHDRAWN),
        (State::Withdrawn | State::Expired, _) => in_the_way(Code::REGISTRATION_WITHDRAWN),
        (State::Enrolled, Action::Resumed | Action::ResumedExtended(_) | Action::Extended(_)) => {
            in_the_way(Code::NOT_DEFERRED)
        }
        (State::Deferred, Action::Extended(resume_by)) if now.resume_by < Some(resume_by) => {
            let more = now.resume_by.map_or(0, |agreed| resume_by.0 - agreed.0);
            let (deferrals, deferred_days) = (now.deferrals.saturating_add(1), now.deferred_days + more);
            Ok(Standing { resume_by: Some(resume_by), deferrals, deferred_days, ..now })
        }
        (
            State::Deferred,
            Action::Deferred(_) | Action::Extended(_) | Action::Certificated | Action::Completed | Action::Transferred,
        ) => in_the_way(Code::REGISTRATION_DEFERRED),
        (State::Enrolled, Action::Deferred(resume_by)) => Ok(Standing {
            state: State::Deferred,
            since,
            resume_by: Some(resume_by),
            deferrals: now.deferrals.saturating_add(1),
            deferred_days: now.deferred_days + (resume_by.0 - step.effective_on.0),
            ..now
        }),
        (State::Deferred, Action::Resumed | Action::ResumedExtended(_)) => {
            let deferred_days = now.deferred_days_by(step.effective_on);
            let expires_on = match step.action {
                Action::ResumedExtended(days) => now.expires_on.plus_days(days),
                _ => now.expires_on,
            };
            Ok(Standing { state: State::Enrolled, since, resume_by: None, deferred_days, expires_on, ..now })
        }
        (_, Action::Withdrawn(_)) => {
            let deferred_days = now.deferred_days_by(step.effective_on);
            Ok(Standing { state: State::Withdrawn, since, resume_by: None, deferred_days, ..now })
        }
        (State::Enrolled, Action::Completed) => Ok(Standing { state: State::Completed, since, ..now }),
        (State::Enrolled, Action::Transferred) => Ok(Standing { state: State::Transferred, since, ..now }),
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
        if let Some(void) = self.voided() {
            let since = (self.starts_on()?, void.sequence);
            return Some(Standing { state: State::Void, since, resume_by: None, ..standing });
        }
        let open = matches!(standing.state, State::Enrolled | State::Deferred);
        if open && on > standing.expires_on {
            let since = (standing.expires_on.plus_days(1), standing.since.1);
            return Some(Standing { state: State::Expired, since, resume_by: None, ..standing });
        }
        Some(standing)
    }

    /// Whether the registration was open on a day: neither withdrawn nor expired, completed, certificated or transferred.
    pub fn open(&self, on: Date) -> bool {
        self.standing(on).is_some_and(|standing| {
            matches!(standing.state, State::Enrolled | State::Deferred) && standing.certificated.is_none()
        })
    }

    /// Its last day, by all that is recorded.
    pub fn last_day(&self) -> Date {
        self.folded(Date(i32::MAX)).map_or(self.expires_on, |standing| standing.expires_on)
    }

    /// The step that did just this, the latest if several did.
    pub fn same(&self, effective_on: Date, action: Action) -> Option<&Step> {
        self.steps.iter().rev().find(|step| step.effective_on == effective_on && step.action == action)
    }

    /// The step that gave the state on a day.
    pub(super) fn step_in_force(&self, on: Date) -> Option<&Step> {
        let (_, sequence) = self.standing(on)?.since;
        self.steps.iter().find(|step| step.sequence == sequence)
    }

    /// The step by which it is void, if it is: then it never was, whichever day is asked about.
    pub fn voided(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.action == Action::Voided)
    }

    /// Whether a new step fits in. `Ok` gives where the registration stands behind it; `Err` says what stands against it.
    pub fn fits(&self, effective_on: Date, action: Action, policy: &Policy) -> Result<Standing, Obstacle> {
        let new = Step { effective_on, recorded_on: effective_on, sequence: Sequence(u64::MAX), arrival: None, action };
        if let Some(void) = self.voided() {
            return Err(Obstacle::Refused(Objection::of(Code::REGISTRATION_VOID).against(void.sequence)));
        }
        let before = self.folded(effective_on);
        let object = |(code, against): (Code, Option<Sequence>)| {
            let objection = Objection::of(code);
            Obstacle::Refused(match against {
                Some(sequence) => objection.against(sequence),
                None => objection,
            })
        };
        let after = evolve(before, &new, self.expires_on).map_err(object)?;
        if matches!(action, Action::Completed | Action::Certificated)
            && before.is_none_or(|before| before.certificated.is_none())
            && self.starts_on().is_some_and(|start| effective_on < policy.completed_from(start))
        {
            return Err(Obstacle::Refused(Objection::of(Code::MINIMUM_WEEKS).against(self.no.sequence)));
        }
        let mut now = after;
        for step in self.steps.iter().filter(|step| step.effective_on > effective_on) {
            now = evolve(Some(now), step, self.expires_on)
                .map_err(|_| Obstacle::Doubtful(Objection::of(Code::BREAKS_LATER_FACT).against(step.sequence)))?;
        }
        if let Action::Deferred(resume_by) | Action::Extended(resume_by) = action {
            let limit = match now {
                now if resume_by > now.expires_on => Some(Code::DEFERRAL_PAST_END),
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
mod tests;
