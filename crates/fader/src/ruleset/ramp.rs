//! Clock ramps: a percent that is a pure function of the time, the same on every machine.

use crate::percent::Percent;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockRamp {
    pub(crate) from: Percent,
    pub(crate) to: Percent,
    pub(crate) start: Timestamp,
    /// Nanoseconds, above 0.
    pub(crate) over: u128,
    pub(crate) curve: Curve,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    Linear,
    Exponential,
}

/// Returns the ramp's percent at an instant; `None` before its start, when nobody is enrolled whatever `from` says.
pub(crate) fn percent_at(ramp: &ClockRamp, now: Timestamp) -> Option<Percent> {
    let elapsed = u128::try_from(now.as_nanos() - ramp.start.as_nanos()).ok()?;
    if elapsed >= ramp.over {
        return Some(ramp.to);
    }
    Some(match ramp.curve {
        Curve::Linear => linear(ramp, elapsed),
        Curve::Exponential => exponential(ramp, elapsed),
    })
}

/// micros = floor((from·(over − t) + to·t) / over), in integers.
fn linear(ramp: &ClockRamp, elapsed: u128) -> Percent {
    let (from, to) = (u128::from(ramp.from.micros()), u128::from(ramp.to.micros()));
    // INVARIANT: a duration is below 2^64 seconds, so each product is below 2^27 · 2^94.
    let micros = (from * (ramp.over - elapsed) + to * elapsed) / ramp.over;
    u32::try_from(micros)
        .ok()
        .and_then(Percent::from_micros)
        .unwrap_or(ramp.to)
}

/// percent = from ± ((1 + |to − from|)^(t/over) − 1), floored to a micro. `libm` computes it, so that all machines
/// agree to the last bit.
fn exponential(ramp: &ClockRamp, elapsed: u128) -> Percent {
    let (from, to) = (ramp.from.as_f64(), ramp.to.as_f64());
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of the time; the curve is defined on floats"
    )]
    let share = elapsed as f64 / ramp.over as f64;
    let step = libm::pow(1.0 + (to - from).abs(), share) - 1.0;
    let percent = if to >= from { from + step } else { from - step };
    let (low, high) = (
        ramp.from.min(ramp.to).micros(),
        ramp.from.max(ramp.to).micros(),
    );
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=100,000,000 beforehand"
    )]
    let micros = (percent * 1e6)
        .floor()
        .clamp(f64::from(low), f64::from(high)) as u32;
    Percent::from_micros(micros).unwrap_or(ramp.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(from: u32, to: u32, curve: Curve) -> ClockRamp {
        let percent = |whole| Percent::from_micros(whole * 1_000_000).unwrap();
        let start = Timestamp::parse("2026-12-01T00:00:00Z").unwrap();
        ClockRamp {
            from: percent(from),
            to: percent(to),
            start,
            over: 1_000 * 1_000_000_000,
            curve,
        }
    }

    fn micros(ramp: &ClockRamp, seconds: i128) -> Option<u32> {
        let now = Timestamp::from_nanos(ramp.start.as_nanos() + seconds * 1_000_000_000);
        percent_at(ramp, now).map(Percent::micros)
    }

    #[test]
    fn a_linear_ramp_is_exact() {
        let up = ramp(0, 100, Curve::Linear);
        assert_eq!(
            [-1, 0, 500, 999, 1_000, 9_999].map(|at| micros(&up, at)),
            [
                None,
                Some(0),
                Some(50_000_000),
                Some(99_900_000),
                Some(100_000_000),
                Some(100_000_000)
            ]
        );
        let down = ramp(30, 10, Curve::Linear);
        assert_eq!(
            [-1, 0, 500, 1_000].map(|at| micros(&down, at)),
            [None, Some(30_000_000), Some(20_000_000), Some(10_000_000)]
        );
    }

    #[test]
    fn an_exponential_ramp_starts_slowly() {
        let up = ramp(0, 100, Curve::Exponential);
        assert_eq!(
            [0, 500, 1_000].map(|at| micros(&up, at)),
            [Some(0), Some(9_049_875), Some(100_000_000)]
        );
        let down = ramp(100, 0, Curve::Exponential);
        assert_eq!(
            [0, 500, 1_000].map(|at| micros(&down, at)),
            [Some(100_000_000), Some(90_950_124), Some(0)]
        );
        let flat = ramp(5, 5, Curve::Exponential);
        assert_eq!(
            [0, 500].map(|at| micros(&flat, at)),
            [Some(5_000_000), Some(5_000_000)]
        );
    }

    #[test]
    fn the_longest_ramp_does_not_overflow() {
        let mut long = ramp(100, 100, Curve::Linear);
        long.over = u128::from(u64::MAX) * 1_000_000_000;
        assert_eq!(micros(&long, 1), Some(100_000_000));
    }
}
