//! A history as plain text, at most 100 columns wide.

use std::fmt::Write as _;

use daybook_protocol::{
    entry::{Actor, Source},
    event::Event,
    finding::{Finding, Severity},
};
use serde::Serialize;

use super::{CertificateLife, EventLine, History, Origin, RegistrationLife, Values};
use crate::desk::State;

/// The width that fits the terminals and the paper of an office.
const COLUMNS: usize = 100;
/// So many letters of a SHA-256 tell one file from another by eye.
const SHA_LETTERS: usize = 12;

impl History {
    /// The history as text. Whatever came from outside is stripped of what could steer a terminal.
    pub fn table(&self) -> String {
        let mut page = Page(String::new());
        page.line(0, &self.title());
        match &self.personal {
            None => page.line(2, "(what is personal is not revealed)"),
            Some(values) if values.is_empty() => page.line(2, "(nothing is known of the person)"),
            Some(values) => {
                for (field, value) in values {
                    page.line(2, &format!("{:<22}{value}", field.name()));
                }
            }
        }
        for registration in &self.registrations {
            page.registration(registration);
        }
        for certificate in &self.certificates {
            page.certificate(certificate);
        }
        page.blank();
        page.line(0, &format!("{:>9}  {:<20}  {:<10}  what happened", "entry", "recorded (UTC)", "holds from"));
        for event in &self.events {
            page.event(event);
        }
        page.0
    }

    fn title(&self) -> String {
        let mut title = format!("Learner {}", self.learner);
        if let Some(on) = self.on {
            let _ = write!(title, " on {on}");
        }
        if let Some(count) = self.as_of {
            let _ = write!(title, ", as known before entry {count}");
        }
        title
    }
}

struct Page(String);

impl Page {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    /// A line, wrapped between words; what is wrapped stands two columns further in. A longer word is cut.
    fn line(&mut self, indent: usize, text: &str) {
        let text: String = text.chars().map(harmless).collect();
        let (mut margin, mut rest) = (indent, text.trim_end());
        loop {
            let room = COLUMNS - margin;
            let end = rest.char_indices().nth(room).map_or(rest.len(), |(at, _)| at);
            let (mut now, mut later) = rest.split_at(end);
            if !later.is_empty()
                && let Some((words, _)) = now.rsplit_once(' ').filter(|(words, _)| !words.trim().is_empty())
            {
                (now, later) = rest.split_at(words.len());
            }
            let _ = writeln!(self.0, "{:margin$}{}", "", now.trim_end());
            rest = later.trim_start();
            if rest.is_empty() {
                return;
            }
            margin = indent + 2;
        }
    }

    fn registration(&mut self, life: &RegistrationLife) {
        let standing = match (life.state, life.since) {
            (Some(state), Some(since)) => {
                let resume = life.resume_by.map(|day| format!(", to resume by {day}")).unwrap_or_default();
                let lapsed = life.lapsed_since.map(|day| format!(", lapsed since {day}")).unwrap_or_default();
                format!("{} since {since}{resume}{lapsed}", word(&state))
            }
            _ => "not yet begun".to_owned(),
        };
        self.blank();
        self.line(0, &format!("Registration {}: {standing}", life.registration));
        let brand = if life.brand.is_empty() { String::new() } else { format!(", {}", life.brand) };
        let RegistrationLife { qualification, centre, start_on, expires_on, state, .. } = life;
        let until = if *state == Some(State::Expired) { "expired after" } else { "expires after" };
        self.line(2, &format!("{qualification} at centre {centre}{brand}, from {start_on}, {until} {expires_on}"));
        for fact in &life.facts {
            self.line(2, &format!("{}  {:<24}  entry {}", fact.effective_on, fact.what, fact.sequence));
        }
    }

    fn certificate(&mut self, life: &CertificateLife) {
        let CertificateLife { certificate, registration, state, since, attempts } = life;
        self.blank();
        self.line(0, &format!("Certificate {certificate}: {state} since {since}"));
        self.line(2, &format!("on registration {registration}, dispatches: {attempts}"));
    }

    fn event(&mut self, line: &EventLine) {
        let from = line.effective_on.map(|date| date.to_string()).unwrap_or_default();
        let (name, recorded) = (line.event.name(), line.recorded_at.instant());
        self.line(0, &format!("{:>9}  {recorded:.0}  {from:<10}  {name}", line.sequence.0));
        self.line(11, &format!("{}, {}", who(&line.actor), source(&line.source)));
        let about = about(&line.event);
        if !about.is_empty() {
            self.line(11, &about);
        }
        for finding in &line.findings {
            self.line(11, &found(*finding));
        }
        if let Some(values) = line.private.as_ref().filter(|values| !values.is_empty()) {
            self.line(11, &listed(values));
        }
    }
}

/// Letters as they are; what could move the cursor, ring, or turn the direction of writing becomes a mark.
pub(crate) fn harmless(letter: char) -> char {
    match letter {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        _ if letter.is_control() => '\u{fffd}',
        _ => letter,
    }
}

fn who(actor: &Actor) -> String {
    match actor {
        Actor::Agent => "the agent".to_owned(),
        Actor::Operator(name) => format!("operator {name}"),
    }
}

fn source(origin: &Origin) -> String {
    let mut file = origin.file_name.clone().unwrap_or_else(|| "a file".to_owned());
    if let Some(sha256) = origin.sha256 {
        let sha256: String = sha256.to_string().chars().take(SHA_LETTERS).collect();
        let _ = write!(file, " ({sha256})");
    }
    match origin.source {
        Source::Agent => "of its own accord".to_owned(),
        Source::Command => "by command".to_owned(),
        Source::File { arrival } => format!("from {file}, received as entry {arrival}"),
        Source::Row { arrival, line } => format!("from line {line} of {file}, received as entry {arrival}"),
    }
}

/// What the event itself says, for the eye.
fn about(event: &Event) -> String {
    let named = |name: &str, value: &str| if value.is_empty() { String::new() } else { format!(", {name} {value}") };
    match event {
        Event::LearnerEnrolled(event) => {
            let opened = if event.opened { ", record opened" } else { "" };
            let brand = named("brand", &event.brand);
            format!(
                "registration {}, centre {}{brand}, qualification {}, expires after {}{opened}",
                event.registration, event.centre, event.qualification, event.expires_on
            )
        }
        Event::LearnerDetailsAmended(event) => format!("{}, class {}", event.field, word(&event.class)),
        Event::LearnerDeferred(event) => {
            format!("registration {}, to resume by {}, deferral {}", event.registration, event.resume_by, event.ordinal)
        }
        Event::LearnerResumed(event) => {
            format!("registration {}, after {} days", event.registration, event.days_deferred)
        }
        Event::LearnerResumedExtended(event) => {
            let (registration, days) = (event.registration, event.days_deferred);
            format!("registration {registration}, after {days} days, by which it lasts longer")
        }
        Event::LearnerWithdrawn(event) => {
            let attended = event.last_attended_on.map(|day| format!(", last attended on {day}")).unwrap_or_default();
            format!("registration {}, reason {}{attended}", event.registration, word(&event.reason))
        }
        Event::DeferralExtended(event) => {
            format!("registration {}, to resume by {}, deferral {}", event.registration, event.resume_by, event.ordinal)
        }
        Event::QualificationCompleted(event) => format!("registration {}", event.registration),
        Event::LearnersMerged(event) => format!("{} is {}", event.merged, event.survivor),
        Event::LearnersUnmerged(event) => {
            format!("{} is not {}, as entry {} had it", event.merged, event.survivor, event.merge)
        }
        Event::UlnAliased(_) => "a further ULN".to_owned(),
        Event::RegistrationTransferred(event) => format!(
            "registration {}, to {} at centre {}, qualification {}, expires after {}",
            event.registration, event.to, event.centre, event.qualification, event.expires_on
        ),
        Event::RegistrationVoided(event) => format!("registration {}, made in error", event.registration),
        Event::WithdrawalReversed(event) => format!("registration {}, enrolled again", event.registration),
        Event::CertificateDispatched(event) => format!(
            "certificate {} on registration {}{}{}",
            event.certificate,
            event.registration,
            named("carrier", &event.carrier),
            named("tracking", &event.tracking)
        ),
        Event::CertificateReturned(event) => {
            format!("certificate {}, reason {}", event.certificate, word(&event.reason))
        }
        Event::CertificateRedispatched(event) => format!(
            "certificate {}, dispatch {}{}{}",
            event.certificate,
            event.attempt,
            named("carrier", &event.carrier),
            named("tracking", &event.tracking)
        ),
        Event::RowRejected(event) => event.against.map(|entry| format!("against entry {entry}")).unwrap_or_default(),
        Event::RowHeld(event) => {
            let against = event.against.map(|entry| format!(", against entry {entry}")).unwrap_or_default();
            format!("asks for {}{against}", event.kind)
        }
        Event::RowDuplicate(event) => format!("repeats entry {}", event.first),
        Event::HeldReleased(event) | Event::HeldRefused(event) => format!("what entry {} held", event.held),
        Event::OrderProposed(event) => {
            let of = event.registration.map(|no| format!(", registration {no}")).unwrap_or_default();
            let held = event.held.map(|entry| format!(", release of entry {entry}")).unwrap_or_default();
            format!("{}{of}{held}: takes effect once another operator approves it", event.kind)
        }
        Event::ProposalDecided(event) => match event.entry {
            Some(entry) => format!("what entry {} proposes is approved, as entry {entry} says", event.proposed),
            None => format!("what entry {} proposes is declined", event.proposed),
        },
        Event::MappingLearned(event) => format!("{} in the file that entry {} held", event.field, event.held),
        _ => String::new(),
    }
}

fn found(finding: Finding) -> String {
    let weight = match finding.code.severity() {
        Severity::Warning => "warning",
        Severity::Query => "query",
        Severity::Error => "error",
    };
    let field = finding.field.map(|field| format!(" in {field}")).unwrap_or_default();
    format!("{} {weight}{field}: {}", finding.code, finding.code.meaning())
}

fn listed(values: &Values) -> String {
    let named: Vec<String> = values.iter().map(|(field, value)| format!("{field} \"{value}\"")).collect();
    named.join(", ")
}

/// The word by which a plain variant stands in output.
fn word(variant: &impl Serialize) -> String {
    serde_json::to_value(variant).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
