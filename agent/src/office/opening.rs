//! What an office needs of a log before it is open: the index as of its end, and the configuration that it had last.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use daybook_protocol::{date::Timestamp, entry::Entry, event::Event, ids::Sequence};

use super::{CACHE_BYTES, Location, OfficeError};
use crate::{
    books::index::{Index, Saved},
    config::{Agent, Config, ConfigError},
    durable,
    home::Home,
    store::{Store, StoreError, StoreReader},
};

pub(super) fn throw_away(books: &Path) -> Result<(), OfficeError> {
    match std::fs::remove_dir_all(books) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(OfficeError::Disk { path: books.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Writes back the configuration that the log has, where a recovered home has none. Gives the path if it was written.
pub fn restore_config(place: &Location) -> Result<Option<PathBuf>, OfficeError> {
    let path = place.home.config();
    if path.exists() || place.config.is_some() {
        return Ok(None);
    }
    let store = Store::open(&place.home, CACHE_BYTES)?;
    let CaughtUp { index, .. } = catch_up(None, &store.reader(), &mut |_, _| {})?;
    let text = adopted(&index, &store.reader())?;
    store.close()?;
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    durable::write_whole(&path, text.as_bytes()).map_err(|source| OfficeError::Disk { path: path.clone(), source })?;
    Ok(Some(path))
}

/// The text of the configuration that the log had last.
pub(super) fn adopted(index: &Index, entries: &StoreReader) -> Result<Option<String>, StoreError> {
    let entry = index.config().map(|sequence| entries.entry(sequence)).transpose()?.flatten();
    Ok(entry.and_then(|Entry { event, .. }| match event {
        Event::ConfigAdopted(config) => Some(config.text),
        _ => None,
    }))
}

/// The configuration where no file says otherwise: the rules that govern the log go on. They say nothing here of folders and
/// keys, since where those lie counts from a file that is not here.
pub(super) fn governing(adopted: &str, home: &Home, config: Config) -> Result<Config, ConfigError> {
    let parsed = Config::adopted(adopted).map_err(|why| ConfigError::Wrong { path: home.config(), why });
    let Config { policies, agent, operators, .. } = parsed?;
    Ok(Config { policies, agent: Agent { operator_key: None, ..agent }, operators, ..config })
}

/// Batches that are decoded before they are folded, at most: some hundreds of kilobytes.
const FRAMES_MAX: usize = 8;

/// The index as of the log's end.
pub(super) struct CaughtUp {
    pub(super) index: Index,
    /// How many entries the index on disk has.
    pub(super) saved_through: u64,
    pub(super) last_recorded_at: Timestamp,
}

/// The index that was saved, if there is one of this log, with what the log has behind it.
pub(super) fn catch_up(
    saved: Option<Saved>,
    entries: &StoreReader,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<CaughtUp, OfficeError> {
    let root_at = |count: u64| {
        let last = entries.frames(Sequence(count.checked_sub(1)?)).next()?.ok()?;
        (last.header().end().0 == count).then_some(last.header().root)
    };
    let mut index = saved.and_then(|saved| saved.on(root_at)).unwrap_or_default();
    let saved_through = index.applied_through();
    thread::scope(|scope| {
        // Reading and decoding take a core, and folding another.
        let (read, decoded) = mpsc::sync_channel(FRAMES_MAX);
        scope.spawn(move || {
            for frame in entries.frames(Sequence(saved_through)) {
                let entries = frame
                    .map_err(OfficeError::from)
                    .and_then(|frame| frame.entries().collect::<Result<Vec<Entry>, _>>().map_err(OfficeError::from));
                // Whoever folds does not go on behind a failure.
                if read.send(entries).is_err() {
                    return;
                }
            }
        });
        for frame in decoded {
            for entry in frame? {
                if entry.sequence.0 >= index.applied_through() {
                    index.apply(&entry);
                }
            }
            progress(index.applied_through(), entries.count());
        }
        Ok::<_, OfficeError>(())
    })?;
    let last = entries.count().checked_sub(1).map(|last| entries.entry(Sequence(last))).transpose()?.flatten();
    let last_recorded_at = last.map(|entry| entry.recorded_at).unwrap_or_default();
    Ok(CaughtUp { index, saved_through, last_recorded_at })
}
