//! Whether the arms get the units that the share says.

use serde::{Deserialize, Serialize};

use super::bits;

/// Tests whether first exposures fall into the candidate in more or less than their share.
///
/// If they do, the assignment is broken, and no other test can be trusted. E is the mean over ω ∈ {½, ⅔, .8, .9, 1.1,
/// 1.25, 1.5, 2} of the products of ω^n1 / (1 − f + f·ω)^n over all strata; broken is E ≥ 1000. While each first
/// exposure is in the candidate with probability f, that ever happens with a probability of at most 0.001, outside
/// `false_alarm`. Source: Lindon & Malek, arXiv 2011.03567.
///
/// It is serialised as [`Relative`](super::Relative) is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct SampleRatio {
    /// Logarithms of the products.
    #[serde(with = "bits::many")]
    logs: [f64; OMEGAS.len()],
    broken: bool,
}

const OMEGAS: [f64; 8] = [0.5, 2.0 / 3.0, 0.8, 0.9, 1.1, 1.25, 1.5, 2.0];

/// The probability of ever calling a sound assignment broken.
const LEVEL: f64 = 0.001;

impl SampleRatio {
    /// Makes a test before any exposure.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a stratum: of `all` units exposed for the first time, `enrolled` were in the candidate, whose design share
    /// is `share`, from 0 to 1. At 0 and 1, and without units, a stratum changes nothing.
    pub fn observe(&mut self, share: f64, enrolled: u32, all: u32) {
        let both_arms = share > 0.0 && share < 1.0;
        if !both_arms || all == 0 {
            return;
        }
        let (enrolled, all) = (f64::from(enrolled.min(all)), f64::from(all));
        for (log, omega) in self.logs.iter_mut().zip(OMEGAS) {
            *log += enrolled * omega.ln() - all * (share * (omega - 1.0)).ln_1p();
        }
        self.broken |= self.evidence() >= 1.0 / LEVEL;
    }

    pub(crate) fn distrust(&mut self) {
        self.broken = true;
    }

    /// Returns E, the evidence that the assignment is broken: 1 at the start, an alarm from 1000 on.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        let products = self.logs.iter().map(|log| log.exp());
        products.sum::<f64>() / 8.0
    }

    /// Tells whether the assignment was ever shown to be broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_that_loses_a_tenth_of_its_units_is_seen_among_sixty_thousand() {
        let mut test = SampleRatio::new();
        for _ in 0..60 {
            test.observe(0.05, 45, 1000);
        }
        assert!(test.is_broken());
    }

    #[test]
    fn an_exact_share_is_not_broken_and_broken_stays() {
        let mut test = SampleRatio::new();
        for _ in 0..60 {
            test.observe(0.05, 50, 1000);
        }
        assert!(!test.is_broken());
        assert!(test.evidence() < 0.1);
        test.observe(0.05, 1000, 1000);
        test.observe(0.05, 0, 1_000_000);
        assert!(test.is_broken());
    }

    #[test]
    fn a_stratum_with_one_arm_or_no_unit_changes_nothing() {
        let mut test = SampleRatio::new();
        for share in [0.0, 1.0, f64::NAN, -1.0, 2.0] {
            test.observe(share, 10, 10);
        }
        test.observe(0.5, 0, 0);
        assert_eq!(test, SampleRatio::new());
    }

    #[test]
    fn the_formula_is_the_published_one() {
        let mut test = SampleRatio::new();
        test.observe(0.2, 3, 7);
        test.observe(0.5, 1, 4);
        let one = |omega: f64| {
            omega.powi(3) / (0.8 + 0.2 * omega).powi(7) * omega / (0.5 + 0.5 * omega).powi(4)
        };
        let expected: f64 = OMEGAS.into_iter().map(one).sum::<f64>() / 8.0;
        assert!((test.evidence() / expected - 1.0).abs() < 1e-12);
    }
}
