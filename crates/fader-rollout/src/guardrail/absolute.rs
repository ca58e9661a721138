//! The candidate alone, against a limit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::setting::{CHANCE, InvalidSetting, within};
use super::two_sided::{Trials, TwoSided};
use super::verdict::{Limits, Verdict};

/// Tests whether more than a part `limit` of what the candidate does is bad.
///
/// For latency it is the part that takes too long: `latency_p99` below 800 ms is a limit of 0.01 on what takes longer.
/// It holds at 100 %, where there is no stable arm to compare with. The [module](super) states formulas, sources and
/// the guarantee. Trials that share their fate, such as the requests of one user, void it: of each user at most one bad
/// trial a second should count, and only where several users have one, as [`observe`](crate::observe) does it.
///
/// It is serialised as [`Relative`](super::Relative) is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Absolute {
    #[serde(with = "super::bits")]
    limit: f64,
    // The limit takes the place of the share: bad ones are to have at most their share in the trials.
    test: TwoSided,
}

impl Absolute {
    /// Makes a test with a limit between 0 and 1, a level α from a [`Budget`](super::Budget), and the run's planned
    /// duration, over which late regressions are watched evenly.
    ///
    /// # Errors
    ///
    /// A limit or level out of range.
    pub fn new(limit: f64, level: f64, planned: Duration) -> Result<Self, InvalidSetting> {
        Ok(Self {
            limit: within("limit", limit, CHANCE)?,
            test: TwoSided::new(1.0, level, planned)?,
        })
    }

    /// Sets how many bad ones it takes at least to call the candidate regressed. Default: 3.
    pub fn min_bad_units(self, least: u32) -> Self {
        Self {
            test: self.test.with_min_hits(least),
            ..self
        }
    }

    /// Takes a stratum: how many were bad `of` how many. `elapsed` is the time of the run at which it began.
    ///
    /// Without any, a stratum changes nothing.
    pub fn observe(&mut self, elapsed: Duration, bad: u32, of: u32) {
        let trials = Trials {
            hits: bad.min(of),
            misses: of.saturating_sub(bad),
        };
        self.test.observe(elapsed, self.limit, trials);
    }

    /// Returns E, the evidence that the rate is above the limit: 1 at the start, an alarm from 1/α on.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        self.test.evidence()
    }

    /// Returns the rate so far, from 0 to 1; none before the first trial.
    #[must_use]
    pub fn estimate(&self) -> Option<f64> {
        self.test.estimate().map(|ratio| self.rate(ratio))
    }

    /// Returns the limits of the rate.
    ///
    /// They are computed when asked for, which takes longer than a stratum.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let (below, above) = self.test.excluded();
        Limits::new(
            (self.rate(below), self.rate(above)),
            self.limit,
            self.verdict(),
        )
    }

    /// Says whether the candidate is safe, regressed, or neither yet.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.test.verdict()
    }

    /// Returns the rate whose odds are so many times those of the limit.
    fn rate(&self, ratio: f64) -> f64 {
        if ratio.is_infinite() {
            // None of the rates is excluded, not even 1.
            return 1.0_f64.next_up();
        }
        let raised = self.limit * ratio;
        raised / (1.0 - self.limit + raised)
    }
}
