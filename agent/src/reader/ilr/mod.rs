//! The Individualised Learner Record (DOMAIN.md 2.8) to text: an XML file of a provider's learners becomes a header line and a
//! line for each fact, in UTF-8 and by RFC 4180. Everything after that is the same as for a text file. Must not know what a
//! value may be: that of an identifier, a date or a reason is the desk's question.
//!
//! **Facts.** Each learning delivery of a learner gives, by its `CompStatus`: 1 (continuing) an enrolment; 2 (completed) a completed
//! enrolment; 3 (withdrawn) an enrolment and a withdrawal; 6 (agreed break) an enrolment and a deferral; anything else one line
//! that says so, for the desk to reject. An enrolment that is known already is a duplicate and does no harm. Withdrawal and
//! deferral are of the day of `LearnActEndDate`. The record does not say when a break ends.
//!
//! **Lines.** The lines of the file are not those of the XML. Line 1 is the header, and every fact is a row. An aim that is no
//! qualification (a programme, a class or a unit: its `LearnAimRef` begins with a letter, where a qualification number begins
//! with a digit) and a learner without a learning delivery are one note each, and the file is flagged. So every `Learner` and every
//! `LearningDelivery` is accounted for; all other elements are passed over, those of destinations and progression too.
//!
//! **Form.** Elements are known by their local names, so that every year's namespace is read. The values of a learner stand before
//! the learning deliveries, as in every schema, and none stands twice. The postcode of the schemas until 2016-17, which stands in
//! a `LearnerContact`, is not read. Document types and entities beyond the five of XML are refused; depth, attributes, and the
//! length of every token and value are bounded. The file is streamed.

mod bounded;

use std::{borrow::Cow, io};

use daybook_protocol::finding::Code;
use quick_xml::{
    Error, Reader,
    events::{BytesRef, BytesStart, Event},
};

use self::bounded::{Beyond, Bounded};
use super::{
    Source,
    workbook::{Lines, Refusal, SHEET_ROWS_MAX, Stop, Told},
};

/// The deepest nesting of elements. The schemas have six levels.
pub const DEPTH_MAX: usize = 16;

/// The most attributes of an element. The schemas have none but namespaces on the first one.
pub const ATTRIBUTES_MAX: usize = 16;

/// The longest token, in bytes: a tag, a comment, or what stands between two tags. The schemas allow values of 1,000 characters.
pub const TOKEN_BYTES_MAX: usize = 64 << 10;

/// The longest value that is read, in bytes.
pub const VALUE_BYTES_MAX: usize = 8 << 10;

/// The fact of a line that stands for an aim or a learner of whom nothing is recorded.
pub(super) const PASSED_OVER: &str = "passed over";

/// The headings, which are the names of the record's own elements where there is one.
const HEADINGS: [&str; COLUMNS] = [
    "Fact",
    "LearnRefNumber",
    "ULN",
    "FamilyName",
    "GivenNames",
    "DateOfBirth",
    "Sex",
    "Postcode",
    "LearnAimRef",
    "LearnStartDate",
    "LearnPlanEndDate",
    "LearnActEndDate",
    "WithdrawReason",
    "DeferFrom",
    "ResumeBy",
    "DeferralReason",
];
const COLUMNS: usize = 16;

/// What is read of a learner, in the order of the columns after the fact.
const LEARNER: [&str; 7] = ["LearnRefNumber", "ULN", "FamilyName", "GivenNames", "DateOfBirth", "Sex", "Postcode"];

/// What is read of a learning delivery.
const DELIVERY: [&str; 6] =
    ["LearnAimRef", "LearnStartDate", "LearnPlanEndDate", "CompStatus", "LearnActEndDate", "WithdrawReason"];

/// Whether the beginning of a file is that of a learner record: its first element is a `Message` of a namespace such as
/// `ESFA/ILR/2018-19`. A2C has a `Message` too.
pub(super) fn is_ilr(text: &[u8]) -> bool {
    let (mut xml, mut buffer) = (Reader::from_reader(text), Vec::new());
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer) {
            Ok(Event::Start(tag) | Event::Empty(tag)) => {
                let names_it = |value: &str| value.split('/').any(|part| part.eq_ignore_ascii_case("ILR"));
                let mut spaces = tag.attributes().take(ATTRIBUTES_MAX).filter_map(Result::ok);
                let of_record =
                    spaces.any(|space| space.key.as_namespace_binding().is_some() && names_it(&space.value));
                return tag.local_name().as_ref() == "Message" && of_record;
            }
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_)) => {}
            Ok(Event::Text(text)) if text.trim_ascii().is_empty() => {}
            Ok(_) | Err(_) => return false,
        }
    }
}

/// Writes the facts of a learner record, as they come.
pub(super) fn read(source: Source, told: &Told, lines: &mut Lines<'_>) -> Result<(), Stop> {
    let mut xml = Reader::from_reader(Bounded::new(source));
    let mut record = Record::new(told, lines);
    record.line(&HEADINGS)?;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        xml.get_mut().allow(TOKEN_BYTES_MAX);
        match xml.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) => record.open(&tag)?,
            Ok(Event::End(_)) => record.close()?,
            Ok(Event::Empty(tag)) => {
                record.open(&tag)?;
                record.close()?;
            }
            Ok(Event::Text(text)) => record.text(&text.xml10_content())?,
            Ok(Event::CData(text)) => record.text(&text.xml10_content())?,
            Ok(Event::GeneralRef(name)) => record.text(&resolved(&name)?)?,
            Ok(Event::DocType(_)) => return Err(declares("a document type")),
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => {}
            Ok(Event::Eof) => return record.finish(),
            Err(error) => return Err(stopped(error, xml.error_position())),
        }
    }
}

/// What a reference stands for; none but the five of XML and characters by their numbers.
fn resolved(name: &BytesRef<'_>) -> Result<Cow<'static, str>, Stop> {
    if let Some(known) = quick_xml::escape::resolve_xml_entity(name.as_ref()) {
        return Ok(known.into());
    }
    match name.resolve_char_ref() {
        Ok(Some(letter)) => Ok(letter.to_string().into()),
        Ok(None) if !name.is_empty() => Err(declares("an entity of its own")),
        Ok(None) | Err(_) => Err(broken("a reference stands for no character")),
    }
}

/// Why the reading of the XML ends at a byte of the file; what the library says of it may quote the file.
fn stopped(error: Error, at: u64) -> Stop {
    match error {
        Error::Io(error) => match io::Error::downcast::<Beyond>(bounded::owned(error)) {
            Ok(Beyond) => too_large(format!("a token is longer than {TOKEN_BYTES_MAX} bytes at byte {at}")),
            Err(error) => Stop::Io(error),
        },
        Error::Encoding(_) => Refusal::new(Code::ENCODING_UNKNOWN, format!("the XML is not UTF-8 at byte {at}")).into(),
        _ => broken(format!("the XML is not well formed at byte {at}")),
    }
}

fn broken(detail: impl Into<Cow<'static, str>>) -> Stop {
    Refusal::new(Code::XML_BROKEN, detail).into()
}

fn declares(what: &str) -> Stop {
    Refusal::new(Code::XML_DECLARATIONS, format!("the XML has {what}")).into()
}

fn too_large(detail: String) -> Stop {
    Refusal::new(Code::TOO_LARGE, detail).into()
}

/// The value that is being read.
#[derive(Debug, Clone, Copy)]
enum Value {
    OfLearner(usize),
    OfDelivery(usize),
}

/// A learner record, as far as it was read.
struct Record<'a, 'b> {
    told: &'a Told,
    lines: &'a mut Lines<'b>,
    /// How many lines were written.
    written: u32,
    /// How many elements are open.
    depth: usize,
    /// The first element was opened.
    begun: bool,
    in_learner: bool,
    in_delivery: bool,
    learner: [Option<String>; LEARNER.len()],
    /// How many learning deliveries of the learner were begun.
    deliveries: usize,
    delivery: [Option<String>; DELIVERY.len()],
    value: Option<Value>,
}

impl<'a, 'b> Record<'a, 'b> {
    fn new(told: &'a Told, lines: &'a mut Lines<'b>) -> Self {
        Self {
            told,
            lines,
            written: 0,
            depth: 0,
            begun: false,
            in_learner: false,
            in_delivery: false,
            learner: Default::default(),
            deliveries: 0,
            delivery: Default::default(),
            value: None,
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), Stop> {
        for (place, attribute) in tag.attributes().enumerate() {
            if attribute.is_err() {
                return Err(broken("an attribute is not well formed"));
            }
            if place >= ATTRIBUTES_MAX {
                return Err(too_large(format!("an element has more than {ATTRIBUTES_MAX} attributes")));
            }
        }
        if self.value.is_some() {
            return Err(broken("an element stands inside of a value"));
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_large(format!("elements are nested more than {DEPTH_MAX} deep")));
        }
        let name = tag.local_name();
        match (self.depth, name.as_ref()) {
            (1, _) if self.begun => return Err(broken("something follows after the record")),
            (1, _) => self.begun = true,
            (2, "Learner") => {
                self.in_learner = true;
                self.learner.fill(None);
                self.deliveries = 0;
            }
            (3, "LearningDelivery") if self.in_learner => {
                self.in_delivery = true;
                self.delivery.fill(None);
                self.deliveries += 1;
            }
            (3, name) if self.in_learner => {
                self.value = begin(&LEARNER, &mut self.learner, name)?.map(Value::OfLearner);
                if self.value.is_some() && self.deliveries > 0 {
                    return Err(broken("a value of a learner stands after a learning delivery"));
                }
            }
            (4, name) if self.in_delivery => {
                self.value = begin(&DELIVERY, &mut self.delivery, name)?.map(Value::OfDelivery);
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        let value = match self.value {
            Some(Value::OfLearner(place)) => self.learner.get_mut(place),
            Some(Value::OfDelivery(place)) => self.delivery.get_mut(place),
            None if self.depth == 0 && !text.trim_ascii().is_empty() => {
                return Err(broken("text stands outside of the record"));
            }
            None => None,
        };
        if let Some(value) = value.and_then(Option::as_mut) {
            value.push_str(text);
            if value.len() > VALUE_BYTES_MAX {
                return Err(too_large(format!("a value is longer than {VALUE_BYTES_MAX} bytes")));
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        self.value = None;
        if self.depth == 3 && self.in_delivery {
            self.in_delivery = false;
            self.deliver()?;
        }
        if self.depth == 2 && self.in_learner {
            self.in_learner = false;
            if self.deliveries == 0 {
                self.pass_over("")?;
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn finish(&self) -> Result<(), Stop> {
        if self.depth > 0 || !self.begun {
            return Err(broken("the record ends too early"));
        }
        Ok(())
    }

    /// Writes what a learning delivery says.
    fn deliver(&mut self) -> Result<(), Stop> {
        let delivery = std::mem::take(&mut self.delivery);
        let value = |place: usize| delivery.get(place).and_then(Option::as_deref).unwrap_or_default();
        let [aim, start, planned, status, ended, reason] = std::array::from_fn(value);
        if aim.trim_ascii().starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            return self.pass_over(aim);
        }
        let status = status.trim_ascii();
        let fact = match status {
            "1" | "3" | "6" => "enrolment".into(),
            "2" => "completed enrolment".into(),
            "" => Cow::Borrowed("CompStatus not given"),
            other => format!("CompStatus {other}").into(),
        };
        self.fact(&fact, [aim, start, planned, "", "", "", "", ""])?;
        match status {
            "3" => self.fact("withdrawal", [aim, start, "", ended, reason, "", "", ""]),
            "6" => self.fact("deferral", [aim, start, "", "", "", ended, "", "agreed break in learning"]),
            _ => Ok(()),
        }
    }

    /// Writes a note in the place of facts.
    fn pass_over(&mut self, aim: &str) -> Result<(), Stop> {
        self.told.flag(Code::AIMS_PASSED_OVER);
        self.fact(PASSED_OVER, [aim, "", "", "", "", "", "", ""])
    }

    /// Writes a line about the learner in hand.
    fn fact(&mut self, fact: &str, delivery: [&str; COLUMNS - 1 - LEARNER.len()]) -> Result<(), Stop> {
        let learner = std::mem::take(&mut self.learner);
        let of_learner = learner.iter().map(|value| value.as_deref().unwrap_or_default());
        let cells: Vec<&str> = std::iter::once(fact).chain(of_learner).chain(delivery).collect();
        let written = self.line(&cells);
        self.learner = learner;
        written
    }

    fn line(&mut self, cells: &[&str]) -> Result<(), Stop> {
        if self.written >= SHEET_ROWS_MAX {
            return Err(too_large(format!("the record has more than {SHEET_ROWS_MAX} facts")));
        }
        for (column, cell) in (0..).zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            self.lines.go_to(self.written, column)?;
            self.lines.text(cell);
        }
        self.written += 1;
        Ok(())
    }
}

/// Begins a value, if it is one of those that are read: its place among them.
fn begin(names: &[&str], values: &mut [Option<String>], name: &str) -> Result<Option<usize>, Stop> {
    let Some(place) = names.iter().position(|known| *known == name) else { return Ok(None) };
    let before = values.get_mut(place).and_then(|value| value.replace(String::new()));
    if before.is_some() {
        return Err(broken("a value stands twice"));
    }
    Ok(Some(place))
}

#[cfg(test)]
mod tests;
