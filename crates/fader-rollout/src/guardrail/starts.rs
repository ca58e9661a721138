//! When late regressions may start, and how much weight each start has.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The weights v of the starts, of which one comes each minute.
///
/// Half of them lies evenly over the planned duration, so that a regression is seen as soon late in the plan as early
/// in it. The other half is 1/(j·(j+1)) for start j, whose sum over all j is 1: a run that lasts longer still has
/// starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Starts {
    /// At least 1.
    planned: u32,
    past: u32,
}

const MINUTE: u64 = 60;

impl Starts {
    pub(super) fn new(planned: Duration) -> Self {
        let planned = u32::try_from(planned.as_secs().div_ceil(MINUTE)).unwrap_or(u32::MAX);
        Self {
            planned: planned.max(1),
            past: 0,
        }
    }

    /// Goes on to a time of the run, and returns the weight of the starts since.
    ///
    /// A stratum that comes late, from another process, finds no new starts.
    pub(super) fn advance(&mut self, elapsed: Duration) -> f64 {
        let now = u32::try_from(elapsed.as_secs() / MINUTE).unwrap_or(u32::MAX);
        if now <= self.past {
            return 0.0;
        }
        let even = f64::from(now.min(self.planned) - self.past.min(self.planned));
        let (from, to) = (f64::from(self.past), f64::from(now));
        self.past = now;
        let telescoped = (to - from) / ((from + 1.0) * (to + 1.0));
        0.5 * (even / f64::from(self.planned) + telescoped)
    }

    /// Returns the weight of the starts to come.
    pub(super) fn to_come(self) -> f64 {
        let even = f64::from(self.past.min(self.planned)) / f64::from(self.planned);
        0.5 * (1.0 - even + 1.0 / (f64::from(self.past) + 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    #[test]
    fn each_start_has_its_weight_and_they_sum_to_one() {
        let mut starts = Starts::new(minutes(10));
        let mut sum = 0.0;
        for j in 1..=1000_u32 {
            let even = if j <= 10 { 0.1 } else { 0.0 };
            let expected = 0.5 * (even + 1.0 / (f64::from(j) * f64::from(j + 1)));
            let weight = starts.advance(minutes(u64::from(j)));
            assert!((weight - expected).abs() < 1e-15, "start {j}: {weight}");
            sum += weight;
            assert!((sum + starts.to_come() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn starts_that_nobody_saw_come_together() {
        let mut one_by_one = Starts::new(minutes(10));
        let sum: f64 = (0..=1800)
            .map(|s| one_by_one.advance(Duration::from_secs(s)))
            .sum();
        let mut at_once = Starts::new(minutes(10));
        assert!((at_once.advance(minutes(30)) - sum).abs() < 1e-15);
        assert_eq!(at_once, one_by_one);
        assert!(at_once.advance(minutes(29)).abs() < f64::MIN_POSITIVE);
        assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn extremes_are_no_trouble() {
        let mut starts = Starts::new(Duration::ZERO);
        assert!((starts.advance(minutes(1)) - 0.75).abs() < 1e-15);
        let mut starts = Starts::new(Duration::MAX);
        assert!(starts.advance(Duration::MAX) > 0.999);
        assert!(starts.to_come() >= 0.0);
    }
}
