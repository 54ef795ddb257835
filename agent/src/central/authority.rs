//! The central node's own authority: the keys by which it certifies agents, shows itself to them and signs checkpoints.
//! Owns the directory `authority/` of its home.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use daybook_protocol::{
    checkpoint::Signer,
    ids::{Digest, Epoch, LogId},
    invite::Invite,
};
use zeroize::Zeroizing;

use crate::{
    durable,
    tls::{self, Acceptor, CertificateAuthority, Credentials, SigningRequest, TlsError},
};

const AUTHORITY_KEY: &str = "authority.key.der";
const AUTHORITY_CERTIFICATE: &str = "authority.crt.der";
const SERVER_KEY: &str = "server.key.der";
const SERVER_CERTIFICATE: &str = "server.crt.der";
const SIGNER_SECRET: &str = "checkpoint.key";
/// None of the files is longer than this.
const BYTES_MAX: u64 = 64 * 1024;

/// Why the authority cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("cannot read or write {path}: see that this user may")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is missing or damaged. It is never made anew: every agent and every checkpoint depends on it.
    #[error("{path} is missing or damaged: put the whole directory back from a backup")]
    Wrong {
        /// Which file.
        path: PathBuf,
    },
    /// Keys and certificates are damaged, or not of each other.
    #[error("the keys and certificates in {path} cannot be used: put the whole directory back from a backup")]
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

/// The authority.
pub struct Authority {
    certificates: CertificateAuthority,
    acceptor: Acceptor,
    signer: Signer,
}

impl Authority {
    /// The authority in `directory`; made now if there is no such directory.
    pub fn create_or_load(directory: &Path) -> Result<Self, AuthorityError> {
        if !directory.exists() {
            create(directory)?;
        }
        let read = |name: &str| {
            let path = directory.join(name);
            match durable::read_bounded(&path, BYTES_MAX) {
                Ok(Some(bytes)) => Ok(Zeroizing::new(bytes)),
                Ok(None) => Err(AuthorityError::Wrong { path }),
                Err(source) => Err(AuthorityError::Io { path, source }),
            }
        };
        let certificates = CertificateAuthority::load(&read(AUTHORITY_KEY)?, read(AUTHORITY_CERTIFICATE)?.to_vec());
        let certificates = certificates.map_err(unusable(directory))?;
        let chain = vec![read(SERVER_CERTIFICATE)?.to_vec(), certificates.certificate().to_vec()];
        let server = Credentials { key: read(SERVER_KEY)?, chain };
        let secret = read(SIGNER_SECRET)?;
        let secret = data_encoding::HEXLOWER_PERMISSIVE.decode(secret.trim_ascii_end()).map(Zeroizing::new);
        let secret = secret.ok().and_then(|secret| Some(Zeroizing::new(<[u8; 32]>::try_from(secret.as_slice()).ok()?)));
        let secret = secret.ok_or_else(|| AuthorityError::Wrong { path: directory.join(SIGNER_SECRET) })?;
        let signer = Signer::new(&signer_name(&certificates), &secret);
        let acceptor = Acceptor::new(&server, certificates.certificate()).map_err(unusable(directory))?;
        Ok(Self { certificates, acceptor, signer })
    }

    /// Its certificate (DER).
    pub fn certificate(&self) -> &[u8] {
        self.certificates.certificate()
    }

    /// What signs checkpoints.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The central node's end of a handshake.
    pub fn acceptor(&self) -> &Acceptor {
        &self.acceptor
    }

    /// A code of `secret` by which a machine recognises this authority.
    pub fn invite(&self, secret: [u8; 16]) -> Invite {
        let mut authority = [0; 16];
        authority.copy_from_slice(Digest::of(self.certificate()).0.split_at(16).0);
        Invite { secret, authority }
    }

    /// A certificate (DER) for the agent that writes `log` in `epoch`.
    pub fn issue(&self, request: &SigningRequest, log: LogId, epoch: Epoch) -> Result<Vec<u8>, TlsError> {
        self.certificates.issue_agent(request, log, epoch)
    }
}

fn unusable(directory: &Path) -> impl FnOnce(TlsError) -> AuthorityError {
    let path = directory.to_owned();
    |source| AuthorityError::Unusable { path, source }
}

/// The name under which checkpoints are signed tells one central node from another.
fn signer_name(certificates: &CertificateAuthority) -> String {
    let fingerprint = Digest::of(certificates.certificate()).to_string();
    format!("daybook-central-{}", fingerprint.get(..12).unwrap_or_default())
}

/// Makes the authority beside its place and moves it there whole, so that a crash leaves all of it or none.
fn create(directory: &Path) -> Result<(), AuthorityError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| AuthorityError::Io { path, source }
    };
    let parent = directory.parent().unwrap_or(Path::new("."));
    let unfinished = directory.with_extension("new");
    if unfinished.exists() {
        // Left by a crash before it was in place: nobody has ever seen these keys.
        fs::remove_dir_all(&unfinished).map_err(failed(&unfinished))?;
    }
    durable::make_directory(&unfinished).map_err(failed(&unfinished))?;
    let (key, certificate) = CertificateAuthority::generate("daybook central authority")?;
    let certificates = CertificateAuthority::load(&key, certificate)?;
    let server_key = tls::new_key()?;
    let server_certificate = certificates.issue_server(&server_key)?;
    let secret = Zeroizing::new(rand::random::<[u8; 32]>());
    let secret = Zeroizing::new(format!("{}\n", data_encoding::HEXLOWER.encode(secret.as_ref())));
    for (name, bytes) in [
        (AUTHORITY_KEY, key.as_slice()),
        (AUTHORITY_CERTIFICATE, certificates.certificate()),
        (SERVER_KEY, server_key.as_slice()),
        (SERVER_CERTIFICATE, server_certificate.as_slice()),
        (SIGNER_SECRET, secret.as_bytes()),
    ] {
        let path = unfinished.join(name);
        durable::write_private(&path, bytes).map_err(failed(&path))?;
    }
    durable::sync_directory(&unfinished).map_err(failed(&unfinished))?;
    crate::crash::point("authority.create.before");
    fs::rename(&unfinished, directory).map_err(failed(directory))?;
    durable::sync_directory(parent).map_err(failed(parent))?;
    // DURABLE: the authority, whole and under its name; it may certify.
    crate::crash::point("authority.create.after");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an authority is made once, comes back as it was, and is never made anew over a damaged one. Method: make, load,
    /// leave an unfinished one beside it, take one file away at a time; cut the key that signs checkpoints off.
    #[test]
    fn an_authority_is_made_once() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("authority");
        fs::create_dir(directory.with_extension("new")).expect("left by a crash");
        let made = Authority::create_or_load(&directory).expect("made");
        let loaded = Authority::create_or_load(&directory).expect("loaded");
        assert_eq!(made.certificate(), loaded.certificate());
        assert_eq!(made.signer().verifier(), loaded.signer().verifier());
        assert!(made.invite([1; 16]).is_by(loaded.certificate()));
        for name in [AUTHORITY_KEY, AUTHORITY_CERTIFICATE, SERVER_KEY, SERVER_CERTIFICATE, SIGNER_SECRET] {
            let (path, aside) = (directory.join(name), home.path().join("aside"));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600, "{name}");
            }
            fs::rename(&path, &aside).expect("moved");
            assert!(matches!(Authority::create_or_load(&directory), Err(AuthorityError::Wrong { .. })), "{name}");
            fs::rename(&aside, &path).expect("moved back");
        }
        // One digit less, half of it, and none at all.
        let path = directory.join(SIGNER_SECRET);
        let secret = fs::read(&path).expect("a key");
        for length in [63, 32, 0] {
            fs::write(&path, &secret[..length]).expect("written");
            assert!(matches!(Authority::create_or_load(&directory), Err(AuthorityError::Wrong { .. })), "{length}");
        }
    }
}
