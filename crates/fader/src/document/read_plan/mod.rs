//! Plans: what a ramp in stages says of itself, each part typed and checked.
//!
//! A part that can't be read is left out of the plan; its flag has an error then and is not used.

use std::time::Duration;

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{Fields, number_beyond, wrong_type};
use crate::document::model::{Name, StagedRamp};
use crate::document::read::integer;
use crate::document::read_ramp::{keyword, read_duration, read_start};
use crate::document::syntax::Span;
use crate::number::{Literal, Number};
use crate::plan::{Count, Plan};

mod guardrail;
mod requirement;
mod stage;
mod window;

pub(crate) use window::read_freezes;

/// How many guardrails a plan may have: what counts for them has a bit for each.
const MAX_GUARDRAILS: usize = 64;

/// Reads a ramp that has `stages`.
pub(super) fn read_plan<'t>(fields: &Fields<'t>, report: &mut Report) -> StagedRamp<'t> {
    let mut ramp = StagedRamp {
        plan: Plan::new(Vec::new()),
        waves: Vec::new(),
        required: Vec::new(),
        enrolment: String::new(),
        guardrails_span: fields.get("guardrails").map_or(fields.span, Span::of),
        // What can't be read has a mistake of its own.
        has_absolute_guardrail: fields
            .get("guardrails")
            .is_some_and(|value| value.as_array().is_none()),
    };
    stage::read_stages(fields, &mut ramp, report);
    ramp.plan.start = read_start(fields, report);
    if let Some(array) = fields.array("guardrails", report) {
        if array.elements.len() > MAX_GUARDRAILS {
            let count = array.elements.len();
            let message = format!("{count} guardrails are more than {MAX_GUARDRAILS}");
            report
                .error(DiagnosticKind::InvalidValue, Span::of(array), message)
                .help("each has a part of `false_alarm`, so that many see little");
        }
        for value in &array.elements {
            ramp.has_absolute_guardrail |= guardrail::is_absolute(value);
            let guardrail = guardrail::read_guardrail(value, report);
            ramp.plan.guardrails.extend(guardrail);
        }
    }
    read_counts(fields, &mut ramp.plan, report);
    if let Some(array) = fields.array("windows", report) {
        let windows = array.elements.iter();
        ramp.plan.windows = windows
            .filter_map(|window| window::read_window(window, report))
            .collect();
    }
    ramp.plan.warmup = duration(fields, "warmup", report);
    ramp.plan.shadow = duration(fields, "shadow", report);
    let group = fields.string("group", report);
    ramp.plan.group = group
        .and_then(|group| not_empty(group, "group", report))
        .map(Into::into);
    if let Some(array) = fields.array("requires", report) {
        for value in &array.elements {
            requirement::read_requirement(value, &mut ramp, report);
        }
    }
    ramp
}

/// Reads how much evidence the plan asks for.
fn read_counts(fields: &Fields<'_>, plan: &mut Plan, report: &mut Report) {
    if let Some(value) = fields.get("false_alarm") {
        let expected = "a probability above 0 and below 1";
        let alarm = in_range(value, "false_alarm", expected, report, |number| {
            number.compare(Number::Integer(0)).is_gt() && number.compare(Number::Integer(1)).is_lt()
        });
        plan.false_alarm = alarm.unwrap_or(plan.false_alarm);
    }
    if let Some(units) = count(fields, "min_units", report) {
        plan.min_units = units;
    }
    if let Some(units) = count(fields, "min_bad_units", report) {
        plan.min_bad_units = u32::try_from(units).unwrap_or(u32::MAX);
    }
    if fields.get("count").is_some()
        && keyword(fields, "count", &["known-units", "all-units"], report) == Some("all-units")
    {
        plan.count = Count::AllUnits;
    }
}

fn count(fields: &Fields<'_>, name: &str, report: &mut Report) -> Option<u64> {
    let found = integer(fields.get(name)?, name, report)?;
    let count = u64::try_from(found.value).ok();
    if count.is_none() {
        let message = format!("`{name}` is a count, not {}", found.value);
        report.error(DiagnosticKind::InvalidValue, found.span, message);
    }
    count
}

/// Reads a duration that may be left out.
fn duration(fields: &Fields<'_>, name: &str, report: &mut Report) -> Option<Duration> {
    let text = fields.string(name, report)?;
    let nanos = read_duration(text, report)?;
    // INVARIANT: a document's durations are whole seconds below 2^64.
    u64::try_from(nanos / 1_000_000_000)
        .ok()
        .map(Duration::from_secs)
}

fn not_empty<'t>(text: Name<'t>, name: &str, report: &mut Report) -> Option<&'t str> {
    if text.value.is_empty() {
        let message = format!("`{name}` may not be empty");
        report.error(DiagnosticKind::InvalidValue, text.span, message);
    }
    (!text.value.is_empty()).then_some(text.value)
}

/// Reads a number that has to pass a test, as the nearest float.
fn in_range(
    value: &ast::Value<'_>,
    name: &str,
    expected: &str,
    report: &mut Report,
    passes: impl Fn(Number) -> bool,
) -> Option<f64> {
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
    literal.value.parse().ok()
}

/// Reports a field that goes with another one only.
fn stray(fields: &Fields<'_>, name: &str, with: &str, report: &mut Report) {
    if let Some(key) = fields.key(name) {
        let message = format!("`{name}` goes with `{with}` only");
        report.error(DiagnosticKind::Conflict, key, message);
    }
}
