//! The likelihood on a ladder of ratios, from which the limits come.
//!
//! What the sums mean, and why a straight line between two of them is sound, is said in the [module](super) above.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::bits;
use super::mixture::{ALTERNATIVES, Alternative, BETTER, FROM_THE_START, WEIGHT, WORSE};

/// The place of the highest ratio: there are quarter-octaves from 2^−10 to 2^10.
const LAST: u8 = 80;

/// How many ratios there are.
pub(super) const POINTS: usize = LAST as usize + 1;

/// A number for each ratio.
pub(super) type Grid = [f64; POINTS];

/// The place of ratio 1.
const MIDDLE: f64 = 40.0;

/// The logarithm of a step.
const STEP: f64 = LN_2 / 4.0;

/// The second sum of ℓ, without its sign. The first is the hits' times ln g.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ladder {
    #[serde(with = "bits::many")]
    costs: Grid,
}

impl Ladder {
    pub(super) fn new() -> Self {
        Self {
            costs: [0.0; POINTS],
        }
    }

    /// Takes a stratum with the logarithms of its share.
    pub(super) fn take(&mut self, costs: &Grid, trials: f64) {
        for (sum, cost) in self.costs.iter_mut().zip(costs) {
            *sum += trials * cost;
        }
    }

    /// Returns ℓ.
    pub(super) fn likelihood(&self, hits: f64) -> Grid {
        let mut likelihood = self.costs;
        for (at, place) in likelihood.iter_mut().zip(0_u8..) {
            *at = hits * STEP * (f64::from(place) - MIDDLE) - *at;
        }
        likelihood
    }

    /// Returns the highest ratio that is excluded from below at a bound of E, or 0.
    pub(super) fn excluded_below(&self, hits: f64, bound: f64, to_come: f64) -> f64 {
        let place = excluded(&self.likelihood(hits), &WORSE, bound, to_come);
        place.map_or(0.0, |place| ((place - MIDDLE) / 4.0).exp2())
    }

    /// Returns the lowest ratio that is excluded from above at a bound of E, or infinity.
    pub(super) fn excluded_above(&self, hits: f64, bound: f64, to_come: f64) -> f64 {
        // From the other side, what is better is farther up.
        let mut mirrored = self.likelihood(hits);
        mirrored.reverse();
        let place = excluded(&mirrored, &BETTER, bound, to_come);
        place.map_or(f64::INFINITY, |place| ((MIDDLE - place) / 4.0).exp2())
    }
}

/// Returns the highest place whose E is at least a bound, where late starts so far count as nothing.
fn excluded(
    likelihood: &Grid,
    alternatives: &[Alternative; ALTERNATIVES],
    bound: f64,
    to_come: f64,
) -> Option<f64> {
    let evidence = |place: f64| {
        let own = at(likelihood, place).unwrap_or_default();
        // Alternatives beyond the grid count as nothing.
        let theirs = alternatives
            .iter()
            .filter_map(|(_, log)| at(likelihood, place + log / STEP));
        let sum: f64 = theirs.map(|its| (its - own).exp()).sum();
        FROM_THE_START * WEIGHT * sum + (1.0 - FROM_THE_START) * to_come
    };
    let mut from_above = (0..LAST).rev().map(f64::from);
    from_above.find(|&place| evidence(place) >= bound)
}

/// Returns the number at a place, or on the line between its neighbours; none beyond the grid.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place is at least 0 and far below any bound"
)]
fn at(likelihood: &Grid, place: f64) -> Option<f64> {
    let below = likelihood.get(place.floor() as usize)?;
    let above = likelihood.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}
