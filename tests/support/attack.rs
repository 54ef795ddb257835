//! A client of a central node that keeps to no rule: raw connections, TLS with any certificate or none, and what is said on
//! them byte by byte.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use daybook_protocol::{
    batch::Frame,
    ids::{Digest, Epoch},
    wire::{HELLO_BYTES, Hello, MESSAGE_BYTES_MAX, Message, Refusal, Role, VERSION},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    version::TLS13,
};

/// Whoever is attacked hangs up within this, with its own patience of ten seconds.
const PATIENCE: Duration = Duration::from_secs(25);

/// A connection with whatever is said on it.
pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection to a central node.
pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// TLS over it, by the authority that `trusted` has joined, with the certificate of the agent in `shown`.
pub fn tls(address: &str, trusted: &Path, shown: Option<&Path>) -> Tls {
    let file = |data: &Path, name: &str| fs::read(data.join("tls").join(name)).expect("a file");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(file(trusted, "authority.crt.der"))).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("a version")
        .with_root_certificates(roots);
    let config = match shown {
        None => config.with_no_client_auth(),
        Some(data) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(file(data, "agent.key.der")));
            let chain = vec![CertificateDer::from(file(data, "agent.crt.der"))];
            config.with_client_auth_cert(chain, key).expect("a certificate")
        }
    };
    let name = ServerName::try_from("central.daybook.internal").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    StreamOwned::new(connection, connect(address))
}

/// Says something; gives what is said until the other side hangs up, which it must. An answer that was cut short by the end
/// of the connection counts as far as it came.
pub fn until_it_hangs_up(stream: &mut (impl Read + Write), says: &[u8]) -> Vec<u8> {
    // It may have hung up already, in the midst of what is said.
    let _ = stream.write_all(says).and_then(|()| stream.flush());
    heard(stream)
}

/// What is said until the other side hangs up.
pub fn heard(stream: &mut impl Read) -> Vec<u8> {
    let (mut heard, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return heard,
            Ok(read) => heard.extend(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "it does not hang up");
                return heard;
            }
        }
    }
}

/// Why the other side refuses, by what it said.
pub fn refusal(heard: &[u8]) -> Option<Refusal> {
    let mut rest = heard.get(HELLO_BYTES..)?;
    loop {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        if let Ok(Message::Refused { refusal, .. }) = Message::decode(rest.get(4..4 + length)?) {
            return Some(refusal);
        }
        rest = rest.get(4 + length..)?;
    }
}

/// A message with its length before it.
pub fn framed(message: &Message) -> Vec<u8> {
    let bytes = message.encode().expect("a message");
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes()[..], &bytes].concat()
}

/// The batches of an exported log.
pub fn batches(exported: &[u8]) -> Vec<Frame> {
    let (mut found, mut rest) = (Vec::new(), exported);
    while !rest.is_empty() {
        let frame = Frame::read(rest).expect("a batch");
        rest = &rest[frame.bytes().len()..];
        found.push(frame);
    }
    found
}

/// The hello of the agent of a log.
pub fn hello_of(log: &[Frame]) -> Hello {
    let last = log.last().expect("a batch").header();
    let (count, root) = (last.end().0, last.root);
    Hello { version: VERSION, role: Role::Agent, log: last.log, epoch: Epoch(1), count, root }
}

/// A hello of one who has nothing.
pub fn newcomer(log: &[Frame]) -> Hello {
    Hello { role: Role::Newcomer, count: 0, root: Digest::of(b""), ..hello_of(log) }
}

/// A length that no message has.
pub fn oversize() -> [u8; 4] {
    u32::try_from(MESSAGE_BYTES_MAX + 1).expect("short").to_be_bytes()
}
