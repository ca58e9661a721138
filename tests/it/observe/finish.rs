//! The end of a unit of work, what is reported before and after, and falling back.

use fader::{Ending, FlagKey, Watch};

use super::{F, G, asked, exposed, failure, guarded, handle, success, user, variant, watched};

const F_AND_G: &str =
    r#""f": { "rules": [ STAGED ] }, "g": { "rules": [ { "percent": 100, "serve": "on" } ] }"#;

#[test]
fn only_the_first_end_counts() {
    let (handle, told, _control) = guarded(F_AND_G);
    let scope = handle.scope(user());
    let _ = scope.get(&F);
    assert!(scope.finish(failure()));
    assert!(!scope.finish(success()));
    assert!(!scope.finish(failure()));
    assert_eq!(
        told.take(),
        ["began f ramp gray on", "ended server_error f ramp gray on"]
    );
}

#[test]
fn a_scope_that_never_ends_has_begun() {
    let (handle, told, _control) = guarded(F_AND_G);
    drop(handle.scope(user()).resolve("f"));
    assert_eq!(told.take(), ["began f ramp gray on"]);
}

#[test]
fn what_is_first_read_after_the_end_is_late() {
    let (handle, guarded, _control) = guarded(F_AND_G);
    let drawn = watched(&handle, Watch::Drawn);
    let scope = handle.scope(user());
    let _ = scope.get(&G);
    scope.finish(success());
    for _ in 0..2 {
        assert_eq!(variant(&scope, "f"), "on", "it is served all the same");
        assert!(*scope.get(&F) && *scope.get(&G));
    }
    scope.finish(failure());
    assert!(!scope.report("failed"));
    scope.fall_back("f", failure());
    assert_eq!(guarded.take(), ["late f ramp gray on"]);
    assert_eq!(
        drawn.take(),
        [
            "began g rules[0] gray on",
            "ended success g rules[0] gray on",
            "late f ramp gray on",
        ]
    );
}

#[test]
fn a_prerequisite_can_be_late_as_well() {
    let (handle, told, _control) = guarded(
        r#""f": { "rules": [ STAGED ] }, "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] }"#,
    );
    let scope = handle.scope(user());
    scope.finish(success());
    assert!(*scope.get(&G) && *scope.get(&F));
    assert_eq!(told.take(), ["late f ramp gray on"]);
}

#[test]
fn an_event_is_told_with_the_end_once_for_each_flag_that_was_drawn() {
    let (handle, _, _control) = guarded(F_AND_G);
    let told = watched(&handle, Watch::Drawn);
    let scope = handle.scope(user());
    assert!(scope.report("early"));
    let _ = scope.get(&F);
    assert!(scope.report("late") && scope.report("early"));
    let _ = scope.get(&G);
    assert_eq!(
        told.take(),
        ["began f ramp gray on", "began g rules[0] gray on"]
    );
    scope.finish(success());
    assert_eq!(
        told.take(),
        [
            "ended success f ramp gray on",
            "ended success g rules[0] gray on",
            "reported early f ramp gray on",
            "reported early g rules[0] gray on",
            "reported late f ramp gray on",
            "reported late g rules[0] gray on",
        ]
    );
    assert!(!scope.report("after") && !scope.report("early"));
    assert_eq!(told.take(), [""; 0]);
}

#[test]
fn four_different_events_are_told_and_no_more() {
    let (handle, told, _control) = guarded(F_AND_G);
    let scope = handle.scope(user());
    let _ = scope.get(&F);
    let events = ["a", "b", "c", "d", "e", "a"];
    let kept = events.map(|event| scope.report(event));
    assert_eq!(kept, [true, true, true, true, false, true]);
    scope.finish(success());
    let told = told.take();
    let reported = told.iter().filter(|line| line.starts_with("reported"));
    assert_eq!(reported.count(), 4, "{told:?}");
}

#[test]
fn falling_back_counts_once_and_serves_what_a_killed_flag_does() {
    static DEFAULT_ON: FlagKey<bool> = FlagKey::new("f", &true);
    for (off, served, asked_for) in [
        ("", "-", "f -"),
        (r#""off": "off", "#, "off", "f off"),
        (r#""off": "on", "#, "on", "f on"),
    ] {
        let (handle, told, _control) = guarded(&format!(r#""f": {{ {off} "rules": [ STAGED ] }}"#));
        let shown = exposed(&handle);
        let scope = handle.scope(user());
        assert_eq!(variant(&scope, "f"), "on");
        scope.fall_back("f", failure());
        scope.fall_back("f", success());
        scope.report("later");
        assert_eq!(
            told.take(),
            ["began f ramp gray on", "ended server_error f ramp gray on"]
        );
        assert_eq!(variant(&scope, "f"), served);
        assert_eq!(scope.resolve("f").reason().as_str(), "DISABLED");
        assert_eq!(scope.resolve("f").draw(), None);
        assert_eq!(*scope.get(&DEFAULT_ON), served != "off");
        assert_eq!(asked(&scope), [asked_for]);
        assert!(scope.finish(success()), "the unit of work goes on");
        assert_eq!(told.take(), [""; 0]);
        assert_eq!(shown.take(), ["exposed f ramp gray on"]);
    }
}

#[test]
fn every_kind_of_flag_falls_back() {
    // The same for everybody, one draw, rules; watched and not.
    for watch in [None, Some(Watch::Guarded), Some(Watch::Drawn)] {
        for (flag, drawn) in [
            ("true", false),
            (r#"{ "default": "on" }"#, false),
            (r#"{ "rules": [ { "serve": "on" } ] }"#, false),
            (
                r#"{ "rules": [ { "percent": 100, "serve": "on" } ] }"#,
                true,
            ),
        ] {
            let handle = handle(&format!(r#""f": {flag}, "g": true"#));
            let told = watch.map(|watch| watched(&handle, watch));
            let scope = handle.scope(user());
            assert!(*scope.get(&F) && *scope.get(&G), "{flag}");
            scope.fall_back(&F, failure());
            for _ in 0..2 {
                assert!(!*scope.get(&F) && *scope.get(&G), "{flag} {watch:?}");
                assert_eq!(variant(&scope, "f"), "-", "{flag} {watch:?}");
                assert_eq!(asked(&scope), ["f -", "g on"], "{flag} {watch:?}");
            }
            scope.finish(success());
            let expected = [
                "began f rules[0] gray on",
                "ended server_error f rules[0] gray on",
            ];
            let is_told = drawn && watch == Some(Watch::Drawn);
            let told = told.map_or(Vec::new(), |told| told.take());
            assert_eq!(told, expected[..if is_told { 2 } else { 0 }], "{flag}");
            // Another scope knows nothing of it.
            assert!(*handle.scope(user()).get(&F));
        }
    }
}

#[test]
fn a_flag_that_is_not_decided_yet_falls_back_too() {
    for flag in ["true", r#"{ "rules": [ STAGED ] }"#] {
        let (handle, told, _control) = guarded(&format!(
            r#""f": {flag}, "g": {{ "rules": [ {{ "if": {{ "flag": "f", "is": "on" }}, "serve": "on" }} ] }}"#
        ));
        let scope = handle.scope(user());
        scope.fall_back("f", failure());
        assert_eq!((variant(&scope, "f"), *scope.get(&F)), ("-".into(), false));
        assert!(!*scope.get(&G), "{flag}: what depends on it sees it");
        scope.finish(success());
        assert_eq!(told.take(), [""; 0]);
    }
}

#[test]
fn what_was_decided_by_it_stays() {
    let (handle, told, _control) = guarded(
        r#""f": { "rules": [ STAGED ] }, "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] }"#,
    );
    let scope = handle.scope(user());
    assert!(*scope.get(&G));
    scope.fall_back("f", failure());
    assert!(*scope.get(&G) && !*scope.get(&F));
    scope.finish(success());
    assert_eq!(
        told.take(),
        ["began f ramp gray on", "ended server_error f ramp gray on"]
    );
}

#[test]
fn an_unknown_flag_and_a_forced_one_do_not_fall_back() {
    let (handle, told, _control) = guarded(F_AND_G);
    let scope = handle.scope(user());
    scope.fall_back("unknown", failure());
    assert_eq!(asked(&scope), [""; 0]);
    scope.finish(success());
    let scope = handle.scope(user()).overridden([(&F, true)]);
    assert!(*scope.get(&F));
    scope.fall_back("f", failure());
    assert!(*scope.get(&F));
    assert_eq!(asked(&scope), ["f on"]);
    scope.finish(success());
    assert_eq!(told.take(), [""; 0]);
    // Before any document.
    let scope = fader::Flags::builder().build().scope(user());
    scope.fall_back("f", failure());
    assert!(scope.finish(success()));
}

#[test]
fn an_ending_is_told_by_the_status() {
    use fader::Ending::{ClientError, Informational, Redirection, ServerError, Success, Timeout};
    for (status, ending) in [
        (0, ServerError),
        (99, ServerError),
        (100, Informational),
        (101, Informational),
        (199, Informational),
        (200, Success),
        (299, Success),
        (300, Redirection),
        (304, Redirection),
        (399, Redirection),
        (400, ClientError),
        (407, ClientError),
        (408, Timeout),
        (409, ClientError),
        (499, ClientError),
        (500, ServerError),
        (503, ServerError),
        (504, Timeout),
        (505, ServerError),
        (599, ServerError),
        (600, ServerError),
        (u16::MAX, ServerError),
    ] {
        assert_eq!(Ending::of_status(status), ending, "{status}");
    }
    let errors: Vec<_> = Ending::ALL
        .into_iter()
        .filter(|ending| ending.is_error())
        .collect();
    assert_eq!(errors, [ServerError, Ending::Panic, Timeout]);
}
