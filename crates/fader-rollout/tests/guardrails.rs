//! What guardrails promise, in whole runs in virtual time with fixed seeds. `cargo xtask guardrails` shows the same with
//! many more runs.
//!
//! A kind of healthy runs fails a test where the 99.9 % lower bound of its false alarms is above the level, so that a
//! sound kind fails in less than one of a thousand. With 150 runs that is at 28 alarms at the level 0.1, and at 18 at
//! 0.05: a rate of 0.25 is found with a probability of 97 %, one of 0.2 with 69 %, where 0.1 is promised.

#[path = "../examples/guardrails/bound.rs"]
mod bound;
#[path = "../examples/guardrails/case.rs"]
mod case;
#[path = "../examples/guardrails/detection.rs"]
mod detection;
#[path = "../examples/guardrails/healthy.rs"]
mod healthy;
#[path = "../examples/guardrails/others.rs"]
#[expect(dead_code, reason = "their names are for tables")]
mod others;
#[path = "../examples/guardrails/threats.rs"]
#[expect(dead_code, reason = "their letters are for tables")]
mod threats;

use bound::{at_least, lower_bound};

const RUNS: u32 = 150;
const LEVELS: [f64; 2] = [0.1, 0.05];

/// Returns how many of the runs came to an alarm at a level.
fn alarms(nearest: &[f64], level: f64) -> u32 {
    let alarms = nearest.iter().filter(|most| **most * level >= 1.0);
    u32::try_from(alarms.count()).unwrap_or(u32::MAX)
}

fn check_healthy(part: usize) {
    for case in healthy::kinds().iter().skip(part).step_by(4) {
        let nearest = healthy::nearest(case, RUNS);
        for level in LEVELS {
            let alarms = alarms(&nearest, level);
            let bound = lower_bound(alarms, RUNS);
            assert!(bound <= level, "{}: {alarms} alarms at {level}", case.name);
        }
    }
}

#[test]
fn healthy_candidates_raise_no_alarm_1() {
    check_healthy(0);
}

#[test]
fn healthy_candidates_raise_no_alarm_2() {
    check_healthy(1);
}

#[test]
fn healthy_candidates_raise_no_alarm_3() {
    check_healthy(2);
}

#[test]
fn healthy_candidates_raise_no_alarm_4() {
    check_healthy(3);
}

fn check_threats(part: usize) {
    for threat in threats::threats().iter().skip(part).step_by(3) {
        let nearest = threats::nearest(threat, RUNS);
        for level in LEVELS {
            let alarms = alarms(&nearest, level);
            let (bound, name) = (lower_bound(alarms, RUNS), threat.case.name);
            assert_eq!(
                bound <= level,
                threat.covered,
                "{name}: {alarms} alarms at {level}"
            );
        }
    }
}

/// What the guarantee does not cover alarms, so that these runs would tell.
#[test]
fn no_threat_breaks_the_promise_1() {
    check_threats(0);
}

#[test]
fn no_threat_breaks_the_promise_2() {
    check_threats(1);
}

#[test]
fn no_threat_breaks_the_promise_3() {
    check_threats(2);
}

#[test]
fn regressions_are_seen_in_time() {
    for regression in detection::regressions() {
        let seen = detection::see(&regression, 101);
        let name = regression.case.name;
        let (median, most) = (seen.seconds[0].unwrap(), seen.seconds[1].unwrap());
        let within = regression.within.unwrap();
        assert!(median <= within, "{name}: {median} s");
        assert!(most <= 3 * within, "{name}: {most} s in the worst tenth");
        if let Some(requests) = regression.requests {
            assert!(seen.requests[0].unwrap() <= requests, "{name}: {requests}");
        }
    }
}

#[test]
fn the_defaults_see_regressions_too() {
    for (regression, plain) in detection::defaults().iter().zip(detection::regressions()) {
        let seen = detection::see(regression, 21);
        let median = seen.seconds[0].unwrap();
        let within = 3 * plain.within.unwrap();
        assert!(median <= within, "{}: {median} s", regression.case.name);
    }
}

/// What others do with the same requests, so that the page says nothing of them that a change has made untrue.
#[test]
fn others_alarm_in_healthy_hours_or_see_late() {
    let part = |alarms: u32| f64::from(alarms) / 60.0;
    let [steady, _, ramp, _, high] = others::healthy().try_into().ok().unwrap();
    let [fader, z, ..] = others::compare(&steady, 60).map(|(alarms, _)| part(alarms));
    assert!(fader <= 0.15 && z >= 0.2, "{fader}, {z}");
    let [fader, z, msprt, ..] = others::compare(&ramp, 60).map(|(alarms, _)| part(alarms));
    assert!(
        fader <= 0.15 && z > 0.9 && msprt > 0.9,
        "{fader}, {z}, {msprt}"
    );
    let [_, _, _, flagger, _] = others::compare(&high, 20);
    assert_eq!(flagger.0, 20, "the limit is absolute");
    let seconds = others::compare(&others::sick()[0], 20).map(|(_, median)| median);
    assert_eq!(seconds[3..], [Some(600), Some(1200)]);
    assert!(seconds[0].unwrap() <= 2);
}

#[test]
fn the_lower_bound_is_that_of_clopper_and_pearson() {
    // All of n: 0.001^(1/n); one of n: 1 − 0.999^(1/n).
    assert!((lower_bound(10, 10) - 0.001_f64.powf(0.1)).abs() < 1e-9);
    assert!((lower_bound(1, 100) - (1.0 - 0.999_f64.powf(0.01))).abs() < 1e-9);
    // Two of two at 0.05: the square root of 0.001.
    assert!((lower_bound(2, 2) - 0.001_f64.sqrt()).abs() < 1e-9);
}

/// The power that is stated above.
#[test]
fn the_bound_finds_what_it_is_said_to_find() {
    let fails = |level: f64| {
        (0..RUNS)
            .find(|hits| lower_bound(*hits, RUNS) > level)
            .unwrap()
    };
    assert_eq!(LEVELS.map(fails), [28, 18]);
    let power = |rate: f64| at_least(fails(0.1), RUNS, rate);
    assert!((power(0.25) - 0.97).abs() < 0.01, "{}", power(0.25));
    assert!((power(0.2) - 0.69).abs() < 0.01, "{}", power(0.2));
}
