//! Ramps: by the clock alone, or in stages that a controller runs.

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{self, CLOCK_RAMP, Fields, STAGED_RAMP, number_beyond, wrong_type};
use crate::document::model::{Name, Share, StagedRamp};
use crate::document::read::{integer, read_percent};
use crate::document::read_condition::read_instant;
use crate::document::syntax::Span;
use crate::number::{Literal, Number};
use crate::percent::Percent;
use crate::ruleset::ramp::{ClockRamp, Curve};
use crate::time::parse_duration;

/// Reads a ramp of either kind.
pub(crate) fn read_ramp(value: &ast::Value<'_>, report: &mut Report) -> Share {
    let Some(object) = fields::object(value, "ramp", report) else {
        return Share::Invalid;
    };
    let fields = Fields::new(object, &[CLOCK_RAMP, STAGED_RAMP], "a ramp", report);
    let staged = fields.get("stages").is_some();
    let clock_only: Vec<_> = CLOCK_RAMP
        .iter()
        .copied()
        .filter(|field| *field != "start")
        .collect();
    let staged_only: Vec<_> = STAGED_RAMP
        .iter()
        .copied()
        .filter(|field| *field != "start")
        .collect();
    let of_clock: Vec<_> = fields.among(&clock_only).collect();
    let of_stages: Vec<_> = fields.among(&staged_only).collect();
    if !of_clock.is_empty() && !of_stages.is_empty() {
        let (strange, kind) = if staged {
            (of_clock, "a ramp with `stages`")
        } else {
            (of_stages, "a clock ramp")
        };
        for (name, _) in strange {
            let key = fields.key(name).unwrap_or(fields.span);
            report
                .error(
                    DiagnosticKind::Conflict,
                    key,
                    format!("`{name}` does not go with {kind}"),
                )
                .help("a ramp runs by the clock (`from`, `to`, `over`, `curve`) or in `stages`");
        }
    }
    if staged {
        read_staged(&fields, report)
    } else if fields.among(&clock_only).next().is_some() {
        read_clock(&fields, report).map_or(Share::Invalid, Share::Clock)
    } else {
        if !fields.has_unknown {
            report
                .error(
                    DiagnosticKind::MissingField,
                    fields.span,
                    "a ramp needs the field `over` or `stages`",
                )
                .help("by the clock: `start` and `over`; watched by guardrails: `stages`");
        }
        Share::Invalid
    }
}

fn read_clock(fields: &Fields<'_>, report: &mut Report) -> Option<ClockRamp> {
    let percent = |name: &str, default: Percent, report: &mut Report| match fields.get(name) {
        Some(value) => read_percent(value, name, report),
        None => Some(default),
    };
    let from = percent("from", Percent::ZERO, report);
    let to = percent("to", Percent::HUNDRED, report);
    let start = fields
        .required("start", "a clock ramp", report)
        .and_then(|_| read_start(fields, report));
    let over = fields
        .required("over", "a clock ramp", report)
        .and_then(|value| fields::string(value, "over", report))
        .and_then(|text| read_duration(text, report));
    let curve = match fields.get("curve") {
        None => Some(Curve::Linear),
        Some(_) => keyword(fields, "curve", &["linear", "exponential"], report).map(|curve| {
            if curve == "linear" {
                Curve::Linear
            } else {
                Curve::Exponential
            }
        }),
    };
    Some(ClockRamp {
        from: from?,
        to: to?,
        start: start?,
        over: over?,
        curve: curve?,
    })
}

fn read_start(fields: &Fields<'_>, report: &mut Report) -> Option<crate::time::Timestamp> {
    fields
        .string("start", report)
        .and_then(|text| read_instant(text, report))
}

fn read_duration(text: Name<'_>, report: &mut Report) -> Option<u128> {
    let duration = parse_duration(text.value);
    if duration.is_none() {
        report
            .error(DiagnosticKind::Duration, text.span, format!("`{}` is no duration", text.value))
            .help("whole numbers with w, d, h, m, s, largest first, such as `7d` or `1h30m`; not zero");
    }
    duration
}

/// Reads one of a few words.
fn keyword<'t>(
    fields: &Fields<'t>,
    name: &str,
    words: &[&str],
    report: &mut Report,
) -> Option<&'t str> {
    let text = fields.string(name, report)?;
    if words.contains(&text.value) {
        return Some(text.value);
    }
    let message = format!("unknown `{name}`: `{}`", text.value);
    report
        .error(DiagnosticKind::InvalidValue, text.span, message)
        .suggest(text.value, words.iter().copied());
    None
}

fn read_staged(fields: &Fields<'_>, report: &mut Report) -> Share {
    if let Some(array) = fields.array("stages", report) {
        if array.elements.is_empty() {
            report
                .error(DiagnosticKind::InvalidValue, Span::of(array), "`stages` may not be empty")
                .help("such as [{ \"percent\": 1, \"bake\": \"30m\" }, { \"percent\": 100, \"bake\": \"24h\" }]");
        }
        for stage in &array.elements {
            read_stage(stage, report);
        }
    }
    read_start(fields, report);
    let mut ramp = StagedRamp {
        guardrails_span: fields.get("guardrails").map_or(fields.span, Span::of),
        // What can't be read has a mistake of its own.
        has_absolute_guardrail: fields
            .get("guardrails")
            .is_some_and(|value| value.as_array().is_none()),
    };
    if let Some(array) = fields.array("guardrails", report) {
        for guardrail in &array.elements {
            ramp.has_absolute_guardrail |= read_guardrail(guardrail, report);
        }
    }
    if let Some(value) = fields.get("false_alarm") {
        in_range(
            value,
            "false_alarm",
            "a probability above 0 and below 1",
            report,
            |number| {
                number.compare(Number::Integer(0)).is_gt()
                    && number.compare(Number::Integer(1)).is_lt()
            },
        );
    }
    for name in ["min_units", "min_bad_units"] {
        if let Some(value) = fields
            .get(name)
            .and_then(|value| integer(value, name, report))
            && value.value < 0
        {
            let message = format!("`{name}` is a count, not {}", value.value);
            report.error(DiagnosticKind::InvalidValue, value.span, message);
        }
    }
    if fields.get("count").is_some() {
        keyword(fields, "count", &["known-units", "all-units"], report);
    }
    if let Some(array) = fields.array("windows", report) {
        for window in &array.elements {
            read_window(window, report);
        }
    }
    Share::Staged(ramp)
}

fn read_stage(value: &ast::Value<'_>, report: &mut Report) {
    let Some(object) = fields::object(value, "a stage", report) else {
        return;
    };
    let fields = Fields::new(object, &[fields::STAGE], "a stage", report);
    if let Some(percent) = fields.required("percent", "a stage", report) {
        read_percent(percent, "percent", report);
    }
    if let Some(bake) = fields.required("bake", "a stage", report) {
        fields::string(bake, "bake", report).and_then(|text| read_duration(text, report));
    }
    fields.boolean("approve", report);
    fields.boolean("irreversible", report);
}

/// Reads a number that has to pass a test.
fn in_range(
    value: &ast::Value<'_>,
    name: &str,
    expected: &str,
    report: &mut Report,
    passes: impl Fn(Number) -> bool,
) -> Option<Number> {
    let ast::Value::NumberLit(literal) = value else {
        wrong_type(value, name, "a number", report);
        return None;
    };
    let Some(number) = Literal::parse(literal.value).map(Literal::number) else {
        number_beyond(literal, report);
        return None;
    };
    if !passes(number) {
        let message = format!("`{name}` is {expected}, not `{}`", literal.value);
        report.error(DiagnosticKind::InvalidValue, Span::of(value), message);
        return None;
    }
    Some(number)
}

const METRICS: &[&str] = &[
    "errors",
    "client_errors",
    "latency_p50",
    "latency_p90",
    "latency_p95",
    "latency_p99",
    "latency_p999",
    "custom:NAME",
    "gauge:NAME",
];

/// Reads a guardrail; returns whether it is an absolute one.
fn read_guardrail(value: &ast::Value<'_>, report: &mut Report) -> bool {
    let Some(object) = fields::object(value, "a guardrail", report) else {
        return false;
    };
    let fields = Fields::new(object, &[fields::GUARDRAIL], "a guardrail", report);
    let metric = fields
        .required("metric", "a guardrail", report)
        .and_then(|value| fields::string(value, "metric", report))
        .filter(|metric| is_metric(*metric, report))
        .map(|metric| metric.value);
    keyword(
        &fields,
        "on_breach",
        &["rollback", "pause", "notify"],
        report,
    );
    keyword(&fields, "require", &["safe"], report);
    fields
        .string("for", report)
        .and_then(|text| read_duration(text, report));
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
        }
        [("no_worse_than", value)] => {
            in_range(value, "no_worse_than", "at least 1", report, |number| {
                number.compare(Number::Integer(1)).is_ge()
            });
        }
        [(_, value)] => read_below(metric, value, report),
        [_, (second, _), ..] => {
            let key = fields.key(second).unwrap_or(fields.span);
            report
                .error(
                    DiagnosticKind::Conflict,
                    key,
                    "`no_worse_than` and `below` exclude each other",
                )
                .help("write two guardrails");
        }
    }
    limits.iter().any(|(name, _)| *name == "below")
}

fn is_metric(metric: Name<'_>, report: &mut Report) -> bool {
    let named = ["custom:", "gauge:"].iter().any(|prefix| {
        metric
            .value
            .strip_prefix(prefix)
            .is_some_and(|name| !name.is_empty())
    });
    let known = named || METRICS.contains(&metric.value);
    if !known {
        report
            .error(
                DiagnosticKind::InvalidValue,
                metric.span,
                format!("unknown metric `{}`", metric.value),
            )
            .suggest(metric.value, METRICS.iter().copied());
    }
    known
}

/// Reads an absolute limit: a duration for a latency, else a number.
fn read_below(metric: Option<&str>, value: &ast::Value<'_>, report: &mut Report) {
    let Some(metric) = metric else {
        return;
    };
    if metric.starts_with("latency_") {
        if let Some(text) = fields::string(value, "below", report) {
            let digits = text
                .value
                .strip_suffix("ms")
                .or_else(|| text.value.strip_suffix('s'))
                .unwrap_or_default();
            let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
            if !whole || !digits.parse().is_ok_and(|number: u64| number > 0) {
                report
                    .error(
                        DiagnosticKind::Duration,
                        text.span,
                        format!("`{}` is no latency limit", text.value),
                    )
                    .help("one whole number with `ms` or `s`, such as `800ms`");
            }
        }
    } else if metric.starts_with("gauge:") {
        in_range(value, "below", "a number", report, |_| true);
    } else {
        in_range(
            value,
            "below",
            "a rate above 0 and at most 1",
            report,
            |number| {
                number.compare(Number::Integer(0)).is_gt()
                    && number.compare(Number::Integer(1)).is_le()
            },
        );
    }
}

fn read_window(value: &ast::Value<'_>, report: &mut Report) {
    let Some(object) = fields::object(value, "a window", report) else {
        return;
    };
    let fields = Fields::new(object, &[fields::WINDOW], "a window", report);
    if let Some(days) = fields.string("days", report)
        && !are_days(days.value)
    {
        report
            .error(
                DiagnosticKind::InvalidValue,
                days.span,
                format!("`{}` is no set of days", days.value),
            )
            .help("days from `mon` to `sun`, or ranges of them, joined by commas: `mon-thu,sat`");
    }
    let (from, to) = (
        read_clock_time(&fields, "from", report),
        read_clock_time(&fields, "to", report),
    );
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let message = "this window is empty: `from` is not before `to`";
        report.error(DiagnosticKind::InvalidValue, fields.span, message);
    }
    fields.string("zone", report);
}

fn are_days(text: &str) -> bool {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    text.split(',').all(|part| match part.split_once('-') {
        None => day(part).is_some(),
        Some((first, last)) => day(first).is_some() && day(last).is_some(),
    })
}

fn read_clock_time(fields: &Fields<'_>, name: &str, report: &mut Report) -> Option<u32> {
    let text = fields.string(name, report)?;
    let parsed = text.value.split_once(':').and_then(|(hour, minute)| {
        let number = |digits: &str, end: u32| -> Option<u32> {
            let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .parse()
                .ok()
                .filter(|number: &u32| two && *number < end)
        };
        Some(number(hour, 24)? * 60 + number(minute, 60)?)
    });
    if parsed.is_none() {
        report
            .error(
                DiagnosticKind::InvalidValue,
                text.span,
                format!("`{}` is no time of day", text.value),
            )
            .help("`HH:MM`, such as `09:00`");
    }
    parsed
}
