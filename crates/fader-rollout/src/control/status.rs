//! What a controller says of itself and of its ramps: for people, and for tools of other processes.
//!
//! It stands in `status.json` of the state directory, which is replaced as a whole each second in which it has changed
//! and every five seconds otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fader::plan::{FactTest, Metric, Plan, Requirement};
use fader::{Json, Percent};
use serde::{Deserialize, Serialize};

use crate::judge::{Finding, Totals};
use crate::machine::{Approval, Evidence, Frozen, Held, Paused, Phase, Ramp, State, Wait};

/// How long it stays as it is, in nanoseconds, where nothing changes.
pub(super) const HEARTBEAT_NANOS: i128 = 5_000_000_000;

/// The file's name in the state directory.
pub(super) const FILE: &str = "status.json";

/// What a controller says of itself and of its ramps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// When it said so, as RFC 3339.
    pub at: String,
    /// The process.
    pub pid: u32,
    /// Whether the controller runs. False once it has ended in order; one that died says true, and has an old `at`.
    pub runs: bool,
    /// Where the overlay is kept.
    pub store: String,
    /// The directory with its journal and its audit log.
    pub state: PathBuf,
    /// The document's version.
    pub version: String,
    /// The overlay's version.
    pub overlay: u64,
    /// What keeps it from raising any exposure, in words; empty where all is well.
    pub troubles: Vec<String>,
    /// What else people should know, in words: it keeps nothing from being raised.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The probes that are not green, in words.
    pub probes: Vec<String>,
    /// Its ramps, in the document's order.
    pub ramps: Vec<RampStatus>,
}

/// What there is to say of one ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RampStatus {
    /// The flag.
    pub flag: String,
    /// The rule's name or place.
    pub rule: String,
    /// The number of the run.
    pub run: u64,
    /// Its phase.
    pub phase: Phase,
    /// The stage that it is in, from 1 on.
    pub stage: Option<usize>,
    /// How many stages the plan has.
    pub stages: usize,
    /// How much is drawn, in percent.
    pub percent: String,
    /// How many waves are open.
    pub waves: u32,
    /// Whether the flag is killed.
    pub killed: bool,
    /// Whether the overlay says so too: false while that can't be written.
    pub written: bool,
    /// How long ago the first stage began, in seconds.
    pub elapsed: f64,
    /// How long the stage has baked, in seconds.
    pub baked: f64,
    /// How long it bakes, in seconds.
    pub bake: Option<f64>,
    /// Who has paused it.
    pub paused: Option<Paused>,
    /// Why it has stopped itself.
    pub held: Option<Held>,
    /// The freeze that it is in.
    pub frozen: Option<Frozen>,
    /// All that keeps it from its next step.
    pub waits: Vec<Wait>,
    /// The same in words, which name guardrails, flags and facts.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// For how much longer it is held after an unclean end or a stall, in seconds.
    #[serde(default)]
    pub restart: Option<f64>,
    /// The approvals that were given.
    pub approvals: Vec<Approval>,
    /// What its guardrails say.
    pub guardrails: Vec<Finding>,
    /// From which E on each of them has an alarm: how many times 1 the evidence has to be.
    pub alarm: f64,
    /// Requests of the stage, by arm.
    pub requests: Totals,
    /// Units of the run, by arm.
    pub units: Totals,
    /// Why it was rolled back.
    pub evidence: Option<Evidence>,
}

impl RampStatus {
    pub(super) fn new(
        flag: &str,
        rule: &str,
        ramp: &Ramp,
        state: &State,
        facts: &BTreeMap<String, Json>,
        written: bool,
    ) -> Self {
        let plan = ramp.plan();
        let exposure = state.exposure();
        let stage = state
            .stage()
            .and_then(|stage| plan.stages.get(stage.checked_sub(1)?));
        let guardrails: Vec<Finding> = state.findings(plan).collect();
        Self {
            flag: flag.to_owned(),
            rule: rule.to_owned(),
            run: state.run(),
            phase: state.phase(),
            stage: state.stage(),
            stages: plan.stages.len(),
            percent: exposure.percent.to_string(),
            waves: exposure.waves,
            killed: exposure.killed,
            written,
            elapsed: state.elapsed().as_secs_f64(),
            baked: state.baked().as_secs_f64(),
            bake: stage.map(|stage| stage.bake.as_secs_f64()),
            paused: state.paused().cloned(),
            held: state.held(),
            frozen: state.frozen().cloned(),
            waits: state.waits().to_vec(),
            waits_for: waits_for(state.waits(), plan, &guardrails, facts),
            restart: state.restart().map(|left| left.as_secs_f64()),
            approvals: state.approvals().to_vec(),
            guardrails,
            alarm: alarm(plan),
            requests: state.requests(),
            units: state.units(),
            evidence: state.evidence().cloned(),
        }
    }

    /// Returns how much is drawn.
    #[must_use]
    pub fn share(&self) -> Percent {
        self.percent.parse().unwrap_or(Percent::ZERO)
    }

    /// Returns how much longer the stage bakes.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let left = (self.bake? - self.baked).max(0.0);
        Duration::try_from_secs_f64(left).ok()
    }
}

/// Says what a ramp waits for.
fn waits_for(
    waits: &[Wait],
    plan: &Plan,
    guardrails: &[Finding],
    facts: &BTreeMap<String, Json>,
) -> Vec<String> {
    let named = |wait: &Wait| match *wait {
        Wait::Guardrail { guardrail, verdict } => {
            let name = &guardrails.get(guardrail)?.name;
            Some(format!("{name} ({verdict})"))
        }
        Wait::Requirement { requirement } => match plan.requires.get(requirement)? {
            Requirement::Completed(flag) => Some(format!("the ramp of {flag} to be completed")),
            Requirement::Fact { name, test } => {
                let is = match facts.get(&**name) {
                    Some(fact) => format!("it is {fact}"),
                    None => "nobody has set it".to_owned(),
                };
                Some(format!("the fact {name} to be {} ({is})", wanted(test)))
            }
            _ => None,
        },
        _ => None,
    };
    let words = |wait| named(wait).unwrap_or_else(|| wait.to_string());
    waits.iter().map(words).collect()
}

fn wanted(test: &FactTest) -> String {
    match test {
        FactTest::Is(value) => value.to_string(),
        FactTest::Gt(limit) => format!("above {limit}"),
        FactTest::Gte(limit) => format!("at least {limit}"),
        FactTest::Lt(limit) => format!("below {limit}"),
        FactTest::Lte(limit) => format!("at most {limit}"),
        _ => "another one".to_owned(),
    }
}

/// From which E on a guardrail alarms. Gauges are no tests, and take no part of `false_alarm`.
fn alarm(plan: &Plan) -> f64 {
    let tests = plan.guardrails.iter();
    let tests = tests.filter(|guardrail| !matches!(guardrail.metric, Metric::Gauge(_)));
    f64::from(u32::try_from(tests.count()).unwrap_or(u32::MAX)) / plan.false_alarm
}

impl Status {
    /// Writes it for those of other processes.
    pub(super) fn write(&self, directory: &Path) -> std::io::Result<()> {
        let (path, fresh) = (directory.join(FILE), directory.join("status.json.new"));
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        std::fs::write(&fresh, text)?;
        std::fs::rename(&fresh, &path)
    }

    /// Reads what the controller of a state directory has said last.
    ///
    /// # Errors
    ///
    /// There is none, or it can't be read.
    pub fn read(state: &Path) -> std::io::Result<Self> {
        let bytes = std::fs::read(state.join(FILE))?;
        serde_json::from_slice(&bytes).map_err(std::io::Error::from)
    }

    /// Returns a flag's ramp.
    #[must_use]
    pub fn ramp(&self, flag: &str) -> Option<&RampStatus> {
        self.ramps.iter().find(|ramp| ramp.flag == flag)
    }
}
