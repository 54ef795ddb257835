//! What an office calls reasons of withdrawal (DOMAIN.md 2.8): own words, and codes of the Individualised Learner Record, which change
//! from year to year.

use std::collections::BTreeMap;

use daybook_protocol::event::WithdrawalReason;

use crate::desk::fields::{reason_key, usual_names};

/// As they are written: words or codes, and the reason that each stands for.
pub(super) type Written = BTreeMap<String, WithdrawalReason>;

/// Own names of reasons, by the form in which they are compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnReasons(BTreeMap<String, (String, WithdrawalReason)>);

/// By what a reason is known.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Known {
    /// The reason.
    pub reason: WithdrawalReason,
    /// Its codes in the Individualised Learner Record.
    pub ilr: Vec<String>,
    /// The office's own words for it.
    pub own: Vec<String>,
}

impl OwnReasons {
    /// These, and others on top of them; of one that is in both the other counts.
    pub(super) fn with(&self, others: &Written) -> Result<Self, String> {
        let (mut all, mut new) = (self.clone(), BTreeMap::<String, &str>::new());
        for (written, reason) in others {
            let key = reason_key(written);
            if key.is_empty() {
                return Err(format!("the reason {written:?} says nothing: give a word or a code"));
            }
            if let Some(other) = new.insert(key.clone(), written) {
                return Err(format!("the reasons {other:?} and {written:?} are the same: give one of them"));
            }
            all.0.insert(key, (written.clone(), *reason));
        }
        Ok(all)
    }

    /// The reason that a word or code stands for, in the form in which they are compared, and whether it was said in words.
    pub fn named(&self, key: &str) -> Option<(WithdrawalReason, bool)> {
        self.0.get(key).map(|(_, reason)| (*reason, !is_code(key)))
    }

    /// Every reason, with the codes and the own words by which it is known.
    pub fn known(&self) -> Vec<Known> {
        let of = |reason: WithdrawalReason| {
            let usual = usual_names(reason).iter().filter(|name| is_code(name) && !self.0.contains_key(**name));
            let mut ilr: Vec<String> = usual.map(|name| (*name).to_owned()).collect();
            let mine = || self.0.iter().filter(move |(_, (_, meant))| *meant == reason);
            ilr.extend(mine().filter(|(key, _)| is_code(key)).map(|(key, _)| key.clone()));
            ilr.sort_by_key(|code| (code.len(), code.clone()));
            let own = mine().filter(|(key, _)| !is_code(key)).map(|(_, (written, _))| written.clone()).collect();
            Known { reason, ilr, own }
        };
        WithdrawalReason::ALL.into_iter().map(of).collect()
    }
}

fn is_code(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a reason is told with the codes and words that lead to it now. Method: a code taken from one reason, a new one, and own words.
    #[test]
    fn reasons_are_told_with_their_names() {
        let text = [("044 - Other personal", WithdrawalReason::Other), ("Gone to work", WithdrawalReason::LeftCourse)];
        let more = [("51", WithdrawalReason::LeftCourse), ("Moved away", WithdrawalReason::Illness)];
        let written =
            |pairs: [(&str, WithdrawalReason); 2]| pairs.map(|(name, reason)| (name.to_owned(), reason)).into();
        let first = OwnReasons::default().with(&written(text)).expect("good");
        let both = first.with(&written(more)).expect("good");
        let told = |reason| both.known().into_iter().find(|known| known.reason == reason).expect("every reason");
        let left = told(WithdrawalReason::LeftCourse);
        assert_eq!((left.ilr, left.own), (vec!["51".to_owned(), "98".to_owned()], vec!["Gone to work".to_owned()]));
        assert_eq!(told(WithdrawalReason::Other).ilr, ["44"]);
        assert_eq!(told(WithdrawalReason::TransferCentre).ilr, ["2", "7", "41", "47"]);
        assert_eq!(both.named("44"), Some((WithdrawalReason::Other, false)));
        assert_eq!(both.named("movedaway"), Some((WithdrawalReason::Illness, true)));
    }
}
