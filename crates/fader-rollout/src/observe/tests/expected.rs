//! Events that should follow, and do not.

use fader::{Context, Flags, Overlay, Scope, Source, Watch};

use super::*;

const DOCUMENT: &str = r#"{ "flags": { "checkout": { "rules": [ { "name": "ramp", "by": "user.id", "serve": "on",
    "ramp": { "stages": [ { "percent": 50, "bake": "30m" } ], "count": "all-units",
      "guardrails": [ { "metric": "custom:unpaid", "no_worse_than": 1.1 } ] } } ] } } }"#;

const FIRST: u32 = 0;

struct Shop {
    flags: Flags,
    observer: Arc<Observer>,
    collector: Collector,
    _control: fader::RampControl,
}

impl Shop {
    fn new(by: &str, guardrail: Guardrail) -> Self {
        let flags = Flags::builder().build();
        let control = flags.control_ramps();
        let observer = Arc::new(Observer::new());
        flags.add_outcome_sink(Arc::clone(&observer), Watch::Guarded);
        flags.load(DOCUMENT, &Source::new("flags.json")).unwrap();
        flags.apply(Overlay::new().percent("checkout", "ramp", percent(50)));
        observer.watch(FIRST, &plan(by, vec![guardrail]), 1);
        Self {
            collector: Collector::new(Arc::clone(&observer)),
            flags,
            observer,
            _control: control,
        }
    }

    fn order(&self, user: i64) -> Scope<Context> {
        let scope = self.flags.scope(Context::default().with("user.id", user));
        let _ = scope.variant("checkout");
        scope
    }

    /// Collects ticks, and returns what was bad in each.
    fn bad(&mut self, ticks: std::ops::Range<u32>) -> Vec<u32> {
        let counted = self.counted(ticks);
        counted.into_iter().map(|(bad, _)| bad).collect()
    }

    /// The same, and of how many.
    fn counted(&mut self, ticks: std::ops::Range<u32>) -> Vec<(u32, u32)> {
        let sum = |arms: Arms| arms.candidate + arms.stable;
        let each = ticks.map(|tick| {
            let counts = self.collector.collect(tick).remove(0).counts;
            let strata = counts.strata.iter();
            strata.fold((0, 0), |(bad, of), stratum| {
                (bad + sum(stratum.bad), of + sum(stratum.of))
            })
        });
        each.collect()
    }
}

fn unpaid() -> Guardrail {
    relative(Metric::Custom("unpaid".into()))
}

#[test]
fn what_does_not_come_is_bad_when_its_time_is_over() {
    for by in ["request", "user.id"] {
        let mut shop = Shop::new(by, unpaid());
        let mut paid = Vec::new();
        for user in 0..10 {
            let scope = shop.order(user);
            let expected = shop.observer.expect(scope.drawn(), "unpaid", MS * 2500);
            scope.finish(DONE);
            if user < 4 {
                paid.push(expected);
            }
        }
        // Who only looks around buys nothing.
        for user in 10..20 {
            shop.order(user).finish(DONE);
        }
        assert_eq!(shop.counted(0..4), [(0, 0); 4], "by {by}");
        paid.iter()
            .for_each(|expected| shop.observer.meet(*expected));
        // Once, and not for those who paid in time.
        assert_eq!(shop.counted(4..6), [(6, 10), (0, 0)], "by {by}");
        paid.iter()
            .for_each(|expected| shop.observer.meet(*expected));
        assert_eq!(shop.bad(6..8), [0, 0], "by {by}");
    }
}

#[test]
fn it_counts_in_the_arm_and_under_the_share_that_were_drawn() {
    let mut shop = Shop::new("request", unpaid());
    let mut expected = Arms::default();
    for user in 0..200 {
        let scope = shop.order(user);
        if scope.variant("checkout") == Some("on") {
            expected.candidate += 1;
        } else {
            expected.stable += 1;
        }
        let _ = shop.observer.expect(scope.drawn(), "unpaid", MS * 1000);
        scope.finish(DONE);
    }
    let _ = shop.bad(0..2);
    shop.flags
        .apply(Overlay::new().percent("checkout", "ramp", percent(5)));
    let counts = shop.collector.collect(2).remove(0).counts;
    let [stratum] = &*counts.strata else {
        panic!("{counts:?}");
    };
    assert_eq!((stratum.share, stratum.bad), (percent(50), expected));
}

#[test]
fn what_no_guardrail_asks_and_what_is_expected_too_late_counts_nowhere() {
    let mut shop = Shop::new("user.id", unpaid());
    let scope = shop.order(1);
    let _ = shop.observer.expect(scope.drawn(), "unseen", MS);
    scope.finish(DONE);
    let _ = shop.observer.expect(scope.drawn(), "unpaid", MS);
    // Nor what belongs to a run before.
    let scope = shop.order(2);
    let _ = shop.observer.expect(scope.drawn(), "unpaid", MS * 1000);
    scope.finish(DONE);
    let _ = shop.bad(0..1);
    shop.observer
        .watch(FIRST, &plan("user.id", vec![unpaid()]), 2);
    assert_eq!(shop.bad(1..5), [0; 4]);
}

/// Beyond what there is room for, one arm is not left out more than the other.
#[test]
fn where_there_is_no_room_a_hash_decides() {
    let mut shop = Shop::new("user.id", unpaid());
    // One arm after the other: what comes first is not kept for that.
    let is_gray = |user: &i64| {
        let scope = shop.order(*user);
        scope.variant("checkout") == Some("on")
    };
    let (gray, stable): (Vec<i64>, Vec<i64>) = (0..100_000).partition(is_gray);
    for user in gray.into_iter().chain(stable) {
        let scope = shop.order(user);
        let _ = shop.observer.expect(scope.drawn(), "unpaid", MS * 1000);
        scope.finish(DONE);
    }
    let _ = shop.bad(0..2);
    let counts = shop.collector.collect(2).remove(0).counts;
    let bad = counts.strata[0].bad;
    let (candidate, all) = (
        f64::from(bad.candidate),
        f64::from(bad.candidate + bad.stable),
    );
    assert!((100.0..=65_536.0).contains(&all), "{bad:?}");
    let deviation = (all * 0.25).sqrt();
    assert!((candidate - all / 2.0).abs() < 4.0 * deviation, "{bad:?}");
}
