//! When a guardrail that counts units runs out of them.
//!
//! A unit counts at its first bad event of the run. A guardrail tells nothing any more when a fifth of the units seen
//! were bad once, or 65,536 units.

use std::time::Duration;

use fader::plan::Guardrail;

use super::Expected;
use crate::guardrail::least;

/// How many units a run remembers.
const REMEMBERED: f64 = 65_536.0;

/// So few never are too many.
const FEW: f64 = 100.0;

/// The part that may be spent.
const PART: f64 = 0.2;

/// What takes longer is never, in seconds.
const NEVER: f64 = 1e10;

/// Returns after what time of the run a guardrail runs out of units, if both arms are as stable is; none if never, or if
/// that is not known.
pub(super) fn spent_after(expected: &Expected, guardrail: &Guardrail) -> Option<Duration> {
    if matches!(guardrail.limit, fader::plan::Limit::Faster(_)) {
        return None;
    }
    let bad = expected.base(&guardrail.metric)?;
    let rate = expected.rate_of(&guardrail.metric);
    // Who of n units was met at least once after so many meetings, which fall on all alike.
    let met = |meetings: f64| match expected.units {
        Some(units) => -units * (-meetings / units).exp_m1(),
        None => meetings,
    };
    let is_spent = |seconds: f64| {
        let (spent, seen) = (met(rate * bad * seconds), met(expected.rate * seconds));
        spent > FEW && (spent >= REMEMBERED || spent > PART * seen)
    };
    let seconds = is_spent(NEVER).then(|| least(is_spent, 0.0, NEVER))?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use fader::plan::{Limit, Metric};

    use super::*;

    fn seconds(expected: &Expected, metric: Metric) -> Option<u64> {
        let guardrail = Guardrail::new(metric, Limit::NoWorseThan(1.0));
        spent_after(expected, &guardrail).map(|after| after.as_secs())
    }

    #[test]
    fn a_fifth_of_the_units_is_spent_after_a_while() {
        let mut expected = Expected::new(50.0, 0.001);
        // 65,536 of them, at 0.05 a second.
        assert_eq!(seconds(&expected, Metric::Errors), Some(1_310_720));
        expected.units = Some(10_000.0);
        // −ln 0.8 · 10,000 units / 0.05 a second: by then all units were seen.
        assert_eq!(seconds(&expected, Metric::Errors), Some(44_628));
        // Half of the requests are slow, so more than a fifth of the units as soon as a hundred are.
        assert_eq!(seconds(&expected, Metric::Latency(500)), Some(4));
        assert_eq!(seconds(&expected, Metric::ClientErrors), None);
        expected.errors = 0.0;
        assert_eq!(seconds(&expected, Metric::Errors), None);
    }
}
