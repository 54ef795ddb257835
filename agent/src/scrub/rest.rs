//! What belongs to a log and does not lie in it: the records of its keyring and its originals.

use std::collections::BTreeMap;

use daybook_protocol::{
    ids::{Digest, Epoch, Sequence},
    wire::KeysHeld,
};

use super::{Damage, LogFound, Part, ScrubError, Side, Work};
use crate::{
    home::Home,
    keyring::{self, Keyring, KeyringError},
    vault::{Vault, VaultError},
};

/// What was found beside the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// How many records of the keyring were checked.
    pub keys: u64,
    /// What is damaged or missing.
    pub damage: Vec<Damage>,
}

/// Checks the keyring and the originals of a home whose log named `log`. With `keys` every original is opened; without, each
/// is held against its own checksum. Originals that came by `originals_due` or later may still be on their way.
pub fn check_rest(
    home: &Home,
    log: &LogFound,
    keys: Option<&Keyring>,
    originals_due: Sequence,
    side: Side,
    work: &Work<'_>,
) -> Result<Rest, ScrubError> {
    let mut checking = Checking { home, side, work, rest: Rest::default() };
    let held = keys.map_or_else(|| keyring::held_in(&home.keyring()), |keys| Ok(keys.held()))?;
    checking.keyring(&held, &log.keys_used)?;
    checking.originals(&log.originals, keys, originals_due)?;
    Ok(checking.rest)
}

struct Checking<'a, 'b> {
    home: &'a Home,
    side: Side,
    work: &'a Work<'b>,
    rest: Rest,
}

impl Checking<'_, '_> {
    fn damaged(&mut self, part: Part, what: String, mend: String) {
        self.rest.damage.push(Damage { part, what, mend });
    }

    fn keyring(&mut self, held: &[KeysHeld], used: &BTreeMap<Epoch, u32>) -> Result<(), ScrubError> {
        let total = held.iter().map(|held| u64::from(held.count)).sum();
        for held in held {
            let wanted = || self.work.goes_on();
            match keyring::damaged_in(&self.home.keyring(), *held, &wanted) {
                Ok(Some(damaged)) => {
                    for id in damaged {
                        let what = format!("{}: the record of key {id} is damaged", file(held.epoch));
                        self.damaged(Part::Keyring, what, self.key_mend(held.epoch));
                    }
                }
                Ok(None) => return Err(ScrubError::Stopped),
                Err(error @ (KeyringError::Io { .. } | KeyringError::Short { .. })) => {
                    let what = format!("{}: it cannot be read: {error}", file(held.epoch));
                    self.damaged(Part::Keyring, what, self.key_mend(held.epoch));
                }
                Err(error) => return Err(error.into()),
            }
            self.rest.keys += u64::from(held.count);
            self.work.progress(self.rest.keys, total, "keys");
        }
        for (epoch, used) in used {
            let count = held.iter().find(|held| held.epoch == *epoch).map_or(0, |held| held.count);
            if count < *used {
                let what = format!("{}: it ends at {count} keys, but {used} are in use", file(*epoch));
                self.damaged(Part::Keyring, what, self.key_mend(*epoch));
            }
        }
        Ok(())
    }

    fn key_mend(&self, epoch: Epoch) -> String {
        match self.side {
            Side::Agent => {
                "daybook recover, into another directory, brings it back from the central node; what it sealed cannot be \
                 read until then"
                    .to_owned()
            }
            Side::Copy => {
                let path = self.home.keyring().join(format!("{epoch:08}.keys"));
                let path = path.display();
                format!("stop the central node, mv {path} {path}.damaged, start it again: the agent sends its keys anew")
            }
        }
    }

    fn originals(
        &mut self,
        named: &BTreeMap<Digest, Sequence>,
        keys: Option<&Keyring>,
        due: Sequence,
    ) -> Result<(), ScrubError> {
        let vault = Vault::to_check(&self.home.vault());
        let bytes = |sha256: &Digest| vault.object_bytes(*sha256).unwrap_or(0);
        let total: u64 = named.keys().map(bytes).sum::<u64>().max(1);
        let mut done = 0;
        for (sha256, arrival) in named {
            if !self.work.goes_on() {
                return Err(ScrubError::Stopped);
            }
            match self.original(&vault, *sha256, keys) {
                Ok(()) => {}
                Err(VaultError::BrokenOff) => return Err(ScrubError::Stopped),
                Err(VaultError::Missing { .. }) if *arrival >= due => {}
                Err(error) => {
                    let what = format!("{}: the original of arrival {arrival} {}", place(*sha256), why(&error));
                    let mend = self.original_mend(*sha256, *arrival, &error);
                    self.damaged(Part::Original, what, mend);
                }
            }
            done += bytes(sha256);
            self.work.progress(done.min(total - 1), total, "bytes of originals");
        }
        self.work.progress(total, total, "bytes of originals");
        Ok(())
    }

    /// Checks one original: opened where its key can be had, else as it is sealed. A key that was destroyed is no damage.
    fn original(&self, vault: &Vault, sha256: Digest, keys: Option<&Keyring>) -> Result<(), VaultError> {
        let wanted = || self.work.goes_on();
        let Some(keys) = keys else { return vault.check_sealed_while(&wanted, sha256) };
        match vault.check_while(&wanted, sha256, keys) {
            Err(VaultError::Key { source: KeyringError::KeyDestroyed { .. }, .. }) => {
                vault.check_sealed_while(&wanted, sha256)
            }
            checked => checked.map(|_| ()),
        }
    }

    fn original_mend(&self, sha256: Digest, arrival: Sequence, error: &VaultError) -> String {
        match self.side {
            Side::Agent if matches!(error, VaultError::Key { .. }) => {
                "daybook recover, into another directory, brings its key back from the central node".to_owned()
            }
            Side::Agent => format!(
                "hand the same file over again (from done/; `daybook entries --from {arrival} --reveal` names it): daybook \
                 import --centre CENTRE FILE, or of a register daybook reference load REGISTER FILE; or daybook recover, into \
                 another directory"
            ),
            Side::Copy => {
                let path = self.home.vault().join(Vault::place_of(sha256));
                let (path, note) = (path.display(), self.home.originals());
                let aside = if matches!(error, VaultError::Missing { .. }) {
                    String::new()
                } else {
                    format!("mv {path} {path}.damaged, ")
                };
                let note = note.display();
                format!("stop the central node, {aside}rm -f {note}, start it again: the agent sends the original anew")
            }
        }
    }
}

/// Where the records of an epoch lie, from the data directory on.
fn file(epoch: Epoch) -> String {
    format!("keyring/{epoch:08}.keys")
}

/// Where an original lies, from the data directory on.
fn place(sha256: Digest) -> String {
    format!("vault/{}", Vault::place_of(sha256).display())
}

fn why(error: &VaultError) -> String {
    match error {
        VaultError::Missing { .. } => "is missing".to_owned(),
        VaultError::Damaged { why, .. } => format!("is damaged: {why}"),
        VaultError::Key { source, .. } => format!("cannot be opened: {source}"),
        VaultError::Io { source, .. } => format!("cannot be read: {source}"),
        other => format!("cannot be checked: {other}"),
    }
}
