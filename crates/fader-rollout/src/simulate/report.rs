//! What came of all runs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::run::Fate;

/// What came of all runs of a simulation. As JSON it is what `fader rollout simulate` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// How many runs there were.
    pub runs: u32,
    /// How many of them were rolled back.
    pub rolled_back: u32,
    /// How many of them each guardrail has rolled back.
    pub by_guardrail: BTreeMap<String, u32>,
    /// Seconds from the ramp's start to the roll-back, over runs that were rolled back.
    pub seconds: Option<Quantiles>,
    /// Requests that were enrolled until the roll-back, over the same runs.
    pub candidate_requests: Option<Quantiles>,
    /// How many runs were in each phase at the end.
    pub phases: BTreeMap<String, u32>,
}

/// The values that half and nine tenths of some runs do not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quantiles {
    /// The median.
    pub p50: u64,
    /// Exceeded by one in ten.
    pub p90: u64,
}

impl Report {
    pub(super) fn of(fates: &[Fate]) -> Self {
        let mut report = Self {
            runs: u32::try_from(fates.len()).unwrap_or(u32::MAX),
            ..Self::default()
        };
        for fate in fates {
            *report.phases.entry(fate.phase.clone()).or_default() += 1;
            if let Some(guardrail) = &fate.rolled_back_by {
                report.rolled_back += 1;
                *report.by_guardrail.entry(guardrail.clone()).or_default() += 1;
            }
        }
        let rolled_back = || fates.iter().filter(|fate| fate.rolled_back_by.is_some());
        report.seconds = Quantiles::of(rolled_back().map(|fate| fate.seconds.into()).collect());
        report.candidate_requests =
            Quantiles::of(rolled_back().map(|fate| fate.candidate_requests).collect());
        report
    }
}

impl Quantiles {
    /// Takes the nearest ranks; none of nothing.
    fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let rank = |tenths: usize| {
            let rank = (values.len() * tenths).div_ceil(10);
            values.get(rank.saturating_sub(1)).copied()
        };
        Some(Self {
            p50: rank(5)?,
            p90: rank(9)?,
        })
    }
}
