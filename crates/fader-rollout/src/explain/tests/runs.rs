//! What is told in advance, beside runs that a judge judges.

use fader::Percent;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Poisson};

use super::*;
use crate::counts::{Counts, Stratum};
use crate::guardrail::{Arms, Verdict};
use crate::judge::{BudgetPart, Exposed, Judge, Look};

const RUNS: usize = 301;

/// What the first stage of a plan is judged to be, second by second.
struct Run<'a> {
    plan: &'a Plan,
    expected: &'a Expected,
    /// How many times stable's rate the candidate's is.
    rise: f64,
}

impl Run<'_> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of a second"
    )]
    fn poisson(random: &mut SmallRng, mean: f64) -> u32 {
        Poisson::new(mean.max(1e-12)).unwrap().sample(random) as u32
    }

    fn tick(&self, random: &mut SmallRng) -> Counts {
        let Reached::Percent(percent) = self.plan.stages[0].to else {
            panic!("a wave")
        };
        let share = f64::from(percent.micros()) / f64::from(Percent::HUNDRED.micros());
        let mut arm = |share: f64, rate: f64| {
            let of = self.expected.rate * share;
            let bad = Self::poisson(random, of * rate);
            (bad, bad + Self::poisson(random, of * (1.0 - rate)))
        };
        let base = self.expected.errors;
        let candidate = arm(share, (base * self.rise).min(1.0));
        let stable = arm(1.0 - share, base);
        let strata = (0..self.plan.guardrails.len()).map(|guardrail| Stratum {
            guardrail,
            share: percent,
            bad: Arms {
                candidate: candidate.0,
                stable: stable.0,
            },
            of: Arms {
                candidate: candidate.1,
                stable: stable.1,
            },
        });
        Counts {
            strata: strata.collect(),
            ..Counts::default()
        }
    }

    /// Returns after how many seconds a guardrail has a verdict, in so many parts of ten of the runs.
    fn seconds(&self, guardrail: usize, verdict: Verdict, tenths: [usize; 2]) -> [f64; 2] {
        let planned = of(self.plan, self.expected).planned;
        let mut all: Vec<u32> = (0..RUNS as u64)
            .map(|seed| {
                let mut random = SmallRng::seed_from_u64(seed);
                let mut judge = Judge::new(self.plan, planned, BudgetPart::OneProcess).unwrap();
                let found = (1..200_000).find(|second| {
                    let look = Look {
                        elapsed: Duration::from_secs(u64::from(*second) - 1),
                        exposed: Exposed::Part,
                        gauges: &[],
                        source_works: true,
                    };
                    judge.observe(self.plan, &look, &self.tick(&mut random));
                    judge.verdicts().nth(guardrail) == Some(verdict)
                });
                found.unwrap_or(u32::MAX)
            })
            .collect();
        all.sort_unstable();
        tenths.map(|tenths| f64::from(all[RUNS * tenths / 10]))
    }
}

fn check(plan: &Plan, expected: &Expected, guardrail: usize, rise: f64, told: Option<Times>) {
    let told = told.unwrap();
    let seen = Run {
        plan,
        expected,
        rise,
    }
    .seconds(guardrail, Verdict::Regressed, [5, 9]);
    for (told, seen) in [told.p50, told.p90].into_iter().zip(seen) {
        let told = told.as_secs_f64();
        assert!(
            (told - seen).abs() <= 0.3 * seen + 1.0,
            "{rise}: told {told} s, seen {seen} s"
        );
    }
}

fn first(plan: &Plan, expected: &Expected) -> Vec<Sight> {
    of(plan, expected).stages.swap_remove(0).guardrails
}

#[test]
fn rises_are_seen_in_the_time_that_is_told() {
    let (mut plan, expected) = (plan(), Expected::new(200.0, 0.005));
    plan.stages[0].to = percent("5");
    let sights = first(&plan, &expected);
    check(&plan, &expected, 0, 5.0, sights[0].five_times);
    check(&plan, &expected, 0, 10.0, sights[0].ten_times);
    check(&plan, &expected, 0, 1e9, sights[0].total);
    check(&plan, &expected, 1, 5.0, sights[1].five_times);
    check(&plan, &expected, 1, 1e9, sights[1].total);
    // The smallest rise takes the bake.
    plan.stages[0].bake = 5 * MINUTE;
    let smallest = first(&plan, &expected)[0].smallest.unwrap();
    let bake = Times {
        p50: 5 * MINUTE,
        p90: 10 * MINUTE,
    };
    check(&plan, &expected, 0, smallest, Some(bake));
}

#[test]
fn requests_that_are_merged_are_seen_in_the_time_that_is_told() {
    let (mut plan, expected) = (plan(), Expected::new(200.0, 0.005));
    plan.by = "request".into();
    let sights = first(&plan, &expected);
    check(&plan, &expected, 0, 10.0, sights[0].ten_times);
    // In strata of four seconds.
    assert_eq!(sights[0].total.unwrap().p50.as_secs(), 4);
    check(&plan, &expected, 0, 1e9, sights[0].total);
}

#[test]
fn many_bad_units_are_seen_in_the_time_that_is_told() {
    let (mut plan, expected) = (plan(), Expected::new(200.0, 0.005));
    plan.stages[0].to = percent("5");
    plan.min_bad_units = 60;
    let sights = first(&plan, &expected);
    check(&plan, &expected, 0, 10.0, sights[0].ten_times);
    check(&plan, &expected, 0, 1e9, sights[0].total);
}

#[test]
fn safety_is_shown_in_about_the_time_that_is_told() {
    let (mut plan, expected) = (plan(), Expected::new(500.0, 0.01));
    plan.stages[0].to = percent("20");
    for (margin, limit) in [(1.5, 0.02), (3.0, 0.05)] {
        plan.guardrails = vec![relative(Metric::Errors, margin), absolute(limit)];
        let levels = Levels::of(&plan);
        let scene = stage::scenes(&plan, &expected, levels).next().unwrap();
        for (at, guardrail) in plan.guardrails.iter().enumerate() {
            let told = scene.test(guardrail).unwrap().safe_after().unwrap();
            let run = Run {
                plan: &plan,
                expected: &expected,
                rise: 1.0,
            };
            let [seen, _] = run.seconds(at, Verdict::Safe, [5, 9]);
            let ratio = told.as_secs_f64() / seen;
            assert!(
                (0.5..2.0).contains(&ratio),
                "{margin}: told {told:?}, seen {seen} s"
            );
        }
    }
}
