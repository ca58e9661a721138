//! What keeps a run from its next step.
//!
//! The list of reasons and the decision are one thing: a gate opens when its list is empty.

use std::fmt;
use std::time::Duration;

use fader::plan::{FactTest, OnBreach, Requirement};
use fader::{Json, Timestamp};
use serde::{Deserialize, Serialize};

use super::Tick;
use super::breach::Handled;
use super::exposure::Exposure;
use super::instant;
use super::position::{Part, Position};
use crate::guardrail::Verdict;
use crate::judge::{Exposed, by_request};

/// What keeps a run from its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Wait {
    /// It is paused or held.
    Stopped,
    /// Somebody has to start it.
    Operator,
    /// It is not time yet.
    Start {
        /// When it is.
        #[serde(with = "instant")]
        at: Timestamp,
    },
    /// A stage has to be approved before it starts.
    Approval {
        /// Which one, counted from 1.
        stage: usize,
    },
    /// Not every process serves the present exposure.
    Serving,
    /// The warm-up, the shadow or the stage takes longer.
    Time {
        /// How much longer.
        left: Duration,
    },
    /// An arm has seen too few units in the run.
    Units {
        /// Which arm.
        arm: Arm,
        /// How many it has seen.
        seen: u64,
        /// How many it has to see.
        wanted: u64,
    },
    /// An arm has seen too few requests in the stage.
    Requests {
        /// Which arm.
        arm: Arm,
        /// How many it has seen.
        seen: u64,
        /// How many it has to see.
        wanted: u64,
    },
    /// A guardrail says that the candidate is worse, has no data, or has not shown that it is safe.
    Guardrail {
        /// Its place in the plan, counted from 0.
        guardrail: usize,
        /// What it says.
        verdict: Verdict,
    },
    /// The source of the counts fails.
    Source,
    /// What is decided can't be kept.
    Storage,
    /// A probe is not green.
    Probes,
    /// The stable arm has served somebody lately.
    Idle {
        /// For how much longer it must serve nobody.
        left: Duration,
    },
    /// A requirement of the plan does not hold.
    Requirement {
        /// Its place in the plan, counted from 0.
        requirement: usize,
    },
    /// It is outside of the windows.
    Window,
    /// There is a freeze.
    Freeze {
        /// When it ends.
        #[serde(with = "instant")]
        until: Timestamp,
    },
    /// Another plan of its group has the turn.
    Turn,
    /// It exposes fewer than the stage says, and is about to raise that.
    Exposure,
}

/// One of both arms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a ramp has two arms")]
pub enum Arm {
    /// Those enrolled.
    Candidate,
    /// Those drawn and not enrolled.
    Stable,
}

impl Wait {
    /// Returns a number that stays while it is the same reason, whatever is left of it.
    pub(super) fn reason(self) -> u64 {
        let (kind, which) = match self {
            Self::Stopped => (1, 0),
            Self::Operator => (2, 0),
            Self::Start { .. } => (3, 0),
            Self::Approval { stage } => (4, stage),
            Self::Serving => (5, 0),
            Self::Time { .. } => (6, 0),
            Self::Units { arm, .. } => (7, usize::from(arm == Arm::Stable)),
            Self::Requests { arm, .. } => (8, usize::from(arm == Arm::Stable)),
            Self::Guardrail { guardrail, .. } => (9, guardrail),
            Self::Source => (10, 0),
            Self::Probes => (11, 0),
            Self::Idle { .. } => (12, 0),
            Self::Requirement { requirement } => (13, requirement),
            Self::Window => (14, 0),
            Self::Freeze { .. } => (15, 0),
            Self::Turn => (16, 0),
            Self::Exposure => (17, 0),
            Self::Storage => (18, 0),
        };
        kind + 32 * u64::try_from(which).unwrap_or_default()
    }

    /// Tells whether it goes by itself, by time alone.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::Serving | Self::Time { .. } | Self::Start { .. })
    }
}

/// Says what is waited for, in a few words.
impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("somebody to let it go on"),
            Self::Operator => f.write_str("somebody to start it"),
            Self::Start { at } => write!(f, "its start at {at}"),
            Self::Approval { stage } => write!(f, "an approval of stage {stage}"),
            Self::Serving => f.write_str("every process to serve the present exposure"),
            Self::Time { left } => write!(f, "{} s more", left.as_secs_f64().ceil()),
            Self::Units { arm, seen, wanted } => {
                write!(f, "units of the {arm} arm: {seen} of {wanted}")
            }
            Self::Requests { arm, seen, wanted } => {
                write!(
                    f,
                    "requests of the {arm} arm in this stage: {seen} of {wanted}"
                )
            }
            Self::Guardrail { guardrail, verdict } => {
                write!(f, "guardrail {} ({verdict})", guardrail.saturating_add(1))
            }
            Self::Source => f.write_str("the source of the counts"),
            Self::Storage => f.write_str("its journal or its overlay, which can't be written"),
            Self::Probes => f.write_str("green probes"),
            Self::Idle { left } => {
                write!(
                    f,
                    "the stable arm to serve nobody for {} s more",
                    left.as_secs()
                )
            }
            Self::Requirement { requirement } => {
                write!(
                    f,
                    "requirement {} of the plan",
                    requirement.saturating_add(1)
                )
            }
            Self::Window => f.write_str("a window to open"),
            Self::Freeze { until } => write!(f, "the end of the freeze at {until}"),
            Self::Turn => f.write_str("its group's turn"),
            Self::Exposure => f.write_str("the exposure of its stage"),
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Candidate => "candidate",
            Self::Stable => "stable",
        })
    }
}

impl Tick<'_> {
    /// Lists what keeps the run from its next step.
    pub(super) fn list_waits(&mut self) {
        let mut waits = std::mem::take(&mut self.state.waits);
        waits.clear();
        self.waits(&mut waits);
        self.state.waits = waits;
    }

    fn waits(&self, waits: &mut Vec<Wait>) {
        let plan = self.ramp.plan();
        let first = self.ramp.reach(0);
        match self.state.position {
            Position::Draft if plan.start.is_none() => waits.push(Wait::Operator),
            Position::Draft | Position::Completed | Position::RolledBack => {}
            Position::RollingBack => self.serving(waits),
            Position::Armed => {
                if let Some(at) = plan.start.filter(|start| self.now.wall < *start) {
                    waits.push(Wait::Start { at });
                }
                self.serving(waits);
                self.approval(0, waits);
                self.surroundings(waits);
                if plan.warmup.is_some() || plan.shadow.is_none() {
                    self.raising(first, waits);
                }
            }
            Position::Warmup => {
                self.time(plan.warmup, waits);
                if !first.is_within(self.state.exposure) {
                    self.surroundings(waits);
                }
                self.raising(first, waits);
            }
            Position::Shadow => {
                self.time(plan.shadow, waits);
                self.surroundings(waits);
                self.raising(first, waits);
            }
            Position::Stage { index, part } => {
                if part == Part::Settle && !self.folded {
                    waits.push(Wait::Serving);
                }
                self.time(self.ramp.stage(index).map(|stage| stage.bake), waits);
                self.data(waits);
                self.guardrails(waits);
                self.idle(index, waits);
                self.surroundings(waits);
                self.approval(index.saturating_add(1), waits);
                let next = self
                    .ramp
                    .reach(index.saturating_add(1).min(self.ramp.last()));
                self.raising(next, waits);
                if self.state.exposure != self.wanted() {
                    self.approval(index, waits);
                    waits.push(Wait::Exposure);
                }
            }
        }
        let is_over = matches!(
            self.state.position,
            Position::Completed | Position::RollingBack | Position::RolledBack
        );
        if self.state.is_stopped() && !is_over {
            waits.push(Wait::Stopped);
        }
    }

    fn serving(&self, waits: &mut Vec<Wait>) {
        if !self.seen.serving {
            waits.push(Wait::Serving);
        }
    }

    fn time(&self, asked: Option<Duration>, waits: &mut Vec<Wait>) {
        let left = asked.unwrap_or_default().saturating_sub(self.state.timer);
        if left > Duration::ZERO {
            waits.push(Wait::Time { left });
        }
    }

    pub(super) fn approval(&self, stage: usize, waits: &mut Vec<Wait>) {
        let asked = self.ramp.stage(stage).is_some_and(|stage| stage.approve);
        let stage = stage.saturating_add(1);
        let mut given = self.state.approvals.iter();
        if asked && !given.any(|approval| approval.stage == stage) {
            waits.push(Wait::Approval { stage });
        }
    }

    /// Asks for enough units in the run and enough requests in the stage: of the stable arm only where it is drawn.
    fn data(&self, waits: &mut Vec<Wait>) {
        let wanted = self.ramp.plan().min_units;
        let (units, requests) = (self.state.units, self.state.requests);
        let arms = [
            (Arm::Candidate, units.candidate, requests.candidate),
            (Arm::Stable, units.stable, requests.stable),
        ];
        let drawn = self.state.exposure.exposed() == Exposed::Part;
        for (arm, units, requests) in arms {
            if arm == Arm::Stable && !drawn {
                continue;
            }
            if units < wanted && !by_request(self.ramp.plan()) {
                let seen = units;
                waits.push(Wait::Units { arm, seen, wanted });
            }
            // A stage that is passed through after an outage has not seen any.
            if requests < wanted && !self.folded {
                let seen = requests;
                waits.push(Wait::Requests { arm, seen, wanted });
            }
        }
    }

    fn guardrails(&self, waits: &mut Vec<Wait>) {
        let rules = self.ramp.plan().guardrails.iter().zip(&self.state.handled);
        for (guardrail, (verdict, (rule, handled))) in
            self.state.judge.verdicts().zip(rules).enumerate()
        {
            let holds = match verdict {
                Verdict::Regressed => {
                    rule.on_breach != OnBreach::Notify && *handled != Handled::Waived
                }
                Verdict::Undecided => rule.require_safe,
                Verdict::NoData => true,
                // Said by `Wait::Source`.
                Verdict::SourceError | Verdict::Safe | Verdict::NotApplicable => false,
            };
            if holds {
                waits.push(Wait::Guardrail { guardrail, verdict });
            }
        }
    }

    fn idle(&self, index: usize, waits: &mut Vec<Wait>) {
        let asked = self.ramp.stage(index).and_then(|stage| stage.idle);
        let left = asked
            .unwrap_or_default()
            .saturating_sub(self.seen.stable_idle);
        if left > Duration::ZERO {
            waits.push(Wait::Idle { left });
        }
    }

    /// Asks for what is true around the ramp.
    pub(super) fn surroundings(&self, waits: &mut Vec<Wait>) {
        if !self.seen.source_works {
            waits.push(Wait::Source);
        }
        if !self.seen.storage_works {
            waits.push(Wait::Storage);
        }
        if !self.seen.probes_green {
            waits.push(Wait::Probes);
        }
        for (at, requirement) in self.ramp.plan().requires.iter().enumerate() {
            if !self.holds(requirement) {
                waits.push(Wait::Requirement { requirement: at });
            }
        }
    }

    fn holds(&self, requirement: &Requirement) -> bool {
        match requirement {
            Requirement::Completed(flag) => self.seen.completed.contains(&**flag),
            Requirement::Fact { name, test } => {
                let fact = self.seen.facts.get(&**name);
                fact.is_some_and(|fact| meets(fact, test))
            }
            _ => false,
        }
    }

    /// Asks for what raising takes, where the next exposure is higher. Windows and freezes hold up nothing else.
    pub(super) fn raising(&self, next: Exposure, waits: &mut Vec<Wait>) {
        if next.is_within(self.state.exposure) {
            return;
        }
        if !self.ramp.windows().is_open(self.now.wall) {
            waits.push(Wait::Window);
        }
        if let Some(freeze) = self.ramp.freeze(self.now.wall) {
            let until = freeze.until;
            waits.push(Wait::Freeze { until });
        }
        if !self.seen.turn {
            waits.push(Wait::Turn);
        }
    }
}

/// Tells whether a fact is what it must be. Numbers are compared as numbers; another type never is.
fn meets(fact: &Json, test: &FactTest) -> bool {
    let number = |holds: &dyn Fn(f64) -> bool| fact.as_f64().is_some_and(holds);
    match test {
        FactTest::Is(wanted) => match wanted.as_f64() {
            Some(wanted) => number(&|fact| fact == wanted),
            None => fact == wanted,
        },
        FactTest::Gt(limit) => number(&|fact| fact > *limit),
        FactTest::Gte(limit) => number(&|fact| fact >= *limit),
        FactTest::Lt(limit) => number(&|fact| fact < *limit),
        FactTest::Lte(limit) => number(&|fact| fact <= *limit),
        _ => false,
    }
}
