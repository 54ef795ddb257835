//! `daybook recover --rejoin`: a log that parted from the central one goes back to it. What is here is moved aside, whole; the
//! central log is taken over as by `recover`; and what only the branch had is judged again on it.
//!
//! The note that this is under way is the first thing written and the last removed, and says how far it is, so that the same
//! command goes on wherever it was cut off. Nobody else opens the home meanwhile.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use daybook_protocol::invite::Invite;
use serde::{Deserialize, Serialize};

use super::{hold, recovering, running::named, upkeep};
use crate::{
    cli::{Exit, Screen, figures::number},
    crash, durable,
    home::Home,
    identity::Identity,
    keyring::{Keyring, OperatorKey},
    office::{self, Location, Office, Rejudged},
    replicate, store,
};

/// A note has two short lines.
const NOTE_BYTES_MAX: u64 = 4096;

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
    let note = match load(home)? {
        Some(note) => note,
        None => begin(home, &operator)?,
    };
    let branch = Home::new(home.evidence().join(&note.branch));
    if !note.aside {
        set_aside(home, &branch, note)?;
    }
    if home.recovering().exists() || !home.identity().exists() {
        let recovered = recovering::bring_back(place, address, invite, named(name), screen)?;
        recovering::tell(&recovered, false, &mut Remarks(screen))?;
        office::restore_config(place)?;
        if !recovering::key_is_back(place, screen)? {
            return Ok(Exit::Problem);
        }
        replicate::settle(home)?;
    }
    let office = Office::rejoin(place)?;
    let rejudged = office::rejudge(&office, &branch, &operator, &mut |done, total, what| {
        screen.progress(done, total, what);
    });
    let closed = office.close();
    let rejudged = rejudged?;
    closed?;
    crash::point("rejoin.note.before");
    let settled = fs::remove_file(home.rejoining()).and_then(|()| durable::sync_directory(home.path()));
    settled.with_context(|| format!("cannot remove {}", home.rejoining().display()))?;
    // DURABLE: the rejoin is over; the agent may start.
    tell(&rejudged, branch.path(), json, screen)?;
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

/// Sees that there is a log here that can be taken back, and notes where it will be kept.
fn begin(home: &Home, operator: &OperatorKey) -> anyhow::Result<Note> {
    if home.recovering().exists() {
        anyhow::bail!(
            "a `daybook recover` is under way in this data directory: finish it by the same command, without --rejoin"
        );
    }
    let identity = Identity::load(home)?;
    if identity.is_none_or(|identity| identity.central.is_none()) {
        anyhow::bail!(
            "this data directory has joined no central node, so that there is nothing to rejoin: `daybook recover` takes a log \
             over into an empty one"
        );
    }
    Keyring::open_to_read(&home.keyring(), operator)?;
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
    // `identity` comes last but for what is derived: as long as it is here, nothing else can be taken for a log without one.
    let parts: [fn(&Home) -> PathBuf; 17] = [
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
    for part in parts {
        let (from, to) = (part(home), part(branch));
        if from.exists() && !to.exists() {
            fs::rename(&from, &to).with_context(|| format!("cannot move {} to {}", from.display(), to.display()))?;
            crash::point("rejoin.aside");
        }
    }
    for directory in [branch.path(), &home.evidence(), home.path()] {
        durable::sync_directory(directory).with_context(|| format!("cannot sync {}", directory.display()))?;
    }
    // DURABLE: the branch, as evidence; nothing here takes it for the log any more.
    save(home, &Note { aside: true, ..note })
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
