//! Flags taken one by one, or all at once: nobody can tell.

use std::path::Path;

use super::*;
use crate::document::text::Cut;

/// What is told of a text by itself; of an abridged one only if it can be judged so.
fn told(text: &Text<'_>, source: &Source) -> Option<Vec<Diagnostic>> {
    let (previous, lists, ambient) = (Ruleset::empty(), BTreeMap::new(), BTreeMap::new());
    let input = Input {
        document: &Content::One(text.all().into()),
        lists: &lists,
        source,
        previous: &previous,
        is_successor: true,
        ambient: &ambient,
        decoders: &Decoders::new(),
        list_seed: 0,
        now: Timestamp::parse("2027-01-01T00:00:00Z").unwrap(),
    };
    let stray = scan(text.all(), |_| {});
    let compiled = compile_text(
        text,
        &Places::of(text.all()),
        stray,
        &input,
        &mut Registry::default(),
    )?;
    Some(compiled.map_or_else(|told| told, |compilation| compilation.diagnostics))
}

fn abridged(text: &str) -> Text<'_> {
    let mut cuts = Vec::new();
    scan(text, |entry| {
        if slice(text, entry.section) == "flags" {
            cuts.push(Cut::new(entry.value, None));
        }
    });
    Text::abridged(text, cuts)
}

/// Returns whether flags could be taken one by one, and what was told then.
fn one_by_one_is_as_all_at_once(text: &str) -> (bool, usize) {
    let mut count = 0;
    let mut judged = false;
    for source in [Source::new("a"), Source::new("a").quarantine()] {
        let all_at_once = told(&Text::whole(text), &source).unwrap();
        if let Some(one_by_one) = told(&abridged(text), &source) {
            assert_eq!(one_by_one, all_at_once, "{text}");
            judged = true;
        }
        count = all_at_once.len();
    }
    (judged, count)
}

#[test]
fn the_same_is_told_of_flags_taken_one_by_one_as_of_all_at_once() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let (mut judged, mut told) = (0, 0);
    for folder in ["invalid", "warnings"] {
        for file in std::fs::read_dir(data.join(folder)).unwrap() {
            let Ok(text) = std::fs::read_to_string(file.unwrap().path()) else {
                continue;
            };
            if scan(&text, |_| {}).is_none() {
                let (could, count) = one_by_one_is_as_all_at_once(&text);
                judged += usize::from(could);
                told += count;
            }
        }
    }
    assert!(
        judged > 20 && told > judged,
        "{judged} documents, {told} diagnostics"
    );
}

#[test]
fn mistakes_of_several_flags_are_told_in_the_order_of_the_text() {
    let text = r#"{ "segments": { "s": { "if": { "flag": "b", "is": "none" } }, "unused": { "if": [] } },
        "flags": { "a": { "rules": [ { "if": { "flag": "b", "is": ["on", "off", "no"] }, "serve": "up" } ] },
            "on": true, "wrong": [ { "if": {} } ], "c": { "rulez": [], "a": 1, "a": 2 },
            "b": { "rules": [ { "if": { "segment": "s" }, "serve": "on" }, { "if": { "flag": "a", "is": "on" } } ] },
            "old": { "expires": "2020-01-01", "by": "x" } } }"#;
    let (judged, told) = one_by_one_is_as_all_at_once(text);
    assert!(judged && told > 10, "{told}");
}

#[test]
fn a_flag_that_is_not_what_it_seems_is_left_to_the_whole_text() {
    for text in [
        r#"{ "flags": { "a": { }, "a": { "x": 1 } } }"#,
        r#"{ "flags": { "a": {} }, "flags": { "b": { "rulez": 1 } } }"#,
        r#"{ "flags": { "a": { "rules": [ ] "off": "off" } } }"#,
        r#"{ "flags": { "a": { "default": 01 } } }"#,
    ] {
        assert!(!one_by_one_is_as_all_at_once(text).0, "{text}");
    }
}
