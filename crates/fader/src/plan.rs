//! Plans: what staged ramps are to do, as the document says it.
//!
//! A controller reads them from a [`Snapshot`](crate::Snapshot), decides, and says in the overlay how far a ramp has
//! come. Nothing here is evaluated.

use std::sync::Arc;
use std::time::Duration;

use crate::percent::Percent;
use crate::time::Timestamp;

/// The plan of a staged ramp.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// When it begins; without one it waits for an operator.
    pub start: Option<Timestamp>,
    /// The steps, in their order; at least one.
    pub stages: Vec<Stage>,
    /// What the candidate is judged by.
    pub guardrails: Vec<Guardrail>,
    /// The probability, over the whole run, that a healthy candidate is rolled back: above 0, below 1. Default: 0.01.
    pub false_alarm: f64,
    /// How many units each arm must have seen in the run, and how many requests in the stage, before a gate opens. At
    /// 100 %, and in a wave, only the candidate is asked. Default: 200.
    pub min_units: u64,
    /// How many bad units of the candidate it takes at least to call it regressed. Default: 3.
    pub min_bad_units: u32,
    /// Which units count. Default: those that are known for a while.
    pub count: Count,
    /// When exposure may be raised: in any of them. Without any, always.
    pub windows: Vec<Window>,
    /// For how long the candidate gets the traffic of the first stage before anything is counted or judged. Default: not
    /// at all.
    pub warmup: Option<Duration>,
    /// For how long the service mirrors traffic to the candidate before anybody is enrolled. Default: not at all.
    pub shadow: Option<Duration>,
    /// Plans of one group take turns: one of them at a time is exposed to a part of the units.
    pub group: Option<Arc<str>>,
    /// What must hold before it begins, and at each gate.
    pub requires: Vec<Requirement>,
    /// The attribute whose value is the unit.
    pub by: Arc<str>,
    /// A fingerprint of what decides who is enrolled: `salt`, `by`, `if`, `serve` and `start`. Where it changes, a new
    /// run begins.
    pub assignment: u64,
    /// A fingerprint of all else. Where it changes, people have to accept the change.
    pub terms: u64,
}

/// One step of a staged ramp.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stage {
    /// Who is enrolled beside those of the stages before.
    pub to: Reached,
    /// How long it takes at least.
    pub bake: Duration,
    /// Whether it starts only after somebody approved it.
    pub approve: bool,
    /// Whether it can't be taken back: a breach then pauses and calls for a person.
    pub irreversible: bool,
    /// For how long the stable arm must have served nobody before the gate opens. Default: not asked.
    pub idle: Option<Duration>,
}

/// Who a stage enrols.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reached {
    /// So many percent of the units, drawn.
    Percent(Percent),
    /// All of a segment: a wave.
    Segment(Arc<str>),
    /// All whose number is in one of some sets: a wave. Set n holds the numbers from (n − 1)·width + 1 to n·width.
    Sets {
        /// The sets, from 1 on.
        sets: Vec<u64>,
        /// The attribute that holds the number.
        of: Arc<str>,
        /// How many numbers a set has; at least 1.
        width: u64,
    },
}

/// What a candidate is judged by.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Guardrail {
    /// What is measured.
    pub metric: Metric,
    /// What it may be.
    pub limit: Limit,
    /// For how long a gauge must be beyond its limit. Default: one look.
    pub hold: Option<Duration>,
    /// What a breach does. Default: it rolls back.
    pub on_breach: OnBreach,
    /// Whether a gate stays shut until the candidate is shown to be safe. Default: no.
    pub require_safe: bool,
}

/// What a guardrail measures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Server errors, panics and time-outs: `errors`.
    Errors,
    /// Statuses of 4xx: `client_errors`.
    ClientErrors,
    /// A quantile of the latency of successes, in tenths of a percent: 500, 900, 950, 990 or 999. `latency_p50` to
    /// `latency_p999`.
    Latency(u16),
    /// An event that the service reports: `custom:NAME`.
    Custom(Arc<str>),
    /// A number that the service reports: `gauge:NAME`.
    Gauge(Arc<str>),
}

/// What a metric may be.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// At most so many times that of the stable arm; at least 1.
    NoWorseThan(f64),
    /// Of the candidate alone: a rate from 0 to 1, or a gauge's value.
    Below(f64),
    /// Of the candidate alone: a duration, for a latency.
    Faster(Duration),
}

/// What a breach of a guardrail does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnBreach {
    /// It takes the candidate back.
    #[default]
    Rollback,
    /// It stops the ramp where it is.
    Pause,
    /// It tells people.
    Notify,
}

/// Which units count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Count {
    /// Visitors whose cookie is older than ten minutes, and all who are not told apart by a cookie.
    #[default]
    KnownUnits,
    /// All.
    AllUnits,
}

/// Hours of a week in which exposure may be raised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Window {
    /// From Monday to Sunday.
    pub days: [bool; 7],
    /// Minutes since midnight from which it is open, below 1440.
    pub from: u16,
    /// Minutes since midnight until which it is open, above `from`.
    pub to: u16,
    /// The time zone's name in the IANA database; UTC where it is not said.
    pub zone: Arc<str>,
}

/// A time in which no ramp is raised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Freeze {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
    /// Why.
    pub reason: Option<Arc<str>>,
}

/// What must hold before a plan goes on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Requirement {
    /// The plan of another flag is completed.
    Completed(Arc<str>),
    /// A fact that the service reports compares so.
    Fact {
        /// The fact's name, such as `schema.version`.
        name: Arc<str>,
        /// What it must be.
        test: FactTest,
    },
}

/// What a fact must be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FactTest {
    /// Equal to a string, a number or a boolean.
    Is(serde_json::Value),
    /// Above a number.
    Gt(f64),
    /// At least a number.
    Gte(f64),
    /// Below a number.
    Lt(f64),
    /// At most a number.
    Lte(f64),
}

/// A staged ramp of a live document.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PlannedRamp<'a> {
    /// The flag's name.
    pub flag: &'a str,
    /// The flag's number, which it keeps for the life of the handle, see [`DrawnFlag::index`](crate::DrawnFlag::index).
    pub index: u32,
    /// The rule's name or place.
    pub rule: &'a str,
    /// The plan.
    pub plan: &'a Arc<Plan>,
}

impl Plan {
    /// Makes a plan of some stages, by the targeting key, with all else as where it is omitted.
    #[must_use]
    pub fn new(stages: Vec<Stage>) -> Self {
        Self {
            start: None,
            stages,
            guardrails: Vec::new(),
            false_alarm: 0.01,
            min_units: 200,
            min_bad_units: 3,
            count: Count::default(),
            windows: Vec::new(),
            warmup: None,
            shadow: None,
            group: None,
            requires: Vec::new(),
            by: crate::TARGETING_KEY.into(),
            assignment: 0,
            terms: 0,
        }
    }
}

impl Stage {
    /// Makes a stage that enrols some, and takes at least so long.
    #[must_use]
    pub fn new(to: Reached, bake: Duration) -> Self {
        Self {
            to,
            bake,
            approve: false,
            irreversible: false,
            idle: None,
        }
    }
}

impl Guardrail {
    /// Makes a guardrail that rolls back.
    #[must_use]
    pub fn new(metric: Metric, limit: Limit) -> Self {
        Self {
            metric,
            limit,
            hold: None,
            on_breach: OnBreach::default(),
            require_safe: false,
        }
    }
}

impl Window {
    /// Makes a window of some days, Monday first, between two minutes of the day in UTC.
    #[must_use]
    pub fn new(days: [bool; 7], from: u16, to: u16) -> Self {
        Self {
            days,
            from,
            to,
            zone: "UTC".into(),
        }
    }
}

impl Freeze {
    /// Makes a freeze between two instants.
    #[must_use]
    pub fn new(from: Timestamp, until: Timestamp) -> Self {
        Self {
            from,
            until,
            reason: None,
        }
    }
}
