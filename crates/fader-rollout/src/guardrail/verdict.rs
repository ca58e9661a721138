//! What a guardrail says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a guardrail says of the candidate.
///
/// The tests of this module answer `Safe`, `Regressed` or `Undecided`; the others are for whoever feeds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// The upper limit is below the margin: the candidate is shown to be no worse than it may be.
    Safe,
    /// The lower limit is above the margin: the candidate is shown to be worse than it may be. It stays.
    Regressed,
    /// The margin lies between the limits.
    Undecided,
    /// There is nothing to judge, or the counts can't be trusted. It holds a plan: it neither fails nor advances it.
    NoData,
    /// The source of the counts fails. It holds a plan: it neither fails nor advances it.
    SourceError,
    /// The guardrail has no meaning here, such as a relative one at 100 %. It neither holds nor advances a plan.
    NotApplicable,
}

/// Between which limits a ratio or a rate lies, as far as the counts tell.
///
/// Both hold at any time, and however often one looks: the truth was *ever* below the lower limit with a probability of
/// at most α, and above the upper one with at most 0.05. They stand on quarter-octaves of stable's rate, or of the odds
/// of an absolute limit, from 1/1024 to 1024, or at the margin. `Regressed` means that the lower limit is above the
/// margin, `Safe` that the upper one is below. Where they contradict each other, since the truth changed during the
/// run, the upper limit gives way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    lower: f64,
    upper: f64,
}

/// In plain words, such as `no data`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safe => "safe",
            Self::Regressed => "regressed",
            Self::Undecided => "undecided",
            Self::NoData => "no data",
            Self::SourceError => "source error",
            Self::NotApplicable => "not applicable",
        })
    }
}

impl Limits {
    /// Makes the limits from the highest value that is excluded from below, the lowest that is from above, and what is
    /// said of the margin, which no rounding of theirs may contradict.
    pub(super) fn new((below, above): (f64, f64), margin: f64, verdict: Verdict) -> Self {
        // The limits are what is left: the next number up, and the next one down.
        let lower = if below > 0.0 { below.next_up() } else { 0.0 };
        let upper = if above < f64::INFINITY {
            above.next_down()
        } else {
            f64::INFINITY
        };
        let (lower, upper) = match verdict {
            Verdict::Regressed => (lower.max(margin.next_up()), upper),
            Verdict::Safe => (lower.min(margin.next_down()), upper.min(margin.next_down())),
            _ => (lower.min(margin), upper.max(margin)),
        };
        Self {
            lower,
            upper: upper.max(lower),
        }
    }

    /// Returns the lowest value that is not excluded; 0 if none is.
    #[must_use]
    pub fn lower(self) -> f64 {
        self.lower
    }

    /// Returns the highest value that is not excluded; of a ratio infinity, of a rate 1, if none is.
    #[must_use]
    pub fn upper(self) -> f64 {
        self.upper
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_on_the_margin_has_the_last_word() {
        let limits = |verdict| {
            let limits = Limits::new((3.0, 1.0), 2.0, verdict);
            (limits.lower() > 2.0, limits.upper() < 2.0)
        };
        assert_eq!(limits(Verdict::Undecided), (false, false));
        assert_eq!(limits(Verdict::Regressed), (true, false));
        assert_eq!(limits(Verdict::Safe), (false, true));
        let open = Limits::new((0.0, f64::INFINITY), 2.0, Verdict::Regressed);
        assert!(open.lower() > 2.0 && open.upper().is_infinite());
    }
}
