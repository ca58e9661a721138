//! What goes into a step and what comes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fader::{Json, Timestamp};
use serde::Serialize;

use super::breach::{Evidence, Response};
use super::command::{Answer, Command};
use super::exposure::Exposure;
use super::gate::Wait;
use super::position::{Held, Phase};
use super::state::Frozen;
use crate::counts::Counts;
use crate::judge::Finding;

/// What time it is, by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two clocks")]
pub struct Now {
    /// By the wall clock, which decides `start`, windows and freezes.
    pub wall: Timestamp,
    /// How long ago the last step was by the monotonic clock. None at the first step of a process: then the wall clock
    /// tells how long nobody looked, nothing where it went back.
    pub since_last: Option<Duration>,
}

/// What is true at a step.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Observation<'a> {
    /// What was counted since the last step, process by process. Default: nothing.
    pub counts: &'a [Counts],
    /// By guardrail: what its gauge shows. Default: nothing.
    pub gauges: &'a [Option<f64>],
    /// Whether the source of the counts works. Default: yes.
    pub source_works: bool,
    /// Whether every process serves what the last [`Effect::Expose`] has said. Default: yes.
    pub serving: bool,
    /// Whom the live overlay exposes, once all that was told is in it; none while a write is on its way. Default: none.
    pub found: Option<Exposure>,
    /// What people want of this plan. Those that were answered before may stand there still. Default: nothing.
    pub commands: &'a [Command],
    /// The flags whose plans are completed. Default: none.
    pub completed: &'a BTreeSet<String>,
    /// What the service reports of itself, by name. Default: nothing.
    pub facts: &'a BTreeMap<String, Json>,
    /// Whether the plan's group lets it move: no other one has the [turn](super::State::has_turn). Default: yes.
    pub turn: bool,
    /// Whether all probes are green. Default: yes.
    pub probes_green: bool,
    /// For how long the stable arm has served nobody. Default: not at all.
    pub stable_idle: Duration,
    /// Who has killed the flag in the live overlay, and why. Default: not known.
    pub killed_by: Option<(&'a str, &'a str)>,
    /// Whether what is decided can be kept. Default: yes.
    pub storage_works: bool,
    /// Whether the process before this one ended uncleanly; true in one step only. Default: no.
    pub unclean_end: bool,
    /// Whether the service stands still: requests of the candidate run, and none begins or ends any more. Default: no.
    pub stalled: bool,
}

impl Observation<'_> {
    /// Makes an observation of nothing, where all is well.
    #[must_use]
    pub fn new() -> Self {
        static COMPLETED: BTreeSet<String> = BTreeSet::new();
        static FACTS: BTreeMap<String, Json> = BTreeMap::new();
        Self {
            counts: &[],
            gauges: &[],
            source_works: true,
            serving: true,
            found: None,
            commands: &[],
            completed: &COMPLETED,
            facts: &FACTS,
            turn: true,
            probes_green: true,
            stable_idle: Duration::ZERO,
            killed_by: None,
            storage_works: true,
            unclean_end: false,
            stalled: false,
        }
    }
}

impl Default for Observation<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// What is to be done after a step, in this order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// The overlay is to say this. Only where it says something else; where that takes anybody back, it comes first.
    Expose(Exposure),
    /// What was counted is to be forgotten, and counting to begin anew by the plan as it is now.
    Recount,
    /// By guardrail: from which duration on a success is slow, in the candidate and in the stable arm.
    Limits(Vec<Option<(Duration, Duration)>>),
    /// Something that people may want to know.
    Tell(Notice),
    /// The answer to a command: one for each.
    Answer {
        /// The command's number.
        id: u64,
        /// What came of it.
        answer: Answer,
    },
}

/// Something that people may want to know.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// It is in another phase or in another stage.
    Phase {
        /// The phase before.
        from: Phase,
        /// The phase now.
        to: Phase,
        /// The stage now, counted from 1.
        stage: Option<usize>,
    },
    /// Its time is over, and something keeps the gate shut: told once while it is the same.
    Waits(Vec<Wait>),
    /// A guardrail is regressed: told once in a run.
    Breach {
        /// What there is to say of it.
        finding: Finding,
        /// What comes of it.
        response: Response,
    },
    /// There were unclean ends or stalls, in a stage that can't be taken back: it is paused and needs a person.
    CrashLoop {
        /// How many there were.
        crashes: u32,
    },
    /// It has stopped itself.
    Held(Held),
    /// A freeze has begun.
    FreezeBegan(Frozen),
    /// The freeze is over.
    FreezeEnded,
    /// A new run begins at 0 %.
    NewRun {
        /// Its number.
        run: u64,
    },
    /// It is being rolled back.
    RolledBack(Box<Evidence>),
    /// Somebody has raised the exposure by hand, which is taken back.
    RaisedByHand(Exposure),
}
