//! What a handle tells its observer.

use fader::{Context, Flags, Overlay, Source, Watch};

use super::*;

const DOCUMENT: &str = r#"{ "flags": { "checkout": { "rules": [
    { "name": "ours", "if": { "attribute": "role", "is": "staff" }, "serve": "on" },
    { "name": "ramp", "serve": "on", "ramp": { "stages": [ { "percent": 50, "bake": "30m" } ],
      "guardrails": [ { "metric": "errors", "no_worse_than": 1.1 } ] } } ] } } }"#;

/// The only flag of a handle.
const FIRST: u32 = 0;

#[test]
fn only_what_was_drawn_in_time_counts() {
    let flags = Flags::builder().build();
    let _control = flags.control_ramps();
    let observer = Arc::new(Observer::new());
    flags.add_outcome_sink(Arc::clone(&observer), Watch::Guarded);
    flags.load(DOCUMENT, &Source::new("flags.json")).unwrap();
    flags.apply(Overlay::new().percent("checkout", "ramp", percent(50)));
    observer.watch(FIRST, &plan("user.id", vec![relative(Metric::Errors)]), 1);
    let mut collector = Collector::new(Arc::clone(&observer));

    let mut drawn = 0;
    for number in 0..100 {
        let user = || Context::new(format!("user-{number}"));
        let ask = |context: Context| {
            let scope = flags.scope(context);
            let resolution = scope.resolve("checkout");
            scope.finish(FAILED);
            resolution.draw().is_some_and(|draw| draw.enrolled)
        };
        drawn += u32::from(ask(user()));
        // Decided by an earlier rule, and first read when the outcome was taken.
        ask(user().with("role", "staff"));
        let late = flags.scope(user());
        late.finish(FAILED);
        let _ = late.resolve("checkout");
    }
    let counts = collector.collect(0).remove(0).counts;
    assert!((20..80).contains(&drawn));
    assert_eq!(counts.requests, arms(drawn, 100 - drawn));
    assert_eq!(counts.strata.len(), 1);
    assert_eq!(counts.strata[0].bad, arms(drawn, 100 - drawn));
}
