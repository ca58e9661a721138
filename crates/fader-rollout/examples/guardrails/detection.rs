//! How soon regressions are seen, and what they cost until then.

use fader::plan::{Guardrail, Limit, Metric};

use crate::bound::quantile;
use crate::case::{Case, each, errors};
use crate::healthy::SEED;

/// A regression, with what is promised of it.
pub(crate) struct Regression {
    pub(crate) case: Case,
    /// The second in which it begins.
    pub(crate) onset: u32,
    /// The most seconds that the median may be.
    pub(crate) within: Option<u32>,
    /// The most candidate requests at the median, from the onset on.
    pub(crate) requests: Option<u64>,
}

/// What was seen of a regression in some runs.
pub(crate) struct Seen {
    /// Median and 90 % of the seconds from the onset on; none where so many runs ended before.
    pub(crate) seconds: [Option<u32>; 2],
    /// The same of the candidate's requests from the start on.
    pub(crate) requests: [Option<u64>; 2],
}

/// One guardrail at margin 1, α 5 %, one process, 1,000 requests a second, 0.1 % errors.
pub(crate) fn regressions() -> Vec<Regression> {
    let case = |name, share, times: f64| {
        Case::new(name, share)
            .false_alarm(0.05)
            .with(&format!(r#""effect": {{ "errors": {times} }}"#))
    };
    let seen = |case, within, requests| Regression {
        case,
        onset: 0,
        within: Some(within),
        requests,
    };
    let slower = Guardrail::new(Metric::Latency(950), Limit::NoWorseThan(1.0));
    vec![
        seen(case("total failure at 1 %", "1", 1000.0), 2, Some(15)),
        seen(
            case("total failure at 1 %, by request", "1", 1000.0).by_request(),
            2,
            Some(15),
        ),
        seen(case("100× at 1 %", "1", 100.0), 4, None),
        seen(case("10× at 1 %", "1", 10.0), 45, None),
        seen(case("5× at 1 %", "1", 5.0), 135, None),
        seen(case("2× at 5 %", "5", 2.0), 280, None),
        seen(
            Case::new("p95 +20 % at 1 %", "1")
                .false_alarm(0.05)
                .units(200_000)
                .guardrails(vec![slower])
                .with(r#""effect": { "latency": 1.2 }"#),
            40,
            None,
        ),
        Regression {
            case: Case::new("5× at 5 %, after 30 healthy minutes", "5")
                .false_alarm(0.05)
                .with(r#""effect": { "errors": 5, "from": 1800 }"#),
            onset: 1800,
            within: Some(75),
            requests: None,
        },
    ]
}

/// The same with what a document has by default, α 1 %, three guardrails and a fleet of three.
pub(crate) fn defaults() -> Vec<Regression> {
    let slower = |margin| Guardrail::new(Metric::Latency(950), Limit::NoWorseThan(margin));
    let three = |margin| {
        vec![
            errors(1.0),
            Guardrail::new(Metric::ClientErrors, Limit::NoWorseThan(1.1)),
            slower(margin),
        ]
    };
    let unbound = |regression: Regression| {
        let is_slower = regression.case.name.starts_with("p95");
        let margin = if is_slower { 1.0 } else { 1.2 };
        let case = regression.case.guardrails(three(margin));
        Regression {
            case: case
                .units(200_000)
                .false_alarm(0.01)
                .with(r#""processes": 3"#),
            within: None,
            requests: None,
            ..regression
        }
    };
    regressions().into_iter().map(unbound).collect()
}

/// Runs a regression so many times. Runs that were rolled back before it began are left out.
pub(crate) fn see(regression: &Regression, runs: u32) -> Seen {
    let simulation = regression.case.simulation();
    let onset = regression.onset;
    let mut seconds = Vec::new();
    let mut requests = Vec::new();
    for fate in each(runs, |run| simulation.one(run, SEED)) {
        let is_seen = fate.rolled_back_by.is_some();
        if is_seen && fate.seconds <= onset {
            continue;
        }
        seconds.push(if is_seen {
            fate.seconds - onset
        } else {
            u32::MAX
        });
        requests.push(if is_seen {
            fate.candidate_requests
        } else {
            u64::MAX
        });
    }
    seconds.sort_unstable();
    requests.sort_unstable();
    Seen {
        seconds: [5, 9].map(|tenths| quantile(&seconds, tenths).filter(|most| *most < u32::MAX)),
        requests: [5, 9].map(|tenths| quantile(&requests, tenths).filter(|most| *most < u64::MAX)),
    }
}
