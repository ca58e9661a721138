//! How the probability of a false alarm is divided.

use serde::{Deserialize, Serialize};

use super::setting::{CHANCE, InvalidSetting, within};

/// How many process starts of a run have a local stop, if not set: 256.
pub const DEFAULT_MAX_PROCESSES: u32 = 256;

/// Divides the probability of a false alarm in a run over its guardrails and processes.
///
/// The parts add up to the whole, which is all that is asked of them: the tests may depend on one another as they like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Budget {
    false_alarm: f64,
    guardrails: u32,
}

impl Budget {
    /// Makes the budget of a run, over all its stages, from the probability of a false alarm and the number of
    /// guardrails; 0 counts as 1.
    ///
    /// # Errors
    ///
    /// A probability that is not between 0 and 1.
    pub fn new(false_alarm: f64, guardrails: u32) -> Result<Self, InvalidSetting> {
        Ok(Self {
            false_alarm: within("false_alarm", false_alarm, CHANCE)?,
            guardrails: guardrails.max(1),
        })
    }

    /// Returns the level α of each guardrail where one process runs alone: α/K, so that it stops at E ≥ K/α.
    #[must_use]
    pub fn one_process(self) -> f64 {
        self.false_alarm / f64::from(self.guardrails)
    }

    /// Returns the level of each guardrail's test of a whole fleet: half of it, so that it stops at E ≥ 2K/α.
    #[must_use]
    pub fn fleet(self) -> f64 {
        self.one_process() / 2.0
    }

    /// Returns the level of each guardrail's test in one process of a fleet, which stops at E ≥ 2KN/α.
    ///
    /// N is how many process *starts* a run may have with a test of their own; 0 counts as 1. Later ones have none.
    #[must_use]
    pub fn process(self, max_processes: u32) -> f64 {
        self.fleet() / f64::from(max_processes.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_together_are_the_whole() {
        let budget = Budget::new(0.01, 3).unwrap();
        let fleet = 3.0 * (budget.fleet() + 256.0 * budget.process(DEFAULT_MAX_PROCESSES));
        assert!((3.0 * budget.one_process() - 0.01).abs() < 1e-15);
        assert!((fleet - 0.01).abs() < 1e-15);
    }

    #[test]
    fn a_probability_out_of_range_is_refused() {
        for wrong in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            let error = Budget::new(wrong, 1).unwrap_err();
            assert_eq!(error.name(), "false_alarm");
        }
        let error = Budget::new(2.0, 1).unwrap_err().to_string();
        assert!(
            error.starts_with("`false_alarm` is 2, not between"),
            "{error}"
        );
    }
}
