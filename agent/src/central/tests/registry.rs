//! Who may come in.

use std::time::Duration;

use daybook_protocol::{
    date::Timestamp,
    ids::{Digest, Epoch, LogId},
    tree::Frontier,
    wire::{Hello, Refusal, Role, VERSION},
};

use crate::{
    central::{
        CentralError, CentralHandle, Purpose, Registry,
        registry::{Asked, Kept, RegistryError},
    },
    home::Home,
    replicate::Refused,
    tls::{self, CertificateAuthority, PrivateKey, Shown, SigningRequest},
};

const LOG: LogId = LogId([1; 16]);
const OTHER: LogId = LogId([2; 16]);
const HOUR: i64 = 3_600_000_000;

fn hello(log: LogId, epoch: u32) -> Hello {
    let root = Frontier::default().root();
    Hello { version: VERSION, role: Role::Agent, log, epoch: Epoch(epoch), count: 0, root }
}

fn request(name: &str) -> SigningRequest {
    let der = tls::signing_request(&tls::new_key().expect("a key"), name).expect("a request");
    SigningRequest::read(&der).expect("its own request")
}

/// Goal: authority and registry are made once and never anew: agents would be shut out without a word. Method: each taken away
/// from a central node that has given a code, and has a log.
#[test]
fn what_is_lost_is_not_made_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = Home::new(directory.path());
    let open = || CentralHandle::open(&home).map(drop);
    CentralHandle::open(&home).expect("made").invite(Purpose::Join, Duration::from_mins(1)).expect("a code");
    let aside = directory.path().join("aside");
    std::fs::rename(home.authority(), &aside).expect("moved");
    assert!(matches!(open(), Err(CentralError::Authority(_))) && !home.authority().exists());
    std::fs::rename(&aside, home.authority()).expect("moved back");
    open().expect("all is there");
    std::fs::create_dir(home.logs()).expect("made");
    std::fs::rename(home.registry(), &aside).expect("moved");
    assert!(matches!(open(), Err(CentralError::Registry(RegistryError::Wrong { .. }))) && !home.registry().exists());
}

struct Desk {
    registry: Registry,
    authority: CertificateAuthority,
    key: PrivateKey,
}

impl Desk {
    fn new() -> Self {
        let (key, certificate) = CertificateAuthority::generate("test").expect("an authority");
        let authority = CertificateAuthority::load(&key, certificate).expect("its own key");
        Self { registry: Registry::default(), authority, key }
    }

    fn invite(&mut self, code: &str, purpose: Purpose) {
        self.registry.invite(Digest::of(code.as_bytes()), purpose, Timestamp(0), Timestamp(HOUR)).expect("a code");
    }

    fn join(&mut self, code: &str, request: &SigningRequest, log: LogId, at: i64) -> Result<(Epoch, Digest), Refused> {
        let asked = Asked { secret_hash: Digest::of(code.as_bytes()), request, hello: hello(log, 1) };
        let issue = |log, epoch| self.authority.issue_agent(request, log, epoch);
        let (agent, certificate) = self.registry.certify(&asked, Timestamp(at), issue)?;
        assert_eq!(agent.fingerprint, tls::fingerprint(&certificate));
        Ok((agent.epoch, agent.fingerprint))
    }

    /// The same authority once more, for what is issued while the registry knows nothing of it.
    fn its_authority(&self) -> CertificateAuthority {
        CertificateAuthority::load(&self.key, self.authority.certificate().to_vec()).expect("its own key")
    }

    fn admit(&self, certificate: Digest, log: LogId, epoch: u32) -> Option<Refusal> {
        self.registry.admit(Some(certificate), &hello(log, epoch)).err().map(|(_, refused)| refused.refusal)
    }
}

/// Goal: each code lets in one machine, once, in time. Method: unknown, out of date, used by another key, used by the same key
/// again.
#[test]
fn a_code_is_used_once() {
    let mut desk = Desk::new();
    desk.invite("a", Purpose::Join);
    desk.invite("b", Purpose::Join);
    let (first, second) = (request("first"), request("second"));
    let refused = |joined: Result<_, Refused>| joined.expect_err("refused").refusal;
    assert_eq!(refused(desk.join("x", &first, LOG, 1)), Refusal::Code);
    assert_eq!(refused(desk.join("a", &first, LOG, HOUR)), Refusal::Code);
    let joined = desk.join("a", &first, LOG, 1).expect("a good code");
    assert_eq!(joined.0, Epoch::FIRST);
    assert_eq!(refused(desk.join("a", &second, OTHER, 2)), Refusal::Code);
    assert_eq!(desk.join("a", &first, LOG, 2 * HOUR).expect("the same key is answered again"), joined);
    assert_eq!(refused(desk.join("b", &second, LOG, 2)), Refusal::Code, "the log has an agent");
    assert_eq!(desk.registry.agents().len(), 1);
}

/// Goal: a machine that was let in and died before it knew is let in by another code too, and nobody else is. Method: the same
/// key with a second code, another key with a third, and the first key after a revocation and after a recover.
#[test]
fn who_is_in_may_ask_again_with_another_code() {
    let mut desk = Desk::new();
    for code in ["one", "two", "three", "four", "six"] {
        desk.invite(code, Purpose::Join);
    }
    let (machine, other) = (request("a"), request("b"));
    let first = desk.join("one", &machine, LOG, 1).expect("let in");
    assert_eq!(desk.join("two", &machine, LOG, 2), Ok(first), "the same certificate");
    assert_eq!(desk.join("two", &other, LOG, 3).map_err(|refused| refused.refusal), Err(Refusal::Code), "it was used");
    assert_eq!(desk.join("three", &other, LOG, 3).map_err(|refused| refused.refusal), Err(Refusal::Code));
    desk.invite("five", Purpose::Recover(LOG));
    desk.join("five", &other, LOG, 4).expect("it takes the log over");
    assert_eq!(desk.join("four", &machine, LOG, 5).map_err(|refused| refused.refusal), Err(Refusal::Code), "fenced");
    desk.registry.revoke(LOG, "lost", Timestamp(6)).expect("revoked");
    assert_eq!(desk.join("six", &other, LOG, 7).map_err(|refused| refused.refusal), Err(Refusal::Code), "revoked");
}

/// Goal: a certificate lets in for its own log and epoch only, and not any more when another took over or it was revoked.
/// Method: a life of two agents.
#[test]
fn a_certificate_is_for_one_log_and_epoch() {
    let mut desk = Desk::new();
    desk.invite("a", Purpose::Join);
    desk.invite("b", Purpose::Join);
    let (_, first) = desk.join("a", &request("first"), LOG, 1).expect("a good code");
    let (_, second) = desk.join("b", &request("second"), OTHER, 1).expect("a good code");
    assert_eq!(desk.admit(first, LOG, 1), None);
    assert_eq!(desk.admit(first, OTHER, 1), Some(Refusal::Identity));
    assert_eq!(desk.admit(first, LOG, 2), Some(Refusal::Identity));
    assert_eq!(desk.admit(Digest::of(b"made up"), LOG, 1), Some(Refusal::Identity));
    let nobody = desk.registry.admit(None, &hello(LOG, 1)).expect_err("no certificate");
    assert_eq!(nobody.1.refusal, Refusal::Identity);

    desk.invite("r", Purpose::Recover(LOG));
    desk.invite("c", Purpose::Join);
    let wrong = desk.join("r", &request("joins"), LogId([7; 16]), 2).expect_err("the wrong command");
    assert!(wrong.detail.contains("daybook recover"), "{wrong}");
    let wrong = desk.join("c", &request("recovers"), LogId([0; 16]), 2).expect_err("the wrong command");
    assert!(wrong.detail.contains("daybook join"), "{wrong}");
    assert_eq!(desk.admit(first, LOG, 1), None);
    let (epoch, recovered) = desk.join("r", &request("new"), LogId([0; 16]), 2).expect("a good code");
    assert_eq!(epoch, Epoch(2));
    assert_eq!(desk.admit(recovered, LOG, 2), None);
    assert_eq!(desk.admit(first, LOG, 1), Some(Refusal::Fenced));
    assert_eq!(desk.admit(second, OTHER, 1), None);

    desk.registry.revoke(LOG, "stolen", Timestamp(3)).expect("it is known");
    let (_, refused) = desk.registry.admit(Some(recovered), &hello(LOG, 2)).expect_err("revoked");
    assert!(refused.refusal == Refusal::Revoked && refused.detail.contains("stolen"), "{refused}");
    assert_eq!(desk.admit(second, OTHER, 1), None);
    desk.registry.revoke(LogId([9; 16]), "", Timestamp(3)).expect_err("not known");
    let unknown = Purpose::Recover(LogId([9; 16]));
    desk.registry.invite(Digest::of(b"z"), unknown, Timestamp(0), Timestamp(1)).expect_err("not known");
}

/// Goal: a registry that is put back lets nobody in before its operator has spoken, revives no code, un-revokes nobody, and
/// lets no machine back in whose log was taken over since. Method: a registry from before a recover and a revocation; the
/// certificates of after it are shown, and each agent is confirmed.
#[test]
fn a_registry_that_is_put_back_waits_for_its_operator() {
    const LATE: LogId = LogId([3; 16]);
    let mut desk = Desk::new();
    for code in ["a", "b", "never used"] {
        desk.invite(code, Purpose::Join);
    }
    let (_, first) = desk.join("a", &request("first"), LOG, 1).expect("a good code");
    let (_, stolen) = desk.join("b", &request("stolen"), OTHER, 1).expect("a good code");
    desk.registry.revoke(OTHER, "stolen", Timestamp(2)).expect("it is known");
    let backup = desk.registry.clone();
    desk.invite("r", Purpose::Recover(LOG));
    desk.invite("late", Purpose::Join);
    let (new, late) = (request("new"), request("late"));
    let authority = desk.its_authority();
    let issued = |request, log, epoch| Shown::new(&authority.issue_agent(request, log, Epoch(epoch)).expect("issued"));
    let (recovered, joined) = (issued(&new, LOG, 2), issued(&late, LATE, 1));
    assert_eq!(recovered.issued_for(), Some((LOG, Epoch(2), new.key_digest())));

    desk.registry = backup.put_back(Timestamp(5), Timestamp(9));
    assert_eq!(desk.admit(first, LOG, 1), Some(Refusal::Busy));
    assert_eq!(desk.admit(stolen, OTHER, 1), Some(Refusal::Revoked));
    assert_eq!((desk.registry.unconfirmed(), desk.registry.revoked()), (vec![LOG], vec![OTHER]));
    let again = desk.join("never used", &request("again"), LATE, 9).expect_err("no code is good any more");
    assert_eq!(again.refusal, Refusal::Code);

    // Before the new machine comes the old one can be confirmed; as soon as it does, the old one is out.
    desk.registry.confirm(LOG).expect("it is known");
    assert_eq!(desk.admit(first, LOG, 1), None);
    assert!(desk.registry.learn(&recovered, Timestamp(10)), "it is later than what was known");
    assert_eq!(desk.admit(first, LOG, 1), Some(Refusal::Fenced));
    assert_eq!(desk.admit(recovered.fingerprint(), LOG, 2), Some(Refusal::Busy));
    desk.registry.learn(&joined, Timestamp(10));
    assert_eq!(desk.registry.unconfirmed(), [LOG, LATE]);
    desk.registry.learn(&joined, Timestamp(11));
    assert_eq!(desk.registry.agents().len(), 4, "it is learnt once");
    for log in [LOG, LATE] {
        desk.registry.confirm(log).expect("it is known");
    }
    assert_eq!(desk.admit(recovered.fingerprint(), LOG, 2), None);
    assert_eq!(desk.admit(joined.fingerprint(), LATE, 1), None);
    assert_eq!(desk.admit(stolen, OTHER, 1), Some(Refusal::Revoked), "a confirmation does not un-revoke");
    desk.registry.confirm(LogId([9; 16])).expect_err("not known");
    // An epoch that was given out twice is of who was let in first.
    let twice = issued(&request("twice"), LOG, 2);
    assert!(!desk.registry.learn(&twice, Timestamp(12)), "nobody is put out for it");
    assert_eq!(desk.admit(twice.fingerprint(), LOG, 2), Some(Refusal::Fenced));
    assert_eq!(desk.admit(recovered.fingerprint(), LOG, 2), None);
}

/// Goal: whom the operator of a restored node has revoked is not let in under a certificate that the backup does not know.
/// Method: a log that was taken over after the backup and one that joined after it, both revoked after the restore and then
/// seen; all are confirmed; the first is invited anew, and a still later machine of it comes; all is restored once more.
#[test]
fn whoever_is_revoked_after_a_restore_stays_out() {
    const LATE: LogId = LogId([3; 16]);
    let mut desk = Desk::new();
    desk.invite("a", Purpose::Join);
    let (_, first) = desk.join("a", &request("first"), LOG, 1).expect("a good code");
    let authority = desk.its_authority();
    let issued = |log, epoch| Shown::new(&authority.issue_agent(&request("x"), log, Epoch(epoch)).expect("issued"));
    let (second, fourth, late) = (issued(LOG, 2), issued(LOG, 4), issued(LATE, 1));
    desk.registry.revoke(LATE, "mistyped", Timestamp(4)).expect_err("a registry that was not put back knows every log");
    let outside = desk.registry.clone();

    desk.registry = outside.put_back(Timestamp(5), Timestamp(9));
    for (log, reason) in [(LOG, "stolen"), (LATE, "sold"), (LATE, "again")] {
        desk.registry.revoke(log, reason, Timestamp(10)).expect("noted");
    }
    let confirm_all = |registry: &mut Registry| {
        for log in registry.unconfirmed() {
            registry.confirm(log).expect("it waits");
        }
    };
    let shut_out = |desk: &Desk, shown: &Shown, log, epoch| {
        let (_, refused) = desk.registry.admit(Some(shown.fingerprint()), &hello(log, epoch)).expect_err("shut out");
        (refused.refusal, refused.detail)
    };
    for shown in [&second, &late] {
        desk.registry.learn(shown, Timestamp(11));
    }
    assert_eq!(desk.registry.unconfirmed(), []);
    confirm_all(&mut desk.registry);
    assert_eq!(desk.admit(first, LOG, 1), Some(Refusal::Revoked));
    for (shown, log, epoch, reason) in [(&second, LOG, 2, "stolen"), (&late, LATE, 1, "sold")] {
        let (refusal, detail) = shut_out(&desk, shown, log, epoch);
        assert!(refusal == Refusal::Revoked && detail.contains(reason), "{detail}");
    }
    let why = desk.registry.confirm(LOG).expect_err("it is revoked");
    assert!(why.detail.contains("stolen") && why.detail.contains("invite --recover"), "{why}");

    desk.invite("r", Purpose::Recover(LOG));
    let (epoch, anew) = desk.join("r", &request("anew"), LogId([0; 16]), 12).expect("invited anew");
    assert_eq!(epoch, Epoch(3));
    assert!(!desk.registry.learn(&fourth, Timestamp(13)), "it puts nobody out");
    assert_eq!(shut_out(&desk, &fourth, LOG, 4).0, Refusal::Revoked);
    assert_eq!((desk.admit(anew, LOG, 3), desk.registry.epoch_of(LOG)), (None, Some(Epoch(3))));

    desk.registry.revoke(OTHER, "lost", Timestamp(14)).expect("noted");
    desk.registry = desk.registry.clone().put_back(Timestamp(15), Timestamp(16));
    let other = issued(OTHER, 1);
    desk.registry.learn(&other, Timestamp(17));
    assert_eq!(shut_out(&desk, &other, OTHER, 1).0, Refusal::Revoked);
}

/// Goal: what the registry says is what its file says: all of a change or none. Method: change, read back; make the file
/// unwritable, see that nothing has changed; damage it, see that it is named.
#[test]
fn a_change_is_kept_or_did_not_happen() {
    let home = tempfile::tempdir().expect("a directory");
    let directory = home.path().join("central");
    std::fs::create_dir(&directory).expect("a directory");
    let path = directory.join("registry.json");
    let mut kept = Kept::load(path.clone()).expect("none is fine");
    let invite = |registry: &mut Registry, code: &[u8]| {
        registry.invite(Digest::of(code), Purpose::Join, Timestamp(0), Timestamp(HOUR))
    };
    kept.change(|registry| invite(registry, b"a")).expect("written");
    kept.raise(Some(LOG), "fork", "what to do", Timestamp(0)).expect("written");
    kept.raise(Some(LOG), "fork", "again", Timestamp(1)).expect("counted");
    assert_eq!(kept.registry().alarms().first().map(|raised| raised.times), Some(2));
    let loaded = Kept::load(path.clone()).expect("its own file");
    assert_eq!(loaded.registry().alarms().first().map(|raised| raised.times), Some(1), "not written each time");

    std::fs::rename(&directory, home.path().join("away")).expect("moved");
    let before = kept.registry().clone();
    assert!(matches!(kept.change(|registry| invite(registry, b"b")), Err(RegistryError::Io { .. })));
    assert_eq!(*kept.registry(), before);

    std::fs::create_dir(&directory).expect("a directory");
    std::fs::write(&path, "{\"format\":1").expect("written");
    assert!(matches!(Kept::load(path), Err(RegistryError::Wrong { .. })));
}
