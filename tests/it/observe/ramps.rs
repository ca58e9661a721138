//! Staged ramps follow the overlay while a controller runs them, and only then; what hangs on a handle stays there.

use std::sync::{Arc, Mutex};

use fader::{Context, Event, Flags, Percent, Source, Subscription, Watch, hash};

use super::{Told, at, exposed, handle, load, success, user, watched};

const RAMP: &str = r#""f": { "rules": [ STAGED ] }"#;
const PERCENTS: [&str; 6] = ["0", "0.5", "1", "33.333333", "50", "100"];

/// Asserts that exactly those below the threshold are enrolled, by every way to ask.
fn assert_enrolled(handle: &Flags, percent: &str) {
    let threshold = hash::threshold(percent.parse().unwrap());
    let mut enrolled = 0_u32;
    for number in 0..2_000 {
        let unit = format!("user-{number}");
        let expected = u128::from(hash::position("f", &unit)) < threshold;
        let context = Context::new(unit.as_str());
        let by_handle = handle.resolve("f", &context);
        let by_scope = handle.scope(&context).resolve("f");
        for resolution in [&by_handle, &by_scope] {
            assert_eq!(resolution.variant() == Some("on"), expected, "{unit}");
            assert_eq!(resolution.draw().unwrap().enrolled, expected, "{unit}");
        }
        let explained = handle.explain("f", &context);
        assert_eq!(explained.resolution().variant(), by_scope.variant());
        enrolled += u32::from(expected);
    }
    // The assertion above is worth something only if there are some.
    let share: Percent = percent.parse().unwrap();
    assert_eq!(enrolled > 0, share > Percent::ZERO, "{percent}");
}

#[test]
fn a_ramp_enrols_by_the_overlay_under_control_and_nobody_otherwise() {
    let handle = handle(RAMP);
    for percent in PERCENTS {
        handle.apply(at(percent));
        assert_enrolled(&handle, "0");
        let control = handle.control_ramps();
        assert_enrolled(&handle, percent);
        drop(control);
        assert_enrolled(&handle, "0");
    }
    // Control without a percent.
    handle.apply(fader::Overlay::new());
    let _control = handle.control_ramps();
    assert_enrolled(&handle, "0");
}

#[test]
fn one_control_of_two_is_enough() {
    let handle = handle(RAMP);
    handle.apply(at("50"));
    let (first, second) = (handle.control_ramps(), handle.clone().control_ramps());
    drop(first);
    assert_enrolled(&handle, "50");
    drop(second);
    assert_enrolled(&handle, "0");
    let _third = handle.control_ramps();
    assert_enrolled(&handle, "50");
}

#[test]
fn a_control_may_outlive_its_handle_and_a_scope_its_control() {
    let handle = handle(RAMP);
    handle.apply(at("100"));
    let control = handle.control_ramps();
    let (held, unread) = (handle.scope(user()), handle.scope(user()));
    drop(control);
    for scope in [held, unread] {
        assert_eq!(scope.resolve("f").variant(), Some("on"), "it is pinned");
    }
    let control = handle.control_ramps();
    drop(handle);
    drop(control);
}

#[test]
fn other_ramps_and_percents_need_no_control() {
    for rule in [
        r#"{ "name": "ramp", "percent": 0, "serve": "on" }"#,
        r#"{ "name": "ramp", "ramp": { "start": "2220-01-01T00:00:00Z", "over": "1d" }, "serve": "on" }"#,
    ] {
        let handle = handle(&format!(r#""f": {{ "rules": [ {rule} ] }}"#));
        handle.apply(at("50"));
        assert_enrolled(&handle, "50");
    }
}

fn changes(handle: &Flags) -> (Arc<Mutex<Vec<String>>>, Subscription) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&seen);
    let subscription = handle.subscribe(move |event| {
        let line = match event {
            Event::Overlaid(change) => format!("overlaid {}", change.keys().join(",")),
            other => format!("{other:?}"),
        };
        writer.lock().unwrap().push(line);
    });
    (seen, subscription)
}

#[test]
fn a_control_that_comes_or_goes_is_told_with_all_that_it_changes() {
    let handle = handle(
        r#""f": { "rules": [ STAGED ] },
        "direct": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] },
        "by-segment": { "rules": [ { "if": { "segment": "s" }, "serve": "on" } ] },
        "second": { "rules": [ { "if": { "flag": "direct", "is": "on" }, "serve": "on" } ] },
        "apart": { "rules": [ { "percent": 50, "serve": "on" } ] }, "plain": true },
        "segments": { "s": { "if": { "flag": "direct", "is": "on" } }"#,
    );
    handle.apply(at("50"));
    let (seen, _subscription) = changes(&handle);
    let take = || std::mem::take(&mut *seen.lock().unwrap());
    let told = ["overlaid f,direct,by-segment,second"];
    let first = handle.control_ramps();
    assert_eq!(take(), told);
    // What changes no answer is not told.
    let second = handle.control_ramps();
    handle.add_outcome_sink(Told::default(), Watch::Drawn);
    handle.add_exposure_sink(Told::default());
    drop(first);
    assert_eq!(take(), [""; 0]);
    drop(second);
    assert_eq!(take(), told);
}

#[test]
fn hooks_live_through_every_swap() {
    let handle = Flags::builder().build();
    // Before any document.
    let control = handle.control_ramps();
    let (outcomes, shown) = (watched(&handle, Watch::Guarded), exposed(&handle));
    assert!(!handle.status().version().is_empty() || handle.snapshot().flags().next().is_none());
    assert_eq!(
        handle.resolve("f", &user()).error_code().unwrap().as_str(),
        "PROVIDER_NOT_READY"
    );

    let document =
        |revision: u32| format!(r#""f": {{ "description": "{revision}", "rules": [ STAGED ] }}"#);
    let source = Source::new("overlay.json");
    let steps: [(&str, &dyn Fn()); 8] = [
        ("load", &|| load(&handle, &document(1))),
        ("apply", &|| handle.apply(at("100"))),
        ("another load", &|| load(&handle, &document(2))),
        ("rollback", &|| drop(handle.rollback().unwrap())),
        ("load after it", &|| load(&handle, &document(3))),
        ("overlay", &|| {
            let overlay = r#"{ "version": 9, "flags": { "f": { "rules": { "ramp": { "percent": 100 } } } } }"#;
            assert!(handle.load_overlay(overlay, &source).unwrap());
        }),
        ("a bad load", &|| {
            assert!(handle.load("{", &Source::new("flags.json")).is_err())
        }),
        ("a derived handle", &|| {
            drop(handle.overridden::<bool>([]).control_ramps())
        }),
    ];
    for (number, (step, run)) in steps.into_iter().enumerate() {
        run();
        let scope = handle.scope(user());
        let gray = number > 0;
        assert_eq!(
            scope.resolve("f").variant(),
            Some(if gray { "on" } else { "off" }),
            "{step}"
        );
        scope.finish(success());
        let drawn = if gray {
            "f ramp gray on"
        } else {
            "f ramp stable off"
        };
        let expected = [format!("began {drawn}"), format!("ended success {drawn}")];
        assert_eq!(outcomes.take(), expected, "{step}");
        assert_eq!(shown.take(), [format!("exposed {drawn}")], "{step}");
    }
    drop(control);
    assert_eq!(handle.resolve("f", &user()).variant(), Some("off"));
}

#[test]
fn a_rollback_keeps_hooks_that_came_after_the_version() {
    let handle = handle(RAMP);
    handle.apply(at("100"));
    let early = handle.control_ramps();
    load(&handle, r#""f": { "default": "on", "rules": [ STAGED ] }"#);
    drop(early);
    let (outcomes, shown) = (watched(&handle, Watch::Guarded), exposed(&handle));
    handle.rollback().unwrap();
    let scope = handle.scope(user());
    assert_eq!(
        scope.resolve("f").variant(),
        Some("off"),
        "nobody controls it"
    );
    scope.finish(success());
    assert_eq!((outcomes.take().len(), shown.take().len()), (2, 1));
    let _control = handle.control_ramps();
    assert_eq!(handle.resolve("f", &user()).variant(), Some("on"));
}

#[test]
fn hooks_are_no_version_to_roll_back_to() {
    let handle = handle(RAMP);
    let _control = handle.control_ramps();
    let _told = watched(&handle, Watch::Drawn);
    assert!(handle.history().is_empty() && handle.rollback().is_err());
    assert_eq!(handle.status().rolled_back_from(), None);
    // The same document again is still the same.
    let before = handle.status().loaded_at();
    load(&handle, RAMP);
    assert_eq!(handle.status().loaded_at(), before);
    assert!(handle.history().is_empty());
}

#[test]
fn a_scope_that_was_made_before_a_sink_does_not_tell_it() {
    let handle = handle(r#""f": { "rules": [ { "percent": 50, "serve": "on" } ] }"#);
    let scope = handle.scope(user());
    let told = watched(&handle, Watch::Drawn);
    let _ = scope.resolve("f");
    scope.finish(success());
    assert_eq!(told.take(), [""; 0]);
}

#[test]
fn every_sink_is_told() {
    let handle = handle(r#""f": { "rules": [ { "percent": 100, "serve": "on" } ] }"#);
    let told: [_; 3] = std::array::from_fn(|_| watched(&handle, Watch::Drawn));
    let shown: [_; 3] = std::array::from_fn(|_| exposed(&handle));
    let scope = handle.scope(user());
    let _ = scope.resolve("f");
    scope.finish(success());
    assert!(told.iter().all(|told| told.take().len() == 2));
    assert!(shown.iter().all(|shown| shown.take().len() == 1));
}
