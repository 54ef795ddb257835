//! Who may connect: agents by the fingerprint of their certificate, one-time codes by the hash of their secret, and what
//! went wrong for a person to see. One file, written whole.
//!
//! The rules are functions of the registry and of a time that is passed in. Must not know of connections.

mod kept;
mod restored;

use daybook_protocol::{
    date::Timestamp,
    ids::{Digest, Epoch, LogId},
    wire::{Hello, Refusal},
};
use serde::{Deserialize, Serialize};

use super::keeper::fenced;
use crate::{
    replicate::{ANY_LOG, Refused},
    tls,
};
pub(super) use kept::Kept;
pub use kept::RegistryError;
use restored::Restored;

/// At most this many codes are kept; used and expired ones give way.
const INVITES_MAX: usize = 1000;
/// An alarm that is raised again within this many seconds is counted, but not written at once.
const ALARM_AGAIN_SECONDS: i64 = 60;
const FORMAT: u32 = 1;

/// What a one-time code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A new agent joins.
    Join,
    /// A machine takes over the log of another one.
    Recover(LogId),
}

/// A certified agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// What people call it.
    pub name: String,
    /// The log that it writes.
    pub log: LogId,
    /// The epoch in which it writes it.
    pub epoch: Epoch,
    /// SHA-256 of its certificate.
    pub fingerprint: Digest,
    /// Its certificate (DER, base64).
    certificate: String,
    /// SHA-256 of its public key.
    key: Digest,
    /// The hash of the code that let it in.
    code: Digest,
    /// When it joined.
    pub joined_at: Timestamp,
    /// When and why it was revoked, if it was.
    pub revoked: Option<Revoked>,
    /// When another machine took its log over, if one did.
    pub fenced_at: Option<Timestamp>,
    /// Whether the registry was put back from a backup, and no operator has confirmed this agent since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unconfirmed: bool,
}

/// When and why an agent was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// When.
    pub at: Timestamp,
    /// The operator's reason.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Code {
    secret_hash: Digest,
    purpose: Purpose,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
}

/// Something that went wrong between an agent and this central node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// The log, where it is known.
    pub log: Option<LogId>,
    /// A word for scripts, such as `fork`.
    pub alarm: String,
    /// What happened and what to do.
    pub detail: String,
    /// When it was first raised.
    pub first_at: Timestamp,
    /// When it was last raised.
    pub last_at: Timestamp,
    /// How often.
    pub times: u64,
}

/// The registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    format: u32,
    agents: Vec<Agent>,
    codes: Vec<Code>,
    alarms: Vec<Raised>,
    /// That it was put back from a backup, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restored: Option<Restored>,
}

impl Default for Registry {
    fn default() -> Self {
        Self { format: FORMAT, agents: Vec::new(), codes: Vec::new(), alarms: Vec::new(), restored: None }
    }
}

/// What a newcomer asks for.
pub struct Asked<'a> {
    /// The hash of the code's secret.
    pub secret_hash: Digest,
    /// Its certificate request.
    pub request: &'a tls::SigningRequest,
    /// Its hello: the log that it has already, or a random one.
    pub hello: Hello,
}

impl Registry {
    /// All agents, the fenced and revoked ones too.
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// All alarms that were not cleared.
    pub fn alarms(&self) -> &[Raised] {
        &self.alarms
    }

    /// The epoch of the agent that may write a log now; `None` if nobody ever did.
    pub fn epoch_of(&self, log: LogId) -> Option<Epoch> {
        // One that was revoked before it was seen may be of a later epoch than the one that was let in since.
        let agents = self.agents.iter().filter(|agent| agent.log == log);
        agents.max_by_key(|agent| (agent.fenced_at.is_none(), agent.epoch)).map(|agent| agent.epoch)
    }

    /// Notes a new code.
    pub fn invite(
        &mut self,
        secret_hash: Digest,
        purpose: Purpose,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), Refused> {
        if let Purpose::Recover(log) = purpose
            && self.epoch_of(log).is_none()
        {
            return Err(unknown(Refusal::Code, log));
        }
        if self.codes.len() >= INVITES_MAX {
            self.codes.retain(|code| code.used_at.is_none() && code.expires_at > now);
        }
        if self.codes.len() >= INVITES_MAX {
            return Err(Refused::new(
                Refusal::Busy,
                format!("{INVITES_MAX} codes are waiting to be used: wait for them"),
            ));
        }
        self.codes.push(Code { secret_hash, purpose, expires_at, used_at: None });
        Ok(())
    }

    /// Lets a newcomer in by its code: marks the code used, notes the agent and fences those it takes over from. `issue`
    /// makes the certificate. The key of the agent that is in already, or the same key with the same code, is given the same
    /// certificate again, so that a machine that lost the answer can ask once more; that is of no use to anybody without
    /// the key.
    pub fn certify(
        &mut self,
        asked: &Asked<'_>,
        now: Timestamp,
        issue: impl FnOnce(LogId, Epoch) -> Result<Vec<u8>, tls::TlsError>,
    ) -> Result<(Agent, Vec<u8>), Refused> {
        let refused = |detail: &str| Refused::new(Refusal::Code, detail);
        let key = asked.request.key_digest();
        let code = self.codes.iter_mut().find(|code| code.secret_hash == asked.secret_hash);
        let code =
            code.ok_or_else(|| refused("this code is not known here: ask for a new one by `daybook central invite`"))?;
        if code.used_at.is_some() {
            let again = self.agents.iter().find(|agent| agent.code == asked.secret_hash && agent.key == key);
            return again.and_then(|agent| Some((agent.clone(), agent.certificate()?))).ok_or_else(|| {
                refused("this code was used before, and each code lets in one machine once: ask for a new one")
            });
        }
        if code.expires_at <= now {
            return Err(refused("this code is out of date: ask for a new one by `daybook central invite`"));
        }
        let purpose = code.purpose;
        // Using the wrong command must not take a log from its machine.
        match purpose {
            Purpose::Join if asked.hello.log == ANY_LOG => {
                return Err(refused("this code is for a new agent: use it with `daybook join`"));
            }
            Purpose::Recover(log) if ![ANY_LOG, log].contains(&asked.hello.log) => {
                return Err(refused("this code is for taking over a log: use it with `daybook recover`"));
            }
            _ => {}
        }
        // A machine that was let in and died before it knew asks again, perhaps with another code.
        let in_already = |agent: &&Agent| {
            agent.log == asked.hello.log && agent.key == key && agent.revoked.is_none() && agent.fenced_at.is_none()
        };
        if purpose == Purpose::Join
            && let Some(agent) = self.agents.iter().find(in_already)
            && let Some(certificate) = agent.certificate()
        {
            code.used_at = Some(now);
            return Ok((agent.clone(), certificate));
        }
        let before = |log| self.agents.iter().filter(|agent| agent.log == log).map(|agent| agent.epoch).max();
        let (log, epoch) = match purpose {
            Purpose::Recover(log) => (log, Epoch(before(log).map_or(0, |epoch| epoch.0).saturating_add(1))),
            Purpose::Join if before(asked.hello.log).is_some() => {
                return Err(refused(
                    "this log has an agent already: to move it to another machine, ask for a code by \
                     `daybook central invite --recover` and use it with `daybook recover`",
                ));
            }
            Purpose::Join => (asked.hello.log, asked.hello.epoch.max(Epoch::FIRST)),
        };
        let certificate = issue(log, epoch).map_err(|error| Refused::protocol(error.to_string()))?;
        for earlier in self.agents.iter_mut().filter(|agent| agent.log == log) {
            earlier.fenced_at.get_or_insert(now);
        }
        code.used_at = Some(now);
        let agent = Agent {
            name: asked.request.name().to_owned(),
            log,
            epoch,
            fingerprint: tls::fingerprint(&certificate),
            certificate: data_encoding::BASE64.encode(&certificate),
            key,
            code: asked.secret_hash,
            joined_at: now,
            revoked: None,
            fenced_at: None,
            unconfirmed: false,
        };
        self.agents.push(agent.clone());
        Ok((agent, certificate))
    }

    /// Whether an agent may speak of the log that its hello names, by the certificate that it showed. On refusal the log,
    /// where the certificate says it, is given for the alarm.
    pub fn admit(&self, certificate: Option<Digest>, hello: &Hello) -> Result<&Agent, (Option<LogId>, Refused)> {
        let identity = |detail: &str| Refused::new(Refusal::Identity, detail);
        let Some(fingerprint) = certificate else {
            return Err((None, identity("this machine has no certificate: run `daybook join` with a one-time code")));
        };
        let Some(agent) = self.agents.iter().find(|agent| agent.fingerprint == fingerprint) else {
            return Err((
                None,
                identity(
                    "this certificate is not in the central node's registry: ask for a code by `daybook central invite` and \
                     join again",
                ),
            ));
        };
        let refuse = |refused| Err((Some(agent.log), refused));
        if let Some(revoked) = &agent.revoked {
            return refuse(Refused::new(
                Refusal::Revoked,
                format!("the certificate of this agent was revoked at {}: {}", revoked.at, revoked.reason),
            ));
        }
        if agent.fenced_at.is_some() {
            return refuse(fenced(self.epoch_of(agent.log).unwrap_or(agent.epoch)));
        }
        if agent.unconfirmed {
            return refuse(self.not_yet(agent.log));
        }
        if (agent.log, agent.epoch) != (hello.log, hello.epoch) {
            return refuse(identity(
                "the certificate is for another log or epoch than this data directory: put back the tls directory and \
                 identity.toml that belong together",
            ));
        }
        Ok(agent)
    }

    /// Revokes whoever may write a log now; in a registry that was put back, also whoever is only learnt of later. Revoking
    /// again keeps the first reason.
    pub fn revoke(&mut self, log: LogId, reason: &str, now: Timestamp) -> Result<Refused, Refused> {
        let new = Revoked { at: now, reason: reason.to_owned() };
        let mut revoked = self.revoke_unseen(log, &new);
        for agent in self.agents.iter_mut().filter(|agent| agent.log == log) {
            revoked = Some(agent.revoked.get_or_insert_with(|| new.clone()).clone());
        }
        match revoked {
            Some(revoked) => Ok(Refused::new(
                Refusal::Revoked,
                format!("the certificate of this agent was revoked at {}: {}", revoked.at, revoked.reason),
            )),
            None => Err(unknown(Refusal::Identity, log)),
        }
    }

    /// Raises an alarm; one of each kind is kept for each log. `true` if it should be written now.
    pub fn raise(&mut self, log: Option<LogId>, alarm: &str, detail: &str, now: Timestamp) -> bool {
        let raised = self.alarms.iter_mut().find(|raised| raised.log == log && raised.alarm == alarm);
        if let Some(raised) = raised {
            let quiet = now.0.saturating_sub(raised.last_at.0) < ALARM_AGAIN_SECONDS * 1_000_000;
            raised.times += 1;
            (raised.last_at, raised.detail) = (now, detail.to_owned());
            return !quiet;
        }
        self.alarms.push(Raised {
            log,
            alarm: alarm.to_owned(),
            detail: detail.to_owned(),
            first_at: now,
            last_at: now,
            times: 1,
        });
        true
    }

    /// Clears alarms of a log by their names, since what they were raised for is over; gives how many there were.
    pub fn lower(&mut self, log: LogId, alarms: &[&str]) -> usize {
        let before = self.alarms.len();
        self.alarms.retain(|raised| raised.log != Some(log) || !alarms.contains(&raised.alarm.as_str()));
        before - self.alarms.len()
    }

    /// Clears the alarms of a log, or those of no log; gives how many there were.
    pub fn clear(&mut self, log: Option<LogId>) -> usize {
        let before = self.alarms.len();
        self.alarms.retain(|raised| raised.log != log);
        before - self.alarms.len()
    }
}

impl Agent {
    fn certificate(&self) -> Option<Vec<u8>> {
        data_encoding::BASE64.decode(self.certificate.as_bytes()).ok()
    }
}

fn unknown(refusal: Refusal, log: LogId) -> Refused {
    Refused::new(refusal, format!("there is no log {log} here: `daybook central agents` lists them"))
}
