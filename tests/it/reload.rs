//! What is told of a document, and answered by it, never depends on the documents before it.

use std::sync::Arc;

use fader::{
    CompileError, Context, Delivery, Diagnostic, Flags, Loaded, ManualClock, Overlay, Percent,
    Source, Timestamp,
};
use proptest::prelude::*;

const NAMES: [&str; 6] = ["f0", "f1", "f2", "f\\u0033", "f.4", "é"];
const SEGMENTS: [&str; 2] = ["s0", "s1"];

/// Texts of flags: good ones, ones to warn of, and broken ones.
const FLAGS: [&str; 41] = [
    "true",
    "false",
    "{}",
    "{ }",
    r#"{ "default": "on" }"#,
    r#"{ "default": "on", "description": "é}\"{", "metadata": { "f0": {} } }"#,
    r#"{ "expires": "2030-01-02" }"#,
    r#"{ "expires": "2030-01-05", "rules": [ { "percent": 10, "serve": "on" } ] }"#,
    r#"{ "expires": "soon" }"#,
    r#"{ "rules": [ { "percent": 10, "serve": "on" } ] }"#,
    "{ // é\n \"rules\": [ { \"name\": \"é\",\r\n \"percent\": 50, \"serve\": \"on\" }, /* } */\n { \"percent\": 25, \"by\": \"a\", \"serve\": \"on\" }, ] }",
    r#"{ "rules": [ { "percent": 100, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "percent": 101, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "percent": 10, "serve": "on", "salt": "s" }, { "percent": 5, "serve": "on", "salt": "s" } ] }"#,
    r#"{ "rules": [ { "percent": 10, "by": "client.ip", "serve": "on" } ] }"#,
    r#"{ "by": "a", "rules": [ { "serve": "on" }, { "serve": "off" } ] }"#,
    r#"{ "rules": [ { "if": { "segment": "s0" }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": [ { "segment": "s0" }, { "not": { "segment": "s1" } }, { "segment": "s0" } ], "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "any": [ { "segment": "s1" }, { "all": [] } ] }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "any": [ { "attribute": "env", "is": "prod" }, { "segment": "s1" } ] }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "attribute": "env", "in_list": "l" }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "attribute": "a", "in_list": "l" }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "attribute": "a", "matches": "^x[0-9]" }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "attribute": "a", "matches": "(" }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "flag": "f0", "is": "on" }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "flag": "f1", "is": "b" }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "flag": "f3", "is": [ "on", "off" ] }, "serve": "on" } ] }"#,
    r#"{ "variants": { "a": 1, "b": 2 }, "default": "a" }"#,
    r#"{ "variants": { "a": 1, "b": 2 }, "default": "a", "rules": [ { "serve": { "a": 50, "b": 50 } } ] }"#,
    r#"{ "variants": { "a": 1, "b": 2 }, "default": "a", "rules": [ { "serve": { "a": 50, "b": 49 } } ] }"#,
    r#"{ "variants": { "a": 1, "b": "x" }, "default": "a" }"#,
    r#"{ "variants": { "on": 1, "on": 2 }, "default": "on" }"#,
    r#"{ "rules": [ { "ramp": { "stages": [ { "percent": 1, "bake": "1h" } ], "guardrails": [] }, "serve": "on" } ] }"#,
    r#"{ "salt": "s", "rules": [ { "ramp": { "stages": [ { "percent": 1, "bake": "1h" } ], "guardrails": [] }, "serve": "on" } ] }"#,
    r#"{ "salt": "w", "rules": [ { "ramp": { "stages": [ { "segment": "s1", "bake": "1h" }, { "percent": 1, "bake": "1h" } ], "requires": [ { "flag": "f1", "is": "completed" } ] }, "serve": "on" } ] }"#,
    r#"{ "salt": "w", "rules": [ { "ramp": { "stages": [ { "sets": [2], "of": "n", "width": 5, "bake": "2h" } ], "requires": [ { "flag": "f0", "is": "completed" } ] }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "by": "a", "ramp": { "stages": [ { "segment": "s0", "bake": "1h", "irreversible": true } ], "guardrails": [ { "metric": "errors", "below": 0.01 } ] }, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "ramp": { "from": 0, "to": 100, "start": "2030-01-01T00:00:00Z", "over": "10d" }, "serve": "on" } ] }"#,
    r#"{ "oops": 1, "x-note": { "a": 1 } }"#,
    r#"{ "enabled": false, "rules": [ { "if": { "time": { "from": "2030-01-03T00:00:00Z" } }, "serve": "on" } ] }"#,
    "null",
];

const CONDITIONS: [&str; 6] = [
    r#"{ "if": { "attribute": "a", "is": "x1" } }"#,
    r#"{ "if": { "segment": "s1" } }"#,
    r#"{ "if": { "segment": "s0" } }"#,
    r#"{ "if": { "flag": "f0", "is": "on" } }"#,
    r#"{ "if": { "attribute": "env", "in_list": "l" } }"#,
    r#"{ "if": { "any": [] } }"#,
];

/// What stands behind an entry, mostly as it should.
const BEHIND: [&str; 14] = [
    ",",
    ",",
    ",",
    ",",
    ",\n",
    " , // {\n",
    "/* \"f0\": {} */,",
    ".5,",
    "1,",
    "}",
    "",
    "{},",
    "\u{b},",
    "\",",
];

/// One document, by numbers of the texts above.
#[derive(Clone, Debug)]
struct Document {
    /// Name, text and what stands behind it; a text beyond the last one leaves the flag out.
    flags: Vec<(usize, usize, usize)>,
    segments: Vec<Option<usize>>,
    list: Option<bool>,
    around: usize,
}

impl Document {
    fn text(&self) -> String {
        let mut text = [
            "{",
            "\u{feff}{ // é\n",
            "{\r\n",
            "{ \"metadata\": { \"f0\": {}, \"f1\": { } }, ",
        ][self.around]
            .to_owned();
        text.push_str("\"segments\": {");
        for (name, condition) in SEGMENTS.iter().zip(&self.segments) {
            if let Some(condition) = condition {
                text.push_str(&format!("\"{name}\": {}, ", CONDITIONS[*condition]));
            }
        }
        text.push_str("}, ");
        if let Some(long) = self.list {
            let ids = if long { "\"x1\", \"prod\"" } else { "\"x2\"" };
            text.push_str(&format!("\"lists\": {{ \"l\": [ {ids} ] }}, "));
        }
        text.push_str("\"flags\": {\n");
        for (name, flag, behind) in &self.flags {
            if let Some(flag) = FLAGS.get(*flag) {
                text.push_str(&format!("\"{}\": {flag}{}", NAMES[*name], BEHIND[*behind]));
            }
        }
        text.push_str("} }");
        text
    }
}

/// A change from one document to the next.
#[derive(Clone, Debug)]
enum Step {
    Flag(usize, usize),
    Behind(usize, usize),
    Name(usize, usize),
    Swap(usize, usize),
    Segment(usize, Option<usize>),
    List(Option<bool>),
    Around(usize),
    Day(u8),
    Quarantine(bool),
    Rollback,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = || 0..NAMES.len();
    let step = prop_oneof![
        8 => (at(), 0..FLAGS.len() + 4).prop_map(|(at, flag)| Step::Flag(at, flag)),
        // Most documents should be well formed, and damage be repaired again.
        1 => (at(), 0..BEHIND.len()).prop_map(|(at, behind)| Step::Behind(at, behind)),
        2 => at().prop_map(|at| Step::Behind(at, 0)),
        1 => (at(), at()).prop_map(|(at, name)| Step::Name(at, name)),
        1 => (at(), at()).prop_map(|(a, b)| Step::Swap(a, b)),
        2 => (0..2_usize, proptest::option::weighted(0.8, 0..CONDITIONS.len()))
            .prop_map(|(at, condition)| Step::Segment(at, condition)),
        1 => proptest::option::weighted(0.8, any::<bool>()).prop_map(Step::List),
        1 => (0..4_usize).prop_map(Step::Around),
        1 => (1..8_u8).prop_map(Step::Day),
        1 => any::<bool>().prop_map(Step::Quarantine),
        1 => Just(Step::Rollback),
    ];
    proptest::collection::vec(step, 1..40)
}

fn handle(clock: &Arc<ManualClock>) -> Flags {
    let flags = Flags::builder()
        .clock(Arc::clone(clock))
        .ambient("env", "prod")
        .list_seed(1)
        .build();
    // Percents that the document's are compared with, so that their places show.
    let held: Percent = "33".parse().unwrap();
    let overlay = NAMES.iter().fold(Overlay::new(), |overlay, name| {
        overlay
            .percent(name, "rules[0]", held)
            .waves(name, "rules[0]", 1)
            .percent(name, "é", held)
            .percent(name, "rules[1]", held)
    });
    flags.apply(overlay);
    flags.attach(flags.control_ramps());
    flags
}

fn told(result: &Result<Loaded, CompileError>) -> (bool, &[Diagnostic]) {
    match result {
        Ok(loaded) => (true, loaded.warnings()),
        Err(error) => (false, error.diagnostics()),
    }
}

/// Explains every flag to some users, and its plan, without what names the document.
fn answers(flags: &Flags) -> Vec<(String, Vec<String>)> {
    let users = ["u1", "u2", "u3"].into_iter().flat_map(|user| {
        [None, Some("x1"), Some("x2")].map(|a| {
            let context = Context::new(user);
            a.map_or(context.clone(), |a| context.with("a", a))
        })
    });
    let scopes: Vec<_> = users.map(|user| flags.scope(user)).collect();
    let names: Vec<String> = scopes[0].flags().map(str::to_owned).collect();
    let explain = |name: String| {
        let all = scopes.iter().map(|scope| {
            let explanation = scope.explain(&name).to_string();
            explanation.replace(scope.version(), "")
        });
        let mut all: Vec<String> = all.collect();
        let plans = scopes[0].snapshot().plans();
        let own = plans.filter(|ramp| ramp.flag == name);
        all.extend(own.map(|ramp| format!("{} {:?}", ramp.rule, ramp.plan)));
        (name, all)
    };
    names.into_iter().map(explain).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// A handle that has seen other documents before says of one what a new handle says of it, and answers the same.
    #[test]
    fn a_document_means_the_same_whatever_was_before(steps in steps()) {
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2030-01-01T12:00:00Z").unwrap()));
        let mut today = 1;
        let seasoned = handle(&clock);
        let mut document = Document {
            flags: (0..NAMES.len()).map(|name| (name, [0, 9, 27, 6, 16, 24][name], 0)).collect(),
            segments: vec![Some(0), Some(0)],
            list: Some(true),
            around: 0,
        };
        let mut source = Source::new("document");
        for step in steps {
            match step {
                Step::Flag(at, flag) => document.flags[at].1 = flag,
                Step::Behind(at, behind) => document.flags[at].2 = behind,
                Step::Name(at, name) => document.flags[at].0 = name,
                Step::Swap(a, b) => document.flags.swap(a, b),
                Step::Segment(at, condition) => document.segments[at] = condition,
                Step::List(list) => document.list = list,
                Step::Around(around) => document.around = around,
                // A handle's time never falls.
                Step::Day(day) => {
                    today = today.max(day);
                    clock.set(Timestamp::parse(&format!("2030-01-0{today}T12:00:00Z")).unwrap());
                }
                Step::Quarantine(quarantine) => {
                    source = Source::new("document");
                    if quarantine { source = source.quarantine(); }
                }
                Step::Rollback => {
                    let _ = seasoned.rollback();
                    continue;
                }
            }
            let before = answers(&seasoned);
            let text = document.text();
            let fresh = handle(&clock);
            let (is, should_be) = (seasoned.load(text.as_str(), &source), fresh.load(text.as_str(), &source));
            // Content that is live already, or was rolled back from, is told nothing new of.
            if is.as_ref().is_ok_and(|loaded| !loaded.is_new()) {
                continue;
            }
            let (is_told, should_be_told) = (told(&is), told(&should_be));
            // An overlay's entry waits for a flag that is set aside, but not for the rules of one that kept its form.
            let of_document = |told: (bool, &[Diagnostic])| -> Vec<String> {
                let held = ["overlay", "overlay-holds"];
                let set_aside = !fresh.status().set_aside().is_empty();
                told.1
                    .iter()
                    .filter(|told| !(set_aside && held.contains(&told.kind().as_str())))
                    .map(Diagnostic::to_string)
                    .collect()
            };
            prop_assert_eq!(is_told.0, should_be_told.0, "{}", &text);
            prop_assert_eq!(of_document(is_told), of_document(should_be_told), "{}", &text);
            if let Ok(loaded) = &is {
                let now = answers(&seasoned);
                let (mine, theirs) = (seasoned.status(), fresh.status());
                prop_assert_eq!(mine.set_aside(), theirs.set_aside());
                if theirs.set_aside().is_empty() {
                    prop_assert_eq!(&now, &answers(&fresh), "{}", &text);
                    let wanted = |flags: &Flags| {
                        let snapshot = flags.snapshot();
                        snapshot.wanted().iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
                    };
                    let names = wanted(&fresh);
                    prop_assert!(names.is_sorted_by(|a, b| a < b), "{:?}", names);
                    prop_assert_eq!(wanted(&seasoned), names);
                }
                // Whatever answers otherwise than before is told to have changed.
                for (name, answer) in &now {
                    let same = before.iter().any(|(old, was): &(String, Vec<String>)| old == name && was == answer);
                    let keys: Vec<&str> = loaded.keys().iter().map(|key| &**key).collect();
                    prop_assert!(same || keys.contains(&name.as_str()), "{} is not among {:?}:\n{}", name, keys, &text);
                }
            }
        }
    }
}

/// Looking an ambient attribute up in a list is done once, at compile time; the list may change.
#[test]
fn a_changed_list_changes_what_was_made_constant_of_it() {
    let flags = Flags::builder().ambient("env", "prod").build();
    let document = r#"{
        "lists": { "l": { "file": "l.txt" } },
        "segments": { "s": { "if": { "attribute": "env", "in_list": "l" } } },
        "flags": {
            "direct": { "rules": [ { "if": { "attribute": "env", "in_list": "l" }, "serve": "on" } ] },
            "through": { "rules": [ { "if": { "segment": "s" }, "serve": "on" } ] } } }"#;
    for (ids, expected) in [("prod", "on"), ("test", "off"), ("prod", "on")] {
        let delivery = Delivery::new(document).list("l.txt", Ok(ids.into()));
        let loaded = flags.load(delivery, &Source::new("document")).unwrap();
        assert_eq!(loaded.keys().len(), 2);
        for name in ["direct", "through"] {
            let resolution = flags.resolve(name, &Context::anonymous());
            assert_eq!(resolution.variant(), Some(expected), "{name}");
        }
    }
}

/// A flag set aside is not taken for good because its text is that of its last good form.
#[test]
fn a_flag_stays_set_aside_while_what_it_names_lacks_a_variant() {
    let document = |variants: &str, other: bool| {
        format!(
            r#"{{ "flags": {{
                "base": {{ "variants": {{ {variants} }}, "default": "a" }},
                "above": {{ "rules": [ {{ "if": {{ "flag": "base", "is": "b" }}, "serve": "on" }} ] }},
                "other": {other} }} }}"#
        )
    };
    let flags = Flags::builder().build();
    let source = Source::new("document").quarantine();
    for (variants, other, set_aside) in [
        (r#""a": 1, "b": 2"#, true, 0),
        (r#""a": 1"#, true, 1),
        (r#""a": 1"#, false, 1),
        (r#""a": 1, "b": 3"#, false, 0),
    ] {
        flags.load(document(variants, other), &source).unwrap();
        assert_eq!(flags.status().set_aside().len(), set_aside, "{variants}");
    }
}

/// A flag that expires while the service runs is warned of at the next document, also if that left it as it was.
#[test]
fn a_flag_expires_between_two_documents() {
    let clock = Arc::new(ManualClock::at("2030-01-01T12:00:00Z").unwrap());
    let flags = Flags::builder().clock(Arc::clone(&clock)).build();
    let warnings = |other: bool| {
        let document = format!(
            r#"{{ "flags": {{ "f": {{ "expires": "2030-01-02" }}, "g": {{ "enabled": {other} }} }} }}"#
        );
        let loaded = flags.load(document, &Source::new("document")).unwrap();
        loaded.warnings().len()
    };
    assert_eq!(warnings(true), 0);
    clock.set(Timestamp::parse("2030-01-03T00:00:00Z").unwrap());
    assert_eq!(warnings(false), 1);
}
