//! How a run goes on: time, positions, exposure.

use std::time::Duration;

use super::effect::{Effect, Notice};
use super::exposure::Exposure;
use super::gate::Wait;
use super::position::{Part, Position};
use super::state::Frozen;
use super::{Before, Tick, between};
use crate::judge::Totals;

impl Tick<'_> {
    /// Lets time pass in the state as it was, and returns what an outage has left beyond the end of its stage.
    pub(super) fn pass_time(&mut self) -> Duration {
        let state = &mut self.state;
        let since = state.wall.map(|wall| between(wall, self.now.wall));
        let passed = self.now.since_last.or(since).unwrap_or_default();
        state.wall = Some(self.now.wall);
        let is_stage = matches!(state.position, Position::Stage { .. });
        if is_stage {
            state.elapsed = state.elapsed.saturating_add(passed);
        }
        let stood = state.is_stopped();
        state.restart = state.restart.saturating_sub(passed);
        if stood || self.state.exposure != self.wanted() {
            return Duration::ZERO;
        }
        let plan = self.ramp.plan();
        let end = match self.state.position {
            Position::Warmup => plan.warmup,
            Position::Shadow => plan.shadow,
            Position::Stage {
                part: Part::Settle, ..
            } => None,
            Position::Stage { index, .. } => self.ramp.stage(index).map(|stage| stage.bake),
            _ => None,
        };
        let Some(end) = end else {
            return Duration::ZERO;
        };
        let timer = self.state.timer.saturating_add(passed);
        self.state.timer = timer.min(end);
        let folds = is_stage && self.now.since_last.is_none();
        if folds {
            timer.saturating_sub(end)
        } else {
            Duration::ZERO
        }
    }

    pub(super) fn notice_freeze(&mut self) {
        let is_over = matches!(
            self.state.position,
            Position::Completed | Position::RollingBack | Position::RolledBack
        );
        let freeze = self.ramp.freeze(self.now.wall).filter(|_| !is_over);
        let was = self.state.frozen.as_ref().map(|frozen| frozen.until);
        if freeze.map(|freeze| freeze.until) == was {
            return;
        }
        self.state.frozen = freeze.map(|freeze| Frozen {
            until: freeze.until,
            reason: freeze.reason.as_deref().map(str::to_owned),
        });
        let notice = self.state.frozen.clone();
        self.tell(notice.map_or(Notice::FreezeEnded, Notice::FreezeBegan));
    }

    /// Returns whom the position exposes, less what was lowered by hand, or stands still with the service or
    /// after an unclean end.
    pub(super) fn wanted(&self) -> Exposure {
        let state = &self.state;
        let (reach, stage) = match state.position {
            Position::Warmup => (self.ramp.reach(0), 0),
            Position::Stage { index, .. } => (self.ramp.reach(index), index),
            Position::Completed => (self.ramp.reach(self.ramp.last()), self.ramp.last()),
            Position::Draft
            | Position::Armed
            | Position::Shadow
            | Position::RollingBack
            | Position::RolledBack => (Exposure::NOBODY, 0),
        };
        let stands = state.stalled || state.restart > Duration::ZERO;
        let stands = stands && !self.ramp.is_irreversible(stage);
        let reach = if stands { Exposure::NOBODY } else { reach };
        let reach = reach.meet(state.lowered.unwrap_or(reach));
        Exposure {
            killed: state.killed,
            ..reach
        }
    }

    /// Goes as far as nothing is waited for: one position, and as many stages as an outage has left time for.
    pub(super) fn go_on(&mut self, mut carry: Duration) {
        self.follow();
        self.settle();
        self.list_waits();
        while self.state.waits.is_empty() && !self.stays {
            let goes_on = self.advance(&mut carry);
            self.list_waits();
            if !goes_on {
                break;
            }
        }
        if self.folded {
            self.folded = false;
            if let Position::Stage { index, .. } = self.state.position {
                let part = Part::Settle;
                self.state.position = Position::Stage { index, part };
            }
            self.list_waits();
        }
        self.shut();
    }

    /// Lowers the exposure at once, or raises it where it was lowered and may be raised again.
    fn follow(&mut self) {
        let wanted = self.wanted();
        let mut exposure = self.state.exposure.meet(wanted);
        exposure.killed = wanted.killed;
        self.state.exposure = exposure;
        if exposure == wanted || self.state.is_stopped() {
            return;
        }
        let mut waits = Vec::new();
        self.surroundings(&mut waits);
        self.raising(wanted, &mut waits);
        if let Some(index) = self.state.stage_index() {
            self.approval(index, &mut waits);
        }
        if waits.is_empty() {
            self.state.exposure = wanted;
            if let Position::Stage { index, .. } = self.state.position {
                let part = Part::Settle;
                self.state.position = Position::Stage { index, part };
                self.stays = true;
            }
        }
    }

    /// Begins the time of a stage that every process serves.
    fn settle(&mut self) {
        if let Position::Stage {
            index,
            part: Part::Settle,
        } = self.state.position
            && self.seen.serving
            && self.state.exposure == self.wanted()
            && !self.stays
        {
            let part = self.running(index);
            self.state.position = Position::Stage { index, part };
        }
    }

    /// Shows a stage whose time is over as one that waits at its gate.
    fn shut(&mut self) {
        if let Position::Stage {
            index,
            part: Part::Observe | Part::Gate,
        } = self.state.position
        {
            let is_time = self
                .state
                .waits
                .iter()
                .any(|wait| matches!(wait, Wait::Time { .. }));
            let part = if is_time { Part::Observe } else { Part::Gate };
            self.state.position = Position::Stage { index, part };
        }
    }

    /// Goes to the next position, and tells whether it may go further in this step.
    fn advance(&mut self, carry: &mut Duration) -> bool {
        let plan = self.ramp.plan();
        match self.state.position {
            Position::Draft => {
                self.enter(Position::Armed);
                return true;
            }
            Position::Armed if plan.warmup.is_some() => {
                self.enter(Position::Warmup);
                self.state.exposed = true;
                self.follow_up();
            }
            Position::Armed | Position::Warmup if plan.shadow.is_some() => {
                self.forget_warmup();
                self.enter(Position::Shadow);
                self.follow_up();
            }
            Position::Armed | Position::Warmup | Position::Shadow => {
                self.forget_warmup();
                self.begin_stage(0);
            }
            Position::Stage { index, .. } if index >= self.ramp.last() => {
                self.enter(Position::Completed);
            }
            Position::Stage { index, .. } => return self.next_stage(index + 1, carry),
            Position::RollingBack => self.enter(Position::RolledBack),
            Position::Completed | Position::RolledBack => {}
        }
        false
    }

    /// What the candidate did in its warm-up does not count.
    fn forget_warmup(&mut self) {
        if self.state.position == Position::Warmup {
            self.freeze_latency();
            self.effects.push(Effect::Recount);
        }
    }

    fn begin_stage(&mut self, index: usize) {
        self.enter(Position::Stage {
            index,
            part: Part::Settle,
        });
        self.state.exposed = true;
        self.state.requests = Totals::default();
        self.state.crashes = 0;
        self.freeze_latency();
        self.follow_up();
    }

    /// Begins the next stage, with the time that an outage has left for it. Where there are guardrails, an approval or
    /// no way back, a stage is never passed through unseen.
    fn next_stage(&mut self, index: usize, carry: &mut Duration) -> bool {
        self.begin_stage(index);
        let plan = self.ramp.plan();
        let Some(stage) = self.ramp.stage(index) else {
            return false;
        };
        let is_seen = !plan.guardrails.is_empty() || stage.approve || stage.irreversible;
        if is_seen || carry.is_zero() {
            return false;
        }
        self.folded = true;
        self.state.timer = stage.bake.min(*carry);
        *carry = carry.saturating_sub(stage.bake);
        self.state.timer == stage.bake
    }

    /// Exposes those of a position that a gate has opened.
    fn follow_up(&mut self) {
        self.state.exposure = self.wanted();
    }

    /// Says what is another than before.
    pub(super) fn tell_changes(&mut self, before: &Before) {
        let exposure = self.state.exposure;
        if exposure != before.exposure || self.overruled {
            let expose = Effect::Expose(exposure);
            if exposure.is_within(before.exposure) {
                self.effects.insert(0, expose);
            } else {
                self.effects.push(expose);
            }
        }
        let held = self.state.held();
        if let Some(held) = held.filter(|_| held != before.held) {
            self.tell(Notice::Held(held));
        }
        let (from, to, stage) = (before.phase, self.state.phase(), self.state.stage());
        if (from, before.stage) != (to, stage) {
            self.tell(Notice::Phase { from, to, stage });
        }
        self.tell_waits();
    }

    fn tell_waits(&mut self) {
        let waits = &self.state.waits;
        let at_gate = !waits.iter().any(|wait| wait.is_time());
        let told = if at_gate {
            waits.iter().fold(0_u64, |sum, wait| {
                sum.wrapping_mul(0x100_0000_01b3)
                    .wrapping_add(wait.reason())
            })
        } else {
            0
        };
        if told != self.state.told {
            self.state.told = told;
            if told != 0 {
                let waits = self.state.waits.clone();
                self.tell(Notice::Waits(waits));
            }
        }
    }
}
