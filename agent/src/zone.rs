//! The civil time of the offices: Europe/London.

use std::sync::OnceLock;

use daybook_protocol::date::{Date, Timestamp};
use jiff::tz::TimeZone;

/// The British rule since 1996: an hour ahead from the last Sunday of March to the last Sunday of October.
const BRITISH: &str = "GMT0BST,M3.5.0/1,M10.5.0";

/// Europe/London. Where the machine has no time zone database, the rule that has held since 1996: an hour wrong for half
/// of the year, as UTC would be, is worse than a rule that parliament may one day change.
pub fn london() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(|| TimeZone::get("Europe/London").or_else(|_| TimeZone::posix(BRITISH)).unwrap_or(TimeZone::UTC))
}

/// The civil day on which a moment lies.
pub fn day_in_london(moment: Timestamp) -> Date {
    moment.instant().to_zoned(london().clone()).date().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a machine without a time zone database tells the same time. Method: both rules, each hour of some years.
    #[test]
    fn the_written_out_rule_is_that_of_the_database() {
        let rule = TimeZone::posix(BRITISH).expect("a rule");
        for hour in (0..4 * 366 * 24).step_by(7) {
            let at = jiff::Timestamp::from_second(1_700_000_000 + hour * 3600).expect("an instant");
            assert_eq!(rule.to_offset(at), london().to_offset(at), "{at}");
        }
    }
}
