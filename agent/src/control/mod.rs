//! The local socket: how a command that was typed reaches the process that has the log open, and how its words come back.
//!
//! One connection carries one command. The client sends one line of JSON, then the bytes of the files that it hands over,
//! one after the other; the answer is lines of JSON, the last of which is `{"exit":n}`. A client that closes its side wants
//! the command to stop. Who the client is, is what the operating system says about the socket's other end.
//!
//! Architecture invariant: nothing here knows what a command does.

mod ask;
#[cfg(not(unix))]
mod none;
#[cfg(unix)]
mod peer;
#[cfg(unix)]
mod serve;
#[cfg(all(test, unix))]
mod tests;

use std::{io, path::PathBuf, time::Duration};

use crate::{
    cli::{Exit, Files, Request, Screen, files::FileError},
    operators::User,
};

pub use ask::ask;
#[cfg(not(unix))]
pub use none::{Control, own_user, serve};
#[cfg(unix)]
pub use peer::own_user;
#[cfg(unix)]
pub use serve::{Control, serve, understand};

/// So many commands are performed at once: more than an office types, and few enough threads to forget about.
pub const CONNECTIONS_MAX: usize = 32;
/// A request has at most this many bytes: 1,024 files with long names.
pub const REQUEST_BYTES_MAX: u64 = 1 << 20;
/// A line of an answer has at most this many bytes: the largest entry, every letter of it escaped twice, is below it.
pub const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// A client that sends nothing for so long, while it is waited for, is given up.
pub const READ_WAIT: Duration = Duration::from_mins(1);
/// A client that takes nothing for so long is given up: it is stopped, or its terminal is.
pub const WRITE_WAIT: Duration = Duration::from_mins(1);
/// How often a waiting client looks whether the person at it wants to stop.
pub const ASK_EVERY: Duration = Duration::from_millis(200);
/// How long the commands in hand are waited for when the process ends; the whole stop is to take under five seconds.
pub const STOP_WAIT: Duration = Duration::from_secs(2);

/// Performs commands.
pub trait Handler: Send + Sync {
    /// Performs one for `user`, if they may give it, and says on `screen` what there is to say, errors included.
    fn perform(&self, request: Request, files: &mut dyn Files, user: &User, screen: &mut dyn Screen) -> Exit;
}

/// Why a command could not be passed on, or cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another process answers at the socket.
    #[error("another daybook already answers at {path}: stop it first, or name another directory with --data")]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot make the socket {path}")]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path of a socket may have about 100 letters.
    #[error("the path of the socket {path} is too long for this system: choose a data directory nearer the root")]
    LongPath {
        /// The socket.
        path: PathBuf,
    },
    /// Somebody listens but this user may not speak to them.
    #[error("{path} belongs to another user: run this command as that user")]
    Forbidden {
        /// The data directory.
        path: PathBuf,
    },
    /// The connection failed.
    #[error(
        "lost the connection to the running daybook: see its log; what it had committed is safe, run the command again"
    )]
    Lost(#[source] io::Error),
    /// A file cannot be handed over.
    #[error("cannot hand over the files")]
    Files(#[from] FileError),
    /// A file could not be read to its end.
    #[error("cannot hand over {name}")]
    File {
        /// Its name as it was typed.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The answer is not one.
    #[error(
        "the running daybook answered what this one does not understand: restart it, so that both are of one version"
    )]
    Answer(#[source] serde_json::Error),
    /// The request is larger than allowed.
    #[error("the command is too long: give fewer files at once")]
    TooLong,
}

/// The first line of a connection.
#[cfg(unix)]
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// The program's version; another one may mean something else by the same words.
    version: String,
    #[serde(flatten)]
    request: Request,
    files: Vec<crate::cli::Offered>,
}

/// A line of an answer.
#[cfg(unix)]
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Out(String),
    Note(String),
    Progress { done: u64, total: u64, what: String },
    Exit(u8),
}

/// What a request has to name as its version.
#[cfg(unix)]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Reads a line of at most `bytes_max` bytes, with its line break; empty at the end, `None` where it is longer.
#[cfg(unix)]
fn limited_line(from: &mut impl io::BufRead, bytes_max: u64, line: &mut Vec<u8>) -> io::Result<Option<()>> {
    let room = (bytes_max + 1).saturating_sub(line.len() as u64);
    io::BufRead::read_until(&mut io::Read::take(from, room), b'\n', line)?;
    Ok((line.len() as u64 <= bytes_max).then_some(()))
}
