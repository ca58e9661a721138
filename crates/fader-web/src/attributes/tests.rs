use fader::Source;

use crate::fake::{self, Request};
use crate::{PinnedScope, Routing};

const BY_USER: &str = r#"{ "flags": {
    "a": { "rules": [ { "if": { "attribute": "user.id", "is": "qa-1" }, "serve": "on" } ] },
    "b": { "rules": [ { "if": { "attribute": "app.id", "is": "pos" }, "serve": "on" } ] },
    "c": { "rules": [ { "if": { "flag": "a", "is": "on" }, "serve": "on" } ] } } }"#;

fn scope() -> PinnedScope {
    let routing = Routing::new(fake::flags(BY_USER));
    let tracker = routing.pin(&Request::default(), |capture| {
        capture.set("app.id", "web");
    });
    tracker.scope().clone()
}

fn variant(scope: &PinnedScope, flag: &str) -> Option<String> {
    scope.resolve(flag).variant().map(str::to_owned)
}

#[test]
fn who_signs_in_is_known_to_what_is_decided_later() {
    let scope = scope();
    scope.identify("user.id", "qa-1").unwrap();
    assert_eq!(variant(&scope, "a").as_deref(), Some("on"));
    // It replaces what the layer has set, too.
    scope.identify("app.id", "pos").unwrap();
    assert_eq!(variant(&scope, "b").as_deref(), Some("on"));
}

#[test]
fn who_signs_in_too_late_is_refused() {
    for asked in ["a", "c"] {
        let scope = scope();
        assert_eq!(variant(&scope, asked).as_deref(), Some("off"));
        let refused = scope.identify("user.id", "qa-1").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`user.id` was read by a rule before: set it in the layer, or before the first flag that depends on it is \
             asked for"
        );
        assert_eq!(variant(&scope, "a").as_deref(), Some("off"));
        // Another attribute has not been read.
        scope.identify("app.id", "pos").unwrap();
        assert_eq!(variant(&scope, "b").as_deref(), Some("on"));
    }
}

#[test]
fn who_signs_in_twice_is_the_first() {
    let scope = scope();
    scope.identify("user.id", "qa-1").unwrap();
    let refused = scope.identify("user.id", "ann").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`user.id` was identified before: once for a request"
    );
    assert_eq!(variant(&scope, "a").as_deref(), Some("on"));
    // What no rule asks for is of no account.
    for _ in 0..2 {
        scope.identify("user.name", "Ann").unwrap();
    }
}

#[test]
fn reading_and_identifying_at_once_never_gives_two_answers() {
    for _ in 0..500 {
        let scope = scope();
        let (identified, read) = std::thread::scope(|threads| {
            let identified = threads.spawn(|| scope.identify("user.id", "qa-1").is_ok());
            let read = threads.spawn(|| variant(&scope, "a"));
            (identified.join().unwrap(), read.join().unwrap())
        });
        assert_eq!(identified, read.as_deref() == Some("on"));
        assert_eq!(variant(&scope, "c"), read);
    }
}

#[test]
fn many_names_can_be_identified() {
    let rules: Vec<_> = (0..40)
        .map(|number| {
            format!(
                r#""f{number}": {{ "rules": [
                    {{ "if": {{ "attribute": "a.{number}", "is": {number} }}, "serve": "on" }} ] }}"#
            )
        })
        .collect();
    let flags = fake::flags(&format!(r#"{{ "flags": {{ {} }} }}"#, rules.join(",")));
    let routing = Routing::new(flags);
    let tracker = routing.pin(&Request::default(), |_| {});
    let scope = tracker.scope();
    for number in 0..40 {
        scope.identify(&format!("a.{number}"), number).unwrap();
    }
    for number in 0..40 {
        let resolved = scope.resolve(format!("f{number}"));
        assert_eq!(resolved.variant(), Some("on"), "{number}");
    }
}

#[test]
fn a_document_swapped_in_meanwhile_is_none_of_its_business() {
    let flags = fake::flags(BY_USER);
    let routing = Routing::new(flags.clone());
    let tracker = routing.pin(&Request::default(), |_| {});
    flags
        .load(r#"{ "flags": { "a": true } }"#, &Source::new("flags.json"))
        .unwrap();
    tracker.scope().identify("user.id", "ann").unwrap();
    assert_eq!(variant(tracker.scope(), "a").as_deref(), Some("off"));
}
