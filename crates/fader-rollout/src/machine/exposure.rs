//! How far a flag is open.

use fader::Percent;
use serde::{Deserialize, Serialize};

use crate::judge::Exposed;

/// Whom a ramp enrols: what the overlay says of its rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "what an overlay holds of a ramp")]
pub struct Exposure {
    /// How much of the units is drawn, as JSON in millionths of a percent.
    #[serde(with = "crate::counts::micros")]
    pub percent: Percent,
    /// How many waves are open, from the first one on.
    pub waves: u32,
    /// Whether the flag is killed.
    pub killed: bool,
}

impl Exposure {
    /// Nobody is enrolled, and nothing is killed.
    pub const NOBODY: Self = Self {
        percent: Percent::ZERO,
        waves: 0,
        killed: false,
    };

    /// Tells whether nobody is exposed by it who is not by another.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        self.killed || (!other.killed && self.percent <= other.percent && self.waves <= other.waves)
    }

    /// Returns whom both expose.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self {
            percent: self.percent.min(other.percent),
            waves: self.waves.min(other.waves),
            killed: self.killed || other.killed,
        }
    }

    /// Returns it without its kill.
    pub(super) fn drawn(self) -> Self {
        Self {
            killed: false,
            ..self
        }
    }

    /// Returns it as far as guardrails care.
    #[must_use]
    pub fn exposed(self) -> Exposed {
        if self.killed || (self.percent == Percent::ZERO && self.waves == 0) {
            Exposed::Nobody
        } else if self.percent == Percent::ZERO {
            Exposed::Wave
        } else if self.percent == Percent::HUNDRED {
            Exposed::Everybody
        } else {
            Exposed::Part
        }
    }
}
