//! `daybook recover`: a lost agent on a new machine. First the log with its originals, then what the agent needs to go on: its
//! configuration and the operator's key.
//!
//! The note that a recover is under way goes last, so that whoever starts the agent after a crash in between is told to run
//! the command again. It goes before the log is written to: until then the same command finishes the work.

use std::{path::Path, thread};

use anyhow::Context as _;
use daybook_protocol::{ids::LogId, invite::Invite};

use super::{
    running::{block_on, named},
    upkeep,
};
use crate::{
    cli::{Exit, Screen},
    crash, durable,
    home::Home,
    keyring::{Keyring, OperatorKey},
    office::{self, Location, Office, OfficeError},
    replicate::{self, Recovered},
};

/// A file of an operator's key is far shorter.
const KEY_BYTES_MAX: u64 = 1024;

/// Rebuilds a lost agent in this home.
pub(super) fn recover(
    place: &Location,
    address: &str,
    code: &str,
    name: Option<&str>,
    json: bool,
    screen: &mut dyn Screen,
) -> anyhow::Result<Exit> {
    let invite: Invite = code.parse()?;
    if place.home.rejoining().exists() {
        return Err(OfficeError::Rejoining { home: place.home.path().to_owned() }.into());
    }
    // Before the code is spent and the old machine shut out: a file that is no key can be known now.
    place.operator_key.as_ref().map(|path| OperatorKey::load(path)).transpose()?;
    let recovered = bring_back(&place.home, address, invite, named(name), None, screen)?;
    tell(&recovered, json, screen)?;
    if let Some(path) = office::restore_config(place)? {
        screen.note(&format!("the configuration is back: {}", path.display()));
    }
    crash::point("recover.config.after");
    if !key_is_back(place, screen)? {
        return Ok(Exit::Problem);
    }
    replicate::settle(&place.home)?;
    let office = Office::rebuild(place, &mut |done, total| screen.progress(done, total, "entries"))?;
    let verified = upkeep::verify_home(&place.home, json, screen);
    office.close()?;
    verified
}

/// Brings the log back into `home`, with keys and originals; `of` says which log, where that is known.
pub(super) fn bring_back(
    home: &Home,
    address: &str,
    invite: Invite,
    name: String,
    of: Option<LogId>,
    screen: &mut dyn Screen,
) -> anyhow::Result<Recovered> {
    let (tell, told) = std::sync::mpsc::channel();
    let (home, at) = (home.clone(), address.to_owned());
    let work = thread::spawn(move || {
        block_on(async {
            replicate::take_over(&at, &invite, &home, &name, of, move |progress| {
                // Nobody looks any more when the screen is gone; the work goes on.
                let _ = tell.send(progress);
            })
            .await
        })
    });
    for progress in told {
        let (done, total) = (progress.entries + progress.originals, progress.entries_total + progress.originals_total);
        screen.progress(done, total, "entries and originals");
    }
    Ok(work.join().map_err(|_| anyhow::anyhow!("the recover ended unexpectedly"))???)
}

pub(super) fn tell(recovered: &Recovered, json: bool, screen: &mut dyn Screen) -> std::io::Result<()> {
    let (log, epoch) = (recovered.identity.log, recovered.identity.epoch);
    let Recovered { count: entries, root, originals, missing, .. } = recovered;
    if json {
        let line = serde_json::json!({
            "log": log, "epoch": epoch, "entries": entries, "root": root, "originals": originals, "missing": missing,
        });
        screen.out(&line.to_string())?;
    } else {
        let what = format!("log {log} is back: {entries} entries, root {root}, {originals} originals; epoch {epoch}");
        screen.out(&what)?;
    }
    for missing in missing {
        screen.note(&format!(
            "the central node never had the original {missing}: look for it in done/ on the old machine"
        ));
    }
    Ok(())
}

/// Puts the operator's key where the agent will look for it, if it was named and is not there, and sees that it opens the
/// keyring; says so where there is none.
pub(super) fn key_is_back(place: &Location, screen: &mut dyn Screen) -> anyhow::Result<bool> {
    let (config, _) = place.config()?;
    let path = Location { operator_key: None, ..place.clone() }.operator_key(&config);
    let there = path.exists();
    let Some(source) = (if there { Some(path.as_path()) } else { place.operator_key.as_deref() }) else {
        screen.note(&format!(
            "the operator's key is not here: put it back as {}, or name it with --operator-key, and run the same command \
             again; until then the agent does not start",
            path.display()
        ));
        return Ok(false);
    };
    Keyring::open_to_read(&place.home.keyring(), &OperatorKey::load(source)?)?;
    if !there {
        keep_key(source, &path).with_context(|| {
            format!("cannot keep the operator's key as {}; run the same command again", path.display())
        })?;
    }
    crash::point("recover.key.after");
    Ok(true)
}

fn keep_key(from: &Path, path: &Path) -> std::io::Result<()> {
    let bytes = durable::read_bounded(from, KEY_BYTES_MAX)?.ok_or(std::io::ErrorKind::NotFound)?;
    durable::write_whole(path, &bytes)
}
