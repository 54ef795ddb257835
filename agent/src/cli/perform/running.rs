//! Commands that run for long: the agent, and agent and central node together; and those that tie the two.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use daybook_protocol::{
    entry::Source,
    event::{Alarm, Event},
    invite::Invite,
    wire::Refusal,
};
use tokio::sync::watch;

use super::{AgentDesk, central, hold, sample};
use crate::{
    books::index::Index,
    central::{CentralHandle, Purpose},
    cli::{Exit, Screen, globals::CENTRAL_BELOW},
    control,
    home::Home,
    identity::Identity,
    journal::Draft,
    office::{self, Location, Office, OfficeError},
    replicate::{self, LocalLog, Mirroring},
    supervise::Shutdown,
};

/// How soon a waiting thread notices a stop.
const NOTICE: Duration = Duration::from_millis(200);
/// How often it is looked whether the disk has room, for what waits for it and for the alarm that says so.
const RESUME_EVERY: Duration = Duration::from_secs(2);
/// The central node's clock is news where it is otherwise than it was by more than this, in microseconds: it goes on by itself.
const CLOCK_NEWS_US: u64 = 1_000_000;
/// For how long the code is good by which `up` joins its own agent.
const UP_CODE: Duration = Duration::from_mins(10);

/// Runs the agent until it is told to stop.
pub(super) fn run(place: &Location, shutdown: &Shutdown, screen: &mut dyn Screen) -> anyhow::Result<Exit> {
    // A mistake in the configuration is told before anything is made.
    place.config()?;
    let _held = hold::take(&place.home)?;
    let agent = Agent::start(open(place, shutdown, screen)?, shutdown)?;
    let home = place.home.path().display();
    // Said only now: whoever reads it may ask the agent at once.
    screen.note(&format!("daybook: the agent runs in {home}; stop it with Ctrl-C"));
    agent.finish(shutdown)?;
    Ok(Exit::Good)
}

/// Opens a home to run in, made where there is none.
fn open(place: &Location, shutdown: &Shutdown, screen: &mut dyn Screen) -> anyhow::Result<Office> {
    hold::patiently(&place.home, shutdown, screen, |_| Ok(Office::open(place, true)?))
}

/// An agent at work: folders watched, commands served, log mirrored.
struct Agent {
    office: Arc<Office>,
    control: Option<control::Control>,
    threads: Vec<thread::JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
}

impl Agent {
    fn start(mut office: Office, shutdown: &Shutdown) -> anyhow::Result<Self> {
        office.stop = shutdown.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let office = Arc::new(office);
        office.journal.wait_for_room(true);
        // The folders are watched before anybody is told that the agent is there: a rename that is seen keeps its place.
        let mut threads = vec![office::watch_folders(&office, shutdown)?];
        let control = control::serve(&office.reading.home, Arc::new(AgentDesk { office: Arc::clone(&office) }))
            .map(Some)
            .context("cannot take commands")?;
        threads.push(mirror(&office, &runtime, shutdown));
        threads.push(office::scrub_by_timer(&office, shutdown));
        let (resuming, until) = (Arc::clone(&office), shutdown.clone());
        threads.push(thread::spawn(move || resume(&resuming, &until)));
        Ok(Self { office, control, threads, runtime })
    }

    /// Waits for the wish to stop, then brings everything to its end: first whoever asks, then the folders, then the log.
    fn finish(self, shutdown: &Shutdown) -> anyhow::Result<()> {
        while !shutdown.is_asked() {
            if !self.office.is_writing() {
                // Nothing more can be recorded: only a start can find out what is on the disk.
                shutdown.ask();
            }
            thread::sleep(NOTICE);
        }
        // A stop waits for nobody to make room.
        self.office.journal.wait_for_room(false);
        if let Some(control) = self.control {
            control.stop();
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the agent ended unexpectedly");
            }
        }
        self.runtime.shutdown_timeout(NOTICE);
        match Arc::try_unwrap(self.office) {
            Ok(office) => Ok(office.close()?),
            Err(shared) => {
                // A command that would not end still holds it. The log bears being left as it is.
                shared.journal.stop();
                anyhow::bail!("a command was still at work; what it had committed is safe")
            }
        }
    }
}

/// Goes on with what commands handed over: after a start, and when there is room again on a disk that was full.
fn resume(office: &Office, shutdown: &Shutdown) {
    let (mut left, mut looked) = (true, None::<Instant>);
    while !shutdown.is_asked() {
        if looked.is_none_or(|at| at.elapsed() >= RESUME_EVERY) {
            looked = Some(Instant::now());
            // Asked also where no folder is: it is what raises and clears the alarm.
            let open = office.closed().and_then(|why| match why {
                None if left => office.resume_handed(&mut |_, _| {}).map(drop),
                None => Ok(()),
                Some(why) => Err(OfficeError::Closed(why.to_owned())),
            });
            left = matches!(open, Err(OfficeError::Closed(_)));
            match open {
                Ok(()) | Err(OfficeError::Stopping | OfficeError::Closed(_) | OfficeError::Journal(_)) => {}
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "a file that was handed over is not finished");
                }
            }
        }
        thread::sleep(NOTICE);
    }
}

/// Mirrors the log to its central node, and keeps the books up with it; the thread ends when the stop is asked for.
fn mirror(office: &Arc<Office>, runtime: &tokio::runtime::Runtime, shutdown: &Shutdown) -> thread::JoinHandle<()> {
    let (tell, news) = watch::channel(0);
    // Before there is anybody who could change it.
    let mut position = office.mirror.subscribe();
    if office.identity.central.is_some() {
        let journal = office.journal.clone();
        let alarm = move |alarm: Alarm| {
            if let Err(error) = journal.raise(alarm, Source::Agent) {
                tracing::error!(error = &error as &dyn std::error::Error, "an alarm was not recorded");
            }
        };
        let outbound = LocalLog::new(
            &office.reading.home,
            office.reading.entries.clone(),
            office.keyring(),
            Arc::clone(&office.vault),
        );
        let mirroring = Mirroring {
            outbound: Arc::new(outbound),
            news,
            home: office.reading.home.clone(),
            identity: office.identity.clone(),
            position: office.mirror.clone(),
            alarm: Arc::new(alarm),
        };
        let token = shutdown.token();
        runtime.spawn(async move {
            if let Err(error) = replicate::run_session(mirroring, token).await {
                tracing::error!(error = &error as &dyn std::error::Error, "mirroring has ended");
            }
        });
    }
    let (office, shutdown) = (Arc::clone(office), shutdown.clone());
    thread::spawn(move || {
        let (mut seen, mut ahead_us) = (0, None);
        while !shutdown.is_asked() {
            if position.has_changed().unwrap_or(false) {
                let through = position.borrow_and_update().clone();
                if let Some(now_us) = through.clock_ahead_us
                    && ahead_us.is_none_or(|then_us: i64| then_us.abs_diff(now_us) > CLOCK_NEWS_US)
                    && office.journal.hear_clock(now_us).is_ok()
                {
                    ahead_us = Some(now_us);
                }
                if through.connected && through.refused.is_none() {
                    clear_refusals(&office);
                }
            }
            let count = office.reading.entries.wait_beyond(seen, NOTICE);
            if count > seen {
                seen = count;
                tell.send_replace(count);
                if let Err(error) = office.reading.catch_up_until(&|| shutdown.is_asked()) {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the books lag behind the log");
                }
            }
        }
    })
}

/// The central node takes this agent: what was raised because it did not is over.
fn clear_refusals(office: &Office) {
    let refusals = Refusal::ALL.map(Refusal::name);
    let open = office.journal.look(Index::alarms).unwrap_or_default();
    for (alarm, _) in open.into_iter().filter(|(alarm, _)| refusals.contains(&alarm.as_str())) {
        let detail = "the central node takes this agent again".to_owned();
        let cleared = Event::AlarmCleared(Alarm { alarm, detail });
        if let Err(error) = office.journal.note(Draft::plain(cleared)) {
            tracing::error!(error = &error as &dyn std::error::Error, "the end of an alarm was not recorded");
        }
    }
}

/// Joins this agent to a central node.
pub(super) fn join(
    place: &Location,
    address: &str,
    code: &str,
    name: Option<&str>,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let invite: Invite = code.parse()?;
    // The log is made first, so that an identity never stands without one.
    Office::open(place, true)?.close()?;
    let identity = block_on(replicate::join(address, &invite, &place.home, &named(name)))??;
    if json {
        let line = serde_json::json!({ "log": identity.log, "epoch": identity.epoch, "central": address });
        screen.out(&line.to_string())?;
    } else {
        screen.out(&format!("log {} is joined to {address}; start the agent: daybook run", identity.log))?;
    }
    Ok(Exit::Good)
}

/// Runs agent and central node together, made and joined on first start.
pub(super) fn up(
    place: &Location,
    with_sample: bool,
    shutdown: &Shutdown,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let home = &place.home;
    place.config()?;
    let central_home = Home::new(home.path().join(CENTRAL_BELOW));
    let _held = (hold::take(home)?, hold::take(&central_home)?);
    if place.config.is_none() && !home.config().exists() {
        sample::write_config(home)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let central = hold::patiently(&central_home, shutdown, screen, |_| Ok(CentralHandle::open(&central_home)?))?;
    let joined = Identity::load(home)?.and_then(|identity| identity.central);
    // The port of the first start is kept: the agent's identity names it.
    let wanted = joined.as_ref().map_or("127.0.0.1:0", |central| central.address.as_str());
    let listener = runtime.block_on(tokio::net::TcpListener::bind(wanted));
    let kept = "begin anew in another directory with --data: the agent here was joined at this address";
    let listener = listener.map_err(|error| central::deaf(&wanted, kept, error))?;
    let address = listener.local_addr()?.to_string();
    let serving = runtime.spawn(crate::central::serve(listener, central.clone(), shutdown.token()));
    let config = place.config()?.0;
    let scrubbing = central.scrub_by_timer(config.central.scrub_timer(), shutdown);
    let commands = central::serve_commands(&central_home, &central, config)?;
    if joined.is_none() {
        open(place, shutdown, screen)?.close()?;
        let invite = central.invite(Purpose::Join, UP_CODE)?;
        block_on(replicate::join(&address, &invite, home, &named(None)))??;
    }
    let agent = Agent::start(open(place, shutdown, screen)?, shutdown)?;
    welcome(&agent.office, &address, screen)?;
    if with_sample {
        sample::show(&agent.office, shutdown, screen)?;
    } else {
        sample::next_steps(&agent.office, screen)?;
    }
    let ended = agent.finish(shutdown);
    commands.stop();
    runtime.block_on(serving).context("the central node ended unexpectedly")?;
    if scrubbing.join().is_err() {
        tracing::error!("the scrub of the central node ended unexpectedly");
    }
    ended.map(|()| Exit::Good)
}

fn welcome(office: &Office, address: &str, screen: &mut dyn Screen) -> std::io::Result<()> {
    let home = office.reading.home.path().display();
    screen.out(&format!("Daybook {} runs in {home}", env!("CARGO_PKG_VERSION")))?;
    screen.out(&format!("  log           {}", office.identity.log))?;
    screen.out(&format!("  central node  on {address}, in {home}/{CENTRAL_BELOW}"))?;
    for folder in &office.config.folders {
        let centre = if folder.pattern().is_some() { "of each directory" } else { &folder.centre };
        screen.out(&format!("  drop folder   {} (centre {centre})", folder.drop().display()))?;
    }
    screen
        .out(&format!("  keep a copy of {home}/operator.key apart: without it nothing personal can be read again"))?;
    screen.flush()
}

/// The name under which a central node lists this machine: the one given, else the machine's own.
pub(super) fn named(given: Option<&str>) -> String {
    if let Some(name) = given {
        return name.to_owned();
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "agent".to_owned() } else { name }
}

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(NOTICE);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::CLOCK;

    /// Goal: what the session hears of the central node's clock reaches the log. Method: an agent's own thread beside a position
    /// with a clock an hour ahead, and then with a right one.
    #[test]
    fn the_central_nodes_clock_is_passed_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Location { home: Home::new(directory.path().join("home")), config: None, operator_key: None };
        let office = Arc::new(Office::open(&place, true).expect("a new home"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let shutdown = Shutdown::new();
        let thread = mirror(&office, &runtime, &shutdown);
        for (ahead_us, alarmed) in [(3_600_000_000, true), (0, false)] {
            office.mirror.send_modify(|position| position.clock_ahead_us = Some(ahead_us));
            let come = (0..200).any(|_| {
                let open = office.journal.look(Index::alarms).expect("looked").iter().any(|(name, _)| name == CLOCK);
                if open != alarmed {
                    office.reading.entries.wait_beyond(office.reading.entries.count(), NOTICE);
                }
                open == alarmed
            });
            assert!(come, "{ahead_us}");
        }
        shutdown.ask();
        thread.join().expect("it ends");
        Arc::into_inner(office).expect("nobody else's").close().expect("closed");
    }
}
