//! Performs commands: in this process, with the log opened here, where no agent is running; or for whoever asks the
//! process that has it open. Either way the same functions print the same words.

mod asking;
mod bulk;
mod central;
mod doing;
pub(super) mod hold;
mod mapping;
mod proposing;
mod recovering;
mod reference;
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

use super::{
    Command, Exit, Files, Globals, Request, Screen, failed, files::LocalFiles, held::Held, record::Record,
    reference::Reference, roles,
};
use crate::{
    control::{self, Handler},
    home::Home,
    office::{Location, Office, Word},
    operators::User,
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
    let user = control::own_user(&globals.asked(&request.command));
    // By the file; an office is opened below by what governs its log where there is none. A file that is wrong is told of by
    // whoever needs it.
    let config = place.config().map(|(config, _)| config).unwrap_or_default();
    let signed = roles::permit(&config, &user, &request.command)?;
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
        Command::Scrub => scrubbing::closed(&place, &signed, request.json, screen),
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
            opened((&place, true), shutdown, (&user, request), |office, signed| {
                doing::import(office, (import, signed), &mut files, request.json, screen)
            })
        }
        Command::Record { what: Record::From(from) } => {
            let mut files = LocalFiles::look(request.command.files())?;
            opened((&place, false), shutdown, (&user, request), |office, signed| {
                bulk::record(office, (from, signed), &mut files, request.json, screen)
            })
        }
        Command::Reference { what: Reference::Load(load) } => {
            let mut files = LocalFiles::look(request.command.files())?;
            opened((&place, !load.dry_run), shutdown, (&user, request), |office, signed| {
                reference::load(office, (load, signed), &mut files, request.json, screen)
            })
        }
        _ => opened((&place, false), shutdown, (&user, request), |office, signed| {
            served(office, request, false, signed, screen)
        }),
    }
}

/// Opens the office for one command, if `user` may give it by what governs the log, and closes it again; whoever works is told
/// the name by which the command is signed.
fn opened(
    (place, create): (&Location, bool),
    shutdown: &Shutdown,
    (user, request): (&User, &Request),
    work: impl FnOnce(&Office, &str) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let mut office = Office::open(place, create)?;
    office.stop = shutdown.clone();
    let signed = roles::permit(&office.config, user, &request.command).map_err(anyhow::Error::from);
    let done = signed.and_then(|signed| work(&office, &signed));
    close(office, done)
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

/// Performs a command for whoever asks a process that has the office open, and may; `operator` is the name by which they sign.
fn served(
    office: &Office,
    request: &Request,
    running: bool,
    operator: &str,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let (reading, json) = (&office.reading, request.json);
    match &request.command {
        Command::Record { what: Record::Proposals } => proposing::list(office, json, screen),
        Command::Record { what: Record::Approve { entry, .. } } => {
            proposing::approve(office, *entry, operator, json, screen)
        }
        Command::Record { what: what @ Record::Decline { entry, .. } } => {
            proposing::decline(office, *entry, what, operator, json, screen)
        }
        Command::Record { what } => doing::record(office, what, operator, json, screen),
        Command::Reference { what: Reference::Show } => reference::show(office, json, screen),
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
        Command::Held { what: Held::Map(asked) } => mapping::map(office, asked, operator, json, screen),
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
    fn perform(&self, request: Request, files: &mut dyn Files, user: &User, screen: &mut dyn Screen) -> Exit {
        let signed = match roles::permit(&self.office.config, user, &request.command) {
            Ok(signed) => signed,
            Err(error) => return failed(screen, &error.into()),
        };
        let done = match &request.command {
            Command::Import(import) => doing::import(&self.office, (import, &signed), files, request.json, screen),
            Command::Record { what: Record::From(from) } => {
                bulk::record(&self.office, (from, &signed), files, request.json, screen)
            }
            Command::Reference { what: Reference::Load(load) } => {
                reference::load(&self.office, (load, &signed), files, request.json, screen)
            }
            Command::Verify { export: None, .. } => {
                upkeep::verify_home(&self.office.reading.home, request.json, screen)
            }
            Command::Scrub => scrubbing::beside(&self.office, &signed, request.json, screen),
            _ => served(&self.office, &request, true, &signed, screen),
        };
        done.unwrap_or_else(|error| failed(screen, &error))
    }
}
