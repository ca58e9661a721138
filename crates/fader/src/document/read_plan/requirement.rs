//! What must hold before a plan goes on.

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{self, Fields, wrong_type};
use crate::document::model::StagedRamp;
use crate::document::read::json;
use crate::document::read_plan::{in_range, not_empty, stray};
use crate::document::read_ramp::keyword;
use crate::plan::{FactTest, Requirement};

/// What a fact is tested by: exactly one of these.
const TESTS: [&str; 5] = ["is", "gt", "gte", "lt", "lte"];

pub(super) fn read_requirement<'t>(
    value: &'t ast::Value<'t>,
    ramp: &mut StagedRamp<'t>,
    report: &mut Report,
) {
    let Some(object) = fields::object(value, "a requirement", report) else {
        return;
    };
    let fields = Fields::new(object, &[fields::REQUIREMENT], "a requirement", report);
    let requirement = match (fields.key("flag"), fields.key("fact")) {
        (Some(_), Some(key)) => {
            report
                .error(
                    DiagnosticKind::Conflict,
                    key,
                    "`fact` beside `flag` in one requirement",
                )
                .help("write two requirements");
            None
        }
        (Some(_), None) => read_completed(&fields, ramp, report),
        (None, Some(_)) => read_fact(&fields, report),
        (None, None) => {
            if !fields.has_unknown {
                report
                    .error(
                        DiagnosticKind::MissingField,
                        fields.span,
                        "a requirement needs the field `flag` or `fact`",
                    )
                    .help("such as { \"flag\": \"new-schema\", \"is\": \"completed\" }");
            }
            None
        }
    };
    ramp.plan.requires.extend(requirement);
}

fn read_completed<'t>(
    fields: &Fields<'t>,
    ramp: &mut StagedRamp<'t>,
    report: &mut Report,
) -> Option<Requirement> {
    for test in TESTS.iter().skip(1) {
        stray(fields, test, "fact", report);
    }
    let flag = fields.string("flag", report);
    ramp.required.extend(flag);
    fields.required("is", "a requirement of a flag", report);
    keyword(fields, "is", &["completed"], report)?;
    Some(Requirement::Completed(flag?.value.into()))
}

fn read_fact(fields: &Fields<'_>, report: &mut Report) -> Option<Requirement> {
    let name = fields
        .string("fact", report)
        .and_then(|name| not_empty(name, "fact", report));
    let mut tests = fields.among(&TESTS);
    let Some((test, value)) = tests.next() else {
        if !fields.has_unknown {
            let message = "a requirement of a fact needs a test";
            report
                .error(DiagnosticKind::MissingField, fields.span, message)
                .help(format!("one of `{}`", TESTS.join("`, `")));
        }
        return None;
    };
    if let Some((second, _)) = tests.next() {
        let key = fields.key(second).unwrap_or(fields.span);
        let message = format!("`{second}` beside `{test}` in one requirement");
        report
            .error(DiagnosticKind::Conflict, key, message)
            .help("write two requirements");
        return None;
    }
    let number = |report: &mut Report| in_range(value, test, "a number", report, |_| true);
    let test = match test {
        "is" => read_is(value, report).map(FactTest::Is),
        "gt" => number(report).map(FactTest::Gt),
        "gte" => number(report).map(FactTest::Gte),
        "lt" => number(report).map(FactTest::Lt),
        _ => number(report).map(FactTest::Lte),
    };
    Some(Requirement::Fact {
        name: name?.into(),
        test: test?,
    })
}

fn read_is(value: &ast::Value<'_>, report: &mut Report) -> Option<serde_json::Value> {
    match value {
        ast::Value::StringLit(_) | ast::Value::NumberLit(_) | ast::Value::BooleanLit(_) => {
            json(value, report)
        }
        other => {
            wrong_type(other, "is", "one string, number or boolean", report);
            None
        }
    }
}
