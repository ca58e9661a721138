//! Who was shown what.

use std::sync::Arc;

use fader::{Context, Deduplicated, Flags, MemoryExposures, Watch};

use super::{F, G, at, exposed, handle, load, success, user, variant, watched};

const BOTH: &str = r#""f": { "rules": [ STAGED ] }, "plain": true,
    "g": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] }"#;

#[test]
fn an_exposure_is_told_when_a_scope_is_first_asked() {
    let handle = handle(BOTH);
    let _control = handle.control_ramps();
    handle.apply(at("100"));
    let shown = exposed(&handle);
    let scope = handle.scope(user());
    // Not for what a flag that was asked for depends on.
    assert!(*scope.get(&G) && variant(&scope, "plain") == "on");
    let _ = scope.explain("f");
    assert_eq!(shown.take(), [""; 0]);
    assert!(*scope.get(&F));
    assert_eq!(shown.take(), ["exposed f ramp gray on"]);
    assert!(*scope.get(&F) && variant(&scope, "f") == "on");
    scope.finish(success());
    assert_eq!(shown.take(), [""; 0]);
    // The other order, and a second scope.
    let scope = handle.scope(user());
    assert!(*scope.get(&F) && *scope.get(&G));
    assert_eq!(shown.take(), ["exposed f ramp gray on"]);
    // Those who are not enrolled were shown the other variant.
    handle.apply(at("0"));
    assert!(!*handle.scope(user()).get(&F));
    assert_eq!(shown.take(), ["exposed f ramp stable off"]);
}

#[test]
fn a_sink_of_outcomes_beside_it_changes_nothing() {
    let handle = handle(r#""f": { "rules": [ { "percent": 100, "serve": "on" } ] }"#);
    let (shown, told) = (exposed(&handle), watched(&handle, Watch::Guarded));
    let scope = handle.scope(user());
    assert!(*scope.get(&F));
    scope.finish(success());
    assert_eq!(shown.take(), ["exposed f rules[0] gray on"]);
    assert_eq!(told.take(), [""; 0], "the flag is not guarded");
}

/// A handle at a percent that `to` changes, with what is told of its exposures through `places`.
fn deduplicated(places: Option<usize>) -> (Flags, Arc<MemoryExposures>, impl Fn(u32)) {
    let handle = Flags::builder().build();
    let seen = Arc::new(MemoryExposures::new());
    let sink = Arc::clone(&seen);
    handle.add_exposure_sink(match places {
        Some(places) => Deduplicated::with_places(sink, places),
        None => Deduplicated::new(sink),
    });
    let to = {
        let handle = handle.clone();
        move |percent| {
            let rule = format!(r#"{{ "rules": [ {{ "percent": {percent}, "serve": "on" }} ] }}"#);
            load(&handle, &format!(r#""f": {rule}, "g": {rule}"#));
        }
    };
    (handle, seen, to)
}

#[test]
fn each_change_of_variant_is_news_also_back() {
    let (handle, seen, to) = deduplicated(None);
    for percent in [0, 0, 100, 100, 0, 100] {
        to(percent);
        for _ in 0..5 {
            let _ = handle.scope(user()).get(&F);
        }
    }
    let variants: Vec<_> = seen.take().into_iter().map(|seen| seen.variant).collect();
    assert_eq!(
        variants.iter().flatten().collect::<Vec<_>>(),
        ["off", "on", "off", "on"]
    );
}

#[test]
fn the_same_variant_is_told_once_over_a_thousand_scopes() {
    let (handle, seen, to) = deduplicated(None);
    to(50);
    for _ in 0..1_000 {
        for unit in ["a", "b", "c"] {
            let scope = handle.scope(Context::new(unit));
            let _ = (scope.get(&F), scope.get(&G));
        }
    }
    let seen = seen.take();
    let mut pairs: Vec<_> = seen.iter().map(|seen| (&seen.flag, seen.unit)).collect();
    pairs.sort();
    pairs.dedup();
    assert_eq!((seen.len(), pairs.len()), (6, 6), "{seen:?}");
}

#[test]
fn places_that_are_shared_forget_and_leave_nothing_out() {
    // Two that take turns in one place are told each time; one alone is told once.
    for (places, units, expected) in [
        (0, 2, 200),
        (1, 2, 200),
        (1, 1, 1),
        (1, 3, 300),
        (1 << 12, 3, 3),
    ] {
        let (handle, seen, to) = deduplicated(Some(places));
        to(100);
        for _ in 0..100 {
            for unit in 0..units {
                assert!(*handle.scope(Context::new(unit)).get(&F));
            }
        }
        assert_eq!(seen.take().len(), expected, "{places} {units}");
    }
    let few = Deduplicated::with_places(MemoryExposures::new(), 5);
    assert_eq!(format!("{few:?}"), "Deduplicated { places: 8, .. }");
    let few = Deduplicated::new(MemoryExposures::new());
    assert_eq!(format!("{few:?}"), "Deduplicated { places: 65536, .. }");
}

#[test]
fn memory_keeps_what_is_latest() {
    let handle = handle(r#""f": { "rules": [ { "percent": 50, "serve": "on" } ] }"#);
    let seen = Arc::new(MemoryExposures::new());
    handle.add_exposure_sink(Arc::clone(&seen));
    for unit in 0..65_537_u32 {
        let _ = handle.scope(Context::new(unit)).get(&F);
    }
    let records = seen.records();
    assert_eq!(records.len(), 65_536);
    assert_eq!(seen.take(), records);
    assert!(seen.records().is_empty());
}
