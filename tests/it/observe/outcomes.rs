//! Who counts in an arm, and who does not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fader::{
    AttributeName, Attributes, Context, DrawnFlag, FlagKey, Flags, Outcome, OutcomeSink, Scope,
    ValueRef, Watch,
};

use super::{F, G, at, handle, success, user, watched};

/// One document, with its ramp of `f` at a percent, and whom its flags draw once they are read in turn.
struct Row {
    flags: &'static str,
    percent: &'static str,
    reads: &'static [&'static str],
    /// What sinks of guarded flags are told.
    guarded: &'static [&'static str],
    /// What sinks of all that draw are told; as the guarded ones where it is `None`.
    drawn: Option<&'static [&'static str]>,
}

const fn row(flags: &'static str, guarded: &'static [&'static str]) -> Row {
    Row {
        flags,
        percent: "100",
        reads: &["f"],
        guarded,
        drawn: None,
    }
}

const fn unguarded(flags: &'static str, drawn: &'static [&'static str]) -> Row {
    Row {
        drawn: Some(drawn),
        ..row(flags, &[])
    }
}

const BOTH: &str = r#""f": { "rules": [ STAGED ] },
    "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] }"#;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(r#""f": { "rules": [ STAGED ] }"#, &["f ramp gray on"]),
    Row { percent: "0", ..row(r#""f": { "rules": [ STAGED ] }"#, &["f ramp stable off"]) },
    // For the sake of another flag, before and after a read of its own, and not at all.
    Row { reads: &["g"], ..row(BOTH, &["f ramp gray on"]) },
    Row { reads: &["g", "f"], ..row(BOTH, &["f ramp gray on"]) },
    Row { reads: &["f", "g", "f", "g"], ..row(BOTH, &["f ramp gray on"]) },
    Row { reads: &["g"], ..row(r#""f": { "rules": [ STAGED ] }, "g": { "rules": [
        { "if": [ { "attribute": "plan", "is": "free" }, { "flag": "f", "is": "on" } ], "serve": "on" } ] }"#, &[]) },
    Row { reads: &["g"], drawn: Some(&["f ramp gray on", "g rules[0] gray on"]), ..row(r#""f": { "rules": [ STAGED ] },
        "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "percent": 100, "serve": "on" } ] }"#, &["f ramp gray on"]) },
    // Not drawn.
    Row { reads: &[], ..row(r#""f": { "rules": [ STAGED ] }"#, &[]) },
    Row { reads: &["unknown"], ..row(r#""f": { "rules": [ STAGED ] }"#, &[]) },
    row(r#""f": { "enabled": false, "rules": [ STAGED ] }"#, &[]),
    row(r#""f": { "enabled": false, "off": "off", "rules": [ STAGED ] }"#, &[]),
    row(r#""f": { "rules": [ { "if": { "attribute": "plan", "is": "pro" }, "serve": "on" }, STAGED ] }"#, &[]),
    row(r#""f": { "rules": [ { "if": { "attribute": "plan", "is": "free" }, "serve": "on" }, STAGED ] }"#, &["f ramp gray on"]),
    row(r#""f": { "rules": [ { "if": { "attribute": "gone", "is": "x" }, "serve": "on" }, STAGED ] }"#, &["f ramp gray on"]),
    row(r#""f": { "by": "gone", "rules": [ STAGED ] }"#, &[]),
    // The condition of what draws: false, unknown, not even if it is negated.
    unguarded(r#""f": { "rules": [ { "if": { "attribute": "plan", "is": "pro" }, "percent": 0, "serve": "on" } ] }"#, &["f rules[0] stable off"]),
    unguarded(r#""f": { "rules": [ { "if": { "attribute": "plan", "is": "free" }, "percent": 100, "serve": "on" } ] }"#, &[]),
    unguarded(r#""f": { "rules": [ { "if": { "attribute": "gone", "is": "x" }, "percent": 100, "serve": "on" } ] }"#, &[]),
    unguarded(r#""f": { "rules": [ { "if": { "not": { "attribute": "gone", "is": "x" } }, "percent": 100, "serve": "on" } ] }"#, &[]),
    // Every kind of draw.
    unguarded(r#""f": { "rules": [ { "percent": 100, "serve": "on" } ] }"#, &["f rules[0] gray on"]),
    unguarded(r#""f": { "rules": [ { "name": "some", "percent": 0, "serve": "on" } ] }"#, &["f some stable off"]),
    unguarded(r#""f": { "variants": { "a": true, "b": false }, "default": "b", "rules": [ { "serve": { "a": 100, "b": 0 } } ] }"#, &["f rules[0] gray a"]),
    unguarded(r#""f": { "variants": { "a": true, "b": false }, "default": "b", "rules": [ { "percent": 0, "serve": { "a": 100, "b": 0 } } ] }"#, &["f rules[0] stable b"]),
    unguarded(r#""f": { "rules": [ { "ramp": { "start": "2020-01-01T00:00:00Z", "over": "1d" }, "serve": "on" } ] }"#, &["f rules[0] gray on"]),
    unguarded(r#""f": { "rules": [ { "ramp": { "start": "2220-01-01T00:00:00Z", "over": "1d" }, "serve": "on" } ] }"#, &["f rules[0] stable off"]),
    unguarded(r#""f": { "rules": [ { "if": { "attribute": "plan", "is": "pro" }, "serve": "on" }, { "percent": 100, "serve": "on" } ] }"#, &[]),
    unguarded(r#""f": true"#, &[]),
    unguarded(r#""f": { "rules": [ { "serve": "on" } ] }"#, &[]),
    // Several draws: the last counts, also if the unit that it would need is missing, or a later rule decides.
    unguarded(r#""f": { "rules": [ { "name": "a", "percent": 0, "serve": "on" }, { "name": "b", "percent": 100, "serve": "on" } ] }"#, &["f b gray on"]),
    unguarded(r#""f": { "rules": [ { "name": "a", "percent": 0, "serve": "on" }, { "name": "b", "percent": 0, "salt": "s", "serve": "on" } ] }"#, &["f b stable off"]),
    unguarded(r#""f": { "rules": [ { "name": "a", "percent": 0, "serve": "on" }, { "name": "b", "by": "gone", "percent": 100, "serve": "on" } ] }"#, &["f a stable off"]),
    unguarded(r#""f": { "rules": [ { "name": "a", "percent": 100, "serve": "on" }, { "name": "b", "percent": 100, "serve": "on" } ] }"#, &["f a gray on"]),
    unguarded(r#""f": { "rules": [ { "name": "a", "percent": 0, "serve": "on" }, { "serve": "on" } ] }"#, &["f a stable on"]),
];

/// What a sink is told of a unit of work that ends well.
fn once(drawn: &[&str]) -> Vec<String> {
    let mut told: Vec<String> = ["began", "ended success"]
        .iter()
        .flat_map(|what| drawn.iter().map(move |drawn| format!("{what} {drawn}")))
        .collect();
    told.sort();
    told
}

fn resolve(scope: &Scope<Context>, flag: &str) {
    let _ = scope.resolve(flag);
}

fn get(scope: &Scope<Context>, flag: &str) {
    let _ = match flag {
        "f" => scope.get(&F),
        _ => scope.get(&G),
    };
}

fn all(scope: &Scope<Context>, flag: &str) {
    for _ in 0..2 {
        resolve(scope, flag);
        get(scope, flag);
        let _ = scope.explain(flag);
        let key = if flag == "f" { &F } else { &G };
        let resolution = scope.resolve(key);
        assert_eq!(scope.variant(key), resolution.variant(), "{}", key.name());
    }
}

#[test]
fn who_is_drawn_counts_once_and_nobody_else() {
    for row in ROWS {
        for (way, read) in [resolve as fn(&_, &_), get, all].into_iter().enumerate() {
            let handle = handle(row.flags);
            let _control = handle.control_ramps();
            handle.apply(at(row.percent));
            let guarded = watched(&handle, Watch::Guarded);
            let drawn = watched(&handle, Watch::Drawn);
            let scope = handle.scope(user());
            row.reads.iter().for_each(|flag| read(&scope, flag));
            assert!(scope.finish(success()));
            let what = format!("{} {:?} {way}", row.flags, row.reads);
            assert_eq!(guarded.take(), once(row.guarded), "guarded: {what}");
            let expected = row.drawn.unwrap_or(row.guarded);
            assert_eq!(drawn.take(), once(expected), "drawn: {what}");
        }
    }
}

#[test]
fn a_handle_by_itself_tells_nothing_and_a_killed_flag_neither() {
    let handle = handle(BOTH);
    let drawn = watched(&handle, Watch::Drawn);
    let _ = (handle.get(&F, &user()), handle.resolve("g", &user()));
    let _ = handle.explain("g", &user());
    let _ = handle.scope(user()).agrees_with(&handle.snapshot());
    handle.apply(at("100").kill("f"));
    let scope = handle.scope(user());
    all(&scope, "g");
    all(&scope, "f");
    scope.finish(success());
    assert_eq!(drawn.take(), [""; 0]);
}

#[test]
fn whoever_gets_a_forced_flag_is_in_no_arm() {
    static UNKNOWN: FlagKey<bool> = FlagKey::new("unknown", &false);
    // Forced by the handle or by the scope; read for its own sake or for that of another flag, in every order.
    for reads in [&["f"][..], &["g"], &["f", "g"], &["g", "f"]] {
        for by_handle in [true, false] {
            let plain = handle(BOTH);
            let _control = plain.control_ramps();
            plain.apply(at("100"));
            let (guarded, shown) = (watched(&plain, Watch::Guarded), super::exposed(&plain));
            let scope = if by_handle {
                plain
                    .overridden([(&F, false), (&UNKNOWN, true)])
                    .scope(user())
            } else {
                plain
                    .scope(user())
                    .overridden([(&F, false), (&UNKNOWN, true)])
            };
            for read in reads {
                all(&scope, read);
            }
            all(&scope, "unknown");
            scope.report("failed");
            scope.finish(success());
            assert_eq!(guarded.take(), [""; 0], "{reads:?} {by_handle}");
            assert_eq!(shown.take(), [""; 0], "{reads:?} {by_handle}");
            // A rule that depends on it does not see it.
            assert!(!*scope.get(&F) && *scope.get(&G));
        }
    }
    // What is forced beside it changes nothing.
    let plain = handle(BOTH);
    let drawn = watched(&plain, Watch::Drawn);
    let scope = plain.scope(user()).overridden([(&G, true)]);
    all(&scope, "f");
    all(&scope, "g");
    scope.finish(success());
    assert_eq!(drawn.take(), once(&["f ramp stable off"]));
}

/// Keeps what tells where a draw comes from.
#[derive(Default)]
struct Origin(Mutex<Vec<String>>);

impl OutcomeSink for Origin {
    fn ended(&self, drawn: &DrawnFlag<'_>, _: &Outcome) {
        let line = format!(
            "{} {} v{} o{} by {:?} age {:?} guarded {}",
            drawn.flag(),
            drawn.rule(),
            drawn.version(),
            drawn.overlay_version(),
            drawn.by(),
            drawn.unit_age(),
            drawn.is_guarded()
        );
        assert!(!format!("{drawn:?}").contains("user-42"), "{drawn:?}");
        self.0.lock().unwrap().push(line);
    }
}

/// A visitor who has been known for a minute.
struct Visitor;

impl Attributes for Visitor {
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        (name.as_str() != "gone").then_some(ValueRef::Text("user-42"))
    }

    fn age(&self, name: AttributeName<'_>) -> Option<Duration> {
        (name.as_str() == "visitor").then(|| Duration::from_secs(60))
    }
}

#[test]
fn a_draw_tells_where_it_comes_from() {
    let handle = Flags::builder().ambient("host", "user-42").build();
    let origin = Arc::new(Origin::default());
    handle.add_outcome_sink(Arc::clone(&origin), Watch::Drawn);
    let document = r#"{ "revision": 7, "flags": {
        "a": { "by": "visitor", "rules": [ STAGED ] },
        "b": { "rules": [ { "percent": 50, "serve": "on" } ] },
        "c": { "by": "host", "rules": [ { "percent": 50, "serve": "on" } ] },
        "d": { "rules": [ { "percent": 0, "by": "visitor", "serve": "on" }, { "percent": 0, "serve": "on" } ] } } }"#;
    let document = document.replace("STAGED", super::STAGED);
    let source = fader::Source::new("flags.json");
    handle.load(document.as_str(), &source).unwrap();
    handle.apply(at("50").with_version(3));
    let scope = handle.scope(Visitor);
    // What goes live later is not where it comes from.
    handle
        .load(document.replace('7', "8").as_str(), &source)
        .unwrap();
    handle.apply(at("50").with_version(4));
    for flag in ["a", "b", "c", "d"] {
        let _ = scope.resolve(flag);
    }
    scope.finish(success());
    assert_eq!(
        *origin.0.lock().unwrap(),
        [
            r#"a ramp v7 o3 by Some("visitor") age Some(60s) guarded true"#,
            r#"b rules[0] v7 o3 by Some("targetingKey") age None guarded false"#,
            "c rules[0] v7 o3 by None age None guarded false",
            r#"d rules[1] v7 o3 by Some("targetingKey") age None guarded false"#,
        ]
    );
}

#[test]
fn attributes_behind_a_pointer_tell_ages_and_admissions_too() {
    fn age(attributes: impl Attributes) -> Option<Duration> {
        attributes.age(AttributeName::new("visitor"))
    }
    let minute = Some(Duration::from_secs(60));
    assert_eq!(age(&Visitor), minute);
    assert_eq!(age(Box::new(Visitor) as Box<dyn Attributes>), minute);
    assert_eq!(age(Arc::new(Visitor)), minute);
    assert_eq!(age(user()), None);
}
