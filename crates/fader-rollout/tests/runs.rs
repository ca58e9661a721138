//! Whole runs in virtual time, with fixed seeds: false alarms, and how soon regressions are seen. The example `healthy`
//! prints the same with many more runs.
//!
//! With 100 runs a kind fails at 21 alarms, where 10 are allowed on average, so that a sound test fails in less than
//! one of a thousand cases. A rate of 0.25 is found with a probability of 85 %, one of 0.2 with 44 %.

#[path = "../examples/healthy/kinds.rs"]
mod kinds;
#[path = "../examples/healthy/simulate.rs"]
mod simulate;

use kinds::{healthy_runs, regressions};
use simulate::{Counted, Traffic, lower_bound, run, seconds_to_see};

const RUNS: u32 = 100;
const LEVEL: f64 = 0.1;

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

#[test]
fn the_lower_bound_is_that_of_clopper_and_pearson() {
    // All of n: 0.001^(1/n); one of n: 1 − 0.999^(1/n).
    assert!((lower_bound(10, 10) - 0.001_f64.powf(0.1)).abs() < 1e-9);
    assert!((lower_bound(1, 100) - (1.0 - 0.999_f64.powf(0.01))).abs() < 1e-9);
    // Two of two at 0.05: the square root of 0.001.
    assert!((lower_bound(2, 2) - 0.001_f64.sqrt()).abs() < 1e-9);
}
