//! Which ramps there are: those of the live document, as the journal or the overlay left them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fader::{OverlayEntry, Snapshot, Timestamp};

use super::overlay::{entry, exposure, rolled_back};
use super::pulse::Pulse;
use super::{Controller, Run};
use crate::control::event::{Event, What};
use crate::judge::BudgetPart;
use crate::machine::{Exposure, MACHINE, Ramp, State};
use crate::observe::Memory;

impl Controller {
    pub(super) fn pause_all(&mut self, damage: &str, now: Timestamp) {
        for kept in self.absent.values_mut() {
            kept.state.pause_for(damage, now);
        }
    }

    /// Makes ramps of the document's plans: new ones, changed ones, and those that came back.
    pub(super) fn follow(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let mut present = BTreeSet::new();
        for planned in snapshot.plans() {
            present.insert(planned.flag.to_owned());
            let same = self.ramps.get(planned.flag).is_some_and(|run| {
                Arc::ptr_eq(run.ramp.plan(), planned.plan)
                    && run.rule == planned.rule
                    && run.ramp.has_freezes(snapshot.freezes())
            });
            if same {
                continue;
            }
            let ramp = Ramp::new(
                Arc::clone(planned.plan),
                snapshot.freezes(),
                BudgetPart::OneProcess,
            );
            let ramp = match ramp {
                Ok(ramp) => ramp
                    .restart_hold(self.settings.restart_hold)
                    .max_crashes(self.settings.max_crashes),
                Err(error) => {
                    let text = format!("the plan of `{}` can't be run: {error}", planned.flag);
                    if let Some(run) = self.ramps.get_mut(planned.flag) {
                        run.ill = Some(text);
                    } else {
                        self.notes.insert(planned.flag.to_owned(), text);
                    }
                    continue;
                }
            };
            if let Some(run) = self.ramps.get_mut(planned.flag) {
                if planned.rule != run.rule {
                    // The overlay does not name it yet, so that nobody is enrolled: from there it is raised.
                    run.written = false;
                    run.limit = Exposure::NOBODY;
                }
                run.ramp = ramp;
                run.ill = None;
                planned.rule.clone_into(&mut run.rule);
                if run.index != planned.index {
                    run.index = planned.index;
                    self.observer
                        .watch(run.index, run.ramp.plan(), run.state.run());
                }
                continue;
            }
            self.notes.remove(planned.flag);
            let run = self.take_over(
                planned.flag,
                planned.rule,
                planned.index,
                ramp,
                snapshot,
                now,
            );
            self.ramps.insert(planned.flag.to_owned(), run);
        }
        if self.ramps.keys().all(|flag| present.contains(flag)) {
            return;
        }
        let all = std::mem::take(&mut self.ramps).into_iter();
        let (stay, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.partition(|(flag, _)| present.contains(flag));
        self.ramps = stay;
        for (flag, run) in gone {
            self.observer.forget(run.index);
            self.absent.insert(flag, run.kept(None, true));
        }
    }

    /// Makes a ramp from what the journal has of it, or a new one.
    pub(super) fn take_over(
        &mut self,
        flag: &str,
        rule: &str,
        index: u32,
        ramp: Ramp,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Run {
        let kept = self.absent.remove(flag);
        let unclean = self.crashed.remove(flag);
        let entry = entry(snapshot, flag);
        let found = entry.map(|entry| exposure(entry, rule));
        let told = found.flatten().unwrap_or(Exposure::NOBODY);
        // What a process decided before it died and had no time to write is written now; what people wrote stands.
        let by_machine = entry.is_none_or(|entry| entry.by() == Some(MACHINE));
        let damage = self.damage.as_ref().filter(|_| self.is_first);
        let (state, memory) = match kept {
            Some(mut kept) => {
                if by_machine {
                    let at = entry.and_then(OverlayEntry::at).and_then(Timestamp::parse);
                    let rolled_back = entry.and_then(rolled_back);
                    kept.state.take_up(told, rolled_back, at, now);
                }
                self.settings.tell(Event {
                    at: now,
                    flag: Some(flag.to_owned()),
                    run: Some(kept.state.run()),
                    what: What::TakenUp {
                        phase: kept.state.phase(),
                        stage: kept.state.stage(),
                        exposure: kept.state.exposure(),
                    },
                });
                (kept.state, kept.memory)
            }
            // An overlay that was written for it, and no state: that is lost.
            None if found.is_some_and(|found| found.is_some()) => {
                let reason = "its state is lost: the state directory does not know it. Resume it to begin anew, at 0 %";
                (State::lost(&ramp, now, reason), Memory::default())
            }
            // It may have run.
            None if damage.is_some() => {
                let reason = damage.map_or("", String::as_str);
                (State::lost(&ramp, now, reason), Memory::default())
            }
            None => (State::new(&ramp), Memory::default()),
        };
        let exposed = state.exposure();
        self.observer.watch(index, ramp.plan(), state.run());
        self.collector.recall(index, &memory);
        let written = told == exposed || !by_machine;
        Run {
            index,
            rule: rule.to_owned(),
            ramp,
            limit: Exposure::NOBODY,
            written,
            answers: Vec::new(),
            asked: Vec::new(),
            unclean,
            stable_seen: None,
            pulse: Pulse::default(),
            kept: false,
            ill: None,
            state,
            memory,
        }
    }
}
