//! What is counted of a run in one tick.

use std::time::Duration;

use fader::Percent;
use serde::{Deserialize, Serialize};

use crate::guardrail::Arms;

/// What one process counted of one run in one tick, usually a second.
///
/// Everything that is judged comes in this form: from the requests of a service, from a journal, from a simulation.
/// Counts of requests add up. Counts of units do so only where no unit is in two of them: what several processes see of
/// the same units has to be put together before it is counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// What the guardrails are judged by.
    pub strata: Vec<Stratum>,
    /// Requests that ended in the tick, by arm.
    pub requests: Arms,
    /// Units that the run has seen so far, by arm: about right.
    pub units: Arms,
    /// First exposures of the sampled units, to check the assignment.
    pub exposures: Vec<Exposures>,
    /// By guardrail: whether too many units are spent for it to tell anything any more.
    pub exhausted: Vec<bool>,
    /// By guardrail: the stable arm's quantile so far, for those of latency, once it stands on enough successes.
    pub quantiles: Vec<Option<Duration>>,
}

/// What happened in one tick under one share, as one guardrail sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "the terms of one formula")]
pub struct Stratum {
    /// The guardrail's place in the plan.
    pub guardrail: usize,
    /// The share under which its requests were drawn, in millionths of a percent.
    #[serde(with = "micros")]
    pub share: Percent,
    /// By unit: units at their first bad event of the run. By request: bad requests.
    pub bad: Arms,
    /// All requests among which these were.
    pub of: Arms,
}

/// First exposures of units that are sampled by a hash of their own, under one share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "the terms of one formula")]
pub struct Exposures {
    /// The share under which they were drawn, in millionths of a percent.
    #[serde(with = "micros")]
    pub share: Percent,
    /// How many were enrolled.
    pub enrolled: u32,
    /// How many there were.
    pub all: u32,
}

pub(crate) mod micros {
    use fader::Percent;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde calls"
    )]
    pub(crate) fn serialize<S: Serializer>(
        share: &Percent,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(share.micros())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Percent, D::Error> {
        let micros = u32::deserialize(deserializer)?;
        Percent::from_micros(micros).ok_or_else(|| D::Error::custom("a share is at most 100 %"))
    }
}
