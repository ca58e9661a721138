//! The mixture over alternatives and starts, at many margins at once.
//!
//! For each alternative there is a row with a number for each margin: a term of E, what the run's start and the late
//! starts so far have become. The two halves of E follow the same recursion, so they share a number. A stratum
//! multiplies all of them, and what a power costs decides the speed: with c^(hits/trials) computed once for each
//! alternative, a factor is one division and a few multiplications, without a logarithm or an exponential for each
//! margin. The loops go along the margins, and have no branch, so that the compiler makes vector instructions of them.

use serde::{Deserialize, Serialize};

/// How many alternatives there are. All weigh the same.
pub(super) const ALTERNATIVES: usize = 9;

/// How many margins are tested at once: the guardrail's own, then the ladder.
pub(super) const MARGINS: usize = 1 + LADDER.len();

/// A number for each margin.
pub(super) type Margins = [f64; MARGINS];

/// The ratios at which limits can stand besides the margin: quarter-octaves around 1, rounded, and octaves farther out.
pub(super) const LADDER: [f64; 27] = [
    0.015, 0.03, 0.06, 0.125, 0.25, 0.35, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8,
    3.4, 4.0, 5.7, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0,
];

/// How many times the odds of the margin an alternative is, with the natural logarithm of that, which takes longer to
/// compute than the rest of a row.
pub(super) type Alternative = (f64, f64);

/// What a factor and a term may be at most. Lowering them only lowers E, and no product of the two overflows.
const CAP: f64 = 1e150;

/// What each stratum adds to each term: it is a start too, if of next to no weight.
///
/// So no term vanishes, however long an outage of both arms lasts: what follows it is seen at once, not from the next
/// minute's start on. It also keeps terms out of the range of subnormal numbers, where arithmetic is slow. After a
/// billion strata the weights of all starts exceed 1 by 1e-10, and the probability of a false alarm α by as small a
/// part.
pub(super) const TRICKLE: f64 = 1e-20;

/// The terms of E for one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<[u64; MARGINS]>", try_from = "Vec<[u64; MARGINS]>")]
pub(super) struct Mixture {
    rows: Vec<Margins>,
}

/// The trials of a stratum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trials {
    pub(super) hits: u32,
    pub(super) misses: u32,
}

impl Trials {
    pub(super) fn swapped(self) -> Self {
        Self {
            hits: self.misses,
            misses: self.hits,
        }
    }
}

impl Mixture {
    /// Makes the terms before any stratum: `weight` is what the run's start has of E.
    pub(super) fn new(weight: f64) -> Self {
        Self {
            rows: vec![[each(weight); MARGINS]; ALTERNATIVES],
        }
    }

    /// Takes a stratum with at least one trial.
    ///
    /// `fresh` is the weight of the starts since the last one, and `chances` what a hit's chance is at most under each
    /// margin.
    pub(super) fn observe(
        &mut self,
        alternatives: &[Alternative; ALTERNATIVES],
        fresh: f64,
        chances: &Margins,
        trials: Trials,
    ) {
        let all = f64::from(trials.hits) + f64::from(trials.misses);
        let count = u64::from(trials.hits) + u64::from(trials.misses);
        let share = f64::from(trials.hits) / all;
        let fresh = each(fresh) + TRICKLE;
        for (row, (c, log)) in self.rows.iter_mut().zip(alternatives) {
            let lift = (share * log).exp();
            let factors = chances.map(|chance| lift / (1.0 + chance * (c - 1.0)));
            for (term, factor) in row.iter_mut().zip(power(factors, count)) {
                *term = capped((*term + fresh) * capped(factor));
            }
        }
    }

    /// Returns the sums of each margin's terms: E without the starts to come.
    pub(super) fn sums(&self) -> Margins {
        let mut sums = [0.0; MARGINS];
        for row in &self.rows {
            for (sum, term) in sums.iter_mut().zip(row) {
                *sum += term;
            }
        }
        sums
    }
}

/// Spreads a weight over the alternatives.
fn each(weight: f64) -> f64 {
    weight / 9.0
}

/// One instruction; `f64::min` would look for a NaN as well, and there is none.
fn capped(value: f64) -> f64 {
    if value < CAP { value } else { CAP }
}

/// Raises all to one power of at least 1, by squaring from its highest bit down.
///
/// Each only grows or only shrinks on the way, so none overflows before its end.
fn power(bases: Margins, exponent: u64) -> Margins {
    let mut powers = bases;
    for bit in (0..exponent.ilog2()).rev() {
        for power in &mut powers {
            *power *= *power;
        }
        if exponent >> bit & 1 == 1 {
            for (power, base) in powers.iter_mut().zip(&bases) {
                *power *= base;
            }
        }
    }
    powers
}

impl From<Mixture> for Vec<[u64; MARGINS]> {
    fn from(mixture: Mixture) -> Self {
        let rows = mixture.rows.into_iter();
        rows.map(|row| row.map(f64::to_bits)).collect()
    }
}

impl TryFrom<Vec<[u64; MARGINS]>> for Mixture {
    type Error = String;

    fn try_from(rows: Vec<[u64; MARGINS]>) -> Result<Self, String> {
        if rows.len() != ALTERNATIVES {
            return Err(format!(
                "expected {ALTERNATIVES} rows, found {}",
                rows.len()
            ));
        }
        let rows = rows.into_iter().map(|row| row.map(f64::from_bits));
        Ok(Self {
            rows: rows.collect(),
        })
    }
}
