//! What a trial costs under a share: logarithms that stay the same while the share does.

use std::f64::consts::SQRT_2;

use super::ladder::{Grid, POINTS};
use super::mixture::{ALTERNATIVES, Alternative, BETTER, Nine, WORSE};

/// The logarithms of a share and a margin.
///
/// They follow from the two, so that they are no part of a test's state: they are not serialised, and do not count when
/// tests are compared.
#[derive(Clone, Debug)]
pub(super) struct Logs {
    /// 0 before the first.
    share: f64,
    pub(super) worse: Nine,
    pub(super) better: Nine,
    pub(super) grid: Grid,
}

/// The four steps of an octave.
const STEPS: [f64; 4] = [1.0, 1.189_207_115_002_721, SQRT_2, 1.681_792_830_507_429];

impl Logs {
    /// Goes over to a share between 0 and 1. The margin is always the same.
    pub(super) fn follow(&mut self, share: f64, margin: f64) {
        if share.total_cmp(&self.share).is_eq() {
            return;
        }
        let (raised, others) = (share * margin, 1.0 - share);
        self.share = share;
        self.worse = costs(&WORSE, raised / (others + raised));
        self.better = costs(&BETTER, others / (others + raised));
        let mut octave = 1.0 / 1024.0;
        for quarters in self.grid.chunks_mut(STEPS.len()) {
            for (cost, step) in quarters.iter_mut().zip(STEPS) {
                *cost = (others + share * octave * step).ln();
            }
            octave *= 2.0;
        }
    }
}

/// Returns ln(1 − p + p·c) for each alternative c, where a hit's chance is p.
pub(super) fn costs(alternatives: &[Alternative; ALTERNATIVES], chance: f64) -> Nine {
    alternatives.map(|(times, _)| (1.0 + chance * (times - 1.0)).ln())
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            share: 0.0,
            worse: [0.0; ALTERNATIVES],
            better: [0.0; ALTERNATIVES],
            grid: [0.0; POINTS],
        }
    }
}

impl PartialEq for Logs {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
