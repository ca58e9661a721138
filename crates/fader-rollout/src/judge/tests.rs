//! Tests of the whole bench of guardrails.

use std::time::Duration;

use fader::Percent;
use fader::plan::{Guardrail, Limit, Metric, Plan, Reached, Stage};

use super::{BudgetPart, Exposed, Judge, Look, Missing};
use crate::counts::{Counts, Exposures, Stratum};
use crate::guardrail::{Arms, Verdict};

const HOUR: Duration = Duration::from_secs(3600);

fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

fn plan(guardrails: Vec<Guardrail>) -> Plan {
    let mut plan = Plan::new(vec![Stage::new(Reached::Percent(percent("5")), HOUR)]);
    plan.guardrails = guardrails;
    plan
}

fn errors(limit: Limit) -> Guardrail {
    Guardrail::new(Metric::Errors, limit)
}

fn arms(candidate: u32, stable: u32) -> Arms {
    Arms { candidate, stable }
}

fn stratum(share: &str, bad: Arms, of: Arms) -> Counts {
    Counts {
        strata: vec![Stratum {
            guardrail: 0,
            share: percent(share),
            bad,
            of,
        }],
        ..Counts::default()
    }
}

fn look(second: u64, exposed: Exposed) -> Look<'static> {
    Look {
        elapsed: Duration::from_secs(second),
        exposed,
        gauges: &[],
        source_works: true,
    }
}

fn judge(plan: &Plan) -> Judge {
    Judge::new(plan, HOUR, BudgetPart::OneProcess).unwrap()
}

fn verdict(judge: &Judge) -> Verdict {
    judge.verdicts().next().unwrap()
}

#[test]
fn a_relative_guardrail_says_nothing_without_both_arms() {
    let plan = plan(vec![errors(Limit::NoWorseThan(1.0))]);
    let mut judge = judge(&plan);
    judge.observe(&plan, &look(0, Exposed::Part), &Counts::default());
    assert_eq!(verdict(&judge), Verdict::NoData);
    let counts = stratum("5", arms(0, 1), arms(50, 950));
    judge.observe(&plan, &look(1, Exposed::Part), &counts);
    assert_eq!(verdict(&judge), Verdict::Undecided);
    for exposed in [Exposed::Everybody, Exposed::Nobody, Exposed::Wave] {
        judge.observe(&plan, &look(2, exposed), &Counts::default());
        assert_eq!(verdict(&judge), Verdict::NotApplicable);
    }
    let failed = Look {
        source_works: false,
        ..look(3, Exposed::Part)
    };
    judge.observe(&plan, &failed, &Counts::default());
    assert_eq!(verdict(&judge), Verdict::SourceError);
}

#[test]
fn regressed_stays_whatever_comes() {
    let plan = plan(vec![errors(Limit::NoWorseThan(1.0))]);
    let mut judge = judge(&plan);
    let counts = stratum("5", arms(40, 10), arms(50, 950));
    judge.observe(&plan, &look(0, Exposed::Part), &counts);
    assert_eq!(verdict(&judge), Verdict::Regressed);
    let failed = Look {
        source_works: false,
        ..look(3, Exposed::Nobody)
    };
    judge.observe(&plan, &failed, &Counts::default());
    assert_eq!(verdict(&judge), Verdict::Regressed);
    let finding = judge.finding(&plan, 0).unwrap();
    assert_eq!(finding.name, "errors no_worse_than 1");
    assert_eq!((finding.bad.candidate, finding.bad.stable), (40, 10));
    assert_eq!((finding.of.candidate, finding.of.stable), (50, 950));
    assert!(finding.lower.unwrap() > 1.0);
    assert!(finding.evidence.unwrap() >= 100.0);
}

#[test]
fn what_is_exhausted_has_no_data_for_good() {
    let plan = plan(vec![errors(Limit::NoWorseThan(1.0))]);
    let mut judge = judge(&plan);
    let mut counts = stratum("5", arms(1, 19), arms(50, 950));
    counts.exhausted = vec![true];
    judge.observe(&plan, &look(0, Exposed::Part), &counts);
    counts.exhausted = vec![];
    judge.observe(&plan, &look(1, Exposed::Part), &counts);
    assert_eq!(verdict(&judge), Verdict::NoData);
}

#[test]
fn an_absolute_guardrail_judges_waves_and_everybody() {
    let plan = plan(vec![errors(Limit::Below(0.01))]);
    for exposed in [Exposed::Wave, Exposed::Everybody, Exposed::Part] {
        let mut judge = judge(&plan);
        judge.observe(&plan, &look(0, exposed), &Counts::default());
        assert_eq!(verdict(&judge), Verdict::NoData);
        let counts = stratum("100", arms(30, 0), arms(100, 0));
        judge.observe(&plan, &look(1, exposed), &counts);
        assert_eq!(verdict(&judge), Verdict::Regressed);
    }
}

#[test]
fn a_latency_guardrail_waits_for_its_quantile_and_keeps_it_for_the_stage() {
    let slow = Guardrail::new(Metric::Latency(990), Limit::NoWorseThan(1.2));
    let fast = Guardrail::new(
        Metric::Latency(950),
        Limit::Faster(Duration::from_millis(800)),
    );
    let plan = plan(vec![slow, fast]);
    let mut judge = judge(&plan);
    let counts = stratum("5", arms(0, 1), arms(50, 950));
    judge.observe(&plan, &look(0, Exposed::Part), &counts);
    assert_eq!(verdict(&judge), Verdict::NoData);
    assert_eq!(judge.slow_from(&plan, 0), None);
    let ms = Duration::from_millis;
    assert_eq!(judge.slow_from(&plan, 1), Some((ms(800), ms(800))));
    judge.freeze(&[Some(ms(100)), Some(ms(5))]);
    judge.freeze(&[None, None]);
    assert_eq!(judge.slow_from(&plan, 0), Some((ms(120), ms(100))));
    assert_eq!(judge.slow_from(&plan, 1), Some((ms(800), ms(800))));
    judge.observe(&plan, &look(1, Exposed::Part), &counts);
    assert_eq!(verdict(&judge), Verdict::Undecided);
}

#[test]
fn a_gauge_breaches_once_it_is_beyond_its_limit_for_long_enough() {
    let mut guardrail = Guardrail::new(Metric::Gauge("queue".into()), Limit::Below(100.0));
    guardrail.hold = Some(Duration::from_secs(5));
    let plan = plan(vec![guardrail]);
    let mut judge = judge(&plan);
    let mut at = |second, value: Option<f64>| {
        let gauges = [value];
        let look = Look {
            gauges: &gauges,
            ..look(second, Exposed::Part)
        };
        judge.observe(&plan, &look, &Counts::default());
        verdict(&judge)
    };
    assert_eq!(at(0, None), Verdict::NoData);
    assert_eq!(at(1, Some(99.0)), Verdict::Safe);
    assert_eq!(at(2, Some(100.0)), Verdict::Undecided);
    assert_eq!(at(5, Some(120.0)), Verdict::Undecided);
    assert_eq!(at(6, Some(90.0)), Verdict::Safe);
    assert_eq!(at(7, Some(f64::INFINITY)), Verdict::Undecided);
    assert_eq!(at(11, Some(100.0)), Verdict::Undecided);
    assert_eq!(at(12, Some(100.0)), Verdict::Regressed);
    assert_eq!(at(13, Some(0.0)), Verdict::Regressed);
}

/// By request the realised share counts, and it takes enough requests of the candidate.
#[test]
fn by_request_ticks_are_merged_until_exposures_suffice() {
    let mut plan = plan(vec![errors(Limit::NoWorseThan(1.0))]);
    plan.by = "request".into();
    let mut judge = judge(&plan);
    let evidence = |judge: &Judge| judge.finding(&plan, 0).unwrap().evidence.unwrap();
    // 1 % of 500 requests: two ticks make 10 of the candidate.
    let tick = stratum("1", arms(5, 0), arms(5, 495));
    judge.observe(&plan, &look(0, Exposed::Part), &tick);
    assert!((evidence(&judge) - 1.0).abs() < 1e-12);
    judge.observe(&plan, &look(1, Exposed::Part), &tick);
    assert!(evidence(&judge) > 1e9);

    // Nobody of the candidate: not before a minute has gone by.
    let mut judge = super::tests::judge(&plan);
    judge.observe(
        &plan,
        &look(0, Exposed::Part),
        &stratum("1", arms(0, 9), arms(0, 5000)),
    );
    judge.observe(
        &plan,
        &look(1, Exposed::Part),
        &stratum("1", arms(1, 0), arms(1, 0)),
    );
    assert!(
        (evidence(&judge) - 1.0).abs() > 1e-12,
        "it is complete with the first of the candidate"
    );
    let mut judge = super::tests::judge(&plan);
    judge.observe(
        &plan,
        &look(0, Exposed::Part),
        &stratum("1", arms(1, 0), arms(1, 9)),
    );
    judge.observe(&plan, &look(59, Exposed::Part), &Counts::default());
    assert!((evidence(&judge) - 1.0).abs() < 1e-12);
    judge.observe(&plan, &look(60, Exposed::Part), &Counts::default());
    assert!(evidence(&judge) > 1.2);

    // Another share ends nothing: whoever sets it may have looked at the outcomes.
    let mut judge = super::tests::judge(&plan);
    let one = stratum("1", arms(1, 0), arms(1, 9));
    judge.observe(&plan, &look(0, Exposed::Part), &one);
    let other = stratum("5", arms(0, 0), arms(0, 1));
    judge.observe(&plan, &look(1, Exposed::Part), &other);
    assert!((evidence(&judge) - 1.0).abs() < 1e-12);
    judge.observe(&plan, &look(60, Exposed::Part), &Counts::default());
    assert!(evidence(&judge) > 1.2);
}

#[test]
fn a_broken_assignment_is_told() {
    let plan = plan(vec![]);
    let mut judge = judge(&plan);
    let exposures = Exposures {
        share: percent("5"),
        enrolled: 200,
        all: 1000,
    };
    let counts = Counts {
        exposures: vec![exposures],
        ..Counts::default()
    };
    assert!(!judge.is_assignment_broken());
    judge.observe(&plan, &look(0, Exposed::Part), &counts);
    assert!(judge.is_assignment_broken());
}

/// Gauges are no tests and take no part of the probability of a false alarm.
#[test]
fn the_budget_is_divided_over_the_tests_and_the_fleet() {
    let gauge = Guardrail::new(Metric::Gauge("queue".into()), Limit::Below(100.0));
    let test = errors(Limit::NoWorseThan(1.0));
    let mut plan = plan(vec![test.clone(), gauge, test]);
    plan.false_alarm = 0.01;
    let level = |part| super::level(&plan, part).unwrap();
    assert!((level(BudgetPart::OneProcess) - 0.005).abs() < 1e-12);
    assert!((level(BudgetPart::Fleet) - 0.0025).abs() < 1e-12);
    assert!((level(BudgetPart::Process(256)) - 0.0025 / 256.0).abs() < 1e-15);
}

#[test]
fn a_judge_resumed_goes_on_as_if_it_never_stopped() {
    let mut plan = plan(vec![
        errors(Limit::NoWorseThan(1.1)),
        Guardrail::new(Metric::Latency(990), Limit::NoWorseThan(1.2)),
        errors(Limit::Below(0.01)),
        Guardrail::new(Metric::Gauge("queue".into()), Limit::Below(100.0)),
    ]);
    for by in ["user.id", "request"] {
        plan.by = by.into();
        let mut whole = judge(&plan);
        let mut resumed = judge(&plan);
        for second in 0..200 {
            let bad = arms(u32::try_from(second % 3).unwrap(), 2);
            let counts = stratum("5", bad, arms(50, 950));
            whole.observe(&plan, &look(second, Exposed::Part), &counts);
            resumed.observe(&plan, &look(second, Exposed::Part), &counts);
            let text = serde_json::to_string(&resumed).unwrap();
            resumed = serde_json::from_str(&text).unwrap();
            assert_eq!(whole, resumed);
        }
    }
}

/// What a document may say is judged, however far out it is.
#[test]
fn extreme_settings_are_no_error() {
    for (limit, alarm) in [
        (Limit::NoWorseThan(2000.0), 1e-10),
        (Limit::NoWorseThan(f64::MAX), 1e-300),
        (Limit::Below(1e-13), 0.999_999_999_999_999_9),
        (Limit::Below(1.0), 0.5),
    ] {
        let mut plan = plan(vec![errors(limit)]);
        plan.false_alarm = alarm;
        for part in [BudgetPart::OneProcess, BudgetPart::Process(u32::MAX)] {
            let mut judge = Judge::new(&plan, HOUR, part).unwrap();
            let counts = stratum("5", arms(50, 1), arms(50, 950));
            judge.observe(&plan, &look(0, Exposed::Part), &counts);
            assert!(judge.finding(&plan, 0).unwrap().evidence.unwrap() >= 0.0);
        }
    }
}

/// There is no other arm to compare it with.
#[test]
fn a_gauge_that_is_to_be_no_worse_than_stable_says_nothing() {
    let gauge = Guardrail::new(Metric::Gauge("queue".into()), Limit::NoWorseThan(1.1));
    let plan = plan(vec![gauge]);
    let mut judge = judge(&plan);
    let look = Look {
        gauges: &[Some(40.0)],
        ..look(0, Exposed::Part)
    };
    judge.observe(&plan, &look, &Counts::default());
    assert_eq!(verdict(&judge), Verdict::NotApplicable);
}

#[test]
fn what_is_missing_is_told() {
    let slow = Guardrail::new(Metric::Latency(990), Limit::NoWorseThan(1.2));
    let plan = plan(vec![slow]);
    let mut judge = judge(&plan);
    let missing = |judge: &Judge| judge.finding(&plan, 0).unwrap().missing;
    judge.observe(&plan, &look(0, Exposed::Part), &Counts::default());
    assert_eq!(missing(&judge), Some(Missing::Quantile));
    judge.freeze(&[Some(Duration::from_millis(10))]);
    judge.observe(&plan, &look(0, Exposed::Part), &Counts::default());
    assert_eq!(missing(&judge), Some(Missing::Requests));
    let mut counts = stratum("5", arms(0, 1), arms(50, 950));
    judge.observe(&plan, &look(0, Exposed::Part), &counts);
    assert_eq!(missing(&judge), None);
    counts.exhausted = vec![true];
    judge.observe(&plan, &look(0, Exposed::Part), &counts);
    assert_eq!(missing(&judge), Some(Missing::Units));
}
