//! Reasons in the words, codes and spellings that people send (DOMAIN.md 2.8, 3.6).

use daybook_protocol::event::{ReturnReason, WithdrawalReason};

use crate::desk::OwnReasons;

/// What each reason of withdrawal is called: the codes of the Individualised Learner Record and plain words. Codes 42 and 45
/// (higher education only) have no counterpart in the list.
const WITHDRAWAL: &[(WithdrawalReason, &[&str])] = &[
    (
        WithdrawalReason::LeftCourse,
        &[
            "leftcourse",
            "left",
            "leftthecourse",
            "leaver",
            "personal",
            "otherpersonal",
            "notknown",
            "unknown",
            "44",
            "98",
        ],
    ),
    (
        WithdrawalReason::Illness,
        &[
            "illness",
            "ill",
            "injury",
            "injuryillness",
            "illnessinjury",
            "sickness",
            "health",
            "illhealth",
            "medical",
            "3",
        ],
    ),
    (
        WithdrawalReason::TransferCentre,
        &[
            "transfercentre",
            "transferredcentre",
            "transfertoanothercentre",
            "transferredtoanothercentre",
            "transferredtoanotherprovider",
            "changeofcentre",
            "movedcentre",
            "2",
            "7",
            "41",
            "47",
        ],
    ),
    (
        WithdrawalReason::TransferQual,
        &[
            "transferqual",
            "transferqualification",
            "transferredqualification",
            "changeofqualification",
            "changeofcourse",
            "changedcourse",
            "movedtonewaim",
            "40",
        ],
    ),
    (WithdrawalReason::Redundant, &["redundant", "redundancy", "maderedundant", "29"]),
    (WithdrawalReason::Financial, &["financial", "financialreasons", "finance", "money", "43"]),
    (WithdrawalReason::RegisteredInError, &["registeredinerror", "registrationerror", "error", "enrolledinerror"]),
    (WithdrawalReason::DuplicateRegistration, &["duplicateregistration", "duplicate", "registeredtwice"]),
    (
        WithdrawalReason::NonAttendance,
        &["nonattendance", "didnotattend", "neverattended", "nonattender", "noattendance", "poorattendance"],
    ),
    (WithdrawalReason::CentreClosed, &["centreclosed", "centreclosure", "closure", "centreclosing"]),
    (WithdrawalReason::Deceased, &["deceased", "death", "died"]),
    (WithdrawalReason::Sanction, &["sanction", "sanctioned", "malpractice"]),
    (
        WithdrawalReason::OutsideProviderControl,
        &["outsideprovidercontrol", "outsideproviderscontrol", "outsidecontrol", "28", "48"],
    ),
];

const RETURN: &[(ReturnReason, &[&str])] = &[
    (
        ReturnReason::GoneAway,
        &["goneaway", "moved", "movedaway", "nolongeratthisaddress", "nolongerataddress", "nolongerlivesthere"],
    ),
    (ReturnReason::Refused, &["refused", "deliveryrefused", "notaccepted"]),
    (
        ReturnReason::IncompleteAddress,
        &["incompleteaddress", "addressincomplete", "insufficientaddress", "wrongaddress", "incorrectaddress"],
    ),
    (ReturnReason::NotCalledFor, &["notcalledfor", "uncollected", "notcollected", "unclaimed"]),
    (ReturnReason::Damaged, &["damaged", "damagedintransit"]),
    (
        ReturnReason::AddresseeUnknown,
        &["addresseeunknown", "unknown", "notknown", "notknownataddress", "unknownataddress"],
    ),
];

/// A reason of withdrawal, and whether its text says more than the bare word `other`. What the office itself calls a reason counts
/// first.
pub(super) fn withdrawal(text: &str, own: &OwnReasons) -> Option<(WithdrawalReason, bool)> {
    let word = key(text);
    let more = word.strip_prefix("other").map(|rest| !matches!(rest, "" | "reason" | "reasons"));
    if let Some((reason, in_words)) = own.named(&word) {
        return Some((reason, more.unwrap_or(in_words)));
    }
    if let Some(reason) = known(WITHDRAWAL, &word) {
        return Some((reason, false));
    }
    more.map(|more| (WithdrawalReason::Other, more))
}

/// The form in which reasons of withdrawal are compared: a code, or letters and digits in lower case.
pub(in crate::desk) fn key(text: &str) -> String {
    leading_code(text).map_or_else(|| plain(text), str::to_owned)
}

/// What a reason of withdrawal is called anyway.
pub(in crate::desk) fn names(of: WithdrawalReason) -> &'static [&'static str] {
    WITHDRAWAL.iter().find(|(reason, _)| *reason == of).map_or(&[], |(_, names)| names)
}

/// The code of `44` and of `44 - Other personal reasons`, but not the number of `3 months of illness`.
fn leading_code(text: &str) -> Option<&str> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (code, rest) = text.split_at_checked(digits)?;
    let rest = rest.trim_start();
    let alone = rest.is_empty() || rest.starts_with(['-', '\u{2013}', ':', '.', ')']);
    (alone && !code.is_empty()).then(|| code.trim_start_matches('0'))
}

/// A reason why a certificate came back.
pub(super) fn returned(text: &str) -> Option<ReturnReason> {
    let word = plain(text);
    known(RETURN, &word).or_else(|| word.starts_with("other").then_some(ReturnReason::Other))
}

fn known<R: Copy>(table: &[(R, &[&str])], word: &str) -> Option<R> {
    table.iter().find(|(_, words)| words.contains(&word)).map(|(reason, _)| *reason)
}

/// Letters and digits only, in lower case.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every reason is known by its own name, and no word stands for two. Method: the serialised names; the tables.
    #[test]
    fn every_reason_is_known_by_its_name() {
        let own = OwnReasons::default();
        for (reason, words) in WITHDRAWAL {
            let name = serde_json::to_value(reason).expect("serializes");
            assert_eq!(withdrawal(name.as_str().expect("a text"), &own), Some((*reason, false)));
            for word in *words {
                assert_eq!(withdrawal(word, &own), Some((*reason, false)), "{word}");
            }
        }
        for (reason, words) in RETURN {
            let name = serde_json::to_value(reason).expect("serializes");
            assert_eq!(returned(name.as_str().expect("a text")), Some(*reason));
            for word in *words {
                assert_eq!(returned(word), Some(*reason), "{word}");
            }
        }
    }

    /// Goal: what the office calls a reason counts first, in any spelling; other words stand as they did. Method: a policy with own words
    /// and codes.
    #[test]
    fn an_office_has_words_of_its_own() {
        let text = "[reasons]\n\"Gone to work\" = \"LEFT_COURSE\"\n44 = \"OTHER\"\n\"other reasons\" = \"OTHER\"\nmoved = \"OTHER\"\n";
        let policies: crate::desk::Policies = toml::from_str(text).expect("good policies");
        let own = &policies.on(daybook_protocol::date::Date(0)).reasons;
        for (said, expected) in [
            ("gone-to-work", Some((WithdrawalReason::LeftCourse, true))),
            ("44", Some((WithdrawalReason::Other, false))),
            ("044 - Other personal reasons", Some((WithdrawalReason::Other, false))),
            ("98", Some((WithdrawalReason::LeftCourse, false))),
            ("Other reasons", Some((WithdrawalReason::Other, false))),
            ("Moved", Some((WithdrawalReason::Other, true))),
            ("Illness", Some((WithdrawalReason::Illness, false))),
            ("bored", None),
        ] {
            assert_eq!(withdrawal(said, own), expected, "{said}");
        }
    }

    /// Goal: codes, spellings and `other` are understood as in DOMAIN.md 2.8. Method: a table.
    #[test]
    fn reasons_are_known_in_many_spellings() {
        let own = OwnReasons::default();
        for (text, expected) in [
            ("Left course", Some((WithdrawalReason::LeftCourse, false))),
            ("44", Some((WithdrawalReason::LeftCourse, false))),
            ("03", Some((WithdrawalReason::Illness, false))),
            ("3 - Injury / illness", Some((WithdrawalReason::Illness, false))),
            ("47.0", Some((WithdrawalReason::TransferCentre, false))),
            ("3 months of illness", None),
            ("0", None),
            ("40", Some((WithdrawalReason::TransferQual, false))),
            ("Registered in error", Some((WithdrawalReason::RegisteredInError, false))),
            ("OTHER", Some((WithdrawalReason::Other, false))),
            ("Other reasons", Some((WithdrawalReason::Other, false))),
            ("Other: moved abroad", Some((WithdrawalReason::Other, true))),
            ("42", None),
            ("bored", None),
            ("", None),
        ] {
            assert_eq!(withdrawal(text, &own), expected, "{text}");
        }
        assert_eq!(returned("Gone away"), Some(ReturnReason::GoneAway));
        assert_eq!(returned("other - torn"), Some(ReturnReason::Other));
        assert_eq!(returned("44"), None);
    }
}
