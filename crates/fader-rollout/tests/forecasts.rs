//! What is said ahead of the time that a regression takes agrees with runs, with fixed seeds.

use std::time::Duration;

use fader_rollout::guardrail::{Absolute, AbsoluteForecast, Arms, Forecast, Relative, Verdict};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Binomial, Distribution, Poisson};

/// Requests a second.
const RATE: f64 = 1000.0;

/// Seconds of a run.
const SECONDS: u32 = 3600;

const HOUR: Duration = Duration::from_secs(3600);

/// Checks that median and 90 % of a forecast agree with those of runs to 30 % and a tick of a second, and returns how
/// many times too long the median is. A run returns whether the candidate is called regressed after a second.
fn check_forecast<Run: FnMut(&mut SmallRng, Duration) -> bool>(
    name: &str,
    forecast: Option<(Duration, Duration)>,
    begin: impl Fn() -> Run,
) -> f64 {
    let mut times: Vec<u32> = (0..501)
        .map(|seed| {
            let (mut random, mut run) = (SmallRng::seed_from_u64(seed), begin());
            let mut ticks = 0..SECONDS;
            let seen = ticks.find(|&second| run(&mut random, Duration::from_secs(second.into())));
            seen.map_or(u32::MAX, |second| second + 1)
        })
        .collect();
    times.sort_unstable();
    let (median, most) = forecast.unwrap_or_default();
    let [median, _] = [(5, median), (9, most)].map(|(part, forecast)| {
        let seen = times.get(times.len() * part / 10).copied();
        let (forecast, seen) = (forecast.as_secs_f64(), f64::from(seen.unwrap_or_default()));
        let agrees = (forecast - seen).abs() <= 0.3 * seen + 1.0;
        assert!(agrees, "{name}: {forecast} s, seen in {seen} s");
        forecast / seen
    });
    median
}

#[test]
fn forecasts_agree_with_runs() {
    // Share, base rate, rise, margin. The first are those of the detection table.
    let cases = [
        (0.01, 0.001, 1000.0, 1.0),
        (0.01, 0.001, 100.0, 1.0),
        (0.01, 0.001, 10.0, 1.0),
        (0.01, 0.001, 5.0, 1.0),
        (0.05, 0.001, 2.0, 1.0),
        (0.01, 0.05, 2.0045, 1.0),
        (0.01, 0.001, 30.0, 1.1),
        (0.05, 0.001, 3.0, 1.1),
        (0.25, 0.001, 2.0, 1.1),
        (0.1, 0.01, 1.5, 1.1),
        (0.5, 0.05, 1.3, 1.1),
        (0.05, 0.05, 1.3, 1.1),
        (0.5, 0.001, 2.0, 1.2),
        (0.5, 0.01, 1.5, 1.2),
        (0.01, 0.05, 2.0, 1.2),
        (0.05, 0.05, 1.4, 1.2),
        (0.5, 0.001, 5.0, 1.0),
        (0.5, 0.001, 1.5, 1.0),
        (0.5, 0.05, 1.2, 1.0),
    ];
    let check = |(share, base, rise, margin): (f64, f64, f64, f64), level: f64| {
        let plan = Forecast {
            rate: RATE,
            base,
            share,
            margin,
            level,
        };
        let begin = || {
            let mut test = Relative::new(margin, level, HOUR).unwrap();
            move |random: &mut SmallRng, now| {
                let candidate = poisson(random, RATE * share * base * rise);
                let stable = poisson(random, RATE * (1.0 - share) * base);
                test.observe(now, share, Arms { candidate, stable });
                test.verdict() == Verdict::Regressed
            }
        };
        check_forecast(
            &format!("{plan:?}, {rise}"),
            plan.time_quantiles(rise),
            begin,
        )
    };
    for level in [0.05, 0.003] {
        let logs = cases.map(|case| check(case, level).ln());
        // What takes a few ticks only says nothing of the rest.
        let (_, slow) = logs.split_at(2);
        let slow = slow.iter().sum::<f64>() / 17.0;
        assert!((0.0..0.1).contains(&slow), "{} times too long", slow.exp());
    }
}

#[test]
fn absolute_forecasts_agree_with_runs() {
    for (limit, rate_now) in [
        (0.01, 0.015),
        (0.01, 0.02),
        (0.001, 0.002),
        (0.001, 0.05),
        (0.05, 0.065),
    ] {
        let plan = AbsoluteForecast {
            rate: 100.0,
            limit,
            level: 0.01,
        };
        check_forecast(
            &format!("{plan:?}, {rate_now}"),
            plan.time_quantiles(rate_now),
            || {
                let mut test = Absolute::new(limit, plan.level, HOUR).unwrap();
                move |random, now| {
                    test.observe(now, binomial(random, 100, rate_now), 100);
                    test.verdict() == Verdict::Regressed
                }
            },
        );
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of a second's requests"
)]
fn poisson(random: &mut SmallRng, mean: f64) -> u32 {
    Poisson::new(mean).map_or(0, |counts| counts.sample(random) as u32)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most as many as there were"
)]
fn binomial(random: &mut SmallRng, n: u32, p: f64) -> u32 {
    Binomial::new(u64::from(n), p).map_or(0, |counts| counts.sample(random) as u32)
}
