//! One test in both directions, with its limits.

use std::f64::consts::{LN_2, LN_10};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bits;
use super::mixture::{ALTERNATIVES, Alternative, LADDER, MARGINS, Margins, Mixture, Trials};
use super::setting::{CHANCE, InvalidSetting, within};
use super::starts::Starts;
use super::verdict::Limits;

/// How many bad units of the candidate it takes at least to call it regressed, if not set: 3.
pub const DEFAULT_MIN_BAD_UNITS: u32 = 3;

/// How many times worse than the margin the candidate may be.
const WORSE: [Alternative; ALTERNATIVES] = [
    (1.25, 0.223_143_551_314_209_76),
    (1.5, 0.405_465_108_108_164_4),
    (2.0, LN_2),
    (3.0, 1.098_612_288_668_109_8),
    (5.0, 1.609_437_912_434_100_3),
    (10.0, LN_10),
    (30.0, 3.401_197_381_662_155_5),
    (100.0, 4.605_170_185_988_092),
    (1000.0, 6.907_755_278_982_137),
];

/// How many times better than the margin. They begin closer to 1: with a margin of 1.1, a candidate as good as stable
/// is only so much better.
const BETTER: [Alternative; ALTERNATIVES] = [
    (1.05, 0.048_790_164_169_432_05),
    (1.1, 0.095_310_179_804_324_93),
    (1.2, 0.182_321_556_793_954_6),
    (1.5, 0.405_465_108_108_164_4),
    (2.0, LN_2),
    (3.0, 1.098_612_288_668_109_8),
    (5.0, 1.609_437_912_434_100_3),
    (10.0, LN_10),
    (30.0, 3.401_197_381_662_155_5),
];

/// The probability β of ever calling a candidate safe that is not.
pub(super) const WRONG_SAFE: f64 = 0.05;

/// Which half of the weight of E lies on the run's start; the other lies on late starts.
const FROM_THE_START: f64 = 0.5;

/// Tests whether hits have more, or less, than `margin` times their share in the odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TwoSided {
    #[serde(with = "bits")]
    margin: f64,
    #[serde(with = "bits")]
    level: f64,
    min_hits: u32,
    hits: u64,
    starts: Starts,
    worse: Mixture,
    better: Mixture,
    /// The highest margin that was ever excluded from below, or 0.
    #[serde(with = "bits")]
    excluded_below: f64,
    /// The lowest margin that is excluded from above now, or infinity.
    #[serde(with = "bits")]
    excluded_above: f64,
    /// Hits, and misses, weighed so that their quotient estimates the ratio (Mantel & Haenszel 1959).
    #[serde(with = "bits")]
    weighed_hits: f64,
    #[serde(with = "bits")]
    weighed_misses: f64,
}

impl TwoSided {
    pub(super) fn new(margin: f64, level: f64, planned: Duration) -> Result<Self, InvalidSetting> {
        Ok(Self {
            margin,
            level: within("level", level, CHANCE)?,
            min_hits: DEFAULT_MIN_BAD_UNITS,
            hits: 0,
            starts: Starts::new(planned),
            worse: Mixture::new(FROM_THE_START),
            better: Mixture::new(FROM_THE_START),
            excluded_below: 0.0,
            excluded_above: f64::INFINITY,
            weighed_hits: 0.0,
            weighed_misses: 0.0,
        })
    }

    pub(super) fn with_min_hits(self, min_hits: u32) -> Self {
        Self { min_hits, ..self }
    }

    /// Takes a stratum. One without trials, or with a share that leaves one side empty, tells nothing.
    pub(super) fn observe(&mut self, elapsed: Duration, share: f64, trials: Trials) {
        let both_arms = share > 0.0 && share < 1.0;
        if !both_arms || (trials.hits == 0 && trials.misses == 0) {
            return;
        }
        self.hits = self.hits.saturating_add(u64::from(trials.hits));
        self.weighed_hits += f64::from(trials.hits) * (1.0 - share);
        self.weighed_misses += f64::from(trials.misses) * share;

        let fresh = (1.0 - FROM_THE_START) * self.starts.advance(elapsed);
        let chances = margins(self.margin).map(|ratio| chance(share, ratio));
        self.worse.observe(&WORSE, fresh, &chances, trials);
        let others = chances.map(|chance| 1.0 - chance);
        self.better
            .observe(&BETTER, fresh, &others, trials.swapped());
        self.exclude();
    }

    /// Looks which margins are excluded now.
    fn exclude(&mut self) {
        let to_come = self.to_come();
        if self.hits >= u64::from(self.min_hits) {
            self.excluded_below = margins(self.margin)
                .into_iter()
                .zip(self.worse.sums())
                .filter(|(_, sum)| sum + to_come >= 1.0 / self.level)
                .fold(self.excluded_below, |highest, (ratio, _)| {
                    highest.max(ratio)
                });
        }
        self.excluded_above = margins(self.margin)
            .into_iter()
            .zip(self.better.sums())
            .filter(|(_, sum)| sum + to_come >= 1.0 / WRONG_SAFE)
            .fold(f64::INFINITY, |lowest, (ratio, _)| lowest.min(ratio));
    }

    /// Returns the part of E that lies on starts to come.
    fn to_come(&self) -> f64 {
        (1.0 - FROM_THE_START) * self.starts.to_come()
    }

    pub(super) fn margin(&self) -> f64 {
        self.margin
    }

    /// Returns E at the margin.
    pub(super) fn evidence(&self) -> f64 {
        let [at_the_margin, ..] = self.worse.sums();
        at_the_margin + self.to_come()
    }

    pub(super) fn limits(&self) -> Limits {
        Limits::beyond(self.excluded_below, self.excluded_above)
    }

    /// Returns what is excluded from below, and from above.
    pub(super) fn excluded(&self) -> (f64, f64) {
        (self.excluded_below, self.excluded_above)
    }

    /// Returns the ratio of the odds that fits best; none before the first event, infinity before the first miss.
    pub(super) fn estimate(&self) -> Option<f64> {
        let ratio = self.weighed_hits / self.weighed_misses;
        (!ratio.is_nan()).then_some(ratio)
    }

    #[cfg(test)]
    pub(super) fn rows(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let to_come = self.to_come();
        margins(self.margin)
            .into_iter()
            .zip(self.worse.sums())
            .zip(self.better.sums())
            .map(move |((ratio, worse), better)| (ratio, worse + to_come, better + to_come))
    }
}

/// Returns the margins under test, the guardrail's own first.
fn margins(own: f64) -> Margins {
    let mut all = [own; MARGINS];
    let [_, ladder @ ..] = &mut all;
    *ladder = LADDER;
    all
}

/// Returns the chance of a hit where a share's odds are raised by a ratio.
pub(super) fn chance(share: f64, ratio: f64) -> f64 {
    let raised = share * ratio;
    raised / (1.0 - share + raised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithms_are_those_of_the_alternatives() {
        for (times, log) in WORSE.into_iter().chain(BETTER) {
            assert!((times.ln() - log).abs() < 1e-15, "{times}");
        }
    }
}
