//! Counts of a run, drawn tick by tick, and what the test says of them.

use std::collections::HashSet;
use std::time::Duration;

use fader_rollout::guardrail::{Arms, Relative, Verdict};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Binomial, Distribution, Poisson};

use crate::kinds::Regression;

/// What is counted.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Counted {
    /// Units at their first bad event; π is the design share.
    Units,
    /// Requests that draw anew each time; π is the realised share, over strata as long as they must be.
    Requests,
    /// Units that go on failing for a heavy-tailed number of requests, each counted once.
    SickUnits,
    /// The same, each request counted: wrong, and here to show that it is.
    RequestsOfSickUnits,
}

/// A run, as functions of the second.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) name: &'static str,
    pub(crate) counted: Counted,
    pub(crate) share: fn(u32) -> f64,
    pub(crate) base: fn(u32) -> f64,
    pub(crate) rise: fn(u32) -> f64,
    pub(crate) margin: f64,
}

/// Requests a second.
pub(crate) const RATE: f64 = 1000.0;

/// An hour, which is also what was planned.
pub(crate) const SECONDS: u32 = 3600;

/// What became of a run.
pub(crate) struct Outcome {
    /// The most that E ever was.
    pub(crate) most: f64,
    /// Seconds until it was called regressed.
    pub(crate) regressed: Option<u32>,
    /// Whether it was ever called safe.
    pub(crate) safe: bool,
}

/// Looks once in `every` seconds, until the end, or until E has reached `enough` and the candidate is called regressed.
pub(crate) fn run(
    traffic: &Traffic,
    level: f64,
    enough: f64,
    every: u32,
    seed: u64,
) -> Option<Outcome> {
    let planned = Duration::from_secs(u64::from(SECONDS));
    let mut test = Relative::new(traffic.margin, level, planned).ok()?;
    let mut source = Source::new(every, seed);
    let mut outcome = Outcome {
        most: 1.0,
        regressed: None,
        safe: false,
    };
    for second in (0..SECONDS).step_by(usize::try_from(every).ok()?) {
        let Some((share, bad)) = source.tick(traffic, second) else {
            continue;
        };
        test.observe(Duration::from_secs(u64::from(second)), share, bad);
        outcome.most = outcome.most.max(test.evidence());
        outcome.safe |= test.verdict() == Verdict::Safe;
        if test.verdict() == Verdict::Regressed {
            outcome.regressed.get_or_insert(second + every);
            if outcome.most >= enough {
                break;
            }
        }
    }
    Some(outcome)
}

struct Source {
    random: SmallRng,
    /// Seconds in a tick, and requests.
    every: u32,
    requests: f64,
    /// Requests of the stratum that is not complete yet: those of the arms, bad and all.
    open: [u32; 4],
    opened: u32,
    sick: Vec<Sick>,
    spent: HashSet<u32>,
    units: u32,
}

struct Sick {
    unit: u32,
    position: f64,
    failures: f64,
}

impl Source {
    fn new(every: u32, seed: u64) -> Self {
        Self {
            random: SmallRng::seed_from_u64(seed),
            every,
            requests: RATE * f64::from(every),
            open: [0; 4],
            opened: 0,
            sick: Vec::new(),
            spent: HashSet::new(),
            units: 0,
        }
    }

    /// Returns the stratum that a tick completes, with its share.
    fn tick(&mut self, traffic: &Traffic, second: u32) -> Option<(f64, Arms)> {
        let share = (traffic.share)(second);
        let base = (traffic.base)(second);
        let raised = (base * (traffic.rise)(second)).min(1.0);
        match traffic.counted {
            Counted::Units => {
                let candidate = self.poisson(self.requests * share * raised);
                let stable = self.poisson(self.requests * (1.0 - share) * base);
                Some((share, Arms { candidate, stable }))
            }
            Counted::Requests => self.requests(second, traffic.share, base, raised),
            Counted::SickUnits => Some((share, self.sick(share, base, true))),
            Counted::RequestsOfSickUnits => Some((share, self.sick(share, base, false))),
        }
    }

    fn requests(
        &mut self,
        second: u32,
        share: fn(u32) -> f64,
        base: f64,
        raised: f64,
    ) -> Option<(f64, Arms)> {
        let now = share(second);
        let [bad1, bad0, all1, all0] = &mut self.open;
        let (n1, n0) = (
            poisson(&mut self.random, self.requests * now),
            poisson(&mut self.random, self.requests * (1.0 - now)),
        );
        *bad1 += binomial(&mut self.random, n1, raised);
        *bad0 += binomial(&mut self.random, n0, base);
        *all1 += n1;
        *all0 += n0;
        let (bad, n1, n) = (
            Arms {
                candidate: *bad1,
                stable: *bad0,
            },
            f64::from(*all1),
            f64::from(*all1) + f64::from(*all0),
        );
        let full = n1 >= 1.0 && n >= 20.0 / now;
        let changes = share(second + self.every).total_cmp(&now).is_ne();
        if !full && !changes && second + self.every - self.opened < 60 {
            return None;
        }
        self.open = [0; 4];
        self.opened = second + self.every;
        Some((n1 / n, bad))
    }

    /// New units fall sick, and those that are fail once a tick until they have failed enough.
    fn sick(&mut self, share: f64, base: f64, once: bool) -> Arms {
        for _ in 0..self.poisson(0.2 * self.requests * base) {
            self.units += 1;
            self.sick.push(Sick {
                unit: self.units,
                position: self.random.random(),
                // Pareto with shape 1.2: most fail once or twice, a few for minutes.
                failures: self.random.random::<f64>().powf(-1.0 / 1.2),
            });
        }
        let mut bad = Arms::default();
        for sick in &mut self.sick {
            sick.failures -= 1.0;
            if self.spent.insert(sick.unit) || !once {
                if sick.position < share {
                    bad.candidate += 1;
                } else {
                    bad.stable += 1;
                }
            }
        }
        self.sick.retain(|sick| sick.failures >= 1.0);
        bad
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        poisson(&mut self.random, mean)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of a second's requests"
)]
pub(crate) fn poisson(random: &mut SmallRng, mean: f64) -> u32 {
    Poisson::new(mean).map_or(0, |counts| counts.sample(random) as u32)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most as many as there were"
)]
pub(crate) fn binomial(random: &mut SmallRng, n: u32, p: f64) -> u32 {
    Binomial::new(u64::from(n), p).map_or(0, |counts| counts.sample(random) as u32)
}

/// Returns the lower bound of a probability that was met `hits` times in `runs`, at 99.9 % (Clopper & Pearson 1934).
pub(crate) fn lower_bound(hits: u32, runs: u32) -> f64 {
    if hits == 0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if at_least(hits, runs, middle) < 0.001 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Returns the probability of at least so many hits.
fn at_least(hits: u32, runs: u32, p: f64) -> f64 {
    let (odds, n) = ((p / (1.0 - p)).ln(), f64::from(runs));
    let mut log = n * (1.0 - p).ln();
    let mut sum = 0.0;
    for k in 1..=runs {
        let k_ = f64::from(k);
        log += ((n - k_ + 1.0) / k_).ln() + odds;
        if k >= hits {
            sum += log.exp();
        }
    }
    sum
}

/// Returns the median and the 90 % quantile of the seconds from the onset until the regression was seen.
///
/// Runs that raised a false alarm before are left out.
pub(crate) fn seconds_to_see(regression: &Regression, level: f64, seeds: u64) -> (u32, u32) {
    let mut times: Vec<u32> = (0..seeds)
        .filter_map(|seed| run(&regression.traffic, level, 0.0, 1, 7000 + seed))
        .map(|outcome| outcome.regressed.unwrap_or(u32::MAX))
        .filter(|&seen| seen > regression.onset)
        .map(|seen| seen.saturating_sub(regression.onset))
        .collect();
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 10).copied();
    (at(5).unwrap_or(u32::MAX), at(9).unwrap_or(u32::MAX))
}
