//! Figures of ramps for the recorder of the crate `metrics`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::event::{Event, What};
use super::rollouts::RolloutsBuilder;
use super::status::{RampStatus, Status};
use crate::machine::{Cause, Notice, Phase};

const PERCENT: &str = "fader_percent";
const PHASE: &str = "fader_phase";
const EVIDENCE: &str = "fader_evidence";
const ROLLBACKS: &str = "fader_rollbacks_total";
const TROUBLE: &str = "fader_controller_trouble";

impl RolloutsBuilder {
    /// Tells the recorder of the crate `metrics` how the ramps are doing, whenever that has changed and every five seconds:
    ///
    /// | metric | kind | labels | what |
    /// |---|---|---|---|
    /// | `fader_percent` | gauge | `flag` | the percent that is drawn, 0 to 100 |
    /// | `fader_phase` | gauge | `flag`, `phase` | 1 for the phase that the ramp is in, 0 for those that it was in before |
    /// | `fader_evidence` | gauge | `flag`, `guardrail` | the evidence E that the candidate is worse than it may be: 1 at the start of a run, an alarm from the status' `alarm` on. None for gauges |
    /// | `fader_rollbacks_total` | counter | `flag`, `reason` | roll-backs, by the guardrail as people write it, or `operator`, `killed`, `crash-loop` |
    /// | `fader_controller_trouble` | gauge | | 1 while something keeps the controller from raising any exposure, else 0 |
    ///
    /// Counters begin with the process. A ramp that is gone from the document has its gauges at 0, and so have all at the end
    /// of the controller, which then enrols nobody. Install the recorder before [`start`](Self::start).
    pub fn measure(self) -> Self {
        describe();
        let measures = Arc::new(Mutex::new(Measures::default()));
        self.on_event(count).on_status(move |status| {
            let mut measures = measures.lock().unwrap_or_else(PoisonError::into_inner);
            measures.show(status);
        })
    }
}

/// What is shown of each flag.
#[derive(Default)]
struct Measures {
    shown: BTreeMap<String, Shown>,
}

#[derive(Default)]
struct Shown {
    /// Those that it was in, so that they are set back.
    phases: BTreeSet<&'static str>,
    guardrails: BTreeSet<String>,
}

impl Measures {
    fn show(&mut self, status: &Status) {
        gauge!(TROUBLE).set(f64::from(u8::from(!status.troubles.is_empty())));
        self.shown.retain(|flag, shown| {
            let stays = status.ramp(flag).is_some();
            if !stays {
                shown.clear(flag);
            }
            stays
        });
        for ramp in &status.ramps {
            self.shown.entry(ramp.flag.clone()).or_default().show(ramp);
        }
    }
}

/// The controller has ended, and enrols nobody any more.
impl Drop for Measures {
    fn drop(&mut self) {
        for (flag, shown) in &self.shown {
            shown.clear(flag);
        }
    }
}

impl Shown {
    fn show(&mut self, ramp: &RampStatus) {
        let percent = if ramp.killed {
            0.0
        } else {
            ramp.percent.parse().unwrap_or(0.0)
        };
        gauge!(PERCENT, "flag" => ramp.flag.clone()).set(percent);
        self.phases.insert(ramp.phase.as_str());
        self.show_phase(&ramp.flag, Some(ramp.phase));
        for finding in &ramp.guardrails {
            let Some(evidence) = finding.evidence else {
                continue;
            };
            self.guardrails.insert(finding.name.clone());
            show_evidence(&ramp.flag, &finding.name, evidence);
        }
        let still = |name: &String| ramp.guardrails.iter().any(|finding| finding.name == *name);
        self.guardrails.retain(|name| {
            let stays = still(name);
            if !stays {
                show_evidence(&ramp.flag, name, 0.0);
            }
            stays
        });
    }

    fn show_phase(&self, flag: &str, phase: Option<Phase>) {
        for shown in &self.phases {
            let is_in = phase.is_some_and(|phase| phase.as_str() == *shown);
            let value = f64::from(u8::from(is_in));
            gauge!(PHASE, "flag" => flag.to_owned(), "phase" => *shown).set(value);
        }
    }

    fn clear(&self, flag: &str) {
        gauge!(PERCENT, "flag" => flag.to_owned()).set(0.0);
        self.show_phase(flag, None);
        for guardrail in &self.guardrails {
            show_evidence(flag, guardrail, 0.0);
        }
    }
}

fn show_evidence(flag: &str, guardrail: &str, evidence: f64) {
    let (flag, guardrail) = (flag.to_owned(), guardrail.to_owned());
    gauge!(EVIDENCE, "flag" => flag, "guardrail" => guardrail).set(evidence);
}

fn count(event: &Event) {
    let (Some(flag), What::Ramp(Notice::RolledBack(evidence))) = (&event.flag, &event.what) else {
        return;
    };
    let reason = match &evidence.cause {
        Cause::Guardrail(finding) => finding.name.clone(),
        Cause::Operator { .. } => "operator".to_owned(),
        Cause::Killed { .. } => "killed".to_owned(),
        Cause::CrashLoop { .. } => "crash-loop".to_owned(),
    };
    counter!(ROLLBACKS, "flag" => flag.clone(), "reason" => reason).increment(1);
}

fn describe() {
    describe_gauge!(PERCENT, "the percent that a staged ramp draws");
    describe_gauge!(PHASE, "1 for the phase that a staged ramp is in");
    describe_gauge!(
        EVIDENCE,
        "the evidence E that the candidate is worse than a guardrail allows"
    );
    describe_counter!(ROLLBACKS, "staged ramps that were rolled back, by reason");
    describe_gauge!(
        TROUBLE,
        "1 while something keeps the controller from raising any exposure"
    );
}
