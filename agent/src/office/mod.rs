//! The office: a home, opened. Everything that a command or a drop folder needs, in one place and once in a process.

mod arrival;
mod door;
mod founding;
mod gate;
mod heeding;
mod judging;
mod mapping;
mod opening;
mod porter;
mod reading;
mod receipt;
mod reference;
mod rehearsal;
mod rejoin;
mod ruling;
mod scrubbing;
mod signed;
mod surveying;
mod timetable;
mod turns;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use daybook_protocol::{
    batch::BatchError,
    entry::FORMAT,
    event::{ConfigAdopted, EpochBegan, Event, LogOpened},
    ids::{Epoch, LogId, Sequence},
};
use tokio::sync::watch;

pub use arrival::{Arrived, Handed, Waiting};
pub(crate) use judging::RowCells;
pub(crate) use mapping::Mapping;
pub use mapping::{MAPPINGS_MAX, Meaning, WORDS_BYTES_MAX};
pub use opening::restore_config;
pub use porter::watch_folders;
pub use reading::Reading;
pub use reference::{Reference, Touched};
pub use rehearsal::{ORDERS_MAX, Rehearsed, RowRehearsed};
pub use rejoin::{Rejudged, rejudge};
pub(crate) use rejoin::{order_kind, order_row};
pub use ruling::{Decided, Ruled, Word};
pub use scrubbing::{scrub_by_timer, scrub_closed};
pub use turns::Turn;

use crate::{
    books::{
        index::{Index, IndexError},
        read_model::ReadModelError,
    },
    config::{Config, ConfigError},
    home::Home,
    identity::{Identity, IdentityError},
    intake::IntakeError,
    journal::{self, Draft, Journal, JournalError, Opening, Writing},
    keyring::{Keyring, KeyringError, OperatorKey, Tokens},
    post::PostError,
    reader::ReadError,
    reference::Refused,
    replicate::Position,
    scrub::ScrubError,
    store::{self, Store, StoreError},
    supervise::Shutdown,
    vault::{Vault, VaultError},
};
use opening::{CaughtUp, adopted, catch_up, governing, throw_away};
use turns::Turns;

/// The program's name and version, as entries record it.
pub const PROGRAM: &str = concat!("daybook ", env!("CARGO_PKG_VERSION"));
/// What sled may keep in memory of the log, in bytes.
const CACHE_BYTES: u64 = 32 << 20;

/// Space set aside for a clean stop when the disk is full, in bytes: a few segments of the store.
const RESERVE_BYTES: u64 = 32 << 20;

/// Why an office cannot be opened or cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each passes on the error of the part that it names")]
pub enum OfficeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Journal(JournalError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Books(#[from] ReadModelError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("the log holds a batch that cannot be read; run `daybook verify`")]
    Batch(#[from] BatchError),
    #[error("{home} holds no log yet; `daybook up`, `daybook run` or `daybook import` makes one")]
    NoLog { home: PathBuf },
    #[error(
        "{home} belongs to log {identity} but holds log {head}; put back the right files from a backup, or take the log over \
         into another directory with `daybook recover`"
    )]
    OtherLog { home: PathBuf, identity: LogId, head: LogId },
    #[error(
        "the log in {home} is not the one of which the central node signed for {signed} entries, and nothing is written to it: \
         `daybook verify` says what is wrong; keep this directory as evidence and take the log over into another one, with \
         `daybook recover ADDRESS CODE --operator-key FILE --data NEW`"
    )]
    NotAsSigned { home: PathBuf, signed: u64 },
    #[error(
        "identity.toml is missing in {home}, which joined a central node: put it back from a backup, or keep this directory as \
         evidence and take the log over into another one: `daybook central invite --recover {log}` on the central node, then \
         `daybook recover ADDRESS CODE --operator-key FILE --data NEW`"
    )]
    IdentityMissing { home: PathBuf, log: String },
    #[error("a `daybook recover` into {home} was begun and not finished: run the same command again")]
    Recovering { home: PathBuf },
    #[error(
        "a `daybook recover --rejoin` in {home} was begun and not finished: run the same command again, `daybook recover --rejoin \
         ADDRESS CODE`"
    )]
    Rejoining { home: PathBuf },
    #[error("cannot read or write {path}: see that this user may")]
    Disk { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Scrub(#[from] ScrubError),
    #[error("a scrub is under way: `daybook status` says what came of it when it has ended")]
    Scrubbing,
    #[error("nothing was loaded from {name}:\n  {why}")]
    Reference { name: String, why: Refused },
    #[error("there is no arrival {0}; `daybook entries` lists what there is")]
    NoArrival(Sequence),
    #[error("the original of arrival {arrival} does not read as it did before: {why}")]
    Unsteady { arrival: Sequence, why: &'static str },
    #[error("nothing is recorded now: {0}")]
    Closed(String),
    #[error("a file has at most {} orders: split it into smaller ones", rehearsal::ORDERS_MAX)]
    TooManyOrders,
    #[error(
        "that entry {held} be let go on is proposed already, as entry {proposed}: another operator approves it, by `daybook record approve {proposed}`"
    )]
    ProposedAlready { held: Sequence, proposed: Sequence },
    #[error("it cannot be recorded: {0}")]
    Unrecordable(String),
    #[error(
        "stopped before the file was finished; what has a verdict is safe: do the same again, and it goes on from there"
    )]
    Stopping,
}

impl From<JournalError> for OfficeError {
    fn from(error: JournalError) -> Self {
        match error {
            // The journal goes on; it is whoever wants something recorded that has to wait.
            JournalError::Full => Self::Closed(gate::NEARLY_FULL.to_owned()),
            JournalError::Register(why) => Self::Closed(why),
            JournalError::Key(_) | JournalError::TooLarge(_) => Self::Unrecordable(error.to_string()),
            other => Self::Journal(other),
        }
    }
}

/// Where a home and its parts lie, as the command line says.
#[derive(Debug, Clone)]
pub struct Location {
    /// The data directory.
    pub home: Home,
    /// The configuration, unless it is the home's own.
    pub config: Option<PathBuf>,
    /// The operator's key, unless the configuration says where it is.
    pub operator_key: Option<PathBuf>,
}

impl Location {
    /// Reads the configuration: the one named, else the home's own, else the defaults. Gives its text where there is one.
    pub fn config(&self) -> Result<(Config, Option<String>), ConfigError> {
        let own = self.home.config();
        let path = self.config.as_ref().or(own.exists().then_some(&own));
        let Some(path) = path else { return Ok((Config::default(), None)) };
        Config::load(path).map(|(config, text)| (config, Some(text)))
    }

    /// Where the operator's key lies.
    pub fn operator_key(&self, config: &Config) -> PathBuf {
        let configured = config.agent.operator_key.as_ref().map(|path| self.config_base().join(path));
        self.operator_key.clone().or(configured).unwrap_or_else(|| self.home.operator_key())
    }

    fn config_base(&self) -> &Path {
        self.config.as_deref().and_then(Path::parent).unwrap_or(self.home.path())
    }
}

/// How a home is opened.
#[derive(Debug, Clone, Copy, Default)]
struct How {
    /// It is made where there is none.
    create: bool,
    /// Its books are thrown away.
    anew: bool,
    /// It is a rejoin that opens it.
    rejoins: bool,
}

/// An open home.
pub struct Office {
    /// What can be asked of the log.
    pub reading: Reading,
    /// Who the home is.
    pub identity: Identity,
    /// The configuration.
    pub config: Config,
    /// The way to the log's writer.
    pub journal: Journal,
    /// Originals.
    pub vault: Arc<Vault>,
    /// How far the central node is, as the session with it tells; before one has, nothing is claimed.
    pub mirror: watch::Sender<Position>,
    /// The wish to stop: a file under way is left where it is, and taken up again by the next start.
    pub stop: Shutdown,
    keyring: Arc<Keyring>,
    tokens: Tokens,
    writing: Writing,
    turns: Turns,
    /// Held by the scrub that is under way.
    scrubbing: Mutex<()>,
    /// Held by the replay that is under way.
    replaying: Mutex<()>,
    /// Held while the alarm of a full disk is raised or cleared, so that it is raised once.
    alarming: Mutex<()>,
}

impl Office {
    /// Opens a home, and makes it first where there is none and `create` allows it.
    pub fn open(place: &Location, create: bool) -> Result<Self, OfficeError> {
        Self::open_with(place, How { create, ..How::default() }, &mut |_, _| {})
    }

    /// Opens a home with its books thrown away, so that they are folded from the log again; `progress` hears of entries done
    /// and entries in all, each of which is folded twice: for the desk, and for people.
    pub fn rebuild(place: &Location, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, OfficeError> {
        let anew = How { anew: true, ..How::default() };
        let office = Self::open_with(place, anew, &mut |done, total| progress(done, 2 * total))?;
        office.reading.catch_up_telling(&mut |done, total| progress(total + done, 2 * total))?;
        Ok(office)
    }

    /// Opens a home whose log was taken back from the central node, before anybody else may: what the branch had is still to be
    /// judged again.
    pub fn rejoin(place: &Location) -> Result<Self, OfficeError> {
        Self::open_with(place, How { rejoins: true, ..How::default() }, &mut |_, _| {})
    }

    fn open_with(place: &Location, how: How, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, OfficeError> {
        let (mut config, text) = place.config()?;
        let home = &place.home;
        if !how.rejoins && home.rejoining().exists() {
            return Err(OfficeError::Rejoining { home: home.path().to_owned() });
        }
        if home.recovering().exists() {
            return Err(OfficeError::Recovering { home: home.path().to_owned() });
        }
        let key_path = place.operator_key(&config);
        let mut saved = None;
        let (identity, store) = match Identity::load(home)? {
            Some(identity) => {
                // Both take a while where the log is large, and the store is mostly waited for.
                let (store, loaded) = thread::scope(|scope| {
                    let loading =
                        scope.spawn(|| (!how.anew).then(|| Index::load(&home.index(), identity.log)).flatten());
                    (Store::open(home, CACHE_BYTES), loading.join().unwrap_or_default())
                });
                saved = loaded;
                (identity, store?)
            }
            None if how.create || store::exists(home) => founding::found(home)?,
            None => return Err(OfficeError::NoLog { home: home.path().to_owned() }),
        };
        if how.anew {
            // Only now that the home is ours: another process may have had its books open.
            throw_away(&home.books())?;
        }
        // A start after a full disk takes its reserve back once there is room for it.
        gate::hold_reserve(home, config.agent.free_bytes_min)?;
        let head = store.head();
        if head.log != identity.log {
            let home = home.path().to_owned();
            return Err(OfficeError::OtherLog { home, identity: identity.log, head: head.log });
        }
        signed::agrees(home, &identity, &store.reader())?;
        let fresh = head.frontier.count() == 0;
        let operator =
            if fresh && !key_path.exists() { OperatorKey::create(&key_path)? } else { OperatorKey::load(&key_path)? };
        let began = (head.epoch < identity.epoch).then_some(identity.epoch);
        let keyring = Arc::new(Keyring::open(&home.keyring(), identity.epoch, &operator)?);
        let entries = store.reader();
        let snapshot = home.index();
        let CaughtUp { index, saved_through, last_recorded_at } = catch_up(saved, &store.reader(), progress)?;
        for used in index.keys_used() {
            keyring.covers(used)?;
        }
        let governed_by = index.config().unwrap_or(Sequence(1));
        if text.is_none()
            && let Some(adopted) = adopted(&index, &entries)?
        {
            config = governing(&adopted, home, config)?;
        }
        let vault = Arc::new(Vault::open(&home.vault())?);
        let (registers, unreadable) = reference::in_force(&index, &entries, (&vault, &keyring))?;
        let opening = Opening {
            store,
            index,
            snapshot,
            home: home.path().to_owned(),
            saved_through,
            keyring: Arc::clone(&keyring),
            log: identity.log,
            epoch: identity.epoch,
            last_recorded_at,
            desk: journal::Desk { policies: config.policies.clone(), governed_by, registers, unreadable },
        };
        let reading = Reading::open(home, identity.log, entries, Some((Arc::clone(&keyring), &operator)))?;
        let (journal, writing) = Journal::start(opening);
        let tokens = operator.tokens();
        let mirror = watch::Sender::default();
        let (stop, turns) = (Shutdown::new(), Turns::default());
        let (scrubbing, replaying, alarming) = (Mutex::default(), Mutex::default(), Mutex::default());
        let office = Self {
            reading,
            identity,
            config,
            journal,
            vault,
            mirror,
            stop,
            keyring,
            tokens,
            writing,
            turns,
            scrubbing,
            replaying,
            alarming,
        };
        office.announce(fresh, began, text)?;
        office.tell_of_registers()?;
        Ok(office)
    }

    /// Records what a start changes: a new log, a new epoch, another configuration.
    fn announce(&self, fresh: bool, began: Option<Epoch>, text: Option<String>) -> Result<(), OfficeError> {
        let program = PROGRAM.to_owned();
        if fresh {
            let opened = LogOpened { log: self.identity.log, format: FORMAT, program: program.clone() };
            self.journal.note(Draft::plain(Event::LogOpened(opened)))?;
        }
        if let Some(epoch) = began {
            self.journal.note(Draft::plain(Event::EpochBegan(EpochBegan { epoch, program })))?;
        }
        let entries = self.reading.entries.clone();
        let known = self.journal.look(move |index| adopted(index, &entries))??;
        // A command that was given no configuration must not take the place of the agent's: `recover` writes the last one
        // back.
        let text = match (text, &known) {
            (Some(text), Some(known)) if text == *known => return Ok(()),
            (None, Some(_)) => return Ok(()),
            (text, _) => text.unwrap_or_default(),
        };
        self.journal.note(Draft::plain(Event::ConfigAdopted(ConfigAdopted { text })))?;
        Ok(())
    }

    /// Makes look-up values.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Waits until nobody else works on an arrival or on what is held of one, and keeps others from it meanwhile.
    pub fn turn(&self, at: Sequence) -> Turn<'_> {
        self.turns.wait_for(at)
    }

    /// The right to replay history, which one has at a time; `None` where another has it.
    pub fn replaying(&self) -> Option<MutexGuard<'_, ()>> {
        self.replaying.try_lock().ok()
    }

    /// The keys.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }

    /// Whether anything can still be recorded: not once store or keyring failed.
    pub fn is_writing(&self) -> bool {
        !self.writing.has_ended()
    }

    /// Commits what is under way, writes the index, and closes the log.
    pub fn close(self) -> Result<(), OfficeError> {
        self.journal.stop();
        self.writing.wait().map_err(OfficeError::from)
    }
}

/// The desk is given its look-up values by the operator's key.
impl crate::desk::Tokenizer for Tokens {
    fn token(&self, domain: &str, parts: &[&str]) -> daybook_protocol::ids::Token {
        Self::token(self, domain, parts)
    }
}

#[cfg(test)]
mod tests;
