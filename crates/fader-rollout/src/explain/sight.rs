//! What one guardrail sees in one stage.

use std::time::Duration;

use fader::plan::{Guardrail, Limit, Metric, Plan};
use serde::Serialize;

use super::latency::Latency;
use super::{Expected, seconds};
use crate::guardrail::{AbsoluteForecast, BETTER, Forecast, WRONG_SAFE, least};
use crate::judge::finding::name;
use crate::judge::{by_request, merge};

/// What one guardrail sees in one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sight {
    /// The guardrail's place in the plan.
    pub guardrail: usize,
    /// The guardrail as people write it, such as `errors no_worse_than 1.1`.
    pub name: String,
    /// Whether it judges the stage, and if not, why.
    pub state: SightState,
    /// What the figures are told in.
    pub measure: Measure,
    /// The smallest that half of the runs see within the bake; none if they do not even see a total failure.
    pub smallest: Option<f64>,
    /// In what time a rate twice stable's is seen, or a candidate that is twice as slow; none if never.
    pub double: Option<Times>,
    /// The same for five times.
    pub five_times: Option<Times>,
    /// The same for ten times.
    pub ten_times: Option<Times>,
    /// In what time is seen that all of the candidate's requests are bad.
    pub total: Option<Times>,
}

/// Whether a guardrail judges a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SightState {
    /// It does.
    Judges,
    /// There is no stable arm to compare with that chance has put there.
    NotApplicable,
    /// It does, and what it sees is not known: neither how often its events come, nor how much traffic a wave has.
    Unknown,
    /// It is a gauge, which is compared with its limit at each look.
    Gauge,
}

/// What the figures of a guardrail are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Measure {
    /// How many times stable's rate.
    Rise,
    /// How many times slower than stable, if latencies are lognormal.
    Slowdown,
    /// Which part of the candidate's requests is bad, from 0 to 1.
    Rate,
}

/// In what time half of the runs, and 90 % of them, see something: as JSON in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct Times {
    /// In half of the runs.
    #[serde(serialize_with = "seconds")]
    pub p50: Duration,
    /// In 90 % of the runs.
    #[serde(serialize_with = "seconds")]
    pub p90: Duration,
}

/// Counts come once a second.
const TICK: f64 = 1.0;

/// What is rarer is taken to be this rare: of what never was, no rise can be told.
const RAREST: f64 = 1e-9;

/// A stage as its guardrails see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) plan: &'a Plan,
    pub(super) expected: &'a Expected,
    /// The candidate's share, from 0 to 1: 0 while only waves are open.
    pub(super) share: f64,
    pub(super) bake: Duration,
    /// Whether nothing of it is taken back.
    pub(super) irreversible: bool,
    pub(super) level: f64,
}

/// A guardrail that judges a stage, with what is expected of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    kind: Kind,
    /// How many bad ones of the candidate it takes.
    least_bad: f64,
    /// How long what is judged at once is collected, in seconds.
    step: f64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Relative(Forecast),
    Slower(Forecast, Latency),
    /// With the rate of stable, where that is known.
    Absolute(AbsoluteForecast, Option<f64>),
}

impl Scene<'_> {
    /// Tells what a guardrail sees.
    pub(super) fn sight(&self, at: usize, guardrail: &Guardrail) -> Sight {
        let found = self.test(guardrail);
        let test = found.ok();
        let times = |factor: f64| test.and_then(|test| test.times(factor));
        Sight {
            guardrail: at,
            name: name(guardrail),
            state: found.err().unwrap_or(SightState::Judges),
            measure: match (&guardrail.metric, guardrail.limit) {
                (Metric::Latency(_), Limit::NoWorseThan(_)) => Measure::Slowdown,
                (_, Limit::NoWorseThan(_)) => Measure::Rise,
                _ => Measure::Rate,
            },
            smallest: test.and_then(|test| test.smallest(self.bake)),
            double: times(2.0),
            five_times: times(5.0),
            ten_times: times(10.0),
            total: test.and_then(Test::total),
        }
    }

    /// Returns the test that a guardrail is, or why there is none.
    pub(super) fn test(&self, guardrail: &Guardrail) -> Result<Test, SightState> {
        let expected = self.expected;
        let is_relative = matches!(guardrail.limit, Limit::NoWorseThan(_));
        if matches!(guardrail.metric, Metric::Gauge(_)) {
            return Err(SightState::Gauge);
        }
        if is_relative && !(0.0 < self.share && self.share < 1.0) {
            return Err(SightState::NotApplicable);
        }
        if self.share <= 0.0 {
            return Err(SightState::Unknown);
        }
        let base = expected
            .base(&guardrail.metric)
            .map(|base| base.max(RAREST));
        let forecast = |margin: f64, base: f64| Forecast {
            rate: expected.rate_of(&guardrail.metric),
            base,
            share: self.share,
            margin,
            level: self.level,
        };
        let absolute = |limit: f64| AbsoluteForecast {
            rate: expected.rate_of(&guardrail.metric) * self.share,
            limit: limit.clamp(RAREST, 1.0 - RAREST),
            level: self.level,
        };
        let kind = match (&guardrail.metric, guardrail.limit) {
            (Metric::Latency(_), Limit::NoWorseThan(margin)) => {
                let slow = base.ok_or(SightState::Unknown)?;
                let latency = Latency::new(slow, margin, expected.sigma);
                Kind::Slower(forecast(1.0, slow), latency)
            }
            (_, Limit::NoWorseThan(margin)) => {
                Kind::Relative(forecast(margin, base.ok_or(SightState::Unknown)?))
            }
            // How far stable is from the limit is not known.
            (Metric::Latency(_), _) => Kind::Absolute(absolute(base.unwrap_or(1.0)), None),
            (_, Limit::Below(limit)) => Kind::Absolute(absolute(limit), base),
            (_, _) => return Err(SightState::Unknown),
        };
        let merged = is_relative && by_request(self.plan);
        Ok(Test {
            kind,
            least_bad: self.plan.min_bad_units.into(),
            step: if merged {
                (merge::ENROLLED / (expected.rate * self.share)).clamp(TICK, 60.0)
            } else {
                TICK
            },
        })
    }
}

impl Test {
    /// Returns in what time is seen that the candidate's rate is so many times stable's, or that it is so many times
    /// slower.
    pub(super) fn times(self, factor: f64) -> Option<Times> {
        match self.kind {
            Kind::Relative(_) => self.at(factor),
            Kind::Slower(forecast, latency) => self.at(latency.slow_part(factor) / forecast.base),
            Kind::Absolute(_, base) => self.at((base? * factor).min(1.0)),
        }
    }

    /// Returns in what time is seen that all of the candidate's requests are bad.
    pub(super) fn total(self) -> Option<Times> {
        match self.kind {
            Kind::Relative(forecast) | Kind::Slower(forecast, _) => self.at(1.0 / forecast.base),
            Kind::Absolute(..) => self.at(1.0),
        }
    }

    /// Returns the smallest that half of the runs see within a time, in the guardrail's measure.
    pub(super) fn smallest(self, within: Duration) -> Option<f64> {
        let in_time = |times: Option<Times>| times.is_some_and(|times| times.p50 <= within);
        if !in_time(self.total()) {
            return None;
        }
        let seen = |value: f64| match self.kind {
            Kind::Slower(..) => in_time(self.times(value)),
            _ => in_time(self.at(value)),
        };
        Some(match self.kind {
            Kind::Relative(forecast) => least(seen, forecast.margin, 1.0 / forecast.base),
            Kind::Slower(..) => least(|log| seen(log.exp()), 0.0, 20.0).exp(),
            Kind::Absolute(forecast, _) => least(seen, forecast.limit, 1.0),
        })
    }

    /// Returns in what time a rise is seen or, of an absolute guardrail, a rate.
    fn at(self, value: f64) -> Option<Times> {
        let (quantiles, bad_a_second) = match self.kind {
            Kind::Relative(forecast) | Kind::Slower(forecast, _) => {
                let bad = (forecast.base * value).min(1.0);
                (
                    forecast.time_quantiles(value),
                    forecast.rate * forecast.share * bad,
                )
            }
            Kind::Absolute(forecast, _) => (forecast.time_quantiles(value), forecast.rate * value),
        };
        let (p50, p90) = quantiles?;
        let [least, least_late] = nth(self.least_bad).map(|nth| nth / bad_a_second);
        Some(Times {
            p50: self.at_a_look(p50.as_secs_f64().max(least))?,
            p90: self.at_a_look(p90.as_secs_f64().max(least_late))?,
        })
    }

    /// Returns when it is looked at next.
    fn at_a_look(self, seconds: f64) -> Option<Duration> {
        // What a rounding error puts behind a look was there at it.
        let looks = (seconds / self.step - 1e-9).ceil().max(1.0);
        Duration::try_from_secs_f64(looks * self.step).ok()
    }

    /// Returns about when a candidate that is as good as stable is shown to be safe; none if never.
    ///
    /// It is the time in which the expected logarithm of the evidence gets to ln(1/β): see
    /// [`Forecast::time_to_see`], with the alternatives that are better.
    pub(super) fn safe_after(self) -> Option<Duration> {
        let (good, bad, chance) = match self.kind {
            Kind::Relative(forecast) => sides(forecast, 1.0),
            Kind::Slower(forecast, latency) => {
                sides(forecast, latency.slow_part(1.0) / forecast.base)
            }
            Kind::Absolute(forecast, base) => {
                let base = base?;
                (
                    forecast.rate * (1.0 - base),
                    forecast.rate * base,
                    1.0 - forecast.limit,
                )
            }
        };
        let drifts = BETTER
            .map(|(times, log)| good * log - (good + bad) * (1.0 + chance * (times - 1.0)).ln());
        let drift = drifts.into_iter().fold(0.0, f64::max);
        // E begins with half of its weight on starts to come, and a ninth of the other half on each alternative.
        let needed = (18.0 * (1.0 / WRONG_SAFE - 0.5)).ln();
        Duration::try_from_secs_f64(needed / drift).ok()
    }
}

/// Returns the bad ones of stable and of the candidate in a second, and the part of the first that the margin allows.
fn sides(forecast: Forecast, rise: f64) -> (f64, f64, f64) {
    let bad = forecast.rate * forecast.base;
    let stable = 1.0 - forecast.share;
    let allowed = stable / (stable + forecast.share * forecast.margin);
    (bad * stable, bad * forecast.share * rise, allowed)
}

/// Returns when the nth is there, in units of the mean time between two: median and 90 % (Erlang, by Wilson & Hilferty
/// 1931).
fn nth(n: f64) -> [f64; 2] {
    [0.0, 1.281_55].map(|z| n * (1.0 - 1.0 / (9.0 * n) + z / (3.0 * n.sqrt())).powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_bad_one_comes_when_tables_say() {
        for (n, expected) in [(3.0, [2.674, 5.322]), (50.0, [49.667, 59.249])] {
            for (found, expected) in nth(n).into_iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 0.003, "{n}: {found}");
            }
        }
    }
}
