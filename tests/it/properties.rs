//! What holds for every input, by random inputs.

use fader::{Context, FlagKey, Flags, Overlay, Percent, Reason, Resolution, Source};
use proptest::prelude::*;
use serde_json::{Value, json};

fn load(document: &Value) -> Flags {
    let flags = Flags::builder().list_seed(1).build();
    flags
        .load(document.to_string(), &Source::new("document"))
        .unwrap_or_else(|error| panic!("{error}\n{document}"));
    flags
}

fn percent_flag(percent: Percent, serve: &Value) -> Flags {
    let percent: serde_json::Number = percent.to_string().parse().unwrap();
    load(&json!({ "flags": { "f": {
        "variants": { "off": "off", "a": "a", "b": "b", "c": "c" }, "default": "off",
        "rules": [ { "percent": percent, "serve": serve } ] } } }))
}

fn variant(flags: &Flags, unit: &str) -> String {
    flags
        .resolve("f", &Context::new(unit))
        .variant()
        .unwrap()
        .to_owned()
}

fn percents() -> impl Strategy<Value = Percent> {
    prop_oneof![
        (0..=100_000_000_u32).prop_map(|micros| Percent::from_micros(micros).unwrap()),
        (0..=100_u32).prop_map(|whole| Percent::from_micros(whole * 1_000_000).unwrap()),
    ]
}

/// The unit of a draw, of each type, and the text that is hashed of it; some have none.
fn units() -> impl Strategy<Value = (Option<fader::Value>, Option<String>)> {
    prop_oneof![
        ".{0,20}".prop_map(|text| (Some(text.as_str().into()), Some(text))),
        ".{0,20}".prop_map(|text| (Some(fader::Value::untyped(text.as_str())), Some(text))),
        any::<i64>().prop_map(|unit| (Some(unit.into()), Some(unit.to_string()))),
        any::<f64>().prop_map(|unit| (Some(unit.into()), None)),
        any::<bool>().prop_map(|unit| (Some(unit.into()), None)),
        proptest::collection::vec(".{0,4}", 0..3).prop_map(|list| (Some(list.into()), None)),
        Just((None, None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// A flag that is one draw and nothing else is decided in a step of its own, unless an overlay holds its percent or
    /// its unit is no text: scope, handle and explanation answer alike, and as the hash says.
    #[test]
    fn a_single_draw_is_answered_alike_by_all(
        percent in percents(),
        held in proptest::option::of(percents()),
        salt in proptest::option::of(".{1,12}"),
        by in proptest::option::of(prop_oneof![Just("u"), Just("an.attribute.of.a.long.name")]),
        (unit, hashed) in units(),
    ) {
        static F: FlagKey<bool> = FlagKey::new("f", &false);
        let number: serde_json::Number = percent.to_string().parse().unwrap();
        let mut flag = json!({ "rules": [ { "name": "ramp", "percent": number, "serve": "on" } ] });
        if let Some(salt) = &salt { flag["salt"] = json!(salt); }
        if let Some(by) = by { flag["by"] = json!(by); }
        let flags = load(&json!({ "flags": { "f": flag } }));
        if let Some(held) = held {
            flags.apply(Overlay::new().percent("f", "ramp", held));
        }
        // Beside others, so that it has to be found.
        let mut context = Context::anonymous().with("a", 1).with("b", "user");
        if let Some(unit) = unit { context.set(by.unwrap_or(fader::TARGETING_KEY), unit); }

        let percent = held.unwrap_or(percent);
        let enrolled = hashed.map(|unit| {
            let position = fader::hash::position(salt.as_deref().unwrap_or("f"), &unit);
            percent == Percent::HUNDRED || u128::from(position) < fader::hash::threshold(percent)
        });
        let is_on = enrolled == Some(true);
        let draw = enrolled.map(|enrolled| ("ramp", enrolled));
        let expected = if is_on {
            (Some("on"), Reason::Split, Some("ramp"), draw)
        } else {
            (Some("off"), Reason::Default, None, draw)
        };
        let scope = flags.scope(&context);
        prop_assert_eq!((flags.get(&F, &context), *scope.get(&F)), (is_on, is_on));
        let resolutions: [Resolution; 5] = [
            flags.resolve("f", &context),
            flags.explain("f", &context).resolution().clone(),
            flags.scope(&context).resolve("f"),
            scope.resolve("f"),
            scope.explain("f").resolution().clone(),
        ];
        for found in &resolutions {
            let draw = found.draw().map(|draw| (draw.rule, draw.enrolled));
            prop_assert_eq!((found.variant(), found.reason(), found.rule(), draw), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Raising a percent adds units and moves nobody: not out of the rollout, and not from one variant to another.
    #[test]
    fn raising_a_percent_only_adds(a in percents(), b in percents(), units in proptest::collection::vec(".{0,20}", 200)) {
        let (low, high) = (a.min(b), a.max(b));
        let split = json!({ "a": 20, "b": 50, "c": 30 });
        let (before, after) = (percent_flag(low, &split), percent_flag(high, &split));
        for unit in &units {
            let (was, is) = (variant(&before, unit), variant(&after, unit));
            prop_assert!(was == "off" || was == is, "{unit:?} moved from {was} to {is} between {low} and {high} %");
        }
    }

    /// Whatever the bytes are, a document is taken or refused, and never stops the process.
    #[test]
    fn arbitrary_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Flags::builder().build().load(bytes, &Source::new("bytes").quarantine());
    }

    /// The same for JSON of any shape, also where it looks like a document.
    #[test]
    fn arbitrary_json_is_survived(value in documents()) {
        for source in [Source::new("json"), Source::new("json").quarantine()] {
            let flags = Flags::builder().build();
            if flags.load(value.to_string(), &source).is_ok() {
                let scope = flags.scope(Context::new("u").with("a", 1).with("b", "x"));
                let names: Vec<_> = scope.flags().map(str::to_owned).collect();
                for name in names {
                    prop_assert_eq!(scope.explain(&name).resolution().reason(), scope.resolve(&name).reason());
                }
            }
        }
    }

    /// The same for a good document cut or changed at one place.
    #[test]
    fn damaged_documents_are_survived(at in 0..GOOD.len(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = Flags::builder().build().load(bytes, &Source::new("damaged").quarantine());
    }

    /// Setting one flag aside changes no other answer, but of flags that name it.
    #[test]
    fn quarantine_touches_nothing_else(broken in 0..5_usize, unit in "[a-z]{1,8}", country in "[A-Z]{2}") {
        let mut document: Value = serde_json::from_str(FIVE).unwrap();
        let names: Vec<String> = (0..5).map(|number| format!("f{number}")).collect();
        let good = load(&document);
        document["flags"][&names[broken]]["oops"] = json!(1);
        let flags = Flags::builder().list_seed(1).build();
        let loaded = flags.load(document.to_string(), &Source::new("document").quarantine()).unwrap();
        let status = flags.status();
        prop_assert_eq!(status.set_aside(), &names[broken..=broken]);
        prop_assert!(!loaded.warnings().is_empty());
        let context = Context::new(unit.as_str()).with("country", country.as_str());
        // With a good form before it, the broken flag keeps that, and no answer changes at all.
        let kept = Flags::builder().list_seed(1).build();
        kept.load(FIVE, &Source::new("document").quarantine()).unwrap();
        kept.load(document.to_string(), &Source::new("document").quarantine()).unwrap();
        for name in &names {
            let (is, was) = (kept.resolve(name, &context), good.resolve(name, &context));
            prop_assert_eq!((is.variant(), is.reason(), is.rule()), (was.variant(), was.reason(), was.rule()));
        }
        for (number, name) in names.iter().enumerate() {
            let names_broken = broken == 1 && number == 4;
            if number == broken {
                prop_assert_eq!(flags.resolve(name, &context).error_code(), Some(fader::ErrorCode::ParseError));
            } else if !names_broken {
                let (is, was) = (flags.resolve(name, &context), good.resolve(name, &context));
                prop_assert_eq!((is.variant(), is.reason(), is.rule()), (was.variant(), was.reason(), was.rule()));
            }
        }
    }
}

const FIVE: &str = r#"{
    "segments": { "benelux": { "if": { "attribute": "country", "in": ["NL", "BE", "LU"] } } },
    "flags": {
        "f0": { "rules": [ { "if": { "segment": "benelux" }, "serve": "on" } ] },
        "f1": { "rules": [ { "percent": 50, "serve": "on" } ] },
        "f2": { "variants": { "a": 1, "b": 2 }, "default": "a", "rules": [ { "percent": 30, "serve": { "a": 10, "b": 90 } } ] },
        "f3": { "rules": [ { "if": { "not": { "segment": "benelux" } }, "serve": "on" } ] },
        "f4": { "rules": [ { "if": { "flag": "f1", "is": "on" }, "serve": "on" } ] }
    } }"#;

const GOOD: &str = include_str!("../../flags.example.json");

/// JSON made of the words that a document knows, so that much of it is nearly right.
fn documents() -> impl Strategy<Value = Value> {
    let words = [
        "flags",
        "segments",
        "lists",
        "variants",
        "default",
        "rules",
        "if",
        "serve",
        "percent",
        "ramp",
        "by",
        "salt",
        "all",
        "any",
        "not",
        "segment",
        "flag",
        "is",
        "attribute",
        "in",
        "in_list",
        "version",
        "matches",
        "between",
        "time",
        "from",
        "until",
        "on",
        "off",
        "a",
        "b",
        "enabled",
        "stages",
        "start",
        "over",
        "to",
        "file",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5..200_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
        Just(json!(">=1.2")),
        Just(json!("2026-12-01T00:00:00Z")),
        Just(json!("[")),
    ];
    let name = proptest::sample::select(words.to_vec()).prop_map(str::to_owned);
    let value = leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    (value.clone(), value.clone(), value.clone(), any::<bool>()).prop_map(|(flag, rule, condition, shaped)| {
        if shaped {
            json!({ "segments": { "a": { "if": condition } }, "flags": { "a": flag, "b": { "rules": [rule] } } })
        } else {
            json!({ "flags": flag })
        }
    })
}

const UNITS: u32 = 1_000_000;

/// Shares of a million units lie within five standard deviations of what the percents say (a miss has a chance of
/// 6·10⁻⁷, and the units are always the same).
#[test]
fn shares_are_those_of_the_percents() {
    static F: FlagKey<str> = FlagKey::new("f", "");
    let names = ["off", "a", "b", "c"];
    for micros in [10_000_u32, 1_000_000, 33_333_333, 90_000_000] {
        let percent = Percent::from_micros(micros).unwrap();
        let flags = percent_flag(percent, &json!({ "a": 20, "b": 50, "c": 30 }));
        let mut counts = std::collections::BTreeMap::<&str, u32>::new();
        for number in 0..UNITS {
            let context = Context::new(format!("user-{number}"));
            let variant = flags.with(&F, &context, |variant| {
                names.iter().position(|name| variant == *name).unwrap()
            });
            *counts.entry(names[variant]).or_default() += 1;
        }
        let share = f64::from(micros) / 1e8;
        for (name, share) in [
            ("off", 1.0 - share),
            ("a", share * 0.2),
            ("b", share * 0.5),
            ("c", share * 0.3),
        ] {
            let n = f64::from(UNITS);
            let deviation = (n * share * (1.0 - share)).sqrt();
            let found = f64::from(counts.get(&name).copied().unwrap_or(0));
            assert!(
                (found - n * share).abs() <= 5.0 * deviation,
                "{name} at {percent} %: {found} of {}",
                n * share
            );
        }
    }
}

/// Two flags draw independently, as does a split from its enrolment: chi-square over a 10 × 10 table of deciles, 81
/// degrees of freedom, at 0.01 % (143.0).
#[test]
fn salts_draw_independently() {
    let decile = |position: u64| usize::try_from((u128::from(position) * 10) >> 64).unwrap();
    type Pair = fn(&str) -> (u64, u64);
    let pairs: [(&str, Pair); 2] = [
        ("two salts", |unit| {
            (
                fader::hash::position("search", unit),
                fader::hash::position("checkout", unit),
            )
        }),
        ("enrolment and split", |unit| {
            (
                fader::hash::position("search", unit),
                fader::hash::place("search", unit),
            )
        }),
    ];
    for (name, pair) in pairs {
        let mut table = [[0_u32; 10]; 10];
        for number in 0..UNITS {
            let (a, b) = pair(&format!("user-{number}"));
            table[decile(a)][decile(b)] += 1;
        }
        let expected = f64::from(UNITS) / 100.0;
        let chi: f64 = table
            .iter()
            .flatten()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum();
        assert!(chi < 143.0, "{name}: chi-square {chi}");
    }
}
