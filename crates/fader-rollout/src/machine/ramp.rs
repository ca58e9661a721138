//! A plan, ready to be run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fader::Timestamp;
use fader::plan::{Freeze, Metric, Plan, Reached, Stage};

use super::exposure::Exposure;
use super::windows::Windows;
use crate::guardrail::InvalidSetting;
use crate::judge::{BudgetPart, Judge, finding, planned};

/// For how long a plan stands still at 0 % after an unclean end or a stall, if not set: 60 seconds.
pub const DEFAULT_RESTART_HOLD: Duration = Duration::from_secs(60);

/// How many unclean ends or stalls in one stage roll back, if not set: 2.
pub const DEFAULT_MAX_CRASHES: u32 = 2;

/// A plan with all that is to be known of it before it runs.
///
/// It is made anew when the document changes; what has happened is in the [`State`](super::State).
#[derive(Clone, Debug)]
#[must_use]
pub struct Ramp {
    plan: Arc<Plan>,
    freezes: Vec<Freeze>,
    windows: Windows,
    /// By stage: whom it exposes with those before it, and whether there is a way back.
    reached: Vec<(Exposure, bool)>,
    fresh: Judge,
    judged: String,
    restart_hold: Duration,
    max_crashes: u32,
}

impl Ramp {
    /// Makes a plan ready, with the freezes of its document and the part of the budget that its judge may spend.
    ///
    /// # Errors
    ///
    /// A window whose time zone is not known; and what a checked document does not have: no stage, or a guardrail's
    /// setting out of its range.
    pub fn new(plan: Arc<Plan>, freezes: &[Freeze], part: BudgetPart) -> Result<Self, InvalidRamp> {
        if plan.stages.is_empty() {
            return Err(InvalidRamp(Invalid::NoStage));
        }
        let fresh = Judge::new(&plan, planned(&plan), part);
        Ok(Self {
            freezes: freezes.to_vec(),
            windows: Windows::new(&plan.windows)?,
            reached: reached(&plan.stages),
            fresh: fresh.map_err(|error| InvalidRamp(Invalid::Setting(error)))?,
            judged: judged(&plan, part),
            restart_hold: DEFAULT_RESTART_HOLD,
            max_crashes: DEFAULT_MAX_CRASHES,
            plan,
        })
    }

    /// Sets for how long the plan stands still at 0 % after an unclean end or a stall. Default: 60 seconds.
    pub fn restart_hold(mut self, hold: Duration) -> Self {
        self.restart_hold = hold;
        self
    }

    /// Sets how many unclean ends or stalls in one stage roll back, 0 counting as 1. Default: 2.
    pub fn max_crashes(mut self, crashes: u32) -> Self {
        self.max_crashes = crashes.max(1);
        self
    }

    /// Returns the plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Tells whether it was made with these freezes.
    #[must_use]
    pub fn has_freezes(&self, freezes: &[Freeze]) -> bool {
        *self.freezes == *freezes
    }

    /// Returns when exposure may be raised.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Returns the freeze that an instant lies in, if one does: of several the one that ends last.
    #[must_use]
    pub fn freeze(&self, now: Timestamp) -> Option<&Freeze> {
        let freezes = self.freezes.iter();
        let begun = freezes.filter(|freeze| freeze.from <= now && now < freeze.until);
        begun.max_by_key(|freeze| freeze.until)
    }

    /// Returns whom a stage exposes together with those before it, counted from 0.
    #[must_use]
    pub fn reach(&self, stage: usize) -> Exposure {
        self.reached
            .get(stage)
            .map_or(Exposure::NOBODY, |reached| reached.0)
    }

    /// Tells whether a stage, counted from 0, or one before it can't be taken back.
    #[must_use]
    pub fn is_irreversible(&self, stage: usize) -> bool {
        self.reached.get(stage).is_some_and(|reached| reached.1)
    }

    pub(super) fn stage(&self, stage: usize) -> Option<&Stage> {
        self.plan.stages.get(stage)
    }

    pub(super) fn last(&self) -> usize {
        self.plan.stages.len().saturating_sub(1)
    }

    pub(super) fn fresh(&self) -> &Judge {
        &self.fresh
    }

    pub(super) fn judged(&self) -> &str {
        &self.judged
    }

    pub(super) fn hold_after_crash(&self) -> Duration {
        self.restart_hold
    }

    pub(super) fn crashes(&self) -> u32 {
        self.max_crashes
    }

    pub(super) fn has_latency(&self) -> bool {
        let mut guardrails = self.plan.guardrails.iter();
        guardrails.any(|guardrail| matches!(guardrail.metric, Metric::Latency(_)))
    }
}

/// Adds up the stages: a wave opens beside what is drawn, and a percent that falls takes nobody back.
fn reached(stages: &[Stage]) -> Vec<(Exposure, bool)> {
    let (mut exposure, mut irreversible) = (Exposure::NOBODY, false);
    let add = |stage: &Stage| {
        match &stage.to {
            Reached::Percent(percent) => exposure.percent = exposure.percent.max(*percent),
            _ => exposure.waves = exposure.waves.saturating_add(1),
        }
        irreversible |= stage.irreversible;
        (exposure, irreversible)
    };
    stages.iter().map(add).collect()
}

/// Says all that a judge is made from. Where it changes, what was counted can't be told from what is to be counted.
fn judged(plan: &Plan, part: BudgetPart) -> String {
    let guardrails = plan.guardrails.iter().map(|guardrail| {
        let hold = guardrail.hold.unwrap_or_default().as_millis();
        format!("{} for {hold}ms, ", finding::name(guardrail))
    });
    let guardrails: String = guardrails.collect();
    let (alarm, bad, count) = (plan.false_alarm, plan.min_bad_units, plan.count);
    format!("{guardrails}false_alarm {alarm} of {part:?}, min_bad_units {bad}, {count:?}")
}

/// Says why a plan can't be run.
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidRamp(Invalid);

#[derive(Clone, Debug, PartialEq)]
enum Invalid {
    NoStage,
    Setting(InvalidSetting),
    Zone {
        window: usize,
        zone: String,
        nearest: Option<String>,
    },
}

impl InvalidRamp {
    pub(super) fn zone(window: usize, zone: &str, nearest: Option<String>) -> Self {
        Self(Invalid::Zone {
            window,
            zone: zone.to_owned(),
            nearest,
        })
    }

    /// Returns the place of the window whose time zone is not known.
    #[must_use]
    pub fn window(&self) -> Option<usize> {
        match self.0 {
            Invalid::Zone { window, .. } => Some(window),
            Invalid::NoStage | Invalid::Setting(_) => None,
        }
    }
}

impl fmt::Display for InvalidRamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Invalid::NoStage => f.write_str("a plan has at least one stage"),
            Invalid::Setting(setting) => setting.fmt(f),
            Invalid::Zone {
                window,
                zone,
                nearest,
            } => {
                write!(f, "`windows[{window}].zone`: unknown time zone `{zone}`")?;
                match nearest {
                    Some(name) => write!(f, "; help: did you mean `{name}`?"),
                    None => f.write_str(
                        "; help: give a name of the IANA database, such as `Europe/Amsterdam`",
                    ),
                }
            }
        }
    }
}

impl std::error::Error for InvalidRamp {}
