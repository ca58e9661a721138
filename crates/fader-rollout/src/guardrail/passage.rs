//! How long evidence takes to get to 1/α.
//!
//! Hits and misses come at random, at steady rates, and ln E goes up by a with each hit and down by b with each miss: a
//! walk with a drift m and a variance s² a second. The time in which such a walk first gets to a height H has an inverse
//! Gaussian distribution with mean H/m and shape H²/s² (Schrödinger 1915; Tweedie 1957; Cox & Miller, *The Theory of
//! Stochastic Processes*, 1965, 5.7). The steps are not small: on average the walk ends half a hit above the height,
//! which is added to it (Siegmund, *Sequential Analysis*, 1985, chapter 10).
//!
//! E is a mixture. On its mean path each alternative grows exponentially. Where their sum gets to 1/α, after a time t,
//! their parts in it say how much a hit and a miss count: a and b are the means of those of the alternatives, weighed by
//! these parts. With them H = m·t.

use std::time::Duration;

use super::mixture::{ALTERNATIVES, FROM_THE_START, Nine, WEIGHT, WORSE};

/// What goes on in a second, and what is allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) hits: f64,
    pub(super) misses: f64,
    /// The chance of a hit that is allowed at most.
    pub(super) chance: f64,
    pub(super) level: f64,
}

/// When the third hit is there, in units of the mean time between hits: median and 90 % (Erlang).
const THIRD: [f64; 2] = [2.674_06, 5.322_32];

/// What is longer is never, in seconds.
const NEVER: f64 = 1e10;

impl Walk {
    /// Returns when E is at least 1/α: in half of the runs, and in 90 % of them.
    pub(super) fn quantiles(self) -> Option<(Duration, Duration)> {
        let mean_path = self.mean_path()?;
        let drifts = self.drifts();
        let most = drifts.iter().copied().fold(0.0, f64::max);
        let parts = drifts.map(|drift| ((drift - most) * mean_path).exp());
        let whole: f64 = parts.iter().sum();
        let costs = WORSE.map(|(times, _)| (1.0 + self.chance * (times - 1.0)).ln());
        let mean = |values: Nine| {
            let weighed = values.iter().zip(&parts).map(|(value, part)| value * part);
            weighed.sum::<f64>() / whole
        };
        let miss = mean(costs);
        let hit = mean(WORSE.map(|(_, log)| log)) - miss;
        let drift = self.hits * hit - self.misses * miss;
        let variance = self.hits * hit * hit + self.misses * miss * miss;
        let height = drift * mean_path + 0.5 * hit;
        let time = InverseGaussian {
            mean: height / drift,
            shape: height * height / variance,
        };
        let [third, third_late] = THIRD.map(|third| third / self.hits);
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
        let (median, most) = (
            time.quantile(0.5).max(third),
            time.quantile(0.9).max(third_late),
        );
        (most < NEVER).then_some((seconds(median)?, seconds(most)?))
    }

    /// Returns when E is 1/α if hits and misses come evenly.
    fn mean_path(self) -> Option<f64> {
        let drifts = self.drifts();
        let evidence = |time: f64| {
            let sum: f64 = drifts.iter().map(|drift| (drift * time).exp()).sum();
            FROM_THE_START * WEIGHT * sum + (1.0 - FROM_THE_START)
        };
        let reached = |time: f64| evidence(time) >= 1.0 / self.level;
        reached(NEVER).then(|| least(reached, 0.0, NEVER))
    }

    /// Returns by how much the logarithm of each alternative grows in a second.
    fn drifts(self) -> [f64; ALTERNATIVES] {
        WORSE.map(|(times, log)| {
            let cost = (1.0 + self.chance * (times - 1.0)).ln();
            self.hits * log - (self.hits + self.misses) * cost
        })
    }
}

/// The distribution of the time in which a walk first gets to a height.
struct InverseGaussian {
    mean: f64,
    shape: f64,
}

impl InverseGaussian {
    fn quantile(&self, probability: f64) -> f64 {
        least(
            |time| self.probability(time) >= probability,
            0.0,
            100.0 * self.mean,
        )
    }

    /// Returns the probability that it is there by a time.
    fn probability(&self, time: f64) -> f64 {
        let (scale, relative) = ((self.shape / time).sqrt(), time / self.mean);
        let again = normal(-scale * (relative + 1.0), 2.0 * self.shape / self.mean);
        normal(scale * (relative - 1.0), 0.0) + again
    }
}

/// Returns Φ(z)·exp(log), to seven digits (*Numerical Recipes*, 6.2: Chebyshev).
pub(crate) fn normal(z: f64, log: f64) -> f64 {
    const TERMS: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let x = z.abs() / 2.0_f64.sqrt();
    let t = 1.0 / (1.0 + 0.5 * x);
    let sum = TERMS.iter().fold(0.0, |sum, term| sum * t + term);
    let tail = 0.5 * t * (sum - x * x + log).exp();
    if z > 0.0 { log.exp() - tail } else { tail }
}

/// Returns the least number between two for which something holds that holds for all above it.
pub(crate) fn least(holds: impl Fn(f64) -> bool, mut low: f64, mut high: f64) -> f64 {
    for _ in 0..64 {
        let middle = low + 0.5 * (high - low);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_that_of_tables() {
        for (z, expected) in [
            (-3.0, 0.001_349_90),
            (0.0, 0.5),
            (1.0, 0.841_344_75),
            (1.96, 0.975_002_1),
        ] {
            assert!((normal(z, 0.0) - expected).abs() < 1e-7, "{z}");
        }
        // Far out, where neither factor alone is a number.
        assert!((normal(-40.0, 800.0) - 0.009_967_2).abs() < 1e-6);
    }

    #[test]
    fn the_inverse_gaussian_distribution_is_that_of_its_density() {
        let time = InverseGaussian {
            mean: 3.0,
            shape: 6.0,
        };
        let density = |t: f64| {
            (6.0 / (std::f64::consts::TAU * t.powi(3))).sqrt()
                * (-6.0 * (t - 3.0).powi(2) / (18.0 * t)).exp()
        };
        for part in [0.5, 0.9] {
            let quantile = time.quantile(part);
            let step = quantile / 10_000.0;
            let sum: f64 = (0..10_000)
                .map(|i| step * density(step * (f64::from(i) + 0.5)))
                .sum();
            assert!((sum - part).abs() < 1e-6, "{sum}");
        }
        let sure = InverseGaussian {
            mean: 3.0,
            shape: 3e6,
        };
        assert!((sure.quantile(0.9) - 3.0).abs() < 0.01);
    }
}
