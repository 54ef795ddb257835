//! What a command says, wherever it is performed: results, remarks and progress.

use std::{
    io::{self, BufWriter, IsTerminal as _, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::supervise::Shutdown;

/// Work shorter than this shows no progress: a bar that flashes by tells nothing.
const PROGRESS_AFTER: Duration = Duration::from_secs(2);
/// Results are written in pieces of this many bytes, so that a long listing does not cost a system call a line.
const OUT_BYTES: usize = 64 * 1024;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done, or the check found nothing.
    Good = 0,
    /// The check found a problem.
    Problem = 1,
    /// It could not be done.
    CouldNot = 2,
}

impl Exit {
    /// The status that the number stands for; an unknown one means that it could not be done.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Good,
            1 => Self::Problem,
            _ => Self::CouldNot,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Where a command's words go.
pub trait Screen: Send {
    /// A line of the result, without its line break. It may wait in a buffer until [`Screen::flush`]. Fails when nobody
    /// reads any more; the command should then stop.
    fn out(&mut self, line: &str) -> io::Result<()>;

    /// Shows what was said so far: to be called before waiting for something.
    fn flush(&mut self) -> io::Result<()>;

    /// A remark that is not part of the result.
    fn note(&mut self, text: &str);

    /// `done` of `total` units of `what` are done; a total of 0 is not known. The end is `done == total`.
    fn progress(&mut self, done: u64, total: u64, what: &str);

    /// Whether to stop, because nobody reads any more or the process was asked to end. A command that waits asks from
    /// time to time.
    fn gone(&self) -> bool;
}

/// The terminal, or the files and pipes, that the process was started with.
pub struct Terminal {
    out: BufWriter<io::Stdout>,
    interactive: bool,
    /// Whether a bar may be drawn: somebody sees it, and did not ask for JSON.
    shows_progress: bool,
    broken: bool,
    bar: Option<Bar>,
    shutdown: Shutdown,
}

struct Bar {
    begun: Instant,
    drawn: Option<ProgressBar>,
}

impl Terminal {
    /// The process's own terminal; `shutdown` tells when the person at it wants to stop. With `json` no progress is shown.
    pub fn new(shutdown: Shutdown, json: bool) -> Self {
        let out = io::stdout();
        let interactive = out.is_terminal();
        let shows_progress = !json && io::stderr().is_terminal();
        let out = BufWriter::with_capacity(OUT_BYTES, out);
        Self { out, interactive, shows_progress, broken: false, bar: None, shutdown }
    }

    /// Writes what is left and gives the status to exit with. That nobody reads any more, as with `| head`, is no failure.
    pub fn finish(mut self, exit: Exit) -> Exit {
        self.clear_bar();
        let written = self.flush();
        match exit {
            Exit::CouldNot if self.broken => Exit::Good,
            Exit::Good if written.is_err() && !self.broken => {
                self.note("daybook: cannot write the result: is the disk full?");
                Exit::CouldNot
            }
            exit => exit,
        }
    }

    fn clear_bar(&mut self) {
        if let Some(bar) = self.bar.take().and_then(|bar| bar.drawn) {
            bar.finish_and_clear();
        }
    }

    fn noticed<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.broken |= result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        result
    }
}

impl Screen for Terminal {
    fn out(&mut self, line: &str) -> io::Result<()> {
        if self.interactive {
            self.clear_bar();
        }
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        self.noticed(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.noticed(flushed)
    }

    fn note(&mut self, text: &str) {
        let _ = self.flush();
        match self.bar.as_ref().and_then(|bar| bar.drawn.as_ref()) {
            Some(bar) => bar.suspend(|| complain(text)),
            None => complain(text),
        }
    }

    fn progress(&mut self, done: u64, total: u64, what: &str) {
        if total > 0 && done >= total {
            return self.clear_bar();
        }
        let bar = self.bar.get_or_insert_with(|| Bar { begun: Instant::now(), drawn: None });
        if bar.drawn.is_none() && bar.begun.elapsed() >= PROGRESS_AFTER && self.shows_progress {
            bar.drawn = Some(draw(total));
        }
        if let Some(drawn) = &bar.drawn {
            drawn.set_length(total);
            drawn.set_position(done);
            drawn.set_message(what.to_owned());
        }
    }

    fn gone(&self) -> bool {
        self.broken || self.shutdown.is_asked()
    }
}

fn draw(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = if total == 0 {
        "{spinner} {human_pos} {msg}, {elapsed}"
    } else {
        "{bar:30} {human_pos} of {human_len} {msg}, {eta} to go"
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// One line to standard error. That it cannot be written is nobody's loss: there is nowhere left to say so.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A screen that keeps what it is told, for tests and for callers that want to look at an answer.
#[derive(Debug, Default)]
pub struct Kept {
    /// The lines of the result.
    pub out: Vec<String>,
    /// The remarks.
    pub notes: Vec<String>,
    /// The last progress told.
    pub progress: Option<(u64, u64, String)>,
}

impl Screen for Kept {
    fn out(&mut self, line: &str) -> io::Result<()> {
        self.out.push(line.to_owned());
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
    fn progress(&mut self, done: u64, total: u64, what: &str) {
        self.progress = Some((done, total, what.to_owned()));
    }
    fn gone(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a reader who has gone is no failure, but a problem that was found stays one. Method: every status with a
    /// broken screen.
    #[test]
    fn a_broken_pipe_is_success() {
        for (exit, expected) in [(Exit::Good, Exit::Good), (Exit::Problem, Exit::Problem), (Exit::CouldNot, Exit::Good)]
        {
            let mut terminal = Terminal::new(Shutdown::new(), false);
            terminal.noticed(Err::<(), _>(io::ErrorKind::BrokenPipe.into())).expect_err("it is handed on");
            assert!(terminal.gone());
            assert_eq!(terminal.finish(exit), expected);
        }
        assert_eq!(Terminal::new(Shutdown::new(), false).finish(Exit::CouldNot), Exit::CouldNot);
    }

    /// Goal: nobody who asked for JSON is shown a bar. Method: a terminal that was waiting for longer than it takes, in both ways.
    #[test]
    fn json_has_no_bar() {
        for json in [false, true] {
            let mut terminal = Terminal { shows_progress: !json, ..Terminal::new(Shutdown::new(), json) };
            let begun = Instant::now().checked_sub(PROGRESS_AFTER).expect("the machine runs for longer");
            terminal.bar = Some(Bar { begun, drawn: None });
            terminal.progress(1, 2, "entries");
            assert_eq!(terminal.bar.as_ref().is_some_and(|bar| bar.drawn.is_some()), !json);
            assert!(!json || !Terminal::new(Shutdown::new(), json).shows_progress);
        }
    }
}
