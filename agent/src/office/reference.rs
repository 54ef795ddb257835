//! Registers of reference data: loaded, kept as an original with an entry of its own, and put in force again by the next start.

use std::{collections::BTreeMap, error::Error as _, io::Read as _};

use daybook_protocol::{
    entry::{Actor, Entry, Private, Source},
    event::{Alarm, Event, ReferenceLoaded, Register},
    field::Field,
    finding::{Code, Finding},
    ids::{Digest, Sequence},
};
use serde::Serialize;

use super::{Office, OfficeError};
use crate::{
    books::index::{Index, Under},
    desk::{Content, Registers},
    journal::{Draft, today},
    keyring::Keyring,
    reference::{self, FILE_BYTES_MAX, Read},
    store::StoreReader,
    vault::Vault,
};

/// The alarm that says that a register in force cannot be read. While it is open nothing is taken in.
pub(super) const REFERENCE: &str = "reference";

/// What came of loading a register.
#[derive(Debug, Clone, Serialize)]
pub struct Reference {
    /// Which register.
    pub register: Register,
    /// The entry by which it is in force; `None` where it was only tried.
    pub version: Option<Sequence>,
    /// The entry by which another content was in force before.
    pub before: Option<Sequence>,
    /// Whether the same content was in force before, so that nothing was recorded.
    pub same: bool,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// How many rows it has.
    pub rows: u64,
    /// The columns that it lacks, so that what they are for is not checked.
    pub lacks: Vec<&'static str>,
    /// The open registrations that could not be made today as they could before.
    pub touched: Vec<Touched>,
}

/// Open registrations of a centre for a qualification that a change of a register touches.
#[derive(Debug, Clone, Serialize)]
pub struct Touched {
    /// The centre.
    pub centre: String,
    /// The qualification.
    pub qualification: String,
    /// What would stand against them now and did not before.
    pub codes: Vec<Code>,
    /// Their numbers.
    pub registrations: Vec<daybook_protocol::ids::RegistrationNo>,
}

impl Office {
    /// Loads a register from the bytes of a file: all that follows is judged by it, and what was judged before stays as it is. With
    /// `trial` nothing is kept or recorded.
    pub fn load_reference(
        &self,
        register: Register,
        (name, bytes): (&str, &[u8]),
        operator: &str,
        trial: bool,
    ) -> Result<Reference, OfficeError> {
        let refused = |why| OfficeError::Reference { name: name.to_owned(), why };
        let Read { content, rows, lacks } = reference::read(register, bytes).map_err(refused)?;
        let sha256 = Digest::of(bytes);
        let version = self.journal.look_by(move |_, registers| registers.version(register))?;
        let same = match version.map(|version| self.reading.entry(version)).transpose()?.flatten() {
            Some(Entry { event: Event::ReferenceLoaded(loaded), .. }) => loaded.sha256 == sha256,
            _ => false,
        };
        let touched = self.touched(content.clone())?;
        let told = Reference {
            register,
            version: version.filter(|_| same),
            before: version.filter(|_| !same),
            same,
            sha256,
            rows,
            lacks,
            touched,
        };
        if trial {
            return Ok(told);
        }
        // Also where the same is in force: what is kept of it may be damaged.
        let length = bytes.len() as u64;
        let preserved = self.preserve(&mut { bytes }, length)?;
        if same {
            return Ok(told);
        }
        let key = preserved.key;
        let event = Event::ReferenceLoaded(ReferenceLoaded { register, sha256, bytes: length, rows, key });
        let (actor, source) = (Actor::Operator(operator.to_owned()), Source::Command);
        let private = Some((key, Private::from([(Field::FileName, name)])));
        let version = self.journal.adopt(Draft { actor, source, private, ..Draft::plain(event) }, content)?;
        // DURABLE: the register, and the entry from which on it is in force.
        self.tell_of_registers()?;
        Ok(Reference { version: Some(version), ..told })
    }

    /// The open registrations that a content would touch if it were in force: those that could be made today by what is in force, and
    /// not by it. What is in force may change meanwhile; this is for people, and no verdict depends on it.
    fn touched(&self, content: Content) -> Result<Vec<Touched>, OfficeError> {
        let (on, log) = (today(), self.identity.log);
        let touched = self.journal.look_by(move |index, before| {
            let mut after = before.clone();
            after.adopt(Sequence(index.applied_through()), content);
            let codes = |registers: &Registers, centre: &str, qualification: &str| -> Vec<Code> {
                let against = registers.against_registration((centre, qualification), on, None);
                let late = registers.against_certificate(qualification, on);
                let found = against.into_iter().chain(late).flat_map(|it| it.findings);
                let elsewhere = registers.elsewhere(centre, log).map(|_| Code::CENTRE_OF_ANOTHER_AGENT);
                found.map(|Finding { code, .. }| code).chain(elsewhere).collect()
            };
            let news = |centre: &str, qualification: &str| {
                let mut now = codes(&after, centre, qualification);
                if !now.is_empty() {
                    let known = codes(before, centre, qualification);
                    now.retain(|code| !known.contains(code));
                }
                now
            };
            let under = index.open_under(on, |centre, qualification| !news(centre, qualification).is_empty());
            let told = |Under { centre, qualification, registrations }| {
                let codes = news(&centre, &qualification);
                Touched { centre, qualification, codes, registrations }
            };
            under.into_iter().map(told).collect()
        })?;
        Ok(touched)
    }

    /// Raises the alarm of registers that are in force and cannot be read, or clears it where there are none.
    pub(super) fn tell_of_registers(&self) -> Result<(), OfficeError> {
        let unread = |index: &Index, registers: &Registers| -> Vec<Register> {
            let all = index.registers().keys().copied();
            all.filter(|register| registers.version(*register).is_none()).collect()
        };
        let told = move |index: &Index, registers: &Registers| {
            (unread(index, registers), index.alarms().iter().any(|(alarm, _)| alarm == REFERENCE))
        };
        let (unread, open) = self.journal.look_by(told)?;
        let alarm = |detail: String| Alarm { alarm: REFERENCE.to_owned(), detail };
        let names: Vec<&str> = unread.iter().map(|register| register.name()).collect();
        match names.as_slice() {
            [] if open => {
                let detail = "every register in force can be read".to_owned();
                self.journal.note(Draft::plain(Event::AlarmCleared(alarm(detail))))?;
            }
            [] => {}
            names => self.journal.raise(alarm(unreadable(&names.join(", "))), Source::Agent)?,
        }
        Ok(())
    }
}

fn unreadable(registers: &str) -> String {
    format!(
        "the file of a register in force cannot be read ({registers}), and intake waits: load it again, \
         `daybook reference load REGISTER FILE`; `daybook scrub` says what is wrong with it"
    )
}

/// The registers in force as a log says, and of those that cannot be read, why.
pub(super) fn in_force(
    index: &Index,
    entries: &StoreReader,
    (vault, keyring): (&Vault, &Keyring),
) -> Result<(Registers, BTreeMap<Register, String>), OfficeError> {
    let (mut registers, mut unreadable) = (Registers::default(), BTreeMap::new());
    for (register, version) in index.registers() {
        let Some(Entry { event: Event::ReferenceLoaded(loaded), .. }) = entries.entry(*version)? else {
            unreadable.insert(*register, format!("entry {version} is missing"));
            continue;
        };
        match content(&loaded, vault, keyring) {
            Ok(content) => registers.adopt(*version, content),
            Err(why) => {
                unreadable.insert(*register, why);
            }
        }
    }
    Ok((registers, unreadable))
}

impl Office {
    /// The content of a register as it was loaded; `None` where it cannot be had any more.
    pub(crate) fn register_loaded(&self, loaded: &ReferenceLoaded) -> Option<Content> {
        content(loaded, &self.vault, &self.keyring).ok()
    }
}

/// The content of a register as it was loaded, or why it cannot be had.
fn content(loaded: &ReferenceLoaded, vault: &Vault, keyring: &Keyring) -> Result<Content, String> {
    let mut bytes = Vec::new();
    let original = vault.read(loaded.sha256, keyring).map_err(|error| error.to_string())?;
    original.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| {
        let cause = error.source().map(ToString::to_string);
        cause.unwrap_or_else(|| error.to_string())
    })?;
    reference::read(loaded.register, &bytes).map(|read| read.content).map_err(|refused| refused.to_string())
}
