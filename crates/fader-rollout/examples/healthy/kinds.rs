//! The kinds of runs: healthy ones, and those that get worse.

use crate::simulate::{Counted, SECONDS, Traffic};

/// Runs of a candidate that is no worse than its margin; the last four are exactly at it.
pub(crate) fn healthy_runs() -> Vec<Traffic> {
    let plain = Traffic {
        name: "constant 0.1 %, share 5 %",
        counted: Counted::Units,
        share: |_| 0.05,
        base: constant,
        rise: healthy,
        margin: 1.0,
    };
    let by_request = Traffic {
        counted: Counted::Requests,
        ..plain
    };
    vec![
        plain,
        Traffic {
            name: "share 1 %",
            share: |_| 0.01,
            ..plain
        },
        Traffic {
            name: "share 50 %",
            share: |_| 0.5,
            ..plain
        },
        Traffic {
            name: "base 0.01 %",
            base: |_| 0.0001,
            ..plain
        },
        Traffic {
            name: "base 5 %",
            base: |_| 0.05,
            ..plain
        },
        Traffic {
            name: "drifting base",
            base: drift,
            ..plain
        },
        Traffic {
            name: "wave",
            base: wave,
            ..plain
        },
        Traffic {
            name: "shared outage of 60 s",
            base: outage,
            ..plain
        },
        Traffic {
            name: "ramp 1-5-25-50-100, drift",
            share: ramp,
            base: drift,
            ..plain
        },
        Traffic {
            name: "sick units, ramp",
            counted: Counted::SickUnits,
            share: ramp,
            ..plain
        },
        Traffic {
            name: "by request",
            ..by_request
        },
        Traffic {
            name: "by request, share 1 %, drift",
            share: |_| 0.01,
            base: drift,
            ..by_request
        },
        Traffic {
            name: "by request, outage",
            base: outage,
            ..by_request
        },
        Traffic {
            name: "by request, ramp, drift",
            share: ramp,
            base: drift,
            ..by_request
        },
        Traffic {
            name: "at a margin of 1.2, ramp, drift",
            share: ramp,
            base: drift,
            rise: |_| 1.2,
            margin: 1.2,
            ..plain
        },
        Traffic {
            name: "at a margin of 2, by request",
            share: ramp,
            base: drift,
            rise: |_| 2.0,
            margin: 2.0,
            ..by_request
        },
    ]
}

/// A regression, with the median of seconds in which it must be seen.
pub(crate) struct Regression {
    pub(crate) traffic: Traffic,
    pub(crate) onset: u32,
    pub(crate) within: u32,
}

/// Regressions of a base rate of 0.1 %, each with its bound.
pub(crate) fn regressions() -> Vec<Regression> {
    let plain = Traffic {
        name: "total failure at 1 %",
        counted: Counted::Units,
        share: |_| 0.01,
        base: constant,
        rise: |_| 1000.0,
        margin: 1.0,
    };
    let from_the_start = |traffic, within| Regression {
        traffic,
        onset: 0,
        within,
    };
    vec![
        from_the_start(plain, 2),
        from_the_start(
            Traffic {
                name: "total failure, by request",
                counted: Counted::Requests,
                ..plain
            },
            2,
        ),
        from_the_start(
            Traffic {
                name: "100x at 1 %",
                rise: |_| 100.0,
                ..plain
            },
            4,
        ),
        from_the_start(
            Traffic {
                name: "10x at 1 %",
                rise: |_| 10.0,
                ..plain
            },
            45,
        ),
        from_the_start(
            Traffic {
                name: "5x at 1 %",
                rise: |_| 5.0,
                ..plain
            },
            135,
        ),
        from_the_start(
            Traffic {
                name: "2x at 5 %",
                share: |_| 0.05,
                rise: |_| 2.0,
                ..plain
            },
            280,
        ),
        // A lognormal with σ 0.5 whose scale rises by 20 % exceeds its old p95 in 10.02 % of cases.
        from_the_start(
            Traffic {
                name: "p95 +20 % at 1 %",
                base: |_| 0.05,
                rise: |_| 2.0045,
                ..plain
            },
            40,
        ),
        Regression {
            traffic: Traffic {
                name: "5x at 5 %, after 30 minutes",
                share: |_| 0.05,
                rise: |second| if second < 1800 { 1.0 } else { 5.0 },
                ..plain
            },
            onset: 1800,
            within: 75,
        },
    ]
}

fn constant(_: u32) -> f64 {
    0.001
}

fn healthy(_: u32) -> f64 {
    1.0
}

fn drift(second: u32) -> f64 {
    0.0005 + 0.003 * f64::from(second) / f64::from(SECONDS)
}

fn wave(second: u32) -> f64 {
    0.001 * (1.0 + 0.9 * (f64::from(second) / 600.0).sin())
}

fn outage(second: u32) -> f64 {
    if (1800..1860).contains(&second) {
        0.5
    } else {
        0.001
    }
}

fn ramp(second: u32) -> f64 {
    match second / 720 {
        0 => 0.01,
        1 => 0.05,
        2 => 0.25,
        3 => 0.5,
        _ => 1.0,
    }
}
