//! How far a run is, and what stops it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a run is, whatever stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Position {
    /// It waits for somebody to start it.
    Draft,
    /// It waits for its time, and for what else its first stage asks for.
    Armed,
    /// The candidate gets the traffic of the first stage, which is not counted.
    Warmup,
    /// The candidate gets copies of requests, and nobody is exposed.
    Shadow,
    /// In a stage.
    Stage {
        /// Which one, counted from 0.
        index: usize,
        /// How far in it.
        part: Part,
    },
    /// All stages are done.
    Completed,
    /// Nobody is to be exposed any more, and not every process has said so.
    RollingBack,
    /// Nobody is exposed until somebody resets it.
    RolledBack,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Part {
    /// Not every process serves it yet.
    Settle,
    /// Its time runs.
    Observe,
    /// Its time is over, and something keeps the gate shut.
    Gate,
    /// It is the last one: its time runs, or something keeps it from being completed.
    Bake,
}

/// A run in one word, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// It waits for somebody to start it.
    Draft,
    /// It waits for its time, for an approval, or for what else its first stage asks for.
    Armed,
    /// The candidate gets traffic that is not counted.
    Warmup,
    /// The candidate gets copies of requests.
    Shadow,
    /// A stage begins: not every process serves it yet.
    Settle,
    /// The time of a stage runs.
    Observe,
    /// The time of a stage is over, and its gate is shut.
    Gate,
    /// The last stage.
    Bake,
    /// All stages are done.
    Completed,
    /// Somebody, or a guardrail, has stopped it where it is.
    Paused,
    /// It has stopped itself where it is, see [`Held`].
    Held,
    /// It goes on, and its exposure is not raised during a freeze.
    Frozen,
    /// Nobody is to be exposed any more, and not every process has said so.
    RollingBack,
    /// Nobody is exposed until somebody resets it.
    RolledBack,
}

impl Phase {
    /// Returns the phase's name, such as `rolled-back`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Armed => "armed",
            Self::Warmup => "warmup",
            Self::Shadow => "shadow",
            Self::Settle => "settle",
            Self::Observe => "observe",
            Self::Gate => "gate",
            Self::Bake => "bake",
            Self::Completed => "completed",
            Self::Paused => "paused",
            Self::Held => "held",
            Self::Frozen => "frozen",
            Self::RollingBack => "rolling-back",
            Self::RolledBack => "rolled-back",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a run has stopped itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Held {
    /// The arms get other units than the share says: nothing that was counted can be trusted. It is reset or rolled
    /// back.
    AssignmentBroken,
    /// Stages or guardrails were edited. It waits until the change is accepted.
    PlanChanged,
    /// Somebody has lowered the exposure by hand. It stays there until it is resumed.
    LoweredByHand,
    /// The service stands still while requests of the candidate run. It goes on by itself a while after the service does.
    Stalled,
    /// The process ended uncleanly, or stood still. It goes on by itself after a while.
    Restart,
}

/// Says what has happened, and what helps.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AssignmentBroken => {
                "the arms get other units than the share says; find out why, then reset it or roll it back"
            }
            Self::PlanChanged => "its plan has changed; accept the change, reset it or roll it back",
            Self::LoweredByHand => "somebody has lowered it by hand; resume it, or roll it back",
            Self::Stalled => {
                "the service stands still, with requests of the candidate; it goes on by itself a while after the service does"
            }
            Self::Restart => {
                "the process ended uncleanly, or stood still; it goes on by itself after a while"
            }
        })
    }
}
