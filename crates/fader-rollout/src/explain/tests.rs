//! Explanations of whole plans.

use std::time::Duration;

use fader::plan::{Freeze, Guardrail, Limit, Metric, OnBreach, Plan, Reached, Stage, Window};
use fader::{Percent, Timestamp};

use super::*;
use crate::guardrail::Forecast;

mod lints;
mod properties;
mod runs;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn percent(percent: &str) -> Reached {
    Reached::Percent(percent.parse::<Percent>().unwrap())
}

fn segment() -> Reached {
    Reached::Segment("beta".into())
}

fn relative(metric: Metric, margin: f64) -> Guardrail {
    Guardrail::new(metric, Limit::NoWorseThan(margin))
}

fn absolute(limit: f64) -> Guardrail {
    Guardrail::new(Metric::Errors, Limit::Below(limit))
}

/// A plan at which there is nothing to find at 1,000 requests a second.
fn plan() -> Plan {
    let mut plan = Plan::new(vec![
        Stage::new(percent("1"), HOUR),
        Stage::new(percent("10"), HOUR),
        Stage::new(percent("100"), 24 * HOUR),
    ]);
    plan.guardrails = vec![relative(Metric::Errors, 1.1), absolute(0.01)];
    plan.by = "user.id".into();
    plan
}

fn usual() -> Expected {
    Expected::new(1000.0, 0.0005)
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn subject(plan: &Plan) -> Subject<'_> {
    Subject {
        plan,
        freezes: &[],
        place: "flags.a.rules[0].ramp",
        now: at("2026-12-01T12:00:00Z"),
    }
}

fn of(plan: &Plan, expected: &Expected) -> Explanation {
    explain(&subject(plan), expected)
}

#[test]
fn a_sound_plan_has_no_lints() {
    assert_eq!(of(&plan(), &usual()).lints, []);
}

#[test]
fn levels_are_divided_over_all_guardrails_but_gauges() {
    let mut plan = plan();
    let gauge = Metric::Gauge("queue".into());
    plan.guardrails
        .push(Guardrail::new(gauge, Limit::Below(100.0)));
    let answer = of(&plan, &usual());
    assert_eq!(answer.levels.guardrails, 2);
    assert!((answer.levels.one_process - 0.005).abs() < 1e-12);
    assert!((answer.levels.fleet - 0.0025).abs() < 1e-12);
    assert!((answer.levels.process - 0.0025 / 256.0).abs() < 1e-12);
    assert_eq!(answer.stages[0].guardrails[2].state, SightState::Gauge);
}

#[test]
fn times_are_those_of_the_forecast_at_the_level_of_one_process() {
    let (plan, expected) = (plan(), usual());
    let answer = of(&plan, &expected);
    let forecast = Forecast {
        rate: 1000.0,
        base: 0.0005,
        share: 0.1,
        margin: 1.1,
        level: answer.levels.one_process,
    };
    let (p50, p90) = forecast.time_quantiles(5.0).unwrap();
    let told = answer.stages[1].guardrails[0].five_times.unwrap();
    // The end of the second in which it is seen.
    assert_eq!(told.p50.as_secs(), p50.as_secs() + 1);
    assert_eq!(told.p90.as_secs(), p90.as_secs() + 1);
}

/// The detection table's first line: total failure at 1 % of 1,000 requests a second.
#[test]
fn a_total_failure_costs_few_requests() {
    let mut plan = Plan::new(vec![Stage::new(percent("1"), HOUR)]);
    plan.guardrails = vec![relative(Metric::Errors, 1.0)];
    plan.false_alarm = 0.05;
    let cut = of(&plan, &Expected::new(1000.0, 0.001)).stages[0]
        .cut
        .unwrap();
    assert!(cut.after.p50 <= Duration::from_secs(2) && cut.requests_p50 <= 15.0);
    assert!(cut.after.p90 >= cut.after.p50 && cut.requests_p90 >= cut.requests_p50);
}

#[test]
fn only_what_rolls_back_for_errors_cuts() {
    let cut = |change: fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        of(&plan, &usual()).stages[0].cut.is_some()
    };
    assert!(cut(|_| {}));
    assert!(cut(|plan| plan.guardrails.truncate(1)));
    assert!(!cut(|plan| plan.stages[0].irreversible = true));
    assert!(cut(|plan| plan.stages[1].irreversible = true));
    let mut forward = plan();
    forward.stages[0].irreversible = true;
    assert_eq!(of(&forward, &usual()).stages[1].cut, None);
    assert!(!cut(|plan| plan.guardrails.clear()));
    assert!(!cut(|plan| plan.stages[0].to = segment()));
    assert!(!cut(
        |plan| plan.guardrails = vec![relative(Metric::Latency(990), 1.2)]
    ));
    assert!(!cut(|plan| {
        for guardrail in &mut plan.guardrails {
            guardrail.on_breach = OnBreach::Pause;
        }
    }));
}

#[test]
fn waves_expose_what_is_not_known() {
    let mut plan = plan();
    plan.stages.insert(0, Stage::new(segment(), HOUR));
    plan.stages.insert(2, Stage::new(segment(), HOUR));
    let mut expected = usual();
    expected.units = Some(50_000.0);
    let stages = of(&plan, &expected).stages;
    assert_eq!(stages[0].wave.as_deref(), Some("segment beta"));
    assert_eq!((stages[0].units, stages[0].requests), (None, None));
    let states = stages[0].guardrails.iter().map(|sight| sight.state);
    assert!(states.eq([SightState::NotApplicable, SightState::Unknown]));
    // Beside the percent of the stage before.
    assert_eq!((stages[2].percent, stages[2].units), (1.0, Some(500.0)));
    assert_eq!((stages[2].waves, stages[4].waves), (2, 2));
    assert_eq!(stages[2].guardrails[0].state, SightState::Judges);
}

#[test]
fn a_percent_that_falls_exposes_as_many_as_before() {
    let mut plan = plan();
    plan.stages.insert(2, Stage::new(percent("5"), HOUR));
    assert_eq!(of(&plan, &usual()).stages[2].percent, 10.0);
}

#[test]
fn at_100_percent_only_absolute_guardrails_judge() {
    let last = of(&plan(), &usual()).stages.pop().unwrap();
    assert_eq!(last.guardrails[0].state, SightState::NotApplicable);
    assert_eq!(last.guardrails[0].total, None);
    assert!(last.guardrails[1].smallest.unwrap() > 0.01);
    // Ten times the base is within the limit, and no rise at all.
    assert_eq!(last.guardrails[1].ten_times, None);
    assert!(last.guardrails[1].total.is_some());
}

#[test]
fn a_metric_that_nobody_tells_of_is_unknown() {
    let mut plan = plan();
    plan.guardrails = vec![
        relative(Metric::ClientErrors, 1.1),
        relative(Metric::Custom("declined".into()), 1.1),
    ];
    let states = |expected: &Expected| -> Vec<_> {
        let stages = of(&plan, expected).stages;
        let sights = stages[0].guardrails.iter();
        sights.map(|sight| sight.state).collect()
    };
    let mut expected = usual();
    assert_eq!(states(&expected), [SightState::Unknown; 2]);
    expected.client_errors = Some(0.02);
    expected.custom.insert("declined".to_owned(), 0.02);
    assert_eq!(states(&expected), [SightState::Judges; 2]);
}

#[test]
fn a_latency_is_told_as_how_much_slower() {
    let mut plan = plan();
    plan.guardrails = vec![relative(Metric::Latency(950), 1.0)];
    plan.false_alarm = 0.05;
    let expected = Expected::new(1000.0, 0.0);
    let sight = of(&plan, &expected).stages[0].guardrails[0].clone();
    assert_eq!(sight.measure, Measure::Slowdown);
    // p95 +20 % at 1 % takes 40 seconds, says the detection table; an hour sees far less.
    plan.stages[0].bake = Duration::from_secs(40);
    let short = of(&plan, &expected).stages[0].guardrails[0].smallest;
    assert!(short.unwrap() < 1.2, "{short:?}");
    assert!(sight.smallest < short && sight.smallest > Some(1.0));
    assert!(sight.double.unwrap().p50 < Duration::from_secs(40));
    // A margin is taken off.
    plan.guardrails[0].limit = Limit::NoWorseThan(1.5);
    let wide = of(&plan, &expected).stages[0].guardrails[0].smallest;
    let times = wide.unwrap() / short.unwrap();
    assert!((times - 1.5).abs() < 1e-6, "{times}");
    plan.guardrails[0].limit = Limit::NoWorseThan(1.0);
    // The wider they are spread, the less is told by the same slowdown.
    let mut wide = expected;
    wide.sigma = 1.5;
    assert!(of(&plan, &wide).stages[0].guardrails[0].smallest > short);
}

#[test]
fn what_takes_many_bad_units_takes_longer() {
    let mut plan = plan();
    let total = |plan: &Plan| of(plan, &usual()).stages[0].guardrails[0].total.unwrap();
    let few = total(&plan);
    plan.min_bad_units = 100;
    // At ten a second.
    assert_eq!(total(&plan).p50.as_secs(), 10);
    assert!(few.p50.as_secs() <= 2);
}

#[test]
fn stages_begin_when_those_before_are_over() {
    let mut plan = plan();
    plan.warmup = Some(10 * MINUTE);
    plan.shadow = Some(20 * MINUTE);
    plan.start = Some(at("2026-12-24T08:00:00Z"));
    let freeze = Freeze::new(at("2026-12-24T09:00:00Z"), at("2026-12-27T00:00:00Z"));
    let answer = explain(
        &Subject {
            freezes: &[freeze],
            ..subject(&plan)
        },
        &usual(),
    );
    let after: Vec<u64> = answer.stages.iter().map(|it| it.after.as_secs()).collect();
    assert_eq!(after, [1800, 5400, 9000]);
    let begins: Vec<String> = answer
        .stages
        .iter()
        .map(|it| it.begins.unwrap().to_string())
        .collect();
    assert_eq!(
        begins,
        [
            "2026-12-24T08:30:00Z",
            "2026-12-27T00:00:00Z",
            "2026-12-27T01:00:00Z"
        ]
    );
    assert_eq!(answer.planned, 26 * HOUR + 30 * MINUTE);
    // A start that has passed is now.
    plan.start = Some(at("2020-01-01T00:00:00Z"));
    let first = of(&plan, &usual()).stages[0].begins;
    assert_eq!(first, Some(at("2026-12-01T12:30:00Z")));
}

#[test]
fn stages_begin_in_windows() {
    let mut plan = plan();
    // Mondays and Tuesdays from 9 to 12 in winter's Amsterdam; it is Tuesday, 13:00 there.
    let mut window = Window::new([true, true, false, false, false, false, false], 540, 720);
    window.zone = "Europe/Amsterdam".into();
    plan.windows = vec![window];
    let freeze = Freeze::new(at("2026-12-07T08:30:00Z"), at("2026-12-07T20:00:00Z"));
    let again = Freeze::new(at("2026-12-08T00:00:00Z"), at("2026-12-08T10:30:00Z"));
    let subject = Subject {
        freezes: &[freeze, again],
        ..subject(&plan)
    };
    let begins = explain(&subject, &usual()).stages;
    let begins: Vec<String> = begins
        .iter()
        .map(|it| it.begins.unwrap().to_string())
        .collect();
    // The first freeze ends outside of a window, and the next window opens in the second one.
    assert_eq!(
        begins,
        [
            "2026-12-07T08:00:00Z",
            "2026-12-08T10:30:00Z",
            "2026-12-14T08:00:00Z"
        ]
    );
}

#[test]
fn durations_are_written_as_in_a_document() {
    for (millis, text) in [
        (0, "0s"),
        (400, "1s"),
        (90_000, "1m30s"),
        (3_600_000, "1h"),
        (3_661_000, "1h2m"),
        (86_399_000, "1d"),
        (90_000_000, "1d1h"),
        (8_640_000_000, "100d"),
    ] {
        assert_eq!(written(Duration::from_millis(millis)), text);
    }
    assert!(written(Duration::MAX).starts_with("2135"));
}

#[test]
fn json_has_seconds_and_names() {
    let json = serde_json::to_value(of(&plan(), &usual())).unwrap();
    assert_eq!(json["planned"], 93_600.0);
    assert_eq!(json["stages"][0]["bake"], 3600.0);
    assert_eq!(json["stages"][0]["begins"], "2026-12-01T12:00:00Z");
    assert_eq!(json["stages"][0]["guardrails"][1]["measure"], "rate");
    assert_eq!(
        json["stages"][2]["guardrails"][0]["state"],
        "not-applicable"
    );
    assert!(json["stages"][0]["cut"]["after"]["p50"].is_f64());
}
