//! Keys and certificates: made, asked for, issued. Everything is DER; private keys are PKCS#8.
//!
//! Certificates do not run out: who may connect is decided by the central node's registry at each connection, which can
//! revoke at once, and an office whose certificates ran out over a holiday would stop mirroring for no gain.

use daybook_protocol::ids::{Digest, Epoch, LogId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKey, PublicKeyData as _, date_time_ymd,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};
use zeroize::Zeroizing;

use super::{SERVER_NAME, TlsError};

/// What people call a machine has at most this many letters.
const NAME_CHARS_MAX: usize = 64;
/// An agent's certificate is in the name of its log and epoch: these words stand before each.
const AGENT: &str = "daybook ";
const EPOCH: &str = " epoch ";

/// A private key as PKCS#8, wiped from memory when dropped.
pub type PrivateKey = Zeroizing<Vec<u8>>;

/// A new private key, ECDSA on P-256.
pub fn new_key() -> Result<PrivateKey, TlsError> {
    let pair = KeyPair::generate().map_err(TlsError::Make)?;
    Ok(Zeroizing::new(pair.serialize_der()))
}

/// A request for a certificate for `key`, signed by it. `name` is what people call the machine; what the certificate is
/// for is for the authority to say.
pub fn signing_request(key: &PrivateKey, name: &str) -> Result<Vec<u8>, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let request = params.serialize_request(&pair(key)?).map_err(TlsError::Make)?;
    Ok(request.der().to_vec())
}

/// A name from outside is shown on terminals: it loses what could play tricks there.
fn printable(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS_MAX).collect()
}

fn pair(key: &PrivateKey) -> Result<KeyPair, TlsError> {
    KeyPair::try_from(key.as_slice()).map_err(TlsError::Key)
}

/// What is common to all our certificates.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    params
}

/// A central node's own authority: what signs certificates.
pub struct CertificateAuthority {
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// A request whose signature shows that the asking machine holds the private key.
pub struct SigningRequest {
    public_key: PublicKey,
    name: String,
}

impl SigningRequest {
    /// Reads a request (DER) and checks its signature.
    pub fn read(der: &[u8]) -> Result<Self, TlsError> {
        let request = CertificateSigningRequestParams::from_der(&der.into()).map_err(TlsError::Request)?;
        let name = match request.params.distinguished_name.get(&DnType::CommonName) {
            Some(DnValue::Utf8String(name)) => printable(name),
            _ => String::new(),
        };
        Ok(Self { public_key: request.public_key, name })
    }

    /// What people call the asking machine, made safe to print; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells this key from every other.
    pub fn key_digest(&self) -> Digest {
        Digest::of(&self.public_key.subject_public_key_info())
    }
}

/// A certificate that an agent showed in its handshake, which has checked that the authority signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(Vec<u8>);

impl Shown {
    /// A certificate (DER) that was checked.
    pub(crate) fn new(certificate: &[u8]) -> Self {
        Self(certificate.to_vec())
    }

    /// Its bytes (DER).
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// What tells it from every other.
    pub fn fingerprint(&self) -> Digest {
        super::fingerprint(&self.0)
    }

    /// The log and the epoch that it was issued for, and what tells its key from every other; `None` for one that no
    /// [`CertificateAuthority::issue_agent`] made.
    pub fn issued_for(&self) -> Option<(LogId, Epoch, Digest)> {
        let (_, certificate) = X509Certificate::from_der(&self.0).ok()?;
        let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
        let (log, epoch) = name.strip_prefix(AGENT)?.split_once(EPOCH)?;
        let key = Digest::of(certificate.public_key().raw);
        Some((log.parse().ok()?, Epoch(epoch.parse().ok()?), key))
    }
}

impl CertificateAuthority {
    /// A new authority: its key and its certificate, to be kept and given to [`CertificateAuthority::load`].
    pub fn generate(name: &str) -> Result<(PrivateKey, Vec<u8>), TlsError> {
        let key = new_key()?;
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&pair(&key)?).map_err(TlsError::Make)?;
        Ok((key, certificate.der().to_vec()))
    }

    /// The authority of a key and its certificate.
    pub fn load(key: &PrivateKey, certificate: Vec<u8>) -> Result<Self, TlsError> {
        let issuer = Issuer::from_ca_cert_der(&certificate.as_slice().into(), pair(key)?).map_err(TlsError::Key)?;
        Ok(Self { certificate, issuer })
    }

    /// Its certificate (DER).
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// A certificate for the central node itself.
    pub fn issue_server(&self, key: &PrivateKey) -> Result<Vec<u8>, TlsError> {
        let mut params = params(SERVER_NAME);
        params.subject_alt_names =
            CertificateParams::new(vec![SERVER_NAME.to_owned()]).map_err(TlsError::Make)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&pair(key)?, &self.issuer).map_err(TlsError::Make)?;
        Ok(certificate.der().to_vec())
    }

    /// A certificate for the agent that writes `log` in `epoch`. Only the key is taken from the request.
    pub fn issue_agent(&self, request: &SigningRequest, log: LogId, epoch: Epoch) -> Result<Vec<u8>, TlsError> {
        let mut params = params(&format!("{AGENT}{log}{EPOCH}{epoch}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&request.public_key, &self.issuer).map_err(TlsError::Make)?;
        Ok(certificate.der().to_vec())
    }
}
