//! Percents: exact decimals with at most six places, never a binary fraction.

use std::fmt;
use std::str::FromStr;

/// A percent from 0 to 100 with at most six decimals, held as an exact integer of millionths of a percent.
///
/// It reads the spelling of a JSON number and keeps its exact value: `12.5`, `12.5000000` and `1.25e1` are the same
/// percent, `0.0000001` is none.
///
/// ```
/// use fader::Percent;
///
/// let percent: Percent = "12.5".parse()?;
/// assert_eq!(percent.micros(), 12_500_000);
/// assert_eq!(percent.to_string(), "12.5");
/// assert!("0.0000001".parse::<Percent>().is_err());
/// # Ok::<(), fader::ParsePercentError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u32);

impl Percent {
    /// Nobody.
    pub const ZERO: Self = Self(0);
    /// Every unit.
    pub const HUNDRED: Self = Self(100_000_000);

    /// Makes a percent of so many millionths of a percent, 0 to 100,000,000; `None` beyond.
    #[must_use]
    pub const fn from_micros(micros: u32) -> Option<Self> {
        if micros <= Self::HUNDRED.0 {
            Some(Self(micros))
        } else {
            None
        }
    }

    /// Returns the percent in millionths, 0 to 100,000,000.
    #[must_use]
    pub const fn micros(self) -> u32 {
        self.0
    }

    /// Returns the percent as the nearest float, for arithmetic on curves.
    pub(crate) fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// Reads a JSON number's text exactly: digits, fraction, exponent.
    pub(crate) fn from_decimal(text: &str) -> Result<Self, ParsePercentError> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, saturating_exponent(exponent)?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if whole.is_empty() || !digits().all(|digit| digit.is_ascii_digit()) {
            return Err(ParsePercentError::Form);
        }
        let Some(first) = digits().position(|digit| digit != b'0') else {
            return Ok(Self::ZERO);
        };
        if negative {
            return Err(ParsePercentError::Range);
        }
        let last = digits()
            .enumerate()
            .filter(|(_, digit)| *digit != b'0')
            .last()
            .map_or(first, |(last, _)| last);
        // The value is significant · 10^shift millionths, with the significant digits between the first and the last
        // that are not zero.
        let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX / 4);
        let shift = length(whole.len()) - 1 - length(last) + exponent + 6;
        if length(last - first) + shift > 8 {
            return Err(ParsePercentError::Range);
        }
        if shift < 0 {
            return Err(ParsePercentError::Decimals);
        }
        let significant = digits()
            .skip(first)
            .take(last - first + 1)
            .fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        let shift = u32::try_from(shift).map_err(|_| ParsePercentError::Range)?;
        significant
            .checked_mul(10_u64.pow(shift))
            .and_then(|micros| u32::try_from(micros).ok())
            .and_then(Self::from_micros)
            .ok_or(ParsePercentError::Range)
    }
}

/// Reads an exponent, held within ±10^9: far beyond what a percent can use, and safe to add to.
fn saturating_exponent(text: &str) -> Result<i64, ParsePercentError> {
    const BOUND: i64 = 1_000_000_000;
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ParsePercentError::Form);
    }
    let value = digits.iter().fold(0, |value: i64, digit| {
        (value * 10 + i64::from(digit - b'0')).min(BOUND)
    });
    Ok(if negative { -value } else { value })
}

impl FromStr for Percent {
    type Err = ParsePercentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_decimal(text)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{fraction:06}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

/// Why a text is no percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParsePercentError {
    /// It is not a decimal number.
    Form,
    /// It is below 0 or above 100.
    Range,
    /// It has more than six decimals.
    Decimals,
}

impl fmt::Display for ParsePercentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a percent is a decimal number such as 12.5",
            Self::Range => "a percent is from 0 to 100",
            Self::Decimals => "a percent has at most six decimals",
        })
    }
}

impl std::error::Error for ParsePercentError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exact_decimals() {
        for (text, micros) in [
            ("0", 0),
            ("-0", 0),
            ("0e99999999999999999999", 0),
            ("5", 5_000_000),
            ("1e1", 10_000_000),
            ("1E+2", 100_000_000),
            ("12.5000000", 12_500_000),
            ("0.000001", 1),
            ("1e-6", 1),
            ("10e-7", 1),
            ("99.999999", 99_999_999),
            ("100.000000000", 100_000_000),
            ("0.0000010", 1),
            ("1000000000000e-10", 100_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Percent(micros)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_percent() {
        use ParsePercentError::{Decimals, Form, Range};
        for (text, error) in [
            ("", Form),
            ("x", Form),
            (".5", Form),
            ("1e", Form),
            ("-1", Range),
            ("100.000001", Range),
            ("101", Range),
            ("1e3", Range),
            ("1e99999999999999999999", Range),
            ("0.0000001", Decimals),
            ("1e-99999999999999999999", Decimals),
            ("33.3333333", Decimals),
        ] {
            assert_eq!(text.parse::<Percent>(), Err(error), "{text}");
        }
    }

    #[test]
    fn displays_the_shortest_decimal() {
        for (micros, text) in [
            (0, "0"),
            (1, "0.000001"),
            (12_500_000, "12.5"),
            (100_000_000, "100"),
        ] {
            assert_eq!(Percent(micros).to_string(), text);
        }
    }
}
