//! What a clock that cannot be right means for the judge: an alarm, and its end, by itself or on an operator's word.

use daybook_protocol::{
    entry::{Actor, Private, Source},
    event::{Alarm, Event},
};
use tracing::warn;

use super::{CLOCK, Judge};
use crate::journal::{Answer, Draft, JournalError, Reply, clock::Doubt, failed, stopped, writer::Run};

impl Judge {
    /// Tells of a doubt about the clock once, and of its end once.
    pub(super) fn watch_clock(&mut self) -> Result<(), JournalError> {
        if self.entries.condemned().is_some() {
            return Ok(());
        }
        let (doubt, alarm) = (self.clock.doubt(), CLOCK.to_owned());
        if doubt.is_some() == self.doubted {
            return Ok(());
        }
        self.doubted = doubt.is_some();
        let event = match doubt {
            Some(doubt) => {
                warn!("{doubt}: intake waits");
                let mend = match doubt {
                    Doubt::Central(_) => "set right whichever of the two is wrong",
                    Doubt::Jumped(_) | Doubt::Log(_) => {
                        "set it right; if it is right, accept it with `daybook record clock --reason TEXT`"
                    }
                };
                Event::AlarmRaised(Alarm { alarm, detail: format!("{doubt}, and intake waits: {mend}") })
            }
            None => Event::AlarmCleared(Alarm { alarm, detail: "the clock is right again".into() }),
        };
        let stamp = self.clock.stamp();
        let open = self.place(Draft::plain(event), stamp);
        self.runs.send(Run { entries: vec![open], answer: Box::new(|_| ()) }).map_err(|_| stopped())
    }

    /// Believes the machine's clock on an operator's word. The entry that says so is the first with a time of that clock,
    /// and the only kind whose time may be before that of the entry before it.
    pub(super) fn accept_clock(
        &mut self,
        reason: Private,
        operator: String,
        reply: Reply<Answer>,
    ) -> Result<(), JournalError> {
        // An alarm is there to be cleared, so that whoever looks for such places finds each among the alarms.
        self.watch_clock()?;
        let doubt = match self.clock.doubt() {
            Some(doubt @ (Doubt::Jumped(_) | Doubt::Log(_))) => doubt,
            Some(doubt @ Doubt::Central(_)) => {
                let why = format!("{doubt}: set right whichever of the two is wrong");
                return self.send(Vec::new(), reply, Err(JournalError::Clock(why)));
            }
            None => {
                let why = "nothing speaks against it".to_owned();
                return self.send(Vec::new(), reply, Err(JournalError::Clock(why)));
            }
        };
        let key = self.keyring.allocate().map_err(|error| failed(&error))?.0;
        let (actor, source) = (Actor::Operator(operator), Source::Command);
        let detail = format!("{doubt}; an operator accepts it, and entries go on from it");
        let event = Event::AlarmCleared(Alarm { alarm: CLOCK.to_owned(), detail });
        let draft = Draft { actor, source, private: Some((key, reason)), ..Draft::plain(event.clone()) };
        if let Some(error) = self.too_large(&draft) {
            return self.send(Vec::new(), reply, Err(error));
        }
        let stamp = self.clock.accept();
        self.doubted = false;
        let open = self.place(draft, stamp);
        let answer = Answer { sequence: open.entry.sequence, event, findings: Vec::new() };
        self.send(vec![open], reply, Ok(answer))
    }
}
