//! Instants, and where they come from.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::Date;

/// A point in time, to the nanosecond, in UTC.
///
/// It reads RFC 3339 as a document does: date, `T`, time and zone, and nothing looser.
///
/// ```
/// use fader::Timestamp;
///
/// let noon = Timestamp::parse("2026-12-01T12:00:00Z").unwrap();
/// assert_eq!(Timestamp::parse("2026-12-01t13:00:00+01:00"), Some(noon));
/// assert_eq!(Timestamp::parse("2026-12-01 12:00:00Z"), None);
/// assert_eq!(noon.to_string(), "2026-12-01T12:00:00Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

const EPOCH: Date = Date::constant(1970, 1, 1);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self {
        seconds: 0,
        nanos: 0,
    };

    /// Returns how long after an earlier instant this one is; nothing if it is not.
    pub(crate) fn since(self, earlier: Self) -> std::time::Duration {
        let nanos = self.as_nanos().saturating_sub(earlier.as_nanos()).max(0);
        std::time::Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Makes the instant so many nanoseconds after the epoch, or before it where negative.
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Self {
        let seconds = nanos.div_euclid(1_000_000_000);
        let rest = nanos.rem_euclid(1_000_000_000);
        Self {
            seconds: i64::try_from(seconds).unwrap_or(if seconds < 0 {
                i64::MIN
            } else {
                i64::MAX
            }),
            nanos: u32::try_from(rest).unwrap_or_default(),
        }
    }

    /// Returns the nanoseconds since the epoch, negative before it.
    #[must_use]
    pub fn as_nanos(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// Reads RFC 3339: `2026-12-01T09:00:00+01:00`, `t` and `z` accepted, digits beyond nanoseconds cut; no space for
    /// the `T`, no missing zone, no date alone, no second 60.
    ///
    /// Does not allocate.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan(text.as_bytes());
        let date = scan.date()?;
        scan.one_of(b"Tt")?;
        let (hour, minute) = scan.clock()?;
        scan.one_of(b":")?;
        let second = scan.number(2, 0..=59)?;
        let nanos = scan.fraction()?;
        let offset = scan.offset()?;
        scan.end()?;
        let days = date.duration_since(EPOCH).as_secs();
        let seconds =
            days + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second) - offset;
        Some(Self { seconds, nanos })
    }

    /// Reads a date alone as the first instant of the day after it, in UTC: the end of that day.
    pub(crate) fn parse_end_of_day(text: &str) -> Option<Self> {
        let mut scan = Scan(text.as_bytes());
        let date = scan.date()?;
        scan.end()?;
        Some(Self {
            seconds: date.duration_since(EPOCH).as_secs() + 86_400,
            nanos: 0,
        })
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
        };
        Self::from_nanos(nanos)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i32::try_from(self.nanos).unwrap_or_default();
        match EPOCH
            .at(0, 0, 0, 0)
            .checked_add(SignedDuration::new(self.seconds, nanos))
        {
            Ok(civil) => write!(f, "{civil}Z"),
            Err(_) => write!(f, "{} s after 1970-01-01T00:00:00Z", self.seconds),
        }
    }
}

/// Reads fixed-width fields off the front of a text.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn number(&mut self, digits: usize, range: std::ops::RangeInclusive<u16>) -> Option<u16> {
        let (head, tail) = self.0.split_at_checked(digits)?;
        let mut value = 0;
        for digit in head {
            value = value * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        self.0 = tail;
        range.contains(&value).then_some(value)
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, tail) = self.0.split_first()?;
        self.0 = tail;
        bytes.contains(first).then_some(*first)
    }

    fn date(&mut self) -> Option<Date> {
        let year = self.number(4, 0..=9999)?;
        self.one_of(b"-")?;
        let month = self.number(2, 1..=12)?;
        self.one_of(b"-")?;
        let day = self.number(2, 1..=31)?;
        let (year, month, day) = (
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
        );
        // Checked beforehand, since the error of a date that does not exist allocates.
        let last = Date::new(year, month, 1).ok()?.days_in_month();
        if day > last {
            None
        } else {
            Date::new(year, month, day).ok()
        }
    }

    fn clock(&mut self) -> Option<(u16, u16)> {
        let hour = self.number(2, 0..=23)?;
        self.one_of(b":")?;
        Some((hour, self.number(2, 0..=59)?))
    }

    fn fraction(&mut self) -> Option<u32> {
        let Some(tail) = self.0.strip_prefix(b".") else {
            return Some(0);
        };
        let end = tail
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(tail.len());
        let (digits, tail) = tail.split_at_checked(end)?;
        self.0 = tail;
        if digits.is_empty() {
            return None;
        }
        let padded = digits
            .iter()
            .copied()
            .chain(std::iter::repeat(b'0'))
            .take(9);
        Some(padded.fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
    }

    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let (hours, minutes) = self.clock()?;
        Some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Reads a duration of a document into nanoseconds: one or more `<integer><unit>` with units w, d, h, m, s, each at
/// most once, largest first. A day is always 24 hours.
pub(crate) fn parse_duration(text: &str) -> Option<u128> {
    const UNITS: [(u8, u64); 5] = [
        (b'w', 604_800),
        (b'd', 86_400),
        (b'h', 3_600),
        (b'm', 60),
        (b's', 1),
    ];
    let mut units = UNITS.iter();
    let mut rest = text.as_bytes();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .filter(|end| *end > 0)?;
        let (digits, tail) = rest.split_at_checked(end)?;
        let (unit, tail) = tail.split_first()?;
        // INVARIANT: `units` only moves on, so a unit that comes twice or out of order is not found.
        let (_, seconds) = units.find(|(name, _)| name == unit)?;
        let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        total = total.checked_add(count.checked_mul(*seconds)?)?;
        rest = tail;
    }
    (total > 0).then(|| u128::from(total) * 1_000_000_000)
}

/// Where a handle reads the time from.
///
/// A handle never lets time fall: an instant earlier than one it has seen counts as that one.
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system: the default of [`Flags::builder`](crate::Flags::builder).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// Makes a clock that reads the operating system's.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// A clock that stands still until it is set: time for tests.
///
/// ```
/// use fader::{Clock, ManualClock, Timestamp};
///
/// let clock = ManualClock::at("2026-12-01T09:00:00Z").unwrap();
/// clock.advance(std::time::Duration::from_secs(60));
/// assert_eq!(clock.now(), Timestamp::parse("2026-12-01T09:01:00Z").unwrap());
/// ```
#[derive(Debug, Default)]
pub struct ManualClock(std::sync::Mutex<Timestamp>);

impl ManualClock {
    /// Makes a clock that shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self(std::sync::Mutex::new(now))
    }

    /// Makes a clock that shows an instant given as RFC 3339; `None` where the text is none.
    #[must_use]
    pub fn at(text: &str) -> Option<Self> {
        Timestamp::parse(text).map(Self::new)
    }

    /// Sets the time, also to an earlier one.
    pub fn set(&self, now: Timestamp) {
        *self.shown() = now;
    }

    /// Moves the time on.
    pub fn advance(&self, by: std::time::Duration) {
        let mut shown = self.shown();
        let by = i128::try_from(by.as_nanos()).unwrap_or(i128::MAX);
        *shown = Timestamp::from_nanos(shown.as_nanos().saturating_add(by));
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.shown()
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rfc_3339_and_nothing_looser() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T00:00:00.5Z", 500_000_000),
            ("1970-01-01T00:00:00.1234567899Z", 123_456_789),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:59:59-00:00", -1_000_000_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
            ("9999-12-31T23:59:59-23:59", 253_402_387_139_000_000_000),
            ("0000-01-01T00:00:00+23:59", -62_167_305_540_000_000_000),
        ] {
            assert_eq!(
                Timestamp::parse(text).map(Timestamp::as_nanos),
                Some(nanos),
                "{text}"
            );
        }
        for text in [
            "",
            "2026-12-01",
            "2026-12-01T09:00:00",
            "2026-12-01 09:00:00Z",
            "2026-12-01T09:00Z",
            "2026-12-01T09:00:60Z",
            "2026-12-01T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-12-01T09:00:00.Z",
            "2026-12-01T09:00:00+24:00",
            "2026-12-01T09:00:00+0100",
            "2026-12-01T09:00:00\u{2212}01:00",
            "2026-12-01T09:00:00Z ",
            "26-12-01T09:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn shows_what_it_read() {
        for text in [
            "2026-12-01T09:00:00Z",
            "1969-07-20T20:17:40.5Z",
            "9999-12-31T23:59:59.999999999Z",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn reads_durations() {
        for (text, seconds) in [
            ("7d", 604_800),
            ("1h30m", 5_400),
            ("1w1d1h1m1s", 694_861),
            ("0h1m", 60),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(seconds * 1_000_000_000),
                "{text}"
            );
        }
        for text in [
            "",
            "0s",
            "1.5h",
            "30m1h",
            "1h1h",
            "1 h",
            "h",
            "5",
            "1ms",
            "-1h",
            "99999999999999999999w",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
