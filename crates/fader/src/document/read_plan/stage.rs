//! The stages of a plan: percents and waves.

use std::collections::HashSet;

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{self, Fields};
use crate::document::model::{At, Condition, ConditionKind, StagedRamp, Test};
use crate::document::read::{integer, read_percent};
use crate::document::read_plan::{duration, stray};
use crate::document::syntax::Span;
use crate::number::Number;
use crate::percent::Percent;
use crate::plan::{Reached, Stage};

/// What a stage enrols: exactly one of these.
const TARGETS: [&str; 3] = ["percent", "segment", "sets"];

/// Reads all stages, and the conditions of those that are waves.
pub(super) fn read_stages<'t>(fields: &Fields<'t>, ramp: &mut StagedRamp<'t>, report: &mut Report) {
    let Some(array) = fields.array("stages", report) else {
        return;
    };
    if array.elements.is_empty() {
        report
            .error(DiagnosticKind::InvalidValue, Span::of(array), "`stages` may not be empty")
            .help("such as [{ \"percent\": 1, \"bake\": \"30m\" }, { \"percent\": 100, \"bake\": \"24h\" }]");
    }
    let mut highest = Percent::ZERO;
    for value in &array.elements {
        let Some(stage) = read_stage(value, ramp, report) else {
            continue;
        };
        if let Reached::Percent(percent) = stage.to {
            if percent < highest {
                report
                    .warning(
                        DiagnosticKind::FallingPercent,
                        Span::of(value),
                        format!("a stage that lowers the percent from {highest} to {percent}"),
                    )
                    .help("raise it, or take the stage out: a ramp goes back by rolling back");
            }
            highest = percent;
        }
        ramp.plan.stages.push(stage);
    }
}

fn read_stage<'t>(
    value: &'t ast::Value<'t>,
    ramp: &mut StagedRamp<'t>,
    report: &mut Report,
) -> Option<Stage> {
    let object = fields::object(value, "a stage", report)?;
    let fields = Fields::new(object, &[fields::STAGE], "a stage", report);
    let to = read_target(&fields, ramp, report);
    fields.required("bake", "a stage", report);
    let bake = duration(&fields, "bake", report);
    let idle = duration(&fields, "idle", report);
    let approve = fields.boolean("approve", report).unwrap_or(false);
    let irreversible = fields.boolean("irreversible", report).unwrap_or(false);
    if irreversible && !approve {
        let place = fields.get("irreversible").map_or(fields.span, Span::of);
        report
            .warning(
                DiagnosticKind::UnapprovedStage,
                place,
                "nobody is asked before a stage that can't be taken back",
            )
            .help("add \"approve\": true");
    }
    let mut stage = Stage::new(to?, bake?);
    (stage.approve, stage.irreversible, stage.idle) = (approve, irreversible, idle);
    Some(stage)
}

fn read_target<'t>(
    fields: &Fields<'t>,
    ramp: &mut StagedRamp<'t>,
    report: &mut Report,
) -> Option<Reached> {
    let mut targets = fields.among(&TARGETS);
    let Some((target, value)) = targets.next() else {
        if !fields.has_unknown {
            let message = "a stage needs the field `percent`, `segment` or `sets`";
            report.error(DiagnosticKind::MissingField, fields.span, message);
        }
        return None;
    };
    if let Some((second, _)) = targets.next() {
        let key = fields.key(second).unwrap_or(fields.span);
        let message = format!("`{second}` beside `{target}` in one stage");
        report
            .error(DiagnosticKind::Conflict, key, message)
            .help("write two stages, one behind the other");
        return None;
    }
    if target != "sets" {
        stray(fields, "of", "sets", report);
        stray(fields, "width", "sets", report);
    }
    match target {
        "percent" => read_percent(value, "percent", report).map(Reached::Percent),
        "segment" => {
            let name = fields::string(value, "segment", report)?;
            let kind = ConditionKind::Segment(name);
            ramp.waves.push(Condition { kind });
            Some(Reached::Segment(name.value.into()))
        }
        _ => read_sets(fields, value, ramp, report),
    }
}

/// Reads sets of numbers as the ranges that they are.
fn read_sets<'t>(
    fields: &Fields<'t>,
    value: &'t ast::Value<'t>,
    ramp: &mut StagedRamp<'t>,
    report: &mut Report,
) -> Option<Reached> {
    let what = "a stage with `sets`";
    fields.required("of", what, report);
    let of = fields.string("of", report);
    let width = fields
        .required("width", what, report)
        .and_then(|width| at_least_one(width, "width", report));
    let array = fields::array(value, "sets", report)?;
    if array.elements.is_empty() {
        let message = "`sets` may not be empty";
        report.error(DiagnosticKind::InvalidValue, Span::of(array), message);
    }
    let mut seen = HashSet::new();
    let (mut sets, mut ranges) = (Vec::new(), Vec::new());
    for element in &array.elements {
        let Some(set) = at_least_one(element, "sets", report) else {
            continue;
        };
        let last = set.checked_mul(width.unwrap_or(1));
        let problem = match last {
            _ if !seen.insert(set) => format!("the set {set} comes a second time"),
            None => format!("the numbers of the set {set} are beyond 64 bits"),
            Some(last) => {
                sets.push(set.unsigned_abs());
                ranges.push((last - width.unwrap_or(1) + 1, last));
                continue;
            }
        };
        report.error(DiagnosticKind::InvalidValue, Span::of(element), problem);
    }
    let (of, width) = (of?, width?);
    if ranges.is_empty() {
        return None;
    }
    let span = Span::of(value);
    let within = ranges.into_iter().map(|(first, last)| Condition {
        kind: ConditionKind::Attribute {
            name: of.value,
            test: At {
                value: Test::Between(Number::Integer(first), Number::Integer(last)),
                span,
            },
        },
    });
    let value = within.collect();
    ramp.waves.push(Condition {
        kind: ConditionKind::Any(At { value, span }),
    });
    Some(Reached::Sets {
        sets,
        of: of.value.into(),
        width: width.unsigned_abs(),
    })
}

fn at_least_one(value: &ast::Value<'_>, name: &str, report: &mut Report) -> Option<i64> {
    let found = integer(value, name, report)?;
    if found.value < 1 {
        let message = format!("`{name}` counts from 1, so {} is none", found.value);
        report.error(DiagnosticKind::InvalidValue, found.span, message);
        return None;
    }
    Some(found.value)
}
