//! What the registers of reference data mean for the judge (stage 3 of DOMAIN.md 6.5). A register is in force from its own entry on,
//! so that what is judged depends on the log alone: whoever begins again in the midst of a file judges as before.

use daybook_protocol::{
    event::{Event, FileClosed, RowRejected},
    finding::Code,
    ids::{KeyId, Sequence},
};

use super::{Judge, Reply, Ruling};
use crate::{
    desk::{Against, Command, Content, Decision},
    journal::{Draft, JournalError},
};

impl Judge {
    /// Places the entry by which a register is loaded, and puts it in force.
    pub(super) fn adopt(&mut self, draft: Draft, content: Content, reply: Reply<Sequence>) -> Result<(), JournalError> {
        let key = draft.private.as_ref().map(|(key, _)| *key);
        let unsealable = key.map(|key| self.unsealable(key)).transpose()?.flatten();
        if let Some(error) = unsealable.or_else(|| self.too_large(&draft)) {
            return self.send(Vec::new(), reply, Err(error));
        }
        let stamp = self.clock.stamp();
        let open = self.place(draft, stamp);
        let version = open.entry.sequence;
        self.desk.unreadable.remove(&content.register());
        self.desk.registers.adopt(version, content);
        self.send(vec![open], reply, Ok(version))
    }

    /// Why nothing can be judged, where a register in force cannot be read: what it would have stood against must not pass.
    pub(super) fn unreferred(&self) -> Option<JournalError> {
        let (register, why) = self.desk.unreadable.first_key_value()?;
        Some(JournalError::Register(format!(
            "the register of {register} that is in force cannot be read ({why}): load it again, `daybook reference load \
             {register} FILE`; it goes on by itself"
        )))
    }

    /// What the registers have against a command.
    pub(super) fn against(&self, command: &Command, decision: &Decision) -> Option<Against> {
        self.desk.registers.against(command, decision, |no| self.index.terms_of(no))
    }

    /// A command that the registers stand against; the entry that loaded the first of them stands in its way.
    pub(super) fn refused(
        &mut self,
        command: Command,
        learner: Option<KeyId>,
        against: Against,
        key: KeyId,
    ) -> Result<Ruling, JournalError> {
        let Command { ask, mut findings, private, .. } = command;
        findings.extend(against.findings);
        let event = Event::RowRejected(RowRejected { learner, against: Some(against.version) });
        let ruling = Ruling { event, findings, private: Some((learner.unwrap_or(key), private)) };
        self.sealable(ask.kind(), ruling, key)
    }

    /// A file that was about to be judged row by row is held where its sender's centre belongs to another agent, unless a person
    /// has let it go on.
    pub(super) fn screened(&self, draft: Draft) -> Draft {
        // One that is held for something else is let go on once for both.
        let (of, lines) = match &draft.event {
            Event::FileParsed(parsed) => (parsed.arrival, parsed.lines),
            Event::FileHeld(closed) => (closed.arrival, closed.lines),
            _ => return draft,
        };
        let sender = self.index.arrival(of).filter(|arrival| !arrival.released);
        let elsewhere = sender.and_then(|it| self.desk.registers.elsewhere(&it.received.centre, self.log));
        if elsewhere.is_none() {
            return draft;
        }
        let closed = FileClosed { arrival: of, lines };
        let mut findings = draft.findings;
        findings.push(Code::CENTRE_OF_ANOTHER_AGENT.into());
        Draft { event: Event::FileHeld(closed), findings, ..draft }
    }
}
