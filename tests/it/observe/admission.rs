//! What an adapter may keep a unit of work from.

use std::sync::Arc;

use fader::{
    Admission, AttributeName, Attributes, Context, Flags, Overlay, ValueRef, VariantRef, Watch,
};

use super::{F, G, asked, at, exposed, handle, success, user, variant, watched};

/// A request to which gray code is closed: no flag but `open` may serve `on`.
struct Closed(Context);

impl Attributes for Closed {
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        self.0.get(name)
    }

    fn admission(&self) -> Option<&dyn Admission> {
        Some(self)
    }
}

impl Admission for Closed {
    fn admits(&self, flag: &str, variant: VariantRef<'_>) -> bool {
        assert_eq!(variant.value().as_bool(), Some(variant.name() == "on"));
        flag == "open" || variant.name() != "on"
    }
}

fn closed() -> Closed {
    Closed(user())
}

/// Every way to come to `on`.
const FLAGS: [&str; 6] = [
    "true",
    r#"{ "default": "on" }"#,
    r#"{ "rules": [ { "percent": 100, "serve": "on" } ] }"#,
    r#"{ "rules": [ { "if": { "attribute": "plan", "is": "pro" }, "serve": "on" } ] }"#,
    r#"{ "rules": [ STAGED ] }"#,
    r#"{ "rules": [ { "if": { "flag": "open", "is": "on" }, "serve": "on" } ] }"#,
];

fn with(flag: &str, off: &str) -> Flags {
    let off = if off.is_empty() {
        String::new()
    } else {
        format!(r#""off": "{off}", "#)
    };
    let flag = match flag {
        "true" => format!(r#"{{ {off} "default": "on" }}"#),
        flag => flag.replacen('{', &format!("{{ {off}"), 1),
    };
    let handle = handle(&format!(
        r#""f": {flag}, "open": true, "g": {{ "rules": [
            {{ "if": {{ "flag": "f", "is": "on" }}, "serve": "on" }},
            {{ "if": {{ "flag": "f", "is": "off" }}, "serve": "off" }} ], "default": "on" }}"#
    ));
    handle.apply(at("100"));
    handle
}

#[test]
fn what_is_not_admitted_is_served_as_killed() {
    for (flag, watch) in FLAGS.iter().flat_map(|flag| [(flag, false), (flag, true)]) {
        for (off, served) in [("", "-"), ("off", "off")] {
            for reads in [&["f"][..], &["g"], &["f", "g"], &["g", "f"]] {
                let handle = with(flag, off);
                let _control = handle.control_ramps();
                let told = watch.then(|| (watched(&handle, Watch::Drawn), exposed(&handle)));
                // Those to whom it is open get it.
                assert_eq!(variant(&handle.scope(user()), "f"), "on", "{flag}");
                if let Some((outcomes, shown)) = &told {
                    outcomes.take();
                    shown.take();
                }
                let scope = handle.scope(closed());
                for _ in 0..2 {
                    for read in reads {
                        // Closed as well, and so are its own rules' results.
                        let expected = if *read == "f" { served } else { "-" };
                        let expected = if *read == "g" && off == "off" {
                            "off"
                        } else {
                            expected
                        };
                        assert_eq!(variant(&scope, read), expected, "{flag} {off} {reads:?}");
                        let _ = (scope.get(&F), scope.get(&G));
                    }
                }
                assert!(!*scope.get(&F) && !*scope.get(&G), "{flag}");
                assert_eq!(asked(&scope)[0], format!("f {served}"));
                let resolution = scope.resolve("f");
                assert_eq!(
                    (resolution.reason().as_str(), resolution.draw()),
                    ("DISABLED", None)
                );
                scope.report("failed");
                scope.finish(success());
                if let Some((outcomes, shown)) = told {
                    assert_eq!(outcomes.take(), [""; 0], "{flag} {reads:?}");
                    assert_eq!(shown.take(), [""; 0], "{flag} {reads:?}");
                }
            }
        }
    }
}

#[test]
fn a_key_first_read_by_a_closed_request_is_closed_too() {
    static FRESH: fader::FlagKey<bool> = fader::FlagKey::new("f", &false);
    let handle = handle(r#""f": true"#);
    assert!(!*handle.scope(closed()).get(&FRESH));
    assert!(*handle.scope(user()).get(&FRESH));
    assert!(!*handle.scope(closed()).get(&FRESH));
    assert!(!*handle.scope(&closed()).get(&FRESH));
    assert!(
        !*handle
            .scope(Box::new(closed()) as Box<dyn Attributes>)
            .get(&FRESH)
    );
    assert!(!*handle.scope(Arc::new(closed())).get(&FRESH));
}

#[test]
fn a_handle_asks_it_as_a_scope_does() {
    for flag in FLAGS {
        let handle = with(flag, "off");
        let _control = handle.control_ramps();
        let by_name = |flag| handle.resolve(flag, &closed()).variant().map(str::to_owned);
        assert_eq!(by_name("f").as_deref(), Some("off"), "{flag}");
        assert_eq!(by_name("g").as_deref(), Some("off"), "{flag}");
        let dynamic: &dyn Attributes = &closed();
        assert!(
            !handle.get(&F, &closed()) && !handle.get(&F, dynamic),
            "{flag}"
        );
        assert!(handle.get(&F, &user()), "{flag}");
    }
}

#[test]
fn what_was_admitted_counts() {
    let handle = handle(
        r#""open": { "rules": [ { "percent": 100, "serve": "on" } ] },
        "f": { "rules": [ { "percent": 0, "serve": "on" } ] }"#,
    );
    let told = watched(&handle, Watch::Drawn);
    let scope = handle.scope(closed());
    assert_eq!(
        (variant(&scope, "open"), variant(&scope, "f")),
        ("on".into(), "off".into())
    );
    scope.finish(success());
    assert_eq!(
        told.take(),
        [
            "began f rules[0] stable off",
            "began open rules[0] gray on",
            "ended success f rules[0] stable off",
            "ended success open rules[0] gray on",
        ]
    );
}

#[test]
fn what_serves_nothing_and_what_is_forced_is_not_asked_for() {
    let handle = handle(r#""f": true"#);
    handle.apply(Overlay::new().kill("f"));
    assert_eq!(variant(&handle.scope(closed()), "f"), "-");
    assert_eq!(variant(&handle.scope(closed()), "unknown"), "-");
    let forced = handle.scope(closed()).overridden([(&F, true)]);
    assert!(*forced.get(&F) && variant(&forced, "f") == "on");
}
