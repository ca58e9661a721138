//! Prints what a step of the machine costs: `cargo run --release -p fader-rollout --example steps`.
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fader::Timestamp;
use fader::plan::{Guardrail, Limit, Metric, Plan, Reached, Stage, Window};
use fader_rollout::guardrail::Arms;
use fader_rollout::judge::BudgetPart;
use fader_rollout::machine::{Now, Observation, Ramp, State, step};
use fader_rollout::{Counts, Stratum};

const PLANS: usize = 100;
const TICKS: u32 = 1000;
const SECOND: Duration = Duration::from_secs(1);

/// A plan of some guardrails that is in its first stage for days.
fn ramp(guardrails: usize) -> Result<Ramp, Box<dyn Error>> {
    let stage = |percent: &str| -> Result<Stage, fader::ParsePercentError> {
        let to = Reached::Percent(percent.parse()?);
        Ok(Stage::new(to, Duration::from_secs(7 * 86_400)))
    };
    let mut plan = Plan::new(vec![stage("5")?, stage("100")?]);
    plan.start = Timestamp::parse("2026-12-01T09:00:00Z");
    let mut window = Window::new([true, true, true, true, false, false, false], 540, 960);
    window.zone = "Europe/Amsterdam".into();
    plan.windows = vec![window];
    let errors = Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.1));
    plan.guardrails = vec![errors; guardrails];
    Ok(Ramp::new(Arc::new(plan), &[], BudgetPart::OneProcess)?)
}

fn counts(guardrails: usize, bad: Arms) -> Result<Counts, fader::ParsePercentError> {
    let of = Arms {
        candidate: 50,
        stable: 950,
    };
    let share = "5".parse()?;
    let stratum = |guardrail| Stratum {
        guardrail,
        share,
        bad,
        of,
    };
    let mut counts = Counts::default();
    (counts.requests, counts.units) = (of, of);
    counts.strata = (0..guardrails).map(stratum).collect();
    Ok(counts)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("a second of {PLANS} plans: median and least of {TICKS}\n");
    for (guardrails, candidate, stable) in [(0, 0, 0), (4, 0, 0), (4, 0, 1), (4, 1, 19)] {
        let ramp = ramp(guardrails)?;
        let counts = [counts(guardrails, Arms { candidate, stable })?];
        let mut observation = Observation::new();
        observation.counts = &counts;
        let mut wall = Timestamp::parse("2026-12-01T09:00:00Z").unwrap_or_default();
        let mut states = vec![State::new(&ramp); PLANS];
        let mut times = Vec::new();
        for tick in 0..TICKS {
            wall = Timestamp::from_nanos(wall.as_nanos() + 1_000_000_000);
            let now = Now {
                wall,
                since_last: (tick > 0).then_some(SECOND),
            };
            let begin = Instant::now();
            let stepped = states.into_iter();
            let stepped = stepped.map(|state| step(black_box(&ramp), state, &observation, now).0);
            states = stepped.collect();
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        let least = times.first().copied().unwrap_or_default();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!(
            "{guardrails} guardrails, {candidate:2} + {stable:2} bad {median:>12?} {least:>12?}"
        );
    }
    Ok(())
}
