//! A setting out of its range.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;

/// Says which setting of a test is out of its range.
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidSetting {
    name: &'static str,
    value: f64,
    range: RangeInclusive<f64>,
}

impl InvalidSetting {
    /// Returns the name of the setting.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, range } = self;
        let (least, most) = (range.start(), range.end());
        write!(f, "`{name}` is {value}, not between {least} and {most}")
    }
}

impl Error for InvalidSetting {}

/// What a chance may be. At 0 and 1 there would be nothing to test.
pub(super) const CHANCE: RangeInclusive<f64> = 1e-12..=1.0 - 1e-12;

/// Returns a setting that is in its range; a NaN never is.
pub(super) fn within(
    name: &'static str,
    value: f64,
    range: RangeInclusive<f64>,
) -> Result<f64, InvalidSetting> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(InvalidSetting { name, value, range })
    }
}
