//! What a candidate is judged by.

use std::time::Duration;

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{self, Fields};
use crate::document::model::Name;
use crate::document::read_plan::{duration, in_range};
use crate::document::read_ramp::keyword;
use crate::document::syntax::Span;
use crate::number::Number;
use crate::plan::{Guardrail, Limit, Metric, OnBreach};

/// The metrics by name, for reading and for suggestions.
const METRICS: [(&str, Metric); 7] = [
    ("errors", Metric::Errors),
    ("client_errors", Metric::ClientErrors),
    ("latency_p50", Metric::Latency(500)),
    ("latency_p90", Metric::Latency(900)),
    ("latency_p95", Metric::Latency(950)),
    ("latency_p99", Metric::Latency(990)),
    ("latency_p999", Metric::Latency(999)),
];

/// Tells whether a guardrail has an absolute limit, be it readable or not.
pub(super) fn is_absolute(value: &ast::Value<'_>) -> bool {
    let object = value.as_object();
    object.is_some_and(|object| object.get("below").is_some())
}

pub(super) fn read_guardrail(value: &ast::Value<'_>, report: &mut Report) -> Option<Guardrail> {
    let object = fields::object(value, "a guardrail", report)?;
    let fields = Fields::new(object, &[fields::GUARDRAIL], "a guardrail", report);
    let metric = fields
        .required("metric", "a guardrail", report)
        .and_then(|value| fields::string(value, "metric", report))
        .and_then(|metric| read_metric(metric, report));
    let actions = ["rollback", "pause", "notify"];
    let on_breach = match keyword(&fields, "on_breach", &actions, report) {
        Some("pause") => OnBreach::Pause,
        Some("notify") => OnBreach::Notify,
        _ => OnBreach::Rollback,
    };
    let require_safe = keyword(&fields, "require", &["safe"], report).is_some();
    let hold = duration(&fields, "for", report);
    if hold.is_some()
        && let (Some(metric), Some(key)) = (&metric, fields.key("for"))
        && !matches!(metric, Metric::Gauge(_))
    {
        report
            .warning(
                DiagnosticKind::UnusedFor,
                key,
                "`for` has no effect: only a gauge is looked at for a while",
            )
            .help("leave it out: evidence of other metrics gathers by itself");
    }
    let limit = read_limit(&fields, metric.as_ref(), report);
    let mut guardrail = Guardrail::new(metric?, limit?);
    guardrail.hold = hold;
    guardrail.on_breach = on_breach;
    guardrail.require_safe = require_safe;
    Some(guardrail)
}

fn read_metric(metric: Name<'_>, report: &mut Report) -> Option<Metric> {
    let named = |prefix: &str| {
        let name = metric.value.strip_prefix(prefix)?;
        (!name.is_empty()).then(|| name.into())
    };
    let known = METRICS.iter().find(|(name, _)| *name == metric.value);
    let found = known
        .map(|(_, metric)| metric.clone())
        .or_else(|| named("custom:").map(Metric::Custom))
        .or_else(|| named("gauge:").map(Metric::Gauge));
    if found.is_none() {
        let names = METRICS.iter().map(|(name, _)| *name);
        report
            .error(
                DiagnosticKind::InvalidValue,
                metric.span,
                format!("unknown metric `{}`", metric.value),
            )
            .suggest(metric.value, names.chain(["custom:NAME", "gauge:NAME"]));
    }
    found
}

fn read_limit(fields: &Fields<'_>, metric: Option<&Metric>, report: &mut Report) -> Option<Limit> {
    let limits: Vec<_> = fields.among(&["no_worse_than", "below"]).collect();
    match *limits {
        [] => {
            if !fields.has_unknown {
                report
                    .error(
                        DiagnosticKind::MissingField,
                        fields.span,
                        "a guardrail needs the field `no_worse_than` or `below`",
                    )
                    .help("relative to the stable arm, or an absolute limit");
            }
            None
        }
        [("no_worse_than", value)] => {
            let times = in_range(value, "no_worse_than", "at least 1", report, |number| {
                number.compare(Number::Integer(1)).is_ge()
            });
            times.map(Limit::NoWorseThan)
        }
        [(_, value)] => read_below(metric?, value, report),
        [_, (second, _), ..] => {
            let key = fields.key(second).unwrap_or(fields.span);
            report
                .error(
                    DiagnosticKind::Conflict,
                    key,
                    "`no_worse_than` and `below` exclude each other",
                )
                .help("write two guardrails");
            None
        }
    }
}

/// Reads an absolute limit: a duration for a latency, else a number.
fn read_below(metric: &Metric, value: &ast::Value<'_>, report: &mut Report) -> Option<Limit> {
    match metric {
        Metric::Latency(_) => read_latency(value, report).map(Limit::Faster),
        Metric::Gauge(_) => {
            in_range(value, "below", "a number", report, |_| true).map(Limit::Below)
        }
        _ => {
            let expected = "a rate above 0 and at most 1";
            let rate = in_range(value, "below", expected, report, |number| {
                number.compare(Number::Integer(0)).is_gt()
                    && number.compare(Number::Integer(1)).is_le()
            });
            rate.map(Limit::Below)
        }
    }
}

fn read_latency(value: &ast::Value<'_>, report: &mut Report) -> Option<Duration> {
    let text = fields::string(value, "below", report)?;
    let (digits, unit): (_, fn(u64) -> Duration) = match text.value.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis),
        None => (
            text.value.strip_suffix('s').unwrap_or_default(),
            Duration::from_secs,
        ),
    };
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let limit = digits.parse().ok().filter(|count| is_whole && *count > 0);
    if limit.is_none() {
        report
            .error(
                DiagnosticKind::Duration,
                Span::of(value),
                format!("`{}` is no latency limit", text.value),
            )
            .help("one whole number with `ms` or `s`, such as `800ms`");
    }
    limit.map(unit)
}
