//! Durations as a document has them.

use std::time::Duration;

const UNITS: [(char, u64); 5] = [
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// Reads a duration as a document has it: `10s`, `1h30m`. Units come at most once each, the largest first.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = seconds(text).filter(|seconds| *seconds > 0);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "a duration is written such as 45s, 10m or 1h30m".to_owned())
}

fn seconds(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, tail) = rest.split_at_checked(end)?;
        let mut tail = tail.chars();
        let unit = tail.next()?;
        // `units` only moves on, so a unit that comes twice or out of order is not found.
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        let count: u64 = digits.parse().ok()?;
        total = total.checked_add(count.checked_mul(*seconds)?)?;
        rest = tail.as_str();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_in_a_document() {
        for (text, seconds) in [
            ("45s", 45),
            ("2h", 7200),
            ("1h30m", 5400),
            ("1w2d3h4m5s", 788_645),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_a_document_refuses_is_none() {
        let none = [
            "", "10", "s", "0s", "1m1h", "1s1s", "1.5h", "-1s", "1 h", "1é",
        ];
        for text in none.into_iter().chain(["18446744073709551615w"]) {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
