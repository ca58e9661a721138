//! Candidates that are no worse than they may be, each looked at once a second for an hour.

use std::time::Duration;

use fader::plan::{Guardrail, Limit, Metric};

use crate::case::{Case, drift, each, errors, nearness, wave};

/// The seed of all runs.
pub(crate) const SEED: u64 = 20_260_105;

pub(crate) const RAMP: [&str; 5] = ["1", "5", "25", "50", "100"];

/// Returns the kinds of healthy runs.
pub(crate) fn kinds() -> Vec<Case> {
    let slow = |margin| Guardrail::new(Metric::Latency(950), Limit::NoWorseThan(margin));
    let outage = r#""outages": [{ "from": 1800, "seconds": 60, "errors": 0.5 }]"#;
    let users = r#""requests_per_unit": { "lognormal": 1.5 }, "sick_units": { "share": 0.02, "times": 50 }"#;
    vec![
        Case::new("constant, share 1 %", "1"),
        Case::new("constant, share 5 %", "5"),
        Case::new("constant, share 50 %", "50"),
        Case::new("base 0.01 %", "5").base("0.0001"),
        Case {
            seconds: 900,
            ..Case::new("base 5 %, until a fifth of the units is spent", "5").base("0.05")
        },
        Case::new("base 5 %, by request", "5")
            .base("0.05")
            .by_request(),
        Case::new("drifting base", "5").base(&drift()),
        Case::new("base that goes in waves", "5").base(&wave()),
        Case::new("outage of both arms for 60 s", "5").with(outage),
        Case::new("outage of both arms for 60 s, by request", "5")
            .with(outage)
            .by_request(),
        Case::new("ramp 1-5-25-50-100, drift", "1")
            .stages(&RAMP)
            .base(&drift()),
        Case::new("ramp 1-5-25-50-100, drift, by request", "1")
            .stages(&RAMP)
            .base(&drift())
            .by_request(),
        Case::new("heavy-tailed users, sick ones, ramp", "1")
            .stages(&RAMP)
            .with(users),
        Case::new("three processes, ramp, drift", "1")
            .stages(&RAMP)
            .base(&drift())
            .with(r#""processes": 3"#),
        Case::new("outcomes lag 5 s, ramp, drift", "1")
            .stages(&RAMP)
            .base(&drift())
            .with(r#""lag_seconds": 5"#),
        Case::new("three guardrails, ramp, drift, by request", "1")
            .stages(&RAMP)
            .base(&drift())
            .by_request()
            .guardrails(vec![
                errors(1.0),
                Guardrail::new(Metric::ClientErrors, Limit::NoWorseThan(1.0)),
                slow(1.0),
            ]),
        Case::new("at a margin of 1.2, ramp, drift", "1")
            .stages(&RAMP)
            .base(&drift())
            .guardrails(vec![errors(1.2)])
            .with(r#""effect": { "errors": 1.2 }"#),
        Case::new("at a margin of 2, ramp, drift, by request", "1")
            .stages(&RAMP)
            .base(&drift())
            .guardrails(vec![errors(2.0)])
            .with(r#""effect": { "errors": 2 }"#)
            .by_request(),
        Case::new("at an absolute limit of 0.5 %, by request", "50")
            .base("0.005")
            .guardrails(vec![Guardrail::new(Metric::Errors, Limit::Below(0.005))])
            .by_request(),
        Case::new("at an absolute limit for p95, by request", "50")
            // A lognormal around 80 ms with σ 0.5 has its p95 at 182.0813 ms: the limit is there.
            .guardrails(vec![Guardrail::new(
                Metric::Latency(950),
                Limit::Faster(Duration::from_micros(182_082)),
            )])
            .by_request(),
    ]
}

/// Returns how near each of some runs came to its alarm.
pub(crate) fn nearest(case: &Case, runs: u32) -> Vec<f64> {
    let simulation = case.simulation();
    each(runs, |run| {
        let mut most: f64 = 0.0;
        let _ = simulation.watch(run, SEED, |moment| {
            most = most.max(nearness(&case.plan, moment));
            None
        });
        most
    })
}
