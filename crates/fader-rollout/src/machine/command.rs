//! What people may ask of a run, and what they are answered.

use std::time::Duration;

use fader::Timestamp;
use serde::{Deserialize, Serialize};

use super::Tick;
use super::breach::{Cause, Handled};
use super::effect::Effect;
use super::instant;
use super::position::{Held, Part, Position};
use super::state::{Approval, Paused};

/// What somebody asks of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a record of the overlay")]
pub struct Command {
    /// Its number. Numbers rise; one that was answered is not obeyed again.
    pub id: u64,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was asked.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// What is asked.
    pub what: Wish,
}

/// What somebody may ask of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Wish {
    /// To start a plan that has no `start`.
    Start,
    /// To let a stage start that asks for it. It may be given early.
    Approve {
        /// Which one, counted from 1.
        stage: usize,
    },
    /// To take an approval back, while the stage has not started.
    Withdraw {
        /// Which one, counted from 1.
        stage: usize,
    },
    /// To stop it where it is.
    Pause,
    /// To let it go on. A guardrail that has paused it does not do so again in this run.
    Resume,
    /// To expose nobody any more.
    RollBack,
    /// To roll it back and serve nobody the flag's variants.
    Kill,
    /// To take a kill off. It stays rolled back.
    Unkill,
    /// To begin a new run, at 0 %.
    Reset,
    /// To go on by the plan as it is now, or from where somebody has lowered it.
    Accept,
}

impl Wish {
    /// Returns what is asked in one word, such as `roll-back`: what stands in an overlay's `do`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Approve { .. } => "approve",
            Self::Withdraw { .. } => "withdraw",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::RollBack => "roll-back",
            Self::Kill => "kill",
            Self::Unkill => "unkill",
            Self::Reset => "reset",
            Self::Accept => "accept",
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Answer {
    /// It was obeyed.
    Done,
    /// It was not, and why not.
    Refused(String),
}

/// How many answers are remembered.
const REMEMBERED: usize = 64;

const ROLLED_BACK: &str = "it is rolled back: reset it to begin anew";
const CHANGED: &str = "its plan has changed: accept the change, reset it or roll it back";

impl Tick<'_> {
    /// Answers each command that was not answered before.
    pub(super) fn obey(&mut self) {
        for command in self.seen.commands {
            let is_forgotten = self.state.forgotten >= Some(command.id);
            if is_forgotten || self.state.answer(command.id).is_some() {
                continue;
            }
            let answer = match self.carry_out(command) {
                Ok(()) => Answer::Done,
                Err(why) => Answer::Refused(why),
            };
            let answered = &mut self.state.answered;
            answered.push_back((command.id, answer.clone()));
            if answered.len() > REMEMBERED {
                let oldest = answered.pop_front().map(|(id, _)| id);
                self.state.forgotten = self.state.forgotten.max(oldest);
            }
            let id = command.id;
            self.effects.push(Effect::Answer { id, answer });
        }
    }

    fn carry_out(&mut self, command: &Command) -> Result<(), String> {
        let (by, reason) = (command.by.clone(), command.reason.clone());
        match command.what {
            Wish::Start => self.start()?,
            Wish::Approve { stage } => self.approve(stage, command)?,
            Wish::Withdraw { stage } => self.withdraw(stage)?,
            Wish::Pause => self.pause(command)?,
            Wish::Resume => self.resume()?,
            Wish::RollBack => self.roll_back(Cause::Operator { by, reason }),
            Wish::Kill => {
                self.state.killed = true;
                self.roll_back(Cause::Killed { by, reason });
            }
            Wish::Unkill if self.state.killed => self.state.killed = false,
            Wish::Unkill => return Err("it is not killed".to_owned()),
            Wish::Reset => self.reset()?,
            Wish::Accept if self.state.plan_changed || self.state.lowered.is_some() => {
                self.state.plan_changed = false;
                self.state.lowered = None;
            }
            Wish::Accept => return Err("there is no change to accept".to_owned()),
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        let plan = self.ramp.plan();
        match (self.state.position, plan.start) {
            (Position::Draft, _) => {
                self.enter(Position::Armed);
                Ok(())
            }
            (Position::Armed, Some(start)) => Err(format!("it starts by itself at {start}")),
            _ => Err(self.over().unwrap_or("it has started").to_owned()),
        }
    }

    /// Says that the run is over, if it is.
    fn over(&self) -> Option<&'static str> {
        match self.state.position {
            Position::Completed => Some("it is completed"),
            Position::RollingBack | Position::RolledBack => Some(ROLLED_BACK),
            _ => None,
        }
    }

    fn approve(&mut self, stage: usize, command: &Command) -> Result<(), String> {
        if let Some(over) = self.over() {
            return Err(over.to_owned());
        }
        let stages = self.ramp.plan().stages.len();
        let Some(index) = stage.checked_sub(1).filter(|index| *index < stages) else {
            return Err(format!("there is no stage {stage}: the plan has {stages}"));
        };
        let has_started = match self.state.position {
            Position::Stage { index: now, .. } => index <= now,
            Position::Warmup | Position::Shadow => index == 0,
            _ => false,
        };
        if self.state.plan_changed {
            Err(CHANGED.to_owned())
        } else if has_started {
            Err(format!("stage {stage} has started"))
        } else if !self.ramp.stage(index).is_some_and(|stage| stage.approve) {
            Err(format!("stage {stage} asks for no approval"))
        } else {
            let mut given = self.state.approvals.iter();
            if !given.any(|given| given.stage == stage) {
                let (by, at) = (command.by.clone(), command.at);
                self.state.approvals.push(Approval { stage, by, at });
            }
            Ok(())
        }
    }

    fn withdraw(&mut self, stage: usize) -> Result<(), String> {
        let now = self.state.stage_index();
        if now.is_some_and(|index| stage <= index.saturating_add(1)) {
            return Err(format!("stage {stage} has started"));
        }
        let given = self.state.approvals.len();
        self.state.approvals.retain(|given| given.stage != stage);
        if self.state.approvals.len() == given {
            return Err(format!("stage {stage} is not approved"));
        }
        Ok(())
    }

    fn pause(&mut self, command: &Command) -> Result<(), String> {
        if let Some(over) = self.over() {
            return Err(over.to_owned());
        }
        if self.state.paused.is_none() {
            self.state.paused = Some(Paused {
                by: command.by.clone(),
                reason: command.reason.clone(),
                at: command.at,
            });
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<(), String> {
        if self.state.paused.is_some() || self.state.lowered.is_some() {
            let breaches = self.state.handled.iter_mut();
            for handled in breaches.filter(|handled| **handled == Handled::Paused) {
                *handled = Handled::Waived;
            }
            self.state.paused = None;
            self.state.lowered = None;
            self.state.crashes = 0;
            return Ok(());
        }
        let why = match self.state.held() {
            Some(Held::PlanChanged) => CHANGED,
            Some(Held::AssignmentBroken) => "its assignment is broken: reset it or roll it back",
            Some(Held::Stalled) => "it goes on by itself once the service does",
            Some(Held::Restart) => {
                "it goes on by itself: a process ended uncleanly, or stood still"
            }
            Some(Held::LoweredByHand) | None => self.over().unwrap_or("it is not paused"),
        };
        Err(why.to_owned())
    }

    fn reset(&mut self) -> Result<(), String> {
        if self.state.killed {
            return Err("it is killed: take the kill off first".to_owned());
        }
        match self.state.position {
            Position::RollingBack => {
                Err("it is being rolled back: not every process has said so".to_owned())
            }
            Position::Draft => Err("it has not started".to_owned()),
            _ => {
                self.state.paused = None;
                self.state.lowered = None;
                self.begin_run();
                Ok(())
            }
        }
    }

    /// Enters a stage at its first part, or another position.
    pub(super) fn enter(&mut self, position: Position) {
        self.state.position = position;
        self.state.timer = Duration::ZERO;
    }

    /// Returns the part of a stage in which its time runs.
    pub(super) fn running(&self, index: usize) -> Part {
        if index >= self.ramp.last() {
            Part::Bake
        } else {
            Part::Observe
        }
    }
}
