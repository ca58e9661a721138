//! What a run comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{Built, Work};
use crate::swap::Swapped;

/// A whole run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    pub machine: Machine,
    pub rounds: usize,
    /// Nanoseconds that a runtime adds to a future that is ready at once.
    pub block_on: f64,
    pub engines: Vec<Engine>,
}

/// Where and with what it was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub system: String,
    pub rustc: String,
    /// How many processes wanted to run in the minute before.
    pub load: String,
    /// The day, as 2026-12-31.
    pub date: String,
}

/// An engine in one way of asking it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Engine {
    pub name: String,
    pub package: String,
    pub version: String,
    pub call: String,
    pub patterns: bool,
    /// Evaluations, by what was asked; works that the engine can't do are left out.
    pub works: BTreeMap<Work, Evaluation>,
    pub built: Built,
    /// Nanoseconds to copy a user, where each call wants one of its own.
    pub copy: Option<f64>,
    pub swap: Option<Swap>,
}

/// Medians over the rounds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    pub nanos: f64,
    pub allocations: f64,
    pub bytes: f64,
}

/// Medians over the rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Swap {
    pub how: String,
    pub figures: Swapped,
}

/// Returns the middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}
