//! What a ramp does next: a function of where it is and of what is seen.
//!
//! ```text
//! Draft → Armed → [Warmup] → [Shadow] → stage 1 { Settle → Observe → Gate } → … → last stage { Settle → Bake } → Completed
//! any   → Paused | Held | Frozen | RollingBack → RolledBack
//! ```
//!
//! [`step`] takes a [`State`], what is observed and what time it is, and gives the next state and what is to be done.
//! It reads no clock and does nothing by itself. A state can be written down after each step, and goes on from there.
//!
//! - A gate opens when nothing is [waited](Wait) for. It is the only way by which exposure rises; each step raises it at
//!   most to that of the next stage, but for what is folded.
//! - Lowering needs no gate and no permission, and nothing that stops a run stops its guardrails.
//! - A run that is rolled back exposes nobody until somebody [resets](Wish::Reset) it.
//! - The time of a stage runs while every process serves it, by the monotonic clock, and stands still while the run is
//!   paused or held. Frozen, it runs. After an outage the time that has gone by counts: up to the end of the stage that
//!   it was in, and beyond that only in a plan without guardrails, up to the next stage that asks for an approval or
//!   can't be taken back.
//! - From a stage that can't be taken back on, the machine lowers nothing by itself: it pauses, and calls for a person.
//! - Warm-up is not judged: it exposes as many as the first stage, for the time that it states.
//! - The guardrails of a run end with it. What is completed is exposed to all and not judged any more.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use fader::Timestamp;
//! use fader::plan::{Plan, Reached, Stage};
//! use fader_rollout::judge::BudgetPart;
//! use fader_rollout::machine::{Now, Observation, Phase, Ramp, State, step};
//!
//! let hour = Duration::from_secs(3600);
//! let mut plan = Plan::new(vec![Stage::new(Reached::Percent("5".parse()?), hour)]);
//! plan.start = Timestamp::parse("2026-12-01T09:00:00Z");
//! let ramp = Ramp::new(Arc::new(plan), &[], BudgetPart::OneProcess)?;
//!
//! let now = Now { wall: Timestamp::parse("2026-12-01T09:00:00Z").unwrap(), since_last: None };
//! let (state, effects) = step(&ramp, State::new(&ramp), &Observation::new(), now);
//! assert_eq!(state.phase(), Phase::Settle);
//! assert_eq!(state.exposure().percent, "5".parse()?);
//! assert!(!effects.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

mod breach;
mod command;
mod edit;
mod effect;
mod exposure;
mod gate;
pub(crate) mod instant;
mod position;
mod progress;
mod ramp;
mod state;
#[cfg(test)]
mod tests;
mod windows;

pub use breach::{Cause, Evidence, Response};
pub use command::{Answer, Command, Wish};
pub use effect::{Effect, Notice, Now, Observation};
pub use exposure::Exposure;
pub use gate::{Arm, Wait};
pub use position::{Held, Part, Phase, Position};
pub use ramp::{DEFAULT_MAX_CRASHES, DEFAULT_RESTART_HOLD, InvalidRamp, Ramp};
pub use state::{Approval, Frozen, Paused, State};
pub use windows::Windows;

/// Who pauses where no person does.
pub(crate) const MACHINE: &str = "fader";

/// Takes a run one step on: returns its next state and what is to be done, in this order.
///
/// The same state, observation and time give the same answer, on every machine. A step in which nothing happens
/// allocates nothing.
#[must_use = "the state that it returns is the run's"]
pub fn step(
    ramp: &Ramp,
    state: State,
    observation: &Observation<'_>,
    now: Now,
) -> (State, Vec<Effect>) {
    let before = Before {
        phase: state.phase(),
        stage: state.stage(),
        held: state.held(),
        exposure: state.exposure,
    };
    let mut tick = Tick {
        ramp,
        seen: observation,
        now,
        state,
        effects: Vec::new(),
        folded: false,
        recounted: false,
        stays: false,
        overruled: false,
    };
    let carry = tick.pass_time();
    tick.obey();
    tick.notice_edit();
    tick.notice_overlay(before.exposure);
    tick.notice_freeze();
    tick.judge();
    tick.go_on(carry);
    tick.tell_changes(&before);
    (tick.state, tick.effects)
}

/// A step on its way.
struct Tick<'a> {
    ramp: &'a Ramp,
    seen: &'a Observation<'a>,
    now: Now,
    state: State,
    effects: Vec<Effect>,
    /// Whether stages are passed through after an outage.
    folded: bool,
    /// Whether what was counted so far is of no use any more.
    recounted: bool,
    /// Whether the run goes no further in this step.
    stays: bool,
    /// Whether the overlay says more than it may.
    overruled: bool,
}

/// What a step has begun with.
struct Before {
    phase: Phase,
    stage: Option<usize>,
    held: Option<Held>,
    exposure: Exposure,
}

/// Returns how long after an earlier instant one is; nothing if it is not.
fn between(earlier: fader::Timestamp, later: fader::Timestamp) -> Duration {
    let nanos = later.as_nanos().saturating_sub(earlier.as_nanos()).max(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
