//! The conformance data against the core: what a scope resolves, what an explanation explains, and what the handle
//! answers by itself must agree with the data, and so with one another.

use std::collections::BTreeSet;

use fader::{Context, Delivery, Flags, Resolution, Source, Timestamp, Value};

use crate::data::{self, Answer, Case, Group, Strictness};

/// Rules that show only on the command line or in diagnostics, which other tests are about.
const NOT_ANSWERS: std::ops::RangeInclusive<u32> = 81..=90;

fn delivery(document: &str, group: &Group) -> Delivery {
    let mut delivery = Delivery::new(document);
    for (path, content) in &group.lists {
        delivery = delivery.list(path.as_str(), Ok(content.clone().into_bytes()));
    }
    delivery
}

/// Loads what a group says is live.
pub(crate) fn load(group: &Group) -> Flags {
    let flags = Flags::builder().build();
    let source = match group.strictness() {
        Strictness::Strict => Source::new("document"),
        Strictness::Quarantine => Source::new("document").quarantine(),
    };
    if let Some(before) = group.before() {
        let loaded = flags.load(delivery(before, group), &source);
        loaded.unwrap_or_else(|error| panic!("{}: before: {error}", group.name));
    }
    let mut now = delivery(group.document(), group);
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

fn differs(resolution: &Resolution, expected: &Answer) -> bool {
    let null = serde_json::Value::Null;
    let draw = resolution.draw().map(|draw| data::Draw {
        rule: draw.rule.to_owned(),
        enrolled: draw.enrolled,
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
        .filter(|rule| !rules.contains(rule) && !NOT_ANSWERS.contains(rule))
        .collect();
    assert!(missing.is_empty(), "no case shows the rules {missing:?}");
}
