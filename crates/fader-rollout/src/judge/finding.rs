//! What there is to say of a guardrail.

use fader::plan::{Guardrail, Limit, Metric};
use serde::{Deserialize, Serialize};

use super::{Bar, Test};
use crate::guardrail::{Arms, Verdict};

/// Counts of a whole run, by arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a ramp has two arms")]
pub struct Totals {
    /// Those enrolled.
    pub candidate: u64,
    /// Those drawn and not enrolled.
    pub stable: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, more: Arms) {
        self.candidate = self.candidate.saturating_add(more.candidate.into());
        self.stable = self.stable.saturating_add(more.stable.into());
    }
}

/// Why a guardrail has no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Missing {
    /// An arm that it asks has seen no request of this run.
    Requests,
    /// The stable arm's quantile is not known yet, or its limit is above 60 seconds.
    Quantile,
    /// Too many units were bad once, so that those left tell nothing: for the rest of the run.
    Units,
    /// The gauge shows nothing.
    Gauge,
}

/// What there is to say of a guardrail: its verdict, and what it stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The guardrail's place in the plan.
    pub guardrail: usize,
    /// The guardrail as people write it, such as `errors no_worse_than 1.1`.
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
    /// What is missing, where there is no data.
    pub missing: Option<Missing>,
    /// Bad events so far: units at their first one, or requests.
    pub bad: Totals,
    /// Requests so far.
    pub of: Totals,
    /// E, the evidence that the candidate is worse than it may be: 1 at the start. None for a gauge.
    pub evidence: Option<f64>,
    /// How many times stable's rate the candidate's is or, of an absolute guardrail, its rate. None before the first
    /// bad event, for a gauge, and while stable has none.
    pub estimate: Option<f64>,
    /// The lower limit of that.
    pub lower: Option<f64>,
    /// The upper limit of that, where there is one.
    pub upper: Option<f64>,
}

impl Bar {
    pub(super) fn finding(&self, at: usize, guardrail: &Guardrail) -> Finding {
        let (evidence, estimate, limits) = match &self.test {
            Test::Relative { test, .. } => {
                (Some(test.evidence()), test.estimate(), Some(test.limits()))
            }
            Test::Absolute(test) => (Some(test.evidence()), test.estimate(), Some(test.limits())),
            Test::Gauge { .. } => (None, None, None),
        };
        let finite = |value: f64| value.is_finite().then_some(value);
        Finding {
            guardrail: at,
            name: name(guardrail),
            verdict: self.verdict,
            missing: (self.verdict == Verdict::NoData)
                .then(|| self.missing(guardrail))
                .flatten(),
            bad: self.bad,
            of: self.of,
            evidence: evidence.map(|evidence| evidence.min(f64::MAX)),
            estimate: estimate.and_then(finite),
            lower: limits.map(|limits| limits.lower()),
            upper: limits.map(|limits| limits.upper()).and_then(finite),
        }
    }
}

/// Names a guardrail as people write it: `errors no_worse_than 1.1`, `latency_p99 below 800ms`.
pub(crate) fn name(guardrail: &Guardrail) -> String {
    let metric = metric(&guardrail.metric);
    match guardrail.limit {
        Limit::NoWorseThan(times) => format!("{metric} no_worse_than {times}"),
        Limit::Below(limit) => format!("{metric} below {limit}"),
        Limit::Faster(limit) => format!("{metric} below {}ms", limit.as_millis()),
        _ => metric,
    }
}

/// Names a metric as a document does.
pub(crate) fn metric(metric: &Metric) -> String {
    match metric {
        Metric::Errors => "errors".to_owned(),
        Metric::ClientErrors => "client_errors".to_owned(),
        Metric::Latency(999) => "latency_p999".to_owned(),
        Metric::Latency(tenths) => format!("latency_p{}", tenths / 10),
        Metric::Custom(name) => format!("custom:{name}"),
        Metric::Gauge(name) => format!("gauge:{name}"),
        _ => String::new(),
    }
}
