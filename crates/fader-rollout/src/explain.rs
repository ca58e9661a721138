//! What a plan can see, before it starts.
//!
//! [`explain`] tells of each stage when it begins, whom it exposes, how many requests a total failure costs, and what
//! each guardrail sees in what time; and it warns of what a plan will not do as it was probably meant. It asks what
//! traffic is [`Expected`], reads no clock, and simulates nothing: times come from
//! [`Forecast::time_quantiles`](crate::guardrail::Forecast::time_quantiles) and
//! [`AbsoluteForecast::time_quantiles`](crate::guardrail::AbsoluteForecast::time_quantiles).
//!
//! ```
//! use std::time::Duration;
//!
//! use fader::plan::{Guardrail, Limit, Metric, Plan, Reached, Stage};
//! use fader::{Percent, Timestamp};
//! use fader_rollout::explain::{Expected, LintKind, Subject, explain};
//!
//! let percent = |percent: &str| Reached::Percent(percent.parse::<Percent>().unwrap());
//! let mut plan = Plan::new(vec![
//!     Stage::new(percent("1"), Duration::from_secs(600)),
//!     Stage::new(percent("50"), Duration::from_secs(7200)),
//! ]);
//! plan.guardrails = vec![Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.1))];
//!
//! let subject = Subject { plan: &plan, freezes: &[], place: "ramp", now: Timestamp::EPOCH };
//! let answer = explain(&subject, &Expected::new(50.0, 0.001));
//! // At 1 % of 50 requests a second, of which one in a thousand fails, even ten times as many are not seen in time.
//! assert!(answer.stages[0].guardrails[0].smallest > Some(10.0));
//! assert_eq!(answer.lints[0].kind, LintKind::StageTooShort);
//! assert_eq!(answer.lints[0].place, "ramp.stages[0]");
//! ```
//!
//! # What is assumed
//!
//! - Traffic and base rates are steady, and a rise is there from the start of the stage, with nothing seen before: what
//!   earlier stages have seen of it is a gift, a healthy time before it a burden.
//! - One process counts, once a second. What follows from evidence waits for the end of its second and, where requests
//!   are drawn by themselves, of its stratum.
//! - A unit that was bad counts no more. Units are many beside those that were bad; where they are not, there is a lint.
//! - A gate opens when the bake is over. Approvals, requirements and another plan's turn take no time.
//! - The guardrail of a latency has its frozen quantile. Latencies are lognormal, of one σ, in both arms.

use std::collections::BTreeMap;
use std::time::Duration;

use fader::Timestamp;
use fader::plan::{Freeze, Metric, Plan};
use serde::{Serialize, Serializer};

mod latency;
mod lint;
mod schedule;
mod sight;
mod spent;
mod stage;
#[cfg(test)]
mod tests;

pub use lint::{Lint, LintKind, lint};
pub use sight::{Measure, Sight, SightState, Times};
pub use stage::{Cut, StageView};

use crate::guardrail::{Budget, DEFAULT_MAX_PROCESSES};

/// What is explained.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what a question is made of")]
pub struct Subject<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The times in which no ramp is raised.
    pub freezes: &'a [Freeze],
    /// Where the ramp stands in its document, such as `flags.checkout.rules[2].ramp`: what places begin with.
    pub place: &'a str,
    /// The time, from which a plan without a `start`, or with one that has passed, is taken to begin.
    pub now: Timestamp,
}

/// What traffic is expected, of both arms together.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Expected {
    /// Requests a second for which the ramp draws, above 0.
    pub rate: f64,
    /// The part of stable's requests that ends in an error, from 0 to 1.
    pub errors: f64,
    /// The part of stable's requests that ends in a client error, from 0 to 1. Default: not known.
    pub client_errors: Option<f64>,
    /// By name: the part of stable's requests with a custom bad event, from 0 to 1. Default: none is known.
    pub custom: BTreeMap<String, f64>,
    /// How many units there are. Default: not known, and many.
    pub units: Option<f64>,
    /// The standard deviation of the natural logarithm of a latency. Default: 0.5.
    pub sigma: f64,
}

/// What a plan can see.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What it was told to expect.
    pub expected: Expected,
    /// The attribute whose value is the unit.
    pub by: String,
    /// Until the last gate, at least: as JSON in seconds.
    #[serde(serialize_with = "seconds")]
    pub planned: Duration,
    /// How the probability of a false alarm is divided.
    pub levels: Levels,
    /// What each stage does, in their order.
    pub stages: Vec<StageView>,
    /// What is probably not as it was meant.
    pub lints: Vec<Lint>,
}

/// How the probability of a false alarm is divided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Levels {
    /// The probability, over the whole run, that a healthy candidate is rolled back.
    pub false_alarm: f64,
    /// K, how many guardrails share it: all but gauges, at least 1.
    pub guardrails: u32,
    /// What each of them gets where one process runs alone. It is what all times are told for.
    pub one_process: f64,
    /// What each gets in a fleet, for what all processes count together.
    pub fleet: f64,
    /// What each gets in one process of a fleet of at most [`DEFAULT_MAX_PROCESSES`] starts in a run.
    pub process: f64,
}

/// Tells what a plan can see of what is expected.
#[must_use]
pub fn explain(subject: &Subject<'_>, expected: &Expected) -> Explanation {
    let plan = subject.plan;
    let levels = Levels::of(plan);
    let stages = stage::views(subject, expected, levels);
    let mut lints = lint(subject);
    lints.extend(lint::expected(subject, expected, levels));
    Explanation {
        expected: expected.clone(),
        by: plan.by.to_string(),
        planned: schedule::planned(plan),
        levels,
        stages,
        lints,
    }
}

impl Expected {
    /// Expects so many requests a second, of which such a part ends in an error.
    #[must_use]
    pub fn new(rate: f64, errors: f64) -> Self {
        Self {
            rate,
            errors,
            client_errors: None,
            custom: BTreeMap::new(),
            units: None,
            sigma: 0.5,
        }
    }

    /// Returns which part of stable's requests is bad; of a latency, which part of its successes is beyond the quantile.
    fn base(&self, metric: &Metric) -> Option<f64> {
        match metric {
            Metric::Errors => Some(self.errors),
            Metric::ClientErrors => self.client_errors,
            Metric::Latency(quantile) => Some(1.0 - f64::from(*quantile) / 1000.0),
            Metric::Custom(name) => self.custom.get(&**name).copied(),
            _ => None,
        }
    }

    /// Returns how many requests a second a metric is of.
    fn rate_of(&self, metric: &Metric) -> f64 {
        match metric {
            Metric::Latency(_) => self.rate * (1.0 - self.errors),
            _ => self.rate,
        }
    }
}

impl Levels {
    fn of(plan: &Plan) -> Self {
        let tests = plan.guardrails.iter();
        let tests = tests.filter(|guardrail| !matches!(guardrail.metric, Metric::Gauge(_)));
        let guardrails = u32::try_from(tests.count()).unwrap_or(u32::MAX).max(1);
        let budget = Budget::new(plan.false_alarm, guardrails).ok();
        // A checked document has a probability between 0 and 1; at a level of 0 nothing is ever seen.
        let level = |of: fn(Budget) -> f64| budget.map_or(0.0, of);
        Self {
            false_alarm: plan.false_alarm,
            guardrails,
            one_process: level(Budget::one_process),
            fleet: level(Budget::fleet),
            process: level(|budget| budget.process(DEFAULT_MAX_PROCESSES)),
        }
    }
}

/// Writes a duration as a document does, to its two largest units, rounded up: `45s`, `1h30m`.
#[must_use]
pub fn written(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let started = u64::from(duration.subsec_nanos() > 0);
    let seconds = duration.as_secs().saturating_add(started);
    let largest = UNITS.iter().position(|(unit, _)| seconds >= *unit);
    let (units, _) = UNITS.split_at(largest.map_or(4, |largest| 4.min(largest + 2)));
    let finest = units.last().map_or(1, |(unit, _)| *unit);
    let mut rest = seconds.div_ceil(finest).saturating_mul(finest);
    let mut text = String::new();
    for (unit, name) in units {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(name);
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
