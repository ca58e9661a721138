//! Candidate against stable.

use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::setting::{InvalidSetting, within};
use super::two_sided::{Trials, TwoSided};
use super::verdict::{Limits, Verdict};

/// Tests whether the candidate has more than `margin` times stable's rate of bad events.
///
/// Latency is tested with it at margin 1: there a candidate success is bad that takes longer than r·τ, a stable one
/// that takes longer than τ. The [module](super) states formulas, sources and the guarantee.
///
/// A test is of one run: no stage resets it. It can be serialised, and goes on from there as though it had never
/// stopped, bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Relative(TwoSided);

/// Bad events of a stratum, by arm: units at their first bad event, or requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a ramp has two arms")]
pub struct Arms {
    /// Those enrolled: x1.
    pub candidate: u32,
    /// Those drawn and not enrolled: x0.
    pub stable: u32,
}

/// Adds up arm by arm, to at most the largest count.
impl Add for Arms {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            candidate: self.candidate.saturating_add(other.candidate),
            stable: self.stable.saturating_add(other.stable),
        }
    }
}

impl Relative {
    /// Makes a test with a margin from 1 to 1000, a level α from a [`Budget`](super::Budget), and the run's planned
    /// duration, over which late regressions are watched evenly.
    ///
    /// # Errors
    ///
    /// A margin or level out of range.
    pub fn new(margin: f64, level: f64, planned: Duration) -> Result<Self, InvalidSetting> {
        let margin = within("margin", margin, 1.0..=1000.0)?;
        TwoSided::new(margin, level, planned).map(Self)
    }

    /// Sets how many bad events of the candidate it takes at least to call it regressed. Default: 3.
    ///
    /// So one broken client can't roll back a release.
    pub fn min_bad_units(self, least: u32) -> Self {
        Self(self.0.with_min_hits(least))
    }

    /// Says that what is counted are units, each at its first bad event of the run.
    ///
    /// Late starts then leave out an arm's bad units as long as it is behind what the other arm's would let expect of
    /// the run so far: where a candidate has mended most of what fails for some users, these are bad later than stable's,
    /// and are no late regression. The [module](super) says more.
    pub fn of_units(self) -> Self {
        Self(self.0.of_units())
    }

    /// Takes a stratum: what happened under one share, in one tick or several merged ones.
    ///
    /// `elapsed` is the time of the run at which the stratum began. `share` is the candidate's part of the traffic,
    /// from 0 to 1: by unit the design share under which the events' requests were drawn, by request the realised one,
    /// n1/(n1 + n0). At 0 and 1, and without bad events, a stratum changes nothing.
    pub fn observe(&mut self, elapsed: Duration, share: f64, bad: Arms) {
        let trials = Trials {
            hits: bad.candidate,
            misses: bad.stable,
        };
        self.0.observe(elapsed, share, trials);
    }

    /// Returns E, the evidence that the candidate is worse than the margin: 1 at the start, an alarm from 1/α on.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        self.0.evidence()
    }

    /// Returns the ratio of the arms' rates that fits best: none before the first bad event, infinity before stable's
    /// first. (Mantel & Haenszel 1959, over the strata.)
    #[must_use]
    pub fn estimate(&self) -> Option<f64> {
        self.0.estimate()
    }

    /// Returns the limits of the ratio of the arms' rates.
    ///
    /// They are computed when asked for, which takes longer than a stratum.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits::new(self.0.excluded(), self.0.margin(), self.verdict())
    }

    /// Says whether the candidate is safe, regressed, or neither yet.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.0.verdict()
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> &TwoSided {
        &self.0
    }
}
