//! What a run remembers of its units, so that a process that starts anew goes on where the one before it was.

use serde::{Deserialize, Serialize};

/// What a run remembers of its units: who is spent, who was checked for the assignment, how many were seen.
///
/// A [`Collector`](super::Collector) gives what a tick has added. All of it together, [kept](Self::add) in its order, is
/// what [`Collector::recall`](super::Collector::recall) wants after a restart. Units are hashes; a run remembers at most
/// 65,536 of them for each guardrail, and for the check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Memory {
    /// How many ticks were collected.
    pub(super) ticks: u32,
    /// Units that were bad once, by guardrail: those that compare arms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) spent: Vec<(u8, u64)>,
    /// Units that were bad in the present minute, by guardrail: those that ask the candidate alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) met: Vec<(u8, u64)>,
    /// Whether a minute has begun with this tick, so that nobody before it was met.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) forgave: bool,
    /// The guardrails that tell nothing any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) exhausted: Vec<u8>,
    /// Units that were checked for the assignment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) checked: Vec<u64>,
    /// Bits of the maps that count units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) seen: Vec<u32>,
}

impl Memory {
    /// Adds what a later tick has added.
    pub fn add(&mut self, news: &Self) {
        if news.forgave {
            self.met.clear();
        }
        self.ticks = news.ticks;
        self.spent.extend(&news.spent);
        self.met.extend(&news.met);
        self.checked.extend(&news.checked);
        self.seen.extend(&news.seen);
        self.exhausted.clone_from(&news.exhausted);
    }

    /// Returns what a moment adds in which nothing was counted.
    pub(crate) fn nothing_new(&self) -> Self {
        Self {
            ticks: self.ticks,
            exhausted: self.exhausted.clone(),
            ..Self::default()
        }
    }

    /// Begins a tick: what it adds is nothing yet.
    pub(super) fn begin(&mut self, ticks: u32) {
        self.ticks = ticks;
        self.forgave = false;
        self.spent.clear();
        self.met.clear();
        self.checked.clear();
        self.seen.clear();
    }
}
