//! The central node: running it, asking it, and looking at the copies that it keeps.

use std::{io, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use daybook_protocol::{date::Timestamp, ids::LogId};

use super::{asking, hold, restoring, scrubbing, upkeep};
use crate::{
    central::{AgentStatus, CentralHandle, Purpose},
    cli::{
        Command, Exit, Files, Globals, Request, Screen,
        agents::{AgentReport, CentralReport},
        central::Central,
        failed, metrics, roles,
        scrubbed::ScrubStatus,
        status::{AlarmStatus, DiskStatus},
    },
    config::{self, Config},
    control::{self, Handler},
    home::Home,
    keyring::{Keyring, OperatorKey},
    office::Reading,
    operators::User,
    store::{self, Store},
    supervise::Shutdown,
};

/// What sled may keep in memory of a copy, in bytes.
const CACHE_BYTES: u64 = 8 << 20;

fn config(path: &Path) -> anyhow::Result<Config> {
    if path.exists() { Ok(Config::load(path)?.0) } else { Ok(Config::default()) }
}

/// Runs the central node until it is told to stop.
pub(super) fn run(
    home: &Home,
    config_path: &Path,
    shutdown: &Shutdown,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let config = config(config_path)?;
    let _held = hold::take(home)?;
    let central = hold::patiently(home, shutdown, screen, |_| Ok(CentralHandle::open(home)?))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listen = config.central.listen;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(listen));
    let listener =
        listener.map_err(|error| deaf(&listen, "set `listen` under [central] in the configuration", error))?;
    let scrubbing = central.scrub_by_timer(config.central.scrub_timer(), shutdown);
    let commands = serve_commands(home, &central, config)?;
    screen.note(&format!("daybook: the central node listens on {}; stop it with Ctrl-C", listener.local_addr()?));
    runtime.block_on(crate::central::serve(listener, central, shutdown.token()));
    commands.stop();
    if scrubbing.join().is_err() {
        tracing::error!("the scrub ended unexpectedly");
    }
    Ok(Exit::Good)
}

/// Why nobody can listen at an address; `otherwise` says how another one is chosen.
pub(super) fn deaf(listen: &dyn std::fmt::Display, otherwise: &str, error: io::Error) -> anyhow::Error {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => format!("another program has that port: stop it, or {otherwise}"),
        io::ErrorKind::AddrNotAvailable => format!("this machine has no such address: {otherwise}"),
        io::ErrorKind::PermissionDenied => format!("this user may not: {otherwise}, with a port from 1024 on"),
        _ => otherwise.to_owned(),
    };
    anyhow::Error::new(error).context(format!("cannot listen on {listen}: {what}"))
}

/// Takes commands for a running central node.
pub(super) fn serve_commands(home: &Home, central: &CentralHandle, config: Config) -> anyhow::Result<control::Control> {
    let desk = CentralDesk { home: home.clone(), central: central.clone(), config };
    control::serve(home, Arc::new(desk)).context("cannot take commands")
}

struct CentralDesk {
    home: Home,
    central: CentralHandle,
    config: Config,
}

impl Handler for CentralDesk {
    fn perform(&self, request: Request, _: &mut dyn Files, user: &User, screen: &mut dyn Screen) -> Exit {
        if let Err(error) = roles::permit(&self.config, user, &request.command) {
            return failed(screen, &error.into());
        }
        let done = match &request.command {
            Command::Central { what: Some(what) } => answer(&self.node(), what, request.json, screen),
            Command::Status { check } if request.log.is_none() => standing(&self.node(), *check, request.json, screen),
            Command::Metrics if request.log.is_none() => figures(&self.node(), request.json, screen),
            Command::Scrub => scrubbing::copies(&self.central, request.log, true, request.json, screen),
            _ => match request.log {
                Some(log) => self.look(log, &request, screen),
                None => Err(anyhow::anyhow!("a central node keeps many logs: say which with --log ID")),
            },
        };
        done.unwrap_or_else(|error| failed(screen, &error))
    }
}

/// A central node, open in this process.
pub(super) struct Node<'a> {
    pub(super) central: &'a CentralHandle,
    home: &'a Home,
    config: &'a config::Central,
    /// Whether it mirrors, or was opened for a command only.
    pub(super) running: bool,
}

impl CentralDesk {
    fn node(&self) -> Node<'_> {
        Node { central: &self.central, home: &self.home, config: &self.config.central, running: true }
    }

    fn look(&self, log: LogId, request: &Request, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
        let copy = self.home.copy_of(log);
        if matches!(request.command, Command::Verify { export: None, .. }) {
            return upkeep::verify_home(&copy, request.json, screen);
        }
        let reading = match self.central.reader(log) {
            Some(entries) => reading(&copy, log, entries, request)?,
            None => return look_closed(&copy, log, request, screen),
        };
        at_copy(&reading, request, screen)
    }
}

fn reading(copy: &Home, log: LogId, entries: store::StoreReader, request: &Request) -> anyhow::Result<Reading> {
    let keys = match &request.operator_key {
        Some(path) => {
            let operator = OperatorKey::load(path)?;
            let keyring = Keyring::open_to_read(&copy.keyring(), &operator)?;
            Some((Arc::new(keyring), operator))
        }
        None => None,
    };
    let keys = keys.as_ref().map(|(keyring, operator)| (Arc::clone(keyring), operator));
    Ok(Reading::open(copy, log, entries, keys)?)
}

fn at_copy(reading: &Reading, request: &Request, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    match &request.command {
        Command::Entries(entries) => asking::entries(reading, entries, request.json, screen),
        Command::History(history) => asking::history(reading, history, request.json, screen),
        Command::Why { about } => super::why::why(reading, *about, request.json, screen),
        Command::Report(asked) => super::report::report(reading, asked, request.json, screen),
        Command::Export { directory } => upkeep::export(reading, None, directory, request.json, screen),
        Command::Rebuild => upkeep::refold(reading, request.json, screen),
        _ => Err(anyhow::anyhow!("on a copy there are entries, history, why, report, verify, export and rebuild")),
    }
}

/// Looks at a copy that no central node has open.
pub(super) fn look(globals: &Globals, request: &Request, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let copy = globals.home()?;
    let log = request.log.ok_or_else(|| anyhow::anyhow!("say which log with --log ID"))?;
    look_closed(&copy, log, request, screen)
}

fn look_closed(copy: &Home, log: LogId, request: &Request, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let mut request = request.clone();
    if let Command::Entries(entries) = &mut request.command {
        // Nothing comes while the copy is open here; whoever follows asks again when the head has moved.
        entries.follow = false;
    }
    let store = Store::open(copy, CACHE_BYTES)?;
    let done = reading(copy, log, store.reader(), &request).and_then(|reading| at_copy(&reading, &request, screen));
    store.close()?;
    done
}

/// Asks a central node that is not running.
pub(super) fn ask(
    home: &Home,
    globals: &Globals,
    what: &Central,
    request: &Request,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    if let Central::Restore { directory } = what {
        return restoring::restore(directory, home, request.json, screen);
    }
    let config = config(&globals.config_path())?.central;
    if !home.authority().exists() {
        let at = home.path().display();
        anyhow::bail!(
            "no central node is kept in {at}: name its directory with --data, or make one by `daybook central`"
        );
    }
    let central = CentralHandle::open(home)?;
    answer(&Node { central: &central, home, config: &config, running: false }, what, request.json, screen)
}

fn answer(node: &Node<'_>, what: &Central, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let Node { central, config, .. } = node;
    let hours = config.code_hours;
    match what {
        Central::Invite { recover } => {
            let purpose = recover.map_or(Purpose::Join, Purpose::Recover);
            let invite = central.invite(purpose, Duration::from_secs(u64::from(hours) * 3600))?;
            if json {
                screen.out(&serde_json::json!({ "code": invite.to_string(), "hours": hours }).to_string())?;
            } else {
                screen.out(&invite.to_string())?;
                let command = if recover.is_some() { "recover" } else { "join" };
                screen.note(&format!("good once, for {hours} hours: daybook {command} ADDRESS {invite}"));
            }
        }
        Central::Agents => return standing(node, false, json, screen),
        Central::Revoke { log, reason } => {
            central.revoke(*log, reason)?;
            if json {
                screen.out(&serde_json::json!({ "revoked": log }).to_string())?;
            } else {
                let known = central.agents().iter().any(|agent| agent.log == *log);
                screen.out(&if known {
                    format!("the agent of log {log} is shut out; what it sent is kept")
                } else {
                    format!("no agent of log {log} is known here since the restore; one that comes is shut out")
                })?;
                screen.note(
                    "back the central node up now: one that is put back from an earlier backup does not know this",
                );
            }
        }
        Central::Confirm { logs, .. } => restoring::confirm(central, logs, json, screen)?,
        Central::Backup { directory, check } => {
            return restoring::back_up(node, directory, *check, json, screen);
        }
        Central::Restore { .. } => anyhow::bail!("a central node runs here: restore needs an empty data directory"),
        Central::Clear { log } => {
            let cleared = central.clear_alarms(*log)?;
            if json {
                screen.out(&serde_json::json!({ "cleared": cleared }).to_string())?;
            } else {
                screen.out(&format!("{cleared} alarms are cleared"))?;
            }
        }
    }
    Ok(Exit::Good)
}

/// Shows how a central node that is not running stands.
pub(super) fn status(
    home: &Home,
    config_path: &Path,
    check: bool,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let (central, config) = (CentralHandle::open(home)?, config(config_path)?.central);
    standing(&Node { central: &central, home, config: &config, running: false }, check, json, screen)
}

/// Prints how a central node that is not running stands, as figures.
pub(super) fn metrics(home: &Home, config_path: &Path, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let (central, config) = (CentralHandle::open(home)?, config(config_path)?.central);
    figures(&Node { central: &central, home, config: &config, running: false }, json, screen)
}

fn figures(node: &Node<'_>, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    super::standing::figures(&metrics::of_central(&report(node)?), json, screen)
}

/// Scrubs the copies of a central node that is not running.
pub(super) fn scrub(home: &Home, log: Option<LogId>, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    scrubbing::copies(&CentralHandle::open(home)?, log, false, json, screen)
}

/// Shows the agents and whatever is wrong with any; with `check` the exit status says whether anything is.
fn standing(node: &Node<'_>, check: bool, json: bool, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    let report = report(node)?;
    if json {
        screen.out(&report.json()?)?;
    } else {
        for line in report.text() {
            screen.out(&line)?;
        }
    }
    Ok(if check && !report.problems().is_empty() { Exit::Problem } else { Exit::Good })
}

fn report(node: &Node<'_>) -> anyhow::Result<CentralReport> {
    let Node { central, home, config, running } = *node;
    let alarm = |raised: crate::central::Raised| AlarmStatus {
        alarm: raised.alarm,
        detail: raised.detail,
        since: raised.first_at,
    };
    let agent = |agent: AgentStatus| AgentReport {
        name: agent.name,
        log: agent.log,
        epoch: agent.epoch,
        joined_at: agent.joined_at,
        revoked: agent.revoked,
        fenced_at: agent.fenced_at,
        unconfirmed_since: agent.unconfirmed_since,
        connected: agent.connected,
        last_contact_at: agent.last_contact,
        entries: agent.count,
        originals_through: agent.originals_through,
        scrub: ScrubStatus::noted(central.scrubbed(agent.log), agent.joined_at, config.scrub_days),
        alarms: agent.alarms.into_iter().map(alarm).collect(),
    };
    let at: Timestamp = jiff::Timestamp::now().into();
    Ok(CentralReport {
        at,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        running,
        disk: DiskStatus {
            free_bytes: store::free_bytes(home.path())?,
            free_bytes_min: Config::default().agent.free_bytes_min,
        },
        agents: central.agents().into_iter().map(agent).collect(),
        alarms: central.alarms().into_iter().map(alarm).collect(),
    })
}
