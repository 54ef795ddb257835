//! From what was typed to the status that the process ends with.

use std::process::ExitCode;

use clap::Parser as _;

use super::{
    Cli, Command, Exit, Globals, Request, Screen, check, follow,
    perform::{self, hold},
    screen::{Terminal, complain},
};
use crate::{control, logging, supervise::Shutdown};

/// The program. Errors are printed here and nowhere else, once.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help_or_mistake) => {
            // A reader of the help who has gone is no failure.
            let _ = help_or_mistake.print();
            return ExitCode::from(u8::try_from(help_or_mistake.exit_code()).unwrap_or(Exit::CouldNot as u8));
        }
    };
    if let Err(error) = logging::begin(cli.globals.log_format) {
        complain(&format!("daybook: cannot begin to log: {error}"));
    }
    let shutdown = match Shutdown::on_signals() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(&format!("daybook: cannot listen for Ctrl-C: {error}"));
            return Exit::CouldNot.into();
        }
    };
    let mut screen = Terminal::new(shutdown.clone(), cli.globals.json);
    let exit =
        run(&cli.globals, cli.command, &shutdown, &mut screen).unwrap_or_else(|error| failed(&mut screen, &error));
    screen.finish(exit).into()
}

fn run(globals: &Globals, command: Command, shutdown: &Shutdown, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let asked = globals.asked(&command);
    let request = Request::new(globals, command);
    match &request.command {
        Command::Check => check::check(&globals.config_path(), &globals.directory(), request.json, screen),
        Command::Entries(entries) if entries.follow => {
            follow::follow(globals, (&asked, &request), entries, shutdown, screen)
        }
        // Where an agent is about to start, or another command is at work, it is asked again in a moment.
        command if command.is_served() => {
            hold::patiently(&asked, shutdown, screen, |screen| match control::ask(&asked, &request, screen)? {
                Some(exit) => Ok(exit),
                None => perform::perform(globals, &request, shutdown, screen),
            })
        }
        _ => perform::perform(globals, &request, shutdown, screen),
    }
}

/// Says why a command could not be done: the error, and behind it what caused it.
pub fn failed(screen: &mut dyn Screen, error: &anyhow::Error) -> Exit {
    screen.note(&explained(error));
    Exit::CouldNot
}

fn explained(error: &anyhow::Error) -> String {
    let mut text = "daybook".to_owned();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Some errors of libraries repeat what caused them.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::cli::files::FileError;

    /// Goal: an error is told with its causes, each once. Method: a chain of three, two of which say the same.
    #[test]
    fn an_error_is_told_with_its_causes() {
        let source = io::Error::other("the disk is gone");
        let error = FileError::Read { path: "a.csv".into(), source };
        let error = anyhow::Error::new(error).context("cannot import");
        assert_eq!(explained(&error), "daybook: cannot import: cannot read a.csv: the disk is gone");
        let repeated = anyhow::anyhow!("no").context("cannot: no");
        assert_eq!(explained(&repeated), "daybook: cannot: no");
    }
}
