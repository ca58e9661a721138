//! Where a run is: everything that a step needs of the steps before it.

use std::collections::VecDeque;
use std::time::Duration;

use fader::Timestamp;
use fader::plan::Plan;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::breach::{Evidence, Handled};
use super::command::Answer;
use super::exposure::Exposure;
use super::gate::Wait;
use super::instant;
use super::position::{Held, Part, Phase, Position};
use super::ramp::Ramp;
use crate::judge::{Finding, Judge, Totals};

/// The state of a run. It can be serialised after every step, and goes on from there as though it had never stopped.
///
/// A state that another version has written in a form that is not known here is refused when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct State {
    #[serde(rename = "format")]
    pub(super) format: Format,
    /// Counts from 1 on.
    pub(super) run: u64,
    pub(super) position: Position,
    /// What the overlay was told last.
    pub(super) exposure: Exposure,
    pub(super) killed: bool,
    pub(super) paused: Option<Paused>,
    pub(super) plan_changed: bool,
    /// What somebody has lowered it to by hand.
    pub(super) lowered: Option<Exposure>,
    /// Whether the service stands still.
    #[serde(default)]
    pub(super) stalled: bool,
    /// What is left of standing still after an unclean end or a stall.
    pub(super) restart: Duration,
    pub(super) frozen: Option<Frozen>,
    /// When the last step was, by the wall clock.
    #[serde(with = "instant::optional")]
    pub(super) wall: Option<Timestamp>,
    /// How long the present position has lasted, or the stage has baked.
    pub(super) timer: Duration,
    /// How long ago the first stage began.
    pub(super) elapsed: Duration,
    /// Whether this run has exposed anybody.
    pub(super) exposed: bool,
    pub(super) approvals: Vec<Approval>,
    pub(super) judge: Judge,
    /// By guardrail: what came of its breach.
    pub(super) handled: Vec<Handled>,
    /// Requests in the present stage.
    pub(super) requests: Totals,
    /// Units in the run.
    pub(super) units: Totals,
    /// Unclean ends in the present stage.
    pub(super) crashes: u32,
    pub(super) evidence: Option<Evidence>,
    pub(super) waits: Vec<Wait>,
    /// Which waits were told, as one number; 0 for none.
    pub(super) told: u64,
    pub(super) answered: VecDeque<(u64, Answer)>,
    /// Commands up to this one were answered, and their answers forgotten.
    pub(super) forgotten: Option<u64>,
    pub(super) assignment: u64,
    pub(super) terms: u64,
    pub(super) judged: String,
}

/// Who has stopped a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Paused {
    /// Who: a person, or `fader` for a guardrail.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "instant")]
    pub at: Timestamp,
}

/// A freeze that a run is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Frozen {
    /// The first instant after it.
    #[serde(with = "instant")]
    pub until: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

/// Who has approved a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Approval {
    /// The stage, counted from 1.
    pub stage: usize,
    /// Who.
    pub by: String,
    /// When.
    #[serde(with = "instant")]
    pub at: Timestamp,
}

impl State {
    /// Makes the state of a plan that has not run yet.
    pub fn new(ramp: &Ramp) -> Self {
        let plan = ramp.plan();
        Self {
            format: Format,
            run: 1,
            position: Position::Draft,
            exposure: Exposure::NOBODY,
            killed: false,
            paused: None,
            plan_changed: false,
            lowered: None,
            stalled: false,
            restart: Duration::ZERO,
            frozen: None,
            wall: None,
            timer: Duration::ZERO,
            elapsed: Duration::ZERO,
            exposed: false,
            approvals: Vec::new(),
            judge: ramp.fresh().clone(),
            handled: vec![Handled::Open; plan.guardrails.len()],
            requests: Totals::default(),
            units: Totals::default(),
            crashes: 0,
            evidence: None,
            waits: Vec::new(),
            told: 0,
            answered: VecDeque::new(),
            forgotten: None,
            assignment: plan.assignment,
            terms: plan.terms,
            judged: ramp.judged().to_owned(),
        }
    }

    /// Makes the state of a plan of which it is known that it has run, and no more: its state is lost. It is paused, and
    /// exposes nobody until a person resumes or resets it.
    pub fn lost(ramp: &Ramp, now: Timestamp, reason: &str) -> Self {
        let paused = Paused {
            by: super::MACHINE.to_owned(),
            reason: reason.to_owned(),
            at: now,
        };
        Self {
            paused: Some(paused),
            ..Self::new(ramp)
        }
    }

    /// Pauses it, unless it is over: of what it stands on something is not known.
    pub fn pause_for(&mut self, reason: &str, now: Timestamp) {
        let is_over = matches!(
            self.position,
            Position::Completed | Position::RollingBack | Position::RolledBack
        );
        if !is_over && self.paused.is_none() {
            self.paused = Some(Paused {
                by: super::MACHINE.to_owned(),
                reason: reason.to_owned(),
                at: now,
            });
        }
    }

    /// Takes up what the overlay of the machine says, which differs where a process died between writing both: nobody is
    /// exposed whom either leaves out, and what is to be raised passes its gate again. An overlay that is newer and says
    /// less, or that this run was rolled back, is of when the state could not be kept: then it is paused too.
    pub(crate) fn take_up(
        &mut self,
        told: Exposure,
        rolled_back: Option<u64>,
        at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let lower = Exposure {
            killed: self.exposure.killed,
            ..self.exposure.meet(told)
        };
        // Clocks go back; runs do not.
        let is_newer = self.wall.is_some() && at > self.wall;
        let is_back = rolled_back.is_some_and(|run| run >= self.run);
        if is_back || (is_newer && lower != self.exposure) {
            let reason =
                "the overlay is newer than its state, and lower: what was decided last is lost";
            self.pause_for(reason, now);
        }
        self.exposure = lower;
    }

    /// Forgets that the service stood still, as the process has ended in order with it: for want of traffic, it seems.
    pub(crate) fn forget_stall(&mut self) {
        self.stalled = false;
    }

    /// Tells whether the service stood still when last it was looked at.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Returns the highest number of a command that it knows of.
    pub(crate) fn last_command(&self) -> Option<u64> {
        let answered = self.answered.iter().map(|(id, _)| *id);
        answered.chain(self.forgotten).max()
    }

    /// Tells whether a command was answered so long ago that its answer is forgotten.
    pub(crate) fn has_forgotten(&self, command: u64) -> bool {
        self.forgotten >= Some(command) && self.answer(command).is_none()
    }

    /// Returns the run in one word: what stops it comes before how far it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.position {
            Position::Completed => Phase::Completed,
            Position::RollingBack => Phase::RollingBack,
            Position::RolledBack => Phase::RolledBack,
            _ if self.paused.is_some() => Phase::Paused,
            _ if self.held().is_some() => Phase::Held,
            Position::Draft => Phase::Draft,
            _ if self.frozen.is_some() => Phase::Frozen,
            Position::Armed => Phase::Armed,
            Position::Warmup => Phase::Warmup,
            Position::Shadow => Phase::Shadow,
            Position::Stage { part, .. } => match part {
                Part::Settle => Phase::Settle,
                Part::Observe => Phase::Observe,
                Part::Gate => Phase::Gate,
                Part::Bake => Phase::Bake,
            },
        }
    }

    /// Returns how far the run is, whatever stops it.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the stage that it is in, counted from 1.
    #[must_use]
    pub fn stage(&self) -> Option<usize> {
        self.stage_index().map(|index| index.saturating_add(1))
    }

    /// Returns whom the ramp enrols.
    #[must_use]
    pub fn exposure(&self) -> Exposure {
        self.exposure
    }

    /// Returns the number of the run, from 1 on: each reset, and each edit of who is enrolled, begins a new one.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Returns how long ago the first stage of the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns how long the stage has baked, or the warm-up or the shadow has lasted.
    #[must_use]
    pub fn baked(&self) -> Duration {
        self.timer
    }

    /// Returns who has paused it, if it is paused.
    #[must_use]
    pub fn paused(&self) -> Option<&Paused> {
        self.paused.as_ref()
    }

    /// Returns why it has stopped itself, if it has: of several reasons the gravest.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        if self.judge.is_assignment_broken() {
            Some(Held::AssignmentBroken)
        } else if self.plan_changed {
            Some(Held::PlanChanged)
        } else if self.lowered.is_some() {
            Some(Held::LoweredByHand)
        } else if self.stalled {
            Some(Held::Stalled)
        } else if self.restart > Duration::ZERO {
            Some(Held::Restart)
        } else {
            None
        }
    }

    /// Returns for how much longer it is held after an unclean end or a stall; none while the service stands still, and where
    /// nothing of it is left.
    #[must_use]
    pub fn restart(&self) -> Option<Duration> {
        (self.restart > Duration::ZERO && !self.stalled).then_some(self.restart)
    }

    /// Returns the freeze that it is in.
    #[must_use]
    pub fn frozen(&self) -> Option<&Frozen> {
        self.frozen.as_ref()
    }

    /// Returns all that keeps it from its next step, as the last step has found it. Empty where there is no next step.
    #[must_use]
    pub fn waits(&self) -> &[Wait] {
        &self.waits
    }

    /// Returns the approvals that were given in this run.
    #[must_use]
    pub fn approvals(&self) -> &[Approval] {
        &self.approvals
    }

    /// Returns why it was rolled back.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// Returns what was answered to a command, while that is remembered: of the last 64.
    #[must_use]
    pub fn answer(&self, command: u64) -> Option<&Answer> {
        let mut answered = self.answered.iter();
        answered.find_map(|(id, answer)| (*id == command).then_some(answer))
    }

    /// Returns what all guardrails of the run say.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Returns what there is to say of each guardrail, in the plan's order.
    pub fn findings<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = Finding> + 'a {
        let guardrails = 0..plan.guardrails.len();
        guardrails.filter_map(|guardrail| self.judge.finding(plan, guardrail))
    }

    /// Returns the requests of the present stage, by arm.
    #[must_use]
    pub fn requests(&self) -> Totals {
        self.requests
    }

    /// Returns the units of the run, by arm: about right.
    #[must_use]
    pub fn units(&self) -> Totals {
        self.units
    }

    /// Tells whether it is its group's turn that it has: from its first exposure on until it is completed or rolled
    /// back.
    #[must_use]
    pub fn has_turn(&self) -> bool {
        self.exposed && !matches!(self.position, Position::Completed | Position::RolledBack)
    }

    /// Tells whether its time stands still: paused or held.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.paused.is_some() || self.held().is_some()
    }

    pub(super) fn stage_index(&self) -> Option<usize> {
        match self.position {
            Position::Stage { index, .. } => Some(index),
            _ => None,
        }
    }
}

/// The form in which a state is written. Others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format;

const FORMAT: u32 = 1;

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(FORMAT)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = u32::deserialize(deserializer)?;
        if found == FORMAT {
            return Ok(Self);
        }
        let known = format_args!("a state of format {found}, where {FORMAT} is known");
        Err(D::Error::custom(known))
    }
}
