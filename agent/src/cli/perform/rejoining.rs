//! `daybook recover --rejoin`: a log that parted from the central one goes back to it. The central log is taken over as by
//! `recover`, into a directory of its own; only then is what is here moved aside, whole, and the other put in its place; and what only
//! the branch had is judged again on it. Until all of the central log has come nothing here is touched, and the agent starts as before.
//!
//! The note that this is under way is the first thing written then and the last removed, and says how far it is, so that the same
//! command goes on wherever it was cut off. Nobody else opens the home meanwhile.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use daybook_protocol::{
    batch::Frame,
    ids::{Digest, LogId},
    invite::Invite,
    tree::Frontier,
};
use serde::{Deserialize, Serialize};

use super::{
    hold, recovering,
    running::{block_on, named},
    upkeep,
};
use crate::{
    cli::{Exit, Screen, figures::number},
    crash, durable,
    home::Home,
    identity::Identity,
    keyring::{Keyring, OperatorKey},
    office::{self, Location, Office, Rejudged},
    replicate::{self, Recovered},
    store,
    verify::{self, Watch},
};

/// A note has two short lines.
const NOTE_BYTES_MAX: u64 = 4096;

/// What is said where it fails before anything here was moved.
const UNTOUCHED: &str = "nothing of this data directory was moved, and the agent starts as before. Where the code was used already, the \
                         same command, with the same code, goes on";

/// What belongs to a log, in the order in which it is moved. `identity` comes last: as long as it is not there, nothing else is taken
/// for a home that has one.
const OF_THE_LOG: [fn(&Home) -> PathBuf; 17] = [
    Home::log,
    Home::log_making,
    Home::log_probe,
    Home::head,
    Home::head_making,
    Home::unclean,
    Home::closed,
    Home::damaged,
    Home::keyring,
    Home::vault,
    Home::checkpoint,
    Home::tls,
    Home::books,
    Home::scrubbed,
    Home::verified,
    Home::originals,
    Home::identity,
];

/// How far a rejoin is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// The name in `evidence/` under which the branch is kept.
    branch: String,
    /// Whether all of it is there.
    aside: bool,
}

/// Takes this home's log back to the central one.
pub(super) fn rejoin(
    place: &Location,
    address: &str,
    code: &str,
    name: Option<&str>,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let (home, invite) = (&place.home, code.parse::<Invite>()?);
    let _held = hold::take(home)?;
    // Before the code is spent: without this key nothing of the branch can be judged again.
    let (config, _) = place.config()?;
    let operator = OperatorKey::load(&place.operator_key(&config))?;
    let note = if let Some(note) = load(home)? {
        note
    } else {
        let log = parted(home, &operator, address, screen)?;
        fetch(home, log, &operator, (address, invite, named(name)), screen)?;
        begin(home)?
    };
    let branch = Home::new(home.evidence().join(&note.branch));
    if !note.aside {
        set_aside(home, &branch, note)?;
    }
    put_in_place(home)?;
    office::restore_config(place)?;
    if !recovering::key_is_back(place, screen)? {
        return Ok(Exit::Problem);
    }
    let office = Office::rejoin(place)?;
    let rejudged = office::rejudge(&office, &branch, &operator, &mut |done, total, what| {
        screen.progress(done, total, what);
    });
    let closed = office.close();
    let rejudged = rejudged?;
    closed?;
    // Before the note goes: what a person has to see to is found again as long as the command can be run again.
    tell(&rejudged, branch.path(), json, screen)?;
    crash::point("rejoin.note.before");
    let settled = fs::remove_file(home.rejoining()).and_then(|()| durable::sync_directory(home.path()));
    settled.with_context(|| format!("cannot remove {}", home.rejoining().display()))?;
    // DURABLE: the rejoin is over; the agent may start.
    let verified = upkeep::verify_home(home, json, &mut Remarks(screen))?;
    Ok(if rejudged.left.is_empty() { verified } else { Exit::Problem })
}

fn load(home: &Home) -> anyhow::Result<Option<Note>> {
    let path = home.rejoining();
    let read = || -> anyhow::Result<Option<Note>> {
        let Some(bytes) = durable::read_bounded(&path, NOTE_BYTES_MAX)? else { return Ok(None) };
        Ok(Some(toml::from_str(std::str::from_utf8(&bytes)?)?))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

fn save(home: &Home, note: &Note) -> anyhow::Result<()> {
    durable::write_whole(&home.rejoining(), toml::to_string(note)?.as_bytes())
        .with_context(|| format!("cannot write {}", home.rejoining().display()))
}

/// Sees that there is a log here that can be taken back and has to be; gives its id. Nothing is written, nor a code spent.
fn parted(home: &Home, operator: &OperatorKey, address: &str, screen: &mut dyn Screen) -> anyhow::Result<LogId> {
    if home.recovering().exists() {
        anyhow::bail!(
            "a `daybook recover` is under way in this data directory: finish it by the same command, without --rejoin"
        );
    }
    let Some(identity) = Identity::load(home)?.filter(|identity| identity.central.is_some()) else {
        anyhow::bail!(
            "this data directory has joined no central node, so that there is nothing to rejoin: `daybook recover` takes a log \
             over into an empty one"
        );
    };
    Keyring::open_to_read(&home.keyring(), operator)?;
    let mut roots = Roots { screen, at: BTreeMap::from([(0, Frontier::default().root())]) };
    let Ok(report) = verify::verify_watched(&store::places(home), None, &mut roots) else { return Ok(identity.log) };
    if !report.ok() && !report.start_mends {
        return Ok(identity.log);
    }
    let end = (report.entries, report.root);
    let theirs = block_on(replicate::mirrored(address, home, &identity, end))?.context(UNTOUCHED)?;
    if theirs.is_some_and(|theirs| roots.at.get(&theirs.count) == Some(&theirs.root)) {
        anyhow::bail!(
            "nothing has parted: what the central node has of this log is all here, so that there is nothing to rejoin; the code was \
             not used. Start the agent: it sends what is still to be sent"
        );
    }
    Ok(identity.log)
}

/// The roots of a log that is good so far, by the places at which a batch ends.
struct Roots<'a> {
    screen: &'a mut dyn Screen,
    at: BTreeMap<u64, Digest>,
}

impl Watch for Roots<'_> {
    fn goes_on(&mut self, done: u64, total: u64) -> bool {
        self.screen.progress(done, total, "bytes");
        true
    }

    fn batch(&mut self, frame: &Frame) {
        self.at.insert(frame.header().end().0, frame.header().root);
    }
}

/// Brings the central log into a home beside this one. Cut off, it goes on there.
fn fetch(
    home: &Home,
    log: LogId,
    operator: &OperatorKey,
    (address, invite, name): (&str, Invite, String),
    screen: &mut dyn Screen,
) -> anyhow::Result<()> {
    let beside = Home::new(home.rejoined());
    durable::make_directory(beside.path()).with_context(|| format!("cannot make {}", beside.path().display()))?;
    let recovered = recovering::bring_back(&beside, address, invite, name, Some(log), screen);
    let recovered = recovered.context(UNTOUCHED)?;
    Keyring::open_to_read(&beside.keyring(), operator).context(UNTOUCHED)?;
    crash::point("rejoin.fetched");
    // What the central node never had is looked for in the branch, later.
    recovering::tell(&Recovered { missing: Vec::new(), ..recovered }, false, &mut Remarks(screen))?;
    Ok(())
}

/// Notes where the branch will be kept.
fn begin(home: &Home) -> anyhow::Result<Note> {
    // Nobody has the log open; whoever comes from now on finds the note.
    let _lock = store::hold(home)?;
    let mut number = 1_u32;
    while home.evidence().join(format!("branch-{number}")).exists() {
        number += 1;
    }
    let note = Note { branch: format!("branch-{number}"), aside: false };
    save(home, &note)?;
    // DURABLE: that this home is to rejoin, and where its branch will be.
    Ok(note)
}

/// Moves all that belongs to the branch into evidence, whole and under the names that it had: it can be looked at like any home.
fn set_aside(home: &Home, branch: &Home, note: Note) -> anyhow::Result<()> {
    durable::make_directory(branch.path()).with_context(|| format!("cannot make {}", branch.path().display()))?;
    move_log(home, branch, || crash::point("rejoin.aside"))?;
    durable::sync_directory(&home.evidence()).with_context(|| format!("cannot sync {}", home.evidence().display()))?;
    // DURABLE: the branch, as evidence; nothing here takes it for the log any more.
    save(home, &Note { aside: true, ..note })
}

/// Puts the central log where the branch was, as far as that is not done.
fn put_in_place(home: &Home) -> anyhow::Result<()> {
    let beside = Home::new(home.rejoined());
    if !beside.path().exists() {
        return Ok(());
    }
    move_log(&beside, home, || crash::point("rejoin.place"))?;
    // DURABLE: the central log, as this home's.
    let gone = fs::remove_dir_all(beside.path()).and_then(|()| durable::sync_directory(home.path()));
    gone.with_context(|| format!("cannot remove {}", beside.path().display()))
}

/// Moves all that belongs to a log from one home to another, under the same names, as far as that is not done.
fn move_log(from: &Home, to: &Home, moved: impl Fn()) -> anyhow::Result<()> {
    for part in OF_THE_LOG {
        let (from, to) = (part(from), part(to));
        if from.exists() && !to.exists() {
            fs::rename(&from, &to).with_context(|| format!("cannot move {} to {}", from.display(), to.display()))?;
            moved();
        }
    }
    for directory in [to.path(), from.path()] {
        durable::sync_directory(directory).with_context(|| format!("cannot sync {}", directory.display()))?;
    }
    Ok(())
}

fn tell(rejudged: &Rejudged, branch: &Path, json: bool, screen: &mut dyn Screen) -> anyhow::Result<()> {
    if json {
        let mut line = serde_json::to_value(rejudged)?;
        if let Some(fields) = line.as_object_mut() {
            fields.insert("branch".to_owned(), branch.display().to_string().into());
        }
        screen.out(&line.to_string())?;
        return Ok(());
    }
    let Rejudged { from, entries, files, orders, rulings, left } = rejudged;
    screen.out(&format!(
        "the branch, {} entries from {from} on, is kept in {}",
        number(entries - from.0),
        branch.display()
    ))?;
    screen.out(&format!("judged again on the central log: {files} files, {orders} orders, {rulings} rulings"))?;
    for left in left {
        screen.out(&format!("for a person: {left}"))?;
    }
    screen.out("start the agent: daybook run")?;
    Ok(())
}

/// What is no result of this command, but of a part of it.
struct Remarks<'a>(&'a mut dyn Screen);

impl Screen for Remarks<'_> {
    fn out(&mut self, line: &str) -> std::io::Result<()> {
        self.0.note(line);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }

    fn note(&mut self, text: &str) {
        self.0.note(text);
    }

    fn progress(&mut self, done: u64, total: u64, what: &str) {
        self.0.progress(done, total, what);
    }

    fn gone(&self) -> bool {
        self.0.gone()
    }
}
