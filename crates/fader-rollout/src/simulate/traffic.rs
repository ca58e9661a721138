//! The requests of a second, as far as they matter: how many there were, and which of them were bad.

use std::ops::Range;
use std::time::Duration;

use fader::Percent;
use fader::plan::{Guardrail, Metric, Plan};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::population::{Health, Population, poisson};
use super::scenario::{Scenario, key};
use crate::guardrail::Arms;

/// What happened to the requests that began in one second under one share.
#[derive(Clone, Debug, Default)]
pub(super) struct Second {
    /// How many there were, by class.
    pub(super) classes: Vec<Class>,
    /// What was bad.
    pub(super) bad: Vec<Bad>,
}

/// A class of units that have the same rates, and its requests of a second.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) enrolled: bool,
    /// Whether a wave enrolled them.
    pub(super) wave: bool,
    pub(super) health: Health,
    pub(super) units: Range<usize>,
    /// Requests a second that are expected of them.
    rate: f64,
    /// Requests a second that are expected of all units.
    pub(super) all_requests: f64,
    /// Requests that began.
    pub(super) began: u32,
    /// Those that end.
    pub(super) ended: u32,
    /// Those that end well enough for their time to count, or never end.
    pub(super) timed: u32,
}

/// A bad request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bad {
    /// The guardrails that it is bad for, as bits.
    pub(super) guardrails: u64,
    /// Whether it is bad for having been slow, which is told later.
    pub(super) is_slow: bool,
    pub(super) enrolled: bool,
    pub(super) wave: bool,
    /// The unit's hash.
    pub(super) unit: u64,
}

impl Second {
    /// Returns how many requests began, by arm.
    pub(super) fn began(&self) -> Arms {
        let mut arms = Arms::default();
        for class in &self.classes {
            let arm = if class.enrolled {
                &mut arms.candidate
            } else {
                &mut arms.stable
            };
            *arm += class.began;
        }
        arms
    }

    /// Returns how many requests were bad for the first guardrail, by arm.
    pub(super) fn bad(&self) -> Arms {
        let of_first = self.bad.iter().filter(|bad| bad.guardrails & 1 != 0);
        of_first.fold(Arms::default(), |mut arms, bad| {
            if bad.enrolled {
                arms.candidate += 1;
            } else {
                arms.stable += 1;
            }
            arms
        })
    }
}

/// A metric whose events are simulated, with the guardrails that ask for it.
struct Asked {
    key: String,
    guardrails: u64,
}

/// The requests of a plan's ramp.
pub(super) struct Traffic<'s> {
    scenario: &'s Scenario,
    by_request: bool,
    /// Rates of bad events: errors, client errors, custom ones.
    asked: Vec<Asked>,
    /// Latency guardrails, with the quantile that they ask for, and that of the standard normal distribution.
    slow: Vec<(usize, f64, f64)>,
}

impl<'s> Traffic<'s> {
    pub(super) fn new(scenario: &'s Scenario, plan: &Plan) -> Self {
        let mut asked: Vec<Asked> = Vec::new();
        let mut slow = Vec::new();
        for (at, guardrail) in plan.guardrails.iter().enumerate() {
            match guardrail.metric {
                Metric::Latency(tenths) => {
                    let quantile = f64::from(tenths) / 1000.0;
                    slow.push((at, quantile, normal_quantile(quantile)));
                }
                Metric::Gauge(_) => {}
                _ => ask(&mut asked, guardrail, at),
            }
        }
        Self {
            scenario,
            by_request: crate::judge::by_request(plan),
            asked,
            slow,
        }
    }

    /// Draws the requests that begin in a second in one of some processes, while a share is drawn and some waves are
    /// open. `slow_from` tells of each guardrail from which time on a success is slow, in the candidate and in the
    /// stable arm, where that is known.
    pub(super) fn second(
        &self,
        second: f64,
        exposure: (Percent, u32),
        processes: u32,
        population: &Population,
        slow_from: &[Option<(Duration, Duration)>],
        random: &mut impl Rng,
    ) -> Second {
        let rate = self.scenario.rate.at(second) / f64::from(processes);
        let mut found = Second {
            classes: self.classes(rate, exposure, population),
            bad: Vec::new(),
        };
        for class in &mut found.classes {
            self.class(second, class, population, slow_from, &mut found.bad, random);
        }
        found
    }

    fn classes(&self, rate: f64, exposure: (Percent, u32), population: &Population) -> Vec<Class> {
        let share = crate::judge::part(exposure.0);
        let [drawn, waves, left] = population.split(share, exposure.1);
        let all = 0..population.len();
        // Requests that draw for themselves come from all units.
        let arms = if self.by_request {
            [
                (true, false, all.clone(), share),
                (false, false, all, 1.0 - share),
                (true, true, 0..0, 0.0),
            ]
        } else {
            [
                (true, false, drawn, 1.0),
                (false, false, left, 1.0),
                (true, true, waves, 1.0),
            ]
        };
        let mut classes = Vec::with_capacity(6);
        for (enrolled, wave, units, part) in arms {
            for health in [Health::Well, Health::Sick] {
                let rate_of = rate * part * population.part(&units, health);
                if rate_of > 0.0 {
                    classes.push(Class {
                        enrolled,
                        wave,
                        health,
                        units: units.clone(),
                        rate: rate_of,
                        all_requests: rate,
                        began: 0,
                        ended: 0,
                        timed: 0,
                    });
                }
            }
        }
        classes
    }

    fn class(
        &self,
        second: f64,
        class: &mut Class,
        population: &Population,
        slow_from: &[Option<(Duration, Duration)>],
        found: &mut Vec<Bad>,
        random: &mut impl Rng,
    ) {
        let hanging = if class.enrolled && second >= self.scenario.effect.from {
            self.scenario.hang
        } else {
            0.0
        };
        let hung = poisson(class.rate * hanging, random);
        class.ended = poisson(class.rate * (1.0 - hanging), random);
        class.began = class.ended + hung;
        for asked in &self.asked {
            let bad = binomial(class.ended, self.rate(second, class, &asked.key), random);
            self.push(
                bad,
                asked.guardrails,
                false,
                class,
                population,
                found,
                random,
            );
        }
        if self.slow.is_empty() {
            return;
        }
        let failing = self.rate(second, class, "errors");
        let timed = binomial(class.ended, 1.0 - failing, random);
        class.timed = timed + hung;
        for (at, _, _) in &self.slow {
            let limits = slow_from.get(*at).copied().flatten();
            let Some((candidate, stable)) = limits else {
                continue;
            };
            let limit = if class.enrolled { candidate } else { stable };
            let slow = binomial(timed, self.slower(second, class.enrolled, limit), random) + hung;
            self.push(slow, 1 << at, true, class, population, found, random);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the terms of one kind of event")]
    fn push(
        &self,
        count: u32,
        guardrails: u64,
        is_slow: bool,
        class: &Class,
        population: &Population,
        found: &mut Vec<Bad>,
        random: &mut impl Rng,
    ) {
        for _ in 0..count {
            let unit = if self.by_request {
                0
            } else {
                let unit = population.pick(&class.units, class.health, random);
                population.hash(unit)
            };
            found.push(Bad {
                guardrails,
                is_slow,
                enrolled: class.enrolled,
                wave: class.wave,
                unit,
            });
        }
    }

    /// Returns which part of a class's requests is bad.
    fn rate(&self, second: f64, class: &Class, metric: &str) -> f64 {
        let mut rate = self.scenario.base(metric, second).unwrap_or_default();
        if class.health == Health::Sick {
            rate *= self.scenario.sick_units.times;
        }
        if class.enrolled {
            rate *= self.scenario.effect(metric, second);
        }
        rate.min(1.0)
    }

    /// Returns which part of an arm's successes takes longer than a limit.
    fn slower(&self, second: f64, enrolled: bool, limit: Duration) -> f64 {
        let mut scale = self.scenario.base("latency", second).unwrap_or(1.0);
        if enrolled {
            scale *= self.scenario.effect("latency", second);
        }
        let latency = self.scenario.latency_ms;
        let z = (limit.as_secs_f64() * 1000.0 / (latency.median * scale)).ln() / latency.sigma;
        0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
    }

    /// Returns what the stable arm's quantile of each latency guardrail comes out at when it is estimated from so many
    /// successes: the true one, with the error that an estimate has (asymptotically normal, Cramér 1946).
    pub(super) fn quantiles(
        &self,
        second: f64,
        successes: f64,
        guardrails: usize,
        random: &mut impl Rng,
    ) -> Vec<Option<Duration>> {
        let mut quantiles = vec![None; guardrails];
        let scale = self.scenario.base("latency", second).unwrap_or(1.0);
        let latency = self.scenario.latency_ms;
        for (at, quantile, z) in &self.slow {
            let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let error = (quantile * (1.0 - quantile) / successes).sqrt() / density;
            let noise: f64 = StandardNormal.sample(random);
            let seconds =
                latency.median * scale / 1000.0 * (latency.sigma * (z + error * noise)).exp();
            if let Some(slot) = quantiles.get_mut(*at) {
                *slot = Duration::try_from_secs_f64(seconds).ok();
            }
        }
        quantiles
    }

    /// Returns what each gauge shows; one that the scenario does not tell of shows 0.
    pub(super) fn gauges(
        &self,
        second: f64,
        enrolled: bool,
        guardrails: &[Guardrail],
    ) -> Vec<Option<f64>> {
        let gauges = guardrails.iter().map(|guardrail| {
            matches!(guardrail.metric, Metric::Gauge(_)).then(|| {
                let name = key(&guardrail.metric);
                let value = self.scenario.base(&name, second).unwrap_or_default();
                let times = if enrolled {
                    self.scenario.effect(&name, second)
                } else {
                    1.0
                };
                value * times
            })
        });
        gauges.collect()
    }
}

fn ask(asked: &mut Vec<Asked>, guardrail: &Guardrail, at: usize) {
    let (key, bit) = (key(&guardrail.metric), 1 << at);
    match asked.iter_mut().find(|known| known.key == key) {
        Some(known) => known.guardrails |= bit,
        None => asked.push(Asked {
            key,
            guardrails: bit,
        }),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most as many as there were"
)]
fn binomial(n: u32, p: f64, random: &mut impl Rng) -> u32 {
    if n == 0 || p <= 0.0 {
        return 0;
    }
    rand_distr::Binomial::new(n.into(), p.min(1.0)).map_or(0, |counts| counts.sample(random) as u32)
}

/// Returns the quantile of the standard normal distribution, by bisection of its tail.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}
