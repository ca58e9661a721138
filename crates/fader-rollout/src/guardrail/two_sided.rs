//! One test in both directions, with its limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bits;
use super::ladder::Ladder;
use super::logs::Logs;
use super::mixture::{BETTER, Mixture, WORSE};
use super::setting::{InvalidSetting, within};
use super::starts::Starts;
use super::verdict::Verdict;

/// How many bad units of the candidate it takes at least to call it regressed, if not set: 3.
pub const DEFAULT_MIN_BAD_UNITS: u32 = 3;

/// The probability β of ever calling a candidate safe that is not.
pub(crate) const WRONG_SAFE: f64 = 0.05;

/// Tests whether hits have more, or less, than `margin` times their share in the odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TwoSided {
    #[serde(with = "bits")]
    margin: f64,
    #[serde(with = "bits")]
    level: f64,
    min_hits: u32,
    #[serde(with = "bits")]
    hits: f64,
    starts: Starts,
    worse: Mixture,
    better: Mixture,
    ladder: Ladder,
    arrears: Option<Arrears>,
    /// Whether E was ever at least 1/α.
    regressed: bool,
    /// Hits, and misses, weighed so that their quotient estimates the ratio (Mantel & Haenszel 1959).
    #[serde(with = "bits")]
    weighed_hits: f64,
    #[serde(with = "bits")]
    weighed_misses: f64,
    #[serde(skip)]
    logs: Logs,
}

/// What is no arrears yet, in standard deviations: without it, chance that was against a regression before its onset
/// would hide it for longer.
const NOISE: f64 = 0.5;

/// How many hits one side is behind the other over the run, at the margin.
///
/// Each unit is a trial once. Where one arm's come later, because it has mended most of what fails in the other, it is
/// behind at first, and what then comes only makes up for that: it is no rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Arrears {
    /// Above 0 where hits are behind, below where misses are.
    #[serde(with = "bits")]
    hits: f64,
    /// The variance of that if there is no effect.
    #[serde(with = "bits")]
    variance: f64,
}

impl Arrears {
    /// Takes a stratum at the odds of a hit, and returns how many of its hits, and of its misses, make up for others.
    fn take(&mut self, odds: f64, hits: f64, misses: f64) -> (f64, f64) {
        self.variance += (hits + misses) * odds;
        let noise = NOISE * self.variance.sqrt();
        let of_hits = (self.hits + misses * odds - noise).clamp(0.0, hits);
        let of_misses = ((hits - self.hits - noise) / odds).clamp(0.0, misses);
        self.hits += misses * odds - hits;
        (of_hits, of_misses)
    }
}

/// The trials of a stratum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trials {
    pub(super) hits: u32,
    pub(super) misses: u32,
}

impl TwoSided {
    pub(super) fn new(margin: f64, level: f64, planned: Duration) -> Result<Self, InvalidSetting> {
        Ok(Self {
            margin,
            level: within("level", level, f64::MIN_POSITIVE..=1.0 - 1e-12)?,
            min_hits: DEFAULT_MIN_BAD_UNITS,
            hits: 0.0,
            starts: Starts::new(planned),
            worse: Mixture::new(),
            better: Mixture::new(),
            ladder: Ladder::new(),
            arrears: None,
            regressed: false,
            weighed_hits: 0.0,
            weighed_misses: 0.0,
            logs: Logs::default(),
        })
    }

    pub(super) fn with_min_hits(self, min_hits: u32) -> Self {
        Self { min_hits, ..self }
    }

    /// Has late starts leave out what only makes up for what has not come before.
    pub(super) fn of_units(self) -> Self {
        let arrears = Some(Arrears::default());
        Self { arrears, ..self }
    }

    /// Takes a stratum. One without trials, or with a share that leaves one side empty, tells nothing.
    pub(super) fn observe(&mut self, elapsed: Duration, share: f64, trials: Trials) {
        let both_arms = share > 0.0 && share < 1.0;
        let (hits, misses) = (f64::from(trials.hits), f64::from(trials.misses));
        let all = hits + misses;
        if !both_arms || all < 1.0 {
            return;
        }
        self.hits += hits;
        self.weighed_hits += hits * (1.0 - share);
        self.weighed_misses += misses * share;

        let fresh = self.starts.advance(elapsed);
        if fresh > 0.0 {
            self.worse.begin(fresh);
            self.better.begin(fresh);
        }
        self.logs.follow(share, self.margin);
        let (late_hits, late_misses) = match &mut self.arrears {
            Some(arrears) => arrears.take(self.margin * share / (1.0 - share), hits, misses),
            None => (0.0, 0.0),
        };
        let (worse, better) = (&self.logs.worse, &self.logs.better);
        self.worse.take(&WORSE, worse, (hits, all), late_hits);
        self.better
            .take(&BETTER, better, (misses, all), late_misses);
        self.ladder.take(&self.logs.grid, all);
        self.regressed |=
            self.has_min_hits() && self.worse.reaches(1.0 / self.level, self.to_come());
    }

    fn has_min_hits(&self) -> bool {
        self.hits >= f64::from(self.min_hits)
    }

    fn to_come(&self) -> f64 {
        self.starts.to_come()
    }

    pub(super) fn margin(&self) -> f64 {
        self.margin
    }

    /// Returns E at the margin.
    pub(super) fn evidence(&self) -> f64 {
        self.worse.evidence(self.to_come())
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.regressed {
            Verdict::Regressed
        } else if self.better.reaches(1.0 / WRONG_SAFE, self.to_come()) {
            Verdict::Safe
        } else {
            Verdict::Undecided
        }
    }

    /// Returns the highest ratio of the ladder that is excluded from below, or 0, and the lowest that is from above, or
    /// infinity.
    pub(super) fn excluded(&self) -> (f64, f64) {
        let (hits, to_come) = (self.hits, self.to_come());
        let below = if self.has_min_hits() {
            let bound = 1.0 / self.level;
            self.ladder.excluded_below(hits, bound, to_come)
        } else {
            0.0
        };
        let bound = 1.0 / WRONG_SAFE;
        (below, self.ladder.excluded_above(hits, bound, to_come))
    }

    /// Returns the ratio of the odds that fits best; none before the first event, infinity before the first miss.
    pub(super) fn estimate(&self) -> Option<f64> {
        let ratio = self.weighed_hits / self.weighed_misses;
        (!ratio.is_nan()).then_some(ratio)
    }

    /// Returns E in both directions.
    #[cfg(test)]
    pub(super) fn both(&self) -> [f64; 2] {
        [&self.worse, &self.better].map(|mixture| mixture.evidence(self.to_come()))
    }

    /// Returns ℓ.
    #[cfg(test)]
    pub(super) fn likelihood(&self) -> super::ladder::Grid {
        self.ladder.likelihood(self.hits)
    }
}
