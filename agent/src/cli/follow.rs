//! `entries --follow`: the log as it grows, whoever writes it.
//!
//! A running agent follows for whoever asks it. Where none runs, the log is opened only for as long as it takes to print what
//! is new: what could come is written by another process, which needs the log open. So a follower stands in nobody's way, and
//! agents may start and stop meanwhile. That there is more is read from the head, for which nothing need be open.

use std::{io, thread, time::Duration};

use daybook_protocol::ids::Sequence;

use super::{
    Command, Exit, Globals, Request, Screen,
    args::Entries,
    perform::{self, hold},
};
use crate::{control, home::Home, store, supervise::Shutdown};

/// How often the head is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Prints entries until nobody wants more.
pub(super) fn follow(
    globals: &Globals,
    (asked, request): (&Home, &Request),
    entries: &Entries,
    shutdown: &Shutdown,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let mut shown = Shown { screen, next: entries.from };
    let (mut looked, mut told) = (false, false);
    while !shown.gone() {
        if !looked || store::durable_count(&globals.home()?) > shown.next.0 {
            let rest = |follow| {
                let entries = Entries { from: shown.next, follow, ..entries.clone() };
                Request { command: Command::Entries(entries), ..request.clone() }
            };
            let (with_it, without) = (rest(true), rest(false));
            let answer = control::ask(asked, &with_it, &mut shown)?;
            let served = answer.is_some();
            match answer.map_or_else(|| perform::perform(globals, &without, shutdown, &mut shown), Ok) {
                Ok(Exit::Good) => looked = true,
                Ok(other) => return Ok(other),
                // A command writes, perhaps for long; what it recorded is shown when it has ended.
                Err(error) if hold::is_busy(&error) => {}
                Err(error) => return Err(error),
            }
            shown.flush()?;
            if !served && !shown.gone() && !std::mem::replace(&mut told, true) {
                shown.note(
                    "daybook: no agent is running; entries are shown when one is, or when a command has recorded them",
                );
            }
        }
        thread::sleep(LOOK);
    }
    Ok(Exit::Good)
}

/// A screen that knows how far the log has been shown on it: an entry is a line.
struct Shown<'a> {
    screen: &'a mut dyn Screen,
    next: Sequence,
}

impl Screen for Shown<'_> {
    fn out(&mut self, line: &str) -> io::Result<()> {
        self.screen.out(line)?;
        self.next = self.next.plus(1);
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.screen.flush()
    }
    fn note(&mut self, text: &str) {
        self.screen.note(text);
    }
    fn progress(&mut self, done: u64, total: u64, what: &str) {
        self.screen.progress(done, total, what);
    }
    fn gone(&self) -> bool {
        self.screen.gone()
    }
}
