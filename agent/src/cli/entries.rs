//! An entry as people and scripts see it. Pure: whatever has to be looked up is looked up by the caller.

use std::fmt::Write as _;

use daybook_protocol::{
    date::{Date, Timestamp},
    entry::{Actor, Entry, Private, Source},
    event::{Event, JudgedAgain, LogRejoined, Scrubbed, Totals},
    field::Field,
    finding::{Code, Finding, Severity},
    ids::{Digest, Sequence},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::figures::{moment, printable};

/// Opens the sealed part of an entry, where it has one; the error says why it cannot be opened.
pub type Reveal<'a> = dyn Fn(&Entry) -> Result<Option<Private>, String> + 'a;

/// What an entry alone does not say.
pub struct Look<'a> {
    /// SHA-256 of the file that arrived by this `FileReceived`.
    pub sha256: &'a dyn Fn(Sequence) -> Option<Digest>,
    /// Opens the sealed part, where what is personal is to be shown.
    pub reveal: Option<&'a Reveal<'a>>,
}

impl Look<'_> {
    /// Shows nothing personal, and knows no file.
    pub const NOTHING: Look<'static> = Look { sha256: &|_| None, reveal: None };

    fn private(&self, entry: &Entry) -> Option<Result<Private, String>> {
        self.reveal.and_then(|open| open(entry).transpose())
    }
}

/// The members of an entry's JSON object, in the order in which they are printed. Scripts rely on the names.
#[derive(Serialize)]
struct View<'a> {
    sequence: Sequence,
    recorded_at: Timestamp,
    effective_on: Option<Date>,
    #[serde(flatten)]
    event: &'a Event,
    source: SourceView,
    actor: &'a Actor,
    governed_by: Sequence,
    findings: Vec<FindingView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<PrivateView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_error: Option<String>,
}

#[derive(Serialize)]
struct SourceView {
    #[serde(flatten)]
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
}

#[derive(Serialize)]
struct FindingView {
    code: Code,
    severity: Severity,
    field: Option<Field>,
    meaning: &'static str,
}

struct PrivateView(Private);

impl Serialize for PrivateView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.count()))?;
        for (field, value) in self.0.iter() {
            map.serialize_entry(field.name(), value)?;
        }
        map.end()
    }
}

/// The entry as one line of JSON.
pub fn json(entry: &Entry, look: &Look<'_>) -> Result<String, serde_json::Error> {
    let (private, private_error) = match look.private(entry) {
        Some(Ok(private)) => (Some(PrivateView(private)), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    serde_json::to_string(&View {
        sequence: entry.sequence,
        recorded_at: entry.recorded_at,
        effective_on: entry.effective_on,
        event: &entry.event,
        source: SourceView { source: entry.source, sha256: arrival(&entry.source).and_then(look.sha256) },
        actor: &entry.actor,
        governed_by: entry.governed_by,
        findings: entry.findings.iter().copied().map(view).collect(),
        private,
        private_error,
    })
}

fn view(finding: Finding) -> FindingView {
    let code = finding.code;
    FindingView { code, severity: code.severity(), field: finding.field, meaning: code.meaning() }
}

fn arrival(source: &Source) -> Option<Sequence> {
    match source {
        Source::File { arrival } | Source::Row { arrival, .. } => Some(*arrival),
        Source::Agent | Source::Command => None,
    }
}

/// The entry as one line for a person.
pub fn line(entry: &Entry, look: &Look<'_>) -> String {
    let mut line = format!("{:>8}  {}  {}", entry.sequence.0, moment(entry.recorded_at), entry.event.name());
    let about = about(&entry.event);
    if !about.is_empty() {
        let _ = write!(line, "  {about}");
    }
    if let Some(day) = entry.effective_on {
        let _ = write!(line, "  effective {day}");
    }
    let _ = write!(line, "  {}", origin(entry));
    if !entry.findings.is_empty() {
        let codes: Vec<String> = entry.findings.iter().copied().map(in_brief).collect();
        let _ = write!(line, "  [{}]", codes.join(", "));
    }
    match look.private(entry) {
        Some(Ok(private)) => {
            for (field, value) in private.iter() {
                let _ = write!(line, "  {field}={}", printable(value));
            }
        }
        Some(Err(why)) => {
            let _ = write!(line, "  (sealed: {})", printable(&why));
        }
        None => {}
    }
    line
}

/// Something held, in full, for a person who has to decide about it.
pub fn held(entry: &Entry, look: &Look<'_>) -> Vec<String> {
    let mut lines = vec![
        format!("{}  {}", entry.sequence, entry.event.name()),
        format!("  recorded   {}", moment(entry.recorded_at)),
        format!("  source     {}", origin(entry)),
    ];
    let about = about(&entry.event);
    if !about.is_empty() {
        lines.push(format!("  about      {about}"));
    }
    if let Some(sha256) = arrival(&entry.source).and_then(look.sha256) {
        lines.push(format!("  file       SHA-256 {sha256}"));
    }
    if let Some(day) = entry.effective_on {
        lines.push(format!("  effective  {day}"));
    }
    for finding in &entry.findings {
        lines.push(format!("  why        {}: {}", in_brief(*finding), finding.code.meaning()));
        lines.push(format!("             {}", finding.code.mend()));
    }
    match look.private(entry) {
        Some(Ok(private)) => {
            lines.extend(private.iter().map(|(field, value)| format!("  {field}: {}", printable(value))));
        }
        Some(Err(why)) => lines.push(format!("  sealed     {}", printable(&why))),
        None if entry.sealed.is_some() => {
            lines.push("  sealed     --reveal shows what is personal about it".to_owned());
        }
        None => {}
    }
    lines.push(format!(
        "  decide     daybook held release {0} --reason TEXT, or daybook held refuse {0} --reason TEXT",
        entry.sequence
    ));
    if matches!(entry.event, Event::FileHeld(_)) {
        lines.push(format!(
            "             daybook held map {} HEADING=FIELD, where a column is not what it was taken for",
            entry.sequence
        ));
    }
    lines
}

/// A finding as its code and field.
pub fn in_brief(finding: Finding) -> String {
    finding.field.map_or_else(|| finding.code.to_string(), |field| format!("{} {field}", finding.code))
}

fn origin(entry: &Entry) -> String {
    let source = match entry.source {
        Source::Agent => "by itself".to_owned(),
        Source::Command => "by command".to_owned(),
        Source::File { arrival } => format!("from file {arrival}"),
        Source::Row { arrival, line } => format!("from line {line} of file {arrival}"),
    };
    match &entry.actor {
        Actor::Agent => source,
        Actor::Operator(name) => format!("{source}, operator {}", printable(name)),
    }
}

/// What an event is about, without what is personal.
fn about(event: &Event) -> String {
    match event {
        Event::LogOpened(opened) => format!("log {}", opened.log),
        Event::EpochBegan(began) => format!("epoch {}", began.epoch),
        Event::ConfigAdopted(adopted) => format!("{} bytes", adopted.text.len()),
        Event::AlarmRaised(alarm) | Event::AlarmCleared(alarm) => {
            format!("{}: {}", printable(&alarm.alarm), printable(&alarm.detail))
        }
        Event::FileReceived(file) => {
            let from = match file.centre.as_str() {
                "" => "no centre".to_owned(),
                centre => format!("centre {}", printable(centre)),
            };
            format!("{from}, {} bytes, {}", file.bytes, file.sha256)
        }
        Event::ReferenceLoaded(loaded) => {
            format!("register of {}, {} rows, {} bytes, {}", loaded.register, loaded.rows, loaded.bytes, loaded.sha256)
        }
        Event::ArrivalRefused(refused) => format!("folder {}, {}", printable(&refused.folder), word(&refused.reason)),
        Event::FileParsed(parsed) => format!("{}, {} rows", parsed.plan.kind, parsed.lines.row),
        Event::FileRejected(closed) | Event::FileHeld(closed) => format!("{} rows", closed.lines.row),
        Event::FileProcessed(processed) => totals(&processed.totals),
        Event::ReceiptIssued(issued) if issued.receipt == issued.arrival => {
            format!("receipt {}, {}", issued.receipt, word(&issued.level))
        }
        Event::ReceiptIssued(issued) => {
            format!("receipt {}, which corrects {}, {}", issued.receipt, issued.arrival, word(&issued.level))
        }
        Event::OriginalFiled(filed) => format!("file {} to {}", filed.arrival, word(&filed.place)),
        Event::HeldReleased(resolved) | Event::HeldRefused(resolved) => format!("held {}", resolved.held),
        Event::MappingLearned(learned) => {
            let what = if learned.of_value { "a value of" } else { "a heading for" };
            format!("{what} {} at centre {}, held {}", learned.field, printable(&learned.centre), learned.held)
        }
        Event::RowRejected(row) => against(row.against),
        Event::RowHeld(row) => [row.kind.to_string(), against(row.against)].join(" ").trim_end().to_owned(),
        Event::RowDuplicate(row) => format!("of {}", row.first),
        Event::LearnerEnrolled(enrolled) => format!(
            "{} learner {}, {} at centre {}",
            enrolled.registration,
            enrolled.learner,
            printable(&enrolled.qualification),
            printable(&enrolled.centre)
        ),
        Event::LearnerDetailsAmended(amended) => format!("learner {}, {}", amended.learner, amended.field),
        Event::LearnerDeferred(deferred) => {
            format!("{} learner {}, until {}", deferred.registration, deferred.learner, deferred.resume_by)
        }
        Event::LearnerResumed(resumed) | Event::LearnerResumedExtended(resumed) => {
            format!("{} learner {}, after {} days", resumed.registration, resumed.learner, resumed.days_deferred)
        }
        Event::LearnerWithdrawn(withdrawn) => {
            format!("{} learner {}, {}", withdrawn.registration, withdrawn.learner, word(&withdrawn.reason))
        }
        Event::DeferralExtended(extended) => {
            format!("{} learner {}, until {}", extended.registration, extended.learner, extended.resume_by)
        }
        Event::QualificationCompleted(done) => format!("{} learner {}", done.registration, done.learner),
        Event::LearnersMerged(merged) => format!("learner {} into {}", merged.merged, merged.survivor),
        Event::LearnersUnmerged(unmerged) => format!("learner {} from {}", unmerged.merged, unmerged.survivor),
        Event::UlnAliased(aliased) => format!("learner {}, a further ULN", aliased.learner),
        Event::RegistrationTransferred(transferred) => format!(
            "{} learner {}, to {} at centre {}",
            transferred.registration,
            transferred.learner,
            transferred.to,
            printable(&transferred.centre)
        ),
        Event::RegistrationVoided(void) => format!("{} learner {}", void.registration, void.learner),
        Event::WithdrawalReversed(reversed) => format!("{} learner {}", reversed.registration, reversed.learner),
        Event::CertificateDispatched(sent) => {
            format!("certificate {}, {} learner {}", printable(&sent.certificate), sent.registration, sent.learner)
        }
        Event::CertificateReturned(back) => {
            format!("certificate {}, learner {}, {}", printable(&back.certificate), back.learner, word(&back.reason))
        }
        Event::CertificateRedispatched(sent) => {
            format!("certificate {}, learner {}, attempt {}", printable(&sent.certificate), sent.learner, sent.attempt)
        }
        Event::LogRejoined(LogRejoined { from, epoch, entries, .. }) => {
            format!("a branch of epoch {epoch} is given up: {} entries from {from} on", entries.saturating_sub(from.0))
        }
        Event::JudgedAgain(JudgedAgain { entry, epoch, receipt, .. }) => {
            let receipt = receipt.map_or_else(String::new, |receipt| format!(", receipt {receipt} no longer counts"));
            format!("entry {entry} of the branch of epoch {epoch}{receipt}")
        }
        Event::OrderProposed(order) => {
            let of = order.registration.map_or_else(String::new, |no| format!(" {no}"));
            let learner = order.learner.map_or_else(String::new, |learner| format!(" learner {learner}"));
            let held = order.held.map_or_else(String::new, |entry| format!(", release of entry {entry}"));
            format!("{}{of}{learner}{held}", order.kind)
        }
        Event::ProposalDecided(decided) => match decided.entry {
            Some(entry) => format!("proposal {} approved as entry {entry}", decided.proposed),
            None => format!("proposal {} declined", decided.proposed),
        },
        Event::Scrubbed(scrubbed) => {
            let Scrubbed { entries, originals, keys, faults, .. } = scrubbed;
            format!("{entries} entries, {originals} originals, {keys} keys: {faults} faults")
        }
    }
}

fn totals(totals: &Totals) -> String {
    let Totals { rows, accepted, rejected, duplicate, held } = totals;
    format!("{rows} rows: {accepted} accepted, {rejected} rejected, {duplicate} duplicate, {held} held")
}

fn against(entry: Option<Sequence>) -> String {
    entry.map_or_else(String::new, |entry| format!("against {entry}"))
}

/// A code as it stands in JSON.
fn word(code: &impl Serialize) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
