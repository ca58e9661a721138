//! What the ramps decide, and what follows from it in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fader::plan::Metric;
use fader::{OverlayEntry, Snapshot};

use super::Controller;
use super::overlay::{entry, exposure};
use crate::control::order::Order;
use crate::counts::Counts;
use crate::machine::{Answer, Command, Effect, Exposure, Now, Observation, Phase, State, step};
use crate::observe::Memory;

/// What came of a step.
pub(super) struct Decided {
    pub(super) flag: String,
    pub(super) before: State,
    pub(super) was_unclean: bool,
    pub(super) was_written: bool,
    pub(super) effects: Vec<Effect>,
    pub(super) counts: Option<(Counts, Memory)>,
    pub(super) commands: Vec<Command>,
    pub(super) raises: bool,
    /// Whether it has to be on the disk before it is carried out.
    pub(super) changed: bool,
}

impl Controller {
    /// Returns the commands of the overlay, by flag. Those that were answered already, or that nobody here can answer, have
    /// their answer.
    pub(super) fn orders(&mut self, snapshot: &Snapshot) -> BTreeMap<String, Vec<Command>> {
        let mut orders: BTreeMap<String, Vec<Command>> = BTreeMap::new();
        let mut misread = None;
        self.strays.clear();
        for value in snapshot.overlay().commands() {
            let order = match Order::read(value) {
                Ok(order) if order.answer.is_none() => order,
                Ok(_) => continue,
                Err(error) => {
                    misread = Some(error.to_string());
                    continue;
                }
            };
            let id = order.command.id;
            self.last_command = self.last_command.max(id);
            match self.ramps.get_mut(&order.flag) {
                Some(run) => {
                    let known = run.state.answer(id).cloned();
                    let is_told = run.answers.iter().any(|(answered, _)| *answered == id);
                    match known {
                        Some(known) if !is_told => run.answers.push((id, known)),
                        Some(_) => {}
                        // Numbers go by the clock, and that may have gone back.
                        None if run.state.has_forgotten(id) => {
                            let why = "its number is lower than those of commands that are long done, since the clock of who asks is behind: ask again by one that is right, or through the process";
                            self.strays.push((id, Answer::Refused(why.to_owned())));
                        }
                        None => orders.entry(order.flag).or_default().push(order.command),
                    }
                }
                None => {
                    let why = format!("the flag `{}` has no staged ramp", order.flag);
                    self.strays.push((id, Answer::Refused(why)));
                }
            }
        }
        match misread {
            Some(misread) => self.notes.insert("commands".to_owned(), misread),
            None => self.notes.remove("commands"),
        };
        orders
    }

    /// Steps one ramp.
    pub(super) fn decide(
        &mut self,
        flag: &str,
        snapshot: &Snapshot,
        orders: &BTreeMap<String, Vec<Command>>,
        counts: Option<(Counts, Memory)>,
        storage_works: bool,
        now: Now,
    ) -> Option<Decided> {
        let run = self.ramps.get(flag)?;
        let plan = run.ramp.plan();
        let before = run.state.clone();
        let asked = run.asked.iter().map(|(command, _)| command.clone());
        let commands: Vec<Command> = orders
            .get(flag)
            .into_iter()
            .flatten()
            .cloned()
            .chain(asked)
            .collect();
        let gauges: Vec<Option<f64>> = plan
            .guardrails
            .iter()
            .map(|guardrail| match &guardrail.metric {
                Metric::Gauge(name) => self.signals.gauge(name),
                _ => None,
            })
            .collect();
        let completed: BTreeSet<String> = self
            .ramps
            .iter()
            .filter(|(_, run)| run.state.phase() == Phase::Completed)
            .map(|(flag, _)| flag.clone())
            .collect();
        let facts = self.signals.facts();
        let turn = plan.group.as_ref().is_none_or(|group| {
            !self.ramps.iter().any(|(other, run)| {
                other != flag
                    && run.ramp.plan().group.as_ref() == Some(group)
                    && run.state.has_turn()
            })
        });
        let entry = entry(snapshot, flag);
        let killed = entry.is_some_and(OverlayEntry::killed);
        let found = entry.and_then(|entry| exposure(entry, &run.rule));
        let found = if run.written {
            found.unwrap_or(Exposure::NOBODY)
        } else {
            // What is on its way there can't be compared. A kill is people's, and counts at once.
            before.exposure()
        };
        let idle = run.stable_seen.unwrap_or(0);
        let counted: Vec<Counts> = counts.iter().map(|(counts, _)| counts.clone()).collect();
        let mut seen = Observation::new();
        seen.counts = &counted;
        seen.gauges = &gauges;
        seen.serving = run.written;
        seen.storage_works = storage_works && run.ill.is_none();
        seen.found = Some(Exposure { killed, ..found });
        seen.killed_by = entry.filter(|entry| entry.killed()).map(|entry| {
            (
                entry.by().unwrap_or("overlay"),
                entry.reason().unwrap_or_default(),
            )
        });
        seen.commands = &commands;
        seen.completed = &completed;
        seen.facts = &facts;
        seen.turn = turn;
        seen.probes_green = self.signals.ill(Some(flag)).is_empty();
        seen.stable_idle = Duration::from_secs(self.tick.saturating_sub(idle).into());
        seen.unclean_end = run.unclean;
        seen.stalled = run.pulse.is_stalled();
        let (state, effects) = step(&run.ramp, before.clone(), &seen, now);
        let raises = !state.exposure().is_within(before.exposure());
        let changed = raises || !effects.is_empty();
        let run = self.ramps.get_mut(flag)?;
        let exposes = |effect: &Effect| matches!(effect, Effect::Expose(_));
        // That it is rolled back, or was reset, stands in the overlay also where it exposed nobody.
        let is_back =
            |state: &State| matches!(state.phase(), Phase::RollingBack | Phase::RolledBack);
        let is_told = before.exposure() == state.exposure() && !effects.iter().any(exposes);
        if !is_told || is_back(&before) != is_back(&state) {
            run.written = false;
        }
        let was_unclean = std::mem::take(&mut run.unclean);
        let was_written = seen.serving;
        run.state = state;
        Some(Decided {
            flag: flag.to_owned(),
            before,
            was_unclean,
            was_written,
            effects,
            counts,
            commands,
            raises,
            changed: changed || was_unclean || !run.kept,
        })
    }

    pub(super) fn carry_out(&mut self, decision: &Decided) {
        let Some(run) = self.ramps.get_mut(&decision.flag) else {
            return;
        };
        for effect in &decision.effects {
            match effect {
                Effect::Recount => {
                    run.memory = Memory::default();
                    self.observer
                        .watch(run.index, run.ramp.plan(), run.state.run());
                }
                Effect::Limits(limits) => {
                    for (guardrail, limits) in limits.iter().enumerate() {
                        if let Some((candidate, stable)) = limits {
                            self.observer
                                .set_limits(run.index, guardrail, *candidate, *stable);
                        }
                    }
                    self.collector.measure_anew(run.index);
                }
                Effect::Answer { id, answer } => {
                    let asked = run.asked.iter().position(|(command, _)| command.id == *id);
                    if let Some(asked) = asked {
                        let (_, waits) = run.asked.swap_remove(asked);
                        let _ = waits.send(answer.clone());
                    } else {
                        run.answers.push((*id, answer.clone()));
                    }
                }
                _ => {}
            }
        }
    }
}
