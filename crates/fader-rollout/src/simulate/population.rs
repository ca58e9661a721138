//! The units of a run: where they stand, how active they are, which of them are sick, which were seen.

use std::ops::Range;

use rand::Rng;
use rand_distr::{Distribution, Exp1, LogNormal, Poisson};

use super::scenario::Scenario;
use super::traffic::Class;
use crate::guardrail::Arms;
use crate::observe::Seeing;

/// Units in the order of their positions, so that those enrolled are always the first ones.
///
/// Events of a class of units come with its part of all activity, and each is of one of them by chance: the same as
/// simulating every request, without paying for those that end well.
pub(super) struct Population {
    /// Of units that no wave can enrol, rising from 0 to 1.
    positions: Vec<f64>,
    /// The activity of all well units up to each one, itself left out; one more than there are units.
    well: Vec<f64>,
    /// The same of sick units.
    sick: Vec<f64>,
    /// Units that the check of the assignment samples, in the same order, and their activity up to each one.
    checked: Vec<usize>,
    checked_activity: Vec<f64>,
    /// How many units a wave has.
    wave: usize,
    salt: u64,
}

/// Which units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    Sick,
}

impl Population {
    /// Draws the units of a plan with so many waves. Those of the waves come last.
    pub(super) fn draw(scenario: &Scenario, waves: usize, random: &mut impl Rng) -> Self {
        let count = usize::try_from(scenario.unit_count()).unwrap_or_default();
        let drawn = count - scenario.wave_units().saturating_mul(waves).min(count);
        let sigma = scenario.requests_per_unit.lognormal;
        let activity = (sigma > 0.0)
            .then(|| LogNormal::new(0.0, sigma).ok())
            .flatten();
        let mut found = Self {
            positions: Vec::with_capacity(count),
            well: vec![0.0],
            sick: vec![0.0],
            checked: Vec::new(),
            checked_activity: vec![0.0],
            wave: scenario.wave_units(),
            salt: random.random(),
        };
        let (mut at, mut well, mut sick, mut checked) = (0.0, 0.0, 0.0, 0.0);
        for unit in 0..count {
            // Sums of exponentials, divided by their total, are ordered uniform numbers.
            let gap: f64 = Exp1.sample(random);
            if unit < drawn {
                at += gap;
                found.positions.push(at);
            }
            let active = activity.map_or(1.0, |activity| activity.sample(random));
            let is_sick = random.random::<f64>() < scenario.sick_units.share;
            *(if is_sick { &mut sick } else { &mut well }) += active;
            found.well.push(well);
            found.sick.push(sick);
            if Seeing::of(found.hash(unit)).is_checked() {
                checked += active;
                found.checked.push(unit);
                found.checked_activity.push(checked);
            }
        }
        let last: f64 = Exp1.sample(random);
        let total = at + last;
        for position in &mut found.positions {
            *position /= total;
        }
        found
    }

    /// Returns which units a share enrols, which ones the open waves do, and which ones are left. Whoever is in a wave is
    /// in neither arm, before it opens as well: as in a service, where a wave takes as many of either.
    pub(super) fn split(&self, share: f64, waves: u32) -> [Range<usize>; 3] {
        let (drawn, all) = (self.positions.len(), self.len());
        let open = usize::try_from(waves).unwrap_or(usize::MAX);
        let wave_end = drawn
            .saturating_add(self.wave.saturating_mul(open))
            .min(all);
        let enrolled = self.positions.partition_point(|position| *position < share);
        [0..enrolled, drawn..wave_end, enrolled..drawn]
    }

    pub(super) fn len(&self) -> usize {
        self.well.len().saturating_sub(1)
    }

    /// Returns a unit's hash.
    pub(super) fn hash(&self, unit: usize) -> u64 {
        let bits = (unit as u64 ^ self.salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (bits >> 32)
    }

    /// Returns which part of all activity a class of units has.
    pub(super) fn part(&self, units: &Range<usize>, health: Health) -> f64 {
        let (from, to) = ends(self.sums(health), units);
        (to - from) / self.total()
    }

    fn total(&self) -> f64 {
        let last = |sums: &[f64]| sums.last().copied().unwrap_or_default();
        last(&self.well) + last(&self.sick)
    }

    /// Picks a unit of a class by its activity.
    pub(super) fn pick(
        &self,
        units: &Range<usize>,
        health: Health,
        random: &mut impl Rng,
    ) -> usize {
        pick(self.sums(health), units, random)
    }

    fn sums(&self, health: Health) -> &[f64] {
        match health {
            Health::Well => &self.well,
            Health::Sick => &self.sick,
        }
    }
}

fn ends(sums: &[f64], units: &Range<usize>) -> (f64, f64) {
    let at = |index: usize| sums.get(index).copied().unwrap_or_default();
    (at(units.start), at(units.end))
}

fn pick(sums: &[f64], units: &Range<usize>, random: &mut impl Rng) -> usize {
    let (from, to) = ends(sums, units);
    let at = from + (to - from) * random.random::<f64>();
    let past = sums.partition_point(|sum| *sum <= at).saturating_sub(1);
    past.clamp(units.start, units.end.saturating_sub(1).max(units.start))
}

/// Which units were seen, in which arm: exactly up to some number, by the sample of the checked ones above it.
pub(super) struct Seen {
    by_request: bool,
    enough: u32,
    arms: [Arm; 2],
    /// Requests that drew for themselves: each is a unit of its own.
    drawn: u64,
    /// Checked units at their first exposure in the run, with whether they were enrolled.
    pub(super) fresh: Vec<(u64, bool)>,
}

struct Arm {
    units: Bits,
    count: u32,
    checked: Bits,
    checked_count: u32,
}

struct Bits(Vec<u64>);

impl Bits {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn has(&self, at: usize) -> bool {
        self.0
            .get(at / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Sets a bit, and tells whether that is news.
    fn set(&mut self, at: usize) -> bool {
        let is_new = !self.has(at);
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
        is_new
    }
}

impl Seen {
    pub(super) fn new(population: &Population, by_request: bool, min_units: u64) -> Self {
        let arm = || Arm {
            units: Bits::new(population.len()),
            count: 0,
            checked: Bits::new(population.checked.len()),
            checked_count: 0,
        };
        Self {
            by_request,
            enough: u32::try_from(min_units.saturating_mul(2))
                .unwrap_or(u32::MAX)
                .clamp(1000, 20_000),
            arms: [arm(), arm()],
            drawn: 0,
            fresh: Vec::new(),
        }
    }

    /// Takes the requests of a class that began in a second.
    pub(super) fn see(&mut self, class: &Class, population: &Population, random: &mut impl Rng) {
        let [candidate, stable] = &mut self.arms;
        let (arm, other) = if class.enrolled {
            (candidate, stable)
        } else {
            (stable, candidate)
        };
        if self.by_request {
            arm.count = arm.count.saturating_add(class.began);
            for _ in 0..poisson(f64::from(class.began) / 64.0, random) {
                self.drawn += 1;
                self.fresh.push((self.drawn, class.enrolled));
            }
            return;
        }
        if arm.count < self.enough {
            for _ in 0..class.began {
                let unit = population.pick(&class.units, class.health, random);
                arm.count += u32::from(arm.units.set(unit));
            }
        }
        let [first, last] = [class.units.start, class.units.end].map(|unit| {
            population
                .checked
                .partition_point(|checked| *checked < unit)
        });
        let (from, to) = ends(&population.checked_activity, &(first..last));
        let part = (to - from) / population.total();
        // Sick and well ones together: the class of the well ones stands for both.
        if class.health == Health::Sick || first == last || class.wave {
            return;
        }
        for _ in 0..poisson(class.all_requests * part, random) {
            let at = pick(&population.checked_activity, &(first..last), random);
            let is_new = arm.checked.set(at);
            arm.checked_count += u32::from(is_new);
            if is_new && !other.checked.has(at) {
                let unit = population.checked.get(at).copied().unwrap_or_default();
                self.fresh.push((population.hash(unit), class.enrolled));
            }
        }
    }

    /// Returns how many units each arm has seen.
    pub(super) fn units(&self) -> Arms {
        let [candidate, stable] = &self.arms;
        let count = |arm: &Arm| arm.count.max(arm.checked_count.saturating_mul(64));
        Arms {
            candidate: count(candidate),
            stable: count(stable),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of a second's requests"
)]
pub(super) fn poisson(mean: f64, random: &mut impl Rng) -> u32 {
    if mean <= 0.0 {
        return 0;
    }
    Poisson::new(mean).map_or(0, |counts| counts.sample(random) as u32)
}
