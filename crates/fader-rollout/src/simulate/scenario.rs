//! What a simulated service sees.

use std::collections::BTreeMap;
use std::fmt;

use fader::plan::Metric;
use serde::Deserialize;

/// What a simulated service sees: its traffic, what goes wrong in it, and what the candidate does to that.
///
/// As JSON; only `rate`, `seconds` and `base` are required:
///
/// ```
/// use fader_rollout::simulate::Scenario;
///
/// let scenario = Scenario::parse(r#"{
///     "rate": 1000, "seconds": 3600, "units": 50000,
///     "requests_per_unit": { "lognormal": 1.5 }, "sick_units": { "share": 0.02, "times": 50 },
///     "base": { "errors": 0.001 }, "effect": { "errors": 10, "latency": 1.2, "from": 0 },
///     "latency_ms": { "median": 80, "sigma": 0.5 },
///     "outages": [ { "from": 600, "seconds": 60, "errors": 0.5 } ],
///     "lag_seconds": 1, "hang": 0.0, "processes": 4, "stage": 1 }"#)?;
/// assert_eq!(scenario.seconds, 3600);
/// # Ok::<(), fader_rollout::simulate::InvalidScenario>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// Requests a second, of both arms.
    pub rate: Curve,
    /// How long a run lasts, from the ramp's start on.
    pub seconds: u32,
    /// How many units there are. Default: ten times the highest rate.
    pub units: Option<u32>,
    /// How unlike units are in their activity. Default: all alike.
    #[serde(default)]
    pub requests_per_unit: Activity,
    /// Units of which more goes wrong than of others, in either arm. Default: none.
    #[serde(default)]
    pub sick_units: Sick,
    /// What goes wrong in both arms, by metric: the rate of `errors`, `client_errors` and `custom:NAME` among the
    /// requests of units that are not sick, the value of `gauge:NAME`, and `latency`, which scales all times.
    pub base: BTreeMap<String, Curve>,
    /// What the candidate does: each factor multiplies its rate, its gauge or, for `latency`, its times. Rates are
    /// capped at 1. Default: nothing.
    #[serde(default)]
    pub effect: Effect,
    /// How long successes take: lognormal. Default: a median of 80 ms, sigma 0.5.
    #[serde(default)]
    pub latency_ms: Latency,
    /// Times in which other rates hold in the place of the base.
    #[serde(default)]
    pub outages: Vec<Outage>,
    /// How many seconds after a request's exposure its outcome is told. Default: 0.
    #[serde(default)]
    pub lag_seconds: u32,
    /// The part of the candidate's requests that never end, from the beginning of the effect on. Default: 0.
    #[serde(default)]
    pub hang: f64,
    /// How many processes share the traffic. Default: 1.
    #[serde(default = "one")]
    pub processes: u32,
    /// Which part of the units a wave has. Default: 0.001.
    #[serde(default = "thousandth")]
    pub wave_share: f64,
    /// The one-based stage in which the ramp stays from the beginning to the end. Default: it goes through all.
    pub stage: Option<usize>,
}

/// A number that may change with the time: a number, or `[[t, v], …]`, where v holds from second t until the next one.
/// Before the first of them its v holds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a number or [[second, value], …]")]
#[non_exhaustive]
pub enum Curve {
    /// The same all the time.
    Constant(f64),
    /// From each second on another one.
    Steps(Vec<(f64, f64)>),
}

/// How unlike units are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Activity {
    /// The sigma of the lognormal distribution of a unit's activity; 0 makes all alike.
    pub lognormal: f64,
}

/// Units of which more goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sick {
    /// The part of the units that is sick, from 0 to 1.
    pub share: f64,
    /// How many times the base rate they have.
    pub times: f64,
}

impl Default for Sick {
    fn default() -> Self {
        Self {
            share: 0.0,
            times: 1.0,
        }
    }
}

/// What the candidate does, by metric, from some second on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<String, f64>")]
#[non_exhaustive]
pub struct Effect {
    /// From which second on. Default: 0.
    pub from: f64,
    /// The factors.
    pub times: BTreeMap<String, f64>,
}

impl From<BTreeMap<String, f64>> for Effect {
    fn from(mut times: BTreeMap<String, f64>) -> Self {
        Self {
            from: times.remove("from").unwrap_or_default(),
            times,
        }
    }
}

/// How long successes take.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Latency {
    /// In milliseconds.
    pub median: f64,
    /// The standard deviation of the logarithm.
    pub sigma: f64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            median: 80.0,
            sigma: 0.5,
        }
    }
}

/// A time in which other rates hold in the place of the base, in both arms.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "BTreeMap<String, f64>")]
#[non_exhaustive]
pub struct Outage {
    /// Its first second.
    pub from: f64,
    /// How long it lasts.
    pub seconds: f64,
    /// The rates, by metric.
    pub rates: BTreeMap<String, f64>,
}

impl TryFrom<BTreeMap<String, f64>> for Outage {
    type Error = &'static str;

    fn try_from(mut rates: BTreeMap<String, f64>) -> Result<Self, &'static str> {
        Ok(Self {
            from: rates
                .remove("from")
                .ok_or("an outage needs the field `from`")?,
            seconds: rates
                .remove("seconds")
                .ok_or("an outage needs the field `seconds`")?,
            rates,
        })
    }
}

fn one() -> u32 {
    1
}

fn thousandth() -> f64 {
    0.001
}

/// The most units, requests a second and seconds that a run may have.
const MOST: f64 = 1e8;

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// What is no scenario, with the line and column where it stops to be JSON of one, or the field that is out of its
    /// range.
    pub fn parse(json: &str) -> Result<Self, InvalidScenario> {
        let scenario: Self = serde_json::from_str(json)
            .map_err(|error| InvalidScenario(format!("the scenario can't be read: {error}")))?;
        scenario.check().map_err(InvalidScenario)?;
        Ok(scenario)
    }

    /// Returns how many units there are.
    #[must_use]
    pub fn unit_count(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is checked to be below that"
        )]
        let of_rate = (10.0 * self.rate.highest()).ceil() as u32;
        self.units.unwrap_or(of_rate.max(1))
    }

    /// Returns how many units a wave has: at least one.
    pub(super) fn wave_units(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a number of units"
        )]
        let units = (f64::from(self.unit_count()) * self.wave_share).ceil() as usize;
        units.max(1)
    }

    /// Returns the rate, factor or value of a metric in both arms at a second.
    pub(super) fn base(&self, metric: &str, second: f64) -> Option<f64> {
        let outages = self.outages.iter().rev();
        let outage = outages
            .filter(|outage| (outage.from..outage.from + outage.seconds).contains(&second))
            .find_map(|outage| outage.rates.get(metric));
        outage
            .copied()
            .or_else(|| Some(self.base.get(metric)?.at(second)))
    }

    /// Returns what a metric of the candidate is multiplied with at a second.
    pub(super) fn effect(&self, metric: &str, second: f64) -> f64 {
        if second < self.effect.from {
            return 1.0;
        }
        self.effect.times.get(metric).copied().unwrap_or(1.0)
    }

    fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, least: f64, most: f64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!(
                    "`{name}` is {value}, not between {least} and {most}"
                ))
            }
        };
        for rate in self.rate.values()? {
            within("rate", rate, 0.0, MOST / 10.0)?;
        }
        within("seconds", self.seconds.into(), 1.0, MOST)?;
        within("units", self.unit_count().into(), 1.0, MOST)?;
        within("lognormal", self.requests_per_unit.lognormal, 0.0, 5.0)?;
        within("share", self.sick_units.share, 0.0, 1.0)?;
        within("times", self.sick_units.times, 0.0, MOST)?;
        within("median", self.latency_ms.median, 1e-3, MOST)?;
        within("sigma", self.latency_ms.sigma, 1e-3, 10.0)?;
        within("wave_share", self.wave_share, 0.0, 1.0)?;
        within("hang", self.hang, 0.0, 1.0)?;
        within("lag_seconds", self.lag_seconds.into(), 0.0, 3600.0)?;
        within("processes", self.processes.into(), 1.0, 10_000.0)?;
        within("from", self.effect.from, 0.0, f64::MAX)?;
        for (metric, curve) in &self.base {
            known(metric)?;
            for value in curve.values()? {
                within(metric, value, 0.0, highest(metric))?;
            }
        }
        for (metric, times) in &self.effect.times {
            known(metric)?;
            within(metric, *times, 0.0, f64::MAX)?;
        }
        for outage in &self.outages {
            within("from", outage.from, 0.0, f64::MAX)?;
            within("seconds", outage.seconds, 0.0, f64::MAX)?;
            for (metric, rate) in &outage.rates {
                known(metric)?;
                within(metric, *rate, 0.0, highest(metric))?;
            }
        }
        Ok(())
    }
}

/// Names what a metric is called in a scenario: all latencies are one.
pub(super) fn key(metric: &Metric) -> String {
    match metric {
        Metric::Latency(_) => "latency".to_owned(),
        other => crate::judge::finding::metric(other),
    }
}

fn known(metric: &str) -> Result<(), String> {
    let fixed = ["errors", "client_errors", "latency"].contains(&metric);
    let named = ["custom:", "gauge:"].iter().any(|prefix| {
        metric
            .strip_prefix(prefix)
            .is_some_and(|name| !name.is_empty())
    });
    if fixed || named {
        return Ok(());
    }
    Err(format!(
        "unknown metric `{metric}`: there are `errors`, `client_errors`, `latency`, `custom:NAME` and `gauge:NAME`"
    ))
}

/// A rate is at most 1; a gauge and the scale of the latency may be anything.
fn highest(metric: &str) -> f64 {
    if metric == "latency" || metric.starts_with("gauge:") {
        f64::MAX
    } else {
        1.0
    }
}

impl Curve {
    /// Returns the value at a second.
    #[must_use]
    pub fn at(&self, second: f64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Steps(steps) => {
                let past = steps.partition_point(|(from, _)| *from <= second);
                let step = steps.get(past.saturating_sub(1));
                step.map_or(0.0, |(_, value)| *value)
            }
        }
    }

    fn highest(&self) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Steps(steps) => steps.iter().map(|(_, value)| *value).fold(0.0, f64::max),
        }
    }

    fn values(&self) -> Result<Vec<f64>, String> {
        match self {
            Self::Constant(value) => Ok(vec![*value]),
            Self::Steps(steps) if steps.is_empty() => {
                Err("a curve needs at least one [second, value]".to_owned())
            }
            Self::Steps(steps) if !steps.is_sorted_by(|a, b| a.0 < b.0) => {
                Err("the seconds of a curve must rise".to_owned())
            }
            Self::Steps(steps) => Ok(steps.iter().map(|(_, value)| *value).collect()),
        }
    }
}

/// Says what is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidScenario(pub(super) String);

impl fmt::Display for InvalidScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidScenario {}
