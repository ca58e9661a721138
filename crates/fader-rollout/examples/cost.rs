//! Prints what a stratum costs: `cargo run --release -p fader-rollout --example cost`.
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use fader_rollout::guardrail::{Arms, Relative};

const TESTS: u32 = 400;
const TICKS: u32 = 1000;

/// Under how many shares a test is used in turn: too many to remember.
const SHARES: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("A stratum, and a tick of 100 plans with 4 guardrails each, verdicts and all:");
    println!("median and least of {TICKS} ticks\n");
    for changing in [false, true] {
        let share = if changing { "a new share" } else { "one share" };
        for (candidate, stable) in [(0, 0), (0, 1), (1, 0), (10, 30), (500, 500)] {
            let bad = Arms { candidate, stable };
            let mut tests = tests()?;
            let (median, least) = time(|tick| {
                let step = if changing { tick % SHARES } else { 0 };
                let share = 0.05 + f64::from(step) * 1e-5;
                let now = Duration::from_secs(tick.into());
                for test in &mut tests {
                    test.observe(now, black_box(share), black_box(bad));
                    black_box(test.verdict());
                }
            });
            let name = format!("{share}, {candidate} + {stable} bad");
            print(&name, median, least);
        }
    }

    let mut tests = tests()?;
    for test in &mut tests {
        for minute in 0..100 {
            let bad = Arms {
                candidate: 6,
                stable: 95,
            };
            test.observe(Duration::from_secs(60 * minute), 0.05, bad);
        }
    }
    let (median, least) = time(|_| {
        for test in &tests {
            black_box(test.limits());
        }
    });
    print("limits", median, least);
    let state = tests.first().map(serde_json::to_string).transpose()?;
    println!(
        "\nstate: {} bytes in memory, {} as JSON",
        size_of::<Relative>(),
        state.unwrap_or_default().len()
    );
    Ok(())
}

fn tests() -> Result<Vec<Relative>, Box<dyn Error>> {
    let test = Relative::new(1.1, 0.001, Duration::from_secs(3600))?;
    Ok(vec![test; usize::try_from(TESTS)?])
}

/// Returns the median and the least time of a tick.
fn time(mut tick: impl FnMut(u32)) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..TICKS)
        .map(|number| {
            let begin = Instant::now();
            tick(number);
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    let least = times.first().copied().unwrap_or_default();
    (
        times.get(times.len() / 2).copied().unwrap_or_default(),
        least,
    )
}

fn print(name: &str, median: Duration, least: Duration) {
    let (one, least_one) = (median / TESTS, least / TESTS);
    println!("{name:28} {one:>8?} {least_one:>8?} {median:>12?} {least:>12?}");
}
