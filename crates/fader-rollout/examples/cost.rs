//! Prints what a stratum costs: `cargo run --release -p fader-rollout --example cost`.
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use fader_rollout::guardrail::{Arms, InvalidSetting, Relative};

const TESTS: u32 = 400;
const TICKS: u64 = 1000;

fn main() -> Result<(), InvalidSetting> {
    println!(
        "a stratum, and a tick of 100 plans with 4 guardrails each: median and least of {TICKS} ticks\n"
    );
    let kinds = [(0, 0), (0, 1), (1, 0), (1, 2), (10, 30), (500, 500)];
    for (candidate, stable) in kinds {
        let bad = Arms { candidate, stable };
        let test = Relative::new(1.1, 0.001, Duration::from_secs(3600))?;
        let mut tests = vec![test; usize::try_from(TESTS).unwrap_or_default()];
        let mut times: Vec<Duration> = (0..TICKS)
            .map(|tick| {
                let begin = Instant::now();
                for test in &mut tests {
                    test.observe(Duration::from_secs(tick), black_box(0.05), black_box(bad));
                }
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        let least = times.first().copied().unwrap_or_default();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!(
            "{candidate:4} + {stable:4} bad {:>10?} {:>10?} {median:>12?} {least:>12?}",
            median / TESTS,
            least / TESTS
        );
    }
    Ok(())
}
