//! Conditions: what they are about, and the operator with its operands.

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{
    self, CONDITION_KINDS, CONDITION_OPTIONS, Fields, OPERATORS, number_beyond, wrong_type,
};
use crate::document::model::{At, Condition, ConditionKind, Name, Test};
use crate::document::read::read_conditions;
use crate::document::syntax::Span;
use crate::number::{Literal, Number};
use crate::ruleset::condition::OrderOperator;
use crate::ruleset::network::{Network, NetworkError};
use crate::ruleset::text::TextOperator;
use crate::ruleset::version::{Requirement, RequirementError};
use crate::time::Timestamp;

/// Reads what `if` takes: one condition, or an array of which all hold.
pub(crate) fn read_condition_or_all<'t>(
    value: &'t ast::Value<'t>,
    name: &str,
    report: &mut Report,
) -> Condition<'t> {
    match value {
        ast::Value::Array(array) => {
            let parts = At {
                value: read_conditions(array, report),
                span: Span::of(value),
            };
            Condition {
                kind: ConditionKind::All(parts),
            }
        }
        ast::Value::Object(_) => read_condition(value, report),
        other => {
            wrong_type(
                other,
                name,
                "a condition, or an array of conditions",
                report,
            );
            Condition {
                kind: ConditionKind::Invalid,
            }
        }
    }
}

/// Reads one condition.
pub(crate) fn read_condition<'t>(value: &'t ast::Value<'t>, report: &mut Report) -> Condition<'t> {
    let kind = fields::object(value, "a condition", report).and_then(|object| {
        let fields = Fields::new(
            object,
            &[CONDITION_KINDS, OPERATORS, CONDITION_OPTIONS],
            "a condition",
            report,
        );
        read_kind(&fields, report)
    });
    Condition {
        kind: kind.unwrap_or(ConditionKind::Invalid),
    }
}

fn read_kind<'t>(fields: &Fields<'t>, report: &mut Report) -> Option<ConditionKind<'t>> {
    let mut kinds = fields.among(CONDITION_KINDS);
    let Some((kind, value)) = kinds.next() else {
        if !fields.has_unknown {
            report
                .error(
                    DiagnosticKind::MissingField,
                    fields.span,
                    "a condition needs to say what it is about",
                )
                .help(format!("one of `{}`", CONDITION_KINDS.join("`, `")));
        }
        return None;
    };
    if let Some((second, _)) = kinds.next() {
        let key = fields.key(second).unwrap_or(fields.span);
        report
            .error(
                DiagnosticKind::Conflict,
                key,
                format!("`{second}` beside `{kind}` in one condition"),
            )
            .help("join two conditions by `all` or `any`");
        return None;
    }
    if kind != "attribute" {
        refuse_operators(fields, kind, report);
    }
    match kind {
        "attribute" => read_attribute(fields, report),
        "segment" => match value {
            ast::Value::StringLit(text) => Some(ConditionKind::Segment(At {
                value: &text.value,
                span: Span::of(value),
            })),
            other => {
                let several = other.as_array().is_some();
                wrong_type(other, "segment", "one segment's name", report)
                    .help_if(several, "join several by `any` or `all`");
                None
            }
        },
        "flag" => read_prerequisite(fields, report),
        "time" => read_time(fields::object(value, "time", report)?, report),
        "all" | "any" => {
            let array = fields::array(value, kind, report)?;
            let parts = At {
                value: read_conditions(array, report),
                span: Span::of(array),
            };
            Some(if kind == "all" {
                ConditionKind::All(parts)
            } else {
                ConditionKind::Any(parts)
            })
        }
        _ => match value {
            ast::Value::Array(_) => {
                wrong_type(value, "not", "exactly one condition", report)
                    .help("write { \"not\": { \"any\": […] } } or { \"not\": { \"all\": […] } }");
                None
            }
            _ => Some(ConditionKind::Not(Box::new(read_condition(value, report)))),
        },
    }
}

/// Reports operators beside something that takes none.
fn refuse_operators(fields: &Fields<'_>, kind: &str, report: &mut Report) {
    for (operator, _) in fields
        .among(OPERATORS)
        .chain(fields.among(&["ignore_case"]))
    {
        if (kind, operator) != ("flag", "is") {
            let key = fields.key(operator).unwrap_or(fields.span);
            report.error(
                DiagnosticKind::Conflict,
                key,
                format!("`{operator}` goes with `attribute`, not with `{kind}`"),
            );
        }
    }
}

fn read_prerequisite<'t>(fields: &Fields<'t>, report: &mut Report) -> Option<ConditionKind<'t>> {
    let flag = fields.string("flag", report);
    let Some(value) = fields.get("is") else {
        report
            .error(
                DiagnosticKind::MissingField,
                fields.span,
                "a condition on a flag needs the field `is`",
            )
            .help("name the variant, or variants, that it has to serve");
        return None;
    };
    let variants = strings(value, "is", report)?;
    Some(ConditionKind::Flag {
        flag: flag?,
        variants: At {
            value: variants,
            span: Span::of(value),
        },
    })
}

fn read_time<'t>(object: &'t ast::Object<'t>, report: &mut Report) -> Option<ConditionKind<'t>> {
    let fields = Fields::new(object, &[fields::TIME], "`time`", report);
    if fields.get("from").is_none() && fields.get("until").is_none() {
        if !fields.has_unknown {
            let message = "`time` needs the field `from`, `until` or both";
            report.error(DiagnosticKind::MissingField, fields.span, message);
        }
        return None;
    }
    let read = |name: &str, report: &mut Report| {
        fields
            .string(name, report)
            .and_then(|text| read_instant(text, report))
    };
    let (from, until) = (read("from", report), read("until", report));
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        let message = "this window is empty: `from` is not before `until`";
        report.error(DiagnosticKind::InvalidValue, fields.span, message);
    }
    Some(ConditionKind::Time { from, until })
}

/// Reads an instant.
pub(crate) fn read_instant(text: Name<'_>, report: &mut Report) -> Option<Timestamp> {
    let instant = Timestamp::parse(text.value);
    if instant.is_none() {
        report
            .error(DiagnosticKind::Date, text.span, format!("`{}` is no RFC 3339 instant", text.value))
            .help("date, `T`, time and zone, such as `2026-12-01T09:00:00Z` or `2026-12-01T10:00:00+01:00`");
    }
    instant
}

fn read_attribute<'t>(fields: &Fields<'t>, report: &mut Report) -> Option<ConditionKind<'t>> {
    let name = fields.string("attribute", report);
    let mut operators = fields.among(OPERATORS);
    let Some((operator, value)) = operators.next() else {
        if !fields.has_unknown {
            report
                .error(
                    DiagnosticKind::MissingField,
                    fields.span,
                    "a condition on an attribute needs an operator",
                )
                .help(format!("one of `{}`", OPERATORS.join("`, `")));
        }
        return None;
    };
    if let Some((second, _)) = operators.next() {
        let key = fields.key(second).unwrap_or(fields.span);
        report
            .error(
                DiagnosticKind::Conflict,
                key,
                format!("`{second}` beside `{operator}`: a condition has one operator"),
            )
            .help("join two conditions by `all` or `any`");
        // Their operands are read all the same, for what else may be wrong in them.
        for (operator, value) in fields.among(OPERATORS) {
            read_test(operator, value, false, report);
        }
        return None;
    }
    let ignore_case = fields.boolean("ignore_case", report);
    let test = read_test(operator, value, ignore_case.unwrap_or(false), report);
    if let Some(key) = fields.key("ignore_case") {
        let goes = matches!(
            operator,
            "is" | "in" | "starts_with" | "ends_with" | "contains" | "matches"
        );
        let text = !matches!(test, Some(Test::InNumbers(_) | Test::InBools(_)));
        if !goes || !text {
            let message = if goes {
                "`ignore_case` goes with text operands only".to_owned()
            } else {
                format!("`ignore_case` does not go with `{operator}`")
            };
            report
                .error(DiagnosticKind::Conflict, key, message)
                .help("leave it out");
        }
    }
    Some(ConditionKind::Attribute {
        name: name?.value,
        test: At {
            value: test?,
            span: Span::of(value),
        },
    })
}

fn read_test<'t>(
    operator: &str,
    value: &'t ast::Value<'t>,
    ignore_case: bool,
    report: &mut Report,
) -> Option<Test<'t>> {
    let text = |operator, report: &mut Report, name: &str| {
        let operands = strings(value, name, report)?
            .iter()
            .map(|operand| operand.value)
            .collect();
        Some(Test::Text {
            operator,
            operands,
            ignore_case,
        })
    };
    match operator {
        "is" => read_is(value, ignore_case, report),
        "in" => read_in(fields::array(value, "in", report)?, ignore_case, report),
        "in_list" => fields::string(value, "in_list", report).map(Test::InList),
        "starts_with" => text(TextOperator::StartsWith, report, "starts_with"),
        "ends_with" => text(TextOperator::EndsWith, report, "ends_with"),
        "contains" => text(TextOperator::Contains, report, "contains"),
        "matches" => Some(Test::Matches {
            patterns: strings(value, "matches", report)?,
            ignore_case,
        }),
        "lt" => read_order(OrderOperator::Below, value, "lt", report),
        "lte" => read_order(OrderOperator::AtMost, value, "lte", report),
        "gt" => read_order(OrderOperator::Above, value, "gt", report),
        "gte" => read_order(OrderOperator::AtLeast, value, "gte", report),
        "between" => read_between(fields::array(value, "between", report)?, report),
        "before" => fields::string(value, "before", report)
            .and_then(|text| read_instant(text, report))
            .map(Test::Before),
        "after" => fields::string(value, "after", report)
            .and_then(|text| read_instant(text, report))
            .map(Test::After),
        "version" => {
            let texts = strings(value, "version", report)?;
            each(&texts, |text| read_requirement(*text, report)).map(Test::Version)
        }
        "in_network" => {
            let texts = strings(value, "in_network", report)?;
            each(&texts, |text| read_network(*text, report)).map(Test::InNetwork)
        }
        _ => match value {
            ast::Value::BooleanLit(value) => Some(Test::Exists(value.value)),
            other => {
                wrong_type(other, "exists", "true or false", report);
                None
            }
        },
    }
}

/// Reads every item, also after one that fails, so that each failure is reported.
fn each<'t, T, R>(items: &'t [T], mut read: impl FnMut(&'t T) -> Option<R>) -> Option<Vec<R>> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.extend(read(item));
    }
    (all.len() == items.len()).then_some(all)
}

/// Reads a string, or an array of strings of which one has to match.
fn strings<'t>(
    value: &'t ast::Value<'t>,
    name: &str,
    report: &mut Report,
) -> Option<Vec<Name<'t>>> {
    match value {
        ast::Value::StringLit(text) => Some(vec![At {
            value: &text.value,
            span: Span::of(value),
        }]),
        ast::Value::Array(array) => each(&array.elements, |element| {
            fields::string(element, name, report)
        }),
        other => {
            wrong_type(other, name, "a string, or an array of strings", report);
            None
        }
    }
}

fn number(value: &ast::NumberLit<'_>, report: &mut Report) -> Option<Number> {
    let literal = Literal::parse(value.value);
    if literal.is_none() {
        number_beyond(value, report);
    }
    literal.map(Literal::number)
}

fn read_is<'t>(
    value: &'t ast::Value<'t>,
    ignore_case: bool,
    report: &mut Report,
) -> Option<Test<'t>> {
    match value {
        ast::Value::StringLit(text) => Some(Test::InText {
            values: vec![&text.value],
            ignore_case,
        }),
        ast::Value::NumberLit(literal) => Some(Test::InNumbers(vec![number(literal, report)?])),
        ast::Value::BooleanLit(value) => Some(Test::InBools(vec![value.value])),
        other => {
            let reported = wrong_type(other, "is", "one string, number or boolean", report);
            match other {
                ast::Value::Array(_) => reported.help("did you mean `in`?"),
                ast::Value::NullKeyword(_) => {
                    reported.help("a missing attribute is { \"exists\": false }");
                }
                _ => {}
            }
            None
        }
    }
}

fn read_in<'t>(
    array: &'t ast::Array<'t>,
    ignore_case: bool,
    report: &mut Report,
) -> Option<Test<'t>> {
    let Some(first) = array.elements.first() else {
        return Some(Test::InNothing);
    };
    let mut valid = true;
    for element in &array.elements {
        if matches!(
            element,
            ast::Value::NullKeyword(_) | ast::Value::Object(_) | ast::Value::Array(_)
        ) {
            wrong_type(element, "in", "strings, numbers or booleans", report);
            valid = false;
        }
    }
    let kind = fields::type_name(first);
    let other = array
        .elements
        .iter()
        .find(|element| fields::type_name(element) != kind);
    if let (true, Some(other)) = (valid, other) {
        let message = format!("`in` mixes {kind} and {}", fields::type_name(other));
        report
            .error(DiagnosticKind::MixedTypes, Span::of(other), message)
            .help("all are strings, or numbers, or booleans; join two conditions by `any`");
        valid = false;
    }
    if !valid {
        return None;
    }
    let elements = &array.elements;
    match first {
        ast::Value::StringLit(_) => {
            let mut values = Vec::with_capacity(elements.len());
            let texts = elements
                .iter()
                .filter_map(|element| element.as_string_lit());
            values.extend(texts.map(|text| &*text.value));
            Some(Test::InText {
                values,
                ignore_case,
            })
        }
        ast::Value::NumberLit(_) => {
            let literals: Vec<_> = elements
                .iter()
                .filter_map(|element| element.as_number_lit())
                .collect();
            each(&literals, |literal| number(literal, report)).map(Test::InNumbers)
        }
        _ => Some(Test::InBools(
            elements
                .iter()
                .filter_map(|element| Some(element.as_boolean_lit()?.value))
                .collect(),
        )),
    }
}

fn read_order<'t>(
    operator: OrderOperator,
    value: &'t ast::Value<'t>,
    name: &str,
    report: &mut Report,
) -> Option<Test<'t>> {
    match value {
        ast::Value::NumberLit(literal) => Some(Test::Order {
            operator,
            bound: number(literal, report)?,
        }),
        other => {
            let text = other.as_string_lit().is_some();
            wrong_type(other, name, "a number", report).help_if(
                text,
                "text is never ordered: use `version`, `before` or `after`",
            );
            None
        }
    }
}

fn read_between<'t>(array: &'t ast::Array<'t>, report: &mut Report) -> Option<Test<'t>> {
    let bounds = each(&array.elements, |element| match element {
        ast::Value::NumberLit(literal) => number(literal, report),
        other => {
            wrong_type(other, "between", "two numbers", report);
            None
        }
    })?;
    match *bounds {
        [low, high] if low.compare(high).is_le() => Some(Test::Between(low, high)),
        [_, _] => {
            report
                .error(
                    DiagnosticKind::InvalidValue,
                    Span::of(array),
                    "the low end of `between` is above its high end",
                )
                .help("write the lower number first");
            None
        }
        _ => {
            let message = format!("`between` takes exactly two numbers, not {}", bounds.len());
            report
                .error(DiagnosticKind::InvalidValue, Span::of(array), message)
                .help("such as [1, 100]; both ends are included");
            None
        }
    }
}

fn read_requirement(text: Name<'_>, report: &mut Report) -> Option<Requirement> {
    let (message, help) = match Requirement::parse(text.value) {
        Ok(requirement) => return Some(requirement),
        Err(RequirementError::Empty) => (
            "an empty version requirement".to_owned(),
            "`*` is every version".to_owned(),
        ),
        Err(RequirementError::Bare(bare)) => (
            format!("the version `{bare}` needs an operator"),
            format!(
                "`={bare}` for that version, `^{bare}` for compatible ones, `>={bare}` for that and later ones"
            ),
        ),
        Err(RequirementError::Syntax(reason)) => (
            format!("`{}` is no version requirement: {reason}", text.value),
            "such as `>=2.3, <3`; alternatives are an array".to_owned(),
        ),
    };
    report
        .error(DiagnosticKind::Version, text.span, message)
        .help(help);
    None
}

fn read_network(text: Name<'_>, report: &mut Report) -> Option<Network> {
    let (message, help) = match Network::parse(text.value) {
        Ok(network) => return Some(network),
        Err(NetworkError::Form) => (
            format!("`{}` is no network", text.value),
            "such as `10.20.0.0/16`, `2001:db8::/32`, or one address".to_owned(),
        ),
        Err(NetworkError::HostBits(right)) => (
            format!("`{}` has host bits set", text.value),
            format!("did you mean `{right}`?"),
        ),
    };
    report
        .error(DiagnosticKind::Network, text.span, message)
        .help(help);
    None
}
