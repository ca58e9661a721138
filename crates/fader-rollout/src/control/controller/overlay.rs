//! What the overlay says of ramps, and what the handle lets them enrol.

use std::collections::BTreeSet;

use fader::{Flags, Overlay, OverlayEntry, RampLimit, Snapshot, Timestamp};

use super::{Controller, Run};
use crate::control::order::{answer_all, is_killed, kill_all, restore};
use crate::control::rollouts::lock;
use crate::machine::{Exposure, MACHINE, Phase};

impl Controller {
    /// Writes exposures and answers into the overlay, and puts what was written into force here.
    pub(super) fn write_overlay(&mut self, flags: &Flags, now: Timestamp) {
        let answers = self.ramps.values().flat_map(|run| run.answers.clone());
        let answers: Vec<_> = answers.chain(self.strays.clone()).collect();
        let mut unwritten: Vec<(&String, &Run)> = Vec::new();
        let lowered = |run: &Run| run.limit == run.state.exposure();
        let journal_works = !self.troubles.contains_key("journal");
        for (flag, run) in &self.ramps {
            // What is not written down is not raised.
            if !run.written && (journal_works || lowered(run)) {
                unwritten.push((flag, run));
            }
        }
        // Where it could not be written last, whether it can be is asked also when nothing is to be said.
        let is_ill = self.troubles.contains_key("overlay");
        let kills = lock(&self.kills).clone();
        if unwritten.is_empty() && answers.is_empty() && kills.is_empty() && !is_ill {
            return;
        }
        // Another overlay may have come meanwhile.
        let live = flags.snapshot();
        let is_lifted = |flag: &String| !is_killed(live.overlay(), flag);
        if kills.keys().any(is_lifted) {
            flags.change_overlay(|overlay| kill_all(overlay, &kills));
        }
        let snapshot = flags.snapshot();
        let written = self.store.update(&mut |overlay| {
            restore(overlay, snapshot.overlay());
            *overlay = kill_all(std::mem::take(overlay), &kills);
            for (flag, run) in &unwritten {
                *overlay = tell(std::mem::take(overlay), flag, run, now);
            }
            answer_all(overlay, &answers);
            true
        });
        match written {
            Ok(overlay) => {
                let done: Vec<String> = unwritten.iter().map(|(flag, _)| (*flag).clone()).collect();
                flags.apply_newer(overlay);
                self.troubles.remove("overlay");
                lock(&self.kills).retain(|flag, kill| kills.get(flag) != Some(kill));
                for (flag, run) in &mut self.ramps {
                    run.answers.clear();
                    run.written |= done.contains(flag);
                }
            }
            Err(error) => {
                self.troubles
                    .insert("overlay", format!("the overlay can't be written: {error}"));
            }
        }
    }

    /// Lets each ramp enrol so many, whatever the overlay says.
    pub(super) fn limit(&mut self, snapshot: &Snapshot) {
        let limit = |flag: &str, rule: &str, exposure: Exposure| RampLimit {
            flag: flag.to_owned(),
            rule: rule.to_owned(),
            percent: exposure.percent,
            waves: exposure.waves,
        };
        let planned = snapshot.plans().map(|planned| {
            let run = self.ramps.get(planned.flag);
            let exposure = run.map_or(Exposure::NOBODY, |run| run.limit);
            limit(planned.flag, planned.rule, exposure)
        });
        let limits: Vec<RampLimit> = planned.collect();
        // It is a swap of what is live.
        if limits != self.limits {
            self.control.limit(limits.clone());
            self.limits = limits;
        }
    }
}

/// Returns the flags that an overlay kills.
pub(super) fn killed_in(snapshot: &Snapshot) -> BTreeSet<String> {
    let killed = snapshot
        .overlay()
        .flags()
        .filter(|(_, entry)| entry.killed());
    killed.map(|(flag, _)| flag.to_owned()).collect()
}

pub(super) fn entry<'a>(snapshot: &'a Snapshot, flag: &str) -> Option<&'a OverlayEntry> {
    let mut entries = snapshot.overlay().flags();
    entries.find_map(|(name, entry)| (name == flag).then_some(entry))
}

/// What an overlay says of a ramp; none where it says nothing of its rule.
pub(super) fn exposure(entry: &OverlayEntry, rule: &str) -> Option<Exposure> {
    let percent = entry.percents().find(|(name, _)| *name == rule)?.1;
    let waves = entry.waves().find(|(name, _)| *name == rule);
    Some(Exposure {
        percent,
        waves: waves.map_or(0, |(_, waves)| waves),
        killed: entry.killed(),
    })
}

/// Says in an overlay whom a ramp enrols. A kill is people's to set and to take off.
fn tell(overlay: Overlay, flag: &str, run: &Run, now: Timestamp) -> Overlay {
    let exposure = run.state.exposure();
    let killed = overlay
        .flags()
        .any(|(name, entry)| name == flag && entry.killed());
    let told =
        overlay
            .percent(flag, &run.rule, exposure.percent)
            .waves(flag, &run.rule, exposure.waves);
    if killed {
        return told;
    }
    let phase = run.state.phase();
    let reason = match (run.state.stage(), phase) {
        (Some(stage), _) => format!("{phase}, stage {stage}"),
        (None, Phase::RollingBack | Phase::RolledBack) => {
            format!("{phase}, run {}", run.state.run())
        }
        (None, _) => phase.to_string(),
    };
    told.signed_at(flag, MACHINE, reason, now)
}

/// Returns which run was rolled back, where an overlay says so by its controller.
pub(super) fn rolled_back(entry: &OverlayEntry) -> Option<u64> {
    let reason = entry.reason().filter(|_| entry.by() == Some(MACHINE))?;
    let names = [Phase::RollingBack, Phase::RolledBack].map(Phase::as_str);
    let rest = names.iter().find_map(|name| reason.strip_prefix(name))?;
    let run = rest.strip_prefix(", run ")?;
    run.parse().ok()
}
