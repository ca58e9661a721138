//! What else is in use, on the same simulated requests.
//!
//! Each sees every request, those of both arms where it compares, and is asked as often as it is meant to be.

use fader_rollout::guardrail::Arms;
use fader_rollout::simulate::Moment;

use crate::bound::quantile;
use crate::case::{Case, drift, each};
use crate::healthy::{RAMP, SEED};

/// The level of those that have one.
const LEVEL: f64 = 0.05;

/// Who judges, in the order of the tables.
pub(crate) const NAMES: [&str; 5] = [
    "fader",
    "z-test each second",
    "mSPRT",
    "Flagger's sample",
    "Argo Rollouts' sample",
];

/// Counts of the whole run, and those of a minute and of five.
#[derive(Default)]
struct Others {
    bad: Arms,
    of: Arms,
    minute: (u32, u32),
    five: (u32, u32),
    failed_minutes: u32,
    failed_fives: u32,
}

impl Others {
    /// Takes a second, and tells who alarms.
    fn see(&mut self, moment: &Moment<'_>) -> [bool; 5] {
        self.bad = self.bad + moment.bad;
        self.of = self.of + moment.requests;
        for window in [&mut self.minute, &mut self.five] {
            window.0 += moment.bad.candidate;
            window.1 += moment.requests.candidate;
        }
        let fader = moment.judge.evidence(0).unwrap_or_default() * LEVEL >= 1.0;
        let enough = self.bad.candidate >= 3;
        [
            fader && enough,
            self.z() > 1.644_854 && enough,
            self.msprt() * LEVEL >= 1.0 && enough,
            self.flagger(moment.second),
            self.argo(moment.second),
        ]
    }

    /// Returns the difference of the rates with its variance, pooled.
    fn difference(&self) -> Option<(f64, f64)> {
        let (bad, of) = (self.bad, self.of);
        let [x1, x0, n1, n0] = [bad.candidate, bad.stable, of.candidate, of.stable].map(f64::from);
        let pooled = (x1 + x0) / (n1 + n0);
        let variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n0);
        (n1 > 0.0 && n0 > 0.0 && variance > 0.0).then_some((x1 / n1 - x0 / n0, variance))
    }

    /// The z-test of two proportions, one-sided at 5 %.
    fn z(&self) -> f64 {
        let found = self.difference();
        found.map_or(0.0, |(difference, variance)| difference / variance.sqrt())
    }

    /// The mixture sequential probability ratio test with a normal prior of the difference, whose standard deviation is
    /// the base rate (Johari et al. 2022).
    fn msprt(&self) -> f64 {
        let Some((difference, variance)) = self.difference().filter(|(by, _)| *by > 0.0) else {
            return 1.0;
        };
        let prior: f64 = 0.001 * 0.001;
        let exponent = difference * difference * prior / (2.0 * variance * (variance + prior));
        (variance / (variance + prior)).sqrt() * exponent.exp()
    }

    /// Every minute: less than 99 % of the last one's requests went well. Ten of them roll back.
    fn flagger(&mut self, second: u32) -> bool {
        if second > 0 && second.is_multiple_of(60) {
            self.failed_minutes += u32::from(is_below(&mut self.minute, 0.99));
        }
        self.failed_minutes >= 10
    }

    /// Every five minutes: less than 95 % of their requests went well. More than three of them roll back.
    fn argo(&mut self, second: u32) -> bool {
        if second > 0 && second.is_multiple_of(300) {
            self.failed_fives += u32::from(is_below(&mut self.five, 0.95));
        }
        self.failed_fives > 3
    }
}

/// Tells whether the part of a window that went well is below a limit, and begins the next one.
fn is_below(window: &mut (u32, u32), limit: f64) -> bool {
    let (bad, of) = std::mem::take(window);
    of > 0 && 1.0 - f64::from(bad) / f64::from(of) < limit
}

/// Healthy runs by which all are compared.
pub(crate) fn healthy() -> Vec<Case> {
    let users = r#""requests_per_unit": { "lognormal": 1.5 }, "sick_units": { "share": 0.02, "times": 50 }"#;
    let cases = vec![
        Case::new("constant, share 1 %", "1"),
        Case::new("drifting base, share 5 %", "5").base(&drift()),
        Case::new("ramp, drifting base", "1")
            .stages(&RAMP)
            .base(&drift()),
        Case::new("ramp, sick users", "1").stages(&RAMP).with(users),
        Case::new("a base of 2 %, share 5 %", "5")
            .base("0.02")
            .by_request(),
    ];
    cases
        .into_iter()
        .map(|case| case.false_alarm(LEVEL).going_on())
        .collect()
}

/// Regressions by which all are compared.
pub(crate) fn sick() -> Vec<Case> {
    let case = |name, share, times: f64| {
        Case::new(name, share)
            .false_alarm(LEVEL)
            .going_on()
            .with(&format!(r#""effect": {{ "errors": {times} }}"#))
    };
    vec![
        case("total failure at 1 %", "1", 1000.0),
        case("100× at 1 %", "1", 100.0),
        case("10× at 1 %", "1", 10.0),
        case("5× at 1 %", "1", 5.0),
        case("2× at 5 %", "5", 2.0),
    ]
}

/// Returns in how many of some runs each alarmed, and the median of the seconds until then.
pub(crate) fn compare(case: &Case, runs: u32) -> [(u32, Option<u32>); 5] {
    let simulation = case.simulation();
    let found = each(runs, |run| {
        let (mut others, mut first) = (Others::default(), [None; 5]);
        let _ = simulation.watch(run, SEED, |moment| {
            for (first, alarms) in first.iter_mut().zip(others.see(moment)) {
                if alarms && first.is_none() {
                    *first = Some(moment.second);
                }
            }
            None
        });
        first
    });
    std::array::from_fn(|who| {
        let first = found.iter().map(|run| run.get(who).copied().flatten());
        let mut seconds: Vec<u32> = first.map(|first| first.unwrap_or(u32::MAX)).collect();
        seconds.sort_unstable();
        let alarms = seconds.iter().filter(|second| **second < u32::MAX).count();
        let median = quantile(&seconds, 5).filter(|median| *median < u32::MAX);
        (u32::try_from(alarms).unwrap_or(u32::MAX), median)
    })
}
