//! Whatever a plan says: there is an explanation, and its figures go the right way.

use proptest::prelude::*;

use super::*;

fn metric() -> impl Strategy<Value = Metric> {
    prop_oneof![
        Just(Metric::Errors),
        Just(Metric::ClientErrors),
        prop::sample::select(vec![500, 900, 950, 990, 999]).prop_map(Metric::Latency),
        Just(Metric::Custom("declined".into())),
        Just(Metric::Gauge("queue".into())),
    ]
}

fn guardrail() -> impl Strategy<Value = Guardrail> {
    let limit = prop_oneof![
        (1.0..100.0).prop_map(Limit::NoWorseThan),
        (1e-9..=1.0).prop_map(Limit::Below),
        (1..100_000_u64).prop_map(|ms| Limit::Faster(Duration::from_millis(ms))),
    ];
    (metric(), limit, any::<bool>()).prop_map(|(metric, limit, safe)| {
        let mut guardrail = Guardrail::new(metric, limit);
        guardrail.require_safe = safe;
        guardrail
    })
}

fn stage() -> impl Strategy<Value = Stage> {
    let to = prop_oneof![
        4 => (0..=100_000_000_u32)
            .prop_map(|micros| Reached::Percent(Percent::from_micros(micros).unwrap())),
        1 => Just(segment()),
    ];
    let bake = prop_oneof![1..1_000_000_u64, Just(u64::MAX)];
    (to, bake).prop_map(|(to, bake)| Stage::new(to, Duration::from_secs(bake)))
}

fn any_plan() -> impl Strategy<Value = Plan> {
    (
        prop::collection::vec(stage(), 1..5),
        prop::collection::vec(guardrail(), 0..4),
        1e-12..1.0_f64,
        prop_oneof![0..1000_u64, Just(u64::MAX)],
        any::<u32>(),
        prop::sample::select(vec!["user.id", "request", "client.ip"]),
    )
        .prop_map(|(stages, guardrails, alarm, units, bad, by)| {
            let mut plan = Plan::new(stages);
            (plan.guardrails, plan.false_alarm) = (guardrails, alarm);
            (plan.min_units, plan.min_bad_units) = (units, bad);
            plan.by = by.into();
            plan
        })
}

fn any_expected() -> impl Strategy<Value = Expected> {
    let rate = prop_oneof![1e-6..1e6_f64, Just(0.0), Just(1e300)];
    let units = prop::option::of(prop_oneof![1.0..1e9_f64, Just(0.5)]);
    (rate, 0.0..=1.0_f64, units, 0.0..5.0_f64).prop_map(|(rate, errors, units, sigma)| {
        let mut expected = Expected::new(rate, errors);
        expected.client_errors = Some(errors / 2.0);
        (expected.units, expected.sigma) = (units, sigma);
        expected
    })
}

/// Returns the figures of the first stage that mean less where they are smaller: what is smallest, then the times.
fn figures(plan: &Plan, expected: &Expected) -> Vec<Option<f64>> {
    let stages = of(plan, expected).stages;
    let sights = stages[0].guardrails.iter();
    let seconds = |times: Option<Times>| times.map(|times| times.p50.as_secs_f64());
    sights
        .flat_map(|sight| {
            let times = [sight.double, sight.five_times, sight.ten_times, sight.total];
            [sight.smallest].into_iter().chain(times.map(seconds))
        })
        .collect()
}

/// Returns whether a figure is there if the other one is, and not larger.
fn is_no_worse(figure: Option<f64>, than: Option<f64>) -> bool {
    than.is_none_or(|than| figure.is_some_and(|figure| figure <= than * 1.000_001))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn there_is_always_an_explanation(plan in any_plan(), expected in any_expected()) {
        let answer = of(&plan, &expected);
        prop_assert_eq!(answer.stages.len(), plan.stages.len());
        prop_assert!(serde_json::to_string(&answer).is_ok());
        for sight in answer.stages.iter().flat_map(|stage| &stage.guardrails) {
            let times = [sight.double, sight.five_times, sight.ten_times, sight.total];
            for times in times.into_iter().flatten() {
                prop_assert!(times.p50 <= times.p90, "{sight:?}");
            }
        }
    }

    #[test]
    fn a_longer_bake_sees_smaller_rises(
        mut plan in any_plan(),
        expected in any_expected(),
        more in 1.0..100.0_f64,
    ) {
        plan.stages[0].bake = plan.stages[0].bake.min(Duration::from_secs(1_000_000));
        let short = figures(&plan, &expected);
        plan.stages[0].bake = plan.stages[0].bake.mul_f64(more);
        for (long, short) in figures(&plan, &expected).into_iter().zip(short) {
            prop_assert!(is_no_worse(long, short), "{long:?} {short:?}");
        }
    }

    #[test]
    fn a_higher_rate_sees_sooner(
        plan in any_plan(),
        mut expected in any_expected(),
        more in 1.0..100.0_f64,
    ) {
        let few = figures(&plan, &expected);
        expected.rate *= more;
        for (many, few) in figures(&plan, &expected).into_iter().zip(few) {
            prop_assert!(is_no_worse(many, few), "{many:?} {few:?}");
        }
    }
}
