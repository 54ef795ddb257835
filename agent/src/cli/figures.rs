//! Figures, moments and foreign words, as a person reads them.

use daybook_protocol::date::Timestamp;

/// To the second and in UTC, as one column.
pub(super) fn moment(at: Timestamp) -> String {
    at.instant().strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Whole seconds between two instants.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.0.saturating_sub(from.0) / 1_000_000
}

/// How long ago, in the largest unit of which there are at least two; a date beyond two months.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    match seconds(at, now) {
        0..120 => format!("{} s ago", seconds(at, now)),
        passed @ 120..7_200 => format!("{} min ago", passed / 60),
        passed @ 7_200..172_800 => format!("{} h ago", passed / 3600),
        passed @ 172_800..5_184_000 => format!("{} days ago", passed / 86_400),
        _ => moment(at),
    }
}

/// With commas between the thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length in the largest unit of which there is at least one.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    match UNITS.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} bytes"),
    }
}

/// A value from outside, without the letters by which it could move the cursor or change what is already on the screen.
pub(super) fn printable(value: &str) -> String {
    value.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_269_802_000_000);

    /// Goal: figures read well at their edges. Method: a table.
    #[test]
    fn figures_read_well() {
        for (figure, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(number(figure), text);
        }
        for (size, text) in [(0, "0 bytes"), (1_536, "1.5 KB"), ((1 << 30) - 1, "1023.9 MB"), (1 << 40, "1.0 TB")] {
            assert_eq!(bytes(size), text);
        }
        for (passed, text) in [(0, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (172_800, "2 days ago")] {
            assert_eq!(ago(Timestamp(NOW.0 - passed * 1_000_000), NOW), text);
        }
        assert_eq!(ago(Timestamp(NOW.0 + 9_000_000), NOW), "2026-11-21 14:03:31Z");
    }
}
