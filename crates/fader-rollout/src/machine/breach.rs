//! What is judged, and what a breach does.

use std::time::Duration;

use fader::Timestamp;
use fader::plan::{Metric, OnBreach};
use serde::{Deserialize, Serialize};

use super::effect::{Effect, Notice};
use super::exposure::Exposure;
use super::instant;
use super::position::Position;
use super::state::Paused;
use super::{MACHINE, Tick};
use crate::counts::Counts;
use crate::guardrail::Verdict;
use crate::judge::{Finding, Look};

/// Why a run was rolled back, and what that stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// What has rolled it back.
    pub cause: Cause,
    /// The stage that it was in, counted from 1.
    pub stage: Option<usize>,
    /// Whom it exposed.
    pub exposure: Exposure,
    /// How long ago its first stage had begun.
    pub elapsed: Duration,
    /// When it was.
    #[serde(with = "instant")]
    pub at: Timestamp,
}

/// What has rolled back a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// A guardrail: its counts by arm, its ratio with the limits, and E.
    Guardrail(Finding),
    /// A person.
    Operator {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person who has killed the flag.
    Killed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// So many unclean ends or stalls in one stage.
    CrashLoop {
        /// How many.
        crashes: u32,
    },
}

/// What comes of a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Response {
    /// It is rolled back.
    RollsBack,
    /// It is paused.
    Pauses,
    /// Nothing but that it is told.
    Tells,
    /// It is paused and needs a person: the stage can't be taken back.
    CallsForPerson,
}

/// What came of a guardrail's breach in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Handled {
    /// There was none.
    Open,
    /// It was told.
    Told,
    /// It has paused the run.
    Paused,
    /// It has paused the run, and a person has let it go on.
    Waived,
}

impl Tick<'_> {
    /// Takes what was counted, and does what its breaches ask for. In every state that exposes anybody: whether the
    /// run is paused, held or frozen is not asked.
    pub(super) fn judge(&mut self) {
        self.notice_crash();
        let Position::Stage { index, .. } = self.state.position else {
            return;
        };
        if self.recounted {
            return;
        }
        // A process that begins has published no limits.
        if self.now.since_last.is_none() && self.ramp.has_latency() {
            self.limits();
        }
        self.count();
        let plan = self.ramp.plan();
        let look = Look {
            elapsed: self.state.elapsed,
            exposed: self.state.exposure.exposed(),
            gauges: self.seen.gauges,
            source_works: self.seen.source_works,
        };
        let judge = &mut self.state.judge;
        for counts in self.seen.counts {
            judge.observe(plan, &look, counts);
        }
        if self.seen.counts.is_empty() {
            judge.observe(plan, &look, &Counts::default());
        }
        self.freeze_late();
        self.respond(index);
    }

    fn count(&mut self) {
        let (mut candidate, mut stable) = (0, 0);
        for counts in self.seen.counts {
            self.state.requests.add(counts.requests);
            candidate += u64::from(counts.units.candidate);
            stable += u64::from(counts.units.stable);
        }
        // A process that starts anew begins to count its units anew.
        let units = &mut self.state.units;
        units.candidate = units.candidate.max(candidate);
        units.stable = units.stable.max(stable);
    }

    /// Does what each guardrail asks for that is regressed since this step.
    fn respond(&mut self, index: usize) {
        let plan = self.ramp.plan();
        for (guardrail, rule) in plan.guardrails.iter().enumerate() {
            let verdict = self.state.judge.verdicts().nth(guardrail);
            let Some(handled) = self.state.handled.get_mut(guardrail) else {
                continue;
            };
            if verdict != Some(Verdict::Regressed) || *handled != Handled::Open {
                continue;
            }
            let response = match rule.on_breach {
                OnBreach::Notify => Response::Tells,
                OnBreach::Pause => Response::Pauses,
                _ if self.ramp.is_irreversible(index) => Response::CallsForPerson,
                _ => Response::RollsBack,
            };
            *handled = match response {
                Response::Pauses | Response::CallsForPerson => Handled::Paused,
                Response::RollsBack | Response::Tells => Handled::Told,
            };
            let Some(finding) = self.state.judge.finding(plan, guardrail) else {
                continue;
            };
            let told = finding.clone();
            self.tell(Notice::Breach {
                finding: told,
                response,
            });
            match response {
                Response::RollsBack => self.roll_back(Cause::Guardrail(finding)),
                Response::Pauses | Response::CallsForPerson => self.stop(finding.name),
                Response::Tells => {}
            }
        }
    }

    /// Takes notice of a process that ended uncleanly while the run exposed anybody, or that stands still.
    ///
    /// A stall takes back whom the run exposes, and counts as an unclean end when it is over: then it is known that what
    /// stood still was the service, and not its traffic that had ended.
    fn notice_crash(&mut self) {
        let index = match self.state.position {
            Position::Stage { index, .. } => index,
            Position::Warmup => 0,
            _ => return,
        };
        let was_stalled = self.state.stalled;
        let begins = self.seen.stalled && self.state.exposure != Exposure::NOBODY;
        self.state.stalled = begins || (was_stalled && self.seen.stalled);
        if self.state.stalled {
            self.state.restart = self.ramp.hold_after_crash();
        } else if was_stalled || self.seen.unclean_end {
            self.crash(index);
        }
    }

    fn crash(&mut self, index: usize) {
        self.state.crashes = self.state.crashes.saturating_add(1);
        self.state.restart = self.ramp.hold_after_crash();
        let crashes = self.state.crashes;
        if crashes < self.ramp.crashes() {
            return;
        }
        if self.ramp.is_irreversible(index) {
            self.tell(Notice::CrashLoop { crashes });
            self.stop(format!("{crashes} unclean ends or stalls in one stage"));
        } else {
            self.roll_back(Cause::CrashLoop { crashes });
        }
    }

    /// Takes notice of what somebody has written into the overlay by hand.
    pub(super) fn notice_overlay(&mut self, told: Exposure) {
        let Some(found) = self.seen.found else {
            return;
        };
        if found.killed != told.killed {
            self.state.killed = found.killed;
        }
        if found.killed && !told.killed {
            let (by, reason) = self.seen.killed_by.unwrap_or(("overlay", "killed by hand"));
            let (by, reason) = (by.to_owned(), reason.to_owned());
            self.roll_back(Cause::Killed { by, reason });
        }
        let (found, told) = (found.drawn(), told.drawn());
        let is_rolled_back = matches!(
            self.state.position,
            Position::RollingBack | Position::RolledBack
        );
        if !told.is_within(found) && !is_rolled_back {
            let before = self.state.lowered.unwrap_or(told);
            self.state.lowered = Some(before.meet(found));
        }
        if !found.is_within(told) {
            self.overruled = true;
            self.tell(Notice::RaisedByHand(found));
        }
    }

    /// Rolls back, where it is not rolled back already: in every state, and for good until somebody resets it.
    pub(super) fn roll_back(&mut self, cause: Cause) {
        let position = self.state.position;
        if matches!(position, Position::RollingBack | Position::RolledBack) {
            return;
        }
        let evidence = Evidence {
            cause,
            stage: self.state.stage(),
            exposure: self.state.exposure,
            elapsed: self.state.elapsed,
            at: self.now.wall,
        };
        self.tell(Notice::RolledBack(Box::new(evidence.clone())));
        self.state.evidence = Some(evidence);
        self.state.paused = None;
        self.state.plan_changed = false;
        self.state.lowered = None;
        self.state.stalled = false;
        self.state.restart = Duration::ZERO;
        self.enter(Position::RollingBack);
        // Whether every process serves nobody is seen in the next step.
        self.stays = true;
    }

    fn stop(&mut self, reason: String) {
        let (by, at) = (MACHINE.to_owned(), self.now.wall);
        self.state.paused = Some(Paused { by, reason, at });
    }

    /// Freezes the stable arm's quantiles for a stage that begins.
    pub(super) fn freeze_latency(&mut self) {
        if self.ramp.has_latency() {
            let guardrails = 0..self.ramp.plan().guardrails.len();
            let quantiles: Vec<_> = guardrails.map(|at| self.quantile(at)).collect();
            self.state.judge.freeze(&quantiles);
            self.limits();
        }
    }

    /// Freezes the quantiles that come while the stage runs already.
    fn freeze_late(&mut self) {
        let (judge, plan) = (&self.state.judge, self.ramp.plan());
        let late = |guardrail: usize| {
            let rule = plan.guardrails.get(guardrail)?;
            let is_missing = matches!(rule.metric, Metric::Latency(_))
                && judge.slow_from(plan, guardrail).is_none();
            self.quantile(guardrail).filter(|_| is_missing)
        };
        let guardrails = 0..plan.guardrails.len();
        if guardrails
            .clone()
            .any(|guardrail| late(guardrail).is_some())
        {
            let quantiles: Vec<_> = guardrails.map(late).collect();
            self.state.judge.freeze(&quantiles);
            self.limits();
        }
    }

    /// Returns the stable arm's quantile, of the first process that knows it.
    fn quantile(&self, guardrail: usize) -> Option<Duration> {
        let mut counts = self.seen.counts.iter();
        counts.find_map(|counts| counts.quantiles.get(guardrail).copied().flatten())
    }

    /// Says from which durations on successes are slow.
    pub(super) fn limits(&mut self) {
        let plan = self.ramp.plan();
        let guardrails = 0..plan.guardrails.len();
        let judge = &self.state.judge;
        let limits = guardrails.map(|guardrail| judge.slow_from(plan, guardrail));
        self.effects.push(Effect::Limits(limits.collect()));
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        self.effects.push(Effect::Tell(notice));
    }
}
