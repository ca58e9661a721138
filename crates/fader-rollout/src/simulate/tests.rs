//! Tests of the simulation: what it draws, and what runs come to.

use std::sync::Arc;
use std::time::Duration;

use fader::Percent;
use fader::plan::{Guardrail, Limit, Metric, OnBreach, Plan, Reached, Requirement, Stage, Window};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::population::{Health, Population};
use super::{InvalidScenario, Report, Scenario, Simulation};

const MINUTE: Duration = Duration::from_secs(60);

fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

fn stage(text: &str, bake: Duration) -> Stage {
    Stage::new(Reached::Percent(percent(text)), bake)
}

fn errors(limit: Limit) -> Guardrail {
    Guardrail::new(Metric::Errors, limit)
}

fn plan(stages: Vec<Stage>, guardrails: Vec<Guardrail>) -> Plan {
    let mut plan = Plan::new(stages);
    plan.guardrails = guardrails;
    plan
}

fn scenario(json: &str) -> Scenario {
    Scenario::parse(json).unwrap()
}

fn report(plan: &Plan, json: &str, runs: u32) -> Report {
    let plan = Arc::new(plan.clone());
    let simulation = Simulation::new(&plan, &[], scenario(json)).unwrap();
    simulation.run(runs, 7)
}

fn phase(report: &Report, phase: &str) -> u32 {
    report.phases.get(phase).copied().unwrap_or_default()
}

/// `[scenario, message]`: what is refused, and by which words.
#[test]
fn what_is_no_scenario_is_told() {
    let wrong = [
        ("{}", "missing field `rate`"),
        (r#"{ "rate": 1, "seconds": 1 }"#, "missing field `base`"),
        (
            r#"{ "rate": 1, "seconds": 1, "base": {}, "unit": 5 }"#,
            "unknown field `unit`",
        ),
        (
            r#"{ "rate": -1, "seconds": 1, "base": {} }"#,
            "`rate` is -1, not between 0",
        ),
        (
            r#"{ "rate": 1, "seconds": 0, "base": {} }"#,
            "`seconds` is 0",
        ),
        (
            r#"{ "rate": "x", "seconds": 1, "base": {} }"#,
            "a number or [[second, value], …]",
        ),
        (
            r#"{ "rate": [], "seconds": 1, "base": {} }"#,
            "at least one [second, value]",
        ),
        (
            r#"{ "rate": [[5, 1], [5, 2]], "seconds": 1, "base": {} }"#,
            "must rise",
        ),
        (
            r#"{ "rate": 1, "seconds": 1, "base": { "errors": 1.5 } }"#,
            "`errors` is 1.5",
        ),
        (
            r#"{ "rate": 1, "seconds": 1, "base": { "eror": 0.1 } }"#,
            "unknown metric `eror`",
        ),
        (
            r#"{ "rate": 1, "seconds": 1, "base": { "custom:": 0.1 } }"#,
            "unknown metric `custom:`",
        ),
        (
            r#"{ "rate": 1, "seconds": 1, "base": {}, "effect": { "x": 2 } }"#,
            "unknown metric `x`",
        ),
        (
            r#"{ "rate": 1, "seconds": 1, "base": {}, "outages": [ { "from": 1 } ] }"#,
            "needs the field `seconds`",
        ),
        (
            r#"{ "rate": 1, "seconds": 1, "base": {}, "hang": 2 }"#,
            "`hang` is 2",
        ),
        (
            r#"{ "rate": 1, "seconds": 1, "base": {}, "processes": 0 }"#,
            "`processes` is 0",
        ),
        (
            r#"{ "rate": 1, "seconds": 1, "base": {}, "units": 0 }"#,
            "`units` is 0",
        ),
    ];
    for (json, expected) in wrong {
        let message = Scenario::parse(json).unwrap_err().to_string();
        assert!(message.contains(expected), "{json}: {message}");
    }
}

#[test]
fn values_hold_until_the_next_and_outages_take_their_place() {
    let scenario = scenario(
        r#"{ "rate": [[10, 5], [20, 7]], "seconds": 100,
             "base": { "errors": [[0, 0.001], [50, 0.002]], "latency": 1 },
             "effect": { "errors": 10, "from": 60 },
             "outages": [ { "from": 40, "seconds": 20, "errors": 0.5 } ] }"#,
    );
    let rates = [0.0, 10.0, 19.9, 20.0, 1e9].map(|second| scenario.rate.at(second));
    assert_eq!(rates, [5.0, 5.0, 5.0, 7.0, 7.0]);
    let errors = [0.0, 39.9, 40.0, 59.9, 60.0].map(|second| scenario.base("errors", second));
    assert_eq!(errors, [0.001, 0.001, 0.5, 0.5, 0.002].map(Some));
    assert_eq!(scenario.base("latency", 45.0), Some(1.0));
    assert_eq!(scenario.base("custom:x", 45.0), None);
    let effects = [59.9, 60.0].map(|second| scenario.effect("errors", second));
    assert_eq!(effects, [1.0, 10.0]);
    assert_eq!(scenario.unit_count(), 70);
}

#[test]
fn a_population_is_split_by_position_and_events_by_activity() {
    let scenario = scenario(
        r#"{ "rate": 1000, "seconds": 1, "base": {}, "units": 20000,
             "requests_per_unit": { "lognormal": 1 }, "sick_units": { "share": 0.1, "times": 2 } }"#,
    );
    let random = &mut Xoshiro256PlusPlus::seed_from_u64(1);
    let population = Population::draw(&scenario, 2, random);
    let [enrolled, wave, left] = population.split(0.25, 1);
    assert!((4800..5200).contains(&enrolled.len()), "{enrolled:?}");
    assert_eq!(wave, 19_960..19_980);
    assert_eq!((enrolled.end, left.end), (left.start, wave.start));
    let all = 0..population.len();
    let unopened = 19_980..20_000;
    let parts: f64 = [&enrolled, &left, &wave, &unopened]
        .into_iter()
        .flat_map(|units| [Health::Well, Health::Sick].map(|health| population.part(units, health)))
        .sum();
    assert!((parts - 1.0).abs() < 1e-9);
    assert!((population.part(&all, Health::Sick) - 0.1).abs() < 0.03);
    for _ in 0..1000 {
        let unit = population.pick(&left, Health::Sick, random);
        assert!(left.contains(&unit));
        let single = unit..unit + 1;
        assert!(
            population.part(&single, Health::Sick) > 0.0,
            "a well one was picked"
        );
    }
    // A percent takes nobody from a wave.
    let [everybody, wave, left] = population.split(1.0, 2);
    assert_eq!(
        (everybody.end, wave, left.len()),
        (19_960, 19_960..20_000, 0)
    );
}

#[test]
fn the_same_seed_gives_the_same_report_and_another_one_another() {
    let plan = Arc::new(plan(
        vec![stage("5", 60 * MINUTE)],
        vec![errors(Limit::NoWorseThan(1.0))],
    ));
    let scenario = scenario(
        r#"{ "rate": 500, "seconds": 300, "base": { "errors": 0.01 }, "effect": { "errors": 3 } }"#,
    );
    let simulation = Simulation::new(&plan, &[], scenario).unwrap();
    let first = simulation.run(30, 1);
    assert_eq!(first, simulation.run(30, 1));
    assert_ne!(first, simulation.run(30, 2));
    assert_eq!(simulation.one(3, 1), simulation.one(3, 1));
}

#[test]
fn a_healthy_plan_goes_through_its_stages_and_completes() {
    let stages = vec![
        stage("1", MINUTE),
        stage("25", MINUTE),
        stage("100", MINUTE),
    ];
    let guardrails = vec![
        errors(Limit::NoWorseThan(1.5)),
        Guardrail::new(Metric::Latency(950), Limit::NoWorseThan(1.3)),
        errors(Limit::Below(0.05)),
    ];
    let mut plan = plan(stages, guardrails);
    let json = r#"{ "rate": 1000, "seconds": 600, "units": 100000, "base": { "errors": 0.001 } }"#;
    let healthy = report(&plan, json, 20);
    assert_eq!(
        (phase(&healthy, "completed"), healthy.rolled_back),
        (20, 0),
        "{healthy:?}"
    );
    assert_eq!((healthy.seconds, healthy.candidate_requests), (None, None));

    // What nobody is there for is given at once: approvals, prerequisites, a start.
    for stage in &mut plan.stages {
        stage.approve = true;
    }
    plan.requires = vec![Requirement::Completed("schema".into())];
    plan.start = fader::Timestamp::parse("2027-05-01T00:00:00Z");
    assert_eq!(phase(&report(&plan, json, 5), "completed"), 5);

    // A wave first, warm-up and shadow: still it completes.
    plan.stages
        .insert(0, Stage::new(Reached::Segment("testers".into()), MINUTE));
    (plan.warmup, plan.shadow) = (Some(MINUTE), Some(MINUTE));
    plan.min_units = 5;
    let json = r#"{ "rate": 1000, "seconds": 900, "units": 100000, "base": { "errors": 0.001 } }"#;
    assert_eq!(phase(&report(&plan, json, 5), "completed"), 5);
}

#[test]
fn each_kind_of_harm_is_cut_by_its_guardrail() {
    let latency = Guardrail::new(Metric::Latency(990), Limit::NoWorseThan(1.2));
    let slow = Guardrail::new(
        Metric::Latency(950),
        Limit::Faster(Duration::from_millis(400)),
    );
    let custom = Guardrail::new(
        Metric::Custom("login_failed".into()),
        Limit::NoWorseThan(1.1),
    );
    let clients = Guardrail::new(Metric::ClientErrors, Limit::NoWorseThan(1.1));
    let gauge = Guardrail::new(Metric::Gauge("queue".into()), Limit::Below(100.0));
    let base = r#""base": { "errors": 0.001, "client_errors": 0.02, "custom:login_failed": 0.01, "gauge:queue": 40 }"#;
    let harms = [
        (
            errors(Limit::NoWorseThan(1.0)),
            r#""effect": { "errors": 100 }"#,
        ),
        (errors(Limit::Below(0.01)), r#""effect": { "errors": 100 }"#),
        (latency.clone(), r#""effect": { "latency": 3 }"#),
        (latency, r#""hang": 1"#),
        (slow, r#""effect": { "latency": 5 }"#),
        (custom, r#""effect": { "custom:login_failed": 20 }"#),
        (clients, r#""effect": { "client_errors": 10 }"#),
        (gauge, r#""effect": { "gauge:queue": 5 }"#),
    ];
    for (guardrail, harm) in harms {
        let plan = plan(vec![stage("5", 60 * MINUTE)], vec![guardrail]);
        let sick = format!(r#"{{ "rate": 1000, "seconds": 300, {base}, {harm} }}"#);
        let report_of_sick = report(&plan, &sick, 10);
        assert_eq!(report_of_sick.rolled_back, 10, "{harm}: {report_of_sick:?}");
        assert_eq!(report_of_sick.by_guardrail.values().sum::<u32>(), 10);
        assert!(report_of_sick.candidate_requests.unwrap().p50 > 0);
        let healthy = format!(r#"{{ "rate": 1000, "seconds": 300, {base} }}"#);
        assert_eq!(
            report(&plan, &healthy, 10).rolled_back,
            0,
            "healthy: {harm}"
        );
    }
}

#[test]
fn an_effect_that_begins_late_is_cut_after_that() {
    let plan = plan(
        vec![stage("5", 60 * MINUTE)],
        vec![errors(Limit::NoWorseThan(1.0))],
    );
    let report = report(
        &plan,
        r#"{ "rate": 1000, "seconds": 400, "base": { "errors": 0.001 }, "effect": { "errors": 500, "from": 200 } }"#,
        20,
    );
    assert_eq!(report.rolled_back, 20);
    let seconds = report.seconds.unwrap();
    assert!((201..=205).contains(&seconds.p50), "{seconds:?}");
}

#[test]
fn outcomes_that_lag_are_cut_as_much_later() {
    let plan = plan(
        vec![stage("5", 60 * MINUTE)],
        vec![errors(Limit::NoWorseThan(1.0))],
    );
    let at = |lag: u32| {
        let json = format!(
            r#"{{ "rate": 1000, "seconds": 100, "base": {{ "errors": 0.001 }}, "effect": {{ "errors": 500 }}, "lag_seconds": {lag} }}"#
        );
        report(&plan, &json, 10).seconds.unwrap().p50
    };
    assert_eq!((at(0), at(7)), (1, 8));
}

#[test]
fn a_pinned_stage_is_there_from_the_start_and_stays() {
    let stages = vec![
        stage("1", MINUTE),
        stage("50", MINUTE),
        stage("100", MINUTE),
    ];
    let mut plan = plan(stages, vec![errors(Limit::NoWorseThan(1.0))]);
    plan.stages[1].approve = true;
    plan.windows = vec![Window::new([false; 7], 0, 1440)];
    let json = r#"{ "rate": 100, "seconds": 600, "base": { "errors": 0.001 }, "stage": 2 }"#;
    let pinned = report(&plan, json, 5);
    assert_eq!(phase(&pinned, "bake"), 5);
    let sick = r#"{ "rate": 100, "seconds": 600, "base": { "errors": 0.001 }, "effect": { "errors": 1000 }, "stage": 2 }"#;
    let requests = report(&plan, sick, 20).candidate_requests.unwrap();
    assert!(
        (40..=60).contains(&requests.p50),
        "half of a second's requests: {requests:?}"
    );
    let scenario = scenario(r#"{ "rate": 100, "seconds": 600, "base": {}, "stage": 4 }"#);
    let wrong = Simulation::new(&Arc::new(plan), &[], scenario).unwrap_err();
    assert_eq!(
        wrong,
        InvalidScenario("`stage` is 4, and the plan has stages 1 to 3".to_owned())
    );
}

#[test]
fn a_breach_that_pauses_rolls_nothing_back() {
    let mut guardrail = errors(Limit::NoWorseThan(1.0));
    guardrail.on_breach = OnBreach::Pause;
    let plan = plan(vec![stage("5", 60 * MINUTE)], vec![guardrail]);
    let json = r#"{ "rate": 1000, "seconds": 60, "base": { "errors": 0.001 }, "effect": { "errors": 500 } }"#;
    let report = report(&plan, json, 5);
    assert_eq!((report.rolled_back, phase(&report, "paused")), (0, 5));
}

/// A process that fails alone is seen by its own test, and by that of the fleet.
#[test]
fn a_fleet_stops_as_one_process_does() {
    let plan = plan(
        vec![stage("5", 60 * MINUTE)],
        vec![errors(Limit::NoWorseThan(1.0))],
    );
    let sick = r#"{ "rate": 1000, "seconds": 60, "base": { "errors": 0.001 }, "effect": { "errors": 500 }, "processes": 4 }"#;
    let found = report(&plan, sick, 10);
    assert_eq!(found.rolled_back, 10);
    assert!(found.seconds.unwrap().p50 <= 2);
    let healthy =
        r#"{ "rate": 1000, "seconds": 600, "base": { "errors": 0.001 }, "processes": 4 }"#;
    assert_eq!(report(&plan, healthy, 10).rolled_back, 0);
}

/// By request each request draws for itself, and the realised share takes the place of the design share.
#[test]
fn by_request_a_total_failure_takes_a_second() {
    let mut plan = plan(
        vec![stage("1", 60 * MINUTE)],
        vec![errors(Limit::NoWorseThan(1.0))],
    );
    plan.by = "request".into();
    let json = r#"{ "rate": 1000, "seconds": 60, "base": { "errors": 0.001 }, "effect": { "errors": 1000 } }"#;
    let report = report(&plan, json, 50);
    assert_eq!(report.rolled_back, 50);
    assert!(report.seconds.unwrap().p50 <= 2, "{report:?}");
    assert!(report.candidate_requests.unwrap().p50 <= 15, "{report:?}");
}
