//! Encrypted connections and the certificates behind them. The only place that names rustls, tokio-rustls and rcgen.
//!
//! TLS 1.3 only, no session resumption: every connection shows its certificate anew, so that revocation needs no waiting.
//! Must not know what is said inside a connection, nor who is allowed to say it.

mod certificates;
#[cfg(test)]
mod tests;

use std::{io, sync::Arc};

use daybook_protocol::{ids::Digest, invite::Invite};
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    version::TLS13,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use certificates::{CertificateAuthority, PrivateKey, Shown, SigningRequest, new_key, signing_request};

/// The name in every central node's certificate. Agents know their central node by its authority; the host name under
/// which they reach it may change.
pub const SERVER_NAME: &str = "central.daybook.internal";

/// An encrypted connection, seen from the central node.
pub type Accepted<S> = tokio_rustls::server::TlsStream<S>;
/// An encrypted connection, seen from an agent.
pub type Connected<S> = tokio_rustls::client::TlsStream<S>;

/// Why keys or certificates cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key or certificate cannot be made.
    #[error("cannot make a key or certificate")]
    Make(#[source] rcgen::Error),
    /// A kept key or certificate cannot be read.
    #[error("a private key or the authority's certificate is damaged")]
    Key(#[source] rcgen::Error),
    /// A request for a certificate is malformed or not signed by its key.
    #[error("the certificate request is malformed or not signed by its own key")]
    Request(#[source] rcgen::Error),
    /// Key and certificate do not belong together, or not to this authority.
    #[error("key and certificate do not belong together")]
    Mismatch(#[source] rustls::Error),
    /// A certificate cannot be used to check others.
    #[error("the authority's certificate cannot be used")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

/// A private key and the certificates that go with it, its own first (DER).
pub struct Credentials {
    /// The key.
    pub key: PrivateKey,
    /// Its certificate, and those behind it.
    pub chain: Vec<Vec<u8>>,
}

impl Credentials {
    fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = self.chain.iter().cloned().map(CertificateDer::from).collect();
        (chain, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.to_vec())))
    }
}

/// What tells one certificate (DER) from every other.
pub fn fingerprint(certificate: &[u8]) -> Digest {
    Digest::of(certificate)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(authority: &[u8]) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.to_vec()))?;
    Ok(Arc::new(roots))
}

/// The central node's end of a handshake.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// An end that shows `server` and takes certificates of `authority` (DER), or none: whoever comes without one is a
    /// newcomer and can only join.
    pub fn new(server: &Credentials, authority: &[u8]) -> Result<Self, TlsError> {
        let roots = roots(authority).map_err(TlsError::Mismatch)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .allow_unauthenticated()
            .build()
            .map_err(TlsError::Verifier)?;
        let (chain, key) = server.parts();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Mismatch)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(TlsError::Mismatch)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Does the handshake; gives the certificate that the other side showed, if it did. The caller bounds the time.
    pub async fn accept<S>(&self, stream: S) -> io::Result<(Accepted<S>, Option<Shown>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = match self.0.accept(stream).into_fallible().await {
            Ok(stream) => stream,
            Err((error, mut stream)) => {
                // The other side may have said more already. Closing with that unread would reset the connection, and it
                // would never learn from the alert that its certificate is not taken.
                stream.shutdown().await?;
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
                return Err(error);
            }
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let shown = certificate.map(|certificate| Shown::new(certificate));
        Ok((stream, shown))
    }
}

/// An agent's end of a handshake.
#[derive(Clone)]
pub struct Connector(TlsConnector);

impl Connector {
    /// An end that shows `agent` and trusts `authority` (DER) alone.
    pub fn certified(agent: &Credentials, authority: &[u8]) -> Result<Self, TlsError> {
        let roots = roots(authority).map_err(TlsError::Mismatch)?;
        let (chain, key) = agent.parts();
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Mismatch)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(TlsError::Mismatch)?;
        Ok(Self::over(config))
    }

    /// An end that shows nothing and trusts the authority that made `invite`.
    pub fn newcomer(invite: &Invite) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Mismatch)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ByInvite(invite.clone())))
            .with_no_client_auth();
        Ok(Self::over(config))
    }

    fn over(mut config: ClientConfig) -> Self {
        config.resumption = Resumption::disabled();
        Self(TlsConnector::from(Arc::new(config)))
    }

    /// Does the handshake.
    pub async fn connect<S>(&self, stream: S) -> io::Result<Connected<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

/// Trusts a chain that leads to the authority whose fingerprint stands in a one-time code. Beyond finding that authority
/// in what the server shows, everything is left to the usual verification.
#[derive(Debug)]
struct ByInvite(Invite);

impl ServerCertVerifier for ByInvite {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let authority = intermediates.iter().find(|certificate| self.0.is_by(certificate)).ok_or_else(unknown)?;
        let usual = WebPkiServerVerifier::builder_with_provider(roots(authority)?, provider())
            .build()
            .map_err(|_| unknown())?;
        usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Whose certificate a failed connection failed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// The other side does not take ours.
    Theirs,
    /// We do not take the other side's.
    Ours,
}

/// Whether a connection failed because one side does not trust the other's certificate. With TLS 1.3 an agent learns that
/// the central node does not take its certificate from the first read after the handshake.
pub fn distrust(error: &io::Error) -> Option<Distrust> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) => Some(Distrust::Ours),
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
        ) => Some(Distrust::Theirs),
        _ => None,
    }
}
