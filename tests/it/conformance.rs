//! The conformance data against the core: what a scope resolves and what an explanation explains must agree with the
//! data, and so with one another.

use std::collections::BTreeSet;

use fader::{Context, Delivery, Flags, Resolution, Source, Timestamp, Value};

use crate::data::{self, Answer, Case, Group, Strictness};
use crate::schema;

/// Rules that show only on the command line or in diagnostics, which other tests are about.
const NOT_ANSWERS: std::ops::RangeInclusive<u32> = 81..=90;

fn delivery(delivery: Delivery, group: &Group) -> Delivery {
    let mut delivery = delivery;
    for (path, content) in &group.lists {
        delivery = delivery.list(path.as_str(), Ok(content.clone().into_bytes()));
    }
    delivery
}

/// Loads what a group says is live.
pub(crate) fn load(group: &Group) -> Flags {
    load_as(group, |document| Delivery::new(document))
}

/// Loads what a group says is live, each document as `make` delivers it.
pub(crate) fn load_as(group: &Group, make: impl Fn(&str) -> Delivery) -> Flags {
    let flags = Flags::builder().build();
    if group.control {
        flags.attach(flags.control_ramps());
    }
    let source = match group.strictness() {
        Strictness::Strict => Source::new("document"),
        Strictness::Quarantine => Source::new("document").quarantine(),
    };
    if let Some(before) = group.before() {
        let loaded = flags.load(delivery(make(before), group), &source);
        loaded.unwrap_or_else(|error| panic!("{}: before: {error}", group.name));
    }
    let mut now = delivery(make(group.document()), group);
    if let Some(overlay) = group.overlay() {
        now = now.overlay("overlay", overlay.as_bytes());
    }
    let loaded = flags
        .load(now, &source)
        .unwrap_or_else(|error| panic!("{}: {error}", group.name));
    assert!(
        loaded.overlay_error().is_none(),
        "{}: {:?}",
        group.name,
        loaded.overlay_error()
    );
    flags
}

pub(crate) fn context(case: &Case) -> Context {
    let mut context =
        Context::from_json(case.context()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    for (name, text) in &case.untyped {
        context.set(name, Value::untyped(text.as_str()));
    }
    context
}

pub(crate) fn now(group: &Group, case: &Case) -> Timestamp {
    let text = group.now(case).unwrap_or("2026-12-01T00:00:00Z");
    Timestamp::parse(text).unwrap_or_else(|| panic!("{}: `{text}` is no time", case.name))
}

pub(crate) fn differs(resolution: &Resolution, expected: &Answer) -> bool {
    let null = serde_json::Value::Null;
    let draw = resolution.draw().map(|draw| data::Draw {
        rule: draw.rule.to_owned(),
        enrolled: draw.enrolled,
        wave: draw.wave,
    });
    !data::same(resolution.value().unwrap_or(&null), &expected.value)
        || resolution.variant() != expected.variant.as_deref()
        || resolution.reason().as_str() != expected.reason
        || resolution.error_code().map(|code| code.as_str()) != expected.error_code.as_deref()
        || resolution.rule() != expected.rule.as_deref()
        || expected
            .draw
            .as_ref()
            .is_some_and(|expected| draw != *expected)
}

#[test]
fn every_case_is_answered_as_the_data_say() {
    let (mut cases, mut rules, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for file in data::conformance() {
        for group in &file.groups {
            let flags = load(group);
            for case in &group.cases {
                let context = context(case);
                let scope = flags.scope_at(&context, now(group, case));
                let resolution = scope.resolve(&case.flag);
                let explanation = scope.explain(&case.flag);
                let place = || format!("{} / {} / {}", file.file, group.name, case.name);
                if differs(&resolution, &case.expect) {
                    wrong.push(format!(
                        "{}\n  expected {:?}\n  found    {resolution:?}\n  {explanation}",
                        place(),
                        case.expect
                    ));
                }
                if differs(explanation.resolution(), &case.expect)
                    || explanation.to_string().is_empty()
                {
                    wrong.push(format!(
                        "{}: the explanation differs\n  {explanation}",
                        place()
                    ));
                }
                // Asked again, after others, and in a scope of its own, a flag answers the same.
                if differs(&scope.resolve(&case.flag), &case.expect) {
                    wrong.push(format!("{}: the second answer differs", place()));
                }
                cases += 1;
                rules.extend(case.rules.iter().copied());
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases} wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(cases >= 500, "only {cases} cases");
    let missing: Vec<_> = (1..=92)
        .chain([96, 97])
        .filter(|rule| !rules.contains(rule) && !NOT_ANSWERS.contains(rule))
        .collect();
    assert!(missing.is_empty(), "no case shows the rules {missing:?}");
}

/// What the cases show of one operator.
#[derive(Debug, Default)]
struct Shown {
    missing: bool,
    list: bool,
    types: BTreeSet<&'static str>,
    negated: bool,
    ignore_case: bool,
    answers: BTreeSet<String>,
}

/// Each operator meets an attribute that is missing, a list, values of several types, a negation and, where it goes with
/// it, `ignore_case`, and comes out in more than one way.
#[test]
fn every_operator_meets_every_kind_of_attribute() {
    const OPERATORS: [(&str, bool); 17] = [
        ("is", true),
        ("in", true),
        ("in_list", false),
        ("starts_with", true),
        ("ends_with", true),
        ("contains", true),
        ("matches", true),
        ("lt", false),
        ("lte", false),
        ("gt", false),
        ("gte", false),
        ("between", false),
        ("before", false),
        ("after", false),
        ("version", false),
        ("in_network", false),
        ("exists", false),
    ];
    let mut shown = std::collections::BTreeMap::<&str, Shown>::new();
    for file in data::conformance() {
        for group in &file.groups {
            // A document that can't be parsed is one for quarantine to keep the earlier form of.
            let Some(document) = schema::parse_document(group.document()) else {
                continue;
            };
            for (operator, _) in OPERATORS {
                let mut found = Vec::new();
                conditions(&document, operator, false, &mut found);
                for (attribute, negated, ignore_case) in found {
                    let shown = shown.entry(operator).or_default();
                    shown.negated |= negated;
                    shown.ignore_case |= ignore_case;
                    for case in &group.cases {
                        let context = context(case);
                        match context
                            .iter()
                            .find(|(name, _)| *name == attribute)
                            .map(|(_, value)| value)
                        {
                            None => shown.missing = true,
                            Some(fader::ValueRef::List(_)) => shown.list = true,
                            Some(fader::ValueRef::Text(_)) => {
                                shown.types.insert("text");
                            }
                            Some(fader::ValueRef::Bool(_)) => {
                                shown.types.insert("boolean");
                            }
                            Some(_) => {
                                shown.types.insert("number");
                            }
                        }
                        shown.answers.insert(case.expect.value.to_string());
                    }
                }
            }
        }
    }
    for (operator, with_case) in OPERATORS {
        let shown = shown
            .get(operator)
            .unwrap_or_else(|| panic!("no case has `{operator}`"));
        let complete = shown.missing
            && shown.list
            && shown.negated
            && shown.types.len() >= 3
            && shown.answers.len() >= 2;
        assert!(
            complete && (shown.ignore_case || !with_case),
            "`{operator}`: {shown:?}"
        );
    }
}

/// Collects the attributes that an operator tests in a document, and whether below a `not` and with `ignore_case`.
fn conditions(
    value: &serde_json::Value,
    operator: &str,
    negated: bool,
    found: &mut Vec<(String, bool, bool)>,
) {
    match value {
        serde_json::Value::Object(object) => {
            if let (Some(serde_json::Value::String(name)), true) =
                (object.get("attribute"), object.contains_key(operator))
            {
                found.push((
                    name.clone(),
                    negated,
                    object.get("ignore_case") == Some(&true.into()),
                ));
            }
            for (key, value) in object {
                conditions(value, operator, negated || key == "not", found);
            }
        }
        serde_json::Value::Array(values) => values
            .iter()
            .for_each(|value| conditions(value, operator, negated, found)),
        _ => {}
    }
}
