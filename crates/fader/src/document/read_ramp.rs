//! Ramps: by the clock alone, or in stages that a controller runs.

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{self, CLOCK_RAMP, Fields, STAGED_RAMP};
use crate::document::model::{Name, Share};
use crate::document::read::read_percent;
use crate::document::read_condition::read_instant;
use crate::document::read_plan::read_plan;
use crate::percent::Percent;
use crate::ruleset::ramp::{ClockRamp, Curve};
use crate::time::{Timestamp, parse_duration};

/// Reads a ramp of either kind.
pub(crate) fn read_ramp<'t>(value: &'t ast::Value<'t>, report: &mut Report) -> Share<'t> {
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
        Share::Staged(Box::new(read_plan(&fields, report)))
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

pub(super) fn read_start(fields: &Fields<'_>, report: &mut Report) -> Option<Timestamp> {
    fields
        .string("start", report)
        .and_then(|text| read_instant(text, report))
}

/// Reads a duration, in nanoseconds.
pub(super) fn read_duration(text: Name<'_>, report: &mut Report) -> Option<u128> {
    let duration = parse_duration(text.value);
    if duration.is_none() {
        report
            .error(DiagnosticKind::Duration, text.span, format!("`{}` is no duration", text.value))
            .help("whole numbers with w, d, h, m, s, largest first, such as `7d` or `1h30m`; not zero");
    }
    duration
}

/// Reads one of a few words.
pub(super) fn keyword<'t>(
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
