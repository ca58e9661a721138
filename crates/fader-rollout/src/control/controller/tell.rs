//! What is told of it: events, and the status.

use fader::{Flags, Timestamp};

use super::Controller;
use super::decide::Decided;
use crate::control::event::{Event, What};
use crate::control::status::{self, RampStatus, Status};
use crate::machine::Effect;

impl Controller {
    pub(super) fn tell(&self, decided: &[Decided], at: Timestamp) {
        for decision in decided {
            let Some(run) = self.ramps.get(&decision.flag) else {
                continue;
            };
            let event = |what| Event {
                at,
                flag: Some(decision.flag.clone()),
                run: Some(run.state.run()),
                what,
            };
            let (from, to) = (decision.before.exposure(), run.state.exposure());
            if from != to {
                self.settings.tell(event(What::Exposed { from, to }));
            }
            for effect in &decision.effects {
                if let Effect::Tell(notice) = effect {
                    self.settings.tell(event(What::Ramp(notice.clone())));
                }
            }
        }
    }

    pub(in super::super) fn tell_panic(&self, at: Timestamp) {
        let text =
            "the controller has panicked, and staged ramps enrol nobody: restart the process";
        self.settings.tell(Event {
            at,
            flag: None,
            run: None,
            what: What::Trouble(text.to_owned()),
        });
    }

    pub(super) fn tell_status(&mut self, flags: &Flags, now: Timestamp) {
        let status = self.status(flags, now, true);
        let before = self.told.as_ref().map(|(status, _)| status);
        let known = |of: fn(&Status) -> &Vec<String>| before.map_or(&[][..], |before| of(before));
        let (troubles, notes) = (
            known(|status| &status.troubles),
            known(|status| &status.notes),
        );
        let event = |what| {
            self.settings.tell(Event {
                at: now,
                flag: None,
                run: None,
                what,
            });
        };
        let new = |now: &[String], before: &[String]| -> Vec<String> {
            let new = now.iter().filter(|one| !before.contains(one));
            new.cloned().collect()
        };
        let over = [new(troubles, &status.troubles), new(notes, &status.notes)];
        let troubles = new(&status.troubles, troubles);
        let notes = new(&status.notes, notes);
        troubles.into_iter().map(What::Trouble).for_each(event);
        notes.into_iter().map(What::Note).for_each(event);
        over.into_iter()
            .flatten()
            .map(What::TroubleOver)
            .for_each(event);
        let is_due = self.told.as_ref().is_none_or(|(told, at)| {
            let same = Status {
                at: String::new(),
                ..told.clone()
            } == Status {
                at: String::new(),
                ..status.clone()
            };
            !same || (now.as_nanos() - at.as_nanos()).abs() >= status::HEARTBEAT_NANOS
        });
        if is_due {
            // Whoever reads an old one sees how old it is.
            match status.write(self.journal.directory()) {
                Ok(()) => self.notes.remove("status"),
                Err(error) => {
                    let text = format!("tools of other processes see an old status: {error}");
                    self.notes.insert("status".to_owned(), text)
                }
            };
            self.settings.tell_status(&status);
            self.told = Some((status, now));
        }
    }

    pub(in super::super) fn status(&self, flags: &Flags, now: Timestamp, runs: bool) -> Status {
        let snapshot = flags.snapshot();
        let ills = self.ramps.values().filter_map(|run| run.ill.clone());
        let order = snapshot.plans();
        let facts = self.signals.facts();
        Status {
            at: now.to_string(),
            pid: std::process::id(),
            runs,
            store: self.store.name().to_owned(),
            state: self.journal.directory().to_owned(),
            version: snapshot.version().to_owned(),
            overlay: snapshot.overlay().version(),
            troubles: self.troubles.values().cloned().chain(ills).collect(),
            notes: self.notes.values().cloned().collect(),
            probes: self.signals.ill(None),
            ramps: order
                .filter_map(|planned| {
                    let run = self.ramps.get(planned.flag)?;
                    Some(RampStatus::new(
                        planned.flag,
                        &run.rule,
                        &run.ramp,
                        &run.state,
                        &facts,
                        run.written,
                    ))
                })
                .collect(),
        }
    }
}
