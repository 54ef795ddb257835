//! An agent's end of a connection: finds the central node, shakes hands, exchanges hellos; and the key and certificates
//! that this takes, which lie in the home's `tls/`.

use std::{io, net::IpAddr, path::PathBuf, time::Duration};

use daybook_protocol::wire::{Hello, Refusal, Role, VERSION};
use tokio::{net::TcpStream, time::timeout};
use zeroize::Zeroizing;

use super::{HANDSHAKE_TIMEOUT, Link, LinkError, PORT, Refused, read_hello, write_hello};
use crate::{
    durable,
    home::Home,
    tls::{self, Connected, Connector, Credentials, Distrust, PrivateKey, TlsError},
};

/// To find the central node and to reach it takes at most this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Keys and certificates are far shorter than this.
const TLS_FILE_BYTES_MAX: u64 = 64 * 1024;

pub(crate) type Stream = Connected<TcpStream>;

/// Why the central node cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers. Retry.
    #[error(
        "the central node at {address} cannot be reached: check the address, and that `daybook central` runs there"
    )]
    Unreachable {
        /// Where it should be.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke. Retry.
    #[error("the connection with the central node at {address} broke")]
    Broken {
        /// Where it is.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody else answers.
    #[error(
        "what answers at {address} is not the expected central node (its certificate is of another authority): check the \
         address; nothing was sent there"
    )]
    Untrusted {
        /// The address.
        address: String,
    },
    /// The central node turns this machine away.
    #[error("the central node refuses this machine: {0}")]
    Refused(Refused),
}

impl ConnectError {
    pub(super) fn broken(address: &str, error: LinkError) -> Self {
        match &error {
            LinkError::Io(source) => Self::of_io(address, source).unwrap_or_else(|| Self::wrap(address, error)),
            _ => Self::wrap(address, error),
        }
    }

    fn wrap(address: &str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Broken { address: address.to_owned(), source: Box::new(error) }
    }

    fn of_io(address: &str, error: &io::Error) -> Option<Self> {
        Some(match tls::distrust(error)? {
            Distrust::Ours => Self::Untrusted { address: address.to_owned() },
            Distrust::Theirs => Self::Refused(Refused::new(
                Refusal::Identity,
                "it does not know this machine's certificate, which is of another authority: join it with a code from \
                 `daybook central invite`, or check the address",
            )),
        })
    }
}

/// Connects and exchanges hellos; gives the central node's and the messages that follow.
pub(crate) async fn connect(
    address: &str,
    connector: &Connector,
    hello: &Hello,
) -> Result<(Hello, Link<Stream>), ConnectError> {
    let unreachable = |source| ConnectError::Unreachable { address: address.to_owned(), source };
    let slow = || io::Error::from(io::ErrorKind::TimedOut);
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(with_port(address))).await;
    let stream = stream.map_err(|_| unreachable(slow()))?.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let stream = timeout(HANDSHAKE_TIMEOUT, connector.connect(stream)).await;
    let stream = stream.map_err(|_| unreachable(slow()))?;
    let mut stream = stream
        .map_err(|error| ConnectError::of_io(address, &error).unwrap_or_else(|| ConnectError::wrap(address, error)))?;
    let broken = |error| ConnectError::broken(address, error);
    write_hello(&mut stream, hello).await.map_err(broken)?;
    let theirs = read_hello(&mut stream).await.map_err(broken)?;
    if theirs.version != VERSION {
        let detail = format!(
            "the central node speaks version {} of the protocol and this agent version {VERSION}: upgrade the older one",
            theirs.version
        );
        return Err(ConnectError::Refused(Refused::new(Refusal::Version, detail)));
    }
    if theirs.role != Role::Central || theirs.log != hello.log {
        return Err(ConnectError::Refused(Refused::protocol("what answers is not a central node for this log")));
    }
    Ok((theirs, Link::new(stream)))
}

/// An address with its port.
fn with_port(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("[{address}]:{PORT}"),
        _ if address.contains(':') => address.to_owned(),
        _ => format!("{address}:{PORT}"),
    }
}

/// Why the key and certificates of a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFilesError {
    /// A file cannot be read or written.
    #[error("cannot read or write {path}: see that this user may")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is missing.
    #[error("{path} is missing: put the tls directory back from a backup, or join again")]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// They are damaged, or not of each other.
    #[error("the key and certificates in {path} cannot be used: put that directory back from a backup")]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// They cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The files in a home's `tls/`.
pub(crate) struct TlsFiles<'a>(pub(crate) &'a Home);

impl TlsFiles<'_> {
    fn key_path(&self) -> PathBuf {
        self.0.tls().join("agent.key.der")
    }

    fn certificate_path(&self) -> PathBuf {
        self.0.tls().join("agent.crt.der")
    }

    fn authority_path(&self) -> PathBuf {
        self.0.tls().join("authority.crt.der")
    }

    fn read(path: PathBuf) -> Result<Vec<u8>, TlsFilesError> {
        match durable::read_bounded(&path, TLS_FILE_BYTES_MAX) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(TlsFilesError::Missing { path }),
            Err(source) => Err(TlsFilesError::Io { path, source }),
        }
    }

    fn write(path: PathBuf, bytes: &[u8]) -> Result<(), TlsFilesError> {
        durable::write_whole(&path, bytes).map_err(|source| TlsFilesError::Io { path, source })
    }

    /// The machine's private key, made now if there is none. It never leaves the machine.
    pub(super) fn key(&self) -> Result<PrivateKey, TlsFilesError> {
        match Self::read(self.key_path()) {
            Ok(key) => Ok(Zeroizing::new(key)),
            Err(TlsFilesError::Missing { path }) => {
                let key = tls::new_key()?;
                let made = durable::make_directory(&self.0.tls());
                made.map_err(|source| TlsFilesError::Io { path: self.0.tls(), source })?;
                crate::crash::point("tls.key.before");
                Self::write(path, &key)?;
                // DURABLE: the key; it may be certified, and a join that is cut off can ask for the same certificate again.
                crate::crash::point("tls.key.after");
                Ok(key)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps the certificate of the machine's key and that of its authority, once they are seen to fit.
    pub(super) fn keep(&self, certificate: &[u8], authority: &[u8]) -> Result<(), TlsFilesError> {
        Connector::certified(&Credentials { key: self.key()?, chain: vec![certificate.to_vec()] }, authority)?;
        Self::write(self.authority_path(), authority)?;
        Self::write(self.certificate_path(), certificate)
    }

    /// This home's end of handshakes with its central node.
    pub(crate) fn connector(&self) -> Result<Connector, TlsFilesError> {
        let key = Zeroizing::new(Self::read(self.key_path())?);
        let credentials = Credentials { key, chain: vec![Self::read(self.certificate_path())?] };
        let connector = Connector::certified(&credentials, &Self::read(self.authority_path())?);
        connector.map_err(|source| TlsFilesError::Unusable { path: self.0.tls(), source })
    }
}
