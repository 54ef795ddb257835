//! The configuration file: which folders are watched, for whom, and by which policy. It never holds a secret.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use daybook_protocol::{
    entry::CONFIG_BYTES_MAX,
    event::Level,
    field::{Field, Kind},
};
use serde::Deserialize;

use crate::{desk::Policies, durable, operators::Operators, scrub::Timer};

/// Disks forget slowly, and the other copy has to be there still when it is noticed.
const SCRUB_DAYS: u32 = 7;
/// By then a start has caught up with what was dropped meanwhile.
const SCRUB_SETTLE_SECONDS: u64 = 300;

/// A folder's name stands in every alarm and status line about it, and in every one of its entries.
pub const FOLDER_NAME_BYTES_MAX: usize = 64;
/// The part of a path that stands for the number of each centre.
const CENTRE_PART: &str = "{centre}";
/// The longest number of a centre (DOMAIN.md 2.2).
pub const CENTRE_BYTES_MAX: usize = 12;

/// What can be set. Every part has defaults; a word that is not known is an error, so that a typing mistake is not
/// silently a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The agent itself.
    pub agent: Agent,
    /// The central node, where this home is one.
    pub central: Central,
    /// The rules of the desk, each with the day from which it holds.
    #[serde(rename = "policy")]
    pub policies: Policies,
    /// The drop folders.
    #[serde(rename = "folder")]
    pub folders: Vec<Folder>,
    /// Who may do what; everybody everything, where nobody is named.
    #[serde(rename = "operator")]
    pub operators: Operators,
}

/// `[agent]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Agent {
    /// Where the operator's key lies; by default in the data directory.
    pub operator_key: Option<PathBuf>,
    /// How often every folder is scanned, whatever the watcher says, in seconds.
    pub rescan_seconds: u64,
    /// The largest file taken, in bytes: more than any return that we know of, and less than what fills a disk.
    pub file_bytes_max: u64,
    /// Intake stops when less than this many bytes are free on the disk of the data directory. At least
    /// [`INTAKE_BYTES_MIN`], whatever is set.
    #[serde(deserialize_with = "free_bytes_min")]
    pub free_bytes_min: u64,
    /// Every how many days log, keys and originals are hashed; 0 for never.
    pub scrub_days: u32,
    /// A scrub that is overdue when the agent starts waits for so many seconds.
    pub scrub_settle_seconds: u64,
}

/// Intake stops with less than this free in any case, in bytes: what was judged already and is on its way to the log must
/// find room above what the journal itself keeps free.
pub const INTAKE_BYTES_MIN: u64 = 2 * crate::store::RECORD_BYTES_MIN;

impl Default for Agent {
    fn default() -> Self {
        Self {
            operator_key: None,
            rescan_seconds: 5,
            file_bytes_max: 2 << 30,
            free_bytes_min: 256 << 20,
            scrub_days: SCRUB_DAYS,
            scrub_settle_seconds: SCRUB_SETTLE_SECONDS,
        }
    }
}

impl Agent {
    /// When to scrub.
    pub fn scrub_timer(&self) -> Timer {
        Timer { days: self.scrub_days, settle: Duration::from_secs(self.scrub_settle_seconds) }
    }
}

/// `[central]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Central {
    /// Where the central node listens.
    #[serde(deserialize_with = "listen")]
    pub listen: SocketAddr,
    /// For how many hours a one-time code can be used.
    pub code_hours: u32,
    /// Every how many days each copy is hashed; 0 for never.
    pub scrub_days: u32,
    /// A scrub that is overdue when the central node starts waits for so many seconds.
    pub scrub_settle_seconds: u64,
}

impl Central {
    /// When to scrub.
    pub fn scrub_timer(&self) -> Timer {
        Timer { days: self.scrub_days, settle: Duration::from_secs(self.scrub_settle_seconds) }
    }
}

impl Default for Central {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 7310)),
            code_hours: 72,
            scrub_days: SCRUB_DAYS,
            scrub_settle_seconds: SCRUB_SETTLE_SECONDS,
        }
    }
}

/// By which sign a file in a folder is known to be complete. A rename into place and a marker count in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompletionRule {
    /// It has not changed for the quiet period.
    #[default]
    Quiet,
    /// Only a marker `NAME.done` beside it counts.
    Marker,
}

/// `[[folder]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// A name for it, unique in the configuration.
    pub name: String,
    /// Where it lies; `in/`, `receipts/`, `done/` and `held/` are below it. A relative path counts from the configuration file.
    /// With a part `{centre}` it is a pattern: a folder for every directory there whose name can be a centre's number.
    pub path: PathBuf,
    /// The centre that it belongs to; none for a pattern, whose directories name them.
    #[serde(default)]
    pub centre: String,
    /// The brand that it belongs to.
    #[serde(default)]
    pub brand: String,
    /// The kinds of file expected in it; all if none is named.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// What headings mean in its files, before all that is known of them otherwise.
    #[serde(default)]
    pub headings: BTreeMap<String, Field>,
    /// What values stand for in its files, by the columns in which they stand.
    #[serde(default)]
    pub values: BTreeMap<Field, BTreeMap<String, String>>,
    /// For how many seconds a file must not change before it is taken.
    #[serde(default = "quiet_seconds")]
    pub quiet_seconds: u64,
    /// By which sign a file is known to be complete.
    #[serde(default)]
    pub completion: CompletionRule,
    /// How safe the facts must be before the sender is answered.
    #[serde(default = "local", deserialize_with = "level")]
    pub answer_after: Level,
}

fn listen<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || format!("listen is an address with a port, such as \"0.0.0.0:7310\", not {text:?}");
    text.parse().map_err(|_| serde::de::Error::custom(wrong()))
}

fn free_bytes_min<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(u64::deserialize(deserializer)?.max(INTAKE_BYTES_MIN))
}

fn quiet_seconds() -> u64 {
    10
}

fn local() -> Level {
    Level::Local
}

fn level<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "local" => Ok(Level::Local),
        "mirrored" => Ok(Level::Mirrored),
        other => Err(serde::de::Error::custom(format!("answer_after is \"local\" or \"mirrored\", not {other:?}"))),
    }
}

impl Folder {
    /// Where the directories of a pattern are, one for each centre; `None` where it is no pattern.
    pub fn pattern(&self) -> Option<PathBuf> {
        let mut parts = self.path.components();
        let mut above = PathBuf::new();
        parts.find(|part| {
            let found = part.as_os_str() == CENTRE_PART;
            if !found {
                above.push(part);
            }
            found
        })?;
        Some(above)
    }
    /// The folder of one centre, of a pattern: its name is the pattern's and the centre's, with a slash between.
    fn of_centre(&self, centre: &str) -> Self {
        let part = |part: Component<'_>| match part.as_os_str() {
            name if name == CENTRE_PART => centre.into(),
            name => name.to_owned(),
        };
        let path = self.path.components().map(part).collect();
        Self { name: format!("{}/{centre}", self.name), path, centre: centre.to_owned(), ..self.clone() }
    }
    /// The folders that there are now: itself, or those of a pattern, in the order of their centres. Links are passed over.
    pub fn places(&self) -> io::Result<Vec<Self>> {
        let Some(above) = self.pattern() else { return Ok(vec![self.clone()]) };
        let mut centres = Vec::new();
        for entry in fs::read_dir(above)? {
            let entry = entry?;
            if let Some(centre) = entry.file_name().to_str().filter(|name| valid_centre(name))
                && entry.file_type()?.is_dir()
            {
                centres.push(centre.to_owned());
            }
        }
        centres.sort_unstable();
        Ok(centres.iter().map(|centre| self.of_centre(centre)).collect())
    }
    /// Whether a name is that of one of a pattern's folders.
    fn has(&self, name: &str) -> bool {
        name.rsplit_once('/').is_some_and(|(pattern, centre)| pattern == self.name && valid_centre(centre))
    }
    /// Where files are dropped.
    pub fn drop(&self) -> PathBuf {
        self.path.join("in")
    }
    /// Where receipts are written.
    pub fn receipts(&self) -> PathBuf {
        self.path.join("receipts")
    }
    /// Where originals go when their rows are judged.
    pub fn done(&self) -> PathBuf {
        self.path.join("done")
    }
    /// Where originals wait for a person.
    pub fn held(&self) -> PathBuf {
        self.path.join("held")
    }
    /// Whether files of this kind are expected here.
    pub fn expects(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {path}: see that this user may, or name another with --config")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("the configuration {path} is wrong: {why}")]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
}

impl Config {
    /// Reads the file at `path` and gives the configuration with its text, which goes into the log.
    pub fn load(path: &Path) -> Result<(Self, String), ConfigError> {
        let wrong = |why| ConfigError::Wrong { path: path.to_owned(), why };
        let bytes = match durable::read_bounded(path, CONFIG_BYTES_MAX as u64) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(wrong(error.to_string())),
            read => read.and_then(|read| read.ok_or_else(|| io::ErrorKind::NotFound.into())),
        };
        let bytes = bytes.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("save it as UTF-8".to_owned()))?;
        let base = path.parent().unwrap_or(Path::new("."));
        let config = Self::parse(&text, base).map_err(wrong)?;
        Ok((config, text))
    }

    /// Reads a configuration's text; relative paths count from `base`. The error says where and why.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        if text.len() > CONFIG_BYTES_MAX {
            return Err(format!("it is over {CONFIG_BYTES_MAX} bytes"));
        }
        let mut config = Self::adopted(text)?;
        config.policies.check()?;
        config.operators.check(&config.policies)?;
        for folder in &mut config.folders {
            folder.path = base.join(&folder.path);
        }
        for (place, folder) in config.folders.iter().enumerate() {
            let earlier = config.folders.get(..place).unwrap_or_default();
            if folder.name.is_empty() || folder.name.len() > FOLDER_NAME_BYTES_MAX {
                return Err(format!("folder {} needs a name of at most {FOLDER_NAME_BYTES_MAX} letters", place + 1));
            }
            let mut patterns = config.folders.iter().filter(|other| other.pattern().is_some());
            if let Some(pattern) = patterns.find(|other| other.has(&folder.name)) {
                return Err(format!("folder {:?} has the name of one of pattern {:?}", folder.name, pattern.name));
            }
            if folder.pattern().is_some() {
                if !folder.centre.is_empty() {
                    return Err(format!(
                        "folder {:?}: its directories name the centres, leave `centre` out",
                        folder.name
                    ));
                }
                if folder.name.len() > FOLDER_NAME_BYTES_MAX - CENTRE_BYTES_MAX - 1 {
                    return Err(format!(
                        "folder {:?}: the name of a pattern is shorter by a centre's number",
                        folder.name
                    ));
                }
            } else if !valid_centre(&folder.centre) {
                return Err(format!(
                    "folder {:?}: a centre is 1 to 12 letters and digits, not {:?}",
                    folder.name, folder.centre
                ));
            }
            if let Some(kind) = folder.kinds.iter().find(|kind| !kind.is_in_files()) {
                return Err(format!("folder {:?}: {kind} come in no file, only from an operator", folder.name));
            }
            if let Some(field) = folder.headings.values().chain(folder.values.keys()).find(|field| !field.is_column()) {
                return Err(format!("folder {:?}: {field} is no column of a file", folder.name));
            }
            if earlier.iter().any(|other| other.name == folder.name) {
                return Err(format!("two folders are named {:?}", folder.name));
            }
            if earlier.iter().any(|other| other.path == folder.path) {
                return Err(format!("two folders lie at {}", folder.path.display()));
            }
        }
        Ok(config)
    }

    /// Reads a configuration's text as the log has it: nothing is asked of it but that, since it was good when it was adopted.
    pub fn adopted(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// The folder of this name.
    pub fn folder(&self, name: &str) -> Option<Folder> {
        let plain = self.folders.iter().find(|folder| folder.name == name && folder.pattern().is_none()).cloned();
        plain.or_else(|| {
            let pattern = self.folders.iter().find(|folder| folder.pattern().is_some() && folder.has(name))?;
            name.rsplit_once('/').map(|(_, centre)| pattern.of_centre(centre))
        })
    }

    /// All folders that there are now.
    pub fn places(&self) -> Vec<Folder> {
        let plain = self.folders.iter().filter(|folder| folder.pattern().is_none()).cloned();
        plain.chain(self.places_of_patterns()).collect()
    }

    /// The folders that there are now by patterns. Where a pattern's directory cannot be read there are none, which is said.
    pub fn places_of_patterns(&self) -> Vec<Folder> {
        let patterns = self.folders.iter().filter(|folder| folder.pattern().is_some());
        let places = patterns.map(|pattern| {
            pattern.places().unwrap_or_else(|error| {
                tracing::warn!(folder = pattern.name, %error, "the directories of centres cannot be read");
                Vec::new()
            })
        });
        places.flatten().collect()
    }
}

/// Whether a text can be a centre number: up to [`CENTRE_BYTES_MAX`] letters and digits.
pub fn valid_centre(text: &str) -> bool {
    (1..=CENTRE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
