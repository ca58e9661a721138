//! From how much slower a candidate is to how many of its successes are slow.
//!
//! Latencies are taken to be lognormal, with the same σ in both arms: ln of a latency is normal with that standard
//! deviation, and a candidate that is s times slower has each of its quantiles s times higher.

use crate::guardrail::{least, normal};

/// A relative guardrail of latency.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latency {
    /// Where the frozen quantile lies, in standard deviations.
    quantile: f64,
    /// The logarithm of the margin.
    margin: f64,
    sigma: f64,
}

impl Latency {
    /// Takes the part of stable's successes that is slow, the margin, and σ.
    pub(super) fn new(slow: f64, margin: f64, sigma: f64) -> Self {
        Self {
            quantile: least(|z| normal(-z, 0.0) <= slow, -40.0, 40.0),
            margin: margin.ln(),
            sigma: sigma.max(1e-3),
        }
    }

    /// Returns which part of the candidate's successes is slow, by the guardrail's margin, if it is so many times
    /// slower.
    pub(super) fn slow_part(self, slower: f64) -> f64 {
        let z = self.quantile + (self.margin - slower.ln()) / self.sigma;
        normal(-z, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_is_slow_is_that_of_the_tables() {
        let p95 = Latency::new(0.05, 1.0, 0.5);
        assert!((p95.slow_part(1.0) - 0.05).abs() < 1e-6);
        // 1.6449 − ln 1.2 / 0.5 = 1.2802, of which the tail is 0.10024.
        assert!((p95.slow_part(1.2) - 0.10024).abs() < 1e-4);
        assert!(p95.slow_part(1e9) > 0.999_999);
        // A margin takes as much back as it allows.
        let wide = Latency::new(0.05, 1.2, 0.5);
        assert!((wide.slow_part(1.2) - 0.05).abs() < 1e-6);
        assert!(wide.slow_part(1.0) < 0.03);
    }
}
