//! The mixture over alternatives and starts, in one direction, at the guardrail's own margin.
//!
//! For each alternative there are two logarithms: of the product over the whole run, and of S, what the late starts so
//! far have become. A stratum adds the same to both. No product is ever formed, so that none overflows or vanishes,
//! however long a run is.

use std::f64::consts::{LN_2, LN_10};

use serde::{Deserialize, Serialize};

use super::bits;

/// How many alternatives there are. All weigh the same.
pub(crate) const ALTERNATIVES: usize = 9;

/// A number for each alternative.
pub(super) type Nine = [f64; ALTERNATIVES];

/// How many times the odds of the margin an alternative is, with the natural logarithm of that.
pub(crate) type Alternative = (f64, f64);

/// How many times worse than the margin the candidate may be.
pub(super) const WORSE: [Alternative; ALTERNATIVES] = [
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
pub(crate) const BETTER: [Alternative; ALTERNATIVES] = [
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

/// The weight w of each alternative.
pub(super) const WEIGHT: f64 = 1.0 / 9.0;

/// Which part of E lies on the run's start; the other lies on late starts.
pub(super) const FROM_THE_START: f64 = 0.5;

/// The terms of E for one direction, as logarithms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Mixture {
    #[serde(with = "bits::many")]
    start: Nine,
    #[serde(with = "bits::many")]
    late: Nine,
}

impl Mixture {
    pub(super) fn new() -> Self {
        Self {
            start: [0.0; ALTERNATIVES],
            late: [f64::NEG_INFINITY; ALTERNATIVES],
        }
    }

    /// Adds late starts of a weight v above 0: S = ln(exp(S) + w·v).
    pub(super) fn begin(&mut self, weight: f64) {
        let fresh = (WEIGHT * weight).ln();
        for late in &mut self.late {
            let (least, most) = (late.min(fresh), late.max(fresh));
            *late = most + (least - most).exp().ln_1p();
        }
    }

    /// Takes a stratum: L = c^hits / exp(cost)^trials for each alternative c. Late starts leave out some of the hits.
    pub(super) fn take(
        &mut self,
        alternatives: &[Alternative; ALTERNATIVES],
        costs: &Nine,
        (hits, trials): (f64, f64),
        left_out: f64,
    ) {
        let terms = self.start.iter_mut().zip(&mut self.late);
        for ((start, late), ((_, log), cost)) in terms.zip(alternatives.iter().zip(costs)) {
            let gain = hits * log - trials * cost;
            *start += gain;
            *late += gain - left_out * (log - cost);
        }
    }

    /// Returns E, where `to_come` is the weight of the starts to come. What is beyond all bounds is the largest number.
    pub(super) fn evidence(&self, to_come: f64) -> f64 {
        let sum = |logs: &Nine| logs.iter().map(|log| log.exp()).sum::<f64>();
        let late = sum(&self.late) + to_come;
        let evidence = FROM_THE_START * WEIGHT * sum(&self.start) + (1.0 - FROM_THE_START) * late;
        evidence.min(f64::MAX)
    }

    /// Tells whether E is at least a bound above 1.
    pub(super) fn reaches(&self, bound: f64, to_come: f64) -> bool {
        let logs = self.start.iter().chain(&self.late);
        let most = logs.copied().fold(f64::NEG_INFINITY, f64::max);
        // E is at most ½·e^most + ½·(9·e^most + 1): mostly one exponential tells enough.
        10.0 * most.exp() >= bound && self.evidence(to_come) >= bound
    }
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
