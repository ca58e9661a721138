//! Whole runs in virtual time, with fixed seeds: false alarms, and how soon regressions are seen. The example `healthy`
//! prints the same with many more runs.
//!
//! With 400 runs a kind fails at 61 alarms, where 40 are allowed on average, so that a sound test fails in less than
//! one of a thousand cases. A rate of 0.2 is found with a probability of 99 %, one of 0.15 with 47 %.

#[path = "../examples/healthy/kinds.rs"]
mod kinds;
#[path = "../examples/healthy/simulate.rs"]
mod simulate;

use std::time::Duration;

use fader_rollout::guardrail::{Absolute, AbsoluteForecast, Arms, Forecast, Relative, Verdict};
use kinds::{healthy_runs, regressions};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use simulate::{Counted, RATE, SECONDS, Traffic, lower_bound, run, seconds_to_see};

const RUNS: u32 = 400;
const LEVEL: f64 = 0.1;

const HOUR: Duration = Duration::from_secs(3600);

/// Seconds between two looks, so that a build without optimisation is done in time.
const EVERY: u32 = 10;

/// Returns how many of the runs alarmed, and how many were called safe.
#[expect(clippy::unwrap_used, reason = "all settings are in range")]
fn count(traffic: &Traffic) -> (u32, u32) {
    let mut counts = (0, 0);
    for seed in 0..u64::from(RUNS) {
        let outcome = run(traffic, LEVEL, 1.0 / LEVEL, EVERY, 900_000 + seed).unwrap();
        assert!(outcome.regressed.is_none() || outcome.most >= 1.0 / LEVEL);
        counts.0 += u32::from(outcome.most >= 1.0 / LEVEL);
        counts.1 += u32::from(outcome.safe);
    }
    counts
}

fn check(traffic: &Traffic) {
    let (alarms, safe) = count(traffic);
    assert!(
        lower_bound(alarms, RUNS) <= LEVEL,
        "{}: {alarms} alarms",
        traffic.name
    );
    assert!(
        lower_bound(safe, RUNS) <= 0.05,
        "{}: {safe} called safe",
        traffic.name
    );
}

fn check_those(counted: Counted, part: usize) {
    let all = healthy_runs();
    let of_kind: Vec<_> = all
        .iter()
        .filter(|traffic| traffic.counted == counted)
        .collect();
    assert!(of_kind.len() > part);
    of_kind.into_iter().skip(part).step_by(2).for_each(check);
}

#[test]
fn healthy_units_raise_no_alarm() {
    check_those(Counted::Units, 0);
}

#[test]
fn healthy_units_raise_no_alarm_while_things_change() {
    check_those(Counted::Units, 1);
}

#[test]
fn healthy_requests_raise_no_alarm() {
    check_those(Counted::Requests, 0);
}

#[test]
fn healthy_requests_raise_no_alarm_while_things_change() {
    check_those(Counted::Requests, 1);
}

/// A unit counts once: if each request of a sick unit counted, most of the healthy runs would alarm.
#[test]
fn sick_units_count_once() {
    check_those(Counted::SickUnits, 0);
    let mut wrong = healthy_runs()
        .into_iter()
        .find(|traffic| traffic.counted == Counted::SickUnits);
    let wrong = wrong.as_mut().unwrap();
    wrong.counted = Counted::RequestsOfSickUnits;
    let (alarms, _) = count(wrong);
    assert!(alarms > RUNS / 2, "{alarms} alarms");
}

#[test]
fn regressions_are_seen_in_time() {
    for regression in regressions() {
        let (median, most) = seconds_to_see(&regression, 0.05, 101);
        let (name, within) = (regression.traffic.name, regression.within);
        assert!(median <= within, "{name}: {median} s");
        assert!(most <= 3 * within, "{name}: {most} s in the worst tenth");
    }
}

/// Checks that median and 90 % of a forecast agree with those of runs to 30 % and a tick of a second, and returns how
/// many times too long the median is. A run returns whether the candidate is called regressed after a second.
fn check_forecast<Run: FnMut(&mut SmallRng, Duration) -> bool>(
    name: &str,
    forecast: Option<(Duration, Duration)>,
    begin: impl Fn() -> Run,
) -> f64 {
    let mut times: Vec<u32> = (0..501)
        .map(|seed| {
            let (mut random, mut run) = (SmallRng::seed_from_u64(seed), begin());
            let mut ticks = 0..SECONDS;
            let seen = ticks.find(|&second| run(&mut random, Duration::from_secs(second.into())));
            seen.map_or(u32::MAX, |second| second + 1)
        })
        .collect();
    times.sort_unstable();
    let (median, most) = forecast.unwrap_or_default();
    let [median, _] = [(5, median), (9, most)].map(|(part, forecast)| {
        let seen = times.get(times.len() * part / 10).copied();
        let (forecast, seen) = (forecast.as_secs_f64(), f64::from(seen.unwrap_or_default()));
        let agrees = (forecast - seen).abs() <= 0.3 * seen + 1.0;
        assert!(agrees, "{name}: {forecast} s, seen in {seen} s");
        forecast / seen
    });
    median
}

#[test]
fn forecasts_agree_with_runs() {
    // Share, base rate, rise, margin. The first are those of the detection table.
    let cases = [
        (0.01, 0.001, 1000.0, 1.0),
        (0.01, 0.001, 100.0, 1.0),
        (0.01, 0.001, 10.0, 1.0),
        (0.01, 0.001, 5.0, 1.0),
        (0.05, 0.001, 2.0, 1.0),
        (0.01, 0.05, 2.0045, 1.0),
        (0.01, 0.001, 30.0, 1.1),
        (0.05, 0.001, 3.0, 1.1),
        (0.25, 0.001, 2.0, 1.1),
        (0.1, 0.01, 1.5, 1.1),
        (0.5, 0.05, 1.3, 1.1),
        (0.05, 0.05, 1.3, 1.1),
        (0.5, 0.001, 2.0, 1.2),
        (0.5, 0.01, 1.5, 1.2),
        (0.01, 0.05, 2.0, 1.2),
        (0.05, 0.05, 1.4, 1.2),
        (0.5, 0.001, 5.0, 1.0),
        (0.5, 0.001, 1.5, 1.0),
        (0.5, 0.05, 1.2, 1.0),
    ];
    let check = |(share, base, rise, margin): (f64, f64, f64, f64), level: f64| {
        let plan = Forecast {
            rate: RATE,
            base,
            share,
            margin,
            level,
        };
        let begin = || {
            let mut test = Relative::new(margin, level, HOUR).unwrap();
            move |random: &mut SmallRng, now| {
                let candidate = simulate::poisson(random, RATE * share * base * rise);
                let stable = simulate::poisson(random, RATE * (1.0 - share) * base);
                test.observe(now, share, Arms { candidate, stable });
                test.verdict() == Verdict::Regressed
            }
        };
        check_forecast(
            &format!("{plan:?}, {rise}"),
            plan.time_quantiles(rise),
            begin,
        )
    };
    for level in [0.05, 0.003] {
        let logs = cases.map(|case| check(case, level).ln());
        // What takes a few ticks only says nothing of the rest.
        let (_, slow) = logs.split_at(2);
        let slow = slow.iter().sum::<f64>() / 17.0;
        assert!((0.0..0.1).contains(&slow), "{} times too long", slow.exp());
    }
}

#[test]
fn absolute_forecasts_agree_with_runs() {
    for (limit, rate_now) in [
        (0.01, 0.015),
        (0.01, 0.02),
        (0.001, 0.002),
        (0.001, 0.05),
        (0.05, 0.065),
    ] {
        let plan = AbsoluteForecast {
            rate: 100.0,
            limit,
            level: 0.01,
        };
        check_forecast(
            &format!("{plan:?}, {rate_now}"),
            plan.time_quantiles(rate_now),
            || {
                let mut test = Absolute::new(limit, plan.level, HOUR).unwrap();
                move |random, now| {
                    test.observe(now, simulate::binomial(random, 100, rate_now), 100);
                    test.verdict() == Verdict::Regressed
                }
            },
        );
    }
}

#[test]
fn the_lower_bound_is_that_of_clopper_and_pearson() {
    // All of n: 0.001^(1/n); one of n: 1 − 0.999^(1/n).
    assert!((lower_bound(10, 10) - 0.001_f64.powf(0.1)).abs() < 1e-9);
    assert!((lower_bound(1, 100) - (1.0 - 0.999_f64.powf(0.01))).abs() < 1e-9);
    // Two of two at 0.05: the square root of 0.001.
    assert!((lower_bound(2, 2) - 0.001_f64.sqrt()).abs() < 1e-9);
}
