//! Whether a request would be answered alike by what is live now.

use fader::{
    Admission, AttributeName, Attributes, Context, Flags, Overlay, Scope, ValueRef, VariantRef,
    Watch,
};

use super::{F, G, asked, at, exposed, failure, handle, load, user, variant, watched};

/// Asks a scope, changes the handle, and tells whether the scope agrees with it.
struct Row {
    what: &'static str,
    before: &'static str,
    asks: &'static [&'static str],
    after: &'static str,
    agrees: bool,
}

const fn row(
    what: &'static str,
    before: &'static str,
    asks: &'static [&'static str],
    after: &'static str,
    agrees: bool,
) -> Row {
    Row {
        what,
        before,
        asks,
        after,
        agrees,
    }
}

const F_ON: &str = r#""f": true, "g": true"#;
const F_OFF: &str = r#""f": false, "g": true"#;
const BY_F: &str =
    r#""f": true, "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] }"#;
const BY_F_OFF: &str =
    r#""f": false, "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] }"#;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("nothing changed", F_ON, &["f", "g"], F_ON, true),
    row("what was asked for", F_ON, &["f"], F_OFF, false),
    row("one of two", F_ON, &["g", "f"], F_OFF, false),
    row("what was not asked for", F_ON, &["g"], F_OFF, true),
    row("nothing asked", F_ON, &[], F_OFF, true),
    row("an unknown flag", F_ON, &["unknown"], F_OFF, true),
    row("only decided for another, which stays", r#""f": true, "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] }"#,
        &["g"], r#""f": false, "g": true"#, true),
    row("decided by another", BY_F, &["g"], BY_F_OFF, false),
    row("a new flag", r#""f": true"#, &["f", "g"], F_ON, true),
    row("a flag that is gone", F_ON, &["g"], r#""f": true"#, false),
    row("another reason for the same", F_ON, &["f"], r#""f": { "rules": [ { "percent": 100, "serve": "on" } ] }"#, true),
    row("a name of another value", r#""f": { "variants": { "a": 1 }, "default": "a" }"#, &["f"],
        r#""f": { "variants": { "a": 2 }, "default": "a" }"#, true),
    row("variants in another order", r#""f": { "variants": { "a": 1, "b": 2 }, "default": "a" }"#, &["f"],
        r#""f": { "variants": { "b": 2, "a": 1 }, "default": "a" }"#, true),
    row("another name of the same value", r#""f": { "variants": { "a": 1, "b": 1 }, "default": "a" }"#, &["f"],
        r#""f": { "variants": { "a": 1, "b": 1 }, "default": "b" }"#, false),
    row("a percent up", r#""f": { "rules": [ { "percent": 0, "serve": "on" } ] }"#, &["f"], r#""f": { "rules": [ { "percent": 100, "serve": "on" } ] }"#, false),
    row("a percent that moves others", r#""f": { "rules": [ { "percent": 100, "serve": "on" } ] }"#, &["f"], r#""f": { "rules": [ { "percent": 99.999999, "serve": "on" } ] }"#, true),
    row("by an attribute", r#""f": { "rules": [ { "if": { "attribute": "plan", "is": "pro" }, "serve": "on" } ] }"#, &["f"],
        r#""f": { "rules": [ { "if": { "attribute": "plan", "is": "free" }, "serve": "on" } ] }"#, false),
    row("disabled now", F_ON, &["f"], r#""f": { "enabled": false }"#, false),
    row("disabled now, and serves the same", F_ON, &["f"], r#""f": { "enabled": false, "off": "on" }"#, true),
    row("enabled now", r#""f": { "enabled": false }"#, &["f"], F_ON, false),
    row("disabled now, and had the stable code", r#""f": false"#, &["f"], r#""f": { "enabled": false }"#, true),
    row("enabled now, for the stable code", r#""f": { "enabled": false }"#, &["f"], r#""f": false"#, true),
    row("gone, and had the stable code", r#""f": false, "g": true"#, &["f"], r#""g": true"#, true),
    row("disabled now, and was a text", r#""f": { "variants": { "a": "x" }, "default": "a" }"#, &["f"],
        r#""f": { "enabled": false, "variants": { "a": "x" }, "default": "a" }"#, false),
    row("disabled before and after", r#""f": { "enabled": false }"#, &["f"], r#""f": { "enabled": false, "default": "on" }"#, true),
];

fn ask(scope: &Scope<Context>, flags: &[&str]) {
    for flag in flags {
        let _ = scope.resolve(flag);
        let _ = match *flag {
            "f" => scope.get(&F),
            _ => scope.get(&G),
        };
    }
}

#[test]
fn a_scope_agrees_with_what_would_serve_the_same() {
    for row in ROWS {
        let handle = handle(row.before);
        let scope = handle.scope(user());
        row.asks
            .iter()
            .filter(|flag| **flag != "g" || row.before.contains("\"g\""))
            .for_each(|flag| ask(&scope, &[flag]));
        assert!(
            scope.agrees_with(&handle.snapshot()),
            "{}: before",
            row.what
        );
        let before = asked(&scope);
        load(&handle, row.after);
        assert_eq!(
            scope.agrees_with(&handle.snapshot()),
            row.agrees,
            "{}",
            row.what
        );
        assert!(scope.agrees_with(scope.snapshot()), "{}: its own", row.what);
        assert_eq!(
            asked(&scope),
            before,
            "{}: asking changes nothing",
            row.what
        );
    }
}

#[test]
fn to_agree_is_no_draw() {
    let handle = handle(
        r#""f": { "rules": [ { "percent": 50, "serve": "on" } ] },
        "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "percent": 100, "serve": "on" } ] }"#,
    );
    let (told, shown) = (watched(&handle, Watch::Drawn), exposed(&handle));
    let scope = handle.scope(user());
    ask(&scope, &["g"]);
    told.take();
    shown.take();
    assert!(scope.agrees_with(&handle.snapshot()));
    assert_eq!((told.take().len(), shown.take().len()), (0, 0));
}

#[test]
fn an_overlay_counts_like_a_document() {
    let handle = handle(
        r#""f": { "rules": [ { "name": "ramp", "percent": 0, "serve": "on" } ] }, "g": true"#,
    );
    let scope = handle.scope(user());
    ask(&scope, &["f", "g"]);
    let agrees = |overlay| {
        handle.apply(overlay);
        scope.agrees_with(&handle.snapshot())
    };
    assert!(agrees(Overlay::new()));
    assert!(!agrees(at("100")));
    assert!(agrees(at("0")));
    assert!(!agrees(Overlay::new().kill("g")));
    let killed = handle.scope(user());
    ask(&killed, &["g"]);
    assert!(agrees(Overlay::new()));
    assert!(
        !killed.agrees_with(&handle.snapshot()),
        "a kill that was taken back"
    );
}

#[test]
fn a_staged_ramp_agrees_by_its_control() {
    let handle = handle(r#""f": { "rules": [ STAGED ] }"#);
    handle.apply(at("100"));
    let control = handle.control_ramps();
    let scope = handle.scope(user());
    assert_eq!(variant(&scope, "f"), "on");
    drop(control);
    assert!(!scope.agrees_with(&handle.snapshot()));
    let _control = handle.control_ramps();
    assert!(scope.agrees_with(&handle.snapshot()));
}

#[test]
fn what_fell_back_or_was_forced_does_not_count() {
    let handle = handle(F_ON);
    let fell_back = handle.scope(user());
    ask(&fell_back, &["f", "g"]);
    fell_back.fall_back("f", failure());
    let forced = handle.scope(user()).overridden([(&F, false)]);
    ask(&forced, &["f", "g"]);
    for scope in [&fell_back, &forced] {
        assert!(scope.agrees_with(&handle.snapshot()));
    }
    load(&handle, F_OFF);
    for scope in [&fell_back, &forced] {
        assert!(scope.agrees_with(&handle.snapshot()));
    }
    load(&handle, r#""f": true, "g": false"#);
    for scope in [&fell_back, &forced] {
        assert!(
            !scope.agrees_with(&handle.snapshot()),
            "the other one counts"
        );
    }
}

/// A request to which gray code is closed.
struct Closed;

impl Attributes for Closed {
    fn get(&self, _: AttributeName<'_>) -> Option<ValueRef<'_>> {
        None
    }

    fn admission(&self) -> Option<&dyn Admission> {
        Some(self)
    }
}

impl Admission for Closed {
    fn admits(&self, _: &str, variant: VariantRef<'_>) -> bool {
        variant.name() != "on"
    }
}

#[test]
fn what_was_capped_does_not_count_and_neither_what_hangs_on_it() {
    let handle = handle(BY_F);
    let scope = handle.scope(Closed);
    assert_eq!(
        (variant(&scope, "f"), variant(&scope, "g")),
        ("-".into(), "off".into())
    );
    assert!(scope.agrees_with(&handle.snapshot()));
    load(&handle, BY_F_OFF);
    assert!(scope.agrees_with(&handle.snapshot()));
}

#[test]
fn another_time_is_another_answer() {
    let clock = std::sync::Arc::new(fader::ManualClock::at("2030-01-01T00:00:00Z").unwrap());
    let handle = Flags::builder()
        .clock(std::sync::Arc::clone(&clock))
        .build();
    load(
        &handle,
        r#""f": { "rules": [ { "if": { "time": { "from": "2030-01-02T00:00:00Z" } }, "serve": "on" } ] }"#,
    );
    let scope = handle.scope(user());
    ask(&scope, &["f"]);
    assert!(scope.agrees_with(&handle.snapshot()));
    clock.advance(std::time::Duration::from_secs(86_400));
    assert!(!scope.agrees_with(&handle.snapshot()));
}
