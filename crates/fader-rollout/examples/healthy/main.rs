//! Prints how often healthy runs raise a false alarm, and how soon regressions are seen.
//!
//! `cargo run --release -p fader-rollout --example healthy -- 10000 ramp`: so many runs of each kind, 2000 if not said,
//! and only of the kinds whose name contains a text, all if not said.
#![expect(clippy::print_stdout, reason = "it prints tables")]

use std::thread;
use std::time::Duration;
use std::{env, iter};

use fader_rollout::guardrail::Forecast;
use kinds::Regression;
use simulate::{Counted, RATE, Traffic};

mod kinds;
mod simulate;

const LEVELS: [f64; 3] = [0.1, 0.05, 0.01];

fn main() {
    let runs = env::args().nth(1).and_then(|n| n.parse().ok());
    let runs: u32 = runs.unwrap_or(2000);
    let only = env::args().nth(2).unwrap_or_default();
    let wanted = |traffic: &Traffic| traffic.name.contains(&only);
    println!("False alarms in {runs} healthy runs of an hour, one look a second");
    println!(
        "rate (99.9 % lower bound) for α = 0.1, 0.05, 0.01; wrongly safe, of which 0.05 may be\n"
    );
    let kinds = kinds::healthy_runs().into_iter().flat_map(|kind| {
        // What the guarantee does not cover, to show that these runs would tell.
        let wrong = (kind.counted == Counted::SickUnits).then_some(Traffic {
            name: "WRONG: sick units' requests",
            counted: Counted::RequestsOfSickUnits,
            ..kind
        });
        iter::once(kind).chain(wrong)
    });
    for kind in kinds.filter(wanted) {
        false_alarms(&kind, runs);
    }

    println!(
        "\nSeconds until a regression is seen: median, 90 %, bound of the median; forecast of a regression"
    );
    println!(
        "that is there from the start: median, 90 %, time in which the expected evidence is enough"
    );
    println!("1,000 requests/s, base 0.1 %, margin 1, α 0.05\n");
    let regressions = kinds::regressions().into_iter();
    for regression in regressions.filter(|regression| wanted(&regression.traffic)) {
        detection(&regression);
    }
}

/// Prints the false alarms of one kind of run, at all levels from the same runs.
fn false_alarms(traffic: &Traffic, runs: u32) {
    let (even, odd) = thread::scope(|scope| {
        let odd = scope.spawn(|| count(traffic, (1..runs).step_by(2)));
        (count(traffic, (0..runs).step_by(2)), odd.join())
    });
    let odd = odd.unwrap_or_default();
    let counts = even.into_iter().zip(odd).map(|(even, odd)| even + odd);
    print!("{:32}", traffic.name);
    for (count, allowed) in counts.zip([0.1, 0.05, 0.01, 0.05]) {
        let bound = simulate::lower_bound(count, runs);
        let mark = if bound > allowed { '!' } else { ' ' };
        print!(
            "{:8.4} ({bound:.4}){mark}",
            f64::from(count) / f64::from(runs)
        );
    }
    println!();
}

/// Counts the runs that alarmed at each level, and those that were called safe.
fn count(traffic: &Traffic, seeds: impl Iterator<Item = u32>) -> [u32; LEVELS.len() + 1] {
    let mut counts = [0; LEVELS.len() + 1];
    for outcome in seeds.filter_map(|seed| simulate::run(traffic, 0.01, 100.0, 1, seed.into())) {
        let alarms = LEVELS.map(|level| outcome.most * level >= 1.0);
        for (count, said) in counts
            .iter_mut()
            .zip(alarms.into_iter().chain([outcome.safe]))
        {
            *count += u32::from(said);
        }
    }
    counts
}

fn detection(regression: &Regression) {
    let (median, most) = simulate::seconds_to_see(regression, 0.05, 1001);
    let traffic = &regression.traffic;
    let forecast = Forecast {
        rate: RATE,
        base: (traffic.base)(regression.onset),
        share: (traffic.share)(regression.onset),
        margin: traffic.margin,
        level: 0.05,
    };
    let rise = (traffic.rise)(regression.onset);
    let seconds = |time: Duration| time.as_secs_f64();
    let (soon, late) = forecast.time_quantiles(rise).unwrap_or_default();
    let expected = forecast.time_to_see(rise).map_or(f64::INFINITY, seconds);
    let (name, within) = (traffic.name, regression.within);
    let (soon, late) = (seconds(soon), seconds(late));
    println!("{name:32} {median:6} {most:6} {within:6} {soon:8.1} {late:8.1} {expected:8.1}");
}
