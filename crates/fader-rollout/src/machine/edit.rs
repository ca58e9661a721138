//! What an edit of a running plan does.

use std::time::Duration;

use super::Tick;
use super::breach::Handled;
use super::effect::{Effect, Notice};
use super::position::{Part, Position};
use crate::judge::Totals;

impl Tick<'_> {
    /// Compares the plan with the one that the state is of.
    ///
    /// Who is enrolled has changed: a new run begins. Else people have to accept the change where anybody is exposed,
    /// and what is lower in the new plan is lowered at once.
    pub(super) fn notice_edit(&mut self) {
        let plan = self.ramp.plan();
        let is_rolled_back = matches!(
            self.state.position,
            Position::RollingBack | Position::RolledBack
        );
        if plan.assignment != self.state.assignment && !is_rolled_back {
            self.begin_run();
        } else if (plan.assignment, plan.terms) != (self.state.assignment, self.state.terms) {
            self.take_terms();
        }
    }

    fn take_terms(&mut self) {
        self.adopt();
        // An approval is of the stage as it was.
        self.state.approvals.clear();
        if self.state.judged != self.ramp.judged() {
            // Other guardrails do not mend who is enrolled.
            let broken = self.state.judge.is_assignment_broken();
            self.judge_anew();
            if broken {
                self.state.judge.distrust();
            }
        }
        match self.state.position {
            Position::Stage { index, .. } => {
                self.state.position = Position::Stage {
                    index: index.min(self.ramp.last()),
                    part: Part::Settle,
                };
                self.state.plan_changed = true;
            }
            Position::Warmup => self.state.plan_changed = true,
            Position::Completed => self.reopen(),
            _ => {}
        }
    }

    /// Goes on from the stage that a completed plan has reached, where it would end elsewhere now.
    fn reopen(&mut self) {
        let (exposure, last) = (self.state.exposure, self.ramp.last());
        if self.ramp.reach(last) == exposure {
            return;
        }
        let mut stages = (0..=last).rev();
        let reached = stages.find(|stage| self.ramp.reach(*stage).is_within(exposure));
        self.enter(Position::Stage {
            index: reached.unwrap_or(0),
            part: Part::Settle,
        });
        self.state.plan_changed = true;
    }

    /// Begins to judge anew where the guardrails are others.
    ///
    /// The promise about false alarms then holds for what comes before and what comes after, each by itself: their
    /// budgets add up. A judge whose guardrails stay is kept, whatever else of the plan changes.
    fn judge_anew(&mut self) {
        self.state.judge = self.ramp.fresh().clone();
        self.state.judged.clear();
        self.state.judged.push_str(self.ramp.judged());
        self.state.handled = vec![Handled::Open; self.ramp.plan().guardrails.len()];
        self.state.units = Totals::default();
        self.state.requests = Totals::default();
        self.recounted = true;
        self.effects.push(Effect::Recount);
    }

    fn adopt(&mut self) {
        self.state.assignment = self.ramp.plan().assignment;
        self.state.terms = self.ramp.plan().terms;
    }

    /// Begins a new run at 0 %. It goes no further in this step. What a person has paused or lowered stays so.
    pub(super) fn begin_run(&mut self) {
        self.adopt();
        self.judge_anew();
        self.state.run = self.state.run.saturating_add(1);
        self.state.elapsed = Duration::ZERO;
        self.state.exposed = false;
        self.state.approvals.clear();
        self.state.crashes = 0;
        self.state.stalled = false;
        self.state.restart = Duration::ZERO;
        self.state.plan_changed = false;
        self.state.evidence = None;
        self.enter(Position::Draft);
        self.stays = true;
        let run = self.state.run;
        self.tell(Notice::NewRun { run });
    }
}
