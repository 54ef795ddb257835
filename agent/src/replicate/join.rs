//! A machine without a certificate asks for one with a one-time code. Its private key is made here and never leaves.

use daybook_protocol::{
    checkpoint::{CheckpointError, Verifier},
    head::Head,
    ids::{Epoch, LogId},
    invite::Invite,
    tree::Frontier,
    wire::{Hello, Message, Role, VERSION},
};

use super::{
    ConnectError, Refused,
    client::{TlsFiles, TlsFilesError, connect},
    farewell,
};
use crate::{
    durable,
    home::Home,
    identity::{CentralNode, Identity, IdentityError},
    tls::{self, Connector},
};

/// A head file is two slots.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// Why a machine could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// It has joined before.
    #[error(
        "this agent has joined the central node at {address}: to move it to another one, stop it and take the [central] \
         part out of identity.toml first"
    )]
    Joined {
        /// Where that central node is.
        address: String,
    },
    /// A recover was begun here.
    #[error(
        "a recover is under way in this data directory: finish it by the `daybook recover` that was begun, or use another directory"
    )]
    Recovering,
    /// There is a log, but its head cannot be read.
    #[error("the head of the log in this data directory cannot be read: run `daybook verify` first")]
    Head,
    /// The central node cannot be talked to, or refuses.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// What the central node certified is not what was asked for.
    #[error("the central node's answer cannot be used: {0}")]
    Answer(&'static str),
    /// The key that checks checkpoints cannot be read.
    #[error("the central node's answer cannot be used")]
    Verifier(#[from] CheckpointError),
    /// Key or certificates cannot be kept.
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
    /// The identity cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// What the central node certified, checked.
pub(crate) struct Certified {
    pub(super) log: LogId,
    pub(super) epoch: Epoch,
    pub(super) verifier: Verifier,
}

/// Joins the central node at `address` with the code `invite`, under `name`. A log that `home` has already is the one that
/// is certified; otherwise the log gets its id now. When this returns well, identity, key and certificates are durable. Cut
/// off at any point it can be called again, with the same code.
pub async fn join(address: &str, invite: &Invite, home: &Home, name: &str) -> Result<Identity, JoinError> {
    let known = known_log(home)?;
    let (log, epoch) = known.unwrap_or_else(|| (LogId(rand::random()), Epoch::FIRST));
    let certified = certify(address, invite, home, name, (log, epoch)).await?;
    if known.is_some_and(|(log, epoch)| (log, epoch) != (certified.log, certified.epoch)) {
        return Err(JoinError::Answer(
            "it certified another log: use the code with `daybook recover`, if it is for that",
        ));
    }
    let central =
        CentralNode { address: address.to_owned(), name: name.to_owned(), verifier: certified.verifier.to_string() };
    let identity = Identity { log: certified.log, epoch: certified.epoch, central: Some(central) };
    identity.save(home)?;
    Ok(identity)
}

/// The log that a home has already.
fn known_log(home: &Home) -> Result<Option<(LogId, Epoch)>, JoinError> {
    if home.recovering().exists() || home.rejoining().exists() {
        return Err(JoinError::Recovering);
    }
    match Identity::load(home)? {
        Some(Identity { central: Some(central), .. }) => return Err(JoinError::Joined { address: central.address }),
        Some(identity) => return Ok(Some((identity.log, identity.epoch))),
        None => {}
    }
    match durable::read_bounded(&home.head(), HEAD_BYTES_MAX) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => Head::of_file(&bytes).map(|head| Some((head.log, head.epoch))).ok_or(JoinError::Head),
        Err(source) => Err(IdentityError::Io { path: home.head(), source }.into()),
    }
}

/// Asks to be certified, checks the answer and keeps key and certificates; the identity is for the caller to keep, last.
pub(crate) async fn certify(
    address: &str,
    invite: &Invite,
    home: &Home,
    name: &str,
    (log, epoch): (LogId, Epoch),
) -> Result<Certified, JoinError> {
    let files = TlsFiles(home);
    let request = tls::signing_request(&files.key()?, name).map_err(TlsFilesError::Tls)?;
    let connector = Connector::newcomer(invite).map_err(TlsFilesError::Tls)?;
    let root = Frontier::default().root();
    let hello = Hello { version: VERSION, role: Role::Newcomer, log, epoch, count: 0, root };
    let (_, mut link) = connect(address, &connector, &hello).await?;
    let broken = |error| ConnectError::broken(address, error);
    link.writer.send(&Message::Join { secret: invite.secret, request }).await.map_err(broken)?;
    let answer = link.reader.next().await.map_err(broken)?;
    farewell(&mut link.reader, &mut link.writer, None).await;
    match answer {
        Message::Certified { certificate, authority, verifier, log, epoch } => {
            if !invite.is_by(&authority) {
                return Err(JoinError::Answer("it is not signed by the authority that the code names"));
            }
            let verifier = verifier.parse()?;
            files.keep(&certificate, &authority)?;
            tracing::info!(%log, %epoch, certificate = %tls::fingerprint(&certificate), "this machine was certified");
            Ok(Certified { log, epoch, verifier })
        }
        Message::Refused { refusal, detail } => Err(ConnectError::Refused(Refused::from_peer(refusal, &detail)).into()),
        _ => Err(JoinError::Answer("it is not an answer to a code")),
    }
}
