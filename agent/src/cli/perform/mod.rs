//! Performs commands: in this process, with the log opened here, where no agent is running; or for whoever asks the
//! process that has it open. Either way the same functions print the same words.

mod asking;
mod central;
mod doing;
pub(super) mod hold;
mod recovering;
mod rejoining;
mod replaying;
mod report;
mod restoring;
mod ruling;
mod running;
mod sample;
mod scrubbing;
mod standing;
mod upkeep;
mod why;

use std::sync::Arc;

use super::{Command, Exit, Files, Globals, Request, Screen, args::Held, failed, files::LocalFiles};
use crate::{
    control::{self, Handler},
    home::Home,
    office::{Location, Office, Word},
    store,
    supervise::Shutdown,
};

/// Performs `request` on the home that `globals` name, until done or until `shutdown` is asked for.
pub(super) fn perform(
    globals: &Globals,
    request: &Request,
    shutdown: &Shutdown,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let place = location(globals);
    match &request.command {
        Command::Run => running::run(&place, shutdown, screen),
        Command::Up { sample } => running::up(&place, *sample, shutdown, screen),
        Command::Central { what: None } => {
            central::run(&globals.central_home(), &globals.config_path(), shutdown, screen)
        }
        Command::Central { what: Some(what) } => central::ask(&globals.central_home(), globals, what, request, screen),
        Command::Join { address, code, name } => {
            running::join(&place, address, code, name.as_deref(), request.json, screen)
        }
        Command::Recover { address, code, name, rejoin: true } => {
            rejoining::rejoin(&place, address, code, name.as_deref(), request.json, screen)
        }
        Command::Recover { address, code, name, rejoin: false } => {
            recovering::recover(&place, address, code, name.as_deref(), request.json, screen)
        }
        Command::Verify { export, verifier } => {
            upkeep::verify(globals, (export.as_deref(), verifier.as_deref()), request.json, screen)
        }
        Command::Salvage => upkeep::salvage(&place.home, request.json, screen),
        Command::ProbeStore { directory } => {
            screen.out(&store::probe(directory)?.to_string())?;
            Ok(Exit::Good)
        }
        Command::Scrub if request.log.is_some() => {
            central::scrub(&globals.central_home(), request.log, request.json, screen)
        }
        Command::Scrub if keeps_copies(&place.home) => central::scrub(&place.home, None, request.json, screen),
        Command::Scrub => scrubbing::closed(&place, request.json, screen),
        Command::Rebuild if request.log.is_none() => upkeep::rebuild(&place, request.json, screen),
        _ if request.log.is_some() => central::look(globals, request, screen),
        Command::Status { check } if keeps_copies(&place.home) => {
            central::status(&place.home, &globals.config_path(), *check, request.json, screen)
        }
        Command::Metrics if keeps_copies(&place.home) => {
            central::metrics(&place.home, &globals.config_path(), request.json, screen)
        }
        // A log that was found damaged is not opened to be asked about.
        Command::Status { check } if place.home.damaged().exists() => {
            standing::of_damaged(&place.home, *check, request.json, screen)
        }
        Command::Metrics if place.home.damaged().exists() => {
            standing::figures_of_damaged(&place.home, request.json, screen)
        }
        Command::Import(import) => {
            let mut files = LocalFiles::look(&import.files)?;
            let mut office = Office::open(&place, true)?;
            office.stop = shutdown.clone();
            let done = doing::import(&office, import, &mut files, request.json, screen);
            close(office, done)
        }
        _ => {
            let mut office = Office::open(&place, false)?;
            office.stop = shutdown.clone();
            let done = served(&office, request, false, &control::own_user(), screen);
            close(office, done)
        }
    }
}

/// Whether a home is a central node's own.
fn keeps_copies(home: &Home) -> bool {
    home.authority().exists() && !home.head().exists()
}

/// Closes the office whatever came of the command; the command's own failure is told first.
fn close(office: Office, done: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    let closed = office.close();
    let exit = done?;
    closed?;
    Ok(exit)
}

pub(super) fn location(globals: &Globals) -> Location {
    Location {
        home: Home::new(globals.directory()),
        config: globals.config.clone(),
        operator_key: globals.operator_key.clone(),
    }
}

/// Performs a command for whoever asks a process that has the office open.
fn served(
    office: &Office,
    request: &Request,
    running: bool,
    operator: &str,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let (reading, json) = (&office.reading, request.json);
    match &request.command {
        Command::Record { what } => doing::record(office, what, operator, json, screen),
        Command::Entries(entries) => asking::entries(reading, entries, json, screen),
        Command::History(history) => asking::history(reading, history, json, screen),
        Command::Why { about } => why::why(reading, *about, json, screen),
        Command::Report(asked) => report::report(reading, asked, json, screen),
        Command::Replay(asked) => replaying::replay(office, asked, json, screen),
        Command::Export { directory } => {
            upkeep::export(reading, office.identity.central.as_ref(), directory, json, screen)
        }
        Command::Status { check } => standing::status(office, *check, running, json, screen),
        Command::Metrics => standing::metrics(office, running, json, screen),
        Command::Held { what: Held::List } => asking::held_list(office, json, screen),
        Command::Held { what: Held::Show { sequence, reveal } } => {
            asking::held_show(office, *sequence, *reveal, json, screen)
        }
        Command::Held { what: Held::Release(ruling) } => {
            ruling::rule(office, Word::Release, ruling, operator, json, screen)
        }
        Command::Held { what: Held::Refuse(ruling) } => {
            ruling::rule(office, Word::Refuse, ruling, operator, json, screen)
        }
        Command::Rebuild => upkeep::refold(reading, json, screen),
        Command::Central { .. } => Err(anyhow::anyhow!(
            "an agent runs in {}, and this is for a central node: name the central node's data directory with --data",
            office.reading.home.path().display()
        )),
        _ => Err(anyhow::anyhow!("this is not for a running agent: stop it first")),
    }
}

/// Serves the commands of other processes on an open office.
struct AgentDesk {
    office: Arc<Office>,
}

impl Handler for AgentDesk {
    fn perform(&self, request: Request, files: &mut dyn Files, operator: &str, screen: &mut dyn Screen) -> Exit {
        let done = match &request.command {
            Command::Import(import) => doing::import(&self.office, import, files, request.json, screen),
            Command::Verify { export: None, .. } => {
                upkeep::verify_home(&self.office.reading.home, request.json, screen)
            }
            Command::Scrub => scrubbing::beside(&self.office, operator, request.json, screen),
            _ => served(&self.office, &request, true, operator, screen),
        };
        done.unwrap_or_else(|error| failed(screen, &error))
    }
}

/// The operator who signs a command: the name it gives, else the user of the operating system.
fn signed_by<'a>(named: Option<&'a str>, user: &'a str) -> String {
    match named {
        Some(name) if name != user => format!("{name} (as {user})"),
        _ => user.to_owned(),
    }
}
